/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* xmpp/url_window: which parts of a text are looked at for links; whatever is left out must hold
 * none, so url_find is compared with a walk through the whole text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "xmpp/text.h"
#include "xmpp/url_int.h"
#include "xmpp/url_window.h"

static struct arena arena;

static int setup(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

/* "[part][part]" */
static const char *windows(const char *text)
{
	static char out[1024];
	struct url_windows w;
	struct url_window part;
	size_t len = 0;

	out[0] = '\0';
	url_windows_init(&w, span_of(text));
	while (url_windows_next(&w, &part))
		len += (size_t)snprintf(out + len, sizeof(out) - len, "<%.*s>",
			(int)(part.end - part.start), text + part.start);
	return out;
}

/* What url_find says is what a walk through everything says. */
static void same_check(struct span text)
{
	struct url *parts, *whole;

	assert_int_equal(url_find(&arena, text, 64, &parts), 0);
	assert_int_equal(url_find_in(&arena, text, 64, &whole), 0);
	for (; parts && whole; parts = parts->next, whole = whole->next)
		if (parts->start != whole->start || parts->end != whole->end ||
			strcmp(parts->host, whole->host) != 0 ||
			strcmp(parts->scheme, whole->scheme) != 0)
			break;
	if (parts || whole)
		fail_msg("\"%.*s\": in parts %s, as a whole %s", (int)text.len, text.ptr,
			parts ? parts->text : "nothing", whole ? whole->text : "nothing");
}

static void test_none(void **state)
{
	static const char *const texts[] = { "", "Hello.", "at 18:05, platform 4. Bring books.",
		":-) ;:", "(see below) [1] {x}", "100% sure, 5%", "Re: that", "... and so on...",
		"e. g. this", "завтра в 18:05, платформа 4. Γειά σου.", "ｗｗｗ. Γειά",
		"он: да… нет", "「はい」", "a . b" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_string_equal(windows(texts[i]), "");
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(windows("see evil.com now"), "<evil.com>");
	assert_string_equal(windows("a.b c d.e"), "<a.b><d.e>");
	assert_string_equal(windows("x http://a y"), "<http://a>");
	assert_string_equal(windows("mailto:a"), "<mailto:a>");
	assert_string_equal(windows("%65vil now"), "<%65vil>");
	assert_string_equal(windows("видел т.е.\nнет"), "<т.е.>");
	assert_string_equal(windows("日本。日本 x"), "<日本。日本>");
	assert_string_equal(windows("日本。 日本"), "");
	assert_string_equal(windows("x ev\u200bil.\u200bcom y"), "<ev\u200bil.\u200bcom>");
	assert_string_equal(windows("x ｅｖｉｌ．ｃｏｍ y"), "<ｅｖｉｌ．ｃｏｍ>");
}

/* A bracket reaches to the words beside it, wherever in a window it stands. */
static void test_brackets(void **state)
{
	(void)state;
	assert_string_equal(windows("so evil [.] com is bad here"), "<evil [.] com is bad>");
	assert_string_equal(windows("so evil[.]com"), "<so evil[.]com>");
	assert_string_equal(windows("evil [ dot ] com x y"), "<evil [ dot ] com>");
	assert_string_equal(windows("a [.] b c [.] d"), "<a [.] b c [.] d>");
	assert_string_equal(windows("http://x[.] com"), "<http://x[.] com>");
	assert_string_equal(windows("x.y z [.] com"), "<x.y><z [.] com>");
	assert_string_equal(windows("x.y [.] com"), "<x.y [.] com>");
	assert_string_equal(windows("a [.] b 1 2 3 4 c [.] d"), "<a [.] b 1 2><c [.] d>");
}

static void test_many(void **state)
{
	const char *text = "a.b c d.e f g.h i j.k l m.n o p.q r s.t u v.w x y.z 1 2.3";

	(void)state;
	assert_string_equal(windows(text), "<a.b><d.e><g.h><j.k><m.n><p.q><s.t><v.w x y.z 1 2.3>");
	same_check(span_of(text));
}

static size_t encode(uint32_t cp, char bytes[5])
{
	size_t n = 0;

	if (cp < 0x80) {
		bytes[n++] = (char)cp;
	} else if (cp < 0x800) {
		bytes[n++] = (char)(0xc0 | cp >> 6);
	} else if (cp < 0x10000) {
		bytes[n++] = (char)(0xe0 | cp >> 12);
		bytes[n++] = (char)(0x80 | (cp >> 6 & 63));
	} else {
		bytes[n++] = (char)(0xf0 | cp >> 18);
		bytes[n++] = (char)(0x80 | (cp >> 12 & 63));
		bytes[n++] = (char)(0x80 | (cp >> 6 & 63));
	}
	if (cp >= 0x80)
		bytes[n++] = (char)(0x80 | (cp & 63));
	bytes[n] = '\0';
	return n;
}

/* Of the large scripts in which nothing folds a sample will do. */
static bool is_tested(uint32_t cp, const char *bytes, size_t n)
{
	struct folded f;

	if (cp < 0x3400 || (cp >= 0xe000 && cp < 0x10000) || cp % 64 == 0)
		return true;
	assert_int_equal(text_casefold(&arena, (struct span){ bytes, n }, &f), 0);
	return f.len != n || memcmp(f.text, bytes, n) != 0;
}

/* Each character where a mark could stand ('~'). */
static void test_every_character(void **state)
{
	static const char *const around[] = { "evil~com", "evil.~com", "evil~.com", "http~//evil/",
		"http:~//evil", "see ~65vil.com", "evil [~] com", "evil ~.] com", "evil [.~ com",
		"x~mailto:a@b", "evil ~ com", "evil[dot~com", "~http://evil.com~", "www~evil~com",
		"user~evil.com/", "[~.]com", "evil~63om" };
	char bytes[5], text[128];

	(void)state;
	for (uint32_t cp = 0x21; cp <= 0x10ffff; cp++) {
		size_t n = encode(cp, bytes), len;

		if (text_valid(bytes, n, NULL) != n || !is_tested(cp, bytes, n))
			continue;
		for (size_t i = 0; i < sizeof(around) / sizeof(*around); i++) {
			len = 0;
			for (const char *p = around[i]; *p; p++)
				if (*p == '~') {
					memcpy(text + len, bytes, n);
					len += n;
				} else {
					text[len++] = *p;
				}
			same_check((struct span){ text, len });
		}
		arena_reset(&arena);
	}
}

/* Texts thrown together from what links are made of. */
static void test_thrown(void **state)
{
	static const char *const parts[] = { "evil", ".", "com", " ", "  ", "[", "]", "(", ")", "{",
		"dot", "at", "http", ":", "//", "://", "@", "%2e", "%3a%2f%2f", "\u3002", "\u2024",
		"\uff0e", "\u200b", "\u00ad", "www.", "\n", "\t", "\u00a0", "\u3000", "ж", "é",
		"日本", "1", "2.3", "mailto:", "xmpp:", "\u2026", "/", "?", "\u0301", "ｃｏｍ",
		"\uff1a", "\uff3b", "\uff3d", "javascript:", "[.]", " [.] ", "\u2488", "#", "\"",
		"<", ",", "." };
	enum { N = sizeof(parts) / sizeof(*parts) };
	uint32_t random = 1;
	char text[512];

	(void)state;
	for (int i = 0; i < 30000; i++) {
		size_t len = 0, n;

		random = random * 1664525u + 1013904223u;
		n = 2 + (random >> 20) % 24;
		for (size_t k = 0; k < n; k++) {
			random = random * 1664525u + 1013904223u;
			len += (size_t)snprintf(
				text + len, sizeof(text) - len, "%s", parts[(random >> 12) % N]);
		}
		same_check((struct span){ text, len });
		arena_reset(&arena);
	}
}

/* A word of nothing but marks, brackets without end, blanks without end: linear. */
static void test_hostile(void **state)
{
	static const char *const units[] = { "a.", "[.", "( . ", "[.] ", "a ", "    ", "a:b ", "％",
		"\u3002x" };
	enum { BYTES = 1 << 20 };
	char *text = malloc(BYTES + 8);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		uint64_t began = clock_mono_ns();
		struct url_windows w;
		struct url_window part;
		size_t len = 0, unit = strlen(units[i]), end = 0;

		for (; len + unit <= BYTES; len += unit)
			memcpy(text + len, units[i], unit);
		url_windows_init(&w, (struct span){ text, len });
		while (url_windows_next(&w, &part)) {
			assert_true(part.start >= end && part.end > part.start && part.end <= len);
			end = part.end;
		}
		assert_true(clock_mono_ns() - began < 1000000000u);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_none, setup),
		cmocka_unit_test_setup(test_words, setup),
		cmocka_unit_test_setup(test_brackets, setup),
		cmocka_unit_test_setup(test_many, setup),
		cmocka_unit_test_setup(test_every_character, setup),
		cmocka_unit_test_setup(test_thrown, setup),
		cmocka_unit_test_setup(test_hostile, setup),
	};

	arena_init(&arena, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
