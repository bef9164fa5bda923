/* SPDX-License-Identifier: BSD-2-Clause */
/* A compiled ruleset: what rules/compile.c makes of the checked tree and rules/match.c runs.
 * Immutable but for the sets and the scanners' databases, which live edits change under the lock.
 * Plain data in the program's arena. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/metrics.h"
#include "rules/ast.h"
#include "rules/clearance.h"
#include "rules/country.h"
#include "rules/field.h"
#include "rules/limit.h"
#include "rules/list.h"
#include "rules/pattern.h"
#include "rules/rules.h"
#include "rules/similar.h"
#include "rules/sketch.h"
#include "rules/zone.h"

enum {
	CHAIN_PRIORITY_DEFAULT = 100,
	PROGRAM_DEPTH_MAX =
		64 /* chains inside each other, conditions inside each other times four */
};

/* What belongs together among a scanner's patterns: a set, or one operand written in a rule. */
struct scan_group {
	struct list *list;   /* NULL: an operand */
	uint64_t base_edits; /* the base holds the set as it was at this edit counter, ... */
	size_t base_gone;    /* ... when so many of its pack were taken out */
};

/* A field that a scanner looks at. */
struct scan_field {
	const struct field *field;
	const char *param;
};

enum { SCAN_FIELDS_MAX = 8 };

/* All patterns looked for in one view of a field; of body, subject, text and their like together, for
 * where they are the same text it is read once. */
struct scanner {
	struct scanner *next;
	struct scan_field fields[SCAN_FIELDS_MAX];
	unsigned n_fields;
	enum pattern_view view;
	unsigned first_run; /* the place of its first field among all scanners' fields */
	unsigned first_hit; /* the place of its hits among all: n_groups for each field */
	struct scan_group *groups;
	unsigned n_groups, cap_groups;
	struct pattern_item *fixed; /* operands */
	size_t n_fixed, cap_fixed;
	struct pattern_db *base, *delta;
};

/* Where a test finds what the scanner found for it. */
struct scan_ref {
	struct scanner *scanner;
	unsigned group, field; /* among the scanner's */
};

enum node_kind {
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_LIMIT,
	NODE_SIMILAR,
	NODE_EXISTS,
	NODE_TRUE,
	NODE_SCAN,
	NODE_LIST,
	NODE_WORDS,
	NODE_NUMBERS,
	NODE_NETWORKS,
	NODE_SPANS
};

struct literal {
	struct span text; /* prepared as the field's values are */
	const char *written;
};

struct node {
	enum node_kind kind;
	bool negate; /* is not, != */
	bool quiet;  /* too plain to be shown as a match: the bare kind */
	struct node *left, *right;
	const struct field *field;
	const char *param;
	enum ast_op op;
	struct scan_ref scans[2];
	unsigned n_scans;
	struct list *list;
	struct literal *words;
	uint64_t *numbers;       /* of SPANS: two each, the first minute and that behind the last */
	struct prefix_tree *networks; /* values are the texts as written */
	unsigned n;                   /* words or numbers */
	unsigned limit;               /* of LIMIT and SIMILAR: its place */
	const char *written; /* the test as in the rule, for whoever follows; NULL for and, or, not */
};

struct limit_key {
	const struct field *field;
	const char *param;
};

struct limit {
	const char *name, *key; /* key as written, "" : one bucket for all */
	struct limit_key keys[LIMIT_KEYS_MAX];
	unsigned n_keys;
	struct limit_key count;    /* a number that a stanza counts; no field: it counts one */
	struct limit_key distinct; /* what must be new for it to count; no field: nothing */
	bool plain, bytes;         /* plain: neither of them; bytes: what is counted are bytes */
	const char *what;          /* both as written, for whoever compares */
	struct limit_rate rate, configured; /* rate is changed live, under the program's lock */
	bool changed;                       /* rate is not what the configuration says */
	size_t entries;
	struct limit_table *table;
	struct sketch *sketch;
	metric *exceeded, *evicted;
};

struct similar {
	const char *name;
	const struct field *field;
	const char *param;
	uint64_t window_ns;
	size_t entries;
	unsigned senders, recipients, words; /* senders, recipients 0: any number is fine */
	struct similar_table *table;
	metric *exceeded, *evicted;
};

struct action {
	enum ast_action_kind kind;
	enum stanza_error condition;
	enum stream_error stream_error;
	const char *word, *text; /* REDIRECT: the JID prepared, bare and full */
	struct node *lookup; /* MARK: where the mark is looked up; NULL: word is it */
	uint64_t number;
	struct chain *target;
};

struct rule {
	const char *name;
	bool dry; /* only told of */
	struct node *cond;      /* NULL: always */
	struct node *rest;      /* of it, where guard.c has looked at the kind */
	struct action *actions; /* what ends or diverts the rule stands last */
	unsigned n_actions;
	const struct ast_rule *ast; /* while the tree lives */
	metric *hits;
};

struct hook {
	const char *service;
	bool in, out;
	bool any; /* of the services */
	bool all; /* service is a role: all services of it */
	bool login; /* the word "login": no stanzas, but logins that failed, at any service */
};

struct chain {
	const char *name;
	const struct ast_item *item;
	struct hook *hooks;
	unsigned n_hooks, priority;
	struct action policy; /* of a hooked chain */
	struct rule *rules;
	unsigned n_rules;
	struct guards *guards; /* which rules can hold (guard.c) */
};

struct program {
	struct arena arena;
	struct chain *chains;
	const struct chain **order; /* hooked ones as they are asked */
	unsigned n_chains, n_order, n_rules;
	struct limit *limits;
	unsigned n_limits;
	struct similar *similars;
	unsigned n_similars;
	struct list **lists;
	unsigned n_lists;
	uint64_t lists_stamp; /* given to no other state of any program's lists */
	struct part_set parts; /* packs and databases in it that other processes can map, too */
	struct scanner *scanners;
	unsigned n_runs, n_hits; /* fields of scanners; groups of each of those */
	struct prefix_tree **trees; /* of NODE_NETWORKS, to be freed */
	unsigned n_trees, cap_trees;
	bool uses_stranger;
	struct country_db *countries; /* NULL: none */
	struct zone zone; /* of time and weekday */
	struct clearance_set clearances;
	struct pair_table *pairs;
	struct ibb_table *ibb;
	metric *ibb_evicted;
	metric *pairs_evicted, *regex_limited;
	pthread_rwlock_t lock; /* sets and databases: read during a judgement, written for a moment
				  by an edit */
	pthread_mutex_t editing; /* one edit at a time */
	pthread_mutex_t settling;
};

/* The checked tree as a program. previous (may be NULL): tables and compiled patterns are shared
 * with it. 0, -ENOMEM, ERR_LIBRARY, or ERR_SYNTAX with diagnostics. The tree may go once policy.c
 * has taken rule texts. */
int program_new(const struct ast *ast, struct source_set *sources, struct program *previous,
	struct metrics *metrics, struct diag_list *diags, struct program **out);
void program_free(struct program *p);
struct list *program_find_list(const struct program *p, const char *name);
