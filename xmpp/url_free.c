/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts without any URL, told before url.c copies and walks them. In comes the text as it stands,
 * out goes yes only where no reader could see a link. It looks at bytes, sixteen at a time where it
 * can, decodes and folds nothing; what it is not sure of is left to the walk. */
#include "xmpp/url_free.h"

#include <stdint.h>
#include <string.h>

static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* First bytes of the letters of Latin, Greek and Cyrillic up to U+052F: what they fold to holds no
 * mark of a URL, and none of them is unseen. Everything else outside ASCII needs a closer look. */
static bool is_plain_lead(unsigned char c)
{
	return (c >= 0xc3 && c <= 0xc9) || (c >= 0xce && c <= 0xd4);
}

/* May this byte stand in a name, before folding? */
static bool is_name_byte(unsigned char c)
{
	return is_alnum(c) || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c >= 0x80;
}

/* Could the colon at i end a scheme? Not without a letter before it: 18:05, :-) */
static bool is_scheme_colon(const unsigned char *s, size_t i)
{
	for (; i > 0; i--) {
		unsigned char c;

		while (i > 1 && s[i - 1] >= 0x80 && s[i - 1] < 0xc0)
			i--; /* to the first byte of its character */
		c = s[i - 1];
		/* Latin letters may fold to ASCII (long s), Greek and Cyrillic ones never. */
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= 0x80 && c < 0xce))
			return true;
		if (!is_alnum(c) && c != '-' && c != '.')
			return false;
	}
	return false;
}

typedef unsigned char bytes16 __attribute__((vector_size(16)));

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_BYTE(mask) ((unsigned)__builtin_ctzll(mask) / 8)
#define REST(mask, byte) ((mask) & ~((uint64_t)0xff << (byte)*8))
#else
#define FIRST_BYTE(mask) ((unsigned)__builtin_clzll(mask) / 8)
#define REST(mask, byte) ((mask) & ~((uint64_t)0xff << (7 - (byte)) * 8))
#endif

/* May the byte at i belong to a URL, or to what is drawn like one? */
static bool is_mark(struct span text, size_t i)
{
	const unsigned char *s = (const unsigned char *)text.ptr;
	unsigned char c = s[i];

	if (c >= 0xc0)
		return !is_plain_lead(c);
	if (c == '.')
		return i > 0 && i + 1 < text.len && is_name_byte(s[i - 1]) &&
		       is_name_byte(s[i + 1]);
	if (c == ':')
		return is_scheme_colon(s, i);
	return c == '%' || c == '[' || c == '(' || c == '{';
}

/* Is there a mark among the sixteen bytes from i on? */
static bool sixteen_have_mark(struct span text, size_t i)
{
	uint64_t halves[2];
	bytes16 b, marks;

	memcpy(&b, text.ptr + i, sizeof(b));
	marks = (bytes16)(b >= 0xc0) | (bytes16)(b == '%') | (bytes16)(b == '[') |
		(bytes16)(b == '(') | (bytes16)(b == '{') | (bytes16)(b == '.') |
		(bytes16)(b == ':');
	memcpy(halves, &marks, sizeof(halves));
	for (unsigned h = 0; h < 2; h++)
		while (halves[h]) {
			unsigned byte = FIRST_BYTE(halves[h]);

			if (is_mark(text, i + 8 * h + byte))
				return true;
			halves[h] = REST(halves[h], byte);
		}
	return false;
}

/* Nothing in it could be a URL: no dot within a name, no scheme, no escape, no bracket that may
 * hold a mended dot. Most messages end here, so it looks at bytes only. */
bool url_is_free(struct span text)
{
	size_t i = 0;

	for (; text.len - i >= sizeof(bytes16); i += sizeof(bytes16))
		if (sixteen_have_mark(text, i))
			return false;
	for (; i < text.len; i++)
		if (is_mark(text, i))
			return false;
	return true;
}
