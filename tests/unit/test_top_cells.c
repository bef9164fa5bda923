/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/top_cells.c: whatever a peer writes, a cell holds one character as wide as it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <locale.h>
#include <cmocka.h>
#include "ctl/top_cells.h"

static void assert_put(bool utf8, unsigned width, const char *text, const char *wanted)
{
	struct cells c;
	char line[512];

	assert_int_equal(cells_init(&c, 2, 40, utf8), 0);
	cells_put(&c, 0, 0, width, CELL_PLAIN, text);
	cells_put(&c, 0, width, 1, CELL_PLAIN, "|");
	cells_line(&c, 0, line, sizeof line);
	assert_string_equal(line, wanted);
	cells_line(&c, 1, line, sizeof line);
	assert_string_equal(line, "");
	cells_fini(&c);
}

static void texts(void **state)
{
	(void)state;
	assert_put(true, 10, "romeo", "romeo     |");
	assert_put(true, 5, "romeo", "romeo|");
	assert_put(true, 4, "romeo", "rom…|");
	assert_put(false, 4, "romeo", "rom~|");
	assert_put(true, 1, "romeo", "…|");
	assert_put(true, 0, "romeo", "|");
	assert_put(true, 8, "ромео", "ромео   |");
	assert_put(false, 8, "ромео", "?????   |");
	/* wide ones take two columns, and are not cut in half */
	assert_put(true, 8, "罗密欧", "罗密欧  |");
	assert_put(true, 5, "罗密欧", "罗密…|");
	assert_put(true, 4, "罗密欧", "罗… |");
	assert_put(true, 6, "a😀b", "a😀b  |");
	/* a few marks stay with their letter, more do not */
	assert_put(true, 4, "e\xcc\x81o", "e\xcc\x81o  |");
	assert_put(true, 4, "e\xcc\x81\xcc\x82\xcc\x83\xcc\x84o", "e\xcc\x81\xcc\x82o  |");
	assert_put(true, 4, "\xcc\x81o", "o   |");
}

static void hostile(void **state)
{
	struct cells c;
	char line[512];

	(void)state;
	assert_put(true, 20, "a\x1b[2Jb", "a\\u{1b}[2Jb         |");
	assert_put(true, 20, "a\nb\rc\td", "a\\u{a}b\\u{d}c\\u{9}d |");
	assert_put(true, 20, "a\xe2\x80\xae" "b", "a\\u{202e}b          |");
	assert_put(true, 20, "a\xe2\x81\xa6" "b", "a\\u{2066}b          |");
	assert_put(true, 20, "a\xd8\x9c" "b", "a\\u{61c}b           |");
	assert_put(true, 20, "a\xe2\x80\xa8" "b", "a\\u{2028}b          |");
	assert_put(true, 20, "a\xf3\xa0\x81\x81" "b", "a\\u{e0041}b         |");
	assert_put(true, 20, "a\xc2\x9b" "b", "a\\u{9b}b            |");
	assert_put(true, 20, "a\xff\xc3", "a\\xff\\xc3           |");
	assert_put(true, 20, "a\xc3", "a\\xc3               |");
	assert_put(false, 20, "a\xc2\x9b\xc3\xa4", "a\\u{9b}?            |");
	/* outside of the grid nothing happens */
	assert_int_equal(cells_init(&c, 3, 5, true), 0);
	cells_put(&c, 3, 0, 5, CELL_PLAIN, "x");
	cells_put(&c, 0, 5, 5, CELL_PLAIN, "x");
	cells_put(&c, 1, 3, 100, CELL_PLAIN, "罗密欧");
	cells_bar(&c, 2, 4, 10, 1);
	cells_put_right(&c, 0, 4, 10, CELL_PLAIN, "xyz");
	cells_choose(&c, 7);
	cells_line(&c, 1, line, sizeof line);
	assert_string_equal(line, "   …");
	cells_fini(&c);
	/* long texts of nothing but hostile bytes */
	char *long_text = malloc(100001);
	memset(long_text, 0x1b, 100000);
	long_text[100000] = '\0';
	assert_put(true, 10, long_text, "\\u{1b}\\u{…|");
	memset(long_text, 0xcc, 100000);
	assert_put(true, 6, long_text, "\\xcc\\…|");
	free(long_text);
}

static void bars(void **state)
{
	const double curve[] = { 0, 1, 4, 8 };
	struct cells c;
	char line[512];

	(void)state;
	assert_int_equal(cells_init(&c, 8, 10, true), 0);
	cells_bar(&c, 0, 0, 8, 1);
	cells_bar(&c, 1, 0, 8, 0.5);
	cells_bar(&c, 2, 0, 8, 0.0001);
	cells_bar(&c, 3, 0, 8, 0);
	cells_bar(&c, 4, 0, 8, 9.0 / 64);
	cells_bar(&c, 5, 0, 8, 99);
	cells_curve(&c, 6, 1, curve, 4);
	cells_bar(&c, 7, 0, 8, -1);
	static const char *const wanted[] = { "████████", "████", "▏", "", "█▏", "████████", " ▁▂▅█", "" };
	for (unsigned i = 0; i < 8; i++) {
		cells_line(&c, i, line, sizeof line);
		assert_string_equal(line, wanted[i]);
	}
	cells_fini(&c);
	assert_int_equal(cells_init(&c, 3, 10, false), 0);
	cells_bar(&c, 0, 0, 8, 0.5);
	cells_bar(&c, 1, 0, 8, 0.01);
	cells_curve(&c, 2, 0, curve, 4);
	static const char *const plain[] = { "####", "#", "_.+#" };
	for (unsigned i = 0; i < 3; i++) {
		cells_line(&c, i, line, sizeof line);
		assert_string_equal(line, plain[i]);
	}
	cells_fini(&c);
}

static void placing(void **state)
{
	struct cells c;
	char line[512];

	(void)state;
	assert_int_equal(cells_init(&c, 4, 12, true), 0);
	cells_put_right(&c, 0, 2, 8, CELL_PLAIN, "123");
	cells_line(&c, 0, line, sizeof line);
	assert_string_equal(line, "       123");
	cells_put_right(&c, 1, 0, 4, CELL_PLAIN, "123456");
	cells_line(&c, 1, line, sizeof line);
	assert_string_equal(line, "123…");
	assert_int_equal(cells_put_lines(&c, 2, 4, CELL_PLAIN, "0123456789ab罗密欧0123456789abcdef"), 4);
	cells_line(&c, 3, line, sizeof line);
	assert_string_equal(line, "罗密欧012345");
	assert_int_equal(cells_put_lines(&c, 0, 4, CELL_PLAIN, ""), 1);
	assert_int_equal(cells_put_lines(&c, 0, 4, CELL_PLAIN, NULL), 1);
	cells_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts),
		cmocka_unit_test(hostile),
		cmocka_unit_test(bars),
		cmocka_unit_test(placing),
	};

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
