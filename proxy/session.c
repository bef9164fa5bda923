/* SPDX-License-Identifier: BSD-2-Clause */
/* The middle of the proxy: between listen.c's accepted sockets and the acts of the table.
 * In: readiness, the clock, orders from outside. Out: the acts that the table names, carried out by
 * session_open, session_server, session_close and relay; then all that was written leaves at once.
 * Work goes in batches: a session with more to do queues up again behind the others. It never
 * decides about a stanza and never writes one: relay.c and apply.c do. */
#include "proxy/session.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/audit.h"
#include "proxy/counters.h"
#include "proxy/event.h"
#include "proxy/leg.h"
#include "proxy/login.h"
#include "door/registry.h"
#include "proxy/preauth.h"
#include "proxy/relay.h"
#include "proxy/relay_sasl.h"
#include "proxy/session_close.h"
#include "proxy/session_federation.h"
#include "proxy/session_open.h"
#include "proxy/session_server.h"
#include "proxy/worker.h"

/* Of one turn, so that the others of its thread get theirs. */
enum { SESSION_STEPS = 128, SESSION_TURN_NS = 4000000 };

enum { PUSHES_TOLD = 10 /* a second */ };

static atomic_uint_fast64_t serials;

void session_number_from(uint64_t serial)
{
	atomic_store(&serials, serial);
}

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
	[ACT_CLIENT_ASKS] = act_client_asks,
	[ACT_VERIFIED] = act_verified,
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

/* ---- running ---- */

static void session_free(struct session *s)
{
	struct worker *w = s->worker;

	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		w->sessions = s->next;
	backends_leave(&s->backend, &s->peer.address, s->resumable ? s->jid : NULL);
	session_forget_jid(s);
	login_forget(s);
	preauth_leave(s->preauth);
	registry_leave(s->service->conf.name, &s->peer.address);
	metric_add(counters.session_closed, 1);
	metric_sub(counters.session_active, 1);
	metric_sub(counters.session_own, 1);
	conn_fini(&s->client.conn);
	conn_fini(&s->server.conn);
	stream_free(s->client.in);
	stream_free(s->server.in);
	federation_free(s);
	gear_service_unref(s->service);
	free(s->domain);
	free(s->account);
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

/* Both sides in turn. */
static bool session_step(struct session *s)
{
	bool client = leg_step(s, &s->client), server = leg_step(s, &s->server);

	return client || server;
}

void session_run(struct session *s)
{
	unsigned steps = SESSION_STEPS;
	uint64_t end = uv_hrtime() + SESSION_TURN_NS;
	bool more;

	if (s->running)
		return;
	s->running = true;
	do {
		/* One write for all that was gathered. */
		while (steps > 0 && session_step(s))
			steps = uv_hrtime() < end ? steps - 1 : 0;
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

/* Among those that have not logged in; the one that has to go is told by its own thread. */
static void session_enter(struct session *s)
{
	const struct service *conf = &s->service->conf;
	struct preauth *pushed;

	s->preauth = preauth_enter(conf->name, &s->peer.address, conf->streams_preauth,
		session_dials_out(s) ? 0 : conf->streams_preauth_per_address, s, s->worker,
		&pushed);
	if (pushed && worker_push_out(pushed->worker, pushed) < 0)
		log_warn("preauth error=%s", err_text(-ENOMEM));
}

/* In a flood, some of them are as good as all. */
static bool push_is_told(void)
{
	static atomic_uint_fast64_t second;
	static atomic_uint told;
	uint64_t now = clock_mono_ms() / 1000;

	if (atomic_exchange(&second, now) != now)
		atomic_store(&told, 0);
	return atomic_fetch_add(&told, 1) < PUSHES_TOLD;
}

void session_push_out(struct session *s, const char *why)
{
	bool was_running = s->running;

	/* What it does not take at once it will not get: a socket that lingers is one that the others
	 * lack. */
	s->running = true;
	metric_add(counters.session_pushed, 1);
	counters_add("refused", why);
	if (push_is_told())
		event_refused(s, session_direction(s, &s->client), STREAM_ERROR_RESOURCE_CONSTRAINT, why);
	session_end(s, STREAM_ERROR_RESOURCE_CONSTRAINT, STREAM_ERROR_NONE, NULL);
	conn_flush(&s->client.conn);
	conn_flush(&s->server.conn);
	s->running = was_running;
	session_poke(s, EVENT_TIMEOUT);
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
		.audited = service->conf.audit,
		.peer = *peer,
		.dest = *dest,
		.dialled = dialled,
		.opened_ms = now,
		.state_ms = now,
		.phase_ms = now };
	s->serial = atomic_fetch_add(&serials, 1) + 1;
	sm_init(&s->sm);
	r = service->conf.role == ROLE_S2S ? federation_new(s) : 0;
	leg_init(&s->client, s);
	leg_init(&s->server, s);
	if (r == 0 && s->client.in && s->server.in) {
		r = conn_open(&s->client.conn, &w->loop, fd, false);
	} else {
		close(fd);
		r = -ENOMEM;
	}
	s->next = w->sessions;
	if (s->next)
		s->next->prev = s;
	w->sessions = s;
	session_enter(s);
	metric_add(counters.session_opened, 1);
	metric_add(counters.session_active, 1);
	metric_add(counters.session_own, 1);
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
	case SESSION_VERIFYING:
	case SESSION_OPENING:
		return now - s->phase_ms >= conf->connect_ms;
	case SESSION_LOGIN:
	case SESSION_RESTART:
	case SESSION_REOPENING:
		return now - s->opened_ms >= conf->login_ms;
	case SESSION_ONLINE:
		/* Who logged in binds a resource (RFC 6120 7.1), or has no reason to be there. */
		if (!s->jid && conf->role == ROLE_C2S && !session_awaits_jid(s))
			return now - s->state_ms >= conf->login_ms;
		return session_awaits_jid(s) && now - s->phase_ms >= conf->login_ms;
	case SESSION_CLOSING:
	case SESSION_DRAIN:
		return now - s->state_ms >= conf->close_ms;
	default:
		return false;
	}
}

void session_tick(struct session *s, uint64_t now_ms)
{
	bool online = s->state == SESSION_ONLINE, resume;

	if (session_is_late(s, now_ms) || (online && (leg_is_late(s, &s->client, now_ms) ||
							     leg_is_late(s, &s->server, now_ms)))) {
		session_poke(s, EVENT_TIMEOUT);
		return;
	}
	if (online && sm_is_lost(&s->sm)) {
		session_ousted(s);
		return;
	}
	if (online) {
		leg_shrink(&s->client, now_ms);
		leg_shrink(&s->server, now_ms);
	}
	resume = leg_resume(&s->client, now_ms);
	resume |= audit_is_freed(s, now_ms);
	if (leg_resume(&s->server, now_ms) || resume)
		session_run(s);
}

/* Between servers the stranger's domain stands for it. */
static const char *session_name(const struct session *s)
{
	const char *name = s->federation ? s->federation->remote : s->jid;

	return name ? name : "";
}

json_t *session_row(const struct session *s)
{
	/* Whoever dialled, the stranger's is the address, and our own server the server. */
	const struct endpoint *peer = session_peer(s);
	const struct endpoint *ours = session_dials_out(s) ? &s->peer : &s->upstream;
	uint64_t now = uv_now(&s->worker->loop);
	char address[64], server[64];
	json_t *row;

	address_format(&peer->address, address, sizeof(address));
	address_format(&ours->address, server, sizeof(server));
	row = json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "id", (json_int_t)s->serial,
		"service", s->service->conf.name, "address", address, "port", (int)peer->port,
		"server", ours->port ? server : "", "jid", session_name(s), "state",
		session_state_text(s->state), "tls", tls_link_version(&s->client.conn.tls));
	if (!row)
		return NULL;
	json_object_set_new(row, "age_ms", json_integer((json_int_t)(now - s->opened_ms)));
	json_object_set_new(row, "in", json_integer((json_int_t)s->stanzas[DIRECTION_IN]));
	json_object_set_new(row, "out", json_integer((json_int_t)s->stanzas[DIRECTION_OUT]));
	json_object_set_new(row, "dropped", json_integer((json_int_t)s->dropped));
	json_object_set_new(row, "rejected", json_integer((json_int_t)s->rejected));
	if (s->federation)
		federation_row(s, row);
	return row;
}

struct crowd_member session_member(struct session *s, uint64_t now_ms)
{
	uint64_t in = s->stanzas[DIRECTION_IN], out = s->stanzas[DIRECTION_OUT];

	return (struct crowd_member){ .session = s,
		.address = &session_peer(s)->address,
		.jid = s->federation ? session_name(s) : s->jid,
		.online = s->authenticated,
		.in = in,
		.out = out,
		.dropped = s->dropped,
		.rejected = s->rejected,
		.age_ms = now_ms - s->opened_ms,
		.rate = pace_look(&s->pace, s->opened_ms, now_ms, in + out) };
}
