/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What is left of a word between servers that no rule judges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "proxy/nonza_federation.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

#define OPEN                                                                                       \
	"<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' version='1.0' to='d'>"
#define SM     " xmlns=\"" NS_SM "\""
#define SASL   " xmlns=\"" NS_SASL "\""
#define ERRORS " xmlns=\"" NS_STREAMS "\""

static void check(const char *in, enum side said_by, int expected, const char *out)
{
	struct stream *stream = stream_new(&xmpp_limits_default);
	struct stream_event ev;
	struct buf text;

	assert_non_null(stream);
	buf_init(&text, 0);
	assert_int_equal(buf_putf(&text, OPEN "%s", in), 0);
	assert_int_equal(stream_push(stream, buf_ptr(&text), buf_len(&text)), 0);
	assert_int_equal(stream_next(stream, &ev), 0);
	assert_int_equal(stream_next(stream, &ev), 0);
	assert_int_equal(ev.kind, STREAM_ELEMENT);
	assert_int_equal(federation_nonza_trim(ev.stanza.arena, ev.stanza.root, said_by), expected);
	buf_clear(&text);
	if (expected == 0) {
		assert_int_equal(write_element(&text, ev.stanza.root, NS_SERVER), 0);
		assert_int_equal(buf_put(&text, "", 1), 0);
		assert_string_equal(buf_ptr(&text), out);
	}
	buf_fini(&text);
	stream_free(stream);
}

static void nothing_rides_along(void **state)
{
	(void)state;
	check("<r" SM " x='1'>cargo<y>cargo</y></r>", SIDE_INITIATOR, 0, "<r" SM "/>");
	check("<a" SM " h='7' previd='x'><y/></a>", SIDE_RECEIVER, 0, "<a" SM " h=\"7\"/>");
	check("<enabled" SM " id='i' resume='true' location='l'/>", SIDE_RECEIVER, 0,
		"<enabled" SM " id=\"i\" resume=\"true\"/>");
	check("<failed" SM "><item-not-found xmlns='" NS_STANZAS
	      "'>cargo</item-not-found></failed>",
		SIDE_RECEIVER, 0,
		"<failed" SM "><item-not-found xmlns=\"" NS_STANZAS "\"/></failed>");
	check("<success" SASL ">cargo</success>", SIDE_RECEIVER, 0, "<success" SASL "/>");
	check("<challenge" SASL ">cargo</challenge>", SIDE_RECEIVER, 0, "<challenge" SASL "/>");
	check("<auth" SASL " mechanism='EXTERNAL' x='1'>=<y/></auth>", SIDE_INITIATOR, 0,
		"<auth" SASL " mechanism=\"EXTERNAL\">=</auth>");
	check("<failure" SASL "><text>cargo</text><invalid-authzid/></failure>", SIDE_RECEIVER, 0,
		"<failure" SASL "><invalid-authzid/></failure>");
	check("<stream:error x='1'><conflict" ERRORS ">cargo</conflict><text" ERRORS
	      ">cargo</text><y xmlns='z'>cargo</y></stream:error>",
		SIDE_INITIATOR, 0, "<stream:error><conflict" ERRORS "/></stream:error>");
	check("<stream:error><cargo" ERRORS "/></stream:error>", SIDE_RECEIVER, 0,
		"<stream:error><undefined-condition" ERRORS "/></stream:error>");
}

static void words_nobody_has(void **state)
{
	(void)state;
	for (enum side side = SIDE_INITIATOR; side < SIDES; side++) {
		check("<stream:cargo/>", side, ERR_REFUSED, NULL);
		check("<cargo" SM "/>", side, ERR_REFUSED, NULL);
		check("<cargo" SASL "/>", side, ERR_REFUSED, NULL);
		check("<cargo xmlns='urn:x'/>", side, ERR_SYNTAX, NULL);
	}
	check("<success" SASL "/>", SIDE_INITIATOR, ERR_REFUSED, NULL);
	check("<auth" SASL "/>", SIDE_RECEIVER, ERR_REFUSED, NULL);
	check("<resumed" SM "/>", SIDE_INITIATOR, ERR_REFUSED, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_rides_along),
		cmocka_unit_test(words_nobody_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
