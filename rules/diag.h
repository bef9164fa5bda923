/* SPDX-License-Identifier: BSD-2-Clause */
/* Diagnostics with file, line, columns, carets and hints; up to 20 a run, as nft and compilers print them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/arena.h"

struct source_file;

/* Where something stands: line and column count from 1, column and length in bytes. */
struct loc {
	const struct source_file *file;
	unsigned line, column, length;
};

struct diag {
	struct diag *next;
	struct loc at;
	bool warning;
	const char *message; /* "unknown field 'message.boddy'" */
	const char *hint;    /* behind the carets, may be NULL: "did you mean 'message.body'?" */
};

struct diag_list {
	struct arena arena;
	struct diag *first, *last;
	unsigned errors, warnings, dropped;
};

enum { DIAG_MAX = 20 };

void diag_init(struct diag_list *d);
void diag_fini(struct diag_list *d);
void diag_error(struct diag_list *d, struct loc at, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
void diag_warn(struct diag_list *d, struct loc at, const char *hint, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* "FILE:LINE:COL: error: MESSAGE", the source line, carets and hint. colour: ANSI. */
void diag_print(const struct diag_list *d, FILE *out, bool colour);
/* The same as one malloc'd string (for the control socket). */
char *diag_string(const struct diag_list *d);
/* "did you mean 'X'?" for the nearest of n words within a third of the length, in the arena; NULL if none. */
const char *diag_suggest(struct diag_list *d, const char *word, const char *const *words, size_t n);
