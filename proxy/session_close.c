/* SPDX-License-Identifier: BSD-2-Clause */
/* How a session ends: behind the table's refusing cells, the clock and the operator.
 * In: what went wrong, or that it is over. Out: a header if none was written yet (RFC
 * 6120 4.9.1.1), the stream error, </stream:stream>, close_notify, FIN, in this order, to each side
 * that can still hear. Three ends are kept apart: a refusal (the server's stream is closed
 * properly, so that the session cannot be resumed with the offending stanza in it), a loss (the
 * bare FIN is passed on, so that it can be resumed: XEP-0198), and an orderly close. It never
 * judges a stanza. */
#include "proxy/session_close.h"

#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/event.h"
#include "proxy/session_server.h"
#include "proxy/worker.h"
#include "rules/verdict.h"
#include "xmpp/bounce.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

/* May bytes of a stream be written there now? Not while TLS is being set up. */
static bool leg_can_hear(const struct leg *leg)
{
	const struct conn *c = &leg->conn;

	return c->fd >= 0 && !c->connecting && !c->finish && (!c->tls.on || c->secure);
}

int session_open_client(struct session *s)
{
	struct stream_header h = {
		.content_ns = session_ns(s), .from = s->domain, .to = s->from, .version = "1.0",
		.dialback = s->federation
	};
	char id[VERDICT_ID_SIZE];
	int r;

	if (s->client.opened)
		return 0;
	/* The id of a stream that nobody will ever see again. */
	verdict_make_id(id);
	h.id = id;
	if ((r = write_header(&s->client.conn.out, &h)) == 0)
		s->client.opened = true;
	return r;
}

void session_drain(struct session *s)
{
	struct leg *legs[] = { &s->client, &s->server };

	if (s->state == SESSION_CLOSED)
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct conn *c = &legs[i]->conn;

		if (c->fd >= 0 && !leg_can_hear(legs[i]) && !c->finish)
			conn_close(c, false);
		else if (c->fd >= 0)
			conn_finish(c);
	}
	if (s->state != SESSION_DRAIN)
		sm_fini(&s->sm, s->resumable);
	session_set_state(s, SESSION_DRAIN);
}

static void leg_say_end(struct leg *leg, enum stream_error error, const char *text)
{
	int r = 0;

	if (!leg_can_hear(leg) || !leg->opened || leg->closed_out)
		return;
	if (error != STREAM_ERROR_NONE)
		r = stream_error_write(&leg->conn.out, error, text);
	if (r == 0)
		r = write_close(&leg->conn.out);
	leg->closed_out = r == 0;
}

void session_end(struct session *s, enum stream_error to_client, enum stream_error to_server,
	const char *text)
{
	if (s->state == SESSION_DRAIN || s->state == SESSION_CLOSED)
		return;
	/* Without room for the error the plain end must do. */
	if (to_client != STREAM_ERROR_NONE && s->state != SESSION_HELLO &&
		leg_can_hear(&s->client) && session_open_client(s) < 0)
		to_client = STREAM_ERROR_NONE;
	leg_say_end(&s->client, to_client, text);
	leg_say_end(&s->server, to_server, NULL);
	session_drain(s);
}

void session_refuse(struct session *s, enum stream_error error, const char *reason)
{
	counters_add("refused", reason);
	event_refused(s, session_direction(s, &s->client), error, reason);
	session_end(s, error, STREAM_ERROR_NONE, NULL);
}

void session_refuse_server(struct session *s, enum stream_error error, const char *reason)
{
	counters_add("refused", reason);
	log_warn("server refused service=%s reason=%s domain=%s", s->service->conf.name, reason,
		log_quote(span_of(s->domain)));
	event_refused(s, session_direction(s, &s->server), error, reason);
	session_end(s, STREAM_ERROR_INTERNAL_SERVER_ERROR, error, NULL);
}

void session_fail(struct session *s, int code, const char *what)
{
	if (code == ERR_LIMIT)
		metric_add(counters.limit_buffer, 1);
	log_warn("session=%llu state=%s failed=%s error=%s", (unsigned long long)s->serial,
		session_state_text(s->state), what, err_text(code));
	session_end(s,
		code == ERR_LIMIT ? STREAM_ERROR_RESOURCE_CONSTRAINT
				  : STREAM_ERROR_INTERNAL_SERVER_ERROR,
		STREAM_ERROR_NONE, NULL);
}

void act_bad_client(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	if (ev->kind == STREAM_BAD)
		session_refuse(s, ev->error, ev->reason);
	else
		session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "session.order");
}

void act_bad_server(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	if (s->state <= SESSION_OPENING && session_fail_over(s)) {
		log_warn("server passed over service=%s reason=%s", s->service->conf.name,
			ev->kind == STREAM_BAD ? ev->reason : "session.order");
		return;
	}
	if (ev->kind == STREAM_BAD)
		session_refuse_server(s, ev->error, ev->reason);
	else
		session_refuse_server(s, STREAM_ERROR_POLICY_VIOLATION, "session.order");
}

/* A connection is gone without a word: the other side learns it the same way, so that the session
 * stays resumable. */
void act_lost(struct session *s, struct leg *from, const struct stream_event *ev)
{
	struct leg *other = session_other(s, from);

	(void)ev;
	/* What the client announced by a stream error is closed. Of the server it may be that the
	 * client has come back elsewhere: who takes the session up there will look at the ledger. */
	s->resumable = !from->failed_in || from == &s->server;
	if (from->failed_in)
		leg_say_end(other, STREAM_ERROR_NONE, NULL);
	session_drain(s);
}

void act_drained(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)s;
	(void)from;
	(void)ev; /* the end is noted in leg->ended: session_settle closes */
}

void act_cut(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	conn_close(&s->client.conn, !conn_is_flushed(&s->client.conn));
	conn_close(&s->server.conn, !conn_is_flushed(&s->server.conn));
	session_set_state(s, SESSION_CLOSED);
}

static void close_timeout_server(struct session *s)
{
	char address[64];

	address_format(&s->upstream.address, address, sizeof(address));
	metric_add(counters.upstream_failed, 1);
	log_warn("upstream timeout service=%s address=%s port=%u state=%s", s->service->conf.name,
		address, s->upstream.port, session_state_text(s->state));
	if (session_fail_over(s))
		return;
	session_end(s, STREAM_ERROR_REMOTE_CONNECTION_FAILED, STREAM_ERROR_NONE, NULL);
}

void act_timeout(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	metric_add(counters.timeout, 1);
	counters_add("timeout", session_state_text(s->state));
	if (s->state >= SESSION_DIAL && s->state <= SESSION_OPENING)
		close_timeout_server(s);
	else if (s->state == SESSION_CLOSING)
		session_end(s, STREAM_ERROR_NONE, STREAM_ERROR_NONE, NULL);
	else
		session_end(s, STREAM_ERROR_CONNECTION_TIMEOUT, STREAM_ERROR_NONE, NULL);
}

void act_kill(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	metric_add(counters.killed, 1);
	session_end(s, STREAM_ERROR_POLICY_VIOLATION, STREAM_ERROR_NONE, NULL);
}

void session_ousted(struct session *s)
{
	s->server.closed_out = true; /* its stream goes on elsewhere */
	session_end(s, STREAM_ERROR_CONFLICT, STREAM_ERROR_NONE, NULL);
	session_run(s);
}

void act_stop(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	/* Another child serves already, or the next daemon will: whoever can resume, or is about to,
	 * loses nothing there. A stream error would end the session for good (XEP-0198 5). */
	if (sm_is_resumable(&s->sm) || s->sm.resuming) {
		s->resumable = true;
		session_drain(s);
		return;
	}
	session_end(s, STREAM_ERROR_SYSTEM_SHUTDOWN, STREAM_ERROR_NONE, NULL);
}
