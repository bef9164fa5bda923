/* SPDX-License-Identifier: BSD-2-Clause */
/* One direction of a stream: bytes in by push, events out by next. frame.c says where the next
 * event ends, xml.c makes a tree of it, this file names it. Nothing behind an event is looked at
 * before the event is given: behind <starttls/> stand TLS records. A peer's fault is an event
 * (STREAM_BAD) that repeats until a restart. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "xmpp/frame.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/xml.h"

enum {
	PUSH_MAX = 1024 * 1024, /* unread bytes above one stanza's ceiling */
	ARENA_MAX =
		16 * 1024 * 1024, /* a tree never needs more; what does is an attack on memory */
	PARSER_BYTES = 24 * 1024, /* what an expat parser holds, about */
};

struct stream {
	const struct xmpp_limits *limits;
	struct frame frame;
	struct xml *xml; /* NULL before the header and when shrunk */
	char *header;    /* the header's bytes, to rebuild a shrunk parser */
	size_t header_len;
	struct buf in;
	size_t given; /* bytes of the last event, dropped at the next call */
	struct arena arena;
	bool closed;
	struct stream_event bad; /* kind STREAM_BAD once the peer broke a rule */
};

struct stream *stream_new(const struct xmpp_limits *limits)
{
	struct stream *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->limits = limits;
	frame_init(&s->frame, limits);
	buf_init(&s->in, limits->stanza_bytes + limits->header_bytes + PUSH_MAX);
	arena_init(&s->arena, ARENA_MAX);
	return s;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	xml_free(s->xml);
	free(s->header);
	buf_fini(&s->in);
	arena_fini(&s->arena);
	free(s);
}

static void drop_given(struct stream *s)
{
	if (s->given > 0)
		buf_pull(&s->in, s->given);
	s->given = 0;
}

void stream_restart_keep(struct stream *s)
{
	drop_given(s);
	xml_free(s->xml);
	s->xml = NULL;
	free(s->header);
	s->header = NULL;
	s->header_len = 0;
	s->closed = false;
	s->bad = (struct stream_event){ 0 };
	arena_reset(&s->arena);
	frame_restart(&s->frame);
}

void stream_restart(struct stream *s)
{
	stream_restart_keep(s);
	buf_clear(&s->in);
}

void stream_set_authenticated(struct stream *s, bool authenticated)
{
	s->frame.authenticated = authenticated;
}

int stream_push(struct stream *s, const void *data, size_t len)
{
	drop_given(s);
	return buf_put(&s->in, data, len);
}

static int give_bad(
	struct stream *s, enum stream_error error, const char *reason, struct stream_event *event)
{
	s->bad = (struct stream_event){ .kind = STREAM_BAD, .error = error, .reason = reason };
	*event = s->bad;
	return 0;
}

static int give_refusal(struct stream *s, struct stream_event *event)
{
	const char *reason;
	enum stream_error error = xml_refusal(s->xml, &reason);

	return give_bad(s, error, reason, event);
}

static const char *attr_or_empty(const struct xml_element *e, const char *ns, const char *name)
{
	const char *value = element_attr_ns(e, ns, name);

	return value ? value : "";
}

static int on_header(struct stream *s, struct span bytes, struct stream_event *event)
{
	struct xml_root root;
	int r;

	if (!(s->xml = xml_new()) || !(s->header = malloc(bytes.len)))
		return -ENOMEM;
	memcpy(s->header, bytes.ptr, bytes.len);
	s->header_len = bytes.len;
	if ((r = xml_open(s->xml, bytes, &s->arena, &root)) < 0)
		return r;
	const struct xml_element *e = root.element;
	if (!e)
		return give_refusal(s, event);
	if (strcmp(e->name, "stream") != 0)
		return give_bad(s, STREAM_ERROR_BAD_FORMAT, "stream.root", event);
	if (strcmp(e->ns, NS_STREAM) != 0)
		return give_bad(s, STREAM_ERROR_INVALID_NAMESPACE, "stream.namespace", event);
	*event = (struct stream_event){
		.kind = STREAM_OPEN,
		.header = {
			.content_ns = root.content_ns,
			.from = attr_or_empty(e, "", "from"),
			.to = attr_or_empty(e, "", "to"),
			.id = attr_or_empty(e, "", "id"),
			.version = attr_or_empty(e, "", "version"),
			.lang = attr_or_empty(e, NS_XML, "lang"),
			.dialback = root.dialback,
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

/* A parser given up by stream_shrink comes back as it was behind the header. */
static int wake(struct stream *s)
{
	struct xml_root root;
	int r;

	if (s->xml)
		return 0;
	if (!(s->xml = xml_new()))
		return -ENOMEM;
	r = xml_open(s->xml, (struct span){ s->header, s->header_len }, &s->arena, &root);
	arena_reset(&s->arena);
	return r;
}

static int on_element(struct stream *s, struct span bytes, struct stream_event *event)
{
	struct xml_tree tree;
	int r;

	if ((r = wake(s)) < 0 || (r = xml_element(s->xml, bytes, &s->arena, &tree)) < 0)
		return r;
	if (!tree.element)
		return give_refusal(s, event);
	if (element_is(tree.element, NS_STREAM, "stream"))
		return give_bad(s, STREAM_ERROR_BAD_FORMAT, "stream.nested", event);
	enum stanza_kind kind = kind_of(tree.element);
	*event = (struct stream_event){
		.kind = kind == STANZA_STREAM ? STREAM_ELEMENT : STREAM_STANZA,
		.stanza = { &s->arena, tree.element, kind, bytes, tree.depth, tree.elements },
	};
	return 0;
}

static int on_close(struct stream *s, struct span bytes, struct stream_event *event)
{
	int r;

	if ((r = wake(s)) < 0)
		return r;
	if (!xml_close(s->xml, bytes))
		return give_refusal(s, event);
	s->closed = true;
	*event = (struct stream_event){ .kind = STREAM_CLOSE };
	return 0;
}

int stream_next(struct stream *s, struct stream_event *event)
{
	size_t end = 0;

	*event = (struct stream_event){ .kind = STREAM_MORE };
	if (s->bad.kind == STREAM_BAD) {
		*event = s->bad;
		return 0;
	}
	drop_given(s);
	arena_reset(&s->arena);
	if (buf_len(&s->in) == 0)
		return 0;

	enum frame_result found = frame_scan(&s->frame, buf_ptr(&s->in), buf_len(&s->in), &end);
	struct span bytes = { buf_ptr(&s->in), end };
	s->given = end;
	if (s->closed && found != FRAME_MORE && found != FRAME_SPACE)
		return give_bad(s, STREAM_ERROR_BAD_FORMAT, "stream.after-close", event);
	switch (found) {
	case FRAME_MORE:
		return 0;
	case FRAME_HEADER:
		return on_header(s, bytes, event);
	case FRAME_ELEMENT:
		return on_element(s, bytes, event);
	case FRAME_SPACE:
		*event = (struct stream_event){ .kind = STREAM_SPACE, .count = end };
		return 0;
	case FRAME_CLOSE:
		return on_close(s, bytes, event);
	case FRAME_BAD:
		break;
	}
	return give_bad(s, s->frame.error, s->frame.reason, event);
}

struct span stream_rest(const struct stream *s)
{
	size_t len = buf_len(&s->in) - s->given;

	return (struct span){ len ? buf_ptr(&s->in) + s->given : NULL, len };
}

bool stream_is_partial(const struct stream *s)
{
	return s->bad.kind != STREAM_BAD && buf_len(&s->in) > s->given;
}

void stream_shrink(struct stream *s)
{
	drop_given(s);
	if (buf_len(&s->in) > 0 || s->closed || s->bad.kind == STREAM_BAD)
		return;
	buf_shrink(&s->in);
	arena_shrink(&s->arena);
	xml_free(s->xml);
	s->xml = NULL;
}

size_t stream_memory(const struct stream *s)
{
	return sizeof *s + s->in.cap + s->arena.used + s->header_len + (s->xml ? PARSER_BYTES : 0);
}
