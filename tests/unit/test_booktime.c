/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/booktime over ctl/ledger_clock: a day either way, within a boot, over restarts and reboots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"
#include "ctl/booktime.h"

#define SECOND ((int64_t)1000)
#define HOUR   ((int64_t)3600 * SECOND)
#define DAY    (24 * HOUR)
#define NS(ms) ((uint64_t)(ms)*1000000u)
#define WALL   ((int64_t)1790000000000)
#define BOOT   ((int64_t)5000000)

static void set_clocks(int64_t boot_ms, int64_t wall_ms)
{
	clock_thaw();
	clock_freeze(NS(boot_ms), wall_ms);
}

static int begin(void **state)
{
	(void)state;
	set_clocks(BOOT, WALL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	clock_thaw();
	return 0;
}

static void test_without_a_reading_it_is_the_wall_clock(void **state)
{
	struct booktime t;
	(void)state;

	booktime_start(&t, "a", NULL);
	assert_int_equal(booktime_now(&t), WALL);
	assert_int_equal(booktime_wall(&t, WALL + HOUR), WALL + HOUR);
	assert_int_equal(booktime_wall(&t, 0), 0);
}

static void test_the_wall_clock_is_set_while_it_runs(void **state)
{
	static const int64_t steps[] = { DAY, -DAY, -WALL };
	(void)state;

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		struct booktime t;

		set_clocks(BOOT, WALL);
		booktime_start(&t, "a", NULL);
		clock_advance(NS(10 * SECOND));
		set_clocks(BOOT + 10 * SECOND, WALL + 10 * SECOND + steps[i]);
		assert_int_equal(booktime_now(&t), WALL + 10 * SECOND);
		/* An hour from now is an hour from now by the clock on the wall, too. */
		assert_int_equal(booktime_wall(&t, booktime_now(&t) + HOUR),
			WALL + 10 * SECOND + steps[i] + HOUR);
		clock_advance(NS(HOUR));
		assert_int_equal(booktime_now(&t), WALL + 10 * SECOND + HOUR);
	}
}

/* What the next process makes of the last reading. */
static int64_t after(const char *boot, int64_t boot_ms, int64_t wall_ms)
{
	struct booktime before, t;

	set_clocks(BOOT, WALL);
	booktime_start(&before, "a", NULL);
	set_clocks(boot_ms, wall_ms);
	booktime_start(&t, boot, &before.noted);
	return booktime_now(&t) - WALL;
}

static void test_started_again(void **state)
{
	(void)state;
	/* In the same boot, whatever the wall clock says. */
	assert_int_equal(after("a", BOOT + HOUR, WALL + HOUR), HOUR);
	assert_int_equal(after("a", BOOT + HOUR, WALL + DAY), HOUR);
	assert_int_equal(after("a", BOOT + HOUR, WALL - DAY), HOUR);
	/* In the next: what the wall clock says has passed; never back. */
	assert_int_equal(after("b", 30 * SECOND, WALL + HOUR), HOUR);
	assert_int_equal(after("b", BOOT + HOUR, WALL + DAY), DAY);
	assert_int_equal(after("b", 30 * SECOND, WALL - DAY), 0);
	assert_int_equal(after("b", 30 * SECOND, 0), 0);
	/* A kernel that names no boot; a boot clock that went back in the same one (a time
	 * namespace). */
	assert_int_equal(after("", BOOT + HOUR, WALL + 2 * HOUR), 2 * HOUR);
	assert_int_equal(after("a", 10 * SECOND, WALL + 2 * HOUR), 2 * HOUR);
}

static void test_it_never_goes_back(void **state)
{
	struct booktime t;
	int64_t last = 0, boot = BOOT, wall = WALL;
	(void)state;

	booktime_start(&t, "a", NULL);
	srand(7);
	for (unsigned i = 0; i < 20000; i++) {
		struct booktime next = t;
		char name[16];

		if (rand() % 3 == 0)
			wall = WALL + (rand() % 200 - 100) * DAY;
		if (rand() % 5 == 0)
			boot = rand() % 100000;
		boot += rand() % 5000;
		wall += rand() % 5000;
		set_clocks(boot, wall);
		snprintf(name, sizeof name, "%d", rand() % 3);
		booktime_start(&next, name, &t.noted);
		assert_true(booktime_now(&next) >= last);
		last = booktime_now(&next);
		t = next;
	}
}

static void test_news(void **state)
{
	struct booktime t;
	(void)state;

	booktime_start(&t, "a", NULL);
	assert_int_equal(booktime_look(&t), BOOKTIME_SAME);
	clock_advance(NS(59 * SECOND));
	assert_int_equal(booktime_look(&t), BOOKTIME_SAME);
	assert_int_equal(t.noted.wall_ms, WALL);
	clock_advance(NS(SECOND));
	assert_int_equal(booktime_look(&t), BOOKTIME_DUE);
	assert_int_equal(t.noted.wall_ms, WALL + 60 * SECOND);
	assert_int_equal(t.noted.boot_ms, BOOT + 60 * SECOND);
	assert_int_equal(t.noted.book_ms, WALL + 60 * SECOND);
	assert_int_equal(booktime_look(&t), BOOKTIME_SAME);
	/* A time server's slewing is no step, a step is. */
	set_clocks(BOOT + 61 * SECOND, WALL + 61 * SECOND + 900);
	assert_int_equal(booktime_look(&t), BOOKTIME_SAME);
	set_clocks(BOOT + 62 * SECOND, WALL + 62 * SECOND - DAY);
	assert_int_equal(booktime_look(&t), BOOKTIME_STEPPED);
	assert_int_equal(t.stepped_ms, -DAY);
	assert_int_equal(booktime_look(&t), BOOKTIME_SAME);
	assert_int_equal(t.noted.book_ms, WALL + 62 * SECOND);
}

/* Eight hours of sleep are eight hours of a ban, but the kernel's elements stood still. */
static void test_a_suspended_host(void **state)
{
	struct booktime t;
	(void)state;

	booktime_start(&t, "a", NULL);
	clock_sleep(NS(8 * HOUR));
	assert_int_equal(booktime_now(&t), WALL + 8 * HOUR);
	assert_int_equal(booktime_wall(&t, WALL + 9 * HOUR), WALL + 9 * HOUR);
	assert_int_equal(booktime_look(&t), BOOKTIME_STEPPED);
	assert_int_equal(t.stepped_ms, 0);
	assert_int_equal(booktime_look(&t), BOOKTIME_SAME);
}

static void test_the_row(void **state)
{
	char folder[] = "/tmp/test_booktime.XXXXXX", path[64];
	struct ledger_clock read = { 0 };
	struct booktime t;
	struct ledger *l;
	(void)state;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/l", folder);
	assert_int_equal(ledger_open(path, &l, NULL), 0);
	assert_int_equal(ledger_clock_find(l, &read), ERR_NOTFOUND);
	for (unsigned i = 0; i < 3; i++) { /* one row, the last */
		booktime_start(&t, "0123456789abcdef0123456789abcdef0123", NULL);
		assert_int_equal(ledger_clock_put(l, &t.noted), 0);
		clock_advance(NS(HOUR));
	}
	ledger_close(l);
	assert_int_equal(ledger_open(path, &l, NULL), 0);
	assert_int_equal(ledger_clock_find(l, &read), 0);
	assert_string_equal(read.boot, t.noted.boot);
	assert_int_equal(read.boot_ms, BOOT + 2 * HOUR);
	assert_int_equal(read.wall_ms, WALL + 2 * HOUR);
	assert_int_equal(read.book_ms, WALL + 2 * HOUR);
	ledger_close(l);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const ends[] = { "", "-wal", "-shm" };

		snprintf(path, sizeof path, "%s/l%s", folder, ends[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void test_boot_id(void **state)
{
	char one[40], again[40];
	(void)state;

	booktime_boot_id(one, sizeof one);
	booktime_boot_id(again, sizeof again);
	assert_int_equal(strlen(one), 36);
	assert_string_equal(one, again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_without_a_reading_it_is_the_wall_clock, begin, end),
		cmocka_unit_test_setup_teardown(
			test_the_wall_clock_is_set_while_it_runs, begin, end),
		cmocka_unit_test_setup_teardown(test_started_again, begin, end),
		cmocka_unit_test_setup_teardown(test_it_never_goes_back, begin, end),
		cmocka_unit_test_setup_teardown(test_news, begin, end),
		cmocka_unit_test_setup_teardown(test_a_suspended_host, begin, end),
		cmocka_unit_test_setup_teardown(test_the_row, begin, end),
		cmocka_unit_test(test_boot_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
