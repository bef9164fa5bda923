/* SPDX-License-Identifier: BSD-2-Clause */
/* A borrowed run of bytes. Not NUL-terminated unless its giver says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *ptr; /* may be NULL only if len is 0 */
	size_t len;      /* bytes */
};

static inline struct span span_of(const char *text)
{
	return (struct span){ text, text ? strlen(text) : 0 };
}

static inline bool span_equal(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool span_is(struct span a, const char *text)
{
	return span_equal(a, span_of(text));
}

/* How much of a text (UTF-8) goes into max bytes without half a character at its end: what is cut
 * anywhere is no text any more, and JSON takes none of it. */
static inline size_t span_cut(struct span text, size_t max)
{
	size_t len = text.len;

	if (len > max)
		for (len = max; len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80;)
			len--;
	return len;
}

/* Of names that mostly differ in their first letter. */
static inline bool string_equal(const char *a, const char *b)
{
	return *a == *b && strcmp(a, b) == 0;
}

/* A quick hash, for tables in which nobody gains by a collision: anybody can make one. The last
 * eight bytes may be taken twice. */
static inline uint64_t span_mix(struct span s)
{
	const uint64_t spread = 0x9e3779b97f4a7c15u;
	uint64_t hash = s.len, part;

	for (size_t i = 0; i + sizeof(part) < s.len; i += sizeof(part)) {
		memcpy(&part, s.ptr + i, sizeof(part));
		hash = (hash ^ part) * spread;
		hash ^= hash >> 32;
	}
	if (s.len >= sizeof(part)) {
		memcpy(&part, s.ptr + s.len - sizeof(part), sizeof(part));
		hash = (hash ^ part) * spread;
	}
	for (size_t i = 0; s.len < sizeof(part) && i < s.len; i++)
		hash = (hash ^ (unsigned char)s.ptr[i]) * spread;
	return hash ^ hash >> 32;
}
