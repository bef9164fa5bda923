/* SPDX-License-Identifier: BSD-2-Clause */
/* The server for one client: behind session_open.c, before relay.c.
 * In: the client's header, the service's settings. Out: a connection (from the client's address if
 * so ordered), the PROXY header as its very first bytes, TLS by STARTTLS or from the first byte,
 * the client's header; then the server's own header goes to the client with its id untouched. What
 * stands behind <proceed/> in clear text is an injection and ends it (CVE-2011-0411 class). A
 * server that cannot be had is told to the client after a proper header: remote-connection-failed.
 * It never falls back to clear text. */
#include "proxy/session_server.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/proxy_header.h"
#include "proxy/relay.h"
#include "proxy/session_close.h"
#include "proxy/session_federation.h"
#include "proxy/worker.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

static void server_failed(struct session *s, const char *why)
{
	char address[64];

	address_format(&s->upstream.address, address, sizeof(address));
	metric_add(counters.upstream_failed, 1);
	log_warn("upstream failed service=%s address=%s port=%u state=%s why=%s",
		s->service->conf.name, address, s->upstream.port, session_state_text(s->state),
		log_quote(span_of(why)));
	if (!session_fail_over(s))
		session_end(s, STREAM_ERROR_REMOTE_CONNECTION_FAILED, STREAM_ERROR_NONE, NULL);
}

/* ---- which server ---- */

static enum backends_answer server_choose(struct session *s)
{
	enum backends_answer answer = backends_choose(s->service->backends, &s->service->conf,
		s->domain, &s->peer.address, s->from, &s->backend);

	if (answer == BACKENDS_CHOSEN)
		s->upstream = s->backend.at;
	return answer;
}

static enum upstream_tls server_tls(const struct session *s)
{
	if (s->federation && s->federation->plain)
		return UPSTREAM_PLAIN;
	return s->backend.server ? s->backend.tls : s->service->conf.upstream_tls;
}

void session_forget_server(struct session *s)
{
	struct leg *server = &s->server;

	stream_restart(server->in);
	server->pushed = server->opened = server->closed_out = server->closed_in = false;
	server->failed_in = server->ended = false;
	server->partial_ms = 0;
	buf_clear(&server->conn.out);
	buf_clear(&server->conn.prefix);
}

/* Now, or when the handle of the former connection is gone, which is at the end of this turn of the
 * loop. */
static void server_connect_next(struct session *s)
{
	if (!s->server.conn.open) {
		session_connect(s);
		return;
	}
	s->redial = true;
	s->phase_ms = uv_now(&s->worker->loop);
	session_set_state(s, SESSION_DIAL);
}

bool session_fail_over(struct session *s)
{
	if (!s->backend.server || s->state > SESSION_OPENING)
		return false;
	backends_doubt(&s->backend);
	if (server_choose(s) != BACKENDS_CHOSEN)
		return false;
	metric_add(counters.backend_failover, 1);
	session_forget_server(s);
	conn_close(&s->server.conn, false);
	server_connect_next(s);
	return true;
}

/* ---- dialling ---- */

/* False: the client has its answer. */
static bool server_decide(struct session *s)
{
	const struct service *conf = &s->service->conf;
	int r;

	backends_leave(&s->backend, &s->peer.address, NULL);
	s->backend.tried = 0;
	if (conf->n_backends == 0) {
		if ((r = upstream_choose(conf, &s->dest, s->dialled, &s->upstream)) < 0)
			server_failed(s, err_text(r));
		return r == 0;
	}
	switch (server_choose(s)) {
	case BACKENDS_CHOSEN:
		return true;
	case BACKENDS_UNKNOWN:
		session_refuse(s, STREAM_ERROR_HOST_UNKNOWN, "header.domain");
		return false;
	default:
		metric_add(counters.backend_none, 1);
		log_warn("no server is up service=%s domain=%s", conf->name,
			log_quote(span_of(s->domain)));
		session_end(s, STREAM_ERROR_REMOTE_CONNECTION_FAILED, STREAM_ERROR_NONE, NULL);
		return false;
	}
}

void session_dial(struct session *s)
{
	/* After STARTTLS in the middle ("tls optional") the former connection has been closed; the
	 * client's handshake and header may still come within the same turn of the loop. */
	assert(s->server.conn.fd < 0);
	if (server_decide(s))
		server_connect_next(s);
}

void session_connect(struct session *s)
{
	const struct service *conf = &s->service->conf;
	int fd, r;

	s->phase_ms = uv_now(&s->worker->loop);
	if ((r = upstream_dial(&s->upstream, conf->source_client ? &s->peer : NULL,
		     s->service->mark, &fd)) < 0 ||
		(r = conn_open(&s->server.conn, &s->worker->loop, fd, true)) < 0) {
		server_failed(s, err_text(r));
		return;
	}
	session_set_state(s, SESSION_DIAL);
}

/* TLS towards the server, at once or behind <proceed/>. */
static void server_secure(struct session *s, const char *alpn)
{
	const struct service *conf = &s->service->conf;
	struct conn *c = &s->server.conn;
	/* A stranger is judged when its handshake is over. */
	bool stranger = s->federation && session_dials_out(s);
	int r = tls_link_connect(&c->tls, s->service->client_ctx, c->fd, &c->prefix,
		conf->verify == VERIFY_DEFAULT && !stranger ? s->service->certs : NULL, s->domain,
		stranger	    ? NULL
		: conf->verify_name ? conf->verify_name
				    : s->domain,
		alpn);

	if (r == 0 && s->federation)
		r = federation_show_server(s);
	if (r < 0) {
		session_fail(s, r, "tls");
		return;
	}
	c->readable = true; /* begin now */
	session_set_state(s, SESSION_SERVER_SECURING);
}

void session_forward_header(struct session *s, enum session_state next)
{
	struct stream_header h = { .content_ns = session_ns(s),
		.dialback = s->federation,
		.from = s->from,
		.to = s->domain,
		.lang = s->lang,
		.version = "1.0" };
	int r = write_header(&s->server.conn.out, &h);

	if (r < 0) {
		session_fail(s, r, "header");
		return;
	}
	s->server.opened = true;
	session_set_state(s, next);
}

static void server_greet(struct session *s)
{
	struct stream_header h = { .content_ns = session_ns(s), .to = s->domain, .version = "1.0" };
	int r;

	/* Clients keep their names for TLS; servers tell them (RFC 6120 4.7.1). */
	if (s->federation) {
		h.from = s->from;
		h.dialback = true;
	}
	r = write_header(&s->server.conn.out, &h);

	if (r < 0) {
		session_fail(s, r, "header");
		return;
	}
	s->server.opened = true;
	session_set_state(s, SESSION_SERVER_CLEAR);
}

/* The first bytes of a fresh connection always find room. */
static bool server_introduce(struct session *s)
{
	struct conn *c = &s->server.conn;
	int r = proxy_header_write(
		&c->out, &s->peer.address, s->peer.port, &s->dest.address, s->dest.port);

	conn_flush(c);
	if (r == 0 && conn_is_flushed(c) && !c->mute)
		return true;
	server_failed(s, "PROXY header not sent");
	return false;
}

/* "starttls" towards the very port the client dialled means: as the client came. Who spoke TLS from
 * the first byte most likely dialled a port where the server expects that too (XEP-0368), unless
 * that port has taught us better. */
static bool server_mirrors(const struct session *s)
{
	const struct service *conf = &s->service->conf;

	return conf->n_backends == 0 && conf->upstream_tls == UPSTREAM_STARTTLS && s->direct &&
	       !s->fell_back && (conf->upstream_original || conf->upstream_port == 0) &&
	       atomic_load(&s->service->starttls_port) != s->upstream.port;
}

/* Both streams can be opened. */
static void server_ready(struct session *s)
{
	if (s->federation)
		federation_server_ready(s);
	else
		session_forward_header(s, SESSION_OPENING);
}

void session_redial(struct session *s)
{
	session_forget_server(s);
	conn_close(&s->server.conn, false);
	server_connect_next(s);
}

/* The server did not understand TLS from the first byte: once more, with STARTTLS. Both are TLS. */
static void server_fall_back(struct session *s)
{
	s->fell_back = true;
	conn_close(&s->server.conn, false);
	server_connect_next(s);
}

void act_connected(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	metric_add(counters.upstream_connected, 1);
	if (s->service->conf.proxy_protocol && !server_introduce(s))
		return;
	switch (server_mirrors(s) ? UPSTREAM_TLS : server_tls(s)) {
	case UPSTREAM_PLAIN:
		server_ready(s);
		break;
	case UPSTREAM_STARTTLS:
		server_greet(s);
		break;
	case UPSTREAM_TLS:
		server_secure(s, s->federation ? "xmpp-server" : "xmpp-client");
		break;
	}
}

void act_unreached(struct session *s, struct leg *from, const struct stream_event *ev)
{
	const struct tls_link *tls = &from->conn.tls;

	/* The server has said why, and the client has heard it: one error a stream (RFC
	 * 6120 4.9.1.1). */
	if (from->failed_in) {
		session_end(s, STREAM_ERROR_NONE, STREAM_ERROR_NONE, NULL);
		return;
	}
	if (s->state == SESSION_SERVER_SECURING && !tls->pick.why && server_mirrors(s))
		server_fall_back(s);
	else if (s->state == SESSION_SERVER_SECURING)
		server_failed(s, tls->pick.why ? tls->pick.why
				 : tls->error  ? tls->error
					       : "TLS failed");
	else if (!ev)
		server_failed(s, "connection refused or lost");
	else if (ev->kind == STREAM_ELEMENT && element_is(ev->stanza.root, NS_STREAM, "error"))
		server_failed(s, "stream error from the server");
	else
		server_failed(s, "unexpected answer");
}

void act_server_greeted(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	if (strcmp(ev->header.content_ns, session_ns(s)) != 0)
		server_failed(s, "wrong content namespace");
	else
		session_set_state(s, SESSION_SERVER_OFFER);
}

void act_server_offered(struct session *s, struct leg *from, const struct stream_event *ev)
{
	if (!element_is(ev->stanza.root, NS_STREAM, "features")) {
		act_unreached(s, from, ev);
		return;
	}
	if (!element_child(ev->stanza.root, NS_TLS, "starttls")) {
		if (!s->federation || !session_dials_out(s))
			server_failed(s, "the server offers no STARTTLS");
		else if (federation_goes_plain(s))
			session_redial(s);
		return;
	}
	if (relay_puts(s, from, "<starttls xmlns='" NS_TLS "'/>"))
		session_set_state(s, SESSION_SERVER_PROCEED);
}

void act_server_proceed(struct session *s, struct leg *from, const struct stream_event *ev)
{
	if (!element_is(ev->stanza.root, NS_TLS, "proceed")) {
		act_unreached(s, from, ev);
		return;
	}
	/* A server does not speak first in TLS: any byte here was put in by somebody else. */
	if (stream_rest(from->in).len > 0) {
		metric_add(counters.starttls_injection, 1);
		session_refuse_server(s, STREAM_ERROR_POLICY_VIOLATION, "proceed.injection");
		return;
	}
	if (s->fell_back)
		atomic_store(&s->service->starttls_port, s->upstream.port);
	stream_restart(from->in);
	from->pushed = false;
	from->opened = false;
	server_secure(s, NULL);
}

void act_server_secured(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	server_ready(s);
}

void act_server_opened(struct session *s, struct leg *from, const struct stream_event *ev)
{
	struct stream_header h = ev->header;
	int r;

	(void)from;
	if (strcmp(h.content_ns, session_ns(s)) != 0) {
		session_refuse_server(s, STREAM_ERROR_INVALID_NAMESPACE, "header.namespace");
		return;
	}
	/* Its id stays as it is: dialback keys and digests are bound to it. */
	h.dialback = s->federation;
	if ((r = write_header(&s->client.conn.out, &h)) < 0) {
		session_fail(s, r, "header");
		return;
	}
	s->client.opened = true;
	if (s->federation && (r = dialback_set_id(&s->federation->dialback, h.id)) < 0)
		session_fail(s, r, "header");
	else
		session_set_state(s, s->authenticated ? SESSION_ONLINE : SESSION_LOGIN);
}
