/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl upgrade: asks the daemon to become the programs on disk, and waits for the word of
 * the next one: the line to it stays open meanwhile. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/cli.h"
#include "ctl/show.h"
#include "ctl/upgrade.h"

int cli_upgrade(struct cli *cli)
{
	json_t *result = NULL, *args = json_object();
	const char *drain = NULL;
	char text[32];
	uint64_t ms;
	int r;

	if (!cli_option(cli, "--drain", &drain) || !cli_no_more_options(cli)) {
		json_decref(args);
		return EXIT_WRONG_USAGE;
	}
	if (cli->argc > 0) {
		json_decref(args);
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[0]);
	}
	if (drain && (clock_parse_duration(drain, strlen(drain), &ms) < 0 ||
			     ms < UPGRADE_DRAIN_MIN_MS || ms > UPGRADE_DRAIN_MAX_MS)) {
		json_decref(args);
		return cli_usage_error(cli, "--drain '%s' is not a time from 1s to 30d", drain);
	}
	if (drain)
		json_object_set_new(args, "drain", json_integer((json_int_t)ms));
	if ((r = cli_request(cli, "upgrade", args, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result)) {
		clock_format_duration(
			(uint64_t)json_integer_value(json_object_get(result, "drain")), text,
			sizeof text);
		printf("the new programs run; %" JSON_INTEGER_FORMAT
		       " former xmppwall-proxy keep%s their sessions for up to %s; policy %s stays "
		       "in force\n",
			json_integer_value(json_object_get(result, "retiring")),
			json_integer_value(json_object_get(result, "retiring")) == 1 ? "s" : "",
			text, show_text(result, "policy"));
	}
	json_decref(result);
	return EXIT_DONE;
}
