/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table from byte strings to pointers; keyed hashing, so peers cannot choose collisions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
	uint64_t hash;
	char *key; /* owned by the map, NUL-terminated for convenience */
	size_t key_len;
	void *value; /* owned by whoever put it */
};

struct map {
	struct map_entry *slots;
	size_t count, cap;
	size_t dead; /* slots of removed entries, still part of probe chains */
};

void map_init(struct map *m);
/* Frees keys and slots; calls free_value (may be NULL) on each value. */
void map_fini(struct map *m, void (*free_value)(void *));
/* NULL if absent. A NULL value cannot be told from absence: use map_has. */
void *map_find(const struct map *m, const void *key, size_t len);
bool map_has(const struct map *m, const void *key, size_t len);
/* Sets or replaces; *old (may be NULL) gets the previous value. 0 or -ENOMEM. */
int map_put(struct map *m, const void *key, size_t len, void *value, void **old);
/* Removes and returns the value, NULL if absent. */
void *map_take(struct map *m, const void *key, size_t len);
/* Walks all entries in no order: start with *at = 0; false at the end. No insertion while walking;
 * deletion is allowed only through map_take of the entry just returned. */
bool map_each(const struct map *m, size_t *at, struct map_entry **entry);
/* The keyed hash itself (SipHash-2-4 with a per-process random key). */
uint64_t map_hash(const void *key, size_t len);
