/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/mask_stream and mask_xml: what stays of a direction, whole, cut in two at every place,
 * and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "nfq-filter/mask_stream.h"

/* '*' in what is expected stands for any lower case letter: a pseudonym. */
static const struct {
	const char *in, *out;
	bool names;
} cases[] = {
	{ "<message to='a@b.c' id='77'><body>hi there</body></message>",
		"<message to='a@b.c' id='**'><body>xxxxxxxx</body></message>", false },
	{ "<message to='ann@b.c/r'><body/></message>", "<message to='***@*.*/*'><body/></message>",
		true },
	{ "<message><body>a&amp;b &#x41;</body></message>",
		"<message><body>xxxxxxxxxxxxxx</body></message>", false },
	{ "<message><body><![CDATA[a<b]]c]]></body></message>",
		"<message><body><![CDATA[xxx]]x]]></body></message>", false },
	{ "<message>\n <body>\n top\n</body> </message>",
		"<message>\n <body>\n xxxx</body> </message>", false },
	{ "<message \n type = \"chat\" note = 'a \"b\" c' ><x secret=''/></message >",
		"<message \n type = \"chat\" note = 'xxxxxxx' ><x secret=''/></message >", false },
	{ "<presence><show>away</show><priority>-1</priority><status>at home</status></presence>",
		"<presence><show>away</show><priority>-1</priority><status>xxxxxxx</status></"
		"presence>",
		false },
	{ "<iq type='result'><bind xmlns='urn:b'><jid>a@b.c/d</jid></bind><jid>a@b</jid></iq>",
		"<iq type='result'><bind "
		"xmlns='urn:b'><jid>a@b.c/d</jid></bind><jid>xxx</jid></iq>",
		false },
	{ "<a:auth mechanism='PLAIN' xmlns:a='urn:a'>AGEAYg==</a:auth>",
		"<a:auth mechanism='PLAIN' xmlns:a='urn:a'>xxxxxxxx</a:auth>", false },
	{ "<success/><?xml version='1.0'?><stream:stream from='b.c' xmlns='n'><iq "
	  "type='get'>a</iq>",
		"<success/><?xml version='1.0'?><stream:stream from='b.c' xmlns='n'><iq "
		"type='get'>x</iq>",
		false },
	{ "<success/><stream:stream to='b'><iq>a</iq></stream:stream>\n",
		"<success/><stream:stream to='b'><iq>x</iq></stream:stream>\n", false },
	/* Where it is none of XMPP, nothing stays. */
	{ "<iq/>hello <iq/>", "<iq/>xxxxxxxxxxx", false },
	{ "<iq><!-- a secret --></iq>", "<iq><!xxxxxxxxxxxxxxxxxxxx", false },
	{ "<iq><?secret a?></iq>", "<iq><xxxxxxxxxxxxxxxx", false },
	{ "<!DOCTYPE a [<!ENTITY b 'secret'>]>", "<xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", false },
	{ "<iq a='secret<b'/>", "<iq a='xxxxxxxxxxx", false },
	{ "</stream:stream></iq>tail", "</stream:stream><xxxxxxxx", false },
	{ "<?xml version='1.0' secret!?><iq>", "<?xml version='1.0' secretx?><iq>", false },
	{ "<?xslt secret?>", "<?xxxxxxxxxxxxx", false },
	/* TLS: the headers of its records. */
	{ "<proceed/>\x16\x03\x01\x01\x02", "<proceed/>\x16\x03\x01\x01\x02", false },
	{ "<proceed/>\x16\x03\x01\x01\x03"
	  "abc",
		"<proceed/>\x16\x03\x01\x01\x03"
		"xxx",
		false },
};

static const char header[] = "<?xml version='1.0'?><stream:stream to='b.c' xmlns='jabber:client' "
			     "xmlns:stream='http://etherx.jabber.org/streams'>";

static bool is_like(const char *have, const char *want, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (want[i] == '*' ? have[i] < 'a' || have[i] > 'z' : have[i] != want[i])
			return false;
	return true;
}

/* In pieces of step bytes; the first one of first. */
static void mask(char *bytes, size_t len, size_t first, size_t step, bool names)
{
	struct mask_stream s;

	mask_stream_init(&s, false);
	for (size_t at = 0, n = first; at < len; at += n, n = step) {
		n = n < len - at ? n : len - at;
		mask_stream_push(&s, names, bytes + at, n);
	}
}

static void test_cases(void **state)
{
	char whole[1024], cut[1024];
	size_t head = sizeof(header) - 1;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = head + strlen(cases[i].in);

		if (strlen(cases[i].out) != strlen(cases[i].in))
			fail_msg("%s and %s differ in length", cases[i].in, cases[i].out);
		snprintf(whole, sizeof(whole), "%s%s", header, cases[i].in);
		mask(whole, len, len, len, cases[i].names);
		if (!is_like(whole + head, cases[i].out, len - head))
			fail_msg("%s\n became %s\n and not %s", cases[i].in, whole + head,
				cases[i].out);
		for (size_t at = 1; at < len; at++) {
			snprintf(cut, sizeof(cut), "%s%s", header, cases[i].in);
			mask(cut, len, at, at == 1 ? 1 : len, cases[i].names);
			assert_memory_equal(cut, whole, len);
		}
	}
}

static void push(struct mask_stream *s, char *bytes)
{
	mask_stream_push(s, false, bytes, strlen(bytes));
}

/* Joined in the middle: what lets a reader join, too, stays. */
static void test_middle(void **state)
{
	char a[] = "his secret</body></message> <message to='a'><body>b</body></message>",
	     b[] = "nothing here", c[] = "<presence type='x'><y>secret</y></presence>",
	     d[] = "<message>a secret", e[] = "still secret</message>";
	struct mask_stream s;

	(void)state;
	mask_stream_init(&s, true);
	push(&s, b);
	assert_string_equal(b, "xxxxxxxxxxxx");
	push(&s, a);
	assert_string_equal(
		a, "xxxxxxxxxxxxxxxxx</message> <message to='a'><body>x</body></message>");
	push(&s, d);
	assert_string_equal(d, "<message>xxxxxxxx");
	mask_stream_gap(&s);
	push(&s, e);
	assert_string_equal(e, "xxxxxxxxxxxxxxxxxxxxxx");
	push(&s, c);
	assert_string_equal(c, "<presence type='x'><y>xxxxxx</y></presence>");
}

static void test_others(void **state)
{
	static const char *const texts[] = { "SSH-2.0-secret\r\n", "\xef\xbb\xbf<a>secret</a>",
		"\xff\xfe<\0a\0" };
	struct mask_stream s;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char bytes[64];
		size_t len = strlen(texts[i]);

		strcpy(bytes, texts[i]);
		mask_stream_init(&s, false);
		mask_stream_push(&s, false, bytes, len);
		for (size_t n = 0; n < len; n++)
			assert_int_equal(bytes[n], 'x');
		assert_int_equal(s.opaque, len);
	}
}

/* HTTP, as BOSH uses it. */
static const struct {
	const char *in, *out;
} messages[] = {
	{ "POST /bosh?token=1 HTTP/1.1\r\nHost: a.b\r\nCookie: me=you\r\nContent-Length: 25\r\n\r\n"
	  "<body><a>there</a></body>GET /x HTTP/1.1\r\n\r\n",
		"POST /bosh?xxxxxxx HTTP/1.1\r\nHost: a.b\r\nCookie: xxxxxx\r\nContent-Length: "
		"25\r\n\r\n<body><a>xxxxx</a></body>GET /x HTTP/1.1\r\n\r\n" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
	  "chunked\r\n\r\n4\r\n<bod\r\n11\r\ny><a>secret</a></"
	  "\r\n5\r\nbody>\r\n0\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.0 200 OK\r\n\r\n<a><b>to the "
	  "end",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		"chunked\r\n\r\n4\r\n<bod\r\n11\r\ny><a>xxxxxx</a></"
		"\r\n5\r\nbody>\r\n0\r\n\r\nHTTP/1.1 "
		"204 No\r\n\r\nHTTP/1.0 200 OK\r\n\r\n<a><b>xxxxxxxxxx" },
	{ "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\"a\":\"b\"}",
		"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nxxxxxxxxx" },
	{ "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\n<a>b</",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nxxxxxx" },
	/* Two lengths, or one that is none: where a message begins nobody knows. */
	{ "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\n<a>bc",
		"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 5\rxxxxxxxx" },
	{ "POST / HTTP/1.1\r\nContent-Length: -3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nContent-Length: -3\rxxxxxx" },
	{ "POST / HTTP/1.1\r\nbad field\r\n\r\nabc", "POST / HTTP/1.1\r\nbadxxxxxxxxxxxxx" },
};

static void test_http(void **state)
{
	char whole[1024], cut[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		size_t len = strlen(messages[i].in);

		strcpy(whole, messages[i].in);
		mask(whole, len, len, len, false);
		assert_string_equal(whole, messages[i].out);
		/* What it speaks is told by its first bytes, which come together. */
		for (size_t at = 5; at < len; at++) {
			strcpy(cut, messages[i].in);
			mask(cut, len, at, at == 5 ? 1 : len, false);
			assert_string_equal(cut, whole);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_middle),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
