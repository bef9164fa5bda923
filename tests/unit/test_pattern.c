/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Expressions and databases of many patterns: what is found where, word edges, flags, what the
 * scanner cannot express, and that no expression of a rule takes for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "rules/pattern.h"
#include "rules/pattern_cost.h"

static struct pattern_scratch *scratch;

static int setup(void **state)
{
	(void)state;
	return (scratch = pattern_scratch_new()) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	pattern_scratch_free(scratch);
	return 0;
}

static struct regex *regex_make(const char *pattern, const char *flags)
{
	struct regex *re = NULL;
	char why[160];
	size_t offset;

	assert_int_equal(regex_new(span_of(pattern), flags, why, sizeof(why), &offset, &re), 0);
	return re;
}

static enum regex_result match(const char *pattern, const char *flags, const char *text)
{
	struct regex *re = regex_make(pattern, flags);
	size_t start, end;
	enum regex_result r = regex_match(scratch, re, span_of(text), &start, &end);

	regex_free(re);
	return r;
}

static void test_regex(void **state)
{
	struct regex *re;
	size_t start, end, offset;
	char why[160];

	(void)state;
	re = regex_make("b+", "i");
	assert_string_equal(regex_text(re), "/b+/i");
	assert_int_equal(regex_match(scratch, re, span_of("aaBBb!"), &start, &end), REGEX_YES);
	assert_int_equal(start, 2);
	assert_int_equal(end, 5);
	regex_free(re);
	assert_int_equal(match("^b", "", "a\nb"), REGEX_NO);
	assert_int_equal(match("^b", "m", "a\nb"), REGEX_YES);
	assert_int_equal(match("a.b", "", "a\nb"), REGEX_NO);
	assert_int_equal(match("a.b", "s", "a\nb"), REGEX_YES);
	assert_int_equal(match("a b", "x", "ab"), REGEX_YES);
	assert_int_equal(match("^\\w$", "", "é"), REGEX_NO);
	assert_int_equal(match("^\\w$", "u", "é"), REGEX_YES);
	assert_int_equal(match("É", "i", "é"), REGEX_YES);
	assert_int_equal(match("^.$", "", "😀"), REGEX_YES);
	assert_int_equal(match("", "", ""), REGEX_YES);
	assert_int_equal(regex_new(span_of("a(b"), "", why, sizeof(why), &offset, &re), ERR_SYNTAX);
	assert_true(*why);
	assert_int_equal(offset, 3);
	assert_int_equal(regex_new(span_of("a"), "z", why, sizeof(why), &offset, &re), ERR_SYNTAX);
	re = regex_make("a", "f");
	assert_int_equal(regex_view(re), PATTERN_FOLDED);
	regex_free(re);
}

/* Steps are bounded; reaching the bound is told from "no". */
static void test_regex_limit(void **state)
{
	char text[4001];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(match("^(a+)+$", "", text), REGEX_YES);
	text[sizeof(text) - 2] = 'b';
	assert_int_equal(match("(x+x+)+y", "", text), REGEX_NO);
	assert_int_equal(match("^(a|aa)+$", "", text), REGEX_LIMIT);
}

struct found {
	char text[512];
	size_t n;
};

static bool visit(void *arg, const struct pattern_item *item, size_t start, size_t end)
{
	struct found *f = arg;

	f->n += (size_t)snprintf(
		f->text + f->n, sizeof(f->text) - f->n, "%u:%zu-%zu ", item->group, start, end);
	return true;
}

/* ---- what it would cost ---- */

static void test_cost(void **state)
{
	static const struct {
		const char *pattern;
		bool cheap;
	} cases[] = {
		{ "", true },
		{ "casino", true },
		{ "\\b\\d{4}([ -]?\\d{4}){3}\\b", true },
		{ ".{0,100}x", true },
		{ "(\\d{1,3}\\.){3}\\d{1,3}", true },
		{ "[^]{]{3}x{2,}", true },
		{ "a{1,50}b{1,50}c{1,50}d{1,50}", true },
		{ "x{y}{,}{1,x}", true },
		{ "\\x{1f600}{3}\\p{L}{20}", true },
		{ "(a{1000}){1000}", false },
		{ ".{30000}x", false },
		{ "a.{0,4000}x.*", false },
		{ "(a.{0,100}){20}", false },
		{ "(.{1,20}x){20}y", false },
		{ "\\p{L}{200}", false },
		{ "(((x{20}){20}){20}", false },
		{ "[[:alpha:]]{2000}", false },
		{ "a{99999999999999999999}", false },
	};
	char deep[400];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (pattern_is_cheap(span_of(cases[i].pattern)) != cases[i].cheap)
			fail_msg("%s costs %lu", cases[i].pattern,
				pattern_cost(span_of(cases[i].pattern)));
	memset(deep, '(', sizeof(deep));
	assert_false(pattern_is_cheap((struct span){ deep, sizeof(deep) }));
	/* cut anywhere it ends */
	for (size_t len = 0; len < 40; len++)
		pattern_cost((struct span){ "([^]a[:alpha:]\\]{2,3}\\p{L}(?:x{,5}){7})\\", len });
}

/* Too much for the scanner is found all the same. */
static void test_apart(void **state)
{
	struct regex *heavy = regex_make("(?:a{30}){1000}", ""), *plain = regex_make("b+", "");
	struct pattern_item items[] = { { .group = 1, .re = heavy, .text = "" },
		{ .group = 2, .re = plain, .text = "" }, { 0 } };
	struct pattern_db *db;

	(void)state;
	items[2] = (struct pattern_item){ .group = 3, .bytes = "word", .len = 4, .text = "word" };
	assert_int_equal(pattern_db_new(items, 3, NULL, &db), 0);
	assert_int_equal(pattern_db_unscannable(db), 1);
	{
		struct found f = { "", 0 };

		assert_int_equal(pattern_scan(scratch, db, span_of("b word"), visit, &f), 0);
		assert_non_null(strstr(f.text, "1:0-0 "));
		assert_non_null(strstr(f.text, "2:0-0 "));
		assert_non_null(strstr(f.text, "3:2-6 "));
	}
	pattern_db_free(db);
	regex_free(heavy);
	regex_free(plain);
}

/* ---- databases ---- */

static void assert_found(const struct pattern_db *db, const char *text, const char *wanted)
{
	struct found f = { "", 0 };

	assert_int_equal(pattern_scan(scratch, db, span_of(text), visit, &f), 0);
	assert_string_equal(f.text, wanted);
}

static struct pattern_item literal(uint32_t group, const char *text, bool word)
{
	return (struct pattern_item){
		.group = group, .word = word, .bytes = text, .len = strlen(text), .text = text
	};
}

static void test_literals(void **state)
{
	struct pattern_item items[] = { literal(1, "casino", true), literal(2, "bonus", false),
		literal(3, "é", true), literal(4, "a.b*", false) };
	struct pattern_db *db, *none;

	(void)state;
	assert_int_equal(pattern_db_new(items, 4, NULL, &db), 0);
	assert_int_equal(pattern_db_count(db), 4);
	assert_int_equal(pattern_db_unscannable(db), 0);
	assert_found(db, "casino", "1:0-6 ");
	assert_found(db, "a casino!", "1:2-8 ");
	assert_found(db, "casinos", "");
	assert_found(db, "_casino", "");
	assert_found(db, "caſino", "");
	assert_found(db, "xbonusx", "2:1-6 ");
	assert_found(db, "é", "3:0-2 ");
	assert_found(db, "né", "");
	assert_found(db, "aXbb a.b*", "4:5-9 ");
	assert_found(db, "", "");
	assert_int_equal(pattern_db_new(items, 0, NULL, &none), 0);
	assert_null(none);
	pattern_db_free(db);
}

static void test_mixed(void **state)
{
	/* The scanner cannot express looking behind or back references: it only says where they may
	 * match. */
	struct regex *plain = regex_make("c[a4]rd\\d+", ""), *behind = regex_make("(?<=x)y", ""),
		     *again = regex_make("(.)\\1", "");
	struct pattern_item items[] = { { .group = 1, .re = plain, .text = "" },
		{ .group = 2, .re = behind, .text = "" }, { .group = 3, .re = again, .text = "" },
		literal(4, "word", true) };
	struct pattern_db *db, *shared;

	(void)state;
	assert_int_equal(pattern_db_new(items, 4, NULL, &db), 0);
	assert_int_equal(pattern_db_new(items, 4, db, &shared), 0);
	for (int i = 0; i < 2; i++) {
		struct found f = { "", 0 };

		assert_int_equal(
			pattern_scan(scratch, i ? shared : db, span_of("card12 xy"), visit, &f), 0);
		assert_non_null(strstr(f.text, "1:0-0 "));
		assert_non_null(strstr(f.text, "2:0-0 "));
	}
	pattern_db_free(db);
	{
		struct found f = { "", 0 };

		/* what was shared outlives its first owner */
		assert_int_equal(pattern_scan(scratch, shared, span_of("a word"), visit, &f), 0);
		assert_non_null(strstr(f.text, "4:2-6 "));
	}
	pattern_db_free(shared);
	regex_free(plain);
	regex_free(behind);
	regex_free(again);
}

static void test_many(void **state)
{
	enum { N = 3000 };
	struct pattern_item *items = calloc(N, sizeof(*items));
	char(*texts)[16] = calloc(N, sizeof(*texts));
	struct pattern_db *db;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		snprintf(texts[i], sizeof(texts[i]), "word%u", i);
		items[i] = literal(i, texts[i], true);
	}
	assert_int_equal(pattern_db_new(items, N, NULL, &db), 0);
	assert_found(db, "word0 word2999 word3000 word29", "0:0-5 2999:6-14 29:24-30 ");
	pattern_db_free(db);
	free(items);
	free(texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_regex),
		cmocka_unit_test(test_regex_limit),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_literals),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
