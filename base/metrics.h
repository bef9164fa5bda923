/* SPDX-License-Identifier: BSD-2-Clause */
/* Hot counters in shared memory: children write, the daemon reads for status, rules and top. The page
 * belongs to the daemon, so counts outlive a child. Counters are found by name once and kept by pointer. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { METRIC_NAME_MAX = 96, METRIC_SLOTS = 8192 };

typedef _Atomic uint64_t metric;

struct metrics;

/* The daemon makes the page; *fd is the memfd to hand to children (owned by m). */
int metrics_new(struct metrics **out, int *fd);
/* A child maps the page it was given; takes fd. */
int metrics_open(int fd, struct metrics **out);
void metrics_free(struct metrics *m);
/* The counter of that name, made if absent ("stanza.in", "rule.inbound/spam.hits"). When the page is
 * full or m is NULL: a dummy counter, never NULL. Thread- and process-safe. */
metric *metrics_find(struct metrics *m, const char *name);
/* Walks all named counters: start with *at = 0; false at the end. */
bool metrics_each(struct metrics *m, size_t *at, const char **name, metric **value);

static inline void metric_add(metric *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}
static inline void metric_sub(metric *counter, uint64_t n)
{
	atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}
static inline void metric_set(metric *counter, uint64_t n)
{
	atomic_store_explicit(counter, n, memory_order_relaxed);
}
static inline uint64_t metric_get(metric *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}
