/* SPDX-License-Identifier: BSD-2-Clause */
/* check and print: the rule engine as a tool, without daemon, root or network. Files are read from disk,
 * diagnostics go to stderr with carets, answers to stdout. Never changes a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "ctl/cli.h"
#include "rules/profile.h"
#include "rules/rules.h"
#include "rules/strict.h"

static bool stderr_colour(void)
{
	return isatty(STDERR_FILENO) && !getenv("NO_COLOR");
}

static int file_arguments(struct cli *cli)
{
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	return cli->argc > 0 ? EXIT_DONE : cli_usage_error(cli, "needs at least one file");
}

/* What a failed load has to say beyond its diagnostics. */
static void report_failure(const struct cli *cli, const char *path, int code, const struct diag_list *diags)
{
	if (diags->errors == 0)
		fprintf(stderr, "xmppwallctl %s: %s: %s\n", cli->command, path, err_text(code));
}

static json_t *check_answer(const char *path, int code, const struct policy *policy,
	const struct diag_list *diags)
{
	const struct rule_info *rules;
	json_t *answer = json_pack("{s:s,s:b,s:i,s:i}", "file", path, "ok", code == 0, "errors",
		(int)diags->errors, "warnings", (int)diags->warnings);
	json_t *list = json_array();

	if (policy)
		json_object_set_new(answer, "rules", json_integer((json_int_t)policy_rules(policy, &rules)));
	if (policy)
		json_object_set_new(answer, "expectations", json_integer(policy_expectations(policy)));
	for (const struct diag *d = diags->first; d; d = d->next)
		json_array_append_new(list,
			json_pack("{s:s,s:i,s:i,s:s,s:s,s:s*}", "file", d->at.file ? d->at.file->path : path,
				"line", (int)d->at.line, "column", (int)d->at.column, "severity",
				d->warning ? "warning" : "error", "message", d->message, "hint", d->hint));
	json_object_set_new(answer, "diagnostics", list);
	return answer;
}

static bool is_profile(const char *path)
{
	size_t len = strlen(path);

	return len > 8 && strcmp(path + len - 8, ".profile") == 0;
}

/* A profile by itself, as "forward strict" would read it. */
static int check_profile(struct cli *cli, const char *path)
{
	const struct profile_file file = { .path = path };
	struct source_set sources;
	struct strict *profile = NULL;
	struct diag_list diags;
	int r;

	source_init(&sources, true);
	diag_init(&diags);
	r = profile_load(&sources, &file, 1, &diags, &profile);
	diag_print(&diags, stderr, stderr_colour());
	if (r < 0)
		report_failure(cli, path, r, &diags);
	if (cli->json) {
		json_t *answer = check_answer(path, r, NULL, &diags);

		if (profile)
			json_object_set_new(answer, "profiles", json_string(strict_names(profile)));
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(answer);
	} else if (r == 0) {
		printf("%s: ok, profiles: %s\n", path, strict_names(profile));
	}
	strict_unref(profile);
	diag_fini(&diags);
	source_fini(&sources);
	return r == 0 ? EXIT_DONE : EXIT_NO;
}

static int check_file(struct cli *cli, const char *path)
{
	const struct rule_info *rules;
	struct policy *policy = NULL;
	struct source_set sources;
	struct diag_list diags;
	int r;

	source_init(&sources, true);
	diag_init(&diags);
	r = policy_load(&sources, path, NULL, NULL, &diags, &policy);
	diag_print(&diags, stderr, stderr_colour());
	if (r < 0)
		report_failure(cli, path, r, &diags);
	if (cli->json) {
		json_t *answer = check_answer(path, r, policy, &diags);

		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(answer);
	} else if (r == 0) {
		printf("%s: ok, %zu rules, %u expectations held\n", path, policy_rules(policy, &rules),
			policy_expectations(policy));
	}
	policy_unref(policy);
	diag_fini(&diags);
	source_fini(&sources);
	return r == 0 ? EXIT_DONE : EXIT_NO;
}

int cli_check(struct cli *cli)
{
	int status = file_arguments(cli);

	for (int i = 0; status != EXIT_WRONG_USAGE && i < cli->argc; i++)
		if ((is_profile(cli->argv[i]) ? check_profile : check_file)(cli, cli->argv[i]) != EXIT_DONE)
			status = EXIT_NO;
	return status;
}

static int print_file(struct cli *cli, const char *path)
{
	struct source_set sources;
	struct diag_list diags;
	struct buf text;
	int r;

	source_init(&sources, true);
	diag_init(&diags);
	buf_init(&text, 64 << 20);
	r = (is_profile(path) ? profile_print : policy_print)(&sources, path, &diags, &text);
	diag_print(&diags, stderr, stderr_colour());
	if (r < 0)
		report_failure(cli, path, r, &diags);
	else if (cli->json) {
		json_t *answer = json_pack("{s:s,s:s%}", "file", path, "text",
			buf_len(&text) ? buf_ptr(&text) : "", buf_len(&text));

		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(answer);
	} else if (buf_len(&text)) {
		fwrite(buf_ptr(&text), 1, buf_len(&text), stdout);
	}
	buf_fini(&text);
	diag_fini(&diags);
	source_fini(&sources);
	return r == 0 ? EXIT_DONE : EXIT_NO;
}

int cli_print(struct cli *cli)
{
	int status = file_arguments(cli);

	for (int i = 0; status != EXIT_WRONG_USAGE && i < cli->argc; i++)
		if (print_file(cli, cli->argv[i]) != EXIT_DONE)
			status = EXIT_NO;
	return status;
}
