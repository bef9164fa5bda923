/* SPDX-License-Identifier: BSD-2-Clause */
/* The hand of either door that changes a stanza before it goes on. */
#pragma once

#include <stdbool.h>
#include "rules/rules.h"

/* Does v change the stanza? */
bool amend_is_due(const struct verdict *v);
/* Strips and masks in the tree of st; the new texts live in its arena. 0 or -ENOMEM (then it must
 * not go on). */
int amend_stanza(const struct stanza *st, const struct verdict *v);
