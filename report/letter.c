/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a report becomes a message. In: what the daemon knows of it. Out: a <message/> with a text,
 * the offender's address and XEP-0377's <report/>, as the element came from the event. Before it is
 * sent it is read by our own machine: what is not exactly one stanza does not leave. Components
 * have no acknowledgements, so a ping (XEP-0199) to ourselves, sent behind the letters, shows when
 * it comes back that they were read. */
#include "report/letter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "report/component.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

static const char PING_ID[] = "xmppwall-settle";

static const char *text_of(const json_t *letter, const char *key)
{
	const char *text = json_string_value(json_object_get(letter, key));

	return text ? text : "";
}

static int put_child(struct buf *out, const char *open, const char *text, const char *close)
{
	int r;

	if (!*text)
		return 0;
	if ((r = buf_puts(out, open)) == 0 && (r = write_text(out, span_of(text))) == 0)
		r = buf_puts(out, close);
	return r;
}

static int put_letter(struct buf *out, const json_t *letter, const char *from)
{
	int r = buf_puts(out, "<message type=\"normal\"");

	if (r == 0)
		r = write_attribute(out, "from", span_of(from));
	if (r == 0)
		r = write_attribute(out, "to", span_of(text_of(letter, "to")));
	if (r == 0)
		r = write_attribute(out, "id", span_of(text_of(letter, "id")));
	if (r == 0)
		r = buf_puts(out, ">");
	if (r == 0)
		r = put_child(out, "<subject>", text_of(letter, "subject"), "</subject>");
	if (r == 0)
		r = put_child(out, "<body>", text_of(letter, "body"), "</body>");
	if (r == 0)
		r = buf_puts(out, text_of(letter, "xml"));
	if (r == 0)
		r = put_child(
			out, "<jid xmlns=\"urn:xmpp:jid:0\">", text_of(letter, "jid"), "</jid>");
	return r == 0 ? buf_puts(out, "</message>") : r;
}

/* Is it one stanza, by our own reading? */
static int letter_check(const struct buf *bytes)
{
	const struct stream_header header = { .content_ns = NS_COMPONENT };
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event event;
	struct buf open;
	int r = s ? 0 : -ENOMEM;

	buf_init(&open, 0);
	if (r == 0 && (r = write_header(&open, &header)) == 0 &&
		(r = stream_push(s, buf_ptr(&open), buf_len(&open))) == 0)
		r = stream_next(s, &event);
	if (r == 0) {
		stream_set_authenticated(s, true);
		r = stream_push(s, buf_ptr(bytes), buf_len(bytes));
	}
	if (r == 0 && (r = stream_next(s, &event)) == 0 &&
		(event.kind != STREAM_STANZA || stream_rest(s).len))
		r = ERR_SYNTAX;
	buf_fini(&open);
	stream_free(s);
	return r;
}

int letter_send(struct component *c, const json_t *letter)
{
	struct buf out;
	int r;

	buf_init(&out, 0);
	if ((r = put_letter(&out, letter, component_name(c))) == 0 && (r = letter_check(&out)) == 0)
		r = component_send(c, &out);
	buf_fini(&out);
	return r;
}

void letter_refused(json_t *refused, const char *id, const char *condition)
{
	json_array_append_new(
		refused, json_pack("{s:s#,s:s#}", "id", id, (int)span_cut(span_of(id), 64),
				 "condition", condition, (int)span_cut(span_of(condition), 64)));
}

static void hear_error(const struct stanza *st, json_t *refused)
{
	const struct xml_element *error = element_child(st->root, NULL, "error");
	const struct xml_element *condition = error ? element_child(error, NS_STANZAS, NULL) : NULL;
	const char *id = element_attr(st->root, "id");

	letter_refused(refused, id ? id : "", condition ? condition->name : "undefined-condition");
}

/* To ourselves, over the server: there is nobody else whom every server knows. */
static int send_ping(struct component *c)
{
	const char *name = component_name(c);
	struct buf out;
	int r;

	buf_init(&out, 0);
	r = buf_putf(&out, "<iq type=\"get\" id=\"%s\"", PING_ID);
	if (r == 0)
		r = write_attribute(&out, "from", span_of(name));
	if (r == 0)
		r = write_attribute(&out, "to", span_of(name));
	if (r == 0 && (r = buf_puts(&out, "><ping xmlns=\"urn:xmpp:ping\"/></iq>")) == 0)
		r = component_send(c, &out);
	buf_fini(&out);
	return r;
}

int letter_settle(struct component *c, json_t *refused)
{
	struct stream_event event;
	int r = send_ping(c);

	while (r == 0 && (r = component_hear(c, &event)) == 0) {
		const char *id, *type;

		if (event.kind != STREAM_STANZA)
			continue;
		id = element_attr(event.stanza.root, "id");
		type = stanza_type(&event.stanza);
		if (event.stanza.kind == STANZA_IQ && id && strcmp(id, PING_ID) == 0)
			return 0;
		if (event.stanza.kind == STANZA_MESSAGE && strcmp(type, "error") == 0)
			hear_error(&event.stanza, refused);
	}
	return r;
}
