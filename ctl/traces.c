/* SPDX-License-Identifier: BSD-2-Clause */
/* "trace" and "capture": between an operator's connection and the children. In: whom to follow and
 * how long, then the children's messages. Out: those to the operator as they come, and at the end
 * how many there were. A few at once; whoever hangs up, or does not read, stops being told, and the
 * children are told to stop, too. It judges nothing and keeps nothing. */
#include "ctl/traces.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum { ANSWER_NO = 1, ANSWER_USAGE = 2, TRACES_LOOK_MS = 500, CAPTURE_PORTS_MAX = 60 };

struct tracing {
	struct request *rq; /* NULL: free */
	json_int_t id;
	uint64_t until_ms; /* of the loop */
	json_int_t stanzas, lost;
};

struct traces {
	struct daemon *d;
	uv_timer_t timer; /* whose time is over, who has hung up */
	struct tracing all[TRACES_MAX];
	json_int_t ids;
};

struct traces *traces_new(struct daemon *d)
{
	struct traces *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->d = d;
	uv_timer_init(&d->loop, &t->timer);
	t->timer.data = t;
	return t;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void traces_free(struct traces *t)
{
	if (!t)
		return;
	traces_stop(t);
	uv_close((uv_handle_t *)&t->timer, on_timer_closed);
}

static void tracing_end(struct traces *t, struct tracing *one)
{
	struct request *rq = one->rq;

	one->rq = NULL;
	if (t->d->workers)
		workers_untrace(t->d->workers, one->id);
	request_answer(rq,
		json_pack("{s:b,s:I,s:I}", "done", 1, "stanzas", one->stanzas, "lost", one->lost));
}

static void on_look(uv_timer_t *timer)
{
	struct traces *t = timer->data;
	bool any = false;

	for (size_t i = 0; i < TRACES_MAX; i++) {
		struct tracing *one = &t->all[i];

		if (one->rq && (uv_now(timer->loop) >= one->until_ms || !request_is_heard(one->rq)))
			tracing_end(t, one);
		any |= one->rq != NULL;
	}
	if (!any)
		uv_timer_stop(timer);
}

/* Whom to follow, as the children are told; NULL after refusing rq. */
static json_t *whom_json(struct request *rq)
{
	const char *jid = json_string_value(json_object_get(rq->args, "jid"));
	const char *address = json_string_value(json_object_get(rq->args, "address"));
	json_int_t session = json_integer_value(json_object_get(rq->args, "session"));
	struct peer_address parsed;
	unsigned len;

	if ((jid && *jid ? 1 : 0) + (address && *address ? 1 : 0) + (session > 0) != 1 ||
		(jid && strlen(jid) > 3071)) {
		request_refuse(rq, ANSWER_USAGE, NULL,
			"trace needs one of \"jid\", \"address\", \"session\"");
		return NULL;
	}
	if (session > 0)
		return json_pack("{s:I}", "session", session);
	if (jid && *jid)
		return json_pack("{s:s}", "jid", jid);
	if (address_parse_prefix(span_of(address), &parsed, &len) < 0) {
		request_refuse(rq, ANSWER_USAGE, NULL, "'%s' is not an address", address);
		return NULL;
	}
	return json_pack("{s:s}", "address", address);
}

static struct tracing *tracing_room(struct traces *t)
{
	for (size_t i = 0; i < TRACES_MAX; i++)
		if (!t->all[i].rq)
			return &t->all[i];
	return NULL;
}

void traces_start(struct traces *t, struct request *rq)
{
	json_int_t ms = json_integer_value(json_object_get(rq->args, "for"));
	bool bodies = json_is_true(json_object_get(rq->args, "bodies"));
	struct tracing *one = tracing_room(t);
	json_t *whom;

	if (ms < TRACE_MS_MIN || ms > TRACE_MS_MAX) {
		request_refuse(
			rq, ANSWER_USAGE, NULL, "\"for\" is a time from a second to an hour");
		return;
	}
	if (bodies && rq->role < ROLE_OWNER) {
		request_refuse(
			rq, ANSWER_NO, NULL, "%s may not see bodies: only root may", rq->who);
		return;
	}
	if (!one) {
		request_refuse(rq, ANSWER_NO, NULL, "%d traces run already", TRACES_MAX);
		return;
	}
	if (!(whom = whom_json(rq)))
		return;
	*one = (struct tracing){ rq, ++t->ids, uv_now(&t->d->loop) + (uint64_t)ms, 0, 0 };
	json_object_set_new(whom, "m", json_string("trace"));
	json_object_set_new(whom, "trace", json_integer(one->id));
	json_object_set_new(whom, "ms", json_integer(ms));
	json_object_set_new(whom, "bodies", json_boolean(bodies));
	log_info("event=trace who=\"%s\" ms=%lld bodies=%d", rq->who, (long long)ms, bodies);
	workers_trace(t->d->workers, whom);
	json_decref(whom);
	uv_timer_start(&t->timer, on_look, TRACES_LOOK_MS, TRACES_LOOK_MS);
}

/* The ports of a service; NULL after refusing rq. Serverless peers listen where they announce it.
 */
static json_t *ports_json(struct traces *t, struct request *rq, const char *name)
{
	size_t n;
	const struct service *all = policy_services(t->d->config->policy, &n);
	json_t *ports = json_array();

	for (size_t i = 0; name && i < n; i++) {
		if (strcmp(all[i].name, name) != 0)
			continue;
		for (unsigned p = 0; p < all[i].n_ports && p < CAPTURE_PORTS_MAX; p++)
			json_array_append_new(ports, json_integer(all[i].ports[p]));
		if (all[i].role == ROLE_SERVERLESS) {
			json_array_append_new(ports, json_integer(5298));
			json_array_append_new(ports, json_integer(5353));
		}
	}
	if (!name || json_array_size(ports) > 0)
		return ports;
	json_decref(ports);
	request_refuse(rq, ANSWER_NO, NULL, "the policy has no service '%s'", name);
	return NULL;
}

void traces_capture(struct traces *t, struct request *rq)
{
	const char *service = json_string_value(json_object_get(rq->args, "service"));
	json_int_t ms = json_integer_value(json_object_get(rq->args, "for"));
	struct tracing *one = tracing_room(t);
	json_t *ports, *msg, *first;

	if (ms < TRACE_MS_MIN || ms > TRACE_MS_MAX) {
		request_refuse(
			rq, ANSWER_USAGE, NULL, "\"for\" is a time from a second to an hour");
		return;
	}
	if (!workers_inspects(t->d->workers)) {
		request_refuse(rq, ANSWER_NO, NULL,
			"nothing is inspected: a capture needs a service of mode inspect");
		return;
	}
	if (!one) {
		request_refuse(rq, ANSWER_NO, NULL, "%d traces run already", TRACES_MAX);
		return;
	}
	if (!(ports = ports_json(t, rq, service)))
		return;
	*one = (struct tracing){ rq, ++t->ids, uv_now(&t->d->loop) + (uint64_t)ms, 0, 0 };
	msg = json_pack(
		"{s:s, s:I, s:I, s:o}", "m", "capture", "trace", one->id, "ms", ms, "ports", ports);
	log_info("event=capture who=\"%s\" ms=%lld service=\"%s\"", rq->who, (long long)ms,
		service ? service : "");
	/* Whoever asked may open a file now. */
	first = json_pack("{s:s, s:i, s:i}", "packets", "", "n", 0, "lost", 0);
	request_event(rq, first);
	json_decref(first);
	workers_capture(t->d->workers, msg);
	json_decref(msg);
	uv_timer_start(&t->timer, on_look, TRACES_LOOK_MS, TRACES_LOOK_MS);
}

void traces_event(struct traces *t, json_int_t id, json_t *event)
{
	const json_t *packets = json_object_get(event, "n");
	json_int_t n = packets ? json_integer_value(packets) : 1;

	for (size_t i = 0; i < TRACES_MAX; i++) {
		struct tracing *one = &t->all[i];

		if (!one->rq || one->id != id)
			continue;
		one->lost += json_integer_value(json_object_get(event, "lost"));
		if (request_event(one->rq, event))
			one->stanzas += n;
		else
			one->lost += n;
	}
}

void traces_stop(struct traces *t)
{
	for (size_t i = 0; i < TRACES_MAX; i++)
		if (t->all[i].rq)
			tracing_end(t, &t->all[i]);
	uv_timer_stop(&t->timer);
}
