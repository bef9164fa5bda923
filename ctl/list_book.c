/* SPDX-License-Identifier: BSD-2-Clause */
/* A list file between the operator's editor and the policy. In: the file's lines (format:
 * rules/list_file.c) and edits by command. Out: the file again, whole or not at all. Comment lines,
 * order and what we do not understand are kept as they stand; an entry is known by its prepared
 * key, so that "Bad.Example" removes "bad.example". The file is the truth: it is read anew whenever
 * its inode, size or time changed, and a write that fails makes the memory forget. It does not know
 * policies, workers or history (ctl/lists.c does). */
#include "ctl/list_book.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "rules/list.h"
#include "rules/rules.h"

enum { BOOK_MAX = 256 << 20 /* bytes of one list file */ };

struct book_line {
	char *text; /* without newline; NULL: taken out */
	char *key;  /* NULL: comment, empty or not understood */
	size_t key_len;
	int64_t until_ms;
};

struct list_book {
	struct list *probe; /* prepares entries as the policy does */
	char *path;
	struct book_line *lines;
	size_t n, cap, dead;
	struct map by_key; /* key -> index + 1 */
	struct stat seen;  /* the file these lines are from */
	bool fresh;
};

struct list_book *list_book_new(const struct set_info *info)
{
	struct list_book *b = calloc(1, sizeof *b);
	int type = list_type_find(info->type);

	if (!b)
		return NULL;
	map_init(&b->by_key);
	b->probe = type >= 0 ? list_new(info->name, (enum list_type)type) : NULL;
	b->path = strdup(info->path);
	if (!b->probe || !b->path) {
		list_book_free(b);
		return NULL;
	}
	b->probe->fold = info->fold;
	b->probe->nocase = info->nocase;
	b->probe->suffix = info->suffix;
	b->probe->substring = info->substring;
	b->probe->map = info->map;
	return b;
}

static void lines_forget(struct list_book *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->lines[i].text);
		free(b->lines[i].key);
	}
	free(b->lines);
	b->lines = NULL;
	b->n = b->cap = b->dead = 0;
	map_fini(&b->by_key, NULL);
	map_init(&b->by_key);
	b->fresh = false;
}

void list_book_free(struct list_book *b)
{
	if (!b)
		return;
	lines_forget(b);
	map_fini(&b->by_key, NULL);
	list_free(b->probe);
	free(b->path);
	free(b);
}

bool list_book_is_like(const struct list_book *a, const struct list_book *b)
{
	const struct list *x = a->probe, *y = b->probe;

	return strcmp(a->path, b->path) == 0 && x->type == y->type && x->fold == y->fold &&
	       x->nocase == y->nocase && x->suffix == y->suffix && x->substring == y->substring &&
	       x->of == y->of && x->map == y->map && strcmp(x->salt, y->salt) == 0;
}

/* ---- lines ---- */

static int key_prepare(
	const struct list_book *b, struct span entry, char **key, size_t *len, const char **why)
{
	struct list_entry *e;
	int r = list_entry_new(b->probe, entry, 0, &e, why);

	if (r < 0)
		return r;
	*key = take_ptr(e->key);
	*len = e->key_len;
	list_entry_free(e);
	return 0;
}

/* Takes text and key, also on failure. */
static int line_put(struct list_book *b, char *text, char *key, size_t key_len, int64_t until_ms)
{
	size_t cap = b->cap ? b->cap * 2 : 64;
	struct book_line *more;
	int r = 0;

	if (b->n == b->cap) {
		if (!(more = realloc(b->lines, cap * sizeof *more)))
			goto fail;
		b->lines = more;
		b->cap = cap;
	}
	if (key && (r = map_put(&b->by_key, key, key_len, (void *)(uintptr_t)(b->n + 1), NULL)) < 0)
		goto fail;
	b->lines[b->n++] = (struct book_line){ text, key, key_len, until_ms };
	return 0;
fail:
	free(text);
	free(key);
	return -ENOMEM;
}

static struct book_line *line_find(const struct list_book *b, const char *key, size_t len)
{
	uintptr_t at = (uintptr_t)map_find(&b->by_key, key, len);

	return at ? &b->lines[at - 1] : NULL;
}

/* A line of the file. The second of two equal entries stays in the file but is nobody's. */
static int line_load(struct list_book *b, struct span line)
{
	char *text = strndup(line.len ? line.ptr : "", line.len), *key = NULL;
	struct span entry;
	const char *why;
	int64_t until = 0;
	size_t len = 0;

	if (!text)
		return -ENOMEM;
	if (list_parse_line(b->probe->type, line, &entry, &until, &why) && !why &&
		key_prepare(b, entry, &key, &len, &why) == -ENOMEM) {
		free(text);
		return -ENOMEM;
	}
	if (key && line_find(b, key, len)) {
		free(key);
		key = NULL;
	}
	return line_put(b, text, key, len, until);
}

static int file_read(int fd, struct buf *all)
{
	char *where;
	ssize_t n;
	int r;

	do {
		if ((r = buf_reserve(all, 1 << 18, &where)) < 0)
			return r;
		do
			n = read(fd, where, 1 << 18);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		buf_commit(all, (size_t)n);
	} while (n > 0);
	return 0;
}

static int lines_load(struct list_book *b, const struct buf *all)
{
	const char *at = buf_ptr(all), *end = at + buf_len(all);
	int r = 0;

	if (buf_len(all) >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) /* as list_load does */
		at += 3;
	while (r == 0 && buf_len(all) && at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop ? stop : end;
		r = line_load(b, (struct span){ at, (size_t)(stop - at) });
		at = stop + 1;
	}
	return r;
}

static bool file_is_seen(const struct list_book *b, const struct stat *st)
{
	return b->fresh && b->seen.st_ino == st->st_ino && b->seen.st_dev == st->st_dev &&
	       b->seen.st_size == st->st_size && b->seen.st_mtim.tv_sec == st->st_mtim.tv_sec &&
	       b->seen.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}

int list_book_refresh(struct list_book *b)
{
	cleanup_fd int fd = open(b->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	struct buf all;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (file_is_seen(b, &st))
		return 0;
	lines_forget(b);
	buf_init(&all, BOOK_MAX);
	if ((r = file_read(fd, &all)) == 0)
		r = lines_load(b, &all);
	buf_fini(&all);
	if (r < 0) {
		lines_forget(b);
		return r;
	}
	b->seen = st;
	b->fresh = true;
	return 0;
}

/* ---- a line as written ---- */

static struct span span_trim(struct span s)
{
	while (s.len && (*s.ptr == ' ' || *s.ptr == '\t'))
		s.ptr++, s.len--;
	while (s.len && strchr(" \t\r", s.ptr[s.len - 1]))
		s.len--;
	return s;
}

/* What stands behind the '#' behind the entry. */
static struct span line_comment(struct span line, struct span entry)
{
	const char *end = line.ptr + line.len, *from = entry.ptr + entry.len;
	const char *mark = memchr(from, '#', (size_t)(end - from));

	if (!mark)
		return (struct span){ end, 0 };
	return span_trim((struct span){ mark + 1, (size_t)(end - mark) - 1 });
}

bool list_book_parse(
	const struct list_book *b, struct span text, struct list_line *out, const char **why)
{
	char *key;
	size_t len;

	*why = NULL;
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] == '\n' || text.ptr[i] == '\0') {
			*why = "an entry is one line";
			return true;
		}
	if (!list_parse_line(b->probe->type, text, &out->entry, &out->until_ms, why))
		return false;
	out->comment = line_comment(text, out->entry);
	if (*why)
		return true;
	if (key_prepare(b, out->entry, &key, &len, why) < 0) {
		*why = *why ? *why : "out of memory";
		return true;
	}
	free(key);
	*why = NULL; /* the preparing ones leave their word there even when all is well */
	return true;
}

char *list_line_format(const struct list_line *line, bool with_comment)
{
	char until[40] = "", *text;
	/* Rounded up: an entry must not end before its time. */
	time_t seconds = (time_t)((line->until_ms + 999) / 1000);
	bool comment = with_comment && line->comment.len > 0;
	struct tm tm;

	if (line->until_ms && gmtime_r(&seconds, &tm))
		strftime(until, sizeof until, " until %Y-%m-%dT%H:%M:%SZ", &tm);
	if (asprintf(&text, "%.*s%s%s%.*s", (int)line->entry.len, line->entry.ptr, until,
		    comment ? " # " : "", comment ? (int)line->comment.len : 0,
		    comment ? line->comment.ptr : "") < 0)
		return NULL;
	return text;
}

static bool line_is_live(const struct book_line *line, int64_t now)
{
	return line->key && line->text && (!line->until_ms || line->until_ms > now);
}

bool list_book_each(const struct list_book *b, size_t *at, struct list_line *out)
{
	int64_t now = clock_wall_ms();
	const char *why;

	for (; *at < b->n; ++*at) {
		const struct book_line *line = &b->lines[*at];
		struct span text = span_of(line->text);

		if (!line_is_live(line, now) ||
			!list_parse_line(b->probe->type, text, &out->entry, &out->until_ms, &why))
			continue;
		out->comment = line_comment(text, out->entry);
		++*at;
		return true;
	}
	return false;
}

/* ---- edits ---- */

/* The comment of the line that was there stays if no new one is given. */
static char *line_text(
	const struct list_book *b, const struct list_line *line, const struct book_line *old)
{
	struct list_line merged = *line, before;
	const char *why;

	if (old && line->comment.len == 0 &&
		list_parse_line(
			b->probe->type, span_of(old->text), &before.entry, &before.until_ms, &why))
		merged.comment = line_comment(span_of(old->text), before.entry);
	return list_line_format(&merged, true);
}

int list_book_add(struct list_book *b, const struct list_line *line, bool *was)
{
	struct book_line *old;
	const char *why;
	char *key, *text;
	size_t len;
	int r = key_prepare(b, line->entry, &key, &len, &why);

	*was = false;
	if (r < 0)
		return r;
	old = line_find(b, key, len);
	text = line_text(b, line, old);
	if (!text || !old) {
		if (text)
			return line_put(b, text, key, len, line->until_ms);
		free(key);
		return -ENOMEM;
	}
	*was = line_is_live(old, clock_wall_ms());
	free(key);
	free(old->text);
	old->text = text;
	old->until_ms = line->until_ms;
	return 0;
}

static void line_drop(struct list_book *b, struct book_line *line)
{
	map_take(&b->by_key, line->key, line->key_len);
	free(take_ptr(line->text));
	free(take_ptr(line->key));
	b->dead++;
}

int list_book_remove(struct list_book *b, struct span entry, bool *was)
{
	struct book_line *line;
	const char *why;
	char *key;
	size_t len;
	int r = key_prepare(b, entry, &key, &len, &why);

	*was = false;
	if (r < 0)
		return r;
	line = line_find(b, key, len);
	free(key);
	if (!line)
		return 0;
	*was = line_is_live(line, clock_wall_ms());
	line_drop(b, line);
	return 0;
}

/* ---- writing ---- */

static int lines_write(const struct list_book *b, FILE *out)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->lines[i].text && fprintf(out, "%s\n", b->lines[i].text) < 0)
			return -EIO;
	if (fflush(out) != 0 || fsync(fileno(out)) != 0)
		return -errno;
	return 0;
}

static int folder_sync(const char *path)
{
	cleanup_free char *copy = strdup(path);
	cleanup_fd int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd >= 0 && fsync(fd) == 0 ? 0 : -errno;
}

/* The new file looks like the old one to everybody but in what it says. */
static int file_replace(struct list_book *b, const char *path, const char *tmp)
{
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	int r;

	if (!out) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	/* In this order: once it is another's, changing its mode would take one capability more. */
	r = fchmod(fd, b->seen.st_mode & 07777) < 0 ? -errno : 0;
	if (r == 0 && fchown(fd, b->seen.st_uid, b->seen.st_gid) < 0 && errno != EPERM)
		r = -errno;
	if (r == 0)
		r = lines_write(b, out);
	if (r == 0 && fstat(fd, &b->seen) < 0)
		r = -errno;
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(tmp);
	return r < 0 ? r : folder_sync(path);
}

int list_book_write(struct list_book *b)
{
	cleanup_free char *path = realpath(b->path, NULL); /* a link stays a link */
	cleanup_free char *tmp = NULL;
	int64_t now = clock_wall_ms();
	int r;

	for (size_t i = 0; i < b->n; i++)
		if (b->lines[i].key && !line_is_live(&b->lines[i], now))
			line_drop(b, &b->lines[i]);
	if (!path || asprintf(&tmp, "%s.xmppwall-tmp", path) < 0) {
		tmp = NULL;
		r = path ? -ENOMEM : -errno;
	} else {
		r = file_replace(b, path, tmp);
	}
	if (r < 0 || b->dead > b->n / 2) /* many were taken out: the next look reads it anew */
		lines_forget(b);
	return r;
}
