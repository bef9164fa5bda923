/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/inspect: what is read in a connection, whole and byte by byte, and what is told of the
 * rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "nfq-filter/inspect.h"
#include "tests/unit/policy_of.h"
#include "xmpp/ns.h"

#define HEADER(ns, more)                                                                           \
	"<?xml version='1.0'?><stream:stream xmlns='" ns "' xmlns:stream='" NS_STREAM "' " more ">"
#define CLIENT_HEADER HEADER(NS_CLIENT, "to='a.example' version='1.0'")
#define SERVER_HEADER HEADER(NS_CLIENT, "from='a.example' id='1' version='1.0'")
#define AUTH          "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AGFubgBzZWNyZXQ=</auth>"
#define SUCCESS       "<success xmlns='" NS_SASL "'/>"
#define BIND          "<iq type='set' id='b'><bind xmlns='" NS_BIND "'/></iq>"
#define BOUND                                                                                      \
	"<iq type='result' id='b'><bind xmlns='" NS_BIND "'><jid>ann@a.example/x</jid></bind></"   \
							 "iq>"
#define STARTTLS "<starttls xmlns='" NS_TLS "'/>"
#define PROCEED  "<proceed xmlns='" NS_TLS "'/>"

static const char rules[] =
	"service c2s { listen tcp { 5222 }; mode proxy; tls none; upstream 192.0.2.9 plain; }\n"
	"chain all { hook any; policy accept; rule spam { body contains \"casino\" drop } }\n";

static struct policy *policy;

struct turn {
	enum flow_side side;
	const char *text;
	size_t len; /* 0: the text's own */
};

struct lab {
	struct inspector inspector;
	struct counts counts;
	struct flow flow;
	struct inspection *i;
	char log[4096], raw[FLOW_SIDES][8192];
	uint64_t at[FLOW_SIDES];
};

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	struct lab *l = arg;
	const struct stanza *st = v->subject->stanza;

	sprintf(l->log + strlen(l->log), "%s %s %s%s%s %s\n", v->side == FLOW_CLIENT ? "in" : "out",
		stanza_kind_text(st->kind), i->service, i->jid ? " " : "", i->jid ? i->jid : "",
		verdict_kind_text(v->verdict->kind));
	/* Whoever holds the packets finds the stanza at its place. */
	if (!i->half[v->side].picked_up) {
		assert_int_equal(v->end - v->start, st->raw.len);
		assert_memory_equal(l->raw[v->side] + v->start, st->raw.ptr, st->raw.len);
	}
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	(void)i;
	sprintf(((struct lab *)arg)->log + strlen(((struct lab *)arg)->log), "%s broken %s %s\n",
		side == FLOW_CLIENT ? "in" : "out", stream_error_text(error), reason);
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)i;
	(void)side;
	sprintf(((struct lab *)arg)->log + strlen(((struct lab *)arg)->log), "-- %s\n", what);
}

static void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	assert_true(i->number > 0);
}

static void lab_begin(struct lab *l, uint16_t port, bool midstream)
{
	memset(l, 0, sizeof(*l));
	l->inspector = (struct inspector){ .policy = policy,
		.judge = judge_new(),
		.counts = &l->counts,
		.hooks = { l, on_judged, on_broken, on_noted, on_ended, NULL, NULL },
		.memory_max = 64 << 20 };
	l->flow.server.port = port;
	l->flow.midstream = midstream;
	l->i = inspection_new(&l->inspector, &l->flow);
	assert_non_null(l->i);
}

static void say(struct lab *l, enum flow_side side, const char *text, size_t len, size_t step)
{
	memcpy(l->raw[side] + l->at[side], text, len);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		assert_int_equal(
			inspection_push(l->i, side, (struct span){ text + at, n }, l->at[side]), 0);
		l->at[side] += n;
	}
}

static void lab_end(struct lab *l)
{
	inspection_end(l->i, FLOW_CLIENT);
	inspection_end(l->i, FLOW_SERVER);
	inspection_free(l->i);
	assert_int_equal(l->inspector.memory, 0);
	judge_free(l->inspector.judge);
}

/* Whole, byte by byte, and in threes: the same. */
static struct lab *talk(uint16_t port, const struct turn *turns, size_t n, const char *expected)
{
	static struct lab l;
	static const size_t steps[] = { 100000, 1, 3 };

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		lab_begin(&l, port, false);
		for (size_t i = 0; i < n; i++)
			say(&l, turns[i].side, turns[i].text,
				turns[i].len ? turns[i].len : strlen(turns[i].text), steps[s]);
		lab_end(&l);
		assert_string_equal(l.log, expected);
	}
	return &l;
}

#define TALK(port, expected, ...)                                                                  \
	talk(port, (const struct turn[]){ __VA_ARGS__ },                                           \
		sizeof((const struct turn[]){ __VA_ARGS__ }) / sizeof(struct turn), expected)
#define IN(text)                                                                                   \
	{                                                                                          \
		FLOW_CLIENT, text, 0                                                               \
	}
#define OUT(text)                                                                                  \
	{                                                                                          \
		FLOW_SERVER, text, 0                                                               \
	}

static void test_login(void **state)
{
	(void)state;
	TALK(5222,
		"in iq c2s accept\nout iq c2s ann@a.example/x accept\nin message c2s "
		"ann@a.example/x drop\n"
		"out message c2s ann@a.example/x accept\n",
		IN(CLIENT_HEADER), OUT(SERVER_HEADER "<stream:features/>"), IN(AUTH), OUT(SUCCESS),
		IN(CLIENT_HEADER), OUT(SERVER_HEADER "<stream:features/>"), IN(BIND), OUT(BOUND),
		IN("<message><body>casino</body></message>"),
		OUT("<message><body>x</body></message></stream:stream>"), IN("</stream:stream>"));
}

/* XEP-0305: the next stream sent ahead of the server's success. */
static void test_pipelined(void **state)
{
	(void)state;
	TALK(5222, "in iq c2s accept\nout iq c2s ann@a.example/x accept\n", IN(CLIENT_HEADER),
		OUT(SERVER_HEADER), IN(AUTH CLIENT_HEADER BIND),
		OUT(SUCCESS SERVER_HEADER "<stream:features/>" BOUND));
}

/* Only the client's half was captured. */
static void test_one_sided(void **state)
{
	(void)state;
	TALK(5222, "in iq c2s accept\nin message c2s accept\n", IN(CLIENT_HEADER AUTH),
		IN("\n" CLIENT_HEADER BIND "<message/>"));
	TALK(5222, "out iq c2s accept\nout message c2s accept\n",
		OUT(SERVER_HEADER SUCCESS SERVER_HEADER BOUND "<message/>"));
}

/* A JID is believed only in answer to what this client asked. */
static void test_forged_bind(void **state)
{
	(void)state;
	TALK(5222, "out iq c2s accept\nin iq c2s accept\nout iq c2s accept\n", IN(CLIENT_HEADER),
		OUT(SERVER_HEADER BOUND), IN(BIND),
		OUT("<iq type='result' id='other'><bind xmlns='" NS_BIND
		    "'><jid>eve@a.example/x</jid></bind></iq>"));
}

static void test_starttls(void **state)
{
	struct lab *l;

	(void)state;
	l = TALK(5222, "-- starttls\n", IN(CLIENT_HEADER), OUT(SERVER_HEADER), IN(STARTTLS),
		OUT(PROCEED), { FLOW_CLIENT, "\x16\x03\x01\0\4abcd<message/>", 20 },
		{ FLOW_SERVER, "\x16\x03\x03\0\4abcd", 9 });
	assert_int_equal(l->counts.n[COUNT_STREAM_TLS], 1);
	/* A false proceed buys nothing; nor does clear text behind <starttls/>. */
	l = TALK(5222, "-- starttls\n-- false-proceed\nin message c2s drop\n", IN(CLIENT_HEADER),
		OUT(SERVER_HEADER), IN(STARTTLS), OUT(PROCEED),
		IN("<message><body>casino</body></message>"));
	assert_int_equal(l->counts.n[COUNT_STREAM_FALSE_PROCEED], 1);
	TALK(5222, "in message c2s drop\n-- starttls\n", IN(CLIENT_HEADER), OUT(SERVER_HEADER),
		IN(STARTTLS "<message><body>casino</body></message>"), OUT(PROCEED),
		{ FLOW_CLIENT, "\x16\x03\x01\0", 4 });
	TALK(5222, "-- starttls\n-- false-proceed\nin message c2s drop\n", IN(CLIENT_HEADER),
		OUT(SERVER_HEADER), IN(STARTTLS), OUT(PROCEED),
		IN(CLIENT_HEADER "<message><body>casino</body></message>"));
}

static void test_compressed(void **state)
{
	struct lab *l;

	(void)state;
	l = TALK(5222, "-- compressed\n", IN(CLIENT_HEADER), OUT(SERVER_HEADER),
		IN("<compress xmlns='" NS_COMPRESS "'><method>zlib</method></compress>"),
		OUT("<compressed xmlns='" NS_COMPRESS "'/>"),
		{ FLOW_CLIENT, "x\x9c<message/>", 12 });
	assert_int_equal(l->counts.n[COUNT_STREAM_COMPRESSED], 1);
}

static void test_roles(void **state)
{
	(void)state;
	TALK(5347, "in message component drop\n",
		IN("<stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM
		   "' to='c.example'>"),
		OUT("<stream:stream xmlns='" NS_COMPONENT "' xmlns:stream='" NS_STREAM
		    "' from='c.example' id='7'>"),
		IN("<handshake>0</handshake>"), OUT("<handshake/>"),
		IN("<message from='c.example' to='b@a.example'><body>casino</body></message>"));
	TALK(5269, "in message s2s drop\n",
		IN(HEADER(NS_SERVER, "xmlns:db='" NS_DIALBACK "' from='b' to='a'")),
		OUT(HEADER(NS_SERVER, "xmlns:db='" NS_DIALBACK "' id='7'")),
		IN("<db:result from='b' to='a'>key</db:result>"),
		OUT("<db:result type='valid' from='a' to='b'/>"),
		IN("<message from='x@b' to='y@a'><body>casino</body></message>"));
	/* XEP-0174, on any port. */
	TALK(40123, "in message serverless ann@x drop\nout message serverless ann@x accept\n",
		IN(HEADER(NS_CLIENT, "from='ann@x' to='bob@y'")),
		OUT(HEADER(NS_CLIENT, "from='bob@y' to='ann@x'")),
		IN("<message from='ann@x' to='bob@y'><body>casino</body></message>"),
		OUT("<message/>"));
	/* On its usual port nobody need name himself. */
	TALK(5298, "in message serverless drop\n", IN(HEADER(NS_CLIENT, "")),
		OUT(HEADER(NS_CLIENT, "")), IN("<message><body>casino</body></message>"));
}

static void test_others(void **state)
{
	struct lab *l;

	(void)state;
	l = TALK(443, "-- tls\n", { FLOW_CLIENT, "\x16\x03\x01\0\4", 5 }, OUT("<message/>"));
	assert_int_equal(l->counts.n[COUNT_STREAM_TLS], 1);
	l = TALK(25, "", OUT("220 mail"), IN("<stream:stream>"));
	assert_int_equal(l->counts.n[COUNT_STREAM_OTHER], 1);
	l = TALK(8000, "", IN("<html><body/></html>"));
	assert_int_equal(l->counts.n[COUNT_STREAM], 0);
	l = TALK(5222, "in broken restricted-xml xml.doctype\n",
		IN("<?xml version='1.0'?><!DOCTYPE x>"), OUT(SERVER_HEADER));
	assert_int_equal(l->counts.n[COUNT_STREAM_BAD], 1);
	TALK(5222, "in message c2s accept\n-- unfinished\n",
		IN(CLIENT_HEADER "<message/><message>"), OUT(SERVER_HEADER));
}

/* From the middle: the first whole stanza, and on. */
static void test_picked_up(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l, 5222, true);
	say(&l, FLOW_CLIENT, "dy>casino</body></mess", 22, 100);
	say(&l, FLOW_CLIENT, "age>", 4, 100);
	say(&l, FLOW_CLIENT, "<message><body>casino</body></message>", 38, 100);
	say(&l, FLOW_SERVER, "x</body></message><iq type='get'><a xmlns='b'/></iq><presence/>", 63,
		100);
	assert_string_equal(
		l.log, "in message c2s drop\nout iq c2s accept\nout presence c2s accept\n");
	/* A gap, and again. */
	inspection_gap(l.i, FLOW_CLIENT);
	say(&l, FLOW_CLIENT, "junk", 4, 100);
	say(&l, FLOW_CLIENT, "<presence/>", 11, 100);
	assert_non_null(strstr(l.log, "-- gap\nin presence c2s accept\n"));
	assert_int_equal(l.counts.n[COUNT_STREAM_PICKED_UP], 3);
	lab_end(&l);
}

static void test_memory(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l, 5222, false);
	l.inspector.memory_max = 400;
	say(&l, FLOW_CLIENT, CLIENT_HEADER "<message", strlen(CLIENT_HEADER "<message"), 100);
	assert_int_equal(l.counts.n[COUNT_STREAM_MEMORY], 1);
	lab_end(&l);
}

static int load(void **state)
{
	(void)state;
	policy = policy_of_text(rules, NULL);
	return 0;
}

static int unload(void **state)
{
	(void)state;
	policy_unref(policy);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_pipelined),
		cmocka_unit_test(test_one_sided),
		cmocka_unit_test(test_forged_bind),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_picked_up),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
