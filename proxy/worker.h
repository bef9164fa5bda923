/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread, one loop, its sessions and listeners. Others reach it only through orders. */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <uv.h>
#include "door/follow.h"
#include "door/gather.h"
#include "proxy/gear.h"
#include "rules/rules.h"

struct crowd;
struct dane_ask;
struct lookup;
struct session;
struct shadow;
struct listener;
struct order;
struct hub;

enum { WORKER_SCRATCH = 65536, WORKER_THREADS_MAX = 64 };

struct worker {
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t tick;
	uv_idle_t again;
	unsigned index, ticks;
	struct hub *hub;
	struct gear *gear; /* the policy in force for this thread */
	struct judge *judge;
	struct session *sessions, *runnable;
	struct listener *listeners;
	struct follows follows;
	struct shadow *shadow; /* a policy that judges, too; NULL: none */
	struct judge *shadow_judge;
	unsigned crowd; /* most sessions since memory was given back */
	bool retiring;  /* no new sessions */
	bool empty;     /* ... and none left: told */
	bool stopping;
	uint64_t stop_ms; /* when what is left is cut off */
	uv_thread_t thread;
	pthread_mutex_t lock; /* over the orders */
	struct order *orders, **orders_last;
	struct lookup *answers; /* of DNS, under the lock, too */
	struct dane_ask *asks;  /* domains being asked about */
	char scratch[WORKER_SCRATCH]; /* bytes just read; nobody keeps a pointer */
};

/* Makes a worker and its thread, holding a reference of gear. 0 or a negative code. */
int worker_new(struct hub *hub, unsigned index, struct gear *gear, struct worker **out);
/* Orders, from any thread. Each takes what it is given; out of memory is -ENOMEM and the order is
 * void. */
int worker_listen(struct worker *w, int fd, const char *service, uint16_t port);
int worker_unlisten(struct worker *w, const char *service, uint16_t port);
int worker_swap(struct worker *w, struct gear *gear);
int worker_kill(struct worker *w, const struct named_peer *who);
/* Takes p's hold: if that session is still there and has not logged in, it ends. From any thread. */
struct preauth;
int worker_push_out(struct worker *w, struct preauth *p);
/* The rows come back through hub_rows with seq; with a crowd (borrowed) they are added up there
 * first, and only the word that it is done comes back. */
int worker_list_sessions(struct worker *w, json_int_t seq, struct crowd *crowd);
/* A copy of it is followed until its time is over or worker_unfollow. */
int worker_follow(struct worker *w, const struct follow *follow);
int worker_unfollow(struct worker *w, json_int_t id);
/* Has it judge every stanza, too; NULL: no longer. */
int worker_shadow(struct worker *w, struct shadow *shadow);
struct delivery;
/* It looks for a session that fits d's step and says through hub_delivery whether it delivered; d
 * is its to read until then. */
int worker_deliver(struct worker *w, const struct delivery *d);
/* An answer of leaves.h is there for somebody on this thread. */
int worker_leaves(struct worker *w);
struct crossing_letter;
/* Takes the letter when it gives 0. */
int worker_cross(struct worker *w, struct crossing_letter *letter);
/* Takes no new sessions; tells through hub_empty when the last one is gone. */
int worker_retire(struct worker *w);
/* Says system-shutdown to all and ends when they are gone, at most after a few seconds. */
int worker_stop(struct worker *w);
/* After worker_stop: waits for the thread and frees. */
void worker_join(struct worker *w);

/* For sessions on this thread: run again after the other handles had their turn. */
void worker_queue(struct worker *w, struct session *s);
