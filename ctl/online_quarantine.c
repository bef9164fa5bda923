/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl quarantine ...: the operator's hand on messages that were kept. The daemon keeps them and
 * has them delivered; what people wrote is escaped before it meets a terminal. */
#include <stdio.h>

#include "ctl/cli.h"
#include "ctl/show.h"

int cli_quarantine_list(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "ID", "id", SHOW_TEXT },
		{ "KEPT", "time", SHOW_WALL_TIME },
		{ "LEFT", "until", SHOW_UNTIL },
		{ "STATE", "state", SHOW_TEXT },
		{ "FROM", "from", SHOW_TEXT },
		{ "TO", "to", SHOW_TEXT },
		{ "RULE", "rule", SHOW_TEXT },
		{ "BYTES", "size", SHOW_NUMBER },
	};
	json_t *result = NULL;
	int r;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 0)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[0]);
	if ((r = cli_request(cli, "quarantine-list", NULL, &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	show_table(stdout, columns, sizeof columns / sizeof *columns,
		json_object_get(result, "quarantine"), "nothing is in quarantine");
	json_decref(result);
	return EXIT_DONE;
}

/* A request about one message. */
static int ask(struct cli *cli, const char *cmd, json_t **result)
{
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one id");
	return cli_request(cli, cmd, json_pack("{s:s}", "id", cli->argv[0]), result);
}

int cli_quarantine_show(struct cli *cli)
{
	static const char *const keys[] = { "id", "state", "from", "to", "jid", "service",
		"direction", "chain", "rule" };
	json_t *result = NULL;
	int r;

	if ((r = ask(cli, "quarantine-show", &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		printf("%-12s%s\n", keys[i], show_safe(show_text(result, keys[i]), 0));
	printf("\n%s\n", show_safe(show_text(result, "xml"), 0));
	json_decref(result);
	return EXIT_DONE;
}

int cli_quarantine_release(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if ((r = ask(cli, "quarantine-release", &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	printf("delivered to the %s\n",
		show_text(result, "where")[0] == 's' ? "sender's server" : "recipient");
	json_decref(result);
	return EXIT_DONE;
}

int cli_quarantine_delete(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if ((r = ask(cli, "quarantine-delete", &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	printf("%s is gone\n", show_safe(cli->argv[0], 40));
	json_decref(result);
	return EXIT_DONE;
}
