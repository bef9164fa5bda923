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
	struct limit_table *t = limit_table_new(100, false);
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
	struct limit_table *t = limit_table_new(1, false);

	(void)state;
	assert_false(limit_table_count(t, 0, 100, 10, 10, &evicted)); /* key 0 is a key like others */
	assert_true(limit_table_count(t, 0, 109, 10, 10, &evicted));
	assert_false(limit_table_count(t, 0, 110, 10, 10, &evicted));
	limit_table_unref(t);
}

/* A key counted under a slow rate is not held by it once the rate is quicker (reload). */
static void test_rate_changes(void **state)
{
	struct limit_table *t = limit_table_new(10, false);
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
	struct limit_table *t = limit_table_new(16, false);
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

/* ---- values ---- */

static const uint64_t HOUR = 3600000ull * MS;

static bool has_too_many(
	struct limit_table *t, uint64_t key, uint64_t value, uint64_t now, const struct limit_rate *rate)
{
	unsigned fresh;

	return limit_table_count_values(t, key, &value, 1, now, rate, &evicted, &fresh);
}

/* Ten distinct ones an hour; what is known stays free, what was refused stays unknown. */
static void test_values(void **state)
{
	struct limit_table *t = limit_table_new(1024, true);
	struct limit_rate rate = limit_rate_make(10, 3600000, 0);
	uint64_t now = 5000ull * MS;

	(void)state;
	for (int round = 0; round < 100; round++)
		for (uint64_t v = 0; v < 10; v++)
			assert_false(has_too_many(t, 7, v, now, &rate));
	for (int round = 0; round < 100; round++)
		assert_true(has_too_many(t, 7, 10, now, &rate));
	for (uint64_t v = 0; v < 10; v++)
		assert_false(has_too_many(t, 7, v, now, &rate));
	assert_false(has_too_many(t, 8, 10, now, &rate)); /* another key */
	/* A tenth of the hour is one more, and the known ones go on. */
	now += HOUR / 10;
	assert_false(has_too_many(t, 7, 10, now, &rate));
	assert_true(has_too_many(t, 7, 11, now, &rate));
	assert_false(has_too_many(t, 7, 3, now, &rate));
	/* An hour after it was last seen a value is new. */
	now += HOUR;
	for (uint64_t v = 0; v < 10; v++)
		assert_false(has_too_many(t, 7, v, now, &rate));
	assert_true(has_too_many(t, 7, 10, now, &rate));
	limit_table_unref(t);
}

/* Several at once are one decision, and each of them counts once. */
static void test_values_together(void **state)
{
	struct limit_table *t = limit_table_new(1024, true);
	struct limit_rate rate = limit_rate_make(10, 3600000, 0);
	const uint64_t first[] = { 1, 2, 3, 1, 2, 3, 0 }, more[] = { 3, 4, 5, 6, 7, 8, 9, 10 };
	unsigned fresh;

	(void)state;
	assert_false(limit_table_count_values(t, 7, first, 7, HOUR, &rate, &evicted, &fresh));
	assert_int_equal(fresh, 4);
	assert_true(limit_table_count_values(t, 7, more, 8, HOUR, &rate, &evicted, &fresh));
	assert_int_equal(fresh, 7);
	assert_false(limit_table_count_values(t, 7, more, 7, HOUR, &rate, &evicted, &fresh));
	assert_int_equal(fresh, 6);
	assert_false(limit_table_count_values(t, 7, more, 7, HOUR, &rate, &evicted, &fresh));
	assert_int_equal(fresh, 0);
	assert_false(limit_table_count_values(t, 7, more, 0, HOUR, &rate, &evicted, &fresh));
	assert_int_equal(fresh, 0);
	limit_table_unref(t);
}

/* Whoever fills the table, with many keys, costs an honest key nothing: what of it is forgotten and
 * counts again was given back. And memory does not grow. */
static void test_values_crowded(void **state)
{
	struct limit_table *t = limit_table_new(64, true);
	struct limit_rate rate = limit_rate_make(10, 3600000, 0);
	uint64_t now = HOUR, before = evicted;

	(void)state;
	for (uint64_t round = 0; round < 2000; round++) {
		for (uint64_t v = 0; v < 8; v++)
			assert_false(has_too_many(t, 7, v, now, &rate));
		for (uint64_t k = 0; k < 200; k++)
			has_too_many(t, 1000 + (round * 200 + k) * 0x9e3779b97f4a7c15, k, now, &rate);
		now += MS;
	}
	assert_true(evicted > before);
	limit_table_unref(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burst_and_rate),
		cmocka_unit_test(test_burst_of_one),
		cmocka_unit_test(test_rate_changes),
		cmocka_unit_test(test_eviction),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_values_together),
		cmocka_unit_test(test_values_crowded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
