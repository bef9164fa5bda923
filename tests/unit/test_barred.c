/* link: ctl door */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that are kept out: in the ledger (counts, forgiving, ceilings, restarts), as written (odd
 * Unicode), and before the rules (door/barred), where the daemon's word may be rubbish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/err.h"
#include "ctl/barred.h"
#include "door/barred.h"
#include "tests/unit/ledger_lab.h"
#include "xmpp/text.h"

static struct ledger_bar make(const char *name, int64_t since, int64_t until)
{
	struct ledger_bar bar = { .kind = strchr(name, '@') ? LEDGER_JID : LEDGER_DOMAIN,
		.since_ms = since,
		.until_ms = until,
		.why = "spam",
		.rule = "in/spam",
		.id = "k7f3",
		.strikes = 5 };

	snprintf(bar.name, sizeof(bar.name), "%s", name);
	return bar;
}

static bool visit_count(void *arg, const struct ledger_bar *bar)
{
	assert_true(*bar->name);
	++*(unsigned *)arg;
	return true;
}

static unsigned standing(struct ledger *l, int64_t now)
{
	unsigned n = 0;

	assert_int_equal(ledger_barred_each(l, now, visit_count, &n), 0);
	assert_int_equal(ledger_barred_count(l, now), n);
	return n;
}

static void test_life_of_a_bar(void **state)
{
	struct fixture *f = *state;
	struct ledger_bar bar = make("a@x.example", 1000, 2000), found;

	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	assert_int_equal(bar.count, 1);
	bar = make("x.example", 1000, 0);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	ledger_close(f->l);
	assert_int_equal(ledger_open(f->path, &f->l, NULL), 0);
	assert_int_equal(standing(f->l, 1999), 2);
	assert_int_equal(standing(f->l, 2000), 1);
	assert_int_equal(ledger_barred_next_end(f->l, 1000), 2000);
	assert_int_equal(ledger_barred_next_end(f->l, 2000), 0);
	assert_int_equal(ledger_bar_find(f->l, LEDGER_JID, "a@x.example", &found), 0);
	assert_string_equal(found.rule, "in/spam");
	assert_false(ledger_bar_stands(&found, 2000));
	assert_int_equal(ledger_bar_find(f->l, LEDGER_DOMAIN, "a@x.example", &found), ERR_NOTFOUND);
	/* A standing one never gets shorter by punishment, and is one. */
	bar = make("a@x.example", 1500, 1600);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	assert_int_equal(bar.until_ms, 2000);
	assert_int_equal(bar.count, 1);
	/* The next counts; what was forgiven does not. */
	bar = make("a@x.example", 3000, 4000);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	assert_int_equal(bar.count, 2);
	assert_int_equal(ledger_bar_previous(&bar, 4500, 500), 1);
	bar = make("a@x.example", 4500, 5000);
	bar.forgive_ms = 500;
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	assert_int_equal(bar.count, 2);
	/* Taken back, it does not count, and no longer stands. */
	assert_int_equal(ledger_bar_end(f->l, LEDGER_JID, "a@x.example", 4600), 0);
	assert_int_equal(ledger_bar_end(f->l, LEDGER_JID, "a@x.example", 4600), ERR_NOTFOUND);
	assert_int_equal(ledger_bar_find(f->l, LEDGER_JID, "a@x.example", &found), 0);
	assert_int_equal(found.count, 1);
	assert_int_equal(standing(f->l, 4600), 1);
	assert_int_equal(ledger_barred_forget(f->l, 4601 + LEDGER_MEMORY_MS), 0);
	assert_int_equal(ledger_bar_find(f->l, LEDGER_JID, "a@x.example", &found), ERR_NOTFOUND);
}

/* Names may be long: their bytes have a ceiling of their own; what has ended gives way first. */
static void test_full(void **state)
{
	struct fixture *f = *state;
	struct ledger_bar bar;
	char name[LEDGER_NAME_SIZE];
	unsigned n = 0;
	int r = 0;

	for (unsigned i = 0; r == 0; i++) {
		memset(name, 'x', 2050);
		snprintf(name + 2040, 60, "%u@x.example", i);
		bar = make(name, 1000, 2000);
		if ((r = ledger_bar_add(f->l, &bar, LEDGER_EXTEND)) == 0)
			n++;
	}
	assert_int_equal(r, ERR_LIMIT);
	assert_true(n > 8000 && n < 8400);
	bar = make(name, 2000, 3000);
	assert_int_equal(ledger_bar_add(f->l, &bar, LEDGER_EXTEND), 0);
	assert_int_equal(standing(f->l, 2000), 1);
}

static void test_names_as_written(void **state)
{
	static const struct {
		const char *text, *name; /* NULL: refused */
	} cases[] = {
		{ "Tybalt@Verona.Example", "tybalt@verona.example" },
		{ "tybalt@verona.example.", "tybalt@verona.example" },
		{ "STRA\xc3\x9f"
		  "E@x.example",
			"strasse@x.example" },
		{ "\xef\xbc\xa1nn@x.example", "ann@x.example" }, /* full width */
		{ "a\xc2\xad"
		  "b@x.example",
			"ab@x.example" }, /* soft hyphen */
		{ "ann@xn--mnchen-3ya.example", "ann@m\xc3\xbcnchen.example" },
		{ "M\xc3\x9cNCHEN.example", "m\xc3\xbcnchen.example" },
		{ "spam.example", "spam.example" },
		{ "tybalt@verona.example/home", NULL },
		{ "300.1.2.3", NULL },
		{ "192.0.2.1:5222", NULL },
		{ "nobody", NULL },
		{ "", NULL },
		{ "@x.example", NULL },
		{ "a b@x.example", NULL },
		{ "a@b@c", NULL },
		{ "\xff\xfe@x.example", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ledger_bar bar = { 0 };
		int r = barred_parse(cases[i].text, &bar);

		if (!cases[i].name) {
			assert_int_not_equal(r, 0);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(bar.name, cases[i].name);
		assert_int_equal(bar.kind, strchr(cases[i].name, '@') ? LEDGER_JID : LEDGER_DOMAIN);
	}
}

/* ---- before the rules ---- */

static bool order(bool (*take)(json_t *msg), const char *text)
{
	json_t *msg = json_loads(text, 0, NULL);
	bool fine;

	assert_non_null(msg);
	fine = take(msg);
	json_decref(msg);
	return fine;
}

static bool judge(
	const char *jid, const char *domain, enum direction direction, enum verdict_kind *kind)
{
	struct subject s = { .session_jid = jid, .session_domain = domain, .direction = direction };
	struct verdict v;
	bool found = barred_judge(&s, &v);

	if (found) {
		*kind = v.kind;
		assert_string_equal(v.chain, "punish");
		assert_int_equal(v.condition, STANZA_ERROR_POLICY_VIOLATION);
		assert_true(*v.id);
		assert_true(verdict_is_notable(&v));
	}
	return found;
}

static void test_before_the_rules(void **state)
{
	enum verdict_kind kind;
	struct verdict v;

	(void)state;
	barred_init(NULL);
	assert_false(barred_any());
	assert_true(order(barred_take,
		"{\"add\":[[0,\"a@x.example\",\"account\"],[1,\"evil.example\",\"server\"],"
		"[1,\"x.example\",\"server\"]]}"));
	assert_true(barred_any());
	assert_true(judge("A@X.example/home", "x.example", DIRECTION_IN, &kind));
	assert_int_equal(kind, VERDICT_CLOSE);
	/* What rules bar is never the domain that is served here; by hand it may be. */
	assert_false(judge("b@x.example/home", "X.EXAMPLE", DIRECTION_IN, &kind));
	assert_true(judge("b@evil.example/x", "x.example", DIRECTION_IN, &kind));
	assert_true(order(barred_take, "{\"add\":[[1,\"x.example\",\"operator\"]]}"));
	assert_true(judge("b@x.example/home", "x.example", DIRECTION_IN, &kind));
	assert_false(judge(NULL, NULL, DIRECTION_IN, &kind));
	assert_false(judge("", "", DIRECTION_IN, &kind));
	assert_true(barred_login("a@x.example", &v));
	assert_string_equal(v.rule, "account");
	assert_false(barred_login(NULL, &v));
	assert_true(order(barred_let_go,
		"{\"del\":[[0,\"a@x.example\"],[1,\"x.example\"],[0,\"nobody@x\"]]}"));
	assert_false(judge("a@x.example/home", "x.example", DIRECTION_IN, &kind));
	assert_true(order(barred_take, "{\"anew\":true,\"add\":[]}"));
	assert_false(barred_any());
}

static void test_rubbish_from_the_daemon(void **state)
{
	static const char *const rubbish[] = { "{}", "{\"add\":7}", "{\"add\":[7]}",
		"{\"add\":[[]]}", "{\"add\":[[0,\"a@x\"]]}", "{\"add\":[[2,\"a@x\",\"r\"]]}",
		"{\"add\":[[-1,\"a@x\",\"r\"]]}", "{\"add\":[[0,7,\"r\"]]}",
		"{\"add\":[[0,\"\",\"r\"]]}", "{\"add\":[[\"0\",\"a@x\",\"r\"]]}" };

	(void)state;
	for (size_t i = 0; i < sizeof(rubbish) / sizeof(*rubbish); i++)
		assert_false(order(barred_take, rubbish[i]));
	assert_false(order(barred_let_go, "{\"del\":[[9,\"a\"]]}"));
	assert_true(order(barred_take, "{\"anew\":true,\"add\":[]}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life_of_a_bar, open_ledger, close_ledger),
		cmocka_unit_test_setup_teardown(test_full, open_ledger, close_ledger),
		cmocka_unit_test(test_names_as_written),
		cmocka_unit_test(test_before_the_rules),
		cmocka_unit_test(test_rubbish_from_the_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
