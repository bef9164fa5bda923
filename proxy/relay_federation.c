/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams between servers, once both are open: behind the parsers, beside relay.c.
 * In: stanzas of either side, <db:result/>, <db:verify/>, <bidi/>, SASL EXTERNAL, features. Out:
 * the same, where dialback.c's law takes them; an error of the pair, or the end, where it does not.
 * A stanza passes when its pair of domains is valid in its direction, whatever its sender says of
 * itself. It decides nothing about a stanza's content. */
#include "proxy/relay_federation.h"

#include <string.h>
#include <strings.h>
#include "base/base64.h"
#include "base/err.h"
#include "base/log.h"
#include "door/domains.h"
#include "proxy/counters.h"
#include "proxy/crossing.h"
#include "proxy/event.h"
#include "proxy/dialback_element.h"
#include "proxy/features.h"
#include "proxy/features_federation.h"
#include "proxy/nonza_federation.h"
#include "proxy/preauth.h"
#include "proxy/sasl_name.h"
#include "proxy/session_close.h"
#include "proxy/session_federation.h"
#include "proxy/worker.h"
#include "xmpp/ns.h"

static enum side side_of(const struct session *s, const struct leg *leg)
{
	return leg == &s->client ? SIDE_INITIATOR : SIDE_RECEIVER;
}

static struct leg *leg_of(struct session *s, enum side side)
{
	return side == SIDE_INITIATOR ? &s->client : &s->server;
}

static void refuse_side(
	struct session *s, struct leg *from, enum stream_error error, const char *reason)
{
	if (from == &s->client)
		session_refuse(s, error, reason);
	else
		session_refuse_server(s, error, reason);
}

bool federation_admits(struct session *s, struct leg *from, const struct stanza *st)
{
	const char *sender = element_attr(st->root, "from"), *to = element_attr(st->root, "to");

	if (!sender || !to) {
		refuse_side(s, from, STREAM_ERROR_IMPROPER_ADDRESSING, "stanza.address");
		return false;
	}
	if (dialback_takes(&s->federation->dialback, side_of(s, from), st->arena, sender, to))
		return true;
	refuse_side(s, from,
		s->authenticated ? STREAM_ERROR_INVALID_FROM : STREAM_ERROR_NOT_AUTHORIZED,
		"stanza.pair");
	return false;
}

/* ---- pairs ---- */

/* A first valid pair makes the session one that is logged in. */
static void federation_online(struct session *s)
{
	if (s->authenticated)
		return;
	s->authenticated = true;
	metric_add(counters.login_ok, 1);
	preauth_leave(s->preauth);
	s->preauth = NULL;
	stream_set_authenticated(s->client.in, true);
	stream_set_authenticated(s->server.in, true);
	if (s->state == SESSION_LOGIN)
		session_set_state(s, SESSION_ONLINE);
}

static void federation_pair_changed(struct session *s, enum side side, const struct pair *pair)
{
	counters_add("pair", pair_state_text(pair->state));
	crossing_set(s, side, pair);
	if (pair->state != PAIR_VALID)
		return;
	domains_note(side == s->federation->dialback.local ? pair->to.ptr : pair->from.ptr);
	log_info("pair valid service=%s from=%s to=%s by=%s", s->service->conf.name,
		log_quote(pair->from), log_quote(pair->to), pair_how_text(pair->how));
	federation_online(s);
}

static enum nonza_fate federation_law(struct session *s, struct leg *from, const struct stanza *st)
{
	struct dialback_out out = { 0 };
	enum side side = side_of(s, from);
	enum dialback_fate fate = dialback_check(&s->federation->dialback, side, st, &out);

	if (out.reason) {
		counters_add(fate == DIALBACK_FORWARD ? "dialback" : "refused", out.reason);
		log_info("dialback service=%s side=%s reason=%s from=%s to=%s",
			s->service->conf.name, from == session_stranger(s) ? "remote" : "local",
			out.reason, log_quote(span_of(out.from ? out.from : "")),
			log_quote(span_of(out.to ? out.to : "")));
	}
	if (fate == DIALBACK_END) {
		refuse_side(s, from, out.error, out.reason);
		return NONZA_ENDED;
	}
	if (out.reason && fate == DIALBACK_SWALLOW)
		event_refused(s, session_direction(s, from), STREAM_ERROR_NONE, out.reason);
	if (out.pair)
		federation_pair_changed(s, out.side, out.pair);
	if (fate == DIALBACK_FORWARD)
		return NONZA_FORWARD;
	if (out.answer && !relay_write(s, leg_of(s, out.answer_to), out.answer))
		return NONZA_ENDED;
	return NONZA_SWALLOW;
}

/* ---- SASL EXTERNAL ---- */

static enum nonza_fate sasl_refuse(struct session *s, const char *reason)
{
	counters_add("refused", reason);
	event_refused(s, session_direction(s, &s->client), STREAM_ERROR_NONE, reason);
	return relay_puts(s, &s->client, "<failure xmlns='" NS_SASL "'><not-authorized/></failure>")
		       ? NONZA_SWALLOW
		       : NONZA_ENDED;
}

/* XEP-0178 3: "=" or nothing means the header's "from"; a name must be that very domain. */
static bool sasl_names_the_header(const struct session *s, const struct stanza *st)
{
	const char *text = element_text(st->root, st->arena), *domain;
	const struct federation *f = s->federation;
	struct sasl_name who;

	if (!text)
		return false;
	if (!*text || strcmp(text, "=") == 0)
		return true;
	/* Whatever its readers could take for different names is none. */
	if (!base64_is_strict(span_of(text)))
		return false;
	sasl_name_read("EXTERNAL", span_of(text), &who);
	return pair_prepare(st->arena, who.name, &domain) == 0 &&
	       strcmp(domain, session_dials_out(s) ? f->local : f->remote) == 0;
}

static enum nonza_fate federation_auth(struct session *s, struct leg *from, const struct stanza *st)
{
	const char *mechanism = element_attr(st->root, "mechanism");
	const struct federation *f = s->federation;

	(void)from;
	if (s->mechanism[0] || s->authenticated) {
		session_refuse(s, STREAM_ERROR_POLICY_VIOLATION, "sasl.again");
		return NONZA_ENDED;
	}
	if (strcmp(st->root->name, "auth") != 0)
		return sasl_refuse(s, "sasl.order");
	if (!mechanism || strcmp(mechanism, "EXTERNAL") != 0)
		return sasl_refuse(s, "sasl.mechanism");
	/* Nobody is let in by a certificate that nobody has seen. */
	if (!session_dials_out(s) && !f->leaf)
		return sasl_refuse(s, "sasl.unverified");
	if (!f->local || !f->remote || !sasl_names_the_header(s, st))
		return sasl_refuse(s, "sasl.authzid");
	strcpy(s->mechanism, "EXTERNAL");
	s->sasl_wait = true;
	return NONZA_FORWARD;
}

/* The receiver's <success/>, <failure/>, <challenge/>. */
static enum nonza_fate federation_sasl(struct session *s, struct leg *from, const struct stanza *st)
{
	(void)from;
	s->sasl_wait = false;
	if (!s->mechanism[0] || s->authenticated) {
		session_refuse_server(s, STREAM_ERROR_POLICY_VIOLATION, "sasl.unasked");
		return NONZA_ENDED;
	}
	if (strcmp(st->root->name, "failure") == 0)
		s->mechanism[0] = '\0';
	return NONZA_FORWARD;
}

void federation_succeeded(struct session *s, struct arena *a)
{
	struct federation *f = s->federation;
	const struct pair *pair = NULL;
	int r = dialback_external(&f->dialback, a, s->from ? s->from : "", s->domain, &pair);

	if (r < 0) {
		session_fail(s, r, "pair");
		return;
	}
	if (pair)
		federation_pair_changed(s, SIDE_INITIATOR, pair);
	/* Both parsers begin anew (RFC 6120 6.4.6). */
	stream_restart_keep(s->client.in);
	stream_restart_keep(s->server.in);
	f->featured = false;
	s->client.pushed = s->server.pushed = true;
	s->client.opened = s->server.opened = false;
	session_set_state(s, SESSION_RESTART);
}

/* ---- features ---- */

static enum nonza_fate federation_unknown(
	struct session *s, struct leg *from, const struct stanza *st)
{
	(void)st;
	refuse_side(s, from, STREAM_ERROR_UNSUPPORTED_STANZA_TYPE, "stanza.unknown");
	return NONZA_ENDED;
}

static enum nonza_fate federation_features(
	struct session *s, struct leg *from, const struct stanza *st)
{
	const struct service *conf = &s->service->conf;
	struct federation *f = s->federation;
	struct federation_features_context ctx = {
		.external = session_dials_out(s) || f->leaf,
		/* Behind the login it is too late for it (XEP-0288 2.2). */
		.bidi = federation_policy(s, f->remote)->bidi && !f->dialback.begun,
		.max_bytes = s->authenticated ? conf->limits.stanza_bytes
					      : conf->limits.stanza_bytes_preauth,
		.idle_seconds = s->authenticated ? conf->idle_ms / 1000 : 0,
	};
	struct federation_features_result found;
	int r;

	/* A stream has them once; more would be words that nobody judges. */
	if (f->featured)
		return federation_unknown(s, from, st);
	f->featured = true;
	r = federation_features_edit(st->arena, st->root, &ctx, &found);
	/* "tls optional": who is in clear text may still go on with TLS. */
	if (r == 0 && !s->client.conn.secure && conf->tls == TLS_OPTIONAL && !s->authenticated)
		r = features_add_starttls(st->arena, st->root);
	if (r < 0) {
		session_fail(s, r, "features");
		return NONZA_ENDED;
	}
	if (found.bidi)
		dialback_offer_bidi(&f->dialback);
	return NONZA_FORWARD;
}

/* ---- all of them ---- */

/* Nothing else has a meaning between servers; what has none could carry anything. */
static bool nonza_is_common(const char *ns)
{
	static const char *const common[] = { NS_SM, NS_SM2, NS_TLS, NS_COMPRESS, NS_STREAM };

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (strcmp(ns, common[i]) == 0)
			return true;
	return false;
}

/* First match counts. */
static const struct {
	const char *ns, *name;
	int side; /* of enum side; SIDES: either */
	enum nonza_fate (*handle)(struct session *s, struct leg *from, const struct stanza *st);
} federation_rules[] = {
	{ NS_DIALBACK, NULL, SIDES, federation_law },
	{ NS_BIDI, NULL, SIDES, federation_law },
	{ NS_SASL, NULL, SIDE_INITIATOR, federation_auth },
	{ NS_SASL, NULL, SIDE_RECEIVER, federation_sasl },
	{ NS_SASL2, NULL, SIDES, federation_unknown },
	{ NS_STREAM, "features", SIDE_RECEIVER, federation_features },
};

/* Those who handle these say no in their own words. */
static bool is_refused_later(const struct xml_element *e, enum side side)
{
	return element_is(e, NS_STREAM, "features") ||
	       (side == SIDE_INITIATOR && strcmp(e->ns, NS_SASL) == 0);
}

enum nonza_fate federation_nonza(struct session *s, struct leg *from, const struct stanza *st)
{
	enum side side = side_of(s, from);
	int r = federation_nonza_trim(st->arena, st->root, side);

	if (r == -ENOMEM) {
		session_fail(s, r, "nonza");
		return NONZA_ENDED;
	}
	if (r == ERR_REFUSED && !is_refused_later(st->root, side))
		return federation_unknown(s, from, st);
	for (size_t i = 0; i < sizeof(federation_rules) / sizeof(federation_rules[0]); i++) {
		if ((federation_rules[i].side == SIDES || federation_rules[i].side == (int)side) &&
			strcmp(federation_rules[i].ns, st->root->ns) == 0 &&
			(!federation_rules[i].name ||
				strcmp(federation_rules[i].name, st->root->name) == 0))
			return federation_rules[i].handle(s, from, st);
	}
	return nonza_is_common(st->root->ns) ? relay_nonza(s, from, st)
					     : federation_unknown(s, from, st);
}

void federation_subject(const struct session *s, enum direction direction, const struct stanza *st,
	struct subject *subject)
{
	const struct federation *f = s->federation;
	const char *address =
		st ? element_attr(st->root, direction == DIRECTION_IN ? "from" : "to") : NULL;
	struct span domain = pair_domain_of(address ? address : "");
	bool header = !address || (f->remote && span_is(domain, f->remote));
	/* A stanza is here because its pair is valid. */
	bool proved = address ? s->authenticated : federation_is_proved(s);

	/* Of several domains on a stream it is the one that this stanza is about, and the
	 * certificate speaks for the header's. */
	subject->remote_domain = f->remote;
	if (!header && federation_domain_of(st->arena, address, &subject->remote_domain) == 0)
		header = f->remote && strcmp(f->remote, subject->remote_domain) == 0;
	subject->remote_verified = header && f->verified != REMOTE_VERIFIED_NONE ? f->verified
				   : proved	? REMOTE_VERIFIED_DIALBACK
						: REMOTE_VERIFIED_NONE;
	if (subject->remote_domain && subject->remote_verified != REMOTE_VERIFIED_NONE)
		subject->remote_first_seen_ms = domains_first_seen(subject->remote_domain);
}
