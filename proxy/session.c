/* SPDX-License-Identifier: BSD-2-Clause */
/* The middle of the proxy: between listen.c's accepted sockets and the acts of the table.
 * In: readiness of two sockets, the clock, orders from outside. It reads bytes, lets the parsers
 * make events of them, looks up what the table wants done, flushes what was written. A side is read
 * only when the state hears it and both queues have room: slow readers slow their writers down, and
 * nothing grows without bound. Work goes in steps, so that one busy session cannot starve the rest.
 * It never decides about a stanza and never writes one: relay.c and apply.c do. */
#include "proxy/session.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/hello.h"
#include "proxy/registry.h"
#include "proxy/relay.h"
#include "proxy/relay_sasl.h"
#include "proxy/session_close.h"
#include "proxy/session_open.h"
#include "proxy/session_server.h"
#include "proxy/worker.h"

enum { SESSION_STEPS = 128, SESSION_SHRINK_MS = 5000, SESSION_SPARE = 65536 };

static atomic_uint_fast64_t serials;

static void act_ignore(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)s;
	(void)from;
	(void)ev;
}

static void act_never(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	session_fail(s, ERR_PROTO, "an event that cannot be");
}

static void (*const acts[SESSION_ACTS])(
	struct session *, struct leg *, const struct stream_event *) = {
	[ACT_NONE] = act_never,
	[ACT_NEVER] = act_never,
	[ACT_IGNORE] = act_ignore,
	[ACT_BEGIN_TLS] = act_begin_tls,
	[ACT_BEGIN_XML] = act_begin_xml,
	[ACT_REFUSE_BYTES] = act_refuse_bytes,
	[ACT_OPEN_CLEAR] = act_open_clear,
	[ACT_STARTTLS] = act_starttls,
	[ACT_SECURED] = act_secured,
	[ACT_TLS_FAILED] = act_tls_failed,
	[ACT_OPEN] = act_open,
	[ACT_REOPEN] = act_reopen,
	[ACT_REFUSE] = act_refuse,
	[ACT_LEAVE] = act_leave,
	[ACT_CONNECTED] = act_connected,
	[ACT_UNREACHED] = act_unreached,
	[ACT_SERVER_GREETED] = act_server_greeted,
	[ACT_SERVER_OFFERED] = act_server_offered,
	[ACT_SERVER_PROCEED] = act_server_proceed,
	[ACT_SERVER_SECURED] = act_server_secured,
	[ACT_SERVER_OPENED] = act_server_opened,
	[ACT_JUDGE] = act_judge,
	[ACT_NONZA] = act_nonza,
	[ACT_SPACE] = act_space,
	[ACT_CLOSE] = act_close,
	[ACT_CLOSE_LAST] = act_close_last,
	[ACT_BAD_CLIENT] = act_bad_client,
	[ACT_BAD_SERVER] = act_bad_server,
	[ACT_LOST] = act_lost,
	[ACT_DRAINED] = act_drained,
	[ACT_CUT] = act_cut,
	[ACT_TIMEOUT] = act_timeout,
	[ACT_KILL] = act_kill,
	[ACT_STOP] = act_stop,
};

void session_set_state(struct session *s, enum session_state state)
{
	if (s->state == state)
		return;
	log_debug("session=%llu state=%s -> %s", (unsigned long long)s->serial,
		session_state_text(s->state), session_state_text(state));
	s->state = state;
	s->state_ms = uv_now(&s->worker->loop);
}

void session_handle(struct session *s, enum session_event event, const struct stream_event *ev)
{
	bool server = event >= EVENT_SERVER_CONNECT && event <= EVENT_SERVER_END;

	acts[session_table_find(s->state, event)](s, server ? &s->server : &s->client, ev);
}

/* ---- one side ---- */

static void leg_on_ready(struct conn *c)
{
	session_run(((struct leg *)c->owner)->session);
}

static void leg_on_closed(struct conn *c)
{
	session_run(((struct leg *)c->owner)->session);
}

static void leg_init(struct leg *leg, struct session *s)
{
	const struct service *conf = &s->service->conf;

	/* Reading stops at buffer_max; what is under way then must still fit: a stanza whose every
	 * byte needs escaping. */
	conn_init(&leg->conn, conf->buffer_max + 6 * conf->limits.stanza_bytes + SESSION_SPARE, leg,
		leg_on_ready, leg_on_closed);
	leg->session = s;
	leg->heard_ms = uv_now(&s->worker->loop);
	leg->in = stream_new(&conf->limits);
}

static bool leg_hears(struct session *s, const struct leg *leg)
{
	size_t max = s->service->conf.buffer_max;
	bool client = leg == &s->client;

	if (leg->conn.fd < 0 || leg->ended)
		return false;
	if (!(client ? session_table_hears_client(s->state) : session_table_hears_server(s->state)))
		return false;
	if (s->state == SESSION_DRAIN)
		return true;
	if (s->state == SESSION_CLOSING && leg->closed_in)
		return false;
	/* SASL goes turn by turn; what the client sent ahead (XEP-0305) may belong to the next
	 * stream. */
	if (client && s->sasl_wait)
		return false;
	return buf_len(&s->client.conn.out) < max && buf_len(&s->server.conn.out) < max;
}

static enum session_event leg_event(
	const struct session *s, const struct leg *leg, enum session_event of_client)
{
	return leg == &s->client ? of_client
				 : of_client - EVENT_CLIENT_SECURE + EVENT_SERVER_SECURE;
}

/* The parser's next event, if there is one. */
static bool leg_step_stream(struct session *s, struct leg *leg)
{
	static const enum session_event events[] = {
		[STREAM_OPEN] = EVENT_CLIENT_OPEN,
		[STREAM_STANZA] = EVENT_CLIENT_STANZA,
		[STREAM_ELEMENT] = EVENT_CLIENT_ELEMENT,
		[STREAM_SPACE] = EVENT_CLIENT_SPACE,
		[STREAM_CLOSE] = EVENT_CLIENT_CLOSE,
		[STREAM_BAD] = EVENT_CLIENT_BAD,
	};
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
	session_handle(s, leg_event(s, leg, events[ev.kind]), &ev);
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
	session_handle(s,
		leg_event(s, leg, r == TLS_DONE ? EVENT_CLIENT_SECURE : EVENT_CLIENT_INSECURE),
		NULL);
	return true;
}

/* One step of one side: true if it did something, so that there may be more. */
static bool leg_step(struct session *s, struct leg *leg)
{
	if (!leg_hears(s, leg))
		return false;
	if (leg->conn.connecting)
		return leg_step_connect(s, leg);
	if (leg->conn.tls.ssl && !leg->conn.secure)
		return leg_step_handshake(s, leg);
	if (leg->pushed && s->state != SESSION_DRAIN && leg_step_stream(s, leg))
		return true;
	/* The state may have changed, and with it who is heard. */
	return leg->conn.readable && leg_hears(s, leg) && leg_step_read(s, leg);
}

/* Would a step do something? */
static bool leg_is_ready(struct session *s, const struct leg *leg)
{
	if (!leg_hears(s, leg))
		return false;
	if (leg->conn.connecting)
		return leg->conn.writable;
	if (leg->conn.tls.ssl && !leg->conn.secure)
		return leg->conn.readable || leg->conn.writable;
	return leg->conn.readable || (leg->pushed && s->state != SESSION_DRAIN);
}

/* ---- the session ---- */

static void session_free(struct session *s)
{
	struct worker *w = s->worker;

	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		w->sessions = s->next;
	session_forget_jid(s);
	registry_leave(s->service->conf.name, &s->peer.address);
	metric_add(counters.session_closed, 1);
	metric_sub(counters.session_active, 1);
	conn_fini(&s->client.conn);
	conn_fini(&s->server.conn);
	stream_free(s->client.in);
	stream_free(s->server.in);
	gear_service_unref(s->service);
	free(s->domain);
	free(s->from);
	free(s->lang);
	free(s);
}

/* Closes the sockets that have nothing left to do. */
static void session_settle(struct session *s)
{
	struct leg *legs[] = { &s->client, &s->server };

	if (s->state != SESSION_DRAIN)
		return;
	for (unsigned i = 0; i < 2; i++) {
		struct conn *c = &legs[i]->conn;

		if (c->fd >= 0 && (c->mute || (legs[i]->ended && conn_is_flushed(c))))
			conn_close(c, false);
	}
	if (s->client.conn.fd < 0 && s->server.conn.fd < 0)
		session_set_state(s, SESSION_CLOSED);
}

static bool session_is_gone(const struct session *s)
{
	return s->state == SESSION_CLOSED && !s->client.conn.open && !s->server.conn.open &&
	       !s->queued;
}

void session_run(struct session *s)
{
	unsigned steps = SESSION_STEPS;
	bool more;

	if (s->running)
		return;
	s->running = true;
	do {
		/* One write for all that was gathered. */
		while (steps > 0 && (leg_step(s, &s->client) | leg_step(s, &s->server)))
			steps--;
		conn_flush(&s->client.conn);
		conn_flush(&s->server.conn);
		/* What stood still for a full queue may go on now. */
		more = leg_is_ready(s, &s->client) || leg_is_ready(s, &s->server);
	} while (more && steps > 0);
	session_settle(s);
	conn_watch(&s->client.conn, leg_hears(s, &s->client));
	conn_watch(&s->server.conn, leg_hears(s, &s->server));
	s->running = false;
	if (session_is_gone(s))
		session_free(s);
	else if (more)
		worker_queue(s->worker, s);
}

void session_poke(struct session *s, enum session_event event)
{
	bool was_running = s->running;

	s->running = true;
	session_handle(s, event, NULL);
	s->running = was_running;
	session_run(s);
}

int session_new(struct worker *w, struct gear_service *service, int fd, const struct endpoint *peer,
	const struct endpoint *dest, uint16_t dialled)
{
	struct session *s = calloc(1, sizeof(*s));
	uint64_t now = uv_now(&w->loop);
	int r;

	if (!s) {
		registry_leave(service->conf.name, &peer->address);
		close(fd);
		return -ENOMEM;
	}
	*s = (struct session){ .worker = w,
		.service = gear_service_ref(service),
		.peer = *peer,
		.dest = *dest,
		.dialled = dialled,
		.opened_ms = now,
		.state_ms = now,
		.phase_ms = now };
	s->serial = atomic_fetch_add(&serials, 1) + 1;
	sm_init(&s->sm, s->serial);
	leg_init(&s->client, s);
	leg_init(&s->server, s);
	if (s->client.in && s->server.in) {
		r = conn_open(&s->client.conn, &w->loop, fd, false);
	} else {
		close(fd);
		r = -ENOMEM;
	}
	s->next = w->sessions;
	if (s->next)
		s->next->prev = s;
	w->sessions = s;
	metric_add(counters.session_opened, 1);
	metric_add(counters.session_active, 1);
	if (r < 0) {
		s->state = SESSION_CLOSED;
		session_free(s);
		return r;
	}
	session_run(s);
	return 0;
}

/* ---- time ---- */

static bool session_is_late(const struct session *s, uint64_t now)
{
	const struct service *conf = &s->service->conf;

	switch (s->state) {
	case SESSION_HELLO:
	case SESSION_CLEAR:
	case SESSION_OFFER:
	case SESSION_SECURING:
	case SESSION_HEADER:
		return now - s->phase_ms >= conf->handshake_ms;
	case SESSION_DIAL:
	case SESSION_SERVER_CLEAR:
	case SESSION_SERVER_OFFER:
	case SESSION_SERVER_PROCEED:
	case SESSION_SERVER_SECURING:
	case SESSION_OPENING:
		return now - s->phase_ms >= conf->connect_ms;
	case SESSION_LOGIN:
	case SESSION_RESTART:
	case SESSION_REOPENING:
		return now - s->opened_ms >= conf->login_ms;
	case SESSION_CLOSING:
	case SESSION_DRAIN:
		return now - s->state_ms >= conf->close_ms;
	default:
		return false;
	}
}

/* A stanza begun that does not end, bytes queued that nobody takes, silence where it is bounded. */
static bool leg_is_late(const struct session *s, const struct leg *leg, uint64_t now)
{
	const struct service *conf = &s->service->conf;

	if (conf->stanza_ms && leg->partial_ms && now - leg->partial_ms >= conf->stanza_ms &&
		leg_hears((struct session *)s, leg))
		return true;
	if (conf->stanza_ms && buf_len(&leg->conn.out) > 0 &&
		now - leg->conn.progress_ms >= 4 * conf->stanza_ms)
		return true;
	return leg == &s->client && conf->idle_ms && now - leg->heard_ms >= conf->idle_ms;
}

/* An idle side gives its memory back. */
static void leg_shrink(struct leg *leg, uint64_t now)
{
	if (leg->shrunk || leg->pushed || leg->partial_ms ||
		now - leg->heard_ms < SESSION_SHRINK_MS)
		return;
	stream_shrink(leg->in);
	if (buf_len(&leg->conn.out) == 0)
		buf_shrink(&leg->conn.out);
	leg->shrunk = true;
}

void session_tick(struct session *s, uint64_t now_ms)
{
	bool online = s->state == SESSION_ONLINE;

	if (session_is_late(s, now_ms) || (online && (leg_is_late(s, &s->client, now_ms) ||
							     leg_is_late(s, &s->server, now_ms)))) {
		session_poke(s, EVENT_TIMEOUT);
		return;
	}
	if (online) {
		leg_shrink(&s->client, now_ms);
		leg_shrink(&s->server, now_ms);
	}
}

json_t *session_row(const struct session *s)
{
	uint64_t now = uv_now(&s->worker->loop);
	char address[64], server[64];
	json_t *row;

	address_format(&s->peer.address, address, sizeof(address));
	address_format(&s->upstream.address, server, sizeof(server));
	row = json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "id", (json_int_t)s->serial,
		"service", s->service->conf.name, "address", address, "port", (int)s->peer.port,
		"server", s->upstream.port ? server : "", "jid", s->jid ? s->jid : "", "state",
		session_state_text(s->state), "tls", tls_link_version(&s->client.conn.tls));
	if (!row)
		return NULL;
	json_object_set_new(row, "age_ms", json_integer((json_int_t)(now - s->opened_ms)));
	json_object_set_new(row, "in", json_integer((json_int_t)s->stanzas[DIRECTION_IN]));
	json_object_set_new(row, "out", json_integer((json_int_t)s->stanzas[DIRECTION_OUT]));
	json_object_set_new(row, "dropped", json_integer((json_int_t)s->dropped));
	json_object_set_new(row, "rejected", json_integer((json_int_t)s->rejected));
	return row;
}
