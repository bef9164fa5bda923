/* SPDX-License-Identifier: BSD-2-Clause */
/* A borrowed run of bytes. Not NUL-terminated unless its giver says so. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
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

/* Of names that mostly differ in their first letter. */
static inline bool string_equal(const char *a, const char *b)
{
	return *a == *b && strcmp(a, b) == 0;
}
