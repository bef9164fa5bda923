/* SPDX-License-Identifier: BSD-2-Clause */
/* The line to the daemon, on the main thread: between ctl/'s handling of children and our workers.
 * In: the messages of ctl/link.h. Out: answers, events, rows; orders to the workers. At "start" the
 * queues are bound, then the sandbox is entered, then the threads begin. What means nothing here is
 * passed over: listeners, streams of management, backends. A daemon that speaks nonsense or goes
 * away ends this process: what waits in the queues the kernel drops. It never touches a packet. */
#include "nfq-filter/link.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "ctl/link.h"
#include "door/barred.h"
#include "door/crowd.h"
#include "door/domains.h"
#include "door/gather.h"
#include "door/hub.h"
#include "door/peers.h"
#include "door/json.h"
#include "door/known.h"
#include "door/loader.h"
#include "door/sandboxed.h"
#include "door/trial.h"
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/mdns.h"
#include "nfq-filter/mdns_tell.h"
#include "nfq-filter/resumed.h"
#include "nfq-filter/worker.h"

enum { SLOTS = 64, TELL_MS = 500 };

struct link {
	uv_loop_t loop;
	struct line line;
	struct metrics *metrics;
	struct loader loader;
	struct trial trial;
	struct workshop shop;
	struct worker *workers[WORKER_QUEUES_MAX];
	unsigned n_workers, gone;
	struct gather *gathers;
	uv_timer_t tell;
	json_int_t counted;
	struct known_teller known;
	bool started, closed;
};

/* ---- ending ---- */

static void link_close(struct link *l)
{
	if (l->closed)
		return;
	l->closed = true;
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_join(l->workers[i]);
	l->n_workers = 0;
	uv_close((uv_handle_t *)&l->tell, NULL);
	loader_close(&l->loader);
	trial_close(&l->trial);
	hub_free(l->shop.hub);
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
	struct policy *policy = NULL;
	int r = loader_policy_load(sources, path, previous, metrics, why, &policy);

	*out = policy;
	return r;
}

static void *ops_ref(void *thing)
{
	return policy_ref(thing);
}

static void ops_unref(void *thing)
{
	policy_unref(thing);
}

static struct policy *ops_policy(void *thing)
{
	return thing;
}

static void ops_use(struct link *l, void *thing)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_swap(l->workers[i], thing);
	policy_unref(thing);
}

static const struct loader_ops loader_ops = { ops_load, ops_ref, ops_unref, ops_policy, ops_use };

/* A policy judges beside; NULL: no longer. */
static void link_try(struct link *l, struct shadow *shadow)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		if (worker_shadow(l->workers[i], shadow) < 0)
			log_warn("shadow error=%s", err_text(-ENOMEM));
}

/* ---- start ---- */

static int open_queues(const struct policy *p, struct queue **queues, unsigned *n)
{
	const struct inspect_options *o = &policy_daemon(p)->inspect;
	int r = 0;

	*n = service_queues(o, uv_available_parallelism()); /* as the firewall counts */
	for (unsigned i = 0; i < *n && r == 0; i++) {
		r = queue_open((uint16_t)(o->queue + i), &queues[i]);
		if (r < 0)
			log_error("queue number=%u error=%s", o->queue + i, err_text(r));
	}
	return r;
}

static int start_workers(struct link *l, struct policy *p, struct queue **queues, unsigned n)
{
	int r = 0;

	l->shop.n = n;
	for (unsigned i = 0; i < n && r == 0; i++)
		if ((r = worker_new(&l->shop, i, queues[i], p, &l->workers[i])) == 0)
			l->n_workers++;
	return r;
}

static void on_start(struct link *l, json_t *msg)
{
	/* For verdicts: the kernel asks for it with each of them. */
	static const int keep[] = { CAP_NET_ADMIN, -1 };
	struct sandbox_spec spec = { .role = SANDBOX_NFQ, .keep_caps = keep, .trial = !SANDBOXED };
	struct queue *queues[WORKER_QUEUES_MAX] = { NULL };
	struct policy *p = loader_policy(&l->loader);
	unsigned n = 0;
	int r;

	if (!p || l->started) {
		line_nonsense(&l->line, "start");
		return;
	}
	workshop_count(&l->shop, l->metrics, (unsigned)number_of(msg, "slot") % SLOTS);
	l->shop.serial = (uint64_t)number_of(msg, "serial");
	spec.user = loader_user(&l->loader);
	if ((r = open_queues(p, queues, &n)) < 0 || (r = sandbox_enter(&spec)) < 0 ||
		(r = start_workers(l, p, queues, n)) < 0) {
		log_error("start error=%s", err_text(r));
		line_fail(&l->line);
		return;
	}
	l->started = l->loader.running = true;
	line_send(&l->line, json_pack("{s:s, s:s, s:s}", "m", "ready", "sandbox", sandbox_text(),
				    "version", XMPPWALL_VERSION));
}

/* ---- orders ---- */

static void on_kill(struct link *l, json_t *msg)
{
	struct named_peer who;

	if (!gather_named(msg, &who)) {
		line_nonsense(&l->line, "kill");
		return;
	}
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_kill(l->workers[i], &who);
}

static void on_sessions(struct link *l, json_t *msg)
{
	json_t *top = json_object_get(msg, "top");
	struct crowd *crowd = top ? crowd_new(top) : NULL;
	json_int_t seq = number_of(msg, "seq");
	unsigned asked = 0;

	for (unsigned i = 0; i < l->n_workers; i++)
		asked += worker_list_sessions(l->workers[i], seq, crowd) == 0;
	if (gather_begin(&l->gathers, seq, asked, crowd) < 0) {
		line_fail(&l->line);
		return;
	}
	gather_finish(&l->gathers, &l->line);
}

static void on_trace(struct link *l, json_t *msg)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f && !follow_take(f, msg))
		line_nonsense(&l->line, "trace");
	else
		for (unsigned i = 0; f && i < l->n_workers; i++)
			worker_follow(l->workers[i], f);
	free(f);
}

static void on_capture(struct link *l, json_t *msg)
{
	struct tap tap;

	if (!tap_take(&tap, msg))
		line_nonsense(&l->line, "capture");
	else
		for (unsigned i = 0; i < l->n_workers; i++)
			worker_tap(l->workers[i], &tap);
}

static void on_untrace(struct link *l, json_t *msg)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_unfollow(l->workers[i], number_of(msg, "trace"));
}

/* ---- from the workers ---- */

static void hub_on_event(void *arg, json_t *message)
{
	struct link *l = arg;

	if (line_try(&l->line, message) < 0)
		metric_add(metrics_find(l->metrics, "event.lost"), 1);
}

static void hub_on_rows(void *arg, json_int_t seq, json_t *rows)
{
	struct link *l = arg;

	gather_take(&l->gathers, seq, rows);
	gather_finish(&l->gathers, &l->line);
}

/* In order, or because its queue broke. */
static void hub_on_gone(void *arg)
{
	struct link *l = arg;

	if (!l->line.stopping) {
		line_fail(&l->line);
		return;
	}
	if (++l->gone >= l->n_workers)
		link_close(l);
}

static const struct hub_handler hub_handler = {
	.on_event = hub_on_event, .on_rows = hub_on_rows, .on_gone = hub_on_gone
};

/* How many streams there are, and what multicast DNS told. */
static void on_tell(uv_timer_t *timer)
{
	struct link *l = timer->data;
	json_int_t now;
	json_t *message;

	if (!l->started || l->line.stopping)
		return;
	while ((message = mdns_tell(l->shop.mdns, uv_hrtime())))
		line_send(&l->line, message);
	while ((message = known_tell(&l->known, loader_policy(&l->loader), clock_mono_ms())))
		line_send(&l->line, message);
	while ((message = domains_tell()))
		line_send(&l->line, message);
	now = (json_int_t)metric_get(l->shop.own);
	if (now != l->counted)
		line_send(&l->line, json_pack("{s:s, s:I}", "m", "count", "sessions", now));
	l->counted = now;
}

/* ---- the line ---- */

static void on_other(struct link *l, const char *name, json_t *msg)
{
	if (!loader_on_message(&l->loader, name, msg) && !trial_on_message(&l->trial, name, msg) &&
		!peers_on_message(&l->line, name, msg))
		log_debug("link ignored message=%s", log_quote(span_of(name)));
}

static const struct line_order orders[] = {
	{ "start", on_start },
	{ "kill", on_kill },
	{ "sessions", on_sessions },
	{ "trace", on_trace },
	{ "untrace", on_untrace },
	{ "capture", on_capture },
	{ 0 },
};
static const struct line_handler line_handler = { orders, on_other, on_stop };

static int link_init(struct link *l, int fd)
{
	int r;

	barred_init(l->metrics);
	l->shop.mdns = mdns_new();
	l->shop.bosh = bosh_table_new(0);
	l->shop.resumed = resumed_new();
	if (!l->shop.mdns || !l->shop.bosh || !l->shop.resumed)
		return -ENOMEM;
	if ((r = uv_loop_init(&l->loop)) < 0 ||
		(r = loader_init(&l->loader, &l->loop, l->metrics, &loader_ops, &l->line)) < 0 ||
		(r = trial_init(&l->trial, &l->loader, link_try)) < 0 ||
		(r = uv_timer_init(&l->loop, &l->tell)) < 0 ||
		(r = hub_new(&l->loop, &hub_handler, l, metrics_find(l->metrics, "event.lost"),
			 &l->shop.hub)) < 0)
		return r;
	l->tell.data = l;
	uv_timer_start(&l->tell, on_tell, TELL_MS, TELL_MS);
	return line_open(&l->line, &l->loop, fd, &line_handler, l);
}

int link_run(int fd, struct metrics *metrics)
{
	struct link l = { .metrics = metrics };
	int r = link_init(&l, fd);

	if (r < 0) {
		log_error("start error=%s", err_text(r));
		return EXIT_FAILURE;
	}
	uv_run(&l.loop, UV_RUN_DEFAULT);
	uv_loop_close(&l.loop);
	gather_free(&l.gathers);
	loader_fini(&l.loader);
	bosh_table_free(l.shop.bosh);
	resumed_free(l.shop.resumed);
	mdns_free(l.shop.mdns);
	return l.line.status;
}
