/* SPDX-License-Identifier: BSD-2-Clause */
/* JIDs and domains that the daemon has barred ("bar" of ctl/link.h): one table for all threads, asked
 * before the rules. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <jansson.h>
#include "base/metrics.h"
#include "rules/rules.h"

extern atomic_size_t barred_names; /* how many there are */

/* Where hits are counted: "rule.punish/NAME.hits". Before anything else, once. */
void barred_init(struct metrics *m);
/* The daemon's messages, borrowed. False when one makes no sense. */
bool barred_take(json_t *msg);
bool barred_let_go(json_t *msg);

/* Is anybody barred at all? */
static inline bool barred_any(void)
{
	return atomic_load_explicit(&barred_names, memory_order_relaxed) > 0;
}
/* Is it the end of this stanza, or of its session? Then *out is the verdict, of chain "punish" and the
 * rung's name; its strings live until the next call on this thread. */
bool barred_judge(const struct subject *s, struct verdict *out);
/* The same of an account that wants to log in (prepared, bare; NULL: none is known). */
bool barred_login(const char *account, struct verdict *out);
