/* SPDX-License-Identifier: BSD-2-Clause */
/* The run of bytes behind every queue and every text that grows: socket input, lines of a channel,
 * stanzas being written, answers being formatted.
 * In: bytes from anyone. Out: the same bytes, in order. The ceiling counts unread bytes only, so a
 * reader that keeps up never meets it; the memory behind may be up to about twice as large.
 * It never looks at the bytes and never gives memory back unless told to (buf_shrink). */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/spare.h"

enum { BUF_FIRST_CAP = 256, BUF_DEFAULT_MAX = 1 << 20 };

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max ? max : BUF_DEFAULT_MAX };
}

void buf_fini(struct buf *b)
{
	free(b->data);
	b->data = NULL;
	b->head = b->tail = b->cap = 0;
}

void buf_clear(struct buf *b)
{
	b->head = b->tail = 0;
}

void buf_shrink(struct buf *b)
{
	spare_give(b->data, b->cap);
	b->data = NULL;
	b->head = b->tail = b->cap = 0;
}

/* Room for len bytes behind the tail, whatever the ceiling says. Unread bytes are moved to the
 * front only when that frees at least as much as it moves, so the cost stays linear. */
static int buf_make_room(struct buf *b, size_t len)
{
	size_t live = buf_len(b);
	size_t cap = b->cap ? b->cap : BUF_FIRST_CAP;
	char *data;

	if (b->cap - b->tail >= len && b->data)
		return 0;
	if (len > SIZE_MAX / 4 || live > SIZE_MAX / 4)
		return -ENOMEM;
	if (b->data && b->head >= live && b->cap - live >= len) {
		memmove(b->data, b->data + b->head, live);
		b->head = 0;
		b->tail = live;
		return 0;
	}
	while (cap < live + len)
		cap *= 2;
	if (cap - live - len < live / 2)
		cap *= 2;
	data = spare_take(&cap);
	if (!data)
		return -ENOMEM;
	if (live)
		memcpy(data, b->data + b->head, live);
	spare_give(b->data, b->cap);
	b->data = data;
	b->head = 0;
	b->tail = live;
	b->cap = cap;
	return 0;
}

int buf_reserve(struct buf *b, size_t len, char **where)
{
	size_t live = buf_len(b);
	size_t max = b->max ? b->max : BUF_DEFAULT_MAX;
	int r;

	if (live > max || len > max - live)
		return ERR_LIMIT;
	if ((r = buf_make_room(b, len)) < 0)
		return r;
	*where = b->data + b->tail;
	return 0;
}

void buf_commit(struct buf *b, size_t len)
{
	assert(len <= b->cap - b->tail);
	b->tail += len;
}

int buf_put(struct buf *b, const void *data, size_t len)
{
	char *where;
	int r;

	if (len == 0)
		return 0;
	if ((r = buf_reserve(b, len, &where)) < 0)
		return r;
	memcpy(where, data, len);
	b->tail += len;
	return 0;
}

int buf_puts(struct buf *b, const char *text)
{
	return buf_put(b, text, strlen(text));
}

int buf_putf(struct buf *b, const char *format, ...)
{
	va_list args;
	char *where;
	int len, r;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return -errno;
	if ((r = buf_reserve(b, (size_t)len, &where)) < 0 ||
		(r = buf_make_room(b, (size_t)len + 1)) < 0)
		return r;
	va_start(args, format);
	vsnprintf(b->data + b->tail, (size_t)len + 1, format, args);
	va_end(args);
	b->tail += (size_t)len;
	return 0;
}

void buf_cut(struct buf *b, size_t len)
{
	assert(len <= buf_len(b));
	b->tail = b->head + len;
}

void buf_pull(struct buf *b, size_t len)
{
	assert(len <= buf_len(b));
	b->head += len;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}

const char *buf_string(struct buf *b)
{
	if (buf_make_room(b, 1) < 0)
		return NULL;
	b->data[b->tail] = '\0';
	return b->data + b->head;
}

char *buf_take(struct buf *b)
{
	char *text;

	if (!buf_string(b))
		return NULL;
	if (b->head)
		memmove(b->data, b->data + b->head, buf_len(b) + 1);
	text = b->data;
	b->data = NULL;
	b->head = b->tail = b->cap = 0;
	return text;
}
