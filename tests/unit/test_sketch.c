/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Sketches of what limits see: bursts to the event where they are small, a fair sample where keys
 * are many, hours, and what is said of it in JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/map.h"
#include "rules/sketch.h"

static const uint64_t MS = 1000000, HOUR = 3600000000000;

static struct sketch_counts ended, running;

/* The share that would have needed more than burst at a rate, in thousandths. */
static unsigned over(const struct sketch_counts *c, unsigned rate, uint64_t burst)
{
	uint64_t n = 0;

	for (unsigned b = 0; b < SKETCH_BUCKETS; b++)
		if (sketch_burst_low(b) > burst)
			n += c->n[rate][b];
	return (unsigned)(n * 1000 / c->peers);
}

static void test_scale(void **state)
{
	(void)state;
	for (unsigned b = 0; b + 1 < SKETCH_BUCKETS; b++) {
		assert_true(sketch_burst_low(b) <= sketch_burst_high(b));
		assert_true(sketch_burst_high(b) + 1 == sketch_burst_low(b + 1));
		assert_true(sketch_burst_high(b) * 4 <= sketch_burst_low(b) * 5);
	}
	for (unsigned r = 0; r + 1 < SKETCH_RATES; r++)
		assert_true(sketch_rate(r).period_ns > sketch_rate(r + 1).period_ns);
}

/* What the sketch says of a peer is what GCRA would have done to it. */
static void test_agrees_with_gcra(void **state)
{
	(void)state;
	srandom(7);
	for (int round = 0; round < 200; round++) {
		struct sketch *s = sketch_new();
		uint64_t now = HOUR, at[60];
		int n = 1 + (int)(random() % 60);

		for (int i = 0; i < n; i++) {
			now += (uint64_t)(random() % 5 ? random() % 400 : random() % 90000) * MS;
			at[i] = now;
			sketch_add(s, 5, now);
		}
		sketch_take(s, now, &ended, &running);
		for (unsigned r = 0; running.peers && r < SKETCH_RATES; r++) {
			uint64_t period = sketch_rate(r).period_ns;
			unsigned bucket = 0;

			while (!running.n[r][bucket])
				bucket++;
			for (uint64_t burst = 1; burst < 70; burst++) {
				_Atomic uint64_t evicted = 0;
				struct limit_table *t = limit_table_new(16, false);
				bool hit = false;

				for (int i = 0; i < n; i++)
					hit |= limit_table_count(
						t, 5, at[i], period, burst * period, &evicted);
				if (burst >= sketch_burst_high(bucket))
					assert_false(hit);
				else if (burst < sketch_burst_low(bucket))
					assert_true(hit);
				limit_table_unref(t);
			}
		}
		sketch_unref(s);
	}
}

static void test_hours(void **state)
{
	struct sketch *s = sketch_new();

	(void)state;
	for (uint64_t i = 0; i < 20; i++)
		sketch_add(s, 1 + i / 2, HOUR + i * MS);
	sketch_take(s, HOUR + 30 * MS, &ended, &running);
	assert_true(ended.peers == 0 && running.peers == 10);
	assert_true(running.n[0][1] == 10); /* two events at once: a burst of two */
	sketch_take(s, 2 * HOUR, &ended, &running);
	assert_true(ended.peers == 10 && running.peers == 0);
	sketch_take(s, 2 * HOUR, &ended, &running);
	assert_true(ended.peers == 0 && running.peers == 0);
	sketch_unref(s);
}

/* Far more keys than can be followed, one in ten of them loud: the sample finds so many. */
static void test_many_keys(void **state)
{
	struct sketch *s = sketch_new();

	(void)state;
	for (uint64_t i = 0; i < 200000; i++) {
		uint64_t key = map_hash(&i, sizeof i);

		for (int n = i % 10 ? 2 : 50; n > 0; n--)
			sketch_add(s, key, HOUR + i * 1000);
	}
	sketch_take(s, HOUR + 1000 * MS, &ended, &running);
	assert_in_range(running.peers, 150000, 250000);
	for (unsigned r = 0; r < SKETCH_RATES; r++) {
		assert_int_equal(over(&running, r, 1), 1000);
		assert_in_range(over(&running, r, 2), 60, 140);
		assert_int_equal(over(&running, r, 60), 0);
	}
	sketch_unref(s);
}

static void test_json(void **state)
{
	static const char *const bad[] = { "{}", "[]", "{\"peers\":-1,\"rates\":[]}",
		"{\"peers\":1,\"rates\":[[0,1]]}",
		"{\"peers\":1,\"rates\":[[0],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}",
		"{\"peers\":1,\"rates\":[[80,1],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}",
		"{\"peers\":1,\"rates\":[[-1,1],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}",
		"{\"peers\":1,\"rates\":[[1,-1],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}",
		"{\"peers\":1,\"rates\":[[1,4e9],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}",
		"{\"peers\":1,\"rates\":[{},[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}" };
	struct sketch_counts back;
	json_t *json;

	(void)state;
	running = (struct sketch_counts){ .peers = 12 };
	running.n[3][0] = 5;
	running.n[15][79] = 7;
	json = sketch_json(&running);
	assert_int_equal(sketch_parse(json, &back), 0);
	assert_memory_equal(&back, &running, sizeof back);
	json_decref(json);
	sketch_merge(&back, &running);
	assert_true(back.peers == 24 && back.n[15][79] == 14);
	sketch_age(&back);
	assert_memory_equal(&back, &running, sizeof back);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		json = json_loads(bad[i], 0, NULL);
		assert_non_null(json);
		assert_int_equal(sketch_parse(json, &back), ERR_SYNTAX);
		assert_true(back.peers == 0);
		json_decref(json);
	}
	assert_int_equal(sketch_parse(NULL, &back), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scale),
		cmocka_unit_test(test_agrees_with_gcra),
		cmocka_unit_test(test_hours),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_json),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
