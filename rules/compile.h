/* SPDX-License-Identifier: BSD-2-Clause */
/* What the halves of the compiler share. */
#pragma once

#include "rules/diag.h"
#include "rules/hash.h"
#include "rules/program.h"

struct compiler {
	struct program *p;
	struct source_set *sources;
	struct program *previous;
	struct metrics *metrics;
	struct diag_list *diags;
	int error; /* first system error; policy errors are counted by diags */
};

/* Memory of the program, zeroed; on failure remembers the error and returns NULL. */
void *compile_alloc(struct compiler *c, size_t size);
const char *compile_strdup(struct compiler *c, const char *text);
/* The counter of that name, made from a format with two texts. */
metric *compile_counter(struct compiler *c, const char *format, const char *a, const char *b);
/* NULL if the item does not have it. */
const struct ast_setting *compile_setting(const struct ast_item *item, const char *name);
/* The text of its only value; its values, whether written "a, b" or "{ a, b }"; is the word among them? */
const char *compile_setting_text(const struct ast_item *item, const char *name);
const struct ast_value *compile_setting_values(const struct ast_setting *s);
bool compile_setting_has(const struct ast_item *item, const char *name, const char *word);
/* The next of the program's sets (compile_set.c). */
void compile_set(struct compiler *c, const struct ast_item *item);
/* The feeds of a set and, with merge, what they name (compile_feed.c). */
void compile_feeds(struct compiler *c, const struct ast_item *item, struct list *l, bool merge);
/* How many bytes their copies have; all that has a say in what they put into the set. */
size_t compile_feeds_size(const struct compiler *c, const struct ast_item *item);
void compile_feeds_key(struct compiler *c, const struct ast_item *item, struct hash_state *h);
/* Entries written in a setting; the list file that one names, NULL after an error; its entries. */
void compile_elements(struct compiler *c, struct list *l, const struct ast_setting *s);
struct source_file *compile_list_find(
	struct compiler *c, struct list *l, const struct ast_setting *s);
void compile_list_file(struct compiler *c, struct list *l, struct source_file *file);
/* All tables of clearances (compile_clearance.c). */
void compile_clearances(struct compiler *c, const struct ast *ast);
/* The next of the program's limits (compile_limit.c), of its similar blocks (compile_similar.c). */
void compile_limit_item(struct compiler *c, const struct ast_item *item);
void compile_similar_item(struct compiler *c, const struct ast_item *item);
/* A condition of the tree as nodes; NULL after an error. depth starts at 0. */
struct node *compile_cond(struct compiler *c, const struct ast_cond *cond, unsigned depth);
/* Do patterns looked for in that field belong to the scanner, as far as the field goes? */
bool scanner_takes(const struct scanner *s, const struct scan_field *f);
/* Prepares the databases of all scanners once all conditions are known. */
int compile_scanners(struct compiler *c);
/* Where the item of that name stands in the program. */
struct limit *compile_find_limit(struct compiler *c, const char *name);
struct similar *compile_find_similar(struct compiler *c, const char *name);
struct chain *compile_find_chain(struct compiler *c, const char *name);
