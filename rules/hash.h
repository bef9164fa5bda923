/* SPDX-License-Identifier: BSD-2-Clause */
/* Salted SHA-256, for sets whose entries may not be read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/span.h"

struct url;

enum { HASH_SIZE = 32, HASH_HEX = 64 };

/* SHA-256 of what comes in pieces. */
struct hash_state {
	uint64_t room[16]; /* Nettle's, which stays in hash.c */
};
void hash_begin(struct hash_state *h);
void hash_add(struct hash_state *h, const void *bytes, size_t len);
/* With its length in front, so that two texts are not taken for one. */
void hash_add_span(struct hash_state *h, struct span text);
void hash_add_number(struct hash_state *h, uint64_t number);
void hash_end(struct hash_state *h, uint8_t out[HASH_SIZE]);
/* SHA-256 of salt and text, one behind the other. */
void hash_salted(const char *salt, struct span text, uint8_t out[HASH_SIZE]);
/* 64 hexadecimal digits, either case. */
bool hash_parse(struct span text, uint8_t out[HASH_SIZE]);
/* What stands for a URL in such sets: the host, undisguised, and what is written behind it up to a
 * '#';
 * "/" if there is nothing. In the arena; ptr NULL when out of memory. */
struct span hash_url_text(struct arena *a, const struct url *url);
