/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* rules/punish: sliding windows, escalation, sparing, and the ceiling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "base/err.h"
#include "rules/punish.h"

static const struct punish peer = { .name = "peer",
	.strikes = 5,
	.within_ms = 600000,
	.ban_ms = 3600000,
	.escalate = 2,
	.escalate_max_ms = 604800000 };

static struct peer_address at(unsigned i)
{
	struct peer_address a;
	char text[32];

	snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 0xff, i & 0xff);
	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

static struct punish_table *table_of(const struct punish *ladders, size_t n, size_t max)
{
	struct punish_table *t = punish_new(max);

	assert_non_null(t);
	assert_int_equal(punish_configure(t, ladders, n), 0);
	return t;
}

static struct punish_result strike(
	struct punish_table *t, unsigned who, unsigned strikes, uint64_t now)
{
	struct punish_result r;
	struct peer_address a = at(who);

	assert_int_equal(punish_strike(t, &a, strikes, false, now, &r), 0);
	return r;
}

static void test_number_within_window(void **state)
{
	struct punish_table *t = table_of(&peer, 1, 0);
	struct peer_address a = at(1);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_false(strike(t, 1, 1, 1000 * i).ban);
	/* The first is a window old by now: four count. */
	assert_int_equal(strike(t, 1, 1, 600000).strikes, 4);
	assert_false(strike(t, 2, 4, 600000).ban);
	assert_int_equal(punish_strikes(t, &a, 600000), 4);
	assert_int_equal(punish_strikes(t, &a, 602000), 2);
	assert_true(strike(t, 1, 1, 600999).ban);
	/* After a ban the count begins anew. */
	assert_int_equal(punish_strikes(t, &a, 600999), 0);
	assert_false(strike(t, 1, 4, 600999).ban);
	assert_int_equal(punish_count(t), 2);
	punish_forget(t, &a);
	assert_int_equal(punish_count(t), 1);
	punish_forget(t, &a);
	punish_free(t);
}

static void test_weights(void **state)
{
	struct punish_table *t = table_of(&peer, 1, 0);
	struct punish_result r;

	(void)state;
	assert_false(strike(t, 1, 0, 0).ban);
	assert_int_equal(punish_count(t), 0);
	r = strike(t, 1, 3, 0);
	assert_false(r.ban);
	assert_int_equal(r.strikes, 3);
	r = strike(t, 1, 2, 0);
	assert_true(r.ban);
	assert_int_equal(r.strikes, 5);
	assert_string_equal(r.ladder.name, "peer");
	assert_true(strike(t, 1, UINT32_MAX, 1).ban);
	assert_false(strike(t, 1, 1, 1).ban);
	assert_true(strike(t, 1, UINT32_MAX, 1).ban);
	punish_free(t);
}

/* More strikes than times kept: never too early, and an unbroken run is caught. */
static void test_large_numbers(void **state)
{
	struct punish many = peer;
	struct punish_table *t;
	unsigned i;

	(void)state;
	many.strikes = 1000;
	t = table_of(&many, 1, 0);
	for (i = 1; i <= 1000; i++)
		if (strike(t, 1, 1, 500 * i).ban)
			break;
	assert_int_equal(i, 1000);
	/* 999 a window, for ten windows: never. */
	for (i = 0; i < 9990; i++)
		assert_false(strike(t, 2, 1, (uint64_t)i * 601).ban);
	punish_free(t);
}

static void test_shared_is_spared(void **state)
{
	struct punish ladders[2] = { peer, peer };
	struct punish_table *t;
	struct punish_result r;
	struct peer_address a = at(1);

	(void)state;
	ladders[0].spare_shared = true;
	t = table_of(ladders, 1, 0);
	assert_int_equal(punish_strike(t, &a, 5, true, 0, &r), 0);
	assert_false(r.ban);
	assert_true(r.spared);
	assert_int_equal(punish_strikes(t, &a, 0), 0);
	assert_int_equal(punish_strike(t, &a, 5, false, 0, &r), 0);
	assert_true(r.ban);
	assert_false(r.spared);
	/* A second ladder that spares nobody, reached at the same time, bans. */
	ladders[1].name = "flood";
	ladders[1].ban_ms = 1000;
	assert_int_equal(punish_configure(t, ladders, 2), 0);
	assert_int_equal(punish_strike(t, &a, 5, true, 0, &r), 0);
	assert_true(r.ban);
	assert_string_equal(r.ladder.name, "flood");
	assert_int_equal(punish_strike(t, &a, 5, false, 0, &r), 0);
	assert_string_equal(r.ladder.name, "peer");
	punish_free(t);
}

static void test_escalation(void **state)
{
	struct punish p = peer;

	(void)state;
	assert_int_equal(punish_ban_ms(&p, 0), 3600000);
	assert_int_equal(punish_ban_ms(&p, 1), 7200000);
	assert_int_equal(punish_ban_ms(&p, 7), 3600000ull * 128);
	assert_int_equal(punish_ban_ms(&p, 8), 604800000);
	assert_int_equal(punish_ban_ms(&p, UINT32_MAX), 604800000);
	p.escalate = 1;
	assert_int_equal(punish_ban_ms(&p, 5), 3600000);
	p.escalate = 3;
	p.escalate_max_ms = 0;
	assert_int_equal(punish_ban_ms(&p, 5), 3600000);
	p.escalate_max_ms = UINT64_MAX;
	p.escalate = UINT32_MAX;
	assert_true(punish_ban_ms(&p, 5) == UINT64_MAX);
	p.ban_ms = 0;
	assert_int_equal(punish_ban_ms(&p, 5), 0);
}

static void test_coldest_is_forgotten(void **state)
{
	struct punish_table *t = table_of(&peer, 1, 100);
	struct peer_address first = at(0), second = at(1);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		strike(t, i, 1, i);
	assert_int_equal(punish_evicted(t), 0);
	strike(t, 0, 1, 200);
	for (unsigned i = 100; i < 150; i++)
		strike(t, i, 1, 200 + i);
	assert_int_equal(punish_count(t), 100);
	assert_int_equal(punish_evicted(t), 50);
	assert_int_equal(punish_strikes(t, &first, 500), 2);
	assert_int_equal(punish_strikes(t, &second, 500), 0);
	punish_free(t);
}

static void test_reload_keeps_strikes(void **state)
{
	struct punish ladders[3] = { peer, peer, peer };
	struct punish_table *t = table_of(&peer, 1, 0);
	struct peer_address a = at(1);

	(void)state;
	strike(t, 1, 4, 0);
	strike(t, 2, 1, 0);
	/* Another ladder comes before it, and its number changes. */
	ladders[0].name = "quick";
	ladders[0].within_ms = 1000;
	ladders[1].strikes = 6;
	assert_int_equal(punish_configure(t, ladders, 2), 0);
	assert_int_equal(punish_strikes(t, &a, 1), 4);
	assert_int_equal(punish_count(t), 2);
	assert_false(strike(t, 1, 1, 2).ban);
	assert_true(strike(t, 1, 1, 3).ban);
	/* Another window is another ladder. */
	strike(t, 1, 4, 4);
	ladders[0].within_ms = 2000;
	ladders[1].within_ms = 2000;
	assert_int_equal(punish_configure(t, ladders, 2), 0);
	assert_int_equal(punish_strikes(t, &a, 5), 0);
	assert_int_equal(punish_configure(t, NULL, 0), 0);
	assert_false(strike(t, 1, 100, 6).ban);
	punish_free(t);
}

static void test_too_many_ladders(void **state)
{
	struct punish ladders[PUNISH_RULES_MAX + 1];
	struct punish_table *t = punish_new(0);

	(void)state;
	for (size_t i = 0; i <= PUNISH_RULES_MAX; i++)
		ladders[i] = peer;
	assert_int_equal(punish_configure(t, ladders, PUNISH_RULES_MAX + 1), ERR_LIMIT);
	assert_true(strike(t, 1, 5, 0).ban);
	punish_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number_within_window),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_large_numbers),
		cmocka_unit_test(test_shared_is_spared),
		cmocka_unit_test(test_escalation),
		cmocka_unit_test(test_coldest_is_forgotten),
		cmocka_unit_test(test_reload_keeps_strikes),
		cmocka_unit_test(test_too_many_ladders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
