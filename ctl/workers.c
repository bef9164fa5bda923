/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's side of ctl/link.h. In: what the daemon wants of its workers, and the workers'
 * bounded messages, each checked for its shape before anything in it is used. Out: events and
 * orders to punish, answers to calls. A call ends when all workers that were up answered, went
 * down, or were out of time. List edits that meet a worker still compiling its policy wait, so that
 * they are never lost between two policies. It judges nothing and writes nothing down. Starting and
 * restarting is ctl/worker.c's. */
#include "ctl/workers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/link.h"
#include "ctl/listeners.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"
#include "rules/rules.h"

enum {
	CALL_LIST_MS = 5000,
	CALL_LIMITS_MS = 5000,
	CALL_POLICY_MS = 180000,
	HELD_MAX = 10000, /* list edits waiting for a policy to compile */
	STOP_GRACE_MS = 8000,
};

/* ---- saying ---- */

/* Takes fd. */
static bool say_policy(struct workers *w, const struct config *c, int fd)
{
	bool sent = fd >= 0 && workers_say(w,
				       json_pack("{s:s,s:s,s:I}", "m", "policy", "path", c->path,
					       "generation", (json_int_t)c->generation),
				       fd);

	if (fd >= 0)
		close(fd);
	if (sent)
		w->awaited = c->generation;
	return sent;
}

static void say_listen(struct workers *w, const struct listener *l)
{
	workers_say(w,
		json_pack("{s:s,s:s,s:s,s:i,s:i}", "m", "listen", "service", l->service, "address",
			l->address, "port", (int)l->port, "thread", (int)l->thread),
		l->fd);
}

static void say_limits(struct workers *w, json_int_t seq)
{
	workers_say(w,
		json_pack("{s:s,s:I,s:o}", "m", "limits", "seq", seq, "set",
			w->spec.limits(w->spec.arg)),
		-1);
}

static void on_worker_up(void *arg, struct worker *worker)
{
	struct workers *w = arg;
	struct config *c = w->spec.config(w->spec.arg);
	int fd = config_bundle(c);

	json_array_clear(w->held);
	if (!say_policy(w, c, fd)) {
		worker_kill(worker, fd < 0 ? err_text(fd) : "it does not take its policy");
		return;
	}
	say_limits(w, ++w->seq);
	for (size_t i = 0; i < w->listeners.n; i++)
		say_listen(w, &w->listeners.all[i]);
	workers_say(w, json_pack("{s:s}", "m", "start"), -1);
}

static void on_worker_down(void *arg, struct worker *worker)
{
	struct workers *w = arg;

	w->awaited = 0;
	json_array_clear(w->held);
	w->spec.on_down(w->spec.arg);
	for (struct call *call = w->calls; call; call = call->next)
		if (call->kind == CALL_POLICY) /* it may be what killed it */
			call_end(call, ERR_CLOSED, "the worker ended while it took the policy");
		else if (call->kind == CALL_DELIVER) /* it may have done it */
			call_end(call, ERR_CLOSED, "the worker ended");
		else
			call_end(call, 0, ""); /* its next life gets all of it from the start */
	if (w->stopping && worker_state(worker) == WORKER_DOWN && w->stopped) {
		void (*stopped)(void *) = w->stopped;

		w->stopped = NULL;
		stopped(w->stopped_arg);
		return;
	}
	if (!w->stopping)
		w->spec.on_change(w->spec.arg);
}

/* ---- hearing ---- */

static int hear_ready(struct workers *w, json_t *msg)
{
	const char *sandbox = json_string_value(json_object_get(msg, "sandbox"));

	worker_set_ready(w->proxy, sandbox ? sandbox : "");
	w->spec.on_change(w->spec.arg);
	return 0;
}

static void held_release(struct workers *w)
{
	json_t *msg;
	size_t i;

	json_array_foreach(w->held, i, msg) worker_send(w->proxy, msg, -1);
	json_array_clear(w->held);
}

static int hear_policy(struct workers *w, json_t *msg)
{
	json_t *generation = json_object_get(msg, "generation");
	const char *error = json_string_value(json_object_get(msg, "error"));
	bool ok = json_is_true(json_object_get(msg, "ok"));
	struct call *call;

	if (!json_is_integer(generation))
		return ERR_PROTO;
	if (json_integer_value(generation) == w->awaited) {
		w->awaited = 0;
		held_release(w);
	}
	w->refused = !ok;
	snprintf(w->refusal, sizeof w->refusal, "%s", error ? error : "no reason given");
	if ((call = call_find(w, CALL_POLICY, json_integer_value(generation))) != NULL)
		call_end(call, ok ? 0 : ERR_REFUSED, ok ? "" : w->refusal);
	else if (!ok && worker_state(w->proxy) == WORKER_STARTING)
		worker_kill(w->proxy, "it refuses the policy that the daemon accepted");
	return 0;
}

/* To a call that is asked with a number and answered with yes or no. */
static int hear_answer(struct workers *w, enum call_kind kind, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));
	bool ok = json_is_true(json_object_get(msg, "ok"));
	json_t *seq = json_object_get(msg, "seq");
	struct call *call;

	if (!json_is_integer(seq))
		return ERR_PROTO;
	if ((call = call_find(w, kind, json_integer_value(seq))) != NULL)
		call_end(call, ok ? 0 : ERR_REFUSED, ok ? "" : error ? error : "no reason given");
	return 0;
}

static int hear_list(struct workers *w, json_t *msg)
{
	return hear_answer(w, CALL_LIST, msg);
}

static int hear_limits(struct workers *w, json_t *msg)
{
	return hear_answer(w, CALL_LIMITS, msg);
}

static int hear_event(struct workers *w, json_t *msg)
{
	json_t *event = json_object_get(msg, "event"), *act = json_object_get(msg, "act");

	if (!json_is_object(event) || (act && !json_is_object(act)))
		return ERR_PROTO;
	w->spec.on_event(w->spec.arg, event, act);
	return 0;
}

static int on_worker_message(void *arg, struct worker *worker, json_t *msg)
{
	static const struct {
		const char *name;
		int (*hear)(struct workers *w, json_t *msg);
	} table[] = {
		{ "deliver", workers_hear_deliver },
		{ "event", hear_event },
		{ "hits", workers_hear_hits },
		{ "limits", hear_limits },
		{ "list", hear_list },
		{ "observed", workers_hear_observed },
		{ "policy", hear_policy },
		{ "quarantine", workers_hear_quarantine },
		{ "ready", hear_ready },
		{ "sessions", workers_hear_sessions },
		{ "shadow", workers_hear_shadow },
		{ "trace", workers_hear_trace },
	};
	const char *m = json_string_value(json_object_get(msg, "m"));

	(void)worker;
	for (size_t i = 0; m && i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].name, m) == 0)
			return table[i].hear(arg, msg);
	return ERR_PROTO;
}

/* ---- the daemon's side ---- */

int workers_new(uv_loop_t *loop, const struct workers_spec *spec, struct workers **out)
{
	struct workers *w = calloc(1, sizeof *w);

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->spec = *spec;
	w->held = json_array();
	w->proxy = worker_new(
		loop, &(struct worker_spec){ "xmppwall-proxy", spec->libexec_dir, spec->metrics_fd,
			      on_worker_up, on_worker_message, on_worker_down, w });
	if (!w->proxy || !w->held) {
		worker_free(w->proxy);
		json_decref(w->held);
		free(w);
		return -ENOMEM;
	}
	*out = w;
	return 0;
}

void workers_start(struct workers *w, struct listeners *listeners)
{
	w->listeners = *listeners;
	*listeners = (struct listeners){ 0 };
	if (w->listeners.n == 0)
		return;
	w->started = true;
	worker_start(w->proxy);
}

const struct listeners *workers_listeners(const struct workers *w)
{
	return &w->listeners;
}

void workers_policy(struct workers *w, struct config *next, workers_done done, void *arg)
{
	struct call *call = call_new(w, CALL_POLICY, next->generation, CALL_POLICY_MS);

	if (!call) {
		done(arg, -ENOMEM, err_text(-ENOMEM));
		return;
	}
	call->done = done;
	call->arg = arg;
	if (!workers_up(w) || !say_policy(w, next, config_bundle(next)))
		call_end(call, 0, "");
}

static bool listeners_has_port(const struct listeners *l, const char *service, uint16_t port)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->all[i].port == port && strcmp(l->all[i].service, service) == 0)
			return true;
	return false;
}

/* Has the port lost a socket? "unlisten" names service and port, so all of that port are given
 * anew. */
static bool port_is_changed(
	const struct listeners *old, const struct listeners *next, const struct listener *one)
{
	for (size_t i = 0; i < old->n; i++)
		if (old->all[i].port == one->port &&
			strcmp(old->all[i].service, one->service) == 0 &&
			!listeners_has(next, &old->all[i]))
			return true;
	return false;
}

static void say_unlisten(
	struct workers *w, const struct listeners *old, const struct listeners *next)
{
	for (size_t i = 0; i < old->n; i++) {
		const struct listener *l = &old->all[i];
		struct listeners before = { old->all, i };

		if (!listeners_has_port(&before, l->service, l->port) &&
			port_is_changed(old, next, l))
			workers_say(w,
				json_pack("{s:s,s:s,s:i}", "m", "unlisten", "service", l->service,
					"port", (int)l->port),
				-1);
	}
}

void workers_listen(struct workers *w, struct listeners *listeners)
{
	struct listeners old = w->listeners;

	w->listeners = *listeners;
	*listeners = (struct listeners){ 0 };
	if (workers_up(w)) {
		say_unlisten(w, &old, &w->listeners);
		for (size_t i = 0; i < w->listeners.n; i++)
			if (!listeners_has(&old, &w->listeners.all[i]) ||
				port_is_changed(&old, &w->listeners, &w->listeners.all[i]))
				say_listen(w, &w->listeners.all[i]);
	}
	listeners_close(&old);
	if (!w->started && w->listeners.n > 0) {
		w->started = true;
		worker_start(w->proxy);
	}
}

void workers_list(
	struct workers *w, const char *set, json_t *add, json_t *del, workers_done done, void *arg)
{
	struct call *call = call_new(w, CALL_LIST, ++w->seq, CALL_LIST_MS);
	json_t *msg = json_pack("{s:s,s:I,s:s,s:O,s:O}", "m", "list", "seq", w->seq, "set", set,
		"add", add, "del", del);

	if (!call || !msg) {
		json_decref(msg);
		if (call)
			call_end(call, -ENOMEM, err_text(-ENOMEM));
		else
			done(arg, -ENOMEM, err_text(-ENOMEM));
		return;
	}
	call->done = done;
	call->arg = arg;
	if (!workers_up(w))
		call_end(call, 0, "");
	else if (w->awaited == 0)
		worker_send(w->proxy, msg, -1);
	else if (json_array_size(w->held) >= HELD_MAX || json_array_append(w->held, msg) < 0)
		worker_kill(w->proxy, "too many list edits wait for its policy");
	json_decref(msg);
}

/* Not held back while it compiles a policy: what it says to the policy before, it says to the next. */
void workers_limits(struct workers *w, workers_done done, void *arg)
{
	struct call *call = call_new(w, CALL_LIMITS, ++w->seq, CALL_LIMITS_MS);

	if (!call) {
		done(arg, -ENOMEM, err_text(-ENOMEM));
		return;
	}
	call->done = done;
	call->arg = arg;
	if (workers_up(w))
		say_limits(w, call->seq);
	else
		call_end(call, 0, "");
}

void workers_stop(struct workers *w, void (*done)(void *arg), void *arg)
{
	w->stopping = true;
	w->stopped = done;
	w->stopped_arg = arg;
	worker_stop(w->proxy, STOP_GRACE_MS);
}

void workers_free(struct workers *w)
{
	if (!w)
		return;
	calls_close(w);
	worker_free(w->proxy);
	listeners_close(&w->listeners);
	json_decref(w->held);
	free(w);
}

void workers_reap(struct workers *w)
{
	worker_reap(w->proxy);
}

bool workers_ready(const struct workers *w)
{
	return !w->started || worker_state(w->proxy) == WORKER_READY;
}

json_t *workers_status(const struct workers *w)
{
	json_t *all = json_array();

	if (w->started)
		json_array_append_new(all, worker_status(w->proxy));
	return all;
}

void workers_attention(const struct workers *w, json_t *lines)
{
	const char *trouble = worker_trouble(w->proxy);

	if (!w->started || w->stopping)
		return;
	if (worker_state(w->proxy) == WORKER_DOWN)
		json_array_append_new(
			lines, json_sprintf("%s is not running, nobody gets through: %s",
				       worker_name(w->proxy),
				       *trouble ? trouble : "it will be started in a moment"));
	if (w->refused)
		json_array_append_new(lines,
			json_sprintf("%s refused a policy: %s", worker_name(w->proxy), w->refusal));
}
