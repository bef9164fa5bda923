/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the children and their answers: part of the daemon's side of ctl/link.h, beside
 * workers.c. In: what an operator wants to know or end. Out: rows gathered from the child's
 * messages, each checked for its shape; a call ends when the child answered, went down, or was out
 * of time. It keeps nothing that a child says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/config.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"

enum {
	CALL_SESSIONS_MS = 5000,
	CALL_ROWS_MAX = 100000,
};

/* ---- calls ---- */

static void on_call_closed(uv_handle_t *handle)
{
	struct call *call = handle->data;

	json_decref(call->rows);
	json_decref(call->msg);
	free(call);
}

static int row_compare(const void *a, const void *b)
{
	json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "hits")),
		   y = json_integer_value(json_object_get(*(json_t *const *)b, "hits"));

	return x < y ? 1 : x > y ? -1 : 0;
}

/* Several children judge by the same list: one row an entry, most hits first. */
static void rows_add_up(struct call *call)
{
	json_t *by_entry = json_object(), *row, *rows = json_array(), **sorted;
	size_t i, n = 0;

	json_array_foreach(call->rows, i, row)
	{
		const char *entry = json_string_value(json_object_get(row, "entry"));
		json_int_t hits = json_integer_value(json_object_get(row, "hits"));
		json_t *one = entry ? json_object_get(by_entry, entry) : NULL;

		if (one)
			json_integer_set(json_object_get(one, "hits"),
				json_integer_value(json_object_get(one, "hits")) + hits);
		else if (entry)
			json_object_set_new(by_entry, entry,
				json_pack("{s:s,s:I}", "entry", entry, "hits", hits));
	}
	sorted = calloc(json_object_size(by_entry) + 1, sizeof *sorted);
	for (void *at = json_object_iter(by_entry); sorted && at;
		at = json_object_iter_next(by_entry, at))
		sorted[n++] = json_object_iter_value(at);
	if (sorted)
		qsort(sorted, n, sizeof *sorted, row_compare);
	for (i = 0; i < n && i < call->max; i++)
		json_array_append(rows, sorted[i]);
	free(sorted);
	json_decref(by_entry);
	json_decref(call->rows);
	call->rows = rows;
}

/* From the loop: the answer to whoever asked. */
static void on_call_timer(uv_timer_t *timer)
{
	struct call *call = timer->data, **at = &call->workers->calls;

	while (*at != call)
		at = &(*at)->next;
	*at = call->next;
	if (!call->ended) {
		call->code = -ETIMEDOUT;
		snprintf(call->text, sizeof call->text, "no answer in time");
		for (struct child *c = call->workers->children; c && call->kind == CALL_POLICY;
			c = c->next)
			if (call->asked & c->bit && worker_state(c->worker) != WORKER_DOWN)
				worker_kill(c->worker, "it did not compile the policy in time");
	}
	if (call->kind == CALL_HITS && call->workers->children->next)
		rows_add_up(call);
	if (call->done_rows)
		call->done_rows(call->arg, call->rows);
	else if (call->done)
		call->done(call->arg, call->code, call->text);
	uv_close((uv_handle_t *)timer, on_call_closed);
}

static void call_over(struct call *call)
{
	if (call->ended)
		return;
	call->ended = true;
	uv_timer_start(&call->timer, on_call_timer, 0, 0);
}

void call_end(struct call *call, int code, const char *text)
{
	if (call->ended)
		return;
	call->code = code;
	snprintf(call->text, sizeof call->text, "%s", text);
	call_over(call);
}

struct call *call_new(struct workers *w, enum call_kind kind, json_int_t seq, uint64_t ms)
{
	struct call *call = calloc(1, sizeof *call);

	if (!call)
		return NULL;
	call->workers = w;
	call->kind = kind;
	call->seq = seq;
	call->rows = json_array();
	uv_timer_init(w->loop, &call->timer);
	call->timer.data = call;
	uv_timer_start(&call->timer, on_call_timer, ms, 0);
	call->next = w->calls;
	w->calls = call;
	return call;
}

void calls_close(struct workers *w)
{
	for (struct call *call = w->calls; call; call = call->next)
		uv_close((uv_handle_t *)&call->timer, on_call_closed);
}

struct call *call_find(const struct workers *w, enum call_kind kind, json_int_t seq)
{
	for (struct call *call = w->calls; call; call = call->next)
		if (call->kind == kind && call->seq == seq && !call->ended)
			return call;
	return NULL;
}

bool child_say(struct child *c, json_t *msg, int fd)
{
	bool sent = msg && worker_send(c->worker, msg, fd);

	json_decref(msg);
	return sent;
}

void call_ask(struct call *call, json_t *msg, bool ready)
{
	for (struct child *c = call->workers->children; msg && c; c = c->next)
		if ((ready ? child_ready(c) : child_up(c)) && worker_send(c->worker, msg, -1))
			call->asked |= c->bit;
	if (!msg)
		call_end(call, -ENOMEM, err_text(-ENOMEM));
	else if (call->asked == 0)
		call_end(call, 0, "");
	json_decref(msg);
}

void call_answered(struct call *call, const struct child *child, int code, const char *text)
{
	call->asked &= ~child->bit;
	if (code < 0 && (child->role == CHILD_SERVING || child->role == CHILD_INSPECTING) &&
		call->code == 0) {
		call->code = code;
		snprintf(call->text, sizeof call->text, "%s%s%s",
			call->kind == CALL_POLICY ? worker_name(child->worker) : "",
			call->kind == CALL_POLICY ? ": " : "", *text ? text : err_text(code));
	}
	if (call->asked == 0)
		call_over(call);
}

void calls_lose(struct workers *w, const struct child *child)
{
	for (struct call *call = w->calls; call; call = call->next) {
		if (!(call->asked & child->bit))
			continue;
		if (call->kind == CALL_POLICY) /* it may be what killed it */
			call_answered(call, child, ERR_CLOSED,
				"the worker ended while it took the policy");
		else if (call->kind == CALL_DELIVER) /* it may have done it */
			call_end(call, ERR_CLOSED, "the worker ended");
		else /* its next life gets all of it from the start */
			call_answered(call, child, 0, "");
		call->asked &= ~child->bit;
	}
}

/* ---- rows ---- */

int workers_hear_rows(struct child *c, enum call_kind kind, json_t *msg)
{
	json_t *seq = json_object_get(msg, "seq"), *rows = json_object_get(msg, "rows");
	struct call *call;

	if (!json_is_integer(seq) || !json_is_array(rows))
		return ERR_PROTO;
	if (!(call = call_find(c->workers, kind, json_integer_value(seq))) ||
		!(call->asked & c->bit))
		return 0; /* out of time */
	if (json_array_size(call->rows) < CALL_ROWS_MAX)
		json_array_extend(call->rows, rows);
	if (!json_is_true(json_object_get(msg, "more")))
		call_answered(call, c, 0, "");
	return 0;
}

int workers_hear_sessions(struct child *c, json_t *msg)
{
	return workers_hear_rows(c, CALL_SESSIONS, msg);
}

int workers_hear_using(struct child *c, json_t *msg)
{
	return workers_hear_rows(c, CALL_USING, msg);
}

int workers_hear_hits(struct child *c, json_t *msg)
{
	return workers_hear_rows(c, CALL_HITS, msg);
}

int workers_hear_observed(struct child *c, json_t *msg)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(msg, "rows"), i, row)
		json_object_set_new(row, "inspects", json_boolean(c->role == CHILD_INSPECTING));
	return workers_hear_rows(c, CALL_OBSERVED, msg);
}

/* A call for rows; NULL after telling that there are none. */
static struct call *call_rows(
	struct workers *w, enum call_kind kind, void (*done)(void *arg, json_t *rows), void *arg)
{
	struct call *call = call_new(w, kind, ++w->seq, CALL_SESSIONS_MS);
	json_t *none;

	if (call) {
		call->done_rows = done;
		call->arg = arg;
		return call;
	}
	none = json_array();
	done(arg, none);
	json_decref(none);
	return NULL;
}

void workers_sessions(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg)
{
	struct call *call = call_rows(w, CALL_SESSIONS, done, arg);

	if (call)
		call_ask(call, json_pack("{s:s,s:I}", "m", "sessions", "seq", w->seq), true);
}

unsigned workers_up(const struct workers *w)
{
	unsigned n = 0;

	for (const struct child *c = w->children; c; c = c->next)
		n += child_up(c);
	return n;
}

void workers_using(struct workers *w, const char *address, void (*done)(void *arg, json_t *rows),
	void *arg)
{
	struct call *call = call_rows(w, CALL_USING, done, arg);

	if (call)
		call_ask(call,
			json_pack("{s:s,s:I,s:s}", "m", "using", "seq", w->seq, "address", address),
			true);
}

void workers_busiest(
	struct workers *w, json_t *ask, void (*done)(void *arg, json_t *rows), void *arg)
{
	struct call *call = call_rows(w, CALL_SESSIONS, done, arg);

	if (call)
		call_ask(call,
			json_pack("{s:s,s:I,s:O}", "m", "sessions", "seq", w->seq, "top", ask),
			true);
	json_decref(ask);
}

void workers_ask_serving(struct workers *w, enum call_kind kind, const char *question,
	void (*done)(void *arg, json_t *rows), void *arg)
{
	struct call *call = call_rows(w, kind, done, arg);

	if (!call)
		return;
	if (child_ready(w->serving) &&
		child_say(w->serving, json_pack("{s:s,s:I}", "m", question, "seq", w->seq), -1))
		call->asked = w->serving->bit;
	else
		call_end(call, 0, "");
}

/* What a retiring child counted until then was settled when it left. */
void workers_observed(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg)
{
	struct call *call = call_rows(w, CALL_OBSERVED, done, arg);

	for (struct child *c = w->children; call && c; c = c->next)
		if ((c == w->serving || c == w->inspecting) && child_ready(c) &&
			child_say(c, json_pack("{s:s,s:I}", "m", "observed", "seq", w->seq), -1))
			call->asked |= c->bit;
	if (call && !call->asked)
		call_end(call, 0, "");
}

void workers_hits(struct workers *w, const char *set, unsigned max,
	void (*done)(void *arg, json_t *rows), void *arg)
{
	struct call *call = call_rows(w, CALL_HITS, done, arg);

	if (!call)
		return;
	call->max = max;
	call_ask(call,
		json_pack("{s:s,s:I,s:s,s:i}", "m", "hits", "seq", w->seq, "set", set, "max",
			(int)max),
		true);
}

/* ---- following, trying ---- */

void workers_trace(struct workers *w, json_t *msg)
{
	for (struct child *c = w->children; c; c = c->next)
		if (child_ready(c))
			worker_send(c->worker, msg, -1);
}

void workers_untrace(struct workers *w, json_int_t id)
{
	for (struct child *c = w->children; c; c = c->next)
		if (child_ready(c))
			child_say(c, json_pack("{s:s,s:I}", "m", "untrace", "trace", id), -1);
}

/* Where both doors are open, the proxy's. */
static struct child *shadow_door(const struct workers *w)
{
	return w->inspecting && !w->started ? w->inspecting : w->serving;
}

bool workers_shadow(
	struct workers *w, const struct config *c, int bundle_fd, json_int_t id, uint64_t ms)
{
	struct child *door = shadow_door(w);

	return child_ready(door) && child_say_parts(door, c) &&
	       child_say(door,
		       json_pack("{s:s,s:I,s:s,s:I}", "m", "shadow", "shadow", id, "path", c->path,
			       "ms", (json_int_t)ms),
		       bundle_fd);
}

void workers_unshadow(struct workers *w, json_int_t id)
{
	struct child *door = shadow_door(w);

	if (child_ready(door))
		child_say(door, json_pack("{s:s,s:I}", "m", "unshadow", "shadow", id), -1);
}

int workers_hear_shadow(struct child *c, json_t *msg)
{
	if (c == shadow_door(c->workers))
		c->workers->spec.on_shadow(c->workers->spec.arg, msg);
	return 0;
}

int workers_hear_trace(struct child *c, json_t *msg)
{
	json_t *id = json_object_get(msg, "trace"), *event = json_object_get(msg, "event");

	if (!json_is_integer(id) || !json_is_object(event))
		return ERR_PROTO;
	c->workers->spec.on_trace(c->workers->spec.arg, json_integer_value(id), event);
	return 0;
}

void workers_kill(struct workers *w, const char *address, const char *jid, const char *reason)
{
	json_t *msg = json_pack("{s:s,s:s}", "m", "kill", "reason", reason);

	if (address)
		json_object_set_new(msg, "address", json_string(address));
	if (jid)
		json_object_set_new(msg, "jid", json_string(jid));
	workers_tell(w, msg);
	json_decref(msg);
}

void workers_kill_strangers(struct workers *w, const char *set, const char *reason)
{
	json_t *msg = json_pack(
		"{s:s,s:s,s:s}", "m", "kill", "strangers", set ? set : "", "reason", reason);

	workers_tell(w, msg);
	json_decref(msg);
}

void workers_tell(struct workers *w, json_t *msg)
{
	for (struct child *c = w->children; c; c = c->next)
		if (child_up(c))
			worker_send(c->worker, msg, -1);
}
