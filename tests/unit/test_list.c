/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* List files line by line, and sets in memory: put, renew, remove, sweep, find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rules/diag.h"
#include "rules/list.h"

enum { NOW = 1000000 };

static bool has(const struct list *l, const char *key, int64_t now)
{
	struct list_item item;

	return list_find(l, span_of(key), now, &item);
}

/* ---- lines ---- */

static void check_line(enum list_type type, const char *line, const char *entry, int64_t expires)
{
	struct span text;
	const char *why;
	int64_t at;

	if (!list_parse_line(type, span_of(line), &text, &at, &why)) {
		if (entry)
			fail_msg("taken for a comment: %s", line);
		return;
	}
	if (!entry)
		fail_msg("not taken for a comment: %s", line);
	if (expires < 0) {
		assert_non_null(why);
		return;
	}
	assert_null(why);
	if (!span_is(text, entry))
		fail_msg("'%s': entry is '%.*s'", line, (int)text.len, text.ptr);
	assert_int_equal(at, expires);
}

static void test_lines(void **state)
{
	const enum list_type k = LIST_KEYWORD, re = LIST_REGEX;

	(void)state;
	check_line(k, "", NULL, 0);
	check_line(k, "  \t\r", NULL, 0);
	check_line(k, "# comment", NULL, 0);
	check_line(k, "  # comment", NULL, 0);
	check_line(k, "word", "word", 0);
	check_line(k, "  two words \r", "two words", 0);
	check_line(k, "word # why", "word", 0);
	check_line(k, "word\t#why", "word", 0);
	check_line(k, "c# is a word", "c# is a word", 0);
	check_line(k, "\xe8\xb5\x8c\xe5\x9c\xba", "\xe8\xb5\x8c\xe5\x9c\xba", 0);
	/* expiry */
	check_line(k, "word until 1970-01-02", "word", 86400000);
	check_line(k, "word expires 1970-01-01T00:00:05Z # why", "word", 5000);
	check_line(k, "word  until\t1970-01-02", "word", 86400000);
	check_line(k, "word until 1960-01-01", "word", 1); /* long past, not "never" */
	check_line(k, "until 2026-01-01", "until 2026-01-01", 0);
	check_line(k, "word until tomorrow", "word until tomorrow", 0);
	check_line(k, "word until 2026-13-40", "word", -1);
	check_line(k, "word until 2026-01-01T00:00:00", "word", -1);
	check_line(k, "word until 2026", "word", -1);
	check_line(k, "worduntil 2026-01-01", "worduntil 2026-01-01", 0);
	/* expressions: nothing inside the slashes is a comment */
	check_line(re, "/a # b/i # why", "/a # b/i", 0);
	check_line(re, "/a\\/ # b/", "/a\\/ # b/", 0);
	check_line(re, "/a/ until 1970-01-02", "/a/", 86400000);
	check_line(re, "plain # why", "plain", 0);
}

/* ---- files ---- */

static struct list *load(
	enum list_type type, const char *text, size_t len, struct diag_list *diags, int *result)
{
	struct source_set sources;
	const struct source_file *file;
	struct list *l = list_new("s", type);

	source_init(&sources, false);
	diag_init(diags);
	assert_non_null(l);
	assert_int_equal(source_add(&sources, "list.txt", text, len), 0);
	assert_int_equal(source_find(&sources, NULL, "list.txt", &file), 0);
	*result = list_load(l, file, NOW, diags);
	/* diagnostics point into the file, so look at them here */
	if (diags->errors) {
		char *all = diag_string(diags);
		assert_non_null(strstr(all, "list.txt:"));
		free(all);
	}
	source_fini(&sources);
	return l;
}

static void test_file(void **state)
{
	static const char text[] = "\xef\xbb\xbf# spam words\r\n"
				   "casino\r\n"
				   "\n"
				   "free money   # two words\n"
				   "casino\n"
				   "gone until 1970-01-01T00:16:40Z\n"
				   "later until 1970-01-01T00:16:41Z\n"
				   "last";
	struct diag_list diags;
	struct list *l;
	int r;

	(void)state;
	l = load(LIST_KEYWORD, text, sizeof(text) - 1, &diags, &r);
	assert_int_equal(r, 0);
	assert_int_equal(diags.errors, 0);
	assert_int_equal(l->n_live, 4);
	assert_true(has(l, "casino", NOW));
	assert_true(has(l, "free money", NOW));
	assert_true(has(l, "last", NOW));
	assert_false(has(l, "gone", NOW)); /* expires at just this moment */
	assert_true(has(l, "later", NOW));
	assert_true(has(l, "later", NOW + 999));
	assert_false(has(l, "later", NOW + 1000));
	diag_fini(&diags);
	list_free(l);
}

/* Each bad line is named with line and column; the good ones are in. */
static void test_bad_lines(void **state)
{
	static const char text[] = "# addresses\n"
				   "192.0.2.1\n"
				   "  192.0.2.300  # no\n"
				   "192.0.2.9-192.0.2.1\n"
				   "192.0.2.2\n"
				   "192.0.2.3 until 2026-99-01\n"
				   "a\x01"
				   "b\n"
				   "\xff\xfe\n";
	static const struct {
		unsigned line, column, length;
		const char *message;
	} expected[] = {
		{ 3, 3, 11, "bad address in set 's': not an address, network or range" },
		{ 4, 1, 19, "bad address in set 's': not a usable range of addresses" },
		{ 6, 1, 9, "the time is not written like 2026-12-01T00:00:00Z" },
		{ 7, 1, 3, "bad address in set 's': not valid UTF-8 without control characters" },
		{ 8, 1, 2, "bad address in set 's': not valid UTF-8 without control characters" },
	};
	struct diag_list diags;
	const struct diag *d;
	size_t n = 0;
	struct list *l;
	int r;

	(void)state;
	l = load(LIST_ADDRESS, text, sizeof(text) - 1, &diags, &r);
	assert_int_equal(r, ERR_SYNTAX);
	assert_int_equal(l->n_live, 2);
	for (d = diags.first; d; d = d->next, n++) {
		assert_true(n < sizeof(expected) / sizeof(*expected));
		assert_int_equal(d->at.line, expected[n].line);
		assert_int_equal(d->at.column, expected[n].column);
		assert_int_equal(d->at.length, expected[n].length);
		assert_string_equal(d->message, expected[n].message);
	}
	assert_int_equal(n, sizeof(expected) / sizeof(*expected));
	diag_fini(&diags);
	list_free(l);
}

static void test_bad_entries(void **state)
{
	static const struct {
		enum list_type type;
		const char *text, *why;
	} cases[] = {
		{ LIST_KEYWORD, "\xe2\x80\x8b", "nothing is left of it after folding" },
		{ LIST_DOMAIN, "a b", "not a domain name" },
		{ LIST_DOMAIN, "bad..example", "not a domain name" },
		{ LIST_JID, "@b", "not a JID" },
		{ LIST_ADDRESS, "192.0.2.0/33", "not an address, network or range" },
		{ LIST_ADDRESS, "2001:db8::/129", "not an address, network or range" },
		{ LIST_REGEX, "/(/", "missing closing parenthesis" },
		{ LIST_REGEX, "/a/z", "unknown flag in 'z' (known: i m s x u f)" },
		{ LIST_REGEX, "/a\\C/", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct list *l = list_new("s", cases[i].type);
		struct list_entry *e;
		const char *why = NULL;

		l->fold = true;
		if (list_entry_new(l, span_of(cases[i].text), 0, &e, &why) != ERR_SYNTAX)
			fail_msg("accepted: %s", cases[i].text);
		assert_non_null(why);
		if (cases[i].why)
			assert_string_equal(why, cases[i].why);
		list_free(l);
	}
}

static void test_entry_ceiling(void **state)
{
	struct list *l = list_new("s", LIST_KEYWORD);
	char text[LIST_ENTRY_MAX + 2];
	struct list_entry *e;
	const char *why;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(list_entry_new(l, (struct span){ text, LIST_ENTRY_MAX }, 0, &e, &why), 0);
	list_entry_free(e);
	assert_int_equal(list_entry_new(l, (struct span){ text, LIST_ENTRY_MAX + 1 }, 0, &e, &why),
		ERR_SYNTAX);
	assert_string_equal(why, "longer than 1024 bytes");
	assert_int_equal(list_entry_new(l, (struct span){ text, 0 }, 0, &e, &why), ERR_SYNTAX);
	assert_string_equal(why, "empty");
	list_free(l);
}

/* ---- in memory ---- */

static struct list_entry *entry(const struct list *l, const char *text, int64_t expires)
{
	struct list_entry *e;
	const char *why;

	if (list_entry_new(l, span_of(text), expires, &e, &why) < 0)
		fail_msg("%s: %s", text, why);
	return e;
}

static void put(struct list *l, const char *text)
{
	assert_int_equal(list_put(l, entry(l, text, 0)), 0);
}

static bool take(struct list *l, const char *text)
{
	struct list_entry *e = entry(l, text, 0);
	bool found = list_remove(l, e);

	list_entry_free(e);
	return found;
}

static void test_put_and_remove(void **state)
{
	struct list *l = list_new("s", LIST_KEYWORD);
	struct list_item item;
	struct list_entry *e;

	(void)state;
	l->fold = true;
	put(l, "Casino");
	put(l, "poker");
	assert_int_equal(l->n_live, 2);
	assert_true(has(l, "casino", NOW));
	put(l, "CASINO"); /* the same key: replaced */
	assert_int_equal(l->n_live, 2);
	assert_true(list_find(l, span_of("casino"), NOW, &item));
	assert_string_equal(item.text, "CASINO");
	assert_int_equal(l->n_entries, 3);
	list_sweep(l, l->edits);
	assert_int_equal(l->n_entries, 2);
	/* renewing keeps the entry and changes its time */
	e = entry(l, "casINO", NOW + 5);
	assert_true(list_renew(l, e));
	list_entry_free(e);
	assert_true(has(l, "casino", NOW));
	assert_false(has(l, "casino", NOW + 5));
	e = entry(l, "other", NOW + 5);
	assert_false(list_renew(l, e));
	list_entry_free(e);
	assert_true(take(l, "c\xd0\xb0sino")); /* named by any spelling of its key */
	assert_false(take(l, "casino"));
	assert_false(has(l, "casino", NOW));
	/* what was removed after the given edit stays in memory */
	list_sweep(l, l->edits - 1);
	assert_int_equal(l->n_entries, 2);
	list_sweep(l, l->edits);
	assert_int_equal(l->n_entries, 1);
	assert_int_equal(l->n_live, 1);
	list_free(l);
}

static const char *at(const struct list *l, const char *address)
{
	struct peer_address a;
	struct list_item item;

	assert_int_equal(address_parse(span_of(address), &a), 0);
	return list_find_address(l, &a, NOW, &item) ? item.text : "";
}

static void test_addresses(void **state)
{
	struct list *l = list_new("s", LIST_ADDRESS);

	(void)state;
	put(l, "192.0.2.0/24");
	put(l, "192.0.2.128/25");
	put(l, "::ffff:192.0.2.200");
	assert_string_equal(at(l, "192.0.2.1"), "192.0.2.0/24");
	assert_string_equal(at(l, "192.0.2.129"), "192.0.2.128/25");
	assert_string_equal(at(l, "192.0.2.200"), "::ffff:192.0.2.200");
	put(l, "192.0.2.200/32"); /* the same network in other words */
	assert_int_equal(l->n_live, 3);
	assert_true(take(l, "192.0.2.200"));
	assert_string_equal(at(l, "192.0.2.200"), "192.0.2.128/25");
	assert_true(take(l, "192.0.2.99/24")); /* host bits do not matter */
	assert_string_equal(at(l, "192.0.2.1"), "");
	assert_string_equal(at(l, "192.0.2.129"), "192.0.2.128/25");
	assert_false(take(l, "192.0.2.0/26"));
	list_free(l);
}

/* A range and a network inside it are two entries, whoever comes first and whoever goes first. */
static void test_overlapping_ranges(void **state)
{
	struct list *l = list_new("s", LIST_ADDRESS);

	(void)state;
	put(l, "10.0.0.0-10.0.0.5"); /* 10.0.0.0/30 and 10.0.0.4/31 */
	put(l, "10.0.0.0/30");
	assert_int_equal(l->n_live, 2);
	assert_true(take(l, "10.0.0.0/30"));
	assert_int_equal(l->n_live, 1);
	assert_string_equal(at(l, "10.0.0.1"), "10.0.0.0-10.0.0.5");
	assert_string_equal(at(l, "10.0.0.4"), "10.0.0.0-10.0.0.5");
	put(l, "10.0.0.4/31");
	put(l, "10.0.0.4-10.0.0.9");
	assert_int_equal(l->n_live, 3);
	assert_true(take(l, "10.0.0.0-10.0.0.5"));
	assert_string_equal(at(l, "10.0.0.1"), "");
	assert_string_not_equal(at(l, "10.0.0.4"), "");
	assert_true(take(l, "10.0.0.4-10.0.0.9"));
	assert_string_equal(at(l, "10.0.0.4"), "10.0.0.4/31");
	assert_string_equal(at(l, "10.0.0.9"), "");
	list_sweep(l, l->edits);
	assert_true(take(l, "10.0.0.4-10.0.0.5")); /* a range that is a network is that network */
	assert_int_equal(l->n_live, 0);
	assert_string_equal(at(l, "10.0.0.4"), "");
	list_free(l);
}

/* An expired network does not hide a wider one, nor an equal range that is still good. */
static void test_expired_networks(void **state)
{
	struct list *l = list_new("s", LIST_ADDRESS);

	(void)state;
	put(l, "10.0.0.0/8");
	assert_int_equal(list_put(l, entry(l, "10.1.0.0/16", NOW)), 0);
	assert_string_equal(at(l, "10.1.1.1"), "10.0.0.0/8");
	put(l, "172.16.0.0-172.16.0.2");
	assert_int_equal(list_put(l, entry(l, "172.16.0.0/31", NOW)), 0);
	assert_string_equal(at(l, "172.16.0.1"), "172.16.0.0-172.16.0.2");
	list_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_bad_entries),
		cmocka_unit_test(test_entry_ceiling),
		cmocka_unit_test(test_put_and_remove),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_overlapping_ranges),
		cmocka_unit_test(test_expired_networks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
