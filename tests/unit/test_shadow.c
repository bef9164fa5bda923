/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* A shadow counts where it would do otherwise, and nothing that it judges leaves a trace: no hit,
 * no limit, no pair. */
#include "judge_rig.h"
#include "rules/shadow.h"

#define LIMIT "limit two { rate 1/hour; burst 2; key from.bare; }\n"

static const char live[] =
	LIMIT "chain c { hook any; policy accept;\n"
	      "  rule flood { limit two exceeded drop }\n"
	      "  rule same { body contains \"same\" drop }\n"
	      "  rule old { body contains \"old\" reject forbidden }\n"
	      "  rule strange { body contains \"hello\" and stranger drop }\n}\n";
static const char next[] =
	LIMIT "chain c { hook any; policy accept;\n"
	      "  rule flood { limit two exceeded drop }\n"
	      "  rule renamed { body contains \"same\" drop }\n"
	      "  rule new { body contains \"new\" drop, strike 2 }\n"
	      "  rule old { body contains \"old\" reject not-allowed }\n"
	      "  rule strange { body contains \"hello\" and stranger drop }\n}\n";

struct pair {
	struct rig rig;
	struct policy *next;
	struct judge *judge;
	struct shadow *shadow;
};

static void pair_init(struct pair *p)
{
	struct diag_list diags;

	rig_init(&p->rig, live);
	diag_init(&diags);
	assert_int_equal(source_add(&p->rig.sources, "next.rules", next, strlen(next)), 0);
	assert_int_equal(
		policy_load(&p->rig.sources, "next.rules", p->rig.policy, NULL, &diags, &p->next),
		0);
	diag_fini(&diags);
	assert_int_equal(shadow_new(p->next, &p->shadow), 0);
	policy_unref(p->next);
	assert_non_null(p->judge = judge_new());
}

static void pair_fini(struct pair *p)
{
	shadow_unref(p->shadow);
	judge_free(p->judge);
	rig_fini(&p->rig);
}

/* Both judge a message; the live verdict's kind. */
static enum verdict_kind both(struct pair *p, const char *xml)
{
	struct stream_event event;
	struct verdict v;

	assert_int_equal(stream_push(p->rig.stream, xml, strlen(xml)), 0);
	assert_int_equal(stream_next(p->rig.stream, &event), 0);
	p->rig.subject.session_jid = NULL;
	p->rig.subject.stanza = &event.stanza;
	assert_int_equal(judge_stanza(p->rig.judge, p->rig.policy, &p->rig.subject, &v), 0);
	shadow_judge(p->shadow, p->judge, &p->rig.subject, &v);
	p->rig.subject.stanza = NULL;
	return v.kind;
}

static json_int_t number(const json_t *report, const char *key)
{
	return json_integer_value(json_object_get(report, key));
}

static void test_differences(void **state)
{
	struct pair p;
	json_t *report, *kind;

	(void)state;
	pair_init(&p);
	both(&p, "<message from='a@x' to='b@y'><body>same</body></message>");
	both(&p, "<message from='b@x' to='b@y'><body>new</body></message>");
	both(&p, "<message from='c@x' to='b@y'><body>new</body></message>");
	both(&p, "<message from='d@x' to='b@y'><body>old</body></message>");
	report = shadow_report(p.shadow);
	assert_int_equal(number(report, "judged"), 4);
	assert_int_equal(number(report, "differ"), 3);
	assert_int_equal(number(report, "failed"), 0);
	kind = json_array_get(json_object_get(report, "kinds"), 0);
	assert_string_equal(json_string_value(json_object_get(kind, "before")), "accept by c");
	assert_string_equal(json_string_value(json_object_get(kind, "after")), "drop by c/new");
	assert_int_equal(number(kind, "count"), 2);
	assert_int_equal(json_array_size(json_object_get(report, "examples")), 3);
	json_decref(report);
	pair_fini(&p);
}

static void test_leaves_nothing_behind(void **state)
{
	struct pair p;
	json_t *report;

	(void)state;
	pair_init(&p);
	/* Were the shadow to count in the live table, the second would be one too many. */
	assert_int_equal(
		both(&p, "<message from='a@x' to='b@y'><body>1</body></message>"), VERDICT_ACCEPT);
	assert_int_equal(
		both(&p, "<message from='a@x' to='b@y'><body>2</body></message>"), VERDICT_ACCEPT);
	assert_int_equal(
		both(&p, "<message from='a@x' to='b@y'><body>3</body></message>"), VERDICT_DROP);
	assert_int_equal(rig_metric(&p.rig, "rule.c/flood.hits"), 1);
	assert_int_equal(rig_metric(&p.rig, "limit.two.exceeded"), 1);
	/* Who wrote to whom is known to both: b has written, so a may. */
	both(&p, "<message from='m@y' to='n@x'><body>first</body></message>");
	assert_int_equal(both(&p, "<message from='n@x' to='m@y'><body>hello</body></message>"),
		VERDICT_ACCEPT);
	report = shadow_report(p.shadow);
	assert_int_equal(number(report, "differ"), 0);
	json_decref(report);
	pair_fini(&p);
}

static void test_is_bounded(void **state)
{
	char xml[256];
	struct pair p;
	json_t *report;

	(void)state;
	pair_init(&p);
	for (int i = 0; i < 100; i++) {
		snprintf(xml, sizeof(xml),
			"<message from='u%d@x' to='b@y'><body>new</body></message>", i);
		both(&p, xml);
	}
	report = shadow_report(p.shadow);
	assert_int_equal(number(report, "differ"), 100);
	assert_int_equal(json_array_size(json_object_get(report, "examples")), SHADOW_EXAMPLES_MAX);
	json_decref(report);
	pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences),
		cmocka_unit_test(test_leaves_nothing_behind),
		cmocka_unit_test(test_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
