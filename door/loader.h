/* SPDX-License-Identifier: BSD-2-Clause */
/* A new policy for all threads ("part", "policy" and what is said to one, of ctl/link.h), for
 * either door: what a door makes of a policy's sources is its thing. */
#pragma once

#include <uv.h>
#include "base/metrics.h"
#include "door/answer.h"

struct load;

struct loader_ops {
	/* Makes a thing of the sources, on any thread; previous may be NULL. why gets the text for
	 * the operator when it fails. 0 with one reference. */
	int (*load)(struct source_set *sources, const char *path, void *previous,
		struct metrics *metrics, struct buf *why, void **out);
	void *(*ref)(void *thing);
	void (*unref)(void *thing); /* NULL: nothing */
	struct policy *(*policy)(void *thing);
	/* On the main thread: it is in force from now on. Takes the reference. */
	void (*use)(struct link *l, void *thing);
};

struct loader {
	uv_loop_t *loop;
	struct metrics *metrics;
	const struct loader_ops *ops;
	struct line *line;
	void *current;         /* the thing in force; NULL: none yet */
	bool running;          /* somebody is judged: compile beside the line */
	struct part_set parts; /* for the policy that follows */
	struct load *loads;    /* being compiled; the first one runs */
	uv_timer_t settle;     /* large list edits are folded in later */
	uv_work_t settling;    /* data: the policy, referenced */
	bool settles;
};

/* 0 or a negative code. All but l is borrowed. */
int loader_init(struct loader *l, uv_loop_t *loop, struct metrics *metrics,
	const struct loader_ops *ops, struct line *line);
/* Closes its handle and lets go of the parts; the thing in force goes with loader_fini, once the
 * loop has ended. */
void loader_close(struct loader *l);
void loader_fini(struct loader *l);
/* False: such a message is not about policies. */
bool loader_on_message(struct loader *l, const char *name, json_t *msg);
/* Parts that came for the policy at hand; the caller's. */
struct part_set loader_take_parts(struct loader *l);
/* Whom the sandbox becomes, "xmppwall" where it exists, unless the policy in force names another;
 * NULL: nobody but root can change. */
const char *loader_user(const struct loader *l);
/* The policy in force; NULL: none yet. */
struct policy *loader_policy(const struct loader *l);
/* policy_load whose complaints become text for the operator. */
int loader_policy_load(struct source_set *sources, const char *path, struct policy *previous,
	struct metrics *metrics, struct buf *why, struct policy **out);
