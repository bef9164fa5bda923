/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl limit ...: the operator's hand on the limits while they are judged by. The daemon checks, writes down
 * what was set, tells the workers and answers when they judge by it; here words become a request and the answer a
 * table. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/cli.h"
#include "ctl/limit_words.h"
#include "ctl/request.h"
#include "ctl/show.h"
#include "ctl/show_histogram.h"

#define COLUMNS(array) array, sizeof(array) / sizeof(array[0])

int cli_limit_show(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "LIMIT", "name", SHOW_TEXT }, { "RATE", "rate", SHOW_TEXT }, { "BURST", "burst", SHOW_NUMBER },
		{ "KEY", "key", SHOW_TEXT }, { "EXCEEDED", "exceeded", SHOW_NUMBER },
		{ "EVICTED", "evicted", SHOW_NUMBER }, { "SET BY", "who", SHOW_TEXT },
		{ "CONFIGURED", "configured.rate", SHOW_TEXT },
	};
	json_t *result = NULL, *args;
	int r;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 1)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[1]);
	args = cli->argc == 1 ? json_pack("{s:s}", "name", cli->argv[0]) : NULL;
	if ((r = cli_request(cli, "limits", args, &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	show_table(stdout, COLUMNS(columns), json_object_get(result, "limits"), "the policy has no limits");
	json_decref(result);
	return EXIT_DONE;
}

int cli_limit_set(struct cli *cli)
{
	struct limit_words words;
	json_t *result = NULL, *args;
	bool back;
	int r;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc < 2)
		return cli_usage_error(cli, "needs a limit, and a rate or 'default'");
	back = cli->argc == 2 && strcmp(cli->argv[1], "default") == 0;
	if (!back && (r = limit_words_parse(cli, 1, &words)) != EXIT_DONE)
		return r;
	args = back ? json_pack("{s:s,s:b}", "name", cli->argv[0], "default", 1)
		    : json_pack("{s:s,s:s,s:I}", "name", cli->argv[0], "rate", words.rate_text, "burst",
			      (json_int_t)words.burst);
	if ((r = cli_request(cli, "limit-set", args, &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	if (*show_text(result, "rate"))
		printf("%s is %s burst %" JSON_INTEGER_FORMAT "%s\n", cli->argv[0], show_text(result, "rate"),
			json_integer_value(json_object_get(result, "burst")),
			back ? ", as configured" : "; the configuration is as it was");
	else
		printf("%s is forgotten\n", cli->argv[0]);
	json_decref(result);
	return EXIT_DONE;
}

/* ---- suggest ---- */

/* "95%", "99.9%". */
static bool share_parse(const char *text, double *share)
{
	char *end;

	*share = strtod(text, &end) / 100;
	return end != text && strcmp(end, "%") == 0 && *share > 0 && *share <= 1;
}

static void show_suggestion(const json_t *result, const char *name)
{
	const json_t *now = json_object_get(result, "current");
	json_t *one;
	size_t i;

	printf("%.4g%% of %" JSON_INTEGER_FORMAT " peers (a key in an hour) keep within\n\n",
		json_real_value(json_object_get(result, "for")) * 100,
		json_integer_value(json_object_get(result, "peers")));
	json_array_foreach (json_object_get(result, "rates"), i, one)
		printf("  %c rate %-12s burst %-8" JSON_INTEGER_FORMAT " would have hit %.3g%%\n",
			json_is_true(json_object_get(one, "recommended")) ? '*' : ' ', show_text(one, "rate"),
			json_integer_value(json_object_get(one, "burst")),
			json_real_value(json_object_get(one, "hit")) * 100);
	printf("\nnow rate %s burst %" JSON_INTEGER_FORMAT " hits %.3g%% to %.3g%%\n", show_text(now, "rate"),
		json_integer_value(json_object_get(now, "burst")),
		json_real_value(json_object_get(now, "hit_least")) * 100,
		json_real_value(json_object_get(now, "hit_most")) * 100);
	printf("\nbursts needed at the rate marked *\n");
	show_histogram(stdout, json_object_get(result, "histogram"));
	json_array_foreach (json_object_get(result, "rates"), i, one)
		if (json_is_true(json_object_get(one, "recommended")))
			printf("\nxmppwallctl limit set %s rate %s burst %" JSON_INTEGER_FORMAT "\n", name,
				show_text(one, "rate"), json_integer_value(json_object_get(one, "burst")));
}

int cli_limit_suggest(struct cli *cli)
{
	const char *share_text = "95%";
	json_t *result = NULL;
	double share;
	int r;

	if (!cli_option(cli, "--for", &share_text) || !cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one limit");
	if (!share_parse(share_text, &share))
		return cli_usage_error(cli, "--for '%s' is no share: write 95%% or 99.9%%", share_text);
	r = cli_request(cli, "limit-suggest", json_pack("{s:s,s:f}", "name", cli->argv[0], "for", share), &result);
	if (r != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	show_suggestion(result, cli->argv[0]);
	json_decref(result);
	return EXIT_DONE;
}
