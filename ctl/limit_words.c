/* SPDX-License-Identifier: BSD-2-Clause */
/* Rates as xmppwallctl takes them: the words of the configuration. In: what is left of the command line. Out: numbers,
 * or a usage error on stderr. */
#include "ctl/limit_words.h"

#include <string.h>

#include "base/err.h"

static int burst_parse(struct cli *cli, const char *text, uint64_t *burst)
{
	if (limit_burst_parse(text, burst) < 0)
		return cli_usage_error(cli, "burst '%s' is not a number from 1 to %d", text, LIMIT_EVENTS_MAX);
	return EXIT_DONE;
}

int limit_words_parse(struct cli *cli, int first, struct limit_words *out)
{
	int at = first, r;

	*out = (struct limit_words){ 0 };
	if (at < cli->argc && strcmp(cli->argv[at], "rate") == 0)
		at++;
	if (at >= cli->argc)
		return cli_usage_error(cli, "needs a rate such as 20/second or 5/10m");
	out->rate_text = cli->argv[at++];
	if (at < cli->argc && strcmp(cli->argv[at], "burst") == 0) {
		if (at + 1 >= cli->argc)
			return cli_usage_error(cli, "burst needs a number");
		if ((r = burst_parse(cli, cli->argv[at + 1], &out->burst)) != EXIT_DONE)
			return r;
		at += 2;
	}
	if (at < cli->argc)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[at]);
	r = limit_rate_parse(out->rate_text, out->burst, &out->rate);
	if (r == ERR_RANGE)
		return cli_usage_error(cli, "rate '%s' is out of range", out->rate_text);
	if (r < 0)
		return cli_usage_error(cli, "'%s' is no rate: write 20/second, 5/10m or 64k/second", out->rate_text);
	return EXIT_DONE;
}
