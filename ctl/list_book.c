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

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "rules/list.h"
#include "rules/rules.h"

enum { BOOK_MAX = 256 << 20 /* bytes of one list file */, BOOK_LINES_MAX = (1 << 24) - 2 };

enum {
	LINE_KEYED = 1u << 31,
	LINE_GONE = 1u << 30,
	LINE_LEN = LINE_GONE - 1,
	SLOT_NUMBER = 0xffffff
};

/* Twelve bytes a line: its key is made anew when it is asked for. */
struct book_line {
	uint32_t at, size; /* in the text, without newline; size with LINE_... */
	uint32_t hash;     /* of the key */
};

struct list_book {
	struct list *probe; /* prepares entries as the policy does */
	char *path;
	char *text; /* the file's, and behind it what was added */
	size_t text_len, text_cap;
	struct book_line *lines;
	uint32_t n, cap, dead;
	uint32_t *slots; /* a line's number + 1, and 8 bits of its hash, where its key is looked for
			  */
	uint32_t n_slots;
	struct arena arena, other; /* of one key each, and of one it is compared with */
	struct stat seen;          /* the file these lines are from */
	bool fresh;
};

struct list_book *list_book_new(const struct set_info *info)
{
	struct list_book *b = calloc(1, sizeof *b);
	int type = list_type_find(info->type);

	if (!b)
		return NULL;
	arena_init(&b->arena, 0);
	arena_init(&b->other, 0);
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
	if (info->of && *info->of)
		b->probe->of = (enum list_type)list_type_find(info->of);
	free(b->probe->salt);
	if (!(b->probe->salt = strdup(info->salt ? info->salt : ""))) {
		list_book_free(b);
		return NULL;
	}
	return b;
}

static void lines_forget(struct list_book *b)
{
	free(b->text);
	free(b->lines);
	free(b->slots);
	b->text = NULL;
	b->lines = NULL;
	b->slots = NULL;
	b->text_len = b->text_cap = 0;
	b->n = b->cap = b->dead = b->n_slots = 0;
	b->fresh = false;
}

void list_book_free(struct list_book *b)
{
	if (!b)
		return;
	lines_forget(b);
	arena_fini(&b->arena);
	arena_fini(&b->other);
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

/* ---- keys ---- */

/* In the arena, until its next one. */
static int key_prepare_in(
	struct list_book *b, struct arena *a, struct span entry, struct span *key, const char **why)
{
	struct list_prepared prepared;
	struct list_entry *e;
	int r;

	arena_reset(a);
	if (list_type_packs(b->probe->type)) {
		if ((r = list_prepare(b->probe, a, entry, &prepared, why)) == 0)
			*key = (struct span){ prepared.key, prepared.key_len };
		return r;
	}
	if ((r = list_entry_new(b->probe, entry, 0, &e, why)) < 0)
		return r;
	*key = (struct span){ arena_alloc(a, e->key_len + 1), e->key_len };
	if (key->ptr)
		memcpy((char *)key->ptr, e->key, e->key_len);
	list_entry_free(e);
	return key->ptr ? 0 : -ENOMEM;
}

static int key_prepare(struct list_book *b, struct span entry, struct span *key, const char **why)
{
	return key_prepare_in(b, &b->arena, entry, key, why);
}

static uint32_t key_hash(struct span key)
{
	return (uint32_t)map_hash(key.ptr, key.len);
}

static struct span line_text(const struct list_book *b, const struct book_line *line)
{
	return (struct span){ b->text + line->at, line->size & LINE_LEN };
}

static bool line_has(struct list_book *b, const struct book_line *line, struct span key)
{
	struct span entry, other;
	const char *why;
	int64_t until;

	return list_parse_line(b->probe->type, line_text(b, line), &entry, &until, &why) &&
	       key_prepare_in(b, &b->other, entry, &other, &why) == 0 && span_equal(key, other);
}

static uint32_t slot_first(const struct list_book *b, uint32_t hash)
{
	return (uint32_t)((uint64_t)hash * b->n_slots >> 32);
}

/* The line of that key; NULL if there is none. */
static struct book_line *line_find(struct list_book *b, struct span key)
{
	uint32_t hash = key_hash(key), slot;

	for (uint32_t i = b->n_slots ? slot_first(b, hash) : 0; b->n_slots && (slot = b->slots[i]);
		i = i + 1 == b->n_slots ? 0 : i + 1) {
		struct book_line *line = &b->lines[(slot & SLOT_NUMBER) - 1];

		if ((slot & ~SLOT_NUMBER) == (hash & 0xff) << 24 && line->hash == hash &&
			!(line->size & LINE_GONE) && line_has(b, line, key))
			return line;
	}
	return NULL;
}

static void slot_put(struct list_book *b, uint32_t number)
{
	uint32_t i = slot_first(b, b->lines[number].hash);

	while (b->slots[i])
		i = i + 1 == b->n_slots ? 0 : i + 1;
	b->slots[i] = (number + 1) | (b->lines[number].hash & 0xff) << 24;
}

/* ---- lines ---- */

/* Room for so many lines, and slots for half as many again. */
static int lines_reserve(struct list_book *b, uint32_t cap)
{
	struct book_line *lines;
	uint32_t *slots;

	if (cap <= b->cap)
		return 0;
	if (cap > BOOK_LINES_MAX)
		return ERR_LIMIT;
	if (!(lines = realloc(b->lines, cap * sizeof *lines)))
		return -ENOMEM;
	b->lines = lines;
	if (!(slots = calloc(cap + cap / 2 + 1, sizeof *slots)))
		return -ENOMEM;
	free(b->slots);
	b->slots = slots;
	b->cap = cap;
	b->n_slots = cap + cap / 2 + 1;
	for (uint32_t i = 0; i < b->n; i++)
		if (lines[i].size & LINE_KEYED)
			slot_put(b, i);
	return 0;
}

static int text_put(struct list_book *b, struct span text, uint32_t *at)
{
	size_t need = b->text_len + text.len + 1, cap = need + need / 8;
	char *more;

	if (need > b->text_cap) {
		if (cap > UINT32_MAX)
			return ERR_LIMIT;
		if (!(more = realloc(b->text, cap)))
			return -ENOMEM;
		b->text = more;
		b->text_cap = cap;
	}
	*at = (uint32_t)b->text_len;
	memcpy(b->text + *at, text.ptr, text.len);
	b->text[*at + text.len] = '\n';
	b->text_len = need;
	return 0;
}

/* A line of the text. The second of two equal entries stays in the file but is nobody's. */
static int line_put(struct list_book *b, struct span line)
{
	struct book_line *new;
	struct span entry, key;
	const char *why;
	int64_t until;
	int r = b->n < b->cap ? 0 : lines_reserve(b, b->cap ? b->cap + b->cap / 2 : 64);

	if (r < 0 || line.len > LINE_LEN)
		return r < 0 ? r : ERR_LIMIT;
	new = &b->lines[b->n];
	*new = (struct book_line){ (uint32_t)(line.ptr - b->text), (uint32_t)line.len, 0 };
	if (list_parse_line(b->probe->type, line, &entry, &until, &why) && !why) {
		if ((r = key_prepare(b, entry, &key, &why)) == -ENOMEM)
			return r;
		if (r == 0 && !line_find(b, key)) {
			new->size |= LINE_KEYED;
			new->hash = key_hash(key);
			slot_put(b, b->n);
		}
	}
	b->n++;
	return 0;
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

static uint32_t lines_count(struct span text)
{
	uint32_t n = 1;

	for (const char *at = text.ptr, *end = at + text.len;
		(at = memchr(at, '\n', (size_t)(end - at))) && n < BOOK_LINES_MAX; at++)
		n++;
	return n;
}

/* The text is in the book already. */
static int lines_load(struct list_book *b)
{
	struct span all = { b->text, b->text_len };
	const char *at = all.ptr, *end = at + all.len;
	int r = lines_reserve(b, lines_count(all) + 64);

	if (all.len >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) /* as list_load does */
		at += 3;
	while (r == 0 && at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop ? stop : end;
		r = line_put(b, (struct span){ at, (size_t)(stop - at) });
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
	if ((r = file_read(fd, &all)) == 0 && buf_len(&all)) {
		b->text_len = b->text_cap = buf_len(&all);
		b->text = buf_take(&all);
		r = b->text ? lines_load(b) : -ENOMEM;
	}
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

bool list_book_parse(struct list_book *b, struct span text, struct list_line *out, const char **why)
{
	struct span key;

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
	if (key_prepare(b, out->entry, &key, why) < 0)
		*why = *why ? *why : "out of memory";
	else
		*why = NULL; /* the preparing ones leave their word there even when all is well */
	return true;
}

bool list_book_hash(struct list_book *b, struct arena *a, struct list_line *line, const char **why)
{
	struct span plain = line->entry, key;
	const char *hex;

	if (b->probe->type != LIST_HASH || b->probe->map || key_prepare(b, plain, &key, why) == 0)
		return false;
	if (list_hash_plain(b->probe, a, plain, &hex, why) < 0)
		return false;
	line->entry = span_of(hex);
	*why = NULL;
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

/* The line's parts if it is an entry in force. */
static bool line_is_live(
	const struct list_book *b, const struct book_line *line, int64_t now, struct list_line *out)
{
	struct span text = line_text(b, line);
	const char *why;

	if (!(line->size & LINE_KEYED) || (line->size & LINE_GONE) ||
		!list_parse_line(b->probe->type, text, &out->entry, &out->until_ms, &why))
		return false;
	out->comment = line_comment(text, out->entry);
	return !out->until_ms || out->until_ms > now;
}

bool list_book_each(const struct list_book *b, size_t *at, struct list_line *out)
{
	int64_t now = clock_wall_ms();

	while (*at < b->n)
		if (line_is_live(b, &b->lines[(*at)++], now, out))
			return true;
	return false;
}

/* ---- edits ---- */

/* Its text in the book: a newline behind it takes no part. */
static int text_add(struct list_book *b, const struct list_line *line, struct span *out)
{
	cleanup_free char *text = list_line_format(line, true);
	uint32_t at;
	int r = text ? text_put(b, span_of(text), &at) : -ENOMEM;

	if (r == 0)
		*out = (struct span){ b->text + at, strlen(text) };
	return r;
}

int list_book_add(struct list_book *b, const struct list_line *line, bool *was)
{
	struct list_line merged = *line, before;
	struct span key, text;
	struct book_line *old;
	const char *why;
	int r = key_prepare(b, line->entry, &key, &why);

	*was = false;
	if (r < 0)
		return r;
	if (!(old = line_find(b, key)))
		return (r = text_add(b, &merged, &text)) < 0 ? r : line_put(b, text);
	*was = line_is_live(b, old, clock_wall_ms(), &before);
	/* The comment of the line that was there stays if no new one is given. */
	if (line->comment.len == 0)
		merged.comment = before.comment;
	if ((r = text_add(b, &merged, &text)) < 0)
		return r;
	old->at = (uint32_t)(text.ptr - b->text);
	old->size = (uint32_t)text.len | LINE_KEYED;
	b->dead++;
	return 0;
}

int list_book_remove(struct list_book *b, struct span entry, bool *was)
{
	struct book_line *line;
	struct list_line parts;
	struct span key;
	const char *why;
	int r = key_prepare(b, entry, &key, &why);

	*was = false;
	if (r < 0)
		return r;
	if (!(line = line_find(b, key)))
		return 0;
	*was = line_is_live(b, line, clock_wall_ms(), &parts);
	line->size |= LINE_GONE;
	b->dead++;
	return 0;
}

/* ---- writing ---- */

static int lines_write(const struct list_book *b, FILE *out)
{
	for (uint32_t i = 0; i < b->n; i++) {
		struct span text = line_text(b, &b->lines[i]);

		if (b->lines[i].size & LINE_GONE)
			continue;
		if ((text.len && fwrite(text.ptr, text.len, 1, out) != 1) || putc('\n', out) == EOF)
			return -EIO;
	}
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
	struct list_line parts;
	int r;

	for (uint32_t i = 0; i < b->n; i++)
		if ((b->lines[i].size & LINE_KEYED) && !(b->lines[i].size & LINE_GONE) &&
			!line_is_live(b, &b->lines[i], now, &parts)) {
			b->lines[i].size |= LINE_GONE;
			b->dead++;
		}
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
