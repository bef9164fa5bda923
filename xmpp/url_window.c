/* SPDX-License-Identifier: BSD-2-Clause */
/* Where in a text url.c has to look. In comes the text as it stands, out go the words in which
 * there is a mark that a URL cannot do without: a dot inside a name, a colon behind a scheme, an
 * escape, a bracket that may hide one of them. Most messages have none. It looks at bytes, sixteen
 * at a time, and folds nothing; of characters outside ASCII only those count that fold to a mark,
 * and tests/unit/test_url_window.c compares the table here with what folding says of every
 * character. What it is not sure of is a mark. A URL holds no white space, so the words around a
 * mark are all url.c needs; around a bracket some more, since "evil [ . ] com" is mended. */
#include "xmpp/url_window.h"

#include <stdint.h>
#include <string.h>
#include "xmpp/text.h"

enum {
	WINDOWS_MAX = 8, /* the last is all the rest: each costs memory of its own */
	WORDS_BEHIND = 3 /* of "[ . ] com" behind the word with the bracket */
};

enum mark { MARK_NONE, MARK_WORD, MARK_BRACKET };

static bool is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_blank(unsigned char c)
{
	return c <= ' ';
}

/* May the byte at i stand in a name, before folding? */
static bool is_name_byte(struct span text, size_t i)
{
	unsigned char c = i < text.len ? (unsigned char)text.ptr[i] : ' ';

	return is_letter(c) || is_alnum(c) || c == '-' || c == '_' || c >= 0x80;
}

/* Could the colon at i end a scheme? Not without a letter before it (18:05, :-) and something
 * behind it. */
static bool is_scheme_colon(struct span text, size_t i)
{
	const unsigned char *s = (const unsigned char *)text.ptr;

	if (i + 1 == text.len || is_blank(s[i + 1]))
		return false;
	for (; i > 0; i--) {
		unsigned char c;

		while (i > 1 && s[i - 1] >= 0x80 && s[i - 1] < 0xc0)
			i--; /* to the first byte of its character */
		c = s[i - 1];
		/* Letters may fold to ASCII (long s, full-width), Greek and Cyrillic ones never. */
		if (is_letter(c) || (c >= 0x80 && (c < 0xce || c > 0xd4)))
			return true;
		if (!is_alnum(c) && c != '-' && c != '.')
			return false;
	}
	return false;
}

/* "[.]", "( dot )": could what follows the bracket at i be one of url_plain.c's marks? */
static bool is_mending(struct span text, size_t i)
{
	unsigned char c;

	i++;
	i += i < text.len && text.ptr[i] == ' ';
	c = i < text.len ? (unsigned char)text.ptr[i] : ' ';
	return c >= 0x80 || strchr(".:@dpaDPA", c);
}

static bool is_hex(struct span text, size_t i)
{
	unsigned char c = i < text.len ? (unsigned char)text.ptr[i] : ' ';

	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c >= 0x80;
}

/* Characters outside ASCII that fold to a mark, alone or among others. Two or three dots in a row
 * (U+2025, U+2026 and their vertical forms) join no name. */
static enum mark wide_mark(struct span text, size_t i)
{
	uint32_t cp = 0;
	size_t n = text_decode(text, i, &cp);

	switch (cp) {
	case 0x2024: /* one dot leader */
	case 0x3002: /* ideographic full stop, its vertical, small, full and half width forms */
	case 0xfe12:
	case 0xfe52:
	case 0xff0e:
	case 0xff61:
	case 0x2488 ... 0x249b: /* digits with a full stop */
	case 0x1f100:
		return is_name_byte(text, i + n) ? MARK_WORD : MARK_NONE;
	case 0x2a74: /* colons */
	case 0xfe13:
	case 0xfe55:
	case 0xff1a:
	case 0x33c2: /* "a.m." and so on */
	case 0x33c7:
	case 0x33d8:
	case 0xfe6a: /* per cent */
	case 0xff05:
		return MARK_WORD;
	case 0x207d: /* brackets */
	case 0x208d:
	case 0xfe35:
	case 0xfe37:
	case 0xfe47:
	case 0xfe59:
	case 0xfe5b:
	case 0xff08:
	case 0xff3b:
	case 0xff5b:
		return MARK_BRACKET;
	default:
		return n ? MARK_NONE : MARK_WORD;
	}
}

static enum mark mark_at(struct span text, size_t i)
{
	unsigned char c = (unsigned char)text.ptr[i];

	switch (c) {
	case '.':
		return i > 0 && is_name_byte(text, i - 1) && is_name_byte(text, i + 1) ? MARK_WORD
										       : MARK_NONE;
	case ':':
		return is_scheme_colon(text, i) ? MARK_WORD : MARK_NONE;
	case '%':
		return is_hex(text, i + 1) && is_hex(text, i + 2) ? MARK_WORD : MARK_NONE;
	case '[':
	case '(':
	case '{':
		return is_mending(text, i) ? MARK_BRACKET : MARK_NONE;
	default:
		return c == 0xe2 || c == 0xe3 || c >= 0xef ? wide_mark(text, i) : MARK_NONE;
	}
}

/* ---- sixteen at a time ---- */

typedef unsigned char bytes16 __attribute__((vector_size(16)));

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FIRST_BYTE(mask) ((unsigned)__builtin_ctzll(mask) / 8)
#define REST(mask, byte) ((mask) & ~((uint64_t)0xff << (byte)*8))
#else
#define FIRST_BYTE(mask) ((unsigned)__builtin_clzll(mask) / 8)
#define REST(mask, byte) ((mask) & ~((uint64_t)0xff << (7 - (byte)) * 8))
#endif

/* Which of the bytes from i on mark_at has to look at. */
static void sixteen_candidates(struct span text, size_t i, uint64_t halves[2])
{
	bytes16 b, found;

	memcpy(&b, text.ptr + i, sizeof(b));
	found = (bytes16)((b & 0xfe) == 0xe2) | (bytes16)(b >= 0xef) | (bytes16)(b == '%') |
		(bytes16)((b | 0x20) == '{') | (bytes16)(b == '(') | (bytes16)(b == '.') |
		(bytes16)(b == ':');
	memcpy(halves, &found, 2 * sizeof(*halves));
}

/* The first mark from i on; text.len if there is none. */
static size_t mark_next(struct span text, size_t i, bool *bracket)
{
	enum mark mark;

	for (; text.len - i >= sizeof(bytes16); i += sizeof(bytes16)) {
		uint64_t halves[2];

		sixteen_candidates(text, i, halves);
		for (unsigned h = 0; h < 2; h++)
			while (halves[h]) {
				unsigned byte = FIRST_BYTE(halves[h]);
				size_t at = i + 8 * h + byte;

				if ((mark = mark_at(text, at)) != MARK_NONE) {
					*bracket = mark == MARK_BRACKET;
					return at;
				}
				halves[h] = REST(halves[h], byte);
			}
	}
	for (; i < text.len; i++)
		if ((mark = mark_at(text, i)) != MARK_NONE) {
			*bracket = mark == MARK_BRACKET;
			return i;
		}
	return text.len;
}

/* ---- windows ---- */

static size_t word_start(struct span text, size_t i, size_t floor)
{
	while (i > floor && !is_blank((unsigned char)text.ptr[i - 1]))
		i--;
	return i;
}

static size_t word_end(struct span text, size_t i)
{
	while (i < text.len && !is_blank((unsigned char)text.ptr[i]))
		i++;
	return i;
}

static size_t blanks_end(struct span text, size_t i)
{
	while (i < text.len && is_blank((unsigned char)text.ptr[i]))
		i++;
	return i;
}

/* Where the word of the mark begins, or, of a bracket, the word before it; not before floor. */
static size_t mark_start(const struct url_windows *w, size_t floor)
{
	size_t start = word_start(w->text, w->mark, floor);

	if (!w->wide)
		return start;
	while (start > floor && is_blank((unsigned char)w->text.ptr[start - 1]))
		start--;
	return word_start(w->text, start, floor);
}

/* The end of the words behind one that has a bracket. */
static size_t words_behind(struct span text, size_t end)
{
	for (unsigned i = 0; i < WORDS_BEHIND; i++)
		end = word_end(text, blanks_end(text, end));
	return end;
}

void url_windows_init(struct url_windows *w, struct span text)
{
	*w = (struct url_windows){ .text = text };
	w->mark = mark_next(text, 0, &w->wide);
}

/* Goes on to the next mark outside the word that ends there, or the first bracket in it; false if
 * there is none. */
static bool mark_go_on(struct url_windows *w, size_t word, bool bracket_too)
{
	do
		w->mark = mark_next(w->text, w->mark + 1, &w->wide);
	while (w->mark < word && !(w->wide && bracket_too));
	return w->mark < w->text.len;
}

bool url_windows_next(struct url_windows *w, struct url_window *out)
{
	bool widened = false;
	size_t word;

	if (w->mark >= w->text.len)
		return false;
	out->start = mark_start(w, w->at);
	out->end = word = word_end(w->text, w->mark);
	do {
		if (w->mark >= word) { /* another word */
			if (w->mark >= out->end && mark_start(w, out->end) > out->end)
				break;
			word = word_end(w->text, w->mark);
			widened = false;
		}
		if (w->wide && !widened) {
			size_t end = words_behind(w->text, word);

			widened = true;
			out->end = end > out->end ? end : out->end;
		}
		out->end = word > out->end ? word : out->end;
	} while (mark_go_on(w, word, !widened));
	if (++w->n == WINDOWS_MAX)
		out->end = w->mark = w->text.len;
	w->at = out->end;
	return true;
}
