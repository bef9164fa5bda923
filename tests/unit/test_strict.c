/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What "forward strict" leaves of a stanza, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "strict_rig.h"

static const char *server_ns = NS_CLIENT;

/* The stanza as it would go on, " | " and what was done to it; in a static buffer. Twice is once.
 */
static const char *strict_run(struct strict *p, const char *xml, size_t len)
{
	static char text[4 << 20];
	struct xmpp_limits limits = xmpp_limits_default;
	struct stream *stream, *again;
	struct strict_result result, second;
	struct stanza st;
	struct arena arena;
	struct buf out, out2, notes;

	limits.elements = 100000;
	limits.stanza_bytes = 4 << 20;
	limits.token_bytes = limits.attribute_bytes = 1 << 20;
	limits.depth = 400;
	stream = strict_stream(server_ns, &limits);
	again = strict_stream(server_ns, &limits);
	arena_init(&arena, 0);
	buf_init(&out, sizeof(text));
	buf_init(&out2, sizeof(text));
	buf_init(&notes, 0);
	st = strict_parse(stream, xml, len);
	assert_int_equal(strict_write(p, &st, &arena, &result), 0);
	assert_int_equal(strict_format(&result, &notes), 0);
	if (result.kind == STRICT_REFUSED) {
		assert_null(result.root);
	} else {
		assert_int_equal(write_element(&out, result.root, server_ns), 0);
		st = strict_parse(again, buf_ptr(&out), buf_len(&out));
		assert_int_equal(strict_write(p, &st, &arena, &second), 0);
		assert_int_equal(second.kind, STRICT_SAME);
		assert_int_equal(write_element(&out2, second.root, server_ns), 0);
		assert_string_equal(buf_string(&out), buf_string(&out2));
		assert_int_equal(result.kind == STRICT_SAME, result.n_notes == 0);
	}
	snprintf(text, sizeof(text), "%s%s%s", buf_len(&out) ? buf_string(&out) : "",
		buf_len(&notes) ? " | " : "", buf_len(&notes) ? buf_string(&notes) : "");
	buf_fini(&out);
	buf_fini(&out2);
	buf_fini(&notes);
	arena_fini(&arena);
	stream_free(stream);
	stream_free(again);
	return text;
}

static const char *strictly(const char *profile, const char *xml)
{
	struct strict *p = strict_of(NULL, profile);
	const char *text = strict_run(p, xml, strlen(xml));

	strict_unref(p);
	return text;
}

#define PROFILE(body) "profile t { message normal, chat { " body " } }"

/* One attribute of that type: "yes", or "no". */
static const char *fits(const char *type, const char *value)
{
	static const char profile[] = "profile t { message normal { attribute v %s; } }";
	char text[512], xml[8192];

	snprintf(text, sizeof(text), profile, type);
	snprintf(xml, sizeof(xml), "<message v='%s'/>", value);
	return strstr(strictly(text, xml), " | ") ? "no" : "yes";
}

/* The same as the text of an element: the text that remains, or "no". */
static const char *text_fits(const char *type, const char *value)
{
	char text[512], xml[8192], *end;
	const char *out;
	static char rest[8192];

	snprintf(text, sizeof(text), "profile t { message normal { element v { text %s; } } }",
		type);
	snprintf(xml, sizeof(xml), "<message><v>%s</v></message>", value);
	out = strictly(text, xml);
	if (!strstr(out, "<v>"))
		return "no";
	snprintf(rest, sizeof(rest), "%s", strstr(out, "<v>") + 3);
	if ((end = strstr(rest, "</v>")))
		*end = '\0';
	return rest;
}

static void what_is_named_remains(void **state)
{
	static const char profile[] =
		PROFILE("attribute id token; attribute xml:lang lang;"
			"element body max 2 { attribute xml:lang lang; text max 20; }"
			"element active in \"urn:states\";");

	(void)state;
	assert_string_equal(strictly(profile, "<message/>"), "<message/>");
	assert_string_equal(
		strictly(profile,
			"<message id='1' xml:lang='en' type='chat'><active xmlns='urn:states'/>"
			"<body>a&amp;b</body></message>"),
		"<message type=\"chat\" id=\"1\" xml:lang=\"en\"><active xmlns=\"urn:states\"/>"
		"<body>a&amp;b</body></message>");
}

static void what_is_not_is_removed(void **state)
{
	static const char profile[] = PROFILE("element body { text max 20; }");

	(void)state;
	assert_string_equal(
		strictly(profile, "<message foo='x'><body a='1'>hi</body><x xmlns='urn:x'><body "
				  "xmlns='jabber:client'>no</body></x>text</message>"),
		"<message><body>hi</body></message> | removed: attribute message@foo, attribute "
		"message/body@a, element message/{urn:x}x, text message");
	/* The same name elsewhere, or nowhere, is another. */
	assert_string_equal(
		strictly(profile,
			"<message><body xmlns='urn:x'>a</body><body xmlns=''>b</body></message>"),
		"<message/> | removed: element message/{urn:x}body, element message/body");
	assert_string_equal(strictly(profile, "<message><body><body>x</body></body></message>"),
		"<message><body/></message> | removed: element message/body/body");
}

static void prefixes_are_ours(void **state)
{
	static const char profile[] =
		PROFILE("element x in \"urn:x\" { attribute href in \"urn:l\" text; element y; }"
			"element body { text; }");

	(void)state;
	assert_string_equal(
		strictly(profile,
			"<c:message xmlns:c='jabber:client' xmlns:e='urn:x' xmlns:q='urn:l'>"
			"<c:body>t</c:body><e:x q:href='h' href='i'><e:y/><y "
			"xmlns='urn:z'/></e:x></c:message>"),
		"<message><body>t</body><x xmlns=\"urn:x\" xmlns:a0=\"urn:l\" "
		"a0:href=\"h\"><y/></x></message>"
		" | removed: attribute message/{urn:x}x@href, element message/x/{urn:z}y");
}

static void kinds_and_types_must_be_named(void **state)
{
	static const char profile[] = "profile t { message chat { } presence available, error { }"
				      " iq get { element ping in \"urn:p\"; } iq result { } stanza "
				      "{ attribute id token; } }";

	(void)state;
	assert_string_equal(strictly(profile, "<message type='chat' id='1'/>"),
		"<message type=\"chat\" id=\"1\"/>");
	assert_string_equal(strictly(profile, "<message/>"), " | refused: type message");
	assert_string_equal(
		strictly(profile, "<message type='chat '/>"), " | refused: type message");
	assert_string_equal(strictly(profile, "<message type='odd'/>"), " | refused: type message");
	assert_string_equal(strictly(profile, "<presence/>"), "<presence/>");
	assert_string_equal(
		strictly(profile, "<presence type='available'/>"), " | refused: type presence");
	assert_string_equal(
		strictly(profile, "<presence type='probe'/>"), " | refused: type presence");
	assert_string_equal(
		strictly(profile, "<presence type='error'/>"), "<presence type=\"error\"/>");
	assert_string_equal(
		strictly(profile, "<iq id='1' type='result'/>"), "<iq type=\"result\" id=\"1\"/>");
	assert_string_equal(strictly(profile, "<iq id='1' type='get'><ping xmlns='urn:p'/></iq>"),
		"<iq type=\"get\" id=\"1\"><ping xmlns=\"urn:p\"/></iq>");
	/* A question without its content is none. */
	assert_string_equal(strictly(profile, "<iq id='1' type='get'><pong xmlns='urn:p'/></iq>"),
		" | refused: count iq; removed: element iq/{urn:p}pong");
	assert_string_equal(
		strictly(profile, "<iq id='1' type='result'><pong xmlns='urn:p'/></iq>"),
		"<iq type=\"result\" id=\"1\"/> | removed: element iq/{urn:p}pong");
	assert_string_equal(strictly(profile, "<iq id='1' type='set'><ping xmlns='urn:p'/></iq>"),
		" | refused: type iq");
}

static const struct {
	const char *type, *value, *result;
} values[] = {
	{ "text max 3", "abc", "yes" },
	{ "text max 3", "abcd", "no" },
	{ "text", "", "yes" },
	{ "token", "a-b", "yes" },
	{ "token", "", "no" },
	{ "token", "a b", "no" },
	{ "token", "a&#9;b", "no" },
	{ "token", "a&#xa0;b", "no" },
	{ "token", "a&#x200b;b", "no" },
	{ "token", "a&#x85;b", "no" },
	{ "token max 3", "abcd", "no" },
	{ "token", "é", "yes" },
	{ "jid", "a@b.example/c d", "yes" },
	{ "jid", "b.example", "yes" },
	{ "jid", "", "no" },
	{ "jid", "@b", "no" },
	{ "jid", "a@", "no" },
	{ "jid", "a b@c", "no" },
	{ "jid bare", "a@b", "yes" },
	{ "jid bare", "a@b/c", "no" },
	{ "domain", "b.example", "yes" },
	{ "domain", "a@b", "no" },
	{ "domain", "b/c", "no" },
	{ "domain", "", "no" },
	{ "words { a, \"b c\", 1 }", "b c", "yes" },
	{ "words { a, \"b c\", 1 }", "1", "yes" },
	{ "words { a, b }", "A", "no" },
	{ "words { a, b }", "", "no" },
	{ "words { a, b }", "a ", "no" },
	{ "number 0 to 255", "0", "yes" },
	{ "number 0 to 255", "255", "yes" },
	{ "number 0 to 255", "256", "no" },
	{ "number 0 to 255", "007", "no" },
	{ "number 0 to 255", "+7", "no" },
	{ "number 0 to 255", "-0", "no" },
	{ "number 0 to 255", "", "no" },
	{ "number 0 to 255", "1e1", "no" },
	{ "number -128 to 127", "-128", "yes" },
	{ "number -128 to 127", "-129", "no" },
	{ "number -128 to 127", "-", "no" },
	{ "number 0 to 255", "99999999999999999999999999", "no" },
	{ "lang", "en", "yes" },
	{ "lang", "de-CH-1996", "yes" },
	{ "lang", "", "no" },
	{ "lang", "e_n", "no" },
	{ "lang", "en-", "no" },
	{ "lang", "1en", "no" },
	{ "lang", "abcdefghi", "no" },
	{ "datetime", "2026-11-21T20:00:00Z", "yes" },
	{ "datetime", "2026-11-21T20:00:00.123456789+02:00", "yes" },
	{ "datetime", "2026-11-21T20:00:00", "no" },
	{ "datetime", "2026-13-21T20:00:00Z", "no" },
	{ "datetime", "2026-11-21T20:00:00.Z", "no" },
	{ "datetime", "2026-11-21T20:00:00.1234567890Z", "no" },
	{ "datetime", "2026-11-21T20:00:00Zx", "no" },
	{ "datetime", "20261121T20:00:00", "no" },
	{ "datetime", "", "no" },
	{ "base64", "MQYCAQIGASk=", "yes" },
	{ "base64", "MQ==", "yes" },
	{ "base64", "MR==", "no" },
	{ "base64", "MQ=", "no" },
	{ "base64", "====", "no" },
	{ "base64", "MQ= =", "no" },
	{ "base64", "", "no" },
	{ "base64", "MQYC", "yes" },
	{ "base64", "M_YC", "no" },
	{ "base64 max 4", "MQYCMQYC", "no" },
	{ "uri", "https://a.example/b?c#d", "yes" },
	{ "uri { https, xmpp }", "XMPP:a@b", "yes" },
	{ "uri { https }", "http://a/", "no" },
	{ "uri", "javascript", "no" },
	{ "uri", ":", "no" },
	{ "uri { https }", "https:", "no" },
	{ "uri", "https://a/%zz", "no" },
	{ "uri", "https://a/%2f", "yes" },
	{ "uri", "https://a b", "no" },
	{ "uri", "https://é/", "no" },
	{ "uri", "https://a/%2", "no" },
	{ "uri { http }", "httpx://a", "no" },
};

static void values_are_of_their_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (strcmp(fits(values[i].type, values[i].value), values[i].result) != 0)
			fail_msg("%s '%s': wanted %s", values[i].type, values[i].value,
				values[i].result);
	}
}

static void white_space_around_a_value_goes(void **state)
{
	(void)state;
	assert_string_equal(text_fits("max 20", " a b "), " a b ");
	assert_string_equal(text_fits("token", "\n  ab\t"), "ab");
	assert_string_equal(text_fits("jid", " a@b "), "a@b");
	assert_string_equal(text_fits("base64", "\n MQYC\n  AQIG\n"), "MQYCAQIG");
	assert_string_equal(text_fits("base64", " \n "), "no");
	assert_string_equal(text_fits("words { a, \"\" }", "  "), "no");
	assert_string_equal(text_fits("number 0 to 9", ""), "no");
	assert_string_equal(text_fits("max 3", "a&lt;b&gt;"), "no");
	assert_string_equal(text_fits("max 3", "&lt;&amp;&gt;"), "&lt;&amp;&gt;");
	assert_string_equal(
		text_fits("max 20", "&amp;lt;script&amp;gt;"), "&amp;lt;script&amp;gt;");
	assert_string_equal(text_fits("max 20", "<![CDATA[<a>]]>"), "&lt;a&gt;");
	assert_string_equal(strictly(PROFILE("element v;"), "<message>\n  <v>\n</v>\n</message>"),
		"<message><v/></message> | removed: space message, space message/v, space message");
}

static void a_place_says_what_becomes_of_it(void **state)
{
	(void)state;
	assert_string_equal(strictly(PROFILE("attribute id number 1 to 2 otherwise refuse;"),
				    "<message id='3'/>"),
		" | refused: value message@id");
	assert_string_equal(strictly(PROFILE("attribute id token required;"), "<message/>"),
		" | refused: missing message@id");
	assert_string_equal(strictly(PROFILE("unknown refuse;"), "<message><a/></message>"),
		" | refused: element message/a");
	assert_string_equal(strictly(PROFILE("unknown refuse;"), "<message a='1'/>"),
		" | refused: attribute message@a");
	assert_string_equal(strictly(PROFILE("unknown refuse;"), "<message>x</message>"),
		" | refused: text message");
	assert_string_equal(strictly("unknown refuse; " PROFILE("element a;"),
				    "<message><a><b/></a></message>"),
		" | refused: element message/a/b");
	assert_string_equal(strictly("unknown refuse; " PROFILE("element a { unknown remove; }"),
				    "<message><a><b/></a></message>"),
		"<message><a/></message> | removed: element message/a/b");
	assert_string_equal(strictly(PROFILE("element a { attribute b token required; }"),
				    "<message><a/></message>"),
		"<message/> | removed: missing message/a@b");
	assert_string_equal(
		strictly(PROFILE("element a otherwise refuse { attribute b token required; }"),
			"<message><a/></message>"),
		" | refused: missing message/a@b");
	assert_string_equal(strictly(PROFILE("element a { element b required; }"),
				    "<message><a><c/></a></message>"),
		"<message/> | removed: element message/a/c, missing message/a/b");
	assert_string_equal(
		strictly(PROFILE("element a max 2;"), "<message><a/><a/><a/></message>"),
		"<message><a/><a/></message> | removed: count message/a");
	assert_string_equal(
		strictly(PROFILE("element a otherwise refuse;"), "<message><a/><a/></message>"),
		" | refused: count message/a");
	assert_string_equal(strictly(PROFILE("element a { text max 2 otherwise refuse; }"),
				    "<message><a>abc</a></message>"),
		" | refused: text message/a");
	assert_string_equal(strictly(PROFILE("element a otherwise refuse { text max 2; }"),
				    "<message><a>abc</a></message>"),
		" | refused: text message/a");
	assert_string_equal(
		strictly(PROFILE("element a { text required; }"), "<message><a/></message>"),
		"<message/> | removed: text message/a");
	assert_string_equal(
		strictly(PROFILE("element a, b; children 1 to 1;"), "<message><a/><b/></message>"),
		" | refused: count message");
	/* One that is broken does not count. */
	assert_string_equal(strictly(PROFILE("element a { text max 1; }"),
				    "<message><a>12</a><a>1</a></message>"),
		"<message><a>1</a></message> | removed: text message/a");
}

static void text_and_elements_side_by_side(void **state)
{
	static const char profile[] = PROFILE("element p { text max 6; element b { text; } }");

	(void)state;
	assert_string_equal(strictly(profile, "<message><p>a<b>c</b>d</p></message>"),
		"<message><p>a<b>c</b>d</p></message>");
	assert_string_equal(strictly(profile, "<message><p>a<i/>b<b/><i/>d<i/></p></message>"),
		"<message><p>ab<b/>d</p></message> | removed: element message/p/i, element "
		"message/p/i, element message/p/i");
	assert_string_equal(strictly(profile, "<message><p>abc<i/>def<b/>g</p></message>"),
		"<message/> | removed: element message/p/i, text message/p");
}

static void an_order_is_kept(void **state)
{
	static const char profile[] =
		PROFILE("ordered; element a max 3 { attribute n token; } element b, c;");

	(void)state;
	assert_string_equal(strictly(profile, "<message><a n='1'/><a n='2'/><c/></message>"),
		"<message><a n=\"1\"/><a n=\"2\"/><c/></message>");
	assert_string_equal(strictly(profile, "<message><c/><a n='1'/><b/><a n='2'/></message>"),
		"<message><a n=\"1\"/><a n=\"2\"/><b/><c/></message> | removed: order message");
}

static void what_contains_itself_has_an_end(void **state)
{
	static const char profile[] = "limits { depth 4; } group g { element f in \"urn:f\" { use "
				      "g; element e in \"urn:e\"; } }" PROFILE("use g;");

	(void)state;
	assert_string_equal(
		strictly(profile, "<message><f xmlns='urn:f'><f><f><f/></f></f></f></message>"),
		"<message><f xmlns=\"urn:f\"><f><f/></f></f></message> | removed: depth "
		"message/f/f/f/{urn:f}f");
}

static void a_message_in_a_message(void **state)
{
	static const char profile[] =
		"group w { element body { text; } } profile t { message { use w; } message normal {"
		" element message in \"jabber:client\" { use w; } } }";

	(void)state;
	/* Within, elements are of the inner message's namespace, whatever the stream's is. */
	server_ns = NS_SERVER;
	assert_string_equal(
		strictly(profile,
			"<message><body>a</body><message xmlns='jabber:client'><body>b</body>"
			"<body xmlns='jabber:server'>c</body></message></message>"),
		"<message><body>a</body><message "
		"xmlns=\"jabber:client\"><body>b</body></message></message>"
		" | removed: element message/message/body");
	server_ns = NS_CLIENT;
	assert_string_equal(
		strictly(profile,
			"<message><body>a</body><message><body>b</body></message></message>"),
		"<message><body>a</body><message><body>b</body></message></message>");
}

/* ---- hostile ---- */

static void ten_thousand_children(void **state)
{
	struct strict *p = strict_of(
		NULL, PROFILE("element body { text; } element p { text max 100000; element b; }"));
	char *xml = malloc(1 << 20), *to = xml;
	const char *out;

	(void)state;
	to += sprintf(to, "<message>");
	for (unsigned i = 0; i < 10000; i++)
		to += sprintf(to, "<x xmlns='urn:%u'/>", i);
	to += sprintf(to, "<body>b</body></message>");
	out = strict_run(p, xml, (size_t)(to - xml));
	assert_non_null(strstr(
		out, "<message><body>b</body></message> | removed: element message/{urn:0}x, "));
	assert_non_null(strstr(out, " and 9984 more"));
	to = xml + sprintf(xml, "<message>");
	for (unsigned i = 0; i < 10000; i++)
		to += sprintf(to, "<body>b</body>");
	to += sprintf(to, "</message>");
	out = strict_run(p, xml, (size_t)(to - xml));
	assert_non_null(
		strstr(out, "<message><body>b</body></message> | removed: count message/body, "));
	assert_non_null(strstr(out, " and 9983 more"));
	/* Between many that go, text. */
	to = xml + sprintf(xml, "<message><p>");
	for (unsigned i = 0; i < 10000; i++)
		to += sprintf(to, "t<x/>");
	to += sprintf(to, "</p></message>");
	out = strict_run(p, xml, (size_t)(to - xml));
	assert_non_null(strstr(out, "ttt</p></message> | removed: element message/p/x, "));
	strict_unref(p);
	free(xml);
}

static void deep_and_large(void **state)
{
	struct strict *p = strict_of(NULL, "limits { size 500; elements 10; } " PROFILE(
						   "element a max 100 { text max 10000; }"));
	char *xml = malloc(1 << 20), *to = xml;

	(void)state;
	to += sprintf(to, "<message>");
	for (unsigned i = 0; i < 300; i++)
		to += sprintf(to, "<x>");
	for (unsigned i = 0; i < 300; i++)
		to += sprintf(to, "</x>");
	to += sprintf(to, "</message>");
	assert_string_equal(
		strict_run(p, xml, (size_t)(to - xml)), "<message/> | removed: element message/x");
	to = xml + sprintf(xml, "<message><a>%0600d</a></message>", 0);
	assert_string_equal(strict_run(p, xml, (size_t)(to - xml)), " | refused: size message/a");
	to = xml + sprintf(xml, "<message><a/><a/><a/><a/><a/><a/><a/><a/><a/></message>");
	assert_null(strstr(strict_run(p, xml, (size_t)(to - xml)), "refused"));
	to = xml + sprintf(xml, "<message><a/><a/><a/><a/><a/><a/><a/><a/><a/><a/></message>");
	assert_string_equal(strict_run(p, xml, (size_t)(to - xml)), " | refused: size message");
	strict_unref(p);
	free(xml);
}

/* Beyond the notes that are kept the reason of a refusal is still told. */
static void the_reason_is_never_lost(void **state)
{
	struct strict *p = strict_of(
		NULL, PROFILE("element a otherwise refuse { attribute b token required; }"));
	char xml[4096], *to = xml;
	const char *out;

	(void)state;
	to += sprintf(to, "<message>");
	for (unsigned i = 0; i < 40; i++)
		to += sprintf(to, "<x/>");
	to += sprintf(to, "<a/></message>");
	out = strict_run(p, xml, (size_t)(to - xml));
	assert_non_null(
		strstr(out, " | refused: missing message/a@b; removed: element message/x, "));
	assert_non_null(strstr(out, " and 24 more"));
	strict_unref(p);
}

static void names_of_the_sender_are_cut(void **state)
{
	struct strict *p = strict_of(NULL, PROFILE(""));
	char xml[4096], name[900];
	const char *out;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	snprintf(xml, sizeof(xml), "<message><%s xmlns='urn:%s'/></message>", name, name);
	out = strict_run(p, xml, strlen(xml));
	assert_true(strlen(out) < 300);
	strict_unref(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_named_remains),
		cmocka_unit_test(what_is_not_is_removed),
		cmocka_unit_test(prefixes_are_ours),
		cmocka_unit_test(kinds_and_types_must_be_named),
		cmocka_unit_test(values_are_of_their_kind),
		cmocka_unit_test(white_space_around_a_value_goes),
		cmocka_unit_test(a_place_says_what_becomes_of_it),
		cmocka_unit_test(text_and_elements_side_by_side),
		cmocka_unit_test(an_order_is_kept),
		cmocka_unit_test(what_contains_itself_has_an_end),
		cmocka_unit_test(a_message_in_a_message),
		cmocka_unit_test(ten_thousand_children),
		cmocka_unit_test(deep_and_large),
		cmocka_unit_test(the_reason_is_never_lost),
		cmocka_unit_test(names_of_the_sender_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
