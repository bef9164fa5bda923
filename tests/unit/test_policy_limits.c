/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits and memory of a policy under a clock that stands: rate and burst to the event, keys,
 * ceilings, once per stanza, and what a reload keeps. */
#include "judge_rig.h"

static const uint64_t MS = 1000000;

static void clock_begin(void)
{
	clock_freeze(1000000 * MS, 1800000000000);
}

static int teardown(void **state)
{
	(void)state;
	clock_thaw();
	return 0;
}

static unsigned let_through(struct rig *r, unsigned n)
{
	unsigned passed = 0;

	for (unsigned i = 0; i < n; i++)
		passed += rig_say(r, "x")->kind == VERDICT_ACCEPT;
	return passed;
}

/* 10/second, burst 30: thirty at once, then exactly one each 100 ms. */
static void test_rate_and_burst(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 10/second; burst 30; }"
		     "chain test { hook c2s; policy accept;"
		     " rule flood { limit l exceeded reject resource-constraint } }");
	assert_int_equal(let_through(&r, 100), 30);
	assert_string_equal(r.verdict.rule, "flood");
	assert_string_equal(r.verdict.matches[0].field, "limit");
	assert_string_equal(r.verdict.matches[0].entry, "l");
	assert_int_equal(rig_metric(&r, "limit.l.exceeded"), 70);
	clock_advance(100 * MS - 1);
	assert_int_equal(let_through(&r, 5), 0);
	clock_advance(1);
	assert_int_equal(let_through(&r, 5), 1);
	clock_advance(250 * MS);
	assert_int_equal(let_through(&r, 5), 2);
	clock_advance(50 * MS);
	assert_int_equal(let_through(&r, 5), 1);
	clock_advance(3600000 * MS);
	assert_int_equal(let_through(&r, 100), 30); /* never more than the burst */
	rig_fini(&r);
}

/* Without a burst one period's worth may come at once. */
static void test_no_burst(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 5/10m; } chain test { hook c2s; policy accept;"
		     " rule flood { limit l exceeded drop } }");
	assert_int_equal(let_through(&r, 20), 5);
	clock_advance(120000 * MS);
	assert_int_equal(let_through(&r, 20), 1);
	rig_fini(&r);
}

static void test_keys(void **state)
{
	char jid[64];
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r,
		"limit l { rate 2/second; burst 2; key from.bare; }"
		"chain test { hook c2s; policy accept; rule flood { limit l exceeded drop } }");
	for (int i = 0; i < 50; i++) {
		snprintf(jid, sizeof(jid), "u%d@montague.example/a", i);
		r.subject.session_jid = jid;
		assert_int_equal(let_through(&r, 3), 2);
		snprintf(jid, sizeof(jid), "U%d@Montague.example/b", i); /* the same account */
		assert_int_equal(let_through(&r, 1), 0);
		assert_string_equal(r.verdict.rule, "flood");
		assert_true(r.verdict.n_matches == 1);
		snprintf(jid, sizeof(jid), "u%d@montague.example", i);
		assert_string_equal(r.verdict.matches[0].text, jid);
	}
	/* Where the key is unknown nothing is counted. */
	r.subject.session_jid = NULL;
	assert_int_equal(let_through(&r, 10), 10);
	rig_fini(&r);
}

/* One IPv6 customer is one key: the first 64 bits. One IPv4 address is one. */
static void test_key_address(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r,
		"limit l { rate 1/second; burst 1; key peer.address; }"
		"chain test { hook c2s; policy accept; rule flood { limit l exceeded drop } }");
	rig_peer(&r, "2001:db8:0:1::1");
	assert_int_equal(let_through(&r, 2), 1);
	rig_peer(&r, "2001:db8:0:1:ffff:ffff:ffff:ffff");
	assert_int_equal(let_through(&r, 2), 0);
	assert_string_equal(r.verdict.matches[0].text, "2001:db8:0:1:ffff:ffff:ffff:ffff");
	rig_peer(&r, "2001:db8:0:2::1");
	assert_int_equal(let_through(&r, 2), 1);
	rig_peer(&r, "192.0.2.1");
	assert_int_equal(let_through(&r, 2), 1);
	rig_peer(&r, "192.0.2.2");
	assert_int_equal(let_through(&r, 2), 1);
	rig_fini(&r);
}

/* Keys of numbers and of named elements work, too. */
static void test_key_others(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/second; burst 1; key peer.port; }"
		     "limit x { rate 1/second; burst 2; key xml \"{urn:k}k@v\"; }"
		     "chain test { hook c2s; policy accept; rule port { limit l exceeded drop }"
		     " rule key { limit x exceeded drop } }");
	r.subject.peer_port = 1000;
	assert_int_equal(let_through(&r, 3), 1);
	r.subject.peer_port = 1001;
	assert_int_equal(let_through(&r, 3), 1);
	r.subject.peer_port = 0;
	assert_int_equal(let_through(&r, 3), 3);
	for (int i = 0; i < 3; i++)
		rig_judge(&r, "<message><k xmlns='urn:k' v='a'/></message>");
	assert_string_equal(r.verdict.rule, "key");
	rig_judge(&r, "<message><k xmlns='urn:k' v='b'/></message>");
	assert_string_equal(r.verdict.rule, "");
	rig_fini(&r);
}

/* Several fields: each combination is a key of its own. */
static void test_key_of_several(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/second; burst 2; key from.bare, to.domain; }"
		     "chain test { hook c2s; policy accept; rule flood { limit l exceeded drop } }");
	for (int i = 0; i < 4; i++)
		rig_judge(&r, "<message to='a@one.example'/>");
	assert_string_equal(r.verdict.rule, "flood");
	assert_string_equal(r.verdict.matches[0].text, "romeo@montague.example, one.example");
	rig_judge(&r, "<message to='b@one.example/x'/>");
	assert_string_equal(r.verdict.rule, "flood");
	rig_judge(&r, "<message to='a@two.example'/>");
	assert_string_equal(r.verdict.rule, "");
	r.subject.session_jid = "juliet@montague.example/x";
	rig_judge(&r, "<message to='a@one.example'/>");
	assert_string_equal(r.verdict.rule, "");
	/* a part that is missing: nobody to count */
	for (int i = 0; i < 4; i++)
		rig_judge(&r, "<message/>");
	assert_string_equal(r.verdict.rule, "");
	rig_fini(&r);
}

/* A limit asked for by several rules counts a stanza once, and answers all the same. */
static void test_once_per_stanza(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/second; burst 4; }"
		     "chain test { hook c2s; policy accept;"
		     " rule a { limit l exceeded and body is \"never\" drop }"
		     " rule b { limit l exceeded or limit l exceeded mark b }"
		     " rule c { not limit l exceeded and not limit l exceeded mark c }"
		     " rule d { limit l exceeded drop } }");
	assert_int_equal(let_through(&r, 10), 4);
	assert_int_equal(r.verdict.n_marks, 1);
	assert_string_equal(r.verdict.marks[0], "b");
	assert_int_equal(rig_metric(&r, "limit.l.exceeded"), 6);
	/* A rule that does not get as far as its limit counts nothing. */
	rig_load(&r, "limit m { rate 1/second; burst 1; }"
		     "chain test { hook c2s; policy accept;"
		     " rule a { body is \"never\" and limit m exceeded drop } }");
	assert_int_equal(let_through(&r, 10), 10);
	rig_load(&r, "limit m { rate 1/second; burst 1; } chain test { hook c2s; policy accept;"
		     " rule a { limit m exceeded drop } }");
	assert_int_equal(let_through(&r, 10), 1);
	rig_fini(&r);
}

/* A full table lets the coldest go and counts it. */
static void test_eviction(void **state)
{
	char jid[64];
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r,
		"limit l { rate 1/hour; burst 1; key from.bare; entries 16; }"
		"chain test { hook c2s; policy accept; rule flood { limit l exceeded drop } }");
	r.subject.session_jid = jid;
	for (int i = 0; i < 16; i++) {
		snprintf(jid, sizeof(jid), "u%d@montague.example/a", i);
		assert_int_equal(let_through(&r, 2), 1);
		clock_advance(MS);
	}
	assert_int_equal(rig_metric(&r, "limit.l.evicted"), 0);
	snprintf(jid, sizeof(jid), "new@montague.example/a");
	assert_int_equal(let_through(&r, 2), 1);
	assert_int_equal(rig_metric(&r, "limit.l.evicted"), 1);
	snprintf(jid, sizeof(jid), "u15@montague.example/a");
	assert_int_equal(let_through(&r, 2), 0); /* the others are still held */
	snprintf(jid, sizeof(jid), "u0@montague.example/a");
	assert_int_equal(let_through(&r, 2), 1); /* the coldest was forgotten */
	rig_fini(&r);
}

/* ---- reloads ---- */

#define FLOOD "chain test { hook c2s; policy accept; rule flood { limit l exceeded drop } }"

static void test_reload_keeps_limits(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/minute; burst 5; key from.bare; }" FLOOD);
	assert_int_equal(let_through(&r, 10), 5);
	rig_load(&r, "limit l { rate 1/minute; burst 5; key from.bare; }"
		     "set w { type keyword; elements = { x }; }" FLOOD);
	assert_int_equal(let_through(&r, 10), 0);
	/* A wider burst leaves room for what it adds; a quicker rate does not lock out for longer.
	 */
	rig_load(&r, "limit l { rate 1/minute; burst 7; key from.bare; }" FLOOD);
	assert_int_equal(let_through(&r, 10), 2);
	rig_load(&r, "limit l { rate 1/second; burst 2; key from.bare; }" FLOOD);
	assert_int_equal(let_through(&r, 10), 0);
	clock_advance(1000 * MS);
	assert_int_equal(let_through(&r, 10), 1);
	/* Another key or name is another limit. */
	rig_load(&r, "limit l { rate 1/minute; burst 5; key to.bare; }" FLOOD);
	assert_int_equal(let_through(&r, 10), 5);
	rig_load(&r, "limit m { rate 1/minute; burst 5; key to.bare; } chain test { hook c2s;"
		     " policy accept; rule flood { limit m exceeded drop } }");
	assert_int_equal(let_through(&r, 10), 5);
	rig_fini(&r);
}

/* A rate set live is judged by at once, stays over a reload, and goes back to what is written then. */
static void test_set_live(void **state)
{
	struct limit_rate three = limit_rate_make(1, 60000, 3);
	const struct limit_info *info;
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/minute; burst 5; }" FLOOD);
	assert_int_equal(policy_limit_set(r.policy, "m", &three), ERR_NOTFOUND);
	assert_int_equal(let_through(&r, 2), 2);
	assert_int_equal(policy_limit_set(r.policy, "l", &three), 0);
	assert_int_equal(let_through(&r, 10), 1); /* what was counted counts */
	rig_load(&r, "limit l { rate 1/minute; burst 9; }" FLOOD);
	assert_int_equal(let_through(&r, 10), 0);
	assert_int_equal(policy_limits(r.policy, &info), 1);
	assert_int_equal(limit_rate_burst(&info->rate), 9);
	assert_int_equal(policy_limit_set(r.policy, "l", NULL), 0);
	assert_int_equal(let_through(&r, 10), 6);
	rig_load(&r, "limit l { rate 1/minute; burst 10; }" FLOOD);
	assert_int_equal(let_through(&r, 10), 1);
	rig_fini(&r);
}

/* Two policies live side by side while sessions move over: they count into one table. */
static void test_both_policies_count(void **state)
{
	struct policy *old;
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/minute; burst 6; }" FLOOD);
	old = policy_ref(r.policy);
	assert_int_equal(let_through(&r, 2), 2);
	rig_load(&r, "limit l { rate 1/minute; burst 6; }" FLOOD " limit n { rate 1/s; }");
	assert_int_equal(let_through(&r, 2), 2);
	for (int i = 0; i < 2; i++) {
		struct policy *new = r.policy;
		r.policy = old;
		assert_int_equal(let_through(&r, 1), 1);
		r.policy = new;
	}
	assert_int_equal(let_through(&r, 2), 0);
	policy_unref(old);
	assert_int_equal(let_through(&r, 2), 0);
	rig_fini(&r);
}

/* Expectations count in tables of their own. */
static void test_expectations_count_apart(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/minute; burst 2; key from.bare; }" FLOOD
		     "expect \"third\" { from \"romeo@montague.example/orchard\""
		     " stanza \"<message/><message/><message/>\" verdict drop by flood }"
		     "expect \"second\" { from \"romeo@montague.example/orchard\""
		     " stanza \"<message/><message/>\" verdict accept }");
	assert_int_equal(policy_expectations(r.policy), 2);
	assert_int_equal(let_through(&r, 5), 2);
	assert_int_equal(rig_metric(&r, "limit.l.exceeded"), 3);
	rig_fini(&r);
}

/* ---- strangers ---- */

#define STRANGER                                                                                   \
	"chain test { hook c2s; policy accept; rule cold { message stranger mark new }"            \
	" rule no { body is \"no\" drop } }"

static void letter(struct rig *r, bool in, const char *more, const char *body)
{
	char xml[512];

	r->subject.direction = in ? DIRECTION_IN : DIRECTION_OUT;
	snprintf(xml, sizeof(xml), "<message from='%s' to='%s' %s><body>%s</body></message>",
		in ? "romeo@montague.example/orchard" : "juliet@capulet.example/balcony",
		in ? "juliet@capulet.example" : "romeo@montague.example/orchard", more, body);
	rig_judge(r, xml);
}

static void test_stranger(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, STRANGER);
	letter(&r, true, "", "hi");
	assert_int_equal(r.verdict.n_marks, 1);
	letter(&r, true, "", "hi again"); /* one's own letters make no acquaintance */
	assert_int_equal(r.verdict.n_marks, 1);
	letter(&r, false, "type='error'", ""); /* an error is no answer */
	letter(&r, false, "", "no");           /* nor is what was dropped */
	assert_int_equal(r.verdict.kind, VERDICT_DROP);
	letter(&r, true, "", "still there?");
	assert_int_equal(r.verdict.n_marks, 1);
	letter(&r, false, "", "yes");
	assert_int_equal(r.verdict.n_marks, 0); /* he had written before */
	letter(&r, true, "", "at last");
	assert_int_equal(r.verdict.n_marks, 0);
	rig_load(&r, STRANGER " limit l { rate 1/s; }"); /* acquaintance outlives a reload */
	letter(&r, true, "", "at last");
	assert_int_equal(r.verdict.n_marks, 0);
	/* with oneself, or with nobody, there is no stranger */
	r.subject.direction = DIRECTION_IN;
	rig_judge(&r, "<message to='romeo@montague.example/other'/>");
	assert_int_equal(r.verdict.n_marks, 0);
	rig_judge(&r, "<message/>");
	assert_int_equal(r.verdict.n_marks, 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_rate_and_burst, teardown),
		cmocka_unit_test_teardown(test_no_burst, teardown),
		cmocka_unit_test_teardown(test_keys, teardown),
		cmocka_unit_test_teardown(test_key_address, teardown),
		cmocka_unit_test_teardown(test_key_others, teardown),
		cmocka_unit_test_teardown(test_key_of_several, teardown),
		cmocka_unit_test_teardown(test_once_per_stanza, teardown),
		cmocka_unit_test_teardown(test_eviction, teardown),
		cmocka_unit_test_teardown(test_reload_keeps_limits, teardown),
		cmocka_unit_test_teardown(test_set_live, teardown),
		cmocka_unit_test_teardown(test_both_policies_count, teardown),
		cmocka_unit_test_teardown(test_expectations_count_apart, teardown),
		cmocka_unit_test(test_stranger),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
