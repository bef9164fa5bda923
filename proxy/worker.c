/* SPDX-License-Identifier: BSD-2-Clause */
/* One thread with its own loop, sessions and listeners: below link.c, above everything of one
 * session. In: orders from the main thread through a queue (listen, unlisten, a new policy, kill,
 * rows, stop), readiness, a tick. Out: sessions that run. Threads share the policy, the limits, the
 * registry and the resumption table, and nothing else. A new policy counts for the next stanza of
 * every session; a session keeps the service settings it began with. It never waits for another
 * thread. */
#include "proxy/worker.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "door/crowd.h"
#include "door/hub.h"
#include "proxy/dane_ask.h"
#include "proxy/crossing.h"
#include "proxy/keep.h"
#include "proxy/leaves.h"
#include "proxy/listen.h"
#include "proxy/lookup.h"
#include "proxy/preauth.h"
#include "proxy/session_federation.h"
#include "proxy/sm.h"
#include "rules/shadow.h"
#include "xmpp/jid.h"

enum { TICK_MS = 250, STOP_MS = 3000, SM_BEAT_TICKS = 4, SM_EXPIRE_TICKS = 40, TRIM_CROWD = 64 };

enum order_kind {
	ORDER_LISTEN,
	ORDER_UNLISTEN,
	ORDER_SWAP,
	ORDER_KILL,
	ORDER_SESSIONS,
	ORDER_FOLLOW,
	ORDER_UNFOLLOW,
	ORDER_SHADOW,
	ORDER_DELIVER,
	ORDER_LEAVES,
	ORDER_CROSS,
	ORDER_RETIRE,
	ORDER_STOP,
	ORDER_PUSH_OUT
};

struct order {
	struct order *next;
	enum order_kind kind;
	int fd;
	uint16_t port;
	struct gear *gear;
	struct named_peer who; /* its name is text */
	json_int_t seq;
	struct crowd *crowd;
	struct preauth *preauth;
	struct follow *follow;
	struct shadow *shadow;
	const struct delivery *delivery;
	struct crossing_letter *letter;
	char text[]; /* service or JID */
};

/* ---- orders, on the worker's side ---- */

static void worker_do_kill(struct worker *w, const struct order *o)
{
	struct named_peer who = o->who;
	struct session *s, *next;

	who.name = o->text;
	for (s = w->sessions; s; s = next) {
		struct named_session named = { &session_peer(s)->address, s->serial, s->jid,
			s->federation ? s->federation->remote : NULL, w->gear->policy };

		next = s->next;
		if (gather_is_named(&who, &named) ||
			(who.by == NAMED_DOMAIN && s->federation && federation_has(s, who.name)))
			session_poke(s, EVENT_KILL);
	}
}

static void worker_do_sessions(struct worker *w, json_int_t seq)
{
	json_t *rows = json_array();

	for (const struct session *s = w->sessions; s && rows; s = s->next)
		json_array_append_new(rows, session_row(s));
	hub_rows(w->hub, seq, rows);
}

static json_t *row_of(void *arg, const void *session)
{
	(void)arg;
	return session_row(session);
}

/* Takes crowd. */
static void worker_do_crowd(struct worker *w, json_int_t seq, struct crowd *crowd)
{
	struct crowd *sheet = crowd_sheet(crowd);

	for (struct session *s = w->sessions; s && sheet; s = s->next) {
		struct crowd_member m = session_member(s, uv_now(&w->loop));

		crowd_add(sheet, &m);
	}
	if (sheet)
		crowd_merge(crowd, sheet, row_of, NULL);
	crowd_unref(crowd);
	hub_rows(w->hub, seq, NULL);
}

/* Takes sh. Its judge is another: the verdict that counts lives in the first one's memory. */
static void worker_do_shadow(struct worker *w, struct shadow *sh)
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

/* It was a guest of the lists only: by now it may have logged in or left. */
static void worker_do_push_out(struct preauth *p)
{
	struct session *s = p->session;
	const char *why = p->why;

	preauth_release(p);
	if (s)
		session_push_out(s, why);
}

static void worker_do_stop(struct worker *w)
{
	struct session *s, *next;

	if (w->stopping)
		return;
	w->stopping = true;
	w->stop_ms = uv_now(&w->loop) + STOP_MS;
	listener_close(w, NULL, 0);
	for (s = w->sessions; s; s = next) {
		next = s->next;
		session_poke(s, EVENT_STOP);
	}
}

/* Sessions keep the settings they began with; what is to be written down is a matter of now. */
static void worker_do_audit(struct worker *w)
{
	for (struct session *s = w->sessions; s; s = s->next) {
		const struct gear_service *service = gear_find(w->gear, s->service->conf.name);

		if (service)
			s->audited = service->conf.audit;
	}
}

static void worker_do(struct worker *w, struct order *o)
{
	json_int_t seq;
	int r;

	switch (o->kind) {
	case ORDER_LISTEN:
		if (w->stopping || w->retiring)
			close(o->fd);
		else if ((r = listener_open(w, o->fd, o->text, o->port)) < 0)
			log_error("listener service=%s error=%s", o->text, err_text(r));
		break;
	case ORDER_UNLISTEN:
		listener_close(w, o->text, o->port);
		break;
	case ORDER_SWAP:
		gear_unref(w->gear);
		w->gear = o->gear;
		worker_do_audit(w);
		break;
	case ORDER_KILL:
		worker_do_kill(w, o);
		break;
	case ORDER_SESSIONS:
		if (o->crowd)
			worker_do_crowd(w, o->seq, o->crowd);
		else
			worker_do_sessions(w, o->seq);
		break;
	case ORDER_FOLLOW:
		follow_add(&w->follows, o->follow, uv_now(&w->loop));
		break;
	case ORDER_UNFOLLOW:
		follow_remove(&w->follows, o->seq);
		break;
	case ORDER_SHADOW:
		worker_do_shadow(w, o->shadow);
		break;
	case ORDER_DELIVER:
		/* d may be gone as soon as it has its answer. */
		seq = o->delivery->seq;
		hub_delivery(w->hub, seq, keep_deliver(w, o->delivery));
		break;
	case ORDER_LEAVES:
		leaves_tick(w);
		break;
	case ORDER_CROSS:
		crossing_deliver(w, o->letter);
		break;
	case ORDER_RETIRE:
		w->retiring = true;
		listener_close(w, NULL, 0);
		break;
	case ORDER_STOP:
		worker_do_stop(w);
		break;
	case ORDER_PUSH_OUT:
		worker_do_push_out(o->preauth);
		break;
	}
}

static void worker_on_wake(uv_async_t *async)
{
	struct worker *w = async->data;
	struct order *o, *next;

	pthread_mutex_lock(&w->lock);
	o = w->orders;
	w->orders = NULL;
	w->orders_last = &w->orders;
	pthread_mutex_unlock(&w->lock);
	for (; o; o = next) {
		next = o->next;
		worker_do(w, o);
		free(o);
	}
	lookup_deliver(w);
}

/* ---- the loop ---- */

static void worker_on_again(uv_idle_t *idle)
{
	struct worker *w = idle->data;
	struct session *s = w->runnable, *next;

	/* Those that queue again while running wait for the next turn. */
	w->runnable = NULL;
	for (; s; s = next) {
		next = s->runnable;
		s->queued = false;
		session_run(s);
	}
	if (!w->runnable)
		uv_idle_stop(idle);
}

void worker_queue(struct worker *w, struct session *s)
{
	if (s->queued)
		return;
	s->queued = true;
	s->runnable = w->runnable;
	w->runnable = s;
	uv_idle_start(&w->again, worker_on_again);
}

static void worker_finish(struct worker *w)
{
	uv_close((uv_handle_t *)&w->wake, NULL);
	uv_close((uv_handle_t *)&w->tick, NULL);
	uv_close((uv_handle_t *)&w->again, NULL);
}

/* The allocator keeps what a crowd has left behind; once it has gone nobody waits for the return.
 */
static void worker_trim(struct worker *w, unsigned sessions)
{
	if (sessions > w->crowd)
		w->crowd = sessions;
	if (sessions > 0 || w->crowd < TRIM_CROWD)
		return;
	w->crowd = 0;
	malloc_trim(0);
}

static void worker_on_tick(uv_timer_t *tick)
{
	struct worker *w = tick->data;
	uint64_t now = uv_now(&w->loop);
	struct session *s, *next;
	unsigned n = 0;

	for (s = w->sessions; s; s = next, n++) {
		next = s->next;
		if (w->stopping && now >= w->stop_ms && s->state == SESSION_DRAIN)
			session_poke(s, EVENT_TIMEOUT);
		else
			session_tick(s, now);
	}
	dane_tick(w, now);
	follow_tick(&w->follows, now);
	leaves_tick(w);
	worker_trim(w, n);
	listener_resume(w);
	if (w->index == 0 && ++w->ticks % SM_BEAT_TICKS == 0)
		sm_beat(clock_mono_ms());
	if (w->index == 0 && w->ticks % SM_EXPIRE_TICKS == 0)
		sm_expire(clock_mono_ms());
	if (w->retiring && !w->sessions && !w->empty) {
		w->empty = true;
		hub_empty(w->hub);
	}
	if (w->stopping && !w->sessions)
		worker_finish(w);
}

static void worker_main(void *arg)
{
	struct worker *w = arg;

	uv_run(&w->loop, UV_RUN_DEFAULT);
	hub_gone(w->hub);
}

static int worker_init_loop(struct worker *w)
{
	int r;

	if ((r = uv_loop_init(&w->loop)) < 0)
		return r;
	if ((r = uv_async_init(&w->loop, &w->wake, worker_on_wake)) < 0 ||
		(r = uv_timer_init(&w->loop, &w->tick)) < 0 ||
		(r = uv_idle_init(&w->loop, &w->again)) < 0)
		return r;
	w->wake.data = w->tick.data = w->again.data = w;
	return uv_timer_start(&w->tick, worker_on_tick, TICK_MS, TICK_MS);
}

int worker_new(struct hub *hub, unsigned index, struct gear *gear, struct worker **out)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->index = index;
	w->hub = hub;
	w->orders_last = &w->orders;
	pthread_mutex_init(&w->lock, NULL);
	w->judge = judge_new();
	w->gear = gear_ref(gear);
	/* A process that cannot make its workers ends: nothing is unwound. */
	r = w->judge ? worker_init_loop(w) : -ENOMEM;
	if (r == 0)
		r = uv_thread_create(&w->thread, worker_main, w);
	if (r == 0)
		*out = w;
	return r;
}

void worker_join(struct worker *w)
{
	struct order *o, *next;

	uv_thread_join(&w->thread);
	uv_loop_close(&w->loop);
	for (o = w->orders; o; o = next) {
		next = o->next;
		if (o->kind == ORDER_LISTEN)
			close(o->fd);
		gear_unref(o->gear);
		free(o->follow);
		shadow_unref(o->shadow);
		crowd_unref(o->crowd);
		free(o->letter);
		if (o->preauth)
			preauth_release(o->preauth);
		free(o);
	}
	lookup_drop(w);
	follow_fini(&w->follows);
	worker_do_shadow(w, NULL);
	judge_free(w->judge);
	gear_unref(w->gear);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* ---- orders, on the main thread's side ---- */

static int worker_order(struct worker *w, const struct order *given, const char *text)
{
	struct order *o = calloc(1, sizeof(*o) + strlen(text) + 1);

	if (!o)
		return -ENOMEM;
	*o = *given;
	strcpy(o->text, text);
	pthread_mutex_lock(&w->lock);
	*w->orders_last = o;
	w->orders_last = &o->next;
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->wake);
	return 0;
}

int worker_listen(struct worker *w, int fd, const char *service, uint16_t port)
{
	int r = worker_order(
		w, &(struct order){ .kind = ORDER_LISTEN, .fd = fd, .port = port }, service);

	if (r < 0)
		close(fd);
	return r;
}

int worker_unlisten(struct worker *w, const char *service, uint16_t port)
{
	return worker_order(w, &(struct order){ .kind = ORDER_UNLISTEN, .port = port }, service);
}

int worker_swap(struct worker *w, struct gear *gear)
{
	struct order o = { .kind = ORDER_SWAP, .gear = gear_ref(gear) };
	int r = worker_order(w, &o, "");

	if (r < 0)
		gear_unref(gear);
	return r;
}

int worker_kill(struct worker *w, const struct named_peer *who)
{
	return worker_order(w, &(struct order){ .kind = ORDER_KILL, .who = *who }, who->name);
}

int worker_push_out(struct worker *w, struct preauth *p)
{
	int r = worker_order(w, &(struct order){ .kind = ORDER_PUSH_OUT, .preauth = p }, "");

	if (r < 0)
		preauth_release(p);
	return r;
}

int worker_list_sessions(struct worker *w, json_int_t seq, struct crowd *crowd)
{
	struct order o = {
		.kind = ORDER_SESSIONS, .seq = seq, .crowd = crowd ? crowd_ref(crowd) : NULL
	};
	int r = worker_order(w, &o, "");

	if (r < 0)
		crowd_unref(o.crowd);
	return r;
}

int worker_follow(struct worker *w, const struct follow *follow)
{
	struct order o = { .kind = ORDER_FOLLOW, .follow = malloc(sizeof(*follow)) };
	int r = -ENOMEM;

	if (o.follow) {
		*o.follow = *follow;
		r = worker_order(w, &o, "");
	}
	if (r < 0)
		free(o.follow);
	return r;
}

int worker_shadow(struct worker *w, struct shadow *shadow)
{
	struct order o = { .kind = ORDER_SHADOW, .shadow = shadow ? shadow_ref(shadow) : NULL };
	int r = worker_order(w, &o, "");

	if (r < 0)
		shadow_unref(o.shadow);
	return r;
}

int worker_unfollow(struct worker *w, json_int_t id)
{
	return worker_order(w, &(struct order){ .kind = ORDER_UNFOLLOW, .seq = id }, "");
}

int worker_deliver(struct worker *w, const struct delivery *d)
{
	return worker_order(w, &(struct order){ .kind = ORDER_DELIVER, .delivery = d }, "");
}

int worker_leaves(struct worker *w)
{
	return worker_order(w, &(struct order){ .kind = ORDER_LEAVES }, "");
}

int worker_cross(struct worker *w, struct crossing_letter *letter)
{
	return worker_order(w, &(struct order){ .kind = ORDER_CROSS, .letter = letter }, "");
}

int worker_retire(struct worker *w)
{
	return worker_order(w, &(struct order){ .kind = ORDER_RETIRE }, "");
}

int worker_stop(struct worker *w)
{
	return worker_order(w, &(struct order){ .kind = ORDER_STOP }, "");
}
