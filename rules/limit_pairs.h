/* SPDX-License-Identifier: BSD-2-Clause */
/* Which values a limit's keys have had lately ("distinct"): a bounded table of pairs, sharded, for
 * one struct limit_table, which owns it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limit_pairs;

/* About entries pairs (rounded up). NULL when out of memory. */
struct limit_pairs *limit_pairs_new(size_t entries);
void limit_pairs_free(struct limit_pairs *t);
/* Was the pair there within the window? Then it is from now on again. */
bool limit_pairs_find(struct limit_pairs *t, uint64_t pair, uint64_t now_ns, uint64_t window_ns);
/* The pair is the owner's. Gives whose pair was lost before its window was over, the same owner
 * where the pair is there already (another thread was quicker), or 0. */
uint64_t limit_pairs_add(
	struct limit_pairs *t, uint64_t pair, uint64_t owner, uint64_t now_ns, uint64_t window_ns);
