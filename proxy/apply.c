/* SPDX-License-Identifier: BSD-2-Clause */
/* The only file of the proxy that turns a verdict into an act: behind relay.c and rules/.
 * In: a stanza, the side it came from, the verdict. Out: the stanza on the other side (canonical,
 * so that the server parses what was judged; verbatim where the operator prefers speed; changed
 * where a rule masks or strips: rules/amend.c), or
 * nothing, or an error answer to its sender, or the end of the session; each entered in stream
 * management's ledger, each reported where it is worth a line. Strikes and bans are carried out by
 * the daemon, which gets them with the event. It never looks into a stanza to decide anything: that
 * is done. */
#include "proxy/apply.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "base/log.h"
#include "rules/amend.h"
#include "proxy/answer.h"
#include "proxy/audit.h"
#include "proxy/counters.h"
#include "proxy/event.h"
#include "proxy/keep.h"
#include "proxy/leg.h"
#include "proxy/relay.h"
#include "proxy/remake.h"
#include "proxy/session_close.h"
#include "proxy/session_federation.h"
#include "proxy/worker.h"
#include "rules/verdict.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

enum { APPLY_TEXT_MAX = 400 }; /* of a rule's words to a sender */

/* A ledger that nobody acknowledges gets long. */
static void apply_ask(struct session *s, struct leg *to, enum way way)
{
	if (sm_wants_ack(&s->sm, way) && !to->closed_out &&
		buf_putf(&to->conn.out, "<r xmlns='%s'/>", sm_namespace(&s->sm)) < 0)
		session_fail(s, -ENOMEM, "stream management");
}

/* A line of the ledger; at its bound the session cannot stay true and ends. */
static bool apply_entered(struct session *s, int r)
{
	if (r < 0) {
		session_fail(s, r, "stream management ledger");
		return false;
	}
	apply_ask(s, &s->server, WAY_UP);
	apply_ask(s, &s->client, WAY_DOWN);
	return true;
}

/* Raw bytes may only stand in the other stream if they need none of their own stream's prefixes. */
static bool apply_is_selfcontained(const struct xml_element *e)
{
	if (*e->prefix)
		return false;
	for (const struct xml_attr *a = e->attrs; a; a = a->next) {
		if (*a->prefix && strcmp(a->prefix, "xml") != 0)
			return false;
	}
	for (const struct xml_node *n = e->children; n; n = n->next) {
		if (n->element && !apply_is_selfcontained(n->element))
			return false;
	}
	return true;
}

static void apply_reject(
	struct session *s, struct leg *from, const struct stanza *st, const struct verdict *v);

/* What becomes of a stanza that could not be judged or written. */
static const struct verdict failed = { .kind = VERDICT_CLOSE,
	.stream_error = STREAM_ERROR_INTERNAL_SERVER_ERROR,
	.rule = "",
	.chain = "" };

/* The line of what was written behind so many bytes; what has none, or is not whole (r), is not sent. */
static int apply_audited(struct audit_line *line, struct leg *to, size_t before, int r)
{
	struct span out = buf_span(&to->conn.out);
	int given;

	out.ptr += before;
	out.len -= before;
	if (r < 0)
		audit_refuse(line, &failed);
	given = audit_end(line, out);
	if (r < 0 || given < 0)
		buf_cut(&to->conn.out, before);
	return r < 0 ? r : given;
}

/* Changed and sent elsewhere as v says, and only what a profile names of it; v NULL: as it is. */
static void apply_forward(
	struct session *s, struct leg *from, const struct stanza *st, const struct verdict *v)
{
	struct leg *to = session_other(s, from);
	bool edited = v && amend_is_due(v), strict = remake_is_due(s, session_direction(s, from));
	struct xml_element *root = st->root;
	struct verdict refusal;
	size_t before = buf_len(&to->conn.out);
	struct audit_line line;
	int r = 0;

	if (to->closed_out)
		return;
	audit_begin(&line, s, session_direction(s, from), st, v);
	if (edited)
		r = amend_stanza(st, v);
	if (r == 0 && strict && (r = remake_stanza(s, session_direction(s, from), st, v, &root, &refusal, &line)) == 0 && !root) {
		if ((r = audit_end(&line, (struct span){ NULL, 0 })) < 0)
			session_fail(s, r, "audit");
		else
			apply_reject(s, from, st, &refusal);
		return;
	}
	edited = edited || strict;
	if (r == 0 && edited)
		r = write_element(&to->conn.out, root, session_ns(s));
	else if (!edited && s->service->conf.forward_verbatim && apply_is_selfcontained(st->root))
		r = buf_put_span(&to->conn.out, st->raw);
	else if (!edited)
		r = write_stanza(&to->conn.out, st, session_ns(s));
	r = apply_audited(&line, to, before, r);
	if (r < 0)
		session_fail(s, r, "forward");
	else
		apply_entered(s, sm_forwarded(&s->sm, session_way(s, from)));
}

static void apply_drop(struct session *s, struct leg *from)
{
	s->dropped++;
	apply_entered(s, sm_dropped(&s->sm, session_way(s, from)));
}

/* May its sender be answered on the stream it came by? Towards the server an answer speaks for the
 * client: a room that gets an error or a lost presence from an occupant throws it out, so those are
 * dropped in silence. */
static bool apply_may_bounce(
	const struct session *s, const struct leg *from, const struct stanza *st)
{
	if (from->closed_out || !bounce_allowed(st))
		return false;
	if (from == &s->client)
		return true;
	if (st->kind == STANZA_PRESENCE)
		return false;
	return st->kind != STANZA_MESSAGE || strcmp(stanza_type(st), "groupchat") != 0;
}

/* Whom the answer comes from if the stanza had no "to": the sender's own account. */
static void apply_account(const struct session *s, char *text, size_t size)
{
	const char *jid = s->jid ? s->jid : s->domain ? s->domain : "";

	snprintf(text, size, "%.*s", (int)strcspn(jid, "/"), jid);
}

static void apply_reject(
	struct session *s, struct leg *from, const struct stanza *st, const struct verdict *v)
{
	enum direction direction = session_direction(s, from);
	const char *said = v->text ? v->text : "";
	char account[2100], text[512];
	bool sent = false;
	int r = 0;

	s->rejected++;
	snprintf(text, sizeof(text), "%.*s%s[%s]", (int)span_cut(span_of(said), APPLY_TEXT_MAX),
		said, v->text ? " " : "", v->id);
	if (s->federation) {
		apply_entered(s, answer_write(s, from, st, v->condition, text,
					 policy_reject_detail(s->worker->gear->policy, v)));
		return;
	}
	if (apply_may_bounce(s, from, st)) {
		apply_account(s, account, sizeof(account));
		r = bounce_write(&from->conn.out, st, v->condition, text,
			policy_reject_detail(s->worker->gear->policy, v),
			direction == DIRECTION_OUT && s->jid ? s->jid : account, session_ns(s), &sent);
	}
	if (r < 0)
		session_fail(s, r, "bounce");
	else
		apply_entered(s, sent ? sm_bounced(&s->sm, session_way(s, from), v->condition)
				      : sm_dropped(&s->sm, session_way(s, from)));
}

bool apply_repeated(struct session *s, struct leg *from, const struct stanza *st, bool *resent)
{
	struct verdict v = { .kind = VERDICT_REJECT };
	unsigned condition = 0;
	enum acks_again again = sm_again(&s->sm, session_way(s, from), &condition);

	*resent = again == ACKS_AGAIN;
	if (again == ACKS_NEW)
		return true;
	metric_add(*resent ? counters.sm_again : counters.sm_repeated, 1);
	if (again == ACKS_HANDLED) {
		apply_entered(s, sm_dropped(&s->sm, session_way(s, from)));
	} else if (again == ACKS_BOUNCE) {
		v.condition =
			condition < STANZA_ERROR_COUNT ? condition : STANZA_ERROR_POLICY_VIOLATION;
		verdict_make_id(v.id);
		apply_reject(s, from, st, &v);
	}
	return *resent;
}

/* Kept, it is lost to its sender, who is told only where the rule has a text. What cannot be kept
 * is not lost in silence. */
static void apply_quarantine(
	struct session *s, struct leg *from, const struct stanza *st, const struct verdict *v)
{
	struct verdict answer = *v;
	int r = keep_stanza(s, session_direction(s, from), st, v);

	if (r == 0 && !v->text) {
		apply_drop(s, from);
		return;
	}
	answer.condition =
		r == 0 ? STANZA_ERROR_POLICY_VIOLATION : STANZA_ERROR_RESOURCE_CONSTRAINT;
	if (r < 0) {
		metric_add(counters.keep_refused, 1);
		log_warn("quarantine service=%s error=%s: rejected instead", s->service->conf.name,
			err_text(r));
	}
	apply_reject(s, from, st, &answer);
}

static void apply_tell(struct session *s, const struct leg *from, const struct stanza *st,
	const struct verdict *v)
{
	if (verdict_is_notable(v))
		event_verdict(s, session_direction(s, from), st, v);
	if (v->report)
		event_report(s, session_direction(s, from), st, v);
	if (s->federation)
		s->federation->answer = NULL;
}

void apply_verdict(
	struct session *s, struct leg *from, const struct stanza *st, const struct verdict *v)
{
	/* Between servers it turns out only then where an error goes. */
	bool later = s->federation && v->kind == VERDICT_REJECT;
	int r;

	metric_add(counters.verdict[v->kind], 1);
	if (v->tarpit_ms) {
		metric_add(counters.tarpitted, 1);
		leg_tarpit(session_stranger(s), v->tarpit_ms);
	}
	for (const struct verdict *w = v->would; w; w = w->next)
		event_verdict(s, session_direction(s, from), st, w);
	if (!later)
		apply_tell(s, from, st, v);
	if (v->kind != VERDICT_ACCEPT && v->kind != VERDICT_REDIRECT &&
		(r = audit_refusal(s, session_direction(s, from), st, v)) < 0) {
		session_fail(s, r, "audit");
		return;
	}
	switch (v->kind) {
	case VERDICT_ACCEPT:
	case VERDICT_REDIRECT:
		apply_forward(s, from, st, v);
		break;
	case VERDICT_DROP:
		apply_drop(s, from);
		break;
	case VERDICT_REJECT:
		apply_reject(s, from, st, v);
		if (later)
			apply_tell(s, from, st, v);
		break;
	case VERDICT_CLOSE:
		/* The server's stream is closed properly, so that the session cannot be resumed and
		 * the stanza resent. */
		s->dropped++;
		session_end(s, v->stream_error, STREAM_ERROR_NONE, v->text);
		break;
	case VERDICT_QUARANTINE:
		apply_quarantine(s, from, st, v);
		break;
	case VERDICT_KINDS:
		break;
	}
}

void apply_failure(struct session *s, struct leg *from, const struct stanza *st, int code)
{
	metric_add(counters.judge_failed, 1);
	if (!s->service->conf.fail_open) {
		(void)audit_refusal(s, session_direction(s, from), st, &failed);
		session_fail(s, code, "judge");
		return;
	}
	log_warn("judge failed service=%s error=%s: forwarded unjudged (fail open)",
		s->service->conf.name, err_text(code));
	apply_forward(s, from, st, NULL);
}

/* ---- logins ---- */

bool apply_login_failure(struct session *s, int code)
{
	metric_add(counters.judge_failed, 1);
	if (!s->service->conf.fail_open)
		session_fail(s, code, "judge");
	return s->service->conf.fail_open;
}

/* The client hears that its login failed before it hears that it has to go; after a drop it hears
 * neither. What needs a stanza ends the session, too: a chain of both may say so. */
bool apply_login(struct session *s, const struct stanza *failure, const struct verdict *v)
{
	enum stream_error error = v->stream_error;

	if (v->tarpit_ms) {
		metric_add(counters.tarpitted, 1);
		leg_tarpit(&s->client, v->tarpit_ms);
	}
	for (const struct verdict *w = v->would; w; w = w->next)
		event_verdict(s, DIRECTION_IN, NULL, w);
	if (verdict_is_notable(v))
		event_verdict(s, DIRECTION_IN, NULL, v);
	if (v->kind == VERDICT_ACCEPT)
		return true;
	metric_add(counters.login_closed, 1);
	if (v->kind == VERDICT_DROP) {
		session_end(s, STREAM_ERROR_NONE, STREAM_ERROR_NONE, NULL);
		return false;
	}
	if (v->kind != VERDICT_CLOSE)
		error = STREAM_ERROR_POLICY_VIOLATION;
	if (relay_write(s, &s->client, failure->root))
		session_end(s, error, STREAM_ERROR_NONE, v->text);
	return false;
}
