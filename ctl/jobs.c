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
	bool held, in_done;
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
	j->in_done = true;
	if (job->done)
		job->done(job->arg);
	j->in_done = false;
	j->first = job->next;
	free(job);
	if (!j->first)
		j->last = NULL;
	if (j->first && !j->held)
		jobs_start_first(j);
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
	if (j->first == job && !j->held)
		jobs_start_first(j);
	return 0;
}

void jobs_hold(struct jobs *j)
{
	j->held = true;
}

void jobs_release(struct jobs *j)
{
	assert(j->held);
	j->held = false;
	if (j->first && !j->in_done)
		jobs_start_first(j);
}

bool jobs_idle(const struct jobs *j)
{
	return !j->first && !j->held;
}

bool jobs_held_only(const struct jobs *j)
{
	return j->held && !j->in_done;
}

void jobs_free(struct jobs *j)
{
	if (!j)
		return;
	assert(jobs_idle(j));
	free(j);
}
