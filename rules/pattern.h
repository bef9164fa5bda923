/* SPDX-License-Identifier: BSD-2-Clause */
/* Many patterns, one scan: literals and regular expressions of all rules that look at one text. The
 * only room of Vectorscan and PCRE2. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

struct list;
struct list_entry;
struct source_set;

/* Which form of a text is looked at. */
enum pattern_view { PATTERN_RAW, PATTERN_CASEFOLD, PATTERN_FOLDED };

/* ---- one regular expression (PCRE2 syntax) ---- */

struct regex;

/* flags: letters of "imsxuf" (u: Unicode classes, f: looks at folded text). 0; ERR_SYNTAX with why
 * (and *offset in the pattern); -ENOMEM. */
int regex_new(struct span pattern, const char *flags, char *why, size_t why_size, size_t *offset,
	struct regex **out);
void regex_free(struct regex *re);
enum pattern_view regex_view(const struct regex *re);
/* Can it be looked for together with all others? If not it is tried by itself on every text. */
bool regex_is_scannable(const struct regex *re);
/* "/pattern/flags" as written in rules; NUL-terminated, lives as long as re. */
const char *regex_text(const struct regex *re);

/* ---- a database ---- */

/* What is looked for. bytes are borrowed until the database is freed; entry and re too. */
struct pattern_item {
	uint32_t group; /* the caller's number for what belongs together: a set, or one operand */
	uint32_t at;    /* the place in packed_in's pack */
	bool word;      /* literal: counts only as a whole word */
	const char *bytes; /* literal in the form of the view; NULL for a regex */
	size_t len;
	const struct regex *re;
	const char *text;               /* as written, for people */
	const struct list_entry *entry; /* both NULL when it stands in a rule */
	const struct list *packed_in;
};

struct pattern_db;

/* items are copied. *out is NULL for n = 0. share (may be NULL): a database whose compiled form is
 * reused when it was made of the same patterns. 0, -ENOMEM, ERR_LIBRARY. */
int pattern_db_new(const struct pattern_item *items, size_t n, const struct pattern_db *share,
	struct pattern_db **out);
/* As pattern_db_new; a large one is looked for among the sources' parts, or becomes one of them. */
int pattern_db_make(const struct pattern_item *items, size_t n, const struct pattern_db *share,
	struct source_set *sources, struct pattern_db **out);
/* What compiled forms depend on beside the patterns: the library, the processor. Static. */
const char *pattern_library(void);
void pattern_db_free(struct pattern_db *db);
size_t pattern_db_count(const struct pattern_db *db);
/* How many of its expressions the scanner cannot express, so that PCRE2 runs on every text. */
size_t pattern_db_unscannable(const struct pattern_db *db);

/* ---- scanning ---- */

/* Per-thread memory of scans and matches; grows to fit any database. */
struct pattern_scratch;
struct pattern_scratch *pattern_scratch_new(void);
void pattern_scratch_free(struct pattern_scratch *s);
/* A new stanza: the time allowed to all its expressions together begins anew. */
void pattern_scratch_rest(struct pattern_scratch *s);

/* Called for each literal found (bytes [start,end), word edges already checked) and, once a scan
 * (seldom twice), for each regex that may match (start = end = 0: ask regex_match). False ends the
 * scan. */
typedef bool (*pattern_visit)(void *arg, const struct pattern_item *item, size_t start, size_t end);
/* 0, -ENOMEM or ERR_LIBRARY. text is valid UTF-8. */
int pattern_scan(struct pattern_scratch *s, const struct pattern_db *db, struct span text,
	pattern_visit visit, void *arg);

enum regex_result {
	REGEX_NO,
	REGEX_YES,
	REGEX_LIMIT, /* the match took too many steps or too long: policy treats it as a match (fail
			closed) */
	REGEX_NOMEM,
};
/* The first match that begins at byte from (the edge of a character) or behind it. */
enum regex_result regex_match_from(struct pattern_scratch *s, const struct regex *re,
	struct span text, size_t from, size_t *start, size_t *end);
static inline enum regex_result regex_match(struct pattern_scratch *s, const struct regex *re,
	struct span text, size_t *start, size_t *end)
{
	return regex_match_from(s, re, text, 0, start, end);
}
