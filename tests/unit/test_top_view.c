/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The person's side of "top" without a terminal: each key (ctl/top_view.c), and the screen that follows (ctl/top_draw.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <locale.h>
#include <cmocka.h>
#include "ctl/top_draw.h"
#include "ctl/top_view.h"

struct rig {
	struct top_view view;
	struct top_data data;
	struct cells cells;
};

/* Peers 192.0.2.1 to .n, the first the busiest unless turned; as many sessions, two rules, a limit, a ban. */
static json_t *answer(int uptime, int n, bool turned)
{
	json_t *a = json_pack("{s:s,s:s,s:i,s:{s:i,s:i},s:{s:i,s:i,s:i,s:i},s:[s,s],s:[{s:s,s:i,s:s,s:i,s:i}]}", "version", "1.2", "policy",
		"abc", "uptime_ms", uptime, "counters", "stanza.in", uptime, "verdict.drop", uptime / 10, "totals", "peers", n, "sessions", 2 * n,
		"online", n, "bans", 1, "attention", "the roof is on fire", "fail open \x1b[2J", "workers", "name", "xmppwall-proxy", "pid", 9,
		"state", "ready", "cpu_ms", uptime / 4, "memory", 20000000);
	json_t *peers = json_array(), *sessions = json_array();

	for (int i = 1; i <= n; i++) {
		char address[32];

		snprintf(address, sizeof address, "192.0.2.%d", i);
		json_array_append_new(peers, json_pack("{s:s,s:i,s:i,s:f,s:s}", "address", address, "sessions", 2, "online", 1, "rate",
						     (double)(turned ? i : n - i) * 100, "jid", "a@x/\xe2\x80\xae" "b"));
		json_array_append_new(sessions, json_pack("{s:i,s:s,s:s,s:f}", "id", i, "address", i == 1 ? "2001:db8:1:2:3:4:5:6" : address,
							"jid", "romeo@x/phone", "rate", (double)(n - i)));
	}
	json_object_set_new(a, "peers", peers);
	json_object_set_new(a, "sessions", sessions);
	json_object_set_new(a, "rules", json_pack("[{s:s,s:s,s:i},{s:s,s:s,s:i}]", "chain", "in", "name", "spam", "hits", uptime, "chain", "in",
					       "name", "flood", "hits", 0));
	json_object_set_new(a, "limits", json_pack("[{s:s,s:s,s:i}]", "name", "chatter", "rate", "5/second", "exceeded", uptime));
	json_object_set_new(a, "bans", json_pack("[{s:s,s:i,s:s}]", "address", "198.51.100.0/24", "until", 0, "why", "by hand"));
	return a;
}

static void look(struct rig *r, int uptime, int n, bool turned)
{
	top_data_take(&r->data, r->view.panel, answer(uptime, n, turned));
	top_view_update(&r->view, &r->data);
	top_draw(&r->cells, &r->view, &r->data);
}

static enum top_act key(struct rig *r, int k)
{
	enum top_act act = top_view_key(&r->view, &r->data, k);

	top_draw(&r->cells, &r->view, &r->data);
	return act;
}

static void type(struct rig *r, const char *text)
{
	for (; *text; text++)
		key(r, *text);
}

static const char *screen(struct rig *r)
{
	static char text[65536];
	size_t len = 0;

	for (unsigned row = 0; row < r->cells.rows; row++) {
		cells_line(&r->cells, row, text + len, 1024);
		len += strlen(text + len);
		text[len++] = '\n';
	}
	text[len] = '\0';
	return text;
}

static void assert_sees(struct rig *r, const char *text)
{
	if (!strstr(screen(r), text))
		fail_msg("'%s' is not in\n%s", text, screen(r));
}

static void assert_not(struct rig *r, const char *text)
{
	if (strstr(screen(r), text))
		fail_msg("'%s' is in\n%s", text, screen(r));
}

static const char *chosen(struct rig *r)
{
	static char name[TOP_NAME];
	const json_t *row = top_view_row(&r->view);

	if (!row)
		return "";
	top_row_name(r->view.panel, row, name, sizeof name);
	return name;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof *r);

	top_view_init(&r->view, 1000);
	assert_int_equal(cells_init(&r->cells, 24, 80, true), 0);
	look(r, 1000, 40, false);
	look(r, 2000, 40, false);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	top_view_fini(&r->view);
	top_data_fini(&r->data);
	cells_fini(&r->cells);
	free(r);
	return 0;
}

static void screens(void **state)
{
	struct rig *r = *state;

	assert_sees(r, "xmppwall 1.2  up 2s  policy abc");
	assert_sees(r, "! the roof is on fire\n");
	assert_sees(r, "! fail open \\u{1b}[2J\n");
	assert_sees(r, "stanzas in 1000/s  out 0/s");
	assert_sees(r, "sessions 80 (40 not logged in)");
	assert_sees(r, "drop 100/s");
	assert_sees(r, "xmppwall-proxy 25% 20MB");
	assert_sees(r, "[1 Peers 40]  2 Sessions 80 ");
	assert_sees(r, "192.0.2.1              2     1   3900 ████████");
	assert_sees(r, "a@x/\\u{202e}b"); /* the peer's word does not turn the line around */
	assert_not(r, "\xe2\x80\xae");
	assert_int_equal(key(r, '3'), TOP_LOOK);
	look(r, 3000, 40, false);
	assert_sees(r, "in         spam");
	assert_int_equal(key(r, TOP_KEY_TAB), TOP_LOOK);
	assert_sees(r, "...\n"); /* not asked for before */
	look(r, 4000, 40, false);
	assert_sees(r, "chatter         5/second");
	key(r, TOP_KEY_RIGHT);
	look(r, 5000, 40, false);
	assert_sees(r, "198.51.100.0/24");
	assert_sees(r, "for ever ████████");
	key(r, TOP_KEY_TAB);
	assert_int_equal(r->view.panel, TOP_PEERS);
	key(r, TOP_KEY_BACK_TAB);
	key(r, TOP_KEY_LEFT);
	assert_int_equal(r->view.panel, TOP_LIMITS);
	assert_int_equal(key(r, 'q'), TOP_QUIT);
}

static void choosing(void **state)
{
	struct rig *r = *state;

	assert_string_equal(chosen(r), "192.0.2.1");
	/* as long as nobody has moved it, the first row is chosen, whoever is there */
	look(r, 3000, 40, true);
	assert_string_equal(chosen(r), "192.0.2.40");
	look(r, 4000, 40, false);
	key(r, TOP_KEY_DOWN);
	key(r, 'j');
	assert_string_equal(chosen(r), "192.0.2.3");
	key(r, 'k');
	assert_string_equal(chosen(r), "192.0.2.2");
	/* then it is the row, wherever it goes */
	look(r, 5000, 40, true);
	assert_string_equal(chosen(r), "192.0.2.2");
	assert_true(r->view.top[TOP_PEERS] > 0);
	assert_sees(r, "192.0.2.2 ");
	key(r, TOP_KEY_UP);
	assert_string_equal(chosen(r), "192.0.2.3");
	/* and when it is gone, who stands in its place */
	look(r, 6000, 2, false);
	assert_string_equal(chosen(r), "192.0.2.2");
	look(r, 7000, 0, false);
	assert_string_equal(chosen(r), "");
	assert_sees(r, "none\n");
	key(r, TOP_KEY_DOWN);
	key(r, TOP_KEY_PAGE_DOWN);
	look(r, 8000, 40, false);
	key(r, 'g');
	assert_string_equal(chosen(r), "192.0.2.1");
	key(r, 'G');
	assert_string_equal(chosen(r), "192.0.2.40");
	key(r, TOP_KEY_PAGE_UP);
	assert_string_not_equal(chosen(r), "192.0.2.40");
	key(r, TOP_KEY_HOME);
	assert_string_equal(chosen(r), "192.0.2.1");
	key(r, TOP_KEY_UP);
	assert_string_equal(chosen(r), "192.0.2.1");
	key(r, TOP_KEY_END);
	assert_string_equal(chosen(r), "192.0.2.40");
}

static void sorting(void **state)
{
	struct rig *r = *state;
	json_t *ask;

	key(r, 'r');
	assert_string_equal(chosen(r), "192.0.2.40");
	assert_sees(r, "ST/S▴");
	key(r, 'r');
	assert_int_equal(key(r, '<'), TOP_LOOK); /* the daemon picks by it */
	ask = top_view_ask(&r->view);
	assert_string_equal(json_string_value(json_object_get(ask, "peers_by")), "waiting");
	assert_int_equal(json_integer_value(json_object_get(ask, "sessions")), 0);
	assert_true(json_integer_value(json_object_get(ask, "peers")) > 0);
	json_decref(ask);
	assert_sees(r, "WAIT▾");
	key(r, 's');
	key(r, '>'); /* over the bar */
	assert_sees(r, "IN▾");
	for (int i = 0; i < 20; i++)
		key(r, 's');
	key(r, '3');
	look(r, 3000, 4, false);
	assert_int_equal(key(r, 's'), TOP_NOTHING);
	ask = top_view_ask(&r->view);
	assert_string_equal(json_string_value(json_object_get(ask, "sessions_by")), "rate");
	json_decref(ask);
}

static void banning(void **state)
{
	struct rig *r = *state;

	key(r, TOP_KEY_DOWN);
	assert_int_equal(key(r, 'b'), TOP_NOTHING);
	assert_sees(r, "ban 192.0.2.2 for: 1h_");
	look(r, 3000, 40, true); /* what goes on behind it changes nothing */
	for (int i = 0; i < 5; i++)
		key(r, TOP_KEY_ERASE);
	type(r, "soon");
	assert_int_equal(key(r, TOP_KEY_ENTER), TOP_NOTHING);
	assert_sees(r, "'soon' is not a time");
	key(r, 0x15);
	type(r, "2m");
	key(r, TOP_KEY_ENTER);
	assert_sees(r, "ban 192.0.2.2, why: by hand_");
	type(r, " of q");
	assert_int_equal(key(r, TOP_KEY_ENTER), TOP_BAN);
	assert_string_equal(r->view.address, "192.0.2.2");
	assert_string_equal(r->view.why, "by hand of q");
	assert_int_equal(r->view.ban_ms, 120000);
	/* never by half */
	key(r, 'b');
	assert_int_equal(key(r, TOP_KEY_ESCAPE), TOP_NOTHING);
	assert_sees(r, "nothing was changed");
	key(r, 'b');
	key(r, TOP_KEY_ENTER);
	assert_int_equal(key(r, TOP_KEY_ESCAPE), TOP_NOTHING);
	/* a session on IPv6 is banned with its /64 */
	key(r, '2');
	look(r, 4000, 40, false);
	key(r, 'b');
	assert_sees(r, "ban 2001:db8:1:2::/64 for:");
	key(r, TOP_KEY_ESCAPE);
	/* there is nobody in rules */
	key(r, '3');
	look(r, 5000, 40, false);
	key(r, 'b');
	assert_sees(r, "nobody to ban here");
	key(r, 'u');
	assert_sees(r, "nobody to let in here");
	key(r, '5');
	look(r, 6000, 40, false);
	key(r, 'u');
	assert_sees(r, "let 198.51.100.0/24 back in? (y/n)");
	assert_int_equal(key(r, 'n'), TOP_NOTHING);
	key(r, 'u');
	assert_int_equal(key(r, 'y'), TOP_UNBAN);
	assert_string_equal(r->view.address, "198.51.100.0/24");
	/* more than fits is not taken */
	key(r, 'b');
	for (int i = 0; i < 500; i++)
		key(r, 'x');
	assert_int_equal(strlen(r->view.input), TOP_INPUT - 1);
}

static void filtering(void **state)
{
	struct rig *r = *state;
	json_t *ask;

	key(r, '3');
	look(r, 3000, 4, false);
	key(r, '/');
	type(r, "FLO");
	assert_sees(r, "only what has in it: FLO_");
	assert_sees(r, "flood");
	assert_not(r, "spam");
	assert_int_equal(key(r, TOP_KEY_ENTER), TOP_LOOK);
	ask = top_view_ask(&r->view);
	assert_string_equal(json_string_value(json_object_get(ask, "match")), "FLO");
	json_decref(ask);
	key(r, '/');
	type(r, "xyz");
	assert_sees(r, "nothing has that in it");
	key(r, TOP_KEY_ESCAPE); /* as it was */
	assert_string_equal(r->view.filter, "FLO");
	key(r, TOP_KEY_ESCAPE);
	assert_sees(r, "spam");
	key(r, '/');
	key(r, 0x00e4); /* no ASCII: not taken */
	key(r, TOP_KEY_UP);
	assert_string_equal(r->view.input, "");
}

static void other_keys(void **state)
{
	struct rig *r = *state;
	json_t *lines = json_array();

	key(r, 'p');
	assert_sees(r, "PAUSED");
	assert_int_equal(key(r, 'p'), TOP_LOOK);
	key(r, '+');
	assert_int_equal(r->view.every_ms, 2000);
	for (int i = 0; i < 20; i++)
		key(r, '+');
	assert_int_equal(r->view.every_ms, 60000);
	for (int i = 0; i < 20; i++)
		key(r, '-');
	assert_int_equal(r->view.every_ms, 500);
	r->view.every_ms = 1234;
	key(r, '+');
	assert_int_equal(r->view.every_ms, 2000);
	key(r, '?');
	assert_sees(r, "ban the chosen peer");
	key(r, 'q'); /* leaves the help, not the program */
	assert_sees(r, "[1 Peers");
	assert_int_equal(key(r, 'e'), TOP_ASK_WHY);
	assert_int_equal(key(r, TOP_KEY_ENTER), TOP_ASK_WHY);
	for (int i = 0; i < 50; i++)
		json_array_append_new(lines, json_sprintf("line %d\x1b[2J", i));
	top_view_explain(&r->view, "peers x", lines);
	key(r, TOP_KEY_NONE);
	assert_sees(r, "peers x\nline 0\\u{1b}[2J\n");
	key(r, 'j');
	key(r, TOP_KEY_PAGE_DOWN);
	assert_not(r, "line 1\\");
	for (int i = 0; i < 10; i++)
		key(r, TOP_KEY_PAGE_DOWN);
	assert_sees(r, "line 49");
	key(r, 'k');
	key(r, TOP_KEY_PAGE_UP);
	key(r, TOP_KEY_HOME);
	assert_sees(r, "line 0");
	key(r, TOP_KEY_ESCAPE);
	assert_sees(r, "[1 Peers");
	look(r, 3000, 0, false);
	assert_int_equal(key(r, 'e'), TOP_NOTHING);
	assert_sees(r, "nothing is chosen");
}

/* Every size, every panel and mode: never outside of the grid (the sanitizers watch), never without a word. */
static void sizes(void **state)
{
	static const unsigned all[][2] = { { 1, 1 }, { 2, 300 }, { 11, 80 }, { 12, 40 }, { 13, 41 }, { 24, 80 }, { 25, 39 }, { 60, 200 },
		{ 200, 40 }, { 12, 500 } };
	struct rig *r = *state;

	snprintf(r->view.trouble, sizeof r->view.trouble, "the daemon went away");
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		cells_fini(&r->cells);
		assert_int_equal(cells_init(&r->cells, all[i][0], all[i][1], i % 2), 0);
		for (int panel = '1'; panel <= '5'; panel++) {
			key(r, panel);
			look(r, 3000 + 1000 * (int)i, (int)i * 7, i % 2);
			key(r, 'G');
			key(r, 'b');
			key(r, TOP_KEY_ESCAPE);
			key(r, 'u');
			key(r, 'n');
			key(r, '?');
			key(r, TOP_KEY_ESCAPE);
			key(r, TOP_KEY_HOME);
			assert_true(strlen(screen(r)) > all[i][0]);
			if (all[i][0] >= TOP_LEAST_ROWS && all[i][1] >= TOP_LEAST_COLUMNS)
				assert_sees(r, "! the daemon went away");
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(screens, setup, teardown),
		cmocka_unit_test_setup_teardown(choosing, setup, teardown),
		cmocka_unit_test_setup_teardown(sorting, setup, teardown),
		cmocka_unit_test_setup_teardown(banning, setup, teardown),
		cmocka_unit_test_setup_teardown(filtering, setup, teardown),
		cmocka_unit_test_setup_teardown(other_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes, setup, teardown),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
