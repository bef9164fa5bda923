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

enum { GUARD_SMALL_BITS = 2, GUARD_SMALL_GUARDS = 32 };

/* One walk through a chain's rules; stays where it was begun, at most as long as the judgement's
 * arena. */
struct guard_walk {
	const struct chain *chain;
	uint64_t *open; /* rules that may still hold, a bit each; NULL: all of them */
	bool *asked;    /* by guard */
	unsigned next;
	uint64_t small_open[GUARD_SMALL_BITS]; /* of chains that are not long */
	bool small_asked[GUARD_SMALL_GUARDS];
};

void guard_walk_init(struct judge *j, const struct chain *chain, struct guard_walk *w);
/* The next rule that may hold; NULL at the end and on j->error. */
const struct rule *guard_walk_next(struct judge *j, struct guard_walk *w);
