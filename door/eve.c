/* SPDX-License-Identifier: BSD-2-Clause */
/* Says what happened, in EVE's shape (docs/CONTROL.md): between a door's apply.c and the daemon.
 * In: a verdict, or the reason why a peer was refused below the rules. Out: one JSON message of
 * ctl/link.h; with it the orders that only the daemon can carry out (strikes, bans). The client is
 * always src. Content is in it only where a rule said "log body", and never a SASL payload.
 * It never decides what is worth an event, and never waits: the hub throws away what is too much.
 */
#include "door/eve.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/map.h"
#include "ctl/link.h"
#include "door/hub.h"
#include "door/registry.h"
#include "rules/strict_json.h"
#include "rules/verdict.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

enum { EVENT_TEXT_MAX = 1024, EVENT_BODY_MAX = 8192, JID_BARE_SIZE = 2100 };

/* Cut where a character ends; never NULL unless out of memory. */
static json_t *event_text(const char *text, size_t max)
{
	json_t *out = json_stringn(text ? text : "", span_cut(span_of(text), max));

	return out ? out : json_string("");
}

static void event_set(json_t *o, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(o, key, event_text(text, EVENT_TEXT_MAX));
}

static void event_set_end(
	json_t *o, const char *ip_key, const char *port_key, const struct endpoint *e)
{
	char text[INET6_ADDRSTRLEN];

	address_format(&e->address, text, sizeof(text));
	json_object_set_new(o, ip_key, json_string(text));
	json_object_set_new(o, port_key, json_integer(e->port));
}

/* Stable over restarts and machines, so that a SIEM can key on it. */
static json_int_t event_signature_id(const char *signature)
{
	uint32_t h = 2166136261u;

	for (; *signature; signature++)
		h = (h ^ (unsigned char)*signature) * 16777619u;
	return (json_int_t)(h & 0x7fffffff);
}

static json_t *event_alert(const struct verdict *v, const char *signature, const char *category)
{
	int severity = v->kind == VERDICT_ACCEPT && !v->ban_ms ? 3
		       : v->dry                                ? 3
		       : v->ban_ms || v->kind == VERDICT_CLOSE ? 1
							       : 2;

	return json_pack("{s:s, s:s, s:I, s:s, s:i}", "action",
		v->kind == VERDICT_ACCEPT || v->dry ? "allowed" : "blocked", "signature", signature,
		"signature_id", event_signature_id(signature), "category", category, "severity",
		severity);
}

/* The verdict's own keys (rules/verdict.c), so that judge and events say the same. */
static json_t *event_xmpp(const struct verdict *v)
{
	struct buf text;
	json_t *out = NULL;

	buf_init(&text, 0);
	if (verdict_format_json(v, &text) == 0)
		out = json_loadb(buf_ptr(&text), buf_len(&text), 0, NULL);
	buf_fini(&text);
	return out ? out : json_object();
}

static void event_add_body(json_t *xmpp, const struct stanza *st)
{
	const struct xml_element *body = element_child(st->root, NULL, "body");
	const char *text = body ? element_text(body, st->arena) : NULL;

	if (text)
		json_object_set_new(xmpp, "body", event_text(text, EVENT_BODY_MAX));
}

static void event_add_stanza(json_t *xmpp, const struct stanza *st, bool body)
{
	event_set(xmpp, "kind", stanza_kind_text(st->kind));
	event_set(xmpp, "type", stanza_type(st));
	event_set(xmpp, "from", element_attr(st->root, "from"));
	event_set(xmpp, "to", element_attr(st->root, "to"));
	json_object_set_new(xmpp, "size", json_integer((json_int_t)st->raw.len));
	if (body)
		event_add_body(xmpp, st);
}

/* The name of the account is an address, as "from" is of a stanza; nothing else of the exchange is
 * known here. */
static void event_add_login(json_t *xmpp, const struct scene *s)
{
	event_set(xmpp, "kind", "login");
	event_set(xmpp, "failure", s->login->failure);
	event_set(xmpp, "account", s->login->account);
	event_set(xmpp, "mechanism", s->mechanism);
}

/* The server on the other side, if it is one that was verified; and where its error went. */
static void event_remote(json_t *xmpp, const struct scene *s)
{
	event_set(xmpp, "remote", s->peer_domain);
	if (s->peer_domain && s->remote_verified != REMOTE_VERIFIED_NONE)
		event_set(xmpp, "verified", remote_verified_text(s->remote_verified));
	event_set(xmpp, "answer", s->answer);
}

static json_t *event_make(const struct scene *s, enum direction direction, const struct stanza *st,
	const struct verdict *v, const char *signature, const char *category)
{
	json_t *eve = json_object(), *xmpp = event_xmpp(v);
	char now[40];

	clock_format_wall(clock_wall_ms(), now, sizeof(now));
	json_object_set_new(eve, "timestamp", json_string(now));
	json_object_set_new(eve, "event_type", json_string("alert"));
	event_set_end(eve, "src_ip", "src_port", &s->peer);
	event_set_end(eve, "dest_ip", "dest_port", &s->dest);
	json_object_set_new(eve, "proto", json_string("TCP"));
	json_object_set_new(eve, "app_proto", json_string("xmpp"));
	json_object_set_new(eve, "alert", event_alert(v, signature, category));
	event_set(xmpp, "service", s->service);
	event_set(xmpp, "direction", direction == DIRECTION_IN ? "in" : "out");
	json_object_set_new(xmpp, "session", json_integer((json_int_t)s->session));
	event_set(xmpp, "jid", s->jid);
	event_set(xmpp, "domain", s->domain);
	event_set(xmpp, "ruleset", s->policy ? policy_version(s->policy) : "");
	event_remote(xmpp, s);
	event_set(xmpp, "act", s->act);
	if (st)
		event_add_stanza(xmpp, st, v->log_body);
	else if (s->login && s->login->failure)
		event_add_login(xmpp, s);
	json_object_set_new(eve, "xmpp", xmpp);
	return eve;
}

/* Those who share the address. */
static void event_others(json_t *act, const struct peer_address *address, const char *bare)
{
	char *others[LINK_OTHERS];
	bool more = false;
	unsigned n = registry_others(address, bare, others, LINK_OTHERS, &more);
	json_t *all = json_array();

	json_object_set_new(act, "shared", json_boolean(n > 0 || more));
	for (unsigned i = 0; i < n; i++) {
		json_array_append_new(all, json_string(others[i]));
		free(others[i]);
	}
	json_object_set_new(act, "others", all);
	if (more)
		json_object_set_new(act, "more", json_true());
}

/* Who speaks: whoever has logged in; behind a server one of its accounts, and no other domain's.
 * What a room says somebody in it has said. */
static void event_bare(const struct scene *s, const struct stanza *st, char bare[JID_BARE_SIZE])
{
	const char *jid = s->authenticated && s->jid ? s->jid : "", *at;

	if (s->peer_domain) {
		jid = st ? element_attr(st->root, "from") : NULL;
		jid = jid && strcmp(stanza_type(st), "groupchat") != 0 ? jid : "";
		at = strchr(jid, '@');
		if (!at || strncasecmp(at + 1, s->peer_domain, strcspn(at + 1, "/")) != 0 ||
			s->peer_domain[strcspn(at + 1, "/")])
			return;
	}
	snprintf(bare, JID_BARE_SIZE, "%.*s", (int)strcspn(jid, "/"), jid);
}

/* What the daemon has to do about it; NULL if nothing. What a server says to its client nobody
 * there has done: it counts for the address alone. What our own server says to a remote one is not even
 * the address's; a ban that a rule orders is. */
static json_t *event_act(const struct scene *s, enum direction direction, const struct stanza *st,
	const struct verdict *v)
{
	char address[INET6_ADDRSTRLEN], bare[JID_BARE_SIZE] = "";
	bool theirs = direction == DIRECTION_IN;
	unsigned strikes = s->peer_domain && !theirs ? 0 : v->strikes;
	json_t *act;

	if (v->dry || (!strikes && !v->ban_ms))
		return NULL;
	event_bare(s, st, bare);
	address_format(&s->peer.address, address, sizeof(address));
	act = json_pack("{s:i, s:I, s:s, s:I, s:s, s:s, s:s, s:s}", "strikes", (int)strikes,
		"ban", (json_int_t)v->ban_ms, "address", address, "session",
		(json_int_t)(theirs ? s->session : 0), "jid", theirs ? bare : "", "rule",
		v->rule ? v->rule : "", "chain", v->chain ? v->chain : "", "id", v->id);
	if (act && theirs && s->peer_domain)
		json_object_set_new(act, "domain", json_string(s->peer_domain));
	if (act)
		event_others(act, &s->peer.address, bare);
	return act;
}

static void event_send(struct hub *hub, json_t *eve, json_t *act)
{
	json_t *message = json_object();

	json_object_set_new(message, "m", json_string("event"));
	json_object_set_new(message, "event", eve);
	if (act)
		json_object_set_new(message, "act", act);
	hub_event(hub, message);
}

void eve_verdict(struct hub *hub, const struct scene *s, enum direction direction,
	const struct stanza *st, const struct verdict *v)
{
	char signature[256];

	snprintf(signature, sizeof(signature), "%s/%s", v->chain && *v->chain ? v->chain : "policy",
		v->rule && *v->rule ? v->rule : "default");
	event_send(hub, event_make(s, direction, st, v, signature, "XMPP policy"),
		event_act(s, direction, st, v));
}

void eve_strict(struct hub *hub, const struct scene *s, enum direction direction, const struct stanza *st,
	const struct verdict *v, const struct strict *p, const struct strict_result *result)
{
	bool refused = result->kind == STRICT_REFUSED;
	json_t *eve = event_make(
		s, direction, st, v, refused ? "profile/strict" : "profile/changed", "XMPP profile");

	if (!refused)
		json_object_set_new(eve, "event_type", json_string("strict"));
	/* The verdict's id leads to the verdict's own event. */
	if (!refused)
		json_object_del(json_object_get(eve, "xmpp"), "id");
	json_object_set_new(json_object_get(eve, "xmpp"), "strict", strict_json(p, result));
	event_send(hub, eve, NULL);
}

/* XEP-0377's element, ready to be sent by whoever reads the events. NULL when out of memory. */
static json_t *report_xml(const char *reason, const struct xml_element *sid, const char *text)
{
	json_t *out = NULL;
	struct buf b;
	int r;

	buf_init(&b, 0);
	r = buf_puts(&b, "<report xmlns=\"urn:xmpp:reporting:1\"");
	if (r == 0)
		r = write_attribute(&b, "reason", span_of(reason));
	if (r == 0)
		r = buf_puts(&b, ">");
	if (r == 0 && sid)
		r = write_element(&b, sid, "");
	if (r == 0 && text && (r = buf_puts(&b, "<text>")) == 0 &&
		(r = write_text(&b, span_of(text))) == 0)
		r = buf_puts(&b, "</text>");
	if (r == 0 && (r = buf_puts(&b, "</report>")) == 0)
		out = json_stringn(buf_ptr(&b), buf_len(&b));
	buf_fini(&b);
	return out;
}

void eve_report(struct hub *hub, const struct scene *s, enum direction direction,
	const struct stanza *st, const struct verdict *v)
{
	const struct xml_element *sid = element_child(st->root, NS_SID, "stanza-id");
	const char *from =
		direction == DIRECTION_IN && s->jid ? s->jid : element_attr(st->root, "from");
	json_t *report = json_object(), *eve;
	char reason[64], signature[256];

	snprintf(reason, sizeof(reason), "urn:xmpp:reporting:%s", v->report);
	snprintf(signature, sizeof(signature), "%s/%s", v->chain, v->rule);
	event_set(report, "reason", reason);
	event_set(report, "jid", from);
	event_set(report, "text", v->report_text);
	event_set(report, "id", v->id);
	json_object_set_new(report, "xml", report_xml(reason, sid, v->report_text));
	eve = event_make(s, direction, st, v, signature, "XMPP report");
	json_object_set_new(eve, "event_type", json_string("report"));
	/* The verdict's id leads to the verdict's own event. */
	json_object_del(json_object_get(eve, "xmpp"), "id");
	json_object_set_new(eve, "report", report);
	event_send(hub, eve, NULL);
}

void eve_refused(struct hub *hub, const struct scene *s, enum direction direction,
	enum stream_error error, const char *reason)
{
	struct verdict v = {
		.kind = VERDICT_CLOSE, .stream_error = error, .rule = reason, .chain = "protocol"
	};
	char signature[128];

	verdict_make_id(v.id);
	snprintf(signature, sizeof(signature), "protocol/%s", reason);
	event_send(hub, event_make(s, direction, NULL, &v, signature, "XMPP protocol"), NULL);
}

void eve_alarm(struct hub *hub, const char *what, uint64_t count)
{
	json_t *eve;
	char now[40];

	clock_format_wall(clock_wall_ms(), now, sizeof(now));
	eve = json_pack("{s:s, s:s, s:s, s:{s:s, s:I}}", "timestamp", now, "event_type", "alarm",
		"app_proto", "xmpp", "alarm", "what", what, "count", (json_int_t)count);
	if (eve)
		event_send(hub, eve, NULL);
}
