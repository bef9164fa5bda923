/* SPDX-License-Identifier: BSD-2-Clause */
/* The last step before the far side's parser: a tree as canonical bytes. One spelling for
 * everything, so that a server's parser, whatever its quirks, reads what was judged: Openfire's
 * splitter knows only double quotes, ejabberd's takes comments, some join what others split. Comes
 * in: a tree. Goes out: bytes in a buffer. Never decides anything. */
#include <assert.h>
#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/write.h"
#include "xmpp/xml_char.h"

static const char *escape_of(unsigned char c, bool attribute)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '\r':
		return "&#13;";
	case '"':
		return attribute ? "&quot;" : NULL;
	case '\t':
		return attribute ? "&#9;" : NULL;
	case '\n':
		return attribute ? "&#10;" : NULL;
	default:
		return NULL;
	}
}

/* Most is short: room is looked at here, the rest is left to the buffer. */
static inline int put(struct buf *out, const char *text, size_t len)
{
	if (out->cap - out->tail <= len || buf_len(out) + len > out->max)
		return buf_put(out, text, len);
	memcpy(out->data + out->tail, text, len);
	out->tail += len;
	return 0;
}

static int put_escaped(struct buf *out, const char *text, size_t len, bool attribute)
{
	size_t start = 0;
	int r;

	for (size_t i = 0; (i = xml_skip_written(text, i, len, attribute ? '"' : '<')) < len; i++) {
		const char *escape = escape_of((unsigned char)text[i], attribute);

		if (!escape)
			continue;
		if ((r = put(out, text + start, i - start)) < 0 || (r = buf_puts(out, escape)) < 0)
			return r;
		start = i + 1;
	}
	return put(out, text + start, len - start);
}

int write_text(struct buf *out, struct span text)
{
	return put_escaped(out, text.ptr, text.len, false);
}

/* prefix "" for none. */
static int put_attribute(struct buf *out, const char *prefix, const char *name, struct span value)
{
	int r;

	if ((r = put(out, " ", 1)) < 0 ||
		(*prefix && ((r = put(out, prefix, strlen(prefix))) < 0 ||
				    (r = put(out, ":", 1)) < 0)) ||
		(r = put(out, name, strlen(name))) < 0 || (r = put(out, "=\"", 2)) < 0 ||
		(r = put_escaped(out, value.ptr, value.len, true)) < 0)
		return r;
	return put(out, "\"", 1);
}

int write_attribute(struct buf *out, const char *name, struct span value)
{
	return put_attribute(out, "", name, value);
}

/* The first attribute of e with this namespace and prefix declares both for those that follow. */
static bool declared_before(const struct xml_element *e, const struct xml_attr *a)
{
	for (const struct xml_attr *b = e->attrs; b != a; b = b->next)
		if (strcmp(b->prefix, a->prefix) == 0)
			return true;
	return false;
}

static int put_prefixed(struct buf *out, const struct xml_element *e, const struct xml_attr *a)
{
	struct span value = { a->value, a->len };
	int r;

	if (strcmp(a->ns, NS_XML) == 0)
		return put_attribute(out, "xml", a->name, value);
	/* Several prefixes may lead to one namespace; each keeps its own, so no two attributes fall
	 * together. */
	if (!declared_before(e, a) &&
		(r = put_attribute(out, "xmlns", a->prefix, span_of(a->ns))) < 0)
		return r;
	return put_attribute(out, a->prefix, a->name, value);
}

static int put_attributes(struct buf *out, const struct xml_element *e)
{
	int r;

	for (const struct xml_attr *a = e->attrs; a; a = a->next) {
		r = a->ns[0] ? put_prefixed(out, e, a)
			     : write_attribute(out, a->name, (struct span){ a->value, a->len });
		if (r < 0)
			return r;
	}
	return 0;
}

/* Of the namespaces each header declares. */
static const char *prefix_of(const struct xml_element *e)
{
	return string_equal(e->ns, NS_STREAM) ? "stream" : "";
}

static int put_name(struct buf *out, const struct xml_element *e, const char *prefix)
{
	int r;

	if (*prefix && ((r = put(out, prefix, strlen(prefix))) < 0 || (r = put(out, ":", 1)) < 0))
		return r;
	return put(out, e->name, strlen(e->name));
}

/* prefix is e's own, declared by the stream's header; "": none. default_ns is what xmlns="" means
 * where e stands. Depth is bounded by struct xmpp_limits. */
static int put_element(
	struct buf *out, const struct xml_element *e, const char *prefix, const char *default_ns)
{
	int r;

	if ((r = put(out, "<", 1)) < 0 || (r = put_name(out, e, prefix)) < 0)
		return r;
	if (!*prefix && strcmp(e->ns, default_ns) != 0) {
		default_ns = e->ns;
		if ((r = write_attribute(out, "xmlns", span_of(e->ns))) < 0)
			return r;
	}
	if ((r = put_attributes(out, e)) < 0)
		return r;
	if (!e->children)
		return put(out, "/>", 2);
	if ((r = put(out, ">", 1)) < 0)
		return r;
	for (const struct xml_node *n = e->children; n; n = n->next) {
		r = n->element ? put_element(out, n->element, prefix_of(n->element), default_ns)
			       : put_escaped(out, n->text, n->len, false);
		if (r < 0)
			return r;
	}
	if ((r = put(out, "</", 2)) < 0 || (r = put_name(out, e, prefix)) < 0)
		return r;
	return put(out, ">", 1);
}

int write_element(struct buf *out, const struct xml_element *e, const char *content_ns)
{
	return put_element(out, e, prefix_of(e), content_ns);
}

int write_dialback(struct buf *out, const struct xml_element *e, const char *content_ns)
{
	return put_element(
		out, e, string_equal(e->ns, NS_DIALBACK) ? "db" : prefix_of(e), content_ns);
}

#ifndef NDEBUG
/* What the parser has promised, and that nobody has changed the tree since. */
static bool is_written_as(const struct xml_element *e, const char *content_ns, struct span raw)
{
	struct buf written;
	bool same;

	buf_init(&written, raw.len);
	same = write_element(&written, e, content_ns) == 0 && span_equal(buf_span(&written), raw);
	buf_fini(&written);
	return same;
}
#endif

int write_stanza(struct buf *out, const struct stanza *s, const char *content_ns)
{
	if (!s->canonical_ns || !string_equal(s->canonical_ns, content_ns))
		return write_element(out, s->root, content_ns);
	assert(is_written_as(s->root, content_ns, s->raw));
	return buf_put_span(out, s->raw);
}

int write_header(struct buf *out, const struct stream_header *h)
{
	const struct {
		const char *name, *value;
	} attributes[] = {
		{ "from", h->from },
		{ "to", h->to },
		{ "id", h->id },
		{ "version", h->version },
		{ "xml:lang", h->lang },
	};
	int r;

	if ((r = buf_puts(out,
		     "<?xml version='1.0'?><stream:stream xmlns:stream=\"" NS_STREAM "\"")) < 0)
		return r;
	if (h->content_ns && h->content_ns[0] &&
		(r = write_attribute(out, "xmlns", span_of(h->content_ns))) < 0)
		return r;
	if (h->dialback && (r = write_attribute(out, "xmlns:db", span_of(NS_DIALBACK))) < 0)
		return r;
	for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
		if (attributes[i].value && attributes[i].value[0] &&
			(r = write_attribute(
				 out, attributes[i].name, span_of(attributes[i].value))) < 0)
			return r;
	return buf_put(out, ">", 1);
}

int write_close(struct buf *out)
{
	return buf_puts(out, "</stream:stream>");
}
