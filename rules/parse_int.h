/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of the parser share. Each parse_ function reads its production from p->token on
 * and leaves the token behind it there; false or NULL means that a diagnostic was given (or memory
 * is out) and the caller should recover. */
#pragma once

#include "base/map.h"
#include "rules/ast.h"
#include "rules/lex.h"
#include "rules/source.h"

enum {
	PARSE_FILE_MAX =
		8 << 20,        /* bytes of one file of rules; long lists have files of their own */
	PARSE_DEPTH_MAX = 64,   /* parentheses, "not" and braces inside each other */
	PARSE_HEIGHT_MAX = 200, /* levels of the tree of one condition */
	PARSE_INCLUDE_MAX = 16, /* files including each other */
	PARSE_NAME_MAX = 63,    /* bytes of a name */
};

struct parser {
	struct source_set *sources;
	struct diag_list *diags;
	struct ast *ast;
	struct map seen; /* paths already parsed */
	struct lexer lex;
	struct token token; /* the one looked at */
	unsigned depth, includes;
	bool in_chain; /* rules may begin here */
	bool names;    /* of the lexer */
	void (*items)(struct parser *p); /* what a file holds */
	bool (*begins)(const struct parser *p); /* parse_begins_item of whoever has other blocks */
	void *tree;                      /* of whoever reads it, if not ast */
	int error;     /* -ENOMEM and the like: everything stops */
};

/* parse_token.c */

/* Zeroed memory of the tree; NULL sets p->error. */
void *parse_alloc(struct parser *p, size_t size);
/* Steps over the current token. */
void parse_step(struct parser *p);
/* The token behind the current one. */
struct token parse_peek(struct parser *p);
/* Is the current token that kind, that word? */
bool parse_is(const struct parser *p, enum token_kind kind);
bool parse_is_word(const struct parser *p, const char *word);
/* If so, steps over it. */
bool parse_accept(struct parser *p, enum token_kind kind);
bool parse_accept_word(struct parser *p, const char *word);
/* If not so, says "expected WHAT, got ...", once; always false then. */
bool parse_expect(struct parser *p, enum token_kind kind, const char *what);
bool parse_wrong(struct parser *p, const char *what, const char *hint);
/* A name of a set, chain, rule ...; NULL after a diagnostic. */
const char *parse_name(struct parser *p, const char *what, struct loc *at);
/* Skips to behind the next ';', or to a '}' that closes what is open here; for statements after an
 * error. */
void parse_recover(struct parser *p);
/* Do the tokens begin a rule or a block, at the place in a line where those begin? Whoever asks may
 * rely on the parser to step over them: rules in the braces of a chain, blocks everywhere. */
bool parse_begins_rule(struct parser *p);
bool parse_begins_item(struct parser *p);
/* Is this the end of a block's statements? Then its '}', or "this '{' is never closed" and false.
 */
bool parse_block_ends(struct parser *p);
bool parse_block_close(struct parser *p, struct loc open);
/* Goes down a level; false with a diagnostic at the ceiling. Going up again is p->depth--. */
bool parse_down(struct parser *p);

/* parse.c: the items of a file, unless it was read already; at is the include that names it. 0, ERR_SYNTAX
 * with diagnostics, p->error. */
int parse_file(struct parser *p, const char *base, const char *path, struct loc at);
/* "include": the files of that name or pattern, from the string on; both NULL after a diagnostic. */
bool parse_include_name(struct parser *p, const char **pattern, struct loc *at);
bool parse_include_files(struct parser *p, const char *pattern, struct loc at);
/* parse.c: one value, or a list in braces. */
struct ast_value *parse_value(struct parser *p);
/* parse_cond.c */
struct ast_cond *parse_condition(struct parser *p);
/* parse_rule.c: what stands in a chain's braces, and in those of "expect". */
bool parse_chain_body(struct parser *p, struct ast_item *item);
bool parse_expect_body(struct parser *p, struct ast_item *item);
/* parse.c: "word value ... ;", appended at *tail. */
bool parse_setting(struct parser *p, struct ast_setting ***tail);
/* parse_rule.c: does this word begin an action? */
bool parse_word_is_action(const char *word);
/* All of them, for the test that compares them with the manual; NULL behind the last. */
const char *parse_action_word(size_t i);
