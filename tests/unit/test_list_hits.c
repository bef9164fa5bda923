/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Each entry counts what it decided, in every type of set, through edits and reloads; expectations
 * do not count. */
#include "judge_rig.h"
#include "rules/list_hits.h"

static const char policy[] =
	"set words { type keyword; flags fold; elements = { casino, bonus }; }\n"
	"set exprs { type regex; elements = { /c[0o]ins/f, /gold/ }; }\n"
	"set hosts { type domain; flags suffix; elements = { bad.example, worse.example }; }\n"
	"set people { type jid; elements = { mallory@evil.example, eve@evil.example }; }\n"
	"set nets { type address; elements = { 192.0.2.0/24, 198.51.100.7 }; }\n"
	"chain c { hook any; policy accept;\n"
	"  rule a { from in @people log }\n"
	"  rule b { peer.address in @nets log }\n"
	"  rule c { url.host in @hosts log }\n"
	"  rule d { text contains @words log }\n"
	"  rule e { text matches @exprs log }\n"
	"}\n"
	"expect \"counts nothing\" { stanza \"<message><body>casino</body></message>\" verdict "
	"accept }\n";

struct seen {
	char text[512];
	unsigned n, max;
};

static bool visit(void *arg, const char *text, uint64_t hits)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	snprintf(seen->text + len, sizeof(seen->text) - len, "%s%s=%llu", len ? " " : "", text,
		(unsigned long long)hits);
	return ++seen->n != seen->max;
}

static const char *hits(struct rig *r, const char *set, size_t max)
{
	static struct seen seen;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(policy_list_hits(r->policy, set, max, visit, &seen), 0);
	return seen.text;
}

static void test_counts(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, policy);
	assert_string_equal(hits(&r, "words", 10), "");
	rig_peer(&r, "198.51.100.7");
	r.subject.session_jid = NULL;
	rig_judge(&r, "<message from='eve@evil.example/x'><body>CASINO c0ins "
		      "http://a.bad.example/</body></message>");
	rig_judge(&r, "<message from='eve@evil.example'><body>bonus</body></message>");
	rig_judge(&r, "<message from='mallory@evil.example/y'><body>bonus g01d</body></message>");
	assert_string_equal(hits(&r, "words", 10), "bonus=2 casino=1");
	assert_string_equal(hits(&r, "words", 1), "bonus=2");
	assert_string_equal(hits(&r, "exprs", 10), "/c[0o]ins/f=1");
	assert_string_equal(hits(&r, "hosts", 10), "bad.example=1");
	assert_string_equal(hits(&r, "people", 10), "eve@evil.example=2 mallory@evil.example=1");
	assert_string_equal(hits(&r, "nets", 10), "198.51.100.7=3");
	assert_int_equal(policy_list_hits(r.policy, "nothing", 1, visit, NULL), ERR_NOTFOUND);
	rig_fini(&r);
}

static void test_survives_edits_and_reloads(void **state)
{
	struct span bonus = span_of("bonus"), casino = span_of("casino");
	struct rig r;

	(void)state;
	rig_init(&r, policy);
	rig_judge(&r, "<message><body>bonus casino</body></message>");
	rig_judge(&r, "<message><body>bonus</body></message>");
	rig_judge(&r, "<message><body>casino</body></message>");
	rig_load(&r, policy);
	rig_judge(&r, "<message><body>casino</body></message>");
	assert_string_equal(hits(&r, "words", 1), "casino=2");
	assert_int_equal(policy_list_edit(r.policy, "words", &bonus, 1, NULL, 0), 0);
	assert_string_equal(hits(&r, "words", 10), "casino=2 bonus=2");
	/* What was taken out begins anew. */
	assert_int_equal(policy_list_edit(r.policy, "words", NULL, 0, &casino, 1), 0);
	assert_int_equal(policy_list_edit(r.policy, "words", &casino, 1, NULL, 0), 0);
	assert_string_equal(hits(&r, "words", 10), "bonus=2");
	rig_judge(&r, "<message><body>casino</body></message>");
	assert_string_equal(hits(&r, "words", 10), "bonus=2 casino=1");
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_survives_edits_and_reloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
