/* SPDX-License-Identifier: BSD-2-Clause */
/* Names, each with the first and the last time it was seen; bounded. Held by the doors and by the
 * daemon for remote domains, without a lock. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "base/map.h"

enum {
	SIGHTS_MAX = 100000,
	SIGHTS_NEW_SHARE = 5, /* of a full table a fifth is left to names that are new */
	SIGHTS_SETTLED_MS = 24 * 3600 * 1000, /* as long a name is new */
	SIGHTS_NAME_MAX = 1023,
};

struct sight {
	TAILQ_ENTRY(sight) order;
	uint64_t first_ms, last_ms; /* by clocks of the holder's */
	bool settled;
	char name[];
};

TAILQ_HEAD(sight_order, sight);

struct sights {
	struct map by_name;
	struct sight_order new, settled; /* seen least lately first */
	size_t n_new, max;
};

void sights_init(struct sights *t, size_t max);
void sights_fini(struct sights *t);
size_t sights_count(const struct sights *t);
/* Borrowed; NULL if it is not there. */
struct sight *sights_find(const struct sights *t, const char *name);
/* A new one, seen last of all; in a full table the one seen least lately gives way, of those that
 * are new if they have more than their share, so that a flood of new names leaves the others alone.
 * gone (may be NULL) is told its name first. NULL: no memory, or too long. */
struct sight *sights_add(struct sights *t, const char *name, uint64_t first_ms,
	void (*gone)(void *arg, const char *name), void *arg);
/* Seen again, age_ms after the first time. */
void sights_touch(struct sights *t, struct sight *s, uint64_t last_ms, uint64_t age_ms);
