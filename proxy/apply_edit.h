/* SPDX-License-Identifier: BSD-2-Clause */
/* The hand of apply.c that changes a stanza before it goes on. */
#pragma once

#include <stdbool.h>
#include "rules/rules.h"

/* Does v change the stanza? */
bool apply_edits(const struct verdict *v);
/* Strips and masks in the tree of st; the new texts live in its arena. 0 or -ENOMEM (then it must not
 * go on). */
int apply_edit(const struct stanza *st, const struct verdict *v);
