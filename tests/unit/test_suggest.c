/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Proposals out of what was seen: peers of two kinds, and what limits would have done to them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base/map.h"
#include "ctl/suggest.h"
#include "rules/sketch.h"

static const uint64_t HOUR = 3600000000000, SECOND = 1000000000;

/* Of 1,000 peers all but one in fifty write three lines at once and then one each 20 seconds; the
 * others pour out fifty a second for two seconds. */
static void watch(struct sketch_counts *out)
{
	struct sketch *s = sketch_new();
	struct sketch_counts ended;

	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t key = map_hash(&i, sizeof i);

		for (uint64_t n = 0; n < 100; n++) {
			uint64_t at = n < 3 ? n * 1000 : n * 20 * SECOND;

			sketch_add(s, key, HOUR + (i % 50 ? at : n * SECOND / 50));
		}
	}
	sketch_take(s, HOUR + 2001 * SECOND, &ended, out);
	sketch_unref(s);
}

static double real_of(const json_t *json, const char *key)
{
	return json_real_value(json_object_get(json, key));
}

static void test_two_kinds(void **state)
{
	struct limit_rate now = limit_rate_make(20, 1000, 10);
	struct sketch_counts seen;
	json_t *json, *rate, *current;
	unsigned recommended = 0;
	json_int_t before = 0;
	size_t i;

	(void)state;
	watch(&seen);
	json = suggest_limit(&seen, 0.95, &now, false);
	assert_non_null(json);
	json_array_foreach(json_object_get(json, "rates"), i, rate)
	{
		json_int_t burst = json_integer_value(json_object_get(rate, "burst"));

		assert_true(burst > 0 && (before == 0 || burst < before));
		before = burst;
		assert_true(real_of(rate, "hit") <= 0.05);
		if (json_is_true(json_object_get(rate, "recommended"))) {
			recommended++;
			assert_string_equal(
				json_string_value(json_object_get(rate, "rate")), "3/minute");
			assert_int_equal(burst, 3);
		}
	}
	assert_int_equal(recommended, 1);
	current = json_object_get(json, "current");
	/* 20/second with a burst of ten: the two in a hundred are hit, nobody else */
	assert_true(real_of(current, "hit_least") > 0.005 && real_of(current, "hit_most") < 0.05);
	json_decref(json);
	/* All in peace: then the bursts are those of the loud ones. */
	json = suggest_limit(&seen, 1, &now, false);
	json_array_foreach(json_object_get(json, "rates"), i, rate)
		assert_true(real_of(rate, "hit") == 0);
	json_decref(json);
	/* A rate beyond all that were observed: nothing is known of how few, only of how many. */
	now = limit_rate_make(1000000, 1000, 1);
	json = suggest_limit(&seen, 0.5, &now, false);
	assert_true(real_of(json_object_get(json, "current"), "hit_least") == 0);
	json_decref(json);
	now = limit_rate_make(1, 86400000, 1);
	json = suggest_limit(&seen, 0.5, &now, false);
	assert_true(real_of(json_object_get(json, "current"), "hit_most") == 1);
	json_decref(json);
}

/* One peer, one event. */
static void test_one(void **state)
{
	struct limit_rate now = limit_rate_make(1, 1000, 1);
	struct sketch *s = sketch_new();
	struct sketch_counts ended, seen;
	json_t *json;

	(void)state;
	sketch_add(s, 1, HOUR);
	sketch_take(s, HOUR, &ended, &seen);
	json = suggest_limit(&seen, 0.95, &now, false);
	assert_int_equal(json_array_size(json_object_get(json, "rates")), 1);
	assert_int_equal(json_array_size(json_object_get(json, "histogram")), 1);
	json_decref(json);
	sketch_unref(s);
}

/* Of bytes, what is observed in KiB is proposed as sizes. */
static void test_bytes(void **state)
{
	struct limit_rate now = limit_rate_make(1024, 1000, 64 << 10);
	struct sketch *s = sketch_new();
	struct sketch_counts ended, seen;
	json_t *json, *last;

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		sketch_add_part(s, 1, HOUR + i, 2048);
	sketch_take(s, HOUR, &ended, &seen);
	json = suggest_limit(&seen, 1, &now, true);
	last = json_array_get(json_object_get(json, "rates"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(last, "rate")), "k/"));
	assert_int_equal(json_integer_value(json_object_get(last, "burst")), 40 << 10);
	json_decref(json);
	sketch_unref(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_kinds),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
