/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting the stanza being judged among those that say nearly the same. */
#pragma once

#include "rules/judge.h"

/* Counts it in table; once per stanza, please. *count is set when it is true. On failure sets
 * j->error. */
bool similar_is_exceeded(struct judge *j, const struct similar *similar,
	struct similar_table *table, struct similar_count *count);
