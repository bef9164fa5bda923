/* SPDX-License-Identifier: BSD-2-Clause */
/* A policy that judges beside the one in force, between a door's line and its threads, on the main
 * thread. In: a bundle and a time. Out: the policy to the threads, who judge by it, too; when the
 * time is over their numbers, once. One at a time, and never what a door makes of a policy: no
 * session meets it. */
#include "door/trial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "door/json.h"
#include "rules/shadow.h"

enum { SHADOW_MS_MAX = 3600000 };

/* The reference held here goes with the report. */
static void shadow_end(struct trial *t)
{
	json_t *report;

	if (!t->shadow)
		return;
	uv_timer_stop(&t->timer);
	t->use(t->loader->line->link, NULL);
	report = shadow_report(t->shadow);
	shadow_unref(t->shadow);
	t->shadow = NULL;
	line_send(t->loader->line, json_pack("{s:s, s:I, s:b, s:o}", "m", "shadow", "shadow", t->id,
					   "ok", 1, "report", report ? report : json_object()));
}

static void on_shadow_timer(uv_timer_t *timer)
{
	shadow_end(timer->data);
}

/* ---- compiling: beside the line, which has kills and answers to carry ---- */

struct trial_load {
	struct trial *trial;
	uv_work_t work;
	struct policy *policy; /* in force: what is alike is shared */
	char *path;
	int fd;
	json_int_t id;
	uint64_t ms;
	struct part_set parts;
	struct shadow *shadow;
	struct buf why;
	int code;
};

static void load_free(struct trial_load *load)
{
	if (load->fd >= 0)
		close(load->fd);
	shadow_unref(load->shadow);
	policy_unref(load->policy);
	buf_fini(&load->why);
	part_set_fini(&load->parts);
	free(load->path);
	free(load);
}

static void load_work(uv_work_t *work)
{
	struct trial_load *load = work->data;
	struct policy *policy = NULL;
	struct source_set sources;
	struct diag_list diags;
	int r;

	source_init(&sources, false);
	diag_init(&diags);
	if ((r = source_unbundle(load->fd, &sources)) == 0 &&
		(r = part_set_add_all(&sources.parts, &load->parts)) == 0)
		r = policy_load(&sources, load->path, load->policy, NULL, &diags, &policy);
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
	struct trial_load *load = work->data;
	struct trial *t = load->trial;

	(void)status;
	if (t->load != load || t->loader->line->stopping) { /* no longer wanted */
		load_free(load);
		return;
	}
	t->load = NULL;
	if (load->code == 0) {
		t->shadow = shadow_ref(load->shadow);
		t->use(t->loader->line->link, t->shadow);
		uv_timer_start(&t->timer, on_shadow_timer, load->ms, 0);
	} else {
		line_send(t->loader->line, json_pack("{s:s, s:I, s:b, s:s}", "m", "shadow",
						   "shadow", load->id, "ok", 0, "error",
						   buf_len(&load->why) ? buf_string(&load->why)
								       : err_text(load->code)));
	}
	load_free(load);
}

static void on_shadow(struct trial *t, json_t *msg)
{
	int fd = line_take_fd(t->loader->line);
	json_int_t ms = number_of(msg, "ms");
	struct trial_load *load;

	if (fd < 0 || ms < 1 || ms > SHADOW_MS_MAX || !loader_policy(t->loader) ||
		!t->loader->running) {
		if (fd >= 0)
			close(fd);
		line_nonsense(t->loader->line, "shadow");
		return;
	}
	shadow_end(t);
	t->id = number_of(msg, "shadow");
	if (!(load = calloc(1, sizeof(*load)))) {
		close(fd);
		line_fail(t->loader->line);
		return;
	}
	*load = (struct trial_load){ .trial = t,
		.policy = policy_ref(loader_policy(t->loader)),
		.fd = fd,
		.parts = loader_take_parts(t->loader),
		.path = strdup(text_of(msg, "path")),
		.id = t->id,
		.ms = (uint64_t)ms };
	load->work.data = load;
	buf_init(&load->why, 0);
	t->load = load;
	if (!load->path || uv_queue_work(t->loader->loop, &load->work, load_work, load_done) < 0) {
		t->load = NULL;
		load_free(load);
		line_fail(t->loader->line);
	}
}

static void on_unshadow(struct trial *t, json_t *msg)
{
	if (number_of(msg, "shadow") != t->id)
		return;
	if (t->load) { /* as if it had judged nothing */
		t->load = NULL;
		line_send(t->loader->line,
			json_pack("{s:s, s:I, s:b, s:s}", "m", "shadow", "shadow", t->id, "ok", 0,
				"error", "it was not wanted any more"));
	}
	shadow_end(t);
}

bool trial_on_message(struct trial *t, const char *name, json_t *msg)
{
	if (strcmp(name, "shadow") == 0)
		on_shadow(t, msg);
	else if (strcmp(name, "unshadow") == 0)
		on_unshadow(t, msg);
	else
		return false;
	return true;
}

int trial_init(
	struct trial *t, struct loader *loader, void (*use)(struct link *l, struct shadow *shadow))
{
	*t = (struct trial){ .loader = loader, .use = use };
	t->timer.data = t;
	return uv_timer_init(loader->loop, &t->timer);
}

void trial_close(struct trial *t)
{
	shadow_unref(t->shadow);
	t->shadow = NULL;
	uv_close((uv_handle_t *)&t->timer, NULL);
}
