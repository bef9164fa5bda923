/* SPDX-License-Identifier: BSD-2-Clause */
/* What one character becomes: two tables (fold and case fold) of pages of 256 code points, each
 * page made from ICU when first asked for. Once made it never changes, so readers take no lock. */
#pragma once

#include <stdint.h>
#include "base/span.h"

struct text_table;

enum text_flags {
	TEXT_SELF = 1,     /* becomes itself: target is not set */
	TEXT_SPACE = 2,    /* becomes white space */
	TEXT_CAPITAL = 8,  /* see text_alike_capital */
	TEXT_DISTANT = 16, /* becomes text that holds such a letter: see text_alike_distant */
	TEXT_JOINS = 4,    /* holds a character that may join what stands before it: go character by
			      character */
};

/* What a character becomes, for those that read many: bytes are the target where len is at most
 * TEXT_ENTRY_BYTES and flags do not say TEXT_SELF. */
enum { TEXT_ENTRY_BYTES = 6 };
struct text_entry {
	uint8_t len; /* bytes of the target */
	uint8_t flags;
	char bytes[TEXT_ENTRY_BYTES]; /* the target, or where it stands in the pool (uint32_t) */
};

/* The 256 characters that cp is one of, from cp & ~0xff on; NULL when out of memory. */
const struct text_entry *text_table_row(const struct text_table *t, uint32_t cp);
/* The table of text_fold and that of text_casefold. 0, -ENOMEM or ERR_LIBRARY. */
int text_table_fold(const struct text_table **out);
int text_table_case(const struct text_table **out);
/* *target (UTF-8, may be empty: removed) lives as long as the process. 0 or -ENOMEM. */
int text_table_find(const struct text_table *t, uint32_t cp, struct span *target, unsigned *flags);
