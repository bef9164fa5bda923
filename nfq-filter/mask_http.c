/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind mask_stream.c: HTTP/1 as BOSH uses it, one direction of a connection.
 * In: bytes in order, in pieces of any size. Out: the same bytes; of the start line method, path
 * and status stay, of the fields their names, and the values of those that say how to read on; a
 * body that begins like XML is masked by mask_xml.c, any other whole. It does not see the other
 * direction, so what it takes for a body may be none and is masked then. It gives up where a line
 * cannot be, and never guesses where a message begins. */
#include "nfq-filter/mask_http.h"

#include <string.h>

enum state {
	START, /* of a message: empty lines may come before it */
	LINE,  /* what is kept of it */
	QUERY,
	NAME,
	VALUE,
	END_LINE, /* '\r' of the empty line was there */
	BODY,
	CHUNK_SIZE,
	CHUNK_END,
	TRAILER,
};

enum body { BODY_UNKNOWN, BODY_XML, BODY_OTHER };

enum { LINE_MAX_BYTES = 8192, CHUNK_DIGITS = 8 };

void mask_http_init(struct mask_http *h)
{
	*h = (struct mask_http){ .state = START };
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static char small(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static void add(char *text, size_t max, size_t *len, char c)
{
	if (*len < max)
		text[*len] = small(c);
	*len += *len <= max;
}

static bool is_word(const char *have, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(have, word, len) == 0;
}

/* ---- fields ---- */

static bool value_stays(const struct mask_http *h, bool names)
{
	static const char *const kept[] = { "content-length", "content-type", "transfer-encoding",
		"content-encoding", "connection", "upgrade", "expect", "keep-alive",
		"accept-encoding", NULL };

	for (const char *const *k = kept; *k; k++)
		if (is_word(h->name, h->name_len, *k))
			return true;
	return !names && is_word(h->name, h->name_len, "host");
}

static bool length_digits(struct mask_http *h)
{
	h->left = 0;
	if (h->word_len == 0 || h->word_len > 18)
		return false;
	for (size_t i = 0; i < h->word_len; i++) {
		if (h->word[i] < '0' || h->word[i] > '9')
			return false;
		h->left = h->left * 10 + (uint64_t)(h->word[i] - '0');
	}
	return true;
}

/* A value is over. False: nobody can say where the body ends. */
static bool field_end(struct mask_http *h)
{
	if (is_word(h->name, h->name_len, "content-length")) {
		if (h->sized || h->chunked || !length_digits(h))
			return false;
		h->sized = true;
	}
	if (is_word(h->name, h->name_len, "transfer-encoding")) {
		if (h->sized || !is_word(h->word, h->word_len, "chunked"))
			return false;
		h->chunked = true;
	}
	if (is_word(h->name, h->name_len, "content-encoding"))
		h->encoded = !is_word(h->word, h->word_len, "identity");
	return true;
}

/* ---- messages ---- */

static void message_begin(struct mask_http *h)
{
	bool bosh = h->bosh;

	mask_http_init(h);
	h->bosh = bosh;
}

static void body_begin(struct mask_http *h)
{
	h->body = h->encoded ? BODY_OTHER : BODY_UNKNOWN;
	mask_xml_init(&h->xml, 0);
}

static void head_end(struct mask_http *h)
{
	bool none = h->answer && (h->status / 100 == 1 || h->status == 204 || h->status == 304);

	body_begin(h);
	if (h->chunked && !none)
		h->state = CHUNK_SIZE;
	else if (none || (h->sized ? h->left == 0 : !h->answer))
		message_begin(h);
	else {
		h->left = h->sized ? h->left : UINT64_MAX; /* to the end of the connection */
		h->state = BODY;
	}
	h->matched = 0;
	h->word_len = 0;
}

static bool take_start(struct mask_http *h, char c)
{
	if (c == '\r' || c == '\n')
		return true;
	message_begin(h);
	h->state = LINE;
	h->answer = c == 'H';
	h->matched = 1;
	return is_token(c);
}

/* "POST /path?query HTTP/1.1", "HTTP/1.1 200 OK"; name_len counts the blanks, word is the last one.
 */
static bool take_line(struct mask_http *h, char *c)
{
	if (++h->matched > LINE_MAX_BYTES)
		return false;
	if (*c == '\n') {
		h->state = NAME;
		h->name_len = 0;
		return true;
	}
	if (*c == ' ') {
		h->name_len++;
		h->state = LINE;
		return true;
	}
	/* "HEAD " begins like "HTTP". */
	if (h->answer && h->name_len == 0 && h->matched == 2)
		h->answer = *c == 'T';
	if (h->answer && h->name_len == 1 && *c >= '0' && *c <= '9')
		h->status = h->status < 1000 ? h->status * 10 + (unsigned)(*c - '0') : 1000;
	if (*c == '?')
		h->state = QUERY;
	else if (h->state == QUERY && *c != '\r')
		*c = 'x';
	else if (!is_token(*c) && *c != '/' && *c != '\r')
		*c = 'x';
	return true;
}

static bool take_name(struct mask_http *h, bool names, char c)
{
	if (h->name_len == 0 && c == '\r') {
		h->state = END_LINE;
		return true;
	}
	if (h->name_len == 0 && c == '\n') {
		head_end(h);
		return true;
	}
	if (c == ':' && h->name_len > 0) {
		h->state = VALUE;
		h->keep = value_stays(h, names);
		h->word_len = 0;
		h->matched = 0;
		return true;
	}
	add(h->name, sizeof(h->name), &h->name_len, c);
	return is_token(c);
}

static bool take_value(struct mask_http *h, char *c)
{
	if (++h->matched > LINE_MAX_BYTES)
		return false;
	if (*c == '\n') {
		h->state = NAME;
		if (!field_end(h))
			return false;
		h->name_len = 0;
	} else if (*c == ',') {
		h->word_len = sizeof(h->word); /* a list: none of those that are known */
	} else if (*c != ' ' && *c != '\t' && *c != '\r') {
		add(h->word, sizeof(h->word), &h->word_len, *c);
		if (!h->keep || (unsigned char)*c < 0x20)
			*c = 'x';
	}
	return true;
}

static bool take_chunk_size(struct mask_http *h, char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit = c ? strchr(digits, small(c)) : NULL;

	if (digit && h->matched < CHUNK_DIGITS) {
		h->left = (h->matched++ ? h->left * 16 : 0) + (uint64_t)(digit - digits);
		return true;
	}
	if (c == '\r' && h->matched > 0)
		return true;
	if (c != '\n' || h->matched == 0)
		return false;
	h->state = h->left > 0 ? BODY : TRAILER;
	h->matched = 0;
	return true;
}

static bool take_byte(struct mask_http *h, bool names, char *c)
{
	switch ((enum state)h->state) {
	case START:
		return take_start(h, *c);
	case LINE:
	case QUERY:
		return take_line(h, c);
	case NAME:
		return take_name(h, names, *c);
	case VALUE:
		return take_value(h, c);
	case END_LINE:
		head_end(h);
		return *c == '\n';
	case CHUNK_SIZE:
		return take_chunk_size(h, *c);
	case CHUNK_END:
		if (*c == '\n')
			h->state = CHUNK_SIZE;
		return *c == '\r' || *c == '\n';
	case TRAILER: /* none, or we stop here */
		if (*c == '\n')
			message_begin(h);
		return *c == '\r' || *c == '\n';
	default:
		return false;
	}
}

/* A run of body bytes; 0: of another state. */
static size_t take_body(struct mask_http *h, bool names, char *bytes, size_t len)
{
	size_t n = h->left < len ? (size_t)h->left : len, xml = 0;

	if (h->state != BODY)
		return 0;
	if (h->body == BODY_UNKNOWN)
		h->body = *bytes == '<' ? BODY_XML : BODY_OTHER;
	h->bosh = h->bosh || h->body == BODY_XML;
	if (h->body == BODY_XML)
		xml = mask_xml_push(&h->xml, names, bytes, n);
	if (xml < n) {
		memset(bytes + xml, 'x', n - xml);
		h->body = BODY_OTHER;
	}
	if (h->left != UINT64_MAX)
		h->left -= n;
	if (h->left == 0 && h->chunked)
		h->state = CHUNK_END;
	else if (h->left == 0)
		message_begin(h);
	return n;
}

size_t mask_http_push(struct mask_http *h, bool names, char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		at += take_body(h, names, bytes + at, len - at);
		if (at == len)
			break;
		if (h->state == BODY)
			continue;
		if (!take_byte(h, names, bytes + at))
			return at;
		at++;
	}
	return len;
}
