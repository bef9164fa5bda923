/* SPDX-License-Identifier: BSD-2-Clause */
/* Meaning: names resolve, types agree, settings are known (a schema table per block), jumps make no loop. Fills the
 * annotations of the tree. 0 or ERR_SYNTAX with diagnostics. */
#pragma once

#include "rules/ast.h"
#include "rules/source.h"

int check_policy(struct ast *ast, struct source_set *sources, struct diag_list *diags);
