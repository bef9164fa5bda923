/* SPDX-License-Identifier: BSD-2-Clause */
/* The line to the daemon: between ctl/'s worker handling and our workers, on the main thread.
 * In: the messages of ctl/link.h. Out: answers, events, session rows; orders to the workers. Before
 * "start" there are no threads: listeners wait here. At "start" the sandbox is entered first, then
 * the workers begin. A daemon that speaks nonsense or goes away ends this process in order. It
 * never touches a session. */
#include "proxy/link.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "proxy/counters.h"
#include "door/hub.h"
#include "proxy/keep.h"
#include "proxy/link_int.h"
#include "proxy/sm.h"
#include "proxy/session.h"

#if defined(__SANITIZE_ADDRESS__)
#define LINK_TRIAL true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LINK_TRIAL true
#endif
#endif
#ifndef LINK_TRIAL
#define LINK_TRIAL false
#endif

enum { WAITING_MAX = 1024, SLOTS = 64 };

/* A listener that came before "start". */
struct waiting {
	struct waiting *next;
	int fd;
	uint16_t port;
	unsigned thread;
	char *service;
};

/* ---- ending ---- */

static void link_close(struct link *l)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_join(l->workers[i]);
	l->n_workers = 0;
	loader_close(&l->loader);
	link_backends_fini(l);
	trial_close(&l->trial);
	link_retire_fini(l);
	hub_free(l->hub);
	if (l->channel)
		channel_finish(l->channel);
}

void link_stop(struct link *l, int status)
{
	if (l->stopping)
		return;
	l->stopping = l->loader.stopping = true;
	l->status = status;
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_stop(l->workers[i]);
	if (l->n_workers == 0)
		link_close(l);
}

/* What a daemon never sends: it is broken, or somebody else. */
void link_nonsense(struct link *l, const char *what)
{
	log_error("link refused message=%s", log_quote(span_of(what)));
	link_stop(l, EXIT_FAILURE);
}

void link_send(struct link *l, json_t *message)
{
	int r = l->channel ? channel_send(l->channel, message, -1) : 0;

	json_decref(message);
	if (r < 0)
		log_warn("link send error=%s", err_text(r));
}

/* ---- policies ---- */

static int ops_load(struct source_set *sources, const char *path, void *previous,
	struct metrics *metrics, struct buf *why, void **out)
{
	struct gear *gear = NULL;
	int r = gear_load(sources, path, previous, metrics, why, &gear);

	*out = gear;
	return r;
}

static void *ops_ref(void *thing)
{
	return gear_ref(thing);
}

static void ops_unref(void *thing)
{
	gear_unref(thing);
}

static struct policy *ops_policy(void *thing)
{
	return ((struct gear *)thing)->policy;
}

static void ops_use(void *arg, void *thing)
{
	struct link *l = arg;

	for (unsigned i = 0; i < l->n_workers; i++)
		worker_swap(l->workers[i], thing);
	gear_unref(l->gear);
	l->gear = thing;
	link_backends_use(l);
}

static void ops_nonsense(void *arg, const char *what)
{
	link_nonsense(arg, what);
}

static void ops_fail(void *arg)
{
	link_stop(arg, EXIT_FAILURE);
}

void link_answer(void *arg, json_t *message)
{
	link_send(arg, message);
}

static const struct loader_ops loader_ops = { ops_load, ops_ref, ops_unref, ops_policy, ops_use,
	ops_nonsense, ops_fail, link_answer };

/* ---- listeners ---- */

static void on_listen(struct link *l, json_t *msg, int *fd)
{
	const char *service = text_of(msg, "service");
	json_int_t port = number_of(msg, "port"), thread = number_of(msg, "thread");
	struct waiting *one;

	if (*fd < 0 || !*service || port < 1 || port > 65535 || thread < 0 ||
		thread > WAITING_MAX) {
		link_nonsense(l, "listen");
		return;
	}
	if (l->retiring)
		return;
	if (l->started) {
		worker_listen(l->workers[(unsigned)thread % l->n_workers], take_fd(fd), service,
			(uint16_t)port);
		return;
	}
	if (!(one = calloc(1, sizeof(*one))) || !(one->service = strdup(service))) {
		free(one);
		link_stop(l, EXIT_FAILURE);
		return;
	}
	one->fd = take_fd(fd);
	one->port = (uint16_t)port;
	one->thread = (unsigned)thread;
	one->next = l->waiting;
	l->waiting = one;
}

static void on_unlisten(struct link *l, json_t *msg)
{
	json_int_t port = number_of(msg, "port");

	if (!*text_of(msg, "service") || port < 0 || port > 65535) {
		link_nonsense(l, "unlisten");
		return;
	}
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_unlisten(l->workers[i], text_of(msg, "service"), (uint16_t)port);
}

static void link_release_waiting(struct link *l)
{
	struct waiting *one;

	while ((one = l->waiting)) {
		l->waiting = one->next;
		if (l->n_workers > 0)
			worker_listen(l->workers[one->thread % l->n_workers], one->fd, one->service,
				one->port);
		else
			close(one->fd);
		free(one->service);
		free(one);
	}
}

/* ---- start ---- */

/* "xmppwall" where it exists, unless the policy names another; nobody but root can change. */
static const char *link_user(const struct link *l)
{
	const char *user = policy_daemon(l->gear->policy)->user;

	if (geteuid() != 0)
		return NULL;
	if (user)
		return user;
	return getpwnam("xmppwall") ? "xmppwall" : NULL;
}

static int link_start_workers(struct link *l)
{
	unsigned n = policy_daemon(l->gear->policy)->threads;
	int r = 0;

	if (n == 0)
		n = uv_available_parallelism();
	if (n > WORKER_THREADS_MAX)
		n = WORKER_THREADS_MAX;
	for (unsigned i = 0; i < n && r == 0; i++) {
		if ((r = worker_new(l->hub, i, l->gear, &l->workers[i])) == 0)
			l->n_workers++;
	}
	return r;
}

/* Without it sessions are resumable as long as this process lives. */
static void on_streams(struct link *l, int fd)
{
	int r;

	if (fd < 0 || l->started) {
		if (fd >= 0)
			close(fd);
		link_nonsense(l, "streams");
		return;
	}
	if ((r = sm_open(fd)) < 0)
		log_warn("stream management ledger error=%s: kept by this process alone",
			err_text(r));
}

static void on_start(struct link *l, json_t *msg)
{
	/* For IP_TRANSPARENT and SO_MARK on upstream sockets. */
	static const int keep[] = { CAP_NET_RAW, -1 };
	struct sandbox_spec spec = {
		.role = SANDBOX_PROXY, .keep_caps = keep, .trial = LINK_TRIAL
	};
	int r;

	if (!l->gear || l->started) {
		link_nonsense(l, "start");
		return;
	}
	session_number_from((uint64_t)number_of(msg, "serial"));
	counters_set_slot((unsigned)number_of(msg, "slot") % SLOTS);
	spec.user = link_user(l);
	if (!sm_is_open() && (r = sm_open(-1)) < 0)
		log_warn("stream management ledger error=%s: no session is resumable", err_text(r));
	if ((r = sandbox_enter(&spec)) < 0 || (r = link_start_workers(l)) < 0) {
		log_error("start error=%s", err_text(r));
		link_stop(l, EXIT_FAILURE);
		return;
	}
	l->started = l->loader.running = true;
	link_backends_use(l);
	link_release_waiting(l);
	link_send(l, json_pack("{s:s, s:s, s:s}", "m", "ready", "sandbox", sandbox_text(),
			     "version", XMPPWALL_VERSION));
}

/* ---- from the workers ---- */

static void link_on_event(void *arg, json_t *message)
{
	struct link *l = arg;

	if (l->channel && channel_send(l->channel, message, -1) < 0)
		metric_add(counters.event_lost, 1);
}

static void link_on_rows(void *arg, json_int_t seq, json_t *rows)
{
	link_take_rows(arg, seq, rows);
}

static void link_on_delivery(void *arg, json_int_t seq, bool delivered)
{
	link_take_delivery(arg, seq, delivered);
}

static void link_on_empty(void *arg)
{
	link_take_empty(arg);
}

static void link_on_gone(void *arg)
{
	struct link *l = arg;

	if (++l->gone == l->n_workers)
		link_close(l);
}

/* ---- the channel ---- */

static void on_stop(struct link *l)
{
	link_stop(l, EXIT_SUCCESS);
}

static void link_on_message(void *arg, struct channel *ch, json_t *msg, int fd)
{
	struct link *l = arg;
	const char *m = text_of(msg, "m");
	cleanup_fd int owned = fd;

	(void)ch;
	if (l->stopping)
		return;
	if (strcmp(m, "policy") == 0)
		loader_on_policy(&l->loader, msg, take_fd(&owned));
	else if (strcmp(m, "listen") == 0)
		on_listen(l, msg, &owned);
	else if (strcmp(m, "unlisten") == 0)
		on_unlisten(l, msg);
	else if (strcmp(m, "streams") == 0)
		on_streams(l, take_fd(&owned));
	else if (strcmp(m, "start") == 0)
		on_start(l, msg);
	else if (strcmp(m, "list") == 0)
		loader_on_list(&l->loader, msg);
	else if (strcmp(m, "limits") == 0)
		loader_on_limits(&l->loader, msg);
	else if (strcmp(m, "observed") == 0)
		loader_on_observed(&l->loader, msg);
	else if (strcmp(m, "kill") == 0)
		link_on_kill(l, msg);
	else if (strcmp(m, "sessions") == 0)
		link_on_sessions(l, msg);
	else if (strcmp(m, "part") == 0)
		loader_on_part(&l->loader, owned);
	else if (strcmp(m, "hits") == 0)
		loader_on_hits(&l->loader, msg);
	else if (strcmp(m, "backends") == 0)
		link_on_backends(l, msg);
	else if (strcmp(m, "addresses") == 0)
		link_on_addresses(l, msg);
	else if (strcmp(m, "shadow") == 0)
		trial_on_shadow(&l->trial, msg, take_fd(&owned));
	else if (strcmp(m, "unshadow") == 0)
		trial_on_unshadow(&l->trial, msg);
	else if (strcmp(m, "trace") == 0)
		link_on_trace(l, msg);
	else if (strcmp(m, "untrace") == 0)
		link_on_untrace(l, msg);
	else if (strcmp(m, "deliver") == 0)
		link_on_deliver(l, msg);
	else if (strcmp(m, "retire") == 0)
		link_on_retire(l, msg);
	else if (strcmp(m, "stop") == 0)
		on_stop(l);
	else
		link_nonsense(l, m);
}

static void link_on_close(void *arg, struct channel *ch, int code)
{
	struct link *l = arg;

	if (!l->stopping)
		log_warn("the daemon is gone reason=%s", err_text(code));
	channel_free(ch);
	l->channel = NULL;
	link_stop(l, code == ERR_CLOSED || code == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* A policy judges beside; NULL: no longer. */
static void link_try(void *arg, struct shadow *shadow)
{
	struct link *l = arg;

	for (unsigned i = 0; i < l->n_workers; i++)
		if (worker_shadow(l->workers[i], shadow) < 0)
			log_warn("shadow error=%s", err_text(-ENOMEM));
}

static const struct channel_handler channel_handler = { link_on_message, link_on_close };
static const struct hub_handler hub_handler = { link_on_event, link_on_rows, link_on_delivery,
	link_on_gone, link_on_empty };

int link_run(int fd, struct metrics *metrics)
{
	static const struct channel_limits limits = { LINK_LINE_FROM_DAEMON, LINK_QUEUE };
	struct link l = { .metrics = metrics };
	int r;

	if ((r = uv_loop_init(&l.loop)) < 0 ||
		(r = loader_init(&l.loader, &l.loop, metrics, &loader_ops, &l)) < 0 ||
		(r = trial_init(&l.trial, &l.loader, link_try, &l)) < 0 || (r = link_backends_init(&l)) < 0 ||
		(r = link_retire_init(&l)) < 0 ||
		(r = hub_new(&l.loop, &hub_handler, &l, counters.event_lost, &l.hub)) < 0 ||
		(r = channel_new(&l.loop, fd, &limits, &channel_handler, &l, &l.channel)) < 0) {
		log_error("start error=%s", err_text(r));
		return EXIT_FAILURE;
	}
	uv_run(&l.loop, UV_RUN_DEFAULT);
	uv_loop_close(&l.loop);
	gather_free(&l.gathers);
	link_free_deliveries(&l);
	link_release_waiting(&l);
	gear_unref(l.gear);
	loader_fini(&l.loader);
	return l.status;
}
