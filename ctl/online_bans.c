/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is kept out: the commands "ban", "unban" and "bans" of xmppwallctl, for addresses and for
 * names. In: words of an operator. Out: one request of ctl/request.h, and its answer as a person
 * reads it. It never changes anything by itself. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/cli.h"
#include "ctl/show.h"
#include "ctl/show_bans.h"

/* ---- bans ---- */

/* Rows of addresses and of names in one table, by whatever they name. */
static json_t *rows_of(const json_t *result)
{
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach(json_object_get(result, "bans"), i, row) json_array_append(rows, row);
	json_array_foreach(json_object_get(result, "barred"), i, row)
	{
		json_t *name = json_object_get(row, "jid");

		json_object_set(row, "address", name ? name : json_object_get(row, "domain"));
		json_array_append(rows, row);
	}
	return rows;
}

static int bans_why_show(struct cli *cli)
{
	json_t *result = NULL, *rows, *row;
	json_t *args = json_pack("{s:b}", "why", 1);
	size_t i;
	int r;

	if (cli->argc > 1) {
		json_decref(args);
		return cli_usage_error(cli, "needs one address, prefix, JID or domain at most");
	}
	if (cli->argc == 1)
		json_object_set_new(args, "who", json_string(cli->argv[0]));
	if ((r = cli_request(cli, "bans", args, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result)) {
		rows = rows_of(result);
		if (json_array_size(rows) == 0)
			printf("nobody is banned\n");
		json_array_foreach(rows, i, row) show_ban_why(stdout, row);
		json_decref(rows);
	}
	json_decref(result);
	return EXIT_DONE;
}

int cli_bans(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "WHO", "address", SHOW_TEXT },
		{ "LEFT", "until", SHOW_UNTIL },
		{ "SINCE", "since", SHOW_WALL_TIME },
		{ "RULE", "rule", SHOW_TEXT },
		{ "WHY", "why", SHOW_TEXT },
		{ "VERDICT", "id", SHOW_TEXT },
	};
	bool why = cli_flag(cli, "--why");
	json_t *result = NULL, *rows;
	int r;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (why)
		return bans_why_show(cli);
	if (cli->argc != 0)
		return cli_usage_error(cli, "takes no arguments (--why does)");
	if ((r = cli_request(cli, "bans", NULL, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result)) {
		rows = rows_of(result);
		show_table(stdout, columns, sizeof columns / sizeof *columns, rows,
			"nobody is banned");
		json_decref(rows);
	}
	json_decref(result);
	return EXIT_DONE;
}

/* ---- ban, unban ---- */

static const char *name_of(const json_t *result)
{
	return *show_text(result, "jid")      ? show_text(result, "jid")
	       : *show_text(result, "domain") ? show_text(result, "domain")
					      : show_text(result, "address");
}

int cli_ban(struct cli *cli)
{
	const char *duration = "1h", *why = "by hand";
	json_t *result = NULL;
	uint64_t ms;
	int r;

	if (cli_flag(cli, "--batch"))
		return cli_ban_batch(cli, false);
	if (!cli_option(cli, "--for", &duration) || !cli_option(cli, "--why", &why) ||
		!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one address, prefix, JID or domain");
	if (clock_parse_duration(duration, strlen(duration), &ms) < 0 || ms == 0)
		return cli_usage_error(
			cli, "--for '%s' is not a time: write 90s, 10m, 1h or 7d", duration);
	r = cli_request(cli, "ban",
		json_pack("{s:s,s:I,s:s}", "address", cli->argv[0], "for", (json_int_t)ms, "why",
			why),
		&result);
	if (r != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result)) {
		char left[32];

		clock_format_duration(ms, left, sizeof left);
		printf("%s is banned for %s\n", show_safe(name_of(result), 0), left);
	}
	json_decref(result);
	return EXIT_DONE;
}

int cli_unban(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if (cli_flag(cli, "--batch"))
		return cli_ban_batch(cli, true);
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one address, prefix, JID or domain");
	if ((r = cli_request(cli, "unban", json_pack("{s:s}", "address", cli->argv[0]), &result)) !=
		EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result))
		printf("%s is let back in\n", cli->argv[0]);
	json_decref(result);
	return EXIT_DONE;
}
