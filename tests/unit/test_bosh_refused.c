/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/bosh: what is no clean BOSH is refused under a name; what is not BOSH at all passes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/bosh_lab.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bodies),
		TEST(test_ceilings),
		TEST(test_heads),
		TEST(test_encodings_hidden),
		TEST(test_others_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
