/* SPDX-License-Identifier: BSD-2-Clause */
/* A reader for one type of DER, so that a label's policy and classification can be compared. In
 * comes what a peer wrote, out goes an object identifier as text and a number, or "no". A label may
 * keep a message from crossing, so whatever could be read in two ways is not read at all: long
 * forms of lengths and numbers, other orders, tags nobody named, bytes behind the end. It allocates
 * nothing and judges nothing. */
#include "xmpp/ess.h"

#include <stdio.h>
#include <string.h>
#include "base/base64.h"

#include "xmpp/text.h"

enum {
	TAG_INTEGER = 0x02,
	TAG_OID = 0x06,
	TAG_UTF8 = 0x0c,
	TAG_PRINTABLE = 0x13,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_CATEGORY_TYPE = 0x80,  /* [0] IMPLICIT OBJECT IDENTIFIER */
	TAG_CATEGORY_VALUE = 0xa1, /* [1] ANY */
	TAG_NUMBER = 0x1f,
	OID_BYTES_MAX = 64,
	PRIVACY_MARK_MAX = 128, /* ub-privacy-mark-length */
	CATEGORIES_MAX = 64     /* ub-security-categories */
};

struct der {
	const uint8_t *at, *end;
};

static size_t der_len(const struct der *d)
{
	return (size_t)(d->end - d->at);
}

/* The next element; false at anything but a definite length written as short as can be. */
static bool der_next(struct der *d, uint8_t *tag, struct der *content)
{
	size_t len, more;

	if (der_len(d) < 2)
		return false;
	*tag = *d->at++;
	len = *d->at++;
	if ((*tag & TAG_NUMBER) == TAG_NUMBER)
		return false;
	if (len >= 0x80) {
		more = len & 0x7f;
		if (more < 1 || more > 2 || der_len(d) < more)
			return false;
		len = *d->at++;
		if (more == 2)
			len = len << 8 | *d->at++;
		if (len < (more == 2 ? 0x100 : 0x80))
			return false;
	}
	if (der_len(d) < len)
		return false;
	*content = (struct der){ d->at, d->at + len };
	d->at += len;
	return true;
}

/* ---- values ---- */

static bool class_read(struct der d, struct ess_label *out)
{
	unsigned value = 0;
	size_t len = der_len(&d);

	if (len < 1 || len > 2 || d.at[0] >= 0x80 || (len == 2 && d.at[0] == 0 && d.at[1] < 0x80))
		return false;
	while (d.at < d.end)
		value = value << 8 | *d.at++;
	out->class = value;
	out->has_class = true;
	return value <= ESS_CLASS_MAX;
}

/* One arc (X.690 8.19.2): the first byte of a group of seven bits is never empty. */
static bool arc_read(struct der *d, uint64_t *arc)
{
	*arc = 0;
	if (d->at == d->end || *d->at == 0x80)
		return false;
	for (; d->at < d->end; d->at++) {
		if (*arc >> 56)
			return false;
		*arc = *arc << 7 | (*d->at & 0x7f);
		if (!(*d->at & 0x80)) {
			d->at++;
			return true;
		}
	}
	return false;
}

/* text NULL: only looked at. */
static bool oid_read(struct der d, char *text, size_t size)
{
	size_t len = 0;
	uint64_t arc, top;

	if (der_len(&d) < 1 || der_len(&d) > OID_BYTES_MAX || !arc_read(&d, &arc))
		return false;
	top = arc < 80 ? arc / 40 : 2;
	if (text)
		len = (size_t)snprintf(
			text, size, "%u.%llu", (unsigned)top, (unsigned long long)(arc - top * 40));
	while (d.at < d.end) {
		if (!arc_read(&d, &arc))
			return false;
		if (text && len < size)
			len += (size_t)snprintf(
				text + len, size - len, ".%llu", (unsigned long long)arc);
	}
	return !text || len < size;
}

static bool is_printable(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr(" '()+,-./:=?", c));
}

/* For people only (RFC 2634 3.2: no access is decided by it), but it must be what it says. */
static bool mark_read(uint8_t tag, struct der d)
{
	const char *text = (const char *)d.at;
	size_t len = der_len(&d);

	if (len < 1 || len > PRIVACY_MARK_MAX)
		return false;
	if (tag == TAG_UTF8)
		return text_valid(text, len, NULL) == len;
	for (size_t i = 0; i < len; i++)
		if (!is_printable(text[i]))
			return false;
	return true;
}

/* SET OF: in the order of their bytes (X.690 11.6). */
static bool is_behind(struct der before, struct der after)
{
	size_t a = der_len(&before), b = der_len(&after);
	int order = memcmp(before.at, after.at, a < b ? a : b);

	return order < 0 || (order == 0 && a < b);
}

static bool categories_read(struct der d, struct ess_label *out)
{
	struct der last = { NULL, NULL };
	unsigned n = 0;
	uint8_t tag;

	while (d.at < d.end) {
		struct der whole = { d.at, d.at }, one, part;

		if (++n > CATEGORIES_MAX || !der_next(&d, &tag, &one) || tag != TAG_SEQUENCE)
			return false;
		whole.end = d.at;
		if (last.at && !is_behind(last, whole))
			return false;
		last = whole;
		if (!der_next(&one, &tag, &part) || tag != TAG_CATEGORY_TYPE ||
			!oid_read(part, NULL, 0) || !der_next(&one, &tag, &part) ||
			tag != TAG_CATEGORY_VALUE || part.at == part.end || one.at != one.end)
			return false;
	}
	out->categories = n > 0;
	return n > 0;
}

/* ---- the whole ---- */

static bool part_read(uint8_t tag, struct der d, struct ess_label *out)
{
	switch (tag) {
	case TAG_INTEGER:
		return class_read(d, out);
	case TAG_OID:
		return oid_read(d, out->policy, sizeof(out->policy));
	case TAG_UTF8:
	case TAG_PRINTABLE:
		return mark_read(tag, d);
	case TAG_SET:
		return categories_read(d, out);
	default:
		return false;
	}
}

bool ess_parse(const uint8_t *bytes, size_t len, struct ess_label *out)
{
	struct der d = { bytes, bytes + len }, set, part;
	uint8_t tag, order = 0;
	bool mark = false;

	memset(out, 0, sizeof(*out));
	if (len > ESS_BYTES_MAX || !der_next(&d, &tag, &set) || tag != TAG_SET || d.at != d.end)
		return false;
	/* The members of a SET stand in the order of their tags (X.690 10.3). */
	while (set.at < set.end) {
		if (!der_next(&set, &tag, &part) || (tag & TAG_NUMBER) <= order)
			return false;
		order = tag & TAG_NUMBER;
		if (tag == TAG_UTF8 || tag == TAG_PRINTABLE) {
			if (mark)
				return false;
			mark = true;
		}
		if (!part_read(tag, part, out))
			return false;
	}
	return out->policy[0];
}

bool ess_decode(struct span text, uint8_t *out, size_t max, size_t *len)
{
	unsigned bits = 0, n_bits = 0, digits = 0, pads = 0;

	*len = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		int value = base64_digit(c);

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r')
			continue;
		if (c == '=')
			pads++;
		if (value < 0 ? c != '=' : pads > 0)
			return false;
		digits++;
		if (c == '=')
			continue;
		bits = (bits << 6 | (unsigned)value) & 0xffff;
		if ((n_bits += 6) < 8)
			continue;
		n_bits -= 8;
		if (*len == max)
			return false;
		out[(*len)++] = (uint8_t)(bits >> n_bits);
	}
	/* Whole groups of four, and nothing in the bits that are left. */
	return digits % 4 == 0 && pads <= 2 && pads == n_bits / 2 && !(bits & ((1u << n_bits) - 1));
}
