/* SPDX-License-Identifier: BSD-2-Clause */
/* What pattern.c (expressions, scans) and pattern_code.c (databases) share. pcre2.h stands before
 * it. */
#pragma once

#include <stdatomic.h>
#include "rules/pattern.h"

struct hs_database;
struct part;

struct regex {
	pcre2_code *code;
	char *pattern;
	char *text;
	size_t len;
	unsigned hs_flags;
	bool scannable;          /* cheap enough for Vectorscan to be asked */
	bool extended, caseless; /* caseless: somewhere in it */
	enum pattern_view view;
};

/* Vectorscan needs ever more time for expressions the more of them are in one database: many go
 * into several. The literals are all in the first. */
enum { CODE_CHUNKS_MAX = 16, CODE_CHUNK_REGEXES = 250 };

/* The compiled form, shared by policy versions that look for the same patterns, and by the
 * processes when it is a part. */
struct pattern_code {
	_Atomic unsigned refs;
	uint64_t serial; /* for the scratch's memory of what it fits */
	uint8_t digest[32];
	struct part *part; /* where all of it is; NULL: in memory of our own */
	struct hs_database *hs[CODE_CHUNKS_MAX];
	unsigned n_hs;        /* 0: nothing can be scanned for */
	uint8_t *unscannable; /* by item */
	size_t n, n_unscannable, n_caseless;
};

struct pattern_db {
	struct pattern_code *code;
	size_t n;
	struct pattern_item items[];
};
