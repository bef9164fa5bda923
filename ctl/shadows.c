/* SPDX-License-Identifier: BSD-2-Clause */
/* "reload --shadow": in a job the files on disk become a policy, the child gets it as a bundle and
 * judges by it, too, without acting; after the time given its numbers are the answer. Whoever hangs
 * up ends it. Nothing that is in force changes. */
#include "ctl/shadows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "ctl/compare.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/jobs.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum { ANSWER_NO = 1, SHADOWS_LOOK_MS = 500, SHADOWS_GRACE_MS = 180000 /* for compiling */ };

struct shadows {
	struct daemon *d;
	uv_timer_t timer;   /* who has hung up, what does not come */
	struct request *rq; /* NULL: nothing goes on */
	bool loading;
	json_int_t id;
	uint64_t ms, until_ms;
	json_t *diff;
	/* of the job */
	struct config *next;
	char *why;
	int code;
};

struct shadows *shadows_new(struct daemon *d)
{
	struct shadows *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->d = d;
	uv_timer_init(&d->loop, &s->timer);
	s->timer.data = s;
	return s;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void shadows_free(struct shadows *s)
{
	if (!s)
		return;
	shadows_stop(s);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* Ends it; the request is the caller's to answer. */
static struct request *shadows_take(struct shadows *s)
{
	struct request *rq = s->rq;

	s->rq = NULL;
	uv_timer_stop(&s->timer);
	json_decref(s->diff);
	s->diff = NULL;
	return rq;
}

static void on_look(uv_timer_t *timer)
{
	struct shadows *s = timer->data;
	bool late = uv_now(timer->loop) >= s->until_ms;

	if (!s->rq || s->loading || (!late && request_is_heard(s->rq)))
		return;
	workers_unshadow(s->d->workers, s->id);
	request_refuse(shadows_take(s), ANSWER_NO, NULL, "the worker gave no report in time");
}

static void load_work(void *arg)
{
	struct shadows *s = arg;

	s->code = config_load_fed(s->d->spec.config, s->d->feeds_dir, s->d->cache, s->d->config,
		NULL, &s->next, &s->why);
	if (s->code == 0)
		s->diff = compare_policies(s->d->config->policy, s->next->policy);
}

static void load_done(void *arg)
{
	struct shadows *s = arg;
	int fd = s->code == 0 ? config_bundle(s->next) : -1;

	s->loading = false;
	if (s->code < 0)
		request_refuse(shadows_take(s), ANSWER_NO, s->why,
			"refused; the policy %s stays in force",
			policy_version(s->d->config->policy));
	else if (fd < 0 || !workers_shadow(s->d->workers, s->next, fd, s->id, s->ms))
		request_refuse(shadows_take(s), ANSWER_NO, NULL, "no worker judges at the moment");
	else
		s->until_ms = uv_now(&s->d->loop) + s->ms + SHADOWS_GRACE_MS;
	if (fd >= 0)
		close(fd);
	config_free(s->next);
	s->next = NULL;
	free(s->why);
	s->why = NULL;
}

void shadows_start(struct shadows *s, struct request *rq, uint64_t ms)
{
	if (s->rq || s->loading) {
		request_refuse(rq, ANSWER_NO, NULL, "a shadow judges already");
		return;
	}
	s->rq = rq;
	s->loading = true;
	s->id++;
	s->ms = ms;
	s->until_ms = UINT64_MAX;
	log_info("event=shadow who=\"%s\" ms=%llu", rq->who, (unsigned long long)ms);
	uv_timer_start(&s->timer, on_look, SHADOWS_LOOK_MS, SHADOWS_LOOK_MS);
	if (jobs_run(s->d->jobs, load_work, load_done, s) < 0) {
		s->loading = false;
		request_refuse(shadows_take(s), ANSWER_NO, NULL, "out of memory");
	}
}

void shadows_hear(struct shadows *s, json_t *msg)
{
	const char *error = json_string_value(json_object_get(msg, "error"));
	json_t *report = json_object_get(msg, "report"), *diff;

	if (!s->rq || s->loading || json_integer_value(json_object_get(msg, "shadow")) != s->id)
		return;
	if (!json_is_true(json_object_get(msg, "ok")) || !json_is_object(report)) {
		request_refuse(shadows_take(s), ANSWER_NO, NULL,
			"the worker did not take the policy: %s",
			error ? error : "no reason given");
		return;
	}
	diff = json_incref(s->diff);
	request_answer(shadows_take(s),
		json_pack("{s:s,s:o,s:O}", "version", policy_version(s->d->config->policy), "diff",
			diff ? diff : json_object(), "shadow", report));
}

void shadows_stop(struct shadows *s)
{
	if (s->rq && !s->loading)
		request_refuse(shadows_take(s), ANSWER_NO, NULL, "the worker ended meanwhile");
}
