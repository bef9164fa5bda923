/* SPDX-License-Identifier: BSD-2-Clause */
/* What the code knows, as the manuals print it: "fields" and "settings" as tables, "words" as the
 * words its grammar has. And what the manuals say, put to the code: "parse" and "check" read
 * policies from standard input, separated by lines of
 * "%%", and complain about those that are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "rules/check.h"
#include "rules/field.h"
#include "rules/parse.h"
#include "rules/parse_int.h"
#include "rules/schema.h"

/* '|' would end a cell. */
static void print_cell(const char *text, bool code)
{
	if (!*text)
		code = false;
	printf(" %s", code ? "`" : "");
	for (; *text; text++)
		printf("%s%c", *text == '|' ? "\\" : "", *text);
	printf("%s |", code ? "`" : "");
}

static void print_fields(void)
{
	printf("| field | type | what it is |\n|---|---|---|\n");
	for (size_t i = 0; i < field_count; i++) {
		const struct field *f = &field_table[i];

		printf("| `%s%s` | %s%s |", f->name, f->param ? " \"PATH\"" : "",
			field_type_text(f->type), f->many ? ", many" : "");
		print_cell(f->doc, false);
		printf("\n");
	}
}

static void print_number(enum schema_shape shape, uint64_t n)
{
	static const char *const units[] = { "", "k", "M", "G" };
	char text[32];
	unsigned unit = 0;

	for (; shape == SHAPE_SIZE && unit < 3 && n && n % 1024 == 0; unit++)
		n /= 1024;
	if (shape == SHAPE_DURATION)
		clock_format_duration(n, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "%llu%s", (unsigned long long)n, units[unit]);
	printf("%s", text);
}

static void print_setting(const struct schema_setting *s)
{
	printf("| `%s` |", s->name);
	print_cell(s->syntax, true);
	print_cell(s->initial, false);
	printf(" ");
	if (s->max) {
		print_number(s->shape, s->min);
		printf(" to ");
		print_number(s->shape, s->max);
	}
	printf(" |");
	print_cell(s->doc, false);
	printf("\n");
}

static void print_settings(void)
{
	for (size_t i = 0; i < schema_block_count; i++) {
		const struct schema_block *b = &schema_blocks[i];

		printf("%s## `%s`\n\n%s%s\n\n", i ? "\n" : "", b->name, b->doc,
			!b->inner                          ? ""
			: !b->named                        ? " May stand inside a service, too."
			: strcmp(b->name, "feed") == 0 ? " Stands inside a set."
							   : " Stands inside defend.");
		printf("| setting | values | default | bounds | what it does "
		       "|\n|---|---|---|---|---|\n");
		for (size_t k = 0; k < b->n; k++)
			print_setting(&b->settings[k]);
	}
}

static void print_words(void)
{
	printf("include\ndefine\n");
	for (size_t i = 0; i < schema_block_count; i++)
		printf("%s\n", schema_blocks[i].name);
	for (size_t i = 0; parse_action_word(i); i++)
		printf("%s\n", parse_action_word(i));
}

/* ---- policies ---- */

static bool run(const char *text, size_t len, bool check)
{
	struct source_set sources;
	struct diag_list diags;
	struct ast *ast = NULL;
	int r;

	source_init(&sources, false);
	diag_init(&diags);
	r = source_add(&sources, "manual", text, len);
	if (r == 0)
		r = parse_policy(&sources, "manual", &diags, &ast);
	if (r == 0 && check)
		r = check_policy(ast, &sources, &diags);
	if (r < 0) {
		diag_print(&diags, stdout, false);
		printf("---- in:\n%.*s\n", (int)len, text);
	}
	ast_free(ast);
	diag_fini(&diags);
	source_fini(&sources);
	return r == 0;
}

static int run_all(bool check)
{
	struct buf one;
	char *line = NULL;
	size_t size = 0;
	unsigned n = 0, refused = 0;
	ssize_t len;

	buf_init(&one, 16 << 20);
	while ((len = getline(&line, &size, stdin)) > 0) {
		if (strcmp(line, "%%\n") != 0) {
			buf_put(&one, line, (size_t)len);
			continue;
		}
		n++;
		refused += !run(buf_len(&one) ? buf_ptr(&one) : "", buf_len(&one), check);
		buf_clear(&one);
	}
	free(line);
	buf_fini(&one);
	printf("%u policies, %u refused\n", n, refused);
	return n == 0 || refused > 0;
}

int main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "fields") == 0)
		print_fields();
	else if (strcmp(what, "settings") == 0)
		print_settings();
	else if (strcmp(what, "words") == 0)
		print_words();
	else if (strcmp(what, "parse") == 0 || strcmp(what, "check") == 0)
		return run_all(strcmp(what, "check") == 0);
	else
		return 2;
	return 0;
}
