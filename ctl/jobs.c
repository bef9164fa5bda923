/* SPDX-License-Identifier: BSD-2-Clause */
/* What would hold up the loop for longer than a ban may wait: compiling a policy, writing a long
 * list. In: functions. Out: their ends, on the loop. One at a time and in order, so that a reload
 * and a list edit never overlap and nobody has to merge them. It knows nothing about what it runs.
 */
#include "ctl/jobs.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct job {
	struct job *next;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

struct jobs {
	uv_loop_t *loop;
	uv_work_t running;
	struct job *first, *last; /* the first one runs */
};

int jobs_new(uv_loop_t *loop, struct jobs **out)
{
	struct jobs *j = calloc(1, sizeof *j);

	if (!j)
		return -ENOMEM;
	j->loop = loop;
	j->running.data = j;
	*out = j;
	return 0;
}

static void jobs_start_first(struct jobs *j);

static void job_work(uv_work_t *work)
{
	struct jobs *j = work->data;

	j->first->work(j->first->arg);
}

static void job_done(uv_work_t *work, int status)
{
	struct jobs *j = work->data;
	struct job *job = j->first;

	(void)status;
	/* Before the next one starts: it is to see what this one left. */
	job->done(job->arg);
	j->first = job->next;
	free(job);
	if (j->first)
		jobs_start_first(j);
	else
		j->last = NULL;
}

static void jobs_start_first(struct jobs *j)
{
	int r = uv_queue_work(j->loop, &j->running, job_work, job_done);

	assert(r == 0); /* fails only without a work function */
	(void)r;
}

int jobs_run(struct jobs *j, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct job *job = calloc(1, sizeof *job);

	if (!job)
		return -ENOMEM;
	*job = (struct job){ NULL, work, done, arg };
	if (j->last)
		j->last->next = job;
	else
		j->first = job;
	j->last = job;
	if (j->first == job)
		jobs_start_first(j);
	return 0;
}

bool jobs_idle(const struct jobs *j)
{
	return !j->first;
}

void jobs_free(struct jobs *j)
{
	if (!j)
		return;
	assert(jobs_idle(j));
	free(j);
}
