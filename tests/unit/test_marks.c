/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Maps and sets of hashes whose entries come from files and are edited live. */
#include "judge_rig.h"
#include "rules/list_look.h"

static const char policy_text[] = "map m { type jid; file \"m.txt\"; } "
				  "set h { type hash; of jid; salt \"s/\"; file \"h.txt\"; } "
				  "chain test { hook any; rule marks { mark to in @m } "
				  "rule hit { to in @h drop } }";

static void file_put(struct rig *r, const char *name, const char *text)
{
	assert_int_equal(source_add(&r->sources, name, text, strlen(text)), 0);
}

static void expect_mark(struct rig *r, const char *mark)
{
	const struct verdict *v = rig_say(r, "x");

	assert_int_equal(v->n_marks, mark ? 1 : 0);
	if (mark)
		assert_string_equal(v->marks[0], mark);
}

static int edit(struct rig *r, const char *set, const char *add, const char *del)
{
	struct span a = span_of(add ? add : ""), d = span_of(del ? del : "");

	return policy_list_edit(r->policy, set, &a, add ? 1 : 0, &d, del ? 1 : 0);
}

static bool look_add(void *arg, bool add, const struct list_look *look)
{
	char *all = arg;

	sprintf(all + strlen(all), "%c%s|", add ? '+' : '-', look->text);
	return true;
}

static void test_map(void **state)
{
	struct rig r;
	struct diag_list diags;
	const struct source_file *file;
	const char *why = NULL;
	char all[512] = "";

	(void)state;
	rig_init(&r, NULL);
	file_put(&r, "h.txt", "");
	file_put(&r, "m.txt",
		"# people\njuliet@capulet.example : vip # the one\n"
		"nurse@capulet.example :\tstaff until 2000-01-01T00:00:00Z\n"
		"plain@capulet.example\n");
	rig_load(&r, policy_text);
	expect_mark(&r, "vip");
	assert_int_equal(edit(&r, "m", "Juliet@capulet.example   :  guest", NULL), 0);
	expect_mark(&r, "guest");
	assert_int_equal(edit(&r, "m", "juliet@capulet.example", NULL), 0);
	expect_mark(&r, NULL);
	assert_int_equal(edit(&r, "m", "juliet@capulet.example/balcony : nearer", NULL), 0);
	expect_mark(&r, "nearer");
	assert_int_equal(edit(&r, "m", NULL, "juliet@capulet.example/balcony : other"), 0);
	expect_mark(&r, NULL);
	assert_int_equal(edit(&r, "m", "juliet@capulet.example : vip until now", NULL), ERR_SYNTAX);
	assert_int_equal(policy_list_check(r.policy, "m", span_of("a@b : "), &why), ERR_SYNTAX);
	assert_int_equal(policy_list_check(r.policy, "m", span_of("a@b : 5x"), &why), ERR_SYNTAX);
	assert_int_equal(
		policy_list_check(r.policy, "m", span_of("a@b : \xc3\xa9"), &why), ERR_SYNTAX);
	assert_string_equal(why, "a mark is a name behind ' : '");
	assert_int_equal(policy_list_check(r.policy, "m", span_of(" : x"), &why), ERR_SYNTAX);
	assert_int_equal(policy_list_check(r.policy, "m", span_of("a@b : x"), &why), 0);
	assert_int_equal(policy_list_settle(r.policy), 0);
	/* A file that only gives another mark differs. */
	file_put(&r, "new.txt", "plain@capulet.example : staff\njuliet@capulet.example\n");
	diag_init(&diags);
	assert_int_equal(source_find(&r.sources, NULL, "new.txt", &file), 0);
	assert_int_equal(policy_list_compare(r.policy, "m", file, &diags, look_add, all), 0);
	assert_string_equal(all, "+plain@capulet.example : staff|");
	diag_fini(&diags);
	rig_fini(&r);
}

static void test_hash(void **state)
{
	/* SHA-256 of "s/juliet@capulet.example" */
	static const char hash[] =
		"fc257c35045306901a8e54e916bad23ec50be182a2276eb3851fe0eb1184ad7e";
	const char *why = NULL;
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	file_put(&r, "m.txt", "");
	file_put(&r, "h.txt",
		"FC257C35045306901A8E54E916BAD23EC50BE182A2276EB3851FE0EB1184AD7E until 2100-01-01 "
		"# a comment\n");
	rig_load(&r, policy_text);
	assert_string_equal(rig_rule(&r, "x"), "hit");
	assert_int_equal(edit(&r, "h", NULL, hash), 0);
	assert_string_equal(rig_rule(&r, "x"), "");
	assert_int_equal(edit(&r, "h", hash, NULL), 0);
	assert_string_equal(rig_rule(&r, "x"), "hit");
	assert_int_equal(policy_list_settle(r.policy), 0);
	assert_string_equal(rig_rule(&r, "x"), "hit");
	assert_int_equal(policy_list_check(r.policy, "h", span_of("juliet@capulet.example"), &why),
		ERR_SYNTAX);
	assert_string_equal(why, "not a SHA-256 of 64 hexadecimal digits");
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
