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
	void (*use)(void *arg, struct shadow *shadow);
	void *arg;
	struct shadow *shadow;   /* NULL: none */
	struct trial_load *load; /* it compiles */
	json_int_t id;
	uv_timer_t timer;
};

/* loader is borrowed. 0 or a negative code. */
int trial_init(struct trial *t, struct loader *loader,
	void (*use)(void *arg, struct shadow *shadow), void *arg);
/* Once no thread judges. */
void trial_close(struct trial *t);
void trial_on_shadow(struct trial *t, json_t *msg, int fd); /* takes fd */
void trial_on_unshadow(struct trial *t, json_t *msg);
