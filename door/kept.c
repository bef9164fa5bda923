/* SPDX-License-Identifier: BSD-2-Clause */
/* A stanza for the quarantine, from a door's apply.c to the daemon. In: the stanza and its verdict.
 * Out: a message, bounded in size and number. It keeps nothing itself. */
#include "door/kept.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

/* What is kept stands for itself: from whom, to whom, since when (XEP-0203). */
static int keep_complete(const struct scene *s, enum direction direction, const struct stanza *st)
{
	const char *own = s->jid ? s->jid : "", *attr = direction == DIRECTION_IN ? "from" : "to";
	struct xml_element *delay;
	char now[40], bare[2100];
	int r = 0;

	if (*own && !element_attr(st->root, attr))
		r = element_set_attr(st->arena, st->root, attr, own);
	/* RFC 6120 8.1.1.1: a message without "to" is for the sender's own account. */
	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(own, "/"), own);
	if (r == 0 && *bare && !element_attr(st->root, "to"))
		r = element_set_attr(st->arena, st->root, "to", bare);
	if (r < 0 || element_child(st->root, NS_DELAY, "delay"))
		return r;
	clock_format_wall(clock_wall_ms(), now, sizeof(now));
	strcpy(now + strcspn(now, "+"), "Z"); /* as XEP-0082 wants it */
	if (!(delay = element_new(st->arena, NS_DELAY, "delay")))
		return -ENOMEM;
	if ((r = element_set_attr(st->arena, delay, "stamp", now)) < 0)
		return r;
	return element_add(st->arena, st->root, delay);
}

/* Prepared, so that a session is found however it was spelt; "" if it is none. */
static const char *keep_jid(const struct stanza *st, const char *attr)
{
	const char *text = element_attr(st->root, attr), *full = NULL;
	struct jid jid;

	if (text && jid_parse(st->arena, span_of(text), &jid) == 0)
		full = jid_full(st->arena, &jid);
	return full ? full : "";
}

static json_t *keep_message(const struct scene *s, enum direction direction,
	const struct stanza *st, const struct verdict *v, struct span xml)
{
	json_t *text = json_stringn(xml.ptr, xml.len);

	if (!text)
		return NULL;
	return json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}}", "m",
		"quarantine", "stanza", "id", v->id, "from", keep_jid(st, "from"), "to",
		keep_jid(st, "to"), "jid", s->jid ? s->jid : "", "service", s->service, "direction",
		direction == DIRECTION_IN ? "in" : "out", "rule", v->rule, "chain", v->chain, "xml",
		text);
}

int kept_stanza(struct hub *hub, const struct scene *s, enum direction direction,
	const struct stanza *st, const struct verdict *v)
{
	json_t *message = NULL;
	struct buf xml;
	int r;

	buf_init(&xml, KEEP_XML_MAX);
	if ((r = keep_complete(s, direction, st)) == 0 &&
		(r = write_element(&xml, st->root, NS_CLIENT)) == 0 &&
		!(message = keep_message(s, direction, st, v, buf_span(&xml))))
		r = -ENOMEM;
	buf_fini(&xml);
	if (r == 0 && !hub_keep(hub, message))
		r = ERR_LIMIT;
	return r;
}
