/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The arithmetic behind "top": rates of two answers (ctl/top_data.c), rows in order and in columns (ctl/top_table.c), what is
 * asked about a row (ctl/top_explain.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <locale.h>
#include <cmocka.h>
#include "base/clock.h"
#include "ctl/top_data.h"
#include "ctl/top_explain.h"
#include "ctl/top_table.h"

static json_t *json(const char *text)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

	if (!value)
		fail_msg("%s in %s", error.text, text);
	return value;
}

static json_t *answer(int uptime, int in, int hits, int cpu)
{
	char text[1024];

	snprintf(text, sizeof text,
		"{\"uptime_ms\":%d,\"counters\":{\"stanza.in\":%d,\"stanza.out\":0,\"defend.others.rate\":%d,\"defend.tor.penalty\":%d,\"defend.tor.full\":%d},\"totals\":{\"peers\":7},"
		"\"workers\":[{\"name\":\"p\",\"pid\":5,\"cpu_ms\":%d}],"
		"\"rules\":[{\"chain\":\"c\",\"name\":\"r\",\"hits\":%d}],"
		"\"limits\":[{\"name\":\"l\",\"rate\":\"2/second\",\"exceeded\":%d}]}",
		uptime, in, in / 10, in / 20, in, cpu, hits, hits);
	return json(text);
}

static double row_number(const struct top_data *d, enum top_panel panel, const char *key)
{
	return json_number_value(json_object_get(json_array_get(d->rows[panel], 0), key));
}

static void rates(void **state)
{
	struct top_data d = { 0 };
	const json_t *worker;

	(void)state;
	assert_true(top_data_rate(&d, "stanza.in") == 0);
	top_data_take(&d, TOP_RULES, answer(1000, 100, 10, 50));
	assert_true(top_data_rate(&d, "stanza.in") == 0);
	assert_true(top_data_cpu(&d, json_array_get(json_object_get(d.now, "workers"), 0)) < 0);
	top_data_take(&d, TOP_RULES, answer(3000, 500, 30, 1050));
	assert_true(top_data_rate(&d, "stanza.in") == 200);
	assert_true(top_data_rate(&d, "no.such") == 0);
	assert_true(top_data_refused(&d) == 30);
	assert_true(row_number(&d, TOP_RULES, "rate") == 10);
	worker = json_array_get(json_object_get(d.now, "workers"), 0);
	assert_true(top_data_cpu(&d, worker) == 50);
	assert_true(d.n_curve == 1 && d.curve[0] == 200);
	/* a look right behind it changes rows, not rates */
	top_data_take(&d, TOP_LIMITS, answer(3010, 500, 30, 1050));
	assert_true(top_data_rate(&d, "stanza.in") == 200);
	top_data_take(&d, TOP_LIMITS, answer(3020, 500, 32, 1050));
	assert_true(row_number(&d, TOP_LIMITS, "rate") == 200);
	assert_string_equal(json_string_value(json_object_get(json_array_get(d.rows[TOP_LIMITS], 0), "limit")), "2/second");
	/* a daemon that was started again is not compared with the one before */
	top_data_take(&d, TOP_RULES, answer(500, 3, 1, 10));
	assert_true(top_data_rate(&d, "stanza.in") == 0 && row_number(&d, TOP_RULES, "rate") == 0);
	top_data_take(&d, TOP_RULES, answer(1500, 13, 3, 20));
	assert_true(top_data_rate(&d, "stanza.in") == 10 && row_number(&d, TOP_RULES, "rate") == 2);
	assert_true(top_data_number(&d, "totals.peers") == 7 && top_data_number(&d, "totals.beauty") == 0);
	for (int i = 0; i < 100; i++)
		top_data_take(&d, TOP_RULES, answer(2500 + i * 1000, 13 + i, 3, 20));
	assert_int_equal(d.n_curve, TOP_CURVE);
	top_data_fini(&d);
}

/* An answer without the keys, or with others behind them, is no reason to stop. */
/* Who is barred by name stands among the bans. */
static void names(void **state)
{
	struct top_data d = { 0 };
	const json_t *rows[10];

	(void)state;
	top_data_take(&d, TOP_BANS,
		json("{\"uptime_ms\":1,\"bans\":[{\"address\":\"192.0.2.1\",\"since\":5}],\"barred\":[{\"jid\":\"a@x\",\"since\":9},"
		     "{\"domain\":\"evil.example\",\"since\":1},{},7]}"));
	assert_int_equal(top_rows(TOP_BANS, d.rows[TOP_BANS], 3, false, "", rows, 10), 4);
	assert_string_equal(json_string_value(json_object_get(rows[0], "address")), "a@x");
	assert_int_equal(top_rows(TOP_BANS, d.rows[TOP_BANS], 3, false, "evil", rows, 10), 1);
	top_data_fini(&d);
}

static void strange_answers(void **state)
{
	static const char *const all[] = { "{}", "{\"rules\":5,\"peers\":null,\"workers\":{},\"counters\":[1]}",
		"{\"uptime_ms\":\"long\",\"rules\":[1,null,{}],\"limits\":[[]],\"peers\":[{\"address\":5}]}",
		"{\"uptime_ms\":-3,\"totals\":7,\"attention\":[1,{}]}" };
	struct top_data d = { 0 };
	const json_t *rows[10];

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof all / sizeof *all; i++)
		for (unsigned panel = 0; panel < TOP_PANELS; panel++) {
			top_data_take(&d, (enum top_panel)panel, json(all[i % (sizeof all / sizeof *all)]));
			for (unsigned k = 0; k < TOP_PANELS; k++)
				top_rows((enum top_panel)k, d.rows[k], 0, false, "x", rows, 10);
			assert_true(top_data_rate(&d, "stanza.in") == 0);
		}
	top_data_fini(&d);
}

static void assert_order(
	enum top_panel panel, const json_t *rows, unsigned column, bool reverse, const char *filter, const char *wanted)
{
	const json_t *out[20];
	size_t n = top_rows(panel, rows, column, reverse, filter, out, 20);
	char text[512] = "", name[320];

	for (size_t i = 0; i < n; i++) {
		top_row_name(panel, out[i], name, sizeof name);
		strcat(strcat(text, i ? " " : ""), name);
	}
	assert_string_equal(text, wanted);
}

static void order(void **state)
{
	json_t *rows = json("[{\"address\":\"b\",\"sessions\":3,\"online\":3,\"rate\":1.5,\"dropped\":1,\"rejected\":0},"
			    "{\"address\":\"a\",\"sessions\":9,\"online\":1,\"rate\":1.5,\"dropped\":0,\"rejected\":0},"
			    "{\"address\":\"C\",\"sessions\":5,\"online\":5,\"rate\":7,\"dropped\":2,\"rejected\":3}]");
	json_t *some = json("[{\"chain\":\"in\",\"name\":\"x\",\"hits\":5},{\"chain\":\"in\",\"name\":\"y\",\"hits\":50},"
			    "{\"chain\":\"out\",\"name\":\"x\",\"hits\":7,\"text\":\"rule x { Body is 1 drop }\"}]");
	json_t *bans = json("[{\"address\":\"a\",\"until\":5},{\"address\":\"b\",\"until\":0},{\"address\":\"c\",\"until\":3}]");

	(void)state;
	assert_order(TOP_PEERS, rows, 0, false, "", "a b C");
	assert_order(TOP_PEERS, rows, 0, true, "", "C b a");
	assert_order(TOP_PEERS, rows, 1, false, "", "a C b"); /* sessions */
	assert_order(TOP_PEERS, rows, 2, false, "", "a C b"); /* waiting; equal ones by name */
	assert_order(TOP_PEERS, rows, 3, false, "", "C a b"); /* rate */
	assert_order(TOP_PEERS, rows, 3, true, "", "a b C");
	assert_order(TOP_PEERS, rows, 7, false, "", "C b a"); /* stopped */
	assert_order(TOP_PEERS, rows, 1, false, "no such", "a C b"); /* of peers the daemon picks */
	assert_order(TOP_RULES, some, 2, false, "", "in/y out/x in/x");
	assert_order(TOP_RULES, some, 2, false, "BODY", "out/x");
	assert_order(TOP_RULES, some, 2, false, "nothing", "");
	assert_order(TOP_BANS, bans, 1, false, "", "c a b"); /* for ever is the longest */
	assert_int_equal(top_rows(TOP_PEERS, NULL, 0, false, "", NULL, 0), 0);
	json_decref(rows);
	json_decref(some);
	json_decref(bans);
}

static void assert_table(enum top_panel panel, const char *row, unsigned columns, const char *titles, const char *wanted)
{
	unsigned widths[TOP_COLUMNS_MAX];
	json_t *data = json(row);
	struct cells c;
	char line[512];

	assert_int_equal(cells_init(&c, 2, columns, true), 0);
	top_layout(panel, columns, widths);
	top_put_titles(&c, 0, panel, widths, top_column_first(panel), false);
	top_put_row(&c, 1, panel, widths, data, panel == TOP_BANS ? 1 : 10);
	cells_line(&c, 0, line, sizeof line);
	assert_string_equal(line, titles);
	cells_line(&c, 1, line, sizeof line);
	assert_string_equal(line, wanted);
	cells_fini(&c);
	json_decref(data);
}

static void columns(void **state)
{
	static const char peer[] = "{\"address\":\"2001:db8:1:24::/64\",\"sessions\":12,\"online\":2,\"rate\":5,\"in\":123456,"
				   "\"out\":7,\"dropped\":3,\"rejected\":1,\"age_ms\":61000,\"jid\":\"evil\\u001b[2J@x\"}";

	(void)state;
	assert_table(TOP_PEERS, peer, 80,
		"ADDRESS             SESS  WAIT   ST/S▾             IN    OUT  STOP JID",
		"2001:db8:1:24::/64    12    10    5.0 ████       123k      7     4 evil\\u{1b}[2…");
	assert_table(TOP_PEERS, peer, 40, "ADDRESS                SESS  WAIT  ST/S▾", "2001:db8:1:24::/64       12    10    5.0");
	assert_table(TOP_PEERS, peer, 10, "  ST/S▾", "   5.0");
	assert_table(TOP_PEERS, peer, 5, "", "");
	assert_table(TOP_RULES, "{\"chain\":\"in\",\"name\":\"spam\",\"hits\":5,\"rate\":0.01,\"text\":\"rule spam { body is 1  drop }\"}", 70,
		"CHAIN     RULE              HITS HITS/S▾           TEXT", "in        spam                 5   <0.1 ▏          body is 1  drop }");
	clock_freeze(0, 10000);
	assert_table(TOP_BANS, "{\"address\":\"192.0.2.1\",\"since\":0,\"until\":20000,\"rule\":\"\",\"why\":\"by hand\",\"count\":2}", 80,
		"ADDRESS                LEFT             SINCE▾TIMES RULE          WHY", "192.0.2.1               10s ████     00:00:00     2 -             by hand");
	clock_thaw();
}

static void numbers(void **state)
{
	static const struct {
		double n;
		const char *count, *rate;
	} all[] = { { 0, "0", "0" }, { 0.01, "0", "<0.1" }, { 0.25, "0", "0.2" }, { 9.5, "10", "9.5" }, { 99999, "99999", "99999" },
		{ 100000, "100k", "100k" }, { 1234567, "1.2M", "1.2M" }, { 45e9, "45G", "45G" }, { 9e18, "9000P", "9000P" },
		{ -5, "0", "0" } };
	char text[32];

	(void)state;
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		top_format_count(all[i].n, text, sizeof text);
		assert_string_equal(text, all[i].count);
		top_format_rate(all[i].n, text, sizeof text);
		assert_string_equal(text, all[i].rate);
	}
}

static void assert_has(const json_t *lines, const char *text, bool there)
{
	const json_t *line;
	size_t i;
	bool found = false;

	json_array_foreach(lines, i, line) found |= strstr(json_string_value(line), text) != NULL;
	if (found != there)
		fail_msg("%s: %s", there ? "missing" : "there", text);
}

static void explaining(void **state)
{
	json_t *rule = json("{\"chain\":\"in\",\"name\":\"spam\",\"hits\":5}"),
	       *ban = json("{\"address\":\"192.0.2.7\",\"until\":0,\"id\":\"v1\",\"why\":\"\\u202ebad\",\"proof\":{\"jids\":[1]}}"),
	       *peer = json("{\"address\":\"2001:db8:0:1::/64\",\"sessions\":1}");
	json_t *events = json("{\"events\":[{\"event_type\":\"alert\",\"timestamp\":\"2026-11-21T06:30:00\",\"alert\":{\"signature\":\"in/spam\"},"
			      "\"src_ip\":\"192.0.2.7\",\"xmpp\":{\"verdict\":\"drop\",\"id\":\"v1\",\"from\":\"a@x\\u001b[2J\"}},"
			      "{\"event_type\":\"alert\",\"alert\":{\"signature\":\"in/other\"},\"src_ip\":\"2001:db8:0:1::5\",\"xmpp\":{\"id\":\"v2\"}}]}");
	json_t *rules = json("{\"rules\":[{\"chain\":\"in\",\"name\":\"spam\",\"text\":\"rule spam { drop }\"}]}");
	json_t *asked = top_explain_questions(TOP_RULES, rule), *answers = json_pack("[O,O]", rules, events), *lines;

	(void)state;
	assert_int_equal(json_array_size(asked), 2);
	lines = top_explain_lines(TOP_RULES, rule, answers);
	assert_has(lines, "rule spam { drop }", true);
	assert_has(lines, "[v1]", true);
	assert_has(lines, "[v2]", false);
	assert_has(lines, "\x1b", false);
	json_decref(lines);
	json_decref(asked);
	json_decref(answers);
	asked = top_explain_questions(TOP_BANS, ban);
	assert_int_equal(json_array_size(asked), 3);
	answers = json_pack("[n,n,O]", events); /* the verdict is forgotten, and the ban just ended */
	lines = top_explain_lines(TOP_BANS, ban, answers);
	assert_has(lines, "for ever", true);
	assert_has(lines, "{\"jids\":[1]}", true); /* a key we know nothing of */
	assert_has(lines, "\\u{202e}bad", true);
	assert_has(lines, "[v1]", true);
	json_decref(lines);
	json_decref(asked);
	json_decref(answers);
	asked = top_explain_questions(TOP_BANS, ban);
	answers = json_pack("[{s:[],s:[{s:s,s:i,s:s,s:[{s:s,s:s,s:i}]}]},{s:{s:{s:s}}},O]", "bans", "barred", "jid", "x", "until", 0, "rule_text",
		"rule r {}", "evidence", "id", "v9", "jid", "evil\x1b@x", "time", 5, "event", "xmpp", "id", "v1", events);
	lines = top_explain_lines(TOP_BANS, ban, answers);
	assert_has(lines, "192.0.2.7", true);
	assert_has(lines, "rule r {}", true);
	assert_has(lines, "evil\\u{1b}@x", true);
	assert_has(lines, "(explain v9)", true);
	assert_has(lines, "[v1]", true);
	json_decref(lines);
	json_decref(asked);
	json_decref(answers);
	asked = top_explain_questions(TOP_PEERS, peer);
	assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(asked, 0), "args"), "match")), "2001:db8:0:1:");
	answers = json_pack("[{},O]", events);
	lines = top_explain_lines(TOP_PEERS, peer, answers);
	assert_has(lines, "[v2]", true);
	assert_has(lines, "[v1]", false);
	json_decref(lines);
	lines = top_explain_lines(TOP_PEERS, peer, NULL); /* nobody answered */
	assert_has(lines, "no event", true);
	json_decref(lines);
	json_decref(asked);
	json_decref(answers);
	json_decref(rule);
	json_decref(ban);
	json_decref(peer);
	json_decref(rules);
	json_decref(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates),
		cmocka_unit_test(names),
		cmocka_unit_test(strange_answers),
		cmocka_unit_test(order),
		cmocka_unit_test(columns),
		cmocka_unit_test(numbers),
		cmocka_unit_test(explaining),
	};

	setenv("TZ", "UTC", 1);
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
