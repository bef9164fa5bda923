/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/gate: packets through the live inspector, what is held, what is judged, and what their
 * receivers read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/gate_words.h"

static void test_honest(void **state)
{
	struct lab *l = component();
	size_t before = l->ends[FLOW_CLIENT].next;

	(void)state;
	say(l, FLOW_CLIENT, GOOD GOOD);
	say(l, FLOW_SERVER, GOOD);
	assert_string_equal(got(l, FLOW_CLIENT) + before, GOOD GOOD);
	assert_int_equal(gate_load(l->gate).held_packets, 0);
	assert_int_equal(l->acts[GATE_FORWARDED], 3);
	lab_end(l);
}

/* However it is cut, the stanza vanishes and the stream lives. */
static void test_blanked(void **state)
{
	static const size_t steps[] = { 1400, 100, 30, 7, 1 };

	(void)state;
	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
		struct lab *l = component();

		say_in(l, FLOW_CLIENT, GOOD BAD GOOD, steps[s]);
		assert_false(has(l, FLOW_CLIENT, "casino"));
		assert_int_equal(spaces(got(l, FLOW_CLIENT)), strlen(BAD));
		assert_int_equal(l->ends[FLOW_CLIENT].next, l->seq[FLOW_CLIENT]);
		assert_int_equal(l->acts[GATE_BLANKED], 1);
		say(l, FLOW_SERVER, GOOD);
		assert_true(has(l, FLOW_SERVER, GOOD));
		lab_end(l);
	}
}

/* Every later copy says the same, also one with a cut of its own. */
static void test_sent_again(void **state)
{
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	l->acks = false;
	say(l, FLOW_CLIENT, BAD);
	/* Its receiver lost it. */
	memset(l->ends[FLOW_CLIENT].have + at, 0, ROOM - at);
	memset(l->ends[FLOW_CLIENT].got + at, 0, ROOM - at);
	l->ends[FLOW_CLIENT].next = at;
	segment(l, FLOW_CLIENT, at, BAD, 20);
	segment(l, FLOW_CLIENT, at + 10, &BAD[10], strlen(BAD) - 10);
	assert_int_equal(spaces(got(l, FLOW_CLIENT) + at), strlen(BAD));
	lab_end(l);
}

static void test_out_of_order(void **state)
{
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT], len = strlen(BAD GOOD);

	(void)state;
	for (size_t n = len; n > 0; n--)
		segment(l, FLOW_CLIENT, at + n - 1, &(BAD GOOD)[n - 1], 1);
	assert_false(has(l, FLOW_CLIENT, "casino"));
	assert_string_equal(got(l, FLOW_CLIENT) + at + strlen(BAD), GOOD);
	lab_end(l);
}

/* The first copy is what everybody reads. */
static void pass_time(struct lab *l, unsigned ms)
{
	l->now_ns += (uint64_t)ms * 1000000u;
	gate_tick(l->gate, l->now_ns);
}

/* Behind a hole for long, it goes on, so that what is missing is asked for; the hole stays ours. */
static void test_late(void **state)
{
	static const char two[] = GOOD GOOD, bad[] = GOOD BAD GOOD;
	struct lab *l = component();
	size_t before = l->seq[FLOW_CLIENT];

	(void)state;
	segment(l, FLOW_CLIENT, before + 20, two + 20, strlen(two) - 40);
	assert_false(l->ends[FLOW_CLIENT].have[before + 20]);
	pass_time(l, 60);
	assert_false(l->ends[FLOW_CLIENT].have[before + 20]);
	pass_time(l, 60);
	assert_true(l->ends[FLOW_CLIENT].have[before + 20]);
	assert_int_equal(l->ends[FLOW_CLIENT].next, before);
	/* Sent again, it goes at once, as it was. */
	segment(l, FLOW_CLIENT, before + 30, "xxxx", 4);
	assert_int_equal(l->fates[l->id - 1], GATE_ACCEPT + 1);
	segment(l, FLOW_CLIENT, before, two, 20);
	segment(l, FLOW_CLIENT, before + strlen(two) - 20, two + strlen(two) - 20, 20);
	assert_string_equal(got(l, FLOW_CLIENT) + before, two);
	assert_int_equal(l->acts[GATE_FORWARDED], 2);
	lab_end(l);

	/* What cannot be taken back ends the connection, and is never read. */
	l = component();
	before = l->seq[FLOW_CLIENT];
	segment(l, FLOW_CLIENT, before + 20, bad + 20, strlen(bad) - 20);
	pass_time(l, 120);
	segment(l, FLOW_CLIENT, before, bad, 20);
	assert_int_equal(l->ends[FLOW_CLIENT].next, before);
	assert_int_equal(l->acts[GATE_KILLED], 1);
	assert_int_equal(l->ends[FLOW_CLIENT].resets, 1);
	lab_end(l);

	/* Other stanzas than those that went early still vanish. */
	l = component();
	before = l->seq[FLOW_CLIENT];
	segment(l, FLOW_CLIENT, before + strlen(GOOD BAD), GOOD, strlen(GOOD));
	pass_time(l, 120);
	segment(l, FLOW_CLIENT, before, bad, strlen(GOOD BAD));
	assert_false(has(l, FLOW_CLIENT, "casino"));
	assert_int_equal(l->ends[FLOW_CLIENT].next, before + strlen(bad));
	assert_int_equal(l->acts[GATE_BLANKED], 1);
	lab_end(l);
}

static void test_conflict(void **state)
{
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT], len = strlen(GOOD);

	(void)state;
	l->acks = false;
	segment(l, FLOW_CLIENT, at + 30, &GOOD[30], len - 30); /* waits for what is before it */
	segment(l, FLOW_CLIENT, at + 30, &BAD[30], len - 30);
	segment(l, FLOW_CLIENT, at, GOOD, 40);
	assert_string_equal(got(l, FLOW_CLIENT) + at, GOOD);
	assert_true(l->counts.n[COUNT_TCP_CONFLICT] > 0);
	l->seq[FLOW_CLIENT] += (uint32_t)len;
	/* Released, and sent again otherwise: to a receiver that lost it. */
	memset(l->ends[FLOW_CLIENT].have + at, 0, len);
	l->ends[FLOW_CLIENT].next = at;
	segment(l, FLOW_CLIENT, at, BAD, len);
	assert_string_equal(got(l, FLOW_CLIENT) + at, GOOD);
	lab_end(l);
}

static void test_killed(void **state)
{
	struct lab *l = component();

	(void)state;
	say(l, FLOW_CLIENT, SHUT);
	assert_false(has(l, FLOW_CLIENT, "guillotine"));
	assert_int_equal(l->ends[FLOW_CLIENT].resets, 1);
	assert_int_equal(l->acts[GATE_KILLED], 1);
	l->kills = 0;
	say(l, FLOW_CLIENT, GOOD);
	say(l, FLOW_SERVER, GOOD);
	assert_true(l->kills >= 2);
	lab_end(l);
}

static void test_answered(void **state)
{
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	say_in(l, FLOW_CLIENT, QUERY GOOD, 33);
	assert_false(has(l, FLOW_CLIENT, "some words"));
	assert_true(has(l, FLOW_CLIENT, "urn:xmppwall:refused"));
	assert_true(has(l, FLOW_CLIENT, "id=\"7\""));
	assert_string_equal(got(l, FLOW_CLIENT) + at + strlen(QUERY), GOOD);
	lab_end(l);
}

/* As many questions are: a ping, a version. */
static void test_answered_in_little_room(void **state)
{
	static const char query[] =
		"<iq type='get' id='7' from='a@irc.example' to='x'><q xmlns='urn:bad'/></iq>";
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	say(l, FLOW_CLIENT,
		"<iq type='get' id='7' from='a@irc.example' to='x'><q xmlns='urn:bad'/></iq>" GOOD);
	assert_false(has(l, FLOW_CLIENT, "urn:bad"));
	assert_true(has(l, FLOW_CLIENT, "urn:x"));
	assert_int_equal(l->acts[GATE_ANSWERED], 1);
	assert_string_equal(got(l, FLOW_CLIENT) + at + strlen(query), GOOD);
	lab_end(l);
}

static void test_masked(void **state)
{
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	say(l, FLOW_CLIENT, MASK GOOD);
	assert_true(has(l, FLOW_CLIENT, "my ***"));
	assert_string_equal(got(l, FLOW_CLIENT) + at + strlen(MASK), GOOD);
	assert_int_equal(l->acts[GATE_CHANGED], 1);
	lab_end(l);
}

/* A stanza its sender cannot finish goes in part; its end never does. */
static void test_released(void **state)
{
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	segment(l, FLOW_CLIENT, at, BAD, 60);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at);
	gate_tick(l->gate, l->now_ns += 30000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at);
	gate_tick(l->gate, l->now_ns += 10000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at + 60);
	segment(l, FLOW_CLIENT, at + 60, &BAD[60], 5);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at + 65);
	segment(l, FLOW_CLIENT, at + 65, &BAD[65], strlen(BAD) - 65);
	assert_int_equal(l->acts[GATE_KILLED], 1);
	assert_int_equal(l->ends[FLOW_CLIENT].resets, 1);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at + 65);
	lab_end(l);
	/* An honest one arrives whole. */
	l = component();
	at = l->seq[FLOW_CLIENT];
	segment(l, FLOW_CLIENT, at, GOOD, 30);
	gate_tick(l->gate, l->now_ns += 300000000);
	segment(l, FLOW_CLIENT, at + 30, &GOOD[30], strlen(GOOD) - 30);
	assert_string_equal(got(l, FLOW_CLIENT) + at, GOOD);
	lab_end(l);
}

/* Who goes on, if slowly, is let to for so long; who repeats himself says nothing new. */
static void test_quiet(void **state)
{
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	for (size_t n = 0; n < 8; n++) {
		segment(l, FLOW_CLIENT, at + n, &BAD[n], 1);
		gate_tick(l->gate, l->now_ns += 25000000);
	}
	assert_int_equal(l->ends[FLOW_CLIENT].next, at);
	segment(l, FLOW_CLIENT, at + 8, &BAD[8], strlen(BAD) - 8);
	assert_int_equal(l->acts[GATE_BLANKED], 1);
	lab_end(l);
	l = component();
	for (size_t n = 0; n < 11; n++) {
		segment(l, FLOW_CLIENT, at + n, &BAD[n], 1);
		gate_tick(l->gate, l->now_ns += 25000000);
	}
	assert_true(l->ends[FLOW_CLIENT].next > at);
	lab_end(l);
	l = component();
	segment(l, FLOW_CLIENT, at, GOOD, 30);
	gate_tick(l->gate, l->now_ns += 30000000);
	segment(l, FLOW_CLIENT, at, GOOD, 30);
	gate_tick(l->gate, l->now_ns += 10000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at + 30);
	lab_end(l);
	/* Its receiver acknowledges late what went before: it may wait for that. */
	l = component();
	l->acks = false;
	say(l, FLOW_CLIENT, GOOD);
	at = l->seq[FLOW_CLIENT];
	segment(l, FLOW_CLIENT, at, BAD, 30);
	gate_tick(l->gate, l->now_ns += 50000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at);
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_ACK,
			.seq = S0 + 1 + l->seq[FLOW_SERVER],
			.ack = acked(l, FLOW_SERVER) });
	gate_tick(l->gate, l->now_ns += 30000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at);
	gate_tick(l->gate, l->now_ns += 10000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, at + 30);
	lab_end(l);
}

/* What is pipelined behind a login waits for the server, not for its sender. */
static void test_slow_answer(void **state)
{
	struct lab *l = lab_begin(5222);
	size_t at;

	(void)state;
	shake(l);
	say(l, FLOW_CLIENT, HEAD(NS_CLIENT, "to='x' version='1.0'"));
	say(l, FLOW_SERVER, HEAD(NS_CLIENT, "from='x' id='1' version='1.0'"));
	say(l, FLOW_CLIENT, "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AGEAYg==</auth>");
	at = l->seq[FLOW_CLIENT];
	say(l, FLOW_CLIENT, HEAD(NS_CLIENT, "to='x' version='1.0'") "<presence/>");
	for (unsigned n = 0; n < 80; n++)
		gate_tick(l->gate, l->now_ns += 50000000);
	assert_string_equal(l->why, "");
	assert_int_equal(l->ends[FLOW_CLIENT].next, at);
	say(l, FLOW_SERVER, "<success xmlns='" NS_SASL "'/>");
	assert_int_equal(l->ends[FLOW_CLIENT].next, l->seq[FLOW_CLIENT]);
	assert_int_equal(l->acts[GATE_FORWARDED], 1);
	lab_end(l);
}

/* Longer than what is held. */
static void test_long(void **state)
{
	static char text[20001];
	struct lab *l = component();
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	say(l, FLOW_CLIENT, "<message><body>");
	say(l, FLOW_CLIENT, text);
	assert_true(l->ends[FLOW_CLIENT].next > at + 5000);
	say(l, FLOW_CLIENT, "</body></message>" BAD);
	assert_int_equal(l->acts[GATE_FORWARDED], 1);
	assert_int_equal(l->acts[GATE_BLANKED], 1);
	assert_int_equal(l->ends[FLOW_CLIENT].next, l->seq[FLOW_CLIENT]);
	lab_end(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_honest),
		cmocka_unit_test(test_blanked),
		cmocka_unit_test(test_sent_again),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_conflict),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_answered),
		cmocka_unit_test(test_answered_in_little_room),
		cmocka_unit_test(test_masked),
		cmocka_unit_test(test_released),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_slow_answer),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
