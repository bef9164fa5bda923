/* SPDX-License-Identifier: BSD-2-Clause */
/* When to look at which feed, and what follows. In: the feeds of the policy in force and the clock.
 * Each is looked at when it is due (ctl/feed_fetch.c), failing ones sooner at first and ever less
 * often. Out: once a copy changed, the policy made anew with it (ctl/reload.c's way: nothing is
 * disturbed, and a list of a million costs no live edits); words about each for status, history and
 * "list feeds". A feed that fails changes nothing: its last good copy stays. */
#include "ctl/feeds.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/feed_fetch.h"
#include "ctl/list_tell.h"
#include "rules/feed.h"
#include "rules/rules.h"

enum {
	FEEDS_TICK_MS = 1000,
	FEEDS_RENEW_MS = 300,   /* feeds that change together make one new policy */
	FEEDS_RETRY_MS = 15000, /* after the first failure; doubles */
	FEEDS_AT_ONCE = 4,
};

struct feed_one {
	struct feed_one *next;
	const char *set; /* these two are the policy's */
	const struct feed_info *info;
	struct feed_copy copy;
	struct feed_fetch *fetch; /* under way; NULL: not */
	uint64_t due_ms;          /* monotonic */
	unsigned failures;        /* in a row */
	char *error;              /* of the last look; NULL: it went well */
};

/* A file of exceptions. */
struct except_one {
	struct except_one *next;
	const char *path; /* the policy's */
	struct stat seen;
};

struct feeds {
	struct daemon *d;
	struct policy *p; /* holds the names */
	char dir[PATH_MAX];
	struct feed_one *all;
	struct except_one *excepts;
	uv_timer_t tick, renew;
	bool wanted, renewing, closed;
	char *refused; /* why the copies are not in force; NULL: they are */
	unsigned handles;
};

static void on_renew(uv_timer_t *timer);

/* ---- what follows ---- */

static void renew_want(struct feeds *f)
{
	f->wanted = true;
	if (!f->closed)
		uv_timer_start(&f->renew, on_renew, FEEDS_RENEW_MS, 0);
}

static void on_renewed(void *arg, const struct reload_result *result)
{
	struct feeds *f = arg;

	f->renewing = false;
	free(f->refused);
	f->refused = result->code < 0
			     ? strndup(result->diagnostics, strcspn(result->diagnostics, "\n"))
			     : NULL;
	if (f->refused)
		log_error("event=feeds result=refused why=\"%s\"", f->refused);
	if (f->wanted)
		renew_want(f);
}

static void on_renew(uv_timer_t *timer)
{
	struct feeds *f = timer->data;

	if (f->renewing || f->closed || f->d->state != DAEMON_RUNNING)
		return; /* on_renewed comes back to it */
	f->wanted = false;
	f->renewing = true;
	daemon_renew(f->d, on_renewed, f);
}

/* ---- looking ---- */

static struct feed_one *one_find(const struct feeds *f, const char *set, const char *name)
{
	struct feed_one *one;

	for (one = f->all; one; one = one->next)
		if (strcmp(one->set, set) == 0 && strcmp(one->info->name, name) == 0)
			return one;
	return NULL;
}

static void one_failed(struct feeds *f, struct feed_one *one, const char *why)
{
	bool news = !one->error || strcmp(one->error, why) != 0;
	uint64_t wait = (uint64_t)FEEDS_RETRY_MS << (one->failures < 10 ? one->failures : 10);
	char text[600];

	one->failures++;
	one->due_ms = clock_mono_ms() + (wait < one->info->every_ms ? wait : one->info->every_ms);
	if (!news)
		return;
	free(one->error);
	one->error = strdup(why);
	log_warn("event=feed list=%s feed=%s result=failed why=%s", one->set, one->info->name,
		log_quote(span_of(why)));
	snprintf(text, sizeof text, "feed %s: %s", one->info->name, why);
	list_tell_event(f->d, one->set, "feed-failed", text);
}

static void one_changed(struct feeds *f, const struct feed_one *one, size_t before)
{
	char text[128], who[FEED_NAME_MAX + 8];
	json_t *texts;

	snprintf(who, sizeof who, "feed %s", one->info->name);
	snprintf(text, sizeof text, "%zu entries, before %zu", one->copy.entries, before);
	log_info("event=feed list=%s feed=%s entries=%zu before=%zu bad=%zu", one->set,
		one->info->name, one->copy.entries, before, one->copy.bad);
	if ((texts = json_pack("[s]", text)) != NULL)
		list_tell_history(f->d, who, "feed", one->set, texts, 1);
	json_decref(texts);
	list_tell_event(f->d, one->set, "feed-changed", text);
	renew_want(f);
}

static void on_fetched(void *arg, const char *set, const struct feed_info *feed,
	enum feed_result result, const struct feed_copy *copy, const char *why)
{
	struct feeds *f = arg;
	struct feed_one *one = one_find(f, set, feed->name);
	size_t before;

	if (!one) /* abandoned with its policy */
		return;
	one->fetch = NULL;
	if (result == FEED_FAILED) {
		one_failed(f, one, why);
		return;
	}
	before = one->copy.entries;
	one->copy = *copy;
	one->failures = 0;
	free(one->error);
	one->error = NULL;
	one->due_ms = clock_mono_ms() + one->info->every_ms;
	if (result == FEED_CHANGED)
		one_changed(f, one, before);
}

static void one_look(struct feeds *f, struct feed_one *one)
{
	int r = feed_fetch_start(
		f->d, f->dir, one->set, one->info, &one->copy, on_fetched, f, &one->fetch);

	if (r < 0) {
		one->fetch = NULL;
		one_failed(f, one, err_text(r));
	}
}

static void excepts_look(struct feeds *f)
{
	struct stat st;

	for (struct except_one *e = f->excepts; e; e = e->next) {
		if (stat(e->path, &st) < 0 ||
			(st.st_ino == e->seen.st_ino && st.st_size == e->seen.st_size &&
				st.st_mtim.tv_sec == e->seen.st_mtim.tv_sec &&
				st.st_mtim.tv_nsec == e->seen.st_mtim.tv_nsec))
			continue;
		e->seen = st;
		renew_want(f);
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct feeds *f = timer->data;
	uint64_t now = clock_mono_ms();
	unsigned busy = 0;

	if (f->closed || f->d->state != DAEMON_RUNNING)
		return;
	excepts_look(f);
	for (const struct feed_one *one = f->all; one; one = one->next)
		busy += one->fetch != NULL;
	for (struct feed_one *one = f->all; one && busy < FEEDS_AT_ONCE; one = one->next)
		if (!one->fetch && one->due_ms <= now) {
			one_look(f, one);
			busy += one->fetch != NULL;
		}
}

size_t feeds_refresh(struct feeds *f, const char *set)
{
	size_t n = 0;

	for (struct feed_one *one = f ? f->all : NULL; one; one = one->next)
		if (!set || strcmp(one->set, set) == 0) {
			one->due_ms = 0;
			n++;
		}
	if (n)
		on_tick(&f->tick);
	return n;
}

/* ---- which there are ---- */

static void ones_free(struct feed_one *one)
{
	struct feed_one *next;

	for (; one; one = next) {
		next = one->next;
		if (one->fetch)
			feed_fetch_abandon(one->fetch);
		free(one->error);
		free(one);
	}
}

static bool same_place(const struct feed_info *a, const struct feed_info *b)
{
	const char *x = a->url ? a->url : a->file, *y = b->url ? b->url : b->file;

	return !a->url == !b->url && strcmp(x, y) == 0;
}

static void one_add(
	struct feeds *f, const char *set, const struct feed_info *info, const struct feeds *old)
{
	struct feed_one *one = calloc(1, sizeof *one), *before = one_find(old, set, info->name);
	uint64_t now = clock_mono_ms();
	int64_t age;

	if (!one)
		return;
	one->set = set;
	one->info = info;
	feed_copy_read(f->dir, set, info, &one->copy);
	age = clock_wall_ms() - one->copy.fetched_ms;
	if (one->copy.there && age >= 0 && (uint64_t)age < info->every_ms)
		one->due_ms = now + info->every_ms - (uint64_t)age;
	if (before && same_place(before->info, info)) {
		one->fetch = before->fetch; /* it holds its policy itself */
		before->fetch = NULL;
		one->failures = before->failures;
		one->error = before->error;
		before->error = NULL;
		if (one->failures)
			one->due_ms = before->due_ms;
	}
	one->next = f->all;
	f->all = one;
}

static void except_add(struct feeds *f, const char *path)
{
	struct except_one *e = calloc(1, sizeof *e);

	if (!e)
		return;
	e->path = path;
	(void)stat(path, &e->seen);
	e->next = f->excepts;
	f->excepts = e;
}

static void excepts_free(struct feeds *f)
{
	struct except_one *next;

	for (struct except_one *e = f->excepts; e; e = next) {
		next = e->next;
		free(e);
	}
	f->excepts = NULL;
}

void feeds_policy_changed(struct feeds *f)
{
	struct feeds old;
	const struct set_info *sets;
	const char *except;
	size_t n_sets, n;

	if (!f)
		return;
	old = *f;
	f->all = NULL;
	excepts_free(f);
	f->p = policy_ref(f->d->config->policy);
	n_sets = policy_sets(f->p, &sets);
	for (size_t i = n_sets; i-- > 0;) {
		const struct feed_info *feeds = policy_feeds(f->p, sets[i].name, &n, NULL, &except);

		for (size_t k = n; k-- > 0;)
			one_add(f, sets[i].name, &feeds[k], &old);
		if (except)
			except_add(f, except);
	}
	ones_free(old.all);
	policy_unref(old.p);
	if (f->all && mkdir(f->dir, 0700) < 0 && access(f->dir, F_OK) < 0)
		log_error("event=feeds note=\"cannot make %s\"", f->dir);
	feed_copies_prune(f->dir, f->p);
}

/* ---- telling ---- */

json_t *feeds_json(const struct feeds *f, const char *set)
{
	int64_t now = clock_wall_ms();
	json_t *all = json_array();

	for (const struct feed_one *one = f ? f->all : NULL; one; one = one->next) {
		const struct feed_info *info = one->info;
		int64_t fetched = one->copy.fetched_ms;

		if (set && strcmp(one->set, set) != 0)
			continue;
		json_array_append_new(all,
			json_pack("{s:s,s:s,s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:b,s:s}", "list",
				one->set, "name", info->name, "source",
				info->url ? info->url : info->file, "weight", (int)info->weight,
				"every_ms", (json_int_t)info->every_ms, "entries",
				(json_int_t)one->copy.entries, "bad", (json_int_t)one->copy.bad,
				"bytes", (json_int_t)one->copy.bytes, "fetched",
				(json_int_t)fetched, "changed", (json_int_t)one->copy.changed_ms,
				"age_ms", fetched ? json_integer(now - fetched) : json_null(),
				"busy", one->fetch != NULL, "error", one->error ? one->error : ""));
	}
	return all;
}

void feeds_attention(const struct feeds *f, json_t *lines)
{
	char age[32];

	for (const struct feed_one *one = f ? f->all : NULL; one; one = one->next) {
		int64_t ms = clock_wall_ms() - one->copy.fetched_ms;

		if (!one->error)
			continue;
		clock_format_duration(
			(uint64_t)(ms > 1000 ? ms / 1000 * 1000 : 0), age, sizeof age);
		json_array_append_new(lines,
			one->copy.there
				? json_sprintf("feed %s of list %s: %s; its copy of %s ago with "
					       "%zu entries stays in force",
					  one->info->name, one->set, one->error, age,
					  one->copy.entries)
				: json_sprintf("feed %s of list %s: %s; there is no copy of it",
					  one->info->name, one->set, one->error));
	}
	if (f && f->refused)
		json_array_append_new(
			lines, json_sprintf("what feeds or exceptions changed is not in force: %s",
				       f->refused));
	if (f && policy_feeds_trouble(f->d->config->policy))
		json_array_append_new(lines,
			json_sprintf("the policy is in force without its feeds, with them it would "
				     "be refused: %s",
				policy_feeds_trouble(f->d->config->policy)));
}

/* ---- its life ---- */

struct feeds *feeds_new(struct daemon *d)
{
	struct feeds *f = calloc(1, sizeof *f);

	if (!f)
		return NULL;
	f->d = d;
	snprintf(f->dir, sizeof f->dir, "%s/feeds", d->spec.state_dir);
	uv_timer_init(&d->loop, &f->tick);
	uv_timer_init(&d->loop, &f->renew);
	f->tick.data = f->renew.data = f;
	f->handles = 2;
	feeds_policy_changed(f);
	uv_timer_start(&f->tick, on_tick, 1, FEEDS_TICK_MS);
	return f;
}

static void timer_closed(uv_handle_t *handle)
{
	struct feeds *f = handle->data;

	if (--f->handles > 0)
		return;
	policy_unref(f->p);
	free(f->refused);
	free(f);
}

void feeds_close(struct feeds *f)
{
	if (!f)
		return;
	f->closed = true;
	ones_free(f->all);
	f->all = NULL;
	excepts_free(f);
	uv_close((uv_handle_t *)&f->tick, timer_closed);
	uv_close((uv_handle_t *)&f->renew, timer_closed);
}
