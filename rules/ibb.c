/* SPDX-License-Identifier: BSD-2-Clause */
/* Text hidden in in-band bytestreams. In comes each piece's base64, out goes the piece as text with
 * the end of what came before it, so that words cut in two are whole again. Of each stream only
 * that end is kept, of a bounded number of streams; all of it is shared by all threads and handed
 * from one policy to the next. Pieces are believed to be in order: receivers close a stream where
 * one is missing. It judges nothing. */
#include "rules/ibb.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"

#include "xmpp/text.h"

enum { WAYS = 4, BUCKETS = IBB_STREAMS_MAX / WAYS };

struct ibb_stream {
	uint64_t key, used; /* used 0: free */
	unsigned seq;       /* of the last piece */
	size_t len;
	char *tail;
};

struct ibb_table {
	_Atomic unsigned refs;
	pthread_mutex_t lock;
	uint64_t clock; /* grows with each use */
	struct ibb_stream streams[BUCKETS][WAYS];
};

struct ibb_table *ibb_table_new(void)
{
	struct ibb_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->refs = 1;
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

struct ibb_table *ibb_table_ref(struct ibb_table *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void ibb_table_unref(struct ibb_table *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		for (size_t k = 0; k < WAYS; k++)
			free(t->streams[i][k].tail);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* The stream's place, or the coldest of its bucket made free for it. NULL when out of memory. */
static struct ibb_stream *stream_find(struct ibb_table *t, uint64_t key, metric *evicted)
{
	struct ibb_stream *bucket = t->streams[key % BUCKETS], *coldest = bucket;

	for (size_t i = 0; i < WAYS; i++) {
		if (bucket[i].used && bucket[i].key == key)
			return &bucket[i];
		if (bucket[i].used < coldest->used)
			coldest = &bucket[i];
	}
	if (!coldest->tail && !(coldest->tail = malloc(IBB_TAIL_MAX)))
		return NULL;
	if (coldest->used)
		metric_add(evicted, 1);
	coldest->key = key;
	coldest->len = 0;
	coldest->seq = UINT32_MAX;
	return coldest;
}

static void tail_keep(struct ibb_stream *s, struct span all)
{
	if (all.len > IBB_TAIL_MAX) {
		all.ptr += all.len - IBB_TAIL_MAX;
		all.len = IBB_TAIL_MAX;
	}
	memcpy(s->tail, all.ptr, all.len);
	s->len = all.len;
}

/* A stanza may be judged twice, but what only claims to be the same piece must not hide behind it.
 */
static bool is_again(const struct ibb_stream *s, unsigned seq, struct span piece)
{
	return s->seq == seq && piece.len && piece.len <= s->len &&
	       memcmp(s->tail + s->len - piece.len, piece.ptr, piece.len) == 0;
}

static int stream_join(
	struct ibb_stream *s, unsigned seq, struct span piece, struct arena *a, struct span *out)
{
	char *all = arena_alloc(a, s->len + piece.len + 1);

	if (!all)
		return -ENOMEM;
	if (s->len)
		memcpy(all, s->tail, s->len);
	*out = (struct span){ all, s->len };
	if (is_again(s, seq, piece))
		return 0;
	if (piece.len)
		memcpy(all + s->len, piece.ptr, piece.len);
	out->len += piece.len;
	tail_keep(s, *out);
	s->seq = seq;
	return 0;
}

int ibb_join(struct ibb_table *t, uint64_t stream, unsigned seq, struct span piece, struct arena *a,
	struct span *out, metric *evicted)
{
	struct ibb_stream *s;
	int r = -ENOMEM;

	pthread_mutex_lock(&t->lock);
	if ((s = stream_find(t, stream, evicted))) {
		s->used = ++t->clock;
		r = stream_join(s, seq, piece, a, out);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

/* ---- bytes and text ---- */

struct span ibb_decode(struct arena *a, struct span text)
{
	uint8_t *bytes = arena_alloc(a, text.len / 4 * 3 + 4);
	uint32_t group = 0;
	unsigned bits = 0;
	size_t n = 0;

	for (size_t i = 0; bytes && i < text.len; i++) {
		int value = base64_digit(text.ptr[i]);

		if (text.ptr[i] && strchr(" \t\r\n", text.ptr[i]))
			continue;
		if (value < 0)
			break;
		group = group << 6 | (uint32_t)value;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			bytes[n++] = (uint8_t)(group >> bits);
		}
	}
	return (struct span){ (char *)bytes, n };
}

struct span ibb_text(struct arena *a, struct span bytes)
{
	static const char unknown[] = "\xef\xbf\xbd";
	char *text = arena_alloc(a, bytes.len * 3 + 1);
	size_t n = 0;

	while (text && bytes.len) {
		size_t good = text_valid(bytes.ptr, bytes.len, NULL);

		memcpy(text + n, bytes.ptr, good);
		n += good;
		if (good == bytes.len)
			break;
		memcpy(text + n, unknown, 3);
		n += 3;
		bytes.ptr += good + 1;
		bytes.len -= good + 1;
	}
	return (struct span){ text, n };
}
