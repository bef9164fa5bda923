/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/gate: streams that are none, odd packets, TLS that is not meant, decoys: what a
 * receiver reads is what was judged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/gate_words.h"

/* A stream to one side and something else to the other. */
static void test_half_stream(void **state)
{
	static const char *const said[] = { "\x16\x03\x01\x02", "HTTP/1.1 200 OK\r\n",
		"SSH-2.0-x" };

	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
		struct lab *l = lab_begin(5222);

		shake(l);
		say(l, FLOW_CLIENT, HEAD(NS_CLIENT, "to='x' version='1.0'"));
		say(l, FLOW_SERVER, said[i]);
		assert_string_equal(l->why, "stream.other");
		assert_int_equal(l->ends[FLOW_SERVER].next, 0);
		lab_end(l);
	}
}

/* What is longer than the queue's messages would never come whole. */
static void test_large_segments(void **state)
{
	static const unsigned char loopback[] = { 1, 1, 2, 4, 0xff, 0xd7, 1, 1 };
	static const unsigned char wire[] = { 2, 4, 5, 0xb4 };
	struct lab *l = lab_begin(PORT);
	struct packet p = { 0 };

	(void)state;
	raw(l, FLOW_CLIENT,
		(struct recipe){ .flags = TCP_SYN,
			.seq = C0,
			.options = loopback,
			.options_len = sizeof(loopback) });
	assert_int_equal(packet_parse_ip(l->syn, l->syn_len, l->syn_len, &p), PACKET_TCP);
	assert_int_equal(p.checksum, CHECKSUM_GOOD);
	assert_int_equal(p.tcp[24] << 8 | p.tcp[25], 65000);
	l->syn_len = 0;
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_SYN | TCP_ACK,
			.seq = S0,
			.ack = C0 + 1,
			.options = wire,
			.options_len = sizeof(wire) });
	assert_int_equal(l->syn_len, 0); /* as it was */
	lab_end(l);
}

static void test_headers(void **state)
{
	struct lab *l = lab_begin(PORT);
	static const unsigned char open[] = { 34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1 };

	(void)state;
	raw(l, FLOW_CLIENT,
		(struct recipe){ .flags = TCP_SYN,
			.seq = C0,
			.options = open,
			.options_len = sizeof(open),
			.data = "<stream",
			.len = 7 });
	assert_int_equal(l->ends[FLOW_CLIENT].next, 0);
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_SYN | TCP_ACK, .seq = S0, .ack = C0 + 1 });
	say(l, FLOW_CLIENT, HEAD(NS_COMPONENT, "to='irc.example'"));
	raw(l, FLOW_CLIENT,
		(struct recipe){ .flags = TCP_ACK | TCP_URG,
			.seq = C0 + 1 + l->seq[FLOW_CLIENT],
			.ack = S0 + 1,
			.data = "<message/>",
			.len = 10,
			.urgent = 3 });
	assert_true(has(l, FLOW_CLIENT, "<message/>"));
	/* Decoys. */
	raw(l, FLOW_CLIENT,
		(struct recipe){ .flags = TCP_ACK,
			.seq = C0 + 11 + l->seq[FLOW_CLIENT],
			.ack = S0 + 1,
			.data = GOOD,
			.len = 20,
			.spoil = 5 });
	assert_int_equal(l->fates[l->id], GATE_DROP + 1);
	raw(l, FLOW_CLIENT,
		(struct recipe){ .flags = 0,
			.seq = C0 + 11 + l->seq[FLOW_CLIENT],
			.data = GOOD,
			.len = 20 });
	assert_int_equal(l->fates[l->id], GATE_DROP + 1);
	lab_end(l);
}

/* A ban, a kill: no packet was there to tell the server with, so the client's next one does. */
static void test_killed_from_outside(void **state)
{
	static const struct peer_address any;
	struct lab *l = component();
	unsigned kills;

	(void)state;
	say(l, FLOW_CLIENT, GOOD);
	l->kills = 0;
	assert_int_equal(gate_kill(l->gate, &any, 0, NULL), 1);
	assert_int_equal(l->ends[FLOW_CLIENT].resets, 0);
	say(l, FLOW_SERVER, GOOD);
	assert_true(l->kills > 0);
	say(l, FLOW_CLIENT, GOOD);
	assert_int_equal(l->ends[FLOW_CLIENT].resets, 1);
	kills = l->kills;
	say(l, FLOW_CLIENT, GOOD);
	assert_int_equal(l->ends[FLOW_CLIENT].resets, 1);
	assert_true(l->kills > kills);
	lab_end(l);
}

static void test_midstream(void **state)
{
	struct lab *l = lab_begin(PORT);

	(void)state;
	l->acks = false;
	say(l, FLOW_CLIENT, GOOD);
	assert_int_equal(l->fates[l->id], GATE_KILL + 1);
	assert_string_equal(l->why, "flow.midstream");
	say(l, FLOW_SERVER, GOOD);
	assert_int_equal(l->fates[l->id], GATE_KILL + 1);
	lab_end(l);
}

static void test_bad_xml(void **state)
{
	struct lab *l = component();

	(void)state;
	say(l, FLOW_CLIENT, "<!DOCTYPE x>");
	assert_string_equal(l->why, "xml.doctype");
	assert_int_equal(l->ends[FLOW_CLIENT].resets, 1);
	lab_end(l);
}

#define PROCEED "<proceed xmlns='" NS_TLS "'/>"
static const char hello[] = "\x16\x03\x01\x01\x05hello";
/* In two records, cut inside the message's own head. */
static const char client_hello[] = "\x16\x03\x01\x00\x02\x01\x00\x16\x03\x01\x00\x07\x00\x05hello";

static void say_bytes(struct lab *l, enum flow_side side, const char *data, size_t len, size_t step)
{
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		segment(l, side, l->seq[side], data + at, n);
		l->seq[side] += (uint32_t)n;
	}
}

static struct lab *starttls(uint16_t port)
{
	struct lab *l = lab_begin(port);

	shake(l);
	say(l, FLOW_CLIENT, HEAD(NS_CLIENT, "to='a.example' version='1.0'"));
	say(l, FLOW_SERVER,
		HEAD(NS_CLIENT, "from='a.example' id='1' version='1.0'") "<stream:features><"
									 "starttls xmlns='" NS_TLS
									 "'/></stream:features>");
	say(l, FLOW_CLIENT, "<starttls xmlns='" NS_TLS "'/>");
	say(l, FLOW_SERVER, PROCEED);
	return l;
}

static void test_tls(void **state)
{
	struct lab *l = starttls(5222);

	(void)state;
	say_bytes(l, FLOW_CLIENT, client_hello, sizeof(client_hello) - 1, 1);
	assert_int_equal(l->ends[FLOW_CLIENT].next, l->seq[FLOW_CLIENT]);
	assert_int_equal(l->passes, 0);
	say(l, FLOW_SERVER, hello);
	say(l, FLOW_CLIENT, hello);
	assert_true(l->passes > 0);
	assert_true(has(l, FLOW_SERVER, hello));
	lab_end(l);
	/* A false one buys nothing. */
	l = starttls(5222);
	say(l, FLOW_CLIENT, GOOD BAD);
	assert_int_equal(l->passes, 0);
	assert_false(has(l, FLOW_CLIENT, "casino"));
	lab_end(l);
	l = starttls(5223);
	say(l, FLOW_CLIENT, GOOD);
	assert_string_equal(l->why, "tls.required");
	assert_false(has(l, FLOW_CLIENT, "hello"));
	lab_end(l);
}

/* Behind a <proceed/> that is not meant, a byte that looks like TLS does not open the way. */
static void test_tls_of_one_side(void **state)
{
	static const char none[] = "\x16\x03\x01\x00\x05\x02\x00\x00\x01x";
	struct lab *l = starttls(5222);
	size_t there;

	(void)state;
	say_bytes(l, FLOW_CLIENT, none, sizeof(none) - 1, 100);
	assert_string_equal(l->why, "tls.hello");
	lab_end(l);
	/* What follows waits for the server, however long that takes. */
	l = starttls(5222);
	say_bytes(l, FLOW_CLIENT, client_hello, sizeof(client_hello) - 1, 100);
	there = l->ends[FLOW_CLIENT].next;
	say(l, FLOW_CLIENT, BAD);
	gate_tick(l->gate, l->now_ns += 2000000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, there);
	assert_int_equal(l->kills, 0);
	say(l, FLOW_SERVER, hello);
	assert_int_equal(l->ends[FLOW_CLIENT].next, l->seq[FLOW_CLIENT]);
	lab_end(l);
	/* The server goes on in the clear, or more comes than may wait. */
	l = starttls(5222);
	say_bytes(l, FLOW_CLIENT, client_hello, sizeof(client_hello) - 1, 100);
	say(l, FLOW_CLIENT, BAD);
	say(l, FLOW_SERVER, GOOD);
	assert_string_equal(l->why, "tls.one-sided");
	assert_false(has(l, FLOW_SERVER, "hello"));
	lab_end(l);
	l = starttls(5222);
	say_bytes(l, FLOW_CLIENT, client_hello, sizeof(client_hello) - 1, 100);
	there = l->ends[FLOW_CLIENT].next;
	for (unsigned n = 0; n < 300 && !l->why[0]; n++)
		say(l, FLOW_CLIENT, BAD);
	assert_string_equal(l->why, "hold.pipelined");
	assert_int_equal(l->ends[FLOW_CLIENT].next, there);
	lab_end(l);
}

/* Some servers take <message xmlns=''/> for a message. */
static void test_stray(void **state)
{
	struct lab *l = component();

	(void)state;
	say(l, FLOW_CLIENT, "<message xmlns=''><body>casino</body></message>");
	assert_string_equal(l->why, "stanza.namespace");
	assert_false(has(l, FLOW_CLIENT, "casino"));
	lab_end(l);
}

static void test_ends(void **state)
{
	struct lab *l = component();

	(void)state;
	say(l, FLOW_CLIENT, GOOD);
	raw(l, FLOW_CLIENT,
		(struct recipe){ .flags = TCP_ACK | TCP_FIN,
			.seq = C0 + 1 + l->seq[FLOW_CLIENT],
			.ack = acked(l, FLOW_CLIENT) });
	assert_int_equal(l->ends[FLOW_CLIENT].finished, 1);
	say(l, FLOW_SERVER, BAD GOOD);
	assert_false(has(l, FLOW_SERVER, "casino"));
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_ACK | TCP_FIN,
			.seq = S0 + 1 + l->seq[FLOW_SERVER],
			.ack = acked(l, FLOW_SERVER) + 1 });
	assert_int_equal(l->ends[FLOW_SERVER].finished, 1);
	lab_end(l);
}

/* Decoys that die on their way end the connection for us and begin another ahead of it: what lies
 * before that beginning was never read, so it is no copy of anything. */
static void test_reborn(void **state)
{
	static const int32_t ahead[] = { 1000000, 100, -1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(ahead) / sizeof(*ahead); i++) {
		struct lab *l = component();
		uint32_t seq = C0 + 1 + l->seq[FLOW_CLIENT];

		raw(l, FLOW_CLIENT,
			(struct recipe){ .flags = TCP_FIN | TCP_ACK,
				.seq = seq,
				.ack = acked(l, FLOW_CLIENT) });
		raw(l, FLOW_CLIENT,
			(struct recipe){ .flags = TCP_SYN, .seq = seq + (uint32_t)ahead[i] });
		say_in(l, FLOW_CLIENT, BAD, 16);
		assert_false(has(l, FLOW_CLIENT, "casino"));
		lab_end(l);
	}
}

/* The same where part of the stanza went before, or after a long silence. */
static void test_reborn_behind(void **state)
{
	struct lab *l = component();
	uint32_t seq = C0 + 1 + l->seq[FLOW_CLIENT];
	size_t at = l->seq[FLOW_CLIENT];

	(void)state;
	raw(l, FLOW_CLIENT,
		(struct recipe){ .flags = TCP_FIN | TCP_ACK,
			.seq = seq + 30,
			.ack = acked(l, FLOW_CLIENT) });
	for (size_t n = 0; n < strlen(BAD); n += 8)
		segment(l, FLOW_CLIENT, at + n, &BAD[n], strlen(BAD) - n < 8 ? strlen(BAD) - n : 8);
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = seq - 40 });
	segment(l, FLOW_CLIENT, at, BAD, strlen(BAD));
	segment(l, FLOW_CLIENT, at + strlen(BAD), GOOD, strlen(GOOD));
	gate_tick(l->gate, l->now_ns += 300000000);
	assert_false(has(l, FLOW_CLIENT, "casino"));
	lab_end(l);
}

static void syn_decoys(uint32_t away)
{
	struct lab *l = lab_begin(PORT);

	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = C0 + away });
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = C0 });
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = C0 + away });
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_SYN | TCP_ACK, .seq = S0, .ack = C0 + 1 });
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_ACK, .seq = C0 + 1, .ack = S0 + 1 });
	say(l, FLOW_CLIENT,
		HEAD(NS_COMPONENT, "to='irc.example'") "<handshake>aa</handshake>" BAD GOOD);
	gate_tick(l->gate, l->now_ns += 300000000);
	assert_false(has(l, FLOW_CLIENT, "casino"));
	assert_true(has(l, FLOW_CLIENT, GOOD));
	lab_end(l);
}

/* Which of several SYN its receiver answered, only its answer tells. */
static void test_syn_decoys(void **state)
{
	static const int32_t away[] = { 1000000, -40 };

	(void)state;
	for (size_t i = 0; i < sizeof(away) / sizeof(*away); i++)
		syn_decoys((uint32_t)away[i]);
}

/* A SYN that the server passes over, and then what stands where its stream really is: behind a hole
 * that only we see. */
static void say_behind_decoy(struct lab *l, uint32_t syn, const char *text)
{
	uint32_t at = l->ends[FLOW_CLIENT].first + l->seq[FLOW_CLIENT];

	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = syn });
	raw(l, FLOW_SERVER,
		(struct recipe){
			.flags = TCP_ACK, .seq = S0 + 1 + l->seq[FLOW_SERVER], .ack = at });
	say(l, FLOW_CLIENT, text);
	for (unsigned n = 0; n < 10; n++)
		gate_tick(l->gate, l->now_ns += 50000000);
	assert_false(has(l, FLOW_CLIENT, "casino"));
}

static void test_decoy_anew(void **state)
{
	struct lab *l = component();

	(void)state;
	l->now_ns += 61000000000u;
	say_behind_decoy(l, C0 + l->seq[FLOW_CLIENT] - 100, BAD);
	assert_int_equal(l->acts[GATE_BLANKED], 1);
	lab_end(l);
	/* One that stood before we did. */
	l = lab_begin(PORT);
	say_behind_decoy(l, C0 - 100, BAD GOOD);
	assert_int_equal(l->ends[FLOW_CLIENT].next, 0);
	lab_end(l);
}

/* The same from the server: two answers to a SYN, and the client takes the second. */
static void test_decoy_answer(void **state)
{
	struct lab *l = lab_begin(PORT);

	(void)state;
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = C0 });
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_SYN | TCP_ACK, .seq = S0 - 100, .ack = C0 + 1 });
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_SYN | TCP_ACK, .seq = S0, .ack = C0 + 1 });
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_ACK, .seq = C0 + 1, .ack = S0 + 1 });
	say(l, FLOW_SERVER, HEAD(NS_COMPONENT, "from='irc.example' id='1'") "<handshake/>" BAD);
	for (unsigned n = 0; n < 10; n++)
		gate_tick(l->gate, l->now_ns += 50000000);
	assert_false(has(l, FLOW_SERVER, "casino"));
	lab_end(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_half_stream),
		cmocka_unit_test(test_large_segments),
		cmocka_unit_test(test_killed_from_outside),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_bad_xml),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_tls_of_one_side),
		cmocka_unit_test(test_stray),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_reborn),
		cmocka_unit_test(test_reborn_behind),
		cmocka_unit_test(test_syn_decoys),
		cmocka_unit_test(test_decoy_anew),
		cmocka_unit_test(test_decoy_answer),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
