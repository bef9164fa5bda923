/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread, one queue of the kernel, its gate. Others reach it only through orders. */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <uv.h>
#include "base/metrics.h"
#include "door/follow.h"
#include "door/gather.h"
#include "nfq-filter/gate.h"
#include "nfq-filter/queue.h"
#include "nfq-filter/tap.h"

struct order;
struct shadow;

enum { WORKER_QUEUES_MAX = 16 };

/* What all threads of the process have in common; outlives them. */
struct workshop {
	struct hub *hub;
	struct mdns *mdns;
	struct bosh_table *bosh;
	struct resumed *resumed;
	struct metrics *metrics;
	unsigned n;      /* threads */
	uint64_t serial; /* sessions are numbered behind it */
	metric *counts[COUNT_MAX], *verdicts[VERDICT_KINDS], *stanza_in, *stanza_out;
	metric *active, *own; /* sessions: of all children, of this one */
	metric *held, *flows, *memory, *lost, *overrun, *refused;
};

struct worker {
	struct workshop *shop;
	unsigned index;
	uv_loop_t loop;
	uv_poll_t poll;
	uv_timer_t tick, soon; /* soon: while something waits */
	uv_async_t wake;
	uv_idle_t again;
	struct queue *queue;
	struct gate *gate;
	struct policy *policy;
	struct judge *judge;
	struct shadow *shadow; /* a policy that judges, too; NULL: none */
	struct judge *shadow_judge;
	struct counts counts, told;
	struct gate_load load; /* as last told */
	struct queue_numbers numbers;
	uint64_t alarmed_ms;
	struct follows follows;
	struct taps taps;
	unsigned who; /* follow the stanza that is being judged */
	uint32_t mark_pass, mark_kill;
	unsigned sessions, ticks;
	bool stopping;
	uv_thread_t thread;
	pthread_mutex_t lock; /* over the orders */
	struct order *orders, **orders_last;
};

/* The counters' names in the shared page. slot: of this child's gauge. */
void workshop_count(struct workshop *s, struct metrics *m, unsigned slot);
/* Makes a worker and its thread on an open queue, which becomes its own; takes a reference of the
 * policy. 0 or a negative code. */
int worker_new(struct workshop *shop, unsigned index, struct queue *queue, struct policy *policy,
	struct worker **out);
/* Orders, from any thread: -ENOMEM means that nothing happens. */
int worker_swap(struct worker *w, struct policy *policy);
int worker_kill(struct worker *w, const struct named_peer *who);
/* The rows come back through hub_rows with seq; with a crowd (borrowed) they are added up there first, and
 * only the word that it is done comes back. */
int worker_list_sessions(struct worker *w, json_int_t seq, struct crowd *crowd);
int worker_follow(struct worker *w, const struct follow *follow);
int worker_tap(struct worker *w, const struct tap *tap);
/* A tap, too. */
int worker_unfollow(struct worker *w, json_int_t id);
/* Has it judge every stanza, too; NULL: no longer. */
int worker_shadow(struct worker *w, struct shadow *shadow);
/* Ends its loop; what is held is dropped. Tells through hub_gone. */
int worker_stop(struct worker *w);
/* After worker_stop: waits for the thread and frees. */
void worker_join(struct worker *w);
