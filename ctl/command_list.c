/* SPDX-License-Identifier: BSD-2-Clause */
/* The list commands. In: names and entries from operators. Out: in a job beside the loop the file
 * and the daemon's policy (ctl/lists.c), then the history, then the workers; the answer comes when
 * they judge by it. What a job needs is copied out of the request, since whoever asked may hang up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/feeds.h"
#include "ctl/jobs.h"
#include "ctl/ledger.h"
#include "ctl/list_tell.h"
#include "ctl/lists.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum { ANSWER_NO = 1, ANSWER_USAGE = 2, HISTORY_MAX = 1000 };

/* A list command under way; the request keeps its texts alive. */
struct list_job {
	struct daemon *d;
	struct request *rq;
	const char *what; /* "add", "del", "import", "show", "export" */
	struct lists_edit edit;
	struct span *spans;
	json_t *shown;
	int code;
};

static struct list_job *job_new(struct daemon *d, struct request *rq, const char *what)
{
	const char *name = command_text(rq, "name");
	struct list_job *job = name ? calloc(1, sizeof *job) : NULL;

	if (name && !job)
		request_refuse(rq, ANSWER_NO, NULL, "out of memory");
	if (!job)
		return NULL;
	job->d = d;
	job->rq = rq;
	job->what = what;
	lists_edit_init(&job->edit, name);
	return job;
}

static void job_free(struct list_job *job)
{
	lists_edit_fini(&job->edit);
	free(job->spans);
	json_decref(job->shown);
	free(job);
}

static void job_refuse(struct list_job *job, int status, const char *error)
{
	const char *details = buf_len(&job->edit.details) ? buf_string(&job->edit.details) : NULL;

	request_refuse(job->rq, status, details, "%s", error ? error : "out of memory");
	job_free(job);
}

static void job_start(struct list_job *job, void (*work)(void *arg), void (*done)(void *arg))
{
	if (jobs_run(job->d->jobs, work, done, job) < 0)
		job_refuse(job, ANSWER_NO, "out of memory");
}

/* ---- edits ---- */

static void add_work(void *arg)
{
	struct list_job *job = arg;

	job->code = lists_add(job->d->config->lists, &job->edit);
}

static void del_work(void *arg)
{
	struct list_job *job = arg;

	job->code = lists_remove(job->d->config->lists, &job->edit);
}

/* Only where there is something to say. */
static json_t *hashed_put(const struct list_job *job, json_t *answer)
{
	if (job->edit.hashed)
		json_object_set_new(answer, "hashed", json_integer((json_int_t)job->edit.hashed));
	return answer;
}

static void edit_answered(void *arg, int code, const char *text)
{
	struct list_job *job = arg;

	if (code < 0) /* the file has it: the worker's next start will, too */
		log_error("event=list-worker list=%s error=\"%s %s\"", job->edit.name,
			err_text(code), text);
	if (strcmp(job->what, "del") == 0)
		request_answer(
			job->rq, hashed_put(job, json_pack("{s:I}", "removed",
							 (json_int_t)job->edit.removed)));
	else
		request_answer(job->rq,
			hashed_put(job, json_pack("{s:I,s:I}", "added", (json_int_t)job->edit.added,
						"present", (json_int_t)job->edit.present)));
	job_free(job);
}

/* After an edit that was too large to be made live. */
static void renew_answered(void *arg, const struct reload_result *result)
{
	struct list_job *job = arg;

	if (result->code == 0) {
		edit_answered(job, 0, "");
		return;
	}
	lists_renew_refused(job->d->config->lists);
	request_refuse(job->rq, ANSWER_NO, result->diagnostics,
		"the file of %s is written, but the policy with it was refused: what was in force "
		"before still is",
		job->edit.name);
	job_free(job);
}

/* Nothing was taken out: perhaps it is none of the file's. */
static void refuse_absent(struct list_job *job)
{
	char *feeds = job->edit.n ? lists_feeds_of(job->d->config->lists, job->edit.name,
					    job->edit.entries[0])
				  : NULL;

	if (feeds)
		buf_putf(&job->edit.error,
			"the set's file does not have it, %s name%s it: put it into the set's "
			"'except' or 'except-file'",
			feeds, strchr(feeds, ',') ? "" : "s");
	job_refuse(job, ANSWER_NO, feeds ? buf_string(&job->edit.error) : "no such entry");
	free(feeds);
}

static void edit_done(void *arg)
{
	struct list_job *job = arg;
	bool changed = job->edit.n_add > 0 || job->edit.n_del > 0;

	if (job->code < 0) {
		job_refuse(job, ANSWER_NO, buf_string(&job->edit.error));
		return;
	}
	list_tell_history(job->d, job->rq->who, job->what, job->edit.name, job->edit.add,
		job->edit.n_add);
	list_tell_history(job->d, job->rq->who, job->what, job->edit.name, job->edit.del,
		job->edit.n_del);
	if (strcmp(job->what, "del") == 0 && job->edit.removed == 0) {
		refuse_absent(job);
		return;
	}
	log_info("event=list-%s list=%s added=%zu present=%zu removed=%zu who=\"%s\"", job->what,
		job->edit.name, job->edit.added, job->edit.present, job->edit.removed,
		job->rq->who);
	if (job->edit.renew) {
		daemon_renew(job->d, renew_answered, job);
	} else if (changed) {
		daemon_list_changed(job->d, job->edit.name, job->edit.add, job->edit.del);
		workers_list(job->d->workers, job->edit.name, job->edit.add, job->edit.del,
			edit_answered, job);
	} else {
		edit_answered(job, 0, "");
	}
}

/* The "entries" of the request as spans. False after refusing. */
static bool job_take_entries(struct list_job *job)
{
	json_t *entries = json_object_get(job->rq->args, "entries"), *entry;
	bool good = json_array_size(entries) > 0;
	size_t i;

	if (good)
		job->spans = calloc(json_array_size(entries), sizeof *job->spans);
	good = good && job->spans;
	json_array_foreach(entries, i, entry)
	{
		good = good && json_is_string(entry);
		if (good)
			job->spans[i] = (struct span){ json_string_value(entry),
				json_string_length(entry) };
	}
	job->edit.entries = job->spans;
	job->edit.n = json_array_size(entries);
	if (!good)
		job_refuse(job, ANSWER_USAGE, "\"entries\" is an array of at least one text");
	return good;
}

void command_list_add(struct daemon *d, struct request *rq)
{
	struct list_job *job = job_new(d, rq, "add");
	int64_t until;

	if (!job || !job_take_entries(job))
		return;
	until = json_integer_value(json_object_get(rq->args, "until"));
	job->edit.until_ms = until;
	job->edit.comment = json_string_value(json_object_get(rq->args, "comment"));
	if (until != 0 && until <= clock_wall_ms())
		job_refuse(job, ANSWER_USAGE, "\"until\" is past");
	else if (job->edit.comment && strpbrk(job->edit.comment, "\r\n"))
		job_refuse(job, ANSWER_USAGE, "a comment is one line");
	else
		job_start(job, add_work, edit_done);
}

void command_list_del(struct daemon *d, struct request *rq)
{
	struct list_job *job = job_new(d, rq, "del");

	if (job && job_take_entries(job))
		job_start(job, del_work, edit_done);
}

/* Each line of "text" an entry; the import's own comments and times stay. */
void command_list_import(struct daemon *d, struct request *rq)
{
	struct list_job *job = job_new(d, rq, "import");
	const char *text, *end;
	size_t lines = 1;

	if (!job)
		return;
	if (!(text = json_string_value(json_object_get(rq->args, "text")))) {
		job_refuse(job, ANSWER_USAGE, "list-import needs \"text\"");
		return;
	}
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	if (!(job->spans = calloc(lines, sizeof *job->spans))) {
		job_refuse(job, ANSWER_NO, "out of memory");
		return;
	}
	for (const char *at = text; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, "\n");
		job->spans[job->edit.n++] = (struct span){ at, (size_t)(end - at) };
	}
	job->edit.entries = job->spans;
	job_start(job, add_work, edit_done);
}

/* ---- looking ---- */

static void show_work(void *arg)
{
	struct list_job *job = arg;

	job->code =
		lists_show(job->d->config->lists, job->edit.name, &job->edit.error, &job->shown);
}

static void show_done(void *arg)
{
	struct list_job *job = arg;

	if (job->code < 0) {
		job_refuse(job, ANSWER_NO, buf_string(&job->edit.error));
		return;
	}
	request_answer(job->rq, json_incref(job->shown));
	job_free(job);
}

void command_list_show(struct daemon *d, struct request *rq)
{
	struct list_job *job;

	if (json_is_true(json_object_get(rq->args, "hits")))
		command_list_hits(d, rq);
	else if ((job = job_new(d, rq, "show")))
		job_start(job, show_work, show_done);
}

static void export_work(void *arg)
{
	struct list_job *job = arg;

	job->code =
		lists_export(job->d->config->lists, job->edit.name, &job->edit.error, &job->shown);
}

void command_list_export(struct daemon *d, struct request *rq)
{
	struct list_job *job = job_new(d, rq, "export");

	if (job)
		job_start(job, export_work, show_done);
}

void command_list_feeds(struct daemon *d, struct request *rq)
{
	const char *name = json_string_value(json_object_get(rq->args, "name"));
	size_t refreshed = 0;
	json_t *feeds;

	if (json_is_true(json_object_get(rq->args, "refresh")))
		refreshed = feeds_refresh(d->feeds, name);
	feeds = feeds_json(d->feeds, name);
	if (name && json_array_size(feeds) == 0) {
		json_decref(feeds);
		request_refuse(rq, ANSWER_NO, NULL, "the list '%s' has no feeds", name);
		return;
	}
	request_answer(rq, json_pack("{s:o,s:I}", "feeds", feeds, "refreshed", (json_int_t)refreshed));
}

static bool visit_edit(void *arg, const struct ledger_edit *edit)
{
	json_array_append_new(
		arg, json_pack("{s:I,s:s,s:s,s:s}", "time", (json_int_t)edit->time_ms, "who",
			     edit->who, "what", edit->what, "entry", edit->entry));
	return true;
}

void command_list_history(struct daemon *d, struct request *rq)
{
	const char *name = command_text(rq, "name");
	const struct set_info *sets;
	size_t n = policy_sets(d->config->policy, &sets);
	bool known = false;
	json_t *all;

	if (!name)
		return;
	for (size_t i = 0; i < n; i++)
		known |= strcmp(sets[i].name, name) == 0;
	all = json_array();
	(void)ledger_history_each(bans_ledger(d->bans), name, HISTORY_MAX, visit_edit, all);
	if (!known && json_array_size(all) == 0) {
		json_decref(all);
		request_refuse(rq, ANSWER_NO, NULL, "there is no list '%s'", name);
		return;
	}
	request_answer(rq, json_pack("{s:o}", "history", all));
}
