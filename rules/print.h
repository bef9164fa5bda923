/* SPDX-License-Identifier: BSD-2-Clause */
/* Tree to canonical text; print(parse(print(x))) = print(x). */
#pragma once

#include "base/buf.h"
#include "rules/ast.h"

int print_policy(const struct ast *ast, struct buf *out);
/* One condition, as it stands in a rule. */
int print_cond(const struct ast_cond *cond, struct buf *out);
