/* SPDX-License-Identifier: BSD-2-Clause */
/* The first step of every policy: the bytes of configuration, included rules, lists and certificates come in here, from disk
 * in the daemon and the offline tools, from a bundle in the children, and are kept under the path they were named by. Parser,
 * diagnostics, list loader and certificate store only borrow them, so what one load saw is one consistent picture.
 * All bytes together have a ceiling. It never looks into the files and never opens one after the set says from_disk = false. */
#include "rules/source.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "rules/hash.h"

enum { SOURCE_READ_STEP = 65536 };
static const size_t source_total_max = (size_t)512 << 20;

static void file_free(void *value)
{
	struct source_file *file = value;

	if (!file)
		return;
	free(file->path);
	free(file->bytes);
	free(file);
}

void source_init(struct source_set *set, bool from_disk)
{
	*set = (struct source_set){ .from_disk = from_disk, .total_max = source_total_max };
	map_init(&set->files);
}

void source_fini(struct source_set *set)
{
	map_fini(&set->files, file_free);
	part_set_fini(&set->parts);
	part_set_fini(&set->used);
	set->total = 0;
}

static unsigned count_lines(const char *bytes, size_t len)
{
	unsigned lines = len > 0 && bytes[len - 1] != '\n';

	for (const char *at = bytes, *end = bytes + len; (at = memchr(at, '\n', (size_t)(end - at))); at++)
		lines++;
	return lines;
}

/* Takes bytes (len of them, a NUL behind), also on failure. path is already resolved. */
static int source_take(struct source_set *set, const char *path, char *bytes, size_t len)
{
	struct source_file *old = map_find(&set->files, path, strlen(path));
	size_t others = set->total - (old ? old->len : 0);
	struct source_file *file = calloc(1, sizeof(*file));
	void *previous = NULL;
	int r = -ENOMEM;

	if (file) {
		*file = (struct source_file){ .path = strdup(path), .bytes = bytes, .len = len };
		file->lines = count_lines(bytes, len);
		bytes = NULL;
	}
	if (!file || !file->path)
		goto fail;
	r = ERR_LIMIT;
	if (len > set->total_max || others > set->total_max - len)
		goto fail;
	if ((r = map_put(&set->files, path, strlen(path), file, &previous)) < 0)
		goto fail;
	file_free(previous);
	set->total = others + len;
	return 0;
fail:
	free(bytes);
	file_free(file);
	return r;
}

int source_add(struct source_set *set, const char *path, const void *bytes, size_t len)
{
	cleanup_free char *where = source_resolve(NULL, path);
	char *copy = malloc(len + 1);

	if (!where || !copy) {
		free(copy);
		return -ENOMEM;
	}
	if (len)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return source_take(set, where, copy, len);
}

/* All bytes until the end, whatever kind of file it is; at most max. */
static int read_all(int fd, size_t max, struct buf *into)
{
	char *where;
	ssize_t n;
	int r;

	do {
		if ((r = buf_reserve(into, SOURCE_READ_STEP, &where)) < 0)
			return r;
		do
			n = read(fd, where, SOURCE_READ_STEP);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		buf_commit(into, (size_t)n);
		if (buf_len(into) > max)
			return ERR_LIMIT;
	} while (n > 0);
	return 0;
}

static int source_read(struct source_set *set, const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	size_t room = set->total_max - set->total, len;
	struct stat st;
	struct buf all;
	char *bytes;
	int r;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	buf_init(&all, room + 2 * SOURCE_READ_STEP);
	r = read_all(fd, room, &all);
	len = buf_len(&all);
	bytes = r == 0 ? buf_take(&all) : NULL;
	buf_fini(&all);
	if (r < 0)
		return r;
	return bytes ? source_take(set, path, bytes, len) : -ENOMEM;
}

struct source_file *source_peek(const struct source_set *set, const char *path)
{
	return map_find(&set->files, path, strlen(path));
}

int source_find_list(
	struct source_set *set, const char *base_path, const char *path, struct source_file **out)
{
	cleanup_free char *where = source_resolve(base_path, path);
	int r;

	if (!where)
		return -ENOMEM;
	if ((*out = source_peek(set, where)))
		return 0;
	if (!set->from_disk)
		return -ENOENT;
	if ((r = source_read(set, where)) == 0)
		*out = source_peek(set, where);
	return r;
}

int source_find(struct source_set *set, const char *base_path, const char *path, const struct source_file **out)
{
	struct source_file *file;
	int r = source_find_list(set, base_path, path, &file);

	if (r == 0 && (r = source_text(set, file)) == 0) {
		file = source_peek(set, file->path);
		file->plain = true;
		*out = file;
	}
	return r;
}

int source_text(struct source_set *set, struct source_file *file)
{
	struct source_set disk;
	struct source_file *now;
	int r;

	if (!file->elided)
		return 0;
	if (!set->rereads)
		return ERR_PROTO;
	source_init(&disk, true);
	if ((r = source_find_list(&disk, NULL, file->path, &now)) == 0) {
		char *bytes = file->bytes;

		file->bytes = now->bytes;
		now->bytes = bytes;
		file->len = now->len;
		file->lines = now->lines;
		file->elided = file->hashed = false;
		set->total += file->len;
	}
	source_fini(&disk);
	return r;
}

const unsigned char *source_digest(struct source_file *file)
{
	struct hash_state h;

	if (!file->hashed) {
		hash_begin(&h);
		hash_add(&h, file->bytes, file->len);
		hash_end(&h, file->digest);
		file->hashed = true;
	}
	return file->digest;
}

/* ---- paths ---- */

/* Removes "//", "/./" and "x/.." by their letters, in place: paths are names here, so that a bundle knows them again. */
static void path_normalise(char *path)
{
	bool absolute = path[0] == '/';
	char *out = path + absolute, *start = out, *end = path + strlen(path);

	/* The '/' behind the last part may stand where the NUL stood. */
	for (char *at = start, *next; at < end; at = next) {
		size_t len = strcspn(at, "/");

		next = at + len + (at[len] == '/');
		if (len == 0 || (len == 1 && at[0] == '.'))
			continue;
		if (len == 2 && at[0] == '.' && at[1] == '.') {
			char *last = out;

			while (last > start && last[-1] == '/')
				last--;
			while (last > start && last[-1] != '/')
				last--;
			if (out > start && strncmp(last, "../", 3) != 0) {
				out = last;
				continue;
			}
			if (absolute)
				continue;
		}
		memmove(out, at, len);
		out += len;
		*out++ = '/';
	}
	if (out > start)
		out--;
	*out = '\0';
	if (out == path)
		strcpy(path, ".");
}

/* The folder of base_path (with its '/') before path, unless path is absolute. */
static char *path_join(const char *base_path, const char *path, bool escape)
{
	const char *slash = base_path && path[0] != '/' ? strrchr(base_path, '/') : NULL;
	size_t folder = slash ? (size_t)(slash - base_path) + 1 : 0, n = 0;
	char *joined = malloc(folder * 2 + strlen(path) + 2);

	if (!joined)
		return NULL;
	for (size_t i = 0; i < folder; i++) {
		if (escape && strchr("*?[]\\", base_path[i]))
			joined[n++] = '\\';
		joined[n++] = base_path[i];
	}
	strcpy(joined + n, path);
	path_normalise(joined);
	return joined;
}

char *source_resolve(const char *base_path, const char *path)
{
	return path_join(base_path, path, false);
}

/* ---- patterns ---- */

static int path_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void paths_free(char **paths, size_t n)
{
	for (size_t i = 0; paths && i < n; i++)
		free(paths[i]);
	free(paths);
}

static int glob_disk(const char *pattern, char ***paths, size_t *n)
{
	glob_t found = { 0 };
	int r = glob(pattern, GLOB_NOSORT, NULL, &found);

	*n = 0;
	if (r != 0 && r != GLOB_NOMATCH) {
		globfree(&found);
		return r == GLOB_NOSPACE ? -ENOMEM : -EIO;
	}
	*paths = calloc(found.gl_pathc + 1, sizeof(**paths));
	for (size_t i = 0; *paths && r == 0 && i < found.gl_pathc; i++) {
		if (!((*paths)[i] = source_resolve(NULL, found.gl_pathv[i])))
			break;
		++*n;
	}
	globfree(&found);
	if (*paths && (r != 0 || *n == found.gl_pathc))
		return 0;
	paths_free(*paths, *n);
	return -ENOMEM;
}

static int glob_set(const struct source_set *set, const char *pattern, char ***paths, size_t *n)
{
	struct map_entry *entry;

	*n = 0;
	if (!(*paths = calloc(set->files.count + 1, sizeof(**paths))))
		return -ENOMEM;
	for (size_t at = 0; map_each(&set->files, &at, &entry);) {
		if (fnmatch(pattern, entry->key, FNM_PATHNAME | FNM_PERIOD) != 0)
			continue;
		if (!((*paths)[*n] = strdup(entry->key))) {
			paths_free(*paths, *n);
			return -ENOMEM;
		}
		++*n;
	}
	return 0;
}

int source_glob(struct source_set *set, const char *base_path, const char *pattern, char ***paths)
{
	cleanup_free char *where = path_join(base_path, pattern, true);
	size_t n;
	int r;

	if (!where)
		return -ENOMEM;
	r = set->from_disk ? glob_disk(where, paths, &n) : glob_set(set, where, paths, &n);
	if (r == 0)
		qsort(*paths, n, sizeof(**paths), path_compare);
	return r;
}
