/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Live edits through the public face: in force at the next judgement, gone at once, settled without
 * anybody noticing, and expired when their time comes. */
#include "judge_rig.h"
#include "rules/live.h"
#include "rules/policy.h"

static const int64_t WALL = 1800000000000;

static int teardown(void **state)
{
	(void)state;
	clock_thaw();
	return 0;
}

static bool hits(struct rig *r, const char *body)
{
	return rig_say(r, body)->kind == VERDICT_DROP;
}

static int edit(struct rig *r, const char *set, const char *add, const char *del)
{
	struct span a = span_of(add), d = span_of(del);

	return policy_list_edit(r->policy, set, &a, add ? 1 : 0, &d, del ? 1 : 0);
}

static void add(struct rig *r, const char *entry)
{
	assert_int_equal(edit(r, "s", entry, NULL), 0);
}

static void del(struct rig *r, const char *entry)
{
	assert_int_equal(edit(r, "s", NULL, entry), 0);
}

static size_t entries(struct rig *r)
{
	const struct set_info *sets;

	assert_true(policy_sets(r->policy, &sets) > 0);
	return sets[0].entries;
}

static void load(struct rig *r, const char *set, const char *cond)
{
	char text[4096];

	snprintf(text, sizeof(text),
		"set s { %s } chain test { hook any; policy accept; rule hit { %s drop } }", set,
		cond);
	rig_load(r, text);
}

static void test_keywords(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type keyword; flags fold; elements = { casino, poker };",
		"text contains @s or subject in @s");
	assert_false(hits(&r, "roulette"));
	add(&r, "Roulette");
	assert_true(hits(&r, "ROULETTE"));
	assert_string_equal(r.verdict.matches[0].entry, "Roulette");
	assert_string_equal(r.verdict.matches[0].set, "s");
	assert_int_equal(entries(&r), 3);
	add(&r, "roulette"); /* twice is once */
	assert_int_equal(entries(&r), 3);
	/* what the compiled base holds goes as quickly */
	del(&r, "CASINO");
	assert_false(hits(&r, "casino"));
	assert_true(hits(&r, "poker"));
	assert_int_equal(entries(&r), 2);
	del(&r, "roulette");
	assert_false(hits(&r, "roulette"));
	/* and comes back */
	add(&r, "casino");
	assert_true(hits(&r, "casino"));
	del(&r, "casino");
	assert_false(hits(&r, "casino"));
	del(&r, "never was in");
	assert_int_equal(entries(&r), 1);
	/* in and out in one edit: it stays */
	assert_int_equal(edit(&r, "s", "poker", "poker"), 0);
	assert_true(hits(&r, "poker"));
	rig_fini(&r);
}

static void test_empty_set(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type keyword;", "text contains @s");
	assert_false(hits(&r, "a"));
	add(&r, "a");
	assert_true(hits(&r, "a"));
	assert_int_equal(policy_list_settle(r.policy), 0);
	assert_true(hits(&r, "a"));
	del(&r, "a");
	assert_false(hits(&r, "a"));
	assert_int_equal(policy_list_settle(r.policy), 0);
	assert_false(hits(&r, "a"));
	rig_fini(&r);
}

static void test_regexes(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type regex; elements = { /ab+c/ };", "text matches @s");
	assert_true(hits(&r, "abbc"));
	add(&r, "/x\\d+y/i");
	add(&r, "/cAsino/if"); /* the first one that looks at the folded text */
	assert_true(hits(&r, "X12y"));
	assert_true(hits(&r, "c\xd0\xb0sino"));
	del(&r, "/ab+c/");
	assert_false(hits(&r, "abbc"));
	del(&r, "/cAsino/if");
	assert_false(hits(&r, "casino"));
	assert_true(hits(&r, "x12y"));
	assert_int_equal(edit(&r, "s", "/(/", NULL), ERR_SYNTAX);
	assert_true(hits(&r, "x12y"));
	rig_fini(&r);
}

static bool peer_hits(struct rig *r, const char *address)
{
	rig_peer(r, address);
	return hits(r, "x");
}

static void test_addresses(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type address; elements = { 192.0.2.0/24 };", "peer.address in @s");
	add(&r, "2001:db8::/32");
	add(&r, "198.51.100.1-198.51.100.6");
	assert_true(peer_hits(&r, "2001:db8::1"));
	assert_true(peer_hits(&r, "198.51.100.6"));
	del(&r, "192.0.2.77/24");
	assert_false(peer_hits(&r, "192.0.2.1"));
	del(&r, "198.51.100.1-198.51.100.6");
	assert_false(peer_hits(&r, "198.51.100.6"));
	assert_int_equal(entries(&r), 1);
	rig_fini(&r);
}

static void test_domains_and_jids(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type domain; flags suffix; elements = { bad.example };", "url.host in @s");
	add(&r, "*.worse.example");
	assert_true(hits(&r, "http://a.WORSE.example/"));
	del(&r, "worse.example");
	assert_false(hits(&r, "http://a.worse.example/"));
	load(&r, "type jid;", "from in @s");
	add(&r, "romeo@montague.example");
	assert_true(hits(&r, "x"));
	del(&r, "ROMEO@montague.example");
	assert_false(hits(&r, "x"));
	rig_fini(&r);
}

/* One bad entry, and nothing of the edit happens. */
static void test_all_or_nothing(void **state)
{
	struct span two[] = { span_of("192.0.2.1"), span_of("not an address") };
	const char *why;
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type address; elements = { 203.0.113.1 };", "peer.address in @s");
	assert_int_equal(policy_list_edit(r.policy, "s", two, 2, NULL, 0), ERR_SYNTAX);
	assert_false(peer_hits(&r, "192.0.2.1"));
	two[0] = span_of("203.0.113.1");
	assert_int_equal(policy_list_edit(r.policy, "s", NULL, 0, two, 2), ERR_SYNTAX);
	assert_true(peer_hits(&r, "203.0.113.1"));
	assert_int_equal(edit(&r, "t", "192.0.2.1", NULL), ERR_NOTFOUND);
	assert_int_equal(policy_list_check(r.policy, "t", two[0], &why), ERR_NOTFOUND);
	assert_string_equal(why, "no such set");
	assert_int_equal(policy_list_check(r.policy, "s", two[1], &why), ERR_SYNTAX);
	assert_string_equal(why, "not an address, network or range");
	assert_int_equal(policy_list_check(r.policy, "s", span_of("# x"), &why), ERR_SYNTAX);
	assert_non_null(why);
	assert_int_equal(policy_list_check(r.policy, "s", two[0], &why), 0);
	assert_int_equal(
		policy_list_check(r.policy, "s", span_of("192.0.2.9 until 2030-01-01"), &why), 0);
	assert_int_equal(policy_list_check(r.policy, "s", span_of("192.0.2.9 until 2030"), &why),
		ERR_SYNTAX);
	rig_fini(&r);
}

/* ---- settling ---- */

static struct scanner *scanner_of(struct rig *r)
{
	return r->policy->program->scanners;
}

static void edit_many(struct rig *r, const char *format, unsigned n, bool in)
{
	struct span *texts = calloc(n, sizeof(*texts));

	assert_non_null(texts);
	for (unsigned i = 0; i < n; i++) {
		char *text;
		assert_true(asprintf(&text, format, i) > 0);
		texts[i] = span_of(text);
	}
	assert_int_equal(policy_list_edit(r->policy, "s", texts, in ? n : 0, texts, in ? 0 : n), 0);
	for (unsigned i = 0; i < n; i++)
		free((char *)texts[i].ptr);
	free(texts);
}

static void test_settle(void **state)
{
	enum { N = LIVE_DELTA_MAX + 50 };
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type keyword; flags fold; elements = { casino };", "text contains @s");
	edit_many(&r, "word%u", 10, true);
	assert_int_equal(policy_list_settle(r.policy), 0); /* too few to be worth it */
	assert_int_equal(pattern_db_count(scanner_of(&r)->base), 1);
	assert_int_equal(pattern_db_count(scanner_of(&r)->delta), 10);
	edit_many(&r, "word%u", N, true);
	assert_true(hits(&r, "word2000"));
	assert_int_equal(pattern_db_count(scanner_of(&r)->delta), N);
	assert_int_equal(policy_list_settle(r.policy), 0);
	assert_int_equal(pattern_db_count(scanner_of(&r)->base), N + 1);
	assert_int_equal(pattern_db_count(scanner_of(&r)->delta), 0);
	assert_true(hits(&r, "word2000") && hits(&r, "casino") && !hits(&r, "word99999"));
	/* removed ones are no longer found, and their memory goes with the next base */
	edit_many(&r, "word%u", N - 1, false);
	assert_false(hits(&r, "word2000"));
	assert_int_equal(entries(&r), 2);
	assert_int_equal(r.policy->program->lists[0]->n_entries, N + 1);
	add(&r, "word7");
	assert_int_equal(policy_list_settle(r.policy), 0);
	assert_int_equal(pattern_db_count(scanner_of(&r)->base), 3);
	assert_int_equal(r.policy->program->lists[0]->n_entries, 3);
	assert_true(hits(&r, "word7") && hits(&r, "casino") && !hits(&r, "word8"));
	rig_fini(&r);
}

/* The memory of entries that came and went between two bases is bounded, too. */
static void test_come_and_go(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type keyword; elements = { casino };", "text contains @s");
	for (unsigned i = 0; i < 60; i++) {
		edit_many(&r, "word%u", 100, true);
		assert_true(hits(&r, "word99"));
		edit_many(&r, "word%u", 100, false);
		assert_false(hits(&r, "word99"));
		assert_int_equal(policy_list_settle(r.policy), 0);
		assert_true(r.policy->program->lists[0]->n_entries <= LIVE_DELTA_MAX + 101);
	}
	assert_true(hits(&r, "casino"));
	rig_fini(&r);
}

/* ---- expiry ---- */

static void test_expiry(void **state)
{
	static const char file[] = "casino until 2027-01-15T08:00:10Z\npoker\n";
	const char *set = "type keyword; file \"words.txt\";";
	struct rig r;

	(void)state;
	clock_freeze(1, WALL); /* 2027-01-15T08:00:00Z */
	rig_init(&r, NULL);
	assert_int_equal(source_add(&r.sources, "words.txt", file, sizeof(file) - 1), 0);
	load(&r, set, "text contains @s");
	add(&r, "roulette until 2027-01-15T08:00:20Z");
	add(&r, "late until 2027-01-15T07:00:00Z");
	assert_false(hits(&r, "late"));
	assert_true(hits(&r, "casino") && hits(&r, "poker") && hits(&r, "roulette"));
	clock_advance(10000000000);
	assert_false(hits(&r, "casino"));
	assert_true(hits(&r, "roulette"));
	/* a new time for an old entry */
	add(&r, "roulette until 2027-01-15T08:00:30Z");
	clock_advance(10000000000);
	assert_true(hits(&r, "roulette"));
	clock_advance(10000000000);
	assert_false(hits(&r, "roulette"));
	assert_int_equal(policy_list_settle(r.policy), 0); /* now they leave the set, too */
	assert_int_equal(entries(&r), 1);
	assert_false(hits(&r, "casino") || hits(&r, "roulette"));
	add(&r, "casino"); /* from now on, for good */
	clock_advance(1000000000000000);
	assert_true(hits(&r, "casino"));
	rig_fini(&r);
}

/* An entry whose time is over comes back by a new edit before anything settled. */
static void test_expired_comes_back(void **state)
{
	struct rig r;

	(void)state;
	clock_freeze(1, WALL);
	rig_init(&r, NULL);
	load(&r, "type keyword;", "text contains @s");
	add(&r, "casino until 2027-01-15T08:00:10Z");
	clock_advance(20000000000);
	assert_false(hits(&r, "casino"));
	add(&r, "casino");
	assert_true(hits(&r, "casino"));
	assert_int_equal(policy_list_settle(r.policy), 0);
	assert_true(hits(&r, "casino"));
	load(&r, "type domain;", "url.host in @s");
	add(&r, "bad.example until 2027-01-15T08:00:30Z");
	assert_true(hits(&r, "http://bad.example/"));
	clock_advance(20000000000);
	assert_false(hits(&r, "http://bad.example/"));
	add(&r, "bad.example");
	assert_true(hits(&r, "http://bad.example/"));
	rig_fini(&r);
}

/* A verdict's strings outlive the entry they came from. */
static void test_verdict_outlives_entry(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, NULL);
	load(&r, "type domain;", "url.host in @s");
	add(&r, "bad.example");
	assert_true(hits(&r, "http://bad.example/"));
	del(&r, "bad.example");
	assert_int_equal(policy_list_settle(r.policy), 0);
	assert_string_equal(r.verdict.matches[0].entry, "bad.example");
	assert_string_equal(r.verdict.matches[0].text, "bad.example");
	rig_fini(&r);
}

/* Two scanners look for one set; both learn of an edit. */
static void test_two_fields(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "set s { type keyword; flags fold; } chain test { hook any; policy accept;"
		     " rule b { body contains @s mark body } rule s { subject contains @s mark "
		     "subject } }");
	add(&r, "casino");
	rig_judge(&r, "<message><body>casino</body><subject>casino</subject></message>");
	assert_int_equal(r.verdict.n_marks, 2);
	del(&r, "casino");
	rig_judge(&r, "<message><body>casino</body><subject>casino</subject></message>");
	assert_int_equal(r.verdict.n_marks, 0);
	rig_fini(&r);
}

/* A set nobody asks about keeps no removed entries either. */
static void test_unused_set(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, "set s { type keyword; } chain test { hook any; policy accept; }");
	for (int i = 0; i < 100; i++) {
		add(&r, "casino");
		del(&r, "casino");
	}
	assert_int_equal(r.policy->program->lists[0]->n_entries, 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keywords),
		cmocka_unit_test(test_empty_set),
		cmocka_unit_test(test_regexes),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_domains_and_jids),
		cmocka_unit_test(test_all_or_nothing),
		cmocka_unit_test(test_settle),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test_teardown(test_expiry, teardown),
		cmocka_unit_test_teardown(test_expired_comes_back, teardown),
		cmocka_unit_test(test_verdict_outlives_entry),
		cmocka_unit_test(test_two_fields),
		cmocka_unit_test(test_unused_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
