/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What a policy tells of itself: hits, rules, sets, limits, its version, and why it was refused. */
#include "judge_rig.h"

static void test_counters(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "set w { type keyword; elements = { casino }; }"
		     "chain test { hook c2s; policy accept; rule note { body contains \"o\" log }"
		     " rule spam { text contains @w drop } rule again { text contains @w drop } }"
		     "expect \"not counted\" { stanza \"<message><body>casino</body></message>\""
		     " verdict drop by spam }");
	assert_int_equal(policy_expectations(r.policy), 1);
	assert_int_equal(rig_metric(&r, "rule.test/spam.hits"), 0);
	rig_say(&r, "casino");
	rig_say(&r, "casino casino");
	rig_say(&r, "o");
	assert_int_equal(rig_metric(&r, "rule.test/note.hits"), 3);
	assert_int_equal(rig_metric(&r, "rule.test/spam.hits"), 2);
	assert_int_equal(rig_metric(&r, "rule.test/again.hits"), 0);
	assert_int_equal(rig_metric(&r, "set.w.hits"), 2);
	rig_fini(&r);
}

static void test_infos(void **state)
{
	const struct rule_info *rules;
	const struct set_info *sets;
	const struct limit_info *limits;
	char version[32];
	struct rig r;

	(void)state;
	rig_init(&r, "set w { type keyword; flags fold, substring; elements = { a, b, c }; }"
		     "limit l { rate 10/s; burst 30; key from.bare; entries 500; }"
		     "chain test { hook c2s; policy accept; rule one { body contains @w drop }"
		     " rule two { limit l exceeded reject resource-constraint } }");
	assert_int_equal(policy_rules(r.policy, &rules), 2);
	assert_string_equal(rules[0].name, "one");
	assert_string_equal(rules[0].chain, "test");
	assert_string_equal(rules[0].text, "rule one { body contains @w drop }");
	assert_string_equal(
		rules[1].text, "rule two { limit l exceeded reject resource-constraint }");
	assert_int_equal(policy_sets(r.policy, &sets), 1);
	assert_string_equal(sets[0].name, "w");
	assert_string_equal(sets[0].type, "keyword");
	assert_string_equal(sets[0].path, "");
	assert_int_equal(sets[0].entries, 3);
	assert_true(sets[0].fold && sets[0].substring && !sets[0].suffix && !sets[0].nocase);
	assert_int_equal(policy_limits(r.policy, &limits), 1);
	assert_string_equal(limits[0].name, "l");
	assert_string_equal(limits[0].key, "from.bare");
	assert_int_equal(limits[0].rate.period_ns, 100000000);
	assert_int_equal(limit_rate_burst(&limits[0].rate), 30);
	assert_int_equal(limits[0].entries, 500);
	snprintf(version, sizeof(version), "%s", policy_version(r.policy));
	rig_load(&r, "chain test { hook c2s; policy accept; }");
	assert_string_not_equal(version, policy_version(r.policy));
	rig_fini(&r);
}

static void test_broken(void **state)
{
	static const char *const broken[] = {
		"chain test { hook c2s; policy accept; rule r { boddy contains \"x\" drop } }",
		"chain test { hook c2s; policy accept; rule r { body matches /(/ drop } }",
		"chain test { hook c2s; policy accept; rule r { jump nowhere } }",
		"chain a { rule r { jump b } } chain b { rule r { jump a } }"
		" chain c { hook c2s; policy accept; rule r { jump a } }",
		"set w { type keyword; file \"absent.txt\"; }",
		"set w { type address; elements = { 300.1.1.1 }; }",
		"limit l { rate 0/second; }",
		"chain test { hook c2s; policy accept; }"
		"expect \"e\" { stanza \"<message/>\" verdict drop }",
		"chain test { hook c2s; policy accept; }"
		"expect \"e\" { stanza \"<message><!-- x --></message>\" verdict drop }",
	};
	struct rig r;

	(void)state;
	rig_init(&r, "chain test { hook c2s; policy accept; rule good { drop } }");
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		struct diag_list diags;
		char *text;

		diag_init(&diags);
		if (rig_try(&r, broken[i], &diags) != ERR_SYNTAX)
			fail_msg("should not load: %s", broken[i]);
		assert_true(diags.errors > 0);
		text = diag_string(&diags);
		assert_non_null(strstr(text, "test.rules:1:"));
		free(text);
		diag_fini(&diags);
		assert_string_equal(rig_rule(&r, "x"), "good"); /* what was in force still is */
	}
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_infos),
		cmocka_unit_test(test_broken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
