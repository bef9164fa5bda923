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
	.of = PUNISH_ADDRESS,
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

/* What came of it for an address. */
struct got {
	bool ban, spared;
	unsigned strikes;
	struct punish ladder;
};

static struct got strike_shared(
	struct punish_table *t, unsigned who, unsigned strikes, bool shared, uint64_t now)
{
	struct punish_act act = { .address = at(who), .strikes = strikes };
	struct punish_result results[PUNISH_RULES_MAX];
	const struct punish_result *r;
	struct got got = { 0 };
	size_t n;

	assert_int_equal(punish_strike(t, &act, now, results, &n), 0);
	if (!(r = punish_strongest(results, n, shared)))
		return (struct got){ .strikes = punish_strikes(t, &act.address, now) };
	got.spared = shared && r->ladder.spare_shared;
	got.ban = !got.spared;
	got.strikes = r->strikes;
	got.ladder = r->ladder;
	assert_memory_equal(&r->net, &act.address, sizeof(r->net));
	assert_int_equal(r->prefix_len, 128);
	return got;
}

static struct got strike(struct punish_table *t, unsigned who, unsigned strikes, uint64_t now)
{
	return strike_shared(t, who, strikes, false, now);
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
	punish_forget(t, &a, 128);
	assert_int_equal(punish_count(t), 1);
	punish_forget(t, &a, 128);
	punish_free(t);
}

static void test_weights(void **state)
{
	struct punish_table *t = table_of(&peer, 1, 0);
	struct got r;

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
	struct got r;
	struct peer_address a = at(1);

	(void)state;
	ladders[0].spare_shared = true;
	t = table_of(ladders, 1, 0);
	r = strike_shared(t, 1, 5, true, 0);
	assert_false(r.ban);
	assert_true(r.spared);
	assert_int_equal(punish_strikes(t, &a, 0), 0);
	r = strike_shared(t, 1, 5, false, 0);
	assert_true(r.ban);
	assert_false(r.spared);
	/* A second ladder that spares nobody, reached at the same time, bans. */
	ladders[1].name = "flood";
	ladders[1].ban_ms = 1000;
	assert_int_equal(punish_configure(t, ladders, 2), 0);
	r = strike_shared(t, 1, 5, true, 0);
	assert_true(r.ban);
	assert_string_equal(r.ladder.name, "flood");
	r = strike_shared(t, 1, 5, false, 0);
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

/* ---- the other rungs ---- */

static size_t act(struct punish_table *t, const struct punish_act *a, uint64_t now,
	struct punish_result results[PUNISH_RULES_MAX])
{
	size_t n;

	assert_int_equal(punish_strike(t, a, now, results, &n), 0);
	return n;
}

static struct punish_table *whole_ladder(void)
{
	struct punish rungs[5];

	for (unsigned i = 0; i < 5; i++)
		rungs[i] = peer;
	rungs[0].of = PUNISH_SESSION;
	rungs[0].name = "session";
	rungs[0].strikes = 2;
	rungs[1].of = PUNISH_JID;
	rungs[1].name = "jid";
	rungs[1].strikes = 3;
	rungs[2].of = PUNISH_DOMAIN;
	rungs[2].name = "domain";
	rungs[2].strikes = 4;
	rungs[3].name = "address";
	rungs[4].of = PUNISH_PREFIX;
	rungs[4].name = "prefix";
	rungs[4].strikes = 6;
	rungs[4].prefix4 = 24;
	rungs[4].prefix6 = 56;
	rungs[4].from = 3;
	return table_of(rungs, 5, 0);
}

/* Each strike goes to every rung: the higher the number, the higher the rung. */
static void test_climbing(void **state)
{
	static const char *const expected[] = { "", "session", "jid", "domain", "address" };
	struct punish_table *t = whole_ladder();
	struct punish_result results[PUNISH_RULES_MAX];
	struct punish_act a = {
		.address = at(1), .session = 7, .jid = "a@x", .domain = "x", .strikes = 1
	};

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		size_t n = act(t, &a, i, results);

		/* The session's count began anew behind its end. */
		assert_int_equal(n, i == 0 ? 0 : i == 3 ? 2 : 1);
		if (n)
			assert_string_equal(results[n - 1].ladder.name, expected[i]);
	}
	/* Without a name there is no rung for it. */
	a = (struct punish_act){ .address = at(1), .strikes = 1 };
	assert_int_equal(act(t, &a, 10, results), 0);
	a = (struct punish_act){ .session = 7, .strikes = 1 };
	assert_int_equal(act(t, &a, 10, results), 1);
	a = (struct punish_act){ .jid = "", .domain = NULL, .strikes = UINT32_MAX };
	assert_int_equal(act(t, &a, 10, results), 0);
	punish_free(t);
}

static void test_prefix_needs_several_addresses(void **state)
{
	struct punish_table *t = whole_ladder();
	struct punish_result results[PUNISH_RULES_MAX];
	struct punish_act a = { .strikes = 4 };
	struct peer_address net;
	unsigned len;
	char text[32];

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		a.address = at(i % 2);
		for (size_t k = 0, n = act(t, &a, i, results); k < n; k++)
			assert_int_equal(results[k].ladder.of, PUNISH_ADDRESS);
	}
	a.address = at(2);
	assert_int_equal(act(t, &a, 30, results), 1);
	assert_int_equal(results[0].ladder.of, PUNISH_PREFIX);
	assert_int_equal(results[0].addresses, 3);
	assert_int_equal(address_parse_prefix(span_of("10.0.0.0/24"), &net, &len), 0);
	assert_int_equal(results[0].prefix_len, len);
	assert_memory_equal(&results[0].net, &net, sizeof(net));
	/* Addresses seen longer ago than the window do not count. */
	for (unsigned i = 0; i < 6; i++) {
		a.address = at(i);
		a.strikes = 6;
		for (size_t k = 0, n = act(t, &a, 1000 + i * 300000, results); k < n; k++)
			assert_int_equal(results[k].ladder.of, PUNISH_ADDRESS);
	}
	/* IPv6 by its own length. */
	a.strikes = 2;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "2001:db8:0:%x::", i);
		assert_int_equal(address_parse(span_of(text), &a.address), 0);
		assert_int_equal(act(t, &a, 9000000 + i, results), i == 2);
	}
	assert_int_equal(results[0].prefix_len, 56);
	punish_free(t);
}

static void test_evidence(void **state)
{
	struct punish_table *t = whole_ladder();
	struct punish_result results[PUNISH_RULES_MAX];
	struct punish_act a = { .jid = "a@x", .strikes = 1, .rule = "in/spam" };
	char id[VERDICT_ID_SIZE], jid[4000];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(id, sizeof(id), "id-%u", i);
		a.id = id;
		a.time_ms = i;
		assert_int_equal(act(t, &a, i, results), i == 2);
	}
	assert_int_equal(results[0].n_proofs, 3);
	assert_string_equal(results[0].proofs[0].id, "id-2");
	assert_string_equal(results[0].proofs[2].id, "id-0");
	assert_string_equal(results[0].proofs[0].rule, "in/spam");
	assert_string_equal(results[0].proofs[0].jid, "a@x");
	/* A giant name is cut at a character, and many verdicts leave the last five. */
	memset(jid, 0, sizeof(jid));
	for (unsigned i = 0; i < 1000; i++)
		strcat(jid, "\xc3\xa9");
	a = (struct punish_act){ .address = at(1), .jid = jid, .strikes = 1 };
	for (unsigned i = 0; i < 4; i++)
		act(t, &a, 100 + i, results);
	assert_int_equal(act(t, &a, 200, results), 1);
	assert_int_equal(results[0].n_proofs, PUNISH_PROOFS);
	assert_int_equal(strlen(results[0].proofs[0].jid) % 2, 0);
	assert_true(strlen(results[0].proofs[0].jid) >= PUNISH_JID_SIZE - 2);
	punish_free(t);
}

static void test_who_shields_nobody(void **state)
{
	struct punish_table *t = table_of(&peer, 1, 0);
	struct punish_result results[PUNISH_RULES_MAX];
	struct punish_act a = { .address = at(1), .jid = "a@x", .strikes = 1 };

	(void)state;
	assert_false(punish_was_struck(t, "a@x", 0));
	act(t, &a, 0, results);
	assert_true(punish_was_struck(t, "a@x", 599999));
	assert_false(punish_was_struck(t, "b@x", 0));
	assert_false(punish_was_struck(t, "a@x", 600000));
	punish_forget_name(t, PUNISH_JID, "a@x");
	assert_false(punish_was_struck(t, "a@x", 0));
	punish_free(t);
}

static void test_forgiving(void **state)
{
	(void)state;
	assert_int_equal(punish_forgiven(5, 1000, 900, 10), 5);
	assert_int_equal(punish_forgiven(5, 1000, 1009, 10), 5);
	assert_int_equal(punish_forgiven(5, 1000, 1010, 10), 4);
	assert_int_equal(punish_forgiven(5, 1000, 1049, 10), 1);
	assert_int_equal(punish_forgiven(5, 1000, INT64_MAX, 10), 0);
	assert_int_equal(punish_forgiven(5, 1000, INT64_MAX, 0), 5);
	assert_int_equal(punish_forgiven(0, 0, 100, 10), 0);
	assert_int_equal(punish_forgiven(UINT32_MAX, INT64_MIN / 2, INT64_MAX / 2, 1), 0);
}

/* Every rung full of names: each forgets its own coldest, and nothing else. */
static void test_ceilings(void **state)
{
	struct punish rungs[2] = { peer, peer };
	struct punish_table *t;
	struct punish_result results[PUNISH_RULES_MAX];
	char jid[32];

	(void)state;
	rungs[0].of = PUNISH_JID;
	rungs[1].name = "address";
	t = table_of(rungs, 2, 50);
	for (unsigned i = 0; i < 200; i++) {
		struct punish_act a = { .address = at(i % 60), .jid = jid, .strikes = 1 };

		snprintf(jid, sizeof(jid), "u%u@x", i);
		assert_int_equal(act(t, &a, i, results), 0);
	}
	assert_int_equal(punish_count(t), 100);
	assert_true(punish_evicted(t) >= 150);
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
		cmocka_unit_test(test_climbing),
		cmocka_unit_test(test_prefix_needs_several_addresses),
		cmocka_unit_test(test_evidence),
		cmocka_unit_test(test_who_shields_nobody),
		cmocka_unit_test(test_forgiving),
		cmocka_unit_test(test_ceilings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
