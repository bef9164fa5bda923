/* SPDX-License-Identifier: BSD-2-Clause */
/* What a set of a policy holds and who wants it there; and how a list file differs from it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "rules/rules.h"

/* An entry in force; text is borrowed for the call. */
struct list_look {
	const char *text;
	int64_t until_ms; /* 0: for ever */
	uint32_t from;    /* LIST_FROM_... of rules/list.h */
	uint32_t feeds;   /* bit i: feed i of the set */
};

/* Visits what is in force in the set, in the order of being added, until false. The set is locked
 * for edits meanwhile: no edit from the visitor. 0 or ERR_NOTFOUND. */
int policy_list_each(const struct policy *p, const char *set,
	bool (*visit)(void *arg, const struct list_look *look), void *arg);
/* Reads the file as the set's file would be, and visits what would have to be added (or given
 * another end) and, with add false, deleted, so that the set has from its file what stands there.
 * 0; ERR_SYNTAX with diagnostics and nothing visited; ERR_NOTFOUND, -ENOMEM. */
int policy_list_compare(const struct policy *p, const char *set, const struct source_file *file,
	struct diag_list *diags, bool (*visit)(void *arg, bool add, const struct list_look *look),
	void *arg);
/* How a set that is a pack differs from it: visits what to add (or give another end) and, with add
 * false, delete, so that a process that maps the pack has the same. ERR_NOTFOUND, ERR_UNSUPPORTED:
 * it is none. */
int policy_list_edits(const struct policy *p, const char *set,
	bool (*visit)(void *arg, bool add, const struct list_look *look), void *arg);
/* How many edits stand beside its pack, of which each costs more than an entry in it; 0: it is none. */
size_t policy_list_beside(const struct policy *p, const char *set);
/* Under which path those are among the sources: lines "+ENTRY until TIME", "-ENTRY". */
enum { LIST_EDITS_PATH_MAX = 192 };
void list_edits_path(const char *set, char path[LIST_EDITS_PATH_MAX]);
