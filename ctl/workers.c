/* SPDX-License-Identifier: BSD-2-Clause */
/* The daemon's side of ctl/link.h. In: what the daemon wants of its workers, and the workers'
 * bounded messages, each checked for its shape before anything in it is used. Out: events and
 * orders to punish, answers to calls. A call ends when all workers that were up answered, went
 * down, or were out of time; where they differ, those that serve or inspect count. It judges
 * nothing and writes nothing down. Which children there are is ctl/children.c's, the life of one
 * ctl/worker.c's. */
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
	STOP_GRACE_MS = 8000,
};
#define SERIALS_A_CHILD                                                                            \
	((json_int_t)1000000000) /* no two children give a session the same number */

/* ---- saying ---- */

bool child_say_parts(struct child *c, const struct config *config)
{
	const struct part_set *parts = policy_parts(config->policy);
	bool said = true;

	for (size_t i = 0; i < parts->n && said; i++)
		said = child_say(c, json_pack("{s:s}", "m", "part"), parts->all[i]->fd);
	return said;
}

static bool say_policy(struct child *c, const struct config *config, int fd)
{
	return fd >= 0 && child_say_parts(c, config) && child_say(c,
				  json_pack("{s:s,s:s,s:I}", "m", "policy", "path", config->path,
					  "generation", (json_int_t)config->generation),
				  fd);
}

static void say_listen(struct child *c, const struct listener *l)
{
	child_say(c,
		json_pack("{s:s,s:s,s:s,s:i,s:i}", "m", "listen", "service", l->service, "address",
			l->address, "port", (int)l->port, "thread", (int)l->thread),
		l->fd);
}

/* What only one that is connected to needs. */
static void say_doors(struct child *c)
{
	const struct workers *w = c->workers;

	child_say_addresses(c);
	for (size_t i = 0; i < w->listeners.n; i++)
		say_listen(c, &w->listeners.all[i]);
	if (w->spec.streams_fd >= 0)
		child_say(c, json_pack("{s:s}", "m", "streams"), w->spec.streams_fd);
}

static json_t *limits_message(struct workers *w, json_int_t seq)
{
	return json_pack(
		"{s:s,s:I,s:o}", "m", "limits", "seq", seq, "set", w->spec.limits(w->spec.arg));
}

static bool say_bar(void *child, json_t *msg)
{
	return child_say(child, msg, -1);
}

/* Before a policy that wants it: whoever has none lets nothing cross. */
static void say_audit(struct child *c, struct worker *worker, const struct config *config, bool anew)
{
	const struct workers *w = c->workers;
	int fd = -1;

	if (!config_is_audited(config) || c->role == CHILD_INSPECTING || !w->spec.audit ||
		w->spec.audit(w->spec.arg, worker_pid(worker), anew, &fd) < 0 || fd < 0)
		return;
	child_say(c, json_pack("{s:s}", "m", "audit"), fd);
	close(fd);
}

void workers_child_up(void *arg, struct worker *worker)
{
	struct child *c = arg;
	struct workers *w = c->workers;
	struct config *config = w->spec.config(w->spec.arg);
	int fd = config_bundle(config);
	bool said;

	say_audit(c, worker, config, true);
	said = say_policy(c, config, fd);
	if (fd >= 0)
		close(fd);
	if (!said) {
		worker_kill(worker, fd < 0 ? err_text(fd) : "it does not take its policy");
		return;
	}
	child_say(c, limits_message(w, ++w->seq), -1);
	if (w->spec.barred)
		w->spec.barred(w->spec.arg, say_bar, c);
	if (c->role != CHILD_INSPECTING)
		say_doors(c);
	child_say(c,
		json_pack("{s:s,s:I,s:i}", "m", "start", "serial", w->born++ * SERIALS_A_CHILD,
			"slot", (int)child_slot(c)),
		-1);
}

void workers_child_down(void *arg, struct worker *worker)
{
	struct child *c = arg;
	struct workers *w = c->workers;

	(void)worker;
	calls_lose(w, c);
	w->spec.on_down(w->spec.arg,
		c->role == CHILD_SERVING                                  ? DOOR_PROXY
		: c->role == CHILD_INSPECTING || c->role == CHILD_LEAVING ? DOOR_INSPECTOR
									  : DOOR_NONE,
		child_slot(c));
	c->sessions = c->life = 0;
	if (!child_down(c) && !w->stopping)
		w->spec.on_change(w->spec.arg);
	if (!w->stopping || !w->stopped)
		return;
	for (c = w->children; c; c = c->next)
		if (worker_state(c->worker) != WORKER_DOWN)
			return;
	void (*stopped)(void *) = w->stopped;

	w->stopped = NULL;
	stopped(w->stopped_arg);
}

/* ---- hearing ---- */

static int hear_policy(struct child *c, json_t *msg)
{
	json_t *generation = json_object_get(msg, "generation");
	const char *error = json_string_value(json_object_get(msg, "error"));
	bool ok = json_is_true(json_object_get(msg, "ok"));
	struct call *call;

	if (!json_is_integer(generation))
		return ERR_PROTO;
	c->refused = !ok;
	error = error ? error : "no reason given";
	snprintf(c->refusal, sizeof c->refusal, "%.*s",
		(int)span_cut(span_of(error), sizeof c->refusal - 1), error);
	call = call_find(c->workers, CALL_POLICY, json_integer_value(generation));
	if (call && call->asked & c->bit)
		call_answered(call, c, ok ? 0 : ERR_REFUSED, ok ? "" : c->refusal);
	else if (!ok && worker_state(c->worker) == WORKER_STARTING)
		worker_kill(c->worker, "it refuses the policy that the daemon accepted");
	return 0;
}

/* To a call that is asked with a number and answered with yes or no. */
static int hear_answer(struct child *c, enum call_kind kind, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));
	bool ok = json_is_true(json_object_get(msg, "ok"));
	json_t *seq = json_object_get(msg, "seq");
	struct call *call;

	if (!json_is_integer(seq))
		return ERR_PROTO;
	call = call_find(c->workers, kind, json_integer_value(seq));
	if (call && call->asked & c->bit)
		call_answered(call, c, ok ? 0 : ERR_REFUSED,
			ok      ? ""
			: error ? error
				: "no reason given");
	return 0;
}

static int hear_list(struct child *c, json_t *msg)
{
	return hear_answer(c, CALL_LIST, msg);
}

static int hear_limits(struct child *c, json_t *msg)
{
	return hear_answer(c, CALL_LIMITS, msg);
}

static int hear_event(struct child *c, json_t *msg)
{
	json_t *event = json_object_get(msg, "event"), *act = json_object_get(msg, "act");

	if (!json_is_object(event) || (act && !json_is_object(act)))
		return ERR_PROTO;
	c->workers->spec.on_event(c->workers->spec.arg, event, act);
	return 0;
}

int workers_child_message(void *arg, struct worker *worker, json_t *msg)
{
	static const struct {
		const char *name;
		int (*hear)(struct child *c, json_t *msg);
	} table[] = {
		{ "backends", workers_hear_backends },
		{ "count", child_hear_count },
		{ "deliver", workers_hear_deliver },
		{ "domains", workers_hear_domains },
		{ "down", workers_hear_down },
		{ "event", hear_event },
		{ "hits", workers_hear_hits },
		{ "known", workers_hear_known },
		{ "limits", hear_limits },
		{ "list", hear_list },
		{ "mint", workers_hear_mint },
		{ "observed", workers_hear_observed },
		{ "policy", hear_policy },
		{ "quarantine", workers_hear_quarantine },
		{ "ready", child_hear_ready },
		{ "retired", child_hear_retired },
		{ "serverless", workers_hear_serverless },
		{ "sessions", workers_hear_sessions },
		{ "shadow", workers_hear_shadow },
		{ "trace", workers_hear_trace },
		{ "using", workers_hear_using },
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
	if (!(w->serving = child_new(w, CHILD_SERVING))) {
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
	w->started = w->listeners.n > 0;
	if (w->started)
		worker_start(w->serving->worker);
	workers_inspect(w);
}

const struct listeners *workers_listeners(const struct workers *w)
{
	return &w->listeners;
}

void workers_policy(struct workers *w, struct config *next, workers_done done, void *arg)
{
	struct call *call = call_new(w, CALL_POLICY, next->generation, CALL_POLICY_MS);
	int fd = call ? config_bundle(next) : -ENOMEM;

	if (fd < 0) {
		if (call)
			call_end(call, fd, err_text(fd));
		else
			done(arg, fd, err_text(fd));
	}
	if (!call)
		return;
	call->done = done;
	call->arg = arg;
	if (fd < 0)
		return;
	for (struct child *c = w->children; c; c = c->next) {
		if (!child_up(c))
			continue;
		say_audit(c, c->worker, next, false);
		if (say_policy(c, next, fd))
			call->asked |= c->bit;
	}
	close(fd);
	if (call->asked == 0)
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

static void say_unlisten(struct child *c, const struct listeners *old, const struct listeners *next)
{
	for (size_t i = 0; i < old->n; i++) {
		const struct listener *l = &old->all[i];
		struct listeners before = { old->all, i };

		if (!listeners_has_port(&before, l->service, l->port) &&
			port_is_changed(old, next, l))
			child_say(c,
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
	for (struct child *c = w->children; c; c = c->next) {
		if (!child_up(c) || (c->role != CHILD_SERVING && c->role != CHILD_COMING))
			continue;
		say_unlisten(c, &old, &w->listeners);
		for (size_t i = 0; i < w->listeners.n; i++)
			if (!listeners_has(&old, &w->listeners.all[i]) ||
				port_is_changed(&old, &w->listeners, &w->listeners.all[i]))
				say_listen(c, &w->listeners.all[i]);
	}
	listeners_close(&old);
	if (!w->started && w->listeners.n > 0) {
		w->started = true;
		worker_start(w->serving->worker);
	}
}

/* Not held back while one compiles a policy: it says to the next what it is told meanwhile. */
void workers_list(
	struct workers *w, const char *set, json_t *add, json_t *del, workers_done done, void *arg)
{
	struct call *call = call_new(w, CALL_LIST, ++w->seq, CALL_LIST_MS);

	if (!call) {
		done(arg, -ENOMEM, err_text(-ENOMEM));
		return;
	}
	call->done = done;
	call->arg = arg;
	call_ask(call,
		json_pack("{s:s,s:I,s:s,s:O,s:O}", "m", "list", "seq", w->seq, "set", set, "add",
			add, "del", del),
		false);
}

void workers_limits(struct workers *w, workers_done done, void *arg)
{
	struct call *call = call_new(w, CALL_LIMITS, ++w->seq, CALL_LIMITS_MS);

	if (!call) {
		done(arg, -ENOMEM, err_text(-ENOMEM));
		return;
	}
	call->done = done;
	call->arg = arg;
	call_ask(call, limits_message(w, call->seq), false);
}

void workers_stop(struct workers *w, void (*done)(void *arg), void *arg)
{
	struct child *next;

	w->stopping = true;
	w->stopped = done;
	w->stopped_arg = arg;
	for (struct child *c = w->children; c; c = next) {
		next = c->next;
		worker_stop(c->worker, STOP_GRACE_MS);
	}
}

void workers_free(struct workers *w)
{
	struct child *next;

	if (!w)
		return;
	calls_close(w);
	for (struct child *c = w->children; c; c = next) {
		next = c->next;
		child_free(c);
	}
	listeners_close(&w->listeners);
	json_decref(w->down);
	workers_names(w, NULL);
	free(w);
}

void workers_reap(struct workers *w)
{
	struct child *next;

	for (struct child *c = w->children; c; c = next) {
		next = c->next;
		worker_reap(c->worker);
	}
}

bool workers_ready(const struct workers *w)
{
	return (!w->started || child_ready(w->serving)) &&
	       (!w->inspecting || child_ready(w->inspecting));
}
