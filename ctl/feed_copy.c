/* SPDX-License-Identifier: BSD-2-Clause */
/* Between what a stranger's server sent and what a policy is made of. In: bytes fetched into
 * "SET.FEED.new" (by xmppwall-fetch, or copied here from a file). Out: "SET.FEED.list", replaced
 * atomically when the bytes are good, and "SET.FEED.json" that tells what is known of it; or a
 * reason, and the last good copy stays. An error page in place of a list, a list cut in half, one
 * of a hundred million lines must not get into force. It fetches nothing over the network. */
#include "ctl/feed_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/whole.h"
#include "ctl/lists.h"
#include "rules/feed.h"
#include "rules/rules.h"

enum { COPY_STEP = 1 << 18 };

static void path_of(char path[PATH_MAX], const char *dir, const char *set,
	const struct feed_info *feed, const char *end)
{
	snprintf(path, PATH_MAX, "%s/%s.%s.%s", dir, set, feed->name, end);
}

static const char *source_of(const struct feed_info *feed)
{
	return feed->url ? feed->url : feed->file;
}

/* ---- what is known ---- */

static void text_copy(char *to, size_t size, const json_t *text)
{
	snprintf(to, size, "%s", json_string_value(text) ? json_string_value(text) : "");
}

void feed_copy_read(
	const char *dir, const char *set, const struct feed_info *feed, struct feed_copy *out)
{
	char path[PATH_MAX];
	const char *source;
	json_t *meta;

	*out = (struct feed_copy){ 0 };
	path_of(path, dir, set, feed, "list");
	if (access(path, R_OK) < 0)
		return;
	path_of(path, dir, set, feed, "json");
	meta = json_load_file(path, 0, NULL);
	source = json_string_value(json_object_get(meta, "source"));
	if (source && strcmp(source, source_of(feed)) == 0) {
		out->there = true;
		text_copy(out->etag, sizeof out->etag, json_object_get(meta, "etag"));
		text_copy(out->modified, sizeof out->modified, json_object_get(meta, "modified"));
		out->fetched_ms = json_integer_value(json_object_get(meta, "fetched"));
		out->changed_ms = json_integer_value(json_object_get(meta, "changed"));
		out->entries = (size_t)json_integer_value(json_object_get(meta, "entries"));
		out->bad = (size_t)json_integer_value(json_object_get(meta, "bad"));
		out->bytes = (size_t)json_integer_value(json_object_get(meta, "bytes"));
	}
	json_decref(meta);
}

/* Losing this costs a fetch, so no more care is taken than that nobody reads half of it. */
static void copy_note(const char *dir, const char *set, const struct feed_info *feed,
	const struct feed_copy *copy)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	json_t *meta = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "source", source_of(feed),
		"etag", copy->etag, "modified", copy->modified, "fetched",
		(json_int_t)copy->fetched_ms, "changed", (json_int_t)copy->changed_ms, "entries",
		(json_int_t)copy->entries, "bad", (json_int_t)copy->bad, "bytes",
		(json_int_t)copy->bytes);

	path_of(path, dir, set, feed, "json");
	path_of(tmp, dir, set, feed, "tmp");
	if (!meta || json_dump_file(meta, tmp, JSON_COMPACT) < 0 || rename(tmp, path) < 0)
		log_warn("event=feed list=%s feed=%s note=\"%s cannot be written\"", set,
			feed->name, path);
	json_decref(meta);
}

void feed_copy_confirm(
	const char *dir, const char *set, const struct feed_info *feed, struct feed_copy *copy)
{
	copy->fetched_ms = clock_wall_ms();
	copy_note(dir, set, feed, copy);
}

/* ---- judging ---- */

int feed_copy_open(const char *dir, const char *set, const struct feed_info *feed)
{
	char path[PATH_MAX];
	int fd;

	path_of(path, dir, set, feed, "new");
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

static int file_read(const char *path, size_t max, struct buf *all)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	char *where;
	ssize_t n;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	do {
		if ((r = buf_reserve(all, COPY_STEP, &where)) < 0)
			return r;
		do
			n = read(fd, where, COPY_STEP);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		buf_commit(all, (size_t)n);
		if (buf_len(all) > max)
			return ERR_LIMIT;
	} while (n > 0);
	return 0;
}

static struct span span_all(const struct buf *b)
{
	return (struct span){ buf_len(b) ? buf_ptr(b) : "", buf_len(b) };
}

static int text_judge(const struct policy *p, const char *set, const struct feed_info *feed,
	struct span text, const struct feed_copy *old, struct feed_copy *now, struct buf *why)
{
	const char *fault;
	size_t line;
	int r = policy_feed_count(p, set, text, &now->entries, &now->bad, &line, &fault);

	if (r < 0) {
		buf_putf(why, "%s", err_text(r));
		return r;
	}
	if (now->bad > now->entries)
		buf_putf(why,
			"it is no list for this set: %zu of %zu lines are no entries, the first is "
			"line %zu: %s",
			now->bad, now->bad + now->entries, line, fault);
	else if (now->entries > LISTS_ENTRIES_MAX)
		buf_putf(why, "it has %zu entries, the ceiling is %d", now->entries,
			LISTS_ENTRIES_MAX);
	else if (old->there &&
		 (uint64_t)now->entries * 100 < (uint64_t)old->entries * (100 - feed->shrink))
		buf_putf(why, "it shrank from %zu entries to %zu, more than %u%% at once",
			old->entries, now->entries, feed->shrink);
	return buf_len(why) ? ERR_SYNTAX : 0;
}

static bool says_the_same(const char *path, struct span text)
{
	struct buf old;
	bool same;

	buf_init(&old, text.len + 2 * COPY_STEP);
	same = file_read(path, text.len, &old) == 0 && buf_len(&old) == text.len &&
	       memcmp(span_all(&old).ptr, text.ptr, text.len) == 0;
	buf_fini(&old);
	return same;
}

static int file_sync(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

static int copy_replace(const char *fresh, const char *path, struct span text, bool *changed)
{
	int r = 0;

	*changed = !says_the_same(path, text);
	if (!*changed)
		(void)unlink(fresh);
	else if ((r = file_sync(fresh)) == 0 && rename(fresh, path) < 0)
		r = -errno;
	return r;
}

int feed_copy_take(const struct policy *p, const char *dir, const char *set,
	const struct feed_info *feed, struct feed_copy *copy, bool *changed, struct buf *why)
{
	char fresh[PATH_MAX], path[PATH_MAX];
	struct feed_copy now = *copy;
	struct buf all;
	int r;

	*changed = false;
	path_of(fresh, dir, set, feed, "new");
	path_of(path, dir, set, feed, "list");
	buf_init(&all, feed->size_max + 2 * COPY_STEP);
	if ((r = file_read(fresh, feed->size_max, &all)) < 0)
		buf_putf(why, r == ERR_LIMIT ? "it is larger than its ceiling" : "%s", err_text(r));
	if (r == 0)
		r = text_judge(p, set, feed, span_all(&all), copy, &now, why);
	if (r == 0 && (r = copy_replace(fresh, path, span_all(&all), changed)) < 0)
		buf_putf(why, "%s cannot be written: %s", path, err_text(r));
	if (r == 0) {
		now.there = true;
		now.bytes = buf_len(&all);
		now.fetched_ms = clock_wall_ms();
		if (*changed || !now.changed_ms)
			now.changed_ms = now.fetched_ms;
		*copy = now;
		copy_note(dir, set, feed, copy);
	} else {
		(void)unlink(fresh);
	}
	buf_fini(&all);
	return r;
}

/* ---- feeds that are files ---- */

int feed_copy_file(const struct policy *p, const char *dir, const char *set,
	const struct feed_info *feed, struct feed_copy *copy, bool *changed, struct buf *why)
{
	cleanup_fd int fd = feed_copy_open(dir, set, feed);
	struct buf all;
	int r = fd < 0 ? fd : 0;

	*changed = false;
	if (r < 0) {
		buf_putf(why, "%s cannot be written: %s", dir, err_text(r));
		return r;
	}
	buf_init(&all, feed->size_max + 2 * COPY_STEP);
	if ((r = file_read(feed->file, feed->size_max, &all)) < 0)
		buf_putf(why, "%s: %s", feed->file,
			r == ERR_LIMIT ? "it is larger than its ceiling"
			: r == -EINVAL ? "it is no file"
				       : err_text(r));
	else if ((r = whole_write(fd, buf_ptr(&all), buf_len(&all))) < 0)
		buf_putf(why, "%s cannot be written: %s", dir, err_text(r));
	buf_fini(&all);
	if (r < 0) {
		char fresh[PATH_MAX];

		path_of(fresh, dir, set, feed, "new");
		(void)unlink(fresh);
		return r;
	}
	return feed_copy_take(p, dir, set, feed, copy, changed, why);
}

/* ---- all of them ---- */

static bool name_has_end(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static int copy_add(const char *dir, const char *name, struct source_set *sources)
{
	char path[PATH_MAX], key[PATH_MAX];
	struct buf all;
	int r;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	snprintf(key, sizeof key, "/:feed/%.*s", (int)(strlen(name) - strlen(".list")), name);
	buf_init(&all, (size_t)512 << 20);
	r = file_read(path, (size_t)256 << 20, &all);
	if (r == 0)
		r = source_add(sources, key, span_all(&all).ptr, buf_len(&all));
	else if (r != -ENOMEM)
		r = 0; /* it went just now, or is none of ours */
	buf_fini(&all);
	return r;
}

int feed_copies_add(const char *dir, struct source_set *sources)
{
	DIR *folder = opendir(dir);
	struct dirent *entry;
	int r = 0;

	while (folder && r == 0 && (entry = readdir(folder)) != NULL)
		if (name_has_end(entry->d_name, ".list"))
			r = copy_add(dir, entry->d_name, sources);
	if (folder)
		closedir(folder);
	return r;
}

/* Is "SET.FEED.end" of a feed the policy has? */
static bool policy_has(const struct policy *p, const char *name)
{
	const struct set_info *sets;
	size_t n_sets = policy_sets(p, &sets), n;
	char path[PATH_MAX];

	for (size_t i = 0; i < n_sets; i++) {
		const struct feed_info *feeds = policy_feeds(p, sets[i].name, &n, NULL, NULL);

		for (size_t k = 0; k < n; k++) {
			int len =
				snprintf(path, sizeof path, "%s.%s.", sets[i].name, feeds[k].name);

			if (strncmp(name, path, (size_t)len) == 0 && !strchr(name + len, '.'))
				return true;
		}
	}
	return false;
}

void feed_copies_prune(const char *dir, const struct policy *p)
{
	DIR *folder = opendir(dir);
	struct dirent *entry;

	while (folder && (entry = readdir(folder)) != NULL)
		if (entry->d_name[0] != '.' && !policy_has(p, entry->d_name))
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
	if (folder)
		closedir(folder);
}
