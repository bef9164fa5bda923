/* SPDX-License-Identifier: BSD-2-Clause */
/* A source set as one run of bytes and back: how the children get every file the daemon read without opening any. In: the
 * set, or a descriptor the daemon sent. Out: a sealed memfd, or the set again. Layout, in host order since both ends are one
 * machine: magic, then for each file its head, path, bytes. What a sibling sends is checked, not trusted:
 * anything that does not add up is ERR_PROTO. It never keeps the descriptor. */
#include "rules/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/whole.h"

static const char bundle_magic[8] = "xwsrc2\n";
enum { BUNDLE_PATH_MAX = 4096 };

struct bundle_head {
	uint64_t path_len, len;
	uint64_t elided; /* 1: len is 0, and this is what the bytes hash to */
	uint8_t digest[32];
};

/* A list that is packed, and that nobody else reads, is not sent as text. */
static bool is_elided(const struct source_file *file)
{
	return file->elided || (file->packed && !file->plain);
}

static int file_compare(const void *a, const void *b)
{
	return strcmp((*(struct source_file *const *)a)->path, (*(struct source_file *const *)b)->path);
}

/* Sorted by path, so that equal sets give equal bundles (and equal digests). */
static struct source_file **files_sorted(const struct source_set *set)
{
	struct source_file **files = calloc(set->files.count + 1, sizeof(struct source_file *));
	struct map_entry *entry;
	size_t n = 0;

	for (size_t at = 0; files && map_each(&set->files, &at, &entry);)
		files[n++] = entry->value;
	if (files)
		qsort(files, n, sizeof(*files), file_compare);
	return files;
}

static int bundle_write(int fd, struct source_file *const *files)
{
	int r = whole_write(fd, bundle_magic, sizeof(bundle_magic));

	for (; r == 0 && *files; files++) {
		struct bundle_head head = { .path_len = strlen((*files)->path) };

		if (is_elided(*files)) {
			head.elided = 1;
			memcpy(head.digest, source_digest(*files), sizeof(head.digest));
		} else {
			head.len = (*files)->len;
		}
		if ((r = whole_write(fd, &head, sizeof(head))) == 0 && (r = whole_write(fd, (*files)->path, head.path_len)) == 0)
			r = whole_write(fd, (*files)->bytes, head.len);
	}
	return r;
}

int source_bundle(const struct source_set *set, int *fd)
{
	cleanup_free struct source_file **files = files_sorted(set);
	cleanup_fd int memory = memfd_create("xmppwall-sources", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (!files)
		return -ENOMEM;
	if (memory < 0)
		return -errno;
	if ((r = bundle_write(memory, files)) < 0)
		return r;
	if (fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -errno;
	*fd = take_fd(&memory);
	return 0;
}

static void file_elide(struct source_set *set, const char *path, const uint8_t digest[32])
{
	char *where = source_resolve(NULL, path);
	struct source_file *file = where ? source_peek(set, where) : NULL;

	free(where);
	if (!file)
		return;
	file->elided = file->hashed = file->packed = true;
	memcpy(file->digest, digest, sizeof(file->digest));
}

static int bundle_read(const char *at, size_t left, struct source_set *set)
{
	struct bundle_head head;
	char path[BUNDLE_PATH_MAX + 1];
	int r;

	if (left < sizeof(bundle_magic) || memcmp(at, bundle_magic, sizeof(bundle_magic)) != 0)
		return ERR_PROTO;
	at += sizeof(bundle_magic);
	left -= sizeof(bundle_magic);
	while (left > 0) {
		if (left < sizeof(head))
			return ERR_PROTO;
		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		left -= sizeof(head);
		if (head.path_len == 0 || head.path_len > BUNDLE_PATH_MAX || head.path_len > left ||
			head.len > left - head.path_len || head.elided > 1 ||
			(head.elided && head.len))
			return ERR_PROTO;
		memcpy(path, at, head.path_len);
		path[head.path_len] = '\0';
		if ((r = source_add(set, path, at + head.path_len, head.len)) < 0)
			return r;
		if (head.elided)
			file_elide(set, path, head.digest);
		at += head.path_len + head.len;
		left -= head.path_len + head.len;
	}
	return 0;
}

int source_unbundle(int fd, struct source_set *set)
{
	enum { SEALS = F_SEAL_SHRINK | F_SEAL_WRITE };
	struct stat st;
	void *map;
	int r, seals = fcntl(fd, F_GET_SEALS);

	/* Without the seals the sender could still change what is being read. */
	if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size <= 0)
		return ERR_PROTO;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	r = bundle_read(map, (size_t)st.st_size, set);
	munmap(map, (size_t)st.st_size);
	return r;
}
