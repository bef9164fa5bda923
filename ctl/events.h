/* SPDX-License-Identifier: BSD-2-Clause */
/* The audit trail: events.json (JSON lines in the shape of EVE) with one old file kept, and the
 * last events in memory. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

struct events;

enum { EVENTS_KEEP = 2000 /* events remembered */, EVENTS_KEEP_BYTES = 16 << 20 };

/* Opens log_dir/events.json for appending and remembers the end of it. max_bytes: rotate there. 0
 * or -errno. */
int events_open(const char *log_dir, uint64_t max_bytes, struct events **out);
void events_close(struct events *e);
/* Writes one event (borrowed) and remembers it. A full disk loses events, counted, never the
 * daemon. */
void events_add(struct events *e, json_t *event);
/* Another tool may have moved the file away: opens it anew if so. And a new ceiling. */
void events_reopen(struct events *e, uint64_t max_bytes);
/* The last n, oldest first, as a new array; NULL when out of memory. */
json_t *events_last(const struct events *e, size_t n);
/* The event of a verdict id, from memory or the files: a new reference, NULL if unknown. */
json_t *events_find(const struct events *e, const char *id);
/* Events that could not be written since start. */
uint64_t events_lost(const struct events *e);
/* The error of the last write that failed, 0 if the last one went well. */
int events_error(const struct events *e);
