/* SPDX-License-Identifier: BSD-2-Clause */
/* Between what "top" has to say and the terminal (ctl/screen.c): every text goes through here, peers' own
 * words among them. In: UTF-8 of anybody. Out: a grid in which each cell holds one character that is as wide
 * as it says, with a few marks: nothing that steers a terminal, hides, or spills over its column comes out of
 * it. It knows no terminal, so that tests see what a person would. */
#include "ctl/top_cells.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xmpp/safe.h"
#include "xmpp/text.h"

enum { EIGHTHS = 8, ELLIPSIS = 0x2026, REPLACEMENT = 0xfffd, TEXT_SIZE = 2048 };

int cells_init(struct cells *c, unsigned rows, unsigned columns, bool utf8)
{
	*c = (struct cells){ .rows = rows, .columns = columns, .utf8 = utf8 };
	c->all = calloc((size_t)rows * columns + 1, sizeof *c->all);
	if (!c->all)
		return -ENOMEM;
	cells_clear(c);
	return 0;
}

void cells_fini(struct cells *c)
{
	free(c->all);
	c->all = NULL;
}

static void cell_set(struct cell *cell, wchar_t wc, enum cell_style style)
{
	*cell = (struct cell){ .text = { wc }, .style = (uint8_t)style };
}

void cells_clear(struct cells *c)
{
	for (size_t i = 0; i < (size_t)c->rows * c->columns; i++)
		cell_set(&c->all[i], L' ', CELL_PLAIN);
}

static struct cell *cell_at(const struct cells *c, unsigned row, unsigned column)
{
	return row < c->rows && column < c->columns ? &c->all[(size_t)row * c->columns + column] : NULL;
}

/* ---- text ---- */

/* What is put for a character, and how many columns it takes. */
static int glyph(const struct cells *c, uint32_t cp, wchar_t *wc)
{
	int width;

	*wc = (wchar_t)cp;
	if (cp < 0x80)
		return 1;
	if (!c->utf8) {
		*wc = cp == ELLIPSIS ? L'~' : L'?';
		return 1;
	}
	if ((width = wcwidth(*wc)) >= 0)
		return width;
	*wc = REPLACEMENT;
	return 1;
}

static void mark_add(struct cell *cell, wchar_t mark)
{
	for (unsigned i = 1; cell && i <= CELL_MARKS; i++)
		if (!cell->text[i]) {
			cell->text[i] = mark;
			return;
		}
}

/* Columns that the text would take; stops when there are more than max. */
static unsigned text_columns(const struct cells *c, struct span text, unsigned max)
{
	unsigned used = 0;
	uint32_t cp;
	wchar_t wc;

	for (size_t i = 0, n; i < text.len && used <= max; i += n) {
		if (!(n = text_decode(text, i, &cp)))
			n = 1, cp = REPLACEMENT;
		used += (unsigned)glyph(c, cp, &wc);
	}
	return used;
}

/* text is safe already. */
static unsigned put_safe(struct cells *c, unsigned row, unsigned column, unsigned width,
	enum cell_style style, struct span text)
{
	unsigned used = 0, room = column < c->columns ? c->columns - column : 0;
	struct cell *cell, *last = NULL;
	bool cut;
	uint32_t cp;
	wchar_t wc;
	int wide;

	if (width > room)
		width = room;
	if (row >= c->rows || width == 0)
		return 0;
	cut = text_columns(c, text, width) > width;
	for (size_t i = 0, n; i < text.len; i += n) {
		if (!(n = text_decode(text, i, &cp)))
			n = 1, cp = REPLACEMENT;
		if ((wide = glyph(c, cp, &wc)) == 0) {
			mark_add(last, wc);
			continue;
		}
		if (used + (unsigned)wide > width - cut) {
			glyph(c, ELLIPSIS, &wc);
			cell_set(cell_at(c, row, column + used), wc, style);
			return used + 1;
		}
		cell = last = cell_at(c, row, column + used);
		cell_set(cell, wc, style);
		if (wide == 2)
			cell_set(cell + 1, L'\0', style);
		used += (unsigned)wide;
	}
	return used;
}

unsigned cells_put(struct cells *c, unsigned row, unsigned column, unsigned width,
	enum cell_style style, const char *text)
{
	return put_safe(c, row, column, width, style, span_of(safe_text(text, 0)));
}

/* Bytes that fit into so many columns. */
static size_t fitting(const struct cells *c, struct span text, unsigned width)
{
	unsigned used = 0;
	size_t i = 0;
	uint32_t cp;
	wchar_t wc;

	for (size_t n; i < text.len; i += n) {
		if (!(n = text_decode(text, i, &cp)))
			n = 1, cp = REPLACEMENT;
		used += (unsigned)glyph(c, cp, &wc);
		if (used > width)
			break;
	}
	return i;
}

unsigned cells_put_lines(
	struct cells *c, unsigned row, unsigned end, enum cell_style style, const char *text)
{
	struct span left = span_of(safe_text(text ? text : "", 0));

	do {
		size_t n = fitting(c, left, c->columns);

		put_safe(c, row++, 0, c->columns, style, (struct span){ left.ptr, n });
		left.ptr += n;
		left.len -= n;
		if (n == 0)
			break;
	} while (left.len > 0 && row < end);
	return row;
}

unsigned cells_putf(struct cells *c, unsigned row, unsigned column, unsigned width,
	enum cell_style style, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	return cells_put(c, row, column, width, style, text);
}

void cells_put_right(struct cells *c, unsigned row, unsigned column, unsigned width,
	enum cell_style style, const char *text)
{
	struct span safe = span_of(safe_text(text, 0));
	unsigned used = text_columns(c, safe, width);

	if (used < width)
		column += width - used, width = used;
	put_safe(c, row, column, width, style, safe);
}

/* ---- bars ---- */

void cells_bar(struct cells *c, unsigned row, unsigned column, unsigned width, double part)
{
	unsigned eighths = !(part > 0) ? 0
			   : part >= 1 ? width * EIGHTHS
				       : (unsigned)(part * width * EIGHTHS + 0.5);

	if (part > 0 && eighths == 0)
		eighths = 1; /* something is not nothing */
	for (unsigned i = 0; i < width && eighths > 0; i++) {
		unsigned here = eighths < EIGHTHS ? eighths : EIGHTHS;
		struct cell *cell = cell_at(c, row, column + i);

		/* U+2588 is full, U+258F an eighth */
		if (cell && (c->utf8 || here >= EIGHTHS / 2 || i == 0))
			cell_set(cell, c->utf8 ? (wchar_t)(0x2590 - here) : L'#', CELL_BAR);
		eighths -= here;
	}
}

void cells_curve(struct cells *c, unsigned row, unsigned column, const double *values, unsigned n)
{
	static const char ascii[] = "_.-=+*%#";
	double most = 0;

	for (unsigned i = 0; i < n; i++)
		most = values[i] > most ? values[i] : most;
	for (unsigned i = 0; i < n; i++) {
		unsigned height = most > 0 && values[i] > 0 ? (unsigned)(values[i] / most * 7 + 0.5) : 0;
		struct cell *cell = cell_at(c, row, column + i);

		if (cell)
			cell_set(cell, c->utf8 ? (wchar_t)(0x2581 + height) : (wchar_t)ascii[height],
				CELL_BAR);
	}
}

void cells_choose(struct cells *c, unsigned row)
{
	for (unsigned i = 0; row < c->rows && i < c->columns; i++)
		cell_at(c, row, i)->chosen = true;
}

/* ---- for tests ---- */

static size_t put_utf8(char *text, uint32_t cp)
{
	if (cp < 0x80)
		return (size_t)sprintf(text, "%c", (int)cp);
	if (cp < 0x800)
		return (size_t)sprintf(text, "%c%c", (int)(0xc0 | cp >> 6), (int)(0x80 | (cp & 0x3f)));
	if (cp < 0x10000)
		return (size_t)sprintf(text, "%c%c%c", (int)(0xe0 | cp >> 12),
			(int)(0x80 | (cp >> 6 & 0x3f)), (int)(0x80 | (cp & 0x3f)));
	return (size_t)sprintf(text, "%c%c%c%c", (int)(0xf0 | cp >> 18), (int)(0x80 | (cp >> 12 & 0x3f)),
		(int)(0x80 | (cp >> 6 & 0x3f)), (int)(0x80 | (cp & 0x3f)));
}

void cells_line(const struct cells *c, unsigned row, char *text, size_t size)
{
	size_t len = 0;

	for (unsigned i = 0; i < c->columns && len + 16 < size; i++)
		for (const wchar_t *wc = cell_at(c, row, i)->text; *wc; wc++)
			len += put_utf8(text + len, (uint32_t)*wc);
	while (len > 0 && text[len - 1] == ' ')
		len--;
	text[len] = '\0';
}
