/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* "similar" blocks of a policy under a clock that stands: bulk spam of many and to many, windows,
 * once per stanza, what a reload keeps, expectations apart. */
#include "judge_rig.h"

static const uint64_t SECOND = 1000000000;

#define BULK "similar bulk { text body; window 10m; senders 5; recipients 5; }"
#define CHAIN                                                                                      \
	"chain test { hook c2s; policy accept;"                                                    \
	" rule bulk { message similar bulk exceeded drop, strike 2 } }"

static void clock_begin(void)
{
	clock_freeze(1000000 * SECOND, 1800000000000);
}

static int teardown(void **state)
{
	(void)state;
	clock_thaw();
	return 0;
}

/* A line of spam, never quite the same. */
static bool spam(struct rig *r, unsigned from, unsigned to)
{
	static const char *const names[] = { "Anna", "Peter", "Marie", "Tom", "Kim", "Maximilian" };
	char xml[600], jid[64];

	snprintf(jid, sizeof jid, "u%u@spam.example/x", from);
	r->subject.session_jid = jid;
	snprintf(xml, sizeof xml,
		"<message to='v%u@here.example'><body>Hello %s, you have been selected to receive a "
		"bonus of %u EUR in our casino! %sClaim it now at http://c%u.example/%u</body></message>",
		to, names[(from + to) % 6], 100 + from * 7 + to, from % 2 ? "!! " : "", from, to);
	rig_judge(r, xml);
	return r->verdict.kind == VERDICT_DROP;
}

static void test_many_to_many(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, BULK CHAIN);
	for (unsigned i = 0; i < 60; i++) /* one to many is not what is asked for */
		assert_false(spam(&r, 1, i));
	for (unsigned i = 2; i <= 4; i++)
		assert_false(spam(&r, i, i));
	for (unsigned i = 5; i <= 14; i++)
		(void)spam(&r, i, i);
	assert_true(spam(&r, 15, 15));
	assert_string_equal(r.verdict.rule, "bulk");
	assert_string_equal(r.verdict.matches[0].field, "similar");
	assert_string_equal(r.verdict.matches[0].entry, "bulk");
	assert_non_null(strstr(r.verdict.matches[0].text, " senders, "));
	assert_true(rig_metric(&r, "similar.bulk.exceeded") > 0);
	/* others say other things, the same people among them */
	rig_judge(&r, "<message to='v1@here.example'><body>Shall we meet at the station at eight "
		      "tonight, or is that too early for you?</body></message>");
	assert_int_equal(r.verdict.kind, VERDICT_ACCEPT);
	/* short ones count nowhere */
	for (unsigned i = 0; i < 50; i++) {
		char jid[64];

		snprintf(jid, sizeof jid, "u%u@here.example/x", i);
		r.subject.session_jid = jid;
		rig_judge(&r, "<message to='v1@here.example'><body>good morning!</body></message>");
		assert_int_equal(r.verdict.kind, VERDICT_ACCEPT);
	}
	clock_advance(601 * SECOND);
	assert_false(spam(&r, 16, 16));
	rig_fini(&r);
}

static void test_to_many(void **state)
{
	struct rig r;
	unsigned first = 0;

	(void)state;
	clock_begin();
	rig_init(&r, "similar bulk { recipients 10; }" CHAIN);
	for (unsigned i = 1; i <= 40 && !first; i++)
		first = spam(&r, 1, i) ? i : 0;
	assert_in_range(first, 10, 15);
	rig_fini(&r);
}

/* However many rules ask, a stanza counts once; one whose rule does not get that far, not at all. */
static void test_once_per_stanza(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "similar bulk { senders 2; }"
		     "chain test { hook c2s; policy accept;"
		     " rule never { body is \"never\" and similar bulk exceeded drop }"
		     " rule a { similar bulk exceeded mark a } rule b { not similar bulk exceeded mark b }"
		     " rule c { similar bulk exceeded drop } }");
	for (unsigned i = 0; i < 10; i++)
		assert_false(spam(&r, 1, 1));
	assert_string_equal(r.verdict.marks[0], "b");
	for (unsigned i = 2; i < 10; i++)
		(void)spam(&r, i, 1);
	assert_true(spam(&r, 11, 1));
	assert_int_equal(r.verdict.n_marks, 1);
	assert_string_equal(r.verdict.marks[0], "a");
	rig_fini(&r);
}

static void test_reload(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, BULK CHAIN);
	for (unsigned i = 1; i <= 20; i++)
		(void)spam(&r, i, i);
	rig_load(&r, BULK CHAIN " set w { type keyword; elements = { x }; }");
	assert_true(spam(&r, 1, 1));
	rig_load(&r, "similar bulk { text body; window 10m; senders 150; recipients 5; }" CHAIN);
	assert_false(spam(&r, 1, 1));
	rig_load(&r, "similar bulk { text body; window 11m; senders 5; recipients 5; }" CHAIN);
	assert_false(spam(&r, 1, 1)); /* another window is another count */
	rig_fini(&r);
}

static void test_expectations_count_apart(void **state)
{
	struct rig r;

	(void)state;
	clock_begin();
	rig_init(&r, "similar bulk { recipients 1; words 4; }" CHAIN
		     "expect \"third\" { from \"a@b.example/c\" stanza"
		     " \"<message to='a@c'><body>buy cheap watches from our shop now</body></message>\""
		     " \"<message to='b@c'><body>Buy cheap watches from our shop, now!</body></message>\""
		     " verdict drop by bulk }"
		     "expect \"first\" { from \"a@b.example/c\" stanza"
		     " \"<message to='a@c'><body>buy cheap watches from our shop now</body></message>\""
		     " verdict accept }");
	assert_int_equal(policy_expectations(r.policy), 2);
	rig_judge(&r, "<message to='x@c'><body>buy cheap watches from our shop now</body></message>");
	assert_int_equal(r.verdict.kind, VERDICT_ACCEPT);
	assert_int_equal(rig_metric(&r, "similar.bulk.exceeded"), 0);
	rig_fini(&r);
}

/* Whatever stands there, it is counted or not, and nothing else happens. */
static void test_odd_texts(void **state)
{
	static const char *const odd[] = { "<message/>", "<message><body/></message>", "<presence/>",
		"<message><body>&#x202e;&#x200b;&#x200b;</body></message>",
		"<message><body>\xf0\x9f\x98\x80\xf0\x9f\x98\x80 \xf0\x9f\x98\x80</body></message>" };
	struct rig r;
	struct buf big;

	(void)state;
	clock_begin();
	rig_init(&r, "similar bulk { senders 1; words 1; }" CHAIN);
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
		assert_int_equal(rig_judge(&r, odd[i])->kind, VERDICT_ACCEPT);
	buf_init(&big, 0);
	buf_puts(&big, "<message><body>");
	for (unsigned i = 0; i < 20000; i++)
		buf_putf(&big, "%c ", 'a' + (int)(i * i % 26));
	buf_puts(&big, "</body></message>");
	assert_int_equal(rig_judge(&r, buf_string(&big))->kind, VERDICT_ACCEPT);
	r.subject.session_jid = NULL;
	assert_int_equal(rig_judge(&r, buf_string(&big))->kind, VERDICT_ACCEPT);
	buf_fini(&big);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_many_to_many, teardown),
		cmocka_unit_test_teardown(test_to_many, teardown),
		cmocka_unit_test_teardown(test_once_per_stanza, teardown),
		cmocka_unit_test_teardown(test_reload, teardown),
		cmocka_unit_test_teardown(test_expectations_count_apart, teardown),
		cmocka_unit_test_teardown(test_odd_texts, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
