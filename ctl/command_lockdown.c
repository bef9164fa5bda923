/* SPDX-License-Identifier: BSD-2-Clause */
/* "lockdown". In: on, off or show. Out: whether it is in force now, or why it would be a mistake:
 * without anything to enforce it, or with nobody left who could come in. */
#include <string.h>

#include "base/buf.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/kernel.h"
#include "ctl/lockdown.h"
#include "rules/rules.h"

enum { ANSWER_NO = 1, ANSWER_USAGE = 2 };

static bool visit_any(void *arg, const struct peer_address *a, unsigned prefix_len)
{
	(void)a;
	(void)prefix_len;
	*(bool *)arg = true;
	return false;
}

/* What the operator should know before the gate shuts; NULL: nothing is in the way. */
static const char *refusal(const struct daemon *d, bool force)
{
	const char *set = policy_daemon(d->config->policy)->allow_set;
	bool any = false;

	if (!d->kernel)
		return "xmppwalld was started with --no-firewall: nothing would keep anybody out";
	if (!kernel_is_loaded(d->kernel))
		return "the nftables table is unloaded: nothing would keep anybody out "
		       "(xmppwallctl "
		       "firewall load)";
	if (force)
		return NULL;
	if (!set)
		return "the policy has no allow set (firewall { allow @SET; }): nobody at all "
		       "could "
		       "come in; --force does it all the same";
	(void)policy_addresses(d->config->policy, set, visit_any, &any);
	return any ? NULL
		   : "the allow set is empty: nobody at all could come in; --force does it all the "
		     "same";
}

static void lockdown_start(struct daemon *d, struct request *rq, struct buf *why)
{
	const char *text = json_string_value(json_object_get(rq->args, "why"));
	json_int_t ms = json_integer_value(json_object_get(rq->args, "for"));
	const char *no = refusal(d, json_is_true(json_object_get(rq->args, "force")));

	if (ms < 0)
		request_refuse(rq, ANSWER_USAGE, NULL, "\"for\" is a time in milliseconds");
	else if (no)
		request_refuse(rq, ANSWER_NO, NULL, "%s", no);
	else if (lockdown_on(d->lockdown, (uint64_t)ms, text ? text : "", rq->who, why) < 0)
		request_refuse(rq, ANSWER_NO, NULL, "%s", buf_string(why));
	else
		request_answer(rq, lockdown_json(d->lockdown));
}

void command_lockdown(struct daemon *d, struct request *rq)
{
	const char *action = command_text(rq, "action");
	struct buf why;

	if (!action)
		return;
	buf_init(&why, 0);
	if (strcmp(action, "on") == 0)
		lockdown_start(d, rq, &why);
	else if (strcmp(action, "show") == 0)
		request_answer(rq, lockdown_json(d->lockdown));
	else if (strcmp(action, "off") != 0)
		request_refuse(rq, ANSWER_USAGE, NULL, "'%s' is none of on, off, show", action);
	else if (lockdown_off(d->lockdown, rq->who, &why) < 0)
		request_refuse(rq, ANSWER_NO, NULL, "%s", buf_string(&why));
	else
		request_answer(rq, lockdown_json(d->lockdown));
	buf_fini(&why);
}
