/* SPDX-License-Identifier: BSD-2-Clause */
/* What a limit says of a stanza. */
#pragma once

#include "rules/judge.h"

/* Counts the stanza (if it has the limit's key and was not counted before a loss) and says whether
 * that was too much. index: the limit's place in the program. */
bool limit_is_exceeded(struct judge *j, const struct limit *limit, unsigned index);
/* The key's values, for people. */
struct span limit_text(struct judge *j, const struct limit *limit);
