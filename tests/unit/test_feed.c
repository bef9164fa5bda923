/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* rules/feed: votes, weights, exceptions, ageing, hostile lines, and policies that feeds would break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "rules/feed.h"
#include "rules/list.h"
#include "rules/list_look.h"
#include "rules/policy.h"
#include "rules/rules.h"

static const char chain[] = "chain c { hook c2s; policy accept; rule r { url.host in @s drop } }\n";

/* A policy of this set, where the feeds a, b, c have these copies (NULL: none). */
static struct policy *policy_of(const char *set, const char *more, const char *a, const char *b, const char *c)
{
	const char *copies[] = { a, b, c };
	struct source_set sources;
	struct diag_list diags;
	struct policy *p = NULL;
	char text[8192], path[FEED_PATH_MAX];

	source_init(&sources, false);
	diag_init(&diags);
	snprintf(text, sizeof text, "set s { %s }\n%s", set, more);
	assert_int_equal(source_add(&sources, "/wall.conf", text, strlen(text)), 0);
	for (int i = 0; i < 3; i++) {
		char name[] = { (char)('a' + i), '\0' };

		feed_source_path("s", name, path);
		if (copies[i])
			assert_int_equal(source_add(&sources, path, copies[i], strlen(copies[i])), 0);
	}
	if (policy_load(&sources, "/wall.conf", NULL, NULL, &diags, &p) < 0)
		diag_print(&diags, stdout, false);
	assert_non_null(p);
	diag_fini(&diags);
	source_fini(&sources);
	return p;
}

static bool put(void *arg, const struct list_look *look)
{
	char *text = arg;

	sprintf(text + strlen(text), "%s%s", *text ? " " : "", look->text);
	return true;
}

static void expect_entries(const struct policy *p, const char *wanted)
{
	char text[65536] = "";

	assert_int_equal(policy_list_each(p, "s", put, text), 0);
	assert_string_equal(text, wanted);
}

static void check(const char *set, const char *a, const char *b, const char *c, const char *wanted)
{
	struct policy *p = policy_of(set, "", a, b, c);

	expect_entries(p, wanted);
	policy_unref(p);
}

#define FEEDS "feed a { url \"http://h/\"; } feed b { file \"/b\"; weight 2; } feed c { url \"https://h/\"; }"

static void votes_are_added_up(void **state)
{
	(void)state;
	check("type domain; " FEEDS, "x.example\n", "y.example\nx.example\n", NULL, "x.example y.example");
	check("type domain; votes 2; " FEEDS, "x.example\nz.example\n", "y.example\n", "z.example\n",
		"z.example y.example");
	check("type domain; votes 3; " FEEDS, "x.example\n", "X.Example\ny.example\n", NULL, "x.example");
	check("type domain; votes 4; " FEEDS, "x.example\ny.example", "x.example\ny.example", "y.example", "y.example");
	/* Naming it often is one vote. */
	check("type domain; votes 2; " FEEDS, "x.example\nx.example\nX.EXAMPLE\n", NULL, NULL, "");
	/* What a feed names no longer has aged out with the next copy. */
	check("type domain; " FEEDS, "", NULL, NULL, "");
}

static void own_entries_stay(void **state)
{
	(void)state;
	check("type domain; elements { own.example, x.example }; votes 2; " FEEDS, "own.example\n", "x.example\n", NULL,
		"own.example x.example");
}

static void exceptions_win(void **state)
{
	(void)state;
	check("type domain; except { good.example }; " FEEDS, "good.example\nbad.example\nsub.good.example\n", NULL, NULL,
		"bad.example sub.good.example");
	check("type domain; flags suffix; except { good.example }; " FEEDS, "good.example\nbad.example\nsub.good.example\n",
		NULL, NULL, "bad.example");
	check("type domain; elements { good.example }; except { good.example }; " FEEDS, "good.example\n", NULL, NULL,
		"good.example");
	check("type jid; except { a@good.example }; " FEEDS, "a@good.example/x\nA@good.example\nb@good.example\n", NULL, NULL,
		"b@good.example");
	check("type keyword; flags fold; except { \"casino\" }; " FEEDS, "CASINO\nbonus\n", NULL, NULL, "bonus");
}

static const char *found(const struct policy *p, const char *value)
{
	const struct list *l = program_find_list(p->program, "s");
	struct list_item item;
	bool in = l->type == LIST_JID ? list_find_jid(l, span_of(value), 1, &item)
		  : l->type == LIST_HASH ? list_find_hash(l, span_of(value), 1, &item)
				       : list_find_domain(l, span_of(value), 1, &item);
	static char text[256];

	snprintf(text, sizeof text, "%s", in ? item.text : "");
	return text;
}

/* A feed that names a whole domain leaves what is excepted below it alone; what the operator lists does not give way. */
static void narrow_exceptions_win(void **state)
{
	struct policy *p;

	(void)state;
	p = policy_of("type domain; flags suffix; except { a.example.com }; elements { mine.example }; " FEEDS, "",
		"example.com\nmine.example\nexample\n", NULL, NULL);
	expect_entries(p, "mine.example example.com example");
	assert_string_equal(found(p, "example.com"), "example.com");
	assert_string_equal(found(p, "b.example.com"), "example.com");
	assert_string_equal(found(p, "a.example.com"), "");
	assert_string_equal(found(p, "x.a.example.com"), "");
	assert_string_equal(found(p, "xa.example.com"), "example.com");
	assert_string_equal(found(p, "x.mine.example"), "mine.example");
	policy_unref(p);
	/* Both a feed and the operator want it. */
	p = policy_of("type domain; flags suffix; except { a.b.example }; elements { b.example }; " FEEDS, "",
		"b.example\nc.b.example\n", NULL, NULL);
	assert_string_equal(found(p, "x.a.b.example"), "b.example");
	policy_unref(p);
	/* Beyond what a feed wants there is what the operator wants. */
	p = policy_of("type domain; flags suffix; except { a.c.b.example }; elements { b.example }; " FEEDS, "",
		"c.b.example\n", NULL, NULL);
	assert_string_equal(found(p, "a.c.b.example"), "b.example");
	assert_string_equal(found(p, "d.c.b.example"), "c.b.example");
	policy_unref(p);
	p = policy_of("type jid; except { \"a@b.example/good\" }; " FEEDS, "", "a@b.example\n", NULL, NULL);
	assert_string_equal(found(p, "a@b.example/bad"), "a@b.example");
	assert_string_equal(found(p, "a@b.example/good"), "");
	policy_unref(p);
}

static void exceptions_are_cut_out_of_networks(void **state)
{
	(void)state;
	check("type address; except { 192.0.2.5, 198.51.100.0/24 }; " FEEDS,
		"192.0.2.4/30\n198.51.100.0/25\n203.0.113.9\n192.0.2.5\n", NULL, NULL,
		"192.0.2.4 192.0.2.6-192.0.2.7 203.0.113.9");
	check("type address; except { 2001:db8::1 }; " FEEDS, "2001:db8::/126\n", NULL, NULL,
		"2001:db8:: 2001:db8::2-2001:db8::3");
	check("type address; except { 0.0.0.0/1, 128.0.0.0/1 }; " FEEDS, "0.0.0.0/0\n", NULL, NULL, "");
	check("type address; except { 255.255.255.255 }; " FEEDS, "255.255.255.254/31\n", NULL, NULL, "255.255.255.254");
}

static void hostile_lines_are_passed_over(void **state)
{
	char *deep = malloc(3000000);

	(void)state;
	memset(deep, 'a', 3000000);
	deep[2999999] = '\0';
	check("type domain; " FEEDS, deep, "\xef\xbb\xbf" "bom.example\r\n\r\n# x\nnot a domain\n\xff\xfe\nlast.example",
		NULL, "bom.example last.example");
	check("type address; " FEEDS, "1.2.3.4.5\n::/129\n10.0.0.9-10.0.0.1\n192.0.2.1 until 1999-01-01\n", "192.0.2.2\n", NULL,
		"192.0.2.2");
	check("type regex; " FEEDS, "/(a+)+$/\n/[/\n/x/q\n", NULL, NULL, "/(a+)+$/");
	free(deep);
}

static void live_edits_do_not_take_out_what_feeds_name(void **state)
{
	struct policy *p = policy_of("type domain; " FEEDS, chain, "x.example\n", NULL, NULL);
	struct span x = span_of("x.example"), short_x = span_of("x.example until 2099-01-01");

	(void)state;
	assert_int_equal(policy_list_edit(p, "s", &short_x, 1, NULL, 0), 0);
	assert_int_equal(policy_list_edit(p, "s", NULL, 0, &x, 1), 0);
	expect_entries(p, "x.example");
	policy_unref(p);
}

static void feeds_break_no_policy(void **state)
{
	static const char expect[] = "expect \"friend\" { from \"a@b.example\" to \"b@c.example\"\n"
				     "stanza \"<message><body>http://friend.example/</body></message>\"\n"
				     "verdict accept }\n";
	char more[1024];
	struct policy *p;

	(void)state;
	snprintf(more, sizeof more, "%s%s", chain, expect);
	p = policy_of("type domain; elements { own.example }; " FEEDS, more, "foe.example\n", NULL, NULL);
	expect_entries(p, "own.example foe.example");
	assert_null(policy_feeds_trouble(p));
	policy_unref(p);
	p = policy_of("type domain; elements { own.example }; " FEEDS, more, "friend.example\n", NULL, NULL);
	expect_entries(p, "own.example");
	assert_non_null(strstr(policy_feeds_trouble(p), "accept"));
	policy_unref(p);
}

static void settings_come_out(void **state)
{
	struct policy *p = policy_of("type domain; votes 3; " FEEDS
				     " feed d { url \"http://h/x\"; every 90s; shrink 10; size 2k; timeout 5s; weight 7; }",
		"", NULL, NULL, NULL);
	const struct feed_info *feeds;
	unsigned votes;
	size_t n, good, bad, line;
	const char *except, *why;

	(void)state;
	feeds = policy_feeds(p, "s", &n, &votes, &except);
	assert_int_equal(n, 4);
	assert_int_equal(votes, 3);
	assert_null(except);
	assert_string_equal(feeds[0].url, "http://h/");
	assert_int_equal(feeds[0].every_ms, 3600000);
	assert_int_equal(feeds[0].shrink, 50);
	assert_string_equal(feeds[1].file, "/b");
	assert_int_equal(feeds[3].every_ms, 90000);
	assert_int_equal(feeds[3].size_max, 2048);
	assert_int_equal(feeds[3].timeout_ms, 5000);
	assert_int_equal(feeds[3].weight, 7);
	assert_int_equal(policy_feed_count(p, "s", span_of("# x\na.example\n<html>\nb.example"), &good, &bad, &line, &why), 0);
	assert_int_equal(good, 2);
	assert_int_equal(bad, 1);
	assert_int_equal(line, 3);
	assert_string_equal(why, "not a domain name");
	policy_unref(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(votes_are_added_up),
		cmocka_unit_test(own_entries_stay),
		cmocka_unit_test(exceptions_win),
		cmocka_unit_test(narrow_exceptions_win),
		cmocka_unit_test(exceptions_are_cut_out_of_networks),
		cmocka_unit_test(hostile_lines_are_passed_over),
		cmocka_unit_test(live_edits_do_not_take_out_what_feeds_name),
		cmocka_unit_test(feeds_break_no_policy),
		cmocka_unit_test(settings_come_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
