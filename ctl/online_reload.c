/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl reload, confirm, rollback: asks the daemon for another policy and shows what it
 * changes. It waits for nothing: the daemon rolls back by itself when nobody confirms. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/cli.h"
#include "ctl/probation.h"
#include "ctl/shadows.h"
#include "ctl/show.h"

enum { LINES_MAX = 40 /* of one text in a difference */ };

/* ---- the difference ---- */

/* Each line of the text behind the sign. */
static void show_lines(const char *sign, const char *text)
{
	char line[1024];
	int n = 0;

	for (const char *at = text; *at; n++) {
		size_t len = strcspn(at, "\n");

		if (n == LINES_MAX) {
			printf("%s...\n", sign);
			return;
		}
		snprintf(line, sizeof line, "%.*s", (int)len, at);
		printf("%s%s\n", sign, show_safe(line, 0));
		at += len + (at[len] == '\n');
	}
}

static void show_items(const json_t *items, const char *what, const char *sign)
{
	const json_t *item;
	size_t i;

	json_array_foreach(items, i, item)
	{
		printf("%s %s %s\n", what, show_text(item, "kind"),
			show_safe(show_text(item, "name"), 0));
		show_lines(sign, show_text(item, "text"));
	}
}

static void show_diff(const json_t *diff)
{
	const json_t *row;
	size_t i;

	show_items(json_object_get(diff, "removed"), "removed:", "  - ");
	show_items(json_object_get(diff, "added"), "added:  ", "  + ");
	json_array_foreach(json_object_get(diff, "altered"), i, row)
	{
		printf("altered: %s %s\n", show_text(row, "kind"),
			show_safe(show_text(row, "name"), 0));
		show_lines("  - ", show_text(row, "before"));
		show_lines("  + ", show_text(row, "after"));
	}
	json_array_foreach(json_object_get(diff, "moved"), i, row)
		printf("moved:   %s\n", show_safe(json_string_value(row), 0));
	json_array_foreach(json_object_get(diff, "entries"), i, row) printf(
		"entries: %s: %" JSON_INTEGER_FORMAT " before, %" JSON_INTEGER_FORMAT " after\n",
		show_text(row, "name"), json_integer_value(json_object_get(row, "before")),
		json_integer_value(json_object_get(row, "after")));
	if (json_is_true(json_object_get(diff, "cut")))
		puts("... and more");
}

/* ---- commands ---- */

static int take_nothing(struct cli *cli)
{
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	return cli->argc == 0 ? EXIT_DONE : cli_usage_error(cli, "unexpected '%s'", cli->argv[0]);
}

static void show_reload(const json_t *result, const char *changed, const char *same)
{
	json_int_t until = json_integer_value(json_object_get(result, "until"));
	int64_t left = until - clock_wall_ms();
	char text[32];

	show_diff(json_object_get(result, "diff"));
	printf("%s: %s, %" JSON_INTEGER_FORMAT " expectations held\n",
		json_is_true(json_object_get(result, "changed")) ? changed : same,
		show_text(result, "version"),
		json_integer_value(json_object_get(result, "expectations")));
	if (until) {
		clock_format_duration(
			(uint64_t)(left > 0 ? left + 999 : 0) / 1000 * 1000, text, sizeof text);
		printf("rolled back in %s unless 'xmppwallctl confirm' comes before\n", text);
	}
}

static void show_shadow(const json_t *result)
{
	const json_t *shadow = json_object_get(result, "shadow"), *row;
	json_int_t failed = json_integer_value(json_object_get(shadow, "failed"));
	json_int_t more = json_integer_value(json_object_get(shadow, "more"));
	size_t i;

	show_diff(json_object_get(result, "diff"));
	printf("%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
	       " verdicts differ; in force stays %s\n",
		json_integer_value(json_object_get(shadow, "differ")),
		json_integer_value(json_object_get(shadow, "judged")), show_text(result, "version"));
	json_array_foreach(json_object_get(shadow, "kinds"), i, row)
		printf("%10" JSON_INTEGER_FORMAT "  %s  ->  %s\n",
			json_integer_value(json_object_get(row, "count")),
			show_safe(show_text(row, "before"), 0), show_safe(show_text(row, "after"), 0));
	if (more)
		printf("%10" JSON_INTEGER_FORMAT "  of other kinds\n", more);
	if (failed)
		printf("%10" JSON_INTEGER_FORMAT "  could not be judged\n", failed);
	json_array_foreach(json_object_get(shadow, "examples"), i, row)
		printf("%s%s %s -> %s of %s: %s -> %s\n", i == 0 ? "the first of them:\n  " : "  ",
			show_text(row, "kind"), show_safe(show_text(row, "from"), 80),
			show_safe(show_text(row, "to"), 80), show_safe(show_text(row, "jid"), 80),
			show_text(row, "before"), show_text(row, "after"));
}

static int reload_shadow(struct cli *cli, const char *duration)
{
	json_t *result = NULL;
	uint64_t ms = 0;
	int r;

	if (clock_parse_duration(duration, strlen(duration), &ms) < 0 || ms < SHADOW_MS_MIN ||
		ms > SHADOW_MS_MAX)
		return cli_usage_error(cli, "--for '%s' is not a time from 1s to 1h", duration);
	r = cli_request(cli, "reload", json_pack("{s:I}", "shadow", (json_int_t)ms), &result);
	if (r != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result))
		show_shadow(result);
	json_decref(result);
	return EXIT_DONE;
}

int cli_reload(struct cli *cli)
{
	bool check = cli_flag(cli, "--check"), shadow = cli_flag(cli, "--shadow");
	const char *confirm = NULL, *duration = NULL;
	json_t *result = NULL, *args;
	uint64_t ms = 0;
	int r;

	if (!cli_option(cli, "--confirm", &confirm) || !cli_option(cli, "--for", &duration))
		return EXIT_WRONG_USAGE;
	if ((r = take_nothing(cli)) != EXIT_DONE)
		return r;
	if (check + shadow > 1 || ((check || shadow) && confirm))
		return cli_usage_error(
			cli, "--check and --shadow change nothing that could be confirmed");
	if (duration && !shadow)
		return cli_usage_error(cli, "--for goes with --shadow");
	if (shadow)
		return reload_shadow(cli, duration ? duration : "1m");
	if (confirm && (clock_parse_duration(confirm, strlen(confirm), &ms) < 0 ||
			       ms < PROBATION_MIN_MS || ms > PROBATION_MAX_MS))
		return cli_usage_error(cli, "--confirm '%s' is not a time from 1s to 1d", confirm);
	args = json_pack("{s:b}", "check", check);
	if (confirm)
		json_object_set_new(args, "confirm", json_integer((json_int_t)ms));
	if ((r = cli_request(cli, "reload", args, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result) && check)
		show_reload(result, "this would change; in force stays", "nothing would change");
	else if (!cli->json)
		show_reload(result, "new policy in force", "nothing changed");
	json_decref(result);
	return EXIT_DONE;
}

int cli_confirm(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if ((r = take_nothing(cli)) != EXIT_DONE ||
		(r = cli_request(cli, "confirm", NULL, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result))
		printf("the policy %s stays\n", show_text(result, "version"));
	json_decref(result);
	return EXIT_DONE;
}

int cli_rollback(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if ((r = take_nothing(cli)) != EXIT_DONE ||
		(r = cli_request(cli, "rollback", NULL, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result)) {
		show_reload(result, "the policy before is back in force", "nothing changed");
		puts("the files on disk are as they were edited: the next reload or start takes "
		     "them");
	}
	json_decref(result);
	return EXIT_DONE;
}
