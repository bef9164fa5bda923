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

/* One event each period_ns, tolerance_ns / period_ns at once: events in window_ns, as it was written. */
struct limit_rate {
	uint64_t period_ns, tolerance_ns;
	uint64_t events, window_ns;
};

/* events in duration_ms; burst 0: as many as events. */
struct limit_rate limit_rate_make(uint64_t events, uint64_t duration_ms, uint64_t burst);
/* "20/second", "5/10m", "64k/second"; burst as above. 0, ERR_SYNTAX, ERR_RANGE. */
int limit_rate_parse(const char *text, uint64_t burst, struct limit_rate *out);
/* "60", "64k", from 1 to LIMIT_EVENTS_MAX. 0, ERR_SYNTAX, ERR_RANGE. */
int limit_burst_parse(const char *text, uint64_t *out);
/* In the unit that makes a whole number of it; size >= 48. */
void limit_rate_format(const struct limit_rate *rate, char *text, size_t size);
/* As it was written: "100/day", "64k/second" where it counts bytes. */
void limit_rate_format_exact(const struct limit_rate *rate, bool bytes, char *text, size_t size);
uint64_t limit_rate_burst(const struct limit_rate *rate);
/* What so many events at once cost, in nanoseconds of the bucket; saturates. */
uint64_t limit_rate_cost(const struct limit_rate *rate, uint64_t events);

/* A table of about entries keys (rounded up), one reference. With pairs it remembers as many pairs of
 * a key and a value, too. NULL when out of memory. */
struct limit_table *limit_table_new(size_t entries, bool pairs);
struct limit_table *limit_table_ref(struct limit_table *t);
void limit_table_unref(struct limit_table *t);
/* Counts what the key does at now_ns, at cost_ns (of one event: the rate's period), against a burst of
 * tolerance_ns. True when that is too much (then it does not count: a flood does not prolong itself).
 * evicted counts keys lost to the bound. */
bool limit_table_count(struct limit_table *t, uint64_t key, uint64_t now_ns, uint64_t cost_ns,
	uint64_t tolerance_ns, metric *evicted);

enum { LIMIT_VALUES_MAX = 64 };

/* Of a table with pairs: counts those of the values (hashes, at most LIMIT_VALUES_MAX) that the key has not
 * had within the rate's window, or the time in which its burst is earned back, if that is longer.
 * *fresh: how many those were. True when they are too many; then none counts and none is remembered. A
 * pair that is forgotten for want of room is counted in evicted, and its key gets back what it cost: so
 * whoever fills the table makes nobody else exceed. */
bool limit_table_count_values(struct limit_table *t, uint64_t key, const uint64_t *values, unsigned n,
	uint64_t now_ns, const struct limit_rate *rate, metric *evicted, unsigned *fresh);
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
