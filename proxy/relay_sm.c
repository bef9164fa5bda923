/* SPDX-License-Identifier: BSD-2-Clause */
/* XEP-0198 on its way through: one of relay.c's tables' ends; the arithmetic is in sm.c.
 * In: <enable/>, <enabled/>, <r/>, <a/>, <resume/>, <resumed/>, <failed/>, first-level or inside
 * SASL2. Out: the same with h in the count of whoever reads it. A session whose ledger is not here
 * (it expired, it never was) cannot be resumed through us: its client hears item-not-found and
 * binds anew. "location" is taken out, it leads around us. Requests and answers keep their order:
 * nothing is ever answered for the other side out of turn. A peer that acknowledges what was never
 * sent lies and is refused, as servers do. */
#include "proxy/relay_sm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "proxy/counters.h"
#include "proxy/relay_sasl.h"
#include "proxy/session_close.h"
#include "proxy/worker.h"
#include "xmpp/bounce.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

enum sm_word { SM_OTHER, SM_ENABLE, SM_ENABLED, SM_R, SM_A, SM_RESUME, SM_RESUMED, SM_FAILED };

bool sm_is_namespace(const char *ns)
{
	return strcmp(ns, NS_SM) == 0 || strcmp(ns, NS_SM2) == 0;
}

static enum sm_word sm_word(const char *name)
{
	static const char *const words[] = { "", "enable", "enabled", "r", "a", "resume", "resumed",
		"failed" };

	for (unsigned i = 1; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i], name) == 0)
			return (enum sm_word)i;
	}
	return SM_OTHER;
}

/* 0 and *h, ERR_NOTFOUND without the attribute, ERR_SYNTAX. */
static int sm_read_h(const struct xml_element *e, uint32_t *h)
{
	const char *text = element_attr(e, "h");
	unsigned long long value;
	char *end;

	if (!text)
		return ERR_NOTFOUND;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value > UINT32_MAX)
		return ERR_SYNTAX;
	*h = (uint32_t)value;
	return 0;
}

static int sm_write_h(struct arena *a, struct xml_element *e, uint32_t h)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", h);
	return element_set_attr(a, e, "h", text);
}

static enum nonza_fate sm_refuse(struct session *s, const struct leg *from, const char *why)
{
	metric_add(counters.sm_lied, 1);
	if (from == &s->client)
		session_refuse(s, STREAM_ERROR_UNDEFINED_CONDITION, why);
	else
		session_refuse_server(s, STREAM_ERROR_UNDEFINED_CONDITION, why);
	return NONZA_ENDED;
}

/* XEP-0198 4: who acknowledges more than was sent hears how much that was; but not of a session
 * that may be somebody else's. */
static enum nonza_fate sm_refuse_high(
	struct session *s, struct leg *from, const struct xml_element *e)
{
	uint32_t sent = sm_sent(&s->sm, from == &s->client ? WAY_DOWN : WAY_UP), h = 0;

	(void)sm_read_h(e, &h);
	if (sm_is_on(&s->sm) && from->opened && !from->closed_out &&
		buf_putf(&from->conn.out,
			"<stream:error><undefined-condition xmlns='" NS_STREAMS "'/>"
			"<handled-count-too-high xmlns='%s' h='%u' send-count='%u'/>"
			"</stream:error>",
			e->ns, h, sent) == 0 &&
		write_close(&from->conn.out) == 0)
		from->closed_out = true;
	return sm_refuse(s, from, "sm.h");
}

static enum nonza_fate sm_fate(
	struct session *s, struct leg *from, const struct xml_element *e, int r)
{
	if (r == 0)
		return NONZA_FORWARD;
	if (r == ERR_RANGE)
		return sm_refuse_high(s, from, e);
	if (r == ERR_SYNTAX || r == ERR_NOTFOUND)
		return sm_refuse(s, from, "sm.order");
	if (r == -ESTALE)
		session_drain(s); /* without a word, or the server would end the session */
	else
		session_fail(s, r, "stream management");
	return NONZA_ENDED;
}

/* What the server must not hear before it has an error of ours is asked for, and said then. */
static int sm_ack_held(struct session *s, bool from_server)
{
	uint32_t h;

	if (s->server.closed_out)
		return 0;
	if (from_server && sm_release(&s->sm, &h))
		return buf_putf(
			&s->server.conn.out, "<a xmlns='%s' h='%u'/>", sm_namespace(&s->sm), h);
	if (!from_server && sm_wants_ack(&s->sm, WAY_UP))
		return buf_putf(&s->server.conn.out, "<r xmlns='%s'/>", sm_namespace(&s->sm));
	return 0;
}

/* h in <a/>: said by the receiver of the other side's stanzas. */
static int sm_ack(struct session *s, const struct leg *from, struct arena *a, struct xml_element *e)
{
	enum way of = from == &s->client ? WAY_DOWN : WAY_UP;
	uint32_t h, said;
	int r = sm_read_h(e, &h);

	if (r < 0)
		return r;
	if ((r = sm_translate(&s->sm, of, h, &said)) < 0 ||
		(r = sm_ack_held(s, from == &s->server)) < 0)
		return r;
	return sm_write_h(a, e, said);
}

static int sm_enabled_passes(struct session *s, struct xml_element *e)
{
	const char *resume = element_attr(e, "resume"), *id = element_attr(e, "id");
	const char *max = element_attr(e, "max");
	bool resumable = resume && (strcmp(resume, "true") == 0 || strcmp(resume, "1") == 0);
	struct xml_attr **at = &e->attrs;

	while (*at) {
		if ((*at)->ns[0] == '\0' && strcmp((*at)->name, "location") == 0)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
	return sm_enabled(&s->sm, s->domain, resumable ? id : NULL,
		max ? strtoull(max, NULL, 10) : 0, s->jid);
}

/* ERR_NOTFOUND: not ours to resume. */
static int sm_resume_passes(struct session *s, struct arena *a, struct xml_element *e)
{
	const char *previd = element_attr(e, "previd");
	uint32_t h, said;
	int r = sm_read_h(e, &h);

	if (r < 0)
		return ERR_SYNTAX;
	if (!previd)
		return ERR_SYNTAX;
	/* Whether it is this client's is the server's to say: nothing changes hands before
	 * <resumed/>. */
	if ((r = sm_resume(&s->sm, s->domain, previd, h, &said)) < 0)
		return r;
	s->phase_ms = uv_now(&s->worker->loop);
	return sm_write_h(a, e, said);
}

static int sm_resumed_passes(struct session *s, struct arena *a, struct xml_element *e)
{
	char jid[3072];
	uint32_t h, said;
	int r = sm_read_h(e, &h);

	if (r < 0)
		return r;
	if ((r = sm_resumed(&s->sm, h, &said, jid, sizeof(jid))) < 0)
		return r;
	if ((r = session_learn_jid(s, span_of(jid))) < 0)
		return r;
	return sm_write_h(a, e, said);
}

static int sm_failed_passes(struct session *s, struct arena *a, struct xml_element *e)
{
	uint32_t h = 0, said;
	bool resuming = s->sm.resuming != NULL;
	int r = sm_read_h(e, &h);

	if (!resuming) {
		sm_failed(&s->sm);
		return 0;
	}
	if (r == ERR_SYNTAX)
		return r;
	if (r < 0)
		return sm_resume_failed(&s->sm, false, 0, &said);
	if ((r = sm_resume_failed(&s->sm, true, h, &said)) < 0)
		return r;
	return sm_write_h(a, e, said);
}

/* What both the first-level and the inline forms share. */
static int sm_passes(struct session *s, struct leg *from, struct arena *a, struct xml_element *e)
{
	bool client = from == &s->client;

	if (client && !sm_is_on(&s->sm))
		s->sm.old = strcmp(e->ns, NS_SM2) == 0;
	switch (sm_word(e->name)) {
	case SM_ENABLE:
		return client ? sm_enable(&s->sm) : ERR_SYNTAX;
	case SM_ENABLED:
		return client ? ERR_SYNTAX : sm_enabled_passes(s, e);
	case SM_A:
		return sm_ack(s, from, a, e);
	case SM_RESUME:
		return client ? sm_resume_passes(s, a, e) : ERR_SYNTAX;
	case SM_RESUMED:
		return client ? ERR_SYNTAX : sm_resumed_passes(s, a, e);
	case SM_FAILED:
		return client ? ERR_SYNTAX : sm_failed_passes(s, a, e);
	default:
		return 0;
	}
}

enum nonza_fate sm_relay(struct session *s, struct leg *from, const struct stanza *st)
{
	int r = sm_passes(s, from, st->arena, st->root);
	char answer[256];

	if (r != ERR_NOTFOUND || sm_word(st->root->name) != SM_RESUME)
		return sm_fate(s, from, st->root, r);
	snprintf(answer, sizeof(answer),
		"<failed xmlns='%s'><item-not-found xmlns='" NS_STANZAS "'/></failed>",
		st->root->ns);
	return relay_puts(s, from, answer) ? NONZA_SWALLOW : NONZA_ENDED;
}

enum nonza_fate sm_relay_inline(
	struct session *s, struct leg *from, struct arena *a, struct xml_element *e)
{
	int r = sm_passes(s, from, a, e);

	if (r != ERR_NOTFOUND || sm_word(e->name) != SM_RESUME)
		return sm_fate(s, from, e, r);
	element_remove(e);
	s->sm_refused = true;
	return NONZA_SWALLOW;
}
