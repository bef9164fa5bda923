/* SPDX-License-Identifier: BSD-2-Clause */
/* Our parser and expat over the same bytes: they must find the same events with the same trees, and
 * both or neither find a fault. Where ours is stricter by RFC 6120 or by a ceiling, what it found
 * before must still be what expat found. reference_compare aborts where they differ. */
#pragma once

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

enum { REFERENCE_SEPARATOR = '\x01', REFERENCE_MAX = 256 << 20 };

/* Whatever the build. */
static inline void must(bool holds)
{
	if (!holds)
		abort();
}

struct reference {
	XML_Parser parser;
	struct buf events;  /* complete ones, a line each */
	struct buf pending; /* the element being read */
	struct buf text;
	unsigned level;
	bool sentinel, bad;
};

/* ---- expat ---- */

static inline void reference_refuse(struct reference *r)
{
	r->bad = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static inline void reference_flush(struct reference *r)
{
	if (buf_len(&r->text) == 0)
		return;
	buf_putf(&r->pending, "\"%zu:", buf_len(&r->text));
	buf_put_span(&r->pending, buf_span(&r->text));
	buf_puts(&r->pending, "\"");
	buf_clear(&r->text);
}

/* Expat's "uri SEP local SEP prefix" as "{uri}local:prefix". */
static inline void reference_name(struct buf *out, const char *triplet)
{
	const char *first = strchr(triplet, REFERENCE_SEPARATOR), *second;

	if (!first) {
		buf_putf(out, "{}%s:", triplet);
		return;
	}
	second = strchr(first + 1, REFERENCE_SEPARATOR);
	buf_putf(out, "{%.*s}%.*s:%s", (int)(first - triplet), triplet,
		second ? (int)(second - first - 1) : (int)strlen(first + 1), first + 1,
		second ? second + 1 : "");
}

static inline void reference_on_start(void *arg, const char *name, const char **pairs)
{
	struct reference *r = (struct reference *)arg;
	const char *end = strrchr(name, REFERENCE_SEPARATOR);

	if (r->bad)
		return;
	if (strcmp(end ? end + 1 : name, "reference-sentinel") == 0)
		r->sentinel = true;
	reference_flush(r);
	buf_puts(&r->pending, r->level == 0 ? "open " : r->level == 1 ? "element " : "");
	buf_puts(&r->pending, "<");
	reference_name(&r->pending, name);
	for (; pairs[0]; pairs += 2) {
		buf_puts(&r->pending, " ");
		reference_name(&r->pending, pairs[0]);
		buf_putf(&r->pending, "=%zu:%s", strlen(pairs[1]), pairs[1]);
	}
	buf_puts(&r->pending, ">");
	if (r->level++ == 0) {
		buf_puts(&r->pending, "\n");
		buf_put_span(&r->events, buf_span(&r->pending));
		buf_clear(&r->pending);
	}
}

static inline void reference_on_end(void *arg, const char *name)
{
	struct reference *r = (struct reference *)arg;

	(void)name;
	if (r->bad)
		return;
	reference_flush(r);
	if (--r->level == 0) {
		buf_puts(&r->events, "close\n");
		return;
	}
	buf_puts(&r->pending, "</>");
	if (r->level > 1)
		return;
	buf_puts(&r->pending, "\n");
	buf_put_span(&r->events, buf_span(&r->pending));
	buf_clear(&r->pending);
}

static inline void reference_on_text(void *arg, const char *text, int len)
{
	struct reference *r = (struct reference *)arg;

	if (r->level > 1)
		buf_put(&r->text, text, (size_t)len);
}

static inline void reference_on_comment(void *arg, const char *data)
{
	(void)data;
	reference_refuse((struct reference *)arg);
}

static inline void reference_on_instruction(void *arg, const char *target, const char *data)
{
	(void)target;
	(void)data;
	reference_refuse((struct reference *)arg);
}

static inline void reference_on_doctype(
	void *arg, const char *name, const char *system, const char *public_id, int subset)
{
	(void)name;
	(void)system;
	(void)public_id;
	(void)subset;
	reference_refuse((struct reference *)arg);
}

/* RFC 6120 4.8.5, as the parser has it. */
static inline void reference_on_namespace(void *arg, const char *prefix, const char *uri)
{
	if (prefix && strcmp(prefix, "stream") == 0 && (!uri || strcmp(uri, NS_STREAM) != 0))
		reference_refuse((struct reference *)arg);
}

static inline void reference_read(
	struct reference *r, const char *bytes, size_t len, const char *completion)
{
	*r = (struct reference){ .parser = XML_ParserCreateNS("UTF-8", REFERENCE_SEPARATOR) };
	buf_init(&r->events, REFERENCE_MAX);
	buf_init(&r->pending, REFERENCE_MAX);
	buf_init(&r->text, REFERENCE_MAX);
	XML_SetUserData(r->parser, r);
	XML_SetReturnNSTriplet(r->parser, XML_TRUE);
	XML_SetElementHandler(r->parser, reference_on_start, reference_on_end);
	XML_SetCharacterDataHandler(r->parser, reference_on_text);
	XML_SetCommentHandler(r->parser, reference_on_comment);
	XML_SetProcessingInstructionHandler(r->parser, reference_on_instruction);
	XML_SetStartDoctypeDeclHandler(r->parser, reference_on_doctype);
	XML_SetStartNamespaceDeclHandler(r->parser, reference_on_namespace);
	/* What the stream before has left behind. */
	while (len > 0 && strchr(" \t\r\n", *bytes) && *bytes)
		bytes++, len--;
	/* Expat would read UTF-16. */
	if ((len > 0 && (!bytes[0] || (uint8_t)bytes[0] >= 0xfe)) || (len > 1 && !bytes[1])) {
		r->bad = true;
		return;
	}
	if (XML_Parse(r->parser, bytes, (int)len, 0) != XML_STATUS_OK ||
		XML_Parse(r->parser, completion, (int)strlen(completion), 0) != XML_STATUS_OK)
		r->bad = true;
}

static inline void reference_fini(struct reference *r)
{
	XML_ParserFree(r->parser);
	buf_fini(&r->events);
	buf_fini(&r->pending);
	buf_fini(&r->text);
}

/* ---- ours, in the same words ---- */

static inline void reference_put_name(
	struct buf *out, const char *ns, const char *name, const char *prefix)
{
	buf_putf(out, "{%s}%s:%s", ns, name, prefix);
}

static inline void reference_put_tag(struct buf *out, const struct xml_element *e)
{
	buf_puts(out, "<");
	reference_put_name(out, e->ns, e->name, e->prefix);
	for (const struct xml_attr *a = e->attrs; a; a = a->next) {
		must(strlen(a->value) == a->len);
		buf_puts(out, " ");
		reference_put_name(out, a->ns, a->name, a->prefix);
		buf_putf(out, "=%zu:%s", a->len, a->value);
	}
	buf_puts(out, ">");
}

static inline void reference_put_element(
	struct buf *out, const struct xml_element *e, unsigned depth, unsigned *elements)
{
	const struct xml_node *last = NULL;

	must(e->depth == depth);
	++*elements;
	reference_put_tag(out, e);
	for (const struct xml_node *n = e->children; n; last = n, n = n->next) {
		if (n->element) {
			must(n->element->parent == e);
			reference_put_element(out, n->element, depth + 1, elements);
			continue;
		}
		must(n->len > 0 && strlen(n->text) == n->len && (!last || last->element));
		buf_putf(out, "\"%zu:%s\"", n->len, n->text);
	}
	must(e->last == last);
	buf_puts(out, "</>");
}

/* The spelling promised: its own bytes are what would be written. */
static inline void reference_check_canonical(const struct stanza *s)
{
	struct buf written;

	if (!s->canonical_ns)
		return;
	buf_init(&written, REFERENCE_MAX);
	must(write_element(&written, s->root, s->canonical_ns) == 0);
	must(span_equal(buf_span(&written), s->raw));
	buf_fini(&written);
}

static inline void reference_put_event(struct buf *out, const struct stream_event *e)
{
	unsigned elements = 0;

	if (e->kind == STREAM_CLOSE)
		buf_puts(out, "close\n");
	if (e->kind == STREAM_OPEN) {
		buf_puts(out, "open ");
		reference_put_tag(out, e->header.root);
		buf_puts(out, "\n");
	}
	if (e->kind != STREAM_STANZA && e->kind != STREAM_ELEMENT)
		return;
	buf_puts(out, "element ");
	reference_put_element(out, e->stanza.root, 1, &elements);
	buf_puts(out, "\n");
	must(elements == e->stanza.elements);
	reference_check_canonical(&e->stanza);
}

struct reference_ours {
	struct buf events;
	enum stream_error error;
	const char *reason; /* NULL: no fault found */
};

static inline void reference_drain(struct reference_ours *o, struct stream *s)
{
	struct stream_event e;

	do {
		must(stream_next(s, &e) == 0);
		reference_put_event(&o->events, &e);
	} while (e.kind != STREAM_MORE && e.kind != STREAM_BAD);
	if (e.kind == STREAM_BAD) {
		o->error = e.error;
		o->reason = e.reason;
	}
}

/* In pieces of 1 to step bytes (0: whole), each in memory of its own; then, if it is not NULL,
 * more. */
static inline void reference_read_ours(struct reference_ours *o, const struct xmpp_limits *limits,
	const char *bytes, size_t len, unsigned step, const char *more)
{
	struct stream *s = stream_new(limits);
	unsigned seed = step;

	must(s);
	*o = (struct reference_ours){ .reason = NULL };
	buf_init(&o->events, REFERENCE_MAX);
	stream_set_authenticated(s, true);
	for (size_t at = 0; at < len && !o->reason;) {
		size_t n = step ? 1 + (size_t)rand_r(&seed) % step : len;
		char *piece;

		n = n < len - at ? n : len - at;
		piece = (char *)malloc(n);
		must(piece);
		memcpy(piece, bytes + at, n);
		must(stream_push(s, piece, n) == 0);
		free(piece);
		at += n;
		reference_drain(o, s);
	}
	if (more && !o->reason) {
		must(stream_push(s, more, strlen(more)) == 0);
		reference_drain(o, s);
	}
	stream_free(s);
}

/* ---- beside each other ---- */

/* Rules that are not XML's: expat may have gone on. */
static inline bool reference_is_ours_alone(const char *reason, const char *bytes, size_t len)
{
	static const char *const alone[] = { "limit.", "stream.", "xml.encoding", "xml.version",
		"xml.standalone", "xml.declaration", "xml.bom", "xml.utf16",
		"xml.restricted" /* CDATA between stanzas */ };

	for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
		if (strncmp(reason, alone[i], strlen(alone[i])) == 0)
			return true;
	/* a number with very many zeros */
	return strcmp(reason, "xml.entity") == 0 &&
	       (memmem(bytes, len, "&#0", 3) || memmem(bytes, len, "&#x0", 4));
}

/* Ours has found a fault in what expat takes for the beginning of a token. No end may make that
 * token a good one. */
static inline bool reference_could_go_on(const char *bytes, size_t len)
{
	static const char *const ends[] = { "", ">", "/>", "'>", "\">", "'/>", "\"/>", "='v'>",
		"a='v'>", "a>", ";", "amp;", "]]>", "]>", "CDATA[]]>", "[CDATA[]]>" };
	char completion[64];
	bool could = false;

	for (size_t i = 0; i < sizeof ends / sizeof *ends && !could; i++) {
		struct reference r;

		snprintf(completion, sizeof completion, "%s<reference-sentinel/>", ends[i]);
		reference_read(&r, bytes, len, completion);
		could = r.sentinel && !r.bad;
		reference_fini(&r);
	}
	return could;
}

static inline void reference_fail(const char *what, const char *bytes, size_t len,
	const struct reference *r, const struct reference_ours *o)
{
	fprintf(stderr, "%s\n--- bytes\n%.*s\n--- expat%s\n%.*s--- ours: %s\n%.*s", what, (int)len,
		bytes, r->bad ? " refuses" : "", (int)buf_len(&r->events), buf_ptr(&r->events),
		o->reason ? o->reason : "good", (int)buf_len(&o->events), buf_ptr(&o->events));
	abort();
}

static inline void reference_compare_cut(const struct xmpp_limits *limits, const char *bytes,
	size_t len, unsigned step, const struct reference_ours *whole)
{
	struct reference_ours cut;

	reference_read_ours(&cut, limits, bytes, len, step, NULL);
	must(span_equal(buf_span(&cut.events), buf_span(&whole->events)));
	must(cut.error == whole->error);
	must((cut.reason == NULL) == (whole->reason == NULL));
	must(!cut.reason || strcmp(cut.reason, whole->reason) == 0);
	buf_fini(&cut.events);
}

static inline void reference_compare(
	const struct xmpp_limits *limits, const char *bytes, size_t len, unsigned step)
{
	struct reference r;
	struct reference_ours o, on;

	reference_read(&r, bytes, len, "");
	reference_read_ours(&o, limits, bytes, len, 0, NULL);
	reference_compare_cut(limits, bytes, len, step, &o);
	if (o.reason && reference_is_ours_alone(o.reason, bytes, len)) {
		struct span before = buf_span(&r.events);

		before.len = buf_len(&o.events) < before.len ? buf_len(&o.events) : before.len;
		if (!span_equal(before, buf_span(&o.events)))
			reference_fail("not what expat found before", bytes, len, &r, &o);
	} else if (!span_equal(buf_span(&o.events), buf_span(&r.events))) {
		reference_fail("other events", bytes, len, &r, &o);
	} else if (!o.reason && r.bad) {
		/* Ours may still wait for the end of a reference, a character, the declaration. */
		char spaces[160];

		memset(spaces, ' ', sizeof spaces - 1);
		spaces[sizeof spaces - 1] = '\0';
		reference_read_ours(&on, limits, bytes, len, 0, spaces);
		if (!on.reason)
			reference_fail("expat refuses", bytes, len, &r, &o);
		buf_fini(&on.events);
	} else if (o.reason && !r.bad && reference_could_go_on(bytes, len)) {
		reference_fail("expat goes on", bytes, len, &r, &o);
	}
	buf_fini(&o.events);
	reference_fini(&r);
}
