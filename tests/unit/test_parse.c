/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile and odd policies: the parser must end, within its ceilings, with a diagnostic, whatever
 * it is given; and what stands in docs/examples must print to a fixed point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <glob.h>
#include <stdio.h>

#include "base/err.h"
#include "rules/check.h"
#include "rules/lex.h"
#include "rules/parse.h"
#include "rules/print.h"

enum { MIB = 1 << 20 };

struct trial {
	struct source_set sources;
	struct diag_list diags;
	struct ast *ast;
	int r;
};

static void trial_begin(struct trial *t, const void *bytes, size_t len)
{
	*t = (struct trial){ 0 };
	source_init(&t->sources, false);
	diag_init(&t->diags);
	assert_int_equal(source_add(&t->sources, "/t/main.rules", bytes, len), 0);
	t->r = parse_policy(&t->sources, "/t/main.rules", &t->diags, &t->ast);
	if (t->r == 0)
		t->r = check_policy(t->ast, &t->sources, &t->diags);
}

static void trial_end(struct trial *t)
{
	ast_free(t->ast);
	diag_fini(&t->diags);
	source_fini(&t->sources);
}

/* Refused, with this first message (NULL: any). */
static void assert_refused(const void *bytes, size_t len, const char *message)
{
	struct trial t;
	char *text;

	trial_begin(&t, bytes, len);
	assert_int_equal(t.r, ERR_SYNTAX);
	assert_non_null(t.diags.first);
	if (message)
		assert_string_equal(t.diags.first->message, message);
	/* Printing must bear whatever line it points into. */
	assert_non_null(text = diag_string(&t.diags));
	free(text);
	trial_end(&t);
}

static void assert_accepted(const char *text)
{
	struct trial t;

	trial_begin(&t, text, strlen(text));
	if (t.r < 0)
		diag_print(&t.diags, stderr, false);
	assert_int_equal(t.r, 0);
	trial_end(&t);
}

/* before, then piece n times, then behind; malloc'd. */
static char *repeated(const char *before, const char *piece, size_t n, const char *behind)
{
	size_t len = strlen(piece);
	char *text = malloc(strlen(before) + n * len + strlen(behind) + 1), *at = text;

	assert_non_null(text);
	at = stpcpy(at, before);
	for (size_t i = 0; i < n; i++, at += len)
		memcpy(at, piece, len);
	strcpy(at, behind);
	return text;
}

static void assert_repeated_refused(
	const char *before, const char *piece, size_t n, const char *behind, const char *message)
{
	char *text = repeated(before, piece, n, behind);

	assert_refused(text, strlen(text), message);
	free(text);
}

/* ---- depth ---- */

#define RULE "chain c { hook c2s; rule r { "

static void test_depth(void **state)
{
	static const char deep[] = "nested more than 64 levels deep";
	char *text;

	(void)state;
	assert_repeated_refused(RULE, "(", 100000, "", deep);
	assert_repeated_refused(RULE, "(", 65, "stranger", deep);
	assert_repeated_refused(RULE, "not ", 100000, "stranger drop } }", deep);
	assert_repeated_refused(RULE, "not ( ", 100000, "", deep);
	assert_repeated_refused("set s { elements = ", "{", 100000, "", deep);
	assert_repeated_refused("service s { ", "timeouts { login ", 100000, "", NULL);
	assert_repeated_refused("service s { ", "x { y ", 100000, "", NULL);
	assert_repeated_refused("", "chain c { ", 100000, "", NULL);
	assert_repeated_refused("", "}", 100000, "", NULL);
	assert_repeated_refused("", "{", 100000, "", NULL);
	text = repeated(RULE, "(", 60, "stranger");
	free(text);
	text = repeated(RULE "stranger", " and stranger", 190, " drop } }");
	assert_accepted(text);
	free(text);
	assert_repeated_refused(RULE "stranger", " and stranger", 100000, " drop } }",
		"condition of more than 200 levels");
	assert_repeated_refused(RULE "stranger", " or stranger", 100000, " drop } }",
		"condition of more than 200 levels");
	/* Long chains at every level of parentheses add up. */
	assert_repeated_refused(RULE,
		"stranger and stranger and stranger and stranger and stranger and (", 60,
		"stranger", NULL);
}

/* ---- length ---- */

static void test_length(void **state)
{
	char *text;

	(void)state;
	assert_repeated_refused("", "a", MIB, "", NULL);
	assert_repeated_refused("", "9", MIB, "", NULL);
	assert_repeated_refused("", "\"", MIB, "", NULL);
	assert_repeated_refused("", "/", MIB, "", NULL);
	assert_repeated_refused("", "@", MIB, "", NULL);
	assert_repeated_refused("", "[", MIB, "", NULL);
	assert_repeated_refused("", "a ", MIB, "", NULL);
	assert_repeated_refused("", "service ", MIB / 8, "", NULL);
	assert_repeated_refused("expect \"x\" { ", "from ", MIB / 8, "", NULL);
	assert_repeated_refused("set s { type keyword; ", "flags fold; ", MIB / 16, "}",
		"'flags' is already set above");
	assert_repeated_refused(
		"chain c { ", "rule r { drop } ", MIB / 16, "}", "there is already a rule 'r'");
	assert_repeated_refused(
		RULE, "nonsense or ", 100, "nonsense drop } }", "unknown field 'nonsense'");
	text = repeated("# ", "x", MIB, "\nset s { type keyword; }");
	assert_accepted(text);
	free(text);
	text = repeated("set s { type keyword; elements = { \"", "x", MIB, "\" }; }");
	assert_accepted(text);
	free(text);
	text = repeated("set s { type keyword; elements = { ", "\"x\", ", MIB / 8, "}; }");
	assert_accepted(text);
	free(text);
	text = repeated("", "\n", MIB, "set s { type keyword; }");
	assert_accepted(text);
	free(text);
	assert_repeated_refused(
		"# ", "xxxxxxxx", MIB + 1, "", "'/t/main.rules' is larger than 8388608 bytes");
}

/* ---- bytes ---- */

static void test_bytes(void **state)
{
	static const char nul[] = "chain c { hook c2s; \0 }",
			  bom[] = "\xef\xbb\xbfset s { type keyword; }";
	static const char *const refused[] = { "\"", "\"\\", "\"\\u", "\"\\u{", "\"\\u{}\"",
		"\"\\u{110000}\"", "\"\\u{0}\"", "/", "/\\", "/a/q", "@", "0x", "0xg", "1/", "1/0s",
		"1/5", "18446744073709551616", "18446744073709551615w", "18446744073709551615G",
		"1/18446744073709551615w", "[", "[]", "[::1]:99999", "$", "`", "\\", "'", "!", "&&",
		"||", "=", "==", "!=", "\x01", "\x7f", "include", "include \"", "include \"\"",
		"set", "set s", "set s {", "expect", "expect \"x\"", "expect \"x\" {",
		"chain c { rule", "chain c { rule r", "chain c { rule r {", RULE "text contains",
		RULE "xml", RULE "limit", RULE "not", RULE "(", "5 strikes" };
	static const char *const invalid[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
		"ok\xc3", "ok\xe2\x82", "ok\xf0\x9f\x98" };

	(void)state;
	assert_refused(nul, sizeof(nul) - 1, "NUL byte");
	assert_refused("a\0b", 3, NULL);
	assert_refused("\"a\0b\"", 5, "NUL byte in string");
	assert_accepted("");
	assert_accepted("\n\t \r\n");
	assert_accepted("# only a comment");
	assert_accepted(bom);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		assert_refused(refused[i], strlen(refused[i]), NULL);
	for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++)
		assert_refused(invalid[i], strlen(invalid[i]), "not UTF-8");
	assert_int_equal(lex_check_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10), 10);
}

/* ---- includes ---- */

static int parse_with(struct trial *t, const char *const (*files)[2], size_t n)
{
	*t = (struct trial){ 0 };
	source_init(&t->sources, false);
	diag_init(&t->diags);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(
			source_add(&t->sources, files[i][0], files[i][1], strlen(files[i][1])), 0);
	return parse_policy(&t->sources, files[0][0], &t->diags, &t->ast);
}

static size_t count_items(const struct ast *ast)
{
	size_t n = 0;

	for (const struct ast_item *i = ast->items; i; i = i->next)
		n++;
	return n;
}

static void test_includes(void **state)
{
	static const char *const circle[][2] = { { "/t/a",
							 "include \"b\" set x { type keyword; }" },
		{ "/t/b", "include \"a\"; include \"b\"; set y { type keyword; }" } };
	static const char *const order[][2] = {
		{ "/t/a", "include \"d/*.rules\"\nset last { type keyword; }" },
		{ "/t/d/2.rules", "set two { type keyword; }" },
		{ "/t/d/1.rules", "set one { type keyword; } include \"../e\"" },
		{ "/t/e", "set e { type keyword; }" }, { "/t/d/sub/3.rules", "broken" }
	};
	static const char *const names[] = { "d/*.rules", "one", "../e", "e", "two", "last" };
	struct trial t;
	size_t n = 0;

	(void)state;
	assert_int_equal(parse_with(&t, circle, 2), 0);
	assert_int_equal(count_items(t.ast), 5);
	trial_end(&t);
	assert_int_equal(parse_with(&t, order, 5), 0);
	for (const struct ast_item *i = t.ast->items; i; i = i->next)
		assert_string_equal(i->name, names[n++]);
	assert_int_equal(n, 6);
	trial_end(&t);
}

static void test_include_depth(void **state)
{
	struct trial t = { 0 };

	(void)state;
	source_init(&t.sources, false);
	diag_init(&t.diags);
	for (int i = 0; i < 20; i++) {
		char path[32], text[64];

		snprintf(path, sizeof(path), "/t/%d", i);
		snprintf(text, sizeof(text), "include \"%d\"", i + 1);
		assert_int_equal(source_add(&t.sources, path, text, strlen(text)), 0);
	}
	assert_int_equal(parse_policy(&t.sources, "/t/0", &t.diags, &t.ast), ERR_SYNTAX);
	assert_string_equal(t.diags.first->message, "includes nested more than 16 deep");
	assert_string_equal(t.diags.first->at.file->path, "/t/15");
	trial_end(&t);
}

static void test_missing_file(void **state)
{
	struct trial t = { 0 };

	(void)state;
	source_init(&t.sources, false);
	diag_init(&t.diags);
	assert_true(parse_policy(&t.sources, "/t/none", &t.diags, &t.ast) < 0);
	assert_int_equal(t.diags.errors, 1);
	trial_end(&t);
}

/* ---- whole files ---- */

static char *file_read(const char *path, size_t *len)
{
	FILE *in = fopen(path, "rb");
	char *text = calloc(1, MIB);

	assert_non_null(in);
	assert_non_null(text);
	*len = fread(text, 1, MIB - 1, in);
	fclose(in);
	return text;
}

static void run_prefixes(const char *path)
{
	size_t len;
	char *text = file_read(path, &len);

	for (size_t i = 0; i <= len; i++) {
		/* A block of that size, so that reading past the end is seen. */
		char *part = malloc(i + 1);
		struct trial t;

		assert_non_null(part);
		memcpy(part, text, i);
		trial_begin(&t, part, i);
		assert_true(t.r == 0 || t.diags.errors > 0);
		trial_end(&t);
		free(part);
	}
	free(text);
}

static char *print_file(const char *path, const char *replacement)
{
	struct trial t = { 0 };
	struct buf out;
	char *text;

	source_init(&t.sources, true);
	diag_init(&t.diags);
	buf_init(&out, 0);
	if (replacement)
		assert_int_equal(source_add(&t.sources, path, replacement, strlen(replacement)), 0);
	t.r = parse_policy(&t.sources, path, &t.diags, &t.ast);
	if (t.r == 0)
		t.r = check_policy(t.ast, &t.sources, &t.diags);
	if (t.r < 0)
		diag_print(&t.diags, stderr, false);
	assert_int_equal(t.r, 0);
	assert_int_equal(print_policy(t.ast, &out), 0);
	assert_non_null(text = buf_take(&out));
	buf_fini(&out);
	trial_end(&t);
	return text;
}

static void run_fixed_point(const char *path)
{
	char *once = print_file(path, NULL), *twice = print_file(path, once);

	assert_true(strlen(once) > 0);
	assert_string_equal(once, twice);
	free(once);
	free(twice);
}

static void each_file(const char *pattern, void (*run)(const char *path), size_t at_least)
{
	glob_t found;

	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= at_least);
	for (size_t i = 0; i < found.gl_pathc; i++)
		run(found.gl_pathv[i]);
	globfree(&found);
}

static void test_prefixes(void **state)
{
	(void)state;
	each_file(TEST_SOURCE_DIR "/fuzz/corpus/rules/*", run_prefixes, 3);
}

static void test_fixed_point(void **state)
{
	(void)state;
	each_file(TEST_SOURCE_DIR "/../docs/examples/*.conf", run_fixed_point, 2);
	each_file(TEST_SOURCE_DIR "/../docs/examples/*/*.conf", run_fixed_point, 1);
	each_file(TEST_SOURCE_DIR "/../docs/examples/rules.d/*.rules", run_fixed_point, 1);
	each_file(TEST_SOURCE_DIR "/../docs/examples/*/rules.d/*.rules", run_fixed_point, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_includes),
		cmocka_unit_test(test_include_depth),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_fixed_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
