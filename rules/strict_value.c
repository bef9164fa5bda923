/* SPDX-License-Identifier: BSD-2-Clause */
/* Kinds of values a profile may name: strict.c asks here for each attribute and each text it is
 * about to copy. In: bytes that the XML parser has passed, so UTF-8 and no characters XML forbids.
 * Out: yes or no, and for texts the value without the white space that is none of it. Forms with
 * several spellings of one value (leading zeros, spare bits of base64, more digits than anybody
 * measures) fit in one spelling only: the others would carry what nobody reads. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "base/err.h"
#include "rules/strict_int.h"
#include "xmpp/jid.h"

enum { LANG_MAX = 35, FRACTION_MAX = 9, DOMAIN_MAX = 1023, NUMBER_DIGITS_MAX = 18 };

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- one function a kind ---- */

/* Without spaces of any kind, controls, and what only directs text. */
static bool token_fits(struct span v)
{
	static const char *const hidden[] = { "\xc2\xa0", "\xe3\x80\x80", "\xef\xbb\xbf" };

	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.ptr[i];

		if (c <= 0x20 || c == 0x7f ||
			(c == 0xc2 && i + 1 < v.len && (unsigned char)v.ptr[i + 1] < 0xa0))
			return false;
		/* U+2000 to U+206F: spaces, joiners, directions, separators, and dashes nobody
		 * needs in an id. */
		if (c == 0xe2 && i + 1 < v.len && ((unsigned char)v.ptr[i + 1] & 0xfe) == 0x80)
			return false;
		for (size_t k = 0; k < sizeof(hidden) / sizeof(hidden[0]); k++)
			if (v.len - i >= strlen(hidden[k]) &&
				memcmp(v.ptr + i, hidden[k], strlen(hidden[k])) == 0)
				return false;
	}
	return v.len > 0;
}

static int jid_fits(const struct strict_type *t, struct span v, struct arena *arena)
{
	struct jid jid;
	int r = jid_parse(arena, v, &jid);

	if (r < 0)
		return r == ERR_SYNTAX ? 0 : r;
	return !t->bare || !*jid.resource;
}

static int domain_fits(struct span v, struct arena *arena)
{
	const char *domain;
	int r;

	if (v.len == 0 || v.len > DOMAIN_MAX || memchr(v.ptr, '@', v.len) ||
		memchr(v.ptr, '/', v.len))
		return 0;
	r = jid_prep_domain(arena, v, &domain);
	return r == 0 ? 1 : r == ERR_SYNTAX ? 0 : r;
}

static bool words_fit(const struct strict_type *t, struct span v)
{
	for (unsigned i = 0; i < t->n_words; i++)
		if (span_equal(t->words[i], v))
			return true;
	return false;
}

static bool number_fits(const struct strict_type *t, struct span v)
{
	bool minus = v.len > 0 && v.ptr[0] == '-';
	int64_t n = 0;

	v.ptr += minus;
	v.len -= minus;
	if (v.len == 0 || v.len > NUMBER_DIGITS_MAX || (v.ptr[0] == '0' && (v.len > 1 || minus)))
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (!is_digit(v.ptr[i]))
			return false;
		n = n * 10 + (v.ptr[i] - '0');
	}
	n = minus ? -n : n;
	return n >= t->low && n <= t->high;
}

/* "en", "de-CH-1996": letters first, then letters and digits, parts of one to eight. */
static bool lang_fits(struct span v)
{
	size_t part = 0;
	bool first = true;

	if (v.len == 0 || v.len > LANG_MAX)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		char c = v.ptr[i];

		if (c == '-') {
			if (part == 0)
				return false;
			part = 0;
			first = false;
		} else if (!(is_letter(c) || (!first && is_digit(c))) || ++part > 8) {
			return false;
		}
	}
	return part > 0;
}

/* As many digits as the shape has 0s, between low and high; stepped over. */
static bool digits_take(struct span *v, unsigned n, unsigned low, unsigned high)
{
	unsigned number = 0;

	if (v->len < n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!is_digit(v->ptr[i]))
			return false;
		number = number * 10 + (unsigned)(v->ptr[i] - '0');
	}
	v->ptr += n;
	v->len -= n;
	return number >= low && number <= high;
}

static bool mark_take(struct span *v, char mark)
{
	if (v->len == 0 || v->ptr[0] != mark)
		return false;
	v->ptr++;
	v->len--;
	return true;
}

static bool zone_fits(struct span v)
{
	if (mark_take(&v, 'Z'))
		return v.len == 0;
	return (mark_take(&v, '+') || mark_take(&v, '-')) && digits_take(&v, 2, 0, 14) &&
	       mark_take(&v, ':') && digits_take(&v, 2, 0, 59) && v.len == 0;
}

/* XEP-0082 3.2: CCYY-MM-DDThh:mm:ss[.sss]TZD. */
static bool datetime_fits(struct span v)
{
	size_t n = 0;

	if (!digits_take(&v, 4, 1, 9999) || !mark_take(&v, '-') || !digits_take(&v, 2, 1, 12) ||
		!mark_take(&v, '-') || !digits_take(&v, 2, 1, 31) || !mark_take(&v, 'T') ||
		!digits_take(&v, 2, 0, 23) || !mark_take(&v, ':') || !digits_take(&v, 2, 0, 59) ||
		!mark_take(&v, ':') || !digits_take(&v, 2, 0, 60))
		return false;
	if (mark_take(&v, '.')) {
		for (; n < v.len && is_digit(v.ptr[n]);)
			n++;
		if (n == 0 || n > FRACTION_MAX)
			return false;
		v.ptr += n;
		v.len -= n;
	}
	return zone_fits(v);
}

/* RFC 3986: the characters it has, hexadecimal behind '%', a scheme that is listed and something
 * behind it. */
static bool uri_fits(const struct strict_type *t, struct span v)
{
	const char *colon = v.len ? memchr(v.ptr, ':', v.len) : NULL;
	size_t scheme = colon ? (size_t)(colon - v.ptr) : 0;
	bool listed = t->n_words == 0;

	if (scheme == 0 || scheme + 1 == v.len || !is_letter(v.ptr[0]))
		return false;
	for (size_t i = 0; i < scheme; i++)
		if (!is_letter(v.ptr[i]) && !is_digit(v.ptr[i]) && !strchr("+-.", v.ptr[i]))
			return false;
	for (unsigned i = 0; i < t->n_words && !listed; i++)
		listed = t->words[i].len == scheme &&
			 strncasecmp(t->words[i].ptr, v.ptr, scheme) == 0;
	for (size_t i = scheme + 1; i < v.len && listed; i++) {
		char c = v.ptr[i];

		if (c == '%')
			listed = v.len - i > 2 &&
				 strspn(v.ptr + i + 1, "0123456789abcdefABCDEF") >= 2;
		else
			listed = is_letter(c) || is_digit(c) ||
				 (c && strchr("-._~:/?#[]@!$&'()*+,;=", c));
	}
	return listed;
}

/* ---- white space ---- */

static struct span trimmed(struct span v)
{
	while (v.len && is_space(v.ptr[0])) {
		v.ptr++;
		v.len--;
	}
	while (v.len && is_space(v.ptr[v.len - 1]))
		v.len--;
	return v;
}

/* Base64 is folded into lines here and there. */
static int unfolded(struct span *v, struct arena *arena)
{
	size_t spaces = 0;
	char *out;

	for (size_t i = 0; i < v->len; i++)
		spaces += is_space(v->ptr[i]);
	if (spaces == 0)
		return 0;
	if (!(out = arena_strndup(arena, v->ptr, v->len)))
		return -ENOMEM;
	spaces = 0;
	for (size_t i = 0; i < v->len; i++)
		if (!is_space(v->ptr[i]))
			out[spaces++] = v->ptr[i];
	out[spaces] = '\0';
	*v = (struct span){ out, spaces };
	return 0;
}

int strict_value_fits(
	const struct strict_type *t, struct span *value, bool text, struct arena *arena)
{
	int r;

	if (t->kind == TYPE_TEXT)
		return value->len <= t->max;
	if (text)
		*value = trimmed(*value);
	if (text && t->kind == TYPE_BASE64 && (r = unfolded(value, arena)) < 0)
		return r;
	switch (t->kind) {
	case TYPE_TOKEN:
		return value->len <= t->max && token_fits(*value);
	case TYPE_JID:
		return jid_fits(t, *value, arena);
	case TYPE_DOMAIN:
		return domain_fits(*value, arena);
	case TYPE_WORDS:
		return words_fit(t, *value);
	case TYPE_NUMBER:
		return number_fits(t, *value);
	case TYPE_LANG:
		return lang_fits(*value);
	case TYPE_DATETIME:
		return datetime_fits(*value);
	case TYPE_BASE64:
		return value->len <= t->max && base64_is_strict(*value);
	case TYPE_URI:
		return value->len <= t->max && uri_fits(t, *value);
	case TYPE_TEXT:
	case TYPE_KINDS:
		break;
	}
	return 0;
}
