/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory freed all at once: one arena per stanza, reset when its verdict has been applied. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

struct arena_block;
struct arena {
	struct arena_block *blocks; /* newest first */
	char *next, *end;
	size_t used; /* bytes handed out since the last reset */
	size_t max;  /* ceiling for used; 0 means none */
};

void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);
/* Everything handed out is gone; one block is kept for the next stanza. */
void arena_reset(struct arena *a);
/* Gives all memory back (an idle session keeps nothing). */
void arena_shrink(struct arena *a);
/* 16-byte aligned, not zeroed; NULL when out of memory or over the ceiling. */
void *arena_alloc(struct arena *a, size_t len);
/* The same, zeroed. */
void *arena_zalloc(struct arena *a, size_t len);
/* A NUL-terminated copy; NULL as above. */
char *arena_strndup(struct arena *a, const char *text, size_t len);
char *arena_strdup(struct arena *a, const char *text);
