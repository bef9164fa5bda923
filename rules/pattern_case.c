/* SPDX-License-Identifier: BSD-2-Clause */
/* Case beyond Vectorscan's tables. They end with Unicode 6; letters that got another case since
 * (Georgian, Cherokee, some Cyrillic, phonetic and historic ones) are pairs for PCRE2 only, so that
 * one of them in a text would hide it from every expression without regard to case. In comes a text
 * or an expression, out goes whether such a letter is in it; pattern.c then asks PCRE2 itself. It
 * matches nothing. tests/unit/test_pattern_agree.c compares the two for every letter there is. */
#include "rules/pattern_case.h"

#include <stdint.h>
#include <string.h>

#include "xmpp/text.h"

/* In order; generous between the letters that matter. */
static const struct {
	uint32_t first, last;
} late[] = {
	{ 0x26a, 0x26a },
	{ 0x282, 0x282 },
	{ 0x29d, 0x29d },
	{ 0x10d0, 0x10ff },
	{ 0x13a0, 0x13fd },
	{ 0x1c80, 0x1cbf },
	{ 0x1d8e, 0x1d8e },
	{ 0x2c2f, 0x2c2f },
	{ 0x2c5f, 0x2c5f },
	{ 0xa64a, 0xa64b },
	{ 0xa794, 0xa7f6 },
	{ 0xab53, 0xabbf },
	{ 0x104b0, 0x105bc },
	{ 0x10c80, 0x10cf2 },
	{ 0x16e40, 0x16e7f },
	{ 0x1e900, 0x1e943 },
};

static bool is_late(uint32_t cp)
{
	for (size_t i = 0; i < sizeof(late) / sizeof(*late) && cp >= late[i].first; i++)
		if (cp <= late[i].last)
			return true;
	return false;
}

/* Most texts are ASCII, and most that are not begin so. */
static size_t skip_ascii(struct span text)
{
	uint64_t a, b;
	size_t i = 0;

	for (; i + 16 <= text.len; i += 16) {
		memcpy(&a, text.ptr + i, 8);
		memcpy(&b, text.ptr + i + 8, 8);
		if ((a | b) & 0x8080808080808080u)
			break;
	}
	return i;
}

bool pattern_has_late_letter(struct span text)
{
	size_t i = skip_ascii(text), n;
	uint32_t cp;

	while (i < text.len) {
		if ((unsigned char)text.ptr[i] < 0xc9) { /* below U+0240 there is none */
			i++;
			continue;
		}
		n = text_decode(text, i, &cp);
		if (n && is_late(cp))
			return true;
		i += n ? n : 1;
	}
	return false;
}

bool pattern_names_late_letter(const char *pattern)
{
	return pattern_has_late_letter(span_of(pattern)) || strstr(pattern, "\\x") ||
	       strstr(pattern, "\\o{") || strstr(pattern, "\\N{");
}

bool pattern_has_inline_caseless(const char *pattern)
{
	for (const char *p = pattern; (p = strstr(p, "(?")); p += 2)
		if (p[2 + strspn(p + 2, "^-msxnJUa")] == 'i')
			return true;
	return false;
}
