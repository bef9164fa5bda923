/* SPDX-License-Identifier: BSD-2-Clause */
/* Compiled parts on disk, so that the next start need not compile: one file each, named by the
 * digest of all it was made of. */
#pragma once

#include <stdint.h>
#include "rules/part.h"

struct cache;
struct metrics;
struct source_set;

/* In that directory, which need not be there yet: nothing is written before cache_write. metrics
 * (may be NULL) gets "cache.found" (parts taken from a file), "cache.compiled" (there was none),
 * "cache.refused" (files that were not whole, not ours, not well owned). 0, -ENOMEM, or -errno:
 * then there is no cache, and all works without. */
int cache_open(const char *dir, struct metrics *metrics, struct cache **out);
/* Makes the directory and writes what was compiled so far; from then on all that is. 0 or -errno.
 */
int cache_write(struct cache *c);
void cache_close(struct cache *c);
/* Removes the files of all other parts. */
void cache_prune(struct cache *c, const struct part_set *keep);

/* ---- while a policy is made ---- */

/* The part if it is among those of the sources, or in their cache; borrowed, NULL if there is none.
 */
struct part *cache_find(
	struct source_set *sources, enum part_kind kind, const uint8_t key[PART_KEY]);
/* It is in use already. 0, -ENOMEM, ERR_LIMIT. */
int cache_use(struct source_set *sources, struct part *part);
/* What a part says was nonsense: its file goes. */
void cache_refuse(struct source_set *sources, struct part *part);
/* One was made: it joins the sources' parts and, if they have a cache, its files. 0, -ENOMEM,
 * ERR_LIMIT. */
int cache_add(struct source_set *sources, struct part *part);
