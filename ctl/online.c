/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of xmppwallctl that ask the daemon: build the request of ctl/request.h, send it over the control
 * socket, show the answer. One function a command; a refusal by the daemon becomes text on stderr and its exit
 * status. Never changes anything by itself. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "ctl/ask.h"
#include "ctl/cli.h"
#include "ctl/request.h"
#include "ctl/show.h"
#include "ctl/show_explain.h"
#include "ctl/show_status.h"

static int daemon_connect(struct cli *cli, int *fd)
{
	int r = ask_connect(cli->run_dir, true, fd);

	if (r == -ENAMETOOLONG) {
		fprintf(stderr, "xmppwallctl: --run-dir '%s' is too long for a socket name\n", cli->run_dir);
		return EXIT_WRONG_USAGE;
	}
	if (r == 0)
		return EXIT_DONE;
	fprintf(stderr, "xmppwallctl: cannot reach the daemon at %s/control.sock: %s%s\n", cli->run_dir,
		strerror(-r),
		r == -EACCES ? " (root or the group xmppwall may)" : " (does xmppwalld run?)");
	return EXIT_NO_DAEMON;
}

static int request_send(struct cli *cli, int fd, const char *cmd, json_t *args)
{
	json_t *request = json_pack("{s:s,s:o}", "cmd", cmd, "args", args ? args : json_object());
	int r = request ? channel_write_blocking(fd, request) : -ENOMEM;

	json_decref(request);
	if (r == 0)
		return EXIT_DONE;
	fprintf(stderr, "xmppwallctl: cannot send to the daemon in %s: %s\n", cli->run_dir, err_text(r));
	return EXIT_NO_DAEMON;
}

/* The daemon's refusal, in its own words. */
static int answer_refusal(struct cli *cli, const json_t *answer)
{
	const json_t *status = json_object_get(answer, "exit");

	if (cli->json) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	}
	if (*show_text(answer, "diagnostics"))
		fprintf(stderr, "%s", show_text(answer, "diagnostics"));
	fprintf(stderr, "xmppwallctl %s: %s\n", cli->command,
		*show_text(answer, "error") ? show_text(answer, "error") : "refused");
	return json_is_integer(status) ? (int)json_integer_value(status) : EXIT_NO;
}

int cli_request(struct cli *cli, const char *cmd, json_t *args, json_t **result)
{
	struct channel_reader *reader;
	cleanup_fd int fd = -1;
	json_t *answer = NULL;
	int r;

	if ((r = daemon_connect(cli, &fd)) != EXIT_DONE) {
		json_decref(args);
		return r;
	}
	if ((r = request_send(cli, fd, cmd, args)) != EXIT_DONE)
		return r;
	reader = channel_reader_new(fd, REQUEST_LINE_MAX);
	if (!reader || (r = channel_read_blocking(reader, &answer)) < 0) {
		fprintf(stderr, "xmppwallctl: the daemon gave no answer: %s\n", err_text(reader ? r : -ENOMEM));
		channel_reader_free(reader);
		return EXIT_NO_DAEMON;
	}
	channel_reader_free(reader);
	if (json_is_true(json_object_get(answer, "ok"))) {
		*result = json_incref(json_object_get(answer, "result"));
		r = EXIT_DONE;
	} else {
		r = answer_refusal(cli, answer);
	}
	json_decref(answer);
	return r;
}

int cli_follow(struct cli *cli, const char *cmd, json_t *args,
	bool (*each)(struct cli *cli, json_t *event))
{
	struct channel_reader *reader;
	cleanup_fd int fd = -1;
	json_t *line, *event;
	bool more = true;
	size_t i;
	int r;

	if ((r = daemon_connect(cli, &fd)) != EXIT_DONE) {
		json_decref(args);
		return r;
	}
	if ((r = request_send(cli, fd, cmd, args)) != EXIT_DONE)
		return r;
	reader = channel_reader_new(fd, REQUEST_LINE_MAX);
	while (reader && more && channel_read_blocking(reader, &line) == 0) {
		if (json_is_false(json_object_get(line, "ok"))) {
			r = answer_refusal(cli, line);
			more = false;
		}
		json_array_foreach (show_get(line, "result.events"), i, event)
			more = more && each(cli, event);
		if ((event = json_object_get(line, "event")) != NULL)
			more = each(cli, event);
		if (json_is_true(show_get(line, "result.done"))) {
			each(cli, json_object_get(line, "result"));
			more = false;
		}
		json_decref(line);
		fflush(stdout);
	}
	channel_reader_free(reader);
	return r;
}

static int no_arguments(struct cli *cli)
{
	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	return cli->argc == 0 ? EXIT_DONE : cli_usage_error(cli, "unexpected '%s'", cli->argv[0]);
}

/* Prints the answer as JSON if wanted; true when that was all. */
bool cli_json_wanted(const struct cli *cli, const json_t *result)
{
	if (!cli->json)
		return false;
	json_dumpf(result, stdout, JSON_COMPACT);
	putchar('\n');
	return true;
}

int cli_answer_json(json_t *result)
{
	json_dumpf(result, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(result);
	return EXIT_DONE;
}

/* A command without arguments that shows one array as a table. */
static int show_rows(struct cli *cli, const char *cmd, const char *key, const struct show_column *columns,
	size_t n, const char *empty)
{
	json_t *result = NULL;
	int r;

	if ((r = no_arguments(cli)) != EXIT_DONE || (r = cli_request(cli, cmd, NULL, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result))
		show_table(stdout, columns, n, json_object_get(result, key), empty);
	json_decref(result);
	return EXIT_DONE;
}

#define COLUMNS(array) array, sizeof(array) / sizeof(array[0])

int cli_status(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if ((r = no_arguments(cli)) != EXIT_DONE || (r = cli_request(cli, "status", NULL, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result)) {
		struct winsize size = { 0 };

		/* A line each for what repeats it and for the prompt. */
		if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2)
			size.ws_row -= 2;
		show_status(stdout, result, cli->colour, size.ws_row, size.ws_col);
	}
	json_decref(result);
	return EXIT_DONE;
}

int cli_sessions(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "ADDRESS", "address", SHOW_TEXT }, { "JID", "jid", SHOW_TEXT },
		{ "SERVICE", "service", SHOW_TEXT }, { "STATE", "state", SHOW_TEXT },
		{ "TLS", "tls", SHOW_TEXT }, { "AGE", "age_ms", SHOW_AGE }, { "IN", "in", SHOW_NUMBER },
		{ "OUT", "out", SHOW_NUMBER }, { "DROPPED", "dropped", SHOW_NUMBER },
		{ "REJECTED", "rejected", SHOW_NUMBER },
	};

	return show_rows(cli, "sessions", "sessions", COLUMNS(columns), "nobody is connected");
}

int cli_backends(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "BACKEND", "backend", SHOW_TEXT }, { "SERVER", "server", SHOW_TEXT },
		{ "TLS", "tls", SHOW_TEXT }, { "CHECK", "check", SHOW_TEXT },
		{ "STATE", "state", SHOW_TEXT }, { "SINCE", "since_ms", SHOW_AGE },
		{ "SESSIONS", "sessions", SHOW_NUMBER }, { "WHY", "why", SHOW_TEXT },
	};

	return show_rows(cli, "backends", "backends", COLUMNS(columns), "the policy has no backends");
}

int cli_rules(struct cli *cli)
{
	static const struct show_column columns[] = {
		{ "HITS", "hits", SHOW_NUMBER },
		{ "CHAIN", "chain", SHOW_TEXT },
		{ "RULE", "text", SHOW_TEXT },
	};

	return show_rows(cli, "rules", "rules", COLUMNS(columns), "the policy has no rules");
}

static bool print_event(struct cli *cli, json_t *event)
{
	if (cli->json) {
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		show_event(stdout, event, cli->colour);
	}
	return !ferror(stdout);
}

int cli_events(struct cli *cli)
{
	const char *last = "20";
	bool follow = cli_flag(cli, "-f");
	json_t *result = NULL, *event;
	char *end;
	size_t i;
	int r;

	if (!cli_option(cli, "-n", &last))
		return EXIT_WRONG_USAGE;
	if ((r = no_arguments(cli)) != EXIT_DONE)
		return r;
	long n = strtol(last, &end, 10);
	if (*end || end == last || n < 0 || n > 100000)
		return cli_usage_error(cli, "-n needs a number from 0 to 100000");
	json_t *args = json_pack("{s:I,s:b}", "last", (json_int_t)n, "follow", follow);
	if (follow)
		return cli_follow(cli, "events", args, print_event);
	if ((r = cli_request(cli, "events", args, &result)) != EXIT_DONE)
		return r;
	json_array_foreach (json_object_get(result, "events"), i, event)
		print_event(cli, event);
	json_decref(result);
	return EXIT_DONE;
}

int cli_explain(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one verdict id");
	if ((r = cli_request(cli, "explain", json_pack("{s:s}", "id", cli->argv[0]), &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result)) {
		show_explain(stdout, json_object_get(result, "event"), cli->colour);
		show_reasons(stdout, result);
	}
	json_decref(result);
	return EXIT_DONE;
}

int cli_firewall(struct cli *cli)
{
	bool iptables = cli_flag(cli, "--iptables");
	json_t *result = NULL, *check;
	int r, status = EXIT_DONE;
	size_t i;

	if (!cli_no_more_options(cli))
		return EXIT_WRONG_USAGE;
	if (cli->argc != 1)
		return cli_usage_error(cli, "needs one of print, load, unload, check");
	if (iptables && strcmp(cli->argv[0], "print") != 0)
		return cli_usage_error(cli, "--iptables goes with print");
	r = cli_request(cli, "firewall",
		json_pack("{s:s,s:b}", "action", cli->argv[0], "iptables", iptables), &result);
	if (r != EXIT_DONE)
		return r;
	json_array_foreach (json_object_get(result, "checks"), i, check)
		if (!json_is_true(json_object_get(check, "ok")))
			status = EXIT_NO;
	if (!cli_json_wanted(cli, result)) {
		fputs(show_text(result, "text"), stdout);
		json_array_foreach (json_object_get(result, "checks"), i, check)
			printf("%-4s %-24s %s\n", json_is_true(json_object_get(check, "ok")) ? "ok" : "NO",
				show_text(check, "name"), show_text(check, "text"));
	}
	json_decref(result);
	return status;
}

int cli_stop(struct cli *cli)
{
	json_t *result = NULL;
	int r;

	if ((r = no_arguments(cli)) != EXIT_DONE || (r = cli_request(cli, "stop", NULL, &result)) != EXIT_DONE)
		return r;
	if (!cli_json_wanted(cli, result))
		puts("the daemon is stopping");
	json_decref(result);
	return EXIT_DONE;
}
