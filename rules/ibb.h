/* SPDX-License-Identifier: BSD-2-Clause */
/* In-band bytestreams (XEP-0047): text that comes in pieces, each in a stanza of its own. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/metrics.h"
#include "base/span.h"

enum {
	IBB_STREAMS_MAX = 1024, /* streams remembered at once; at the bound the coldest leaves */
	IBB_TAIL_MAX = 4096,    /* bytes kept of each, so a phrase is found across pieces */
};

struct ibb_table;

/* One reference, room for IBB_STREAMS_MAX. NULL when out of memory. */
struct ibb_table *ibb_table_new(void);
struct ibb_table *ibb_table_ref(struct ibb_table *t);
void ibb_table_unref(struct ibb_table *t);
/* The end of what the stream brought before, and this piece behind it; remembers the new end. The
 * same piece once more (seq is its number) is not put behind itself. evicted counts streams lost to
 * the bound. *out is in the arena. 0 or -ENOMEM. */
int ibb_join(struct ibb_table *t, uint64_t stream, unsigned seq, struct span piece, struct arena *a,
	struct span *out, metric *evicted);

/* Base64 as XML carries it: white space is skipped, anything else that is no digit ends it. In the
 * arena; ptr NULL when out of memory. */
struct span ibb_decode(struct arena *a, struct span text);
/* Bytes as text: what is not UTF-8, or no character of XML, becomes U+FFFD. ptr NULL when out of
 * memory. */
struct span ibb_text(struct arena *a, struct span bytes);
