/* SPDX-License-Identifier: BSD-2-Clause */
/* The main thread's state, shared by link.c (life, listeners), link_orders.c (kill, rows), the
 * other link_*.c and keep.c. */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "door/gather.h"
#include "door/json.h"
#include "door/known.h"
#include "door/line.h"
#include "door/loader.h"
#include "door/trial.h"
#include "proxy/worker.h"

struct delivery;
struct health;
struct waiting;

struct link {
	uv_loop_t loop;
	struct loader loader;
	struct line line;
	struct metrics *metrics;
	struct hub *hub;
	struct gear *gear;
	struct health *health;
	struct worker *workers[WORKER_THREADS_MAX];
	unsigned n_workers, gone;
	struct waiting *waiting;
	struct gather *gathers;
	struct delivery *deliveries;
	struct trial trial;
	uv_timer_t count, retire;
	json_int_t counted; /* sessions, as last told */
	struct known_teller known;
	unsigned empty;     /* retired workers without a session */
	bool started, retiring;
};

/* Messages. */
void link_on_kill(struct link *l, json_t *msg);
void link_on_sessions(struct link *l, json_t *msg);
void link_on_backends(struct link *l, json_t *msg);
void link_on_addresses(struct link *l, json_t *msg);
/* link_backends.c: checks of servers; of the gear in force; no more; memory. */
int link_backends_init(struct link *l);
void link_backends_use(struct link *l);
void link_backends_end(struct link *l);
void link_backends_fini(struct link *l);
void link_on_retire(struct link *l, json_t *msg);
/* A retired worker has no session any more. */
void link_take_empty(struct link *l);
int link_retire_init(struct link *l);
void link_retire_fini(struct link *l);
void link_on_trace(struct link *l, json_t *msg);
void link_on_untrace(struct link *l, json_t *msg);
/* A worker's rows have come. */
void link_take_rows(struct link *l, json_int_t seq, json_t *rows);
