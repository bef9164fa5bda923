/* SPDX-License-Identifier: BSD-2-Clause */
/* Look-alikes: one step from a character to what a reader takes it for, for text_table.c. In comes
 * a code point that is already case-folded and taken apart; out go the characters of its UTS 39
 * skeleton, with these choices: ASCII never changes (1 stays 1, rn stays rn) and is preferred: what
 * shares a skeleton with one ASCII character becomes that character, letters before digits. Decimal
 * digits of all scripts become 0 to 9. Small capitals become letters, dashes become '-'. Letters
 * that differ by a stroke or hook (ø, ł, đ) stay themselves. East Asian scripts stay and
 * right-to-left ones are mapped among themselves only, since mapping their everyday words to Latin
 * would find words nobody wrote. It never sees neighbours. */
#include "xmpp/text_alike.h"

#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include "base/err.h"

#define SKELETON_MAX       64
#define ASCII_SKELETON_MAX 4

struct skeleton {
	UChar s[SKELETON_MAX];
	int32_t len;
};

static USpoofChecker *spoof;
static struct {
	UChar s[ASCII_SKELETON_MAX];
	int32_t len;
} ascii_skeleton[128];

/* Where UTS 39 keeps apart what readers do not, leads away from ASCII, or would lose marks that
 * make letters (й, ӟ, ǯ: their base stays, its doubles come to it). Greek follows its capitals
 * where these are Latin ones. */
static const struct {
	uint16_t from, to;
} choices[] = {
	{ 0x0138, 'k' },
	{ 0x0185, 'b' },
	{ 0x01dd, 0x0259 },
	{ 0x021d, 0x0292 },
	{ 0x0259, 0x0259 },
	{ 0x025c, 0x0437 },
	{ 0x0262, 'g' },
	{ 0x026a, 'i' },
	{ 0x0274, 'n' },
	{ 0x0280, 'r' },
	{ 0x028d, 'm' },
	{ 0x028f, 'y' },
	{ 0x0292, 0x0292 },
	{ 0x0299, 'b' },
	{ 0x029c, 'h' },
	{ 0x029f, 'l' },
	{ 0x03b2, 'b' },
	{ 0x03b5, 'e' },
	{ 0x03b6, 'z' },
	{ 0x03b7, 'h' },
	{ 0x03bc, 'm' },
	{ 0x03c4, 't' },
	{ 0x03c7, 'x' },
	{ 0x03dd, 'f' },
	{ 0x03fb, 'm' },
	{ 0x0437, 0x0437 },
	{ 0x0438, 0x0438 },
	{ 0x043c, 'm' },
	{ 0x044c, 'b' },
	{ 0x1d00, 'a' },
	{ 0x1d05, 'd' },
	{ 0x1d07, 'e' },
	{ 0x1d08, 0x0437 },
	{ 0x1d0a, 'j' },
	{ 0x1d0e, 0x0438 },
	{ 0x1d18, 'p' },
	{ 0x1d1b, 't' },
	{ 0x2014, '-' },
	{ 0x2015, '-' },
	{ 0x2c8f, 'h' },
	{ 0x2c93, 'i' },
	{ 0x2c95, 'k' },
	{ 0x2c99, 'm' },
	{ 0x2c9b, 'n' },
	{ 0x2ca7, 't' },
	{ 0x2ca9, 'y' },
	{ 0x2cad, 'x' },
	{ 0x3002, '.' },
	{ 0x3007, 'o' },
	{ 0x301c, '~' },
	{ 0xa730, 'f' },
	{ 0xa7af, 'q' },
	{ 0xa7b5, 'b' },
};

/* Letters and digits drawn in shapes that NFKC leaves alone. */
static const struct {
	uint32_t first, last;
	char to;
} drawn[] = {
	{ 0x24f5, 0x24fd, '1' },
	{ 0x24ff, 0x24ff, '0' },
	{ 0x2776, 0x277e, '1' },
	{ 0x2780, 0x2788, '1' },
	{ 0x278a, 0x2792, '1' },
	{ 0x1f150, 0x1f169, 'a' },
	{ 0x1f170, 0x1f189, 'a' },
};

/* Our own word for cp; 0 if UTS 39 has it. */
static UChar32 choice_find(UChar32 cp)
{
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (choices[i].from == cp)
			return choices[i].to;
	for (size_t i = 0; i < sizeof(drawn) / sizeof(drawn[0]); i++)
		if ((uint32_t)cp >= drawn[i].first && (uint32_t)cp <= drawn[i].last)
			return drawn[i].to + cp - (UChar32)drawn[i].first;
	return 0;
}

char text_alike_capital(uint32_t cp)
{
	switch (cp) {
	case 0x039d:
		return 'n';
	case 0x03a5:
	case 0x03d2:
		return 'y';
	case 0x054f: /* Armenian */
		return 's';
	default:
		return 0;
	}
}

char text_alike_distant(uint32_t cp)
{
	switch (cp) {
	case 0x05d5: /* Hebrew vav, final nun; Arabic alef */
	case 0x05df:
	case 0x0627:
		return 'l';
	case 0x05d8: /* tet */
		return 'v';
	case 0x05e1: /* samekh; Arabic heh and its doubles */
	case 0x0647:
	case 0x06be:
	case 0x06c1:
	case 0x06d5:
		return 'o';
	default:
		return 0;
	}
}

/* Greek capitals among the mathematical letters: five alphabets of 58 from U+1D6A8. */
static int32_t math_capital(int32_t cp)
{
	int32_t letter = cp >= 0x1d6a8 && cp <= 0x1d7c9 ? (cp - 0x1d6a8) % 58 : -1;

	return letter == 12 ? 'n' : letter == 20 ? 'y' : cp;
}

int32_t text_alike_first(int32_t cp)
{
	return cp == 0x03f2 || cp == 0x03f9 ? 'c' : math_capital(cp);
}

static bool skeleton_of(UChar32 cp, struct skeleton *out)
{
	UErrorCode e = U_ZERO_ERROR;
	UChar s[2];
	int32_t n = 0;

	U16_APPEND_UNSAFE(s, n, cp);
	out->len = uspoof_getSkeleton(spoof, 0, s, n, out->s, SKELETON_MAX, &e);
	return U_SUCCESS(e);
}

int text_alike_init(void)
{
	UErrorCode e = U_ZERO_ERROR;
	struct skeleton k;

	spoof = uspoof_open(&e);
	if (U_FAILURE(e))
		return ERR_LIBRARY;
	for (UChar32 c = '!'; c < 0x7f; c++) {
		if (!skeleton_of(c, &k) || k.len > ASCII_SKELETON_MAX)
			return ERR_LIBRARY;
		ascii_skeleton[c].len = k.len;
		u_memcpy(ascii_skeleton[c].s, k.s, k.len);
	}
	return 0;
}

/* The first ASCII character between low and high with that skeleton; 0 if none. */
static int ascii_with(const struct skeleton *k, int low, int high)
{
	for (int c = low; c <= high; c++)
		if (ascii_skeleton[c].len == k->len &&
			u_memcmp(ascii_skeleton[c].s, k->s, k->len) == 0)
			return c;
	return 0;
}

static int ascii_letter(const struct skeleton *k)
{
	int c = ascii_with(k, 'a', 'z');

	if (!c && (c = ascii_with(k, 'A', 'Z')))
		c += 'a' - 'A';
	return c ? c : ascii_with(k, '0', '9');
}

static int ascii_sign(const struct skeleton *k)
{
	static const char ranges[][2] = { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } };
	int c = 0;

	for (int i = 0; i < 4 && !c; i++)
		c = ascii_with(k, ranges[i][0], ranges[i][1]);
	return c;
}

/* How far a script's letters may go. */
enum family {
	FAMILY_MIXING,  /* Latin and what is read beside it: anywhere */
	FAMILY_DISTANT, /* to one ASCII character at most */
	FAMILY_RTL,     /* among themselves: in the other direction they spell other words */
	FAMILY_ALONE,   /* nowhere */
};

static enum family family_of(UChar32 cp)
{
	UErrorCode e = U_ZERO_ERROR;
	UCharDirection d = u_charDirection(cp);

	if (d == U_RIGHT_TO_LEFT || d == U_RIGHT_TO_LEFT_ARABIC)
		return FAMILY_RTL;
	switch (uscript_getScript(cp, &e)) {
	case USCRIPT_LATIN:
	case USCRIPT_GREEK:
	case USCRIPT_CYRILLIC:
	case USCRIPT_COMMON:
		return FAMILY_MIXING;
	case USCRIPT_HANGUL:
	case USCRIPT_HAN:
	case USCRIPT_HIRAGANA:
	case USCRIPT_KATAKANA:
	case USCRIPT_BOPOMOFO:
		return FAMILY_ALONE;
	default:
		return FAMILY_DISTANT;
	}
}

static bool is_mark(UChar32 cp)
{
	return (U_MASK(u_charType(cp)) & U_GC_M_MASK) != 0;
}

/* May a skeleton of several characters, or one that is not ASCII, stand for cp? */
static bool skeleton_fits(UChar32 cp, const struct skeleton *k)
{
	enum family family = family_of(cp);
	bool word = u_isalnum(cp);
	UChar32 part;

	if (family == FAMILY_DISTANT)
		return false;
	for (int32_t i = 0; i < k->len;) {
		U16_NEXT(k->s, i, k->len, part);
		if (is_mark(part) || family_of(part) != family)
			return false;
		if (word != (bool)u_isalnum(part))
			return false; /* no sign may glue words together, no letter part them */
		if (u_isalpha(cp) && u_isdigit(part))
			return false;
	}
	return true;
}

/* One ASCII character for cp, or 0. Letters do not become digits: they would make numbers of words.
 */
static int alike_ascii(UChar32 cp, const struct skeleton *k)
{
	bool word = u_isalnum(cp);
	int c;

	if (family_of(cp) == FAMILY_RTL)
		return 0;
	if (!word && (c = ascii_sign(k)))
		return c;
	if ((c = ascii_letter(k)))
		return u_isalpha(cp) && c <= '9' ? 0 : c;
	return word ? ascii_sign(k) : 0;
}

static bool put(UChar32 cp, UChar *out, int32_t cap, int32_t *len)
{
	if (*len + 2 > cap)
		return false;
	U16_APPEND_UNSAFE(out, *len, cp);
	return true;
}

/* Controls, and what frames or annotates without being seen. */
static bool is_unseen(UChar32 cp)
{
	return (cp < 0x20 || (cp >= 0x7f && cp < 0xa0)) || (cp >= 0xfff9 && cp <= 0xfffb) ||
	       u_hasBinaryProperty(cp, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

bool text_alike(int32_t cp, uint16_t *out, int32_t cap, int32_t *len)
{
	struct skeleton k;
	int32_t i = 0;
	UChar32 c;

	if (u_isUWhiteSpace(cp) || cp == 0x2800) /* the empty Braille pattern */
		return put(' ', out, cap, len);
	if (is_unseen(cp))
		return true;
	if (cp < 0x80)
		return put(cp, out, cap, len);
	if ((c = choice_find(cp)))
		return put(c, out, cap, len);
	if (u_charType(cp) == U_DECIMAL_DIGIT_NUMBER)
		return put('0' + u_charDigitValue(cp), out, cap, len);
	if (is_mark(cp) || family_of(cp) == FAMILY_ALONE || !u_isdefined(cp) ||
		!skeleton_of(cp, &k))
		return put(cp, out, cap, len);
	if ((c = alike_ascii(cp, &k)))
		return put(c, out, cap, len);
	if (!skeleton_fits(cp, &k))
		return put(cp, out, cap, len);
	while (i < k.len) {
		UChar32 part;

		U16_NEXT(k.s, i, k.len, part);
		if (!put(part, out, cap, len))
			return false;
	}
	return true;
}
