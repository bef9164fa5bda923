/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* xmpp/text: strict bytes, folding against evasions, its promises over all of Unicode, word edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "xmpp/text.h"
#include "xmpp/text_compose.h"
#include "xmpp/xml_char.h"

typedef int (*folding)(struct arena *, struct span, struct folded *);

static struct arena arena;

static const char *folded(const char *text)
{
	struct folded f;

	assert_int_equal(text_fold(&arena, span_of(text), &f), 0);
	return f.text;
}

static const char *cased(const char *text)
{
	struct folded f;

	assert_int_equal(text_casefold(&arena, span_of(text), &f), 0);
	return f.text;
}

static void test_valid(void **state)
{
	static const struct {
		const char *bytes;
		size_t len, valid;
		bool incomplete;
	} cases[] = {
		{ "", 0, 0, false },
		{ "abc\t\r\n ~\x7f", 9, 9, false },
		{ "a\0b", 3, 1, false },
		{ "ab\x1b", 3, 2, false },
		{ "\xc3\xa9", 2, 2, false },
		{ "\xc3", 1, 0, true },
		{ "\xc0\xaf", 2, 0, false },
		{ "\xc1\xbf", 2, 0, false },
		{ "\xe0\x80\xaf", 3, 0, false },
		{ "\xe0\x9f\xbf", 3, 0, false },
		{ "\xed\x9f\xbf", 3, 3, false },
		{ "\xed\xa0\x80", 3, 0, false },
		{ "\xed", 1, 0, true },
		{ "\xed\xa0", 2, 0, false },
		{ "\xef\xbf\xbd", 3, 3, false },
		{ "\xef\xbf\xbe", 3, 0, false },
		{ "\xef\xbf\xbf", 3, 0, false },
		{ "\xef\xbf", 2, 0, true },
		{ "\xf0\x8f\xbf\xbf", 4, 0, false },
		{ "\xf0\x90\x80\x80", 4, 4, false },
		{ "\xf4\x8f\xbf\xbf", 4, 4, false },
		{ "\xf4\x90\x80\x80", 4, 0, false },
		{ "\xf4\x90", 2, 0, false },
		{ "\xf5\x80\x80\x80", 4, 0, false },
		{ "\xff", 1, 0, false },
		{ "\x80", 1, 0, false },
		{ "ok\xe2\x82\xac!", 6, 6, false },
		{ "ok\xe2\x82", 4, 2, true },
		{ "ok\xe2\x82!", 5, 2, false },
		{ "\xc2\x85", 2, 2, false },
	};
	bool incomplete;
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
			text_valid(cases[i].bytes, cases[i].len, &incomplete), cases[i].valid);
		assert_int_equal(incomplete, cases[i].incomplete);
	}
}

/* A bad byte at every place of texts of several lengths, around the eight-byte strides. */
static void test_valid_at_every_byte(void **state)
{
	char text[40];
	(void)state;

	for (size_t len = 1; len <= sizeof(text); len++)
		for (size_t at = 0; at < len; at++) {
			static const char bad[] = { '\0', '\x01', '\x1f', '\x80', '\xc0', '\xff',
				'\xfe' };

			for (size_t k = 0; k < sizeof(bad); k++) {
				memset(text, 'x', len);
				text[at] = bad[k];
				assert_int_equal(text_valid(text, len, NULL), at);
			}
		}
}

static void test_decode(void **state)
{
	struct span text = span_of("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xff");
	uint32_t cp;
	(void)state;

	assert_int_equal(text_decode(text, 0, &cp), 1);
	assert_int_equal(text_decode(text, 1, &cp), 2);
	assert_int_equal(cp, 0xe9);
	assert_int_equal(text_decode(text, 3, &cp), 3);
	assert_int_equal(cp, 0x20ac);
	assert_int_equal(text_decode(text, 6, &cp), 4);
	assert_int_equal(cp, 0x1f600);
	assert_int_equal(text_decode(text, 10, &cp), 0);
	assert_int_equal(text_decode(text, 2, &cp), 0);
	assert_int_equal(text_decode(text, 11, &cp), 0);
}

static void test_evasions(void **state)
{
	static const char *const spellings[] = {
		"casino",
		"CaSiNo",
		"ｃａｓｉｎｏ",                   /* full-width */
		"c\u200dasi\u200cno",             /* joiners */
		"c\u00adas\u200bi\u2060no\ufeff", /* soft hyphen, zero-width space, word joiner, BOM
						   */
		"\u202ec\u202aasino\u202c",       /* bidi overrides */
		"\u2066casino\u2069",
		"ca\u034fsino",           /* combining grapheme joiner */
		"cas\ufe0fin\U000e0061o", /* variation selector, tag letter */
		"сasіnо",                 /* Cyrillic es, i, o */
		"саѕіnо",
		"ϲαsino", /* Greek lunate sigma, alpha */
		"𝐜𝐚𝐬𝐢𝐧𝐨",
		"𝒄𝒂𝒔𝒊𝒏𝒐",
		"𝔠𝔞𝔰𝔦𝔫𝔬",
		"𝕔𝕒𝕤𝕚𝕟𝕠",
		"𝚌𝚊𝚜𝚒𝚗𝚘",
		"𝖈𝖆𝖘𝖎𝖓𝖔",
		"ⓒⓐⓢⓘⓝⓞ",
		"🄲🄰🅂🄸🄽🄾",
		"🅲🅰🆂🅸🅽🅾",
		"🅒🅐🅢🅘🅝🅞",
		"ᴄᴀꜱɪɴᴏ",                                     /* small capitals */
		"ᶜᵃˢⁱⁿᵒ",                                     /* superscripts */
		"c\u0338a\u0336s\u20ddi\u0335n\u0337o\u0338", /* struck out, circled */
		"ca\u031f\u0329s\u0489ino", /* decoration below, Cyrillic thousands */
		"ⅽasino",                   /* Roman numeral */
		"cаѕıno",                   /* dotless i */
		"casin〇",
		"casinօ",
		"cɑsino",
		"CАSINО",
		"ꓚАꓢINO",
		"casin\u0585",
		"ca\x7fsino",
	};
	(void)state;

	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
		assert_string_equal(folded(spellings[i]), "casino");
}

static void test_kept_apart(void **state)
{
	(void)state;

	assert_string_equal(folded("1l0o rn m vv w"), "1l0o rn m vv w");
	assert_string_equal(folded("café"), "café");
	assert_string_equal(folded("cafe\u0301"), "café");
	assert_string_equal(folded("CAFÉ"), "café");
	assert_string_equal(folded("naïve Ångström"), "naïve ångström");
	assert_string_equal(folded("Ørsted Łódź Đà"), "ørsted łódź đà");
	assert_string_equal(folded("мой"), folded("МОЙ"));
	assert_string_not_equal(folded("мой"), folded("мои"));
	assert_string_equal(folded("ΗΛΙΟΣ"), folded("ηλιος"));
	assert_string_equal(folded("한국어"), "한국어");
	assert_string_equal(folded("\u1112\u1161\u11ab"), "한");
	assert_string_equal(folded("ガガ 夕力 か\u3099"), "ガガ 夕力 が");
	assert_string_equal(folded("ไทย हिन्दी"), "ไทย हिन्दी");
	assert_string_equal(folded("שלום مرحبا"), "שלום مرحبا");
	assert_string_equal(folded("Straße"), "strasse");
	assert_string_equal(folded("ﬁre ½ № ㎏"), "fire 1/2 no kg");
	assert_string_equal(folded("٤١١١ ४१११ 𝟒𝟏 ➍"), "4111 4111 41 4");
	assert_string_equal(folded("“a” ‘b’ a—b a‐b a…"), "\"a\" 'b' a-b a-b a...");
}

/* Some letters look Latin only in Latin company; among their own they stay. */
static void test_mixed_words(void **state)
{
	(void)state;

	assert_string_equal(folded("CASIΝO casiΝo cas\u200bi\u0338Νo"), "casino casino casino");
	assert_string_equal(folded("ΥES"), "yes");
	assert_string_equal(folded("casinס hellס סhel\u05d5o"), "casino hello ohello");
	assert_string_equal(folded("ΝΑΙ"), folded("ναι"));
	assert_string_equal(folded("ΥΠΝΟΣ casino"), folded("υπνοσ CASINO"));
	assert_string_equal(folded("סוס-casino"), "סוס-casino");
	assert_string_equal(folded("𝚴𝐎 𝛮O"), "no no");
	assert_string_equal(folded("ⲚⲞ ⲏi"), "no hi");
}

static void test_white_space(void **state)
{
	(void)state;

	assert_string_equal(folded(" \t a \r\n\u00a0\u2003b\u3000\u2028c\xc2\x85 "), " a b c ");
	assert_string_equal(folded("a\u200b b"), "a b");
	assert_string_equal(folded("a\u2800\u3164b"), "a b");
	assert_string_equal(folded("a \u00a8 b"), "a b");
	assert_string_equal(folded(""), "");
}

static void test_bad_bytes(void **state)
{
	(void)state;

	assert_string_equal(folded("a\xff\xc3z\xe2\x82"), "a\ufffd\ufffdz\ufffd\ufffd");
	assert_string_equal(cased("\x80"), "\ufffd");
}

static void test_casefold_keeps(void **state)
{
	(void)state;

	assert_string_equal(cased("CaSiNo  X"), "casino  x");
	assert_string_equal(cased("с\u200dA\u00ad"), "с\u200da\u00ad");
	assert_string_equal(cased("ÉCOLE e\u0301 Straße"), "école é strasse");
	assert_string_equal(cased("ｘ\u0338"), "x\u0338");
	assert_string_equal(cased("ДОМ"), "дом");
}

static void check_offsets(const struct folded *f, size_t in)
{
	assert_int_equal(f->source[f->len], in);
	for (size_t i = 0; i < f->len; i++)
		assert_true(f->source[i] <= f->source[i + 1] && f->source[i] < in);
	assert_int_equal(text_valid(f->text, f->len, NULL), f->len);
}

static void test_offsets(void **state)
{
	static const char text[] = "\u200bAé  ﬁ\u00ad\u0301x";
	struct folded f;
	(void)state;

	assert_int_equal(text_fold(&arena, span_of(text), &f), 0);
	assert_string_equal(f.text, "aé fíx");
	assert_int_equal(f.source[0], 3);  /* A after the zero-width space */
	assert_int_equal(f.source[1], 4);  /* é */
	assert_int_equal(f.source[3], 6);  /* the first of two spaces */
	assert_int_equal(f.source[4], 8);  /* the ligature is both f */
	assert_int_equal(f.source[5], 8);  /* and i, whose acute came after a soft hyphen */
	assert_int_equal(f.source[7], 15); /* x */
	check_offsets(&f, sizeof(text) - 1);
}

static void check_fixed(folding fold, const char *text, size_t len)
{
	struct folded once, twice;

	assert_int_equal(fold(&arena, (struct span){ text, len }, &once), 0);
	check_offsets(&once, len);
	assert_int_equal(fold(&arena, (struct span){ once.text, once.len }, &twice), 0);
	if (once.len != twice.len || memcmp(once.text, twice.text, once.len) != 0)
		fail_msg("'%s' -> '%s' -> '%s'", text, once.text, twice.text);
}

/* fold(fold(x)) = fold(x) for each character, bare and with a mark and a letter around it. */
static void test_idempotent_over_unicode(void **state)
{
	(void)state;

	for (uint32_t cp = 1; cp < 0x110000; cp++) {
		char text[16] = "e";
		size_t n;

		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		n = 1 + xml_char_put(cp, text + 1);
		if (text_valid(text, n, NULL) != n)
			continue;
		memcpy(text + n, "\u0323\u0301", 5);
		check_fixed(text_fold, text + 1, n - 1);
		check_fixed(text_fold, text, n + 4);
		check_fixed(text_casefold, text + 1, n + 3);
		if (cp % 64 == 0)
			arena_reset(&arena);
	}
}

/* Letters, marks, spaces, jamo and invisible characters in random order. */
static void test_idempotent_on_random_texts(void **state)
{
	static const uint32_t pool[] = { 'a', 'E', ' ', '\n', '<', '1', 0xe9, 0x1ea5, 0x301, 0x323,
		0x338, 0x345, 0x34f, 0x20dd, 0x200d, 0xad, 0x3b1, 0x3b7, 0x435, 0x438, 0x439, 0x306,
		0x308, 0x1100, 0x1161, 0x11a8, 0xac00, 0x9c7, 0x9be, 0x915, 0x93c, 0x94d, 0x5d0,
		0x5b7, 0x644, 0x651, 0x64e, 0x3099, 0x304b, 0xfdfa, 0xa8, 0xfb01, 0x1d400, 0x1f600,
		0xfe0f, 0x200b, 0xdd9, 0xdcf, 0xdca, 0x3164, 0x344, 0xfb1d, 0xf73, 0xf71, 0x103a,
		0x39d, 0x3a5, 0x38e, 0x5e1, 0x5d5, 0x627, 0x653, 0xfefb, 0x441, 0xff41, 0x54f, '-',
		0x3000 };
	unsigned seed = 20261121;
	(void)state;

	for (int round = 0; round < 20000; round++) {
		char text[4 * 80];
		size_t len = 0, chars = (size_t)rand_r(&seed) % 80;

		for (size_t i = 0; i < chars; i++)
			len += xml_char_put(
				pool[(size_t)rand_r(&seed) % (sizeof(pool) / sizeof(pool[0]))],
				text + len);
		check_fixed(text_fold, text, len);
		check_fixed(text_casefold, text, len);
		arena_reset(&arena);
	}
}

/* Thousands of marks on a letter cost memory for no more than TEXT_MARKS_MAX. */
static void test_marks_are_bounded(void **state)
{
	size_t len = 1;
	char *text = malloc(1 + 2 * 100000);
	struct folded f;
	(void)state;

	assert_non_null(text);
	text[0] = 'a';
	for (int i = 0; i < 100000; i++, len += 2)
		memcpy(text + len, i % 2 ? "\u0316" : "\u0338", 2);
	assert_int_equal(text_fold(&arena, (struct span){ text, len }, &f), 0);
	assert_string_equal(f.text, "a");
	assert_int_equal(text_casefold(&arena, (struct span){ text, len }, &f), 0);
	assert_true(f.len <= 1 + 2 * (TEXT_MARKS_MAX + 1));
	check_fixed(text_casefold, text, len);
	free(text);
}

/* The longest expansions, over and over, so that the output outgrows the first guess. */
static void test_long_expansions(void **state)
{
	char *text = malloc(3 * 5000);
	struct folded f;
	(void)state;

	assert_non_null(text);
	for (int i = 0; i < 5000; i++)
		memcpy(text + 3 * i, "\ufdfa", 3);
	assert_int_equal(text_fold(&arena, (struct span){ text, 3 * 5000 }, &f), 0);
	assert_true(f.len > 5000 * 30);
	check_offsets(&f, 3 * 5000);
	free(text);
}

static void test_out_of_memory(void **state)
{
	struct arena small;
	struct folded f;
	(void)state;

	arena_init(&small, 2);
	assert_int_equal(text_fold(&small, span_of("abc"), &f), -12);
	assert_int_equal(text_fold(&small, span_of("\u00e4"), &f), -12);
	arena_fini(&small);
}

static void *fold_pages(void *arg)
{
	struct arena a;
	struct folded f;
	char text[4];
	(void)arg;

	arena_init(&a, 0);
	for (uint32_t cp = 0x80; cp < 0x30000; cp += 128)
		if ((cp < 0xd800 || cp >= 0xe000) &&
			text_fold(&a, (struct span){ text, xml_char_put(cp, text) }, &f) < 0)
			return (void *)1;
	arena_fini(&a);
	return NULL;
}

/* Run first, so that pages are made while others read. */
static void test_threads(void **state)
{
	pthread_t threads[4];
	void *result;
	(void)state;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, fold_pages, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_null(result);
	}
}

static bool is_word(const char *text, const char *word)
{
	const char *found = strstr(text, word);
	size_t start;

	assert_non_null(found);
	start = (size_t)(found - text);
	return text_is_word(span_of(text), start, start + strlen(word));
}

static void test_words(void **state)
{
	(void)state;

	assert_true(is_word("casino", "casino"));
	assert_true(is_word("a casino.", "casino"));
	assert_true(is_word("(casino)", "casino"));
	assert_true(is_word("a-casino's", "casino"));
	assert_false(is_word("casinos", "casino"));
	assert_false(is_word("mycasino", "casino"));
	assert_false(is_word("casino1", "casino"));
	assert_false(is_word("_casino", "casino"));
	assert_false(is_word("casinoé", "casino"));
	assert_false(is_word("cafe\u0301", "cafe")); /* e with acute, decomposed */
	assert_true(is_word("казино!", "казино"));
	assert_false(is_word("казиномы", "казино"));
	assert_true(is_word("我去賭場玩", "賭場"));
	assert_true(is_word("カジノへ", "カジノ"));
	assert_true(is_word("ไปคาสิโนกัน", "คาสิโน"));
	assert_true(is_word("看casino吧", "casino"));
	assert_false(is_word("카지노에서", "지노"));
	assert_true(is_word("x $$$ y", "$$$"));
	assert_true(is_word("x$$$y", "$$$"));
	assert_false(text_is_word(span_of("abc"), 2, 2));
	assert_false(text_is_word(span_of("abc"), 0, 4));
}

static int setup(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_threads, setup),
		cmocka_unit_test_setup(test_valid, setup),
		cmocka_unit_test_setup(test_valid_at_every_byte, setup),
		cmocka_unit_test_setup(test_decode, setup),
		cmocka_unit_test_setup(test_evasions, setup),
		cmocka_unit_test_setup(test_kept_apart, setup),
		cmocka_unit_test_setup(test_mixed_words, setup),
		cmocka_unit_test_setup(test_white_space, setup),
		cmocka_unit_test_setup(test_bad_bytes, setup),
		cmocka_unit_test_setup(test_casefold_keeps, setup),
		cmocka_unit_test_setup(test_offsets, setup),
		cmocka_unit_test_setup(test_idempotent_over_unicode, setup),
		cmocka_unit_test_setup(test_idempotent_on_random_texts, setup),
		cmocka_unit_test_setup(test_marks_are_bounded, setup),
		cmocka_unit_test_setup(test_long_expansions, setup),
		cmocka_unit_test_setup(test_out_of_memory, setup),
		cmocka_unit_test_setup(test_words, setup),
	};
	int failed;

	arena_init(&arena, 0);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return failed;
}
