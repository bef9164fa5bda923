/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs *.t files: a case a line, fields between " ; ".
 *
 *   RULE ; ok                      loads, and printing it twice gives the same text
 *   RULE ; ok ; CANONICAL          ... and CANONICAL stands in the printed text (white space apart)
 *   RULE ; fail ; MESSAGE [; HINT] is refused with exactly that first message
 *
 * ":with TEXT" puts TEXT before all cases that follow, ":in BEFORE % BEHIND" says what stands
 * around them; both replace the one before. '#' begins a comment line. "\n" in a case is a new
 * line. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/check.h"
#include "rules/parse.h"
#include "rules/print.h"
#include "rules/rules.h"

enum { TEXT_MAX = 1 << 16 };

static unsigned cases, failures;
static const char *file_name;
static unsigned line_number;
static char with[TEXT_MAX], before[TEXT_MAX], behind[TEXT_MAX];

static void fail(const char *format, const char *a, const char *b)
{
	printf("%s:%u: ", file_name, line_number);
	printf(format, a, b);
	printf("\n");
	failures++;
}

/* Parsed, checked and printed; malloc'd, NULL after a diagnostic. */
static char *print_text(const char *text)
{
	struct source_set sources;
	struct diag_list diags;
	struct ast *ast = NULL;
	struct buf out;
	char *printed = NULL;

	source_init(&sources, false);
	diag_init(&diags);
	buf_init(&out, 0);
	if (source_add(&sources, "case.rules", text, strlen(text)) == 0 &&
		parse_policy(&sources, "case.rules", &diags, &ast) == 0 &&
		check_policy(ast, &sources, &diags) == 0 && print_policy(ast, &out) == 0)
		printed = buf_take(&out);
	ast_free(ast);
	buf_fini(&out);
	diag_fini(&diags);
	source_fini(&sources);
	return printed;
}

/* Runs of white space are one space. */
static void squeeze(char *text)
{
	char *out = text;

	for (char *at = text; *at; at++)
		if (!isspace((unsigned char)*at) || (out > text && out[-1] != ' '))
			*out++ = isspace((unsigned char)*at) ? ' ' : *at;
	*out = '\0';
}

static void check_print(const char *text, char *canonical)
{
	char *once = print_text(text), *twice = once ? print_text(once) : NULL;

	if (!once || !twice)
		fail("cannot be %s%s", once ? "parsed again when printed:\n" : "printed",
			once ? once : "");
	else if (strcmp(once, twice) != 0)
		fail("printed twice differs:\n%s----\n%s", once, twice);
	if (once && canonical) {
		squeeze(once);
		squeeze(canonical);
		if (!strstr(once, canonical))
			fail("wanted: %s\ngot: %s", canonical, once);
	}
	free(once);
	free(twice);
}

static const struct diag *first_error(const struct diag_list *diags)
{
	const struct diag *d = diags->first;

	while (d && d->warning)
		d = d->next;
	return d;
}

static void check_failure(const struct diag *d, const char *message, const char *hint)
{
	if (!d)
		fail("%s%s", "passed, wanted: ", message);
	else if (strcmp(d->message, message) != 0)
		fail("wanted: %s\ngot:    %s", message, d->message);
	else if (hint && (!d->hint || strcmp(d->hint, hint) != 0))
		fail("wanted the hint: %s\ngot: %s", hint, d->hint ? d->hint : "none");
}

static char *field_next(char **rest)
{
	char *field = *rest, *end = field ? strstr(field, " ; ") : NULL;

	*rest = end ? end + 3 : NULL;
	if (end)
		*end = '\0';
	return field;
}

static void run_case(char *line)
{
	static char text[TEXT_MAX * 3];
	char *rest = line, *rule = field_next(&rest), *kind = field_next(&rest),
	     *third = field_next(&rest), *fourth = field_next(&rest);
	struct source_set sources;
	struct diag_list diags;
	struct policy *policy = NULL;

	cases++;
	snprintf(text, sizeof(text), "%s\n%s%s%s\n", with, before, rule, behind);
	for (char *at = text; (at = strstr(at, "\\n")); at++)
		memcpy(at, " \n", 2);
	source_init(&sources, false);
	diag_init(&diags);
	source_add(&sources, "case.rules", text, strlen(text));
	policy_load(&sources, "case.rules", NULL, NULL, &diags, &policy);
	if (kind && strcmp(kind, "fail") == 0 && third)
		check_failure(first_error(&diags), third, fourth);
	else if (!kind || strcmp(kind, "ok") != 0)
		fail("%s%s", "neither ok nor fail: ", kind ? kind : "");
	else if (!policy)
		fail("refused: %s%s", diags.first ? first_error(&diags)->message : "", "");
	else
		check_print(text, third);
	policy_unref(policy);
	diag_fini(&diags);
	source_fini(&sources);
}

static void run_line(char *line)
{
	char *mark;

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, ":with", 5) == 0) {
		snprintf(with, sizeof(with), "%s", line + 5);
	} else if (strncmp(line, ":in", 3) == 0 && (mark = strchr(line, '%'))) {
		*mark = '\0';
		snprintf(before, sizeof(before), "%s", line + 3);
		snprintf(behind, sizeof(behind), "%s", mark + 1);
	} else if (*line && *line != '#') {
		run_case(line);
	}
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;

	for (int i = 1; i < argc; i++) {
		FILE *in = fopen(argv[i], "r");

		if (!in) {
			perror(argv[i]);
			return 1;
		}
		file_name = argv[i];
		with[0] = before[0] = behind[0] = '\0';
		for (line_number = 1; getline(&line, &size, in) > 0; line_number++)
			run_line(line);
		fclose(in);
	}
	free(line);
	printf("%u cases, %u failed\n", cases, failures);
	return cases == 0 || failures > 0;
}
