/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What stream cases cannot say: what lies behind an event, what an idle stream keeps, the tree's
 * own functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

#define HEADER                                                                                     \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' to='a.example' version='1.0'>"

static struct stream *opened(void)
{
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event e;

	assert_int_equal(stream_push(s, HEADER, strlen(HEADER)), 0);
	assert_int_equal(stream_next(s, &e), 0);
	assert_int_equal(e.kind, STREAM_OPEN);
	assert_string_equal(e.header.to, "a.example");
	assert_string_equal(e.header.version, "1.0");
	assert_string_equal(e.header.from, "");
	return s;
}

static void expect(struct stream *s, struct stream_event *e, enum stream_event_kind kind)
{
	assert_int_equal(stream_next(s, e), 0);
	assert_int_equal(e->kind, kind);
}

/* TLS records behind <starttls/> are neither parsed nor lost. */
static void test_rest_behind_starttls(void **state)
{
	static const char bytes[] =
		"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\x16\x03\x01\x00\x05";
	struct stream *s = opened();
	struct stream_event e;

	(void)state;
	assert_int_equal(stream_push(s, bytes, sizeof bytes - 1), 0);
	expect(s, &e, STREAM_ELEMENT);
	assert_true(element_is(e.stanza.root, NS_TLS, "starttls"));
	assert_int_equal(stream_rest(s).len, 5);
	assert_memory_equal(stream_rest(s).ptr, "\x16\x03\x01\x00\x05", 5);
	stream_free(s);
}

static void test_partial_and_memory(void **state)
{
	struct stream *s = opened();
	struct stream_event e;
	size_t idle;

	(void)state;
	expect(s, &e, STREAM_MORE);
	assert_false(stream_is_partial(s));
	stream_shrink(s);
	idle = stream_memory(s);
	assert_true(idle < 2048);
	stream_push(s, "<message><bo", 12);
	expect(s, &e, STREAM_MORE);
	assert_true(stream_is_partial(s));
	assert_true(stream_memory(s) > idle);
	stream_shrink(s); /* nothing may be lost in the middle */
	stream_push(s, "dy/></message>", 14);
	expect(s, &e, STREAM_STANZA);
	assert_int_equal(e.stanza.elements, 2);
	assert_int_equal(e.stanza.depth, 2);
	expect(s, &e, STREAM_MORE);
	stream_shrink(s);
	assert_int_equal(stream_memory(s), idle);
	stream_free(s);
}

/* SASL success: what was pipelined behind it belongs to the new stream (XEP-0305). */
static void test_restart_keeps_what_was_pipelined(void **state)
{
	struct stream *s = opened();
	struct stream_event e;

	(void)state;
	stream_push(s, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" HEADER "<iq/>",
		strlen("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" HEADER "<iq/>"));
	expect(s, &e, STREAM_ELEMENT);
	stream_restart_keep(s);
	expect(s, &e, STREAM_OPEN);
	expect(s, &e, STREAM_STANZA);
	assert_int_equal(e.stanza.kind, STANZA_IQ);
	stream_restart(s);
	expect(s, &e, STREAM_MORE);
	stream_free(s);
	stream_free(NULL);
}

static void test_bad_stays_bad(void **state)
{
	struct stream *s = opened();
	struct stream_event e;

	(void)state;
	stream_push(s, "<!--", 4);
	expect(s, &e, STREAM_BAD);
	stream_push(s, "<presence/>", 11);
	expect(s, &e, STREAM_BAD);
	assert_string_equal(e.reason, "xml.comment");
	assert_int_equal(e.error, STREAM_ERROR_RESTRICTED_XML);
	stream_free(s);
}

static void test_tree(void **state)
{
	static const char text[] = "<message to='b' xml:lang='de'>a<body>x</body>b<x "
				   "xmlns='urn:x'/><body>y</body></message>";
	struct stream *s = opened();
	struct stream_event e;
	struct buf out;

	(void)state;
	stream_push(s, text, sizeof text - 1);
	expect(s, &e, STREAM_STANZA);
	struct xml_element *m = e.stanza.root, *body = element_child(m, NS_CLIENT, "body");

	assert_string_equal(element_attr(m, "to"), "b");
	assert_null(element_attr(m, "lang"));
	assert_string_equal(element_attr_ns(m, NS_XML, "lang"), "de");
	assert_string_equal(element_text(m, e.stanza.arena), "ab");
	assert_string_equal(element_text(body, e.stanza.arena), "x");
	body = element_next(body, NULL, "body");
	assert_string_equal(element_text(body, e.stanza.arena), "y");
	assert_null(element_next(body, NULL, NULL));
	assert_string_equal(element_child(m, "urn:x", NULL)->name, "x");
	assert_null(element_child(m, "urn:y", NULL));
	assert_int_equal(e.stanza.raw.len, sizeof text - 1);

	element_remove(element_child(m, "urn:x", "x"));
	element_remove(body);
	assert_int_equal(element_set_attr(e.stanza.arena, m, "to", "c"), 0);
	assert_int_equal(element_add_text(e.stanza.arena, m, "!", 1), 0);
	buf_init(&out, 0);
	assert_int_equal(write_element(&out, m, NS_CLIENT), 0);
	assert_string_equal(
		buf_string(&out), "<message to=\"c\" xml:lang=\"de\">a<body>x</body>b!</message>");
	buf_clear(&out);
	assert_int_equal(write_element(&out, m, NS_SERVER), 0);
	assert_string_equal(buf_string(&out), "<message xmlns=\"jabber:client\" to=\"c\" "
					      "xml:lang=\"de\">a<body>x</body>b!</message>");
	buf_fini(&out);
	stream_free(s);
}

/* Writing is canonical: what was written reads back to the same bytes. */
static void test_write_is_a_fixed_point(void **state)
{
	static const char text[] = "<message a='&#9;&#10;&#13;&quot;' xmlns:p='urn:p' "
				   "p:b='&apos;'><![CDATA[<&>]]>&#13;<p:q p:b=\"1\"/></message>";
	char *once = NULL;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		struct stream *s = opened();
		struct stream_event e;
		struct buf out;
		const char *in = once ? once : text;

		buf_init(&out, 0);
		stream_push(s, in, strlen(in));
		expect(s, &e, STREAM_STANZA);
		assert_int_equal(write_element(&out, e.stanza.root, NS_CLIENT), 0);
		char *again = buf_take(&out);
		if (once)
			assert_string_equal(once, again);
		free(once);
		once = again;
		stream_free(s);
	}
	assert_string_equal(once,
		"<message a=\"&#9;&#10;&#13;&quot;\" xmlns:p=\"urn:p\" p:b=\"'\">&lt;&amp;&gt;&#13;"
		"<q xmlns=\"urn:p\" xmlns:p=\"urn:p\" p:b=\"1\"/></message>");
	free(once);
}

static void test_header_written(void **state)
{
	struct stream_header h = { .content_ns = NS_SERVER,
		.from = "a.b",
		.to = "",
		.id = "<1>",
		.version = "1.0",
		.dialback = true };
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(write_header(&out, &h), 0);
	assert_int_equal(write_close(&out), 0);
	assert_string_equal(buf_string(&out),
		"<?xml version='1.0'?><stream:stream "
		"xmlns:stream=\"http://etherx.jabber.org/streams\" "
		"xmlns=\"jabber:server\" xmlns:db=\"jabber:server:dialback\" from=\"a.b\" "
		"id=\"&lt;1&gt;\" "
		"version=\"1.0\"></stream:stream>");
	buf_fini(&out);
}

/* ejabberd 23.01 knows "db:result" by these letters, and only where the header declares the prefix.
 */
static void test_dialback_written(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "<result xmlns='jabber:server:dialback' to='b'>k&lt;</result>",
			"<db:result to=\"b\">k&lt;</db:result>" },
		{ "<x:verify xmlns:x='jabber:server:dialback' to='b'/>", "<db:verify to=\"b\"/>" },
		/* Within it nothing changes: the default namespace is the stream's. */
		{ "<x:result xmlns:x='jabber:server:dialback'><error><gone xmlns='u'/></error>"
		  "</x:result>",
			"<db:result><error><gone xmlns=\"u\"/></error></db:result>" },
		{ "<result xmlns='jabber:server:dialback'><error/></result>",
			"<db:result><error xmlns=\"jabber:server:dialback\"/></db:result>" },
		/* No other element learns of it. */
		{ "<db:result xmlns:db='urn:x' type='valid'/>",
			"<result xmlns=\"urn:x\" type=\"valid\"/>" },
		{ "<bidi xmlns='urn:xmpp:bidi'><result xmlns='jabber:server:dialback'/></bidi>",
			"<bidi xmlns=\"urn:xmpp:bidi\"><result "
			"xmlns=\"jabber:server:dialback\"/></bidi>" },
		{ "<stream:features><x/></stream:features>",
			"<stream:features><x/></stream:features>" },
	};
	static const char header[] = "<stream:stream xmlns='jabber:server' "
				     "xmlns:stream='http://etherx.jabber.org/streams' to='a'>";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct stream *s = stream_new(&xmpp_limits_default);
		struct stream_event e;
		struct buf out;

		buf_init(&out, 0);
		stream_push(s, header, sizeof(header) - 1);
		stream_push(s, cases[i].in, strlen(cases[i].in));
		expect(s, &e, STREAM_OPEN);
		expect(s, &e, STREAM_ELEMENT);
		assert_int_equal(write_dialback(&out, e.stanza.root, NS_SERVER), 0);
		assert_string_equal(buf_string(&out), cases[i].out);
		buf_fini(&out);
		stream_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rest_behind_starttls),
		cmocka_unit_test(test_partial_and_memory),
		cmocka_unit_test(test_restart_keeps_what_was_pipelined),
		cmocka_unit_test(test_bad_stays_bad),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_write_is_a_fixed_point),
		cmocka_unit_test(test_header_written),
		cmocka_unit_test(test_dialback_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
