/* SPDX-License-Identifier: BSD-2-Clause */
/* What the limits saw, gathered from the workers and kept over restarts. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

struct observed;
struct policy;
struct sketch_counts;

/* Reads STATE/observed.json if it is there; what cannot be read is begun anew. 0 or -ENOMEM. */
int observed_open(const char *state_dir, struct observed **out);
void observed_free(struct observed *o);
/* A row of a worker (ctl/link.h): its word, checked. False when it is none. */
bool observed_take(struct observed *o, const struct policy *p, const json_t *row);
/* The worker that proxies, or inspects, is gone: what it saw last is what it saw. */
void observed_settle(struct observed *o, bool inspects);
/* Writes it down. 0 or what it failed with. */
int observed_write(struct observed *o, const struct policy *p);
/* All that is known of that limit; since_ms: from when. False if nothing is. */
bool observed_find(
	const struct observed *o, const char *name, struct sketch_counts *out, int64_t *since_ms);
