/* SPDX-License-Identifier: BSD-2-Clause */
/* From an editor's "save" to entries in force. In: word from the kernel that something happened in
 * a folder of list files (inotify; a look every few seconds where that fails: network file systems,
 * too many watches). Then, once it has been quiet for a moment, a look at all files in a job
 * (ctl/lists_follow.c). Out: the difference to workers, kernel and history; or, of a file that is
 * wrong, an event and a line of attention while what was in force stays. Folders are watched and
 * not files, since editors put a new file in the place of the old one. It writes no file. */
#include "ctl/watch.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/jobs.h"
#include "ctl/list_tell.h"
#include "ctl/lists.h"
#include "ctl/workers.h"
#include "rules/rules.h"

enum { WATCH_QUIET_MS = 200, WATCH_POLL_MS = 5000, WATCH_FOLDERS_MAX = 256 };

struct folder {
	struct folder *next;
	uv_fs_event_t event;
	char *path;
};

/* A file that was refused, by the name of its set. */
struct trouble {
	struct trouble *next;
	char *list, *why; /* why: one line */
};

struct watch {
	struct daemon *d;
	uv_timer_t quiet, poll;
	struct folder *folders;
	struct trouble *troubles;
	bool looking, again, closed;
	unsigned handles; /* timers not closed yet */
};

/* A look under way; renewals and answers of workers outlive it. */
struct look {
	struct watch *w;
	struct lists_change *changes;
	bool again;
};

static void watch_kick(struct watch *w);

/* ---- troubles ---- */

static void trouble_clear(struct watch *w, const char *list)
{
	struct trouble **at = &w->troubles, *t;

	while ((t = *at) != NULL) {
		if (list && strcmp(t->list, list) != 0) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		free(t->list);
		free(t->why);
		free(t);
	}
}

/* diagnostics: the first line counts. */
static void trouble_set(struct watch *w, const char *list, const char *diagnostics)
{
	struct trouble *t = calloc(1, sizeof *t);

	trouble_clear(w, list);
	if (!t || !(t->list = strdup(list)) ||
		!(t->why = strndup(diagnostics, strcspn(diagnostics, "\n")))) {
		if (t)
			free(t->list);
		free(t);
		return;
	}
	t->next = w->troubles;
	w->troubles = t;
	log_error("event=list-file list=%s result=refused why=\"%s\"", list, t->why);
	list_tell_event(w->d, list, "refused", t->why);
}

void watch_attention(const struct watch *w, json_t *lines)
{
	for (const struct trouble *t = w ? w->troubles : NULL; t; t = t->next)
		json_array_append_new(lines,
			json_sprintf("the file of list %s was edited and is refused, the entries "
				     "in force stay: %s",
				t->list, t->why));
}

/* ---- what a look found ---- */

static void look_free(struct look *look)
{
	lists_changes_free(look->changes);
	free(look);
}

static void on_workers_follow(void *arg, int code, const char *text)
{
	(void)arg;
	if (code < 0) /* its next start will have it */
		log_error("event=list-worker error=\"%s %s\"", err_text(code), text);
}

static void on_renewed(void *arg, const struct reload_result *result)
{
	struct look *look = arg;
	struct watch *w = look->w;

	if (result->code < 0)
		lists_renew_refused(w->d->config->lists);
	for (const struct lists_change *c = look->changes; c && !w->closed; c = c->next)
		if (c->edit.renew && result->code < 0)
			trouble_set(w, c->edit.name, result->diagnostics);
	look_free(look);
}

/* True when a new policy is to be made for it. */
static bool change_take(struct watch *w, const struct lists_change *c)
{
	struct daemon *d = w->d;

	if (c->trouble || c->code < 0) {
		trouble_set(w, c->edit.name, c->trouble ? c->trouble : err_text(c->code));
		return false;
	}
	trouble_clear(w, c->edit.name);
	if (c->edit.added + c->edit.removed == 0)
		return false;
	log_info("event=list-file list=%s added=%zu removed=%zu", c->edit.name, c->edit.added,
		c->edit.removed);
	list_tell_history(d, "file", "add", c->edit.name, c->edit.add, c->edit.n_add);
	list_tell_history(d, "file", "del", c->edit.name, c->edit.del, c->edit.n_del);
	if (c->edit.renew)
		return true;
	daemon_list_changed(d, c->edit.name, c->edit.add, c->edit.del);
	workers_list(d->workers, c->edit.name, c->edit.add, c->edit.del, on_workers_follow, NULL);
	return false;
}

static void look_work(void *arg)
{
	struct look *look = arg;

	look->again = lists_follow(look->w->d->config->lists, &look->changes);
}

static void look_done(void *arg)
{
	struct look *look = arg;
	struct watch *w = look->w;
	bool renew = false;

	w->looking = false;
	if (w->d->state == DAEMON_RUNNING && !w->closed) {
		for (const struct lists_change *c = look->changes; c; c = c->next)
			renew |= change_take(w, c);
		if (look->again || w->again)
			watch_kick(w);
	}
	if (renew)
		daemon_renew(w->d, on_renewed, look);
	else
		look_free(look);
}

static void on_quiet(uv_timer_t *timer)
{
	struct watch *w = timer->data;
	struct look *look;

	w->again = w->looking;
	if (w->looking || w->d->state != DAEMON_RUNNING || !(look = calloc(1, sizeof *look)))
		return;
	look->w = w;
	w->looking = jobs_run(w->d->jobs, look_work, look_done, look) == 0;
	if (!w->looking)
		free(look);
}

static void watch_kick(struct watch *w)
{
	if (!w->closed)
		uv_timer_start(&w->quiet, on_quiet, WATCH_QUIET_MS, 0);
}

/* ---- the kernel's word ---- */

static void on_event(uv_fs_event_t *event, const char *name, int events, int status)
{
	struct watch *w = event->data;

	(void)name;
	(void)events;
	(void)status;
	watch_kick(w);
}

static void on_poll(uv_timer_t *timer)
{
	struct watch *w = timer->data;

	if (!uv_is_active((uv_handle_t *)&w->quiet))
		on_quiet(&w->quiet);
}

static void folder_closed(uv_handle_t *handle)
{
	struct folder *f = (struct folder *)((char *)handle - offsetof(struct folder, event));

	free(f->path);
	free(f);
}

static void folders_close(struct watch *w)
{
	struct folder *next;

	for (struct folder *f = w->folders; f; f = next) {
		next = f->next;
		uv_close((uv_handle_t *)&f->event, folder_closed);
	}
	w->folders = NULL;
}

/* Failing is no trouble: the poll sees what it would have told. */
static void folder_add(struct watch *w, const char *file)
{
	cleanup_free char *copy = file ? strdup(file) : NULL;
	const char *path = copy ? dirname(copy) : NULL;
	unsigned n = 0;
	struct folder *f;

	for (f = w->folders; f && path; f = f->next, n++)
		if (strcmp(f->path, path) == 0)
			return;
	if (!path || n >= WATCH_FOLDERS_MAX || !(f = calloc(1, sizeof *f)))
		return;
	if (!(f->path = strdup(path))) {
		free(f);
		return;
	}
	uv_fs_event_init(&w->d->loop, &f->event);
	f->event.data = w;
	if (uv_fs_event_start(&f->event, on_event, path, 0) < 0)
		log_info("event=watch folder=\"%s\" note=\"no inotify, looking now and then\"",
			path);
	f->next = w->folders;
	w->folders = f;
}

static void folders_open(struct watch *w)
{
	const struct set_info *sets;
	size_t n = policy_sets(w->d->config->policy, &sets);

	for (size_t i = 0; i < n; i++) {
		cleanup_free char *real = *sets[i].path ? realpath(sets[i].path, NULL) : NULL;

		if (!*sets[i].path)
			continue;
		folder_add(w, sets[i].path);
		folder_add(w, real); /* what a link names is edited elsewhere */
	}
}

/* ---- its life ---- */

struct watch *watch_new(struct daemon *d)
{
	struct watch *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->d = d;
	uv_timer_init(&d->loop, &w->quiet);
	uv_timer_init(&d->loop, &w->poll);
	w->quiet.data = w->poll.data = w;
	w->handles = 2;
	uv_timer_start(&w->poll, on_poll, WATCH_POLL_MS, WATCH_POLL_MS);
	folders_open(w);
	watch_kick(w); /* an edit while we were starting */
	return w;
}

void watch_policy_changed(struct watch *w, bool renewed)
{
	if (!w || renewed)
		return;
	trouble_clear(w, NULL);
	folders_close(w);
	folders_open(w);
	watch_kick(w);
}

static void timer_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;

	if (--w->handles == 0)
		free(w);
}

void watch_close(struct watch *w)
{
	if (!w)
		return;
	w->closed = true;
	trouble_clear(w, NULL);
	folders_close(w);
	uv_close((uv_handle_t *)&w->quiet, timer_closed);
	uv_close((uv_handle_t *)&w->poll, timer_closed);
}
