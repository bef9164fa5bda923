/* SPDX-License-Identifier: BSD-2-Clause */
/* First to see a peer's bytes, once they are out of TLS: a byte machine over one event's bytes.
 * Comes in: the unread bytes of a stream. Goes out: where the next event ends, or why the stream is
 * bad. Whatever it lets pass is well-formed as far as tokens go, so expat behind it only ever sees
 * whole elements, and never a declaration of an entity, a comment or a processing instruction.
 * Never looks at bytes behind the event it found: behind <starttls/> lies TLS. */
#include <string.h>

#include "xmpp/frame.h"

enum state {
	S_START,      /* nothing of the stream yet: '<' or white space */
	S_TEXT,       /* character data inside an element */
	S_TOP,        /* between first-level elements */
	S_LT,         /* behind '<' */
	S_BANG,       /* behind "<!" : CDATA or something refused */
	S_CDATA,      /* inside <![CDATA[ */
	S_NAME,       /* in a tag's name */
	S_TAG,        /* in a tag, between attributes */
	S_ATTR,       /* in an attribute's name */
	S_ATTR_EQ,    /* behind it, before '=' */
	S_ATTR_QUOTE, /* behind '=', before the quote */
	S_VALUE,      /* in an attribute value */
	S_VALUE_END,  /* right behind the closing quote */
	S_SLASH,      /* behind '/' of an empty element */
	S_END_SPACE,  /* white space in an end tag */
	S_REF,        /* behind '&' in text */
	S_REF_VALUE,  /* behind '&' in a value */
	S_DECL,       /* inside <?xml ... ?> */
};

static enum frame_result bad(struct frame *f, enum stream_error error, const char *reason)
{
	f->error = error;
	f->reason = reason;
	return FRAME_BAD;
}

void frame_init(struct frame *f, const struct xmpp_limits *limits)
{
	*f = (struct frame){ .limits = limits, .state = S_START };
}

void frame_restart(struct frame *f)
{
	bool authenticated = f->authenticated;

	frame_init(f, f->limits);
	f->authenticated = authenticated;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_start(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
	       c >= 0x80;
}

static bool is_name(uint8_t c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

/* Strict UTF-8 of XML characters, a byte at a time. */
static bool utf8_step(struct frame *f, uint8_t c)
{
	if (f->more == 0) {
		if (c < 0x80)
			return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
		if (c < 0xc2 || c > 0xf4)
			return false;
		f->cp_len = f->more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
		f->cp = c & (0x3fu >> f->more);
		return true;
	}
	if ((c & 0xc0) != 0x80)
		return false;
	f->cp = f->cp << 6 | (c & 0x3f);
	if (--f->more > 0)
		return true;
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	return f->cp >= least[f->cp_len] && f->cp <= 0x10ffff &&
	       !(f->cp >= 0xd800 && f->cp <= 0xdfff) && f->cp != 0xfffe && f->cp != 0xffff;
}

/* The first bytes of a stream that are not '<' or white space: tell the encodings apart for the
 * log. */
static enum frame_result bad_start(struct frame *f, uint8_t c)
{
	if (c == 0xff || c == 0xfe || c == 0)
		return bad(f, STREAM_ERROR_UNSUPPORTED_ENCODING, "xml.utf16");
	if (c == 0xef)
		return bad(f, STREAM_ERROR_UNSUPPORTED_ENCODING, "xml.bom");
	return bad(f, STREAM_ERROR_BAD_FORMAT, "stream.no-xml");
}

/* found is what has ended here, or MORE. */
static enum frame_result check_sizes(struct frame *f, enum frame_result found, size_t length)
{
	const struct xmpp_limits *l = f->limits;

	if (!f->header_seen || found == FRAME_HEADER)
		return length > l->header_bytes
			       ? bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.header-bytes")
			       : FRAME_MORE;
	if (length > (f->authenticated ? l->stanza_bytes : l->stanza_bytes_preauth))
		return bad(f, STREAM_ERROR_POLICY_VIOLATION,
			f->authenticated ? "limit.stanza-bytes" : "limit.stanza-bytes-preauth");
	return FRAME_MORE;
}

/* Is "name='value'" or name="value" at text, with value among those allowed? Moves *at behind it.
 */
static bool declaration_item(
	const char *text, size_t len, size_t *at, const char *name, struct span *value)
{
	size_t i = *at, n = strlen(name);

	while (i < len && is_space((uint8_t)text[i]))
		i++;
	if (i == *at || len - i < n || memcmp(text + i, name, n) != 0)
		return false;
	i += n;
	while (i < len && is_space((uint8_t)text[i]))
		i++;
	if (i >= len || text[i++] != '=')
		return false;
	while (i < len && is_space((uint8_t)text[i]))
		i++;
	if (i >= len || (text[i] != '\'' && text[i] != '"'))
		return false;
	const char *end = memchr(text + i + 1, text[i], len - i - 1);
	if (!end)
		return false;
	*value = (struct span){ text + i + 1, (size_t)(end - text) - i - 1 };
	*at = (size_t)(end - text) + 1;
	return true;
}

/* text is what stands between "<?xml" and "?>". RFC 6120 11.5, 11.6: version 1.0, UTF-8. */
static enum frame_result check_declaration(struct frame *f, const char *text, size_t len)
{
	struct span value;
	size_t at = 0;

	if (!declaration_item(text, len, &at, "version", &value))
		return bad(f, STREAM_ERROR_NOT_WELL_FORMED, "xml.declaration");
	if (!span_is(value, "1.0"))
		return bad(f, STREAM_ERROR_UNSUPPORTED_VERSION, "xml.version");
	if (declaration_item(text, len, &at, "encoding", &value) &&
		!(value.len == 5 && strncasecmp(value.ptr, "UTF-8", 5) == 0))
		return bad(f, STREAM_ERROR_UNSUPPORTED_ENCODING, "xml.encoding");
	if (declaration_item(text, len, &at, "standalone", &value) && !span_is(value, "yes"))
		return bad(f, STREAM_ERROR_NOT_WELL_FORMED, "xml.standalone");
	while (at < len && is_space((uint8_t)text[at]))
		at++;
	return at == len ? FRAME_MORE : bad(f, STREAM_ERROR_NOT_WELL_FORMED, "xml.declaration");
}

/* name is what stands between '&' and ';'. Only the five of XML 1.0 4.6 and characters by number.
 */
static bool reference_known(const char *name, size_t len)
{
	static const char *const known[] = { "lt", "gt", "amp", "quot", "apos" };
	uint32_t cp = 0;
	size_t i = 1;

	for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
		if (strlen(known[k]) == len && memcmp(known[k], name, len) == 0)
			return true;
	if (len < 2 || name[0] != '#')
		return false;
	bool hex = name[1] == 'x';
	if (hex && ++i == len)
		return false;
	for (; i < len; i++) {
		uint8_t c = (uint8_t)name[i];
		uint32_t digit = c >= '0' && c <= '9'          ? (uint32_t)(c - '0')
				 : hex && c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
				 : hex && c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
							       : 99;

		if (digit == 99 || (cp = cp * (hex ? 16 : 10) + digit) > 0x10ffff)
			return false;
	}
	return (cp >= 0x20 && cp != 0xfffe && cp != 0xffff && !(cp >= 0xd800 && cp <= 0xdfff)) ||
	       cp == 9 || cp == 10 || cp == 13;
}

enum { REFERENCE_MAX = 16, DECLARATION_MAX = 128 };

static enum frame_result on_reference(struct frame *f, const char *bytes, size_t i)
{
	uint8_t c = (uint8_t)bytes[i];

	if (c == ';') {
		if (!reference_known(bytes + f->mark, i - f->mark))
			return bad(f,
				bytes[f->mark] == '#' ? STREAM_ERROR_NOT_WELL_FORMED
						      : STREAM_ERROR_RESTRICTED_XML,
				"xml.entity");
		f->state = f->state == S_REF ? S_TEXT : S_VALUE;
		return FRAME_MORE;
	}
	if ((!is_name(c) && c != '#') || i - f->mark >= REFERENCE_MAX)
		return bad(f, STREAM_ERROR_RESTRICTED_XML, "xml.entity");
	return FRAME_MORE;
}

/* A start tag is complete: the header's or an element's. */
static enum frame_result tag_opened(struct frame *f, bool empty)
{
	if (!f->header_seen) {
		if (empty)
			return bad(f, STREAM_ERROR_BAD_FORMAT, "stream.empty-header");
		f->header_seen = true;
		f->state = S_TOP;
		return FRAME_HEADER;
	}
	if (++f->elements > (f->authenticated ? f->limits->elements : f->limits->elements_preauth))
		return bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.elements");
	if (f->depth + 1 > f->limits->depth)
		return bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.depth");
	if (!empty)
		f->depth++;
	if (f->depth > 0) {
		f->state = S_TEXT;
		f->brackets = 0;
		return FRAME_MORE;
	}
	f->state = S_TOP;
	return FRAME_ELEMENT;
}

static enum frame_result tag_closed(struct frame *f)
{
	if (f->depth == 0) {
		f->state = S_TOP;
		return FRAME_CLOSE;
	}
	f->brackets = 0;
	if (--f->depth > 0) {
		f->state = S_TEXT;
		return FRAME_MORE;
	}
	f->state = S_TOP;
	return FRAME_ELEMENT;
}

static enum frame_result tag_end(struct frame *f, bool empty)
{
	return f->closing ? tag_closed(f) : tag_opened(f, empty);
}

static enum frame_result not_well_formed(struct frame *f)
{
	return bad(f, STREAM_ERROR_NOT_WELL_FORMED, "xml.not-well-formed");
}

/* Behind '<'. */
static enum frame_result on_lt(struct frame *f, uint8_t c, size_t i)
{
	if (c == '?') {
		if (!f->header_seen && f->tag == 0) {
			f->state = S_DECL;
			f->mark = i + 1;
			return FRAME_MORE;
		}
		return bad(f, STREAM_ERROR_RESTRICTED_XML, "xml.pi");
	}
	if (c == '!') {
		f->state = S_BANG;
		f->mark = i + 1;
		return FRAME_MORE;
	}
	f->closing = c == '/';
	if (f->closing && !f->header_seen)
		return not_well_formed(f);
	f->attributes = f->namespaces = 0;
	f->mark = f->closing ? i + 1 : i;
	f->state = S_NAME;
	return f->closing || is_name_start(c) ? FRAME_MORE : not_well_formed(f);
}

/* Behind "<!": only CDATA may follow, and only inside an element. */
static enum frame_result on_bang(struct frame *f, const char *bytes, size_t i)
{
	static const char cdata[] = "[CDATA[";
	size_t n = i - f->mark;

	if (n < sizeof cdata - 1 && bytes[i] == cdata[n] && f->depth > 0) {
		if (n == sizeof cdata - 2) {
			f->state = S_CDATA;
			f->brackets = 0;
		}
		return FRAME_MORE;
	}
	if (bytes[f->mark] == '-')
		return bad(f, STREAM_ERROR_RESTRICTED_XML, "xml.comment");
	return bad(f, STREAM_ERROR_RESTRICTED_XML,
		bytes[f->mark] == 'D' ? "xml.doctype" : "xml.restricted");
}

/* In a tag outside names and values: what ends it. */
static enum frame_result on_tag(struct frame *f, uint8_t c, size_t i)
{
	if (is_space(c)) {
		f->state = f->closing ? S_END_SPACE : S_TAG;
		return FRAME_MORE;
	}
	if (c == '>')
		return tag_end(f, false);
	if (c == '/' && !f->closing) {
		f->state = S_SLASH;
		return FRAME_MORE;
	}
	if (f->closing || f->state != S_TAG || !is_name_start(c))
		return not_well_formed(f);
	if (++f->attributes > f->limits->attributes + f->limits->namespaces)
		return bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.attributes");
	f->mark = i;
	f->state = S_ATTR;
	return FRAME_MORE;
}

static enum frame_result on_attr_end(struct frame *f, const char *bytes, size_t i)
{
	size_t len = i - f->mark;
	bool is_ns = len >= 5 && memcmp(bytes + f->mark, "xmlns", 5) == 0 &&
		     (len == 5 || bytes[f->mark + 5] == ':');

	if (is_ns && ++f->namespaces > f->limits->namespaces)
		return bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.namespaces");
	if (f->attributes - f->namespaces > f->limits->attributes)
		return bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.attributes");
	f->state = bytes[i] == '=' ? S_ATTR_QUOTE : S_ATTR_EQ;
	return FRAME_MORE;
}

/* A second header never ends as an element does: it is known by its name, whatever its prefix. */
static bool is_nested_header(const struct frame *f, const char *name, size_t len)
{
	static const char local[] = "stream";
	size_t n = sizeof local - 1;

	if (!f->header_seen || f->depth > 0 || f->closing || len < n)
		return false;
	return memcmp(name + len - n, local, n) == 0 && (len == n || name[len - n - 1] == ':');
}

static enum frame_result on_name(struct frame *f, const char *bytes, size_t i)
{
	uint8_t c = (uint8_t)bytes[i];

	if (is_name(c))
		return i - f->mark < f->limits->names_bytes
			       ? FRAME_MORE
			       : bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.names-bytes");
	if (i == f->mark)
		return not_well_formed(f);
	if (f->state == S_NAME)
		return is_nested_header(f, bytes + f->mark, i - f->mark)
			       ? bad(f, STREAM_ERROR_BAD_FORMAT, "stream.nested")
			       : on_tag(f, c, i);
	return c == '=' || is_space(c) ? on_attr_end(f, bytes, i) : not_well_formed(f);
}

static enum frame_result on_value(struct frame *f, uint8_t c, size_t i)
{
	if (c == f->quote)
		f->state = S_VALUE_END;
	else if (c == '<')
		return not_well_formed(f);
	else if (c == '&') {
		f->state = S_REF_VALUE;
		f->mark = i + 1;
	}
	return i - f->value <= f->limits->attribute_bytes
		       ? FRAME_MORE
		       : bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.attribute-bytes");
}

static enum frame_result on_text(struct frame *f, uint8_t c, size_t i)
{
	if (c == ']') {
		f->brackets = f->brackets < 2 ? f->brackets + 1 : 2;
		return FRAME_MORE;
	}
	if (c == '>' && f->brackets == 2)
		return not_well_formed(f);
	f->brackets = 0;
	if (c == '<') {
		f->state = S_LT;
		f->tag = i;
	} else if (c == '&') {
		f->state = S_REF;
		f->mark = i + 1;
	}
	return FRAME_MORE;
}

static enum frame_result on_cdata(struct frame *f, uint8_t c)
{
	if (c == '>' && f->brackets == 2) {
		f->state = S_TEXT;
		f->brackets = 0;
	} else {
		f->brackets = c != ']' ? 0 : f->brackets < 2 ? f->brackets + 1 : 2;
	}
	return FRAME_MORE;
}

/* Before the header and between elements. */
static enum frame_result on_outside(struct frame *f, uint8_t c, size_t i)
{
	if (c == '<') {
		f->state = S_LT;
		f->tag = i;
		f->elements = 0;
		return FRAME_MORE;
	}
	if (is_space(c))
		return FRAME_MORE;
	return f->state == S_START ? bad_start(f, c)
				   : bad(f, STREAM_ERROR_BAD_FORMAT, "stream.text");
}

static enum frame_result on_declaration(struct frame *f, const char *bytes, size_t i)
{
	if (i < f->mark + 3)
		return bytes[i] == "xml"[i - f->mark]
			       ? FRAME_MORE
			       : bad(f, STREAM_ERROR_RESTRICTED_XML, "xml.pi");
	if (i == f->mark + 3 && !is_space((uint8_t)bytes[i]))
		return bad(f, STREAM_ERROR_RESTRICTED_XML, "xml.pi");
	if (bytes[i] == '>' && bytes[i - 1] == '?') {
		f->state = S_START;
		return check_declaration(f, bytes + f->mark + 3, i - 1 - f->mark - 3);
	}
	return i - f->mark < DECLARATION_MAX
		       ? FRAME_MORE
		       : bad(f, STREAM_ERROR_NOT_WELL_FORMED, "xml.declaration");
}

static enum frame_result step(struct frame *f, const char *bytes, size_t i)
{
	uint8_t c = (uint8_t)bytes[i];

	switch ((enum state)f->state) {
	case S_START:
	case S_TOP:
		return on_outside(f, c, i);
	case S_TEXT:
		return on_text(f, c, i);
	case S_VALUE:
		return on_value(f, c, i);
	case S_CDATA:
		return on_cdata(f, c);
	case S_LT:
		return on_lt(f, c, i);
	case S_BANG:
		return on_bang(f, bytes, i);
	case S_DECL:
		return on_declaration(f, bytes, i);
	case S_NAME:
	case S_ATTR:
		return on_name(f, bytes, i);
	case S_TAG:
	case S_VALUE_END:
	case S_END_SPACE:
		return on_tag(f, c, i);
	case S_SLASH:
		return c == '>' ? tag_end(f, true) : not_well_formed(f);
	case S_ATTR_EQ:
		f->state = c == '=' ? S_ATTR_QUOTE : S_ATTR_EQ;
		return c == '=' || is_space(c) ? FRAME_MORE : not_well_formed(f);
	case S_ATTR_QUOTE:
		if (is_space(c))
			return FRAME_MORE;
		f->quote = c;
		f->value = i + 1;
		f->state = S_VALUE;
		return c == '"' || c == '\'' ? FRAME_MORE : not_well_formed(f);
	case S_REF:
	case S_REF_VALUE:
		return on_reference(f, bytes, i);
	}
	return not_well_formed(f);
}

/* Plain ASCII that changes nothing in text or a value: most of all bytes. */
static size_t skip_plain(const struct frame *f, const char *bytes, size_t i, size_t len)
{
	while (i < len) {
		uint8_t c = (uint8_t)bytes[i];

		if (c < 0x20 || c >= 0x7f || c == '<' || c == '&' || c == ']' || c == '>' ||
			c == f->quote)
			break;
		i++;
	}
	return i;
}

static enum frame_result end_event(
	struct frame *f, enum frame_result result, size_t length, size_t *end)
{
	*end = length;
	f->scanned = 0;
	f->tag = f->mark = f->value = 0;
	return result;
}

enum frame_result frame_scan(struct frame *f, const char *bytes, size_t len, size_t *end)
{
	enum frame_result r = FRAME_MORE;
	size_t i = f->scanned;

	/* White space is an event of its own; before a header it may be what followed the last
	 * element of the stream before. */
	if ((f->state == S_TOP || (f->state == S_START && !f->header_seen)) && i == 0) {
		while (i < len && is_space((uint8_t)bytes[i]))
			i++;
		if (i > 0)
			return end_event(f, FRAME_SPACE, i, end);
	}
	for (; i < len; i++) {
		if (f->more == 0 && (f->state == S_TEXT || f->state == S_VALUE) &&
			f->brackets == 0) {
			uint8_t quote = f->quote;

			if (f->state == S_TEXT)
				f->quote = '<'; /* quotes are plain in text */
			i = skip_plain(f, bytes, i, len);
			f->quote = quote;
			if (i == len)
				break;
		}
		bool lead = f->more == 0;
		if (f->state == S_START && i == f->scanned && i == 0 && (uint8_t)bytes[0] >= 0x80)
			return bad_start(f, (uint8_t)bytes[0]);
		if (!utf8_step(f, (uint8_t)bytes[i]))
			return f->state == S_START && bytes[i] == 0
				       ? bad_start(f, 0)
				       : bad(f, STREAM_ERROR_NOT_WELL_FORMED,
						 (uint8_t)bytes[i] < 0x20 && lead ? "xml.character"
										  : "xml.utf8");
		if ((r = step(f, bytes, i)) == FRAME_BAD)
			return r;
		if (r != FRAME_MORE) {
			return check_sizes(f, r, i + 1) == FRAME_BAD ? FRAME_BAD
								     : end_event(f, r, i + 1, end);
		}
		if (f->state >= S_NAME && f->state <= S_REF_VALUE && f->state != S_REF &&
			i - f->tag > f->limits->token_bytes)
			return bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.token-bytes");
	}
	if (f->state == S_VALUE && i - f->value > f->limits->attribute_bytes)
		return bad(f, STREAM_ERROR_POLICY_VIOLATION, "limit.attribute-bytes");
	f->scanned = i;
	return check_sizes(f, FRAME_MORE, i);
}
