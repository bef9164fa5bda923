/* SPDX-License-Identifier: BSD-2-Clause */
/* A second policy that judges beside the one in force, without a say. */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include "rules/rules.h"

struct shadow;

enum { SHADOW_KINDS_MAX = 64, SHADOW_EXAMPLES_MAX = 20 };

/* Takes no reference away: p is shared, its limits are counted in tables of the shadow's own, and
 * it counts no hits. One reference. -ENOMEM. */
int shadow_new(struct policy *p, struct shadow **out);
struct shadow *shadow_ref(struct shadow *sh);
void shadow_unref(struct shadow *sh);
/* Judges s, too, with a judge that is not the one live came from, and counts where the verdicts
 * differ in what is done. From any thread. */
void shadow_judge(
	struct shadow *sh, struct judge *j, const struct subject *s, const struct verdict *live);
/* {"judged","differ","failed","kinds":[{"before","after","count"}],"more","examples":[{"from","to",
 * "kind","jid","before","after"}]}: more are differences of kinds that are not listed. NULL when
 * out of memory. */
json_t *shadow_report(struct shadow *sh);
