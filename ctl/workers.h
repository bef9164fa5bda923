/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon says to its children and hears from them (ctl/link.h), whichever of them is up at
 * the moment. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>

struct config;
struct listeners;
struct policy;
struct workers;

/* Of a child: which door it is. */
enum workers_door {
	DOOR_PROXY,
	DOOR_INSPECTOR,
	DOOR_NONE, /* one that retires, or has not served yet */
};

struct workers_spec {
	const char *libexec_dir; /* borrowed */
	int metrics_fd;
	/* The policy in force, for a child that starts. */
	struct config *(*config)(void *arg);
	/* What "limit set" changed, as ctl/link.h wants it: a new reference. */
	json_t *(*limits)(void *arg);
	/* event and act (NULL if no strikes or ban are ordered) are borrowed; their shape is the
	 * child's word. */
	void (*on_event)(void *arg, json_t *event, json_t *act);
	/* A stanza to be kept, borrowed. ERR_PROTO ends the child. */
	int (*on_quarantine)(void *arg, json_t *stanza);
	/* A child got ready, or went: tell systemd, status. */
	void (*on_change)(void *arg);
	/* One went: the one that serves (or inspects), or another. slot: of its gauges in the shared page. */
	void (*on_down)(void *arg, enum workers_door door, unsigned slot);
	void *arg;
	/* A stanza of a trace; event is borrowed, its shape is the child's word. */
	void (*on_trace)(void *arg, json_int_t id, json_t *event);
	/* "shadow" of ctl/link.h, borrowed; its shape is the child's word. */
	void (*on_shadow)(void *arg, json_t *msg);
	/* Another one serves from now on: what was asked of the one before comes to its end. */
	void (*on_settle)(void *arg);
	int streams_fd; /* the shelf of stream management; -1: none */
	/* The inspector's message "serverless", borrowed. ERR_PROTO ends the child. */
	int (*on_serverless)(void *arg, json_t *msg);
	/* The message "known", borrowed. ERR_PROTO ends the child. */
	int (*on_known)(void *arg, json_t *msg);
	/* Messages "bar" and "seen" for a child that starts: say, which takes each, until false. NULL: none. */
	void (*barred)(void *arg, bool (*say)(void *to, json_t *msg), void *to);
	/* The message "mint", borrowed, of that life of a child (workers_minted). ERR_PROTO ends the
	 * child. */
	int (*on_mint)(void *arg, json_int_t life, json_t *msg);
	/* The message "domains", borrowed. ERR_PROTO ends the child. */
	int (*on_domains)(void *arg, json_t *msg);
	/* A ring for the lines of the child of that pid (ctl/audit.h); anew: it was just started. */
	int (*audit)(void *arg, pid_t pid, bool anew, int *fd);
};

/* Ends of calls: code 0 or negative, text says what a child said (never NULL). Always come, on the
 * loop. */
typedef void (*workers_done)(void *arg, int code, const char *text);

int workers_new(uv_loop_t *loop, const struct workers_spec *spec, struct workers **out);
/* Takes the listeners and starts a child if there are any. */
void workers_start(struct workers *w, struct listeners *listeners);
/* The listeners in use. */
const struct listeners *workers_listeners(const struct workers *w);
/* Gives a new policy to all; done with 0 when all judge by it (a child that is down gets it when it
 * starts). */
void workers_policy(struct workers *w, struct config *next, workers_done done, void *arg);
/* Takes the listeners, closes those that are not in it, tells the children; starts a child if none
 * was needed before. */
void workers_listen(struct workers *w, struct listeners *listeners);
/* Is there a child that inspects, and at work? */
bool workers_inspects(const struct workers *w);
/* The message "capture" of ctl/link.h to it, borrowed; its events come by on_trace. */
void workers_capture(struct workers *w, json_t *msg);
/* The policy in force is another: a child that inspects is started, ended, or begun anew. */
void workers_inspect(struct workers *w);
/* It is begun anew in any case: the program on disk is another. */
void workers_inspect_anew(struct workers *w);
/* Lines added to and deleted from a list (arrays, borrowed); done when they are judged by. */
void workers_list(
	struct workers *w, const char *set, json_t *add, json_t *del, workers_done done, void *arg);
/* Tells all the limits set by hand as they are now; done when they are judged by. */
void workers_limits(struct workers *w, workers_done done, void *arg);
/* done gets a borrowed array of session rows. */
void workers_sessions(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg);
/* The same for "top": ask (taken) says how many and by what; the rows are of three kinds (ctl/link.h), or
 * plain ones of a child of an older program. */
void workers_busiest(struct workers *w, json_t *ask, void (*done)(void *arg, json_t *rows), void *arg);
/* How many children are up, that serve, retire or inspect. */
unsigned workers_up(const struct workers *w);
/* done gets a borrowed array of who uses the addresses of "A/LEN", as all of them tell (ctl/link.h). */
void workers_using(struct workers *w, const char *address, void (*done)(void *arg, json_t *rows),
	void *arg);
/* done gets a borrowed array of rows on the servers of backends (docs/CONTROL.md). */
void workers_backends(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg);
/* The names of servers in this policy (NULL: none) are looked up from now on, and the children told. */
void workers_names(struct workers *w, const struct policy *p);
/* done gets a borrowed array of {"entry","hits"}, most hits first, at most max (up to 10000); their
 * shape is the child's word. */
void workers_hits(struct workers *w, const char *set, unsigned max,
	void (*done)(void *arg, json_t *rows), void *arg);
/* done gets a borrowed array of what limits saw (rules/sketch.h), to be added up; "inspects" is true
 * in rows of the child that does. */
void workers_observed(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg);
/* Gives a kept stanza (quarantine_find) to a session of its sender or recipient. done gets 0 with
 * "server" or "client", ERR_NOTFOUND when nobody is there (it was not delivered), another code when
 * that is not known. */
void workers_deliver(struct workers *w, const json_t *stanza, workers_done done, void *arg);
/* The message "trace" of ctl/link.h, borrowed; its events come by on_trace. */
void workers_trace(struct workers *w, json_t *msg);
void workers_untrace(struct workers *w, json_int_t id);
/* Has a policy, as its bundle, judge beside the one in force for ms; what comes of it comes by
 * on_shadow. False if nobody judges. */
bool workers_shadow(
	struct workers *w, const struct config *c, int bundle_fd, json_int_t id, uint64_t ms);
/* Is the child still there that asked for a leaf (on_mint)? */
bool workers_lives(const struct workers *w, json_int_t life);
/* The message "minted" of ctl/link.h to that one, if it is; takes msg. */
void workers_minted(struct workers *w, json_int_t life, json_t *msg);
/* There is another authority: to all who asked for leaves. */
void workers_authority(struct workers *w);
void workers_unshadow(struct workers *w, json_int_t id);
/* Ends the sessions of an address ("A/LEN") or of a JID; the other is NULL. */
void workers_kill(struct workers *w, const char *address, const char *jid, const char *reason);
/* The sessions of all that are not in the set of addresses (NULL: of everybody) are to end. */
void workers_kill_strangers(struct workers *w, const char *set, const char *reason);
/* A message of ctl/link.h to every child that is up: borrowed. */
void workers_tell(struct workers *w, json_t *msg);
/* A new child from the program on disk takes the place of the one that serves, which may keep its
 * sessions for drain_ms. done with 0 when it serves; else nothing changed, and text says why. */
void workers_upgrade(struct workers *w, uint64_t drain_ms, workers_done done, void *arg);
/* How many keep old sessions. */
unsigned workers_retiring(const struct workers *w);
/* Puts what the next program needs into state (ctl/handover.h). False when something is under way: it is
 * not to be used then. */
bool workers_hold(const struct workers *w, json_t *state);
/* In the next program: the listeners of that state. 0 or a negative code. */
int workers_held_listeners(const json_t *state, struct listeners *out);
/* Instead of workers_start: takes the listeners, and the children as they are. 0 or a negative code. */
int workers_adopt(struct workers *w, const json_t *state, struct listeners *listeners);
/* Then, once everything stands: what is down is started. */
void workers_go_on(struct workers *w);
/* Ends all children; done when they are gone. */
void workers_stop(struct workers *w, void (*done)(void *arg), void *arg);
/* After workers_stop. */
void workers_free(struct workers *w);

/* A child ended. */
void workers_reap(struct workers *w);
/* Is every child that is needed ready? */
bool workers_ready(const struct workers *w);
/* An array for status. */
json_t *workers_status(const struct workers *w);
/* Appends lines for the operator. */
void workers_attention(const struct workers *w, json_t *lines);
