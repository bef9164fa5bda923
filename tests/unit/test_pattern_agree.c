/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The scanner may only say "maybe" too often, never "no" where PCRE2 says "yes": random expressions
 * on random texts, and the letters whose case folds in surprising ways. Literals against memmem. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "rules/pattern.h"

enum { PATTERNS = 100, TEXTS = 60, BATCH = 2 };

static const char *const atoms[] = { "a", "b", "c", ".", "\\d", "\\w", "\\s", "[ab]", "[^a]",
	"[a-c]", "k", "s", "\xc3\xa9", "\xd0\xb0", "\\x{e9}", "(?:ab)", "(a|bc)", "(?i:k)", "\\b",
	"\\B", "^", "$", "\\A", "\\z", "\\Z", "(?=a)", "(?!b)", "(?<=a)", "(?<!b)", "\\1", "()",
	"\\D", "\\W", "\\S", "(?>a+)", "(?:a|)", "\\p{L}", "\\p{Lu}", "[[:alpha:]]", "\\R", "\\h",
	"\\x41", " ", "#", "\\n", "(?s:.)", "(?m:^)", "(?m:$)", "\\Qa.b\\E", "(?<n>a)\\k<n>",
	"(?(1)a|b)", "\\K", "\\N", "\\X", "[\\w-]", "[^\\s]", "(?#x)", "a++", "\xc3\x9f", "\\t" };
static const char *const repeats[] = { "", "", "", "", "*", "+", "?", "{2}", "{1,3}", "*?", "+?",
	"{0,2}?", "?+" };
static const char *const flags[] = { "", "", "", "i", "m", "s", "x", "u", "iu", "ims", "ix" };
static const char *const pieces[] = { "a", "b", "c", "ab", "aab", "1", "42", " ", "\n", "\t",
	"\xc3\xa9", "\xc3\x89", "k", "K", "\xe2\x84\xaa" /* Kelvin */, "s", "S",
	"\xc5\xbf" /* long s */, "\xc3\x9f", "\xe1\xba\x9e", "\xd0\xb0", "\xd0\x90", "-", ".",
	"a.b", "\xe2\x82\xac", "\xc2\xa0", "\xe2\x80\xa8", "\r\n", "_", "\xcf\x83", "\xcf\x82",
	"\xce\xa3", "\xf0\x9f\x98\x80", "x", "#" };

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static unsigned long seed = 20261121;

static unsigned pick(unsigned n)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (unsigned)(seed >> 33) % n;
}

struct seen {
	bool *groups;
};

static bool visit(void *arg, const struct pattern_item *item, size_t start, size_t end)
{
	struct seen *seen = arg;

	(void)start;
	(void)end;
	seen->groups[item->group] = true;
	return true;
}

static struct regex *regex_random(void)
{
	for (;;) {
		char text[256] = "", why[160];
		struct regex *re;
		size_t offset;

		for (unsigned i = 1 + pick(5); i > 0; i--) {
			strcat(text, atoms[pick(COUNT(atoms))]);
			strcat(text, repeats[pick(COUNT(repeats))]);
			if (pick(12) == 0)
				strcat(text, "|");
		}
		if (regex_new(span_of(text), flags[pick(COUNT(flags))], why, sizeof(why), &offset,
			    &re) == 0)
			return re;
	}
}

static void text_random(char text[256])
{
	text[0] = '\0';
	for (unsigned i = pick(10); i > 0; i--)
		strcat(text, pieces[pick(COUNT(pieces))]);
}

static unsigned batch_compare(struct pattern_scratch *s, struct regex **regexes)
{
	struct pattern_item items[BATCH] = { 0 };
	struct pattern_db *db;
	unsigned matched = 0;

	for (unsigned i = 0; i < BATCH; i++)
		items[i] = (struct pattern_item){
			.group = i, .re = regexes[i], .text = regex_text(regexes[i])
		};
	assert_int_equal(pattern_db_new(items, BATCH, NULL, &db), 0);
	for (unsigned t = 0; t < TEXTS; t++) {
		bool found[BATCH] = { false };
		struct seen seen = { found };
		char text[256];
		size_t start, end;

		text_random(text);
		assert_int_equal(pattern_scan(s, db, span_of(text), visit, &seen), 0);
		pattern_scratch_rest(s);
		for (unsigned i = 0; i < BATCH; i++) {
			if (regex_match(s, regexes[i], span_of(text), &start, &end) != REGEX_YES)
				continue;
			matched++;
			assert_true(start <= end && end <= strlen(text));
			if (!found[i])
				fail_msg("%s: not even a maybe for \"%s\"", regex_text(regexes[i]),
					text);
		}
	}
	pattern_db_free(db);
	return matched;
}

static void test_random(void **state)
{
	struct pattern_scratch *s = pattern_scratch_new();
	struct regex *regexes[BATCH];
	unsigned matched = 0;

	(void)state;
	for (unsigned n = 0; n < PATTERNS; n += BATCH) {
		for (unsigned i = 0; i < BATCH; i++)
			regexes[i] = regex_random();
		matched += batch_compare(s, regexes);
		for (unsigned i = 0; i < BATCH; i++)
			regex_free(regexes[i]);
	}
	assert_true(matched > 100);
	pattern_scratch_free(s);
}

/* Where PCRE2 takes text for the expression regardless of case, the scanner must not say no. */
static void case_compare(struct pattern_scratch *s, const char *form, const char *a, const char *b)
{
	char pattern[32], text[32], why[160];
	struct pattern_item item = { 0 };
	bool found = false;
	struct seen seen = { &found };
	struct pattern_db *db;
	struct regex *re;
	size_t at, end;

	snprintf(pattern, sizeof(pattern), form, a);
	snprintf(text, sizeof(text), "x%sx", b);
	assert_int_equal(regex_new(span_of(pattern), "i", why, sizeof(why), &at, &re), 0);
	item.re = re;
	item.text = regex_text(re);
	assert_int_equal(pattern_db_new(&item, 1, NULL, &db), 0);
	assert_int_equal(pattern_scan(s, db, span_of(text), visit, &seen), 0);
	pattern_scratch_rest(s);
	if (regex_match(s, re, span_of(text), &at, &end) == REGEX_YES && !found)
		fail_msg("/%s/i: not even a maybe for \"%s\"", pattern, text);
	pattern_db_free(db);
	regex_free(re);
}

/* Families of three and more, in several forms. */
static void test_case_families(void **state)
{
	static const char *const families[][4] = {
		{ "k", "K", "\xe2\x84\xaa", NULL },
		{ "s", "S", "\xc5\xbf", NULL },
		{ "\xc3\xa5", "\xc3\x85", "\xe2\x84\xab", NULL },
		{ "\xcf\x83", "\xce\xa3", "\xcf\x82", NULL },
		{ "\xc3\x9f", "\xe1\xba\x9e", NULL, NULL },
		{ "\xc2\xb5", "\xce\xbc", "\xce\x9c", NULL },
		{ "\xd0\xb2", "\xd0\x92", "\xe1\xb2\x80", NULL },
		{ "\xc7\x86", "\xc7\x84", "\xc7\x85", NULL },
		{ "\xce\xb8", "\xce\x98", "\xcf\xb4", NULL },
		{ "\xce\xb9", "\xce\x99", "\xe1\xbe\xbe", NULL },
		{ "i", "I", "\xc4\xb0", "\xc4\xb1" },
	};
	static const char *const forms[] = { "x%sx", "x[%s]x", "x[a%s]+x" };
	struct pattern_scratch *s = pattern_scratch_new();

	(void)state;
	for (size_t f = 0; f < COUNT(families); f++)
		for (size_t a = 0; a < 4 && families[f][a]; a++)
			for (size_t b = 0; b < 4 && families[f][b]; b++)
				for (size_t k = 0; k < COUNT(forms); k++)
					case_compare(s, forms[k], families[f][a], families[f][b]);
	pattern_scratch_free(s);
}

/* Every letter there is against its other case. */
static void test_case_letters(void **state)
{
	struct pattern_scratch *s = pattern_scratch_new();
	unsigned pairs = 0;

	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	for (wint_t c = 0x80; c < 0x1f000; c++) {
		wint_t other = towlower(c) != c ? towlower(c) : towupper(c);
		char a[16], b[16];

		if (other == c || snprintf(a, sizeof(a), "%lc", c) < 1 ||
			snprintf(b, sizeof(b), "%lc", other) < 1)
			continue;
		case_compare(s, "%s", a, b);
		pairs++;
	}
	assert_true(pairs > 2000);
	pattern_scratch_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_case_families),
		cmocka_unit_test(test_case_letters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
