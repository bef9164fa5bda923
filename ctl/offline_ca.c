/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl ca: the local authority (docs/FEDERATION.md), which needs no daemon. In: a command's
 * words. Out: xmppwall-ca in our place, the only program that touches the authority's key. Whether
 * it may, the files' owners decide. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ctl/cli.h"
#include "ctl/sibling.h"

enum { ARGUMENTS_MAX = 10 };

/* option, flag: what this command has besides --json; NULL: nothing. */
static int become(struct cli *cli, const char *option, const char *flag)
{
	const char *argv[ARGUMENTS_MAX] = { NULL, strchr(cli->command, ' ') + 1, "--state-dir",
		cli->state_dir };
	const char *value = NULL;
	int n = 4;

	if (option && !cli_option(cli, option, &value))
		return EXIT_WRONG_USAGE;
	if (value) {
		argv[n++] = option;
		argv[n++] = value;
	}
	if (flag && cli_flag(cli, flag))
		argv[n++] = flag;
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 0)
		return cli_usage_error(cli, "'%s' is too much", cli->argv[0]);
	if (cli->json)
		argv[n++] = "--json";
	sibling_become("xmppwall-ca", cli->command, (char **)(uintptr_t)argv);
	return EXIT_NO;
}

int cli_ca_init(struct cli *cli)
{
	return become(cli, NULL, NULL);
}

int cli_ca_show(struct cli *cli)
{
	return become(cli, NULL, NULL);
}

int cli_ca_rotate(struct cli *cli)
{
	return become(cli, NULL, "--forget");
}

int cli_ca_export(struct cli *cli)
{
	return become(cli, "--out", NULL);
}
