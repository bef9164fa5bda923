/* SPDX-License-Identifier: BSD-2-Clause */
/* Bounded tables of what was seen lately: rates by key (GCRA) and who wrote to whom. Sharded,
 * shared by all threads and carried from one policy version to the next; at their bound the coldest
 * entry leaves, and that is counted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/metrics.h"

struct limit_table;

enum {
	LIMIT_KEYS_MAX = 4, /* fields of a key */
	LIMIT_EVENTS_MAX = 1000000000 /* of a rate, of a burst */
};

/* One event each period_ns, tolerance_ns / period_ns at once. */
struct limit_rate {
	uint64_t period_ns, tolerance_ns;
};

/* events in duration_ms; burst 0: as many as events. */
struct limit_rate limit_rate_make(uint64_t events, uint64_t duration_ms, uint64_t burst);
/* "20/second", "5/10m"; burst as above. 0, ERR_SYNTAX, ERR_RANGE. */
int limit_rate_parse(const char *text, uint64_t burst, struct limit_rate *out);
/* In the unit that makes a whole number of it; size >= 48. */
void limit_rate_format(const struct limit_rate *rate, char *text, size_t size);
uint64_t limit_rate_burst(const struct limit_rate *rate);

/* A table of about entries keys (rounded up), one reference. NULL when out of memory. */
struct limit_table *limit_table_new(size_t entries);
struct limit_table *limit_table_ref(struct limit_table *t);
void limit_table_unref(struct limit_table *t);
/* Counts one event of the key at now_ns against "one each period_ns, burst of tolerance_ns /
 * period_ns". True when that is too many (then it does not count: a flood does not prolong itself).
 * evicted counts keys lost to the bound. */
bool limit_table_count(struct limit_table *t, uint64_t key, uint64_t now_ns, uint64_t period_ns,
	uint64_t tolerance_ns, metric *evicted);
/* Keys that would be remembered at now_ns (for status and tests). */
size_t limit_table_used(struct limit_table *t, uint64_t now_ns);

enum { PAIRS_MAX = 65536, PAIR_FORTH = 1, PAIR_BACK = 2 };

/* Pairs of bare JIDs in byte order, and in which directions messages went: forth is from the
 * smaller one. */
struct pair_table *pair_table_new(size_t entries);
struct pair_table *pair_table_ref(struct pair_table *t);
void pair_table_unref(struct pair_table *t);
/* PAIR_ bits known of the pair; 0 if unknown. */
unsigned pair_table_find(struct pair_table *t, uint64_t key);
void pair_table_add(struct pair_table *t, uint64_t key, unsigned bits, metric *evicted);
