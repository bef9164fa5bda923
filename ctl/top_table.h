/* SPDX-License-Identifier: BSD-2-Clause */
/* The panels of "top" as tables: columns, their order, what fits. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "ctl/top_cells.h"
#include "ctl/top_data.h"

enum { TOP_COLUMNS_MAX = 14 };

struct top_column {
	const char *title;
	const char *key;
	enum top_format {
		TOP_TEXT,
		TOP_COUNT,
		TOP_RATE, /* a second */
		TOP_AGE,  /* milliseconds */
		TOP_LEFT, /* until: unix milliseconds, 0 for ever */
		TOP_SINCE,
		TOP_BAR, /* of the number under key, beside the largest in sight */
	} format;
	unsigned width; /* least */
	unsigned keep;  /* the lowest go first where there is no room */
	unsigned grows; /* its share in the room that is left over */
	const char *by; /* the daemon's name for that order; NULL: only we know it */
};

/* Columns of a panel; *n how many. */
const struct top_column *top_columns(enum top_panel panel, unsigned *n);
/* By which it is sorted at first. */
unsigned top_column_first(enum top_panel panel);
/* Is the greatest first in its natural order? */
bool top_column_falls(const struct top_column *column);
/* The number in a row, also where it is made of others ("waiting", "stopped"). */
double top_row_number(const struct top_column *column, const json_t *row);

/* Rows in the order of a column, those with filter (of any case, in a text) only; borrowed from rows. At most
 * max of them into out. How many. */
size_t top_rows(enum top_panel panel, const json_t *rows, unsigned column, bool reverse,
	const char *filter, const json_t **out, size_t max);

/* Where columns come to stand in so much room: widths, 0 for those left out. */
void top_layout(enum top_panel panel, unsigned room, unsigned widths[TOP_COLUMNS_MAX]);
void top_put_titles(struct cells *c, unsigned row, enum top_panel panel, const unsigned *widths,
	unsigned sorted, bool reverse);
/* most: the largest number of the column that has the bar. */
void top_put_row(struct cells *c, unsigned row, enum top_panel panel, const unsigned *widths,
	const json_t *data, double most);
/* The largest number of the panel's bar. */
double top_bar_most(enum top_panel panel, const json_t *const *rows, size_t n);

/* "12345", "123k", "4.5M", and "0.3", "17" for rates; size >= 16. */
void top_format_count(double n, char *text, size_t size);
void top_format_rate(double n, char *text, size_t size);
