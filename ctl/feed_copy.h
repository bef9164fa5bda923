/* SPDX-License-Identifier: BSD-2-Clause */
/* The last good copy of each feed, kept in the state directory: judged before it replaces the one
 * before it, and there again after a restart. For the job thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

struct feed_info;
struct policy;
struct source_set;

enum { FEED_ETAG_MAX = 256, FEED_DATE_MAX = 64 };

/* What is known of a copy. */
struct feed_copy {
	bool there;
	char etag[FEED_ETAG_MAX],
		modified[FEED_DATE_MAX]; /* as the server said; "" if it did not */
	int64_t fetched_ms;              /* when it was last known to be what the feed says */
	int64_t changed_ms;              /* when it last changed */
	size_t entries, bad, bytes;
};

/* Reads what is known; all zero if there is no copy, or one from another place than the feed names
 * now. */
void feed_copy_read(
	const char *dir, const char *set, const struct feed_info *feed, struct feed_copy *out);
/* A file to fetch into, empty: its descriptor, or -errno. */
int feed_copy_open(const char *dir, const char *set, const struct feed_info *feed);
/* Judges what was fetched into it: is it a list of that set's type, has it not shrunk, is it not
 * too long? If so it is the copy from now on. *copy is updated (etag and modified are the
 * caller's); *changed: it says something else than before. 0, or a negative code with *why (one
 * line, no newline) and everything as before. */
int feed_copy_take(const struct policy *p, const char *dir, const char *set,
	const struct feed_info *feed, struct feed_copy *copy, bool *changed, struct buf *why);
/* The copy is still what the feed says. */
void feed_copy_confirm(
	const char *dir, const char *set, const struct feed_info *feed, struct feed_copy *copy);
/* Fetches a feed that is a file: as feed_copy_open, reading, feed_copy_take. */
int feed_copy_file(const struct policy *p, const char *dir, const char *set,
	const struct feed_info *feed, struct feed_copy *copy, bool *changed, struct buf *why);
/* Puts all copies among the sources. 0, ERR_LIMIT, -ENOMEM. */
int feed_copies_add(const char *dir, struct source_set *sources);
/* Removes the copies of feeds that the policy does not have. */
void feed_copies_prune(const char *dir, const struct policy *p);
