/* SPDX-License-Identifier: BSD-2-Clause */
/* Definitions: "define NAME = VALUE;" and $NAME where a value may stand. */
#pragma once

#include "rules/ast.h"

enum { DEFINE_VALUES_MAX = 100000 /* values that uses of definitions may come to in a policy */ };

/* Puts what was defined in the place of each VALUE_DEFINED, in file order, so that a name is known
 * only below its definition. What was put carries the name in "define", by which it is printed
 * again. Faults go to diags; 0 or -ENOMEM. Running it again changes nothing. */
int define_expand(struct ast *ast, struct diag_list *diags);
