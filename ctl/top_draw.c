/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the view and the grid: what "top" looks like. In: the data, what is looked at, how much room there
 * is. Out: cells. What needs attention comes first, then the figures of the whole, then one panel as a
 * table, the last line for questions and answers. It decides nothing. */
#include "ctl/top_draw.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/show.h"

static const char *const panel_titles[TOP_PANELS] = { "Peers", "Sessions", "Rules", "Limits", "Bans" };

static const char *const help[] = {
	"tab, left, right, 1-5   another panel: peers, sessions, rules, limits, bans",
	"up, down, k, j          choose a row; it stays chosen where it moves",
	"space, page up/down     a page further; g or home, G or end: first, last",
	"s, >, <                 sort by the next column, or the former",
	"r                       the other way round",
	"/                       show only what has a text in it; escape: all again",
	"b                       ban the chosen peer: asks for how long and why",
	"u                       let it back in",
	"e, enter                explain: a rule and what it did, why a ban stands, ...",
	"p                       pause; + and -: look less or more often",
	"q                       quit",
	"",
	"ST/S stanzas a second, both ways. SESS sessions, WAIT those not authenticated.",
	"IN and OUT stanzas from and to the peer, STOP dropped or rejected ones.",
	"A peer is an address, of IPv6 a /64. The busiest are picked by the daemon.",
};

/* ---- the head ---- */

static unsigned draw_title(struct cells *c, const struct top_view *v, const struct top_data *d)
{
	char age[32], now[32], left[160];
	time_t seconds = time(NULL);
	struct tm tm;
	unsigned at;

	show_age((int64_t)top_data_number(d, "uptime_ms"), age, sizeof age);
	strftime(now, sizeof now, "%H:%M:%S", localtime_r(&seconds, &tm));
	at = cells_putf(c, 0, 0, c->columns, CELL_BOLD, "xmppwall %s", top_data_text(d, "version"));
	if (d->now)
		at += cells_putf(c, 0, at, c->columns - at, CELL_PLAIN, "  up %s  policy %.12s", age,
			top_data_text(d, "policy"));
	snprintf(left, sizeof left, "%s  each %gs  %s", v->paused ? "PAUSED" : "",
		v->every_ms / 1000.0, now);
	if (at + strlen(left) + 2 < c->columns)
		cells_put_right(c, 0, at, c->columns - at, v->paused ? CELL_WARN : CELL_DIM, left);
	return 1;
}

static unsigned draw_attention(
	struct cells *c, unsigned row, const struct top_view *v, const struct top_data *d)
{
	const json_t *lines = json_object_get(d->now, "attention");
	size_t n = json_array_size(lines), max = c->rows / 8, i;

	if (*v->trouble)
		cells_putf(c, row++, 0, c->columns, CELL_ALERT, "! %s", v->trouble);
	if (n > max)
		max--;
	for (i = 0; i < n && i < max; i++)
		cells_putf(c, row++, 0, c->columns, CELL_ALERT, "! %s",
			json_string_value(json_array_get(lines, i)));
	if (i < n)
		cells_putf(c, row++, 0, c->columns, CELL_ALERT, "! and %zu more: xmppwallctl status",
			n - i);
	return row;
}

static unsigned put_rate(struct cells *c, unsigned row, unsigned at, const char *name, double rate,
	enum cell_style style)
{
	char text[16];

	top_format_rate(rate, text, sizeof text);
	at += cells_putf(c, row, at, c->columns - at, CELL_DIM, "%s ", name);
	at += cells_putf(c, row, at, c->columns - at, rate > 0 ? style : CELL_PLAIN, "%s/s", text);
	return at + 2;
}

static void draw_traffic(struct cells *c, unsigned row, const struct top_data *d)
{
	double waiting = top_data_number(d, "totals.sessions") - top_data_number(d, "totals.online");
	unsigned at = 0, n;

	at = put_rate(c, row, at, "stanzas in", top_data_rate(d, "stanza.in"), CELL_BOLD);
	at = put_rate(c, row, at, "out", top_data_rate(d, "stanza.out"), CELL_BOLD);
	at = put_rate(c, row, at, "connections", top_data_rate(d, "listen.accepted"), CELL_BOLD);
	at += cells_putf(c, row, at, c->columns - at, CELL_DIM, "sessions ");
	at += cells_putf(c, row, at, c->columns - at, CELL_PLAIN, "%.0f",
		top_data_number(d, "totals.sessions"));
	if (waiting > 0)
		at += cells_putf(c, row, at, c->columns - at, waiting >= 100 ? CELL_WARN : CELL_PLAIN,
			" (%.0f not logged in)", waiting);
	/* As many of the last as there is room for. */
	n = at + 2 < c->columns ? c->columns - at - 2 : 0;
	n = n < d->n_curve ? n : d->n_curve;
	cells_curve(c, row, c->columns - n, d->curve + d->n_curve - n, n);
}

static void draw_verdicts(struct cells *c, unsigned row, const struct top_data *d)
{
	static const struct {
		const char *name, *counter;
		enum cell_style style;
	} all[] = {
		{ "accept", "verdict.accept", CELL_GOOD },
		{ "drop", "verdict.drop", CELL_WARN },
		{ "reject", "verdict.reject", CELL_WARN },
		{ "close", "verdict.close", CELL_ALERT },
		{ "failed logins", "login.failed", CELL_WARN },
	};
	double refused = top_data_refused(d);
	unsigned at = 0;

	if (refused > 0)
		at = put_rate(c, row, at, "kernel refuses", refused, CELL_WARN);
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		at = put_rate(c, row, at, all[i].name, top_data_rate(d, all[i].counter), all[i].style);
	if (json_is_false(show_get(d->now, "firewall.loaded")))
		cells_put(c, row, at, c->columns - at, CELL_ALERT, "no nft table");
}

static void draw_processes(struct cells *c, unsigned row, const struct top_data *d)
{
	const json_t *one;
	char memory[16];
	unsigned at = 0;
	size_t i;

	json_array_foreach(json_object_get(d->now, "workers"), i, one)
	{
		const char *name = show_text(one, "name"), *state = show_text(one, "state");
		double cpu = top_data_cpu(d, one);

		top_format_count(json_number_value(json_object_get(one, "memory")), memory, sizeof memory);
		at += cells_putf(c, row, at, c->columns - at, CELL_DIM, "%s ", name);
		if (strcmp(state, "ready") != 0)
			at += cells_putf(c, row, at, c->columns - at, CELL_WARN, "%s ", state);
		if (cpu >= 0)
			at += cells_putf(c, row, at, c->columns - at, cpu >= 80 ? CELL_WARN : CELL_PLAIN,
				"%.0f%% ", cpu);
		at += cells_putf(c, row, at, c->columns - at, CELL_PLAIN, "%sB", memory);
		at += 2;
	}
}

static unsigned draw_head(struct cells *c, const struct top_view *v, const struct top_data *d)
{
	unsigned row = draw_attention(c, draw_title(c, v, d), v, d);

	draw_traffic(c, row++, d);
	draw_verdicts(c, row++, d);
	draw_processes(c, row++, d);
	return row;
}

/* ---- the panel ---- */

static void draw_tabs(struct cells *c, unsigned row, const struct top_view *v, const struct top_data *d)
{
	unsigned at = 0;
	char key[32];
	double n;

	for (unsigned i = 0; i < TOP_PANELS; i++) {
		bool open = i == v->panel;

		snprintf(key, sizeof key, "totals.%s", top_panel_key((enum top_panel)i));
		n = top_data_number(d, key);
		if (i == TOP_BANS)
			n += top_data_number(d, "totals.barred");
		at += cells_putf(c, row, at, c->columns - at, open ? CELL_BOLD : CELL_DIM, "%s%u %s %.0f%s ",
			open ? "[" : " ", i + 1, panel_titles[i], n, open ? "]" : " ");
	}
	if (*v->filter)
		cells_putf(c, row, at + 1, at < c->columns ? c->columns - at - 1 : 0, CELL_WARN, "only '%s'",
			v->filter);
}

static void draw_table(struct cells *c, unsigned row, unsigned end, struct top_view *v,
	const struct top_data *d)
{
	unsigned widths[TOP_COLUMNS_MAX];
	double most;

	top_layout(v->panel, c->columns, widths);
	top_put_titles(c, row++, v->panel, widths, v->sort[v->panel].column, v->sort[v->panel].reverse);
	v->page = end - row;
	top_view_update(v, d); /* what is in sight depends on it */
	most = top_bar_most(v->panel, v->rows, v->n);
	for (size_t i = v->top[v->panel]; i < v->n && row < end; i++, row++) {
		top_put_row(c, row, v->panel, widths, v->rows[i], most);
		if (i == v->at[v->panel])
			cells_choose(c, row);
	}
	if (v->n == 0)
		cells_put(c, row, 0, c->columns, CELL_DIM,
			!d->rows[v->panel] ? "..." : *v->filter ? "nothing has that in it" : "none");
}

static void draw_lines(struct cells *c, unsigned row, unsigned end, struct top_view *v)
{
	size_t n = v->mode == TOP_HELP ? sizeof help / sizeof *help : json_array_size(v->lines);

	cells_putf(c, row, 0, c->columns, CELL_TITLE, "%*s", (int)c->columns, "");
	cells_put(c, row++, 0, c->columns, CELL_TITLE, v->mode == TOP_HELP ? "Keys" : v->title);
	v->page = end - row;
	for (size_t i = v->mode == TOP_HELP ? 0 : v->line; i < n && row < end; i++)
		row = cells_put_lines(c, row, end, CELL_PLAIN,
			v->mode == TOP_HELP ? help[i] : json_string_value(json_array_get(v->lines, i)));
}

/* ---- the last line ---- */

static void draw_foot(struct cells *c, unsigned row, const struct top_view *v)
{
	switch (v->mode) {
	case TOP_FILTER:
		cells_putf(c, row, 0, c->columns, CELL_BOLD, "only what has in it: %s_", v->input);
		return;
	case TOP_BAN_FOR:
		if (*v->message)
			cells_putf(c, row, 0, c->columns, CELL_ALERT, "%s (ban %s for: %s_)", v->message,
				v->address, v->input);
		else
			cells_putf(c, row, 0, c->columns, CELL_BOLD, "ban %s for: %s_  (escape: not at all)",
				v->address, v->input);
		return;
	case TOP_BAN_WHY:
		cells_putf(c, row, 0, c->columns, CELL_BOLD, "ban %s, why: %s_  (escape: not at all)",
			v->address, v->input);
		return;
	case TOP_UNBAN_SURE:
		cells_putf(c, row, 0, c->columns, CELL_BOLD, "let %s back in? (y/n)", v->address);
		return;
	case TOP_EXPLAIN:
	case TOP_HELP:
		cells_put(c, row, 0, c->columns, CELL_DIM, "up, down, page up/down; any other key: back");
		return;
	case TOP_LIST:
		break;
	}
	if (*v->message)
		cells_put(c, row, 0, c->columns, v->message_bad ? CELL_ALERT : CELL_GOOD, v->message);
	else
		cells_put(c, row, 0, c->columns, CELL_DIM,
			"? help  tab panel  s sort  b ban  u unban  e explain  / filter  p pause  q quit");
}

void top_draw(struct cells *c, struct top_view *v, const struct top_data *d)
{
	unsigned row;

	cells_clear(c);
	if (c->rows < TOP_LEAST_ROWS || c->columns < TOP_LEAST_COLUMNS) {
		cells_putf(c, 0, 0, c->columns, CELL_ALERT, "too small: %ux%u, %ux%u are needed", c->columns,
			c->rows, TOP_LEAST_COLUMNS, TOP_LEAST_ROWS);
		return;
	}
	row = draw_head(c, v, d);
	draw_tabs(c, row++, v, d);
	if (v->mode == TOP_EXPLAIN || v->mode == TOP_HELP)
		draw_lines(c, row, c->rows - 1, v);
	else
		draw_table(c, row, c->rows - 1, v, d);
	draw_foot(c, c->rows - 1, v);
}
