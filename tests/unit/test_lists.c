/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/list_book and ctl/lists: a list file edited, its format kept, all or nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"
#include "ctl/config.h"
#include "ctl/list_book.h"
#include "ctl/lists.h"
#include "rules/rules.h"

struct fixture {
	char folder[64], path[96], conf[96], link[96];
	struct list_book *book;
	struct config *config;
};

static void write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static const char *read_file(const char *path)
{
	static char text[8192];
	FILE *in = fopen(path, "r");
	size_t n;

	assert_non_null(in);
	n = fread(text, 1, sizeof text - 1, in);
	text[n] = '\0';
	fclose(in);
	return text;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->folder, "/tmp/xmppwall-lists-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/hosts.txt", f->folder);
	snprintf(f->conf, sizeof f->conf, "%s/wall.conf", f->folder);
	snprintf(f->link, sizeof f->link, "%s/link.txt", f->folder);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	list_book_free(f->book);
	config_free(f->config);
	unlink(f->path);
	unlink(f->conf);
	unlink(f->link);
	assert_int_equal(rmdir(f->folder), 0); /* nothing temporary was left */
	free(f);
	return 0;
}

/* A set of domains over these lines. */
static void book_of(struct fixture *f, const char *type, const char *lines)
{
	struct set_info info = { .name = "hosts", .type = type, .path = f->path, .suffix = true };

	write_file(f->path, lines);
	f->book = list_book_new(&info);
	assert_non_null(f->book);
	assert_int_equal(list_book_refresh(f->book), 0);
}

static bool book_add(struct fixture *f, const char *text)
{
	struct list_line line;
	const char *why;
	bool was = false;

	assert_true(list_book_parse(f->book, span_of(text), &line, &why));
	assert_null(why);
	assert_int_equal(list_book_add(f->book, &line, &was), 0);
	return was;
}

static bool book_remove(struct fixture *f, const char *text)
{
	bool was = false;

	assert_int_equal(list_book_remove(f->book, span_of(text), &was), 0);
	return was;
}

static void format_and_order_are_kept(void **state)
{
	struct fixture *f = *state;

	book_of(f, "domain",
		"# feed of today\n\n  a.example   # why\nb.example until 2030-01-01 # till "
		"then\n!!! what\n");
	assert_false(book_add(f, "c.example"));
	assert_true(book_remove(f, "A.example"));
	assert_int_equal(list_book_write(f->book), 0);
	assert_string_equal(read_file(f->path),
		"# feed of today\n\nb.example until 2030-01-01 # till then\n!!! what\nc.example\n");
}

static void adding_again_renews_and_keeps_the_comment(void **state)
{
	struct fixture *f = *state;

	book_of(f, "domain", "a.example # why\n");
	assert_true(book_add(f, "A.EXAMPLE until 2031-05-06T07:08:09Z"));
	assert_int_equal(list_book_write(f->book), 0);
	assert_string_equal(read_file(f->path), "A.EXAMPLE until 2031-05-06T07:08:09Z # why\n");
}

static void expired_lines_leave_with_the_next_write(void **state)
{
	struct fixture *f = *state;
	struct list_line line;
	size_t at = 0;

	book_of(f, "domain", "old.example until 2001-01-01\nnew.example\n");
	assert_true(list_book_each(f->book, &at, &line));
	assert_true(span_is(line.entry, "new.example"));
	assert_false(list_book_each(f->book, &at, &line));
	assert_false(book_remove(f, "old.example"));
	book_add(f, "x.example");
	assert_int_equal(list_book_write(f->book), 0);
	assert_string_equal(read_file(f->path), "new.example\nx.example\n");
}

static void another_hand_is_noticed(void **state)
{
	struct fixture *f = *state;

	book_of(f, "domain", "a.example\n");
	write_file(f->path, "a.example\nb.example\n");
	assert_int_equal(list_book_refresh(f->book), 0);
	assert_true(book_add(f, "b.example"));
}

static void keywords_may_hold_spaces_and_words_of_the_format(void **state)
{
	struct fixture *f = *state;
	struct list_line line;
	size_t at = 0;

	book_of(f, "keyword", "");
	book_add(f, "wait until tomorrow");
	book_add(f, "buy#now # an advert");
	assert_int_equal(list_book_write(f->book), 0);
	assert_true(list_book_each(f->book, &at, &line));
	assert_true(span_is(line.entry, "wait until tomorrow"));
	assert_int_equal(line.until_ms, 0);
	assert_true(list_book_each(f->book, &at, &line));
	assert_true(span_is(line.entry, "buy#now"));
	assert_true(span_is(line.comment, "an advert"));
}

static void bad_entries_are_told(void **state)
{
	static const char *const bad[] = { "not a domain", "a\nb.example",
		"x.example until 2030-99-99" };
	struct fixture *f = *state;
	struct list_line line;
	const char *why;

	book_of(f, "domain", "");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(list_book_parse(f->book, span_of(bad[i]), &line, &why));
		assert_non_null(why);
	}
	assert_false(list_book_parse(f->book, span_of("  # only a remark"), &line, &why));
	assert_false(list_book_parse(f->book, span_of(""), &line, &why));
}

static void ends_are_rounded_up(void **state)
{
	struct list_line line = { .entry = span_of("a.example"), .until_ms = 1795240800001 };
	char *text = list_line_format(&line, true);

	(void)state;
	assert_string_equal(text, "a.example until 2026-11-21T06:00:01Z");
	free(text);
}

static void a_link_stays_a_link_and_a_mode_a_mode(void **state)
{
	struct fixture *f = *state;
	struct set_info info = { .name = "hosts", .type = "domain", .path = f->link };
	struct stat st;

	write_file(f->path, "a.example\n");
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_int_equal(symlink(f->path, f->link), 0);
	f->book = list_book_new(&info);
	assert_int_equal(list_book_refresh(f->book), 0);
	book_add(f, "b.example");
	assert_int_equal(list_book_write(f->book), 0);
	assert_int_equal(lstat(f->link, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_string_equal(read_file(f->path), "a.example\nb.example\n");
}

static void a_write_that_fails_is_forgotten(void **state)
{
	struct fixture *f = *state;

	book_of(f, "domain", "a.example\n");
	book_add(f, "b.example");
	assert_int_equal(unlink(f->path), 0);
	assert_true(list_book_write(f->book) < 0);
	write_file(f->path, "a.example\n");
	assert_int_equal(list_book_refresh(f->book), 0);
	assert_false(book_add(f, "b.example"));
}

/* ---- with a policy ---- */

static void policy_of(struct fixture *f)
{
	char *why = NULL;

	write_file(f->path, "bad.example\n");
	write_file(f->conf, "set hosts { type domain; file \"hosts.txt\"; }\n"
			    "set fixed { type address; elements = { 192.0.2.0/24 }; }\n"
			    "chain c { hook c2s; policy accept; rule r { message url.host in "
			    "@hosts drop } }\n");
	if (config_load(f->conf, NULL, NULL, &f->config, &why) < 0)
		fail_msg("%s", why);
}

static int edit(struct fixture *f, int (*run)(struct lists *, struct lists_edit *),
	const char *name, const char *entry, size_t *added, size_t *removed)
{
	struct span one = span_of(entry);
	struct lists_edit e;
	int r;

	lists_edit_init(&e, name);
	e.entries = &one;
	e.n = 1;
	r = run(f->config->lists, &e);
	assert_int_equal(r<0, buf_len(&e.error)> 0);
	if (added)
		*added = e.added;
	if (removed)
		*removed = e.removed;
	lists_edit_fini(&e);
	return r;
}

static size_t entries_in_force(struct fixture *f)
{
	const struct set_info *sets;

	assert_true(policy_sets(f->config->policy, &sets) == 2);
	return sets[0].entries;
}

static void file_and_policy_agree(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;

	policy_of(f);
	assert_int_equal(edit(f, lists_add, "hosts", "worse.example", &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_string_equal(read_file(f->path), "bad.example\nworse.example\n");
	assert_int_equal(entries_in_force(f), 2);
	assert_int_equal(edit(f, lists_add, "hosts", "worse.example", &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(edit(f, lists_remove, "hosts", "BAD.example", NULL, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(entries_in_force(f), 1);
	assert_int_equal(edit(f, lists_remove, "hosts", "bad.example", NULL, &n), 0);
	assert_int_equal(n, 0);
}

static void refusals_have_codes(void **state)
{
	struct fixture *f = *state;

	policy_of(f);
	assert_int_equal(edit(f, lists_add, "nonesuch", "a.example", NULL, NULL), ERR_NOTFOUND);
	assert_int_equal(edit(f, lists_add, "fixed", "192.0.2.1", NULL, NULL), ERR_UNSUPPORTED);
	assert_int_equal(edit(f, lists_add, "hosts", "not a domain", NULL, NULL), ERR_SYNTAX);
	assert_int_equal(edit(f, lists_add, "hosts", "# nothing", NULL, NULL), ERR_SYNTAX);
	assert_int_equal(unlink(f->path), 0);
	assert_true(edit(f, lists_add, "hosts", "a.example", NULL, NULL) < 0);
	assert_int_equal(entries_in_force(f), 1);
}

/* A child that starts later gets the lists as they are, without what a hand made of them since. */
static void bundles_hold_the_edits(void **state)
{
	struct fixture *f = *state;
	const struct source_file *file;
	struct source_set set;
	FILE *out;
	int fd;

	policy_of(f);
	assert_int_equal(
		edit(f, lists_add, "hosts", "worse.example until 2031-01-01", NULL, NULL), 0);
	out = fopen(f->path, "a");
	fputs("no domain at all\n", out);
	fclose(out);
	fd = config_bundle(f->config);
	assert_true(fd >= 0);
	source_init(&set, false);
	assert_int_equal(source_unbundle(fd, &set), 0);
	assert_int_equal(source_find(&set, NULL, f->path, &file), 0);
	assert_string_equal(file->bytes, "bad.example\nworse.example until 2031-01-01T00:00:00Z\n");
	source_fini(&set);
	close(fd);
}

static void broken_files_are_no_policy(void **state)
{
	struct fixture *f = *state;
	char *why = NULL;

	write_file(f->conf, "chain c { frobnicate }\n");
	assert_int_equal(config_load(f->conf, NULL, NULL, &f->config, &why), ERR_SYNTAX);
	assert_non_null(strstr(why, "wall.conf:1:"));
	free(why);
	unlink(f->conf);
	assert_true(config_load(f->conf, NULL, NULL, &f->config, &why) < 0);
	assert_non_null(strstr(why, "wall.conf"));
	free(why);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(format_and_order_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(
			adding_again_renews_and_keeps_the_comment, setup, teardown),
		cmocka_unit_test_setup_teardown(
			expired_lines_leave_with_the_next_write, setup, teardown),
		cmocka_unit_test_setup_teardown(another_hand_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(
			keywords_may_hold_spaces_and_words_of_the_format, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_entries_are_told, setup, teardown),
		cmocka_unit_test(ends_are_rounded_up),
		cmocka_unit_test_setup_teardown(
			a_link_stays_a_link_and_a_mode_a_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(a_write_that_fails_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(file_and_policy_agree, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_have_codes, setup, teardown),
		cmocka_unit_test_setup_teardown(bundles_hold_the_edits, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_files_are_no_policy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
