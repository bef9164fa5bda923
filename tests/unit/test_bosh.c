/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/bosh: a session's stanzas on whatever connection they come, whole, byte by byte and in
 * threes: the same verdicts, each at its place, and nothing of a stanza is let go before it has
 * one; what is no clean BOSH; what is not BOSH at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/inspect.h"
#include "xmpp/ns.h"

#define HOST    "Host: a.example\r\n"
#define BODY    "<body xmlns='" NS_HTTPBIND "' "
#define SPAM    "<message xmlns='jabber:client'><body>casino</body></message>"
#define HAM     "<message xmlns='jabber:client'><body>tea</body></message>"
#define BARE    "<message><body>casino</body></message>"
#define AUTH    "<auth xmlns='" NS_SASL "' mechanism='PLAIN'>AGFubgBzZWNyZXQ=</auth>"
#define OPENED  BODY "sid='S1' wait='60' requests='2' from='a.example'/>"
#define SUCCESS BODY "><success xmlns='" NS_SASL "'/></body>"
#define BIND    "<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='" NS_BIND "'/></iq>"
#define BOUND                                                                                      \
	BODY "><iq xmlns='jabber:client' type='result' id='b'><bind xmlns='" NS_BIND               \
	     "'><jid>ann@a.example/x</jid></bind></iq></body>"

enum { ROOM = 1 << 17, CONNS = 4 };

static const char rules[] =
	"service c2s { listen tcp { 5222, 5280 }; mode proxy; tls none; upstream 192.0.2.9 plain; "
	"}\n"
	"service s2s { listen tcp { 5269 }; mode proxy; tls none; upstream 192.0.2.9 plain; }\n"
	"limit chatter { rate 1/minute; burst 2; key session.jid; entries 100; }\n"
	"chain all { hook any; policy accept;\n"
	"    rule flood { message subject exists and limit chatter exceeded reject }\n"
	"    rule spam { body contains \"casino\" drop } }\n";

static struct policy *policy;

struct turn {
	int conn;
	enum flow_side side;
	const char *text;
	size_t len; /* 0: the text's own */
	bool end;
};

struct conn {
	struct inspection *i;
	char *raw[FLOW_SIDES];
	uint64_t at[FLOW_SIDES], decided[FLOW_SIDES];
};

struct lab {
	struct inspector inspector;
	struct counts counts;
	struct conn conns[CONNS];
	uint64_t rewritten; /* a position */
	char log[8192];
};

static struct lab lab;

static struct conn *conn_of(const struct inspection *i)
{
	for (unsigned n = 0; n < CONNS; n++)
		if (lab.conns[n].i == i)
			return &lab.conns[n];
	fail();
	return NULL;
}

static void tell(const char *format, ...)
{
	size_t len = strlen(lab.log);
	va_list args;

	va_start(args, format);
	vsnprintf(lab.log + len, sizeof(lab.log) - len, format, args);
	va_end(args);
}

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	const struct stanza *st = v->subject->stanza;
	const struct conn *c = conn_of(i);
	const char *raw = c->raw[v->side];

	(void)arg;
	tell("%s %s%s%s%s %s%s\n", v->side == FLOW_CLIENT ? "in" : "out",
		stanza_kind_text(st->kind), i->jid ? " " : "", i->jid ? i->jid : "",
		v->subject->session_authenticated ? " known" : "",
		verdict_kind_text(v->verdict->kind), v->subject->resent ? " again" : "");
	assert_true(v->end <= c->at[v->side]);
	assert_int_equal(raw[v->start], '<');
	assert_int_equal(raw[v->end - 1], '>');
	assert_int_equal(v->scattered, v->end - v->start != st->raw.len);
	if (!v->scattered)
		assert_memory_equal(raw + v->start, st->raw.ptr, st->raw.len);
	/* Nothing of it has gone. */
	assert_true(c->decided[v->side] <= v->start);
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	(void)arg;
	(void)i;
	(void)error;
	tell("%s broken %s\n", side == FLOW_CLIENT ? "in" : "out", reason);
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	(void)i;
	(void)side;
	if (strcmp(what, "http") != 0)
		tell("-- %s\n", what);
}

static void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	assert_true(i->number > 0);
}

static void on_rewrite(
	void *arg, struct inspection *i, enum flow_side side, uint64_t position, struct span bytes)
{
	(void)arg;
	assert_true(conn_of(i)->decided[side] <= position);
	memcpy(conn_of(i)->raw[side] + position, bytes.ptr, bytes.len);
	lab.rewritten = position;
}

static struct conn *conn_open(int n, uint16_t port, bool midstream)
{
	struct conn *c = &lab.conns[n];
	struct flow flow = { .midstream = midstream };

	if (c->i)
		return c;
	flow.server.port = port;
	c->i = inspection_new(&lab.inspector, &flow);
	assert_non_null(c->i);
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		assert_non_null(c->raw[s] = malloc(ROOM));
	return c;
}

static void say(struct conn *c, const struct turn *t, size_t step)
{
	size_t len = t->len ? t->len : strlen(t->text);

	memcpy(c->raw[t->side] + c->at[t->side], t->text, len);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;
		uint64_t position = c->at[t->side];

		c->at[t->side] += n;
		assert_int_equal(
			inspection_push(c->i, t->side, (struct span){ t->text + at, n }, position),
			0);
		for (unsigned s = 0; s < FLOW_SIDES; s++) {
			uint64_t decided = inspection_decided(c->i, s);

			if (c->i->half[s].stage != STAGE_HTTP)
				continue;
			assert_true(decided >= c->decided[s] && decided <= c->at[s]);
			c->decided[s] = decided;
		}
	}
	if (t->end)
		assert_int_equal(inspection_end(c->i, t->side), 0);
}

/* Limits begin anew. */
static void lab_begin(bool live)
{
	struct source_set sources;
	struct diag_list diags;

	memset(&lab, 0, sizeof(lab));
	source_init(&sources, false);
	diag_init(&diags);
	source_add(&sources, "r", rules, sizeof(rules) - 1);
	assert_int_equal(policy_load(&sources, "r", NULL, NULL, &diags, &policy), 0);
	diag_fini(&diags);
	source_fini(&sources);
	lab.inspector = (struct inspector){ .policy = policy,
		.judge = judge_new(),
		.counts = &lab.counts,
		.live = live,
		.hooks = { NULL, on_judged, on_broken, on_noted, on_ended, on_rewrite, NULL },
		.memory_max = 64 << 20,
		.bosh = bosh_table_new(0) };
}

static void lab_end(void)
{
	for (unsigned i = 0; i < CONNS; i++) {
		if (!lab.conns[i].i)
			continue;
		inspection_shrink(lab.conns[i].i);
		inspection_free(lab.conns[i].i);
		for (unsigned side = 0; side < FLOW_SIDES; side++)
			free(lab.conns[i].raw[side]);
	}
	assert_int_equal(lab.inspector.memory, 0);
	bosh_table_free(lab.inspector.bosh);
	judge_free(lab.inspector.judge);
	policy_unref(policy);
}

static void talk(const struct turn *turns, size_t n, uint16_t port, bool live, bool midstream,
	const char *expected)
{
	static const size_t steps[] = { ROOM, 1, 3 };

	/* In the middle, a packet is looked at for how it begins. */
	for (size_t s = 0; s < (midstream ? 1 : sizeof(steps) / sizeof(steps[0])); s++) {
		lab_begin(live);
		for (size_t i = 0; i < n; i++)
			say(conn_open(turns[i].conn, port, midstream), &turns[i], steps[s]);
		lab_end();
		assert_string_equal(lab.log, expected);
	}
}

#define TURNS(...)                                                                                 \
	(const struct turn[]){ __VA_ARGS__ },                                                      \
		sizeof((const struct turn[]){ __VA_ARGS__ }) / sizeof(struct turn)
#define TALK(expected, ...) talk(TURNS(__VA_ARGS__), 5280, true, false, expected)
#define IN(text)                                                                                   \
	{                                                                                          \
		0, FLOW_CLIENT, text, 0, false                                                     \
	}
#define OUT(text)                                                                                  \
	{                                                                                          \
		0, FLOW_SERVER, text, 0, false                                                     \
	}
#define IN_(n, text)                                                                               \
	{                                                                                          \
		n, FLOW_CLIENT, text, 0, false                                                     \
	}
#define OUT_(n, text)                                                                              \
	{                                                                                          \
		n, FLOW_SERVER, text, 0, false                                                     \
	}

/* Texts of one test; freed with the next. */
static char *texts[64];
static unsigned n_texts;

static const char *message(const char *head, const char *body)
{
	char *text = malloc(strlen(head) + strlen(body) + 128);

	assert_true(text && n_texts < 64);
	sprintf(text, "%sContent-Type: text/xml; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
		head, strlen(body), body);
	return texts[n_texts++] = text;
}

static const char *post(const char *body)
{
	return message("POST /http-bind HTTP/1.1\r\n" HOST, body);
}

static const char *ok(const char *body)
{
	return message("HTTP/1.1 200 OK\r\n", body);
}

/* In chunks of that many bytes. */
static const char *chunked(const char *head, const char *body, size_t size)
{
	char *text = malloc(strlen(head) + strlen(body) * 8 + 128), *at = text;

	assert_true(text && n_texts < 64);
	at += sprintf(at, "%sTransfer-Encoding: chunked\r\n\r\n", head);
	for (size_t len = strlen(body); len > 0;) {
		size_t n = len < size ? len : size;

		at += sprintf(at, "%zx\r\n%.*s\r\n", n, (int)n, body);
		body += n;
		len -= n;
	}
	strcpy(at, "0\r\n\r\n");
	return texts[n_texts++] = text;
}

static int forget(void **state)
{
	(void)state;
	while (n_texts > 0)
		free(texts[--n_texts]);
	return 0;
}

#define BEGIN                                                                                      \
	IN(post(BODY "rid='10' to='a.example' wait='60' hold='1'/>")), OUT(ok(OPENED)),            \
		IN(post(BODY "rid='11' sid='S1'>" AUTH "</body>")), OUT(ok(SUCCESS)),              \
		IN(post(BODY "rid='12' sid='S1' to='a.example' xmpp:restart='true' "               \
			     "xmlns:xmpp='urn:xmpp:xbosh'/>")),                                    \
		OUT(ok(BODY "/>")), IN(post(BODY "rid='13' sid='S1'>" BIND "</body>")),            \
		OUT(ok(BOUND))
#define BEGUN "in iq known accept\nout iq ann@a.example/x known accept\n"

static void test_session(void **state)
{
	(void)state;
	TALK(BEGUN
		"in message ann@a.example/x known drop\nin message ann@a.example/x known accept\n"
		"out message ann@a.example/x known drop\n",
		BEGIN, IN(post(BODY "rid='14' sid='S1'>" SPAM " \r\n" HAM "</body>")),
		OUT(ok(BODY ">" SPAM "</body>")));
	assert_int_equal(lab.counts.n[COUNT_BOSH], 10);
	assert_int_equal(lab.counts.n[COUNT_STREAM], 1);
	assert_int_equal(lab.counts.n[COUNT_BOSH_UNKNOWN], 0);
}

/* What one connection told holds on the others; another server's session of that name is not it. */
static void test_connections(void **state)
{
	(void)state;
	TALK(BEGUN "in message ann@a.example/x known drop\nin message accept\n", BEGIN,
		IN_(1, post(BODY "rid='14' sid='S1'>" SPAM "</body>")),
		IN_(2, post(BODY "rid='14' sid='S2'>" HAM "</body>")));
	assert_int_equal(lab.counts.n[COUNT_BOSH_UNKNOWN], 1);
	/* The answer to the bind comes by the connection that was held open. */
	TALK("in iq known accept\nout iq ann@a.example/x known accept\n"
	     "in message ann@a.example/x known accept\n",
		IN(post(BODY "rid='10' to='a.example'/>")), OUT(ok(OPENED)),
		IN(post(BODY "rid='11' sid='S1'>" AUTH "</body>")), OUT(ok(SUCCESS)),
		IN_(1, post(BODY "rid='12' sid='S1'/>")),
		IN(post(BODY "rid='13' sid='S1'>" BIND "</body>")), OUT_(1, ok(BOUND)),
		IN_(1, post(BODY "rid='14' sid='S1'>" HAM "</body>")));
	/* Ended by the server: nobody speaks for it any more. */
	TALK(BEGUN "in message accept\n", BEGIN,
		IN(post(BODY "rid='14' sid='S1' type='terminate'/>")),
		OUT(ok(BODY "type='terminate'/>")),
		IN(post(BODY "rid='15' sid='S1'>" HAM "</body>")));
}

/* A client cannot open a session by itself, nor say who it is. */
static void test_forged(void **state)
{
	(void)state;
	TALK("in message accept\n",
		IN(post(BODY "rid='1' sid='S9' to='a.example'>" HAM "</body>")));
	TALK("in iq accept\nin iq accept\nin message accept\n",
		IN(post(BODY "rid='1' to='a.example'/>")), OUT(ok(OPENED)),
		IN(post(BODY "rid='2' sid='S1'><success xmlns='" NS_SASL "'/>" BIND
			     "<iq xmlns='jabber:client' type='result' id='b'><bind xmlns='" NS_BIND
			     "'><jid>root@a.example/x</jid></bind></iq></body>")),
		OUT(ok(BODY "/>")), IN(post(BODY "rid='3' sid='S1'>" HAM "</body>")));
}

static void test_again(void **state)
{
#define WITH_SUBJECT "<message xmlns='jabber:client'><subject>x</subject><body>tea</body></message>"
	(void)state;
	/* Answered, and sent again: judged, not counted by limits. */
	TALK(BEGUN "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known accept again\n"
		   "in message ann@a.example/x known accept again\n"
		   "in message ann@a.example/x known drop again\n"
		   "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known reject\n",
		BEGIN, IN(post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		OUT(ok(BODY "/>")), IN_(1, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		OUT_(1, ok(BODY "/>")),
		IN_(1, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT SPAM "</body>")),
		OUT_(1, ok(BODY "/>")), IN(post(BODY "rid='15' sid='S1'>" WITH_SUBJECT "</body>")),
		OUT(ok(BODY "/>")), IN(post(BODY "rid='16' sid='S1'>" WITH_SUBJECT "</body>")));
	/* Not answered: whether the server has it is not known. */
	TALK(BEGUN "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known reject\n",
		BEGIN, IN(post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		IN_(1, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")),
		IN_(2, post(BODY "rid='14' sid='S1'>" WITH_SUBJECT "</body>")));
	/* Out of order, within the window. */
	TALK(BEGUN "in message ann@a.example/x known accept\n"
		   "in message ann@a.example/x known accept\n",
		BEGIN, IN_(1, post(BODY "rid='15' sid='S1'>" HAM "</body>")),
		IN(post(BODY "rid='14' sid='S1'>" HAM "</body>")));
	TALK(BEGUN "in broken bosh.rid\n", BEGIN,
		IN(post(BODY "rid='99' sid='S1'>" HAM "</body>")));
}

static void test_chunks(void **state)
{
	const char *body = BODY "rid='1' to='a.example'>" SPAM HAM "</body>";
	static const char head[] = "POST /http-bind HTTP/1.1\r\n" HOST;

	(void)state;
	TALK("in message drop\nin message accept\n", IN(chunked(head, body, 1)));
	assert_int_equal(lab.counts.n[COUNT_BOSH_SCATTERED], 2);
	TALK("in message drop\nin message accept\n", IN(chunked(head, body, 70)));
	assert_true(lab.counts.n[COUNT_BOSH_SCATTERED] > 0);
	TALK("in message drop\nin message accept\n", IN(chunked(head, body, 1000)));
	assert_int_equal(lab.counts.n[COUNT_BOSH_SCATTERED], 0);
	/* Pipelined. */
	TALK("in message drop\nin message accept\nin message drop\nout message drop\n",
		IN(chunked(head, body, 1000)), OUT(ok(OPENED)),
		IN(post(BODY "rid='2' sid='S1'>" SPAM "</body>")),
		OUT(chunked("HTTP/1.1 200 OK\r\n", BODY ">" SPAM "</body>", 7)));
}

/* ---- what is refused ---- */

static const struct {
	const char *told, *body;
} bodies[] = {
	{ "in broken bosh.rid\n", BODY "to='a.example'/>" },
	{ "in broken bosh.rid\n", BODY "rid='0' to='a.example'/>" },
	{ "in broken bosh.rid\n", BODY "rid='01' to='a.example'/>" },
	{ "in broken bosh.rid\n", BODY "rid='-1' to='a.example'/>" },
	{ "in broken bosh.rid\n", BODY "rid=' 1' to='a.example'/>" },
	{ "in broken bosh.rid\n", BODY "rid='1x' to='a.example'/>" },
	{ "in broken bosh.rid\n", BODY "rid='9007199254740992' to='a.example'/>" },
	{ "in broken bosh.rid\n", BODY "rid='18446744073709551617' to='a.example'/>" },
	{ "in broken bosh.sid\n", BODY "rid='1' sid=''/>" },
	{ "in broken bosh.stream\n", BODY "rid='1' sid='S1' stream='second'/>" },
	{ "in broken bosh.charset\n", BODY "rid='1' content='text/xml; charset=utf-16'/>" },
	{ "in broken bosh.root\n", "<body rid='1' to='a.example'>" SPAM "</body>" },
	{ "in broken bosh.root\n", "<body xmlns='urn:x' rid='1'>" SPAM "</body>" },
	{ "in broken bosh.root\n", "<b:body xmlns:b='" NS_HTTPBIND "' rid='1'>" SPAM "</b:body>" },
	{ "in broken bosh.root\n", "<boody xmlns='" NS_HTTPBIND "' rid='1'>" SPAM "</boody>" },
	{ "in broken bosh.root\n", SPAM },
	{ "in broken bosh.root\n",
		"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'>" SPAM },
	{ "in broken bosh.cut\n", BODY "rid='1'>" },
	{ "in broken bosh.cut\n", BODY "rid='1'" },
	{ "in message accept\nin broken bosh.cut\n", BODY "rid='1'>" HAM },
	{ "in message accept\nin broken bosh.cut\n", BODY "rid='1'>" HAM "<message" },
	{ "in message drop\nin broken bosh.after-body\n", BODY "rid='1'>" SPAM "</body>x" },
	{ "in broken bosh.after-body\n", BODY "rid='1'/>" BODY "rid='2'>" SPAM "</body>" },
	{ "in broken bosh.after-body\n", BODY "rid='1'/><!-- x -->" },
	{ "in broken bosh.namespace\n", BODY "rid='1'><message xmlns='jabber:server'/></body>" },
	{ "in broken bosh.namespace\n", BODY "rid='1'><iq xmlns='urn:x'/></body>" },
	{ "in broken stream.text\n", BODY "rid='1'>x</body>" },
	{ "in broken xml.not-well-formed\n", BODY "rid='1'></boody>" },
	{ "in broken xml.not-well-formed\n", BODY "rid='1' rid='2'/>" },
	{ "in broken xml.comment\n", "<!-- x -->" BODY "rid='1'/>" },
	{ "in broken xml.comment\n", BODY "rid='1'><!-- x --></body>" },
	{ "in broken xml.doctype\n", "<!DOCTYPE body>" BODY "rid='1'/>" },
	{ "in broken xml.bom\n", "\xef\xbb\xbf" BODY "rid='1'/>" },
	{ "in broken xml.utf16\n", "\xff\xfe<" },
	{ "in broken xml.encoding\n", "<?xml version='1.0' encoding='utf-16'?>" BODY "rid='1'/>" },
	/* And what is not. */
	{ "in message drop\n", BODY "rid='1'>" BARE "</body>" },
	{ "in message drop\n",
		"<?xml version='1.0' encoding='utf-8'?>\r\n" BODY "rid='1'>" SPAM "</body>\r\n" },
	{ "in message drop\n",
		BODY "rid='1' xmlns:c='jabber:client'><c:message><c:body>c<![CDATA[asi]]>"
		     "&#110;o</c:body></c:message></body>" },
	{ "in message drop\n", "\r\n " BODY "rid='9007199254740991'>" SPAM "</body>" },
	{ "", "<methodCall xmlns='urn:x'>" SPAM "</methodCall>" },
	{ "", "user=ann&text=%3Cbody%3E" },
	{ "", "   " },
};

static void test_bodies(void **state)
{
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		TALK(bodies[i].told, IN(post(bodies[i].body)));
		forget(state);
	}
}

/* A body with so many elements or bytes, from a stranger and from one who has logged in. */
static void test_ceilings(void **state)
{
	static char big[20000 + 512];
	char *at = big + sprintf(big, "%s",
				 BODY "rid='14' sid='S1'><message xmlns='jabber:client'><body>");

	(void)state;
	memset(at, 'x', 18000);
	strcpy(at + 18000, "</body></message></body>");
	TALK("in broken limit.stanza-bytes-preauth\n", IN(post(big)));
	TALK(BEGUN "in message ann@a.example/x known accept\n", BEGIN, IN(post(big)));
	/* Chunks of one byte: where each stands would have to be remembered. */
	TALK(BEGUN "in broken http.chunks\n", BEGIN,
		IN(chunked("POST /http-bind HTTP/1.1\r\n" HOST, big, 1)));
}

static void test_heads(void **state)
{
	static const char encoded[] = "Content-Encoding: gzip\r\n";
	char head[256];

	(void)state;
	snprintf(head, sizeof(head), "POST /http-bind HTTP/1.1\r\n" HOST "%s", encoded);
	TALK("in broken http.encoding\n", IN(message(head, BODY "rid='1'/>")));
	snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n%s", encoded);
	TALK("out broken http.encoding\n", IN(post(BODY "rid='1'/>")), OUT(message(head, "x")));
	TALK("in broken bosh.charset\n",
		IN(chunked("POST /b HTTP/1.1\r\n" HOST "Content-Type: text/xml; charset=utf-7\r\n",
			BODY "rid='1'/>", 1000)));
	TALK("in broken bosh.charset\n",
		IN(message("POST /b HTTP/1.1\r\n" HOST "Content-Type: text/xml; charset=UTF-16\r\n",
			BODY "rid='1'/>")));
	TALK("in broken http.websocket\n", IN("GET /ws HTTP/1.1\r\n" HOST
					      "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"));
	TALK("in broken http.upgrade\n",
		IN("GET /x HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"));
	TALK("in broken bosh.script\n",
		IN("GET /http-bind?%3Cbody%20rid='1'/> HTTP/1.1\r\n" HOST "\r\n"));
	TALK("in broken http.length\n",
		IN("POST /b HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 50\r\n\r\n"));
	/* The answer to BOSH is BOSH. */
	TALK("out broken bosh.no-xml\n", IN(post(BODY "rid='1'/>")), OUT(ok("hello")));
	TALK("out broken bosh.root\n", IN(post(BODY "rid='1'/>")), OUT(ok("<html/>")));
	TALK("", IN(post(BODY "rid='1'/>")), OUT(ok("")));
	/* An answer to what nobody has yet. */
	TALK("out broken bosh.early\n",
		IN("POST /b HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\n"),
		OUT(ok("\xef\xbb\xbf" BODY ">" SPAM "</body>")));
	TALK("", IN("POST /b HTTP/1.1\r\n" HOST "Content-Length: 500\r\n\r\nx=y"), OUT(ok("fine")));
	/* Not a stream, not HTTP. */
	talk(TURNS(IN(post(BODY "rid='1'>" SPAM "</body>"))), 5269, true, false,
		"in broken stream.http\n");
	talk(TURNS(IN(post(BODY "rid='1'>" SPAM "</body>"))), 5222, true, false,
		"in broken stream.http\n");
}

/* The name of the field becomes one that nobody knows, before anybody has it. */
static void test_encodings_hidden(void **state)
{
#define ASKS "POST /b HTTP/1.1\r\n" HOST "Accept-encoding: gzip\r\n"
	(void)state;
	TALK("", IN(message(ASKS, BODY "rid='1'/>")));
	assert_int_equal(lab.rewritten, strstr(ASKS, "Accept") - ASKS);
	TALK("", IN("GET / HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n"));
	assert_int_equal(lab.rewritten, 0);
}

static void test_others_pass(void **state)
{
	(void)state;
	TALK("", IN("OPTIONS /http-bind HTTP/1.1\r\n" HOST "Origin: http://b.example\r\n\r\n"),
		OUT("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		IN("GET /strophe.js HTTP/1.1\r\n" HOST "\r\n"),
		OUT(ok("var x = '<body>casino</body>';")),
		IN("PUT /file HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\n<x><"),
		OUT("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"));
	assert_int_equal(lab.counts.n[COUNT_HTTP_OTHER], 6);
	assert_int_equal(lab.counts.n[COUNT_STREAM], 0);
	/* A page that says no, in whatever it calls HTML. */
	TALK("", IN(post(BODY "rid='1'/>")),
		OUT(message("HTTP/1.1 404 Not Found\r\n", "<!DOCTYPE html><p>No<br></html>")));
	/* BOSH after it on the same connection. */
	TALK("in message drop\n", IN("GET / HTTP/1.1\r\n" HOST "\r\n"), OUT(ok("x")),
		IN(post(BODY "rid='1'>" SPAM "</body>")));
}

/* Offline: joined in the middle, and with bytes missing. */
static void test_middle(void **state)
{
	(void)state;
	talk(TURNS(OUT(ok(BODY ">" SPAM "</body>")),
		     IN(post(BODY "rid='5' sid='S1'>" HAM "</body>")), OUT(ok(BODY "/>"))),
		5280, false, true, "out message drop\nin message accept\n");
}

static void test_gap(void **state)
{
	const char *one = post(BODY "rid='5' sid='S1'>" SPAM "</body>");

	(void)state;
	lab_begin(false);
	say(conn_open(0, 5280, false), &(struct turn){ 0, FLOW_CLIENT, one, 0, false }, ROOM);
	inspection_gap(lab.conns[0].i, FLOW_CLIENT);
	say(&lab.conns[0], &(struct turn){ 0, FLOW_CLIENT, "</body></message></body>", 0, false },
		ROOM);
	say(&lab.conns[0], &(struct turn){ 0, FLOW_CLIENT, one, 0, true }, ROOM);
	assert_string_equal(lab.log, "in message drop\nin message drop\n");
	lab_end();
}

/* ---- the table ---- */

static void test_table(void **state)
{
	struct bosh_table *t = bosh_table_new(2);
	struct endpoint a = { .port = 1 }, b = { .port = 2 };
	struct bosh_session s = { .domain = "a.example" }, got, other;
	enum bosh_rid fate;

	(void)state;
	assert_int_equal(bosh_table_add(t, &a, "x", &s, 100, 1), 0);
	assert_int_equal(bosh_table_find(t, &b, "x", 0, 1, &got, &fate), 0);
	assert_int_equal(bosh_table_find(t, &a, "x", 101, 1, &got, &fate), 1);
	assert_string_equal(got.domain, "a.example");
	assert_int_equal(fate, BOSH_RID_FIRST);
	bosh_table_answered(t, &a, "x", 102);
	bosh_session_fini(&got);
	static const struct {
		uint64_t rid;
		enum bosh_rid fate;
	} rids[] = { { 102, BOSH_RID_AGAIN }, { 101, BOSH_RID_FIRST }, { 100, BOSH_RID_AGAIN },
		{ 103, BOSH_RID_FIRST }, { 165, BOSH_RID_FIRST }, { 166, BOSH_RID_FAR },
		{ 1, BOSH_RID_AGAIN } };
	for (size_t i = 0; i < sizeof(rids) / sizeof(rids[0]); i++) {
		assert_int_equal(bosh_table_find(t, &a, "x", rids[i].rid, 1, &got, &fate), 1);
		assert_int_equal(fate, rids[i].fate);
		bosh_session_fini(&got);
	}
	/* Two learn at once, each something else. */
	assert_int_equal(bosh_table_find(t, &a, "x", 0, 1, &got, &fate), 1);
	other = got;
	other.jid = "ann@a.example/x";
	other.stanzas[0]++;
	assert_int_equal(bosh_table_learn(t, &a, "x", &got, &other), 0);
	other = got;
	other.authenticated = true;
	other.stanzas[0]++;
	assert_int_equal(bosh_table_learn(t, &a, "x", &got, &other), 0);
	bosh_session_fini(&got);
	assert_int_equal(bosh_table_find(t, &a, "x", 0, 1, &got, &fate), 1);
	assert_string_equal(got.jid, "ann@a.example/x");
	assert_true(got.authenticated && got.stanzas[0] == 2);
	bosh_session_fini(&got);
	bosh_table_end(t, "bob@a.example");
	assert_int_equal(bosh_table_find(t, &a, "x", 103, 1, &got, &fate), 1);
	assert_int_equal(fate, BOSH_RID_FIRST);
	bosh_session_fini(&got);
	bosh_table_end(t, "ann@a.example");
	assert_int_equal(bosh_table_find(t, &a, "x", 103, 1, &got, &fate), 1);
	assert_int_equal(fate, BOSH_RID_ENDED);
	bosh_session_fini(&got);
	/* Who was not heard of gives way; nobody stays for ever. */
	assert_int_equal(bosh_table_add(t, &a, "y", &s, 1, 2), 0);
	assert_int_equal(bosh_table_find(t, &a, "x", 0, 3, &got, &fate), 1);
	bosh_session_fini(&got);
	assert_int_equal(bosh_table_add(t, &a, "z", &s, 1, 4), 1);
	assert_int_equal(bosh_table_find(t, &a, "y", 0, 5, &got, &fate), 0);
	assert_int_equal(bosh_table_count(t), 2);
	assert_int_equal(bosh_table_find(t, &a, "x", 0, UINT64_C(3600000000000), &got, &fate), 0);
	assert_int_equal(bosh_table_count(t), 0);
	bosh_table_remove(t, &a, "x");
	bosh_table_free(t);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_session),
		TEST(test_connections),
		TEST(test_forged),
		TEST(test_again),
		TEST(test_chunks),
		TEST(test_bodies),
		TEST(test_ceilings),
		TEST(test_heads),
		TEST(test_encodings_hidden),
		TEST(test_others_pass),
		TEST(test_middle),
		TEST(test_gap),
		TEST(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
