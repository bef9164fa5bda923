/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl list ...: the operator's hand on the live lists. The daemon checks each entry, writes the file
 * atomically, tells the workers and answers when they judge by it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "ctl/cli.h"
#include "ctl/request.h"
#include "ctl/show.h"

#define COLUMNS(array) array, sizeof(array) / sizeof(array[0])

static int list_name(struct cli *cli, int least)
{
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc < least)
		return cli_usage_error(cli, least > 1 ? "needs a list and at least one entry" : "needs a list");
	return EXIT_DONE;
}

int cli_lists(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "LIST", "name", SHOW_TEXT }, { "TYPE", "type", SHOW_TEXT }, { "FLAGS", "flags", SHOW_TEXT },
		{ "ENTRIES", "entries", SHOW_NUMBER }, { "FILE", "path", SHOW_TEXT },
	};
	json_t *result = NULL;
	int r;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 0)
		return cli_usage_error(cli, "'%s' is none of show, add, del, import, export, feeds, history", cli->argv[0]);
	if ((r = cli_request(cli, "lists", NULL, &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	show_table(stdout, COLUMNS(columns), json_object_get(result, "lists"), "the policy has no lists");
	json_decref(result);
	return EXIT_DONE;
}

int cli_list_show(struct cli *cli)
{
	bool hits = cli_flag(cli, "--hits");
	json_t *result = NULL, *entry;
	char left[32];
	size_t i;
	int r;

	if ((r = list_name(cli, 1)) != EXIT_DONE)
		return r;
	r = cli_request(cli, "list-show", json_pack("{s:s,s:b}", "name", cli->argv[0], "hits", hits), &result);
	if (r != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	json_array_foreach (json_object_get(result, "entries"), i, entry) {
		json_int_t until = json_integer_value(json_object_get(entry, "until"));

		if (hits)
			printf("%10" JSON_INTEGER_FORMAT "  ", json_integer_value(json_object_get(entry, "hits")));
		printf("%s", show_safe(show_text(entry, "entry"), 0));
		if (until) {
			clock_format_duration((uint64_t)(until > clock_wall_ms() ? until - clock_wall_ms() : 0), left,
				sizeof left);
			printf("  (%s left)", left);
		}
		if (*show_text(entry, "comment"))
			printf("  # %s", show_safe(show_text(entry, "comment"), 0));
		if (strcmp(show_text(entry, "from"), "file") != 0)
			printf("  (%s)", show_safe(show_text(entry, "from"), 0));
		putchar('\n');
	}
	json_decref(result);
	return EXIT_DONE;
}

static json_t *entries_of(char **argv, int n)
{
	json_t *entries = json_array();

	for (int i = 0; entries && i < n; i++)
		json_array_append_new(entries, json_string(argv[i]));
	if (json_array_size(entries) != (size_t)n) { /* json_string refuses what is not UTF-8 */
		json_decref(entries);
		return NULL;
	}
	return entries;
}

/* "; in force", and what was written in the place of plain values. */
static void tell_end(const json_t *result)
{
	json_int_t hashed = json_integer_value(json_object_get(result, "hashed"));

	puts("; in force");
	if (hashed)
		printf("%" JSON_INTEGER_FORMAT " given in plain: hashed with the set's salt, only the digest is kept\n", hashed);
}

int cli_list_add(struct cli *cli)
{
	const char *duration = NULL, *comment = NULL;
	json_t *result = NULL, *args, *entries;
	uint64_t ms = 0;
	int r;

	if (!cli_option(cli, "--for", &duration) || !cli_option(cli, "--comment", &comment))
		return EXIT_WRONG_USAGE;
	if ((r = list_name(cli, 2)) != EXIT_DONE)
		return r;
	if (duration && (clock_parse_duration(duration, strlen(duration), &ms) < 0 || ms == 0))
		return cli_usage_error(cli, "--for '%s' is not a time: write 90s, 10m, 1h or 7d", duration);
	if (!(entries = entries_of(cli->argv + 1, cli->argc - 1)))
		return cli_usage_error(cli, "entries must be UTF-8");
	args = json_pack("{s:s,s:o}", "name", cli->argv[0], "entries", entries);
	if (ms)
		json_object_set_new(args, "until", json_integer(clock_wall_ms() + (json_int_t)ms));
	if (comment)
		json_object_set_new(args, "comment", json_string(comment));
	if ((r = cli_request(cli, "list-add", args, &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	printf("%s: %" JSON_INTEGER_FORMAT " added", cli->argv[0],
		json_integer_value(json_object_get(result, "added")));
	if (json_integer_value(json_object_get(result, "present")))
		printf(", %" JSON_INTEGER_FORMAT " already there",
			json_integer_value(json_object_get(result, "present")));
	tell_end(result);
	json_decref(result);
	return EXIT_DONE;
}

int cli_list_del(struct cli *cli)
{
	json_t *result = NULL, *entries;
	int r;

	if ((r = list_name(cli, 2)) != EXIT_DONE)
		return r;
	if (!(entries = entries_of(cli->argv + 1, cli->argc - 1)))
		return cli_usage_error(cli, "entries must be UTF-8");
	r = cli_request(cli, "list-del", json_pack("{s:s,s:o}", "name", cli->argv[0], "entries", entries), &result);
	if (r != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	printf("%s: %" JSON_INTEGER_FORMAT " removed", cli->argv[0],
		json_integer_value(json_object_get(result, "removed")));
	tell_end(result);
	json_decref(result);
	return EXIT_DONE;
}

static int read_all(FILE *in, struct buf *text)
{
	char chunk[65536];
	size_t n;
	int r = 0;

	while (r == 0 && (n = fread(chunk, 1, sizeof chunk, in)) > 0)
		r = buf_put(text, chunk, n);
	return r < 0 ? r : ferror(in) ? -EIO : 0;
}

int cli_list_import(struct cli *cli)
{
	json_t *result = NULL, *text;
	FILE *in = stdin;
	struct buf all;
	int r;

	if ((r = list_name(cli, 1)) != EXIT_DONE)
		return r;
	if (cli->argc > 1 && !(in = fopen(cli->argv[1], "re"))) {
		fprintf(stderr, "xmppwallctl list import: %s: %s\n", cli->argv[1], strerror(errno));
		return EXIT_NO;
	}
	buf_init(&all, REQUEST_LINE_MAX / 2);
	r = read_all(in, &all);
	if (in != stdin)
		fclose(in);
	text = r < 0 ? NULL : json_stringn(buf_len(&all) ? buf_ptr(&all) : "", buf_len(&all));
	buf_fini(&all);
	if (!text) {
		fprintf(stderr, "xmppwallctl list import: %s\n",
			r < 0 ? "the input is too large or cannot be read" : "the input is not UTF-8");
		return EXIT_NO;
	}
	r = cli_request(cli, "list-import", json_pack("{s:s,s:o}", "name", cli->argv[0], "text", text), &result);
	if (r != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	printf("%s: %" JSON_INTEGER_FORMAT " added, %" JSON_INTEGER_FORMAT " already there", cli->argv[0],
		json_integer_value(json_object_get(result, "added")),
		json_integer_value(json_object_get(result, "present")));
	tell_end(result);
	json_decref(result);
	return EXIT_DONE;
}

int cli_list_export(struct cli *cli)
{
	json_t *result = NULL;
	const json_t *text;
	FILE *out = stdout;
	bool failed;
	int r;

	if ((r = list_name(cli, 1)) != EXIT_DONE)
		return r;
	if (cli->argc > 2)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[2]);
	r = cli_request(cli, "list-export", json_pack("{s:s}", "name", cli->argv[0]), &result);
	if (r != EXIT_DONE)
		return r;
	if (cli->json && cli->argc == 1)
		return cli_answer_json(result);
	text = json_object_get(result, "text");
	if (cli->argc > 1 && !(out = fopen(cli->argv[1], "we"))) {
		fprintf(stderr, "xmppwallctl list export: %s: %s\n", cli->argv[1], strerror(errno));
		json_decref(result);
		return EXIT_NO;
	}
	failed = fwrite(json_string_value(text), 1, json_string_length(text), out) != json_string_length(text);
	failed |= out == stdout ? fflush(out) != 0 : fclose(out) != 0;
	if (failed)
		fprintf(stderr, "xmppwallctl list export: it was not written whole: %s\n", strerror(errno));
	json_decref(result);
	return failed ? EXIT_NO : EXIT_DONE;
}

int cli_list_feeds(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "LIST", "list", SHOW_TEXT }, { "FEED", "name", SHOW_TEXT }, { "ENTRIES", "entries", SHOW_NUMBER },
		{ "BYTES", "bytes", SHOW_NUMBER }, { "WEIGHT", "weight", SHOW_NUMBER }, { "AGE", "age_ms", SHOW_AGE },
		{ "SOURCE", "source", SHOW_TEXT }, { "ERROR", "error", SHOW_TEXT },
	};
	bool now = cli_flag(cli, "--now");
	json_t *result = NULL, *args;
	int r;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc > 1)
		return cli_usage_error(cli, "unexpected '%s'", cli->argv[1]);
	args = json_pack("{s:b}", "refresh", now);
	if (cli->argc == 1)
		json_object_set_new(args, "name", json_string(cli->argv[0]));
	if ((r = cli_request(cli, "list-feeds", args, &result)) != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	show_table(stdout, COLUMNS(columns), json_object_get(result, "feeds"), "no list has feeds");
	json_decref(result);
	return EXIT_DONE;
}

int cli_list_history(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "TIME", "time", SHOW_WALL_TIME }, { "WHO", "who", SHOW_TEXT }, { "WHAT", "what", SHOW_TEXT },
		{ "ENTRY", "entry", SHOW_TEXT },
	};
	json_t *result = NULL;
	int r;

	if ((r = list_name(cli, 1)) != EXIT_DONE)
		return r;
	r = cli_request(cli, "list-history", json_pack("{s:s}", "name", cli->argv[0]), &result);
	if (r != EXIT_DONE)
		return r;
	if (cli->json)
		return cli_answer_json(result);
	show_table(stdout, COLUMNS(columns), json_object_get(result, "history"), "nobody changed it");
	json_decref(result);
	return EXIT_DONE;
}
