/* SPDX-License-Identifier: BSD-2-Clause */
/* In front of http.c: is this a head that every parser reads alike?
 * In: the bytes of a direction from the first of a message on. Out: where the head ends, its line
 * and fields, how its body is framed; or the reason why it is refused. What is tolerated elsewhere
 * (lines that end in LF alone or are folded, lengths given twice, a space before the colon) is what
 * requests are smuggled with, and no client of BOSH needs it. It keeps nothing and never looks
 * behind the empty line. */
#include "nfq-filter/http_head.h"

#include <stddef.h>
#include <strings.h>

enum { METHOD_MAX = 16, LENGTH_DIGITS = 15, NAME_MAX_BYTES = 256 };

bool http_is(struct span text, const char *word)
{
	size_t len = strlen(word);

	return text.len == len && strncasecmp(text.ptr, word, len) == 0;
}

const struct http_field *http_head_field(const struct http_head *h, const char *name)
{
	for (unsigned i = 0; i < h->n_fields; i++)
		if (http_is(h->fields[i].name, name))
			return &h->fields[i];
	return NULL;
}

/* ---- where it ends ---- */

static const char *refuse_byte(unsigned char c, unsigned char before)
{
	if (before == '\r' && c != '\n')
		return "http.line-end";
	if (c == '\n')
		return before == '\r' ? NULL : "http.line-end";
	if (c == 0)
		return "http.nul";
	return (c < 0x20 && c != '\t' && c != '\r') || c == 0x7f ? "http.control" : NULL;
}

size_t http_head_find(struct span bytes, size_t *scanned, const char **reason)
{
	size_t most = bytes.len < HTTP_HEAD_MAX ? bytes.len : HTTP_HEAD_MAX;

	*reason = NULL;
	for (size_t i = *scanned; i < most; i++) {
		unsigned char c = (unsigned char)bytes.ptr[i],
			      before = i > 0 ? (unsigned char)bytes.ptr[i - 1] : 0;

		if ((*reason = refuse_byte(c, before)))
			return 0;
		if (c != '\n')
			continue;
		if (i == 1) {
			*reason = "http.line";
			return 0;
		}
		if (i >= 3 && bytes.ptr[i - 2] == '\n') {
			*scanned = 0;
			return i + 1;
		}
	}
	*scanned = most;
	if (most == HTTP_HEAD_MAX)
		*reason = "http.head";
	return 0;
}

/* ---- words ---- */

/* RFC 9110 5.6.2 */
static bool is_token_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_token_char((unsigned char)s.ptr[i]))
			return false;
	return s.len > 0;
}

static struct span trim(struct span s)
{
	while (s.len > 0 && (*s.ptr == ' ' || *s.ptr == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Up to the mark, which is taken off, too; everything where there is none. */
static struct span cut(struct span *s, char mark)
{
	const char *at = s->len ? memchr(s->ptr, mark, s->len) : NULL;
	struct span head = { s->ptr, at ? (size_t)(at - s->ptr) : s->len };
	size_t gone = head.len + (at != NULL);

	s->ptr += gone;
	s->len -= gone;
	return head;
}

/* Is the word one of "a, b, c"? */
static bool list_has(struct span list, const char *word)
{
	while (list.len > 0)
		if (http_is(trim(cut(&list, ',')), word))
			return true;
	return false;
}

/* ---- the first line ---- */

static const char *version_parse(struct span s, struct http_head *h)
{
	if (s.len != 8 || memcmp(s.ptr, "HTTP/1.", 7) != 0 || (s.ptr[7] != '0' && s.ptr[7] != '1'))
		return "http.version";
	h->minor = (unsigned)(s.ptr[7] - '0');
	return NULL;
}

/* Of this server, as a path: no other host's (RFC 9112 3.2.2 is for proxies), no fragment, and
 * nothing that is not printed. */
static const char *target_check(const struct http_head *h)
{
	struct span t = h->target;

	if (http_is(h->method, "CONNECT"))
		return "http.method";
	if (t.len > HTTP_TARGET_MAX)
		return "http.head";
	if (span_is(t, "*"))
		return span_is(h->method, "OPTIONS") ? NULL : "http.target";
	if (t.len == 0 || *t.ptr != '/')
		return "http.target";
	for (size_t i = 0; i < t.len; i++)
		if ((unsigned char)t.ptr[i] <= ' ' || (unsigned char)t.ptr[i] >= 0x7f ||
			t.ptr[i] == '#')
			return "http.target";
	return NULL;
}

static const char *request_line(struct span line, struct http_head *h)
{
	const char *reason;

	h->method = cut(&line, ' ');
	h->target = cut(&line, ' ');
	if (h->method.len == 0 || h->method.len > METHOD_MAX)
		return "http.line";
	for (size_t i = 0; i < h->method.len; i++)
		if (h->method.ptr[i] < 'A' || h->method.ptr[i] > 'Z')
			return "http.line";
	if ((reason = version_parse(line, h)))
		return reason;
	return target_check(h);
}

static const char *status_line(struct span line, struct http_head *h)
{
	struct span version = cut(&line, ' '), status = cut(&line, ' ');
	const char *reason = version_parse(version, h);

	if (reason)
		return reason;
	if (status.len != 3)
		return "http.line";
	for (size_t i = 0; i < 3; i++) {
		if (status.ptr[i] < '0' || status.ptr[i] > '9')
			return "http.line";
		h->status = h->status * 10 + (unsigned)(status.ptr[i] - '0');
	}
	return h->status < 100 || h->status > 599 ? "http.line" : NULL;
}

/* ---- fields ---- */

static const char *field_parse(struct span line, struct http_field *out)
{
	struct span name;

	if (*line.ptr == ' ' || *line.ptr == '\t')
		return "http.fold";
	if (!memchr(line.ptr, ':', line.len))
		return "http.field";
	name = cut(&line, ':');
	if (name.len > 0 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
		return "http.colon";
	if (!is_token(name) || name.len > NAME_MAX_BYTES)
		return "http.field";
	*out = (struct http_field){ name, trim(line) };
	return NULL;
}

/* A number and nothing else: no sign, no list, no leading zero that somebody reads as octal. */
static const char *take_length(struct http_head *h, struct span value)
{
	if (h->framing != HTTP_NO_LENGTH || value.len == 0 || value.len > LENGTH_DIGITS ||
		(value.len > 1 && *value.ptr == '0'))
		return "http.length";
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return "http.length";
		h->length = h->length * 10 + (uint64_t)(value.ptr[i] - '0');
	}
	h->framing = HTTP_LENGTH;
	return NULL;
}

static const char *take_transfer(struct http_head *h, struct span value)
{
	if (h->framing == HTTP_LENGTH)
		return "http.length";
	if (h->framing != HTTP_NO_LENGTH || h->minor == 0 || !http_is(value, "chunked"))
		return "http.transfer";
	h->framing = HTTP_CHUNKED;
	return NULL;
}

/* What is named here is taken off by whoever stands between: that must not be what holds the
 * message together. */
static const char *take_connection(struct http_head *h, struct span value)
{
	static const char *const vital[] = { "content-length", "transfer-encoding", "host",
		"content-encoding", "content-type" };

	for (size_t i = 0; i < sizeof(vital) / sizeof(vital[0]); i++)
		if (list_has(value, vital[i]))
			return "http.connection";
	h->close = h->close || list_has(value, "close");
	return NULL;
}

static const char *take_upgrade(struct http_head *h, struct span value)
{
	h->upgrade = true;
	h->websocket = h->websocket || list_has(value, "websocket");
	return NULL;
}

static const char *take_encoding(struct http_head *h, struct span value)
{
	h->encoded = h->encoded || !http_is(value, "identity");
	return NULL;
}

static const char *take_expect(struct http_head *h, struct span value)
{
	return h->is_request && http_is(value, "100-continue") ? NULL : "http.expect";
}

/* Something names a length that some do not see. */
static const char *take_disguised(struct http_head *h, struct span value)
{
	(void)h;
	(void)value;
	return "http.field";
}

static const struct {
	const char *name;
	const char *(*take)(struct http_head *h, struct span value);
} takes[] = {
	{ "content-length", take_length },
	{ "transfer-encoding", take_transfer },
	{ "connection", take_connection },
	{ "upgrade", take_upgrade },
	{ "content-encoding", take_encoding },
	{ "expect", take_expect },
	{ "content_length", take_disguised },
	{ "transfer_encoding", take_disguised },
	{ "trailer", take_disguised },
};

static const char *field_take(struct http_head *h, const struct http_field *f)
{
	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++)
		if (http_is(f->name, takes[i].name))
			return takes[i].take(h, f->value);
	return NULL;
}

/* ---- what holds for the whole ---- */

static const char *host_check(const struct http_head *h)
{
	unsigned hosts = 0;

	for (unsigned i = 0; i < h->n_fields; i++) {
		struct span v = h->fields[i].value;

		if (!http_is(h->fields[i].name, "host"))
			continue;
		if (++hosts > 1)
			return "http.host";
		for (size_t k = 0; k < v.len; k++)
			if (strchr(" \t,/@?#\\<>\"'", v.ptr[k]))
				return "http.host";
	}
	return hosts == 0 && h->minor == 1 ? "http.host" : NULL;
}

/* Where some read a body and some do not, there must be none. */
static const char *body_check(const struct http_head *h)
{
	bool has = h->framing == HTTP_CHUNKED || h->length > 0;

	if (!has)
		return NULL;
	if (h->is_request)
		return span_is(h->method, "POST") || span_is(h->method, "PUT") ||
				       span_is(h->method, "PATCH")
			       ? NULL
			       : "http.body";
	return h->status < 200 || h->status == 204 ? "http.body" : NULL;
}

static const char *whole_check(struct http_head *h)
{
	const struct http_field *f = http_head_field(h, "connection");
	const char *reason = h->is_request ? host_check(h) : NULL;

	if (h->minor == 0 && !(f && list_has(f->value, "keep-alive")))
		h->close = true;
	return reason ? reason : body_check(h);
}

const char *http_head_parse(struct span bytes, bool is_request, struct http_head *out)
{
	const char *reason;

	memset(out, 0, offsetof(struct http_head, fields));
	out->n_fields = 0;
	out->framing = HTTP_NO_LENGTH;
	out->length = 0;
	out->close = out->upgrade = out->websocket = out->encoded = false;
	out->is_request = is_request;
	out->line = cut(&bytes, '\r');
	if ((reason = is_request ? request_line(out->line, out) : status_line(out->line, out)))
		return reason;
	for (;;) {
		struct span line;

		bytes.ptr++; /* the LF */
		bytes.len--;
		line = cut(&bytes, '\r');
		if (line.len == 0)
			return whole_check(out);
		if (out->n_fields == HTTP_FIELDS_MAX)
			return "http.head";
		if ((reason = field_parse(line, &out->fields[out->n_fields])))
			return reason;
		if ((reason = field_take(out, &out->fields[out->n_fields])))
			return reason;
		out->n_fields++;
	}
}
