/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The profiles that are shipped, by stanzas as servers and clients write them; how profiles are put
 * together and printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>

#include "strict_rig.h"

#define FOLDER TEST_SOURCE_DIR "/../docs/examples/profiles/"
#define MUC    "http://jabber.org/protocol/muc"
#define ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"

/* What is done to a stanza, as text: "" if all of it crosses. */
static const char *done_by(const char *profile, const char *xml)
{
	static char text[4096];
	char path[512];
	struct strict_result result;
	struct stream *stream = strict_stream(NS_SERVER, &xmpp_limits_default);
	struct strict *p;
	struct stanza st;
	struct buf notes;

	snprintf(path, sizeof(path), FOLDER "%s.profile", profile);
	p = strict_of(path, NULL);
	st = strict_parse(stream, xml, strlen(xml));
	buf_init(&notes, 0);
	assert_int_equal(strict_write(p, &st, st.arena, &result), 0);
	assert_int_equal(strict_format(&result, &notes), 0);
	snprintf(text, sizeof(text), "%s", buf_len(&notes) ? buf_string(&notes) : "");
	buf_fini(&notes);
	stream_free(stream);
	strict_unref(p);
	return text;
}

#define FROM "from='a@high.example/x' to='b@low.example' "

static void usual_stanzas_cross_whole(void **state)
{
	static const char *const usual[] = {
		"<message " FROM "id='1'><body>x</body></message>",
		"<message " FROM
		"type='chat' id='a-1' xml:lang='en'><body>x</body><thread parent='e'>t1</thread>"
		"<active xmlns='http://jabber.org/protocol/chatstates'/><request "
		"xmlns='urn:xmpp:receipts'/></message>",
		"<message " FROM "id='2'><received xmlns='urn:xmpp:receipts' id='a-1'/></message>",
		"<message " FROM
		"type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>",
		"<message " FROM
		"type='groupchat'><body>x</body><delay xmlns='urn:xmpp:delay' from='r@low.example' "
		"stamp='2026-11-21T20:00:00Z'/></message>",
		"<message " FROM "type='groupchat'><subject/></message>",
		"<message " FROM "type='groupchat'><x xmlns='" MUC
		"#user'><status code='104'/></x></message>",
		"<message " FROM "><x xmlns='" MUC
		"#user'><invite to='c@d'><reason>come</reason></invite></x></message>",
		"<message " FROM
		"><x xmlns='jabber:x:conference' jid='r@low.example' reason='come'/></message>",
		"<message " FROM "type='error' id='1'><error type='cancel' "
				 "by='low.example'><item-not-found xmlns='" ERRORS "'/>"
		"<text xmlns='" ERRORS "' xml:lang='en'>nobody</text></error></message>",
		/* xmppwall's own. */
		"<message " FROM
		"type='error'><error type='modify'><policy-violation xmlns='" ERRORS
		"'/><text xmlns='" ERRORS
		"'>no [id]</text><stanza-too-big xmlns='urn:xmpp:errors'/></error></message>",
		"<presence " FROM "/>",
		"<presence " FROM
		"><show>away</show><status>back soon</status><priority>-1</priority></presence>",
		"<presence " FROM "type='unavailable'/>",
		"<presence " FROM "type='subscribe' id='s1'><status>please</status></presence>",
		"<presence " FROM "type='probe'/>",
		"<presence " FROM "><x xmlns='" MUC "'><history maxstanzas='20'/></x></presence>",
		"<presence " FROM "><x xmlns='" MUC
		"#user'><item affiliation='owner' jid='a@b/c' role='moderator'/>"
		"<status code='110'/><status code='201'/></x></presence>",
		"<presence " FROM "type='unavailable'><x xmlns='" MUC
		"#user'><item affiliation='none' role='none'>"
		"<actor nick='n'/><reason>enough</reason></item><status "
		"code='307'/></x></presence>",
		"<presence " FROM "type='error'><x xmlns='" MUC
		"'/><error type='cancel'><conflict xmlns='" ERRORS "'/></error></presence>",
		"<iq " FROM "type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>",
		"<iq " FROM "type='result' id='p'/>",
		"<iq " FROM
		"type='error' id='p'><error type='cancel'><service-unavailable xmlns='" ERRORS
		"'/></error></iq>",
		"<iq " FROM "type='set' id='k'><query xmlns='" MUC
		"#admin'><item nick='n' role='none'><reason>r</reason></item></query></iq>",
		"<message " FROM "type='chat'><body>x</body><securitylabel "
				 "xmlns='urn:xmpp:sec-label:0'><displaymarking bgcolor='red' "
		"fgcolor='black'>SECRET</displaymarking><label><esssecuritylabel "
		"xmlns='urn:xmpp:sec-label:ess:0'>MQYCAQQGASk=</esssecuritylabel>"
		"</label></securitylabel></message>",
		"<message " FROM "type='chat'><body>x</body><securitylabel "
				 "xmlns='urn:xmpp:sec-label:0'><displaymarking>UNCLASSIFIED"
		"</displaymarking><label/></securitylabel></message>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (*done_by("gateway", usual[i]))
			fail_msg("%s: %s", usual[i], done_by("gateway", usual[i]));
}

static void others_do_not(void **state)
{
	static const struct {
		const char *profile, *xml, *done;
	} others[] = {
		{ "gateway", "<message " FROM "type='headline'><body>x</body></message>",
			"refused: type message" },
		{ "gateway", "<message " FROM "type='chat'/>", "refused: count message" },
		{ "gateway",
			"<message " FROM
			"type='chat'><encrypted xmlns='urn:xmpp:omemo:2'/></message>",
			"refused: count message; removed: element "
			"message/{urn:xmpp:omemo:2}encrypted" },
		{ "gateway",
			"<message " FROM "type='chat'><body>x</body><html "
					 "xmlns='http://jabber.org/protocol/xhtml-im'/>"
			"<x xmlns='jabber:x:data' type='form'/><x "
			"xmlns='jabber:x:oob'><url>http://a/</url></x></message>",
			"removed: element message/{http://jabber.org/protocol/xhtml-im}html, "
			"element "
			"message/{jabber:x:data}x, element message/{jabber:x:oob}x" },
		{ "gateway", "<message " FROM "type='chat' id='a b'><body>x</body></message>",
			"refused: value message@id" },
		{ "gateway", "<message from='a@@b' type='chat'><body>x</body></message>",
			"refused: value message@from" },
		{ "gateway",
			"<iq " FROM "type='get' id='1'><query xmlns='jabber:iq:version'/></iq>",
			"refused: count iq; removed: element iq/{jabber:iq:version}query" },
		{ "gateway",
			"<iq " FROM "type='result' id='1'><query "
				    "xmlns='jabber:iq:version'><name>secret</name></query></iq>",
			"removed: element iq/{jabber:iq:version}query" },
		{ "gateway",
			"<presence " FROM "><c xmlns='http://jabber.org/protocol/caps' "
					  "hash='sha-1' node='n' ver='v'/></presence>",
			"removed: element presence/{http://jabber.org/protocol/caps}c" },
		{ "gateway", "<message " FROM "type='error'><body>the plan</body></message>",
			"refused: missing message/error; removed: element message/body" },
		{ "gateway",
			"<message " FROM "type='chat'><forwarded "
					 "xmlns='urn:xmpp:forward:0'/><body>x</body></message>",
			"removed: element message/{urn:xmpp:forward:0}forwarded" },
		{ "gateway",
			"<message " FROM "type='chat'><body>x</body><securitylabel "
					 "xmlns='urn:xmpp:sec-label:0'><displaymarking>S"
			"</displaymarking></securitylabel></message>",
			"refused: missing message/securitylabel/{urn:xmpp:sec-label:0}label" },
		{ "links", "<message " FROM "type='chat'/>", "refused: type message" },
		{ "stanza", "<iq " FROM "type='get'/>", "refused: type iq" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_string_equal(done_by(others[i].profile, others[i].xml), others[i].done);
}

static void each_prints_and_reads_the_same(void **state)
{
	glob_t files;

	(void)state;
	assert_int_equal(glob(FOLDER "*.profile", 0, NULL, &files), 0);
	assert_true(files.gl_pathc > 10);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		const char *path = files.gl_pathv[i];
		struct source_set sources;
		struct diag_list diags;
		struct buf first, second;

		source_init(&sources, true);
		diag_init(&diags);
		buf_init(&first, 0);
		buf_init(&second, 0);
		assert_int_equal(profile_print(&sources, path, &diags, &first), 0);
		assert_int_equal(source_add(&sources, path, buf_ptr(&first), buf_len(&first)), 0);
		assert_int_equal(profile_print(&sources, path, &diags, &second), 0);
		assert_string_equal(buf_string(&first), buf_string(&second));
		assert_int_equal(diags.errors + diags.warnings, 0);
		buf_fini(&first);
		buf_fini(&second);
		diag_fini(&diags);
		source_fini(&sources);
	}
	globfree(&files);
}

static void one_spelling(void **state)
{
	static const char written[] =
		"unknown refuse; limits{size 4k;depth 3;}\nprofile p{message chat,normal{attribute "
		"a,b in \"urn:x\" words{x,\"y z\"} required otherwise refuse;"
		"element e,f in \"urn:\\\"q\" required max 3 otherwise remove{text number -1 to "
		"5;unknown remove;children 0 to 2;}element g;text max 64k required;}iq result{}}"
		"group h{use h;ordered;attribute xml:lang lang;element u{text uri{http} max 9;}}";
	static const char printed[] = "unknown refuse;\n\nlimits {\n    size 4096;\n    depth "
				      "3;\n}\n\nprofile p {\n    message chat, normal {\n"
				      "        attribute a, b in \"urn:x\" words { x, \"y z\" } "
				      "required otherwise refuse;\n"
				      "        element e, f in \"urn:\\\"q\" required max 3 "
				      "otherwise remove {\n            text number -1 to 5;\n"
				      "            unknown remove;\n            children 0 to 2;\n "
				      "       }\n        element g;\n"
				      "        text max 65536 required;\n    }\n    iq result { "
				      "}\n}\n\ngroup h {\n    use h;\n    ordered;\n"
				      "    attribute xml:lang lang;\n    element u {\n        text "
				      "uri { http } max 9;\n    }\n}\n";
	struct source_set sources;
	struct diag_list diags;
	struct buf out;

	(void)state;
	source_init(&sources, false);
	diag_init(&diags);
	buf_init(&out, 0);
	source_add(&sources, "/p.profile", written, strlen(written));
	if (profile_print(&sources, "/p.profile", &diags, &out) < 0)
		diag_print(&diags, stderr, false);
	assert_int_equal(diags.errors, 0);
	assert_string_equal(buf_string(&out), printed);
	buf_fini(&out);
	diag_fini(&diags);
	source_fini(&sources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usual_stanzas_cross_whole),
		cmocka_unit_test(others_do_not),
		cmocka_unit_test(each_prints_and_reads_the_same),
		cmocka_unit_test(one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
