/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates read and shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "rules/limit.h"

static void test_parse_and_format(void **state)
{
	static const struct {
		const char *text, *shown;
		uint64_t period_ns;
	} cases[] = {
		{ "20/second", "20/second", 50000000 },
		{ "20/s", "20/second", 50000000 },
		{ "5/10m", "30/hour", 120000000000 },
		{ "7/minute", "7/minute", 8571428571 },
		{ "1/hour", "1/hour", 3600000000000 },
		{ "1/7d", "1/week", 604800000000000 },
		{ "3/day", "3/day", 28800000000000 },
		{ "1/90s", "40/hour", 90000000000 },
		{ "1/100d", "1/8640000s", 8640000000000000 },
		{ "1000000000/s", "1000000000/second", 1 },
		{ "1/5ms", "200/second", 5000000 },
	};
	struct limit_rate rate;
	char text[48];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(limit_rate_parse(cases[i].text, 0, &rate), 0);
		assert_true(rate.period_ns == cases[i].period_ns);
		limit_rate_format(&rate, text, sizeof text);
		assert_string_equal(text, cases[i].shown);
	}
	assert_int_equal(limit_rate_parse("20/second", 0, &rate), 0);
	assert_int_equal(limit_rate_burst(&rate), 20);
	assert_int_equal(limit_rate_parse("20/second", 60, &rate), 0);
	assert_int_equal(limit_rate_burst(&rate), 60);
}

/* As it was written: what counts bytes or distinct values is not turned into another unit. */
static void test_exact(void **state)
{
	static const struct {
		const char *text, *shown, *bytes;
	} cases[] = {
		{ "60/minute", "60/minute", "60/minute" },
		{ "30/10m", "30/10m", "30/10m" },
		{ "5/90s", "5/90s", "5/90s" },
		{ "5/90m", "5/90m", "5/90m" },
		{ "5/1500ms", "5/1500ms", "5/1500ms" },
		{ "5/60s", "5/minute", "5/minute" },
		{ "100/48h", "100/2d", "100/2d" },
		{ "64k/second", "65536/second", "64k/second" },
		{ "100K/s", "102400/second", "100k/second" },
		{ "10M/day", "10485760/day", "10M/day" },
		{ "1500/s", "1500/second", "1500/second" },
	};
	struct limit_rate rate, again;
	char text[48];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(limit_rate_parse(cases[i].text, 0, &rate), 0);
		limit_rate_format_exact(&rate, false, text, sizeof text);
		assert_string_equal(text, cases[i].shown);
		limit_rate_format_exact(&rate, true, text, sizeof text);
		assert_string_equal(text, cases[i].bytes);
		assert_int_equal(limit_rate_parse(text, 0, &again), 0);
		assert_memory_equal(&again, &rate, sizeof rate);
	}
}

static void test_burst(void **state)
{
	static const char *const bad[] = { "", "k", "x", "-1", "1kk", "1 ", "k1", "5/s" };
	static const char *const far[] = { "0", "0k", "1G", "1000000001", "99999999999999999999",
		"18014398509481984k" };
	uint64_t n;

	(void)state;
	assert_int_equal(limit_burst_parse("60", &n), 0);
	assert_int_equal(n, 60);
	assert_int_equal(limit_burst_parse("64k", &n), 0);
	assert_int_equal(n, 65536);
	assert_int_equal(limit_burst_parse("2M", &n), 0);
	assert_int_equal(n, 2097152);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(limit_burst_parse(bad[i], &n), ERR_SYNTAX);
	for (size_t i = 0; i < sizeof far / sizeof *far; i++)
		assert_int_equal(limit_burst_parse(far[i], &n), ERR_RANGE);
}

static void test_cost(void **state)
{
	struct limit_rate rate = limit_rate_make(1024, 1000, 4096);

	(void)state;
	assert_int_equal(limit_rate_cost(&rate, 1), rate.period_ns);
	assert_int_equal(limit_rate_cost(&rate, 4096), rate.tolerance_ns);
	assert_true(limit_rate_cost(&rate, UINT64_MAX) == INT64_MAX);
}

static void test_what_is_none(void **state)
{
	static const char *const cases[] = { "", "/", "20", "20/", "/second", "x/second",
		"20/fortnight", "20 /second", "-1/second", "20/second ", "2/99999999999999999999d",
		"20/secondsecondsecond", "k/second", "20k", "20kk/second", "20T/second" };
	static const char *const far[] = { "0/second", "1/0s", "1000000001/s",
		"99999999999999999999/s", "1/400d", "1G/second", "0k/s", "18014398509481984k/s" };
	struct limit_rate rate;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_true(limit_rate_parse(cases[i], 0, &rate) < 0);
	for (size_t i = 0; i < sizeof far / sizeof *far; i++)
		assert_int_equal(limit_rate_parse(far[i], 0, &rate), ERR_RANGE);
	assert_int_equal(limit_rate_parse("1/s", (uint64_t)LIMIT_EVENTS_MAX + 1, &rate), ERR_RANGE);
	/* the longest of all does not overflow */
	assert_int_equal(limit_rate_parse("1/366d", LIMIT_EVENTS_MAX, &rate), 0);
	assert_true(rate.tolerance_ns == INT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_exact),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_what_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
