/* SPDX-License-Identifier: BSD-2-Clause */
/* Between mask.c, which has packets, and mask_xml.c, which knows XML: one direction's bytes.
 * In: bytes in order, the same pieces that inspect.c would get, and gaps. Out: the same bytes
 * masked in place, so that a reader of the masked capture finds the same streams: XML as mask_xml.c
 * leaves it, HTTP as mask_http.c does, of TLS the headers of records, where a reader may join in
 * the middle the end tag that lets it. Of everything else no byte stays. */
#include "nfq-filter/mask_stream.h"

#include <string.h>
#include "nfq-filter/detect.h"

void mask_stream_init(struct mask_stream *s, bool midstream)
{
	*s = (struct mask_stream){ .mode = midstream ? MASK_SEEK : MASK_NEW };
}

static void blot(struct mask_stream *s, char *bytes, size_t len)
{
	memset(bytes, 'x', len);
	s->opaque += len;
}

static void begin_xml(struct mask_stream *s, unsigned depth)
{
	s->mode = MASK_XML;
	s->picked_up = depth > 0;
	mask_xml_init(&s->xml, depth);
}

static void begin_http(struct mask_stream *s)
{
	s->mode = MASK_HTTP;
	mask_http_init(&s->http);
}

/* Each of these gives how many bytes it dealt with; the rest is for what the mode is then. */

static size_t push_new(struct mask_stream *s, char *bytes, size_t len)
{
	switch (detect_first((struct span){ bytes, len })) {
	case DETECT_MORE:
		return len;
	case DETECT_XML:
		begin_xml(s, 0);
		break;
	case DETECT_TLS:
		s->mode = MASK_TLS;
		break;
	case DETECT_HTTP:
		begin_http(s);
		break;
	default:
		s->mode = MASK_OPAQUE;
		break;
	}
	return 0;
}

static size_t push_xml(struct mask_stream *s, bool names, char *bytes, size_t len)
{
	bool between;
	size_t n = mask_xml_push(&s->xml, names, bytes, len);

	if (n == len)
		return len;
	between = mask_xml_is_between(&s->xml);
	if (between && detect_is_tls((struct span){ bytes + n, len - n })) {
		s->mode = MASK_TLS;
		return n;
	}
	blot(s, bytes + n, len - n);
	s->mode = s->picked_up ? MASK_SEEK : MASK_OPAQUE;
	return len;
}

static size_t push_http(struct mask_stream *s, bool names, char *bytes, size_t len)
{
	size_t n = mask_http_push(&s->http, names, bytes, len);

	if (n < len)
		s->mode = MASK_OPAQUE;
	return n;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What lets a reader see that a stanza begins at 'at': white space, and the end tag before it. */
static size_t boundary(const char *bytes, size_t at)
{
	static const char *const ends[] = { "</message>", "</presence>", "</iq>" };

	while (at > 0 && is_space(bytes[at - 1]))
		at--;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t len = strlen(ends[i]);

		if (at >= len && memcmp(bytes + at - len, ends[i], len) == 0)
			return at - len;
	}
	return at;
}

static size_t push_seek(struct mask_stream *s, char *bytes, size_t len)
{
	struct span all = { bytes, len };
	bool maybe;
	size_t at;

	if (detect_is_header(all, &maybe)) {
		begin_xml(s, 0);
		return 0;
	}
	if (detect_first(all) == DETECT_TLS || detect_first(all) == DETECT_HTTP) {
		s->mode = MASK_NEW;
		return 0;
	}
	at = detect_stanza(all);
	blot(s, bytes, at < len ? boundary(bytes, at) : len);
	if (at < len)
		begin_xml(s, 1);
	return at;
}

static size_t push_tls(struct mask_stream *s, char *bytes, size_t len)
{
	size_t n = 0;

	if (s->record_left > 0) {
		n = len < s->record_left ? len : s->record_left;
		blot(s, bytes, n);
		s->record_left -= n;
		return n;
	}
	while (n < len && s->record_at < sizeof(s->record))
		s->record[s->record_at++] = (unsigned char)bytes[n++];
	if (!detect_is_tls((struct span){ (const char *)s->record, s->record_at })) {
		blot(s, bytes, n);
		s->mode = MASK_OPAQUE;
	} else if (s->record_at == sizeof(s->record)) {
		s->record_left = (size_t)s->record[3] << 8 | s->record[4];
		s->record_at = 0;
	}
	return n;
}

void mask_stream_push(struct mask_stream *s, bool names, char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		char *from = bytes + at;
		size_t left = len - at;

		switch (s->mode) {
		case MASK_NEW:
			at += push_new(s, from, left);
			break;
		case MASK_XML:
			at += push_xml(s, names, from, left);
			break;
		case MASK_SEEK:
			at += push_seek(s, from, left);
			break;
		case MASK_HTTP:
			at += push_http(s, names, from, left);
			break;
		case MASK_TLS:
			at += push_tls(s, from, left);
			break;
		case MASK_OPAQUE:
			blot(s, from, left);
			return;
		}
	}
}

void mask_stream_gap(struct mask_stream *s)
{
	s->mode = s->mode == MASK_TLS || s->mode == MASK_OPAQUE ? MASK_OPAQUE : MASK_SEEK;
}
