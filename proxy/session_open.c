/* SPDX-License-Identifier: BSD-2-Clause */
/* The client until there is a server for it: behind listen.c, before session_server.c.
 * In: the first byte, a header in clear text, <starttls/>, a TLS handshake, the header that counts.
 * Out: our own answers. Before TLS the proxy is the endpoint: its own stream id, features that hold
 * <starttls/> and nothing else (RFC 6120 5.4.1), and whatever was learned in clear text is
 * forgotten (5.4.3.3). What stands behind <starttls/> in the same bytes is a ClientHello or an
 * injection. It never opens anything for a client that has not said where it wants to go. */
#include "proxy/session_open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/counters.h"
#include "proxy/hello.h"
#include "proxy/relay.h"
#include "proxy/session_close.h"
#include "proxy/session_federation.h"
#include "proxy/session_server.h"
#include "proxy/worker.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

/* ALPN of XEP-0368. */
static const char *open_alpn(const struct session *s)
{
	return s->federation ? "xmpp-server" : "xmpp-client";
}

/* Towards the client, over bytes already in the connection's prefix. */
static void open_secure(struct session *s)
{
	struct conn *c = &s->client.conn;
	int r = tls_link_accept(&c->tls, s->service->server_ctx, c->fd, &c->prefix,
		s->service->certs, s->direct ? NULL : s->domain, open_alpn(s));

	if (r == 0 && s->federation && session_dials_out(s))
		tls_link_choose_late(&c->tls);

	if (r < 0) {
		session_fail(s, r, "tls");
		return;
	}
	c->readable = true; /* the handshake asks the socket itself */
	s->phase_ms = uv_now(&s->worker->loop);
	session_set_state(s, SESSION_SECURING);
}

void act_begin_tls(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	if (!s->service->server_ctx) {
		/* In clear text there is nothing to say to it. */
		metric_add(counters.listen_unknown, 1);
		session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "hello.tls");
		return;
	}
	metric_add(counters.listen_direct, 1);
	s->direct = true;
	open_secure(s);
}

void act_begin_xml(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	session_set_state(s, SESSION_CLEAR);
}

void act_refuse_bytes(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	metric_add(counters.listen_unknown, 1);
	session_set_state(s, SESSION_CLEAR); /* its answer is a header and the error */
	session_refuse(s, STREAM_ERROR_BAD_FORMAT, "hello.unknown");
}

/* Replaces a copy; "" counts as absent. */
static int set_text(char **at, const char *text)
{
	free(*at);
	*at = text && *text ? strdup(text) : NULL;
	return text && *text && !*at ? -ENOMEM : 0;
}

/* What RFC 6120 4.7 asks of a client's header. false: refused. */
static bool open_check(struct session *s, const struct stream_header *h)
{
	enum stream_error error = STREAM_ERROR_NONE;
	const char *reason = NULL;

	if (strcmp(h->content_ns, session_ns(s)) != 0) {
		error = STREAM_ERROR_INVALID_NAMESPACE;
		reason = "header.namespace";
	} else if (strncmp(h->version, "1.", 2) != 0) {
		error = STREAM_ERROR_UNSUPPORTED_VERSION;
		reason = "header.version";
	} else if (!*h->to && !(s->client.conn.secure && *tls_link_sni(&s->client.conn.tls))) {
		error = STREAM_ERROR_HOST_UNKNOWN;
		reason = "header.to";
	} else if (strlen(h->to) > 1023 || strlen(h->from) > 3071 || strlen(h->lang) > 64) {
		error = STREAM_ERROR_IMPROPER_ADDRESSING;
		reason = "header.length";
	}
	if (error != STREAM_ERROR_NONE)
		session_refuse(s, error, reason);
	return error == STREAM_ERROR_NONE && (!s->federation || federation_header_fits(s, h));
}

static bool open_remember(struct session *s, const struct stream_header *h)
{
	const char *to = *h->to ? h->to : tls_link_sni(&s->client.conn.tls);
	int r = 0;

	if (*h->to || !s->domain)
		r = set_text(&s->domain, to);
	if (r < 0 || (r = set_text(&s->from, h->from)) < 0 || (r = set_text(&s->lang, h->lang)) < 0)
		session_fail(s, r, "header");
	return r == 0;
}

void act_open_clear(struct session *s, struct leg *from, const struct stream_event *ev)
{
	if (s->service->conf.tls != TLS_REQUIRED) {
		act_open(s, from, ev);
		return;
	}
	if (!open_check(s, &ev->header) || !open_remember(s, &ev->header))
		return;
	if (session_open_client(s) < 0 || !relay_puts(s, from,
						  "<stream:features><starttls xmlns='" NS_TLS
						  "'><required/></starttls></stream:features>"))
		return;
	session_set_state(s, SESSION_OFFER);
}

/* Everything that was agreed in clear text is forgotten. */
void session_proceed(struct session *s)
{
	struct leg *client = &s->client;

	if (!relay_puts(s, client, "<proceed xmlns='" NS_TLS "'/>"))
		return;
	conn_flush(&client->conn);
	/* A client whose socket has no room for these few bytes is not waited for. */
	if (!conn_is_flushed(&client->conn)) {
		session_fail(s, ERR_LIMIT, "proceed");
		return;
	}
	stream_restart(client->in);
	client->pushed = false;
	client->opened = false;
	open_secure(s);
}

void session_start_tls(struct session *s)
{
	struct leg *client = &s->client;
	struct span rest = stream_rest(client->in);
	int r;

	/* Some clients end the line behind <starttls/>. RFC 6120 5.4.3.3 has all clear text thrown
	 * away; white space is the only one that may be there without being an attack. */
	while (rest.len > 0 && strchr(" \t\r\n", *rest.ptr) && *rest.ptr) {
		rest.ptr++;
		rest.len--;
	}
	if (!hello_is_record(rest)) {
		metric_add(counters.starttls_injection, 1);
		session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "starttls.injection");
		return;
	}
	if ((r = conn_unread(&client->conn, rest)) < 0) {
		session_fail(s, r, "starttls");
		return;
	}
	if (s->federation)
		federation_begin_anew(s);
	/* Our own server is told to go on when we know what it may be shown. */
	if (s->federation && session_dials_out(s))
		federation_dial_first(s);
	else
		session_proceed(s);
}

void act_starttls(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	if (element_is(ev->stanza.root, NS_TLS, "starttls"))
		session_start_tls(s);
	else
		session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "starttls.required");
}

void act_secured(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)ev;
	metric_add(counters.tls_handshake, 1);
	tls_link_alpn(&from->conn.tls, s->alpn, sizeof(s->alpn));
	session_set_state(s, SESSION_HEADER);
}

void act_tls_failed(struct session *s, struct leg *from, const struct stream_event *ev)
{
	const char *word = from->conn.tls.error;

	(void)ev;
	metric_add(counters.tls_failed, 1);
	counters_add("tls.failed", word ? word : "closed");
	log_debug("session=%llu tls failed=%s", (unsigned long long)s->serial,
		word ? word : "closed");
	/* The alert is out; there is nothing to say in clear text. */
	session_drain(s);
}

void act_open(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	if (!open_check(s, &ev->header) || !open_remember(s, &ev->header))
		return;
	if (!s->federation)
		session_dial(s);
	else if (session_dials_out(s))
		federation_open_out(s);
	else
		federation_open_in(s);
}

/* The stream anew after SASL: to the same domain, or the rules would judge for another one. */
void act_reopen(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	if (!open_check(s, &ev->header))
		return;
	if (*ev->header.to && strcasecmp(ev->header.to, s->domain) != 0)
		session_refuse(s, STREAM_ERROR_NOT_AUTHORIZED, "header.to-changed");
	else if (open_remember(s, &ev->header))
		session_forward_header(s, SESSION_REOPENING);
}

void act_refuse(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	(void)ev;
	session_refuse(s, STREAM_ERROR_NOT_AUTHORIZED, "session.order");
}

void act_leave(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)from;
	if (ev && ev->kind == STREAM_CLOSE)
		session_end(s, STREAM_ERROR_NONE, STREAM_ERROR_NONE, NULL);
	else
		session_drain(s);
}
