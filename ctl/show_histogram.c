/* SPDX-License-Identifier: BSD-2-Clause */
/* A small histogram for a terminal, or for a mail: plain characters. In: buckets with their bounds and how many are in
 * them. Out: a line a bucket with a bar as long as its share of the fullest. Neighbours share a line where there are
 * too many. */
#include "ctl/show_histogram.h"

enum { LINES = 20, BAR = 44 };

struct row {
	json_int_t from, to, peers;
};

static json_int_t number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

/* count rows from first on as one. */
static struct row rows_join(const json_t *rows, size_t first, size_t count)
{
	struct row all = { 0 };

	for (size_t i = first; i < first + count && i < json_array_size(rows); i++) {
		const json_t *row = json_array_get(rows, i);

		if (i == first)
			all.from = number(row, "from");
		all.to = number(row, "to");
		all.peers += number(row, "peers");
	}
	return all;
}

void show_histogram(FILE *out, const json_t *rows)
{
	size_t n = json_array_size(rows), step = (n + LINES - 1) / LINES;
	json_int_t most = 0;
	char range[48];

	for (size_t i = 0; i < n; i += step) {
		struct row row = rows_join(rows, i, step);

		most = row.peers > most ? row.peers : most;
	}
	for (size_t i = 0; i < n; i += step) {
		struct row row = rows_join(rows, i, step);
		int bar = most > 0 ? (int)((row.peers * BAR + most - 1) / most) : 0;

		if (row.from == row.to)
			snprintf(range, sizeof range, "%" JSON_INTEGER_FORMAT, row.from);
		else
			snprintf(range, sizeof range, "%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT, row.from, row.to);
		fprintf(out, "  %14s |%-*.*s %" JSON_INTEGER_FORMAT "\n", range, BAR, bar,
			"############################################", row.peers);
	}
}
