/* SPDX-License-Identifier: BSD-2-Clause */
/* The person's side of "top". In: keys, and the rows that are there. Out: which rows are in sight, which one
 * is chosen, what is to be asked on the last line, and an act for who runs it (ctl/online_top.c): this
 * file bans nobody. A row stays chosen when the order changes under it: a key that bans must not hit who has just
 * come to stand there. */
#include "ctl/top_view.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/show.h"

static const unsigned intervals[] = { 500, 1000, 2000, 5000, 10000, 30000, 60000 };

void top_view_init(struct top_view *v, unsigned every_ms)
{
	*v = (struct top_view){ .every_ms = every_ms };
	for (unsigned i = 0; i < TOP_PANELS; i++)
		v->sort[i].column = top_column_first((enum top_panel)i);
}

void top_view_fini(struct top_view *v)
{
	json_decref(v->lines);
	v->lines = NULL;
}

void top_view_say(struct top_view *v, bool bad, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(v->message, sizeof v->message, format, ap);
	va_end(ap);
	v->message_bad = bad;
}

/* ---- rows ---- */

/* hold: it stays chosen wherever it moves; else whoever is at that place is. */
static void choose(struct top_view *v, size_t at, bool hold)
{
	enum top_panel p = v->panel;

	if (at >= v->n)
		at = v->n ? v->n - 1 : 0;
	v->at[p] = at;
	if (hold && v->n)
		top_row_name(p, v->rows[at], v->chosen[p], sizeof v->chosen[p]);
	else
		*v->chosen[p] = '\0';
	if (at < v->top[p])
		v->top[p] = at;
	if (v->page && at >= v->top[p] + v->page)
		v->top[p] = at - v->page + 1;
	if (v->top[p] + v->page > v->n)
		v->top[p] = v->n > v->page ? v->n - v->page : 0;
}

void top_view_update(struct top_view *v, const struct top_data *d)
{
	enum top_panel p = v->panel;
	char name[TOP_NAME];

	v->n = top_rows(p, d->rows[p], v->sort[p].column, v->sort[p].reverse, v->filter, v->rows,
		TOP_ROWS_SHOWN);
	for (size_t i = 0; i < v->n && *v->chosen[p]; i++) {
		top_row_name(p, v->rows[i], name, sizeof name);
		if (strcmp(name, v->chosen[p]) == 0) {
			choose(v, i, true);
			return;
		}
	}
	choose(v, v->at[p], false); /* it is gone: who stands there now */
}

const json_t *top_view_row(const struct top_view *v)
{
	return v->at[v->panel] < v->n ? v->rows[v->at[v->panel]] : NULL;
}

static const char *ordered_by(const struct top_view *v, enum top_panel panel)
{
	const struct top_column *columns;
	unsigned n;

	columns = top_columns(panel, &n);
	return columns[v->sort[panel].column].by ? columns[v->sort[panel].column].by : "rate";
}

json_t *top_view_ask(const struct top_view *v)
{
	int n[TOP_PANELS] = { 0 };

	/* Of rules and limits all, so that their rates decide who is first. */
	n[v->panel] = v->panel == TOP_RULES || v->panel == TOP_LIMITS ? TOP_ROWS_SHOWN : TOP_ASKED;
	return json_pack("{s:i,s:i,s:i,s:i,s:i,s:s,s:s,s:s}", "peers", n[TOP_PEERS], "sessions",
		n[TOP_SESSIONS], "rules", n[TOP_RULES], "limits", n[TOP_LIMITS], "bans", n[TOP_BANS],
		"peers_by", ordered_by(v, TOP_PEERS), "sessions_by", ordered_by(v, TOP_SESSIONS),
		"match", v->filter);
}

/* ---- keys of the list ---- */

static enum top_act panel_open(struct top_view *v, const struct top_data *d, int panel)
{
	v->panel = (enum top_panel)((panel + TOP_PANELS) % TOP_PANELS);
	top_view_update(v, d);
	return TOP_LOOK;
}

static enum top_act sort_by(struct top_view *v, const struct top_data *d, int step)
{
	const struct top_column *columns;
	unsigned n, *column = &v->sort[v->panel].column;

	columns = top_columns(v->panel, &n);
	do
		*column = (*column + n + (unsigned)step) % n;
	while (columns[*column].format == TOP_BAR);
	v->sort[v->panel].reverse = false;
	v->top[v->panel] = 0;
	top_view_update(v, d);
	return v->panel == TOP_PEERS || v->panel == TOP_SESSIONS ? TOP_LOOK : TOP_NOTHING;
}

static void interval_step(struct top_view *v, int step)
{
	unsigned n = sizeof intervals / sizeof *intervals, i = 0;

	/* Behind the first that is not shorter. */
	while (i < n - 1 && intervals[i] < v->every_ms)
		i++;
	if (step < 0 && i > 0)
		i--;
	else if (step > 0 && intervals[i] <= v->every_ms && i < n - 1)
		i++;
	v->every_ms = intervals[i];
	top_view_say(v, false, "each %g s", v->every_ms / 1000.0);
}

/* An address as it is to be banned: of IPv6 a /64, as the ladder does. */
static bool address_of(const struct top_view *v, const json_t *row, char *text, size_t size)
{
	const char *address = show_text(row, "address");
	struct in6_addr a;

	if (v->panel == TOP_RULES || v->panel == TOP_LIMITS || !row || !*address)
		return false;
	if (v->panel != TOP_SESSIONS || inet_pton(AF_INET6, address, &a) != 1) {
		snprintf(text, size, "%s", address);
		return strlen(address) < size;
	}
	memset(a.s6_addr + 8, 0, 8);
	if (!inet_ntop(AF_INET6, &a, text, (socklen_t)size - 4))
		return false;
	strcat(text, "/64");
	return true;
}

static enum top_act begin_ban(struct top_view *v)
{
	if (!address_of(v, top_view_row(v), v->address, sizeof v->address)) {
		top_view_say(v, true, "nobody to ban here: choose a peer, a session or a ban");
		return TOP_NOTHING;
	}
	v->mode = TOP_BAN_FOR;
	strcpy(v->input, "1h");
	return TOP_NOTHING;
}

static enum top_act begin_unban(struct top_view *v)
{
	if (!address_of(v, top_view_row(v), v->address, sizeof v->address)) {
		top_view_say(v, true, "nobody to let in here: choose a ban or a peer");
		return TOP_NOTHING;
	}
	v->mode = TOP_UNBAN_SURE;
	return TOP_NOTHING;
}

static enum top_act begin_explain(struct top_view *v)
{
	if (!top_view_row(v)) {
		top_view_say(v, true, "nothing is chosen");
		return TOP_NOTHING;
	}
	return TOP_ASK_WHY;
}

static void move(struct top_view *v, int key)
{
	size_t at = v->at[v->panel], page = v->page ? v->page : 1;

	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		choose(v, at ? at - 1 : 0, true);
		break;
	case TOP_KEY_DOWN:
	case 'j':
		choose(v, at + 1, true);
		break;
	case TOP_KEY_PAGE_UP:
		choose(v, at > page ? at - page : 0, true);
		break;
	case TOP_KEY_PAGE_DOWN:
	case ' ':
		choose(v, at + page, true);
		break;
	case TOP_KEY_HOME:
	case 'g':
		choose(v, 0, false); /* and whoever comes there */
		break;
	case TOP_KEY_END:
	case 'G':
		choose(v, v->n, true);
		break;
	}
}

static enum top_act list_key(struct top_view *v, const struct top_data *d, int key)
{
	switch (key) {
	case 'q':
		return TOP_QUIT;
	case TOP_KEY_TAB:
	case TOP_KEY_RIGHT:
		return panel_open(v, d, (int)v->panel + 1);
	case TOP_KEY_BACK_TAB:
	case TOP_KEY_LEFT:
		return panel_open(v, d, (int)v->panel - 1);
	case '1' ... '5':
		return panel_open(v, d, key - '1');
	case 's':
	case '>':
		return sort_by(v, d, 1);
	case '<':
		return sort_by(v, d, -1);
	case 'r':
		v->sort[v->panel].reverse = !v->sort[v->panel].reverse;
		top_view_update(v, d);
		return TOP_NOTHING;
	case 'b':
		return begin_ban(v);
	case 'u':
		return begin_unban(v);
	case 'e':
	case TOP_KEY_ENTER:
		return begin_explain(v);
	case '/':
		v->mode = TOP_FILTER;
		strcpy(v->filter_was, v->filter);
		strcpy(v->input, v->filter);
		return TOP_NOTHING;
	case TOP_KEY_ESCAPE:
		*v->filter = '\0';
		top_view_update(v, d);
		return TOP_LOOK;
	case 'p':
		v->paused = !v->paused;
		return v->paused ? TOP_NOTHING : TOP_LOOK;
	case '+':
		interval_step(v, 1);
		return TOP_NOTHING;
	case '-':
		interval_step(v, -1);
		return TOP_NOTHING;
	case '?':
	case 'h':
		v->mode = TOP_HELP;
		v->line = 0;
		return TOP_NOTHING;
	}
	move(v, key);
	return TOP_NOTHING;
}

/* ---- the last line ---- */

/* False when the key is none of editing. Only ASCII: times, reasons, parts of addresses and JIDs. */
static bool input_edit(struct top_view *v, int key)
{
	size_t len = strlen(v->input);

	if (key == TOP_KEY_ERASE || key == '\b') {
		if (len > 0)
			v->input[len - 1] = '\0';
	} else if (key == 0x15) { /* ctrl-u */
		v->input[0] = '\0';
	} else if (key >= ' ' && key < 0x7f && len + 1 < sizeof v->input) {
		v->input[len] = (char)key;
		v->input[len + 1] = '\0';
	} else {
		return false;
	}
	return true;
}

static enum top_act filter_key(struct top_view *v, const struct top_data *d, int key)
{
	if (key == TOP_KEY_ENTER || key == TOP_KEY_ESCAPE) {
		strcpy(v->filter, key == TOP_KEY_ENTER ? v->input : v->filter_was);
		v->mode = TOP_LIST;
	} else if (input_edit(v, key)) {
		strcpy(v->filter, v->input);
	} else {
		return TOP_NOTHING;
	}
	top_view_update(v, d);
	return TOP_LOOK;
}

static enum top_act ban_for_key(struct top_view *v, int key)
{
	if (key != TOP_KEY_ENTER) {
		input_edit(v, key);
		return TOP_NOTHING;
	}
	if (clock_parse_duration(v->input, strlen(v->input), &v->ban_ms) < 0 || v->ban_ms == 0) {
		top_view_say(v, true, "'%s' is not a time: write 90s, 10m, 1h or 7d", v->input);
		return TOP_NOTHING;
	}
	v->mode = TOP_BAN_WHY;
	strcpy(v->input, "by hand");
	return TOP_NOTHING;
}

static enum top_act ban_why_key(struct top_view *v, int key)
{
	if (key != TOP_KEY_ENTER) {
		input_edit(v, key);
		return TOP_NOTHING;
	}
	strcpy(v->why, *v->input ? v->input : "by hand");
	v->mode = TOP_LIST;
	return TOP_BAN;
}

static enum top_act unban_key(struct top_view *v, int key)
{
	v->mode = TOP_LIST;
	if (key == 'y' || key == 'Y')
		return TOP_UNBAN;
	top_view_say(v, false, "nothing was changed");
	return TOP_NOTHING;
}

/* ---- lines over the table ---- */

void top_view_explain(struct top_view *v, const char *title, json_t *lines)
{
	json_decref(v->lines);
	v->lines = lines;
	v->line = 0;
	snprintf(v->title, sizeof v->title, "%s", title);
	v->mode = TOP_EXPLAIN;
}

static enum top_act lines_key(struct top_view *v, int key)
{
	size_t page = v->page ? v->page : 1, n = json_array_size(v->lines);

	switch (key) {
	case TOP_KEY_UP:
	case 'k':
		v->line -= v->line > 0;
		break;
	case TOP_KEY_DOWN:
	case 'j':
		v->line++;
		break;
	case TOP_KEY_PAGE_UP:
		v->line = v->line > page ? v->line - page : 0;
		break;
	case TOP_KEY_PAGE_DOWN:
	case ' ':
		v->line += page;
		break;
	case TOP_KEY_HOME:
		v->line = 0;
		break;
	case TOP_KEY_RESIZE:
	case TOP_KEY_NONE:
		break;
	default:
		v->mode = TOP_LIST;
	}
	if (v->line >= n || n <= page / 2) /* lines may take several rows each */
		v->line = n > page / 2 ? n - 1 : 0;
	return TOP_NOTHING;
}

enum top_act top_view_key(struct top_view *v, const struct top_data *d, int key)
{
	if (key == TOP_KEY_RESIZE || key == TOP_KEY_NONE)
		return TOP_NOTHING;
	*v->message = '\0';
	if (key == TOP_KEY_ESCAPE && (v->mode == TOP_BAN_FOR || v->mode == TOP_BAN_WHY)) {
		v->mode = TOP_LIST;
		top_view_say(v, false, "nothing was changed");
		return TOP_NOTHING;
	}
	switch (v->mode) {
	case TOP_FILTER:
		return filter_key(v, d, key);
	case TOP_BAN_FOR:
		return ban_for_key(v, key);
	case TOP_BAN_WHY:
		return ban_why_key(v, key);
	case TOP_UNBAN_SURE:
		return unban_key(v, key);
	case TOP_EXPLAIN:
	case TOP_HELP:
		return lines_key(v, key);
	case TOP_LIST:
		break;
	}
	return list_key(v, d, key);
}
