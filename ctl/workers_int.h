/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the daemon's side of ctl/link.h, shared by workers.c (life, policy, lists) and
 * workers_ask.c (calls, questions). */
#pragma once

#include "ctl/listeners.h"
#include "ctl/workers.h"

struct worker;

enum call_kind { CALL_POLICY, CALL_LIST, CALL_LIMITS, CALL_SESSIONS, CALL_HITS, CALL_OBSERVED,
	CALL_DELIVER };

/* Something asked of the worker. */
struct call {
	struct call *next;
	struct workers *workers;
	enum call_kind kind;
	json_int_t seq; /* of a policy: its generation */
	uv_timer_t timer;
	bool ended;
	int code;
	char text[1024];
	json_t *rows;
	workers_done done;
	void (*done_rows)(void *arg, json_t *rows);
	void *arg;
};

struct workers {
	uv_loop_t *loop;
	struct workers_spec spec;
	struct worker *proxy;
	struct listeners listeners;
	struct call *calls;
	json_int_t seq;
	json_int_t awaited; /* generation that the worker is compiling; 0: none */
	json_t *held;       /* list messages until then */
	bool started, stopping, refused;
	char refusal[1024];
	void (*stopped)(void *arg);
	void *stopped_arg;
};

/* A call that ends after ms at the latest; NULL when out of memory. */
struct call *call_new(struct workers *w, enum call_kind kind, json_int_t seq, uint64_t ms);
/* Its answer is told from the loop, once. */
void call_end(struct call *call, int code, const char *text);
/* One that waits; NULL if there is none (any more). */
struct call *call_find(const struct workers *w, enum call_kind kind, json_int_t seq);
/* None is answered any more; memory goes when the loop has run once more. */
void calls_close(struct workers *w);
/* Takes msg (NULL: false). */
bool workers_say(struct workers *w, json_t *msg, int fd);
/* Is there a child that hears? */
bool workers_up(const struct workers *w);
/* Answers; 0 or ERR_PROTO. */
int workers_hear_sessions(struct workers *w, json_t *msg);
int workers_hear_quarantine(struct workers *w, json_t *msg);
int workers_hear_deliver(struct workers *w, json_t *msg);
int workers_hear_hits(struct workers *w, json_t *msg);
int workers_hear_trace(struct workers *w, json_t *msg);
int workers_hear_shadow(struct workers *w, json_t *msg);
int workers_hear_observed(struct workers *w, json_t *msg);
