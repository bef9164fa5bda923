/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon: everything that lives as long as the process, in one struct, on one loop. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <uv.h>

struct audit;
struct bans;
struct cache;
struct config;
struct control;
struct events;
struct feeds;
struct jobs;
struct kernel;
struct known;
struct seen;
struct limits;
struct lockdown;
struct metrics;
struct mint;
struct observed;
struct probation;
struct quarantine;
struct rehearsal;
struct reports;
struct shadows;
struct traces;
struct upgrade;
struct watch;
struct workers;

struct daemon_spec {
	const char *config, *state_dir, *run_dir, *log_dir, *libexec_dir; /* absolute */
	const char *program; /* xmppwalld itself, on disk */
	bool no_firewall;
};

enum daemon_state { DAEMON_STARTING, DAEMON_RUNNING, DAEMON_STOPPING };

struct daemon {
	struct daemon_spec spec;
	enum daemon_state state;
	char *feeds_dir; /* copies of feeds */
	struct cache *cache; /* of compiled parts; NULL: none */
	uv_loop_t loop;
	uv_signal_t signals[5]; /* TERM, INT, HUP, CHLD, USR2 */
	uv_timer_t tick;        /* settles lists; when stopping: are we done? */
	uv_work_t settling;
	bool settles;
	size_t listed; /* entries the kernel mirrors, before settling */
	int lock_state, lock_run;
	struct metrics *metrics;
	int metrics_fd;
	int streams_fd; /* the shelf of stream management; -1: none */
	struct config *config; /* the policy in force */
	unsigned generation;   /* the last one given out */
	unsigned threads;
	struct jobs *jobs;
	struct events *events;
	struct audit *audit;
	struct bans *bans;
	struct quarantine *quarantine;
	struct limits *limits;
	struct observed *observed;
	unsigned ticks;
	struct lockdown *lockdown;
	struct kernel *kernel; /* NULL: --no-firewall */
	struct known *known;   /* addresses that logged in */
	struct seen *seen;     /* remote domains that were verified */
	struct workers *workers;
	struct control *control;
	struct probation *probation;
	struct traces *traces;
	struct shadows *shadows;
	struct upgrade *upgrade;
	json_t *former; /* what the program before us left, while we start; NULL: there was none */
	struct rehearsal *rehearsal;
	struct watch *watch;
	struct feeds *feeds;
	struct reports *reports;
	struct mint *mint; /* leaves of the local authority */
	int64_t since_ms;
	uint64_t since_mono_ms, stop_mono_ms;
	bool notified, workers_gone;
	char *reload_trouble; /* why the last reload was refused; NULL if it was not */
};

/* Runs until it is told to stop. adopt: the handover of the program before us in this process, -1:
 * there was none. The exit status: 0 ended as asked, 1 could not start (stderr says why and what to
 * do). */
int daemon_run(const struct daemon_spec *spec, int adopt);
/* What was compiled before, where there is a folder for it. */
void daemon_open_cache(struct daemon *d);
/* Orderly end: sessions are told, children end, the table stays (protected traffic is not let
 * through unjudged). */
void daemon_stop(struct daemon *d);
/* Writes down an event (borrowed) and tells who follows. */
void daemon_event(struct daemon *d, json_t *event);
/* The ceilings of the quarantine as the policy has them. */
void daemon_configure_quarantine(struct daemon *d);
/* A list of the policy changed: the kernel may hold a copy, an expectation may not hold any more.
 */
void daemon_list_changed(struct daemon *d, const char *set, const json_t *add, const json_t *del);

struct reload_result {
	int code;
	const char *diagnostics; /* when refused; never NULL */
	const char *version;     /* in force now */
	bool changed;
	unsigned expectations;
	json_t *diff;     /* what it changes (ctl/compare.h), borrowed; may be NULL */
	int64_t until_ms; /* when it is rolled back unless it is confirmed; 0: it stays */
};

enum reload_kind {
	RELOAD_FILES, /* everything anew from disk */
	RELOAD_LISTS, /* the same policy with the lists as they are: after an edit too large to be
			 made live */
	RELOAD_CHECK, /* from disk, but only to say what it would change */
	RELOAD_BACK,  /* the policy before the one that waits to be confirmed */
};

struct reload_how {
	enum reload_kind kind;
	uint64_t confirm_ms; /* FILES: rolled back unless it is confirmed by then; 0: it stays */
};

/* On any failure the old policy stays. done may be NULL but for RELOAD_CHECK; it comes on the
 * loop, later, or from inside the call when memory is out. */
void daemon_change(struct daemon *d, const struct reload_how *how,
	void (*done)(void *arg, const struct reload_result *result), void *arg);
/* Its short forms: RELOAD_FILES, RELOAD_LISTS, RELOAD_BACK. */
void daemon_reload(
	struct daemon *d, void (*done)(void *arg, const struct reload_result *result), void *arg);
void daemon_renew(
	struct daemon *d, void (*done)(void *arg, const struct reload_result *result), void *arg);
void daemon_rollback(
	struct daemon *d, void (*done)(void *arg, const struct reload_result *result), void *arg);
