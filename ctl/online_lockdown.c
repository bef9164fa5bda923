/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl lockdown: shuts the gate to all but the allow set, opens it again, or says how it
 * stands. The daemon does it; here words become a request, and the answer becomes a line. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/cli.h"
#include "ctl/show.h"

static void print_state(const json_t *result)
{
	json_int_t until = json_integer_value(json_object_get(result, "until"));
	int64_t left = until - clock_wall_ms();
	char text[32] = "";

	if (!json_is_true(json_object_get(result, "on"))) {
		puts("no lockdown: peers come in as the policy says");
	} else {
		clock_format_duration((uint64_t)(left > 1000 ? (left + 500) / 1000 * 1000 : 1000),
			text, sizeof text);
		printf("lockdown: only the allow set comes in, %s%s%s%s\n",
			until ? "for another " : "until 'xmppwallctl lockdown off'",
			until ? text : "", *show_text(result, "why") ? ": " : "",
			show_safe(show_text(result, "why"), 160));
	}
	if (!json_is_true(json_object_get(result, "kept")))
		fprintf(stderr,
			"xmppwallctl lockdown: in force, but not written down: the next start "
			"would not know (see status)\n");
}

static json_t *args_of(struct cli *cli, bool on, int *status)
{
	const char *duration = NULL, *why = "";
	bool force = cli_flag(cli, "--force");
	uint64_t ms = 0;

	*status = EXIT_WRONG_USAGE;
	if (!cli_option(cli, "--for", &duration) || !cli_option(cli, "--why", &why) ||
		!cli_no_more_options(cli))
		return NULL;
	if (cli->argc != 1) {
		cli_usage_error(cli, "needs one of on, off, show");
		return NULL;
	}
	if (!on && (duration || *why || force)) {
		cli_usage_error(cli, "--for, --why and --force go with on");
		return NULL;
	}
	if (duration && (clock_parse_duration(duration, strlen(duration), &ms) < 0 || ms == 0)) {
		cli_usage_error(
			cli, "--for '%s' is not a time: write 90s, 10m, 1h or 7d", duration);
		return NULL;
	}
	*status = EXIT_DONE;
	return json_pack("{s:s,s:I,s:s,s:b}", "action", cli->argv[0], "for", (json_int_t)ms, "why",
		why, "force", force);
}

int cli_lockdown(struct cli *cli)
{
	json_t *result = NULL, *args;
	int r;

	args = args_of(cli, cli->argc > 0 && strcmp(cli->argv[0], "on") == 0, &r);
	if (r != EXIT_DONE || (r = cli_request(cli, "lockdown", args, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result))
		print_state(result);
	json_decref(result);
	return EXIT_DONE;
}
