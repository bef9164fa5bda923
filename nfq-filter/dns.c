/* SPDX-License-Identifier: BSD-2-Clause */
/* Under mdns.c and announce.c: bytes of a datagram become records.
 * In: what anybody on the network wrote. Out: names without pointers, and records whose lengths are
 * true. A pointer leads backwards only, each to a place before the run it stands in, so that
 * reading a name ends; a message that breaks this or any length is bad from there on. It keeps
 * nothing and knows no service. */
#include "nfq-filter/dns.h"

#include <string.h>

enum { HEADER = 12, CLASS_INTERNET = 1, CLASS_FLUSH = 0x8000, FLAGS_RESPONSE = 0x8000 };

static unsigned get16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

/* The name at *at, which must not go beyond end where it is not a pointer; *at moves behind it. */
static bool name_read(const struct dns_reader *r, size_t *at, size_t end, struct dns_name *out)
{
	size_t i = *at, run = i, behind = 0;

	out->len = 0;
	for (;;) {
		unsigned n;

		if (i >= end)
			return false;
		n = r->message[i];
		if (n >= 0xc0) {
			size_t to;

			if (end - i < 2)
				return false;
			to = get16(r->message + i) & 0x3fff;
			if (to >= run || to < HEADER)
				return false;
			if (!behind)
				behind = i + 2;
			i = run = to;
			/* What it points to may lie anywhere before. */
			end = r->len;
			continue;
		}
		if (n > DNS_LABEL_MAX || end - i < n + 1 || out->len + n + 1 > DNS_NAME_MAX)
			return false;
		memcpy(out->bytes + out->len, r->message + i, n + 1);
		out->len += n + 1;
		i += n + 1;
		if (n == 0)
			break;
	}
	*at = behind ? behind : i;
	return true;
}

bool dns_begin(struct dns_reader *r, const void *message, size_t len)
{
	const unsigned char *p = message;
	struct dns_name skipped;
	unsigned flags;

	*r = (struct dns_reader){ .message = p, .len = len, .at = HEADER };
	if (len < HEADER)
		return false;
	flags = get16(p + 2);
	/* Of other operations and of errors, RFC 6762 18 wants nothing taken; not all heed it. */
	r->response = flags & FLAGS_RESPONSE;
	r->records = get16(p + 6) + get16(p + 8) + get16(p + 10);
	for (unsigned n = get16(p + 4); n > 0; n--) {
		if (!name_read(r, &r->at, len, &skipped) || len - r->at < 4)
			return false;
		r->at += 4;
	}
	return r->records <= DNS_RECORDS_MAX;
}

/* What is inside the record's data. */
static bool data_read(const struct dns_reader *r, struct dns_record *out)
{
	size_t at = (size_t)(out->data - r->message), end = at + out->len;

	switch (out->type) {
	case DNS_A:
		return out->len == 4;
	case DNS_AAAA:
		return out->len == 16;
	case DNS_PTR:
		return name_read(r, &at, end, &out->target) && at == end;
	case DNS_SRV:
		if (out->len < 7)
			return false;
		out->port = (uint16_t)get16(out->data + 4);
		at += 6;
		return name_read(r, &at, end, &out->target) && at == end;
	default:
		return true;
	}
}

enum dns_result dns_next(struct dns_reader *r, struct dns_record *out)
{
	const unsigned char *p;

	if (r->bad)
		return DNS_BAD;
	if (r->records == 0)
		return DNS_END;
	r->records--;
	r->bad = true;
	if (!name_read(r, &r->at, r->len, &out->name) || r->len - r->at < 10)
		return DNS_BAD;
	p = r->message + r->at;
	r->at += 10;
	out->type = (uint16_t)get16(p);
	out->internet = (get16(p + 2) & ~(unsigned)CLASS_FLUSH) == CLASS_INTERNET;
	out->flush = get16(p + 2) & CLASS_FLUSH;
	out->ttl = get32(p + 4);
	out->len = get16(p + 8);
	if (out->len > r->len - r->at)
		return DNS_BAD;
	out->data = r->message + r->at;
	if (out->internet && !data_read(r, out))
		return DNS_BAD;
	r->at += out->len;
	r->bad = false;
	return DNS_RECORD;
}

/* ---- names ---- */

void dns_name_lower(struct dns_name *n)
{
	/* Lengths are below any letter. */
	for (size_t i = 0; i < n->len; i++)
		if (n->bytes[i] >= 'A' && n->bytes[i] <= 'Z')
			n->bytes[i] = (unsigned char)(n->bytes[i] + ('a' - 'A'));
}

static bool label_is(const unsigned char *p, size_t left, const char *lower)
{
	size_t len = strlen(lower);

	if (left < len + 1 || p[0] != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = p[1 + i];

		if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != lower[i])
			return false;
	}
	return true;
}

bool dns_name_is_presence(const struct dns_name *n, const unsigned char **label, size_t *len)
{
	static const char *const type[] = { "_presence", "_tcp" };
	size_t at;

	if (n->len < 2 || n->bytes[0] == 0)
		return false;
	*label = n->bytes + 1;
	*len = n->bytes[0];
	at = 1 + *len;
	for (size_t i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
		if (!label_is(n->bytes + at, n->len - at, type[i]))
			return false;
		at += strlen(type[i]) + 1;
	}
	return true;
}
