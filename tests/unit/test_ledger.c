/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/ledger: bans, counts and history; a damaged file; and a writer killed in the middle of its
 * work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/err.h"
#include "tests/unit/ledger_lab.h"

enum { KILLS = 12, BEFORE_KILL = 40 };

static struct ledger_ban make(const char *prefix, int64_t since, int64_t until)
{
	struct ledger_ban ban = { .since_ms = since,
		.until_ms = until,
		.why = "spam",
		.rule = "flood",
		.id = "k7f3-9q2m-04",
		.strikes = 5 };

	assert_int_equal(address_parse_prefix(span_of(prefix), &ban.address, &ban.prefix_len), 0);
	return ban;
}

static int add(struct ledger *l, const char *prefix, int64_t since, int64_t until)
{
	struct ledger_ban ban = make(prefix, since, until);

	return ledger_ban_add(l, &ban, LEDGER_EXTEND);
}

static void reopen(struct fixture *f)
{
	ledger_close(f->l);
	f->l = NULL;
	assert_int_equal(ledger_open(f->path, &f->l, NULL), 0);
}

/* ---- bans ---- */

static void test_add_find_remove(void **state)
{
	struct fixture *f = *state;
	struct ledger_ban ban = make("192.0.2.7", 1000, 61000), found;
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ban.count, 1);
	reopen(f);
	assert_int_equal(ledger_bans_count(f->l), 1);
	assert_int_equal(ledger_ban_find(f->l, &ban.address, ban.prefix_len, &found), 0);
	assert_memory_equal(&found.address, &ban.address, sizeof(ban.address));
	assert_int_equal(found.prefix_len, 128);
	assert_int_equal(found.since_ms, 1000);
	assert_int_equal(found.until_ms, 61000);
	assert_int_equal(found.strikes, 5);
	assert_string_equal(found.why, "spam");
	assert_string_equal(found.rule, "flood");
	assert_string_equal(found.id, "k7f3-9q2m-04");
	assert_int_equal(ledger_ban_find(f->l, &ban.address, 120, &found), ERR_NOTFOUND);
	assert_int_equal(ledger_ban_find(f->l, &ban.address, 129, &found), ERR_RANGE);
	assert_int_equal(ledger_ban_remove(f->l, &ban.address, ban.prefix_len), 0);
	assert_int_equal(ledger_ban_remove(f->l, &ban.address, ban.prefix_len), ERR_NOTFOUND);
	assert_int_equal(ledger_bans_count(f->l), 0);
	/* What was taken back does not count. */
	assert_int_equal(ledger_previous(f->l, &ban.address, ban.prefix_len, 1000, 0), 0);
}

static void test_extend_and_set(void **state)
{
	struct fixture *f = *state;
	struct ledger_ban ban = make("192.0.2.7", 1000, 61000);

	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	ban = make("192.0.2.7", 2000, 30000);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ban.until_ms, 61000);
	assert_int_equal(ban.since_ms, 1000);
	assert_int_equal(ban.count, 1);
	ban = make("192.0.2.7", 2000, 0);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ban.until_ms, 0);
	ban = make("192.0.2.7", 3000, 90000);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ban.until_ms, 0);
	ban = make("192.0.2.7", 3000, 4000);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_SET), 0);
	assert_int_equal(ban.until_ms, 4000);
	assert_int_equal(ledger_bans_count(f->l), 1);
	/* Over, though nobody has swept yet: the next is a new one. */
	ban = make("192.0.2.7", 5000, 6000);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ban.since_ms, 5000);
	assert_int_equal(ban.count, 2);
	assert_int_equal(ledger_bans_count(f->l), 1);
}

static void test_expiry_keeps_counts_for_a_while(void **state)
{
	struct fixture *f = *state;
	struct ledger_ban ban = make("2001:db8::/32", 1000, 2000);

	assert_int_equal(add(f->l, "192.0.2.7", 1000, 3000), 0);
	assert_int_equal(add(f->l, "192.0.2.8", 1000, 0), 0);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ledger_next_end(f->l), 2000);
	assert_int_equal(ledger_expire(f->l, 1999), 0);
	assert_int_equal(ledger_expire(f->l, 2000), 1);
	assert_int_equal(ledger_next_end(f->l), 3000);
	assert_int_equal(ledger_bans_count(f->l), 2);
	assert_int_equal(ledger_previous(f->l, &ban.address, ban.prefix_len, 2000, 0), 1);
	assert_int_equal(ledger_previous(f->l, &ban.address, ban.prefix_len, 2499, 500), 1);
	assert_int_equal(ledger_previous(f->l, &ban.address, ban.prefix_len, 2500, 500), 0);
	ban = make("2001:db8::/32", 2500, 2600);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ban.count, 2);
	assert_int_equal(ledger_expire(f->l, 2600 + LEDGER_MEMORY_MS + 1), 2);
	assert_int_equal(ledger_next_end(f->l), 0);
	assert_int_equal(ledger_bans_count(f->l), 1);
	assert_int_equal(ledger_previous(f->l, &ban.address, ban.prefix_len, 3000, 0), 0);
}

static void test_host_bits_and_covering(void **state)
{
	struct fixture *f = *state;
	struct ledger_ban ban = make("198.51.100.77/24", 1000, 9000), found;
	struct peer_address inside, outside;

	address_parse(span_of("198.51.100.5"), &inside);
	address_parse(span_of("198.51.101.5"), &outside);
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ban.address.bytes[15], 0);
	assert_int_equal(add(f->l, "198.51.100.5", 1000, 5000), 0);
	assert_int_equal(add(f->l, "::/0", 1000, 0), 0);
	assert_int_equal(ledger_ban_covering(f->l, &inside, 1500, &found), 0);
	assert_int_equal(found.prefix_len, 120);
	assert_int_equal(ledger_ban_covering(f->l, &inside, 9000, &found), ERR_NOTFOUND);
	assert_int_equal(ledger_ban_covering(f->l, &outside, 1500, &found), ERR_NOTFOUND);
	assert_int_equal(ledger_ban_find(f->l, &inside, 120, &found), 0);
}

static void test_strings_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct ledger_ban ban = make("192.0.2.7", 1, 0), found;

	/* No terminator, and a two-byte character across the bound. */
	memset(ban.why, 'w', sizeof(ban.why));
	memcpy(ban.why + sizeof(ban.why) - 2, "\xc3\xa9", 2);
	memset(ban.rule, 'r', sizeof(ban.rule));
	memset(ban.id, 'i', sizeof(ban.id));
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	assert_int_equal(ledger_ban_find(f->l, &ban.address, 128, &found), 0);
	assert_int_equal(strlen(found.why), sizeof(ban.why) - 2);
	assert_int_equal(strlen(found.rule), sizeof(ban.rule) - 1);
	assert_int_equal(strlen(found.id), sizeof(ban.id) - 1);
}

static bool count_ban(void *arg, const struct ledger_ban *ban)
{
	int64_t *last = arg;

	assert_true(last[1] == 0 || ban->since_ms <= last[0]);
	last[0] = ban->since_ms;
	return ++last[1] < last[2];
}

static void test_each(void **state)
{
	struct fixture *f = *state;
	int64_t seen[3] = { 0, 0, 100 };

	assert_int_equal(add(f->l, "192.0.2.1", 10, 0), 0);
	assert_int_equal(add(f->l, "192.0.2.2", 30, 0), 0);
	assert_int_equal(add(f->l, "2001:db8::1", 20, 0), 0);
	assert_int_equal(ledger_bans_each(f->l, count_ban, seen), 0);
	assert_int_equal(seen[1], 3);
	seen[1] = 0;
	seen[2] = 2;
	assert_int_equal(ledger_bans_each(f->l, count_ban, seen), 0);
	assert_int_equal(seen[1], 2);
	assert_int_equal(add(f->l, "192.0.2.3", 40, 0), 0);
}

/* ---- history ---- */

static bool join_entries(void *arg, const struct ledger_edit *edit)
{
	char *text = arg;

	strcat(strcat(strcat(text, edit->what), edit->entry), " ");
	return true;
}

static void test_history(void **state)
{
	struct fixture *f = *state;
	struct ledger_edit edits[] = { { 1, "uid 0", "+", "spam", "casino" },
		{ 2, "uid 0", "+", "hosts", "bad.example" },
		{ 3, "uid 1", "-", "spam", "casino" } };
	char text[256] = "", *large = calloc(1, 4096);

	assert_int_equal(ledger_history_add(f->l, edits, 3), 0);
	reopen(f);
	assert_int_equal(ledger_history_each(f->l, "spam", 10, join_entries, text), 0);
	assert_string_equal(text, "-casino +casino ");
	*text = '\0';
	assert_int_equal(ledger_history_each(f->l, NULL, 2, join_entries, text), 0);
	assert_string_equal(text, "-casino +bad.example ");
	memset(large, 'x', 4000);
	edits[0].entry = large;
	edits[0].list = "'; DROP TABLE bans; --";
	assert_int_equal(ledger_history_add(f->l, edits, 1), 0);
	*large = '\0';
	assert_int_equal(ledger_history_each(f->l, edits[0].list, 2, join_entries, large), 0);
	assert_int_equal(strlen(large), 2 + LEDGER_ENTRY_MAX);
	free(large);
}

/* ---- what may happen to the file ---- */

static void write_at(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
	close(fd);
}

static unsigned count_aside(const struct fixture *f)
{
	char command[160];
	unsigned n = 0;
	FILE *p;

	snprintf(command, sizeof(command), "ls '%s' | grep -c 'damaged-[0-9]*$'", f->folder);
	p = popen(command, "r");
	assert_int_equal(fscanf(p, "%u", &n), 1);
	pclose(p);
	return n;
}

static void assert_begun_anew(struct fixture *f, unsigned aside)
{
	bool damaged = false;

	assert_int_equal(ledger_open(f->path, &f->l, &damaged), 0);
	assert_true(damaged);
	assert_int_equal(ledger_bans_count(f->l), 0);
	assert_int_equal(add(f->l, "192.0.2.7", 1, 0), 0);
	assert_int_equal(count_aside(f), aside);
}

static void test_damaged_is_moved_aside(void **state)
{
	struct fixture *f = *state;
	char junk[64], command[256];

	assert_int_equal(add(f->l, "192.0.2.7", 1, 0), 0);
	ledger_close(f->l);
	/* Not a database at all. */
	write_at(f->path, 0, "this is no database, and never was one.");
	assert_begun_anew(f, 1);
	ledger_close(f->l);
	/* A page of it overwritten. */
	memset(junk, 'j', sizeof(junk) - 1);
	junk[sizeof(junk) - 1] = '\0';
	for (off_t page = 1; page < 5; page++)
		write_at(f->path, page * 4096, junk);
	assert_begun_anew(f, 2);
	ledger_close(f->l);
	/* Somebody else's. */
	unlink(f->path);
	snprintf(command, sizeof(command),
		"/usr/bin/python3 -c \"import sqlite3; sqlite3.connect('%s').execute('create table "
		"t (x)')\"",
		f->path);
	assert_int_equal(system(command), 0);
	assert_begun_anew(f, 3);
}

static void test_newer_is_refused(void **state)
{
	struct fixture *f = *state;
	char command[256];
	bool damaged = true;

	assert_int_equal(add(f->l, "192.0.2.7", 1, 0), 0);
	ledger_close(f->l);
	f->l = NULL;
	snprintf(command, sizeof(command),
		"/usr/bin/python3 -c \"import sqlite3; sqlite3.connect('%s').execute('pragma "
		"user_version = 99')\"",
		f->path);
	assert_int_equal(system(command), 0);
	assert_int_equal(ledger_open(f->path, &f->l, &damaged), ERR_UNSUPPORTED);
	assert_false(damaged);
	assert_int_equal(ledger_open("/nonexistent/folder/ledger.db", &f->l, NULL), -ENOENT);
}

/* A ledger of the first version keeps its bans and gets what the second one has. */
static void test_older_is_brought_up(void **state)
{
	struct fixture *f = *state;
	struct ledger_ban ban = make("192.0.2.7", 1, 0), found;
	char command[640];
	bool damaged = true;

	strcpy(ban.evidence, "[]");
	assert_int_equal(ledger_ban_add(f->l, &ban, LEDGER_EXTEND), 0);
	ledger_close(f->l);
	f->l = NULL;
	snprintf(command, sizeof(command),
		"/usr/bin/python3 -c \"import sqlite3; c = sqlite3.connect('%s'); "
		"c.executescript('alter table bans drop column evidence; drop table barred; "
		"drop table known; drop table clock; pragma user_version = 1')\"",
		f->path);
	assert_int_equal(system(command), 0);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(ledger_open(f->path, &f->l, &damaged), 0);
		assert_false(damaged);
		assert_int_equal(ledger_ban_find(f->l, &ban.address, 128, &found), 0);
		assert_string_equal(found.why, "spam");
		assert_string_equal(found.evidence, round == 0 ? "" : "[{}]");
		strcpy(found.evidence, "[{}]");
		assert_int_equal(ledger_ban_add(f->l, &found, LEDGER_EXTEND), 0);
		reopen(f);
		ledger_close(f->l);
		f->l = NULL;
	}
}

/* ---- kill -9 ---- */

/* Enters 10.R.x.y one after the other and says each number that was entered, until killed. */
static void write_bans(const char *path, unsigned round, int out)
{
	struct ledger *l = NULL;
	char prefix[32];

	if (ledger_open(path, &l, NULL) < 0)
		_exit(1);
	for (uint32_t i = 0; i < 65536; i++) {
		struct ledger_edit edit = { i, "uid 0", "add", "spam", prefix };

		snprintf(prefix, sizeof(prefix), "10.%u.%u.%u", round, i >> 8, i & 0xff);
		if (add(l, prefix, 1000 + i, 0) < 0 || ledger_history_add(l, &edit, 1) < 0 ||
			write(out, &i, sizeof(i)) != (ssize_t)sizeof(i))
			_exit(2);
	}
	_exit(3);
}

static void test_kill_loses_nothing(void **state)
{
	struct fixture *f = *state;
	long total = 0;

	ledger_close(f->l);
	f->l = NULL;
	for (unsigned round = 0; round < KILLS; round++) {
		uint32_t entered = 0, i;
		bool damaged = true;
		int pipes[2], status;
		pid_t pid;

		assert_int_equal(pipe(pipes), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			write_bans(f->path, round, pipes[1]);
		close(pipes[1]);
		while (entered < BEFORE_KILL + 13 * round &&
			read(pipes[0], &i, sizeof(i)) == sizeof(i))
			entered = i + 1;
		kill(pid, SIGKILL);
		while (read(pipes[0], &i, sizeof(i)) == sizeof(i))
			entered = i + 1;
		close(pipes[0]);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));

		assert_int_equal(ledger_open(f->path, &f->l, &damaged), 0);
		assert_false(damaged);
		for (i = 0; i < entered; i++) {
			struct ledger_ban found;
			struct peer_address a;
			char text[32];

			snprintf(text, sizeof(text), "10.%u.%u.%u", round, i >> 8, i & 0xff);
			assert_int_equal(address_parse(span_of(text), &a), 0);
			assert_int_equal(ledger_ban_find(f->l, &a, 128, &found), 0);
		}
		/* At most the one under way is there without having been said. */
		assert_in_range(ledger_bans_count(f->l), total + entered, total + entered + 1);
		total = ledger_bans_count(f->l);
		ledger_close(f->l);
		f->l = NULL;
	}
	print_message("%ld bans entered, none lost by %d kills\n", total, KILLS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_ledger, close_ledger)
	const struct CMUnitTest tests[] = {
		TEST(test_add_find_remove),
		TEST(test_extend_and_set),
		TEST(test_expiry_keeps_counts_for_a_while),
		TEST(test_host_bits_and_covering),
		TEST(test_strings_are_bounded),
		TEST(test_each),
		TEST(test_history),
		TEST(test_damaged_is_moved_aside),
		TEST(test_newer_is_refused),
		TEST(test_older_is_brought_up),
		TEST(test_kill_loses_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
