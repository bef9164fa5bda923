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
	WORKER_STOPPING, /* asked to end, ending, or killed */
};

/* What the next program needs to go on with a child (ctl/handover.h). */
struct worker_hold {
	pid_t pid;
	int fd; /* our end of its line */
	const char *sandbox;
	bool retired;                /* no new sessions */
	uint64_t since_ms, until_ms; /* monotonic; until when it may keep its sessions */
	unsigned restarts;
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
/* Only when down for good (after worker_stop, or when it was started once), also from on_down; the
 * memory goes when the loop turns. */
void worker_free(struct worker *w);
/* Starts it now and from now on again whenever it ends. */
void worker_start(struct worker *w);
/* Starts it now, one time only. */
void worker_start_once(struct worker *w);
/* From now on it is started again whenever it ends, after all. */
void worker_keep(struct worker *w);
/* Its sessions may go on for ms, then it is to end and is not started again. */
void worker_retire(struct worker *w, uint64_t ms);
/* It said that it ends: killed after grace_ms. */
void worker_expect_end(struct worker *w, uint64_t grace_ms);
/* A ready child of the program before us. Takes hold->fd; unread is what came of a line already. 0
 * or a negative code. */
int worker_adopt(struct worker *w, const struct worker_hold *hold, const char *unread, size_t len);
/* What it takes to adopt it; texts are borrowed. unread (borrowed) is what came of a line already.
 * False when it is not ready, or has something unsent. */
bool worker_hold(
	const struct worker *w, struct worker_hold *hold, const char **unread, size_t *len);
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

/* 0 when it does not run. */
pid_t worker_pid(const struct worker *w);
enum worker_state worker_state(const struct worker *w);
/* Since when it is ready, monotonic. */
uint64_t worker_since(const struct worker *w);
bool worker_is_retired(const struct worker *w);
/* Did it end as it said it would? In on_down. */
bool worker_ended_well(const struct worker *w);
const char *worker_name(const struct worker *w);
/* {"name","pid","state","sandbox","restarts","age_ms"}, and "until" (unix ms) of a retired one; a
 * new object. */
json_t *worker_status(const struct worker *w);
/* Why it is not running, or how it last ended: "" if there is nothing to say. */
const char *worker_trouble(const struct worker *w);
