/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl trace: asks the daemon to follow somebody and prints each stanza's way through the
 * rules as it comes, until the time is over or whoever looks has seen enough. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/cli.h"
#include "ctl/show.h"
#include "ctl/show_trace.h"
#include "ctl/traces.h"

static bool print_json(json_t *event)
{
	json_dumpf(event, stdout, JSON_COMPACT);
	putchar('\n');
	return !ferror(stdout);
}

static bool print_end(const json_t *result)
{
	json_int_t lost = json_integer_value(json_object_get(result, "lost"));

	printf("%" JSON_INTEGER_FORMAT " stanzas",
		json_integer_value(json_object_get(result, "stanzas")));
	if (lost)
		printf(", %" JSON_INTEGER_FORMAT " more were not told: too many a second", lost);
	putchar('\n');
	return true;
}

static bool print_traced(struct cli *cli, json_t *event)
{
	const char *rule = show_text(event, "verdict.rule");

	if (cli->json)
		return print_json(event);
	if (json_object_get(event, "done"))
		return print_end(event);
	printf("%s %s %s %s %s -> %s, %" JSON_INTEGER_FORMAT " bytes, session %" JSON_INTEGER_FORMAT
	       " of %s\n",
		show_safe(show_text(event, "timestamp"), 40), show_text(event, "direction"),
		show_safe(show_text(event, "kind"), 20), show_safe(show_text(event, "type"), 20),
		show_safe(show_text(event, "from"), 80), show_safe(show_text(event, "to"), 80),
		json_integer_value(json_object_get(event, "size")),
		json_integer_value(json_object_get(event, "session")),
		show_safe(show_text(event, "address"), 48));
	show_steps(stdout, json_object_get(event, "steps"),
		json_is_true(json_object_get(event, "cut")), cli->colour);
	printf("  = %s %s%s%s%s%s [%s]\n", show_text(event, "verdict.verdict"),
		show_safe(show_text(event, "verdict.condition"), 40), *rule ? "by " : "",
		*rule ? show_text(event, "verdict.chain") : "", *rule ? "/" : "",
		show_safe(rule, 80), show_safe(show_text(event, "verdict.id"), 24));
	return !ferror(stdout);
}

int cli_trace(struct cli *cli)
{
	const char *jid = NULL, *address = NULL, *session = NULL, *duration = "1m";
	bool bodies = cli_flag(cli, "--bodies");
	uint64_t ms = 0;
	json_t *args;
	char *end = NULL;
	long long id = 0;

	if (!cli_option(cli, "--jid", &jid) || !cli_option(cli, "--address", &address) ||
		!cli_option(cli, "--session", &session) || !cli_option(cli, "--for", &duration) ||
		!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 0)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[0]);
	if (!!jid + !!address + !!session != 1)
		return cli_usage_error(cli, "needs one of --jid, --address, --session");
	if (session && ((id = strtoll(session, &end, 10)) < 1 || *end))
		return cli_usage_error(cli, "--session '%s' is not an id of 'sessions'", session);
	if (clock_parse_duration(duration, strlen(duration), &ms) < 0 || ms < TRACE_MS_MIN ||
		ms > TRACE_MS_MAX)
		return cli_usage_error(cli, "--for '%s' is not a time from 1s to 1h", duration);
	args = json_pack("{s:I,s:b}", "for", (json_int_t)ms, "bodies", bodies);
	if (session)
		json_object_set_new(args, "session", json_integer(id));
	if (jid && json_object_set_new(args, "jid", json_string(jid)) < 0)
		return cli_usage_error(cli, "a JID is UTF-8");
	if (address && json_object_set_new(args, "address", json_string(address)) < 0)
		return cli_usage_error(cli, "--address is not an address");
	return cli_follow(cli, "trace", args, print_traced);
}
