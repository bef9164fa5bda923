/* SPDX-License-Identifier: BSD-2-Clause */
/* What a policy is made of, item by item, so that two of them can be compared. */
#pragma once

#include "rules/ast.h"
#include "rules/rules.h"

enum {
	OUTLINE_TEXT_MAX = 4096 /* bytes kept of an item's text; all of it counts for the digest */
};

/* The canonical text of one rule of a chain; NULL when out of memory. */
const char *outline_rule(
	struct arena *arena, const struct ast_item *chain, const struct ast_rule *rule);
/* The checked tree as items (policy_items), in the arena. 0, -ENOMEM, or a code of the printer. */
int outline_make(const struct ast *ast, struct arena *arena, struct item_info **out, size_t *n);
