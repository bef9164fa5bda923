/* SPDX-License-Identifier: BSD-2-Clause */
/* Would the policy on disk still be accepted? Asked after list edits, since an edit may break an
 * expectation, and that should be known before the next start and not by it. */
#pragma once

#include <stdbool.h>
#include <uv.h>

struct cache;
struct rehearsal;

/* For the configuration of that path, feeds and cache as for config_load_fed; borrowed. What is
 * compiled for it is there for the next start. NULL when out of memory. */
struct rehearsal *rehearsal_new(
	uv_loop_t *loop, const char *path, const char *feeds_dir, struct cache *cache);
/* Only when it does not run. */
void rehearsal_free(struct rehearsal *r);
bool rehearsal_runs(const struct rehearsal *r);
/* A list file changed: asks soon, at most once a minute. */
void rehearsal_ask(struct rehearsal *r);
/* A reload answered the question. */
void rehearsal_reset(struct rehearsal *r);
/* The diagnostics of the last answer; NULL when it would be accepted, or nobody asked. Borrowed. */
const char *rehearsal_trouble(const struct rehearsal *r);
