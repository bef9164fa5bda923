/* SPDX-License-Identifier: BSD-2-Clause */
/* SASL (RFC 6120 6) and SASL2 (XEP-0388) on their way through: one of relay.c's tables' ends.
 * In: the elements of both sides. Out: fate, and what the session learns: the mechanism, that it is
 * logged in, under which JID. Payloads pass untouched, hashes cover them (XEP-0474). A mechanism
 * that was taken out of the features is refused here, or it would fail in a way nobody understands.
 * The JID is believed only from the server, and only in answer to what this client has asked: an iq
 * that merely looks like a bind result may come from anybody. It never logs or keeps a payload. */
#include "proxy/relay_sasl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "proxy/counters.h"
#include "proxy/features.h"
#include "proxy/login.h"
#include "proxy/preauth.h"
#include "door/registry.h"
#include "proxy/relay_sm.h"
#include "proxy/session_close.h"
#include "proxy/worker.h"
#include "xmpp/ns.h"

enum { SASL_TRIES_MAX = 10 }; /* in one stream; RFC 6120 6.4.5 wants a bound */

/* ---- who it is ---- */

/* The registry counts bare JIDs. */
static int session_register(struct session *s, bool in)
{
	size_t len = strcspn(s->jid, "/");
	char *bare = strndup(s->jid, len);
	int r = 0;

	if (!bare)
		return -ENOMEM;
	if (in)
		r = registry_login(&s->peer.address, bare);
	else
		registry_logout(&s->peer.address, bare);
	free(bare);
	return r;
}

int session_learn_jid(struct session *s, struct span jid)
{
	char *copy = jid.len > 0 && jid.len <= 3071 ? strndup(jid.ptr, jid.len) : NULL;
	int r;

	if (!copy)
		return jid.len > 0 && jid.len <= 3071 ? -ENOMEM : 0;
	session_forget_jid(s);
	s->jid = copy;
	if ((r = session_register(s, true)) == 0)
		s->logged_in = true;
	return r;
}

void session_forget_jid(struct session *s)
{
	if (s->logged_in)
		session_register(s, false);
	s->logged_in = false;
	free(s->jid);
	s->jid = NULL;
}

static uint64_t bind_hash(const char *id)
{
	return map_hash(id, strlen(id)) | 1;
}

void sasl_watch_bind(struct session *s, struct leg *from, const struct stanza *st)
{
	const char *id = element_attr(st->root, "id"), *type = stanza_type(st), *jid;
	const struct xml_element *bind = element_child(st->root, NS_BIND, "bind"), *e;
	int r;

	if (st->kind != STANZA_IQ || !id || !s->authenticated)
		return;
	if (from == &s->client) {
		if (!bind || strcmp(type, "set") != 0)
			return;
		s->bind_hash = bind_hash(id);
		s->phase_ms = uv_now(&s->worker->loop);
		return;
	}
	if (s->bind_hash == 0 || s->bind_hash != bind_hash(id) ||
		(strcmp(type, "result") != 0 && strcmp(type, "error") != 0))
		return;
	s->bind_hash = 0;
	e = bind ? element_child(bind, NS_BIND, "jid") : NULL;
	jid = e ? element_text(e, st->arena) : NULL;
	if (jid && (r = session_learn_jid(s, span_of(jid))) < 0)
		log_warn("session jid lost error=%s", err_text(r));
}

/* ---- from the client ---- */

static enum nonza_fate sasl_refuse_mechanism(struct session *s, bool sasl2)
{
	metric_add(counters.sasl_stripped, 1);
	return relay_puts(s, &s->client,
		       sasl2 ? "<failure xmlns='" NS_SASL2 "'><invalid-mechanism xmlns='" NS_SASL
			       "'/></failure>"
			     : "<failure xmlns='" NS_SASL "'><invalid-mechanism/></failure>")
		       ? NONZA_SWALLOW
		       : NONZA_ENDED;
}

/* Stream management and bind inside <authenticate/> and <success/> (SASL2, bind2). */
static enum nonza_fate sasl_walk_inline(
	struct session *s, struct leg *from, const struct stanza *st)
{
	struct xml_element *child = element_first(st->root), *next, *inner, *after;
	enum nonza_fate fate;

	for (; child; child = next) {
		next = element_next(child, NULL, NULL);
		if (sm_is_namespace(child->ns)) {
			if ((fate = sm_relay_inline(s, from, st->arena, child)) == NONZA_ENDED)
				return fate;
			continue;
		}
		if (strcmp(child->ns, NS_BIND2) != 0)
			continue;
		for (inner = element_first(child); inner; inner = after) {
			after = element_next(inner, NULL, NULL);
			if (sm_is_namespace(inner->ns) &&
				(fate = sm_relay_inline(s, from, st->arena, inner)) == NONZA_ENDED)
				return fate;
		}
	}
	return NONZA_FORWARD;
}

/* NULL: the server has to ask for it first. */
static const char *sasl_first_message(const struct stanza *st, bool sasl2)
{
	const struct xml_element *e =
		sasl2 ? element_child(st->root, NS_SASL2, "initial-response") : st->root;

	return e ? element_text(e, st->arena) : NULL;
}

enum nonza_fate sasl_from_client(struct session *s, const struct stanza *st)
{
	bool sasl2 = strcmp(st->root->ns, NS_SASL2) == 0;
	const char *mechanism = element_attr(st->root, "mechanism");

	if (s->authenticated) {
		session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "sasl.again");
		return NONZA_ENDED;
	}
	if (strcmp(st->root->name, sasl2 ? "authenticate" : "auth") == 0) {
		if (s->sasl_tries++ >= SASL_TRIES_MAX) {
			session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "sasl.tries");
			return NONZA_ENDED;
		}
		if (!mechanism || strlen(mechanism) >= sizeof(s->mechanism) ||
			features_is_stripped(mechanism, s->endpoint_kept))
			return sasl_refuse_mechanism(s, sasl2);
		snprintf(s->mechanism, sizeof(s->mechanism), "%s", mechanism);
		login_begin(s, st, sasl_first_message(st, sasl2));
		if (login_is_barred(s, sasl2))
			return NONZA_ENDED;
		if (sasl2 && sasl_walk_inline(s, &s->client, st) == NONZA_ENDED)
			return NONZA_ENDED;
	}
	if (s->sasl_first && strcmp(st->root->name, "response") == 0) {
		login_begin(s, st, element_text(st->root, st->arena));
		if (login_is_barred(s, sasl2))
			return NONZA_ENDED;
	}
	s->sasl_wait = true;
	return NONZA_FORWARD;
}

/* ---- from the server ---- */

/* XEP-0388: the account, with a resource when bind2 made one. */
static void sasl2_learn(struct session *s, const struct stanza *st)
{
	const struct xml_element *who =
		element_child(st->root, NS_SASL2, "authorization-identifier");
	const char *jid = who ? element_text(who, st->arena) : NULL;
	int r;

	if (jid && (r = session_learn_jid(s, span_of(jid))) < 0)
		log_warn("session jid lost error=%s", err_text(r));
}

/* The answer to an inline <resume/> that never reached the server. */
static int sasl2_add_failed(struct session *s, const struct stanza *st)
{
	struct xml_element *failed = element_new(st->arena, sm_namespace(&s->sm), "failed");
	struct xml_element *why = element_new(st->arena, NS_STANZAS, "item-not-found");

	s->sm_refused = false;
	if (!failed || !why)
		return -ENOMEM;
	return element_add(st->arena, failed, why) < 0 ? -ENOMEM
						       : element_add(st->arena, st->root, failed);
}

static enum nonza_fate sasl_success(struct session *s, const struct stanza *st, bool sasl2)
{
	if (s->authenticated || s->mechanism[0] == '\0') {
		session_refuse_server(s, STREAM_ERROR_POLICY_VIOLATION, "sasl.unasked");
		return NONZA_ENDED;
	}
	if (!sasl2)
		return NONZA_FORWARD;
	sasl2_learn(s, st);
	if (sasl_walk_inline(s, &s->server, st) == NONZA_ENDED)
		return NONZA_ENDED;
	if (s->sm_refused && sasl2_add_failed(s, st) < 0) {
		session_fail(s, -ENOMEM, "sasl");
		return NONZA_ENDED;
	}
	return NONZA_FORWARD;
}

enum nonza_fate sasl_from_server(struct session *s, const struct stanza *st)
{
	const char *name = st->root->name;
	enum nonza_fate fate;
	uint32_t unused;

	s->sasl_wait = false;
	if (strcmp(name, "success") == 0)
		return sasl_success(s, st, strcmp(st->root->ns, NS_SASL2) == 0);
	if (strcmp(name, "failure") == 0) {
		sm_failed(&s->sm);
		sm_resume_failed(&s->sm, false, 0, &unused);
		s->sm_refused = false;
		if (s->mechanism[0] && !s->authenticated &&
			(fate = login_failed(s, st)) != NONZA_FORWARD)
			return fate;
		s->mechanism[0] = '\0';
	} else if (strcmp(name, "challenge") == 0) {
		s->sasl_answered = true;
	}
	return NONZA_FORWARD;
}

void sasl_succeeded(struct session *s, bool restart)
{
	s->authenticated = true;
	s->anonymous = strcasecmp(s->mechanism, "ANONYMOUS") == 0;
	metric_add(counters.login_ok, 1);
	login_succeeded(s);
	preauth_leave(s->preauth);
	s->preauth = NULL;
	stream_set_authenticated(s->client.in, true);
	stream_set_authenticated(s->server.in, true);
	if (!restart) {
		session_set_state(s, SESSION_ONLINE);
		return;
	}
	/* Both parsers begin anew (RFC 6120 6.4.6); what the client sent ahead is its new stream
	 * (XEP-0305). */
	stream_restart_keep(s->client.in);
	stream_restart_keep(s->server.in);
	s->client.pushed = s->server.pushed = true;
	s->client.opened = s->server.opened = false;
	session_set_state(s, SESSION_RESTART);
}
