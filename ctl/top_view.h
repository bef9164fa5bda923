/* SPDX-License-Identifier: BSD-2-Clause */
/* What the person at "top" looks at and types: panel, selection, order, questions on the last line. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ctl/top_data.h"
#include "ctl/top_table.h"

/* Keys beyond ASCII; ctl/screen.c makes them. */
enum top_key {
	TOP_KEY_NONE = 0,
	TOP_KEY_TAB = '\t',
	TOP_KEY_ENTER = '\n',
	TOP_KEY_ESCAPE = 0x1b,
	TOP_KEY_ERASE = 0x7f,
	TOP_KEY_UP = 0x110000, /* behind all characters */
	TOP_KEY_DOWN,
	TOP_KEY_LEFT,
	TOP_KEY_RIGHT,
	TOP_KEY_PAGE_UP,
	TOP_KEY_PAGE_DOWN,
	TOP_KEY_HOME,
	TOP_KEY_END,
	TOP_KEY_BACK_TAB,
	TOP_KEY_RESIZE,
};

enum top_mode {
	TOP_LIST,
	TOP_FILTER,   /* typed on the last line, at work at once */
	TOP_BAN_FOR,  /* how long */
	TOP_BAN_WHY,
	TOP_UNBAN_SURE,
	TOP_EXPLAIN, /* lines over the table */
	TOP_HELP,
};

/* What is to be done outside. */
enum top_act {
	TOP_NOTHING,
	TOP_QUIT,
	TOP_LOOK,    /* ask anew, now */
	TOP_BAN,     /* address, ban_ms, why */
	TOP_UNBAN,   /* address */
	TOP_ASK_WHY, /* explain the selected row */
};

enum { TOP_ROWS_SHOWN = 1000, TOP_NAME = 320, TOP_INPUT = 120, TOP_ASKED = 200 };

struct top_view {
	enum top_panel panel;
	enum top_mode mode;
	struct top_sort {
		unsigned column;
		bool reverse;
	} sort[TOP_PANELS];
	char chosen[TOP_PANELS][TOP_NAME]; /* by name: it moves with its row; "": the place is */
	size_t at[TOP_PANELS], top[TOP_PANELS]; /* its place; the first one in sight */
	char filter[TOP_INPUT], filter_was[TOP_INPUT], input[TOP_INPUT];
	char address[1200]; /* to be banned, or unbanned: a name, too */
	char why[TOP_INPUT];
	uint64_t ban_ms;
	bool paused;
	unsigned every_ms;
	size_t page;     /* rows in sight, set by drawing */
	json_t *lines;   /* TOP_EXPLAIN: texts */
	size_t line;     /* the first one in sight */
	char title[TOP_NAME];
	char message[TOP_NAME]; /* on the last line, until the next key */
	bool message_bad;
	char trouble[TOP_NAME]; /* the daemon cannot be reached: why; "" when it can */

	const json_t *rows[TOP_ROWS_SHOWN]; /* as sorted last, borrowed from the data */
	size_t n;
};

void top_view_init(struct top_view *v, unsigned every_ms);
void top_view_fini(struct top_view *v);
/* After new data or another order: which rows, and where the selected one is now. */
void top_view_update(struct top_view *v, const struct top_data *d);
/* The selected row, NULL if there is none. Borrowed until the data change. */
const json_t *top_view_row(const struct top_view *v);
/* One key. The view is updated. */
enum top_act top_view_key(struct top_view *v, const struct top_data *d, int key);
void top_view_say(struct top_view *v, bool bad, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Lines over the table; takes lines. */
void top_view_explain(struct top_view *v, const char *title, json_t *lines);
/* The arguments of "top" that this view needs; a new object. */
json_t *top_view_ask(const struct top_view *v);
