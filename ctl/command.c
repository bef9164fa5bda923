/* SPDX-License-Identifier: BSD-2-Clause */
/* What operators may ask for. In: requests with a role from ctl/control.c. Out: one answer each,
 * most at once, some when a job, a worker or a reload is through. The table says who may what: the
 * group may look and edit lists and bans, only root and the daemon's own user may change what is in
 * force or stop it. Commands call the rooms; they hold no state. */
#include "ctl/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/events.h"
#include "ctl/firewall.h"
#include "ctl/kernel.h"
#include "ctl/nft.h"
#include "ctl/route.h"
#include "ctl/traces.h"
#include "ctl/upgrade.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum { ANSWER_NO = 1, ANSWER_USAGE = 2, EVENTS_LAST_MAX = 100000 };

const char *command_text(struct request *rq, const char *key)
{
	const char *text = json_string_value(json_object_get(rq->args, key));

	if (!text || !*text) {
		request_refuse(rq, ANSWER_USAGE, NULL, "%s needs \"%s\"", rq->cmd, key);
		return NULL;
	}
	return text;
}

/* ---- sessions, events ---- */

static void sessions_done(void *arg, json_t *rows)
{
	request_answer(arg, json_pack("{s:O}", "sessions", rows));
}

static void command_sessions(struct daemon *d, struct request *rq)
{
	workers_sessions(d->workers, sessions_done, rq);
}

static void backends_done(void *arg, json_t *rows)
{
	request_answer(arg, json_pack("{s:O}", "backends", rows));
}

static void command_backends(struct daemon *d, struct request *rq)
{
	workers_backends(d->workers, backends_done, rq);
}

static void command_events(struct daemon *d, struct request *rq)
{
	const json_t *last = json_object_get(rq->args, "last");
	json_int_t n = json_is_integer(last) ? json_integer_value(last) : 20;
	json_t *result;

	if (n < 0 || n > EVENTS_LAST_MAX) {
		request_refuse(rq, ANSWER_USAGE, NULL, "\"last\" is a number from 0 to %d",
			EVENTS_LAST_MAX);
		return;
	}
	result = json_pack("{s:o}", "events", events_last(d->events, (size_t)n));
	if (json_is_true(json_object_get(rq->args, "follow")))
		request_follow(rq, result);
	else
		request_answer(rq, result);
}

/* ---- bans ---- */

static void command_ban(struct daemon *d, struct request *rq)
{
	const char *address = command_text(rq, "address"), *why;
	json_t *result = NULL;
	struct buf error;
	json_int_t ms;

	if (!address) /* answered: rq is gone */
		return;
	why = json_string_value(json_object_get(rq->args, "why"));
	ms = json_integer_value(json_object_get(rq->args, "for"));
	if (ms < 0) {
		request_refuse(rq, ANSWER_USAGE, NULL, "\"for\" is a time in milliseconds");
		return;
	}
	buf_init(&error, 0);
	if (bans_add(d->bans, address, (uint64_t)ms, why ? why : "by hand", rq->who, &result,
		    &error) < 0)
		request_refuse(rq, ANSWER_NO, NULL, "%s", buf_string(&error));
	else
		request_answer(rq, result);
	buf_fini(&error);
}

static void command_unban(struct daemon *d, struct request *rq)
{
	const char *address = command_text(rq, "address");
	struct buf error;

	if (!address)
		return;
	buf_init(&error, 0);
	if (bans_remove(d->bans, address, rq->who, &error) < 0)
		request_refuse(rq, ANSWER_NO, NULL, "%s", buf_string(&error));
	else
		request_answer(rq, json_pack("{s:i}", "removed", 1));
	buf_fini(&error);
}

static void command_bans(struct daemon *d, struct request *rq)
{
	const char *who = json_string_value(json_object_get(rq->args, "who"));
	json_t *result = NULL;
	struct buf error;

	if (!json_is_true(json_object_get(rq->args, "why"))) {
		request_answer(rq, json_pack("{s:o,s:o}", "bans", bans_list(d->bans), "barred",
					   bans_names(d->bans)));
		return;
	}
	buf_init(&error, 0);
	if (bans_why(d->bans, who, &result, &error) < 0)
		request_refuse(rq, ANSWER_NO, NULL, "%s", buf_string(&error));
	else
		request_answer(rq, result);
	buf_fini(&error);
}

/* ---- the whole ---- */

static void command_trace(struct daemon *d, struct request *rq)
{
	traces_start(d->traces, rq);
}

static void command_capture(struct daemon *d, struct request *rq)
{
	traces_capture(d->traces, rq);
}

static void command_upgrade(struct daemon *d, struct request *rq)
{
	const json_t *drain = json_object_get(rq->args, "drain");
	json_int_t ms = json_integer_value(drain);

	if (drain && (ms < UPGRADE_DRAIN_MIN_MS || (uint64_t)ms > UPGRADE_DRAIN_MAX_MS))
		request_refuse(rq, ANSWER_USAGE, NULL,
			"\"drain\" is a time from a second to 30 days, in milliseconds");
	else
		upgrade_start(d->upgrade, rq, (uint64_t)ms);
}

static void command_stop(struct daemon *d, struct request *rq)
{
	log_info("event=stop-asked who=\"%s\"", rq->who);
	request_answer(rq, NULL);
	daemon_stop(d);
}

/* ---- firewall ---- */

/* The text is nft's own, which says more than the target does. */
static int format_table(struct daemon *d, bool iptables, struct buf *text)
{
	struct firewall_host host = d->kernel ? *kernel_host(d->kernel)
					      : (struct firewall_host){ .form = FIREWALL_QUEUE_NATIVE,
							.cores = uv_available_parallelism(), .synproxy = true };
	const struct daemon_options *options = policy_daemon(d->config->policy);
	const struct service *services;
	int r = 0;
	size_t n;

	services = policy_services(d->config->policy, &n);
	if (iptables)
		return firewall_format_iptables(services, n, options, &host, text);
	if (host.form == FIREWALL_QUEUE_TARGET && firewall_inspects(services, n)) {
		r = buf_puts(text, "# This kernel has no queue expression: its NFQUEUE target takes the "
				   "place of \"queue\".\n");
		host.form = FIREWALL_QUEUE_NATIVE;
	}
	return r < 0 ? r : firewall_format(services, n, options, &host, text);
}

static void firewall_print(struct daemon *d, struct request *rq)
{
	bool iptables = json_is_true(json_object_get(rq->args, "iptables"));
	struct buf text;
	int r;

	buf_init(&text, 0);
	if ((r = format_table(d, iptables, &text)) < 0)
		request_refuse(rq, ANSWER_NO, NULL, "the table cannot be written: %s", err_text(r));
	else
		request_answer(rq, json_pack("{s:s}", "text", buf_string(&text)));
	buf_fini(&text);
}

static void firewall_change(struct daemon *d, struct request *rq, bool load)
{
	struct buf why;
	int r;

	if (!d->kernel) {
		request_refuse(rq, ANSWER_NO, NULL, "xmppwalld was started with --no-firewall");
		return;
	}
	buf_init(&why, 0);
	r = load ? kernel_load(d->kernel, d->config->policy, &why)
		 : kernel_unload(d->kernel, d->config->policy, &why);
	if (r < 0)
		request_refuse(rq, ANSWER_NO, NULL, "%.*s",
			(int)(buf_len(&why) ? buf_len(&why) - 1 : 0), buf_string(&why));
	else
		request_answer(
			rq, json_pack("{s:s}", "text",
				    load ? "table inet xmppwall is loaded\n"
					 : "table inet xmppwall is gone; bans are kept but not "
					   "enforced\n"));
	buf_fini(&why);
}

static void firewall_load(struct daemon *d, struct request *rq)
{
	firewall_change(d, rq, true);
}

static void firewall_unload(struct daemon *d, struct request *rq)
{
	firewall_change(d, rq, false);
}

static void firewall_check(struct daemon *d, struct request *rq)
{
	struct firewall_check checks[NFT_CHECKS + ROUTE_CHECKS];
	json_t *all = json_array();
	struct nft *nft;
	size_t n = 0;
	int r = nft_open(&nft);

	(void)d;
	if (r < 0) {
		json_array_append_new(all, json_pack("{s:s,s:b,s:s}", "name", "nftables", "ok", 0,
						   "text", err_text(r)));
	} else {
		n = nft_check(nft, checks, NFT_CHECKS);
		nft_close(nft);
	}
	n += route_check(checks + n, ROUTE_CHECKS);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, json_pack("{s:s,s:b,s:s}", "name", checks[i].name, "ok",
						   checks[i].ok, "text", checks[i].text));
	request_answer(rq, json_pack("{s:o}", "checks", all));
}

static void command_firewall(struct daemon *d, struct request *rq)
{
	static const struct {
		const char *action;
		void (*run)(struct daemon *d, struct request *rq);
	} table[] = {
		{ "print", firewall_print },
		{ "load", firewall_load },
		{ "unload", firewall_unload },
		{ "check", firewall_check },
	};
	const char *action = command_text(rq, "action");

	if (!action)
		return;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcmp(table[i].action, action) == 0) {
			table[i].run(d, rq);
			return;
		}
	request_refuse(
		rq, ANSWER_USAGE, NULL, "'%s' is none of print, load, unload, check", action);
}

/* ---- the table ---- */

static const struct command {
	const char *name;
	enum role least;
	void (*run)(struct daemon *d, struct request *rq);
} commands[] = {
	{ "status", ROLE_GROUP, command_status },
	{ "top", ROLE_GROUP, command_top },
	{ "rules", ROLE_GROUP, command_rules },
	{ "sessions", ROLE_GROUP, command_sessions },
	{ "backends", ROLE_GROUP, command_backends },
	{ "events", ROLE_GROUP, command_events },
	{ "explain", ROLE_GROUP, command_explain },
	{ "trace", ROLE_GROUP, command_trace },
	{ "capture", ROLE_OWNER, command_capture },
	{ "lists", ROLE_GROUP, command_lists },
	{ "list-show", ROLE_GROUP, command_list_show },
	{ "list-add", ROLE_GROUP, command_list_add },
	{ "list-del", ROLE_GROUP, command_list_del },
	{ "list-import", ROLE_GROUP, command_list_import },
	{ "list-export", ROLE_GROUP, command_list_export },
	{ "list-feeds", ROLE_GROUP, command_list_feeds },
	{ "list-history", ROLE_GROUP, command_list_history },
	{ "ban", ROLE_GROUP, command_ban },
	{ "unban", ROLE_GROUP, command_unban },
	{ "ban-batch", ROLE_GROUP, command_ban_batch },
	{ "bans", ROLE_GROUP, command_bans },
	{ "limits", ROLE_GROUP, command_limits },
	{ "limit-set", ROLE_OWNER, command_limit_set },
	{ "limit-suggest", ROLE_GROUP, command_limit_suggest },
	{ "quarantine-list", ROLE_GROUP, command_quarantine_list },
	{ "quarantine-show", ROLE_OWNER, command_quarantine_show },
	{ "quarantine-release", ROLE_OWNER, command_quarantine_release },
	{ "quarantine-delete", ROLE_OWNER, command_quarantine_delete },
	{ "reload", ROLE_OWNER, command_reload },
	{ "confirm", ROLE_OWNER, command_confirm },
	{ "rollback", ROLE_OWNER, command_rollback },
	{ "upgrade", ROLE_OWNER, command_upgrade },
	{ "firewall", ROLE_OWNER, command_firewall },
	{ "lockdown", ROLE_OWNER, command_lockdown },
	{ "stop", ROLE_OWNER, command_stop },
};

/* Those that need no job (ctl/jobs.h), for sure. */
static bool is_at_once(const char *cmd)
{
	static const char *const names[] = { "status", "top", "rules", "sessions", "events", "ban", "unban",
		"ban-batch", "bans", "limits", "stop" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(names[i], cmd) == 0)
			return true;
	return false;
}

void command_run(void *arg, struct request *rq)
{
	struct daemon *d = arg;

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(commands[i].name, rq->cmd) != 0)
			continue;
		if (upgrade_defers(d->upgrade, rq, is_at_once(rq->cmd)))
			return;
		if (d->state != DAEMON_RUNNING)
			request_refuse(rq, ANSWER_NO, NULL, "the daemon is %s",
				d->state == DAEMON_STOPPING ? "stopping" : "starting");
		else if (rq->role < commands[i].least)
			request_refuse(rq, ANSWER_NO, NULL, "%s may not '%s': %s", rq->who, rq->cmd,
				commands[i].least == ROLE_OWNER
					? "only root may"
					: "only root and the group xmppwall may");
		else
			commands[i].run(d, rq);
		return;
	}
	request_refuse(rq, ANSWER_USAGE, NULL, "there is no command '%s'", rq->cmd);
}
