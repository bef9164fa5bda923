/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/leaves: who wants a leaf gets the kept one or a new one, on the thread that asked; and what
 * a daemon may answer instead. The daemon is the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/leaves_lab.h"

static void test_minted_once(void **state)
{
	struct wish one, two, three;
	json_t *asked;

	(void)state;
	assert_int_equal(want(&one, 0, "a.example"), 0);
	assert_int_equal(want(&two, 1, "a.example"), 0);
	asked = question();
	no_question();
	assert_string_equal(json_string_value(json_object_get(asked, "m")), "mint");
	assert_string_equal(json_string_value(json_object_get(asked, "domain")), "a.example");
	assert_string_equal(json_string_value(json_object_get(asked, "verified")), "pkix");
	assert_int_equal(json_integer_value(json_object_get(asked, "not_after")), 0);
	assert_null(strstr(json_string_value(json_object_get(asked, "key")), "PRIVATE"));
	answer(asked, (struct signing){ 0 });
	assert_non_null(settled(&one));
	assert_ptr_equal(settled(&two), one.leaf);
	assert_int_equal(X509_check_private_key(one.leaf->cert, one.leaf->key), 1);
	assert_int_equal(one.leaf->until_ms, NOW_MS + DAY_S * INT64_C(1000));
	assert_int_equal(want(&three, 1, "a.example"), 1);
	assert_ptr_equal(three.leaf, one.leaf);
	assert_int_equal(three.done, 0);
	leaf_unref(one.leaf);
	leaf_unref(two.leaf);
	leaf_unref(three.leaf);
}

static void test_a_sooner_end(void **state)
{
	struct leaf *day = kept("a.example");
	time_t soon = NOW_MS / 1000 + 3600, later = NOW_MS / 1000 + 10 * DAY_S;
	struct wish one, two;
	json_t *asked;

	(void)state;
	assert_int_equal(want_until(&one, 0, "a.example", later), 1);
	leaf_unref(one.leaf);
	assert_int_equal(want_until(&one, 0, "a.example", soon), 0);
	/* What ends sooner serves who may go on for longer, but not the other way round. */
	assert_int_equal(want_until(&two, 0, "a.example", soon - 60), 0);
	asked = question();
	assert_int_equal(json_integer_value(json_object_get(asked, "not_after")), soon * 1000);
	answer(asked, (struct signing){ .life_s = 3600 });
	assert_non_null(settled(&one));
	assert_int_equal(one.leaf->until_ms, soon * 1000);
	answer(question(), (struct signing){ .life_s = 3540 });
	assert_non_null(settled(&two));
	leaf_unref(one.leaf);
	leaf_unref(two.leaf);
	/* One per domain: the one before is gone. */
	assert_int_equal(want(&one, 0, "a.example"), 1);
	assert_int_equal(one.leaf->until_ms, (soon - 60) * 1000);
	leaf_unref(one.leaf);
	leaf_unref(day);
	assert_int_equal(want_until(&one, 0, "a.example", NOW_MS / 1000 - 1), ERR_RANGE);
	assert_int_equal(want_until(&one, 0, "a.example", NOW_MS / 1000), ERR_RANGE);
	no_question();
}

static void test_renewed_in_time(void **state)
{
	struct leaf *first = kept("a.example");
	struct wish one;

	(void)state;
	clock_advance(UINT64_C(1000000000) * (DAY_S * 3 / 4 - 300));
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	clock_advance(UINT64_C(1000000000) * 400);
	/* It is still good for whoever must have one. */
	assert_int_equal(want(&one, 0, "a.example"), 0);
	refuse(question(), "no authority");
	assert_ptr_equal(settled(&one), first);
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "a.example"), 0);
	answer(question(), (struct signing){ 0 });
	assert_ptr_not_equal(settled(&one), first);
	assert_non_null(one.leaf);
	leaf_unref(one.leaf);
	clock_advance(UINT64_C(1000000000) * 2 * DAY_S);
	assert_int_equal(want(&one, 0, "a.example"), 0);
	refuse(question(), "no authority");
	assert_null(settled(&one));
	assert_string_equal(one.why, "no authority");
	leaf_unref(first);
}

static void test_answers_that_lie(void **state)
{
	static const char *const rubbish[] = { "", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n" };
	struct made other = made_new((struct made_like){ .cn = "x" });
	struct signing lies[] = { { .domain = "b.example" }, { .domain = "*.example" },
		{ .key = other.key }, { .life_s = 2 * DAY_S } };
	struct wish one;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		assert_int_equal(want_until(&one, 0, "a.example", NOW_MS / 1000 + DAY_S), 0);
		answer(question(), lies[i]);
		assert_null(settled(&one));
		assert_string_equal(one.why, "the leaf is not what was asked for");
	}
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(*rubbish); i++) {
		json_t *msg;

		assert_int_equal(want(&one, 0, "a.example"), 0);
		msg = json_pack("{s:s,s:O,s:b,s:s,s:[s],s:s}", "m", "minted", "seq",
			json_object_get(question(), "seq"), "ok", 1, "leaf", rubbish[i], "chain",
			rubbish[i], "authority", "AA");
		assert_int_equal(leaves_take(msg), 0);
		assert_null(settled(&one));
		json_decref(msg);
	}
	made_free(&other);
}

static void test_messages_that_are_none(void **state)
{
	static const char *const bad[] = { "{}", "{\"seq\":0}", "{\"seq\":\"1\"}", "{\"seq\":-1}" };
	json_t *msg;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		msg = json_loads(bad[i], 0, NULL);
		assert_int_equal(leaves_take(msg), ERR_PROTO);
		json_decref(msg);
	}
	/* An answer to what nobody asks any more is none of these. */
	msg = json_pack("{s:I,s:b}", "seq", (json_int_t)77, "ok", 1);
	assert_int_equal(leaves_take(msg), 0);
	json_decref(msg);
}

static void test_refused(void **state)
{
	struct leaf_wanted none = { "a.example", REMOTE_VERIFIED_NONE, 0, on_done, NULL };
	struct leaf *leaf = NULL;
	struct wish one;
	char why[400];

	(void)state;
	assert_int_equal(leaves_want(t.workers[0], &none, &leaf), ERR_REFUSED);
	no_question();
	memset(why, 'w', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	assert_int_equal(want(&one, 1, "a.example"), 0);
	refuse(question(), why);
	assert_null(settled(&one));
	assert_int_equal(strspn(one.why, "w"), strlen(one.why));
	assert_int_equal(want(&one, 1, "a.example"), 0);
	refuse(question(), "");
	assert_null(settled(&one));
	assert_string_equal(one.why, "no reason given");
}

static void test_nobody_waits_for_ever(void **state)
{
	struct wish one, two;
	json_t *late;

	(void)state;
	assert_int_equal(want(&one, 0, "a.example"), 0);
	assert_int_equal(want(&two, 1, "a.example"), 0);
	late = question();
	clock_advance(UINT64_C(9999) * 1000000);
	uv_run(&t.loop, UV_RUN_NOWAIT);
	assert_int_equal(done_count(&one), 0);
	clock_advance(UINT64_C(1) * 1000000);
	assert_null(settled(&one));
	assert_null(settled(&two));
	assert_string_equal(one.why, "no answer in time");
	answer(late, (struct signing){ 0 });
	no_question();
}

static void test_forgotten(void **state)
{
	struct wish one, two, three;

	(void)state;
	assert_int_equal(want(&one, 0, "a.example"), 0);
	assert_int_equal(want(&two, 0, "a.example"), 0);
	leaves_forget(t.workers[1], &one); /* another thread's */
	leaves_forget(t.workers[0], &one);
	leaves_forget(t.workers[0], &one);
	answer(question(), (struct signing){ 0 });
	assert_non_null(settled(&two));
	assert_int_equal(done_count(&one), 0);
	/* All of them: it is kept for the next one. */
	assert_int_equal(want(&one, 0, "b.example"), 0);
	leaves_forget(t.workers[0], &one);
	answer(question(), (struct signing){ 0 });
	assert_int_equal(want(&three, 1, "b.example"), 1);
	assert_int_equal(done_count(&one), 0);
	leaf_unref(two.leaf);
	leaf_unref(three.leaf);
}

static void test_ceilings(void **state)
{
	static struct wish many[257];
	char domain[32];
	struct wish one;

	(void)state;
	leaves_configure(2);
	leaf_unref(kept("a.example"));
	leaf_unref(kept("b.example"));
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	leaf_unref(kept("c.example")); /* b was unused for longest */
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	leaves_configure(1);
	assert_int_equal(want(&one, 0, "a.example"), 1);
	leaf_unref(one.leaf);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(domain, sizeof(domain), "d%u.example", i);
		assert_int_equal(want(&many[i], i % WORKERS, domain), 0);
	}
	assert_int_equal(want(&many[256], 0, "more.example"), ERR_LIMIT);
	assert_int_equal(want(&one, 0, "d7.example"), 0); /* which is under way */
	assert_int_equal(want(&many[256], 0, "a.example"), 1);
	leaf_unref(many[256].leaf);
	leaves_forget(t.workers[0], &one);
	for (unsigned i = 0; i < 256; i++)
		answer(question(), (struct signing){ 0 });
	for (unsigned i = 0; i < 256; i++) {
		assert_non_null(settled(&many[i]));
		leaf_unref(many[i].leaf);
	}
	no_question();
}

static void test_another_authority(void **state)
{
	struct wish one;

	(void)state;
	leaf_unref(kept("a.example"));
	assert_int_equal(want(&one, 0, "b.example"), 0);
	answer_by(question(), (struct signing){ 0 }, "BB");
	assert_non_null(settled(&one));
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "b.example"), 1);
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "a.example"), 0);
	answer_by(question(), (struct signing){ 0 }, "BB");
	assert_non_null(settled(&one));
	leaves_drop(); /* who has it holds on to it */
	assert_int_equal(X509_check_private_key(one.leaf->cert, one.leaf->key), 1);
	leaf_unref(one.leaf);
	assert_int_equal(want(&one, 0, "b.example"), 0);
	leaves_forget(t.workers[0], &one);
	(void)question();
}

/* ---- all at once ---- */

enum { STORMERS = 4, WISHES = 200 };

static void *storm(void *arg)
{
	struct wish *wishes = arg;
	char domain[32];

	for (unsigned i = 0; i < WISHES; i++) {
		snprintf(domain, sizeof(domain), "s%u.example", i % 40);
		if (want(&wishes[i], i % WORKERS, domain) != 0)
			wishes[i].done = 1; /* there, or one too many */
	}
	return NULL;
}

static void test_storm(void **state)
{
	static struct wish wishes[STORMERS][WISHES];
	pthread_t threads[STORMERS];

	(void)state;
	leaves_configure(10);
	for (unsigned i = 0; i < STORMERS; i++)
		made_must(pthread_create(&threads[i], NULL, storm, wishes[i]) == 0);
	for (unsigned i = 0; i < STORMERS; i++)
		pthread_join(threads[i], NULL);
	for (time_t end = deadline();;) {
		unsigned left = 0;

		uv_run(&t.loop, UV_RUN_NOWAIT);
		while (t.n_taken < t.n_asked)
			answer(t.asked[t.n_taken++], (struct signing){ 0 });
		for (unsigned i = 0; i < STORMERS * WISHES; i++)
			left += done_count(&wishes[i / WISHES][i % WISHES]) == 0;
		if (left == 0)
			break;
		assert_false(is_late(end));
	}
	for (unsigned i = 0; i < STORMERS * WISHES; i++)
		leaf_unref(wishes[i / WISHES][i % WISHES].leaf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_minted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_sooner_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renewed_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers_that_lie, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_waits_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ceilings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_authority, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
