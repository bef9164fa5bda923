/* SPDX-License-Identifier: BSD-2-Clause */
/* The only file that knows curses. In: cells (ctl/top_cells.c), in which nothing steers a terminal any
 * more. Out: the terminal; and its keys. What the terminal shows already is not written again. It knows
 * nothing of what it shows. */
#include "ctl/screen.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/top_view.h"

static SCREEN *screen;
static bool colours;

static const struct {
	attr_t attributes;
	short colour; /* -1: the terminal's own */
	attr_t without; /* where there are no colours */
} styles[CELL_STYLES] = {
	[CELL_PLAIN] = { A_NORMAL, -1, A_NORMAL },
	[CELL_DIM] = { A_DIM, -1, A_DIM },
	[CELL_BOLD] = { A_BOLD, -1, A_BOLD },
	[CELL_TITLE] = { A_UNDERLINE, -1, A_UNDERLINE },
	[CELL_ALERT] = { A_BOLD, COLOR_RED, A_BOLD },
	[CELL_WARN] = { A_NORMAL, COLOR_YELLOW, A_BOLD },
	[CELL_GOOD] = { A_NORMAL, COLOR_GREEN, A_NORMAL },
	[CELL_BAR] = { A_NORMAL, COLOR_CYAN, A_NORMAL },
};

bool screen_open(bool colour, const char **why)
{
	*why = "this terminal (TERM) is not known, or cannot be drawn on";
	if (!getenv("TERM") || !(screen = newterm(NULL, stdout, stdin)))
		return false;
	set_term(screen);
	cbreak();
	noecho();
	nonl(); /* enter is '\r', ctrl-j is '\n': both mean the same */
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	colours = colour && has_colors() && start_color() == OK;
	if (colours)
		use_default_colors();
	for (short i = 0; colours && i < CELL_STYLES; i++)
		init_pair((short)(i + 1), styles[i].colour, -1);
	return true;
}

void screen_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

void screen_size(unsigned *rows, unsigned *columns)
{
	int y, x;

	getmaxyx(stdscr, y, x);
	*rows = y > 0 ? (unsigned)y : 1;
	*columns = x > 0 ? (unsigned)x : 1;
}

static void cell_draw(int y, int x, const struct cell *cell)
{
	attr_t attributes =
		colours ? styles[cell->style].attributes : styles[cell->style].without;
	cchar_t wide;

	if (cell->chosen)
		attributes |= A_REVERSE;
	if (setcchar(&wide, cell->text, attributes, (short)(colours ? cell->style + 1 : 0), NULL) == OK)
		mvadd_wch(y, x, &wide);
}

void screen_draw(const struct cells *c)
{
	erase();
	for (unsigned row = 0; row < c->rows; row++)
		for (unsigned column = 0; column < c->columns; column++) {
			const struct cell *cell = &c->all[(size_t)row * c->columns + column];

			/* The right half of a wide one comes with it. */
			if (cell->text[0])
				cell_draw((int)row, (int)column, cell);
		}
	refresh();
}

int screen_key(void)
{
	static const struct {
		int curses, key;
	} keys[] = {
		{ KEY_UP, TOP_KEY_UP },
		{ KEY_DOWN, TOP_KEY_DOWN },
		{ KEY_LEFT, TOP_KEY_LEFT },
		{ KEY_RIGHT, TOP_KEY_RIGHT },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP },
		{ KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },
		{ KEY_END, TOP_KEY_END },
		{ KEY_BTAB, TOP_KEY_BACK_TAB },
		{ KEY_ENTER, TOP_KEY_ENTER },
		{ KEY_BACKSPACE, TOP_KEY_ERASE },
		{ KEY_DC, TOP_KEY_ERASE },
		{ KEY_RESIZE, TOP_KEY_RESIZE },
	};
	wint_t wide;
	int r = get_wch(&wide);

	if (r == OK)
		return wide == '\r' ? TOP_KEY_ENTER : (int)wide;
	for (size_t i = 0; r == KEY_CODE_YES && i < sizeof keys / sizeof *keys; i++)
		if (keys[i].curses == (int)wide)
			return keys[i].key;
	return r == KEY_CODE_YES ? TOP_KEY_RESIZE : TOP_KEY_NONE; /* others mean nothing */
}
