/* SPDX-License-Identifier: BSD-2-Clause */
/* First to see a peer's bytes, once they are out of TLS: a machine over one event's bytes, a token
 * a step. Comes in: the unread bytes of a stream, more of them at each call. Goes out: a whole
 * event with its tree, or why the stream is bad. Where the bytes end in the middle of something
 * short (a reference, a character, "<![CDATA[") it is read again from its beginning when more have
 * come; everything long is gone on with, so that a peer who sends byte by byte costs no more. It
 * never looks at bytes behind the event it found: behind <starttls/> lies TLS. */
#include <stdlib.h>
#include <string.h>

#include "xmpp/xml_char.h"
#include "xmpp/xml_int.h"

void xml_init(struct xml *x, const struct xmpp_limits *limits)
{
	*x = (struct xml){ .limits = limits, .state = S_START };
}

void xml_fini(struct xml *x)
{
	free(x->scope);
	x->scope = NULL;
}

void xml_restart(struct xml *x)
{
	bool authenticated = x->authenticated, document = x->document;

	xml_fini(x);
	xml_init(x, x->limits);
	x->authenticated = authenticated;
	x->document = document;
}

enum xml_result xml_refuse(struct xml *x, enum stream_error error, const char *reason)
{
	x->error = error;
	x->reason = reason;
	return XML_BAD;
}

enum xml_result xml_not_well_formed(struct xml *x)
{
	return xml_refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.not-well-formed");
}

enum xml_result xml_over(struct xml *x, const char *reason)
{
	return xml_refuse(x, STREAM_ERROR_POLICY_VIOLATION, reason);
}

/* The byte at i may not stand where it stands; MORE if it takes more to say why. */
enum xml_result xml_bad_byte(struct xml *x, size_t i)
{
	uint8_t c = xml_byte(x, i);
	int n = c < 0x80 ? 1 : xml_char_length((const uint8_t *)x->bytes + i, x->end - i);

	if (c < 0x20 && !xml_is_space(c))
		return xml_refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.character");
	if (n < 0)
		return xml_refuse(x, STREAM_ERROR_NOT_WELL_FORMED, "xml.utf8");
	return n == 0 ? XML_MORE : xml_not_well_formed(x);
}

void *xml_alloc(struct xml *x, size_t len)
{
	return arena_alloc(x->arena, len);
}

enum xml_result xml_no_memory(struct xml *x)
{
	const struct arena *a = x->arena;

	/* The arena's ceiling, or the machine's? */
	return a->max && a->used >= a->max / 2 ? xml_over(x, "limit.memory") : XML_MEMORY;
}

/* ---- between elements ---- */

/* The first bytes of a stream that are not '<' or white space: tell the encodings apart for the
 * log. */
static enum xml_result bad_start(struct xml *x, uint8_t c)
{
	if (c == 0xff || c == 0xfe || c == 0)
		return xml_refuse(x, STREAM_ERROR_UNSUPPORTED_ENCODING, "xml.utf16");
	if (c == 0xef)
		return xml_refuse(x, STREAM_ERROR_UNSUPPORTED_ENCODING, "xml.bom");
	if (c < 0x20)
		return xml_bad_byte(x, x->at);
	return xml_refuse(x, STREAM_ERROR_BAD_FORMAT, "stream.no-xml");
}

static enum xml_result scan_outside(struct xml *x)
{
	while (x->at < x->end && xml_is_space(xml_byte(x, x->at)))
		x->at++; /* behind a declaration only */
	if (x->at == x->end)
		return XML_MORE;
	uint8_t c = xml_byte(x, x->at);

	if (c == '<')
		return xml_scan_markup(x);
	if (x->state == S_START)
		return bad_start(x, c);
	if (c < 0x20 || (c >= 0x80 && (c < 0xc2 || c > 0xf4)))
		return xml_bad_byte(x, x->at);
	return xml_refuse(x, STREAM_ERROR_BAD_FORMAT, "stream.text");
}

static enum xml_result step(struct xml *x)
{
	switch ((enum xml_state)x->state) {
	case S_START:
	case S_TOP:
		return scan_outside(x);
	case S_TEXT:
		return xml_scan_text(x);
	case S_CDATA:
		return xml_scan_cdata(x);
	case S_NAME:
		return xml_scan_name(x);
	case S_TAG:
		return xml_scan_tag(x);
	case S_ATTR:
		return xml_scan_attribute(x);
	case S_EQUAL:
	case S_QUOTE:
		return xml_scan_equal(x);
	case S_VALUE:
		return xml_scan_value(x);
	case S_END:
		return xml_scan_end(x);
	}
	return xml_not_well_formed(x);
}

/* ---- events ---- */

static void event_begin(struct xml *x)
{
	x->canonical = true;
	x->text_odd = false;
	x->marks = NULL;
	x->n_marks = x->max_marks = x->n_namespaces = 0;
	x->depth = x->elements = x->work = 0;
	x->open = NULL;
	x->root = NULL;
	x->bindings = x->scope ? x->scope->bindings : NULL;
	x->default_ns = x->scope ? x->scope->default_ns : "";
}

/* No ceiling is passed before it is seen, so where the bytes were cut does not change what is
 * found. */
static size_t event_most(const struct xml *x)
{
	if (!x->scope)
		return x->limits->header_bytes;
	return x->authenticated ? x->limits->stanza_bytes : x->limits->stanza_bytes_preauth;
}

void xml_window_set(struct xml *x)
{
	size_t most = event_most(x), tag = x->tag + x->limits->token_bytes + 2;

	x->end = x->given < most ? x->given : most;
	if (x->state >= S_NAME && x->end > tag)
		x->end = tag;
}

/* All up to x->end is read and nothing has ended. */
static enum xml_result window_passed(struct xml *x)
{
	if (x->state >= S_NAME && x->end == x->tag + x->limits->token_bytes + 2)
		return xml_over(x, "limit.token-bytes");
	if (x->given <= event_most(x))
		return XML_MORE;
	return xml_over(x, !x->scope          ? "limit.header-bytes"
			   : x->authenticated ? "limit.stanza-bytes"
					      : "limit.stanza-bytes-preauth");
}

/* White space is an event of its own; before a header it may be what followed the last element of
 * the stream before. */
static size_t space_count(const struct xml *x, const char *bytes, size_t len)
{
	size_t i = 0;

	if (x->at > 0 || x->state > S_TOP)
		return 0;
	while (i < len && xml_is_space((uint8_t)bytes[i]))
		i++;
	return i;
}

enum xml_result xml_parse(
	struct xml *x, const char *bytes, size_t len, struct arena *arena, size_t *end)
{
	enum xml_result r;

	if ((*end = space_count(x, bytes, len)) > 0)
		return XML_SPACE;
	if (len == 0)
		return XML_MORE;
	if (x->at == 0)
		event_begin(x);
	x->bytes = bytes;
	x->given = len;
	x->arena = arena;
	xml_window_set(x);
	do
		r = step(x);
	while (r == XML_AGAIN);
	if (r == XML_MORE)
		return window_passed(x);
	if (r == XML_HEADER)
		r = xml_scope_keep(
			x, (struct span){ bytes + x->tag + 1, x->name_end - (x->tag + 1) });
	*end = x->at;
	x->at = 0;
	return r;
}
