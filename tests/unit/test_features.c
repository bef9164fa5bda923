/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client may see of the server's features. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/features.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

#define OPEN                                                                                       \
	"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0' to='d'>"

/* Edits what lies between <stream:features> tags and returns the outcome, canonical. */
static char *edit(const char *inside, struct features_context ctx, struct features_result *result)
{
	struct stream *in = stream_new(&xmpp_limits_default);
	struct stream_event ev;
	struct buf text, out;
	char *taken;

	buf_init(&text, 0);
	buf_init(&out, 0);
	buf_putf(&text, OPEN "<stream:features>%s</stream:features>", inside);
	assert_non_null(in);
	assert_int_equal(stream_push(in, buf_ptr(&text), buf_len(&text)), 0);
	assert_int_equal(stream_next(in, &ev), 0);
	assert_int_equal(ev.kind, STREAM_OPEN);
	assert_int_equal(stream_next(in, &ev), 0);
	assert_int_equal(ev.kind, STREAM_ELEMENT);
	if (ctx.max_bytes == 0)
		ctx.max_bytes = 262144;
	assert_int_equal(features_edit(ev.stanza.arena, ev.stanza.root, &ctx, result), 0);
	assert_int_equal(write_element(&out, ev.stanza.root, NS_CLIENT), 0);
	stream_free(in);
	buf_fini(&text);
	taken = buf_take(&out);
	buf_fini(&out);
	return taken;
}

static void expect(
	const char *inside, struct features_context ctx, const char *has, const char *has_not)
{
	struct features_result result;
	char *out = edit(inside, ctx, &result);

	if (has)
		assert_non_null(strstr(out, has));
	if (has_not)
		assert_null(strstr(out, has_not));
	free(out);
}

static const struct features_context secure = { .secure = true };

static void takes_out_what_escapes_judgement(void **state)
{
	(void)state;
	expect("<compression xmlns='" NS_COMPRESS_FEATURE "'><method>zlib</method></compression>",
		secure, NULL, "compression");
	expect("<starttls xmlns='" NS_TLS "'/><bind xmlns='" NS_BIND "'/>", secure, "<bind",
		"starttls");
}

#define MECHANISMS                                                                                 \
	"<mechanisms xmlns='" NS_SASL "'><mechanism>SCRAM-SHA-1-PLUS</mechanism>"                  \
	"<mechanism>SCRAM-SHA-1</mechanism><mechanism>EXTERNAL</mechanism></mechanisms>"
#define BINDINGS                                                                                   \
	"<sasl-channel-binding xmlns='" NS_SASL_CB "'><channel-binding type='tls-exporter'/>"      \
	"<channel-binding type='tls-server-end-point'/></sasl-channel-binding>"

static void takes_out_what_is_bound_to_another_channel(void **state)
{
	(void)state;
	expect(MECHANISMS, secure, ">SCRAM-SHA-1<", "PLUS");
	expect(MECHANISMS, secure, NULL, "EXTERNAL");
	expect(MECHANISMS BINDINGS, secure, NULL, "channel-binding");
}

/* RFC 5929 4: the hash of the leaf is the same on both legs if the leaf is. */
static void end_point_binding_survives_one_leaf(void **state)
{
	struct features_context same = { .secure = true, .same_leaf = true };
	struct features_result result;
	char *out = edit(MECHANISMS BINDINGS, same, &result);

	(void)state;
	assert_true(result.endpoint);
	assert_non_null(strstr(out, "SCRAM-SHA-1-PLUS"));
	assert_non_null(strstr(out, "tls-server-end-point"));
	assert_null(strstr(out, "tls-exporter"));
	assert_null(strstr(out, "EXTERNAL"));
	free(out);
	/* Without the server naming it, -PLUS would mean tls-unique. */
	out = edit(MECHANISMS, same, &result);
	assert_false(result.endpoint);
	assert_null(strstr(out, "PLUS"));
	free(out);
}

static void sasl2_and_fast_as_well(void **state)
{
	(void)state;
	expect("<authentication xmlns='" NS_SASL2 "'><mechanism>SCRAM-SHA-256-PLUS</mechanism>"
	       "<mechanism>PLAIN</mechanism><inline><fast xmlns='" NS_FAST "'>"
	       "<mechanism>HT-SHA-256-NONE</mechanism><mechanism>HT-SHA-256-EXPR</mechanism>"
	       "</fast></inline></authentication>",
		secure, "HT-SHA-256-NONE", "EXPR");
	expect("<authentication xmlns='" NS_SASL2 "'><mechanism>SCRAM-SHA-256-PLUS</mechanism>"
	       "<mechanism>PLAIN</mechanism></authentication>",
		secure, "PLAIN", "PLUS");
}

static void offers_starttls_where_tls_is_optional(void **state)
{
	struct features_context clear = { .offer_starttls = true };

	(void)state;
	expect(MECHANISMS, clear, "<starttls", "required");
}

/* XEP-0478: never more than we let through. */
static void lowers_limits(void **state)
{
	struct features_context small = { .secure = true, .max_bytes = 10000 };

	(void)state;
	expect("<limits xmlns='" NS_LIMITS "'><max-bytes>262144</max-bytes></limits>", small,
		">10000<", "262144");
	expect("<limits xmlns='" NS_LIMITS "'><max-bytes>8000</max-bytes></limits>", small,
		">8000<", "10000");
	/* None, or none that makes sense: ours. */
	expect("<bind xmlns='" NS_BIND "'/>", small,
		"<limits xmlns=\"" NS_LIMITS "\"><max-bytes>10000</max-bytes></limits>", "idle");
	expect("<limits xmlns='" NS_LIMITS "'><max-bytes>-1</max-bytes><max-bytes>7</max-bytes>"
	       "<idle-seconds>60</idle-seconds></limits>",
		small, "<idle-seconds>60</idle-seconds><max-bytes>10000</max-bytes></limits>",
		">7<");
	small.idle_seconds = 30;
	expect("<limits xmlns='" NS_LIMITS "'><idle-seconds>60</idle-seconds></limits>", small,
		"<idle-seconds>30</idle-seconds>", ">60<");
	expect("<limits xmlns='" NS_LIMITS "'><idle-seconds>20</idle-seconds></limits>", small,
		"<idle-seconds>20</idle-seconds>", ">30<");
}

/* XEP-0397: resumption that the ledger does not see. */
static void takes_out_instant_resumption(void **state)
{
	(void)state;
	expect("<isr xmlns='https://xmpp.org/extensions/isr/0'><mechanisms/></isr><bind "
	       "xmlns='" NS_BIND "'/>",
		secure, "<bind", "isr");
}

static void names_the_stripped(void **state)
{
	(void)state;
	assert_true(features_is_stripped("EXTERNAL", true));
	assert_true(features_is_stripped("SCRAM-SHA-256-PLUS", false));
	assert_false(features_is_stripped("SCRAM-SHA-256-PLUS", true));
	assert_false(features_is_stripped("SCRAM-SHA-256", false));
	assert_true(features_is_stripped("HT-SHA-256-UNIQ", true));
	/* A lenient server would take them. */
	assert_true(features_is_stripped("external", true));
	assert_true(features_is_stripped("Scram-Sha-1-plus", false));
	assert_true(features_is_stripped("ht-SHA-256-expr", false));
	assert_false(features_is_stripped("HT-SHA-256-NONE", false));
	assert_false(features_is_stripped("ANONYMOUS", false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_out_what_escapes_judgement),
		cmocka_unit_test(takes_out_what_is_bound_to_another_channel),
		cmocka_unit_test(end_point_binding_survives_one_leaf),
		cmocka_unit_test(sasl2_and_fast_as_well),
		cmocka_unit_test(offers_starttls_where_tls_is_optional),
		cmocka_unit_test(lowers_limits),
		cmocka_unit_test(takes_out_instant_resumption),
		cmocka_unit_test(names_the_stripped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
