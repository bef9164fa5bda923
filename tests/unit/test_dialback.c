/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The law of dialback, cell by cell: who may say what about whom on a stream between servers, and
 * which pairs become valid by it (XEP-0220, XEP-0288). Our domains are home.example and
 * rooms.home.example; strict.example is one whose policy takes no dialback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/err.h"
#include "dialback_lab.h"

#define STEPS(lab, ...)                                                                            \
	do {                                                                                       \
		const struct step steps[] = { __VA_ARGS__ };                                       \
		for (size_t step_at = 0; step_at < sizeof(steps) / sizeof(steps[0]); step_at++)    \
			step(lab, &steps[step_at]);                                                \
	} while (0)

static bool legal(struct lab *lab, enum side side, const char *from, const char *to)
{
	return dialback_is_legal(&lab->d, side, span_of(from), span_of(to));
}

#define ASK(from, to)        "<db:result from='" from "' to='" to "'>key</db:result>"
#define TELL(from, to, type) "<db:result from='" from "' to='" to "' type='" type "'/>"
#define VERIFY(from, to, id) "<db:verify from='" from "' to='" to "' id='" id "'>key</db:verify>"
#define VERIFIED(from, to, id, type)                                                               \
	"<db:verify from='" from "' to='" to "' id='" id "' type='" type "'/>"

/* ---- the ways that lead somewhere ---- */

static void a_pair_is_asked_for_and_valid(void **state)
{
	struct lab lab;
	struct said said;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	said = say(&lab, I, ASK("Far.Example", "home.example."));
	assert_int_equal(said.fate, PASS);
	/* Keys are made of the names as they are written (XEP-0185). */
	assert_string_equal(said.written,
		"<db:result from=\"Far.Example\" to=\"home.example.\">key</db:result>");
	assert_non_null(said.out.pair);
	assert_int_equal(said.out.side, I);
	assert_int_equal(said.out.pair->state, PAIR_ASKED);
	assert_string_equal(said.out.pair->from.ptr, FAR);
	assert_false(legal(&lab, I, FAR, HOME));
	free(said.written);
	/* Prosody 0.12 says the key again, and an id. */
	said = say(&lab, R,
		"<db:result from='home.example' to='far.example' id='x' "
		"type='valid'>key</db:result>");
	assert_int_equal(said.fate, PASS);
	assert_string_equal(said.written,
		"<db:result from=\"home.example\" to=\"far.example\" id=\"x\" type=\"valid\">key"
		"</db:result>");
	assert_int_equal(said.out.pair->state, PAIR_VALID);
	assert_int_equal(said.out.pair->how, PAIR_BY_DIALBACK);
	assert_int_equal(said.out.side, I);
	assert_true(legal(&lab, I, FAR, HOME));
	assert_false(legal(&lab, R, HOME, FAR));
	assert_false(legal(&lab, I, HOME, FAR));
	free(said.written);
	lab_close(&lab);
}

static void invalid_and_error_refuse_a_pair(void **state)
{
	static const char *const types[] = { "invalid", "error" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct lab lab;
		char text[128];

		lab_open(&lab, SIDE_RECEIVER);
		snprintf(text, sizeof(text), TELL(HOME, FAR, "%s"), types[i]);
		STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL }, { R, text, PASS, NULL, NULL });
		assert_int_equal(pairs_count(&lab.d.pairs, SIDE_INITIATOR, PAIR_REFUSED), 1);
		assert_false(legal(&lab, I, FAR, HOME));
		/* Once answered it is unsolicited; the next try is a new one. */
		STEPS(&lab, { R, text, EAT, "dialback.unsolicited", "" },
			{ I, ASK(FAR, HOME), PASS, NULL, NULL },
			{ R, TELL(HOME, FAR, "valid"), PASS, NULL, NULL },
			{ R, TELL(HOME, FAR, "valid"), END, "dialback.unsolicited", "" });
		assert_true(legal(&lab, I, FAR, HOME));
		lab_close(&lab);
	}
}

static void several_pairs_share_a_stream(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL },
		{ I, ASK("rooms." FAR, HOME), PASS, NULL, NULL },
		{ I, ASK(FAR, "rooms." HOME), PASS, NULL, NULL },
		{ R, TELL("rooms." HOME, FAR, "valid"), PASS, NULL, NULL },
		{ R, TELL(HOME, "rooms." FAR, "error"), PASS, NULL, NULL },
		{ R, TELL(HOME, FAR, "valid"), PASS, NULL, NULL });
	assert_true(legal(&lab, I, FAR, HOME));
	assert_true(legal(&lab, I, FAR, "rooms." HOME));
	assert_false(legal(&lab, I, "rooms." FAR, HOME));
	assert_false(legal(&lab, I, "rooms." FAR, "rooms." HOME));
	lab_close(&lab);
}

static void outward_it_is_the_same(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_INITIATOR);
	STEPS(&lab, { I, ASK(HOME, FAR), PASS, NULL, NULL },
		{ R, TELL(FAR, HOME, "valid"), PASS, NULL, NULL },
		{ I, ASK(FAR, "other.example"), EAT, "dialback.from", "<not-allowed" },
		{ I, ASK(HOME, "strict.example"), EAT, "dialback.policy", "<not-authorized" });
	assert_true(legal(&lab, I, HOME, FAR));
	assert_false(legal(&lab, R, FAR, HOME));
	lab_close(&lab);
}

static void keys_are_verified(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	STEPS(&lab, { I, VERIFY(FAR, HOME, "s1"), PASS, NULL, NULL },
		{ I, VERIFY(FAR, HOME, "s2"), PASS, NULL, NULL },
		{ R, VERIFIED(HOME, FAR, "s2", "valid"), PASS, NULL, NULL },
		{ R, VERIFIED(HOME, FAR, "s1", "invalid"), PASS, NULL, NULL });
	/* That says nothing of this stream. */
	assert_false(legal(&lab, I, FAR, HOME));
	assert_int_equal(lab.d.n_open, 0);
	lab_close(&lab);
}

static void external_is_one_pair(void **state)
{
	struct lab lab;
	struct arena a;
	const struct pair *pair;

	(void)state;
	arena_init(&a, 0);
	lab_open(&lab, SIDE_RECEIVER);
	assert_int_equal(dialback_external(&lab.d, &a, "Far.example", "HOME.example", &pair), 0);
	assert_int_equal(pair->how, PAIR_BY_EXTERNAL);
	assert_true(legal(&lab, I, FAR, HOME));
	assert_false(legal(&lab, I, FAR, "rooms." HOME));
	assert_false(legal(&lab, R, HOME, FAR));
	assert_int_equal(dialback_external(&lab.d, &a, "a@b", HOME, NULL), ERR_SYNTAX);
	assert_int_equal(dialback_external(&lab.d, &a, FAR, "", NULL), ERR_SYNTAX);
	/* Asked for again, it stays until the answer is there. */
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL });
	assert_true(legal(&lab, I, FAR, HOME));
	STEPS(&lab, { R, TELL(HOME, FAR, "valid"), PASS, NULL, NULL });
	assert_int_equal(pair->how, PAIR_BY_EXTERNAL);
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL },
		{ R, TELL(HOME, FAR, "invalid"), PASS, NULL, NULL });
	assert_false(legal(&lab, I, FAR, HOME));
	lab_close(&lab);
	arena_fini(&a);
}

/* ---- lies and changes ---- */

/* What ends a stream made nothing valid. */
static void a_lie_leaves_no_trace(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL },
		{ I, TELL(FAR, HOME, "valid"), END, "dialback.unsolicited", "" },
		{ I, TELL(HOME, FAR, "valid"), END, "dialback.unsolicited", "" });
	assert_int_equal(pairs_count(&lab.d.pairs, SIDE_INITIATOR, PAIR_VALID), 0);
	assert_int_equal(pairs_count(&lab.d.pairs, SIDE_RECEIVER, PAIR_VALID), 0);
	assert_int_equal(lab.d.pairs.said_by[R].n, 0);
	lab_close(&lab);
}

/* What was answered by us was never asked for. */
static void a_refused_request_is_not_open(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	STEPS(&lab, { I, ASK("strict.example", HOME), EAT, "dialback.policy", NULL },
		{ R, TELL(HOME, "strict.example", "valid"), END, "dialback.unsolicited", "" });
	assert_false(legal(&lab, I, "strict.example", HOME));
	lab_close(&lab);
}

static void the_policy_may_change_meanwhile(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL });
	lab.changed_mind = true;
	STEPS(&lab,
		{ R,
			"<db:result from='home.example' to='far.example' type='valid' "
			"id='x'>key</db:result>",
			PASS, "dialback.policy",
			"<db:result from=\"home.example\" to=\"far.example\" type=\"error\" "
			"id=\"x\"><error "
			"type=\"cancel\"><not-authorized "
			"xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></db:result>" });
	assert_false(legal(&lab, I, FAR, HOME));
	lab_close(&lab);
}

/* ---- bidi ---- */

static void bidi_makes_the_twin_legal(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	dialback_offer_bidi(&lab.d);
	STEPS(&lab,
		{ I,
			"<bidi xmlns='urn:xmpp:bidi' x='1'>t<limits "
			"xmlns='urn:xmpp:stream-limits:0'><max-bytes>9</max-bytes></limits><y/></"
			"bidi>",
			PASS, "dialback.stripped",
			"<bidi xmlns=\"urn:xmpp:bidi\"><limits "
			"xmlns=\"urn:xmpp:stream-limits:0\"><max-bytes>9</max-bytes></limits></"
			"bidi>" },
		{ I, ASK(FAR, HOME), PASS, NULL, NULL });
	assert_false(legal(&lab, R, HOME, FAR));
	STEPS(&lab, { R, TELL(HOME, FAR, "valid"), PASS, NULL, NULL });
	assert_true(legal(&lab, R, HOME, FAR));
	assert_false(legal(&lab, R, "rooms." HOME, FAR));
	assert_false(legal(&lab, R, FAR, HOME));
	/* XEP-0288 3: "S attempts to authenticate as a different domain as well" */
	STEPS(&lab, { R, ASK("rooms." HOME, FAR), PASS, NULL, NULL },
		{ I, TELL(FAR, "rooms." HOME, "valid"), PASS, NULL, NULL });
	assert_true(legal(&lab, R, "rooms." HOME, FAR));
	/* "Now S can send as conference.m.l as well as C sending to that domain." */
	assert_true(legal(&lab, I, FAR, "rooms." HOME));
	lab_close(&lab);
}

/* XEP-0478: the initiator says what it takes; we are between. */
static void bidis_limits_are_ours(void **state)
{
	struct lab lab;

	(void)state;
	lab_open(&lab, SIDE_RECEIVER);
	dialback_offer_bidi(&lab.d);
	lab.d.limits.stanza_bytes = 10000;
	STEPS(&lab,
		{ I,
			"<bidi xmlns='urn:xmpp:bidi'><limits xmlns='urn:xmpp:stream-limits:0'>"
			"<max-bytes>99999</max-bytes><idle-seconds>9</idle-seconds></limits></"
			"bidi>",
			PASS, NULL,
			"<limits xmlns=\"urn:xmpp:stream-limits:0\"><idle-seconds>9</idle-seconds>"
			"<max-bytes>10000</max-bytes></limits>" });
	lab_close(&lab);
}

static void bidi_comes_before_authentication(void **state)
{
	static const char bidi[] = "<bidi xmlns='urn:xmpp:bidi'/>";
	struct lab lab;
	struct arena a;

	(void)state;
	arena_init(&a, 0);
	lab_open(&lab, SIDE_RECEIVER);
	dialback_offer_bidi(&lab.d);
	/* Who verifies first, has not begun. */
	STEPS(&lab, { I, VERIFY(FAR, HOME, "s1"), PASS, NULL, NULL },
		{ I, ASK(FAR, HOME), PASS, NULL, NULL }, { I, bidi, END, "dialback.bidi", "" });
	lab_close(&lab);
	lab_open(&lab, SIDE_RECEIVER);
	dialback_offer_bidi(&lab.d);
	assert_int_equal(dialback_external(&lab.d, &a, FAR, HOME, NULL), 0);
	STEPS(&lab, { I, bidi, END, "dialback.bidi", "" });
	assert_false(legal(&lab, R, HOME, FAR));
	lab_close(&lab);
	lab_open(&lab, SIDE_RECEIVER);
	dialback_offer_bidi(&lab.d);
	STEPS(&lab, { I, VERIFY(FAR, HOME, "s1"), PASS, NULL, NULL },
		{ I, bidi, PASS, NULL, "<bidi xmlns=\"urn:xmpp:bidi\"/>" });
	assert_int_equal(dialback_external(&lab.d, &a, FAR, HOME, NULL), 0);
	assert_true(legal(&lab, R, HOME, FAR));
	lab_close(&lab);
	arena_fini(&a);
}

static void what_was_refused_has_no_twin(void **state)
{
	struct lab lab;
	struct arena a;

	(void)state;
	arena_init(&a, 0);
	lab_open(&lab, SIDE_RECEIVER);
	lab.d.bidi = true;
	assert_int_equal(dialback_external(&lab.d, &a, FAR, HOME, NULL), 0);
	STEPS(&lab, { R, ASK(HOME, FAR), PASS, NULL, NULL });
	assert_true(legal(&lab, R, HOME, FAR));
	STEPS(&lab, { I, TELL(FAR, HOME, "invalid"), PASS, NULL, NULL });
	assert_false(legal(&lab, R, HOME, FAR));
	assert_true(legal(&lab, I, FAR, HOME));
	lab_close(&lab);
	arena_fini(&a);
}

/* ---- stanzas ---- */

static void a_stanzas_addresses(void **state)
{
	static const struct {
		enum side side;
		const char *from, *to;
		bool legal;
	} cases[] = {
		{ I, "far.example", "home.example", true },
		{ I, "a@far.example/r", "b@home.example", true },
		{ I, "a@FAR.Example./r@home.example", "b@Home.EXAMPLE", true },
		{ I, "a@xn--mnchen-3ya.example", "home.example", true },
		{ I, "a@m\xc3\xbcnchen.example", "home.example", true },
		{ I, "a@M\xc3\x9cNCHEN.example/x", "home.example", true },
		{ I, NULL, "home.example", false },
		{ I, "far.example", NULL, false },
		{ I, "", "home.example", false },
		{ I, "home.example", "far.example", false },
		{ R, "home.example", "far.example", false },
		{ I, "far.example/home.example", "rooms.home.example", false },
		{ I, "x.example/a@far.example", "home.example", false },
		{ I, "far.example@x.example", "home.example", false },
		{ I, "a@b@far.example", "home.example", false },
		{ I, "a@far.example", "b@home.example.evil", false },
		{ I, "a@sub.far.example", "b@home.example", false },
	};
	struct lab lab;
	struct arena a;

	(void)state;
	arena_init(&a, 0);
	lab_open(&lab, SIDE_RECEIVER);
	assert_int_equal(dialback_external(&lab.d, &a, FAR, HOME, NULL), 0);
	assert_int_equal(dialback_external(&lab.d, &a, "m\xc3\xbcnchen.example", HOME, NULL), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (dialback_takes(&lab.d, cases[i].side, &a, cases[i].from, cases[i].to) !=
			cases[i].legal)
			fail_msg("%s to %s", cases[i].from, cases[i].to);
	/* Prepared text costs no memory. */
	arena_reset(&a);
	assert_true(dialback_takes(&lab.d, I, &a, "u@far.example/r", "v@home.example"));
	assert_int_equal(a.used, 0);
	lab_close(&lab);
	arena_fini(&a);
}

/* ---- ceilings ---- */

static struct said ask_number(struct lab *lab, unsigned i)
{
	char text[128];

	snprintf(text, sizeof(text), ASK("n%u.example", HOME), i);
	return say(lab, I, text);
}

static void answer_number(struct lab *lab, unsigned i, const char *type)
{
	char text[128];
	struct said said;

	snprintf(text, sizeof(text), TELL(HOME, "n%u.example", "%s"), i, type);
	said = say(lab, R, text);
	assert_int_equal(said.fate, PASS);
	free(said.written);
}

static void expect_number(struct lab *lab, unsigned i, enum dialback_fate fate, const char *reason)
{
	struct said said = ask_number(lab, i);

	assert_int_equal(said.fate, fate);
	if (reason)
		assert_string_equal(said.out.reason, reason);
	else
		assert_null(said.out.reason);
	free(said.written);
}

static void open_requests_have_a_ceiling(void **state)
{
	struct lab lab;

	(void)state;
	clock_freeze(1000000000, 0);
	lab_open(&lab, SIDE_RECEIVER);
	for (unsigned i = 0; i < 32; i++)
		expect_number(&lab, i, PASS, NULL);
	expect_number(&lab, 32, EAT, "dialback.open");
	STEPS(&lab, { I, VERIFY(FAR, HOME, "s1"), EAT, "dialback.open", "<resource-constraint" });
	answer_number(&lab, 7, "valid");
	expect_number(&lab, 32, PASS, NULL);
	expect_number(&lab, 33, EAT, "dialback.open");
	/* The oldest was not answered for two minutes: it gives way, and its answer is late. */
	clock_advance(120000000000u);
	expect_number(&lab, 33, PASS, NULL);
	assert_int_equal(lab.d.n_open, 32);
	assert_null(pairs_find(&lab.d.pairs, I, span_of("n33"), span_of(HOME)));
	STEPS(&lab, { R, TELL(HOME, "n0.example", "error"), EAT, "dialback.unsolicited", "" },
		{ R, TELL(HOME, "n0.example", "valid"), END, "dialback.unsolicited", "" });
	answer_number(&lab, 1, "valid");
	assert_true(legal(&lab, I, "n1.example", HOME));
	lab_close(&lab);
	clock_thaw();
}

/* Whoever was never answered may try again. */
static void what_is_overdue_may_be_asked_again(void **state)
{
	struct lab lab;

	(void)state;
	clock_freeze(1000000000, 0);
	lab_open(&lab, SIDE_RECEIVER);
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL },
		{ I, VERIFY(FAR, HOME, "s1"), PASS, NULL, NULL });
	clock_advance(119000000000u);
	STEPS(&lab, { I, ASK(FAR, HOME), EAT, "dialback.twice", "" },
		{ I, VERIFY(FAR, HOME, "s1"), EAT, "dialback.twice", "" });
	clock_advance(1000000000u);
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL },
		{ I, VERIFY(FAR, HOME, "s1"), PASS, NULL, NULL });
	assert_int_equal(lab.d.n_open, 2);
	STEPS(&lab, { R, TELL(HOME, FAR, "valid"), PASS, NULL, NULL },
		{ R, TELL(HOME, FAR, "valid"), END, "dialback.unsolicited", "" });
	lab_close(&lab);
	clock_thaw();
}

static void pairs_have_a_ceiling(void **state)
{
	struct lab lab;

	(void)state;
	clock_freeze(1000000000, 0);
	lab_open(&lab, SIDE_RECEIVER);
	for (unsigned i = 0; i < 100; i++) {
		expect_number(&lab, i, PASS, NULL);
		answer_number(&lab, i, "valid");
	}
	expect_number(&lab, 100, EAT, "dialback.pairs");
	assert_int_equal(lab.d.n_open, 0);
	/* One of those there may be asked for again, and refused ones give way. */
	expect_number(&lab, 5, PASS, NULL);
	answer_number(&lab, 5, "invalid");
	expect_number(&lab, 100, PASS, NULL);
	answer_number(&lab, 100, "valid");
	assert_true(legal(&lab, I, "n100.example", HOME));
	assert_false(legal(&lab, I, "n5.example", HOME));
	lab_close(&lab);
	clock_thaw();
}

static void requests_have_a_rate(void **state)
{
	struct lab lab;

	(void)state;
	clock_freeze(1000000000, 0);
	lab_open(&lab, SIDE_RECEIVER);
	/* Refused ones count. */
	for (unsigned i = 0; i < 120; i++)
		STEPS(&lab, { I, ASK("strict.example", HOME), EAT, "dialback.policy", NULL });
	STEPS(&lab, { I, ASK("strict.example", HOME), END, "dialback.rate", "" });
	/* Half a minute into the next one, half of the last still counts: 58 of 121. */
	clock_advance(90000000000u);
	for (unsigned i = 0; i < 61; i++)
		STEPS(&lab, { I, ASK("strict.example", HOME), EAT, "dialback.policy", NULL });
	STEPS(&lab, { I, ASK("strict.example", HOME), EAT, "dialback.policy", NULL },
		{ I, ASK("strict.example", HOME), END, "dialback.rate", "" });
	clock_advance(3600000000000u);
	STEPS(&lab, { I, ASK("strict.example", HOME), EAT, "dialback.policy", NULL });
	lab_close(&lab);
	lab_open(&lab, SIDE_RECEIVER);
	/* So do answers to nothing, and what is said twice. */
	STEPS(&lab, { I, ASK(FAR, HOME), PASS, NULL, NULL });
	for (unsigned i = 0; i < 60; i++)
		STEPS(&lab, { I, ASK(FAR, HOME), EAT, "dialback.twice", NULL });
	for (unsigned i = 0; i < 59; i++)
		STEPS(&lab, { I, TELL(FAR, HOME, "error"), EAT, "dialback.unsolicited", NULL });
	STEPS(&lab, { I, TELL(FAR, HOME, "error"), END, "dialback.rate", NULL });
	lab_close(&lab);
	clock_thaw();
}

static void what_is_too_long_ends_it(void **state)
{
	struct lab lab;
	char key[1200], text[1400];

	(void)state;
	memset(key, 'k', sizeof(key));
	lab_open(&lab, SIDE_RECEIVER);
	key[1024] = '\0';
	snprintf(text, sizeof(text),
		"<db:result from='far.example' to='home.example'>%s</db:result>", key);
	STEPS(&lab, { I, text, PASS, NULL, NULL });
	key[1024] = 'k';
	key[1025] = '\0';
	snprintf(text, sizeof(text),
		"<db:result from='far.example' to='home.example'>%s</db:result>", key);
	STEPS(&lab, { I, text, END, "dialback.size", "" });
	key[257] = '\0';
	snprintf(text, sizeof(text),
		"<db:verify from='far.example' to='home.example' id='%s'>k</db:verify>", key);
	STEPS(&lab, { I, text, END, "dialback.size", "" });
	key[256] = '\0';
	snprintf(text, sizeof(text), "<db:result from='%s' to='home.example'>k</db:result>", key);
	STEPS(&lab, { I, text, END, "dialback.address", "" });
	lab_close(&lab);
}

/* Two boxes back to back, and tests: without knowledge nothing is refused for it. */
static void without_knowledge(void **state)
{
	struct lab lab;

	(void)state;
	dialback_init(&lab.d, SIDE_RECEIVER, &(struct dialback_limits){ .open = 1 },
		&(struct dialback_asks){ 0 });
	STEPS(&lab, { I, ASK("a.example", "b.example"), PASS, NULL, NULL },
		{ I, ASK("c.example", "d.example"), EAT, "dialback.open", "<resource-constraint" },
		{ R, TELL("b.example", "a.example", "valid"), PASS, NULL, NULL },
		{ I, ASK("c.example", "c.example"), EAT, "dialback.same", NULL });
	assert_true(legal(&lab, I, "a.example", "b.example"));
	lab_close(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_asked_for_and_valid),
		cmocka_unit_test(invalid_and_error_refuse_a_pair),
		cmocka_unit_test(several_pairs_share_a_stream),
		cmocka_unit_test(outward_it_is_the_same),
		cmocka_unit_test(keys_are_verified),
		cmocka_unit_test(external_is_one_pair),
		cmocka_unit_test(a_lie_leaves_no_trace),
		cmocka_unit_test(a_refused_request_is_not_open),
		cmocka_unit_test(the_policy_may_change_meanwhile),
		cmocka_unit_test(bidi_makes_the_twin_legal),
		cmocka_unit_test(bidis_limits_are_ours),
		cmocka_unit_test(bidi_comes_before_authentication),
		cmocka_unit_test(what_was_refused_has_no_twin),
		cmocka_unit_test(a_stanzas_addresses),
		cmocka_unit_test(open_requests_have_a_ceiling),
		cmocka_unit_test(what_is_overdue_may_be_asked_again),
		cmocka_unit_test(pairs_have_a_ceiling),
		cmocka_unit_test(requests_have_a_rate),
		cmocka_unit_test(what_is_too_long_ends_it),
		cmocka_unit_test(without_knowledge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
