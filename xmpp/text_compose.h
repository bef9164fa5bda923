/* SPDX-License-Identifier: BSD-2-Clause */
/* A letter and its combining marks: canonical order, canonical composition, and what happens to
 * marks that do not compose. While folding, a mark that makes no letter of its own with an ASCII,
 * Latin, Greek or Cyrillic base is decoration (struck-out, "Zalgo", keycaps) and dropped; 'e' with
 * acute composes and stays different from 'e'. Marks of other scripts (vowel signs, points) are
 * kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_MARKS_MAX                                                                             \
	32 /* kept on one letter (UAX 15 allows 30 in stream-safe text); more are dropped */

struct text_cluster {
	uint32_t cp[TEXT_MARKS_MAX + 1];
	uint32_t from[TEXT_MARKS_MAX + 1]; /* source offsets, rising */
	size_t n;
	bool fold; /* drop decoration */
};

/* ICU's normalizers; 0 or ERR_LIBRARY. Called by text_table. */
int text_compose_init(void);
/* Does it hang on what stands before it and take part in canonical ordering or dropping? */
bool text_is_mark(uint32_t cp);
/* The character two make together (also Hangul and Indic pairs without marks); 0 if none. */
uint32_t text_compose_pair(uint32_t a, uint32_t b);
/* Can it be the second of a pair that composes? */
bool text_joins_back(uint32_t cp);
void text_cluster_init(struct text_cluster *c, bool fold);
/* The base first (if there is one), then its marks; taken apart canonically on the way in. */
void text_cluster_add(struct text_cluster *c, uint32_t cp, uint32_t from);
/* Orders, composes, drops: what is left stands in cp[0..n). */
void text_cluster_finish(struct text_cluster *c);
