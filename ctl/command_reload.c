/* SPDX-License-Identifier: BSD-2-Clause */
/* "reload", "confirm", "rollback". In: how a new policy is to be taken. Out: what it changes, and
 * whether it is in force. A policy taken on probation is watched by ctl/probation.c, not by whoever
 * asked: he may be gone by then. */
#include <string.h>

#include "base/log.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/probation.h"
#include "ctl/shadows.h"
#include "rules/rules.h"

enum { ANSWER_NO = 1, ANSWER_USAGE = 2 };

static json_t *result_json(const struct reload_result *result)
{
	json_t *out = json_pack("{s:s,s:b,s:i}", "version", result->version, "changed",
		result->changed, "expectations", (int)result->expectations);

	if (result->diff)
		json_object_set(out, "diff", result->diff);
	if (result->until_ms)
		json_object_set_new(out, "until", json_integer(result->until_ms));
	return out;
}

static void reload_done(void *arg, const struct reload_result *result)
{
	if (result->code < 0)
		request_refuse(arg, ANSWER_NO, result->diagnostics,
			"refused; the policy %s stays in force", result->version);
	else
		request_answer(arg, result_json(result));
}

static void reload_shadow(struct daemon *d, struct request *rq, const json_t *shadow)
{
	json_int_t ms = json_integer_value(shadow);

	if (json_object_get(rq->args, "confirm") ||
		json_is_true(json_object_get(rq->args, "check")) || ms < SHADOW_MS_MIN ||
		ms > SHADOW_MS_MAX)
		request_refuse(rq, ANSWER_USAGE, NULL,
			"\"shadow\" is a time from a second to an hour, and stands alone");
	else
		shadows_start(d->shadows, rq, (uint64_t)ms);
}

void command_reload(struct daemon *d, struct request *rq)
{
	const json_t *confirm = json_object_get(rq->args, "confirm");
	const json_t *shadow = json_object_get(rq->args, "shadow");
	struct reload_how how = { .kind = RELOAD_FILES };
	json_int_t ms = json_integer_value(confirm);

	if (shadow) {
		reload_shadow(d, rq, shadow);
		return;
	}
	if (json_is_true(json_object_get(rq->args, "check")))
		how.kind = RELOAD_CHECK;
	if (confirm && (how.kind == RELOAD_CHECK || !json_is_integer(confirm) ||
			       ms < PROBATION_MIN_MS || ms > PROBATION_MAX_MS)) {
		request_refuse(rq, ANSWER_USAGE, NULL,
			"\"confirm\" is a time from a second to a day, and not with \"check\"");
		return;
	}
	how.confirm_ms = (uint64_t)ms;
	log_info("event=reload-asked who=\"%s\" check=%d confirm_ms=%lld", rq->who,
		how.kind == RELOAD_CHECK, (long long)ms);
	daemon_change(d, &how, reload_done, rq);
}

void command_confirm(struct daemon *d, struct request *rq)
{
	if (!probation_runs(d->probation)) {
		request_refuse(rq, ANSWER_NO, NULL, "no policy waits to be confirmed");
		return;
	}
	log_info("event=confirm who=\"%s\"", rq->who);
	probation_end(d->probation);
	request_answer(rq, json_pack("{s:s}", "version", policy_version(d->config->policy)));
}

void command_rollback(struct daemon *d, struct request *rq)
{
	if (!probation_runs(d->probation)) {
		request_refuse(rq, ANSWER_NO, NULL,
			"no policy waits to be confirmed, so there is none to go back to");
		return;
	}
	log_info("event=rollback-asked who=\"%s\"", rq->who);
	daemon_rollback(d, reload_done, rq);
}
