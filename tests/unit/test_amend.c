/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What "replace" and "strip" leave of a stanza: judged, changed, written. */
#include "judge_rig.h"

#include "rules/amend.h"
#include "xmpp/write.h"

static const char sets[] =
	"set words { type keyword; flags fold; elements = { casino, \"free crypto\" }; }"
	"set parts { type keyword; flags fold, substring; elements = { bonus }; }"
	"set hosts { type domain; flags suffix; elements = { bad.example }; }"
	"chain t { hook any; rule r { %s } }";

/* The stanza as it would go on; in a static buffer. */
static const char *edited(const char *rule, const char *xml)
{
	static char text[1 << 20];
	struct stream_event event;
	char policy[4096];
	struct buf out;
	struct rig r;

	snprintf(policy, sizeof(policy), sets, rule);
	rig_init(&r, policy);
	assert_int_equal(stream_push(r.stream, xml, strlen(xml)), 0);
	assert_int_equal(stream_next(r.stream, &event), 0);
	assert_int_equal(event.kind, STREAM_STANZA);
	r.subject.stanza = &event.stanza;
	assert_int_equal(judge_stanza(r.judge, r.policy, &r.subject, &r.verdict), 0);
	assert_int_equal(r.verdict.kind, VERDICT_ACCEPT);
	assert_int_equal(verdict_is_notable(&r.verdict), amend_is_due(&r.verdict));
	buf_init(&out, sizeof(text));
	assert_int_equal(amend_stanza(&event.stanza, &r.verdict), 0);
	assert_int_equal(write_element(&out, event.stanza.root, NS_CLIENT), 0);
	snprintf(text, sizeof(text), "%s", buf_string(&out));
	buf_fini(&out);
	rig_fini(&r);
	return text;
}

#define REPLACE    "text contains @words replace"
#define BODY(text) "<message><body>" text "</body></message>"

static void every_match_is_masked(void **state)
{
	(void)state;
	assert_string_equal(
		edited(REPLACE, BODY("a CASINO, casino; fine")), BODY("a ***, ***; fine"));
	assert_string_equal(edited(REPLACE, BODY("nothing")), BODY("nothing"));
	assert_string_equal(
		edited("text matches /\\d{4}/ replace \"#\"", BODY("1234 12345 &amp;&lt; 99")),
		BODY("# #5 &amp;&lt; 99"));
	assert_string_equal(
		edited("text contains @parts replace", BODY("bonus xBONUSy, bonusbonus")),
		BODY("*** x***y, ***"));
	/* Side by side they are one. */
	assert_string_equal(
		edited("text matches /\\d{4}/ replace \"#\"", BODY("x12345678x")), BODY("x#x"));
	assert_string_equal(
		edited("text matches /(?=x)|b*/ replace", BODY("xabbc")), BODY("xa***c"));
}

static void disguises_are_masked_as_written(void **state)
{
	(void)state;
	assert_string_equal(edited(REPLACE, BODY("go ｃａｓｉｎｏ!")), BODY("go ***!"));
	assert_string_equal(edited(REPLACE, BODY("cas&#x200d;ino")), BODY("***"));
	assert_string_equal(edited(REPLACE, BODY("c&#x430;sino now")), BODY("*** now"));
	assert_string_equal(edited(REPLACE, BODY("c<![CDATA[as]]>ino")), BODY("***"));
	assert_string_equal(edited(REPLACE, BODY("free \n crypto")), BODY("***"));
	assert_string_equal(edited("text matches /ffi/f replace", BODY("oﬃce")), BODY("o***ce"));
	assert_string_equal(
		edited("text matches /\\bf\\b|f/f replace", BODY("oﬃce")), BODY("o***ce"));
}

static void a_match_across_elements_is_masked_in_each(void **state)
{
	(void)state;
	assert_string_equal(
		edited(REPLACE, "<message><html xmlns='http://jabber.org/protocol/xhtml-im'>"
				"<body xmlns='http://www.w3.org/1999/xhtml'><p>my ca<b>si</b>"
				"<i>no</i>!</p></body></html></message>"),
		"<message><html xmlns=\"http://jabber.org/protocol/xhtml-im\">"
		"<body xmlns=\"http://www.w3.org/1999/xhtml\"><p>my ***<b>***</b>"
		"<i>***</i>!</p></body></html></message>");
	/* Clients skip what they do not know, or look through it. */
	assert_string_equal(edited(REPLACE, BODY("cas<x xmlns='urn:x'>zz</x>ino")),
		BODY("***<x xmlns=\"urn:x\">zz</x>***"));
	assert_string_equal(edited(REPLACE, BODY("ca<x xmlns='urn:x'>si</x>no")),
		BODY("***<x xmlns=\"urn:x\">***</x>***"));
	assert_string_equal(
		edited(REPLACE, "<message><body>free</body><subject>crypto</subject></message>"),
		"<message><body>***</body><subject>***</subject></message>");
}

static void every_carrier_of_the_field_is_masked(void **state)
{
	(void)state;
	assert_string_equal(edited(REPLACE, "<message><z xmlns='urn:z' a='my casino'/></message>"),
		"<message><z xmlns=\"urn:z\" a=\"my ***\"/></message>");
	assert_string_equal(
		edited(REPLACE, "<message><sent xmlns='urn:xmpp:carbons:2'><forwarded "
				"xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>"
				"<body>casino</body></message></forwarded></sent></message>"),
		"<message><sent xmlns=\"urn:xmpp:carbons:2\"><forwarded "
		"xmlns=\"urn:xmpp:forward:0\"><message xmlns=\"jabber:client\">"
		"<body>***</body></message></forwarded></sent></message>");
	/* Only what the test looked at. */
	assert_string_equal(
		edited("subject contains @words replace",
			"<message><subject>casino</subject><body>casino</body></message>"),
		"<message><subject>***</subject><body>casino</body></message>");
	assert_string_equal(
		edited("body contains @words and not subject exists replace",
			"<message><subject>casino</subject><body>casino</body></message>"),
		"<message><subject>casino</subject><body>casino</body></message>");
	assert_string_equal(
		edited("subject contains @words or body contains @words replace",
			"<message><subject>casino</subject><body>casino</body></message>"),
		"<message><subject>***</subject><body>***</body></message>");
	assert_string_equal(edited("body exists replace", "<message><subject>s</subject><body>all "
							  "of it</body></message>"),
		"<message><subject>s</subject><body>***</body></message>");
}

static void urls_are_masked_whole(void **state)
{
	(void)state;
	assert_string_equal(edited("url.host in @hosts replace \"[link]\"",
				    BODY("see http://x.bad.example/a?b=1 or http://ok.example/")),
		BODY("see [link] or http://ok.example/"));
	assert_string_equal(edited("url matches /a=1/ replace",
				    BODY("http://x.example/?a=1 http://x.example/?a=2")),
		BODY("*** http://x.example/?a=2"));
	assert_string_equal(edited("url exists replace", BODY("http://x.example/")), BODY("***"));
}

/* However it matches, a stanza does not grow beyond what was let in by more than a little. */
static void masks_do_not_swell_a_stanza(void **state)
{
	static char xml[40000], body[20001];

	(void)state;
	for (size_t i = 0; i < 20000; i++)
		body[i] = i % 2 ? ' ' : 'a';
	snprintf(xml, sizeof(xml), "<message><body>%s</body></message>", body);
	assert_string_equal(edited("text matches /a/ replace \"0123456789abcdef\"", xml),
		BODY("0123456789abcdef"));
}

/* What cannot be finished is not let through as it is. */
static void a_hard_expression_masks_everything(void **state)
{
	static char xml[4096], body[2001];

	(void)state;
	memset(body, 'a', 2000);
	snprintf(xml, sizeof(xml), "<message><body>%s!</body></message>", body);
	assert_string_equal(edited("text matches /^(a+)+(?=b)/ replace", xml), BODY("***"));
}

static void strip_takes_elements_out(void **state)
{
	static const char xml[] =
		"<message><x xmlns='urn:x'>1</x><body>b<x xmlns='urn:x'/>c</body><y xmlns='urn:x'/>"
		"<x xmlns='urn:y'><x xmlns='urn:x'><x xmlns='urn:x'/></x>t</x></message>";

	(void)state;
	assert_string_equal(edited("strip \"{urn:x}x\"", xml),
		"<message><body>bc</body><y xmlns=\"urn:x\"/><x xmlns=\"urn:y\">t</x></message>");
	assert_string_equal(edited("strip \"{urn:x}*\"", xml),
		"<message><body>bc</body><x xmlns=\"urn:y\">t</x></message>");
	assert_string_equal(edited("strip \"{*}x\"", xml),
		"<message><body>bc</body><y xmlns=\"urn:x\"/></message>");
	assert_string_equal(edited("strip \"body\", strip \"{*}x\"", xml),
		"<message><y xmlns=\"urn:x\"/></message>");
	assert_string_equal(edited("strip \"{urn:none}x\"", "<message/>"), "<message/>");
	assert_string_equal(edited("strip \"message\"", "<message/>"), "<message/>");
}

static void both_in_one_stanza(void **state)
{
	(void)state;
	assert_string_equal(
		edited("text contains @words replace, strip \"{urn:x}x\"",
			"<message><body>casino</body><x xmlns='urn:x'>casino</x></message>"),
		BODY("***"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_match_is_masked),
		cmocka_unit_test(disguises_are_masked_as_written),
		cmocka_unit_test(a_match_across_elements_is_masked_in_each),
		cmocka_unit_test(every_carrier_of_the_field_is_masked),
		cmocka_unit_test(urls_are_masked_whole),
		cmocka_unit_test(masks_do_not_swell_a_stanza),
		cmocka_unit_test(a_hard_expression_masks_everything),
		cmocka_unit_test(strip_takes_elements_out),
		cmocka_unit_test(both_in_one_stanza),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
