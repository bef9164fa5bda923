/* SPDX-License-Identifier: BSD-2-Clause */
/* One look at one feed: fetched by a child or read from a file, judged in a job. */
#pragma once

#include <stdbool.h>
#include "ctl/feed_copy.h"

struct daemon;

enum feed_result { FEED_FAILED, FEED_UNCHANGED, FEED_CHANGED };

/* What became of it; strings and copy are borrowed for the call. why is "" unless it failed. */
typedef void (*feed_fetch_done)(void *arg, const char *set, const struct feed_info *feed,
	enum feed_result result, const struct feed_copy *copy, const char *why);

struct feed_fetch;

/* Begins. set and feed are of the policy in force, which is held until the end; done comes on the
 * loop, later, and not after feed_fetch_abandon. 0 or a negative code (then done does not come). */
int feed_fetch_start(struct daemon *d, const char *dir, const char *set,
	const struct feed_info *feed, const struct feed_copy *copy, feed_fetch_done done, void *arg,
	struct feed_fetch **out);
/* Ends the child; nobody waits for done any more. */
void feed_fetch_abandon(struct feed_fetch *f);
