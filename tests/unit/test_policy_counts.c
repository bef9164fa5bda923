/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits that count bytes, other numbers, or distinct values, through a policy: what a stanza
 * counts, what a reload and an expectation keep apart, and what whoever watches is told. */
#include "judge_rig.h"
#include "rules/sketch.h"

static const uint64_t SECOND = 1000000000;

#define CHAIN                                                                                      \
	" chain test { hook c2s; policy accept; rule flood { limit l exceeded"                     \
	" reject resource-constraint } }"

static void clock_begin(void)
{
	clock_freeze(1000 * SECOND, 1800000000000);
}

static int teardown(void **state)
{
	(void)state;
	clock_thaw();
	return 0;
}

/* A message of so many bytes. */
static bool passes_sized(struct rig *r, size_t bytes)
{
	static const char frame[] = "<message to='a@b'><body></body></message>";
	static char xml[1 << 17];
	size_t n = bytes - strlen(frame);

	snprintf(xml, sizeof(xml), "<message to='a@b'><body>%.*s</body></message>", 0, "");
	memset(xml + 24, 'x', n);
	strcpy(xml + 24 + n, "</body></message>");
	assert_int_equal(strlen(xml), bytes);
	return rig_judge(r, xml)->kind == VERDICT_ACCEPT;
}

static bool passes_to(struct rig *r, const char *to)
{
	char xml[256];

	snprintf(xml, sizeof(xml), "<message to='%s'><body>x</body></message>", to);
	return rig_judge(r, xml)->kind == VERDICT_ACCEPT;
}

/* 1k/second, burst 4k: to the byte. */
static void test_bytes(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1k/second; burst 4k; count size; key from.bare; }" CHAIN);
	assert_false(passes_sized(&r, 4097)); /* more than all of it never passes */
	assert_true(passes_sized(&r, 4000));
	assert_false(passes_sized(&r, 97));
	assert_true(passes_sized(&r, 96));
	assert_false(passes_sized(&r, 50));
	assert_string_equal(r.verdict.rule, "flood");
	assert_string_equal(r.verdict.matches[0].entry, "l");
	clock_advance(SECOND);
	assert_true(passes_sized(&r, 1000));
	assert_false(passes_sized(&r, 100));
	clock_advance(3600 * SECOND);
	assert_true(passes_sized(&r, 4096)); /* never more than the burst */
	assert_false(passes_sized(&r, 50));
	r.subject.session_jid = "mercutio@montague.example/a";
	assert_true(passes_sized(&r, 4096)); /* another key */
	rig_fini(&r);
}

/* What a file says of its size, all files of a stanza together, however large. */
static void test_amounts(void **state)
{
	static const char offer[] =
		"<message to='a@b'><x xmlns='urn:x'/><file xmlns='urn:xmpp:jingle:apps:file-"
		"transfer:5'><size>%s</size></file><file xmlns='urn:xmpp:jingle:apps:file-"
		"transfer:5'><size>%s</size></file></message>";
	static const struct {
		const char *one, *two;
		enum verdict_kind kind;
	} cases[] = {
		{ "400000", "600000", VERDICT_ACCEPT }, { "48576", "1", VERDICT_REJECT },
		{ "48570", "6", VERDICT_ACCEPT }, { "0", "1", VERDICT_REJECT },
		{ "18446744073709551615", "18446744073709551615", VERDICT_REJECT },
		{ "0", "0", VERDICT_ACCEPT }, { "", "0", VERDICT_ACCEPT },
		{ "", "x", VERDICT_REJECT }, /* what says no size may have any */
	};
	char xml[1024];
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1M/day; count file.size; }" CHAIN);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(xml, sizeof(xml), offer, cases[i].one, cases[i].two);
		assert_int_equal(rig_judge(&r, xml)->kind, cases[i].kind);
	}
	assert_true(passes_to(&r, "a@b")); /* no file: nothing to count */
	rig_fini(&r);
}

/* Three recipients an hour; those of before stay reachable; another spelling is the same one. */
static void test_distinct(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 3/hour; distinct to.bare; key session.jid; }" CHAIN);
	for (int i = 0; i < 50; i++) {
		assert_true(passes_to(&r, "juliet@capulet.example/balcony"));
		assert_true(passes_to(&r, "Juliet@Capulet.example/garden"));
		assert_true(passes_to(&r, "nurse@capulet.example"));
	}
	assert_true(passes_to(&r, "tybalt@capulet.example"));
	for (int i = 0; i < 3; i++)
		assert_false(passes_to(&r, "paris@verona.example"));
	assert_true(passes_to(&r, "nurse@capulet.example"));
	assert_int_equal(rig_metric(&r, "limit.l.exceeded"), 3);
	r.subject.session_jid = "mercutio@montague.example/a";
	assert_true(passes_to(&r, "paris@verona.example"));
	/* A stanza that lacks the field counts nowhere. */
	r.subject.session_jid = "romeo@montague.example/orchard";
	assert_int_equal(rig_judge(&r, "<presence/>")->kind, VERDICT_ACCEPT);
	rig_fini(&r);
}

/* All values of a field with many are counted, each once, together or not at all. */
static void test_distinct_many(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 3/hour; distinct url.host; key from.bare; }" CHAIN);
	assert_int_equal(
		rig_say(&r, "http://a.example/1 http://a.example/2")->kind, VERDICT_ACCEPT);
	assert_int_equal(rig_say(&r, "http://b.example/ http://c.example/ http://d.example/")->kind,
		VERDICT_REJECT);
	assert_int_equal(rig_say(&r, "http://b.example/ http://c.example/")->kind, VERDICT_ACCEPT);
	assert_int_equal(rig_say(&r, "http://a.example/ http://c.example/")->kind, VERDICT_ACCEPT);
	assert_int_equal(rig_say(&r, "http://d.example/")->kind, VERDICT_REJECT);
	rig_fini(&r);
}

/* A reload forgives nobody; another field, or counting something else, is another limit. */
static void test_reload(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 2/hour; distinct to.bare; }" CHAIN);
	assert_true(passes_to(&r, "a@x.example"));
	assert_true(passes_to(&r, "b@x.example"));
	rig_load(&r, "limit l { rate 2/hour; distinct to.bare; } limit m { rate 1/s; }" CHAIN);
	assert_false(passes_to(&r, "c@x.example"));
	assert_true(passes_to(&r, "a@x.example"));
	rig_load(&r, "limit l { rate 2/hour; distinct to.domain; }" CHAIN);
	assert_true(passes_to(&r, "c@x.example"));
	rig_load(&r, "limit l { rate 2/hour; }" CHAIN);
	assert_true(passes_to(&r, "c@x.example"));
	assert_true(passes_to(&r, "c@x.example"));
	assert_false(passes_to(&r, "c@x.example"));
	rig_fini(&r);
}

/* A rate set live has a window of its own. */
static void test_set_live(void **state)
{
	struct limit_rate minute;
	struct rig r;

	(void)state;
	clock_begin();
	assert_int_equal(limit_rate_parse("2/minute", 0, &minute), 0);
	rig_init(&r, "limit l { rate 2/day; distinct to.bare; }" CHAIN);
	assert_true(passes_to(&r, "a@x.example"));
	assert_true(passes_to(&r, "b@x.example"));
	assert_false(passes_to(&r, "c@x.example"));
	assert_int_equal(policy_limit_set(r.policy, "l", &minute), 0);
	assert_false(passes_to(&r, "c@x.example"));
	clock_advance(60 * SECOND);
	assert_true(passes_to(&r, "c@x.example"));
	assert_true(passes_to(&r, "a@x.example")); /* new again */
	assert_false(passes_to(&r, "b@x.example"));
	rig_fini(&r);
}

static void test_expectations(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r,
		"limit l { rate 2/hour; distinct to.bare; key from.bare; }" CHAIN
		"expect \"third\" { from \"romeo@montague.example/orchard\" stanza "
		"\"<message to='a@x'/><message to='a@x'/><message to='b@x'/><message to='c@x'/>\""
		" verdict reject by flood }");
	assert_int_equal(policy_expectations(r.policy), 1);
	assert_true(passes_to(&r, "c@x"));
	rig_fini(&r);
}

struct watched {
	char text[256];
};

static void on_seen(void *arg, struct span key, uint64_t events)
{
	struct watched *w = arg;
	size_t n = strlen(w->text);

	snprintf(w->text + n, sizeof(w->text) - n, "%.*s*%llu;", (int)key.len, key.ptr,
		(unsigned long long)events);
}

static void test_watch(void **state)
{
	struct watched seen = { "" };
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 2/hour; distinct to.bare; key from.local; }" CHAIN);
	judge_watch_limit(r.judge, "l", on_seen, &seen);
	passes_to(&r, "a@x.example");
	passes_to(&r, "a@x.example");
	passes_to(&r, "b@x.example");
	assert_string_equal(seen.text, "romeo*1;romeo*1;");
	seen.text[0] = '\0';
	rig_load(&r, "limit l { rate 1k/s; count size; key from.local; }" CHAIN);
	passes_sized(&r, 300);
	assert_string_equal(seen.text, "romeo*300;");
	rig_fini(&r);
}

/* The limits as whoever shows them is told. */
static void test_infos(void **state)
{
	const struct limit_info *all;
	char text[48];
	struct rig r;

	(void)state;
	rig_init(&r,
		"limit a { rate 120/minute; } limit b { rate 64k/second; count size; }"
		"limit c { rate 120/minute; distinct to; } limit d { rate 5/s; count depth; }");
	assert_int_equal(policy_limits(r.policy, &all), 4);
	assert_string_equal(all[0].count, "stanzas");
	assert_string_equal(all[0].distinct, "");
	assert_string_equal(all[1].count, "size");
	assert_true(all[1].bytes && !all[0].bytes && !all[2].bytes && !all[3].bytes);
	assert_string_equal(all[2].distinct, "to");
	assert_string_equal(all[3].count, "depth");
	limit_info_format(&all[0], &all[0].rate, text, sizeof(text));
	assert_string_equal(text, "2/second");
	limit_info_format(&all[1], &all[1].rate, text, sizeof(text));
	assert_string_equal(text, "64k/second");
	limit_info_format(&all[2], &all[2].rate, text, sizeof(text));
	assert_string_equal(text, "120/minute");
	rig_fini(&r);
}

/* What is observed of bytes are KiB. */
static void test_observed(void **state)
{
	struct sketch_counts ended, running;
	unsigned bucket = 0;
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1M/s; count size; key from.bare; }" CHAIN);
	for (int i = 0; i < 10; i++)
		assert_true(passes_sized(&r, 1024));
	policy_limit_observed(r.policy, 0, &ended, &running);
	assert_int_equal(running.peers, 1);
	while (!running.n[0][bucket])
		bucket++;
	assert_int_equal(sketch_burst_high(bucket), 10);
	rig_fini(&r);
}

/* The last test of the rule that rejected says what there was too much of. */
static void test_detail(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "limit l { rate 1/hour; distinct to.bare; } limit n { rate 1/hour; }"
		     "chain test { hook c2s; policy accept;"
		     " rule long { message type is chat size > 200 reject not-allowed }"
		     " rule wide { to.domain is \"x.example\" and limit l exceeded reject unexpected-request }"
		     " rule plain { type is headline and limit n exceeded reject } }");
	rig_say(&r, "short");
	assert_null(policy_reject_detail(r.policy, &r.verdict));
	rig_say(&r, "long long long long long long long long long long long long long long long "
		    "long long long long long long long long long long long long long long long");
	assert_string_equal(policy_reject_detail(r.policy, &r.verdict), "stanza-too-big");
	assert_true(passes_to(&r, "a@x.example"));
	assert_false(passes_to(&r, "b@x.example"));
	assert_string_equal(policy_reject_detail(r.policy, &r.verdict), "too-many-stanzas");
	rig_judge(&r, "<message type='headline' to='a@b'/>");
	assert_int_equal(rig_judge(&r, "<message type='headline' to='a@b'/>")->kind, VERDICT_REJECT);
	assert_null(policy_reject_detail(r.policy, &r.verdict));
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_bytes, teardown),
		cmocka_unit_test_teardown(test_amounts, teardown),
		cmocka_unit_test_teardown(test_distinct, teardown),
		cmocka_unit_test_teardown(test_distinct_many, teardown),
		cmocka_unit_test_teardown(test_reload, teardown),
		cmocka_unit_test_teardown(test_set_live, teardown),
		cmocka_unit_test_teardown(test_expectations, teardown),
		cmocka_unit_test_teardown(test_watch, teardown),
		cmocka_unit_test(test_infos),
		cmocka_unit_test_teardown(test_observed, teardown),
		cmocka_unit_test_teardown(test_detail, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
