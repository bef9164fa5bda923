/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of "top". In: rows of the daemon's answer, a sort order, a filter. Out: rows in order, and
 * cells of a grid, column by column. Which columns a panel has, how wide they are and which go first when
 * the screen is small is one table below. It keeps nothing and draws on no terminal. */
#include "ctl/top_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "ctl/show.h"

#define BAR "rate"

/* clang-format off */
static const struct top_column peers[] = {
	{ "ADDRESS",  "address",  TOP_TEXT,  18, 9, 1, NULL },
	{ "SESS",     "sessions", TOP_COUNT,  5, 9, 0, "sessions" },
	{ "WAIT",     "waiting",  TOP_COUNT,  5, 8, 0, "waiting" },
	{ "ST/S",     "rate",     TOP_RATE,   6, 9, 0, "rate" },
	{ "",         BAR,        TOP_BAR,    8, 5, 0, NULL },
	{ "IN",       "in",       TOP_COUNT,  6, 6, 0, "in" },
	{ "OUT",      "out",      TOP_COUNT,  6, 3, 0, "out" },
	{ "STOP",     "stopped",  TOP_COUNT,  5, 7, 0, "stopped" },
	{ "AGE",      "age_ms",   TOP_AGE,    7, 2, 0, "age" },
	{ "JID",      "jid",      TOP_TEXT,  11, 4, 3, NULL },
};
static const struct top_column sessions[] = {
	{ "JID",      "jid",      TOP_TEXT,  18, 9, 4, NULL },
	{ "ADDRESS",  "address",  TOP_TEXT,  15, 9, 1, NULL },
	{ "SERVICE",  "service",  TOP_TEXT,   7, 3, 0, NULL },
	{ "STATE",    "state",    TOP_TEXT,   7, 6, 0, NULL },
	{ "ST/S",     "rate",     TOP_RATE,   6, 9, 0, "rate" },
	{ "",         BAR,        TOP_BAR,    8, 5, 0, NULL },
	{ "IN",       "in",       TOP_COUNT,  6, 7, 0, "in" },
	{ "OUT",      "out",      TOP_COUNT,  6, 4, 0, "out" },
	{ "STOP",     "stopped",  TOP_COUNT,  5, 7, 0, "stopped" },
	{ "AGE",      "age_ms",   TOP_AGE,    7, 6, 0, "age" },
	{ "TLS",      "tls",      TOP_TEXT,   7, 2, 0, NULL },
};
static const struct top_column rules[] = {
	{ "CHAIN",    "chain",    TOP_TEXT,   9, 8, 1, NULL },
	{ "RULE",     "name",     TOP_TEXT,  14, 9, 2, NULL },
	{ "HITS",     "hits",     TOP_COUNT,  6, 9, 0, NULL },
	{ "HITS/S",   "rate",     TOP_RATE,   6, 9, 0, NULL },
	{ "",         BAR,        TOP_BAR,   10, 5, 0, NULL },
	{ "TEXT",     "text",     TOP_TEXT,  14, 4, 6, NULL },
};
static const struct top_column limits[] = {
	{ "LIMIT",    "name",     TOP_TEXT,  14, 9, 2, NULL },
	{ "RATE",     "limit",    TOP_TEXT,  11, 7, 0, NULL },
	{ "BURST",    "burst",    TOP_COUNT,  5, 5, 0, NULL },
	{ "KEY",      "key",      TOP_TEXT,   9, 6, 2, NULL },
	{ "EXCEEDED", "exceeded", TOP_COUNT,  8, 9, 0, NULL },
	{ "EXC/S",    "rate",     TOP_RATE,   6, 9, 0, NULL },
	{ "",         BAR,        TOP_BAR,   10, 4, 0, NULL },
	{ "EVICTED",  "evicted",  TOP_COUNT,  7, 3, 0, NULL },
	{ "ENTRIES",  "entries",  TOP_COUNT,  7, 2, 0, NULL },
};
static const struct top_column bans[] = {
	{ "ADDRESS",  "address",  TOP_TEXT,  18, 9, 3, NULL },
	{ "LEFT",     "until",    TOP_LEFT,   8, 9, 0, NULL },
	{ "",         "share",    TOP_BAR,    8, 3, 0, NULL },
	{ "SINCE",    "since",    TOP_SINCE,  8, 6, 0, NULL },
	{ "TIMES",    "count",    TOP_COUNT,  5, 5, 0, NULL },
	{ "STRIKES",  "strikes",  TOP_COUNT,  7, 2, 0, NULL },
	{ "RULE",     "rule",     TOP_TEXT,  13, 7, 1, NULL },
	{ "WHY",      "why",      TOP_TEXT,  13, 8, 4, NULL },
};
/* clang-format on */

#define PANEL(array, first)                                                                        \
	{                                                                                          \
		array, sizeof array / sizeof array[0], first                                       \
	}
static const struct {
	const struct top_column *columns;
	unsigned n, first;
} panels[TOP_PANELS] = {
	[TOP_PEERS] = PANEL(peers, 3),
	[TOP_SESSIONS] = PANEL(sessions, 4),
	[TOP_RULES] = PANEL(rules, 3),
	[TOP_LIMITS] = PANEL(limits, 4),
	[TOP_BANS] = PANEL(bans, 3),
};

const struct top_column *top_columns(enum top_panel panel, unsigned *n)
{
	*n = panels[panel].n;
	return panels[panel].columns;
}

unsigned top_column_first(enum top_panel panel)
{
	return panels[panel].first;
}

bool top_column_falls(const struct top_column *column)
{
	return column->format != TOP_TEXT && column->format != TOP_LEFT;
}

/* ---- numbers ---- */

static double number(const json_t *row, const char *key)
{
	return json_number_value(json_object_get(row, key));
}

/* How much of a ban's time is left; one without an end has all of it. */
static double ban_share(const json_t *row)
{
	double since = number(row, "since"), until = number(row, "until");

	if (until == 0)
		return 1;
	return until > since ? (until - (double)clock_wall_ms()) / (until - since) : 0;
}

double top_row_number(const struct top_column *column, const json_t *row)
{
	if (strcmp(column->key, "waiting") == 0)
		return number(row, "sessions") - number(row, "online");
	if (strcmp(column->key, "stopped") == 0)
		return number(row, "dropped") + number(row, "rejected");
	if (strcmp(column->key, "share") == 0)
		return ban_share(row);
	if (column->format == TOP_LEFT && number(row, column->key) == 0)
		return INFINITY;
	return number(row, column->key);
}

void top_format_count(double n, char *text, size_t size)
{
	static const char units[] = "kMGTP";
	unsigned unit = 0;

	if (!(n >= 0)) /* nobody counts below zero: the daemon's answer is odd */
		n = 0;
	if (n < 100000) {
		snprintf(text, size, "%.0f", n);
		return;
	}
	for (n /= 1000; n >= 1000 && unit < sizeof units - 2; unit++)
		n /= 1000;
	snprintf(text, size, n < 10 ? "%.1f%c" : "%.0f%c", n, units[unit]);
}

void top_format_rate(double n, char *text, size_t size)
{
	if (n > 0 && n < 0.05)
		snprintf(text, size, "<0.1");
	else if (n > 0 && n < 9.95)
		snprintf(text, size, "%.1f", n);
	else
		top_format_count(n, text, size);
}

static void format_since(double ms, char *text, size_t size)
{
	time_t then = (time_t)(ms / 1000), now = (time_t)(clock_wall_ms() / 1000);
	struct tm tm;

	localtime_r(&then, &tm);
	strftime(text, size, now - then < 86400 ? "%H:%M:%S" : "%d %b", &tm);
}

/* ---- order ---- */

struct sorting {
	const struct top_column *column;
	enum top_panel panel;
	int way; /* -1: the greatest first */
};

static int row_compare(const void *a, const void *b, void *arg)
{
	const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
	const struct sorting *s = arg;
	char one[320], two[320];
	int r;

	if (s->column->format == TOP_TEXT) {
		r = strcasecmp(show_text(x, s->column->key), show_text(y, s->column->key));
	} else {
		double m = top_row_number(s->column, x), n = top_row_number(s->column, y);

		r = m < n ? -1 : m > n;
	}
	if (r != 0)
		return r * s->way;
	/* Equal ones stay where they are from look to look. */
	top_row_name(s->panel, x, one, sizeof one);
	top_row_name(s->panel, y, two, sizeof two);
	return strcmp(one, two);
}

static bool row_matches(enum top_panel panel, const json_t *row, const char *filter)
{
	for (unsigned i = 0; i < panels[panel].n; i++)
		if (panels[panel].columns[i].format == TOP_TEXT &&
			strcasestr(show_text(row, panels[panel].columns[i].key), filter))
			return true;
	return false;
}

size_t top_rows(enum top_panel panel, const json_t *rows, unsigned column, bool reverse,
	const char *filter, const json_t **out, size_t max)
{
	struct sorting s = { &panels[panel].columns[column], panel, 1 };
	/* Of these the daemon picks, by all that it knows. */
	bool mine = panel != TOP_PEERS && panel != TOP_SESSIONS && *filter;
	size_t n = 0, i;
	json_t *row;

	json_array_foreach(rows, i, row) if (n < max && json_is_object(row) &&
					     (!mine || row_matches(panel, row, filter))) out[n++] =
		row;
	if (top_column_falls(s.column) != reverse)
		s.way = -1;
	if (n > 1)
		qsort_r(out, n, sizeof *out, row_compare, &s);
	return n;
}

/* ---- columns ---- */

static bool is_wide(const struct top_column *column)
{
	return column->format == TOP_TEXT;
}

void top_layout(enum top_panel panel, unsigned room, unsigned widths[TOP_COLUMNS_MAX])
{
	const struct top_column *columns = panels[panel].columns;
	unsigned n = panels[panel].n, used = 0, shares = 0, least;

	for (unsigned i = 0; i < n; i++) {
		widths[i] = columns[i].width;
		used += widths[i] + 1;
	}
	while (used > room + 1) {
		least = n;
		for (unsigned i = 0; i < n; i++)
			if (widths[i] && (least == n || columns[i].keep < columns[least].keep))
				least = i;
		if (least == n)
			return;
		used -= widths[least] + 1;
		widths[least] = 0;
	}
	for (unsigned i = 0; i < n; i++)
		shares += widths[i] ? columns[i].grows : 0;
	for (unsigned i = 0, left = room + 1 - used; i < n && shares > 0; i++) {
		unsigned more = widths[i] ? left * columns[i].grows / shares : 0;

		shares -= widths[i] ? columns[i].grows : 0;
		widths[i] += more;
		left -= more;
	}
}

void top_put_titles(struct cells *c, unsigned row, enum top_panel panel, const unsigned *widths,
	unsigned sorted, bool reverse)
{
	const struct top_column *columns = panels[panel].columns;
	char title[32];

	cells_putf(c, row, 0, c->columns, CELL_TITLE, "%*s", (int)c->columns, "");
	for (unsigned i = 0, at = 0; i < panels[panel].n; i++) {
		bool falls = top_column_falls(&columns[i]) != reverse;

		if (!widths[i])
			continue;
		snprintf(title, sizeof title, "%s%s", columns[i].title,
			i != sorted ? "" : falls ? (c->utf8 ? "▾" : "v") : (c->utf8 ? "▴" : "^"));
		if (is_wide(&columns[i]) || columns[i].format == TOP_BAR)
			cells_put(c, row, at, widths[i], CELL_TITLE, title);
		else
			cells_put_right(c, row, at, widths[i] + (i == sorted && at + widths[i] < c->columns), CELL_TITLE, title);
		at += widths[i] + 1;
	}
}

static void format_number(const struct top_column *column, double n, char *text, size_t size)
{
	switch (column->format) {
	case TOP_RATE:
		top_format_rate(n, text, size);
		break;
	case TOP_AGE:
		show_age((int64_t)n, text, size);
		break;
	case TOP_LEFT:
		show_left(isinf(n) ? 0 : (int64_t)n, text, size);
		break;
	case TOP_SINCE:
		format_since(n, text, size);
		break;
	default:
		top_format_count(n, text, size);
	}
}

/* A rule's text without its name, which stands beside it. */
static const char *text_of(const struct top_column *column, const json_t *row)
{
	const char *value = show_text(row, column->key);
	const char *body = strcmp(column->key, "text") == 0 ? strchr(value, '{') : NULL;

	return body ? body + 1 + strspn(body + 1, " \t\n") : value;
}

static enum cell_style style_of(const struct top_column *column, double n, const json_t *row)
{
	if (strcmp(column->key, "stopped") == 0 && n > 0)
		return CELL_WARN;
	if (strcmp(column->key, "waiting") == 0 && n >= 10)
		return CELL_WARN;
	if (strcmp(column->key, "address") == 0 && json_is_true(json_object_get(row, "banned")))
		return CELL_ALERT;
	return column->format == TOP_RATE && n >= 1 ? CELL_BOLD : CELL_PLAIN;
}

void top_put_row(struct cells *c, unsigned row, enum top_panel panel, const unsigned *widths,
	const json_t *data, double most)
{
	const struct top_column *columns = panels[panel].columns;
	char text[64];

	for (unsigned i = 0, at = 0; i < panels[panel].n; at += widths[i] ? widths[i] + 1 : 0, i++) {
		const struct top_column *column = &columns[i];
		double n = is_wide(column) ? 0 : top_row_number(column, data);

		if (!widths[i])
			continue;
		if (is_wide(column)) {
			const char *value = text_of(column, data);

			cells_put(c, row, at, widths[i], *value ? style_of(column, 0, data) : CELL_DIM,
				*value ? value : "-");
		} else if (column->format == TOP_BAR) {
			cells_bar(c, row, at, widths[i], most > 0 ? n / most : 0);
		} else {
			format_number(column, n, text, sizeof text);
			cells_put_right(c, row, at, widths[i], style_of(column, n, data), text);
		}
	}
}

double top_bar_most(enum top_panel panel, const json_t *const *rows, size_t n)
{
	const struct top_column *bar = NULL;
	double most = 0, value;

	if (panel == TOP_BANS)
		return 1; /* of the time it was given */
	for (unsigned i = 0; i < panels[panel].n; i++)
		if (panels[panel].columns[i].format == TOP_BAR)
			bar = &panels[panel].columns[i];
	for (size_t i = 0; bar && i < n; i++)
		if ((value = top_row_number(bar, rows[i])) > most)
			most = value;
	return most;
}
