/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/http: what is read of a connection, whole, byte by byte and in threes: the same, each
 * byte at its place; and everything requests are smuggled with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "nfq-filter/http.h"

#define HOST "Host: a.example\r\n"
#define OK   "HTTP/1.1 200 OK\r\n"

enum { ROOM = 1 << 20 };

struct turn {
	enum flow_side side;
	const char *text;
	size_t len; /* 0: the text's own */
	bool end;
};

struct lab {
	struct http *h;
	char *raw[FLOW_SIDES];
	size_t at[FLOW_SIDES], seen[FLOW_SIDES];
	int body; /* the side whose body was last in the log, or -1 */
	char log[16384];
};

static void tell(struct lab *l, const char *format, ...)
{
	size_t len = strlen(l->log);
	va_list args;

	if (l->body >= 0 && *format != '.')
		strcpy(l->log + len++, "\n");
	l->body = -1;
	va_start(args, format);
	vsnprintf(l->log + len, sizeof(l->log) - len, format + (*format == '.'), args);
	va_end(args);
}

static void tell_body(struct lab *l, enum flow_side side, const struct http_event *ev)
{
	if (l->body != (int)side)
		tell(l, "%c body ", side == FLOW_CLIENT ? '>' : '<');
	tell(l, ".%.*s", (int)(ev->bytes.len < 60 ? ev->bytes.len : 60), ev->bytes.ptr);
	l->body = (int)side;
}

static void tell_head(struct lab *l, const struct http_event *ev)
{
	const struct http_head *head = ev->head;
	const char *more = head->websocket ? " websocket" : head->upgrade ? " upgrade" : "";

	if (head->is_request)
		tell(l, "> %llu %.*s %.*s%s\n", (unsigned long long)ev->number,
			(int)head->method.len, head->method.ptr, (int)head->target.len,
			head->target.ptr, more);
	else
		tell(l, "< %s%llu %u%s%s\n", ev->unasked ? "? " : "",
			(unsigned long long)ev->number, head->status, ev->interim ? " interim" : "",
			more);
}

/* Every byte of an event is found in the stream at the event's place, and places only go up. */
static void check_place(struct lab *l, enum flow_side side, const struct http_event *ev)
{
	assert_true(ev->position >= l->seen[side]);
	assert_true(ev->position + ev->bytes.len <= l->at[side]);
	assert_memory_equal(l->raw[side] + ev->position, ev->bytes.ptr, ev->bytes.len);
	assert_int_equal(http_position(l->h, side), ev->position + ev->bytes.len);
	l->seen[side] = ev->position + ev->bytes.len;
}

/* True: something was said. */
static bool drain(struct lab *l, enum flow_side side)
{
	char mark = side == FLOW_CLIENT ? '>' : '<';
	struct http_event ev;

	assert_int_equal(http_next(l->h, side, &ev), 0);
	if (ev.kind == HTTP_MORE || (ev.kind == HTTP_BAD && strstr(l->log, ev.reason)))
		return false;
	if (ev.kind == HTTP_BAD) {
		tell(l, "%c %s\n", mark, ev.reason);
		return false;
	}
	check_place(l, side, &ev);
	if (ev.kind == HTTP_HEAD)
		tell_head(l, &ev);
	else if (ev.kind == HTTP_BODY)
		tell_body(l, side, &ev);
	else if (ev.kind == HTTP_UPGRADED && !strstr(l->log, side ? "< other" : "> other"))
		tell(l, "%c other\n", mark);
	else if (ev.kind == HTTP_END)
		tell(l, "%c end\n", mark);
	return true;
}

static void drain_both(struct lab *l)
{
	bool more;

	do
		more = drain(l, FLOW_CLIENT) || drain(l, FLOW_SERVER);
	while (more);
}

static void say(struct lab *l, const struct turn *t, size_t step)
{
	size_t len = t->len ? t->len : strlen(t->text);

	memcpy(l->raw[t->side] + l->at[t->side], t->text, len);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		l->at[t->side] += n;
		assert_int_equal(http_push(l->h, t->side, (struct span){ t->text + at, n }), 0);
		drain_both(l);
	}
	if (t->end) {
		http_end(l->h, t->side);
		drain_both(l);
	}
}

static void talk(const struct turn *turns, size_t n, const char *expected, bool resumed)
{
	static const size_t steps[] = { ROOM, 1, 3 };
	static struct lab l;

	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		memset(&l, 0, sizeof(l));
		l.body = -1;
		l.h = http_new();
		if (resumed) {
			http_resume(l.h, FLOW_CLIENT, 0);
			http_resume(l.h, FLOW_SERVER, 0);
		}
		for (unsigned side = 0; side < FLOW_SIDES; side++)
			l.raw[side] = malloc(ROOM);
		for (size_t i = 0; i < n; i++)
			say(&l, &turns[i], steps[s]);
		http_shrink(l.h);
		assert_true(http_memory(l.h) > 0);
		http_free(l.h);
		for (unsigned side = 0; side < FLOW_SIDES; side++)
			free(l.raw[side]);
		assert_string_equal(l.log, expected);
	}
}

#define TURNS(...)                                                                                 \
	(const struct turn[]){ __VA_ARGS__ },                                                      \
		sizeof((const struct turn[]){ __VA_ARGS__ }) / sizeof(struct turn)
#define TALK(expected, ...) talk(TURNS(__VA_ARGS__), expected, false)
#define IN(text)                                                                                   \
	{                                                                                          \
		FLOW_CLIENT, text, 0, false                                                        \
	}
#define OUT(text)                                                                                  \
	{                                                                                          \
		FLOW_SERVER, text, 0, false                                                        \
	}
#define OUT_END(text)                                                                              \
	{                                                                                          \
		FLOW_SERVER, text, 0, true                                                         \
	}

static void test_bodies(void **state)
{
	(void)state;
	TALK("> 0 POST /b\n> body hello\n> end\n< 0 200\n< body yes\n< end\n",
		IN("POST /b HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"),
		OUT(OK "content-length:3 \r\n\r\nyes"));
	TALK("> 0 POST /b\n> body hello\n> end\n< 0 200\n< body yes or no\n< end\n",
		IN("POST /b HTTP/1.1\r\n" HOST
		   "Transfer-Encoding: Chunked\r\n\r\n2\r\nhe\r\n0003\r\nllo\r\n0\r\n\r\n"),
		OUT(OK "Transfer-Encoding: chunked\r\n\r\n9\r\nyes or no\r\n000\r\n\r\n"));
	TALK("> 0 GET /\n> end\n< 0 200\n< body until here\n< end\n",
		IN("GET / HTTP/1.1\r\n" HOST "\r\n"), OUT_END(OK "\r\nuntil here"));
	TALK("> 0 POST /b\n> end\n< 0 200\n< end\n",
		IN("POST /b HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"),
		OUT(OK "Content-Length: 0\r\n\r\n"));
	/* Old, and it ends with its answer. */
	TALK("> 0 GET /\n> end\n< 0 200\n< body x\n< end\n", IN("GET / HTTP/1.0\r\n\r\n"),
		OUT_END("HTTP/1.0 200 OK\r\n\r\nx"));
}

static void test_answers_match(void **state)
{
	(void)state;
	/* Pipelined; HEAD, 204 and 304 have no body whatever they say. */
	TALK("> 0 HEAD /\n> end\n> 1 GET /a\n> end\n> 2 GET /b\n> end\n> 3 OPTIONS *\n> end\n"
	     "< 0 200\n< end\n< 1 304\n< end\n< 2 200\n< body ab\n< end\n< 3 204\n< end\n",
		IN("HEAD / HTTP/1.1\r\n" HOST "\r\nGET /a HTTP/1.1\r\n" HOST
		   "\r\nGET /b HTTP/1.1\r\n" HOST "\r\nOPTIONS * HTTP/1.1\r\n" HOST "\r\n"),
		OUT(OK "Content-Length: 100\r\n\r\nHTTP/1.1 304 Not Modified\r\n"
		       "Content-Length: 7\r\n\r\n" OK "Content-Length: 2\r\n\r\nab"
		       "HTTP/1.1 204 No Content\r\n\r\n"));
	TALK("> 0 POST /b\n< 0 100 interim\n< end\n> body x\n> end\n< 0 200\n< end\n",
		IN("POST /b HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"),
		OUT("HTTP/1.1 100 Continue\r\n\r\n"), IN("x"), OUT(OK "Content-Length: 0\r\n\r\n"));
	/* An answer waits for its question. */
	TALK("> 0 GET /\n> end\n< 0 200\n< body z\n< end\n", OUT(OK "Content-Length: 1\r\n\r\nz"),
		IN("GET / HTTP/1.1\r\n" HOST "\r\n"));
	/* A refusal does not, once the server goes. */
	TALK("< ? 0 408\n< end\n", IN("GET"),
		OUT_END("HTTP/1.1 408 Timeout\r\nConnection: close\r\n\r\n"));
	TALK("< ? 0 200\n< end\n", IN("GET"), OUT_END(OK "Content-Length: 0\r\n\r\n"));
	/* Too early, but what is asked is known. */
	TALK("> 0 POST /b\n> body a\n< 0 413\n< end\n> body b\n> end\n",
		IN("POST /b HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\na"),
		OUT("HTTP/1.1 413\r\nContent-Length: 0\r\n\r\n"), IN("b"));
}

static void test_upgrade(void **state)
{
	(void)state;
#define ASK "GET /ws HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	TALK("> 0 GET /ws websocket\n> end\n< 0 101 websocket\n> other\n< other\n",
		IN(ASK "\x81\x01x"),
		OUT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01y"));
	/* Refused: what waited is HTTP. */
	TALK("> 0 GET /ws websocket\n> end\n< 0 404\n> 1 GET /\n> end\n< end\n",
		IN(ASK "GET / HTTP/1.1\r\n" HOST "\r\n"),
		OUT("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"));
	/* Nobody asked. */
	TALK("> 0 GET /\n> end\n< http.upgrade\n", IN("GET / HTTP/1.1\r\n" HOST "\r\n"),
		OUT("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"));
}

static void test_keep_alive(void **state)
{
	(void)state;
	TALK("> 0 GET /\n> end\n> http.after-close\n",
		IN("GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\nGET / HTTP/1.1\r\n"));
	TALK("> 0 GET /\n> end\n> http.after-close\n", IN("GET / HTTP/1.0\r\n\r\nG"));
	TALK("> 0 GET /\n> end\n> 1 GET /\n> end\n",
		IN("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n"));
	TALK("> 0 GET /\n> end\n> 1 GET /\n> end\n< 0 200\n< end\n< http.after-close\n",
		IN("GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n"),
		OUT(OK "Content-Length: 0\r\nConnection: close\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

static void test_resumed(void **state)
{
	(void)state;
	talk(TURNS(OUT(OK "Content-Length: 1\r\n\r\nz"), IN("GET / HTTP/1.1\r\n" HOST "\r\n"),
		     OUT(OK "Content-Length: 1\r\n\r\ny")),
		"< ? 0 200\n< body z\n< end\n> 0 GET /\n> end\n< 0 200\n< body y\n< end\n", true);
}

/* ---- what is refused ---- */

static const struct {
	const char *reason, *head; /* behind the request line and Host */
} fields[] = {
	{ "http.length", "Content-Length: 5\r\nContent-Length: 5\r\n" },
	{ "http.length", "Content-Length: 5\r\nContent-Length: 6\r\n" },
	{ "http.length", "Content-Length: 5, 5\r\n" },
	{ "http.length", "Content-Length: +5\r\n" },
	{ "http.length", "Content-Length: -5\r\n" },
	{ "http.length", "Content-Length: 0x5\r\n" },
	{ "http.length", "Content-Length: 05\r\n" },
	{ "http.length", "Content-Length: 5 5\r\n" },
	{ "http.length", "Content-Length:\r\n" },
	{ "http.length", "Content-Length: 99999999999999999999\r\n" },
	{ "http.length", "Content-Length: 18446744073709551621\r\n" },
	{ "http.length", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" },
	{ "http.length", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" },
	{ "http.transfer", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" },
	{ "http.transfer", "Transfer-Encoding: chunked, identity\r\n" },
	{ "http.transfer", "Transfer-Encoding: gzip, chunked\r\n" },
	{ "http.transfer", "Transfer-Encoding: xchunked\r\n" },
	{ "http.transfer", "Transfer-Encoding: \"chunked\"\r\n" },
	{ "http.transfer", "Transfer-Encoding: identity\r\n" },
	{ "http.control", "Transfer-Encoding: \x0b"
			  "chunked\r\n" },
	{ "http.control", "X: a\x7f\r\n" },
	{ "http.colon", "Transfer-Encoding : chunked\r\n" },
	{ "http.colon", "Content-Length\t: 5\r\n" },
	{ "http.fold", "X: a\r\n b\r\n" },
	{ "http.fold", "X: a\r\n\tTransfer-Encoding: chunked\r\n" },
	{ "http.fold", " Transfer-Encoding: chunked\r\n" },
	{ "http.line-end", "X: a\nContent-Length: 5\r\n" },
	{ "http.line-end", "X: a\rContent-Length: 5\r\n" },
	{ "http.line-end", "X: a\r\r\n" },
	{ "http.field", ": 5\r\n" },
	{ "http.field", "Content-Length\r\n" },
	{ "http.field", "Content Length: 5\r\n" },
	{ "http.field", "Content-Length\xc2\xa0: 5\r\n" },
	{ "http.field", "Content_Length: 5\r\n" },
	{ "http.field", "Transfer_Encoding: chunked\r\n" },
	{ "http.field", "Trailer: X\r\n" },
	{ "http.host", "Host: b.example\r\n" },
	{ "http.connection", "Connection: close, Content-Length\r\n" },
	{ "http.connection", "Connection: Transfer-Encoding\r\n" },
	{ "http.expect", "Expect: 200-ok\r\n" },
	{ "http.expect", "Expect: 100-continue, x\r\n" },
};

static void test_fields_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char text[512], expected[64];

		snprintf(text, sizeof(text), "POST /b HTTP/1.1\r\n" HOST "%s\r\n0\r\n\r\n",
			fields[i].head);
		snprintf(expected, sizeof(expected), "> %s\n", fields[i].reason);
		TALK(expected, IN(text));
	}
	TALK("> http.nul\n", { FLOW_CLIENT, "POST /\0 HTTP/1.1\r\n", 18, false });
}

static const struct {
	const char *reason, *text;
} requests[] = {
	{ "http.line", "\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.line", "get / HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.line", "GET\t/ HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.line", " GET / HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.version", "GET  / HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.target", "GET http://a.example/ HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.target", "GET a HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.target", "GET * HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.target", "GET /a#b HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.target", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.method", "CONNECT a.example:5222 HTTP/1.1\r\n" HOST "\r\n" },
	{ "http.version", "GET / HTTP/1.2\r\n" HOST "\r\n" },
	{ "http.version", "GET / HTTP/1.1 \r\n" HOST "\r\n" },
	{ "http.version", "GET / http/1.1\r\n" HOST "\r\n" },
	{ "http.version", "GET / HTTP/0.9\r\n\r\n" },
	{ "http.version", "GET /\r\n\r\n" },
	{ "http.version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
	{ "http.host", "GET / HTTP/1.1\r\n\r\n" },
	{ "http.host", "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n" },
	{ "http.host", "GET / HTTP/1.1\r\nHost: x@a.example\r\n\r\n" },
	{ "http.body", "GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" },
	{ "http.body", "OPTIONS / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n" },
	{ "http.transfer", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" },
};

static void test_lines_refused(void **state)
{
	char expected[64];

	(void)state;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		snprintf(expected, sizeof(expected), "> %s\n", requests[i].reason);
		TALK(expected, IN(requests[i].text));
	}
}

static const struct {
	const char *reason, *text; /* behind an answer's head with Transfer-Encoding: chunked */
	const char *read;
} chunks[] = {
	{ "http.chunk", "x\r\n", "" },
	{ "http.chunk", "\r\n", "" },
	{ "http.chunk", "-1\r\n", "" },
	{ "http.chunk", "+1\r\n", "" },
	{ "http.chunk", " 1\r\n", "" },
	{ "http.chunk", "1 \r\n", "" },
	{ "http.chunk", "0x1\r\n", "" },
	{ "http.chunk", "123456789\r\n", "" },
	{ "http.chunk", "1\n", "" },
	{ "http.line-end", "1\rx", "" },
	{ "http.chunk-extension", "1;a=b\r\nx\r\n", "" },
	{ "http.chunk", "1\r\nxy", "< body x\n" },
	{ "http.chunk", "1\r\nx\n0\r\n\r\n", "< body x\n" },
	{ "http.line-end", "1\r\nx\r0", "< body x\n" },
	{ "http.trailer", "0\r\nX: y\r\n\r\n", "" },
	{ "http.line-end", "0\r\n\rx", "" },
};

static void test_chunks_refused(void **state)
{
	char text[256], expected[128];

	(void)state;
	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		snprintf(text, sizeof(text), OK "Transfer-Encoding: chunked\r\n\r\n%s",
			chunks[i].text);
		snprintf(expected, sizeof(expected), "> 0 GET /\n> end\n< 0 200\n%s< %s\n",
			chunks[i].read, chunks[i].reason);
		TALK(expected, IN("GET / HTTP/1.1\r\n" HOST "\r\n"), OUT(text));
	}
}

static void test_answers_refused(void **state)
{
	(void)state;
#define REFUSED(reason, text)                                                                      \
	TALK("> 0 GET /\n> end\n< " reason "\n", IN("GET / HTTP/1.1\r\n" HOST "\r\n"), OUT(text))
	REFUSED("http.version", "HTTP/2 200 OK\r\n\r\n");
	REFUSED("http.version", "ICY 200 OK\r\n\r\n");
	REFUSED("http.line", "HTTP/1.1 20 OK\r\n\r\n");
	REFUSED("http.line", "HTTP/1.1 2000 OK\r\n\r\n");
	REFUSED("http.line", "HTTP/1.1 099 OK\r\n\r\n");
	REFUSED("http.line", "HTTP/1.1 +20 OK\r\n\r\n");
	REFUSED("http.body", "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n");
	REFUSED("http.body", "HTTP/1.1 100 Go\r\nTransfer-Encoding: chunked\r\n\r\n");
	REFUSED("http.length", OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n");
	REFUSED("http.length", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
	REFUSED("http.line-end", "HTTP/1.1 200 OK\n\n");
	REFUSED("http.expect", OK "Expect: 100-continue\r\n\r\n");
}

static void test_ceilings(void **state)
{
	static char text[ROOM / 2];
	char *at = text;

	(void)state;
	at += sprintf(at, "GET / HTTP/1.1\r\n" HOST "X: ");
	memset(at, 'x', 20000);
	strcpy(at + 20000, "\r\n\r\n");
	TALK("> http.head\n", IN(text));
	at = text + sprintf(text, "GET / HTTP/1.1\r\n" HOST);
	for (int i = 0; i < 70; i++)
		at += sprintf(at, "X%d: y\r\n", i);
	strcpy(at, "\r\n");
	TALK("> http.head\n", IN(text));
	at = text + sprintf(text, "GET /");
	memset(at, 'x', 9000);
	strcpy(at + 9000, " HTTP/1.1\r\n" HOST "\r\n");
	TALK("> http.head\n", IN(text));
	/* More questions than answers. */
	at = text;
	for (int i = 0; i <= HTTP_PENDING_MAX; i++)
		at += sprintf(at, "GET / HTTP/1.1\r\n" HOST "\r\n");
	{
		char expected[2048] = "";

		for (int i = 0; i < HTTP_PENDING_MAX; i++)
			sprintf(expected + strlen(expected), "> %d GET /\n> end\n", i);
		strcat(expected, "> http.pipeline\n");
		TALK(expected, IN(text));
	}
	/* Answers without a question, and words behind a request for another protocol. */
	memset(text, 'x', HTTP_WAIT_MAX + 1);
	text[HTTP_WAIT_MAX + 1] = '\0';
	TALK("< http.unasked\n", OUT(text));
	TALK("> 0 GET /ws websocket\n> end\n> http.upgrade\n", IN(ASK), IN(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_answers_match),
		cmocka_unit_test(test_upgrade),
		cmocka_unit_test(test_keep_alive),
		cmocka_unit_test(test_resumed),
		cmocka_unit_test(test_fields_refused),
		cmocka_unit_test(test_lines_refused),
		cmocka_unit_test(test_chunks_refused),
		cmocka_unit_test(test_answers_refused),
		cmocka_unit_test(test_ceilings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
