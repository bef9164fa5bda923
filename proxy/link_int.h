/* SPDX-License-Identifier: BSD-2-Clause */
/* The main thread's state, shared by link.c (life), link_policy.c, link_orders.c (lists, kill,
 * rows) and the other link_*.c. */
#pragma once

#include <jansson.h>
#include <uv.h>
#include "ctl/link.h"
#include "door/gather.h"
#include "door/json.h"
#include "door/loader.h"
#include "door/trial.h"
#include "proxy/worker.h"

struct delivery;
struct health;
struct waiting;

struct link {
	uv_loop_t loop;
	struct loader loader;
	struct channel *channel;
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
	unsigned empty;     /* retired workers without a session */
	bool started, retiring, stopping;
	int status;
};

/* Takes message (may be NULL when out of memory). */
void link_send(struct link *l, json_t *message);
/* The same with the link as arg. */
void link_answer(void *arg, json_t *message);
/* What a daemon never sends: the process ends. */
void link_nonsense(struct link *l, const char *what);
void link_stop(struct link *l, int status);

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
