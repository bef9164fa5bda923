/* SPDX-License-Identifier: BSD-2-Clause */
/* Every block and every setting there is, in one table: the parser knows its blocks from it, the
 * checker what may stand in a setting, the printer where commas go, and docs/CONFIG.md is compared
 * with it. */
#pragma once

#include "rules/ast.h"

enum schema_shape {
	SHAPE_WORD,  /* one of words */
	SHAPE_WORDS, /* one or more of words, separated by commas */
	SHAPE_STRING,
	SHAPE_NUMBER,   /* min to max */
	SHAPE_DURATION, /* milliseconds from min to max; a bare number is seconds */
	SHAPE_SIZE,     /* bytes from min to max */
	SHAPE_AMOUNT,   /* a number from min to max, or a size */
	SHAPE_RATE,
	SHAPE_SET,      /* @name of an address set */
	SHAPE_FIELD,    /* a field, with its string if it needs one, or the one of words */
	SHAPE_ELEMENTS, /* { entry, ... } */
	SHAPE_BLOCK,    /* { settings of block } */
	SHAPE_LISTEN,   /* tcp PORTS | on ADDRESS, ... */
	SHAPE_UPSTREAM,
	SHAPE_ENDPOINT, /* an address with a port */
	SHAPE_VERIFY,
	SHAPE_DOMAINS,  /* "NAME", "*.NAME", ... */
	SHAPE_SERVERS,  /* ADDRESS:PORT | "NAME:PORT" with plain|starttls|tls, ... */
	SHAPE_TRUST,    /* system | file "PEM" */
	SHAPE_RESOLVER, /* an address, a port if it is not 53 */
	SHAPE_PINS,     /* "sha256:BASE64", ... */
	SHAPE_CLEARANCE, /* pairs of domains, markings, policies (check_clearance.c) */
	SHAPE_CHECK,    /* how servers of a backend are checked */
	SHAPE_DEFEND,   /* rates, numbers and classes of connections (check_defend.c) */
	SHAPE_USER,     /* a word or a string */
	SHAPE_STRIKES,  /* N strikes within TIME */
	SHAPE_OF,       /* what a punishment counts and punishes */
	SHAPE_ESCALATE, /* xN to TIME */
	SHAPE_SPARE,    /* shared | @SET, ... */
	SHAPE_FORWARD,  /* canonical | verbatim | strict with profiles */
	SHAPE_HOOK,     /* SERVICE, ... [direction in|out|both] */
	SHAPE_POLICY,   /* a final action */
	SHAPE_EXPECT,   /* lines of an expectation: the parser itself reads them */
};

struct schema_setting {
	const char *name;
	enum schema_shape shape;
	const char *syntax;  /* what stands behind the name, as the manual shows it */
	const char *words;   /* of WORD and WORDS: "proxy|inspect" */
	const char *initial; /* the default as the manual shows it; "" if there is none */
	const char *doc;     /* one line */
	uint64_t min, max;   /* of NUMBER, DURATION, SIZE */
	bool repeat;         /* may stand more than once */
	bool required;
	const char *block; /* of BLOCK: its name among schema_blocks */
	bool titled;       /* of BLOCK: a name stands before its brace */
	bool title_free;   /* ... or may */
};

struct schema_block {
	const char *name;
	enum ast_item_kind item;
	bool named; /* "service NAME { ... }" */
	bool inner; /* may stand inside a service, too; a named one stands in a block only */
	const char *doc;
	const struct schema_setting *settings;
	size_t n;
};

extern const struct schema_block schema_blocks[];
extern const size_t schema_block_count;
/* schema_federation.c: the settings of two of them. */
enum { SCHEMA_FEDERATION = 12, SCHEMA_REMOTE = 6 };
extern const struct schema_setting schema_federation[SCHEMA_FEDERATION], schema_remote[SCHEMA_REMOTE];
/* schema_clearance.c */
enum { SCHEMA_CLEARANCE = 4 };
extern const struct schema_setting schema_clearance[SCHEMA_CLEARANCE];

/* NULL if unknown. */
const struct schema_block *schema_find_block(const char *name);
const struct schema_setting *schema_find(const struct schema_block *block, const char *name);
/* The block an item is described by; NULL for ITEM_INCLUDE. */
const struct schema_block *schema_of_item(const struct ast_item *item);
/* "did you mean ...?" in the arena of d; NULL if nothing is near. */
const char *schema_suggest_block(struct diag_list *d, const char *word);
const char *schema_suggest(struct diag_list *d, const struct schema_block *block, const char *word);
/* Is word one of "a|b|c"? */
bool schema_has_word(const char *words, const char *word);
/* "did you mean ...?" among "a|b|c"; otherwise "one of a, b, c". */
const char *schema_suggest_word(struct diag_list *d, const char *words, const char *word);
