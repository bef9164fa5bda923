/* SPDX-License-Identifier: BSD-2-Clause */
/* xmppwallctl's inner face: what every command gets, and the exit statuses that are contracts. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_WRONG_USAGE = 2, EXIT_NO_DAEMON = 3 };

struct cli {
	bool json;    /* --json */
	bool colour;  /* stdout is a terminal and NO_COLOR is not set */
	const char *run_dir, *config, *state_dir, *log_dir; /* never NULL; defaults of design.md */
	const char *command; /* "list add": for messages */
	int argc;     /* what follows the command's words */
	char **argv;
};

struct cli_command {
	const char *name;    /* "list add" */
	const char *usage;   /* "NAME ENTRY... [--for TIME] [--comment TEXT]" */
	const char *summary; /* one line for --help */
	int (*run)(struct cli *cli); /* exit status */
};

/* "xmppwallctl list add: MESSAGE" and the usage line on stderr; returns EXIT_WRONG_USAGE. */
int cli_usage_error(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Takes "--name VALUE" or "--name=VALUE" out of argv; *value untouched when absent. False after printing a usage
 * error (no value). */
bool cli_option(struct cli *cli, const char *name, const char **value);
/* Takes a flag without value out of argv. */
bool cli_flag(struct cli *cli, const char *name);
/* After all options are taken: is anything left that begins with '-'? Prints the usage error then. */
bool cli_no_more_options(struct cli *cli);

/* One request to the daemon. Takes args (may be NULL). EXIT_DONE with *result (a new reference), else the exit
 * status after the reason was printed. */
int cli_request(struct cli *cli, const char *cmd, json_t *args, json_t **result);
/* The same for a stream of events: calls each until it returns false or the daemon hangs up. */
int cli_follow(struct cli *cli, const char *cmd, json_t *args,
	bool (*each)(struct cli *cli, json_t *event));

/* With --json: prints the answer as a line and says so. */
bool cli_json_wanted(const struct cli *cli, const json_t *result);
/* Prints the answer as a line and takes it: what a command returns under --json. */
int cli_answer_json(json_t *result);

/* Commands that need no daemon (offline.c). */
int cli_check(struct cli *cli);
int cli_print(struct cli *cli);
int cli_judge(struct cli *cli);
int cli_replay(struct cli *cli);
int cli_capture(struct cli *cli);
int cli_import(struct cli *cli);
int cli_audit_verify(struct cli *cli);
int cli_ca_init(struct cli *cli);
int cli_ca_show(struct cli *cli);
int cli_ca_rotate(struct cli *cli);
int cli_ca_export(struct cli *cli);
/* Commands that talk to it (online.c). */
int cli_status(struct cli *cli);
int cli_top(struct cli *cli);
int cli_sessions(struct cli *cli);
int cli_backends(struct cli *cli);
int cli_rules(struct cli *cli);
int cli_events(struct cli *cli);
int cli_explain(struct cli *cli);
int cli_trace(struct cli *cli);
int cli_lists(struct cli *cli);
int cli_list_show(struct cli *cli);
int cli_list_add(struct cli *cli);
int cli_list_del(struct cli *cli);
int cli_list_import(struct cli *cli);
int cli_list_export(struct cli *cli);
int cli_list_feeds(struct cli *cli);
int cli_list_history(struct cli *cli);
int cli_quarantine_list(struct cli *cli);
int cli_quarantine_show(struct cli *cli);
int cli_quarantine_release(struct cli *cli);
int cli_quarantine_delete(struct cli *cli);
int cli_ban(struct cli *cli);
int cli_unban(struct cli *cli);
/* "ban --batch", "unban --batch" (online_batch.c). */
int cli_ban_batch(struct cli *cli, bool unban);
int cli_bans(struct cli *cli);
int cli_lockdown(struct cli *cli);
int cli_limit_show(struct cli *cli);
int cli_limit_set(struct cli *cli);
int cli_limit_suggest(struct cli *cli);
int cli_limit_simulate(struct cli *cli);
int cli_reload(struct cli *cli);
int cli_upgrade(struct cli *cli);
int cli_confirm(struct cli *cli);
int cli_rollback(struct cli *cli);
int cli_firewall(struct cli *cli);
int cli_stop(struct cli *cli);
