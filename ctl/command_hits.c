/* SPDX-License-Identifier: BSD-2-Clause */
/* "list show NAME --hits": the entries of a list with how often each matched. In: the counts of the
 * child that judges, checked for their shape, then in a job the list's file. Out: both in one, the
 * busiest first, the idle ones behind in the order of the file. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/jobs.h"
#include "ctl/lists.h"
#include "ctl/workers.h"

enum { ANSWER_NO = 1, HITS_MAX = 1000 };

struct hits_job {
	struct daemon *d;
	struct request *rq;
	json_t *rows; /* {"entry","hits"}, busiest first */
	json_t *shown;
	struct buf error;
	int code;
};

static void job_end(struct hits_job *job)
{
	if (job->code < 0)
		request_refuse(job->rq, ANSWER_NO, NULL, "%s",
			buf_len(&job->error) ? buf_string(&job->error) : err_text(job->code));
	else
		request_answer(job->rq, json_incref(job->shown));
	json_decref(job->rows);
	json_decref(job->shown);
	buf_fini(&job->error);
	free(job);
}

/* What the child said, as far as it has the right shape. */
static json_t *rows_take(json_t *from)
{
	json_t *rows = json_array(), *row;
	size_t i;

	json_array_foreach(from, i, row)
	{
		json_t *entry = json_object_get(row, "entry"), *hits = json_object_get(row, "hits");

		if (json_is_string(entry) && json_is_integer(hits) &&
			json_array_size(rows) < HITS_MAX)
			json_array_append_new(
				rows, json_pack("{s:O,s:O}", "entry", entry, "hits", hits));
	}
	return rows;
}

/* The file's entries into the rows that name them; the others behind. */
static int rows_merge(struct hits_job *job, json_t *entries)
{
	json_t *all = job->rows, *row, *entry;
	struct map by_text;
	size_t i, busy = json_array_size(all);
	int r = 0;

	map_init(&by_text);
	json_array_foreach(all, i, row)
	{
		const char *text = json_string_value(json_object_get(row, "entry"));
		if (r == 0)
			r = map_put(&by_text, text, strlen(text), row, NULL);
	}
	json_array_foreach(entries, i, entry)
	{
		const char *text = json_string_value(json_object_get(entry, "entry"));

		if ((row = map_find(&by_text, text, strlen(text)))) {
			json_object_update_missing(row, entry);
		} else {
			json_object_set_new(entry, "hits", json_integer(0));
			json_array_append(all, entry);
		}
	}
	for (i = 0; i < busy; i++) /* of the policy's own text, or a feed */
		if (!json_object_get((row = json_array_get(all, i)), "comment")) {
			json_object_set_new(row, "comment", json_string(""));
			json_object_set_new(row, "until", json_integer(0));
		}
	map_fini(&by_text, NULL);
	return r;
}

static const char *job_name(const struct hits_job *job)
{
	return json_string_value(json_object_get(job->rq->args, "name"));
}

static void show_work(void *arg)
{
	struct hits_job *job = arg;
	json_t *entries;

	job->code = lists_show(job->d->config->lists, job_name(job), &job->error, &job->shown);
	if (job->code == ERR_UNSUPPORTED) { /* it has no file: those that matched are enough */
		job->code = 0;
		buf_clear(&job->error);
		job->shown = json_pack("{s:s,s:[]}", "name", job_name(job), "entries");
	}
	if (job->code < 0)
		return;
	entries = json_object_get(job->shown, "entries");
	if ((job->code = rows_merge(job, entries)) == 0)
		json_object_set(job->shown, "entries", job->rows);
}

static void show_done(void *arg)
{
	job_end(arg);
}

static void on_hits(void *arg, json_t *rows)
{
	struct hits_job *job = arg;
	int r;

	job->rows = rows_take(rows);
	if ((r = jobs_run(job->d->jobs, show_work, show_done, job)) == 0)
		return; /* the job may be at work on it already */
	job->code = r;
	job_end(job);
}

void command_list_hits(struct daemon *d, struct request *rq)
{
	const char *name = command_text(rq, "name");
	struct hits_job *job = name ? calloc(1, sizeof *job) : NULL;

	if (name && !job)
		request_refuse(rq, ANSWER_NO, NULL, "out of memory");
	if (!job)
		return;
	job->d = d;
	job->rq = rq;
	buf_init(&job->error, 0);
	workers_hits(d->workers, name, HITS_MAX, on_hits, job);
}
