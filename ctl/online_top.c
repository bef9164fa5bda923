/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl top. With --json one look, or with --watch one after the other. It changes nothing by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctl/cli.h"
#include "ctl/repeat.h"

/* One answer of "top" as a line. */
static int top_once(struct cli *cli)
{
	json_t *result = NULL;
	int r = cli_request(cli, "top", NULL, &result);

	return r == EXIT_DONE ? cli_answer_json(result) : r;
}

int cli_top(struct cli *cli)
{
	uint64_t every_ms = 0;

	if (!repeat_option(cli, &every_ms) || !cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 0)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[0]);
	if (cli->json)
		return every_ms ? repeat_run(cli, top_once, every_ms) : top_once(cli);
	return cli_usage_error(cli, "needs --json");
}
