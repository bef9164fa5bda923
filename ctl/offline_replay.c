/* SPDX-License-Identifier: BSD-2-Clause */
/* replay: a capture through the inspector, without a daemon. In: the command line. Out: the
 * inspector's own output and exit status; this program is gone by then. It reads neither rules nor
 * captures itself. */
#include <stdint.h>

#include "ctl/cli.h"
#include "ctl/inspector.h"

int cli_replay(struct cli *cli)
{
	const char *rules = NULL, *inside = NULL;
	bool summary = cli_flag(cli, "--summary"), notable = cli_flag(cli, "--notable"),
	     any = cli_flag(cli, "--any-checksum");
	char *argv[INSPECTOR_ARGUMENTS_MAX];
	int n = 1;

	if (!cli_option(cli, "--rules", &rules) || !cli_option(cli, "--inside", &inside) ||
		!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (!rules)
		return cli_usage_error(cli, "needs --rules FILE");
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one capture");
	if (summary && notable)
		return cli_usage_error(
			cli, "--summary prints no verdicts, --notable some: one of them");
	argv[n++] = (char *)"--replay";
	argv[n++] = (char *)"--rules";
	argv[n++] = (char *)(uintptr_t)rules;
	if (cli->json)
		argv[n++] = (char *)"--json";
	if (summary || notable)
		argv[n++] = (char *)(summary ? "--summary" : "--notable");
	if (inside) {
		argv[n++] = (char *)"--inside";
		argv[n++] = (char *)(uintptr_t)inside;
	}
	if (any)
		argv[n++] = (char *)"--any-checksum";
	argv[n++] = (char *)"--";
	argv[n++] = cli->argv[0];
	argv[n] = NULL;
	inspector_become(cli->command, argv);
	return EXIT_NO;
}
