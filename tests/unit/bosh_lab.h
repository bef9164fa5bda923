/* SPDX-License-Identifier: BSD-2-Clause */
/* BOSH over some connections through the inspector, each case whole, byte by byte and in threes;
 * what it says of them is a text to compare. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/inspect.h"
#include "tests/unit/policy_of.h"
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

static inline struct conn *conn_of(const struct inspection *i)
{
	for (unsigned n = 0; n < CONNS; n++)
		if (lab.conns[n].i == i)
			return &lab.conns[n];
	fail();
	return NULL;
}

static inline void tell(const char *format, ...)
{
	size_t len = strlen(lab.log);
	va_list args;

	va_start(args, format);
	vsnprintf(lab.log + len, sizeof(lab.log) - len, format, args);
	va_end(args);
}

static inline void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
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

static inline void on_broken(void *arg, struct inspection *i, enum flow_side side,
	enum stream_error error, const char *reason)
{
	(void)arg;
	(void)i;
	(void)error;
	tell("%s broken %s\n", side == FLOW_CLIENT ? "in" : "out", reason);
}

static inline void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	(void)i;
	(void)side;
	if (strcmp(what, "http") != 0)
		tell("-- %s\n", what);
}

static inline void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	assert_true(i->number > 0);
}

static inline void on_rewrite(
	void *arg, struct inspection *i, enum flow_side side, uint64_t position, struct span bytes)
{
	(void)arg;
	assert_true(conn_of(i)->decided[side] <= position);
	memcpy(conn_of(i)->raw[side] + position, bytes.ptr, bytes.len);
	lab.rewritten = position;
}

static inline struct conn *conn_open(int n, uint16_t port, bool midstream)
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

static inline void say(struct conn *c, const struct turn *t, size_t step)
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
static inline void lab_begin(bool live)
{
	memset(&lab, 0, sizeof(lab));
	policy = policy_of_text(rules, NULL);
	lab.inspector = (struct inspector){ .policy = policy,
		.judge = judge_new(),
		.counts = &lab.counts,
		.live = live,
		.hooks = { NULL, on_judged, on_broken, on_noted, on_ended, on_rewrite, NULL },
		.memory_max = 64 << 20,
		.bosh = bosh_table_new(0) };
}

static inline void lab_end(void)
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

static inline void talk(const struct turn *turns, size_t n, uint16_t port, bool live,
	bool midstream, const char *expected)
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

static inline const char *message(const char *head, const char *body)
{
	char *text = malloc(strlen(head) + strlen(body) + 128);

	assert_true(text && n_texts < 64);
	sprintf(text, "%sContent-Type: text/xml; charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
		head, strlen(body), body);
	return texts[n_texts++] = text;
}

static inline const char *post(const char *body)
{
	return message("POST /http-bind HTTP/1.1\r\n" HOST, body);
}

static inline const char *ok(const char *body)
{
	return message("HTTP/1.1 200 OK\r\n", body);
}

/* In chunks of that many bytes. */
static inline const char *chunked(const char *head, const char *body, size_t size)
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

static inline int forget(void **state)
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

#define TEST(name) cmocka_unit_test_teardown(name, forget)
