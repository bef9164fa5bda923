/* SPDX-License-Identifier: BSD-2-Clause */
/* The line to the daemon: between ctl/'s worker handling and our workers, on the main thread.
 * In: the messages of ctl/link.h. Out: answers, events, session rows; orders to the workers. Before
 * "start" there are no threads: listeners wait here. At "start" the sandbox is entered first, then
 * the workers begin. A daemon that speaks nonsense or goes away ends this process in order. It
 * never touches a session. */
#include "proxy/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/capability.h>
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "proxy/audit.h"
#include "proxy/counters.h"
#include "ctl/link.h"
#include "door/barred.h"
#include "door/hub.h"
#include "door/json.h"
#include "door/peers.h"
#include "door/sandboxed.h"
#include "proxy/keep.h"
#include "proxy/lookup.h"
#include "proxy/leaves.h"
#include "proxy/link_int.h"
#include "proxy/sm.h"
#include "proxy/session.h"

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
	lookup_close();
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_join(l->workers[i]);
	l->n_workers = 0;
	loader_close(&l->loader);
	link_backends_fini(l);
	trial_close(&l->trial);
	link_retire_fini(l);
	hub_free(l->hub);
	line_finish(&l->line);
}

static void on_stop(struct link *l)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_stop(l->workers[i]);
	if (l->n_workers == 0)
		link_close(l);
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

static void ops_use(struct link *l, void *thing)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_swap(l->workers[i], thing);
	gear_unref(l->gear);
	l->gear = thing;
	lookup_use(l->gear->lookups);
	leaves_configure(policy_federation(l->gear->policy)->leaves);
	link_backends_use(l);
}

static const struct loader_ops loader_ops = { ops_load, ops_ref, ops_unref, ops_policy, ops_use };

/* ---- the authority ---- */

static void on_minted(struct link *l, json_t *msg)
{
	if (leaves_take(msg) < 0)
		line_nonsense(&l->line, "minted");
}

static void on_authority(struct link *l, json_t *msg)
{
	(void)l;
	(void)msg;
	leaves_drop();
}

/* ---- listeners ---- */

static void on_listen(struct link *l, json_t *msg)
{
	const char *service = text_of(msg, "service");
	json_int_t port = number_of(msg, "port"), thread = number_of(msg, "thread");
	struct waiting *one;

	if (l->line.fd < 0 || !*service || port < 1 || port > 65535 || thread < 0 ||
		thread > WAITING_MAX) {
		line_nonsense(&l->line, "listen");
		return;
	}
	if (l->retiring)
		return;
	if (l->started) {
		worker_listen(l->workers[(unsigned)thread % l->n_workers], line_take_fd(&l->line),
			service, (uint16_t)port);
		return;
	}
	if (!(one = calloc(1, sizeof(*one))) || !(one->service = strdup(service))) {
		free(one);
		line_fail(&l->line);
		return;
	}
	one->fd = line_take_fd(&l->line);
	one->port = (uint16_t)port;
	one->thread = (unsigned)thread;
	one->next = l->waiting;
	l->waiting = one;
}

static void on_unlisten(struct link *l, json_t *msg)
{
	json_int_t port = number_of(msg, "port");

	if (!*text_of(msg, "service") || port < 0 || port > 65535) {
		line_nonsense(&l->line, "unlisten");
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
static void on_streams(struct link *l, json_t *msg)
{
	int r;

	(void)msg;
	if (l->line.fd < 0 || l->started) {
		line_nonsense(&l->line, "streams");
		return;
	}
	if ((r = sm_open(line_take_fd(&l->line))) < 0)
		log_warn("stream management ledger error=%s: kept by this process alone",
			err_text(r));
}

/* Where lines of the audit trail go. Without it services with "audit on" are not heard. */
static void on_audit(struct link *l, json_t *msg)
{
	int r;

	(void)msg;
	if (l->line.fd < 0) {
		line_nonsense(&l->line, "audit");
		return;
	}
	if ((r = audit_use(line_take_fd(&l->line))) < 0)
		log_error("audit error=%s", err_text(r));
}

static void on_start(struct link *l, json_t *msg)
{
	/* For IP_TRANSPARENT and SO_MARK on upstream sockets. */
	static const int keep[] = { CAP_NET_RAW, -1 };
	struct sandbox_spec spec = {
		.role = SANDBOX_PROXY, .keep_caps = keep, .trial = !SANDBOXED
	};
	int r;

	if (!l->gear || l->started) {
		line_nonsense(&l->line, "start");
		return;
	}
	session_number_from((uint64_t)number_of(msg, "serial"));
	counters_set_slot((unsigned)number_of(msg, "slot") % SLOTS);
	spec.user = loader_user(&l->loader);
	if (!sm_is_open() && (r = sm_open(-1)) < 0)
		log_warn("stream management ledger error=%s: no session is resumable", err_text(r));
	if ((r = sandbox_enter(&spec)) < 0 || (r = link_start_workers(l)) < 0) {
		log_error("start error=%s", err_text(r));
		line_fail(&l->line);
		return;
	}
	l->started = l->loader.running = true;
	lookup_open(&l->loop);
	lookup_use(l->gear->lookups);
	leaves_configure(policy_federation(l->gear->policy)->leaves);
	link_backends_use(l);
	link_release_waiting(l);
	line_send(&l->line, json_pack("{s:s, s:s, s:s}", "m", "ready", "sandbox", sandbox_text(),
				    "version", XMPPWALL_VERSION));
}

/* ---- from the workers ---- */

static void link_on_event(void *arg, json_t *message)
{
	struct link *l = arg;

	if (line_try(&l->line, message) < 0)
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

/* ---- the line ---- */

static void on_other(struct link *l, const char *name, json_t *msg)
{
	if (!loader_on_message(&l->loader, name, msg) && !trial_on_message(&l->trial, name, msg) &&
		!peers_on_message(&l->line, name, msg))
		line_nonsense(&l->line, name);
}

static const struct line_order orders[] = {
	{ "listen", on_listen },
	{ "unlisten", on_unlisten },
	{ "streams", on_streams },
	{ "audit", on_audit },
	{ "start", on_start },
	{ "kill", link_on_kill },
	{ "sessions", link_on_sessions },
	{ "backends", link_on_backends },
	{ "addresses", link_on_addresses },
	{ "trace", link_on_trace },
	{ "untrace", link_on_untrace },
	{ "deliver", link_on_deliver },
	{ "minted", on_minted },
	{ "authority", on_authority },
	{ "retire", link_on_retire },
	{ 0 },
};
static const struct line_handler line_handler = { orders, on_other, on_stop };

/* A policy judges beside; NULL: no longer. */
static void link_try(struct link *l, struct shadow *shadow)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		if (worker_shadow(l->workers[i], shadow) < 0)
			log_warn("shadow error=%s", err_text(-ENOMEM));
}

static const struct hub_handler hub_handler = { link_on_event, link_on_rows, link_on_delivery,
	link_on_gone, link_on_empty };

int link_run(int fd, struct metrics *metrics)
{
	struct link l = { .metrics = metrics };
	int r;

	barred_init(metrics);
	if ((r = uv_loop_init(&l.loop)) < 0 ||
		(r = loader_init(&l.loader, &l.loop, metrics, &loader_ops, &l.line)) < 0 ||
		(r = trial_init(&l.trial, &l.loader, link_try)) < 0 ||
		(r = link_backends_init(&l)) < 0 || (r = link_retire_init(&l)) < 0 ||
		(r = hub_new(&l.loop, &hub_handler, &l, counters.event_lost, &l.hub)) < 0 ||
		(r = line_open(&l.line, &l.loop, fd, &line_handler, &l)) < 0) {
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
	leaves_fini();
	return l.line.status;
}
