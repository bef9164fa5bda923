/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled parts kept over a restart. In: the digest of what is to be compiled. Out: the part, read
 * into a sealed memfd from a file of the cache. Such a file is an input like any other: it must be
 * ours (magic, version, machine, the very program that wrote it), owned by us and writable by
 * nobody else, as long as it says, and its bytes must have the sum it names; whoever reads the part
 * checks its offsets, too. One that fails is removed and counted, and the part is compiled. Only
 * the daemon has a cache: its children get parts through the channel and open nothing. */
#include "rules/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/siphash.h"
#include "base/whole.h"
#include "rules/hash.h"
#include "rules/pattern.h"
#include "rules/source.h"

enum {
	CACHE_FILES_MAX = 256,
	CACHE_NAME = 2 * PART_KEY + 8,
};
static const uint8_t sum_key[16] = "xmppwall cache\n";

struct cache {
	char *dir;
	uint8_t build[PART_KEY]; /* this program and the libraries whose results are kept */
	metric *found, *compiled, *refused;
	bool writes;             /* since cache_write */
	struct part_set waiting; /* for that */
	pthread_mutex_t lock;    /* a policy may be made while another is */
};

/* Folding, preparing of JIDs and compiled databases may differ with every build: what another one
 * wrote is not used. */
static int build_digest(uint8_t out[PART_KEY])
{
	struct hash_state h;
	struct stat st;

	if (stat("/proc/self/exe", &st) < 0)
		return -errno;
	hash_begin(&h);
	hash_add_number(&h, st.st_dev);
	hash_add_number(&h, st.st_ino);
	hash_add_number(&h, (uint64_t)st.st_size);
	hash_add_number(&h, (uint64_t)st.st_mtim.tv_sec);
	hash_add_number(&h, (uint64_t)st.st_mtim.tv_nsec);
	hash_add_span(&h, span_of(pattern_library()));
	hash_end(&h, out);
	return 0;
}

static bool folder_is_ours(const char *dir)
{
	struct stat st;

	return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

int cache_open(const char *dir, struct metrics *metrics, struct cache **out)
{
	struct cache *c;
	int r;

	if (access(dir, F_OK) == 0 && !folder_is_ours(dir))
		return -EPERM;
	if (!(c = calloc(1, sizeof(*c))))
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->dir = strdup(dir);
	c->found = metrics_find(metrics, "cache.found");
	c->compiled = metrics_find(metrics, "cache.compiled");
	c->refused = metrics_find(metrics, "cache.refused");
	if ((r = c->dir ? build_digest(c->build) : -ENOMEM) < 0) {
		cache_close(c);
		return r;
	}
	*out = c;
	return 0;
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	part_set_fini(&c->waiting);
	pthread_mutex_destroy(&c->lock);
	free(c->dir);
	free(c);
}

/* ---- files ---- */

static void name_make(enum part_kind kind, const uint8_t key[PART_KEY], char name[CACHE_NAME])
{
	char *at = name;

	for (size_t i = 0; i < PART_KEY; i++)
		at += sprintf(at, "%02x", key[i]);
	strcpy(at, kind == PART_SET ? ".set" : ".hs");
}

static void path_make(const struct cache *c, const char *name, char path[PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/%s", c->dir, name);
}

static const char *file_fault(const struct cache *c, const struct stat *st,
	const struct part_head *head, enum part_kind kind, const uint8_t key[PART_KEY])
{
	if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_mode & (S_IWGRP | S_IWOTH))
		return "it belongs to somebody else";
	if (!part_head_is_ours(head))
		return "it is none of this version";
	if (memcmp(head->build, c->build, PART_KEY) != 0)
		return "another build wrote it";
	if (head->kind != kind || memcmp(head->key, key, PART_KEY) != 0)
		return "it is of something else";
	if (head->len != (uint64_t)st->st_size - sizeof(*head))
		return "it is cut";
	return NULL;
}

/* The sum is of the bytes in the memfd, which nobody else can change. */
static const char *file_read(int fd, const struct part_head *head, struct part **out)
{
	struct part *part;
	const char *fault = NULL;

	if (part_new((enum part_kind)head->kind, head->key, head->len, &part) < 0)
		return "there is no memory for it";
	if (whole_read(fd, part->bytes, part->len) < 0)
		fault = "it cannot be read";
	else if (siphash24(sum_key, part->bytes, part->len) != head->sum)
		fault = "its sum is wrong";
	else if (part_seal(part) < 0)
		fault = "it cannot be sealed";
	if (fault)
		part_unref(part);
	else
		*out = part;
	return fault;
}

static void file_refuse(struct cache *c, const char *path, const char *fault)
{
	metric_add(c->refused, 1);
	log_warn("event=cache file=%s note=\"not used: %s\"", path, fault);
	(void)unlink(path);
}

static struct part *file_find(struct cache *c, enum part_kind kind, const uint8_t key[PART_KEY])
{
	struct part_head head = { 0 };
	char name[CACHE_NAME], path[PATH_MAX];
	struct part *part = NULL;
	const char *fault;
	struct stat st;

	name_make(kind, key, name);
	path_make(c, name, path);
	cleanup_fd int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		fault = "it cannot be opened";
	else if (whole_read(fd, &head, sizeof(head)) < 0)
		fault = "it is cut";
	else if (!(fault = file_fault(c, &st, &head, kind, key)))
		fault = file_read(fd, &head, &part);
	if (fault)
		file_refuse(c, path, fault);
	else
		metric_add(c->found, 1);
	return part;
}

/* Losing it costs a compilation; half of it must not be found. */
static void file_write(struct cache *c, const struct part *part)
{
	char name[CACHE_NAME], path[PATH_MAX], tmp[PATH_MAX];
	struct part_head head;
	int r;

	part_head_fill(part, &head);
	memcpy(head.build, c->build, PART_KEY);
	head.sum = siphash24(sum_key, part->bytes, part->len);
	name_make(part->kind, part->key, name);
	path_make(c, name, path);
	path_make(c, "new", tmp);
	(void)unlink(tmp);
	cleanup_fd int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : whole_write(fd, &head, sizeof(head));
	if (r == 0)
		r = whole_write(fd, part->bytes, part->len);
	if (r == 0 && rename(tmp, path) < 0)
		r = -errno;
	if (r < 0) {
		log_warn("event=cache file=%s note=\"cannot be written: %s\"", path, err_text(r));
		(void)unlink(tmp);
	}
}

int cache_write(struct cache *c)
{
	if (mkdir(c->dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (!folder_is_ours(c->dir))
		return -EPERM;
	pthread_mutex_lock(&c->lock);
	c->writes = true;
	for (size_t i = 0; i < c->waiting.n; i++)
		file_write(c, c->waiting.all[i]);
	part_set_fini(&c->waiting);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* ---- pruning ---- */

static bool name_is_kept(const struct part_set *keep, const char *name)
{
	char mine[CACHE_NAME];

	for (size_t i = 0; i < keep->n && i < CACHE_FILES_MAX; i++) {
		name_make(keep->all[i]->kind, keep->all[i]->key, mine);
		if (strcmp(mine, name) == 0)
			return true;
	}
	return false;
}

void cache_prune(struct cache *c, const struct part_set *keep)
{
	struct dirent *entry;
	DIR *folder;

	if (!c || !c->writes || !(folder = opendir(c->dir)))
		return;
	pthread_mutex_lock(&c->lock);
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' && !name_is_kept(keep, entry->d_name))
			(void)unlinkat(dirfd(folder), entry->d_name, 0);
	pthread_mutex_unlock(&c->lock);
	closedir(folder);
}

/* ---- while a policy is made ---- */

int cache_use(struct source_set *sources, struct part *part)
{
	int r = part_set_add(&sources->parts, part);

	return r < 0 ? r : part_set_add(&sources->used, part);
}

struct part *cache_find(
	struct source_set *sources, enum part_kind kind, const uint8_t key[PART_KEY])
{
	struct part *part = part_set_find(&sources->parts, kind, key), *read = NULL;
	struct cache *c = sources->cache;

	if (!part && c) {
		pthread_mutex_lock(&c->lock);
		part = read = file_find(c, kind, key);
		pthread_mutex_unlock(&c->lock);
	}
	if (part && cache_use(sources, part) < 0)
		part = NULL;
	part_unref(read); /* the sources hold it */
	return part;
}

void cache_refuse(struct source_set *sources, struct part *part)
{
	struct cache *c = sources->cache;
	char name[CACHE_NAME], path[PATH_MAX];

	if (c) {
		name_make(part->kind, part->key, name);
		path_make(c, name, path);
		pthread_mutex_lock(&c->lock);
		metric_sub(c->found, 1);
		file_refuse(c, path, "what it says does not fit together");
		pthread_mutex_unlock(&c->lock);
	}
	part_set_remove(&sources->parts, part);
	part_set_remove(&sources->used, part);
}

int cache_add(struct source_set *sources, struct part *part)
{
	struct cache *c = sources->cache;

	if (c) {
		pthread_mutex_lock(&c->lock);
		metric_add(c->compiled, 1);
		if (c->writes)
			file_write(c, part);
		else
			(void)part_set_add(&c->waiting, part); /* else it is compiled again */
		pthread_mutex_unlock(&c->lock);
	}
	return cache_use(sources, part);
}
