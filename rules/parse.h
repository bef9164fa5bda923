/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to tree: recursive descent, one function per production of the EBNF in docs/RULES.md. */
#pragma once

#include "rules/ast.h"
#include "rules/source.h"

/* Parses path and what it includes (each file once). Goes on after errors at the next ';' or '}' so
 * that several are shown. *out is owned by the caller (ast_free) also when there were errors (then
 * the tree is partial and diags->errors > 0 and ERR_SYNTAX is returned). */
int parse_policy(
	struct source_set *sources, const char *path, struct diag_list *diags, struct ast **out);
void ast_free(struct ast *ast);
