/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy that judges beside the one in force ("shadow" of ctl/link.h), on the main thread. In: a
 * bundle and a time. Out: the policy to the workers, who judge by it, too; when the time is over
 * their numbers, once. One at a time, and never a gear: no session meets it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
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

/* ---- compiling: beside the line, which has kills and answers to carry ---- */

struct shadow_load {
	struct link *link;
	uv_work_t work;
	struct gear *gear; /* in force: what is alike is shared */
	char *path;
	int fd;
	json_int_t id;
	uint64_t ms;
	struct part_set parts;
	struct shadow *shadow;
	struct buf why;
	int code;
};

static void load_free(struct shadow_load *load)
{
	if (load->fd >= 0)
		close(load->fd);
	shadow_unref(load->shadow);
	gear_unref(load->gear);
	buf_fini(&load->why);
	part_set_fini(&load->parts);
	free(load->path);
	free(load);
}

static void load_work(uv_work_t *work)
{
	struct shadow_load *load = work->data;
	struct policy *policy = NULL;
	struct source_set sources;
	struct diag_list diags;
	int r;

	source_init(&sources, false);
	diag_init(&diags);
	if ((r = source_unbundle(load->fd, &sources)) == 0 &&
		(r = part_set_add_all(&sources.parts, &load->parts)) == 0)
		r = policy_load(&sources, load->path, load->gear->policy, NULL, &diags, &policy);
	if (r < 0) {
		cleanup_free char *text = diags.errors ? diag_string(&diags) : NULL;

		buf_puts(&load->why, text ? text : err_text(r));
	}
	if (r == 0)
		r = shadow_new(policy, &load->shadow);
	policy_unref(policy);
	diag_fini(&diags);
	source_fini(&sources);
	load->code = r;
}

static void load_done(uv_work_t *work, int status)
{
	struct shadow_load *load = work->data;
	struct link *l = load->link;

	(void)status;
	if (l->shadow_load != load || l->stopping) { /* no longer wanted */
		load_free(load);
		return;
	}
	l->shadow_load = NULL;
	if (load->code == 0) {
		l->shadow = shadow_ref(load->shadow);
		for (unsigned i = 0; i < l->n_workers; i++)
			if (worker_shadow(l->workers[i], l->shadow) < 0)
				log_warn("shadow error=%s", err_text(-ENOMEM));
		uv_timer_start(&l->shadow_timer, on_shadow_timer, load->ms, 0);
	} else {
		link_send(l, json_pack("{s:s, s:I, s:b, s:s}", "m", "shadow", "shadow", load->id,
				     "ok", 0, "error",
				     buf_len(&load->why) ? buf_string(&load->why)
							 : err_text(load->code)));
	}
	load_free(load);
}

/* Takes fd. */
void link_on_shadow(struct link *l, json_t *msg, int fd)
{
	json_int_t ms = number_of(msg, "ms");
	struct shadow_load *load;

	if (fd < 0 || ms < 1 || ms > SHADOW_MS_MAX || !l->gear || !l->started) {
		if (fd >= 0)
			close(fd);
		link_nonsense(l, "shadow");
		return;
	}
	shadow_end(l);
	l->shadow_id = number_of(msg, "shadow");
	if (!(load = calloc(1, sizeof(*load)))) {
		close(fd);
		link_stop(l, EXIT_FAILURE);
		return;
	}
	*load = (struct shadow_load){ .link = l,
		.gear = gear_ref(l->gear),
		.fd = fd,
		.parts = loader_take_parts(&l->loader),
		.path = strdup(text_of(msg, "path")),
		.id = l->shadow_id,
		.ms = (uint64_t)ms };
	load->work.data = load;
	buf_init(&load->why, 0);
	l->shadow_load = load;
	if (!load->path || uv_queue_work(&l->loop, &load->work, load_work, load_done) < 0) {
		l->shadow_load = NULL;
		load_free(load);
		link_stop(l, EXIT_FAILURE);
	}
}

void link_on_unshadow(struct link *l, json_t *msg)
{
	if (number_of(msg, "shadow") != l->shadow_id)
		return;
	if (l->shadow_load) { /* as if it had judged nothing */
		l->shadow_load = NULL;
		link_send(l, json_pack("{s:s, s:I, s:b, s:s}", "m", "shadow", "shadow",
				     l->shadow_id, "ok", 0, "error", "it was not wanted any more"));
	}
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
