/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/batch: what other programs write, whole, byte by byte and at random cuts; and what they should
 * not have written. Expected entries are told as "LINE ban ADDR MS WHY", refusals as "LINE ! WHY". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "ctl/batch.h"

static const struct batch_spec plain = { .format = BATCH_AUTO, .for_ms = 3600000 };

static void item_tell(struct buf *out, enum batch_what what, const struct batch_item *item)
{
	const struct batch_entry *e = &item->entry;
	char prefix[PREFIX_TEXT_SIZE];

	if (what == BATCH_REFUSED) {
		buf_putf(out, "%lu ! %s\n", item->line, item->error);
		return;
	}
	prefix_show(&e->prefix.address, e->prefix.len, prefix);
	if (e->unban)
		buf_putf(out, "%lu unban %s %s\n", item->line, prefix, e->why);
	else
		buf_putf(out, "%lu ban %s %llu %s\n", item->line, prefix,
			(unsigned long long)e->for_ms, e->why);
}

/* What comes out when it is pushed in pieces of up to step bytes; step 0: at random. */
static char *read_all(const struct batch_spec *spec, const char *text, size_t len, size_t step)
{
	struct batch *b = batch_new(spec);
	struct batch_item item;
	enum batch_what what;
	struct buf out;

	assert_non_null(b);
	buf_init(&out, 16 << 20);
	for (size_t at = 0, n; at < len; at += n) {
		n = step ? step : 1 + (size_t)rand() % 40;
		n = n < len - at ? n : len - at;
		assert_int_equal(batch_push(b, text + at, n), 0);
		while ((what = batch_next(b, &item)) != BATCH_MORE)
			item_tell(&out, what, &item);
	}
	batch_end(b);
	while ((what = batch_next(b, &item)) != BATCH_MORE)
		item_tell(&out, what, &item);
	buf_putf(&out, "%lu lines, %lu skipped\n", batch_lines(b), batch_skipped(b));
	batch_free(b);
	return buf_take(&out);
}

static void expect_bytes(
	const struct batch_spec *spec, const char *text, size_t len, const char *expected)
{
	static const size_t steps[] = { BATCH_LINE_MAX, 1, 2, 7, 0, 0, 0 };

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		char *told = read_all(spec, text, len, steps[i]);

		assert_string_equal(told, expected);
		free(told);
	}
}

static void expect(const struct batch_spec *spec, const char *text, const char *expected)
{
	expect_bytes(spec, text, strlen(text), expected);
}

static void test_lines(void **state)
{
	(void)state;
	expect(&plain,
		"# a list\n\n192.0.2.1\n  ban 2001:db8::7/48 for 2h why ticket #42\r\n"
		"unban 192.0.2.9 why it was me\nban 192.0.2.2 # for 1s\nban 192.0.2.3 why x for 1s",
		"3 ban 192.0.2.1 3600000 by a batch\n"
		"4 ban 2001:db8::/48 7200000 ticket #42\n"
		"5 unban 192.0.2.9 it was me\n"
		"6 ban 192.0.2.2 3600000 by a batch\n"
		"7 ban 192.0.2.3 3600000 x for 1s\n"
		"7 lines, 1 skipped\n");
}

static void test_lines_unban(void **state)
{
	struct batch_spec spec = plain;

	(void)state;
	spec.unban = true;
	spec.why = "amnesty";
	expect(&spec, "192.0.2.1\nban 192.0.2.2\n127.0.0.1\n",
		"1 unban 192.0.2.1 amnesty\n2 ban 192.0.2.2 3600000 amnesty\n"
		"3 unban 127.0.0.1 amnesty\n3 lines, 0 skipped\n");
}

static void test_lines_refused(void **state)
{
	(void)state;
	expect(&plain,
		"192.0.2.0/7\n::/18\n::/0\n0.0.0.0/0\n127.3.2.1\n::1\n224.0.0.1\nff02::1\n"
		"255.255.255.255\n0.1.2.3\n::ffff:0.0.0.0/96\n::/64\n10.0.0.0/8\n2001:db8::/19\n",
		"1 ! 192.0.2.0/7: wider than a batch may ban (/8, or /19 of IPv6)\n"
		"2 ! ::/18: wider than a batch may ban (/8, or /19 of IPv6)\n"
		"3 ! ::/0: wider than a batch may ban (/8, or /19 of IPv6)\n"
		"4 ! 0.0.0.0/0: wider than a batch may ban (/8, or /19 of IPv6)\n"
		"5 ! 127.3.2.1: loopback is not banned by a batch\n"
		"6 ! ::1: loopback is not banned by a batch\n"
		"7 ! 224.0.0.1: multicast and reserved addresses are not banned\n"
		"8 ! ff02::1: multicast and reserved addresses are not banned\n"
		"9 ! 255.255.255.255: multicast and reserved addresses are not banned\n"
		"10 ! 0.1.2.3: no host has such an address\n"
		"11 ! ::ffff:0.0.0.0/96: wider than a batch may ban (/8, or /19 of IPv6)\n"
		"12 ! ::/64: loopback is not banned by a batch\n"
		"13 ban 10.0.0.0/8 3600000 by a batch\n"
		"14 ban 2001::/19 3600000 by a batch\n"
		"14 lines, 0 skipped\n");
	expect(&plain, "ban\nban me\n192.0.2.1 for\n192.0.2.1 for ever\n192.0.2.1 for 0\nunban "
		       "192.0.2.1 for 1h\n192.0.2.1 if\n1.2.3.4/33\n1.2.3.4.5\n192.0.2.1 why \xff\n",
		"1 ! '' is no address or prefix\n"
		"2 ! 'me' is no address or prefix\n"
		"3 ! 'for ' is not a time: write 90s, 10m, 1h or 7d\n"
		"4 ! 'for ever' is not a time: write 90s, 10m, 1h or 7d\n"
		"5 ! 'for 0' is not a time: write 90s, 10m, 1h or 7d\n"
		"6 ! an unban has no time\n"
		"7 ! 'if' is neither 'for TIME' nor 'why TEXT'\n"
		"8 ! '1.2.3.4/33' is no address or prefix\n"
		"9 ! '1.2.3.4.5' is no address or prefix\n"
		"10 ! its reason is not UTF-8\n"
		"10 lines, 0 skipped\n");
}

static void test_nul_and_mark(void **state)
{
	static const char nul[] = "\0\0\n192.0.2.1\n192.0.2.2\0\n", mark[] = "\xef\xbb\xbf"
									    "192.0.2.1\n";

	(void)state;
	expect_bytes(&plain, nul, sizeof nul - 1,
		"1 ! a NUL byte in it\n2 ban 192.0.2.1 3600000 by a batch\n3 ! a NUL byte in it\n"
		"3 lines, 0 skipped\n");
	expect(&plain, mark, "1 ban 192.0.2.1 3600000 by a batch\n1 lines, 0 skipped\n");
	expect(&plain, "", "0 lines, 0 skipped\n");
	expect(&plain, "\n \n\n", "3 lines, 0 skipped\n");
}

static void test_giant_lines(void **state)
{
	size_t giant = 3 * (size_t)BATCH_LINE_MAX;
	char *text = malloc(giant + 64), *told;
	size_t at;

	(void)state;
	memcpy(text, "192.0.2.1\n", 10);
	memset(text + 10, 'x', giant);
	at = 10 + giant;
	at += (size_t)sprintf(text + at, "\n192.0.2.2\n");
	for (size_t step = 0; step < 3; step++) {
		told = read_all(&plain, text, at, step == 1 ? 4096 : BATCH_LINE_MAX);
		assert_string_equal(told,
			"1 ban 192.0.2.1 3600000 by a batch\n2 ! longer than a line may be\n"
			"3 ban 192.0.2.2 3600000 by a batch\n3 lines, 0 skipped\n");
		free(told);
	}
	memset(text, 'x', giant); /* of no format that one could guess */
	told = read_all(&plain, text, at, BATCH_LINE_MAX);
	assert_non_null(strstr(told, "1 ! longer than a line may be\n2 ban 192.0.2.2"));
	free(told);
	free(text);
}

#define EVE(more) "{\"timestamp\":\"2026-11-21T17:00:00.123456+0000\",\"flow_id\":1," more "}\n"
#define ALERT(severity)                                                                            \
	"\"alert\":{\"action\":\"allowed\",\"gid\":1,\"signature_id\":2001219,\"rev\":20,"         \
	"\"signature\":\"ET SCAN SSH\",\"category\":\"Scan\",\"severity\":" severity "}"

static void test_eve(void **state)
{
	struct batch_spec spec = plain;

	(void)state;
	spec.prefix6 = 64;
	expect(&spec,
		EVE("\"event_type\":\"alert\",\"src_ip\":\"192.0.2.1\"," ALERT("2"))
		EVE("\"event_type\":\"flow\",\"src_ip\":\"192.0.2.2\"")
		EVE("\"event_type\":\"alert\",\"src_ip\":\"2001:db8::7\"," ALERT("3"))
		EVE("\"event_type\":\"alert\",\"src_ip\":\"192.0.2.3\",\"alert\":{\"source\":{\"ip\":"
		    "\"192.0.2.4\"},\"target\":{\"ip\":\"192.0.2.3\"}}"),
		"1 ban 192.0.2.1 3600000 alert: ET SCAN SSH [1:2001219:20]\n"
		"3 ban 2001:db8::/64 3600000 alert: ET SCAN SSH [1:2001219:20]\n"
		"4 ban 192.0.2.4 3600000 alert\n"
		"4 lines, 1 skipped\n");
	spec.severity = 2;
	spec.why = "ids";
	expect(&spec,
		EVE("\"event_type\":\"alert\",\"src_ip\":\"192.0.2.1\"," ALERT("2"))
		EVE("\"event_type\":\"alert\",\"src_ip\":\"192.0.2.2\"," ALERT("3"))
		EVE("\"event_type\":\"alert\",\"src_ip\":\"192.0.2.2\"," ALERT("\"1\"")),
		"1 ban 192.0.2.1 3600000 ids: ET SCAN SSH [1:2001219:20]\n3 lines, 2 skipped\n");
}

static void test_eve_hostile(void **state)
{
	struct batch_spec spec = plain;
	char deep[9000], *told;

	(void)state;
	spec.format = BATCH_EVE;
	expect(&spec,
		"{}\n[]\n1\n{\"event_type\":7}\n{\"event_type\":\"alert\"}\n"
		"{\"event_type\":\"alert\",\"alert\":[]}\n{\"event_type\":\"alert\",\"alert\":{},\"src_ip\":{}}\n"
		"{\"event_type\":\"alert\",\"alert\":{},\"src_ip\":\"x\\u0000\"}\n"
		"{\"event_type\":\"alert\",\"alert\":{},\"src_ip\":\"127.0.0.1\"}\n"
		"{\"event_type\":\"alert\",\"alert\":{},\"src_ip\":\"192.0.2.0/24 for 9d\"}\n"
		"{\"event_type\":\"alert\",\"alert\":{\"signature\":7,\"signature_id\":[]},\"src_ip\":\"192.0.2.1\"}\n",
		"1 ! no event: there is no \"event_type\"\n"
		"2 ! no event: there is no \"event_type\"\n"
		"3 ! no JSON: '[' or '{' expected near '1'\n"
		"4 ! no event: there is no \"event_type\"\n"
		"5 ! an alert without \"alert\"{}\n"
		"6 ! an alert without \"alert\"{}\n"
		"7 ! an alert without \"src_ip\"\n"
		"8 ! no JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"x\\u0000\"'\n"
		"9 ! 127.0.0.1: loopback is not banned by a batch\n"
		"10 ! '192.0.2.0/24 for 9d' is no address or prefix\n"
		"11 ban 192.0.2.1 3600000 alert\n"
		"11 lines, 0 skipped\n");
	memset(deep, '[', sizeof deep);
	memcpy(deep + sizeof deep - 2, "\n", 2);
	told = read_all(&spec, deep, strlen(deep), 0);
	assert_non_null(strstr(told, "1 ! no JSON: maximum parsing depth reached"));
	free(told);
}

static void test_fast(void **state)
{
	static const char log[] =
		"11/21/2026-17:00:00.123456  [**] [1:2001219:20] ET SCAN SSH [**] [Classification: "
		"Scan] [Priority: 2] {TCP} 192.0.2.1:5 -> 198.51.100.10:5222\n"
		"11/21/2026-17:00:00.123456  [Drop] [**] [1:7:1] {TCP} 1.2.3.4:1 -> 2.3.4.5:6 [**] "
		"[Classification: (null)] [Priority: 1] {TCP} "
		"2001:0db8:0001:0011:0000:0000:0000:0011:55512 -> "
		"2001:0db8:0002:0000:0000:0000:0000:0010:5222\n"
		"11/21-17:00:00.123456  [**] [1:8:1] short [**] [Priority: 0] {UDP} 2001:db8::12:555 -> "
		"2001:db8::1:5222\n"
		"11/21-17:00:00.123456  [**] [1:9:1] no port [**] [Priority: 3] {IPV6-ICMP} "
		"2001:db8::13 -> 2001:db8::1\n"
		"11/21-17:00:00.123456  [**] [1:9:1] type [**] [Priority: 3] {IPv6-ICMP} "
		"2001:0db8:0000:0000:0000:0000:0000:0014:128 -> 2001:db8::1:0\n"
		"11/21-17:00:00.123456  [**] [1:9:1] v4 [**] {ICMP} 192.0.2.7 -> 192.0.2.8\n";
	struct batch_spec spec = plain;

	(void)state;
	expect(&plain, log,
		"1 ban 192.0.2.1 3600000 alert: ET SCAN SSH [1:2001219:20]\n"
		"2 ban 2001:db8:1:11::11 3600000 alert: {TCP} 1.2.3.4:1 -> 2.3.4.5:6 [1:7:1]\n"
		"3 ban 2001:db8::12 3600000 alert: short [1:8:1]\n"
		"4 ban 2001:db8::13 3600000 alert: no port [1:9:1]\n"
		"5 ban 2001:db8::14 3600000 alert: type [1:9:1]\n"
		"6 ban 192.0.2.7 3600000 alert: v4 [1:9:1]\n"
		"6 lines, 0 skipped\n");
	spec.severity = 1;
	expect(&spec, log,
		"2 ban 2001:db8:1:11::11 3600000 alert: {TCP} 1.2.3.4:1 -> 2.3.4.5:6 [1:7:1]\n"
		"6 lines, 5 skipped\n");
}

static void test_fast_hostile(void **state)
{
	static const char no_alert[] = "no alert: there is no '{PROTOCOL} ADDR -> ADDR'";
	struct batch_spec spec = plain;
	char expected[1000];

	(void)state;
	spec.format = BATCH_FAST;
	snprintf(expected, sizeof expected,
		"1 ! %s\n2 ! %s\n3 ! %s\n4 ! %s\n5 ! '' is no address or prefix\n"
		"6 ! 'x' is no address or prefix\n7 ban 192.0.2.1 3600000 alert\n8 ! %s\n"
		"9 ! %s\n9 lines, 0 skipped\n",
		no_alert, no_alert, no_alert, no_alert, no_alert, no_alert);
	expect(&spec,
		"x\n -> \n} 1.2.3.4 -> 1\n192.0.2.1 -> 192.0.2.2\n{TCP}  -> 1.2.3.4\n[**]{TCP} "
		"x:1 -> \n[**] [**] {TCP} 192.0.2.1 -> \n{TCP} 192.0.2.1:1 ->\n"
		"{A PROTOCOL OF A LENGTH} 192.0.2.1 -> 192.0.2.2\n",
		expected);
}

#define DECISION(duration, scope, value, more)                                                     \
	"{\"duration\":\"" duration "\",\"id\":1,\"origin\":\"crowdsec\",\"scenario\":\"a/bf\","  \
	"\"scope\":\"" scope "\",\"type\":\"ban\",\"value\":\"" value "\"" more "}"

static void test_crowdsec_list(void **state)
{
	(void)state;
	expect(&plain,
		"[\n {\n  \"capacity\": 5,\n  \"decisions\": [\n"
		"  " DECISION("3h59m12.5s", "Ip", "192.0.2.1", "") ",\n"
		"  " DECISION("-1m", "Ip", "192.0.2.2", "") ",\n"
		"  " DECISION("1h", "Country", "AQ", "") ",\n"
		"  " DECISION("1h", "Ip", "192.0.2.3", ",\"simulated\":true") ",\n"
		"  " DECISION("1m1.5\xc2\xb5s", "range", "192.0.2.0/25", ",\"type2\":{\"a\":[{}]}") "\n"
		"  ],\n  \"events\": [{\"meta\":[{\"key\":\"}]\\\"\",\"value\":\"b\"}]}],\n"
		"  \"source\": {\"scope\":\"Ip\",\"value\":\"192.0.2.9\"}\n },\n"
		" {\"decisions\":[]}, {\"decisions\":null}\n]\nnull\n",
		"5 ban 192.0.2.1 14352500 crowdsec: a/bf\n"
		"9 ban 192.0.2.0/25 60000 crowdsec: a/bf\n"
		"16 lines, 3 skipped\n");
}

static void test_crowdsec_stream(void **state)
{
	(void)state;
	expect(&plain,
		"{\"deleted\":[" DECISION("-1m", "Ip", "192.0.2.1", "") "],\"new\":["
		DECISION("1h", "ip", "2001:db8::1", "") "," DECISION("24h", "Ip", "192.0.2.3", "")
		"]}\n{\"new\":null,\"deleted\":null}\n" DECISION("1h", "Ip", "192.0.2.4", ""),
		"1 unban 192.0.2.1 crowdsec: a/bf\n"
		"1 ban 2001:db8::1 3600000 crowdsec: a/bf\n"
		"1 ban 192.0.2.3 86400000 crowdsec: a/bf\n"
		"3 ban 192.0.2.4 3600000 crowdsec: a/bf\n"
		"3 lines, 0 skipped\n");
	expect(&plain, "null\n", "1 lines, 0 skipped\n");
	expect(&plain, "[]", "1 lines, 0 skipped\n");
}

static void test_crowdsec_hostile(void **state)
{
	struct batch_spec spec = plain;

	(void)state;
	spec.format = BATCH_CROWDSEC;
	expect(&spec,
		"{\"message\":\"access forbidden\"}\n}\n"
		"{\"new\":[{\"a\":1,}," DECISION("1h", "Ip", "192.0.2.1", "") "\n]}\n"
		"garbage " DECISION("1h", "Ip", "192.0.2.2", "") "\n"
		DECISION("1h", "Ip", "192.0.2.3", "") " ]" DECISION("1h", "Ip", "192.0.2.4", "") "\n"
		DECISION("", "Ip", "192.0.2.5", "") DECISION("1", "Ip", "192.0.2.5", "")
		DECISION("1y", "Ip", "192.0.2.5", "") DECISION("-h", "Ip", "192.0.2.5", "") "\n"
		DECISION("9999999999999h", "Ip", "192.0.2.6", "")
		DECISION("1h", "Ip", "0.0.0.0/0", "") DECISION("1h", "Ip", "\\u0000", "")
		"{\"scope\":{},\"type\":[],\"value\":7}\n\"a\nb\"\n[{\"new\":\"x\n{\"new\":[",
		"1 ! no decision: \"scope\", \"type\" or \"value\" is missing\n"
		"2 ! no JSON: brackets do not match\n"
		"3 ! no JSON: string or '}' expected near '}'\n"
		"3 ban 192.0.2.1 3600000 crowdsec: a/bf\n"
		"5 ! no JSON\n"
		"6 ban 192.0.2.3 3600000 crowdsec: a/bf\n"
		"6 ! no JSON: brackets do not match\n"
		"7 ! '' is no duration\n7 ! '1' is no duration\n"
		"7 ! '1y' is no duration\n7 ! '-h' is no duration\n"
		"8 ban 192.0.2.6 3162240000000 crowdsec: a/bf\n"
		"8 ! 0.0.0.0/0: wider than a batch may ban (/8, or /19 of IPv6)\n"
		"8 ! no JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"\\u0000\"'\n"
		"8 ! no decision: \"scope\", \"type\" or \"value\" is missing\n"
		"9 ! no JSON\n10 ! no JSON\n"
		"11 ! no JSON: a control character in a string\n"
		"12 ! the document ends in the middle\n"
		"12 lines, 0 skipped\n");
}

static void test_crowdsec_large(void **state)
{
	size_t n = (size_t)BATCH_LINE_MAX + 100, at = 0;
	char *text = malloc(2 * n), *told;

	(void)state;
	at += (size_t)sprintf(text, "[{\"capacity\":\"");
	memset(text + at, 'x', n);
	at += n;
	at += (size_t)sprintf(text + at, "\",\"decisions\":[%s]},{\"a\":\"",
		DECISION("1h", "Ip", "192.0.2.1", ""));
	memset(text + at, 'x', 100);
	at += 100;
	at += (size_t)sprintf(text + at, "\"}]\n");
	told = read_all(&plain, text, at, BATCH_LINE_MAX);
	assert_string_equal(told, "1 ban 192.0.2.1 3600000 crowdsec: a/bf\n"
				  "1 ! no decision: \"scope\", \"type\" or \"value\" is missing\n"
				  "1 lines, 0 skipped\n");
	free(told);
	at = (size_t)sprintf(text, "[{\"a\":\"");
	memset(text + at, 'x', n);
	at += n;
	at += (size_t)sprintf(text + at, "\"},%s]\n", DECISION("1h", "Ip", "192.0.2.1", ""));
	told = read_all(&plain, text, at, 65536);
	assert_string_equal(told, "1 ! a decision larger than it may be\n"
				  "1 ban 192.0.2.1 3600000 crowdsec: a/bf\n1 lines, 0 skipped\n");
	free(told);
	memset(text, '[', n);
	text[n] = '\n';
	told = read_all(&plain, text, n + 1, 65536);
	assert_string_equal(told, "1 ! nested too deeply\n1 lines, 0 skipped\n");
	free(told);
	free(text);
}

static void test_format_names(void **state)
{
	enum batch_format format;

	(void)state;
	assert_int_equal(batch_format_parse("eve", &format), 0);
	assert_int_equal(format, BATCH_EVE);
	assert_true(batch_format_parse("", &format) < 0 && batch_format_parse("snort", &format) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_lines_unban),
		cmocka_unit_test(test_lines_refused),
		cmocka_unit_test(test_nul_and_mark),
		cmocka_unit_test(test_giant_lines),
		cmocka_unit_test(test_eve),
		cmocka_unit_test(test_eve_hostile),
		cmocka_unit_test(test_fast),
		cmocka_unit_test(test_fast_hostile),
		cmocka_unit_test(test_crowdsec_list),
		cmocka_unit_test(test_crowdsec_stream),
		cmocka_unit_test(test_crowdsec_hostile),
		cmocka_unit_test(test_crowdsec_large),
		cmocka_unit_test(test_format_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
