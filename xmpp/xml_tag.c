/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser's steps inside tags: names, attributes, values, end tags. Comes in: the event's bytes
 * from where the step before has stopped. Goes out: marks of where things stand; when the tag is
 * whole, xml_element.c makes an element of it. Here the ceilings of names, values, attributes,
 * elements and depth are kept, each where it is passed. It never looks a namespace up. */
#include <string.h>

#include "xmpp/xml_char.h"
#include "xmpp/xml_int.h"

/* A character above U+007F in a name: *i goes behind it. */
static enum xml_result scan_name_wide(struct xml *x, size_t *i)
{
	const uint8_t *p = (const uint8_t *)x->bytes + *i;
	int n = xml_char_length(p, x->end - *i);
	uint8_t needed = *i == x->mark || (x->colon && *i == x->colon + 1) ? NAME_START : NAME_MORE;

	if (n == 0)
		return XML_MORE;
	if (n < 0)
		return xml_refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.utf8");
	uint32_t c = n == 2   ? (uint32_t)(p[0] & 0x1f) << 6 | (p[1] & 0x3f)
		     : n == 3 ? (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
					(p[2] & 0x3f)
			      : 0;
	if (!(xml_name_wide(c) & needed))
		return xml_not_well_formed(x);
	*i += (size_t)n;
	return XML_AGAIN;
}

/* The name begun at x->mark, with at most one colon inside (Namespaces in XML 4): AGAIN when x->at
 * is behind it. */
static enum xml_result scan_name(struct xml *x)
{
	const char *bytes = x->bytes;
	size_t i = x->at, end = x->end, most = x->mark + x->limits->names_bytes;

	for (;;) {
		while (i < end && (xml_name_class[(uint8_t)bytes[i]] & NAME_MORE))
			i++;
		if (i > most)
			return xml_over(x, "limit.names-bytes");
		if (i == end)
			break;
		uint8_t c = xml_byte(x, i);

		if (c == ':') {
			if (x->colon || i == x->mark)
				return xml_not_well_formed(x);
			if (i + 1 == end)
				break;
			c = xml_byte(x, i + 1);
			if (!(xml_name_class[c] & (NAME_START | NAME_WIDE)))
				return xml_bad_byte(x, i + 1);
			x->colon = i++;
		} else if (xml_name_class[c] & NAME_WIDE) {
			enum xml_result r = scan_name_wide(x, &i);

			if (r == XML_MORE)
				break;
			if (r != XML_AGAIN)
				return r;
		} else {
			x->at = i;
			return XML_AGAIN;
		}
	}
	x->at = i;
	return XML_MORE;
}

/* A second header never ends as an element does: it is known by its name, whatever its prefix. */
static bool is_nested_header(const struct xml *x)
{
	static const char local[] = "stream";
	size_t name = x->colon ? x->colon + 1 : x->mark, n = sizeof local - 1;

	return x->scope && !x->open && x->at - name == n && memcmp(x->bytes + name, local, n) == 0;
}

enum xml_result xml_scan_name(struct xml *x)
{
	enum xml_result r = scan_name(x);

	if (r != XML_AGAIN)
		return r;
	if (is_nested_header(x))
		return xml_refuse(x, STREAM_ERROR_BAD_FORMAT, "stream.nested");
	x->name_end = x->mark = x->at;
	x->name_colon = x->colon;
	x->state = S_TAG;
	return XML_AGAIN;
}

/* The element ends with its start tag or its end tag. */
static enum xml_result element_end(struct xml *x)
{
	x->text = x->at;
	x->text_odd = false;
	x->state = x->open ? S_TEXT : S_TOP;
	if (!x->open)
		return XML_ELEMENT;
	xml_window_set(x);
	return XML_AGAIN;
}

/* '>' is at x->at, or "/>". */
static enum xml_result tag_end(struct xml *x, bool empty)
{
	const struct xmpp_limits *l = x->limits;
	enum xml_result r;

	if (x->at != x->mark)
		x->canonical = false;
	if (!x->scope) {
		if (empty && !x->document)
			return xml_refuse(x, STREAM_ERROR_BAD_FORMAT, "stream.empty-header");
		if ((r = xml_element_take(x, false)) != XML_AGAIN)
			return r;
		x->is_empty = empty;
		x->at += empty ? 2 : 1;
		x->state = S_TOP;
		return XML_HEADER;
	}
	if (++x->elements > (x->authenticated ? l->elements : l->elements_preauth))
		return xml_over(x, "limit.elements");
	if ((x->open ? x->open->element.depth : 0) + 1 > l->depth)
		return xml_over(x, "limit.depth");
	if ((r = xml_element_take(x, empty)) != XML_AGAIN)
		return r;
	x->at += empty ? 2 : 1;
	return element_end(x);
}

static enum xml_result mark_add(struct xml *x)
{
	unsigned max = x->max_marks ? 2 * x->max_marks : 16;
	struct xml_mark *grown;

	if (x->n_marks >= x->limits->attributes + x->limits->namespaces)
		return xml_over(x, "limit.attributes");
	if (x->n_marks == x->max_marks) {
		if (!(grown = xml_alloc(x, max * sizeof *grown)))
			return xml_no_memory(x);
		if (x->n_marks)
			memcpy(grown, x->marks, x->n_marks * sizeof *grown);
		x->marks = grown;
		x->max_marks = max;
	}
	x->marks[x->n_marks++] = (struct xml_mark){ .name = (uint32_t)x->at };
	return XML_AGAIN;
}

/* Behind a name or a value, where x->mark is. */
enum xml_result xml_scan_tag(struct xml *x)
{
	enum xml_result r;

	while (x->at < x->end && xml_is_space(xml_byte(x, x->at)))
		x->at++;
	if (x->at == x->end)
		return XML_MORE;
	uint8_t c = xml_byte(x, x->at);

	if (c == '>')
		return tag_end(x, false);
	if (c == '/') {
		if (x->end - x->at < 2)
			return XML_MORE;
		c = xml_byte(x, x->at + 1);
		return c == '>' ? tag_end(x, true) : xml_bad_byte(x, x->at + 1);
	}
	if (x->at == x->mark || !(xml_name_class[c] & (NAME_START | NAME_WIDE)))
		return xml_bad_byte(x, x->at);
	if (x->at - x->mark != 1 || x->bytes[x->mark] != ' ')
		x->canonical = false;
	if ((r = mark_add(x)) != XML_AGAIN)
		return r;
	x->mark = x->at;
	x->colon = 0;
	x->state = S_ATTR;
	return XML_AGAIN;
}

/* Before '=' or before the quote. */
enum xml_result xml_scan_equal(struct xml *x)
{
	for (;;) {
		while (x->at < x->end && xml_is_space(xml_byte(x, x->at)))
			x->at++;
		if (x->at == x->end)
			return XML_MORE;
		uint8_t c = xml_byte(x, x->at);

		if (x->at != x->mark)
			x->canonical = false;
		if (x->state == S_EQUAL ? c != '=' : c != '"' && c != '\'')
			return xml_bad_byte(x, x->at);
		x->mark = ++x->at;
		if (x->state == S_EQUAL) {
			x->state = S_QUOTE;
			continue;
		}
		if (c != '"')
			x->canonical = false;
		x->quote = c;
		x->marks[x->n_marks - 1].value = (uint32_t)x->at;
		x->state = S_VALUE;
		return XML_AGAIN;
	}
}

enum xml_result xml_scan_attribute(struct xml *x)
{
	struct xml_mark *m = &x->marks[x->n_marks - 1];
	enum xml_result r = scan_name(x);
	const char *name = x->bytes + x->mark;

	if (r != XML_AGAIN)
		return r;
	m->name_len = (uint32_t)(x->at - x->mark);
	m->colon = (uint32_t)x->colon;
	m->is_namespace = m->name_len >= 5 && memcmp(name, "xmlns", 5) == 0 &&
			  (m->name_len == 5 || name[5] == ':');
	if (m->is_namespace && ++x->n_namespaces > x->limits->namespaces)
		return xml_over(x, "limit.namespaces");
	if (x->n_marks - x->n_namespaces > x->limits->attributes)
		return xml_over(x, "limit.attributes");
	x->mark = x->at;
	x->state = S_EQUAL;
	return xml_scan_equal(x);
}

/* A byte of a value that is not plain. */
static enum xml_result scan_value_odd(struct xml *x, struct xml_mark *m, size_t *i, size_t end)
{
	char c = x->bytes[*i];
	enum xml_result r;
	int len;

	if (c == '<')
		return xml_not_well_formed(x);
	if (c == '&') {
		m->odd = true;
		if ((r = xml_scan_reference(x, *i, end, false, &len)) == XML_AGAIN)
			*i += (size_t)len;
		return r;
	}
	if (c == '>') {
		x->canonical = false;
		++*i;
		return XML_AGAIN;
	}
	if ((uint8_t)c < 0x20) {
		m->odd = true;
		x->canonical = false;
	}
	return xml_scan_odd(x, i, end);
}

enum xml_result xml_scan_value(struct xml *x)
{
	struct xml_mark *m = &x->marks[x->n_marks - 1];
	size_t i = x->at, most = m->value + x->limits->attribute_bytes + 1;
	size_t end = x->end < most ? x->end : most;

	while ((i = xml_skip_plain(x->bytes, i, end, x->quote)) < end) {
		enum xml_result r;

		if (xml_byte(x, i) == x->quote) {
			m->value_len = (uint32_t)(i - m->value);
			x->mark = x->at = i + 1;
			x->state = S_TAG;
			return XML_AGAIN;
		}
		if ((r = scan_value_odd(x, m, &i, end)) == XML_BAD)
			return r;
		if (r == XML_MORE)
			break;
	}
	x->at = i;
	return end == most ? xml_over(x, "limit.attribute-bytes") : XML_MORE;
}

/* Behind "</": the name must be that of the element open. */
enum xml_result xml_scan_end(struct xml *x)
{
	struct xml_place *p = x->open;
	struct span name = p ? (struct span){ x->bytes + p->name, p->name_len } : x->scope->name;
	size_t begin = x->tag + 2, have = x->end - begin;

	if (memcmp(x->bytes + begin, name.ptr, have < name.len ? have : name.len) != 0) {
		while (x->bytes[begin] == *name.ptr++)
			begin++;
		return xml_bad_byte(x, begin);
	}
	if (have <= name.len)
		return XML_MORE;
	if (x->at < begin + name.len)
		x->at = begin + name.len;
	while (x->at < x->end && xml_is_space(xml_byte(x, x->at)))
		x->at++;
	if (x->at == x->end)
		return XML_MORE;
	if (x->bytes[x->at] != '>')
		return xml_bad_byte(x, x->at);
	if (x->at != begin + name.len)
		x->canonical = false;
	x->at++;
	if (!p) {
		x->state = S_TOP;
		return XML_CLOSE;
	}
	if (!p->element.children) /* write.c makes an empty-element tag of it */
		x->canonical = false;
	x->open = p->up;
	x->bindings = p->bindings;
	x->default_ns = p->default_ns;
	return element_end(x);
}
