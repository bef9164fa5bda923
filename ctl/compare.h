/* SPDX-License-Identifier: BSD-2-Clause */
/* What is different between two policies. */
#pragma once

#include <jansson.h>

struct policy;

enum { COMPARE_ROWS_MAX = 1000 /* of each kind of difference */ };

/* {"added":[{"kind","name","text"}],"removed":[..],"altered":[{"kind","name","before","after"}],
 * "moved":[name],"entries":[{"name","before","after"}],"cut":bool}: moved are rules that stand at
 * another place of their chain, entries are sets with another number of them. NULL when out of
 * memory. */
json_t *compare_policies(const struct policy *before, const struct policy *after);
