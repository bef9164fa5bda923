/* SPDX-License-Identifier: BSD-2-Clause */
/* How a feed gets here. In: a URL or a path. A URL is fetched by a program of its own
 * (fetch/main.c, sent by ctl/errand.c: own user, no capabilities; libcurl and TLS stay out of the
 * daemon), which gets the open file to write into; a file is read in a job. Then a job judges what
 * came (ctl/feed_copy.c). Out: unchanged, changed, or failed and why. What the program says is not
 * believed beyond its form. It puts nothing in force. */
#include "ctl/feed_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/errand.h"
#include "ctl/jobs.h"
#include "rules/feed.h"
#include "rules/rules.h"

enum { FETCH_GRACE_MS = 5000, FETCH_ROOM = 65536 };

struct feed_fetch {
	struct daemon *d;
	struct policy *p; /* holds set and feed */
	char *dir;
	const char *set;
	const struct feed_info *feed;
	struct feed_copy copy;
	struct errand *errand;  /* NULL: nobody is out */
	_Atomic bool abandoned; /* set on the loop while a job may look */
	bool confirm;           /* the server says that the copy is still what it was */
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

/* ---- the program ---- */

static void text_take(char *to, size_t size, const json_t *answer, const char *key)
{
	const char *text = json_string_value(json_object_get(answer, key));

	/* What does not fit would not be recognised by the server, either. */
	snprintf(to, size, "%s", text && strlen(text) < size ? text : "");
}

/* What the child said: bytes are in the file, the copy stands, or why not. */
static void answer_judge(struct feed_fetch *f, const json_t *answer, const char *trouble)
{
	const char *error = json_string_value(json_object_get(answer, "error"));
	json_int_t status = json_integer_value(json_object_get(answer, "status"));

	f->code = ERR_PROTO;
	if (!answer || (error && *error)) {
		error = answer ? error : trouble;
		buf_putf(&f->why, "%.*s", (int)span_cut(span_of(error), 300), error);
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

static void on_fetched(void *arg, const json_t *answer, const char *trouble)
{
	struct feed_fetch *f = arg;

	f->errand = NULL;
	answer_judge(f, answer, trouble);
	judge(f);
}

static json_t *request_new(const struct feed_fetch *f)
{
	const char *user = policy_daemon(f->p)->user;

	return json_pack("{s:s,s:s,s:s,s:I,s:I,s:s}", "url", f->feed->url, "etag",
		f->copy.there ? f->copy.etag : "", "modified",
		f->copy.there ? f->copy.modified : "", "max", (json_int_t)f->feed->size_max,
		"timeout", (json_int_t)f->feed->timeout_ms, "user", user ? user : "");
}

static int fetch_url(struct feed_fetch *f)
{
	cleanup_fd int body = feed_copy_open(f->dir, f->set, f->feed);
	json_t *request = request_new(f);
	struct errand_spec spec = { &f->d->loop, f->d->spec.libexec_dir, "xmppwall-fetch", request,
		body, f->feed->size_max + FETCH_ROOM, f->feed->timeout_ms + FETCH_GRACE_MS,
		on_fetched, f, 0 };
	int r = body < 0 ? body : !request ? -ENOMEM : errand_start(&spec, &f->errand);

	json_decref(request);
	return r;
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
	if (f->errand)
		errand_end(f->errand);
}
