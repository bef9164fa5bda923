/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside bosh.c: the bodies of a connection that speaks BOSH.
 * In: a request's or an answer's document, piece by piece, and what the table of sessions knows.
 * Out: verdicts on its stanzas, and what they tell of their session. Where it is not one document
 * of XEP-0124 in one reading, the connection is refused. It acts on nothing. */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include "nfq-filter/bosh_int.h"
#include "nfq-filter/inspect_login.h"
#include "xmpp/ns.h"

void bosh_refuse(struct bosh *b, enum flow_side side, enum stream_error error, const char *reason)
{
	struct inspection *i = b->i;

	if (b->done)
		return;
	b->done = true;
	/* Nobody said that this port is for XMPP, and nothing of it was seen. */
	if (!i->of->live && !i->conf && !i->number)
		return;
	inspection_becomes_stream(i);
	counts_add(i->of->counts, COUNT_STREAM_BAD, 1);
	inspection_refuse(i, side, error, reason);
}

void bosh_refuse_policy(struct bosh *b, enum flow_side side, const char *reason)
{
	bosh_refuse(b, side, STREAM_ERROR_POLICY_VIOLATION, reason);
}

/* ---- whose stanza it is ---- */

static int keep(char **where, const char *text)
{
	char *copy = text && *text ? strdup(text) : NULL;

	if (text && *text && !copy)
		return -ENOMEM;
	free(*where);
	*where = copy;
	return 0;
}

/* What earlier messages of the session told becomes what the inspection knows. */
static int session_load(struct bosh *b, const struct exchange *x)
{
	struct inspection *i = b->i;
	enum bosh_rid fate;
	int r = 0;

	bosh_session_fini(&b->before);
	b->before = (struct bosh_session){ .since_ns = i->first_ns };
	if (x && x->sid && i->of->bosh)
		r = bosh_table_find(
			i->of->bosh, &i->server, x->sid, 0, i->of->now_ns, &b->before, &fate);
	if (r < 0)
		return r;
	b->known = r > 0;
	i->authenticated = b->before.authenticated;
	i->anonymous = b->before.anonymous;
	i->bind_hash = b->before.bind_hash;
	memcpy(i->mechanism, b->before.mechanism, sizeof(i->mechanism));
	if ((r = keep(&i->jid, b->before.jid)) < 0)
		return r;
	return keep(&i->half[FLOW_CLIENT].header.to,
		b->known ? b->before.domain : (x ? x->domain : NULL));
}

static int session_store(struct bosh *b, enum flow_side side, const struct exchange *x, bool judged)
{
	struct inspection *i = b->i;
	struct bosh_session after = b->before;

	if (!b->known)
		return 0;
	after.authenticated = i->authenticated;
	after.anonymous = i->anonymous;
	after.bind_hash = i->bind_hash;
	memcpy(after.mechanism, i->mechanism, sizeof(after.mechanism));
	after.jid = i->jid;
	after.stanzas[side] += judged;
	return bosh_table_learn(i->of->bosh, &i->server, x->sid, &b->before, &after);
}

void bosh_subject(const struct bosh *b, enum flow_side side, struct subject *s)
{
	const struct exchange *x = b->half[side].exchange;

	s->session_authenticated = b->i->authenticated;
	s->session_age_ms = (b->i->of->now_ns - b->before.since_ns) / 1000000u;
	s->resent = x && x->again;
	if (b->known)
		s->session_stanzas = b->before.stanzas[side];
}

/* ---- stanzas ---- */

static const char *static_ns(const char *ns)
{
	return string_equal(ns, NS_CLIENT)     ? NS_CLIENT
	       : string_equal(ns, NS_HTTPBIND) ? NS_HTTPBIND
					       : NULL;
}

static bool is_named_stanza(const struct xml_element *e)
{
	return string_equal(e->name, "message") || string_equal(e->name, "presence") ||
	       string_equal(e->name, "iq");
}

static int on_element(struct bosh *b, enum flow_side side, const struct bosh_doc_event *ev)
{
	struct bosh_half *half = &b->half[side];
	const struct stanza *st = &ev->stanza;
	struct inspect_verdict told = {
		.side = side, .start = ev->start, .end = ev->end, .scattered = ev->scattered
	};
	bool judged = st->kind != STANZA_STREAM;
	int r;

	/* Whoever takes it for a stanza all the same must not get it unjudged. */
	if (!judged && is_named_stanza(st->root)) {
		bosh_refuse_policy(b, side, "bosh.namespace");
		return 0;
	}
	b->i->half[side].header.content_ns = static_ns(xml_content_ns(&half->doc.xml));
	if ((r = session_load(b, half->exchange)) < 0)
		return r;
	if (judged)
		r = inspection_judge(b->i, st, &told);
	else
		login_element(b->i, side, st);
	counts_add(b->i->of->counts, COUNT_BOSH_SCATTERED, judged && ev->scattered);
	return r < 0 ? r : session_store(b, side, half->exchange, judged);
}

/* ---- roots ---- */

/* XEP-0124 14.1: up to 2^53 - 1, and no two ways to write one. 0: none. */
static uint64_t parse_rid(const char *text)
{
	uint64_t rid = 0;

	if (!text || *text < '1' || *text > '9' || strlen(text) > 16)
		return 0;
	for (; *text >= '0' && *text <= '9'; text++)
		rid = rid * 10 + (uint64_t)(*text - '0');
	return *text || rid >= UINT64_C(1) << 53 ? 0 : rid;
}

/* "text/xml; charset=utf-8" and nothing that another reader decodes otherwise. */
bool bosh_is_other_charset(struct span type)
{
	static const char word[] = "charset";

	for (size_t n = 0; n + sizeof(word) - 1 <= type.len; n++) {
		struct span value = { type.ptr + n + sizeof(word) - 1,
			type.len - n - (sizeof(word) - 1) };

		if (strncasecmp(type.ptr + n, word, sizeof(word) - 1) != 0)
			continue;
		return !http_is(value, "=utf-8") && !http_is(value, "=\"utf-8\"") &&
		       !http_is(value, "=us-ascii");
	}
	return false;
}

static const char *request_attrs(struct exchange *x, const struct xml_element *e)
{
	const char *sid = element_attr(e, "sid"), *content = element_attr(e, "content");

	if (x->charset || (content && bosh_is_other_charset(span_of(content))))
		return "bosh.charset";
	/* XEP-0124 15: several streams in one session. */
	if (element_attr(e, "stream"))
		return "bosh.stream";
	if (!(x->rid = parse_rid(element_attr(e, "rid"))))
		return "bosh.rid";
	if (sid && (!*sid || strlen(sid) > BOSH_SID_MAX))
		return "bosh.sid";
	return NULL;
}

/* The session is known: is this its next request, and still to the same server? */
static const char *request_fits(struct bosh *b, struct exchange *x, enum bosh_rid fate)
{
	counts_add(b->i->of->counts, COUNT_BOSH_AGAIN, fate == BOSH_RID_AGAIN);
	x->again = fate == BOSH_RID_AGAIN;
	if (fate == BOSH_RID_ENDED)
		return "bosh.ended";
	if (fate == BOSH_RID_FAR)
		return "bosh.rid";
	if (x->domain && b->before.domain && strcasecmp(x->domain, b->before.domain) != 0)
		return "bosh.to";
	return NULL;
}

static int on_request(struct bosh *b, struct bosh_half *half, const struct xml_element *e)
{
	struct inspection *i = b->i;
	struct exchange *x = half->exchange;
	const char *reason = request_attrs(x, e);
	enum bosh_rid fate;
	int r;

	x->bosh = true;
	if (!reason && (keep(&x->sid, element_attr(e, "sid")) < 0 ||
			       keep(&x->domain, element_attr(e, "to")) < 0))
		return -ENOMEM;
	if (!reason && x->sid && i->of->bosh) {
		bosh_session_fini(&b->before);
		r = bosh_table_find(
			i->of->bosh, &i->server, x->sid, x->rid, i->of->now_ns, &b->before, &fate);
		if (r < 0)
			return r;
		counts_add(i->of->counts, COUNT_BOSH_UNKNOWN, r == 0);
		half->doc.xml.authenticated = r > 0 && b->before.authenticated;
		if (r > 0)
			reason = request_fits(b, x, fate);
	}
	if (reason)
		bosh_refuse_policy(b, FLOW_CLIENT, reason);
	return 0;
}

/* The server's word: there is a session, or this request was taken. */
static int on_answer(struct bosh *b, struct bosh_half *half, const struct xml_element *e)
{
	struct inspection *i = b->i;
	struct exchange *x = half->exchange;
	const char *sid = element_attr(e, "sid"), *type = element_attr(e, "type");
	struct bosh_session fresh = { .since_ns = i->of->now_ns };
	int r;

	if (!x || !x->bosh)
		return 0;
	x->over = type && strcmp(type, "terminate") == 0;
	if (!i->of->bosh)
		return 0;
	if (x->sid) {
		bosh_table_answered(i->of->bosh, &i->server, x->sid, x->rid);
		return 0;
	}
	if (!sid || !*sid || x->over)
		return 0;
	fresh.domain = x->domain;
	r = bosh_table_add(i->of->bosh, &i->server, sid, &fresh, x->rid, i->of->now_ns);
	counts_add(i->of->counts, COUNT_BOSH_EVICTED, r > 0);
	return r < 0 ? r : keep(&x->sid, sid);
}

/* NULL, or why that root is refused; *ours: it is BOSH. What might be taken for it, or for a
 * stanza, is nobody's. */
static const char *root_check(const struct bosh_half *half, const struct xml_element *e, bool *ours)
{
	bool bound = string_equal(e->ns, NS_HTTPBIND), named = string_equal(e->name, "body"),
	     stream = string_equal(e->ns, NS_STREAM) || string_equal(e->name, "stream");

	*ours = bound && named && !*e->prefix;
	if (*ours)
		return NULL;
	if (half->reading == READ_MAYBE)
		return bound ? "bosh.root" : NULL;
	return bound || named || stream || is_named_stanza(e) || half->reading == READ_BODY
		       ? "bosh.root"
		       : NULL;
}

static int on_root(struct bosh *b, enum flow_side side, const struct xml_element *e)
{
	struct bosh_half *half = &b->half[side];
	const char *reason = root_check(half, e, &half->root_seen);

	if (reason) {
		bosh_refuse(b, side, STREAM_ERROR_INVALID_NAMESPACE, reason);
		return 0;
	}
	if (!half->root_seen) {
		half->reading = READ_NOTHING;
		counts_add(b->i->of->counts, COUNT_HTTP_OTHER, 1);
		return 0;
	}
	inspection_becomes_stream(b->i);
	counts_add(b->i->of->counts, COUNT_BOSH, 1);
	return side == FLOW_CLIENT ? on_request(b, half, e) : on_answer(b, half, e);
}

int bosh_read(struct bosh *b, enum flow_side side)
{
	struct bosh_half *half = &b->half[side];
	struct bosh_doc_event ev;
	int r;

	while (!b->done && half->reading != READ_NOTHING) {
		if ((r = bosh_doc_next(&half->doc, &ev)) < 0 || ev.kind == BOSH_DOC_MORE)
			return r;
		if (ev.kind == BOSH_DOC_BAD && half->reading == READ_MAYBE && !half->root_seen)
			half->reading = READ_NOTHING; /* HTML, most likely */
		else if (ev.kind == BOSH_DOC_BAD)
			bosh_refuse(b, side, ev.error, ev.reason);
		else if (ev.kind == BOSH_DOC_ROOT)
			r = on_root(b, side, ev.stanza.root);
		else if (ev.kind == BOSH_DOC_ELEMENT)
			r = on_element(b, side, &ev);
		if (r < 0)
			return r;
	}
	return 0;
}
