/* link: door */
/* SPDX-License-Identifier: BSD-2-Clause */
/* door/outage: when failed logins are the server's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include "door/outage.h"

static struct peer_address at(unsigned i)
{
	struct peer_address a;
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

static bool failed(unsigned i, uint64_t now)
{
	struct peer_address a = at(i);
	bool news;

	return outage_failed(&a, now, &news);
}

static void succeeded(unsigned i, uint64_t now)
{
	struct peer_address a = at(i);

	outage_succeeded(&a, now);
}

static void test_strangers_prove_nothing(void **state)
{
	(void)state;
	outage_forget();
	for (unsigned i = 0; i < 1000; i++)
		assert_false(failed(i, 1000 + i));
	/* One who could log in, as often as he likes. */
	succeeded(1, 3000);
	for (unsigned i = 0; i < 100; i++)
		assert_false(failed(1, 4000 + i));
}

static void test_nobody_gets_in(void **state)
{
	struct peer_address a = at(3);
	bool news;

	(void)state;
	outage_forget();
	for (unsigned i = 0; i < 10; i++)
		succeeded(i, 1000);
	for (unsigned i = 0; i < 4; i++)
		assert_false(failed(i, 2000 + i));
	assert_false(failed(3, 2010));
	assert_true(failed(4, 2020));
	assert_true(failed(99, 2030)); /* strangers are excused, too */
	assert_true(outage_failed(&a, 2040, &news));
	assert_false(news); /* told already */
	assert_true(outage_failed(&a, 2040 + 50000, &news));
	/* Somebody gets in: it is over. */
	succeeded(5, 55000);
	assert_false(failed(6, 55001));
	succeeded(5, 55002);
	/* A minute later those who failed do not count any more. */
	for (unsigned i = 0; i < 4; i++)
		assert_false(failed(i, 60000));
	assert_false(failed(4, 60000 + OUTAGE_WINDOW_MS));
	/* Nor those whose last login was yesterday. */
	for (unsigned i = 0; i < 10; i++)
		assert_false(failed(i, 1000ull * OUTAGE_LATELY_S + 56000));
}

static void test_bounded(void **state)
{
	(void)state;
	outage_forget();
	for (unsigned i = 0; i < 300000; i++)
		succeeded(i, i);
	for (unsigned i = 299990; i < 299994; i++)
		assert_false(failed(i, 300000));
	assert_true(failed(299994, 300000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strangers_prove_nothing),
		cmocka_unit_test(test_nobody_gets_in),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
