/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* GCRA by the numbers, bounded tables, pairs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules/limit.h"

enum { MS = 1000000 };

static _Atomic uint64_t evicted;

/* 20/second, burst 60: sixty at once, then one each 50 ms. */
static void test_burst_and_rate(void **state)
{
	struct limit_table *t = limit_table_new(100);
	uint64_t now = 5000ull * MS, period = 50 * MS, tolerance = 60 * period;

	(void)state;
	for (int i = 0; i < 60; i++)
		assert_false(limit_table_count(t, 7, now, period, tolerance, &evicted));
	assert_true(limit_table_count(t, 7, now, period, tolerance, &evicted));
	assert_true(limit_table_count(t, 7, now + period - 1, period, tolerance, &evicted));
	assert_false(limit_table_count(t, 7, now + period, period, tolerance, &evicted));
	assert_true(limit_table_count(t, 7, now + period, period, tolerance, &evicted));
	/* another key is not touched */
	assert_false(limit_table_count(t, 8, now, period, tolerance, &evicted));
	/* a flood does not prolong itself: after the burst's length all is forgiven */
	now += period + tolerance;
	for (int i = 0; i < 60; i++)
		assert_false(limit_table_count(t, 7, now, period, tolerance, &evicted));
	assert_true(limit_table_count(t, 7, now, period, tolerance, &evicted));
	limit_table_unref(t);
}

static void test_burst_of_one(void **state)
{
	struct limit_table *t = limit_table_new(1);

	(void)state;
	assert_false(limit_table_count(t, 0, 100, 10, 10, &evicted)); /* key 0 is a key like others */
	assert_true(limit_table_count(t, 0, 109, 10, 10, &evicted));
	assert_false(limit_table_count(t, 0, 110, 10, 10, &evicted));
	limit_table_unref(t);
}

/* A key counted under a slow rate is not held by it once the rate is quicker (reload). */
static void test_rate_changes(void **state)
{
	struct limit_table *t = limit_table_new(10);
	uint64_t hour = 3600000ull * MS;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_false(limit_table_count(t, 3, hour, hour, 5 * hour, &evicted));
	assert_true(limit_table_count(t, 3, hour, MS, 5 * MS, &evicted));
	assert_false(limit_table_count(t, 3, hour + 6 * MS, MS, 5 * MS, &evicted));
	limit_table_unref(t);
}

/* The table stays in its bounds, says what it lost, and keeps the hottest. */
static void test_eviction(void **state)
{
	struct limit_table *t = limit_table_new(16);
	uint64_t now = 1000, period = 1000;

	(void)state;
	evicted = 0;
	for (int i = 0; i < 50; i++)
		limit_table_count(t, 77, now, period, 50 * period, &evicted);
	assert_true(limit_table_count(t, 77, now, period, 50 * period, &evicted));
	for (uint64_t key = 1000; key < 3000; key++)
		limit_table_count(t, key, now, period, 50 * period, &evicted);
	assert_true(limit_table_count(t, 77, now, period, 50 * period, &evicted));
	assert_int_equal(limit_table_used(t, now), 16);
	assert_int_equal(evicted, 2000 - 15);
	/* entries whose time has passed are free room, not losses */
	evicted = 0;
	for (uint64_t key = 5000; key < 5016; key++)
		limit_table_count(t, key, now + 100 * period, period, 50 * period, &evicted);
	assert_int_equal(evicted, 0);
	limit_table_unref(t);
}

static void test_pairs(void **state)
{
	struct pair_table *t = pair_table_new(16);

	(void)state;
	evicted = 0;
	assert_int_equal(pair_table_find(t, 5), 0);
	pair_table_add(t, 5, PAIR_FORTH, &evicted);
	assert_int_equal(pair_table_find(t, 5), PAIR_FORTH);
	pair_table_add(t, 5, PAIR_BACK, &evicted);
	assert_int_equal(pair_table_find(t, 5), PAIR_FORTH | PAIR_BACK);
	for (uint64_t key = 100; key < 115; key++)
		pair_table_add(t, key, PAIR_FORTH, &evicted);
	assert_int_equal(evicted, 0);
	pair_table_add(t, 5, PAIR_BACK, &evicted);
	pair_table_add(t, 200, PAIR_FORTH, &evicted); /* 100 was used longest ago */
	assert_int_equal(evicted, 1);
	assert_int_equal(pair_table_find(t, 100), 0);
	assert_int_equal(pair_table_find(t, 5), PAIR_FORTH | PAIR_BACK);
	pair_table_unref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_rate),
		cmocka_unit_test(test_burst_of_one),
		cmocka_unit_test(test_rate_changes),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_pairs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
