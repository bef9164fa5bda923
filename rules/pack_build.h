/* SPDX-License-Identifier: BSD-2-Clause */
/* A set on its way to a pack: entries come in any order and may be looked up, joined and taken out
 * again; then all are written at once. Some 60 bytes an entry beside its text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"
#include "rules/pack.h"

struct list_prepared;
struct part;

/* An entry; text and key are offsets. */
struct pack_row {
	uint32_t text, key, key_len, feeds;
	uint8_t from;
	bool marked, gone;
	int64_t expires_ms;
};

struct pack_build {
	uint32_t key_len; /* of all keys; 0: they are texts */
	char *text;
	size_t len, cap_text;
	struct pack_row *rows;
	uint32_t n, cap_rows, n_gone;
	uint32_t *slots;
	uint32_t n_slots;
	uint8_t hash_key[16];
};

/* NULL when out of memory. */
struct pack_build *pack_build_new(uint32_t key_len);
void pack_build_free(struct pack_build *b);
/* Puts it in; one with the same key is replaced, its feeds and who wanted it are kept. 0, -ENOMEM,
 * ERR_LIMIT. */
int pack_build_put(struct pack_build *b, const struct list_prepared *entry, int64_t expires_ms,
	uint32_t from, uint32_t feeds);
/* NULL if it is not in. Borrowed until the next put. */
struct pack_row *pack_build_find(const struct pack_build *b, struct span key);
/* The row as what was put. */
void pack_build_get(
	const struct pack_build *b, const struct pack_row *row, struct list_prepared *out);
/* All that is in, sealed. 0, -ENOMEM, ERR_LIMIT, -errno. */
int pack_build_finish(
	const struct pack_build *b, uint32_t shape, const uint8_t key[], struct part **out);
