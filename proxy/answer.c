/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors between servers: apply.c's hand where a rule rejects what a server has sent.
 * In: the stanza, the condition. Out: the error, said as its receiver, on a stream on which its
 * sender takes that. Without one an iq goes on with nothing in it but a name that nobody knows, so
 * that its receiver answers (RFC 6120 8.4), or else it ends in silence. A room is never told that
 * an occupant has failed: it would throw the occupant out. It never decides that something is
 * rejected. */
#include "proxy/answer.h"

#include <errno.h>
#include <string.h>
#include "base/err.h"
#include "proxy/counters.h"
#include "proxy/crossing.h"
#include "proxy/session_federation.h"
#include "xmpp/bounce.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

#define NS_REFUSED "urn:xmppwall:refused"

enum { ID_MAX = 256 }; /* of an iq that goes on emptied */

enum answer { ANSWER_NONE, ANSWER_STREAM, ANSWER_CROSSED, ANSWER_EMPTIED };

static const char *const answer_texts[] = { "none", "stream", "crossed", "emptied" };

/* Is its sender one whom an error harms nothing? Rooms take an error from an occupant, and a
 * presence that fails, for a lost occupant; what is addressed to a room, or joins one, is its
 * sender's own. */
static bool answer_is_fit(const struct stanza *st)
{
	const char *to = element_attr(st->root, "to");

	if (!bounce_allowed(st))
		return false;
	if (st->kind == STANZA_PRESENCE)
		return element_child(st->root, NS_MUC, "x");
	return st->kind != STANZA_MESSAGE || strcmp(stanza_type(st), "groupchat") != 0 ||
	       (to && !strchr(to, '/'));
}

/* What stands in the other's place of an iq whose receiver has to answer: who asks whom, and by
 * which name. All else of it was rejected. NULL: no memory. */
static struct xml_element *answer_empty(const struct stanza *st)
{
	static const char *const kept[] = { "from", "to", "id", "type" };
	struct xml_element *iq = element_new(st->arena, st->root->ns, "iq");
	struct xml_element *refused = element_new(st->arena, NS_REFUSED, "refused");

	if (!iq || !refused || element_add(st->arena, iq, refused) < 0)
		return NULL;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const char *value = element_attr(st->root, kept[i]);

		if (value && element_set_attr(st->arena, iq, kept[i], value) < 0)
			return NULL;
	}
	return iq;
}

static bool answer_may_empty(
	const struct session *s, const struct leg *from, const struct stanza *st)
{
	const char *type = stanza_type(st);

	if (st->kind != STANZA_IQ || (strcmp(type, "get") != 0 && strcmp(type, "set") != 0))
		return false;
	/* A name as long as a letter is one, and a word of two. */
	if (strlen(element_attr(st->root, "id") ? element_attr(st->root, "id") : "") > ID_MAX)
		return false;
	/* By this a stranger would learn of an iq that was kept from it. */
	return session_direction(s, from) == DIRECTION_IN;
}

static int answer_send(struct session *s, struct leg *from, const struct stanza *st,
	enum stanza_error condition, struct span xml, enum answer *how)
{
	struct leg *to = session_other(s, from);
	enum side side = from == &s->client ? SIDE_RECEIVER : SIDE_INITIATOR;
	struct dialback *d = &s->federation->dialback;
	const char *sender, *receiver;
	struct xml_element *empty;
	int r;

	/* Its receiver speaks: the pair the other way round. */
	if ((r = federation_domain_of(st->arena, element_attr(st->root, "to"), &sender)) < 0 ||
		(r = federation_domain_of(st->arena, element_attr(st->root, "from"), &receiver)) <
			0)
		return r;
	if (!from->closed_out && dialback_is_legal(d, side, span_of(sender), span_of(receiver))) {
		*how = ANSWER_STREAM;
		if ((r = buf_put_span(&from->conn.out, xml)) < 0)
			return r;
		return sm_bounced(&s->sm, session_way(s, from), condition);
	}
	if (crossing_send(sender, receiver, xml)) {
		*how = ANSWER_CROSSED;
	} else if (!to->closed_out && answer_may_empty(s, from, st)) {
		*how = ANSWER_EMPTIED;
		if (!(empty = answer_empty(st)))
			return -ENOMEM;
		if ((r = write_element(&to->conn.out, empty, session_ns(s))) < 0)
			return r;
		return sm_forwarded(&s->sm, session_way(s, from));
	}
	return sm_dropped(&s->sm, session_way(s, from));
}

int answer_write(struct session *s, struct leg *from, const struct stanza *st,
	enum stanza_error condition, const char *text, const char *detail)
{
	enum answer how = ANSWER_NONE;
	struct buf xml;
	bool sent = false;
	int r = 0;

	buf_init(&xml, s->service->conf.limits.stanza_bytes);
	if (answer_is_fit(st))
		r = bounce_write(&xml, st, condition, text, detail, NULL, session_ns(s), &sent);
	if (r == 0 && sent)
		r = answer_send(s, from, st, condition, buf_span(&xml), &how);
	else if (r == 0)
		r = sm_dropped(&s->sm, session_way(s, from));
	buf_fini(&xml);
	s->federation->answer = answer_texts[how];
	counters_add("answer", answer_texts[how]);
	return r;
}
