/* SPDX-License-Identifier: BSD-2-Clause */
/* A growable run of bytes with a ceiling: written at the end, consumed from the front. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "base/span.h"

struct buf {
	char *data;
	size_t head; /* first unread byte */
	size_t tail; /* one past the last byte */
	size_t cap;
	size_t max;  /* ceiling for unread bytes; buf_put fails with ERR_LIMIT above it */
};

/* Starts empty; max in bytes, 0 means 1 MiB. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);
/* Forgets the content and gives the memory back (an idle session keeps nothing). */
void buf_shrink(struct buf *b);

/* Appends; 0, -ENOMEM or ERR_LIMIT (nothing appended then). */
int buf_put(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *text);
int buf_putf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline int buf_put_span(struct buf *b, struct span s)
{
	return buf_put(b, s.ptr, s.len);
}

/* Room for len more bytes at *where (borrowed until the next call); then buf_commit what was used. */
int buf_reserve(struct buf *b, size_t len, char **where);
void buf_commit(struct buf *b, size_t len);

/* Unread bytes. The pointer is borrowed until the next call that writes or pulls. */
static inline size_t buf_len(const struct buf *b)
{
	return b->tail - b->head;
}
static inline const char *buf_ptr(const struct buf *b)
{
	return b->data ? b->data + b->head : NULL;
}
static inline struct span buf_span(const struct buf *b)
{
	return (struct span){ buf_len(b) ? b->data + b->head : NULL, buf_len(b) };
}
/* Drops len bytes from the front; len must not exceed buf_len (asserted). */
void buf_pull(struct buf *b, size_t len);
/* Forgets what is behind the first len unread bytes; len must not exceed buf_len (asserted). */
void buf_cut(struct buf *b, size_t len);
/* Content as a NUL-terminated string (the NUL is not counted); NULL when out of memory. */
const char *buf_string(struct buf *b);
/* Moves the content out as a malloc'd NUL-terminated string, caller frees; b is empty afterwards. */
char *buf_take(struct buf *b);
