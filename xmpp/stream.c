/* SPDX-License-Identifier: BSD-2-Clause */
/* One direction of a stream: bytes in by push, events out by next. frame.c says where the next
 * event ends, xml.c makes a tree of it, this file names it. Nothing behind an event is looked at
 * before the event is given: behind <starttls/> stand TLS records. A peer's fault is an event
 * (STREAM_BAD) that repeats until a restart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/xml.h"

enum {
	PUSH_MAX = 1024 * 1024, /* unread bytes above one stanza's ceiling */
	ARENA_MAX =
		16 * 1024 * 1024, /* a tree never needs more; what does is an attack on memory */
};

struct stream {
	const struct xmpp_limits *limits;
	struct xml xml;
	struct buf in;
	size_t given; /* bytes of the last event, dropped at the next call */
	struct arena arena;
	bool closed;
	enum stream_error error; /* not NONE once the peer broke a rule */
	const char *reason;
};

struct stream *stream_new(const struct xmpp_limits *limits)
{
	struct stream *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->limits = limits;
	xml_init(&s->xml, limits);
	buf_init(&s->in, limits->stanza_bytes + limits->header_bytes + PUSH_MAX);
	arena_init(&s->arena, ARENA_MAX);
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	xml_fini(&s->xml);
	buf_fini(&s->in);
	arena_fini(&s->arena);
	free(s);
}

static void drop_given(struct stream *s)
{
	if (s->given == 0)
		return;
	buf_pull(&s->in, s->given);
	arena_reset(&s->arena);
	s->given = 0;
}

void stream_restart_keep(struct stream *s)
{
	drop_given(s);
	s->closed = false;
	s->error = STREAM_ERROR_NONE;
	arena_reset(&s->arena);
	xml_restart(&s->xml);
}

void stream_restart(struct stream *s)
{
	stream_restart_keep(s);
	buf_clear(&s->in);
}

void stream_set_authenticated(struct stream *s, bool authenticated)
{
	s->xml.authenticated = authenticated;
}

int stream_push(struct stream *s, const void *data, size_t len)
{
	drop_given(s);
	return buf_put(&s->in, data, len);
}

static int give_bad(
	struct stream *s, enum stream_error error, const char *reason, struct stream_event *event)
{
	s->error = error;
	s->reason = reason;
	*event = (struct stream_event){ .kind = STREAM_BAD, .error = error, .reason = reason };
	return 0;
}

static const char *attr_or_empty(const struct xml_element *e, const char *ns, const char *name)
{
	const char *value = element_attr_ns(e, ns, name);

	return value ? value : "";
}

static int on_header(struct stream *s, struct stream_event *event)
{
	const struct xml_element *e = s->xml.root;

	if (strcmp(e->name, "stream") != 0)
		return give_bad(s, STREAM_ERROR_BAD_FORMAT, "stream.root", event);
	if (strcmp(e->ns, NS_STREAM) != 0)
		return give_bad(s, STREAM_ERROR_INVALID_NAMESPACE, "stream.namespace", event);
	*event = (struct stream_event){
		.kind = STREAM_OPEN,
		.header = {
			.content_ns = xml_content_ns(&s->xml),
			.from = attr_or_empty(e, "", "from"),
			.to = attr_or_empty(e, "", "to"),
			.id = attr_or_empty(e, "", "id"),
			.version = attr_or_empty(e, "", "version"),
			.lang = attr_or_empty(e, NS_XML, "lang"),
			.dialback = xml_has_dialback(&s->xml),
			.root = e,
		},
	};
	return 0;
}

static bool is_content_ns(const char *ns)
{
	static const char *const content[] = { NS_CLIENT, NS_SERVER, NS_COMPONENT,
		NS_COMPONENT_CONNECT, NS_HTTPBIND };

	for (size_t i = 0; i < sizeof content / sizeof content[0]; i++)
		if (strcmp(ns, content[i]) == 0)
			return true;
	return false;
}

/* By expanded name, whatever the prefix (<z:iq xmlns:z='jabber:client'/> is an iq: servers take it
 * for one). */
static enum stanza_kind kind_of(const struct xml_element *e)
{
	if (is_content_ns(e->ns))
		for (unsigned k = STANZA_MESSAGE; k <= STANZA_IQ; k++)
			if (strcmp(e->name, stanza_kind_text((enum stanza_kind)k)) == 0)
				return (enum stanza_kind)k;
	return STANZA_STREAM;
}

static int on_element(struct stream *s, struct span bytes, struct stream_event *event)
{
	struct xml *x = &s->xml;

	if (element_is(x->root, NS_STREAM, "stream"))
		return give_bad(s, STREAM_ERROR_BAD_FORMAT, "stream.nested", event);
	enum stanza_kind kind = kind_of(x->root);
	*event = (struct stream_event){
		.kind = kind == STANZA_STREAM ? STREAM_ELEMENT : STREAM_STANZA,
		.stanza = { .arena = &s->arena,
			.root = x->root,
			.kind = kind,
			.raw = bytes,
			.depth = x->depth,
			.elements = x->elements,
			.canonical_ns = x->canonical ? xml_content_ns(x) : NULL },
	};
	return 0;
}

int stream_next(struct stream *s, struct stream_event *event)
{
	*event = (struct stream_event){ .kind = STREAM_MORE };
	if (s->error) {
		*event = (struct stream_event){
			.kind = STREAM_BAD, .error = s->error, .reason = s->reason
		};
		return 0;
	}
	drop_given(s);
	if (buf_len(&s->in) == 0) {
		stream_shrink(s);
		return 0;
	}

	enum xml_result found =
		xml_parse(&s->xml, buf_ptr(&s->in), buf_len(&s->in), &s->arena, &s->given);
	if (s->closed && found != XML_SPACE && found != XML_MEMORY)
		return give_bad(s, STREAM_ERROR_BAD_FORMAT, "stream.after-close", event);
	switch (found) {
	case XML_AGAIN:
	case XML_MORE:
		return 0;
	case XML_HEADER:
		return on_header(s, event);
	case XML_ELEMENT:
		return on_element(s, (struct span){ buf_ptr(&s->in), s->given }, event);
	case XML_SPACE:
		*event = (struct stream_event){ .kind = STREAM_SPACE, .count = s->given };
		return 0;
	case XML_CLOSE:
		s->closed = true;
		*event = (struct stream_event){ .kind = STREAM_CLOSE };
		return 0;
	case XML_BAD:
		return give_bad(s, s->xml.error, s->xml.reason, event);
	case XML_MEMORY:
		break;
	}
	return -ENOMEM;
}

struct span stream_rest(const struct stream *s)
{
	size_t len = buf_len(&s->in) - s->given;

	return (struct span){ len ? buf_ptr(&s->in) + s->given : NULL, len };
}

bool stream_is_partial(const struct stream *s)
{
	return !s->error && buf_len(&s->in) > s->given;
}

void stream_shrink(struct stream *s)
{
	drop_given(s);
	if (buf_len(&s->in) > 0 || s->closed || s->error)
		return;
	buf_shrink(&s->in);
	arena_shrink(&s->arena);
}

size_t stream_memory(const struct stream *s)
{
	return sizeof *s + s->in.cap + s->arena.used + xml_memory(&s->xml);
}
