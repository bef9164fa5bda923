/* link: xmpp */
/* SPDX-License-Identifier: BSD-2-Clause */
/* xmpp/ess: DER as it must be written and nothing else; xmpp/label: parts and colours of a label.
 * What a clearance makes of labels is in tests/rules/clearance.j. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "xmpp/label.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

/* ---- DER ---- */

/* "31 06 ..." as bytes; how many. */
static size_t bytes_of(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (char *end; *hex; hex = end + strspn(end, " "))
		out[n++] = (uint8_t)strtoul(hex, &end, 16);
	return n;
}

static bool reads(const char *hex, struct ess_label *out)
{
	uint8_t bytes[ESS_BYTES_MAX];

	return ess_parse(bytes, bytes_of(hex, bytes), out);
}

static void test_der(void **state)
{
	struct ess_label l;

	(void)state;
	assert_true(reads("31 06 02 01 04 06 01 29", &l));
	assert_string_equal(l.policy, "1.1");
	assert_true(l.has_class && !l.categories);
	assert_int_equal(l.class, 4);
	assert_true(reads("31 03 06 01 29", &l));
	assert_false(l.has_class);
	assert_true(reads("31 07 02 02 01 00 06 01 29", &l));
	assert_int_equal(l.class, 256);
	assert_true(reads("31 07 02 02 00 80 06 01 29", &l));
	assert_int_equal(l.class, 128);
	/* 2.999.3 (X.690 8.19.5), 2.0, 1.39 */
	assert_true(reads("31 05 06 03 88 37 03", &l));
	assert_string_equal(l.policy, "2.999.3");
	assert_true(reads("31 03 06 01 50", &l));
	assert_string_equal(l.policy, "2.0");
	assert_true(reads("31 03 06 01 4f", &l));
	assert_string_equal(l.policy, "1.39");
	/* with a privacy mark, with categories, with both */
	assert_true(reads("31 0a 02 01 01 06 01 29 0c 02 61 62", &l));
	assert_false(l.categories);
	assert_true(reads("31 0a 02 01 01 06 01 29 13 02 61 62", &l));
	assert_true(reads("31 11 02 01 01 06 01 29 31 09 30 07 80 01 29 a1 02 05 00", &l));
	assert_true(l.categories);
	assert_true(
		reads("31 15 02 01 01 06 01 29 0c 02 61 62 31 09 30 07 80 01 29 a1 02 05 00", &l));
	assert_true(
		reads("31 15 02 01 01 06 01 29 31 09 30 07 80 01 29 a1 02 05 00 13 02 61 62", &l));
}

static void test_der_lies(void **state)
{
	static const char *const lies[] = {
		"",
		"31",
		"31 00",
		"31 80",
		"30 06 02 01 04 06 01 29",
		"31 06 02 01 04 06 01",
		"31 06 02 01 04 06 01 29 00", /* behind the end */
		"31 05 02 01 04 06 01 29",
		"31 07 02 01 04 06 01 29",
		"31 81 06 02 01 04 06 01 29", /* a long length that could be short */
		"31 82 00 06 02 01 04 06 01 29",
		"31 84 00 00 00 06 02 01 04 06 01 29",
		"31 80 02 01 04 06 01 29 00 00", /* indefinite */
		"31 ff",
		"31 83 ff ff ff",
		"31 06 06 01 29 02 01 04", /* another order */
		"31 03 02 01 04",          /* no policy */
		"31 09 02 01 04 06 01 29 06 01 29",
		"31 09 02 01 04 02 01 05 06 01 29",
		"31 05 02 00 06 01 29",       /* a number without digits */
		"31 07 02 02 00 04 06 01 29", /* a number that could be shorter */
		"31 06 02 01 80 06 01 29",    /* below zero */
		"31 07 02 02 01 01 06 01 29", /* above 256 */
		"31 08 02 03 00 80 00 06 01 29",
		"31 05 02 01 04 06 00",
		"31 07 02 01 04 06 02 80 29",
		"31 06 02 01 04 06 01 81",
		"31 07 02 01 04 06 02 29 80",
		"31 0d 06 0b ff ff ff ff ff ff ff ff ff ff 7f", /* an arc beyond 63 bits */
		"31 06 22 01 04 06 01 29",
		"31 06 82 01 04 06 01 29",
		"31 06 02 01 04 1f 01 29",
		"31 08 02 01 01 06 01 29 0c 00",
		"31 09 02 01 01 06 01 29 0c 01 ff",
		"31 09 02 01 01 06 01 29 13 01 40",
		"31 09 02 01 01 06 01 29 16 01 41",
		"31 0c 02 01 01 06 01 29 0c 01 61 13 01 61", /* two marks */
		"31 08 02 01 01 06 01 29 31 00",
		"31 0f 02 01 01 06 01 29 31 07 30 05 80 01 29 a1 00",
		"31 0d 02 01 01 06 01 29 31 05 30 03 80 01 29",
		"31 10 02 01 01 06 01 29 31 08 30 06 81 01 29 a1 01 05",
		/* categories out of order, and twice the same */
		"31 1a 02 01 01 06 01 29 31 12 30 07 80 01 2a a1 02 05 00 30 07 80 01 29 a1 02 05 "
		"00",
		"31 1a 02 01 01 06 01 29 31 12 30 07 80 01 29 a1 02 05 00 30 07 80 01 29 a1 02 05 "
		"00",
	};
	struct ess_label l;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++)
		if (reads(lies[i], &l))
			fail_msg("read: %s", lies[i]);
}

/* Each cut and each changed byte: another label, or none; never the same one. */
static void test_der_every_byte(void **state)
{
	static const char hex[] =
		"31 15 02 01 01 06 01 29 0c 02 61 62 31 09 30 07 80 01 29 a1 02 05 00";
	uint8_t bytes[64];
	size_t n = bytes_of(hex, bytes);
	struct ess_label l;

	(void)state;
	assert_true(ess_parse(bytes, n, &l));
	for (size_t cut = 0; cut < n; cut++)
		assert_false(ess_parse(bytes, cut, &l));
	for (size_t i = 0; i < 8; i++)
		for (unsigned value = 0; value < 256; value++) {
			uint8_t kept = bytes[i];

			bytes[i] = (uint8_t)value;
			if (value != kept && ess_parse(bytes, n, &l))
				assert_true(strcmp(l.policy, "1.1") != 0 || l.class != 1);
			bytes[i] = kept;
		}
}

static void test_der_ceilings(void **state)
{
	uint8_t bytes[ESS_BYTES_MAX + 8] = { 0x31, 0x82 };
	struct ess_label l;
	size_t n;

	(void)state;
	/* An identifier of 64 bytes, and of 65. */
	for (n = 64; n <= 65; n++) {
		bytes[1] = (uint8_t)(n + 2);
		bytes[2] = 0x06;
		bytes[3] = (uint8_t)n;
		memset(bytes + 4, 0x7f, n);
		assert_int_equal(ess_parse(bytes, n + 4, &l), n == 64);
	}
	assert_false(ess_parse(bytes, sizeof(bytes), &l));
}

static void test_base64(void **state)
{
	static const char *const bad[] = { "A", "AA", "AAA",
		"AA=", "AB==", "AAB=", "A===", "====", "AA==AA==", "AA=A", "AAAA=", "AA-_",
		"AA==\xc2\xa0", "=AAA", "AAA==" };
	uint8_t out[8];
	size_t len;

	(void)state;
	assert_true(ess_decode(span_of(" MQ\n Y\tC "), out, sizeof(out), &len));
	assert_int_equal(len, 3);
	assert_memory_equal(out, "\x31\x06\x02", 3);
	assert_true(ess_decode(span_of("AA=="), out, sizeof(out), &len));
	assert_true(ess_decode(span_of("AAA="), out, sizeof(out), &len));
	assert_int_equal(len, 2);
	assert_true(ess_decode(span_of(""), out, sizeof(out), &len));
	assert_int_equal(len, 0);
	assert_true(ess_decode(span_of("AAAAAAAAAAA="), out, 8, &len));
	assert_false(ess_decode(span_of("AAAAAAAAAAAA"), out, 8, &len));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (ess_decode(span_of(bad[i]), out, sizeof(out), &len))
			fail_msg("decoded: %s", bad[i]);
}

/* ---- labels ---- */

static struct stream *in;
static struct stream_event event;

static void read_labels(const char *xml, struct labels *out)
{
	static const char head[] =
		"<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' version='1.0'>";

	stream_free(in);
	in = stream_new(&xmpp_limits_default);
	stream_set_authenticated(in, true);
	stream_push(in, head, sizeof(head) - 1);
	stream_push(in, xml, strlen(xml));
	while (stream_next(in, &event) == 0 && event.kind != STREAM_STANZA)
		assert_int_not_equal(event.kind, STREAM_BAD);
	assert_int_equal(label_read(event.stanza.arena, &event.stanza, out), 0);
}

static void test_parts(void **state)
{
	struct labels all;
	const struct label_part *p;
	struct span bytes;

	(void)state;
	read_labels("<message><securitylabel xmlns='urn:xmpp:sec-label:0'><equivalentlabel><i "
		    "xmlns='urn:i' b='2' a='1'/>"
		    "</equivalentlabel><displaymarking fgcolor='black' bgcolor='red'> "
		    "SECRET\n</displaymarking><label>"
		    "<esssecuritylabel xmlns='urn:xmpp:sec-label:ess:0'> MQYCAQQ\nGASk= "
		    "</esssecuritylabel></label>"
		    "<equivalentlabel>text</equivalentlabel></securitylabel></message>",
		&all);
	assert_int_equal(all.n, 1);
	assert_null(all.odd);
	assert_true(all.covered);
	assert_true(span_is(all.first->display, "SECRET"));
	assert_string_equal(all.first->fgcolor, "black");
	assert_string_equal(all.first->bgcolor, "red");
	p = all.first->parts; /* the label first, wherever it stands */
	assert_int_equal(p->kind, LABEL_ESS);
	assert_true(span_is(p->policy, "1.1"));
	assert_int_equal(p->class, 4);
	assert_int_equal(label_part_bytes(event.stanza.arena, p, &bytes), 0);
	assert_true(span_is(bytes, "MQYCAQQGASk="));
	p = p->next;
	assert_int_equal(p->kind, LABEL_XML);
	assert_int_equal(label_part_bytes(event.stanza.arena, p, &bytes), 0);
	assert_true(span_is(bytes, "<i xmlns=\"urn:i\" b=\"2\" a=\"1\"/>"));
	p = p->next;
	assert_int_equal(p->kind, LABEL_TEXT);
	assert_null(p->next);
}

static void test_none(void **state)
{
	struct labels all;

	(void)state;
	read_labels("<message><body>x</body></message>", &all);
	assert_int_equal(all.n, 0);
	assert_false(all.covered);
	assert_null(all.odd);
	read_labels("<message/>", &all);
	assert_false(all.covered);
}

static void test_huge(void **state)
{
	static const char head[] = "<message><securitylabel xmlns='urn:xmpp:sec-label:0'><label>"
				   "<esssecuritylabel xmlns='urn:xmpp:sec-label:ess:0'>",
			  tail[] = "</esssecuritylabel></label></securitylabel></message>";
	size_t n = 100000;
	char *xml = calloc(1, n + sizeof(head) + sizeof(tail));
	struct labels all;

	(void)state;
	strcpy(xml, head);
	memset(xml + sizeof(head) - 1, 'A', n);
	strcpy(xml + sizeof(head) - 1 + n, tail);
	read_labels(xml, &all);
	assert_int_equal(all.n, 1);
	assert_non_null(all.odd);
	free(xml);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_der_lies),
		cmocka_unit_test(test_der_every_byte),
		cmocka_unit_test(test_der_ceilings),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_huge),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	stream_free(in);
	return r;
}
