/* SPDX-License-Identifier: BSD-2-Clause */
/* The time bans are reckoned in: milliseconds that nobody who sets the wall clock can move. */
#pragma once

#include <stddef.h>
#include "ctl/ledger.h"

struct booktime {
	int64_t ahead_ms;          /* of the boot clock */
	struct ledger_clock noted; /* the last reading */
	int64_t slept_ms;          /* boot clock less monotonic, at that reading */
	int64_t stepped_ms;        /* how far the wall clock was set when the last step was found */
};

/* Sets it going from the last reading; NULL: there is none, and it starts as the wall clock. boot
 * names this boot (booktime_boot_id); "" means another one than the last. */
void booktime_start(struct booktime *t, const char *boot, const struct ledger_clock *last);
/* The kernel's name for this boot; "" when it tells none. */
void booktime_boot_id(char *id, size_t size);
int64_t booktime_now(const struct booktime *t);
/* A moment of book time as the wall clock calls it now; 0 ("never") stays 0. */
int64_t booktime_wall(const struct booktime *t, int64_t book_ms);

enum booktime_news {
	BOOKTIME_SAME,    /* a new reading would say what the last one says */
	BOOKTIME_DUE,     /* a minute has passed */
	BOOKTIME_STEPPED, /* the wall clock was set, or the host slept: times that count down or are
			     written as wall time are due to be looked at */
};
/* Reads the clocks. What is news takes the place of the last reading: write t->noted down then. */
enum booktime_news booktime_look(struct booktime *t);
