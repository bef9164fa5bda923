/* SPDX-License-Identifier: BSD-2-Clause */
/* Quarantine in the daemon's talk with its workers. In: stanzas that a worker wants kept, its word
 * on what it was given to deliver. Out: the former to the daemon, the latter to whoever released. A
 * delivery without an answer is neither done nor undone, and is told as that. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"

enum { CALL_DELIVER_MS = 10000 };

int workers_hear_quarantine(struct workers *w, json_t *msg)
{
	json_t *stanza = json_object_get(msg, "stanza");

	if (!json_is_object(stanza))
		return ERR_PROTO;
	return w->spec.on_quarantine(w->spec.arg, stanza);
}

int workers_hear_deliver(struct workers *w, json_t *msg)
{
	const char *where = json_string_value(json_object_get(msg, "where"));
	json_t *seq = json_object_get(msg, "seq"), *ok = json_object_get(msg, "ok");
	struct call *call;

	if (!json_is_integer(seq) || !json_is_boolean(ok))
		return ERR_PROTO;
	if ((call = call_find(w, CALL_DELIVER, json_integer_value(seq))) != NULL)
		call_end(call, json_is_true(ok) ? 0 : ERR_NOTFOUND,
			where && strcmp(where, "server") == 0 ? "server" : "client");
	return 0;
}

void workers_deliver(struct workers *w, const json_t *stanza, workers_done done, void *arg)
{
	static const char *const keys[] = { "jid", "to", "direction", "xml" };
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
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		json_object_set(msg, keys[i], json_object_get(stanza, keys[i]));
	if (worker_state(w->proxy) != WORKER_READY) {
		json_decref(msg);
		call_end(call, ERR_NOTFOUND, "");
	} else if (!workers_say(w, msg, -1)) {
		call_end(call, ERR_CLOSED, "the worker ended");
	}
}
