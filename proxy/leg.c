/* SPDX-License-Identifier: BSD-2-Clause */
/* One side of a session: between its socket and the table.
 * In: readiness of the socket, bytes, the parser's events. Out: events for session.c, one at each
 * step, so that one busy session cannot starve the rest. A side is read only when the state hears
 * it and both queues have room: slow readers slow their writers down, and nothing grows without
 * bound. The first byte, connecting and handshakes are steps like the others. It never looks at
 * what an event holds. */
#include "proxy/leg.h"

#include <errno.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/audit.h"
#include "proxy/counters.h"
#include "proxy/hello.h"
#include "proxy/session_close.h"
#include "proxy/session_server.h"
#include "proxy/worker.h"

enum { LEG_SHRINK_MS = 5000, LEG_SPARE = 65536, LEG_SPACES_MS = 1000 };

static void leg_on_ready(struct conn *c)
{
	session_run(((struct leg *)c->owner)->session);
}

static void leg_on_closed(struct conn *c)
{
	struct leg *leg = c->owner;
	struct session *s = leg->session;

	if (leg == &s->server && s->redial) {
		s->redial = false;
		leg->ended = false;
		if (s->state == SESSION_DIAL)
			session_connect(s);
	}
	session_run(s);
}

void leg_init(struct leg *leg, struct session *s)
{
	const struct service *conf = &s->service->conf;

	/* Reading stops at buffer_max; what is under way then must still fit: a stanza whose every
	 * byte needs escaping. */
	conn_init(&leg->conn, conf->buffer_max + 6 * conf->limits.stanza_bytes + LEG_SPARE, leg,
		leg_on_ready, leg_on_closed);
	leg->session = s;
	leg->heard_ms = uv_now(&s->worker->loop);
	leg->in = stream_new(&conf->limits);
	/* The small ceilings before a login are for strangers; our server's features may be long. */
	if (leg->in && leg != session_stranger(s))
		stream_set_authenticated(leg->in, true);
}

bool leg_hears(struct session *s, const struct leg *leg)
{
	size_t max = s->service->conf.buffer_max;
	bool client = leg == &s->client;

	if (leg->conn.fd < 0 || leg->ended)
		return false;
	if (!(client ? session_table_hears_client(s->state) : session_table_hears_server(s->state)))
		return false;
	if (s->state == SESSION_DRAIN)
		return true;
	if (leg->paused || leg->tarpit_ms || audit_is_jammed(s))
		return false;
	if (s->state == SESSION_CLOSING && leg->closed_in)
		return false;
	/* SASL goes turn by turn; what the client sent ahead (XEP-0305) may belong to the next
	 * stream. Behind bind and resume it must be judged for the JID that their answer names. */
	if (client && (s->sasl_wait || session_awaits_jid(s)))
		return false;
	return buf_len(&s->client.conn.out) < max && buf_len(&s->server.conn.out) < max;
}

static enum session_event leg_event(
	const struct session *s, const struct leg *leg, enum session_event of_client)
{
	return leg == &s->client ? of_client
				 : of_client - EVENT_CLIENT_SECURE + EVENT_SERVER_SECURE;
}

/* White space costs work and says nothing: beyond a measure it is taken slowly, in every state. */
static void leg_count_spaces(struct leg *leg, size_t n)
{
	uint64_t now = uv_now(&leg->session->worker->loop);

	if (now - leg->spaces_ms >= LEG_SPACES_MS) {
		leg->spaces_ms = now;
		leg->spaces = 0;
	}
	leg->spaces += n;
	if (leg->spaces > leg->session->service->conf.limits.space_run && !leg->paused) {
		leg->paused = true;
		metric_add(counters.limit_space, 1);
	}
}

bool leg_resume(struct leg *leg, uint64_t now_ms)
{
	bool more = false;

	if (leg->paused && now_ms - leg->spaces_ms >= LEG_SPACES_MS) {
		leg->paused = false;
		more = true;
	}
	if (leg->tarpit_ms && now_ms >= leg->tarpit_ms) {
		leg->tarpit_ms = 0;
		/* It was us who did not listen. */
		leg->heard_ms = now_ms;
		if (leg->partial_ms)
			leg->partial_ms = now_ms;
		more = true;
	}
	return more;
}

void leg_tarpit(struct leg *leg, uint64_t ms)
{
	uint64_t until = uv_now(&leg->session->worker->loop) + ms;

	if (until > leg->tarpit_ms)
		leg->tarpit_ms = until;
}

void leg_tell(struct session *s, struct leg *leg, const struct stream_event *ev)
{
	static const enum session_event events[] = {
		[STREAM_OPEN] = EVENT_CLIENT_OPEN,
		[STREAM_STANZA] = EVENT_CLIENT_STANZA,
		[STREAM_ELEMENT] = EVENT_CLIENT_ELEMENT,
		[STREAM_SPACE] = EVENT_CLIENT_SPACE,
		[STREAM_CLOSE] = EVENT_CLIENT_CLOSE,
		[STREAM_BAD] = EVENT_CLIENT_BAD,
	};

	session_handle(s, leg_event(s, leg, events[ev->kind]), ev);
}

/* The parser's next event, if there is one. */
static bool leg_step_stream(struct session *s, struct leg *leg)
{
	struct stream_event ev;
	int r = stream_next(leg->in, &ev);

	if (r < 0) {
		session_fail(s, r, "parser");
		return true;
	}
	if (ev.kind == STREAM_MORE) {
		leg->pushed = false;
		if (!stream_is_partial(leg->in))
			leg->partial_ms = 0;
		else if (leg->partial_ms == 0)
			leg->partial_ms = uv_now(&s->worker->loop);
		return false;
	}
	leg->partial_ms = 0;
	if (ev.kind == STREAM_SPACE)
		leg_count_spaces(leg, ev.count);
	leg_tell(s, leg, &ev);
	return true;
}

static void leg_take_hello(struct session *s, struct leg *leg, struct span bytes)
{
	enum hello_kind kind = hello_classify(bytes);
	int r = 0;

	if (kind == HELLO_TLS) {
		r = conn_unread(&leg->conn, bytes);
	} else if (kind == HELLO_CLEAR) {
		r = stream_push(leg->in, bytes.ptr, bytes.len);
		leg->pushed = true;
	}
	if (r < 0)
		session_fail(s, r, "first bytes");
	else
		session_handle(s,
			kind == HELLO_TLS     ? EVENT_HELLO_TLS
			: kind == HELLO_CLEAR ? EVENT_HELLO_XML
					      : EVENT_HELLO_OTHER,
			NULL);
}

/* Reads once. */
static bool leg_step_read(struct session *s, struct leg *leg)
{
	char *scratch = s->worker->scratch;
	ssize_t n = conn_read(&leg->conn, scratch, WORKER_SCRATCH);
	int r;

	if (n == CONN_READ_AGAIN)
		return false;
	if (n < 0) {
		leg->ended = true;
		session_handle(s, leg_event(s, leg, EVENT_CLIENT_END), NULL);
		return true;
	}
	leg->heard_ms = uv_now(&s->worker->loop);
	leg->shrunk = false;
	metric_add(leg == &s->client ? counters.bytes_in : counters.bytes_out, (uint64_t)n);
	if (s->state == SESSION_DRAIN)
		return true;
	if (s->state == SESSION_HELLO) {
		leg_take_hello(s, leg, (struct span){ scratch, (size_t)n });
		return true;
	}
	if ((r = stream_push(leg->in, scratch, (size_t)n)) < 0)
		session_fail(s, r, "parser");
	leg->pushed = true;
	return true;
}

static bool leg_step_connect(struct session *s, struct leg *leg)
{
	int r;

	if (!leg->conn.writable)
		return false;
	if ((r = conn_connected(&leg->conn)) < 0)
		log_warn(
			"upstream connect service=%s error=%s", s->service->conf.name, err_text(r));
	session_handle(s, r < 0 ? EVENT_SERVER_REFUSED : EVENT_SERVER_CONNECT, NULL);
	return true;
}

static bool leg_step_handshake(struct session *s, struct leg *leg)
{
	enum tls_result r;

	if (!leg->conn.readable && !leg->conn.writable)
		return false;
	leg->conn.writable = false;
	r = conn_handshake(&leg->conn);
	if (r == TLS_AGAIN)
		return false;
	leg->heard_ms = uv_now(&s->worker->loop);
	if (r == TLS_WANTS_CERT) {
		session_handle(s, EVENT_CLIENT_ASKS, NULL);
		return true;
	}
	session_handle(s,
		leg_event(s, leg, r == TLS_DONE ? EVENT_CLIENT_SECURE : EVENT_CLIENT_INSECURE),
		NULL);
	return true;
}

/* One step of one side: true if it did something, so that there may be more. */
bool leg_step(struct session *s, struct leg *leg)
{
	if (!leg_hears(s, leg))
		return false;
	if (leg->conn.connecting)
		return leg_step_connect(s, leg);
	if (leg->conn.tls.on && !leg->conn.secure)
		return leg_step_handshake(s, leg);
	if (leg->pushed && s->state != SESSION_DRAIN && leg_step_stream(s, leg))
		return true;
	/* The state may have changed, and with it who is heard. */
	return leg->conn.readable && leg_hears(s, leg) && leg_step_read(s, leg);
}

/* Would a step do something? */
bool leg_is_ready(struct session *s, const struct leg *leg)
{
	if (!leg_hears(s, leg))
		return false;
	if (leg->conn.connecting)
		return leg->conn.writable;
	if (leg->conn.tls.on && !leg->conn.secure)
		return leg->conn.readable || leg->conn.writable;
	return leg->conn.readable || (leg->pushed && s->state != SESSION_DRAIN);
}

/* A stanza begun that does not end, bytes queued that nobody takes, silence where it is bounded. */
bool leg_is_late(struct session *s, const struct leg *leg, uint64_t now)
{
	const struct service *conf = &s->service->conf;

	if (conf->stanza_ms && leg->partial_ms && now - leg->partial_ms >= conf->stanza_ms &&
		leg_hears(s, leg))
		return true;
	if (conf->stanza_ms && buf_len(&leg->conn.out) > 0 &&
		now - leg->conn.progress_ms >= 4 * conf->stanza_ms)
		return true;
	return leg == &s->client && conf->idle_ms && !leg->tarpit_ms &&
	       now - leg->heard_ms >= conf->idle_ms;
}

/* An idle side gives its memory back. */
void leg_shrink(struct leg *leg, uint64_t now)
{
	if (leg->shrunk || leg->pushed || leg->partial_ms || now - leg->heard_ms < LEG_SHRINK_MS)
		return;
	stream_shrink(leg->in);
	if (buf_len(&leg->conn.out) == 0)
		buf_shrink(&leg->conn.out);
	leg->shrunk = true;
}
