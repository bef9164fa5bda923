/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What a judge remembers from one judgement to the next, where it must not use it: an edit, another
 * policy, another set, another text of the same address; and that ids stay apart. */
#include "judge_rig.h"

#include <sys/wait.h>
#include <unistd.h>

#include "rules/verdict.h"

static const char xml[] = "<message><body>x</body></message>";

static bool dropped(struct rig *r)
{
	return rig_judge(r, xml)->kind == VERDICT_DROP;
}

/* A session's address is kept from the second time on, that it is in no list from the third. */
static void warm(struct rig *r, const char *jid)
{
	r->subject.session_jid = jid;
	for (int i = 0; i < 4; i++)
		assert_false(dropped(r));
}

static void edit(struct rig *r, const char *set, const char *add, const char *del)
{
	struct span a = span_of(add), d = span_of(del);

	assert_int_equal(policy_list_edit(r->policy, set, &a, add ? 1 : 0, &d, del ? 1 : 0), 0);
}

static void test_edit(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "set s { type jid; } set d { type domain; flags suffix; } set h { type hash; "
		     "of jid; }\n"
		     "chain c { hook any; rule a { message from.bare in @s drop }\n"
		     "rule b { from.domain in @d drop } rule f { from in @s drop } rule h { from "
		     "in @h drop } }");
	warm(&r, "eve@evil.example/x");
	edit(&r, "s", "eve@evil.example", NULL);
	assert_true(dropped(&r));
	edit(&r, "s", NULL, "eve@evil.example");
	warm(&r, "eve@evil.example/x");
	edit(&r, "s", "eve@evil.example/x", NULL);
	assert_true(dropped(&r));
	edit(&r, "s", NULL, "eve@evil.example/x");
	warm(&r, "eve@evil.example/x");
	edit(&r, "d", "example", NULL);
	assert_true(dropped(&r));
	edit(&r, "d", NULL, "example");
	warm(&r, "eve@evil.example/x");
	edit(&r, "h", "b0ba1bbb5ebf2b1b7a1d2a3e3c6a9c4a0f9f6a2b3c4d5e6f708192a3b4c5d6e7", NULL);
	assert_false(dropped(&r));
	rig_fini(&r);
}

/* The same judge, another policy whose sets stand where the old ones stood or not. */
static void test_policies(void **state)
{
	static const char *const entries[] = { "other@evil.example", "eve@evil.example" };
	char text[256];
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text),
			"set s { type jid; elements = { %s }; }\n"
			"chain c { hook any; rule a { from.bare in @s drop } }",
			entries[i % 2]);
		rig_load(&r, text);
		r.subject.session_jid = "eve@evil.example/x";
		for (int k = 0; k < 4; k++)
			assert_int_equal(dropped(&r), i % 2 == 1);
	}
	rig_fini(&r);
}

/* More sets than are remembered; the last one holds it. */
static void test_sets(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r,
		"set a { type jid; } set b { type jid; } set c { type jid; } set d { type jid; } "
		"set e "
		"{ type jid; } set f { type jid; elements = { eve@evil.example }; }\n"
		"chain c { hook any; rule r { from.bare in @a or from.bare in @b or from.bare in "
		"@c or "
		"from.bare in @d or from.bare in @e mark m } rule s { from.bare in @f drop } }");
	r.subject.session_jid = "eve@evil.example/x";
	for (int i = 0; i < 5; i++) {
		const struct verdict *v = rig_judge(&r, xml);

		assert_int_equal(v->kind, VERDICT_DROP);
		assert_int_equal(v->n_marks, 0);
	}
	edit(&r, "e", "eve@evil.example", NULL);
	assert_int_equal(rig_judge(&r, xml)->n_marks, 1);
	rig_fini(&r);
}

/* Not in the list as it is written, but without its resource; another bare one of the same domain.
 */
static void test_texts(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r,
		"set s { type jid; elements = { eve@evil.example/y }; }\n"
		"chain c { hook any; rule a { from.bare in @s drop } rule b { from in @s drop } }");
	warm(&r, "eve@evil.example/x");
	r.subject.session_jid = "eve@evil.example/y";
	assert_true(dropped(&r));
	warm(&r, "adam@evil.example/y");
	r.subject.session_jid = "EVE@evil.example/y";
	assert_true(dropped(&r));
	rig_fini(&r);
}

/* An entry that has ended is no entry; while it lasts it is one, however often the answer was no.
 */
static void test_ends(void **state)
{
	static const int64_t wall = 1800000000000;
	struct rig r;

	(void)state;
	clock_freeze(1, wall); /* 2027-01-15T08:00:00Z */
	rig_init(&r, "set s { type jid; }\nchain c { hook any; rule a { from.bare in @s drop } }");
	warm(&r, "eve@evil.example/x");
	edit(&r, "s", "eve@evil.example until 2027-01-15T09:00:00Z", NULL);
	assert_true(dropped(&r));
	clock_freeze(1, wall + 2 * 3600000);
	for (int i = 0; i < 4; i++)
		assert_false(dropped(&r));
	clock_freeze(1, wall);
	assert_true(dropped(&r));
	clock_thaw();
	rig_fini(&r);
}

/* Sides are not mixed up: the recipient's address and the sender's. */
static void test_sides(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "set s { type jid; elements = { eve@evil.example }; }\n"
		     "chain c { hook any; rule a { to.bare in @s drop } }");
	warm(&r, "eve@evil.example/x");
	assert_int_equal(rig_judge(&r, "<message to='eve@evil.example/x'/>")->kind, VERDICT_DROP);
	assert_int_equal(
		rig_judge(&r, "<message to='adam@evil.example/x'/>")->kind, VERDICT_ACCEPT);
	rig_fini(&r);
}

/* ---- ids ---- */

static int compare_ids(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void test_ids(void **state)
{
	enum { N = 3 * 2500 };
	static char ids[N][VERDICT_ID_SIZE];
	struct verdict_ids one = { 0 }, two = { 0 };

	(void)state;
	for (int i = 0; i < N; i += 3) {
		verdict_next_id(&one, ids[i]);
		verdict_next_id(&two, ids[i + 1]);
		verdict_make_id(ids[i + 2]);
	}
	qsort(ids, N, sizeof(*ids), compare_ids);
	for (int i = 0; i < N; i++) {
		assert_in_range(strlen(ids[i]), 12, VERDICT_ID_SIZE - 1);
		assert_int_equal(ids[i][4], '-');
		assert_true(i == 0 || strcmp(ids[i - 1], ids[i]) != 0);
	}
}

/* A child that only forked gives other ids from what was put aside. */
static void test_ids_after_fork(void **state)
{
	char mine[VERDICT_ID_SIZE] = "", its[VERDICT_ID_SIZE] = "";
	struct verdict_ids ids = { 0 };
	int ends[2], status;
	pid_t pid;

	(void)state;
	verdict_next_id(&ids, mine);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		verdict_next_id(&ids, its);
		_exit(write(ends[1], its, sizeof(its)) == (ssize_t)sizeof(its) ? 0 : 1);
	}
	verdict_next_id(&ids, mine);
	assert_int_equal(read(ends[0], its, sizeof(its)), sizeof(its));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_string_not_equal(mine, its);
	assert_true(strncmp(mine, its, 10) != 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edit),
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_sides),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_ids_after_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
