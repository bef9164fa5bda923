/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to tokens. Values are already told apart here: a number, a time, a size, a rate, an address,
 * a word. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "rules/diag.h"
#include "rules/source.h"

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,
	TOKEN_STRING,   /* text without quotes, escapes resolved */
	TOKEN_NUMBER,   /* number */
	TOKEN_DURATION, /* number in milliseconds */
	TOKEN_SIZE,     /* number in bytes */
	TOKEN_RATE,     /* number events each duration_ms */
	TOKEN_ADDRESS,  /* address, network, range, or address with port: looks like one, not parsed
			   yet */
	TOKEN_REGEX,    /* text is the pattern, flags the letters behind it */
	TOKEN_LENGTH,   /* /24, where lengths are looked for: number */
	TOKEN_SET,      /* @name: text is the name */
	TOKEN_DEFINED,  /* $name: text is the name */
	TOKEN_BRACE_OPEN,
	TOKEN_BRACE_CLOSE,
	TOKEN_PAREN_OPEN,
	TOKEN_PAREN_CLOSE,
	TOKEN_SEMICOLON,
	TOKEN_COMMA,
	TOKEN_COLON,  /* : by itself */
	TOKEN_ASSIGN, /* = */
	TOKEN_EQ,     /* == */
	TOKEN_NE,     /* != */
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_BAD, /* already reported */
};

struct token {
	enum token_kind kind;
	struct loc at;
	const char *text; /* NUL-terminated, in the arena: the value, or the token as written; ""
			     for punctuation */
	const char *flags;
	uint64_t number, duration_ms;
};

struct lexer {
	const struct source_file *file;
	const char *at, *end, *line_start;
	unsigned line;
	struct arena *arena;
	struct diag_list *diags; /* NULL: errors are not reported */
	bool nomem;
	bool lengths; /* /24 is the length of a prefix, not the beginning of an expression: in
			 settings, outside of lists */
	bool names; /* xml:lang is a word and -5 a number: in profiles */
};

/* Begins at the start of the file. Texts of tokens live in the arena. */
void lex_init(struct lexer *lex, const struct source_file *file, struct arena *arena,
	struct diag_list *diags);
/* The next token; TOKEN_END for ever at the end. What is no token is reported and given as
 * TOKEN_BAD. A lexer may be copied to look ahead. */
void lex_next(struct lexer *lex, struct token *out);
/* The first byte that is not part of valid UTF-8; len if all are. */
size_t lex_check_utf8(const char *bytes, size_t len);
