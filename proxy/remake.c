/* SPDX-License-Identifier: BSD-2-Clause */
/* Between apply.c, which found that a stanza may pass, and the bytes on the other side, where the service says "forward
 * strict". In: the judged stanza, changed already where a rule says so. Out: a tree that rules/strict.c built of the
 * profile's names and of values it checked, or a refusal in the shape of a rule's. What was left out is counted, and told
 * where the rule that let it pass says "log"; a refusal always is. */
#include "proxy/remake.h"

#include <errno.h>
#include <string.h>
#include "base/err.h"
#include "proxy/counters.h"
#include "proxy/event.h"
#include "rules/verdict.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

bool remake_is_due(const struct session *s, enum direction direction)
{
	return s->service->conf.strict[direction];
}

int remake_stanza(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v, struct xml_element **root, struct verdict *refusal,
	struct audit_line *line)
{
	struct strict_result result;
	int r = strict_write(s->service->conf.strict[direction], st, st->arena, &result);

	*root = result.root;
	if (r < 0 || result.kind == STRICT_SAME)
		return r;
	metric_add(counters.strict_removed, result.n_notes + result.n_more);
	audit_removed(line, &result);
	if (result.kind == STRICT_CHANGED) {
		metric_add(counters.strict_changed, 1);
		if (v && v->log)
			event_strict(s, direction, st, v, &result);
		return 0;
	}
	metric_add(counters.strict_refused, 1);
	strict_refusal(&result, st->arena, refusal);
	audit_refuse(line, refusal);
	event_strict(s, direction, st, refusal, &result);
	return 0;
}

/* A stream of its own for the one stanza. */
static int text_parse(struct stream *stream, const char *xml, const char *content_ns, struct stanza *out)
{
	struct stream_event event;
	struct buf header;
	int r;

	buf_init(&header, 0);
	stream_set_authenticated(stream, true);
	r = buf_putf(&header, "<stream:stream xmlns='%s' xmlns:stream='" NS_STREAM "' version='1.0'>", content_ns);
	if (r == 0 && (r = stream_push(stream, buf_ptr(&header), buf_len(&header))) == 0 &&
		(r = stream_next(stream, &event)) == 0 &&
		(r = stream_push(stream, xml, strlen(xml))) == 0 &&
		(r = stream_next(stream, &event)) == 0)
		r = event.kind == STREAM_STANZA ? 0 : ERR_SYNTAX;
	buf_fini(&header);
	if (r == 0)
		*out = event.stanza;
	return r;
}

int remake_text(const struct session *s, enum direction direction, const char *xml,
	const char *content_ns, struct buf *out)
{
	struct stream *stream = stream_new(&s->service->conf.limits);
	struct strict_result result;
	struct stanza st;
	int r = stream ? text_parse(stream, xml, content_ns, &st) : -ENOMEM;

	if (r == 0 && (r = strict_write(s->service->conf.strict[direction], &st, st.arena, &result)) == 0)
		r = result.root ? write_element(out, result.root, content_ns) : ERR_REFUSED;
	stream_free(stream);
	return r;
}
