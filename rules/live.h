/* SPDX-License-Identifier: BSD-2-Clause */
/* Scanners beside their sets: a compiled base, and a small delta of what was added since. */
#pragma once

#include "rules/program.h"

enum {
	LIVE_DELTA_MAX =
		2000 /* more changes than this are folded into the base by the next settle */
};

/* Compiles the base of s from its operands and sets, or finds it. share, sources as for
 * pattern_db_make. 0, -ENOMEM, ERR_LIBRARY. */
int scanner_build(
	struct scanner *s, const struct pattern_db *share, struct source_set *sources);
void scanner_fini(struct scanner *s);
/* A number never given before: lists that may hold more from now on get a new one. */
uint64_t live_stamp(void);
/* See policy_list_edit and policy_list_settle. */
int live_edit(struct program *p, struct list *l, const struct span *add, size_t n_add,
	const struct span *del, size_t n_del);
int live_settle(struct program *p);
