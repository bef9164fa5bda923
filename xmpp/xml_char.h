/* SPDX-License-Identifier: BSD-2-Clause */
/* Characters: what XML 1.0 allows in text and in names, strict UTF-8, references, and skipping what
 * is plain sixteen bytes at a time. Bytes in, yes or no out; no state. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum name_class {
	NAME_NO,
	NAME_START = 1, /* may begin a name (the colon is not one: Namespaces in XML) */
	NAME_MORE = 2,  /* may stand behind its first character */
	NAME_WIDE = 4,  /* the first byte of more: ask xml_name_wide */
};

/* A set of enum name_class for each byte. */
extern const uint8_t xml_name_class[256];
/* The same for a character above U+007F (XML 1.0, fourth edition, appendix B, as expat has it). */
uint8_t xml_name_wide(uint32_t character);

static inline bool xml_is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Bytes of the character above U+007F at p, where avail (1 or more) bytes are; 0: more are needed;
 * -1: not UTF-8, or no character of XML's. */
static inline int xml_char_length(const uint8_t *p, size_t avail)
{
	uint8_t c = p[0];

	if (c < 0xc2 || c > 0xf4)
		return -1;
	if (avail < 2)
		return 0;
	if ((p[1] & 0xc0) != 0x80)
		return -1;
	if (c < 0xe0)
		return 2;
	if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] >= 0xa0) ||
		(c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] >= 0x90))
		return -1;
	if (avail < 3)
		return 0;
	if ((p[2] & 0xc0) != 0x80)
		return -1;
	if (c < 0xf0)
		return c == 0xef && p[1] == 0xbf && p[2] >= 0xbe ? -1 : 3;
	if (avail < 4)
		return 0;
	return (p[3] & 0xc0) == 0x80 ? 4 : -1;
}

/* Writes a character as UTF-8, returns how many bytes. */
size_t xml_char_put(uint32_t character, char *out);

struct xml_reference {
	uint32_t character;
	bool plain_text, plain_value; /* spelled as write.c spells it in text, in a value */
};

enum {
	REFERENCE_MORE = 0,
	REFERENCE_UNKNOWN = -1, /* an entity that is none of the five of XML 1.0 4.6 */
	REFERENCE_BAD = -2      /* a number that is no character */
};

/* The reference at p, which is '&', of avail bytes: its length, or one of the above. */
int xml_reference_read(const char *p, size_t avail, struct xml_reference *out);

/* Plain in text: no markup, no '>', no control (so no line end either), nothing above U+007E. */
static inline bool xml_is_plain_text(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '<' && c != '&' && c != '>';
}

static inline bool xml_is_plain_value(uint8_t c, uint8_t quote)
{
	return xml_is_plain_text(c) && c != quote;
}

/* Where the first byte that is not plain stands in bytes[i..n), n if there is none. extra is one
 * more byte that is not plain (a quote), '<' for none. */
static inline size_t xml_skip_plain(const char *bytes, size_t i, size_t n, uint8_t extra)
{
#ifdef __SSE2__
	const __m128i blank = _mm_set1_epi8(0x20), two = _mm_set1_epi8(2),
		      angle = _mm_set1_epi8('>'), amp = _mm_set1_epi8('&'),
		      quote = _mm_set1_epi8((char)extra);

	for (; n - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
		/* signed: bytes above 0x7f are below too; '<' with bit 1 set is '>' */
		__m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmplt_epi8(v, blank),
						   _mm_cmpeq_epi8(_mm_or_si128(v, two), angle)),
			_mm_or_si128(_mm_cmpeq_epi8(v, amp), _mm_cmpeq_epi8(v, quote)));
		unsigned mask = (unsigned)_mm_movemask_epi8(odd);

		if (mask)
			return i + (unsigned)__builtin_ctz(mask);
	}
#else
	const uint64_t ones = 0x0101010101010101u, tops = ones << 7;

	for (; n - i >= 8; i += 8) {
		uint64_t v, angle, amp, quote;

		memcpy(&v, bytes + i, sizeof v);
		angle = (v | ones * 2) ^ ones * '>';
		amp = v ^ ones * '&';
		quote = v ^ ones * extra;
		/* May see one too many, never one too few: the bytes decide. */
		if ((v | (v - ones * 0x20) | ((angle - ones) & ~angle) | ((amp - ones) & ~amp) |
			    ((quote - ones) & ~quote)) &
			tops)
			break;
	}
#endif
	while (i < n && xml_is_plain_value((uint8_t)bytes[i], extra))
		i++;
	return i;
}

/* The same for what write.c must look at in characters that are known to be XML's: controls, '<',
 * '>',
 * '&' and extra. */
static inline size_t xml_skip_written(const char *bytes, size_t i, size_t n, uint8_t extra)
{
#ifdef __SSE2__
	const __m128i control = _mm_set1_epi8(0x1f), two = _mm_set1_epi8(2),
		      angle = _mm_set1_epi8('>'), amp = _mm_set1_epi8('&'),
		      quote = _mm_set1_epi8((char)extra);

	for (; n - i >= 16; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(bytes + i));
		__m128i odd = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(v, control), v),
						   _mm_cmpeq_epi8(_mm_or_si128(v, two), angle)),
			_mm_or_si128(_mm_cmpeq_epi8(v, amp), _mm_cmpeq_epi8(v, quote)));
		unsigned mask = (unsigned)_mm_movemask_epi8(odd);

		if (mask)
			return i + (unsigned)__builtin_ctz(mask);
	}
#endif
	for (; i < n; i++) {
		uint8_t c = (uint8_t)bytes[i];

		if (c < 0x20 || c == '<' || c == '>' || c == '&' || c == extra)
			break;
	}
	return i;
}
