/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/clock and base/err: parsing, formatting, freezing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"

static int parse(const char *text, uint64_t *ms)
{
	return clock_parse_duration(text, strlen(text), ms);
}

static void test_parse_duration(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = { { "90", 90000 }, { "90s", 90000 }, { "10m", 600000 }, { "1h", 3600000 },
		{ "7d", 604800000 }, { "250ms", 250 }, { "0", 0 }, { "007s", 7000 } };
	static const char *const bad[] = { "", "s", "-1s", "1 s", "1x", "1hs", "1h5m", "1.5s", "+1",
		"1mss" };
	static const char *const large[] = { "18446744073709551616", "18446744073709551615ms",
		"99999999999999999d" };
	uint64_t ms;
	(void)state;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(bad[i], &ms), ERR_SYNTAX);
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		assert_int_equal(parse(large[i], &ms), ERR_RANGE);
	assert_int_equal(clock_parse_duration("10mxx", 3, &ms), 0);
	assert_int_equal(ms, 600000);
}

static void test_format_duration(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = { { 0, "0s" }, { 250, "250ms" }, { 1500, "1s 500ms" }, { 3900000, "1h 5m" },
		{ 3600000, "1h" }, { 3605000, "1h" }, { 604800000, "7d" }, { 90061000, "1d 1h" } };
	char text[32];
	(void)state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		clock_format_duration(cases[i].ms, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
	clock_format_duration(UINT64_MAX, text, sizeof(text));
}

static void test_format_wall(void **state)
{
	char text[40];
	(void)state;

	clock_format_wall(1795242600123, text, sizeof(text));
	assert_string_equal(text, "2026-11-21T06:30:00.123000+0000");
	clock_format_wall(0, text, sizeof(text));
	assert_string_equal(text, "1970-01-01T00:00:00.000000+0000");
	clock_format_wall(-1, text, sizeof(text));
	assert_string_equal(text, "1969-12-31T23:59:59.999000+0000");
	clock_format_wall(INT64_MAX, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text));
}

static void test_freeze(void **state)
{
	uint64_t before = clock_mono_ns();
	(void)state;

	clock_freeze(5000000000u, 1000);
	assert_int_equal(clock_mono_ms(), 5000);
	assert_int_equal(clock_wall_ms(), 1000);
	clock_advance(1500000000u);
	assert_int_equal(clock_mono_ms(), 6500);
	assert_int_equal(clock_wall_ms(), 2500);
	clock_thaw();
	assert_true(clock_mono_ns() >= before);
	assert_true(clock_wall_ms() > 1500000000000);
}

static void test_err_text(void **state)
{
	(void)state;
	for (int code = -1020; code < 10; code++)
		assert_non_null(err_text(code));
	assert_string_equal(err_text(-ENOENT), "No such file or directory");
	assert_string_equal(err_text(ERR_NOTFOUND), "not found");
	assert_string_equal(err_text(-999), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_duration),
		cmocka_unit_test(test_format_duration),
		cmocka_unit_test(test_format_wall),
		cmocka_unit_test(test_freeze),
		cmocka_unit_test(test_err_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
