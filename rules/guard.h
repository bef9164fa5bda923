/* SPDX-License-Identifier: BSD-2-Clause */
/* Which rules of a chain can hold at all: what many rules ask of one field first is asked once, and
 * only those whose turn it can be are tested. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct chain;
struct compiler;
struct judge;
struct rule;

/* What a chain's rules ask first, by field; in the program's arena. After an error c->error says
 * so. */
void guards_compile(struct compiler *c, struct chain *chain);

/* One walk through a chain's rules; lives as long as the judgement's arena. */
struct guard_walk {
	const struct chain *chain;
	uint64_t *open; /* rules that may still hold, a bit each; NULL: all of them */
	bool *asked;    /* by guard */
	unsigned next;
};

void guard_walk_init(struct judge *j, const struct chain *chain, struct guard_walk *w);
/* The next rule that may hold; NULL at the end and on j->error. */
const struct rule *guard_walk_next(struct judge *j, struct guard_walk *w);
