/* SPDX-License-Identifier: BSD-2-Clause */
/* How a feed gets here. In: a URL or a path. A URL is fetched by a program of its own
 * (fetch/main.c: own user, no capabilities; libcurl and TLS stay out of the daemon), which gets its
 * request and the open file to write into as descriptors and answers in one line; a file is read in
 * a job. Then a job judges what came (ctl/feed_copy.c). Out: unchanged, changed, or failed and why.
 * A child that hangs is killed; what it says is not believed beyond its form. It puts nothing in
 * force. */
#include "ctl/feed_fetch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/jobs.h"
#include "rules/feed.h"
#include "rules/rules.h"

enum { ANSWER_MAX = 4096, FETCH_GRACE_MS = 5000, FETCH_ROOM = 65536 };

struct feed_fetch {
	struct daemon *d;
	struct policy *p; /* holds set and feed */
	char *dir;
	const char *set;
	const struct feed_info *feed;
	struct feed_copy copy;
	uv_process_t process;
	uv_timer_t timer;
	unsigned handles;       /* not closed yet */
	int answer;             /* where the child writes; -1: none */
	_Atomic bool abandoned; /* set on the loop while a job may look */
	bool late;
	bool confirm; /* the server says that the copy is still what it was */
	bool changed;
	int code;
	struct buf why;
	feed_fetch_done done;
	void *arg;
};

static void fetch_end(struct feed_fetch *f)
{
	enum feed_result result = f->code < 0  ? FEED_FAILED
				  : f->changed ? FEED_CHANGED
					       : FEED_UNCHANGED;
	const char *why = buf_len(&f->why) ? buf_string(&f->why) : "";

	if (!f->abandoned)
		f->done(f->arg, f->set, f->feed, result, &f->copy,
			f->code < 0 && !*why ? err_text(f->code) : why);
	if (f->answer >= 0)
		close(f->answer);
	buf_fini(&f->why);
	policy_unref(f->p);
	free(f->dir);
	free(f);
}

/* ---- judging, in a job ---- */

static void judge_work(void *arg)
{
	struct feed_fetch *f = arg;

	if (f->abandoned)
		return;
	if (f->confirm)
		feed_copy_confirm(f->dir, f->set, f->feed, &f->copy);
	else if (f->feed->url)
		f->code = feed_copy_take(
			f->p, f->dir, f->set, f->feed, &f->copy, &f->changed, &f->why);
	else
		f->code = feed_copy_file(
			f->p, f->dir, f->set, f->feed, &f->copy, &f->changed, &f->why);
}

static void judge_done(void *arg)
{
	fetch_end(arg);
}

static void judge(struct feed_fetch *f)
{
	if (f->code == 0 && !f->abandoned && f->d->state == DAEMON_RUNNING) {
		int r = jobs_run(f->d->jobs, judge_work, judge_done, f);

		if (r == 0)
			return; /* the job may be at work on it already */
		f->code = r;
	}
	fetch_end(f);
}

/* ---- the child ---- */

static void text_take(char *to, size_t size, const json_t *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));

	/* What does not fit would not be recognised by the server, either. */
	snprintf(to, size, "%s", text && strlen(text) < size ? text : "");
}

/* What the child said: bytes are in the file, the copy stands, or why not. */
static void answer_judge(struct feed_fetch *f, const json_t *answer)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	json_int_t status = json_integer_value(json_object_get(answer, "status"));

	f->code = ERR_PROTO;
	if (f->late) {
		buf_putf(&f->why, "it took longer than its timeout");
	} else if (!answer) {
		buf_putf(&f->why, "xmppwall-fetch ended without a word");
	} else if (error && *error) {
		buf_putf(&f->why, "%.300s", error);
	} else if (status == 304 && f->copy.there && *f->copy.etag + *f->copy.modified) {
		f->confirm = true;
		f->code = 0;
	} else if (status != 200) {
		buf_putf(&f->why, "the server answered with status %d", (int)status);
	} else {
		text_take(f->copy.etag, sizeof f->copy.etag, answer, "etag");
		text_take(f->copy.modified, sizeof f->copy.modified, answer, "modified");
		f->code = 0;
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct feed_fetch *f = handle->data;
	char line[ANSWER_MAX];
	json_t *answer = NULL;
	ssize_t n;

	if (--f->handles > 0)
		return;
	n = f->answer >= 0 ? pread(f->answer, line, sizeof line, 0) : -1;
	if (n > 0)
		answer = json_loadb(line, (size_t)n, JSON_DISABLE_EOF_CHECK, NULL);
	if (f->code == 0)
		answer_judge(f, answer);
	json_decref(answer);
	judge(f);
}

static void handles_close(struct feed_fetch *f)
{
	uv_close((uv_handle_t *)&f->process, on_closed);
	uv_close((uv_handle_t *)&f->timer, on_closed);
}

static void on_child_exit(uv_process_t *process, int64_t status, int number)
{
	struct feed_fetch *f = process->data;

	(void)status;
	if (number)
		log_warn("event=feed-fetch list=%s feed=%s signal=%d", f->set, f->feed->name,
			number);
	handles_close(f);
}

static void on_late(uv_timer_t *timer)
{
	struct feed_fetch *f = timer->data;

	f->late = true;
	(void)uv_process_kill(&f->process, SIGKILL);
}

/* A file in memory that holds the text (NULL: nothing), at its beginning. */
static int memory_new(const char *text)
{
	cleanup_fd int fd = memfd_create("xmppwall-fetch", MFD_CLOEXEC);

	if (fd < 0 || (text && (write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
				       lseek(fd, 0, SEEK_SET) < 0)))
		return -EIO;
	return take_fd(&fd);
}

static int request_new(const struct feed_fetch *f)
{
	const char *user = policy_daemon(f->p)->user;
	json_t *request = json_pack("{s:s,s:s,s:s,s:I,s:I,s:s}", "url", f->feed->url, "etag",
		f->copy.there ? f->copy.etag : "", "modified",
		f->copy.there ? f->copy.modified : "", "max", (json_int_t)f->feed->size_max,
		"timeout", (json_int_t)f->feed->timeout_ms, "user", user ? user : "");
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	int fd = text ? memory_new(text) : -ENOMEM;

	free(text);
	json_decref(request);
	return fd;
}

/* Nothing but the four descriptors: libuv puts them in place, all others close on exec. */
static int child_start(struct feed_fetch *f, int request, int body)
{
	char path[PATH_MAX];
	char *argv[] = { (char *)"xmppwall-fetch", NULL };
	uv_stdio_container_t stdio[4] = {
		{ .flags = UV_INHERIT_FD, .data.fd = request },
		{ .flags = UV_INHERIT_FD, .data.fd = f->answer },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = body },
	};
	uv_process_options_t options = { .exit_cb = on_child_exit,
		.file = path,
		.args = argv,
		.stdio = stdio,
		.stdio_count = 4 };
	struct rlimit room = { f->feed->size_max + FETCH_ROOM, f->feed->size_max + FETCH_ROOM };
	int r;

	snprintf(path, sizeof path, "%s/xmppwall-fetch", f->d->spec.libexec_dir);
	f->handles = 2;
	f->process.data = f->timer.data = f;
	uv_timer_init(&f->d->loop, &f->timer);
	if ((r = uv_spawn(&f->d->loop, &f->process, &options)) < 0) {
		f->code = r;
		buf_putf(&f->why, "cannot start %s: %s", path, err_text(r));
		handles_close(f); /* the end comes from there */
		return 0;
	}
	/* It limits itself, too; this is in case somebody took it over. */
	(void)prlimit(f->process.pid, RLIMIT_FSIZE, &room, NULL);
	uv_timer_start(&f->timer, on_late, f->feed->timeout_ms + FETCH_GRACE_MS, 0);
	return 0;
}

static int fetch_url(struct feed_fetch *f)
{
	cleanup_fd int body = feed_copy_open(f->dir, f->set, f->feed);
	cleanup_fd int request = request_new(f);

	f->answer = memory_new(NULL);
	if (body < 0)
		return body;
	if (request < 0 || f->answer < 0)
		return request < 0 ? request : f->answer;
	return child_start(f, request, body);
}

int feed_fetch_start(struct daemon *d, const char *dir, const char *set,
	const struct feed_info *feed, const struct feed_copy *copy, feed_fetch_done done, void *arg,
	struct feed_fetch **out)
{
	struct feed_fetch *f = calloc(1, sizeof *f);
	int r;

	if (!f || !(f->dir = strdup(dir))) {
		free(f);
		return -ENOMEM;
	}
	f->d = d;
	f->p = policy_ref(d->config->policy);
	f->set = set;
	f->feed = feed;
	f->copy = *copy;
	f->answer = -1;
	f->done = done;
	f->arg = arg;
	buf_init(&f->why, 0);
	r = feed->url ? fetch_url(f) : jobs_run(d->jobs, judge_work, judge_done, f);
	if (r == 0) {
		*out = f;
		return 0;
	}
	f->abandoned = true;
	fetch_end(f);
	return r;
}

void feed_fetch_abandon(struct feed_fetch *f)
{
	f->abandoned = true;
	if (f->handles == 2 && !uv_is_closing((uv_handle_t *)&f->process))
		(void)uv_process_kill(&f->process, SIGKILL);
}
