/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy that judges beside the one in force ("shadow" and "unshadow" of ctl/link.h), for either
 * door. */
#pragma once

#include "door/loader.h"

struct shadow;
struct trial_load;

struct trial {
	struct loader *loader;
	/* All threads judge by it, too, from now on (it is borrowed); NULL: no longer. */
	void (*use)(struct link *l, struct shadow *shadow);
	struct shadow *shadow;   /* NULL: none */
	struct trial_load *load; /* it compiles */
	json_int_t id;
	uv_timer_t timer;
};

/* loader is borrowed. 0 or a negative code. */
int trial_init(
	struct trial *t, struct loader *loader, void (*use)(struct link *l, struct shadow *shadow));
/* Once no thread judges. */
void trial_close(struct trial *t);
/* False: such a message is not about trials. */
bool trial_on_message(struct trial *t, const char *name, json_t *msg);
