/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers for a limit out of what was observed. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

struct limit_rate;
struct sketch_counts;

/* share: of the peers, 0 to 1, that must not be hit. now: the rate judged by. bytes: they are what was counted.
 * {"for","peers","rates":[{"rate","burst","hit","recommended"}],"current":{"rate","burst","hit_least",
 * "hit_most"},"histogram":[{"from","to","peers"}]}: shares of peers; the histogram is of the bursts
 * they needed at the recommended rate. counts->peers must not be 0. */
json_t *suggest_limit(const struct sketch_counts *counts, double share,
	const struct limit_rate *now, bool bytes);
