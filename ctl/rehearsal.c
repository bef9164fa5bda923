/* SPDX-License-Identifier: BSD-2-Clause */
/* A load of the policy on disk that is thrown away. In: the word that a list file was edited. Out:
 * a line of attention in "status" when the next start or reload would refuse what is there now. It
 * runs beside the loop and the jobs, seldom, for it costs as much as a reload, and changes nothing.
 */
#include "ctl/rehearsal.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "ctl/config.h"

enum { REHEARSAL_SOON_MS = 2000, REHEARSAL_EVERY_MS = 60000 };

struct rehearsal {
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;
	const char *path, *feeds_dir;
	struct cache *cache;
	bool runs, stale; /* stale: what is being found out is about an older state */
	uint64_t last_ms;
	char *found, *trouble;
};

struct rehearsal *rehearsal_new(
	uv_loop_t *loop, const char *path, const char *feeds_dir, struct cache *cache)
{
	struct rehearsal *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->loop = loop;
	r->path = path;
	r->feeds_dir = feeds_dir;
	r->cache = cache;
	r->work.data = r;
	uv_timer_init(loop, &r->timer);
	r->timer.data = r;
	return r;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct rehearsal *r = handle->data;

	free(r->trouble);
	free(r);
}

void rehearsal_free(struct rehearsal *r)
{
	if (r)
		uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}

static void rehearse(uv_work_t *work)
{
	struct rehearsal *r = work->data;
	struct config *c = NULL;

	r->found = NULL;
	if (config_load_fed(r->path, r->feeds_dir, r->cache, NULL, NULL, &c, &r->found) == 0) {
		config_keep(c);
		config_free(c);
	}
	malloc_trim(0);
}

static void rehearsed(uv_work_t *work, int status)
{
	struct rehearsal *r = work->data;

	(void)status;
	r->runs = false;
	r->last_ms = clock_mono_ms();
	if (r->stale) {
		free(r->found);
	} else {
		free(r->trouble);
		r->trouble = r->found;
		if (r->trouble)
			log_warn("event=rehearsal note=\"the next start or reload would refuse "
				 "what is on disk now\"");
	}
	r->found = NULL;
}

static void on_timer(uv_timer_t *timer)
{
	struct rehearsal *r = timer->data;

	if (r->runs) {
		uv_timer_start(timer, on_timer, REHEARSAL_SOON_MS, 0);
		return;
	}
	r->stale = false;
	r->runs = uv_queue_work(r->loop, &r->work, rehearse, rehearsed) == 0;
}

void rehearsal_ask(struct rehearsal *r)
{
	uint64_t since = clock_mono_ms() - r->last_ms, wait = REHEARSAL_SOON_MS;

	if (r->last_ms && since + wait < REHEARSAL_EVERY_MS)
		wait = REHEARSAL_EVERY_MS - since;
	if (!uv_is_active((uv_handle_t *)&r->timer))
		uv_timer_start(&r->timer, on_timer, wait, 0);
}

void rehearsal_reset(struct rehearsal *r)
{
	uv_timer_stop(&r->timer);
	r->stale = true;
	free(r->trouble);
	r->trouble = NULL;
}

bool rehearsal_runs(const struct rehearsal *r)
{
	return r->runs;
}

const char *rehearsal_trouble(const struct rehearsal *r)
{
	return r->trouble;
}
