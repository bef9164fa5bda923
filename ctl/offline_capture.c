/* SPDX-License-Identifier: BSD-2-Clause */
/* capture: packets into a file. In: the command line. Out: the inspector's program in our place,
 * which copies and masks behind its sandbox, from a file, or from a pipe that ctl/online_capture.c
 * fills with what the daemon tells. This program reads no packet. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/cli.h"
#include "ctl/inspector.h"
#include "ctl/online_capture.h"
#include "ctl/traces.h"

enum { LIVE_MS = 60000 };

struct words {
	const char *from, *peers, *service;
	bool mask, names, any;
	uint64_t live_ms;
	char size[24], ms[24]; /* numbers as text; empty: not told */
};

/* 65536, 64k, 10M, 2G: bytes. */
static bool parse_size(const char *text, char out[24])
{
	static const char units[] = "kMG";
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (*text < '0' || *text > '9' || n > UINT32_MAX || (*end && (!unit || end[1])))
		return false;
	for (ptrdiff_t i = unit ? unit - units : -1; i >= 0; i--)
		n *= 1024;
	snprintf(out, 24, "%llu", n);
	return n > 0;
}

static int parse_words(struct cli *cli, struct words *w)
{
	const char *time = NULL, *size = NULL;
	uint64_t ms = 0;

	w->mask = cli_flag(cli, "--mask");
	w->names = cli_flag(cli, "--mask-names");
	w->any = cli_flag(cli, "--any-checksum");
	if (!cli_option(cli, "--from", &w->from) || !cli_option(cli, "--peer", &w->peers) ||
		!cli_option(cli, "--service", &w->service) || !cli_option(cli, "--for", &time) ||
		!cli_option(cli, "--size", &size) || !cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (w->from && w->service)
		return cli_usage_error(
			cli, "--service is for live packets, --from for those of a file");
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one file to write");
	if (time && (clock_parse_duration(time, strlen(time), &ms) < 0 || ms == 0))
		return cli_usage_error(cli, "'%s' is no time such as 10m", time);
	w->live_ms = time ? ms : LIVE_MS;
	if (!w->from && (w->live_ms < TRACE_MS_MIN || w->live_ms > TRACE_MS_MAX))
		return cli_usage_error(cli, "--for '%s' is not a time from 1s to 1h", time);
	if (time && w->from)
		snprintf(w->ms, sizeof(w->ms), "%llu", (unsigned long long)ms);
	if (size && !parse_size(size, w->size))
		return cli_usage_error(cli, "'%s' is no size such as 10M", size);
	return EXIT_DONE;
}

static void add(char **argv, int *n, const char *option, const char *value)
{
	argv[(*n)++] = (char *)(uintptr_t)option;
	if (value)
		argv[(*n)++] = (char *)(uintptr_t)value;
}

int cli_capture(struct cli *cli)
{
	struct words w = { .from = NULL };
	char *argv[INSPECTOR_ARGUMENTS_MAX];
	int n = 1, status = parse_words(cli, &w);

	if (status != EXIT_DONE)
		return status;
	add(argv, &n, "--copy", NULL);
	add(argv, &n, "--from", w.from ? w.from : "-");
	if (w.mask || w.names)
		add(argv, &n, w.names ? "--names" : "--mask", NULL);
	if (w.peers)
		add(argv, &n, "--peer", w.peers);
	if (*w.ms)
		add(argv, &n, "--ms", w.ms);
	if (*w.size)
		add(argv, &n, "--size", w.size);
	if (w.any)
		add(argv, &n, "--any-checksum", NULL);
	if (cli->json)
		add(argv, &n, "--json", NULL);
	add(argv, &n, "--", NULL);
	add(argv, &n, cli->argv[0], NULL);
	argv[n] = NULL;
	if (!w.from)
		return capture_live(cli, w.service, w.live_ms, argv);
	inspector_become(cli->command, argv);
	return EXIT_NO;
}
