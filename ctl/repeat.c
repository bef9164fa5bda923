/* SPDX-License-Identifier: BSD-2-Clause */
/* Around a command of xmppwallctl that only looks. In: what it prints, caught in memory. Out: on a
 * terminal the same screen drawn over again without flicker, as much of it as fits; elsewhere, and with
 * --json, one output behind the other. A daemon that goes away is told and asked again: whoever watches
 * does so because something is wrong. It knows no command. */
#include "ctl/repeat.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static volatile sig_atomic_t ended;

static void on_end(int signal)
{
	ended = signal;
}

static void on_resize(int signal)
{
	(void)signal; /* its coming ends the wait */
}

static void signals_take(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_end };

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		sigaction(ends[i], &action, NULL);
	action.sa_handler = on_resize;
	sigaction(SIGWINCH, &action, NULL);
}

bool repeat_option(struct cli *cli, uint64_t *every_ms)
{
	const char *text = NULL;
	uint64_t ms = REPEAT_MS;

	for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++) {
		if (strcmp(cli->argv[i], "--watch") != 0)
			continue;
		/* A time may follow, and nothing that a looking command takes begins like one. */
		if (i + 1 < cli->argc && cli->argv[i + 1][0] >= '0' && cli->argv[i + 1][0] <= '9')
			break;
		*every_ms = ms;
		return cli_flag(cli, "--watch");
	}
	if (!cli_option(cli, "--watch", &text))
		return false;
	if (!text)
		return true;
	if (clock_parse_duration(text, strlen(text), &ms) < 0 || ms < REPEAT_MIN_MS ||
		ms > (uint64_t)24 * 3600 * 1000) {
		cli_usage_error(cli, "--watch '%s' is not a time from 100ms to a day", text);
		return false;
	}
	*every_ms = ms;
	return true;
}

/* One run; what it says, on both streams, becomes *text. The C library lets its streams be exchanged. */
static int run_caught(const struct cli *cli, int (*run)(struct cli *cli), char **text)
{
	char **argv = calloc((size_t)cli->argc + 1, sizeof *argv);
	FILE *out = stdout, *err = stderr, *caught;
	struct cli once = *cli;
	size_t len = 0;
	int r;

	*text = NULL;
	if (!argv || !(caught = open_memstream(text, &len))) {
		free(argv);
		return EXIT_NO;
	}
	for (int i = 0; i < cli->argc; i++) /* options are taken out of it */
		argv[i] = cli->argv[i];
	once.argv = argv;
	stdout = stderr = caught;
	r = run(&once);
	stdout = out;
	stderr = err;
	fclose(caught);
	free(argv);
	return r;
}

static void draw(const struct cli *cli, const char *text, uint64_t every_ms)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char every[32], now[32];
	time_t seconds = time(NULL);
	struct tm tm;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row < 3)
		size.ws_row = 24;
	clock_format_duration(every_ms, every, sizeof every);
	strftime(now, sizeof now, "%H:%M:%S", localtime_r(&seconds, &tm));
	/* Home; what is too long for a line is cut by the terminal itself. */
	printf("\033[H\033[?7l%sxmppwallctl %s%s, each %s, %s  (ctrl-c ends)\033[K\r\n",
		cli->colour ? "\033[2m" : "", cli->command, cli->colour ? "\033[0m" : "", every, now);
	for (unsigned row = 2; *text && row < size.ws_row; row++) {
		size_t len = strcspn(text, "\n");

		printf("%.*s\033[K\r\n", (int)len, text);
		text += len + (text[len] == '\n');
	}
	printf("%s\033[J\033[?7h", cli->colour ? "\033[0m" : "");
	fflush(stdout);
}

static void print(const struct cli *cli, const char *text, bool first)
{
	if (!cli->json && !first)
		putchar('\n');
	fputs(text, stdout);
	fflush(stdout);
}

static void wait_until(uint64_t next_ms)
{
	uint64_t now = clock_mono_ms();

	if (!ended && now < next_ms)
		poll(NULL, 0, (int)(next_ms - now));
}

int repeat_run(struct cli *cli, int (*run)(struct cli *cli), uint64_t every_ms)
{
	bool screen = isatty(STDOUT_FILENO) && !cli->json;
	uint64_t next = clock_mono_ms();
	char *text;
	int r;

	for (bool first = true; !ended; first = false) {
		r = run_caught(cli, run, &text);
		if (first && r != EXIT_DONE) {
			fputs(text ? text : "", stderr);
			free(text);
			return r;
		}
		if (first)
			signals_take();
		if (first && screen)
			fputs("\033[?1049h\033[?25l\033[2J", stdout);
		if (screen)
			draw(cli, text ? text : "", every_ms);
		else if (r == EXIT_NO_DAEMON)
			fputs(text ? text : "", stderr);
		else
			print(cli, text ? text : "", first);
		free(text);
		if (ferror(stdout))
			break;
		next += every_ms;
		if (next < clock_mono_ms())
			next = clock_mono_ms();
		wait_until(next);
	}
	if (screen) {
		fputs("\033[?25h\033[?1049l", stdout);
		fflush(stdout);
	}
	return EXIT_DONE;
}
