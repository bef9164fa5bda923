/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/gate with BOSH: what a server behind it reads of requests, and a client of answers,
 * however they are cut, chunked or sent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/gate.h"
#include "tests/unit/packets.h"
#include "xmpp/ns.h"

enum { PORT = 5280, C0 = 1000, S0 = 5000, ROOM = 65536, IDS = 4096 };

static const char rules[] =
	"service web { listen tcp { 5280 }; role c2s; mode proxy; tls none; upstream 192.0.2.9 "
	"plain; }\n"
	"service must { listen tcp { 5281 }; role c2s; mode proxy; tls required; certificates "
	"\"c\"; "
	"upstream 192.0.2.9 plain; }\n"
	"chain all { hook any; policy accept;\n"
	" rule spam { body contains \"casino\" drop }\n"
	" rule no { iq payload.ns == \"urn:bad\" reject forbidden }\n"
	" rule mask { body contains \"secret\" replace \"***\" }\n"
	" rule shut { body contains \"guillotine\" close policy-violation } }\n";

static struct policy *policy;
static struct bosh_table *table;

struct end {
	char got[ROOM];
	unsigned char have[ROOM];
	size_t next;
	unsigned resets, finished;
	uint32_t first; /* number of the first byte */
};

struct lab {
	struct gate *gate;
	struct judge *judge;
	struct counts counts;
	struct end ends[FLOW_SIDES]; /* what came from that side */
	unsigned char fates[IDS];    /* + 1 */
	struct made sent[IDS];
	enum flow_side from[IDS];
	uint32_t id, seq[FLOW_SIDES];
	uint16_t port;
	uint64_t now_ns;
	unsigned acts[8], kills, passes;
	char why[64];
	bool acks; /* each end acknowledges what it has */
};

static void deliver(struct lab *l, enum flow_side side, const void *bytes, size_t len)
{
	struct packet p = { 0 };
	struct end *e = &l->ends[side];

	assert_int_equal(packet_parse_ip(bytes, len, len, &p), PACKET_TCP);
	assert_int_equal(p.checksum, CHECKSUM_GOOD);
	assert_false(p.flags & TCP_URG);
	if (p.flags & TCP_RST) {
		assert_int_equal(p.seq, e->first + e->next);
		e->resets++;
		return;
	}
	for (size_t n = 0; n < p.len; n++) {
		size_t at = p.seq + n - e->first;

		if (at >= ROOM || e->have[at])
			continue;
		e->have[at] = 1;
		e->got[at] = (char)p.payload[n];
	}
	while (e->next < ROOM && e->have[e->next])
		e->next++;
	e->finished += !!(p.flags & TCP_FIN);
}

static void on_order(void *arg, const struct gate_order *o)
{
	struct lab *l = arg;
	const struct made *m = &l->sent[o->id];

	assert_in_range(o->id, 1, l->id);
	assert_int_equal(l->fates[o->id], 0); /* once */
	l->fates[o->id] = (unsigned char)(o->fate + 1);
	l->kills += o->fate == GATE_KILL;
	l->passes += o->fate == GATE_PASS;
	if (o->fate != GATE_ACCEPT && o->fate != GATE_PASS)
		return;
	if (o->bytes)
		deliver(l, l->from[o->id], o->bytes, o->len);
	else
		deliver(l, l->from[o->id], m->bytes, m->len);
}

static void on_judged(
	void *arg, struct inspection *i, const struct inspect_verdict *v, enum gate_act act)
{
	(void)i;
	(void)v;
	((struct lab *)arg)->acts[act]++;
}

static void on_killed(void *arg, const struct flow *f, struct inspection *i, enum flow_side side,
	enum stream_error error, const char *why)
{
	(void)f;
	(void)i;
	(void)side;
	(void)error;
	snprintf(((struct lab *)arg)->why, sizeof(((struct lab *)arg)->why), "%s", why);
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	(void)i;
	(void)side;
	(void)what;
}

static void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	(void)i;
}

static void raw(struct lab *l, enum flow_side side, struct recipe r)
{
	bool client = side == FLOW_CLIENT;
	uint32_t id = ++l->id;

	assert_true(id < IDS);
	r.src = client ? 1 : 2;
	r.dst = client ? 2 : 1;
	r.sport = client ? 40000 : l->port;
	r.dport = client ? l->port : 40000;
	l->from[id] = side;
	made_ip(&l->sent[id], &r);
	l->now_ns += 1000000;
	assert_int_equal(gate_push(l->gate, &(struct gate_packet){ .id = id,
						    .bytes = l->sent[id].bytes,
						    .len = l->sent[id].len,
						    .now_ns = l->now_ns }),
		0);
}

static uint32_t acked(const struct lab *l, enum flow_side side)
{
	return l->ends[!side].first + (uint32_t)l->ends[!side].next;
}

/* A segment of len bytes that stand at offset in the side's stream. */
static void segment(struct lab *l, enum flow_side side, size_t offset, const char *data, size_t len)
{
	raw(l, side,
		(struct recipe){ .flags = TCP_ACK | TCP_PSH,
			.seq = l->ends[side].first + (uint32_t)offset,
			.ack = acked(l, side),
			.data = data,
			.len = len });
	if (l->acks)
		raw(l, !side,
			(struct recipe){ .flags = TCP_ACK,
				.seq = l->ends[!side].first + l->seq[!side],
				.ack = acked(l, !side) });
}

static void say_in(struct lab *l, enum flow_side side, const char *text, size_t step)
{
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		segment(l, side, l->seq[side], text + at, n);
		l->seq[side] += (uint32_t)n;
	}
}

static void say(struct lab *l, enum flow_side side, const char *text)
{
	say_in(l, side, text, 1400);
}

static struct lab *lab_begin(uint16_t port)
{
	struct lab *l = calloc(1, sizeof(*l));
	struct gate_spec spec = { .policy = policy,
		.judge = judge_new(),
		.counts = &l->counts,
		.bosh = table,
		.hooks = { l, on_order, on_judged, on_killed, on_noted, on_ended, NULL } };

	l->judge = spec.judge;
	l->port = port;
	l->acks = true;
	l->now_ns = 1000000000;
	l->ends[FLOW_CLIENT].first = C0 + 1;
	l->ends[FLOW_SERVER].first = S0 + 1;
	assert_non_null(l->gate = gate_new(&spec));
	return l;
}

static void shake(struct lab *l)
{
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = C0 });
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_SYN | TCP_ACK, .seq = S0, .ack = C0 + 1 });
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_ACK, .seq = C0 + 1, .ack = S0 + 1 });
}

/* Each packet had its order. */
static void lab_end(struct lab *l)
{
	gate_free(l->gate);
	for (uint32_t id = 1; id <= l->id; id++)
		assert_int_not_equal(l->fates[id], 0);
	judge_free(l->judge);
	free(l);
}

static struct lab *lab_bosh(void)
{
	struct lab *l = lab_begin(PORT);

	shake(l);
	return l;
}

static const char *got(const struct lab *l, enum flow_side side)
{
	return l->ends[side].got;
}

#define BODY "<body xmlns='" NS_HTTPBIND "' "
#define GOOD "<message xmlns='jabber:client'><body>hello</body></message>"
#define BAD  "<message xmlns='jabber:client'><body>casino</body></message>"
#define BARE "<message><body>casino</body></message>"

/* A message around that body; freed with the process. */
static char *message(const char *head, const char *body)
{
	static char texts[16][8192];
	static unsigned next;
	char *text = texts[next++ % 16];

	snprintf(text, sizeof(texts[0]), "%sContent-Length: %zu\r\n\r\n%s", head, strlen(body),
		body);
	return text;
}

static char *post(const char *body)
{
	return message("POST /b HTTP/1.1\r\nHost: a\r\n", body);
}

static char *ok(const char *body)
{
	return message("HTTP/1.1 200 OK\r\n", body);
}

static char *chunked(const char *body, size_t size)
{
	static char text[65536];
	char *at =
		text +
		sprintf(text, "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");

	for (size_t len = strlen(body); len > 0;) {
		size_t n = len < size ? len : size;

		at += sprintf(at, "%zx\r\n%.*s\r\n", n, (int)n, body);
		body += n;
		len -= n;
	}
	strcpy(at, "0\r\n\r\n");
	return text;
}

/* The same text with what is between the marks blanked. */
static const char *blanked(const char *text, const char *what)
{
	static char out[65536];
	char *at;

	strcpy(out, text);
	while ((at = strstr(out, what)))
		memset(at, ' ', strlen(what));
	return out;
}

static const size_t steps[] = { 1400, 300, 40, 7, 1 };

static void test_blanked(void **state)
{
	static const char *const spam[] = { BAD, BARE };

	(void)state;
	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++)
		for (size_t n = 0; n < 2; n++) {
			struct lab *l = lab_bosh();
			char body[1024], *text;

			snprintf(body, sizeof(body), BODY "rid='1' to='a'>%s%s</body>", spam[n],
				GOOD);
			text = post(body);
			say_in(l, FLOW_CLIENT, text, steps[s]);
			assert_string_equal(got(l, FLOW_CLIENT), blanked(text, spam[n]));
			text = ok(BODY "sid='S'>" GOOD BAD "</body>");
			say_in(l, FLOW_SERVER, text, steps[s]);
			assert_string_equal(got(l, FLOW_SERVER), blanked(text, BAD));
			assert_int_equal(l->acts[GATE_BLANKED], 2);
			assert_int_equal(gate_load(l->gate).held_packets, 0);
			assert_int_equal(l->kills, 0);
			lab_end(l);
		}
}

/* Chunks around a stanza do no harm; a chunk's line inside of one cannot be kept and overwritten.
 */
static void test_chunks(void **state)
{
	const char *body = BODY "rid='1' to='a'>" GOOD BAD GOOD "</body>";
	struct lab *l = lab_bosh();
	char *text = chunked(body, 5000);

	(void)state;
	say(l, FLOW_CLIENT, text);
	assert_string_equal(got(l, FLOW_CLIENT), blanked(text, BAD));
	assert_int_equal(l->kills, 0);
	lab_end(l);
	l = lab_bosh();
	text = chunked(BODY "rid='1' to='a'>" GOOD GOOD "</body>", 11);
	say(l, FLOW_CLIENT, text);
	assert_string_equal(got(l, FLOW_CLIENT), text);
	assert_int_equal(l->acts[GATE_FORWARDED], 2);
	lab_end(l);
	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
		l = lab_bosh();
		text = chunked(body, 11);
		say_in(l, FLOW_CLIENT, text, steps[s]);
		assert_null(strstr(got(l, FLOW_CLIENT), "0\r\n\r\n"));
		assert_int_equal(l->acts[GATE_KILLED], 1);
		assert_true(l->kills > 0);
		assert_true(l->ends[FLOW_CLIENT].resets > 0);
		lab_end(l);
	}
}

static void test_changed(void **state)
{
	struct lab *l = lab_bosh();

	(void)state;
	say(l, FLOW_CLIENT,
		post(BODY "rid='1' to='a'><message xmlns='jabber:client'><body>my secret   </body>"
			  "</message><iq xmlns='jabber:client' type='get' id='7' to='x'>"
			  "<q xmlns='urn:bad'>some words and more</q></iq></body>"));
	assert_non_null(strstr(got(l, FLOW_CLIENT), "<body>my ***"));
	assert_non_null(strstr(got(l, FLOW_CLIENT), "urn:xmppwall:refused"));
	assert_null(strstr(got(l, FLOW_CLIENT), "secret"));
	assert_int_equal(l->acts[GATE_CHANGED], 1);
	assert_int_equal(l->acts[GATE_ANSWERED], 1);
	assert_int_equal(l->ends[FLOW_CLIENT].next, l->seq[FLOW_CLIENT]);
	lab_end(l);
}

/* The field's name goes as another, in every copy. */
static void test_encodings_hidden(void **state)
{
	static const char head[] = "POST /b HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n";

	(void)state;
	for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
		struct lab *l = lab_bosh();
		char *text = message(head, BODY "rid='1' to='a'/>");

		l->acks = false;
		say_in(l, FLOW_CLIENT, text, steps[s]);
		assert_non_null(strstr(got(l, FLOW_CLIENT), "\r\nXccept-Encoding: gzip\r\n"));
		memset(l->ends[FLOW_CLIENT].have, 0, ROOM);
		segment(l, FLOW_CLIENT, 0, text, strlen(text));
		assert_null(strstr(got(l, FLOW_CLIENT), "Accept-Encoding"));
		lab_end(l);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *why, *text;
	} cases[] = {
		{ "http.length",
			"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: "
			"50\r\n\r\n" BODY "rid='1'/>" },
		{ "http.chunk-extension", "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
					  "chunked\r\n\r\n1;x=y\r\n<\r\n0\r\n\r\n" },
		{ "http.websocket", "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n" },
		{ "http.version", "POST /b HTTP/2.0\r\nHost: a\r\n\r\n" },
	};

	(void)state;
	for (size_t n = 0; n < sizeof(cases) / sizeof(*cases); n++)
		for (size_t s = 0; s < sizeof(steps) / sizeof(*steps); s++) {
			struct lab *l = lab_bosh();

			say_in(l, FLOW_CLIENT, cases[n].text, steps[s]);
			assert_string_equal(l->why, cases[n].why);
			/* The request that broke it never was whole. */
			assert_null(strstr(got(l, FLOW_CLIENT), "\r\n\r\n<"));
			lab_end(l);
		}
	struct lab *l = lab_begin(5281);
	shake(l);
	say(l, FLOW_CLIENT, post(BODY "rid='1' to='a'/>"));
	assert_string_equal(l->why, "tls.required");
	assert_int_equal(l->ends[FLOW_CLIENT].next, 0);
	lab_end(l);
}

/* A request that waits too long goes in part, and its end with it or not at all. */
static void test_slow(void **state)
{
	const char *text = post(BODY "rid='1' to='a'>" BAD "</body>");
	size_t part = (size_t)(strstr(text, "casino") - text);
	struct lab *l = lab_bosh();

	(void)state;
	segment(l, FLOW_CLIENT, 0, text, part);
	gate_tick(l->gate, l->now_ns += 2000000000);
	assert_int_equal(l->ends[FLOW_CLIENT].next, part);
	segment(l, FLOW_CLIENT, part, text + part, strlen(text) - part);
	assert_null(strstr(got(l, FLOW_CLIENT), "casino"));
	assert_true(l->kills > 0);
	lab_end(l);
}

/* What is no BOSH is not held. */
static void test_others(void **state)
{
	struct lab *l = lab_bosh();
	const char *text = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

	(void)state;
	say_in(l, FLOW_CLIENT, text, 5);
	assert_string_equal(got(l, FLOW_CLIENT), text);
	text = message("HTTP/1.1 200 OK\r\n", "<html>casino");
	segment(l, FLOW_SERVER, 0, text, strlen(text) - 4);
	assert_int_equal(l->ends[FLOW_SERVER].next, strlen(text) - 4);
	segment(l, FLOW_SERVER, strlen(text) - 4, text + strlen(text) - 4, 4);
	assert_string_equal(got(l, FLOW_SERVER), text);
	lab_end(l);
}

/* Ended by an operator, a session does not go on over another connection. */
static void test_ended(void **state)
{
	static const char bind[] =
		"<iq xmlns='jabber:client' type='%s' id='b'><bind xmlns='" NS_BIND
		"'>%s</bind></iq>";
	struct bosh_table *t = bosh_table_new(0);
	struct lab *l;
	char text[512], body[768];

	(void)state;
	table = t;
	l = lab_bosh();
	say(l, FLOW_CLIENT, post(BODY "rid='1' to='a'/>"));
	say(l, FLOW_SERVER, ok(BODY "sid='S'/>"));
	snprintf(text, sizeof(text), bind, "set", "");
	snprintf(body, sizeof(body), BODY "rid='2' sid='S'>%s</body>", text);
	say(l, FLOW_CLIENT, post(body));
	snprintf(text, sizeof(text), bind, "result", "<jid>ann@a/x</jid>");
	snprintf(body, sizeof(body), BODY ">%s</body>", text);
	say(l, FLOW_SERVER, ok(body));
	say(l, FLOW_CLIENT, post(BODY "rid='3' sid='S'>" GOOD "</body>"));
	assert_int_equal(gate_kill(l->gate, NULL, 0, "ann@a"), 1);
	lab_end(l);
	l = lab_bosh();
	say(l, FLOW_CLIENT, post(BODY "rid='4' sid='S'>" GOOD "</body>"));
	assert_string_equal(l->why, "bosh.ended");
	assert_null(strstr(got(l, FLOW_CLIENT), "hello"));
	lab_end(l);
	bosh_table_free(t);
	table = NULL;
}

static int load(void **state)
{
	struct source_set sources;
	struct diag_list diags;
	int r;

	(void)state;
	source_init(&sources, false);
	diag_init(&diags);
	source_add(&sources, "r", rules, sizeof(rules) - 1);
	r = policy_load(&sources, "r", NULL, NULL, &diags, &policy);
	diag_print(&diags, stderr, false);
	diag_fini(&diags);
	source_fini(&sources);
	return r;
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
		cmocka_unit_test(test_blanked),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_changed),
		cmocka_unit_test(test_encodings_hidden),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_ended),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
