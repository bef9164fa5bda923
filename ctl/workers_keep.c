/* SPDX-License-Identifier: BSD-2-Clause */
/* Quarantine in the daemon's talk with its children. In: stanzas that a worker wants kept, its word
 * on what it was given to deliver. Out: the former to the daemon, the latter to whoever released. A
 * delivery without an answer is neither done nor undone, and is told as that. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"

enum { CALL_DELIVER_MS = 10000 };

int workers_hear_quarantine(struct child *c, json_t *msg)
{
	json_t *stanza = json_object_get(msg, "stanza");

	if (!json_is_object(stanza))
		return ERR_PROTO;
	return c->workers->spec.on_quarantine(c->workers->spec.arg, stanza);
}

/* The inspector adds no byte to a stream. */
static bool can_deliver(const struct child *c, const struct call *call)
{
	return child_ready(c) && !(call->tried & c->bit) && c->role != CHILD_INSPECTING;
}

/* To the next one that has not had it: whoever serves first. One at a time, so that it is never
 * delivered twice. */
static void deliver_next(struct call *call)
{
	struct workers *w = call->workers;
	struct child *c = w->serving;

	if (!can_deliver(c, call))
		for (c = w->children; c && !can_deliver(c, call);)
			c = c->next;
	if (!c) {
		call_end(call, ERR_NOTFOUND, "");
		return;
	}
	call->tried |= c->bit;
	call->asked = c->bit;
	if (!worker_send(c->worker, call->msg, -1))
		call_end(call, ERR_CLOSED, "the worker ended");
}

int workers_hear_deliver(struct child *c, json_t *msg)
{
	const char *where = json_string_value(json_object_get(msg, "where"));
	json_t *seq = json_object_get(msg, "seq"), *ok = json_object_get(msg, "ok");
	struct call *call;

	if (!json_is_integer(seq) || !json_is_boolean(ok))
		return ERR_PROTO;
	call = call_find(c->workers, CALL_DELIVER, json_integer_value(seq));
	if (!call || !(call->asked & c->bit))
		return 0;
	call->asked = 0;
	if (json_is_true(ok))
		call_end(call, 0, where && strcmp(where, "server") == 0 ? "server" : "client");
	else
		deliver_next(call);
	return 0;
}

void workers_deliver(struct workers *w, const json_t *stanza, workers_done done, void *arg)
{
	static const char *const keys[] = { "jid", "from", "to", "service", "direction", "xml" };
	struct call *call = call_new(w, CALL_DELIVER, ++w->seq, CALL_DELIVER_MS);
	json_t *msg = json_pack("{s:s,s:I}", "m", "deliver", "seq", w->seq);

	if (!call || !msg) {
		json_decref(msg);
		if (call)
			call_end(call, ERR_NOTFOUND, "");
		else
			done(arg, ERR_NOTFOUND, "");
		return;
	}
	call->done = done;
	call->arg = arg;
	call->msg = msg;
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_object_set(msg, keys[i], json_object_get(stanza, keys[i]));
	deliver_next(call);
}
