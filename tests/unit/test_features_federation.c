/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What is left of a server's features towards another server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/features_federation.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

#define OPEN                                                                                       \
	"<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' version='1.0' to='d'>"
#define EXTERNAL "<mechanisms xmlns=\"" NS_SASL "\"><mechanism>EXTERNAL</mechanism></mechanisms>"
#define BIDI     "<bidi xmlns=\"urn:xmpp:features:bidi\"/>"
#define LIMITS                                                                                     \
	"<limits xmlns=\"" NS_LIMITS "\"><max-bytes>10000</max-bytes>"                             \
	"<idle-seconds>300</idle-seconds></limits>"

/* What lies between <stream:features> tags, edited. The caller frees. */
static char *edit(const char *inside, const struct federation_features_context *ctx,
	struct federation_features_result *result)
{
	struct stream *in = stream_new(&xmpp_limits_default);
	struct stream_event ev;
	struct buf out;
	char *text;

	assert_non_null(in);
	buf_init(&out, 0);
	assert_int_equal(buf_putf(&out, OPEN "<stream:features>%s</stream:features>", inside), 0);
	assert_int_equal(stream_push(in, buf_ptr(&out), buf_len(&out)), 0);
	assert_int_equal(stream_next(in, &ev), 0);
	assert_int_equal(stream_next(in, &ev), 0);
	assert_int_equal(ev.kind, STREAM_ELEMENT);
	assert_int_equal(federation_features_edit(ev.stanza.arena, ev.stanza.root, ctx, result), 0);
	buf_clear(&out);
	assert_int_equal(write_element(&out, ev.stanza.root, NS_SERVER), 0);
	text = buf_take(&out);
	buf_fini(&out);
	stream_free(in);
	return text;
}

static void each_feature(void **state)
{
	static const struct {
		const char *in;
		bool external, bidi;
		const char *out; /* before the limits */
		unsigned stripped;
	} cases[] = {
		{ "", false, false, "", 0 },
		/* EXTERNAL only where it says the truth. */
		{ EXTERNAL, true, false, EXTERNAL, 0 },
		{ EXTERNAL, false, false, "", 2 },
		{ "<mechanisms xmlns='" NS_SASL "'/>", true, false, "", 1 },
		{ "<mechanisms xmlns='" NS_SASL "'><mechanism>SCRAM-SHA-1</mechanism>"
		  "<mechanism>external</mechanism><mechanism>EXTERNAL</mechanism><required/>"
		  "<mechanism xmlns='urn:x'>EXTERNAL</mechanism>"
		  "<mechanism>EXTERNAL-PLUS</mechanism></mechanisms>",
			true, false,
			"<mechanisms xmlns=\"" NS_SASL
			"\"><mechanism>external</mechanism></mechanisms>",
			5 },
		{ "<mechanisms xmlns='" NS_SASL "'><mechanism>PLAIN</mechanism></mechanisms>", true,
			false, "", 2 },
		{ "<mechanisms xmlns='urn:x'><mechanism>EXTERNAL</mechanism></mechanisms>", true,
			false, "", 1 },
		{ "<authentication xmlns='" NS_SASL2
		  "'><mechanism>EXTERNAL</mechanism></authentication>",
			true, false, "", 1 },
		/* What cannot be, or would lead around us. */
		{ "<starttls xmlns='" NS_TLS "'><required/></starttls>", true, true, "", 1 },
		{ "<compression xmlns='" NS_COMPRESS_FEATURE
		  "'><method>zlib</method></compression>",
			true, true, "", 1 },
		{ "<bind xmlns='" NS_BIND "'/><auth xmlns='" NS_IQ_AUTH_FEATURE
		  "'/><x xmlns='urn:never:heard'/>",
			true, true, "", 3 },
		/* Dialback with and without errors. */
		{ "<dialback xmlns=\"urn:xmpp:features:dialback\"/>", false, false,
			"<dialback xmlns=\"urn:xmpp:features:dialback\"/>", 0 },
		{ "<dialback xmlns='urn:xmpp:features:dialback'><errors/><x/><errors "
		  "xmlns='urn:y'/></dialback>",
			false, false,
			"<dialback xmlns=\"urn:xmpp:features:dialback\"><errors/></dialback>", 2 },
		/* Bidi as the policy has it. */
		{ BIDI, false, true, BIDI, 0 },
		{ BIDI, false, false, "", 1 },
		{ "<bidi xmlns='urn:xmpp:bidi'/>", false, true, "", 1 },
		{ "<bidi xmlns='urn:xmpp:features:bidi'><x/></bidi>", false, true, BIDI, 1 },
		/* Stream management and capabilities. */
		{ "<sm xmlns=\"" NS_SM "\"/><sm xmlns=\"" NS_SM2 "\"/>", false, false,
			"<sm xmlns=\"" NS_SM "\"/><sm xmlns=\"" NS_SM2 "\"/>", 0 },
		{ "<c xmlns=\"http://jabber.org/protocol/caps\" node=\"n\"/>", false, false,
			"<c xmlns=\"http://jabber.org/protocol/caps\" node=\"n\"/>", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct federation_features_context ctx = { .external = cases[i].external,
			.bidi = cases[i].bidi,
			.max_bytes = 10000,
			.idle_seconds = 300 };
		struct federation_features_result result;
		char *out = edit(cases[i].in, &ctx, &result), expected[1024];

		snprintf(expected, sizeof(expected),
			"<stream:features>%s" LIMITS "</stream:features>", cases[i].out);
		assert_string_equal(out, expected);
		assert_int_equal(result.stripped, cases[i].stripped);
		assert_int_equal(result.bidi, strstr(out, "bidi") != NULL);
		assert_int_equal(result.errors, strstr(out, "<errors/>") != NULL);
		assert_int_equal(result.external, strcasestr(out, "EXTERNAL") != NULL);
		free(out);
	}
}

static void limits_are_the_lower_ones(void **state)
{
	const struct federation_features_context ctx = { .max_bytes = 10000 };
	struct federation_features_result result;
	char *out = edit("<limits xmlns='" NS_LIMITS "'><max-bytes>9999</max-bytes></limits>", &ctx,
		&result);

	(void)state;
	assert_non_null(strstr(out, "<max-bytes>9999</max-bytes>"));
	assert_null(strstr(out, "idle-seconds"));
	free(out);
	out = edit("<limits xmlns='" NS_LIMITS "'><max-bytes>99999</max-bytes></limits>", &ctx,
		&result);
	assert_non_null(strstr(out, "<max-bytes>10000</max-bytes>"));
	assert_null(strstr(out, "99999"));
	free(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_feature),
		cmocka_unit_test(limits_are_the_lower_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
