/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl ban --batch, unban --batch: what another program writes becomes bans. In: a file or a
 * pipe, as it comes; what it means is read by ctl/batch.c. Out: requests to the daemon, each when
 * 10,000 entries are gathered, at the end, or 100 ms after the first unsent one, so that a pipe
 * that never ends works, too. What is refused, here or by the daemon, is told with its line and
 * stops nothing. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "ctl/batch.h"
#include "ctl/cli.h"
#include "ctl/show.h"
#include "rules/address.h"

enum {
	SEND_ENTRIES = 10000,
	SEND_AFTER_MS = 100,
	AGAIN_MS = 10000, /* a ban is not sent again within this time unless it is to last longer */
	AGAIN_MAX = 100000, /* addresses remembered for that */
	TOLD_MAX = 20,
	SPARE_MAX = 64,
	READ_SIZE = 64 * 1024,
	PROGRESS_MS = 200,
};

/* What was said of an address last. */
struct sent {
	uint64_t at_ms, for_ms;
};

struct feed {
	struct cli *cli;
	struct batch *batch;
	int fd;
	bool dry_run, progress;
	struct prefix spare[SPARE_MAX];
	size_t spares;
	json_t *entries;                   /* unsent */
	unsigned long lines[SEND_ENTRIES]; /* where each came from */
	uint64_t first_ms, shown_ms;
	struct map sent; /* prefix -> struct sent */
	unsigned long banned, unbanned, standing, absent, repeated, refused, told;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* ---- telling ---- */

static void tell_refused(struct feed *f, unsigned long line, const char *why)
{
	f->refused++;
	if (f->told == TOLD_MAX)
		return;
	f->told++;
	fprintf(stderr, "%sxmppwallctl %s: line %lu: %s\n", f->progress ? "\r\033[K" : "",
		f->cli->command, line, show_safe(why, 0));
	if (f->told == TOLD_MAX)
		fprintf(stderr, "xmppwallctl %s: what else is refused is only counted\n",
			f->cli->command);
}

static void show_progress(struct feed *f)
{
	uint64_t now = clock_mono_ms();

	if (!f->progress || now - f->shown_ms < PROGRESS_MS)
		return;
	f->shown_ms = now;
	fprintf(stderr, "\r\033[K%lu lines: %lu banned, %lu unbanned, %lu refused",
		batch_lines(f->batch), f->banned, f->unbanned, f->refused);
}

static void show_summary(const struct feed *f)
{
	unsigned long lines = batch_lines(f->batch), skipped = batch_skipped(f->batch);

	if (f->progress)
		fputs("\r\033[K", stderr);
	if (f->cli->json) {
		cli_answer_json(json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "lines",
			(json_int_t)lines, "banned", (json_int_t)f->banned, "unbanned",
			(json_int_t)f->unbanned, "standing", (json_int_t)f->standing, "absent",
			(json_int_t)f->absent, "repeated", (json_int_t)f->repeated, "skipped",
			(json_int_t)skipped, "refused", (json_int_t)f->refused, "dry_run",
			f->dry_run));
		return;
	}
	printf("%lu lines: %s%lu banned (%lu were, %lu repeated), %lu unbanned (%lu were not "
	       "banned), "
	       "%lu passed over, %lu refused\n",
		lines, f->dry_run ? "would be " : "", f->banned, f->standing, f->repeated,
		f->unbanned, f->absent, skipped, f->refused);
}

/* As a line that --format lines reads. */
static void show_entry(const struct feed *f, const struct batch_entry *e, const char *address)
{
	char time[32];

	if (f->cli->json) {
		json_t *line = json_pack("{s:s,s:s,s:I,s:s}", "op", e->unban ? "unban" : "ban",
			"address", address, "for", (json_int_t)e->for_ms, "why", e->why);

		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
		return;
	}
	snprintf(time, sizeof time, "%llums", (unsigned long long)e->for_ms);
	printf("%s %s%s%s%s%s\n", e->unban ? "unban" : "ban", address, e->unban ? "" : " for ",
		e->unban ? "" : time, *e->why ? " why " : "", show_safe(e->why, 0));
}

/* ---- sending ---- */

static void answer_count(struct feed *f, const json_t *result)
{
	const json_t *refusal;
	size_t i;

	f->banned += (unsigned long)json_integer_value(json_object_get(result, "banned"));
	f->unbanned += (unsigned long)json_integer_value(json_object_get(result, "unbanned"));
	f->standing += (unsigned long)json_integer_value(json_object_get(result, "standing"));
	f->absent += (unsigned long)json_integer_value(json_object_get(result, "absent"));
	json_array_foreach(json_object_get(result, "refused"), i, refusal)
	{
		json_int_t at = json_integer_value(json_object_get(refusal, "at"));

		tell_refused(f, at >= 0 && at < SEND_ENTRIES ? f->lines[at] : 0,
			show_text(refusal, "error"));
	}
}

static int feed_send(struct feed *f)
{
	json_t *args, *result = NULL;
	int r;

	if (json_array_size(f->entries) == 0)
		return EXIT_DONE;
	args = json_pack("{s:o}", "entries", f->entries);
	f->entries = json_array();
	if ((r = cli_request(f->cli, "ban-batch", args, &result)) != EXIT_DONE)
		return r;
	answer_count(f, result);
	json_decref(result);
	show_progress(f);
	return EXIT_DONE;
}

/* The same ban again, from a sensor that sees every packet of a flood, is no news. */
static bool is_repeated(struct feed *f, const struct batch_entry *e)
{
	struct sent *s = map_find(&f->sent, &e->prefix, sizeof e->prefix);
	uint64_t now = clock_mono_ms();

	if (e->unban) {
		free(map_take(&f->sent, &e->prefix, sizeof e->prefix));
		return false;
	}
	if (s && now - s->at_ms < AGAIN_MS && e->for_ms <= s->for_ms)
		return true;
	if (!s && f->sent.count >= AGAIN_MAX) {
		map_fini(&f->sent, free);
		map_init(&f->sent);
	}
	if (!s && (s = malloc(sizeof *s)) != NULL &&
		map_put(&f->sent, &e->prefix, sizeof e->prefix, s, NULL) < 0) {
		free(s);
		s = NULL;
	}
	if (s)
		*s = (struct sent){ now, e->for_ms };
	return false;
}

static const char *is_spared(const struct feed *f, const struct batch_entry *e)
{
	for (size_t i = 0; !e->unban && i < f->spares; i++) {
		const struct prefix *p = &f->spare[i];

		if (address_in(&p->address, p->len < e->prefix.len ? p->len : e->prefix.len,
			    &e->prefix.address))
			return "spared by --spare";
	}
	return NULL;
}

static int entry_take(struct feed *f, const struct batch_item *item)
{
	const struct batch_entry *e = &item->entry;
	char address[PREFIX_TEXT_SIZE];
	const char *why = is_spared(f, e);
	size_t n = json_array_size(f->entries);

	prefix_show(&e->prefix.address, e->prefix.len, address);
	if (why) {
		char text[PREFIX_TEXT_SIZE + 40];

		snprintf(text, sizeof text, "%s: %s", address, why);
		tell_refused(f, item->line, text);
		return EXIT_DONE;
	}
	if (is_repeated(f, e)) {
		f->repeated++;
		return EXIT_DONE;
	}
	if (f->dry_run) {
		show_entry(f, e, address);
		f->banned += !e->unban;
		f->unbanned += e->unban;
		return EXIT_DONE;
	}
	if (n == 0)
		f->first_ms = clock_mono_ms();
	f->lines[n] = item->line;
	json_array_append_new(f->entries,
		json_pack("{s:s,s:s,s:I,s:s}", "op", e->unban ? "unban" : "ban", "address", address,
			"for", (json_int_t)e->for_ms, "why", e->why));
	return n + 1 == SEND_ENTRIES ? feed_send(f) : EXIT_DONE;
}

/* ---- reading ---- */

static int feed_drain(struct feed *f)
{
	struct batch_item item;
	enum batch_what what;
	int r = EXIT_DONE;

	while (r == EXIT_DONE && (what = batch_next(f->batch, &item)) != BATCH_MORE) {
		if (what == BATCH_REFUSED)
			tell_refused(f, item.line, item.error);
		else
			r = entry_take(f, &item);
	}
	show_progress(f);
	return r;
}

/* Until something can be read, or what is gathered is to go. */
static int feed_wait(struct feed *f)
{
	struct pollfd p = { .fd = f->fd, .events = POLLIN };

	while (!interrupted) {
		bool unsent = json_array_size(f->entries) > 0;
		uint64_t waited = unsent ? clock_mono_ms() - f->first_ms : 0;
		int r;

		if (unsent && waited >= SEND_AFTER_MS) {
			if ((r = feed_send(f)) != EXIT_DONE)
				return r;
			continue;
		}
		/* A second at most: a signal may come right before. */
		if (poll(&p, 1, unsent ? (int)(SEND_AFTER_MS - waited) : 1000) > 0)
			break;
	}
	return EXIT_DONE;
}

static int feed_read(struct feed *f)
{
	static char data[READ_SIZE];
	ssize_t n = 1;
	int r = EXIT_DONE;

	while (n > 0 && (r = feed_wait(f)) == EXIT_DONE && !interrupted) {
		n = read(f->fd, data, sizeof data);
		if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
			n = 1;
			continue;
		}
		if (n < 0) {
			fprintf(stderr, "xmppwallctl %s: cannot read: %s\n", f->cli->command,
				strerror(errno));
			return EXIT_NO;
		}
		if (n > 0 && batch_push(f->batch, data, (size_t)n) < 0) {
			fprintf(stderr, "xmppwallctl %s: out of memory\n", f->cli->command);
			return EXIT_NO;
		}
		if (n > 0 && (r = feed_drain(f)) != EXIT_DONE)
			return r;
	}
	if (r != EXIT_DONE)
		return r;
	if (!interrupted) /* half a line is none */
		batch_end(f->batch);
	if ((r = feed_drain(f)) == EXIT_DONE)
		r = feed_send(f);
	return r;
}

/* ---- the command ---- */

static int spare_parse(struct feed *f, const char *text)
{
	while (*text) {
		struct span one = { text, strcspn(text, ",") };
		struct prefix *p = &f->spare[f->spares];

		if (f->spares == SPARE_MAX)
			return cli_usage_error(
				f->cli, "--spare takes %d networks at most", SPARE_MAX);
		if (address_parse_prefix(one, &p->address, &p->len) < 0)
			return cli_usage_error(f->cli, "--spare '%.*s' is no address or prefix",
				(int)one.len, one.ptr);
		f->spares++;
		text += one.len;
		text += *text == ',';
	}
	return EXIT_DONE;
}

/* NULL: not given. */
static int number_parse(struct cli *cli, const char *name, const char *text, unsigned least,
	unsigned most, unsigned *out)
{
	char *end;
	unsigned long n;

	if (!text)
		return EXIT_DONE;
	n = strtoul(text, &end, 10);
	if (*end || end == text || *text == '-' || n < least || n > most)
		return cli_usage_error(cli, "%s needs a number from %u to %u", name, least, most);
	*out = (unsigned)n;
	return EXIT_DONE;
}

static int options_read(struct feed *f, struct batch_spec *spec)
{
	const char *format = "auto", *duration = "1h", *severity = NULL, *prefix6 = NULL;
	const char *spare = "";
	struct cli *cli = f->cli;
	int r;

	f->dry_run = cli_flag(cli, "--dry-run");
	if (!cli_option(cli, "--format", &format) || !cli_option(cli, "--for", &duration) ||
		!cli_option(cli, "--why", &spec->why) ||
		!cli_option(cli, "--severity", &severity) ||
		!cli_option(cli, "--prefix6", &prefix6) || !cli_option(cli, "--spare", &spare) ||
		!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (batch_format_parse(format, &spec->format) < 0)
		return cli_usage_error(
			cli, "--format '%s' is none of lines, eve, fast, crowdsec, auto", format);
	if (clock_parse_duration(duration, strlen(duration), &spec->for_ms) < 0 ||
		spec->for_ms == 0)
		return cli_usage_error(
			cli, "--for '%s' is not a time: write 90s, 10m, 1h or 7d", duration);
	if (cli->argc > 1)
		return cli_usage_error(cli, "takes one file");
	if ((r = number_parse(cli, "--severity", severity, 1, 255, &spec->severity)) == EXIT_DONE &&
		(r = number_parse(cli, "--prefix6", prefix6, 19, 128, &spec->prefix6)) == EXIT_DONE)
		r = spare_parse(f, spare);
	return r;
}

static int input_open(struct feed *f)
{
	const char *path = f->cli->argc ? f->cli->argv[0] : "-";

	if (strcmp(path, "-") == 0)
		return EXIT_DONE;
	if ((f->fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0)
		return EXIT_DONE;
	fprintf(stderr, "xmppwallctl %s: %s: %s\n", f->cli->command, path, strerror(errno));
	return EXIT_WRONG_USAGE;
}

int cli_ban_batch(struct cli *cli, bool unban)
{
	static struct feed f;
	struct batch_spec spec = { .unban = unban };
	struct sigaction act = { .sa_handler = on_signal };
	int r;

	f.cli = cli;
	if ((r = options_read(&f, &spec)) != EXIT_DONE || (r = input_open(&f)) != EXIT_DONE)
		return r;
	f.progress = !cli->json && !f.dry_run && isatty(STDERR_FILENO);
	f.batch = batch_new(&spec);
	f.entries = json_array();
	map_init(&f.sent);
	if (!f.batch || !f.entries) {
		fprintf(stderr, "xmppwallctl %s: out of memory\n", cli->command);
		return EXIT_NO;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	r = feed_read(&f);
	if (r == EXIT_DONE || f.banned + f.unbanned + f.refused > 0)
		show_summary(&f);
	map_fini(&f.sent, free);
	json_decref(f.entries);
	batch_free(f.batch);
	if (f.fd > STDIN_FILENO)
		close(f.fd);
	return r != EXIT_DONE ? r : f.refused ? EXIT_NO : EXIT_DONE;
}
