/* SPDX-License-Identifier: BSD-2-Clause */
/* Who sends nearly the same text to whom: texts in groups, and for each group how many distinct
 * senders and recipients there were lately. Shared by all threads and carried from one policy to
 * the next. */
#pragma once

#include <stddef.h>
#include "base/metrics.h"
#include "rules/shingle.h"

enum {
	SIMILAR_COUNT_MAX = 200, /* what can be told apart; a count above it is still above it */
	SIMILAR_AGREE_MIN = 14,  /* parts of the signature, for a text to belong to a group */
};

struct similar_count {
	unsigned senders, recipients;
};

struct similar_table;

/* Groups remembered: entries, at some 450 bytes each; window_ns: how long a sender or recipient
 * counts. NULL when out of memory. */
struct similar_table *similar_table_new(size_t entries, uint64_t window_ns);
struct similar_table *similar_table_ref(struct similar_table *t);
void similar_table_unref(struct similar_table *t);
/* For shingle_begin: of this process. */
void similar_salt(uint64_t salt[2]);
/* Counts a text in its group, or begins one. sender, recipient: hashes, 0 for none. *out: who was
 * counted in the group within the window. evicted counts groups lost to the bound while they
 * counted. */
void similar_table_add(struct similar_table *t, const struct signature *text, uint64_t sender,
	uint64_t recipient, uint64_t now_ns, metric *evicted, struct similar_count *out);
/* Groups that would count at now_ns (for tests). */
size_t similar_table_used(struct similar_table *t, uint64_t now_ns);
