/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands between tags: the parser's steps in text and in CDATA, and the '<' that ends them.
 * Comes in: the event's bytes from where the step before has stopped. Goes out: a node of the tree
 * when a tag ends the run of text; whatever is no text moves the machine on (XML_AGAIN). Plain
 * bytes are passed over in sixteens; a run without references and the like is copied as it is. It
 * never decodes what it only passes over: that is done once, when the run is whole. */
#include <string.h>

#include "xmpp/xml_char.h"
#include "xmpp/xml_int.h"

/* What has been read since x->text becomes a node, if it says anything. */
static enum xml_result text_take(struct xml *x)
{
	size_t len = x->at - x->text;
	struct xml_element *parent = &x->open->element;
	struct xml_node *n;

	if (len == 0)
		return XML_AGAIN;
	if (!(n = xml_alloc(x, sizeof *n + len + 1)))
		return xml_no_memory(x);
	char *copy = (char *)(n + 1);

	if (x->text_odd)
		len = xml_text_decode(copy, x->bytes + x->text, len);
	else
		memcpy(copy, x->bytes + x->text, len);
	copy[len] = '\0';
	*n = (struct xml_node){ .text = copy, .len = len };
	x->text_odd = false;
	if (len == 0)
		return XML_AGAIN;
	if (parent->last)
		parent->last->next = n;
	else
		parent->children = n;
	parent->last = n;
	return XML_AGAIN;
}

/* The reference at x->at, in text or in a value. */
enum xml_result xml_scan_reference(struct xml *x, size_t i, size_t end, bool in_text, int *len)
{
	struct xml_reference r;

	*len = xml_reference_read(x->bytes + i, end - i, &r);
	if (*len == REFERENCE_MORE)
		return XML_MORE;
	if (*len < 0)
		return xml_refuse(x,
			*len == REFERENCE_BAD ? STREAM_ERROR_NOT_WELL_FORMED
					      : STREAM_ERROR_RESTRICTED_XML,
			"xml.entity");
	if (!(in_text ? r.plain_text : r.plain_value))
		x->canonical = false;
	return XML_AGAIN;
}

/* A byte of text or of a value that is neither plain nor markup: *i goes behind it, or behind the
 * run of characters above U+007F that it begins. */
enum xml_result xml_scan_odd(struct xml *x, size_t *i, size_t end)
{
	uint8_t c = xml_byte(x, *i);

	if (c < 0x80) {
		if (!xml_is_space(c))
			return xml_bad_byte(x, *i);
		++*i;
		return XML_AGAIN;
	}
	while (*i < end && xml_byte(x, *i) >= 0x80) {
		int n = xml_char_length((const uint8_t *)x->bytes + *i, end - *i);

		if (n == 0)
			return XML_MORE;
		if (n < 0)
			return xml_refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.utf8");
		*i += (size_t)n;
	}
	return XML_AGAIN;
}

/* "<!" is at x->at: only CDATA may follow, and only inside an element. */
static enum xml_result scan_bang(struct xml *x)
{
	static const char cdata[] = "<![CDATA[";
	size_t have = x->end - x->at, n = sizeof cdata - 1;
	const char *at = x->bytes + x->at;

	if (have < 3)
		return XML_MORE;
	if (x->open && memcmp(at, cdata, have < n ? have : n) == 0) {
		if (have < n)
			return XML_MORE;
		x->canonical = false;
		x->text_odd = true;
		x->at += n;
		x->state = S_CDATA;
		return XML_AGAIN;
	}
	return xml_refuse(x, STREAM_ERROR_RESTRICTED_XML,
		at[2] == '-'   ? "xml.comment"
		: at[2] == 'D' ? "xml.doctype"
			       : "xml.restricted");
}

/* '<' is at x->at. */
enum xml_result xml_scan_markup(struct xml *x)
{
	enum xml_result r;

	if (x->end - x->at < 2)
		return XML_MORE;
	uint8_t c = xml_byte(x, x->at + 1);

	if (c == '!')
		return scan_bang(x);
	if (c == '?') {
		if (!x->scope && x->at == 0)
			return xml_scan_declaration(x);
		return xml_refuse(x, STREAM_ERROR_RESTRICTED_XML, "xml.pi");
	}
	if (c == '/' ? !x->scope : !(xml_name_class[c] & (NAME_START | NAME_WIDE)))
		return xml_bad_byte(x, x->at + 1);
	if (x->open && (r = text_take(x)) != XML_AGAIN)
		return r;
	x->tag = x->at;
	x->state = c == '/' ? S_END : S_NAME;
	xml_window_set(x);
	if (c == '/') {
		x->at += 2;
		return XML_AGAIN;
	}
	x->mark = ++x->at;
	x->colon = 0;
	x->n_marks = x->n_namespaces = 0;
	return XML_AGAIN;
}

enum xml_result xml_scan_text(struct xml *x)
{
	const char *bytes = x->bytes;
	size_t i = x->at, end = x->end;
	enum xml_result r = XML_MORE;
	int len;

	while (r != XML_BAD && (i = xml_skip_plain(bytes, i, end, '<')) < end) {
		char c = bytes[i];

		if (c == '<') {
			x->at = i;
			return xml_scan_markup(x);
		}
		r = XML_AGAIN;
		if (c == '&') {
			x->text_odd = true;
			if ((r = xml_scan_reference(x, i, end, true, &len)) == XML_AGAIN)
				i += (size_t)len;
		} else if (c == '>') {
			/* What opened the run ends in no bracket. */
			if (bytes[i - 1] == ']' && bytes[i - 2] == ']')
				return xml_not_well_formed(x);
			x->canonical = false;
			i++;
		} else {
			if (c == '\r') {
				x->text_odd = true;
				x->canonical = false;
			}
			r = xml_scan_odd(x, &i, end);
		}
		if (r == XML_MORE)
			break;
	}
	x->at = i;
	return r == XML_BAD ? r : XML_MORE;
}

enum xml_result xml_scan_cdata(struct xml *x)
{
	const char *bytes = x->bytes;
	size_t i = x->at, end = x->end;

	for (;;) {
		i = xml_skip_plain(bytes, i, end, ']');
		if (i == end)
			break;
		char c = bytes[i];
		if (c == ']') {
			if (end - i < 3 && memcmp(bytes + i, "]]>", end - i) == 0)
				break;
			if (end - i >= 3 && memcmp(bytes + i, "]]>", 3) == 0) {
				x->at = i + 3;
				x->state = S_TEXT;
				return XML_AGAIN;
			}
			i++;
		} else if (c == '<' || c == '>' || c == '&') {
			i++;
		} else {
			enum xml_result r = xml_scan_odd(x, &i, end);

			if (r != XML_AGAIN) {
				x->at = i;
				return r;
			}
		}
	}
	x->at = i;
	return XML_MORE;
}
