/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads NAME.rules and compares what it says, to the letter, with NAME.expected beside it.
 * "--write" writes that file instead: look at the difference before committing it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/rules.h"

static char *diagnostics(const char *path)
{
	struct source_set sources;
	struct diag_list diags;
	struct policy *policy = NULL;
	char *text;

	source_init(&sources, true);
	diag_init(&diags);
	policy_load(&sources, path, NULL, NULL, &diags, &policy);
	text = diag_string(&diags);
	policy_unref(policy);
	diag_fini(&diags);
	source_fini(&sources);
	return text ? text : strdup("");
}

static char *file_read(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *in = fopen(path, "r");

	if (text && in)
		(void)!fread(text, 1, (1 << 20) - 1, in);
	if (in)
		fclose(in);
	return text;
}

/* Exits 0 when they agree. */
static int run(const char *path, int write)
{
	char expected[4096];
	char *got = diagnostics(path), *wanted;
	int differ;

	snprintf(expected, sizeof(expected), "%.*s.expected", (int)strcspn(path, "."), path);
	if (write) {
		FILE *out = fopen(expected, "w");

		if (out) {
			fputs(got, out);
			fclose(out);
		}
		free(got);
		return !out;
	}
	wanted = file_read(expected);
	differ = strcmp(got, wanted) != 0 || !*wanted;
	if (differ)
		printf("%s: wanted:\n%s---- got:\n%s\n", path, wanted, got);
	free(got);
	free(wanted);
	return differ;
}

int main(int argc, char **argv)
{
	int write = argc > 1 && strcmp(argv[1], "--write") == 0, failed = 0, cases = 0;

	for (int i = 1 + write; i < argc; i++, cases++)
		failed += run(argv[i], write);
	printf("%d cases, %d failed\n", cases, failed);
	return failed > 0 || cases == 0;
}
