/* SPDX-License-Identifier: BSD-2-Clause */
/* How much a scanner would have to unroll for a regular expression: some take it minutes to
 * compile. */
#pragma once

#include <stdbool.h>
#include "base/span.h"

/* Roughly the states of the expression with all counted repeats written out, beyond its own length;
 * saturates. */
unsigned long pattern_cost(struct span pattern);
/* Worth giving to the scanner? Others are left to PCRE2 alone. */
bool pattern_is_cheap(struct span pattern);
