/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/gate: packets through the live inspector, and what their receivers read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/gate_lab.h"
#include "xmpp/ns.h"

enum { PORT = 5347 };

static const char rules[] =
	"service component { listen tcp { 5347 }; mode proxy; tls none; upstream 192.0.2.9 plain; "
	"role component; }\n"
	"service c2s { listen tcp { 5222 }; mode proxy; tls optional; certificates \"c\"; upstream "
	"192.0.2.9 plain; }\n"
	"service must { listen tcp { 5223 }; role c2s; mode proxy; tls required; certificates "
	"\"c\"; upstream 192.0.2.9 plain; }\n"
	"chain all { hook any; policy accept;\n"
	" rule spam { body contains \"casino\" drop }\n"
	" rule no { iq payload.ns == \"urn:bad\" reject forbidden }\n"
	" rule mask { body contains \"secret\" replace \"***\" }\n"
	" rule shut { body contains \"guillotine\" close policy-violation } }\n";

#define HEAD(ns, more) "<stream:stream xmlns='" ns "' xmlns:stream='" NS_STREAM "' " more ">"

static struct lab *component(void)
{
	struct lab *l = lab_begin(PORT);

	shake(l);
	say(l, FLOW_CLIENT, HEAD(NS_COMPONENT, "to='irc.example'"));
	say(l, FLOW_SERVER, HEAD(NS_COMPONENT, "from='irc.example' id='1'"));
	say(l, FLOW_CLIENT, "<handshake>aa</handshake>");
	say(l, FLOW_SERVER, "<handshake/>");
	return l;
}

#define GOOD "<message from='a@irc.example' to='b@x'><body>hello</body></message>"
#define BAD  "<message from='a@irc.example' to='b@x'><body>the casino</body></message>"
#define SHUT "<message from='a@irc.example' to='b@x'><body>guillotine</body></message>"
#define MASK "<message from='a@irc.example' to='b@x'><body>my secret</body></message>"
#define QUERY                                                                                      \
	"<iq type='get' id='7' from='a@irc.example' to='x'><q xmlns='urn:bad'>some words</q></iq>"

static bool has(const struct lab *l, enum flow_side side, const char *text)
{
	return strstr(got(l, side), text);
}

static size_t spaces(const char *text)
{
	size_t n = 0, best = 0;

	for (; *text; text++) {
		n = *text == ' ' ? n + 1 : 0;
		best = n > best ? n : best;
	}
	return best;
}

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

static int load(void **state)
{
	(void)state;
	return lab_load(rules, sizeof(rules) - 1);
}

static int unload(void **state)
{
	(void)state;
	policy_unref(policy);
	return 0;
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
