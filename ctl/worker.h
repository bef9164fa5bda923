/* SPDX-License-Identifier: BSD-2-Clause */
/* One child process: started, watched, started again with back-off. What is said to it is
 * ctl/workers.c's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>
#include <uv.h>

struct worker;

enum worker_state {
	WORKER_DOWN,     /* not running; a timer will start it */
	WORKER_STARTING, /* has what it needs, not ready yet */
	WORKER_READY,
	WORKER_STOPPING, /* asked to end, or killed */
};

struct worker_spec {
	const char *name; /* program, in libexec_dir */
	const char *libexec_dir;
	int metrics_fd;
	/* Just started: say what it needs (worker_send). */
	void (*on_up)(void *arg, struct worker *w);
	/* msg is borrowed. A negative code ends it: it does not speak our language. */
	int (*on_message)(void *arg, struct worker *w, json_t *msg);
	/* It is gone (or could not be started); what it was asked is lost. */
	void (*on_down)(void *arg, struct worker *w);
	void *arg;
};

/* Starts nothing yet. Texts of spec are borrowed. NULL when out of memory. */
struct worker *worker_new(uv_loop_t *loop, const struct worker_spec *spec);
/* Only when down for good (after worker_stop); the memory goes when the loop turns. */
void worker_free(struct worker *w);
/* Starts it now and from now on again whenever it ends. */
void worker_start(struct worker *w);
/* Asks it to end; killed after grace_ms. on_down comes when it is gone, at once if it was not
 * there. */
void worker_stop(struct worker *w, uint64_t grace_ms);
/* Ends it now, to be started again. why is for the log and status. */
void worker_kill(struct worker *w, const char *why);
/* It said "ready": sandbox is what is in force there. */
void worker_set_ready(struct worker *w, const char *sandbox);
/* One message (borrowed), fd is -1 or duplicated. An overflowing or closed line kills it. False
 * when it is not up. */
bool worker_send(struct worker *w, json_t *msg, int fd);
/* A child ended (SIGCHLD): was it this one? */
void worker_reap(struct worker *w);

enum worker_state worker_state(const struct worker *w);
const char *worker_name(const struct worker *w);
/* {"name","pid","state","sandbox","restarts","age_ms"}; a new object. */
json_t *worker_status(const struct worker *w);
/* Why it is not running, or how it last ended: "" if there is nothing to say. */
const char *worker_trouble(const struct worker *w);
