/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes a policy is made of: configuration, included rules, list files, certificates, gathered in
 * memory under the paths they were named by. The daemon gathers them from disk; its children receive
 * the same bundle over the channel and never open a file. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/map.h"
#include "base/span.h"
#include "rules/part.h"

struct cache;

struct source_file {
	char *path;    /* absolute, or as given on a command line */
	char *bytes;   /* NUL-terminated */
	size_t len;
	unsigned lines;
	bool plain;    /* somebody needs its text, ... */
	bool packed;   /* ... a set was made a pack of it, then its digest counts, ... */
	bool elided;   /* ... and in a bundle only the digest is left of it: bytes is "" */
	bool hashed;
	unsigned char digest[32]; /* SHA-256 of bytes, once hashed */
};

struct source_set {
	struct map files; /* path -> struct source_file * */
	bool from_disk;   /* may read files that are not in the set yet */
	bool without_feeds; /* copies of feeds are as good as not there */
	bool rereads; /* the text of an elided file may be read from disk again */
	struct part_set parts; /* what was compiled of such files before */
	struct part_set used;  /* those of them that this load asked for or made */
	struct cache *cache; /* where else it may be; NULL: nowhere */
	size_t total, total_max; /* bytes; default ceiling 512 MiB */
};

void source_init(struct source_set *set, bool from_disk);
void source_fini(struct source_set *set);
/* The file, read from disk if allowed and not yet here. base_path (may be NULL) is the file that names it:
 * relative paths start at its folder. 0, -errno, ERR_LIMIT. Borrowed from the set. */
int source_find(struct source_set *set, const char *base_path, const char *path,
	const struct source_file **out);
/* As source_find, for a list that may become a pack: does not count as a need of its text. */
int source_find_list(struct source_set *set, const char *base_path, const char *path,
	struct source_file **out);
/* The text of a file is needed; an elided one is read again if that is allowed. 0, ERR_PROTO, -errno. */
int source_text(struct source_set *set, struct source_file *file);
/* SHA-256 of its bytes. */
const unsigned char *source_digest(struct source_file *file);
/* The file if it is in the set already; NULL if not. Nothing is read. */
struct source_file *source_peek(const struct source_set *set, const char *path);
/* Adds or replaces a file from memory (bytes are copied). */
int source_add(struct source_set *set, const char *path, const void *bytes, size_t len);
/* Paths matching a glob pattern (sorted by byte order), from disk or, in a bundle, from the set itself.
 * *paths is a malloc'd NULL-terminated array of malloc'd strings. */
int source_glob(struct source_set *set, const char *base_path, const char *pattern, char ***paths);
/* Absolute or base-relative path, normalised; malloc'd. */
char *source_resolve(const char *base_path, const char *path);
/* The whole set as one run of bytes in a new sealed memfd, and back (fd is not closed). Of files that
 * only packs are made of there is the digest; the packs travel beside it. */
int source_bundle(const struct source_set *set, int *fd);
int source_unbundle(int fd, struct source_set *set);
