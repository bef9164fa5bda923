/* SPDX-License-Identifier: BSD-2-Clause */
/* The line to the daemon, on the main thread: between ctl/'s handling of children and our workers.
 * In: the messages of ctl/link.h. Out: answers, events, rows; orders to the workers. At "start" the
 * queues are bound, then the sandbox is entered, then the threads begin. What means nothing here is
 * passed over: listeners, streams of management, backends. A daemon that speaks nonsense or goes away ends this process: what waits in the queues the kernel drops.
 * It never touches a packet. */
#include "nfq-filter/link.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "ctl/link.h"
#include "door/gather.h"
#include "door/hub.h"
#include "door/json.h"
#include "door/loader.h"
#include "door/trial.h"
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/mdns.h"
#include "nfq-filter/mdns_tell.h"
#include "nfq-filter/resumed.h"
#include "nfq-filter/sandboxed.h"
#include "nfq-filter/worker.h"

enum { SLOTS = 64, TELL_MS = 500 };

struct link {
	uv_loop_t loop;
	struct channel *channel;
	struct metrics *metrics;
	struct loader loader;
	struct trial trial;
	struct workshop shop;
	struct worker *workers[WORKER_QUEUES_MAX];
	unsigned n_workers, gone;
	struct gather *gathers;
	uv_timer_t tell;
	json_int_t counted;
	bool started, stopping, closed;
	int status;
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
	if (l->channel)
		channel_finish(l->channel);
}

static void link_stop(struct link *l, int status)
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
static void link_nonsense(void *arg, const char *what)
{
	log_error("link refused message=%s", log_quote(span_of(what)));
	link_stop(arg, EXIT_FAILURE);
}

static void link_send(void *arg, json_t *message)
{
	struct link *l = arg;
	int r = l->channel ? channel_send(l->channel, message, -1) : 0;

	json_decref(message);
	if (r < 0)
		log_warn("link send error=%s", err_text(r));
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

static void ops_use(void *arg, void *thing)
{
	struct link *l = arg;

	for (unsigned i = 0; i < l->n_workers; i++)
		worker_swap(l->workers[i], thing);
	policy_unref(thing);
}

static void ops_fail(void *arg)
{
	link_stop(arg, EXIT_FAILURE);
}

static const struct loader_ops loader_ops = { ops_load, ops_ref, ops_unref, ops_policy, ops_use,
	link_nonsense, ops_fail, link_send };

/* A policy judges beside; NULL: no longer. */
static void link_try(void *arg, struct shadow *shadow)
{
	struct link *l = arg;

	for (unsigned i = 0; i < l->n_workers; i++)
		if (worker_shadow(l->workers[i], shadow) < 0)
			log_warn("shadow error=%s", err_text(-ENOMEM));
}

/* ---- start ---- */

/* "xmppwall" where it exists, unless the policy names another; nobody but root can change. */
static const char *link_user(const struct policy *p)
{
	const char *user = policy_daemon(p)->user;

	if (geteuid() != 0)
		return NULL;
	return user ? user : getpwnam("xmppwall") ? "xmppwall" : NULL;
}

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
		link_nonsense(l, "start");
		return;
	}
	workshop_count(&l->shop, l->metrics, (unsigned)number_of(msg, "slot") % SLOTS);
	l->shop.serial = (uint64_t)number_of(msg, "serial");
	spec.user = link_user(p);
	if ((r = open_queues(p, queues, &n)) < 0 || (r = sandbox_enter(&spec)) < 0 ||
		(r = start_workers(l, p, queues, n)) < 0) {
		log_error("start error=%s", err_text(r));
		link_stop(l, EXIT_FAILURE);
		return;
	}
	l->started = l->loader.running = true;
	link_send(l, json_pack("{s:s, s:s, s:s}", "m", "ready", "sandbox", sandbox_text(),
			     "version", XMPPWALL_VERSION));
}

/* ---- orders ---- */

static void on_kill(struct link *l, json_t *msg)
{
	struct named_peer who;

	if (!gather_named(msg, &who)) {
		link_nonsense(l, "kill");
		return;
	}
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_kill(l->workers[i], &who.net, who.len, who.jid);
}

static void on_sessions(struct link *l, json_t *msg)
{
	json_int_t seq = number_of(msg, "seq");
	unsigned asked = 0;

	for (unsigned i = 0; i < l->n_workers; i++)
		asked += worker_list_sessions(l->workers[i], seq) == 0;
	if (gather_begin(&l->gathers, seq, asked) < 0) {
		link_stop(l, EXIT_FAILURE);
		return;
	}
	gather_finish(&l->gathers, &(struct answer_to){ l, link_send });
}

static void on_trace(struct link *l, json_t *msg)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f && !follow_take(f, msg))
		link_nonsense(l, "trace");
	else
		for (unsigned i = 0; f && i < l->n_workers; i++)
			worker_follow(l->workers[i], f);
	free(f);
}

static void on_capture(struct link *l, json_t *msg)
{
	struct tap tap;

	if (!tap_take(&tap, msg))
		link_nonsense(l, "capture");
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

	if (l->channel && channel_send(l->channel, message, -1) < 0)
		metric_add(metrics_find(l->metrics, "event.lost"), 1);
}

static void hub_on_rows(void *arg, json_int_t seq, json_t *rows)
{
	struct link *l = arg;

	gather_take(&l->gathers, seq, rows);
	gather_finish(&l->gathers, &(struct answer_to){ l, link_send });
}

/* In order, or because its queue broke. */
static void hub_on_gone(void *arg)
{
	struct link *l = arg;

	if (!l->stopping) {
		link_stop(l, EXIT_FAILURE);
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

	if (!l->started || l->stopping)
		return;
	while ((message = mdns_tell(l->shop.mdns, uv_hrtime())))
		link_send(l, message);
	now = (json_int_t)metric_get(l->shop.own);
	if (now != l->counted)
		link_send(l, json_pack("{s:s, s:I}", "m", "count", "sessions", now));
	l->counted = now;
}

/* ---- the channel ---- */

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
	else if (strcmp(m, "part") == 0)
		loader_on_part(&l->loader, owned);
	else if (strcmp(m, "start") == 0)
		on_start(l, msg);
	else if (strcmp(m, "list") == 0)
		loader_on_list(&l->loader, msg);
	else if (strcmp(m, "limits") == 0)
		loader_on_limits(&l->loader, msg);
	else if (strcmp(m, "observed") == 0)
		loader_on_observed(&l->loader, msg);
	else if (strcmp(m, "hits") == 0)
		loader_on_hits(&l->loader, msg);
	else if (strcmp(m, "kill") == 0)
		on_kill(l, msg);
	else if (strcmp(m, "sessions") == 0)
		on_sessions(l, msg);
	else if (strcmp(m, "trace") == 0)
		on_trace(l, msg);
	else if (strcmp(m, "capture") == 0)
		on_capture(l, msg);
	else if (strcmp(m, "untrace") == 0)
		on_untrace(l, msg);
	else if (strcmp(m, "shadow") == 0)
		trial_on_shadow(&l->trial, msg, take_fd(&owned));
	else if (strcmp(m, "unshadow") == 0)
		trial_on_unshadow(&l->trial, msg);
	else if (strcmp(m, "stop") == 0)
		link_stop(l, EXIT_SUCCESS);
	else
		log_debug("link ignored message=%s", log_quote(span_of(m)));
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

static const struct channel_handler channel_handler = { link_on_message, link_on_close };

static int link_init(struct link *l, int fd)
{
	static const struct channel_limits limits = { LINK_LINE_FROM_DAEMON, LINK_QUEUE };
	int r;

	l->shop.mdns = mdns_new();
	l->shop.bosh = bosh_table_new(0);
	l->shop.resumed = resumed_new();
	if (!l->shop.mdns || !l->shop.bosh || !l->shop.resumed)
		return -ENOMEM;
	if ((r = uv_loop_init(&l->loop)) < 0 ||
		(r = loader_init(&l->loader, &l->loop, l->metrics, &loader_ops, l)) < 0 ||
		(r = trial_init(&l->trial, &l->loader, link_try, l)) < 0 ||
		(r = uv_timer_init(&l->loop, &l->tell)) < 0 ||
		(r = hub_new(&l->loop, &hub_handler, l, metrics_find(l->metrics, "event.lost"),
			 &l->shop.hub)) < 0)
		return r;
	l->tell.data = l;
	uv_timer_start(&l->tell, on_tell, TELL_MS, TELL_MS);
	return channel_new(&l->loop, fd, &limits, &channel_handler, l, &l->channel);
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
	return l.status;
}
