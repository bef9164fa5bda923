/* SPDX-License-Identifier: BSD-2-Clause */
/* How often each entry of a set matched. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list;
struct list_entry;
struct policy;

/* One more for the entry at a place of the set's pack or, entry not NULL, for that. From any thread; the set
 * is locked for reading. */
void list_hit(const struct list *l, const struct list_entry *entry, uint32_t at);
/* Entries of l that the old set had, too, go on counting. The old one is locked for reading by the
 * caller, l is nobody else's yet. */
void list_hits_inherit(struct list *l, const struct list *old);
/* Visits the entries that matched, most often first, max at most, until false; text is borrowed for
 * the call. The set is locked for edits meanwhile. 0, ERR_NOTFOUND, -ENOMEM. */
int policy_list_hits(const struct policy *p, const char *set, size_t max,
	bool (*visit)(void *arg, const char *text, uint64_t hits), void *arg);
