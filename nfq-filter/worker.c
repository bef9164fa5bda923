/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread: between its queue and its gate.
 * In: packets of one queue of the kernel, time, orders from the main thread. Out: verdicts, sent
 * together when everything that was there has been read; counters and what worker_tell.c tells. A
 * connection always comes by the same queue, since the firewall spreads them by their addresses, so
 * threads share nothing but the policy and two tables. It judges nothing itself. */
#include "nfq-filter/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "ctl/link.h"
#include "door/crowd.h"
#include "door/registry.h"
#include "door/eve.h"
#include "nfq-filter/inspect_peer.h"
#include "nfq-filter/worker_tell.h"
#include "rules/shadow.h"

enum {
	TICK_MS = 50,
	SOON_MS = 10,
	READ_MAX = 512, /* packets before orders and time have their turn */
	TELL_TICKS = 20,
	ALARM_MS = 60000,
	HELD_ALARM = QUEUE_LENGTH / 4 * 3,
};

enum order_kind {
	ORDER_SWAP,
	ORDER_KILL,
	ORDER_SESSIONS,
	ORDER_FOLLOW,
	ORDER_UNFOLLOW,
	ORDER_TAP,
	ORDER_SHADOW,
	ORDER_STOP
};

struct order {
	struct order *next;
	enum order_kind kind;
	struct policy *policy;
	struct named_peer who; /* its name is jid */
	json_int_t seq;
	struct crowd *crowd;
	struct follow *follow;
	struct tap *tap;
	struct shadow *shadow;
	char jid[];
};

/* ---- counters ---- */

void workshop_count(struct workshop *s, struct metrics *m, unsigned slot)
{
	char name[METRIC_NAME_MAX];

	s->metrics = m;
	for (unsigned c = 0; c < COUNT_MAX; c++) {
		snprintf(name, sizeof(name), "inspect.%s", count_name((enum count)c));
		s->counts[c] = metrics_find(m, name);
	}
	for (unsigned k = 0; k < VERDICT_KINDS; k++) {
		snprintf(name, sizeof(name), "verdict.%s", verdict_kind_text((enum verdict_kind)k));
		s->verdicts[k] = metrics_find(m, name);
	}
	s->stanza_in = metrics_find(m, "stanza.in");
	s->stanza_out = metrics_find(m, "stanza.out");
	s->active = metrics_find(m, "session.active");
	s->held = metrics_find(m, "inspect.held.packets");
	s->flows = metrics_find(m, "inspect.flows");
	s->memory = metrics_find(m, "inspect.memory");
	s->lost = metrics_find(m, "inspect.queue.dropped");
	s->overrun = metrics_find(m, "inspect.queue.overrun");
	s->refused = metrics_find(m, "inspect.queue.refused");
	/* Gauges of a child before us. */
	metric_set(s->held, 0);
	metric_set(s->flows, 0);
	metric_set(s->memory, 0);
	snprintf(name, sizeof(name), LINK_GAUGE_SESSIONS, slot);
	s->own = metrics_find(m, name);
	metric_set(s->own, 0);
}

static void gauge_move(metric *gauge, size_t from, size_t to)
{
	if (to > from)
		metric_add(gauge, to - from);
	else
		metric_sub(gauge, from - to);
}

static void alarm_raise(struct worker *w, const char *what, uint64_t n)
{
	uint64_t now = uv_now(&w->loop);

	if (w->alarmed_ms && now - w->alarmed_ms < ALARM_MS)
		return;
	w->alarmed_ms = now;
	log_warn("alarm queue=%u what=%s count=%llu", w->index, what, (unsigned long long)n);
	eve_alarm(w->shop->hub, what, n);
}

static void tell_queue(struct worker *w)
{
	struct workshop *s = w->shop;
	struct queue_numbers now;
	uint64_t lost;

	queue_numbers(w->queue, &now);
	lost = now.dropped - w->numbers.dropped + now.user_dropped - w->numbers.user_dropped;
	metric_add(s->lost, lost);
	metric_add(s->overrun, now.overrun - w->numbers.overrun);
	metric_add(s->refused, now.refused - w->numbers.refused);
	if (lost > 0)
		alarm_raise(w, "queue.dropped", lost);
	else if (now.overrun > w->numbers.overrun)
		alarm_raise(w, "queue.overrun", now.overrun - w->numbers.overrun);
	else if (now.waiting > HELD_ALARM)
		alarm_raise(w, "queue.waiting", now.waiting);
	w->numbers = now;
}

static void tell_numbers(struct worker *w)
{
	struct gate_load load = gate_load(w->gate);
	struct workshop *s = w->shop;

	for (unsigned c = 0; c < COUNT_MAX; c++)
		if (w->counts.n[c] != w->told.n[c])
			metric_add(s->counts[c], w->counts.n[c] - w->told.n[c]);
	w->told = w->counts;
	gauge_move(s->held, w->load.held_packets, load.held_packets);
	gauge_move(s->flows, w->load.flows, load.flows);
	gauge_move(s->memory, w->load.memory, load.memory);
	gauge_move(s->active, w->load.streams, load.streams);
	gauge_move(s->own, w->load.streams, load.streams);
	w->load = load;
}

/* ---- packets ---- */

static void on_order(void *arg, const struct gate_order *o)
{
	struct worker *w = arg;
	uint32_t mark = o->fate == GATE_PASS ? w->mark_pass : w->mark_kill;
	bool marked = o->fate == GATE_PASS || o->fate == GATE_KILL;

	queue_verdict(w->queue, o->id, o->fate != GATE_DROP, marked, mark, o->bytes, o->len);
}

static void on_packet(void *arg, const struct queue_packet *p)
{
	struct worker *w = arg;
	struct gate_packet in = { .id = p->id,
		.bytes = p->bytes,
		.len = p->len,
		.checksum_not_ready = p->checksum_not_ready,
		.now_ns = uv_hrtime() };
	int r;

	if (p->cut || !p->bytes) {
		queue_verdict(w->queue, p->id, false, false, 0, NULL, 0);
		return;
	}
	if (w->taps.n > 0)
		taps_packet(&w->taps, p->bytes, p->len, uv_now(&w->loop));
	if ((r = gate_push(w->gate, &in)) < 0)
		log_warn("packet error=%d", r);
}

static void on_again(uv_idle_t *idle);

/* Where we were late ourselves, what came meanwhile is read first: its sender was not silent. */
static void worker_tick(struct worker *w)
{
	if (queue_read(w->queue, READ_MAX, on_packet, w) < READ_MAX)
		gate_tick(w->gate, uv_hrtime());
	queue_flush(w->queue);
}

static void on_soon(uv_timer_t *soon)
{
	struct worker *w = soon->data;

	worker_tick(w);
	if (gate_waits(w->gate))
		uv_timer_start(soon, on_soon, SOON_MS, 0);
}

static void worker_read(struct worker *w)
{
	int n = queue_read(w->queue, READ_MAX, on_packet, w);

	queue_flush(w->queue);
	if (gate_waits(w->gate) && !uv_is_active((uv_handle_t *)&w->soon))
		uv_timer_start(&w->soon, on_soon, SOON_MS, 0);
	if (n < 0) {
		log_error("queue error=%d", n);
		uv_poll_stop(&w->poll);
		hub_gone(w->shop->hub);
		return;
	}
	if (n >= READ_MAX)
		uv_idle_start(&w->again, on_again);
	else
		uv_idle_stop(&w->again);
}

static void on_again(uv_idle_t *idle)
{
	worker_read(idle->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	worker_read(poll->data);
}

static void on_tick(uv_timer_t *tick)
{
	struct worker *w = tick->data;

	worker_tick(w);
	follow_tick(&w->follows, uv_now(&w->loop));
	taps_tick(&w->taps, uv_now(&w->loop));
	tell_numbers(w);
	if (++w->ticks % TELL_TICKS == 0)
		tell_queue(w);
}

/* ---- orders ---- */

static void do_swap(struct worker *w, struct policy *policy)
{
	const struct daemon_options *options = policy_daemon(policy);

	gate_swap(w->gate, policy, w->judge);
	policy_unref(w->policy);
	w->policy = policy;
	w->mark_pass = service_mark_pass(options);
	w->mark_kill = service_mark_kill(options);
}

/* Takes sh. Its judge is another: the verdict that counts lives in the first one's memory. */
static void do_shadow(struct worker *w, struct shadow *sh)
{
	shadow_unref(w->shadow);
	judge_free(w->shadow_judge);
	w->shadow = sh;
	w->shadow_judge = sh ? judge_new() : NULL;
	if (sh && !w->shadow_judge) {
		shadow_unref(sh);
		w->shadow = NULL;
	}
}

struct naming {
	const struct worker *w;
	struct named_peer who;
};

static bool is_named(void *arg, const struct flow *f, const struct inspection *i)
{
	const struct naming *n = arg;
	struct named_session s = { &f->client.address, tell_number(n->w, i), i->jid, NULL, n->w->policy };

	if (gather_is_named(&n->who, &s) || ((s.domain = peer_domain(i)) && gather_is_named(&n->who, &s)))
		return true;
	/* Several may speak on one stream between servers. */
	for (unsigned r = 0; r < i->n_remotes; r++) {
		s.domain = i->remotes[r].domain;
		if (i->remotes[r].valid && gather_is_named(&n->who, &s))
			return true;
	}
	return false;
}

static void do_kill(struct worker *w, const struct order *o)
{
	struct naming n = { w, o->who };

	n.who.name = o->jid;
	if (o->who.by == NAMED_NETWORK)
		gate_kill(w->gate, &o->who.net, o->who.len, NULL);
	else if (o->who.by == NAMED_JID)
		gate_kill(w->gate, NULL, 0, o->jid);
	else
		gate_kill_if(w->gate, is_named, &n);
}

static void do_stop(struct worker *w)
{
	w->stopping = true;
	uv_close((uv_handle_t *)&w->poll, NULL);
	uv_close((uv_handle_t *)&w->tick, NULL);
	uv_close((uv_handle_t *)&w->soon, NULL);
	uv_close((uv_handle_t *)&w->wake, NULL);
	uv_close((uv_handle_t *)&w->again, NULL);
}

static void order_run(struct worker *w, struct order *o)
{
	switch (o->kind) {
	case ORDER_SWAP:
		do_swap(w, o->policy);
		o->policy = NULL;
		break;
	case ORDER_KILL:
		do_kill(w, o);
		break;
	case ORDER_SESSIONS:
		if (o->crowd)
			tell_crowd(w, o->crowd);
		hub_rows(w->shop->hub, o->seq, o->crowd ? NULL : tell_sessions(w));
		break;
	case ORDER_FOLLOW:
		follow_add(&w->follows, o->follow, uv_now(&w->loop));
		o->follow = NULL;
		break;
	case ORDER_UNFOLLOW:
		follow_remove(&w->follows, o->seq);
		taps_remove(&w->taps, o->seq);
		break;
	case ORDER_TAP:
		taps_add(&w->taps, o->tap, uv_now(&w->loop));
		o->tap = NULL;
		break;
	case ORDER_SHADOW:
		do_shadow(w, o->shadow);
		o->shadow = NULL;
		break;
	case ORDER_STOP:
		do_stop(w);
		break;
	}
}

static void order_free(struct order *o)
{
	policy_unref(o->policy);
	free(o->follow);
	free(o->tap);
	crowd_unref(o->crowd);
	shadow_unref(o->shadow);
	free(o);
}

static struct order *orders_take(struct worker *w)
{
	struct order *first;

	pthread_mutex_lock(&w->lock);
	first = w->orders;
	w->orders = NULL;
	w->orders_last = &w->orders;
	pthread_mutex_unlock(&w->lock);
	return first;
}

static void on_wake(uv_async_t *wake)
{
	struct worker *w = wake->data;
	struct order *o = orders_take(w), *next;

	for (; o; o = next) {
		next = o->next;
		if (!w->stopping)
			order_run(w, o);
		order_free(o);
	}
	queue_flush(w->queue);
}

static int order_put(struct worker *w, const struct order *what, const char *jid)
{
	size_t len = jid ? strlen(jid) : 0;
	struct order *o = malloc(sizeof(*o) + len + 1);

	if (!o)
		return -ENOMEM;
	*o = *what;
	memcpy(o->jid, jid ? jid : "", len + 1);
	pthread_mutex_lock(&w->lock);
	*w->orders_last = o;
	w->orders_last = &o->next;
	uv_async_send(&w->wake);
	pthread_mutex_unlock(&w->lock);
	return 0;
}

int worker_swap(struct worker *w, struct policy *policy)
{
	int r = order_put(
		w, &(struct order){ .kind = ORDER_SWAP, .policy = policy_ref(policy) }, NULL);

	if (r < 0)
		policy_unref(policy);
	return r;
}

int worker_kill(struct worker *w, const struct named_peer *who)
{
	return order_put(w, &(struct order){ .kind = ORDER_KILL, .who = *who }, who->name);
}

int worker_list_sessions(struct worker *w, json_int_t seq, struct crowd *crowd)
{
	struct order o = {
		.kind = ORDER_SESSIONS, .seq = seq, .crowd = crowd ? crowd_ref(crowd) : NULL
	};
	int r = order_put(w, &o, NULL);

	if (r < 0)
		crowd_unref(o.crowd);
	return r;
}

int worker_follow(struct worker *w, const struct follow *follow)
{
	struct follow *copy = malloc(sizeof(*copy));
	int r = -ENOMEM;

	if (copy) {
		*copy = *follow;
		r = order_put(w, &(struct order){ .kind = ORDER_FOLLOW, .follow = copy }, NULL);
	}
	if (r < 0)
		free(copy);
	return r;
}

int worker_tap(struct worker *w, const struct tap *tap)
{
	struct tap *copy = malloc(sizeof(*copy));
	int r = -ENOMEM;

	if (copy) {
		*copy = *tap;
		r = order_put(w, &(struct order){ .kind = ORDER_TAP, .tap = copy }, NULL);
	}
	if (r < 0)
		free(copy);
	return r;
}

int worker_unfollow(struct worker *w, json_int_t id)
{
	return order_put(w, &(struct order){ .kind = ORDER_UNFOLLOW, .seq = id }, NULL);
}

int worker_shadow(struct worker *w, struct shadow *shadow)
{
	struct order o = { .kind = ORDER_SHADOW, .shadow = shadow ? shadow_ref(shadow) : NULL };
	int r = order_put(w, &o, NULL);

	if (r < 0)
		shadow_unref(o.shadow);
	return r;
}

int worker_stop(struct worker *w)
{
	return order_put(w, &(struct order){ .kind = ORDER_STOP }, NULL);
}

/* ---- life ---- */

static void worker_run(void *arg)
{
	struct worker *w = arg;

	uv_run(&w->loop, UV_RUN_DEFAULT);
	/* What is held is dropped by name; the kernel would do it, too. */
	gate_free(w->gate);
	w->gate = NULL;
	queue_flush(w->queue);
	hub_gone(w->shop->hub);
}

static int worker_prepare(struct worker *w, struct policy *policy)
{
	struct gate_spec spec = { .policy = policy,
		.judge = w->judge,
		.counts = &w->counts,
		.mdns = w->shop->mdns,
		.bosh = w->shop->bosh,
		.resumed = w->shop->resumed,
		.hooks = { w, on_order, tell_judged, tell_killed, tell_noted, tell_ended,
			tell_judging },
		.company = registry_company };
	int r;

	if (!w->judge || !(w->gate = gate_new(&spec)))
		return -ENOMEM;
	w->policy = policy_ref(policy);
	w->mark_pass = service_mark_pass(policy_daemon(policy));
	w->mark_kill = service_mark_kill(policy_daemon(policy));
	if ((r = uv_loop_init(&w->loop)) < 0)
		return r;
	w->poll.data = w->tick.data = w->soon.data = w->wake.data = w->again.data = w;
	if ((r = uv_poll_init(&w->loop, &w->poll, queue_fd(w->queue))) < 0 ||
		(r = uv_timer_init(&w->loop, &w->tick)) < 0 ||
		(r = uv_timer_init(&w->loop, &w->soon)) < 0 ||
		(r = uv_idle_init(&w->loop, &w->again)) < 0 ||
		(r = uv_async_init(&w->loop, &w->wake, on_wake)) < 0 ||
		(r = uv_poll_start(&w->poll, UV_READABLE, on_readable)) < 0)
		return r;
	return uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
}

int worker_new(struct workshop *shop, unsigned index, struct queue *queue, struct policy *policy,
	struct worker **out)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->shop = shop;
	w->index = index;
	w->taps.hub = shop->hub;
	w->queue = queue;
	w->judge = judge_new();
	w->orders_last = &w->orders;
	pthread_mutex_init(&w->lock, NULL);
	if ((r = worker_prepare(w, policy)) < 0 ||
		(r = uv_thread_create(&w->thread, worker_run, w)) < 0)
		return r; /* the process ends over it */
	*out = w;
	return 0;
}

void worker_join(struct worker *w)
{
	struct order *o, *next;

	if (!w)
		return;
	uv_thread_join(&w->thread);
	for (o = orders_take(w); o; o = next) {
		next = o->next;
		order_free(o);
	}
	uv_loop_close(&w->loop);
	follow_fini(&w->follows);
	taps_fini(&w->taps);
	queue_close(w->queue);
	do_shadow(w, NULL);
	judge_free(w->judge);
	policy_unref(w->policy);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
