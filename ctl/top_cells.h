/* SPDX-License-Identifier: BSD-2-Clause */
/* A screen as a grid of characters, before any terminal sees it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wchar.h>

enum cell_style {
	CELL_PLAIN,
	CELL_DIM,
	CELL_BOLD,
	CELL_TITLE, /* heads of columns, tabs that are not open */
	CELL_ALERT,
	CELL_WARN,
	CELL_GOOD,
	CELL_BAR,
	CELL_STYLES
};

enum { CELL_MARKS = 2 /* combining marks kept with their letter */ };

struct cell {
	wchar_t text[CELL_MARKS + 2]; /* empty: the right half of the wide one before it */
	uint8_t style;                /* enum cell_style */
	bool chosen;                  /* part of the selected line */
};

struct cells {
	unsigned rows, columns;
	bool utf8; /* else everything but ASCII is '?', and bars are '#' */
	struct cell *all;
};

/* All blank. 0 or -ENOMEM. Widths of characters are those of the process's locale. */
int cells_init(struct cells *c, unsigned rows, unsigned columns, bool utf8);
void cells_fini(struct cells *c);
void cells_clear(struct cells *c);
/* Writes text, whoever wrote it, into at most width columns: what could move a cursor or turn the line
 * around is escaped, what does not fit is cut at a whole character, with an ellipsis. How many columns it took. */
unsigned cells_put(struct cells *c, unsigned row, unsigned column, unsigned width,
	enum cell_style style, const char *text);
unsigned cells_putf(struct cells *c, unsigned row, unsigned column, unsigned width,
	enum cell_style style, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Over the whole breadth, in as many rows (before end) as it takes; the row behind it. */
unsigned cells_put_lines(struct cells *c, unsigned row, unsigned end, enum cell_style style, const char *text);
/* The same at the right end of width. */
void cells_put_right(struct cells *c, unsigned row, unsigned column, unsigned width,
	enum cell_style style, const char *text);
/* A bar of that part (0 to 1) of width, in eighths of a column where there are characters for it. */
void cells_bar(struct cells *c, unsigned row, unsigned column, unsigned width, double part);
/* A column of eight heights for each value, the largest being the whole. */
void cells_curve(struct cells *c, unsigned row, unsigned column, const double *values, unsigned n);
/* The line is the selected one. */
void cells_choose(struct cells *c, unsigned row);
/* A row as UTF-8 without the blanks at its end; for whoever looks at it without a terminal. */
void cells_line(const struct cells *c, unsigned row, char *text, size_t size);
