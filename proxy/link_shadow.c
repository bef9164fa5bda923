/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy that judges beside the one in force ("shadow" of ctl/link.h), on the main thread. In: a
 * bundle and a time. Out: the policy to the workers, who judge by it, too; when the time is over
 * their numbers, once. One at a time, and never a gear: no session meets it. */
#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"
#include "rules/shadow.h"

enum { SHADOW_MS_MAX = 3600000 };

/* The reference the link holds goes with the report. */
static void shadow_end(struct link *l)
{
	json_t *report;

	if (!l->shadow)
		return;
	uv_timer_stop(&l->shadow_timer);
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_shadow(l->workers[i], NULL);
	report = shadow_report(l->shadow);
	shadow_unref(l->shadow);
	l->shadow = NULL;
	link_send(l, json_pack("{s:s, s:I, s:b, s:o}", "m", "shadow", "shadow", l->shadow_id, "ok",
			     1, "report", report ? report : json_object()));
}

static void on_shadow_timer(uv_timer_t *timer)
{
	shadow_end(timer->data);
}

static int shadow_load(struct link *l, const char *path, int fd, struct buf *why)
{
	struct policy *policy = NULL;
	struct source_set sources;
	struct diag_list diags;
	int r;

	source_init(&sources, false);
	diag_init(&diags);
	if ((r = source_unbundle(fd, &sources)) == 0)
		r = policy_load(&sources, path, l->gear->policy, NULL, &diags, &policy);
	if (r < 0) {
		cleanup_free char *text = diags.errors ? diag_string(&diags) : NULL;

		buf_puts(why, text ? text : err_text(r));
	}
	if (r == 0)
		r = shadow_new(policy, &l->shadow);
	policy_unref(policy);
	diag_fini(&diags);
	source_fini(&sources);
	return r;
}

void link_on_shadow(struct link *l, json_t *msg, int fd)
{
	json_int_t ms = number_of(msg, "ms");
	struct buf why;
	int r;

	if (fd < 0 || ms < 1 || ms > SHADOW_MS_MAX || !l->gear || !l->started) {
		link_nonsense(l, "shadow");
		return;
	}
	shadow_end(l);
	l->shadow_id = number_of(msg, "shadow");
	buf_init(&why, 0);
	if ((r = shadow_load(l, text_of(msg, "path"), fd, &why)) == 0) {
		for (unsigned i = 0; i < l->n_workers; i++)
			if (worker_shadow(l->workers[i], l->shadow) < 0)
				log_warn("shadow error=%s", err_text(-ENOMEM));
		uv_update_time(&l->loop); /* compiling took its time */
		uv_timer_start(&l->shadow_timer, on_shadow_timer, (uint64_t)ms, 0);
	} else {
		link_send(l,
			json_pack("{s:s, s:I, s:b, s:s}", "m", "shadow", "shadow", l->shadow_id,
				"ok", 0, "error", buf_len(&why) ? buf_string(&why) : err_text(r)));
	}
	buf_fini(&why);
}

void link_on_unshadow(struct link *l, json_t *msg)
{
	if (l->shadow && number_of(msg, "shadow") == l->shadow_id)
		shadow_end(l);
}

int link_shadow_init(struct link *l)
{
	l->shadow_timer.data = l;
	return uv_timer_init(&l->loop, &l->shadow_timer);
}

void link_shadow_fini(struct link *l)
{
	shadow_unref(l->shadow);
	l->shadow = NULL;
	uv_close((uv_handle_t *)&l->shadow_timer, NULL);
}
