/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the daemon's side of ctl/link.h, shared by workers.c (policy, lists), children.c
 * (who serves, who retires), workers_inspect.c (who inspects), workers_ask.c (calls, questions),
 * workers_keep.c and workers_hold.c. */
#pragma once

#include "ctl/listeners.h"
#include "ctl/workers.h"

struct worker;

enum { CHILDREN_MAX = 16 };

enum child_role {
	CHILD_SERVING,  /* there is always one, though it may be down */
	CHILD_COMING,   /* is to serve once it is ready */
	CHILD_RETIRING, /* keeps the sessions it has */
	CHILD_INSPECTING, /* reads the kernel's queues: xmppwall-nfq, the others are xmppwall-proxy */
	CHILD_LEAVING,    /* it did */
};

/* One child and what it said of itself. */
struct child {
	struct child *next;
	struct workers *workers;
	struct worker *worker;
	enum child_role role;
	unsigned bit;        /* its own in calls' masks */
	json_int_t sessions; /* as last told */
	char version[64];
	json_int_t life; /* its name among all lives of children; 0: it has asked for no leaf */
	bool refused; /* the last policy */
	char refusal[1024];
};

enum call_kind {
	CALL_POLICY,
	CALL_LIST,
	CALL_LIMITS,
	CALL_SESSIONS,
	CALL_HITS,
	CALL_OBSERVED,
	CALL_DELIVER,
	CALL_BACKENDS,
	CALL_USING
};

/* Something asked of the children. */
struct call {
	struct call *next;
	struct workers *workers;
	enum call_kind kind;
	json_int_t seq; /* of a policy: its generation */
	uv_timer_t timer;
	bool ended;
	unsigned asked; /* children that have not answered, by their bits */
	unsigned tried; /* CALL_DELIVER: those that had it, one after the other */
	json_t *msg;    /* CALL_DELIVER */
	size_t max;     /* CALL_HITS */
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
	struct child *children, *serving; /* serving is one of them */
	struct child *inspecting;         /* NULL: none is needed, or one is leaving */
	unsigned queue, queues;           /* its first, how many */
	unsigned bits;                    /* in use */
	unsigned born;                    /* children there ever were */
	struct listeners listeners;
	struct call *calls;
	json_int_t seq, lives;
	struct resolver *resolver; /* NULL: nothing was ever looked up */
	json_t *down; /* lines on servers of backends that are down; NULL: nothing was said */
	bool started, stopping;
	void (*stopped)(void *arg);
	void *stopped_arg;
	uint64_t drain_ms;     /* of the upgrade under way */
	workers_done upgraded; /* NULL: none is */
	void *upgraded_arg;
};

/* ---- children.c ---- */

/* A child that is not started yet; NULL when out of memory or when there are too many. */
struct child *child_new(struct workers *w, enum child_role role);
/* Which of CHILDREN_MAX it is: its gauges in the shared page have that number. */
unsigned child_slot(const struct child *c);
/* The one it had in the program before. False when another has it.
 * CHILDREN_MAX: none yet. */
bool child_set_slot(struct child *c, unsigned slot);
/* It is down for good. */
void child_free(struct child *c);
/* Does it hear? */
bool child_up(const struct child *c);
bool child_ready(const struct child *c);
/* It said so. */
int child_hear_ready(struct child *c, json_t *msg);
int child_hear_count(struct child *c, json_t *msg);
int child_hear_retired(struct child *c, json_t *msg);
/* Its end, from workers.c: true when it was one of several and is freed. */
bool child_down(struct child *c);
/* ---- workers_inspect.c ---- */

/* What the one that inspects has, as this policy says. */
void inspecting_note_queues(struct workers *w, const struct policy *p);
void inspecting_attention(const struct workers *w, json_t *lines);
/* ---- workers.c ---- */

/* What worker.c calls for a child. */
void workers_child_up(void *child, struct worker *worker);
int workers_child_message(void *child, struct worker *worker, json_t *msg);
void workers_child_down(void *child, struct worker *worker);

/* ---- calls ---- */

/* A call that ends after ms at the latest; NULL when out of memory. */
struct call *call_new(struct workers *w, enum call_kind kind, json_int_t seq, uint64_t ms);
/* Its answer is told from the loop, once. */
void call_end(struct call *call, int code, const char *text);
/* One that waits; NULL if there is none (any more). */
struct call *call_find(const struct workers *w, enum call_kind kind, json_int_t seq);
/* To all who hear (ready: who are ready): they are awaited. Takes msg (NULL: out of memory).
 * Nobody: it ends with 0. */
void call_ask(struct call *call, json_t *msg, bool ready);
/* It is no longer awaited. A code below 0 counts when it is the one that serves. */
void call_answered(struct call *call, const struct child *child, int code, const char *text);
/* The child is gone: what calls make of it. */
void calls_lose(struct workers *w, const struct child *child);
/* None is answered any more; memory goes when the loop has run once more. */
void calls_close(struct workers *w);
/* What the policy has in memory that a child can map, for the message that follows. */
bool child_say_parts(struct child *c, const struct config *config);
/* Takes msg (NULL: false). */
bool child_say(struct child *c, json_t *msg, int fd);
/* Answers; 0 or ERR_PROTO. */
int workers_hear_using(struct child *c, json_t *msg);
int workers_hear_sessions(struct child *c, json_t *msg);
int workers_hear_quarantine(struct child *c, json_t *msg);
int workers_hear_serverless(struct child *c, json_t *msg);
int workers_hear_known(struct child *c, json_t *msg);
int workers_hear_domains(struct child *c, json_t *msg);
int workers_hear_mint(struct child *c, json_t *msg);
int workers_hear_deliver(struct child *c, json_t *msg);
int workers_hear_hits(struct child *c, json_t *msg);
int workers_hear_trace(struct child *c, json_t *msg);
int workers_hear_shadow(struct child *c, json_t *msg);
int workers_hear_observed(struct child *c, json_t *msg);
/* workers_ask.c, for workers_backends.c: rows of an answer; a question to the one that serves. */
int workers_hear_rows(struct child *c, enum call_kind kind, json_t *msg);
void workers_ask_serving(struct workers *w, enum call_kind kind, const char *question,
	void (*done)(void *arg, json_t *rows), void *arg);
int workers_hear_backends(struct child *c, json_t *msg);
int workers_hear_down(struct child *c, json_t *msg);
void workers_backends_attention(const struct workers *w, json_t *lines);
/* What names mean, to a child that starts. */
void child_say_addresses(struct child *c);
