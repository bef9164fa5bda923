/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/ledger_waiting: what a full disk does not take is in force all the same, outlives the
 * process, and is written when there is room. In a small tmpfs of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/err.h"
#include "ctl/ledger.h"
#include "ctl/ledger_barred.h"

struct fixture {
	char folder[64], disk[80], path[96], filler[96], waiting[96];
	struct ledger *l;
};

static void open_ledger(struct fixture *f)
{
	assert_int_equal(ledger_open(f->path, &f->l, NULL), 0);
	assert_int_equal(ledger_wait_in(f->l, f->waiting), 0);
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/test_waiting.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->disk, sizeof(f->disk), "%s/disk", f->folder);
	snprintf(f->path, sizeof(f->path), "%s/ledger", f->disk);
	snprintf(f->filler, sizeof(f->filler), "%s/filler", f->disk);
	snprintf(f->waiting, sizeof(f->waiting), "%s/waiting", f->folder);
	assert_int_equal(mkdir(f->disk, 0700), 0);
	*state = f;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", f->disk, "tmpfs", 0, "size=512k") < 0) {
		print_message("skipped: no mount of our own: %s\n", strerror(errno));
		return 0;
	}
	open_ledger(f);
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	char command[128];

	ledger_close(f->l);
	umount(f->disk);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void disk_fill(const struct fixture *f)
{
	static char block[16 * 1024];
	int fd = open(f->filler, O_WRONLY | O_CREAT | O_APPEND, 0600);

	for (size_t size = sizeof(block); size > 0;)
		if (write(fd, block, size) <= 0)
			size /= 2;
	close(fd);
}

static struct ledger_ban make(const char *prefix, int64_t since, int64_t until)
{
	struct ledger_ban ban = {
		.since_ms = since, .until_ms = until, .why = "spam", .strikes = 5
	};

	assert_int_equal(address_parse_prefix(span_of(prefix), &ban.address, &ban.prefix_len), 0);
	return ban;
}

static int add(struct ledger *l, const char *prefix, int64_t since, int64_t until)
{
	struct ledger_ban ban = make(prefix, since, until);

	return ledger_ban_add(l, &ban, LEDGER_EXTEND);
}

static bool is_banned(struct ledger *l, const char *prefix, int64_t *until)
{
	struct ledger_ban ban = make(prefix, 0, 0), found;

	if (ledger_ban_find(l, &ban.address, ban.prefix_len, &found) < 0)
		return false;
	*until = found.until_ms;
	return true;
}

static size_t waiting(const struct fixture *f)
{
	int error;
	size_t n = ledger_waiting(f->l, &error);

	assert_true(n == 0 ? error == 0 : error < 0);
	return n;
}

static bool visit(void *arg, const struct ledger_ban *ban)
{
	(void)ban;
	++*(long *)arg;
	return true;
}

/* So many as are counted are visited, too. */
static long bans(const struct fixture *f)
{
	long n = 0;

	assert_int_equal(ledger_bans_each(f->l, visit, &n), 0);
	assert_int_equal(ledger_bans_count(f->l), n);
	return n;
}

/* Bans until the disk takes no more, and one that waits. How many. */
static unsigned add_until_it_waits(struct fixture *f)
{
	char prefix[32];
	unsigned n = 0;

	disk_fill(f);
	while (waiting(f) == 0 && n < 20000) {
		snprintf(prefix, sizeof(prefix), "10.0.%u.%u", n >> 8, n & 0xff);
		assert_int_equal(add(f->l, prefix, 1, 0), 0);
		n++;
	}
	assert_int_equal(waiting(f), 1);
	return n;
}

static void test_full_and_freed(void **state)
{
	struct fixture *f = *state;
	struct ledger_ban ban, found;
	int64_t until;
	unsigned n;

	if (!f->l)
		skip();
	assert_int_equal(add(f->l, "192.0.2.1", 1, 1000), 0);
	assert_int_equal(add(f->l, "192.0.2.2", 1, 1000), 0);
	n = add_until_it_waits(f);
	assert_int_equal(bans(f), n + 2);
	/* One that is on disk gets longer, one is taken back, one is new, one is new and taken
	 * back. */
	assert_int_equal(add(f->l, "192.0.2.1", 2, 9000), 0);
	ban = make("192.0.2.2", 0, 0);
	assert_int_equal(ledger_ban_remove(f->l, &ban.address, ban.prefix_len), 0);
	assert_int_equal(ledger_ban_remove(f->l, &ban.address, ban.prefix_len), ERR_NOTFOUND);
	assert_int_equal(add(f->l, "198.51.100.0/24", 3, 5000), 0);
	assert_int_equal(add(f->l, "192.0.2.9", 3, 5000), 0);
	ban = make("192.0.2.9", 0, 0);
	assert_int_equal(ledger_ban_remove(f->l, &ban.address, ban.prefix_len), 0);
	for (unsigned round = 0; round < 3; round++) {
		assert_true(is_banned(f->l, "192.0.2.1", &until) && until == 9000);
		assert_false(is_banned(f->l, "192.0.2.2", &until));
		assert_false(is_banned(f->l, "192.0.2.9", &until));
		ban = make("198.51.100.77", 0, 0);
		assert_int_equal(ledger_ban_covering(f->l, &ban.address, 100, &found), 0);
		assert_int_equal(found.until_ms, 5000);
		assert_int_equal(bans(f), n + 2);
		if (round == 0) { /* full: what ended is not taken out, and nothing is lost */
			assert_true(ledger_expire(f->l, 10) < 0);
			assert_int_equal(waiting(f), 5);
			assert_int_equal(access(f->waiting, F_OK), 0);
			unlink(f->filler);
			assert_int_equal(ledger_settle(f->l), 0);
			assert_int_equal(waiting(f), 0);
			assert_int_equal(access(f->waiting, F_OK), -1);
		} else if (round == 1) {
			ledger_close(f->l);
			open_ledger(f);
		}
	}
	ban = make("192.0.2.9", 0, 0);
	assert_int_equal(ledger_previous(f->l, &ban.address, ban.prefix_len, 100, 0), 0);
	assert_int_equal(ledger_expire(f->l, 5000), 1);
	assert_int_equal(bans(f), n + 1);
}

/* kill -9 with bans that wait: the next one has them, with a disk that takes them or not. */
static void test_killed_while_they_wait(void **state)
{
	struct fixture *f = *state;
	int64_t until;
	int status;
	pid_t pid;

	if (!f->l)
		skip();
	assert_int_equal(add(f->l, "192.0.2.2", 1, 1000), 0);
	ledger_close(f->l);
	f->l = NULL;
	pid = fork();
	if (pid == 0) {
		struct ledger_ban ban = make("192.0.2.2", 0, 0);

		open_ledger(f);
		add_until_it_waits(f);
		if (add(f->l, "192.0.2.7", 1, 4000) < 0 ||
			ledger_ban_remove(f->l, &ban.address, ban.prefix_len) < 0)
			_exit(1);
		_exit(0); /* nothing is closed */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	open_ledger(f);
	assert_int_equal(waiting(f), 3);
	assert_true(is_banned(f->l, "192.0.2.7", &until) && until == 4000);
	assert_false(is_banned(f->l, "192.0.2.2", &until));
	bans(f);
	ledger_close(f->l);
	unlink(f->filler);
	open_ledger(f);
	assert_int_equal(waiting(f), 0);
	assert_true(is_banned(f->l, "192.0.2.7", &until) && until == 4000);
	assert_false(is_banned(f->l, "192.0.2.2", &until));
	bans(f);
}

/* A torn last line, and lines that are none, cost only themselves. */
static void test_a_torn_file(void **state)
{
	struct fixture *f = *state;
	int64_t until;
	FILE *file;

	if (!f->l)
		skip();
	ledger_close(f->l);
	file = fopen(f->waiting, "w");
	fprintf(file,
		"{\"address\":\"192.0.2.1\",\"len\":128,\"since\":1,\"until\":50}\n"
		"{\"address\":\"nonsense\",\"len\":128}\n{\"address\":\"192.0.2.3\",\"len\":999}\n"
		"{\"address\":\"192.0.2.2\",\"len\":128,\"since\":1,\"unt");
	fclose(file);
	open_ledger(f);
	assert_true(is_banned(f->l, "192.0.2.1", &until) && until == 50);
	assert_int_equal(bans(f), 1);
}

/* Without a second disk nothing but a restart is lost. */
static void test_memory_alone(void **state)
{
	struct fixture *f = *state;
	int64_t until;

	if (!f->l)
		skip();
	ledger_close(f->l);
	strcpy(f->waiting, "/proc/no/such/file");
	open_ledger(f);
	add_until_it_waits(f);
	assert_int_equal(add(f->l, "192.0.2.7", 1, 4000), 0);
	assert_true(is_banned(f->l, "192.0.2.7", &until));
	unlink(f->filler);
	assert_int_equal(ledger_settle(f->l), 0);
	ledger_close(f->l);
	open_ledger(f);
	assert_true(is_banned(f->l, "192.0.2.7", &until));
}

static struct ledger_bar bar_of(const char *name, int64_t since, int64_t until)
{
	struct ledger_bar bar = { .kind = strchr(name, '@') ? LEDGER_JID : LEDGER_DOMAIN,
		.since_ms = since,
		.until_ms = until,
		.why = "spam" };

	snprintf(bar.name, sizeof(bar.name), "%s", name);
	return bar;
}

static bool visit_name(void *arg, const struct ledger_bar *bar)
{
	char *all = arg;

	strcat(strcat(all, bar->name), " ");
	return true;
}

static void assert_names(const struct fixture *f, int64_t now, const char *wanted)
{
	char all[400] = "";

	assert_int_equal(ledger_barred_each(f->l, now, visit_name, all), 0);
	assert_int_equal(strlen(all), strlen(wanted));
	for (const char *at = wanted; *at; at = strchr(at, ' ') + 1) {
		char name[100];

		sscanf(at, "%99s", name);
		assert_non_null(strstr(all, name));
	}
}

/* Names wait as prefixes do: one new, one longer, one let in again. */
static void test_names(void **state)
{
	struct fixture *f = *state;
	struct ledger_bar bar;
	char all[200] = "";

	if (!f->l)
		skip();
	bar = bar_of("bad.example", 1, 500);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	bar = bar_of("b@x.example", 1, 500);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	add_until_it_waits(f);
	bar = bar_of("a@x.example", 2, 100);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	bar = bar_of("bad.example", 2, 900);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	assert_int_equal(bar.since_ms, 1);
	assert_int_equal(ledger_bar_end(f->l, LEDGER_JID, "b@x.example", 10), 0);
	assert_int_equal(waiting(f), 4);
	for (unsigned round = 0; round < 3; round++) {
		assert_names(f, 50, "bad.example a@x.example ");
		assert_names(f, 600, "bad.example ");
		assert_int_equal(ledger_bar_find(f->l, LEDGER_DOMAIN, "bad.example", &bar), 0);
		assert_int_equal(bar.until_ms, 900);
		assert_int_equal(bar.count, 1);
		*all = '\0';
		assert_int_equal(ledger_barred_ended(f->l, 50, 100, visit_name, all), 0);
		assert_string_equal(all, "a@x.example ");
		if (round == 0) { /* another process has them from the file */
			struct ledger *other = NULL;

			assert_int_equal(ledger_open(f->path, &other, NULL), 0);
			assert_int_equal(ledger_wait_in(other, f->waiting), 0);
			assert_int_equal(
				ledger_bar_find(other, LEDGER_JID, "a@x.example", &bar), 0);
			ledger_close(other);
			unlink(f->filler);
			assert_int_equal(ledger_settle(f->l), 0);
		} else {
			assert_int_equal(waiting(f), 0);
			ledger_close(f->l);
			open_ledger(f);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_full_and_freed, begin, end),
		cmocka_unit_test_setup_teardown(test_killed_while_they_wait, begin, end),
		cmocka_unit_test_setup_teardown(test_a_torn_file, begin, end),
		cmocka_unit_test_setup_teardown(test_memory_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_names, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
