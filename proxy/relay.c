/* SPDX-License-Identifier: BSD-2-Clause */
/* Both directions of an open session: behind the parsers, before apply.c.
 * In: one complete element or run of white space from either side. Out: stanzas go to rules/ and
 * then to apply.c; nonzas (SASL, stream management, features, TLS, compression) are looked up in a
 * table by direction and name, edited where they would not be true through a proxy, and passed on.
 * Closing is half by half, as RFC 6120 4.4 wants it. Nonzas are not judged: what they may do is
 * fixed here. It never turns a verdict into an act. */
#include "proxy/event.h"
#include "proxy/relay.h"

#include <errno.h>
#include <string.h>
#include "base/err.h"
#include "base/log.h"
#include "door/barred.h"
#include "door/follow.h"
#include "door/registry.h"
#include "proxy/apply.h"
#include "proxy/counters.h"
#include "proxy/features.h"
#include "proxy/login.h"
#include "proxy/relay_federation.h"
#include "proxy/relay_sasl.h"
#include "proxy/relay_sm.h"
#include "proxy/remake.h"
#include "proxy/session_close.h"
#include "proxy/session_open.h"
#include "proxy/session_server.h"
#include "proxy/worker.h"
#include "rules/shadow.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

enum { SPACE_EVERY_MS = 200 };

bool relay_write(struct session *s, struct leg *to, const struct xml_element *e)
{
	/* Headers of ours between servers always declare dialback. */
	int r = (s->federation ? write_dialback : write_element)(&to->conn.out, e, session_ns(s));

	if (r < 0)
		session_fail(s, r, "write");
	return r == 0;
}

bool relay_puts(struct session *s, struct leg *to, const char *text)
{
	int r = buf_puts(&to->conn.out, text);

	if (r < 0)
		session_fail(s, r, "write");
	return r == 0;
}

/* ---- stanzas ---- */

/* Before the login there is nobody to speak for: registering (XEP-0077) and asking the server pass
 * as iq. A login by iq (XEP-0078) would happen behind our back. */
static bool relay_is_early(const struct session *s, const struct leg *from, const struct stanza *st)
{
	if (from != &s->client || (s->authenticated && s->jid))
		return false;
	return st->kind != STANZA_IQ || element_child(st->root, NS_IQ_AUTH, NULL);
}

/* RFC 6120 8.1.2.1: "from" is the session's own JID, full or bare. Some servers overwrite what they
 * get: rules that ask about the sender must not be told another one. */
static bool relay_is_forged(
	const struct session *s, const struct leg *from, const struct stanza *st)
{
	const char *claimed = element_attr(st->root, "from");
	struct jid own, other;

	if (from != &s->client || !s->jid || !claimed || !*claimed || strcmp(claimed, s->jid) == 0)
		return false;
	if (jid_parse(st->arena, span_of(s->jid), &own) < 0 ||
		jid_parse(st->arena, span_of(claimed), &other) < 0)
		return true;
	return strcmp(own.local, other.local) != 0 || strcmp(own.domain, other.domain) != 0 ||
	       (*own.resource && *other.resource && strcmp(own.resource, other.resource) != 0);
}

struct subject relay_subject(
	const struct session *s, enum direction direction, const struct stanza *st)
{
	const struct tls_link *tls =
		&(session_dials_out(s) ? &s->server : &s->client)->conn.tls;
	const struct endpoint *peer = session_peer(s);
	struct subject subject = {
		.stanza = st,
		.service = s->service->conf.name,
		.role = s->service->conf.role,
		.direction = direction,
		.peer = peer->address,
		.peer_port = peer->port,
		.tls_version = tls_link_version(tls),
		.tls_cipher = tls_link_cipher(tls),
		.tls_sni = tls_link_sni(tls),
		.tls_alpn = s->alpn,
		.sasl_mechanism = s->mechanism,
		.session_jid = s->jid,
		.session_domain = s->domain,
		.session_anonymous = s->anonymous,
		.session_authenticated = s->authenticated,
		.session_age_ms = uv_now(&s->worker->loop) - s->opened_ms,
		.session_stanzas = s->stanzas[direction],
		.login = &s->login,
		.session_account = s->account,
		.session_listed = s->logged_in,
		.session_logins = s->sasl_tries,
		.company = registry_company,
	};

	if (s->federation)
		federation_subject(s, direction, st, &subject);
	return subject;
}

/* It was sent before, judged, and got lost: what it did then is not done twice. */
static void relay_spare(struct verdict *v)
{
	v->strikes = 0;
	v->ban_ms = v->tarpit_ms = 0;
	v->report = NULL;
	v->would = NULL;
	v->log = v->kind != VERDICT_ACCEPT;
	v->n_marks = 0;
}

void act_judge(struct session *s, struct leg *from, const struct stream_event *ev)
{
	enum direction direction = session_direction(s, from);
	const struct stanza *st = &ev->stanza;
	struct subject subject;
	struct verdict v;
	struct scene scene;
	unsigned who = 0; /* follow this session */
	bool resent, barred;
	int r;

	/* In another content namespace servers disagree whether it is a stanza at all, and whether
	 * it counts. */
	if (strcmp(st->root->ns, session_ns(s)) != 0) {
		if (from == &s->client)
			session_refuse(s, STREAM_ERROR_INVALID_NAMESPACE, "stanza.namespace");
		else
			session_refuse_server(
				s, STREAM_ERROR_INVALID_NAMESPACE, "stanza.namespace");
		return;
	}
	if (s->federation && !federation_admits(s, from, st))
		return;
	if (!s->federation && relay_is_early(s, from, st)) {
		session_refuse(s, STREAM_ERROR_NOT_AUTHORIZED, "stanza.early");
		return;
	}
	if (relay_is_forged(s, from, st)) {
		session_refuse(s, STREAM_ERROR_INVALID_FROM, "stanza.from");
		return;
	}
	metric_add(direction == DIRECTION_IN ? counters.stanza_in : counters.stanza_out, 1);
	/* SASL2 without bind2 gives a bare one first. */
	if (!s->federation && (!s->jid || !strchr(s->jid, '/')))
		sasl_watch_bind(s, from, st);
	if (!apply_repeated(s, from, st, &resent))
		return;
	subject = relay_subject(s, direction, st);
	subject.resent = resent;
	barred = barred_any() && barred_judge(&subject, &v);
	if (s->worker->follows.n > 0 && !barred) {
		scene = event_scene(s);
		who = follow_begin(&s->worker->follows, s->worker->judge, uv_now(&s->worker->loop),
			&scene, st);
	}
	r = barred ? 0
		   : judge_stanza(s->worker->judge, s->worker->gear->policy, &subject, &v);
	if (who)
		follow_end(&s->worker->follows, s->worker->judge, s->worker->hub, who, direction,
			&scene, st, &v, r);
	if (s->worker->shadow && r == 0 && !barred)
		shadow_judge(s->worker->shadow, s->worker->shadow_judge, &subject, &v);
	if (r == 0 && resent)
		relay_spare(&v);
	s->stanzas[direction]++;
	/* No answer will come to a bind that went no further. */
	if (from == &s->client && r == 0 && v.kind != VERDICT_ACCEPT)
		s->bind_hash = 0;
	if (r < 0)
		apply_failure(s, from, st, r);
	else
		apply_verdict(s, from, st, &v);
}

/* ---- nonzas ---- */

static enum nonza_fate client_starttls(struct session *s, const struct stanza *st)
{
	(void)st;
	if (s->state != SESSION_LOGIN || s->client.conn.secure ||
		s->service->conf.tls != TLS_OPTIONAL || s->sasl_wait) {
		session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "starttls.unexpected");
		return NONZA_ENDED;
	}
	/* What was agreed in clear text is void: the server will be dialled anew. */
	conn_close(&s->server.conn, false);
	session_forget_server(s);
	sm_fini(&s->sm, false);
	login_forget(s);
	s->mechanism[0] = '\0';
	session_start_tls(s);
	return NONZA_ENDED;
}

static enum nonza_fate client_compress(struct session *s, const struct stanza *st)
{
	(void)st;
	return relay_puts(s, &s->client,
		       "<failure xmlns='" NS_COMPRESS "'><unsupported-method/></failure>")
		       ? NONZA_SWALLOW
		       : NONZA_ENDED;
}

/* Servers count such a thing for stream management, or do not; nobody needs it. */
static enum nonza_fate client_unknown(struct session *s, const struct stanza *st)
{
	(void)st;
	session_refuse(s, STREAM_ERROR_UNSUPPORTED_STANZA_TYPE, "stanza.unknown");
	return NONZA_ENDED;
}

static enum nonza_fate client_sm(struct session *s, const struct stanza *st)
{
	return sm_relay(s, &s->client, st);
}

static enum nonza_fate server_sm(struct session *s, const struct stanza *st)
{
	return sm_relay(s, &s->server, st);
}

static enum nonza_fate server_features(struct session *s, const struct stanza *st)
{
	const struct service *conf = &s->service->conf;
	struct features_context ctx = {
		.secure = s->client.conn.secure,
		.offer_starttls =
			!s->client.conn.secure && conf->tls == TLS_OPTIONAL && !s->authenticated,
		.same_leaf = tls_link_same_leaf(&s->client.conn.tls, &s->server.conn.tls),
		.max_bytes = s->authenticated ? conf->limits.stanza_bytes
					      : conf->limits.stanza_bytes_preauth,
		.idle_seconds = s->authenticated ? conf->idle_ms / 1000 : 0,
	};
	struct features_result result;
	int r = features_edit(st->arena, st->root, &ctx, &result);

	if (r < 0) {
		session_fail(s, r, "features");
		return NONZA_ENDED;
	}
	s->endpoint_kept = result.endpoint;
	s->plus_stripped = result.plus;
	return NONZA_FORWARD;
}

/* An address to go to next would lead the client around us: it is told to come back instead. */
static enum nonza_fate server_error(struct session *s, const struct stanza *st)
{
	struct xml_element *other = element_child(st->root, NS_STREAMS, "see-other-host"), *reset;

	s->server.failed_in = true;
	if (!other)
		return NONZA_FORWARD;
	element_remove(other);
	reset = element_new(st->arena, NS_STREAMS, "reset");
	if (!reset || element_add(st->arena, st->root, reset) < 0) {
		session_fail(s, -ENOMEM, "stream error");
		return NONZA_ENDED;
	}
	return NONZA_FORWARD;
}

static enum nonza_fate server_refused(struct session *s, const struct stanza *st)
{
	(void)st;
	session_refuse_server(s, STREAM_ERROR_POLICY_VIOLATION, "server.nonza");
	return NONZA_ENDED;
}

/* First match counts; ns NULL: any, name NULL: any. What is not here passes. */
static const struct nonza_rule {
	const char *ns, *name;
	bool client;
	enum nonza_fate (*handle)(struct session *s, const struct stanza *st);
} nonza_rules[] = {
	{ NS_SM, NULL, true, client_sm },
	{ NS_SM2, NULL, true, client_sm },
	{ NS_SASL, NULL, true, sasl_from_client },
	{ NS_SASL2, NULL, true, sasl_from_client },
	{ NS_TLS, NULL, true, client_starttls },
	{ NS_COMPRESS, NULL, true, client_compress },
	{ NS_CLIENT, NULL, true, client_unknown },
	{ NS_SERVER, NULL, true, client_unknown },
	{ "", NULL, true, client_unknown },
	{ NS_STREAM, "features", true, client_unknown },
	{ NS_SM, NULL, false, server_sm },
	{ NS_SM2, NULL, false, server_sm },
	{ NS_STREAM, "features", false, server_features },
	{ NS_STREAM, "error", false, server_error },
	{ NS_SASL, NULL, false, sasl_from_server },
	{ NS_SASL2, NULL, false, sasl_from_server },
	{ NS_TLS, NULL, false, server_refused },
	{ NS_COMPRESS, "compressed", false, server_refused },
};

static const struct nonza_rule *nonza_find(const struct xml_element *e, bool client)
{
	for (size_t i = 0; i < sizeof(nonza_rules) / sizeof(nonza_rules[0]); i++) {
		const struct nonza_rule *rule = &nonza_rules[i];

		if (rule->client == client && strcmp(rule->ns, e->ns) == 0 &&
			(!rule->name || strcmp(rule->name, e->name) == 0))
			return rule;
	}
	return NULL;
}

enum nonza_fate relay_nonza(struct session *s, struct leg *from, const struct stanza *st)
{
	const struct nonza_rule *rule = nonza_find(st->root, from == &s->client);

	if (rule)
		return rule->handle(s, st);
	/* No profile names what is no stanza: nothing crosses beside it but the stream's own error. */
	if (!s->authenticated || strcmp(st->root->ns, NS_STREAM) == 0 ||
		!remake_is_due(s, session_direction(s, from)))
		return NONZA_FORWARD;
	metric_add(counters.strict_removed, 1);
	return NONZA_SWALLOW;
}

void act_nonza(struct session *s, struct leg *from, const struct stream_event *ev)
{
	const struct stanza *st = &ev->stanza;
	struct leg *to = session_other(s, from);

	if ((s->federation ? federation_nonza(s, from, st) : relay_nonza(s, from, st)) !=
		NONZA_FORWARD)
		return;
	if (to->closed_out || !relay_write(s, to, st->root))
		return;
	if (from == &s->server && element_is(st->root, NS_SASL, "success") && s->federation)
		federation_succeeded(s, st->arena);
	else if (from == &s->server && element_is(st->root, NS_SASL, "success"))
		sasl_succeeded(s, true);
	else if (from == &s->server && element_is(st->root, NS_SASL2, "success"))
		sasl_succeeded(s, false);
}

/* ---- white space and ends ---- */

/* A keepalive stays one, but many are few: a space five times a second is enough for anybody. */
void act_space(struct session *s, struct leg *from, const struct stream_event *ev)
{
	uint64_t now = uv_now(&s->worker->loop);

	(void)ev;
	if (now - from->space_ms < SPACE_EVERY_MS)
		return;
	from->space_ms = now;
	relay_puts(s, session_other(s, from), " ");
}

/* One side has said </stream:stream>: the other hears it and may still speak (RFC 6120 4.4). */
void act_close(struct session *s, struct leg *from, const struct stream_event *ev)
{
	struct leg *to = session_other(s, from);

	(void)ev;
	from->closed_in = true;
	/* After a stream error nobody has anything to add (RFC 6120 4.9.1.1). */
	if (from->failed_in) {
		/* It may be that the client is resuming elsewhere. */
		s->resumable = from == &s->server;
		session_end(s, STREAM_ERROR_NONE, STREAM_ERROR_NONE, NULL);
		return;
	}
	if (to->opened && !to->closed_out && write_close(&to->conn.out) < 0) {
		session_fail(s, -ENOMEM, "close");
		return;
	}
	to->closed_out = true;
	session_set_state(s, SESSION_CLOSING);
}

void act_close_last(struct session *s, struct leg *from, const struct stream_event *ev)
{
	(void)ev;
	from->closed_in = true;
	session_end(s, STREAM_ERROR_NONE, STREAM_ERROR_NONE, NULL);
}
