/* SPDX-License-Identifier: BSD-2-Clause */
/* A large set as one run of bytes that needs no unpacking: texts behind each other, offsets, a hash
 * table of places. Made by rules/pack_build.c, read from a sealed part of memory (rules/part.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

struct list_item;
struct part;

enum { PACK_NONE = UINT32_MAX, PACK_ENTRIES_MAX = (1 << 24) - 2, PACK_VERSION = 1 };

/* Before the arrays: offsets of entries, slots of the table, text. */
struct pack_head {
	uint32_t version, shape; /* shape: of the set it is for, pack_shape */
	uint32_t n, n_slots;
	uint32_t n_expiring;  /* entries with an end */
	uint32_t key_len;     /* 0: keys are texts, else as many bytes each */
	uint32_t from, feeds; /* of entries that do not say it themselves */
	uint64_t text_len;
	uint8_t hash_key[16];
};

/* An entry begins with a byte of these, then come info (if it differs), text and key (if it does).
 */
enum { PACK_HAS_INFO = 1, PACK_HAS_KEY = 2, PACK_HAS_MARK = 4, PACK_FLAGS = 7 };
struct pack_info {
	uint32_t from, feeds;
	int64_t expires_ms;
};

struct pack {
	struct part *part;
	struct pack_head head;
	const uint32_t *entries, *slots;
	const char *text;
};

/* Where an entry of that hash is looked for first; how it is told in the slot. */
static inline uint32_t pack_slot(uint64_t hash, uint32_t n_slots)
{
	return (uint32_t)((hash >> 32) * n_slots >> 32);
}
static inline uint32_t pack_tag(uint64_t hash)
{
	return (uint32_t)hash & 0xff000000u;
}
/* How many slots for n entries. */
uint32_t pack_slots_for(uint32_t n);

/* Checks every offset, so that no lookup leaves the bytes, and takes a reference to part. 0,
 * -ENOMEM; ERR_PROTO when it is none, or for another shape of set. */
int pack_open(struct part *part, uint32_t shape, struct pack **out);
void pack_free(struct pack *p);
/* The place of the entry with that key; PACK_NONE if there is none. */
uint32_t pack_find(const struct pack *p, struct span key);
/* What is at a place; strings live as long as the pack. */
void pack_get(const struct pack *p, uint32_t at, struct list_item *out);
/* Its end; 0: none. */
int64_t pack_expires(const struct pack *p, uint32_t at);
