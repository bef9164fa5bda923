/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands about limits: what they are, what they are to be from now on, and what they had
 * better be. In: requests. Out: the policy in force and the workers are told in that order, so that
 * whoever judges and whoever explains agree; answered when the workers do. Rates are kept by
 * ctl/limits.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/limits.h"
#include "ctl/observed.h"
#include "ctl/suggest.h"
#include "ctl/workers.h"
#include "rules/rules.h"
#include "rules/sketch.h"

enum { ANSWER_NO = 1, ANSWER_USAGE = 2 };

static json_t *rate_json(const struct limit_info *info, const struct limit_rate *rate)
{
	char text[48];

	limit_info_format(info, rate, text, sizeof text);
	return json_string(text);
}

json_t *command_limit_row(const struct limits *set, const struct limit_info *info)
{
	const json_t *live = limits_find(set, info->name);
	json_int_t burst = (json_int_t)limit_rate_burst(&info->rate);
	json_t *one = json_pack("{s:s,s:o,s:I,s:s,s:s,s:s,s:I,s:I,s:I,s:b}", "name", info->name,
		"rate", rate_json(info, &info->rate), "burst", burst, "key", info->key, "count",
		info->count, "distinct", info->distinct, "exceeded",
		(json_int_t)metric_get(info->exceeded), "evicted",
		(json_int_t)metric_get(info->evicted), "entries", (json_int_t)info->entries, "set",
		live != NULL);

	if (!live || !one)
		return one;
	json_object_set_new(one, "configured",
		json_pack("{s:o,s:I}", "rate", rate_json(info, &info->rate), "burst", burst));
	json_object_set(one, "rate", json_object_get(live, "rate"));
	json_object_set(one, "burst", json_object_get(live, "burst"));
	json_object_set(one, "who", json_object_get(live, "who"));
	json_object_set(one, "since", json_object_get(live, "since"));
	return one;
}

static const struct limit_info *limit_find(struct daemon *d, struct request *rq, const char *name)
{
	const struct limit_info *limits;
	size_t n = policy_limits(d->config->policy, &limits);

	for (size_t i = 0; i < n; i++)
		if (strcmp(limits[i].name, name) == 0)
			return &limits[i];
	request_refuse(rq, ANSWER_NO, NULL, "the policy has no limit '%s'", name);
	return NULL;
}

void command_limits(struct daemon *d, struct request *rq)
{
	const char *name = json_string_value(json_object_get(rq->args, "name"));
	const struct limit_info *limits, *one = NULL;
	json_t *all;
	size_t n;

	if (name && !(one = limit_find(d, rq, name)))
		return;
	n = policy_limits(d->config->policy, &limits);
	all = json_array();
	for (size_t i = 0; i < n; i++)
		if (!one || one == &limits[i])
			json_array_append_new(all, command_limit_row(d->limits, &limits[i]));
	request_answer(rq, json_pack("{s:o}", "limits", all));
}

/* ---- set ---- */

struct limit_setting {
	struct request *rq;
	json_t *answer;
};

static void on_set(void *arg, int code, const char *text)
{
	struct limit_setting *s = arg;

	if (code < 0) {
		request_refuse(s->rq, ANSWER_NO, NULL,
			"it is written down, but xmppwall-proxy did not take it: %s",
			*text ? text : err_text(code));
		json_decref(s->answer);
	} else {
		request_answer(s->rq, s->answer);
	}
	free(s);
}

static void limit_tell(struct daemon *d, struct request *rq, const char *name)
{
	struct limit_setting *s = calloc(1, sizeof *s);
	const struct limit_info *limits;
	size_t n = policy_limits(d->config->policy, &limits);

	if (!s) {
		request_refuse(rq, ANSWER_NO, NULL, "%s", err_text(-ENOMEM));
		return;
	}
	s->rq = rq;
	for (size_t i = 0; i < n && !s->answer; i++)
		if (strcmp(limits[i].name, name) == 0)
			s->answer = command_limit_row(d->limits, &limits[i]);
	if (!s->answer)
		s->answer = json_pack("{s:s}", "name", name);
	workers_limits(d->workers, on_set, s);
}

void command_limit_set(struct daemon *d, struct request *rq)
{
	bool back = json_is_true(json_object_get(rq->args, "default"));
	const char *name = command_text(rq, "name"), *rate;
	json_int_t burst;
	struct buf why;
	int r;

	if (!name || !(rate = back ? "default" : command_text(rq, "rate")))
		return;
	burst = json_integer_value(json_object_get(rq->args, "burst"));
	buf_init(&why, 0);
	r = limits_set(
		d->limits, d->config->policy, name, back ? NULL : rate, burst, rq->who, &why);
	if (r < 0) {
		request_refuse(rq, r == ERR_SYNTAX || r == ERR_RANGE ? ANSWER_USAGE : ANSWER_NO,
			NULL, "%s", buf_len(&why) ? buf_string(&why) : err_text(r));
	} else {
		log_info("event=limit-set limit=%s rate=%s burst=%lld who=\"%s\"", name, rate,
			(long long)burst, rq->who);
		limit_tell(d, rq, name);
	}
	buf_fini(&why);
}

/* ---- suggest ---- */

struct suggestion {
	struct daemon *d;
	struct request *rq;
	double share;
	char name[];
};

/* The policy may have been replaced while the workers were asked. */
static void suggestion_answer(struct suggestion *s)
{
	const struct limit_info *info = limit_find(s->d, s->rq, s->name);
	struct sketch_counts counts;
	struct limit_rate rate;
	int64_t since;
	json_t *answer;

	if (!info)
		return;
	if (!observed_find(s->d->observed, s->name, &counts, &since)) {
		request_refuse(s->rq, ANSWER_NO, NULL,
			"nobody was counted by the limit '%s' yet: it is counted where a rule asks "
			"about it",
			s->name);
		return;
	}
	rate = limits_rate(s->d->limits, info);
	if ((answer = suggest_limit(&counts, s->share, &rate, info->bytes)) != NULL) {
		json_object_set_new(answer, "name", json_string(s->name));
		json_object_set_new(answer, "key", json_string(info->key));
		json_object_set_new(answer, "count", json_string(info->count));
		json_object_set_new(answer, "distinct", json_string(info->distinct));
		json_object_set_new(answer, "since", json_integer((json_int_t)since));
	}
	request_answer(s->rq, answer);
}

static void on_suggest(void *arg, json_t *rows)
{
	struct suggestion *s = arg;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)(void)
		observed_take(s->d->observed, s->d->config->policy, row);
	suggestion_answer(s);
	free(s);
}

void command_limit_suggest(struct daemon *d, struct request *rq)
{
	const json_t *share = json_object_get(rq->args, "for");
	double part = share ? json_number_value(share) : 0.95;
	const char *name = command_text(rq, "name");
	struct suggestion *s;

	if (!name || !limit_find(d, rq, name))
		return;
	if (!(part > 0 && part <= 1)) {
		request_refuse(rq, ANSWER_USAGE, NULL, "\"for\" is a share above 0, at most 1");
		return;
	}
	if (!(s = malloc(sizeof *s + strlen(name) + 1))) {
		request_refuse(rq, ANSWER_NO, NULL, "%s", err_text(-ENOMEM));
		return;
	}
	*s = (struct suggestion){ .d = d, .rq = rq, .share = part };
	strcpy(s->name, name);
	workers_observed(d->workers, on_suggest, s);
}
