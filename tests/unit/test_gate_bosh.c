/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/gate with BOSH: what a server behind it reads of requests, and a client of answers,
 * however they are cut, chunked or sent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/gate_lab.h"
#include "xmpp/ns.h"

enum { PORT = 5280 };

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

static struct lab *lab_bosh(void)
{
	struct lab *l = lab_begin(PORT);

	shake(l);
	return l;
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
	(void)state;
	return lab_load(rules);
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
