/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Stanzas in, error answers out: who gets one, who must not, and what it looks like (RFC 6120 8.3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "xmpp/bounce.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

#define HEADER                                                                                     \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

/* The answer to stanza as text, "" when none is sent; malloc'd. */
static char *answer(
	const char *stanza, enum stanza_error condition, const char *text, const char *fallback)
{
	static const char *const details[STANZA_ERROR_COUNT] = {
		[STANZA_ERROR_NOT_ACCEPTABLE] = "stanza-too-big"
	};
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event e;
	struct buf out;
	bool sent;

	buf_init(&out, 0);
	assert_int_equal(stream_push(s, HEADER, strlen(HEADER)), 0);
	assert_int_equal(stream_push(s, stanza, strlen(stanza)), 0);
	assert_int_equal(stream_next(s, &e), 0);
	assert_int_equal(e.kind, STREAM_OPEN);
	assert_int_equal(stream_next(s, &e), 0);
	assert_int_equal(e.kind, STREAM_STANZA);
	assert_int_equal(
		bounce_write(&out, &e.stanza, condition, text, details[condition], fallback, NS_CLIENT,
			&sent),
		0);
	assert_int_equal(sent, buf_len(&out) > 0);
	assert_int_equal(sent, bounce_allowed(&e.stanza));
	stream_free(s);
	return buf_take(&out);
}

static void check(const char *stanza, const char *expected)
{
	char *got = answer(stanza, STANZA_ERROR_POLICY_VIOLATION, NULL, NULL);

	assert_string_equal(got, expected);
	free(got);
}

#define POLICY                                                                                     \
	"<error type=\"modify\"><policy-violation "                                                \
	"xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error>"

static void test_answered(void **state)
{
	(void)state;
	check("<message to='b@x' id='1'><body>secret</body></message>",
		"<message type=\"error\" id=\"1\" from=\"b@x\">" POLICY "</message>");
	check("<message from='a@x/r' to='b@x' type='chat'/>",
		"<message type=\"error\" from=\"b@x\" to=\"a@x/r\">" POLICY "</message>");
	check("<iq type='get' id='&lt;&quot;' to='b@x'><q xmlns='urn:q'/></iq>",
		"<iq type=\"error\" id=\"&lt;&quot;\" from=\"b@x\">" POLICY "</iq>");
	check("<presence type='subscribe' to='b@x'/>",
		"<presence type=\"error\" from=\"b@x\">" POLICY "</presence>");
	check("<message xmlns='jabber:server' from='a@y' to='b@x'/>",
		"<message xmlns=\"jabber:server\" type=\"error\" from=\"b@x\" to=\"a@y\">" POLICY
		"</message>");
}

static void test_silent(void **state)
{
	(void)state;
	check("<message type='error' to='b@x'/>", "");
	check("<iq type='result' id='1'/>", "");
	check("<iq type='error' id='1'/>", "");
	check("<iq type='get'><q xmlns='urn:q'/></iq>", "");
	check("<iq id='1'/>", "");
	check("<presence type='unavailable'/>", "");
	check("<presence type='probe' to='b@x'/>", "");
	check("<presence type='subscribed' to='b@x'/>", "");
	check("<presence type='error' to='b@x'/>", "");
	check("<message xmlns='jabber:server' to='b@x'/>", "");
}

static void test_text_room_and_fallback(void **state)
{
	char *got = answer("<presence to='room@m.x/nick'><x "
			   "xmlns='http://jabber.org/protocol/muc'/></presence>",
		STANZA_ERROR_NOT_ALLOWED, "no <rooms> today", NULL);

	(void)state;
	assert_string_equal(got, "<presence type=\"error\" from=\"room@m.x/nick\"><x "
				 "xmlns=\"http://jabber.org/protocol/muc\"/>"
				 "<error type=\"cancel\"><not-allowed "
				 "xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/>"
				 "<text xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\">no "
				 "&lt;rooms&gt; today</text></error></presence>");
	free(got);
	got = answer("<iq type='set' id='7'/>", STANZA_ERROR_RESOURCE_CONSTRAINT, NULL, "a@x");
	assert_string_equal(got, "<iq type=\"error\" id=\"7\" from=\"a@x\"><error type=\"wait\">"
				 "<resource-constraint "
				 "xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/></error></iq>");
	free(got);
}

static void test_names_and_back(void **state)
{
	(void)state;
	for (unsigned c = 0; c < STANZA_ERROR_COUNT; c++)
		assert_int_equal(
			stanza_error_find(span_of(stanza_error_text((enum stanza_error)c))), c);
	assert_int_equal(stanza_error_find(span_of("policy-violence")), STANZA_ERROR_COUNT);
	for (unsigned c = STREAM_ERROR_NONE + 1; c < STREAM_ERROR_COUNT; c++)
		assert_int_equal(
			stream_error_find(span_of(stream_error_text((enum stream_error)c))), c);
	assert_int_equal(stream_error_find(span_of("none")), STREAM_ERROR_NONE);
}

static void test_stream_error(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(stream_error_write(&out, STREAM_ERROR_RESTRICTED_XML, "a & b"), 0);
	assert_string_equal(buf_string(&out),
		"<stream:error><restricted-xml xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>"
		"<text xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\" xml:lang=\"en\">a &amp; "
		"b</text></stream:error>");
	buf_fini(&out);
}

/* XEP-0205 4.5, XEP-0182: what exactly was too much stands last. */
static void test_detail(void **state)
{
	char *got = answer("<message to='b@x' id='1'><body>secret</body></message>",
		STANZA_ERROR_NOT_ACCEPTABLE, "why", NULL);

	(void)state;
	assert_string_equal(got,
		"<message type=\"error\" id=\"1\" from=\"b@x\"><error type=\"modify\"><not-acceptable "
		"xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\"/><text "
		"xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\">why</text><stanza-too-big "
		"xmlns=\"urn:xmpp:errors\"/></error></message>");
	free(got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answered),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_text_room_and_fallback),
		cmocka_unit_test(test_names_and_back),
		cmocka_unit_test(test_stream_error),
		cmocka_unit_test(test_detail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
