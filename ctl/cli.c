/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl: finds the command in a table, hands it what follows. Stands at the operator's end of the control
 * socket (online.c) and, without a daemon, in front of the rule engine (offline.c). Never touches the kernel or
 * the lists itself: the daemon does. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/cli.h"
#include "ctl/repeat.h"

static const struct cli_command commands[] = {
	{ "check", "FILE...", "parse, check and run the expectations of a configuration or rule file", cli_check },
	{ "print", "FILE...", "print it back in canonical form", cli_print },
	{ "judge",
		"--rules FILE [--service S] [--direction in|out] [--peer ADDR] [--jid JID] [--remote DOMAIN [--verified HOW] [--seen TIME]] [--at TIME] [--trace [--bodies]] < STANZAS",
		"judge XML read from standard input, a verdict a line; --trace shows every rule and test", cli_judge },
	{ "replay", "--rules FILE [--summary | --notable] [--inside NET,...] [--any-checksum] CAPTURE",
		"judge what a pcap or pcapng file holds: verdicts, streams, limits and bans there would have been", cli_replay },
	{ "capture", "[--from CAPTURE | --service S] [--mask | --mask-names] [--peer NET,...] [--for TIME] [--size N] [--any-checksum] FILE",
		"write what the inspector sees (a minute, or TIME), or copy a capture; words masked if others are to see it", cli_capture },
	{ "import", "mod_firewall FILE [-o OUT] [--local DOMAIN,...] [--stranger]",
		"another firewall's script as rules; tells line by line what could not be turned", cli_import },
	{ "ca init", "", "make this host's authority, which our own servers are to trust for what was verified of remote ones",
		cli_ca_init },
	{ "ca show", "", "the authority and those before it: subjects, fingerprints, when they end", cli_ca_show },
	{ "ca rotate", "[--forget]", "put another authority in its place; --forget: instead, no longer export those before it", cli_ca_rotate },
	{ "ca export", "[--out FILE]", "the certificates that our own servers are to trust, in PEM", cli_ca_export },
	{ "audit verify", "[--head HASH] [FILE...]",
		"is the audit trail the one that was written: whole, in order, unchanged; needs no daemon", cli_audit_verify },
	{ "status", "", "what runs, what it did, what needs attention", cli_status },
	{ "top", "[--watch TIME]", "a live screen of peers, sessions, rules, limits and bans; with --json one look", cli_top },
	{ "sessions", "", "who is connected", cli_sessions },
	{ "backends", "", "the servers behind 'upstream backend': which are up, and why not", cli_backends },
	{ "rules", "", "the rules in force, with their hits", cli_rules },
	{ "events", "[-n COUNT] [-f]", "the last verdicts and bans; -f follows", cli_events },
	{ "explain", "VERDICT-ID", "why a stanza was stopped: rule, list entry, text", cli_explain },
	{ "trace", "--jid JID | --address ADDR[/LEN] | --session ID [--for TIME] [--bodies]",
		"follow stanzas through every rule as they are judged (a minute, or TIME)", cli_trace },
	{ "list", "", "the lists and how many entries they have", cli_lists },
	{ "list show", "NAME [--hits]", "a list's entries; --hits: how often each matched, busiest first", cli_list_show },
	{ "list add", "NAME ENTRY... [--for TIME] [--comment TEXT]", "put entries in, in force at once", cli_list_add },
	{ "list del", "NAME ENTRY...", "take entries out", cli_list_del },
	{ "list import", "NAME [FILE]", "add every line of a file or of standard input", cli_list_import },
	{ "list export", "NAME [FILE]", "a list's entries as a list file, to a file or standard output", cli_list_export },
	{ "list feeds", "[NAME] [--now]", "the feeds of the lists: age, size, last error; --now looks at them at once", cli_list_feeds },
	{ "list history", "NAME", "who changed what, and when", cli_list_history },
	{ "ban",
		"ADDR[/LEN]|JID|DOMAIN [--for TIME] [--why TEXT] | --batch [--format F] [--for TIME] [--why TEXT] [--severity N] [--prefix6 N] [--spare NET,...] [--dry-run] [FILE]",
		"keep out an address (in the kernel), an account or a domain; --batch: all that a file or a pipe names", cli_ban },
	{ "unban", "ADDR[/LEN]|JID|DOMAIN | --batch [FILE]", "let it back in", cli_unban },
	{ "bans", "[--why [ADDR[/LEN]|JID|DOMAIN]]", "who is kept out and until when; --why: all that led there", cli_bans },
	{ "lockdown", "on [--for TIME] [--why TEXT] [--force] | off | show", "let only the allow set in, at once and over restarts", cli_lockdown },
	{ "quarantine list", "", "messages that were kept instead of delivered", cli_quarantine_list },
	{ "quarantine show", "ID", "one of them, whole", cli_quarantine_show },
	{ "quarantine release", "ID", "deliver it, once", cli_quarantine_release },
	{ "quarantine delete", "ID", "throw it away", cli_quarantine_delete },
	{ "limit show", "[NAME]", "limits and how often they were exceeded", cli_limit_show },
	{ "limit set", "NAME rate N/PERIOD [burst B] | NAME default", "judge by another rate from now on, also over restarts",
		cli_limit_set },
	{ "limit suggest", "NAME [--for SHARE%]", "rates and bursts that leave so many peers in peace, out of what was seen",
		cli_limit_suggest },
	{ "limit simulate", "NAME rate N/PERIOD [burst B] --from EVENTS|CAPTURE [--key FIELD,...] [--rules FILE]",
		"who would have been limited, by an events file, a capture or lines of TIME KEY; needs no daemon", cli_limit_simulate },
	{ "reload", "[--check | --confirm TIME | --shadow [--for TIME]]",
		"read configuration, rules, lists and certificates anew; sessions stay", cli_reload },
	{ "confirm", "", "keep the policy of reload --confirm", cli_confirm },
	{ "rollback", "", "put back the policy before reload --confirm, at once", cli_rollback },
	{ "upgrade", "[--drain TIME]", "the programs on disk in the place of those that run; sessions go on in the old one",
		cli_upgrade },
	{ "firewall", "print [--iptables]|load|unload|check", "the nftables side", cli_firewall },
	{ "stop", "", "end the daemon; the kernel's table stays, with its bans (xmppwalld --unload removes it)", cli_stop },
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

/* It changes nothing and ends by itself: it may be repeated. */
static bool command_looks(const struct cli_command *command)
{
	static const char *const names[] = { "status", "sessions", "backends", "rules", "list", "list show",
		"list feeds", "bans", "quarantine list", "limit show" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], command->name) == 0)
			return true;
	return false;
}

static void print_help(FILE *out)
{
	fprintf(out, "usage: xmppwallctl [--json] [--run-dir DIR] [--config FILE] COMMAND ...\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-19s %s\n", commands[i].name, commands[i].summary);
	fprintf(out,
		"\n  --json         one JSON object (events, judge: one a line); keys are stable\n"
		"  --run-dir DIR  where the daemon's control.sock is (default /run/xmppwall)\n"
		"  --watch [TIME] with a command that looks: again each two seconds, or TIME\n"
		"  --config FILE  default /etc/xmppwall/xmppwall.conf\n"
		"  --state-dir DIR  with ca: where the authority is, in its folder ca (default /var/lib/xmppwall)\n\n"
		"xmppwallctl COMMAND --help shows a command's arguments.\n"
		"Exit status: 0 done, 1 the answer is no, 2 wrong usage, 3 the daemon cannot be reached.\n");
}

static const struct cli_command *command_find(int argc, char **argv, int *words)
{
	char two[64];

	if (argc >= 2 && snprintf(two, sizeof two, "%s %s", argv[0], argv[1]) < (int)sizeof two) {
		for (size_t i = 0; i < COMMANDS; i++)
			if (strcmp(commands[i].name, two) == 0) {
				*words = 2;
				return &commands[i];
			}
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, argv[0]) == 0) {
			*words = 1;
			return &commands[i];
		}
	return NULL;
}

static const struct cli_command *command_of(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int cli_usage_error(const struct cli *cli, const char *format, ...)
{
	const struct cli_command *command = cli->command ? command_of(cli->command) : NULL;
	va_list ap;

	fprintf(stderr, "xmppwallctl%s%s: ", cli->command ? " " : "", cli->command ? cli->command : "");
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	if (command)
		fprintf(stderr, "usage: xmppwallctl %s%s%s%s\n", command->name, *command->usage ? " " : "",
			command->usage, command_looks(command) ? " [--watch [TIME]]" : "");
	else
		fprintf(stderr, "try: xmppwallctl --help\n");
	return EXIT_WRONG_USAGE;
}

static void argv_remove(struct cli *cli, int at, int count)
{
	memmove(&cli->argv[at], &cli->argv[at + count], (size_t)(cli->argc - at - count) * sizeof(char *));
	cli->argc -= count;
}

bool cli_option(struct cli *cli, const char *name, const char **value)
{
	size_t len = strlen(name);

	for (int i = 0; i < cli->argc; i++) {
		if (strcmp(cli->argv[i], "--") == 0)
			return true;
		if (strncmp(cli->argv[i], name, len) != 0)
			continue;
		if (cli->argv[i][len] == '=') {
			*value = cli->argv[i] + len + 1;
			argv_remove(cli, i, 1);
			return true;
		}
		if (cli->argv[i][len] != '\0')
			continue;
		if (i + 1 >= cli->argc) {
			cli_usage_error(cli, "%s needs a value", name);
			return false;
		}
		*value = cli->argv[i + 1];
		argv_remove(cli, i, 2);
		return true;
	}
	return true;
}

bool cli_flag(struct cli *cli, const char *name)
{
	for (int i = 0; i < cli->argc && strcmp(cli->argv[i], "--") != 0; i++)
		if (strcmp(cli->argv[i], name) == 0) {
			argv_remove(cli, i, 1);
			return true;
		}
	return false;
}

bool cli_no_more_options(struct cli *cli)
{
	for (int i = 0; i < cli->argc; i++) {
		if (strcmp(cli->argv[i], "--") == 0) {
			argv_remove(cli, i, 1); /* what follows are entries, whatever they begin with */
			return true;
		}
		if (cli->argv[i][0] == '-' && cli->argv[i][1] != '\0') {
			cli_usage_error(cli, "unknown option '%s'", cli->argv[i]);
			return false;
		}
	}
	return true;
}

static bool take_global_options(struct cli *cli)
{
	cli->json = cli_flag(cli, "--json");
	return cli_option(cli, "--run-dir", &cli->run_dir) && cli_option(cli, "--config", &cli->config) &&
	       cli_option(cli, "--state-dir", &cli->state_dir) && cli_option(cli, "--log-dir", &cli->log_dir);
}

static void print_command(FILE *out, const struct cli_command *command)
{
	fprintf(out, "xmppwallctl %s%s%s%s\n    %s\n", command->name, *command->usage ? " " : "",
		command->usage, command_looks(command) ? " [--watch [TIME]]" : "", command->summary);
}

/* "ca" is none, but "ca init" is: all that begin so. False: nothing does. */
static bool print_commands_of(FILE *out, const char *word)
{
	size_t len = strlen(word);
	bool any = false;

	for (size_t i = 0; i < COMMANDS && len > 0; i++) {
		if (strncmp(commands[i].name, word, len) == 0 && commands[i].name[len] == ' ') {
			print_command(out, &commands[i]);
			any = true;
		}
	}
	return any;
}

static int run_command(struct cli *cli)
{
	const struct cli_command *command;
	uint64_t every_ms = 0;
	int words = 0;

	command = command_find(cli->argc, cli->argv, &words);
	if (!command) {
		const char *word = cli->argv[0];
		bool asked = cli_flag(cli, "--help") || cli_flag(cli, "-h");

		if (cli->argc == 1 && print_commands_of(asked ? stdout : stderr, word))
			return asked ? EXIT_DONE : EXIT_WRONG_USAGE;
		return cli_usage_error(cli, "unknown command '%s'", word);
	}
	cli->command = command->name;
	cli->argc -= words;
	cli->argv += words;
	if (cli_flag(cli, "--help") || cli_flag(cli, "-h")) {
		print_command(stdout, command);
		return EXIT_DONE;
	}
	if (command_looks(command) && !repeat_option(cli, &every_ms))
		return EXIT_WRONG_USAGE;
	return every_ms ? repeat_run(cli, command->run, every_ms) : command->run(cli);
}

int main(int argc, char **argv)
{
	struct cli cli = {
		.run_dir = "/run/xmppwall",
		.config = "/etc/xmppwall/xmppwall.conf",
		.state_dir = "/var/lib/xmppwall",
		.log_dir = "/var/log/xmppwall",
		.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
		.argc = argc - 1,
		.argv = argv + 1,
	};

	log_init("xmppwallctl", LOG_LEVEL_WARN);
	if (!take_global_options(&cli))
		return EXIT_WRONG_USAGE;
	if (cli.argc == 0) {
		print_help(stderr);
		return EXIT_WRONG_USAGE;
	}
	if (strcmp(cli.argv[0], "--help") == 0 || strcmp(cli.argv[0], "-h") == 0 ||
		strcmp(cli.argv[0], "help") == 0) {
		print_help(stdout);
		return EXIT_DONE;
	}
	if (strcmp(cli.argv[0], "--version") == 0) {
		puts("xmppwallctl " XMPPWALL_VERSION);
		return EXIT_DONE;
	}
	return run_command(&cli);
}
