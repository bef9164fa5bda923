/* SPDX-License-Identifier: BSD-2-Clause */
/* Feeds: lists that somebody else keeps, as further hands at a set. Their copies come as sources;
 * votes and exceptions decide here, the same way in the daemon and in its children. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

struct list;
struct policy;
struct source_file;

enum { FEEDS_MAX = 32 /* of one set */, FEED_NAME_MAX = 63, FEED_PATH_MAX = 192 };

/* feed NAME { ... } */
struct feed_info {
	const char *name;
	const char *url, *file; /* one of them; the other NULL. file is absolute */
	uint64_t every_ms, timeout_ms;
	unsigned weight;
	unsigned shrink; /* percent of its entries that it may lose at once */
	size_t size_max;
};

/* Under which path the copy of a feed is among the sources. */
void feed_source_path(const char *set, const char *feed, char path[FEED_PATH_MAX]);
/* Puts into l what its feeds name with enough votes and no exception forbids. files[i] is the copy
 * of feed i (NULL: none yet). Lines that are no entries are passed over. 0 or -ENOMEM. */
int feed_merge(struct list *l, const struct source_file *const *files, int64_t now_ms);

/* ---- for the control room ---- */

/* The feeds of a set; *votes and *except_path (NULL: no file) may be NULL. */
const struct feed_info *policy_feeds(const struct policy *p, const char *set, size_t *n,
	unsigned *votes, const char **except_path);
/* How many lines of it are entries for that set; *bad: how many are not, *why (static): the first
 * one's fault, in *line. 0, ERR_NOTFOUND, -ENOMEM. */
int policy_feed_count(const struct policy *p, const char *set, struct span text, size_t *good,
	size_t *bad, size_t *line, const char **why);
/* Why the policy was made without its feeds: one line; NULL if it was not. */
const char *policy_feeds_trouble(const struct policy *p);
