/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl limit simulate: a rate tried on what happened, without a daemon. In: events.json, lines of TIME KEY or a
 * capture (which the inspector turns into such lines), and the limit's key from the policy (or told). Out: who would have
 * been limited. Lines that tell no time or no key are counted, not guessed at. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "ctl/cli.h"
#include "ctl/event_key.h"
#include "ctl/inspector.h"
#include "ctl/limit_words.h"
#include "ctl/show.h"
#include "ctl/show_histogram.h"
#include "ctl/simulate.h"
#include "rules/rules.h"

enum { TOP_SHOWN = 20, TOP_JSON = 1000 };

struct run {
	struct cli *cli;
	const char *from; /* file */
	char *key;        /* of the limit; NULL until an event asks for it */
	char *count, *distinct; /* fields of it, "" or NULL: none */
	const char *rules, *name;
	struct simulation *simulation;
	unsigned long long skipped;
	int64_t first_ms, last_ms;
};

/* ---- the key ---- */

static char *limit_take(struct run *run, const struct limit_info *limit)
{
	run->count = strcmp(limit->count, "stanzas") == 0 ? NULL : strdup(limit->count);
	run->distinct = *limit->distinct ? strdup(limit->distinct) : NULL;
	if (limit->bytes)
		simulation_set_bytes(run->simulation);
	return strdup(limit->key);
}

static char *key_of_policy(struct run *run)
{
	const struct limit_info *limits;
	struct policy *policy = NULL;
	struct source_set sources;
	struct diag_list diags;
	char *key = NULL;
	size_t n = 0;
	int r;

	source_init(&sources, true);
	diag_init(&diags);
	r = policy_load(&sources, run->rules, NULL, NULL, &diags, &policy);
	if (r < 0) {
		diag_print(&diags, stderr, false);
		fprintf(stderr, "xmppwallctl %s: %s: %s\n", run->cli->command, run->rules, err_text(r));
	} else {
		n = policy_limits(policy, &limits);
	}
	for (size_t i = 0; i < n && !key; i++)
		if (strcmp(limits[i].name, run->name) == 0)
			key = limit_take(run, &limits[i]);
	if (r == 0 && !key)
		fprintf(stderr, "xmppwallctl %s: %s has no limit '%s'; --key FIELD tells what to count by\n",
			run->cli->command, run->rules, run->name);
	policy_unref(policy);
	diag_fini(&diags);
	source_fini(&sources);
	return key;
}

static bool key_ready(struct run *run)
{
	const char *field;

	if (run->key)
		return true;
	if (!(run->key = key_of_policy(run)))
		return false;
	if (event_key_known(run->key, &field) &&
		(!run->count || event_key_known(run->count, &field)) &&
		(!run->distinct || event_key_known(run->distinct, &field)))
		return true;
	fprintf(stderr,
		"xmppwallctl %s: events do not tell '%s'; give a file of TIME KEY lines, or another --key\n",
		run->cli->command, field);
	return false;
}

/* ---- lines ---- */

/* "2026-11-21T06:30:00.123456+0000", "...Z", "...+01:00", or without a zone: UTC. */
static bool stamp_parse(const char *text, size_t len, int64_t *ms, uint64_t *rest_ns)
{
	uint64_t scale = 100000000, ns = 0;
	char second[24];
	int hours = 0, minutes = 0, n = 0;
	const char *at;

	if (len < 19 || len > 40)
		return false;
	snprintf(second, sizeof second, "%.19sZ", text);
	if (clock_parse_wall(second, strlen(second), ms) < 0)
		return false;
	at = text + 19;
	if (at < text + len && *at == '.')
		for (at++; at < text + len && isdigit((unsigned char)*at); at++, scale /= 10)
			ns += scale * (uint64_t)(*at - '0');
	if (at < text + len && (*at == '+' || *at == '-')) {
		bool east = *at++ == '+';

		if (sscanf(at, "%2d%n", &hours, &n) != 1 || sscanf(at + n + (at[n] == ':'), "%2d", &minutes) != 1)
			return false;
		*ms -= (east ? 1 : -1) * (hours * 60 + minutes) * 60000ll;
	}
	*ms += (int64_t)(ns / 1000000u);
	*rest_ns = ns % 1000000u;
	return true;
}

/* value: what must be new, NULL: nothing. */
static int run_add(struct run *run, const char *key, const char *value, uint64_t events, int64_t ms,
	uint64_t rest_ns)
{
	uint64_t time_ns = (uint64_t)ms * 1000000u + rest_ns;

	if (ms < 0) {
		run->skipped++;
		return 0;
	}
	if (!run->first_ms || ms < run->first_ms)
		run->first_ms = ms;
	if (ms > run->last_ms)
		run->last_ms = ms;
	return value ? simulation_add_value(run->simulation, key, value, time_ns)
		     : simulation_add(run->simulation, key, time_ns, events);
}

static const char *text_of(struct buf *b)
{
	return buf_len(b) ? buf_string(b) : "";
}

static int line_event(struct run *run, const char *line, size_t len)
{
	json_t *event = json_loadb(line, len, 0, NULL);
	const char *stamp = show_text(event, "timestamp");
	const char *more = run->count ? run->count : run->distinct;
	struct buf key, value;
	uint64_t rest = 0;
	int64_t ms = -1;
	int r = 0;

	buf_init(&key, 0);
	buf_init(&value, 0);
	/* Bans and reports are no stanzas of their own. */
	if (event && strcmp(show_text(event, "event_type"), "alert") == 0 &&
		stamp_parse(stamp, strlen(stamp), &ms, &rest) && event_key_get(run->key, event, &key) &&
		(!more || event_key_get(more, event, &value)))
		r = run_add(run, text_of(&key), run->distinct ? text_of(&value) : NULL,
			run->count ? strtoull(text_of(&value), NULL, 10) : 1, ms, rest);
	else
		run->skipped++;
	buf_fini(&key);
	buf_fini(&value);
	json_decref(event);
	return r;
}

/* "1790000000.25 KEY", "2026-11-21T06:30:00Z KEY"; "TIME*N KEY": as so many at once. */
static int line_plain(struct run *run, char *line)
{
	size_t len = strcspn(line, " \t*");
	char *key = line + len, *end;
	uint64_t events = 1;
	uint64_t rest = 0;
	int64_t ms = -1;
	double seconds;

	if (*key == '*')
		events = strtoull(key + 1, &key, 10);
	key += strspn(key, " \t");
	if (!*key || events == 0 || events > LIMIT_EVENTS_MAX) {
		run->skipped++;
		return 0;
	}
	seconds = strtod(line, &end);
	if (end == line + len && seconds >= 0 && seconds < 1e10) {
		uint64_t ns = (uint64_t)(seconds * 1e9 + 0.5);

		return run_add(run, key, NULL, events, (int64_t)(ns / 1000000u), ns % 1000000u);
	}
	if (!stamp_parse(line, len, &ms, &rest))
		ms = -1;
	return run_add(run, key, NULL, events, ms, rest);
}

static int run_line(struct run *run, char *line)
{
	size_t len = strlen(line);

	while (len > 0 && isspace((unsigned char)line[len - 1]))
		line[--len] = '\0';
	while (isspace((unsigned char)*line)) {
		line++;
		len--;
	}
	if (!*line || *line == '#')
		return 0;
	if (*line != '{')
		return line_plain(run, line);
	return key_ready(run) ? line_event(run, line, len) : ERR_NOTFOUND;
}

static int run_lines(struct run *run, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	int r = 0;

	while (r == 0 && getline(&line, &size, in) >= 0)
		r = run_line(run, line);
	if (r == 0 && ferror(in)) {
		fprintf(stderr, "xmppwallctl %s: cannot read %s: %s\n", run->cli->command, run->from, strerror(errno));
		r = ERR_NOTFOUND;
	}
	if (r == -ENOMEM)
		fprintf(stderr, "xmppwallctl %s: %s\n", run->cli->command, err_text(r));
	free(line);
	return r;
}

/* The inspector reads it and tells each stanza that the limit would count: by the policy's own conditions, or every stanza by
 * a key of any fields. */
static int run_capture(struct run *run)
{
	char *argv[INSPECTOR_ARGUMENTS_MAX] = { NULL, (char *)"--replay", (char *)(run->key ? "--key" : "--rules"),
		run->key ? run->key : (char *)(uintptr_t)run->rules, (char *)(run->key ? "--" : "--limit"),
		(char *)(uintptr_t)(run->key ? run->from : run->name), (char *)(run->key ? NULL : "--"),
		(char *)(uintptr_t)(run->key ? NULL : run->from) };
	char *key = run->key ? NULL : key_of_policy(run); /* for what it counts: keys come told */
	pid_t pid;
	FILE *in = run->key || key ? inspector_start(run->cli->command, argv, &pid) : NULL;
	int r;

	free(key);
	if (!in)
		return ERR_NOTFOUND;
	r = run_lines(run, in);
	return inspector_finish(in, pid) == EXIT_DONE ? r : ERR_NOTFOUND;
}

/* By its first bytes; only a file can be read again from there. */
static bool is_capture(FILE *in)
{
	static const unsigned char magics[][4] = { { 0x0a, 0x0d, 0x0d, 0x0a }, { 0xd4, 0xc3, 0xb2, 0xa1 }, { 0xa1, 0xb2, 0xc3, 0xd4 },
		{ 0x4d, 0x3c, 0xb2, 0xa1 }, { 0xa1, 0xb2, 0x3c, 0x4d } };
	unsigned char first[4];
	struct stat st;
	bool whole;

	if (fstat(fileno(in), &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	whole = fread(first, 1, sizeof first, in) == sizeof first;
	rewind(in);
	for (size_t i = 0; whole && i < sizeof magics / sizeof *magics; i++)
		if (memcmp(first, magics[i], sizeof first) == 0)
			return true;
	return false;
}

static int run_file(struct run *run)
{
	FILE *in = strcmp(run->from, "-") == 0 ? stdin : fopen(run->from, "r");
	const char *field;
	int r;

	if (!in) {
		fprintf(stderr, "xmppwallctl %s: cannot read %s: %s\n", run->cli->command, run->from, strerror(errno));
		return ERR_NOTFOUND;
	}
	if (in != stdin && is_capture(in)) {
		r = run_capture(run);
	} else if (run->key && !event_key_known(run->key, &field)) {
		cli_usage_error(run->cli, "events do not tell '%s'", field);
		r = ERR_SYNTAX;
	} else {
		r = run_lines(run, in);
	}
	if (in != stdin)
		fclose(in);
	return r;
}

/* ---- the answer ---- */

static void run_show(const struct run *run, const json_t *result)
{
	static const struct show_column columns[] = {
		{ "LIMITED", "limited", SHOW_NUMBER },
		{ "OF", "events", SHOW_NUMBER },
		{ "WHO", "key", SHOW_TEXT },
	};
	char length[32];

	clock_format_duration((uint64_t)(run->last_ms - run->first_ms), length, sizeof length);
	printf("%" JSON_INTEGER_FORMAT " events of %" JSON_INTEGER_FORMAT " peers in %s\n",
		json_integer_value(json_object_get(result, "events")),
		json_integer_value(json_object_get(result, "peers")), length);
	if (run->skipped)
		printf("%llu lines skipped: no stanza, no time or no key\n", run->skipped);
	printf("rate %s burst %" JSON_INTEGER_FORMAT " would have hit %" JSON_INTEGER_FORMAT
	       " peers (%.3g%%) and limited %" JSON_INTEGER_FORMAT " events\n",
		show_text(result, "rate"), json_integer_value(json_object_get(result, "burst")),
		json_integer_value(json_object_get(result, "hit")),
		json_real_value(json_object_get(result, "share")) * 100,
		json_integer_value(json_object_get(result, "limited")));
	if (json_array_size(json_object_get(result, "top")) > 0) {
		putchar('\n');
		show_table(stdout, columns, sizeof columns / sizeof *columns, json_object_get(result, "top"), "");
	}
	printf("\nbursts needed at this rate\n");
	show_histogram(stdout, json_object_get(result, "histogram"));
}

static int run_answer(const struct run *run)
{
	json_t *result = simulation_json(run->simulation, run->cli->json ? TOP_JSON : TOP_SHOWN);

	if (!result)
		return EXIT_NO;
	json_object_set_new(result, "name", json_string(run->name));
	json_object_set_new(result, "skipped", json_integer((json_int_t)run->skipped));
	json_object_set_new(result, "from", json_integer((json_int_t)run->first_ms));
	json_object_set_new(result, "until", json_integer((json_int_t)run->last_ms));
	if (run->cli->json) {
		json_dumpf(result, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		run_show(run, result);
	}
	json_decref(result);
	return EXIT_DONE;
}

int cli_limit_simulate(struct cli *cli)
{
	struct run run = { .cli = cli, .rules = cli->config };
	const char *key = NULL;
	struct limit_words words;
	int r;

	if (!cli_option(cli, "--from", &run.from) || !cli_option(cli, "--key", &key) ||
		!cli_option(cli, "--rules", &run.rules) || !cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc < 1)
		return cli_usage_error(cli, "needs a limit and a rate");
	if (!run.from)
		return cli_usage_error(cli, "needs --from FILE");
	if ((r = limit_words_parse(cli, 1, &words)) != EXIT_DONE)
		return r;
	run.name = cli->argv[0];
	run.key = key ? strdup(key) : NULL;
	run.simulation = simulation_new(&words.rate);
	r = run.simulation ? run_file(&run) : -ENOMEM;
	r = r == 0 ? run_answer(&run) : r == ERR_SYNTAX ? EXIT_WRONG_USAGE : EXIT_NO;
	simulation_free(run.simulation);
	free(run.key);
	free(run.count);
	free(run.distinct);
	return r;
}
