/* SPDX-License-Identifier: BSD-2-Clause */
/* What "replace" and "strip" take hold of in the stanza judged: entered into the verdict, done by
 * the door. */
#pragma once

#include "rules/program.h"

struct judge;

enum { EDIT_MASK_MAX = 16 };
#define EDIT_MASK "***"

/* May a rule with that test be asked to replace? */
bool edit_masks_field(const char *field);
/* Enters every piece of the stanza's text that a test of cond finds, not only the first. Out of
 * memory: j->error. */
void edit_mask(struct judge *j, const struct node *cond, const char *with);
/* Enters the name if an element below the stanza bears it. */
void edit_strip(struct judge *j, const char *name);
