/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the children and their answers: part of the daemon's side of ctl/link.h, beside
 * workers.c. In: what an operator wants to know or end. Out: rows gathered from the child's
 * messages, each checked for its shape; a call ends when the child answered, went down, or was out
 * of time. It keeps nothing that a child says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

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
	free(call);
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
		if (call->kind == CALL_POLICY)
			worker_kill(call->workers->proxy, "it did not compile the policy in time");
	}
	if (call->done_rows)
		call->done_rows(call->arg, call->rows);
	else if (call->done)
		call->done(call->arg, call->code, call->text);
	uv_close((uv_handle_t *)timer, on_call_closed);
}

void call_end(struct call *call, int code, const char *text)
{
	if (call->ended)
		return;
	call->ended = true;
	call->code = code;
	snprintf(call->text, sizeof call->text, "%s", text);
	uv_timer_start(&call->timer, on_call_timer, 0, 0);
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

/* Takes msg. */
bool workers_say(struct workers *w, json_t *msg, int fd)
{
	bool sent = msg && worker_send(w->proxy, msg, fd);

	json_decref(msg);
	return sent;
}

bool workers_up(const struct workers *w)
{
	return worker_state(w->proxy) == WORKER_STARTING || worker_state(w->proxy) == WORKER_READY;
}

/* ---- rows ---- */

static int hear_rows(struct workers *w, enum call_kind kind, json_t *msg)
{
	json_t *seq = json_object_get(msg, "seq"), *rows = json_object_get(msg, "rows");
	struct call *call;

	if (!json_is_integer(seq) || !json_is_array(rows))
		return ERR_PROTO;
	if (!(call = call_find(w, kind, json_integer_value(seq))))
		return 0; /* out of time */
	if (json_array_size(call->rows) < CALL_ROWS_MAX)
		json_array_extend(call->rows, rows);
	if (!json_is_true(json_object_get(msg, "more")))
		call_end(call, 0, "");
	return 0;
}

int workers_hear_sessions(struct workers *w, json_t *msg)
{
	return hear_rows(w, CALL_SESSIONS, msg);
}

int workers_hear_hits(struct workers *w, json_t *msg)
{
	return hear_rows(w, CALL_HITS, msg);
}

int workers_hear_observed(struct workers *w, json_t *msg)
{
	return hear_rows(w, CALL_OBSERVED, msg);
}

/* Takes msg. */
static void ask_rows(struct workers *w, enum call_kind kind, json_t *msg,
	void (*done)(void *arg, json_t *rows), void *arg)
{
	struct call *call = call_new(w, kind, w->seq, CALL_SESSIONS_MS);
	json_t *none;

	if (!call) {
		json_decref(msg);
		none = json_array();
		done(arg, none);
		json_decref(none);
		return;
	}
	call->done_rows = done;
	call->arg = arg;
	if (worker_state(w->proxy) != WORKER_READY) {
		json_decref(msg);
		call_end(call, 0, "");
	} else if (!workers_say(w, msg, -1)) {
		call_end(call, 0, "");
	}
}

void workers_sessions(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg)
{
	w->seq++;
	ask_rows(w, CALL_SESSIONS, json_pack("{s:s,s:I}", "m", "sessions", "seq", w->seq), done,
		arg);
}

void workers_observed(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg)
{
	w->seq++;
	ask_rows(w, CALL_OBSERVED, json_pack("{s:s,s:I}", "m", "observed", "seq", w->seq), done,
		arg);
}

void workers_hits(struct workers *w, const char *set, unsigned max,
	void (*done)(void *arg, json_t *rows), void *arg)
{
	w->seq++;
	ask_rows(w, CALL_HITS,
		json_pack("{s:s,s:I,s:s,s:i}", "m", "hits", "seq", w->seq, "set", set, "max",
			(int)max),
		done, arg);
}

void workers_trace(struct workers *w, json_t *msg)
{
	if (worker_state(w->proxy) == WORKER_READY)
		worker_send(w->proxy, msg, -1);
}

void workers_untrace(struct workers *w, json_int_t id)
{
	if (worker_state(w->proxy) == WORKER_READY)
		workers_say(w, json_pack("{s:s,s:I}", "m", "untrace", "trace", id), -1);
}

bool workers_shadow(
	struct workers *w, const struct config *c, int bundle_fd, json_int_t id, uint64_t ms)
{
	return worker_state(w->proxy) == WORKER_READY &&
	       workers_say(w,
		       json_pack("{s:s,s:I,s:s,s:I}", "m", "shadow", "shadow", id, "path", c->path,
			       "ms", (json_int_t)ms),
		       bundle_fd);
}

void workers_unshadow(struct workers *w, json_int_t id)
{
	if (worker_state(w->proxy) == WORKER_READY)
		workers_say(w, json_pack("{s:s,s:I}", "m", "unshadow", "shadow", id), -1);
}

int workers_hear_shadow(struct workers *w, json_t *msg)
{
	w->spec.on_shadow(w->spec.arg, msg);
	return 0;
}

int workers_hear_trace(struct workers *w, json_t *msg)
{
	json_t *id = json_object_get(msg, "trace"), *event = json_object_get(msg, "event");

	if (!json_is_integer(id) || !json_is_object(event))
		return ERR_PROTO;
	w->spec.on_trace(w->spec.arg, json_integer_value(id), event);
	return 0;
}

void workers_kill(struct workers *w, const char *address, const char *jid, const char *reason)
{
	json_t *msg = json_pack("{s:s,s:s}", "m", "kill", "reason", reason);

	if (address)
		json_object_set_new(msg, "address", json_string(address));
	if (jid)
		json_object_set_new(msg, "jid", json_string(jid));
	if (workers_up(w))
		worker_send(w->proxy, msg, -1);
	json_decref(msg);
}
