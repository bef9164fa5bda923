/* SPDX-License-Identifier: BSD-2-Clause */
/* Who keeps a door busy: its sessions by address, and the busiest of both, for "top". */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "rules/rules.h"

enum { CROWD_ROWS_MAX = 1000, CROWD_MATCH_MAX = 128, CROWD_JID_MAX = 256 };

/* How fast a counter grows, known to whoever looks at it now and then; all zero at first. */
struct pace {
	uint64_t ms, count; /* when it was looked at, and what it said */
	double rate;        /* per second, between the last two looks */
};
/* The rate now. Looks that follow each other within half a second see the same; the first one sees
 * the average since began_ms. */
double pace_look(struct pace *p, uint64_t began_ms, uint64_t now_ms, uint64_t count);

/* A session as its door tells it; everything is borrowed. */
struct crowd_member {
	const void *session;
	const struct peer_address *address;
	const char *jid; /* NULL: none yet */
	bool online;     /* authenticated, or as good as */
	uint64_t in, out, dropped, rejected, age_ms;
	double rate; /* stanzas a second, both ways */
};

struct crowd;

/* "top" of the daemon's question (ctl/link.h); shared by the threads that answer it. NULL when out
 * of memory. */
struct crowd *crowd_new(json_t *ask);
struct crowd *crowd_ref(struct crowd *c);
void crowd_unref(struct crowd *c);
/* An empty one of the same question, for one thread alone. NULL when out of memory. */
struct crowd *crowd_sheet(const struct crowd *c);
void crowd_add(struct crowd *sheet, const struct crowd_member *m);
/* Adds up; row makes the row of "sessions" (ctl/link.h) of those that are among the busiest. Takes
 * sheet. */
void crowd_merge(struct crowd *into, struct crowd *sheet,
	json_t *(*row)(void *arg, const void *session), void *arg);
/* The answer's rows once all have added theirs; a new reference. */
json_t *crowd_rows(struct crowd *c);
