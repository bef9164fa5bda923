/* SPDX-License-Identifier: BSD-2-Clause */
/* One direction of a TCP connection put in order: segments in, bytes out, each with its position in
 * the stream. The first copy of a byte counts; copies are kept until their receiver has them, so
 * that later ones can be compared and rewritten. Bounded, each bound with a name. It knows no file
 * and no queue: replay and the live worker use the same. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"

struct reassembly_limits {
	size_t held_bytes;      /* out of order, a direction (1 MiB) */
	unsigned held_segments; /* the same as pieces (2048) */
	size_t kept_bytes; /* in order and not acknowledged: what later copies are compared with
			      (256 KiB) */
	size_t window;     /* further ahead is nonsense (16 MiB) */
	bool strict; /* live: what is not acknowledged is never forgotten; beyond kept_bytes nothing
			is taken */
};

extern const struct reassembly_limits reassembly_limits_default;

/* What all directions hold together. */
struct reassembly_pool {
	size_t used, max;
};

enum { REASSEMBLY_URGENT_MAX = 8 };

struct reassembly_piece;

struct reassembly {
	const struct reassembly_limits *limits; /* borrowed */
	struct reassembly_pool *pool;           /* borrowed */
	bool started;
	uint32_t next_seq; /* sequence number of next */
	uint64_t next;     /* position: every byte before it is known; 0 is the first byte seen */
	uint64_t kept_at;  /* position of the first byte in kept */
	uint64_t given;    /* handed out up to here */
	uint64_t acked;    /* its receiver has everything before */
	struct buf kept;
	size_t charged;
	struct reassembly_piece *held,
		*last; /* behind a hole, by position, none overlapping; last: for speed */
	size_t held_bytes;
	unsigned n_held;
	uint64_t urgent[REASSEMBLY_URGENT_MAX]; /* positions, ascending */
	unsigned n_urgent;
};

enum reassembly_fate {
	REASSEMBLY_NEW,     /* there are new bytes to hand out */
	REASSEMBLY_HELD,    /* kept behind a hole */
	REASSEMBLY_OLD,     /* nothing new in it */
	REASSEMBLY_OUTSIDE, /* beyond the window: not taken */
	REASSEMBLY_FULL,    /* a bound is reached: not taken */
};

struct reassembly_result {
	enum reassembly_fate fate;
	size_t conflicts; /* bytes that were known with another value */
};

void reassembly_init(
	struct reassembly *r, const struct reassembly_limits *limits, struct reassembly_pool *pool);
void reassembly_fini(struct reassembly *r);
/* seq is the number of the first byte (one more than that of the SYN). Forgets what was before. */
void reassembly_start(struct reassembly *r, uint32_t seq);
/* A segment's bytes. 0 with *out, or -ENOMEM (nothing taken). */
int reassembly_push(struct reassembly *r, uint32_t seq, const void *data, size_t len,
	struct reassembly_result *out);
/* The next bytes in order with the position of the first; false when there are none. Borrowed until
 * the next call. */
bool reassembly_next(struct reassembly *r, struct span *bytes, uint64_t *position);
/* The other side has everything before ack. */
void reassembly_ack(struct reassembly *r, uint32_t ack);
/* The byte at seq is urgent: its receiver cuts it out of the stream (RFC 6093 2). False at the
 * bound. */
bool reassembly_urgent(struct reassembly *r, uint32_t seq);
/* Is there a hole that will never be filled, since the receiver has what is behind it? */
bool reassembly_is_lost(const struct reassembly *r);
/* Goes on behind the hole. How many bytes are missing; 0 when there is no hole. Everything before
 * must be handed out. */
uint64_t reassembly_skip(struct reassembly *r);
/* How many bytes of a segment are not as the first copy said. */
size_t reassembly_differs(const struct reassembly *r, uint32_t seq, const void *data, size_t len);
/* Makes a segment say what its first copy said, where that is still known. How many bytes were
 * changed. */
size_t reassembly_rewrite(const struct reassembly *r, uint32_t seq, void *data, size_t len);
/* From now on its first copy said this. [at, at+len) was handed out and is not acknowledged; false,
 * and nothing done, where it is not known any more. */
bool reassembly_overwrite(struct reassembly *r, uint64_t at, const void *bytes, size_t len);
/* Where seq is in the stream; negative: before its beginning. */
int64_t reassembly_position(const struct reassembly *r, uint32_t seq);
/* Gives back what an idle direction need not keep. */
void reassembly_shrink(struct reassembly *r);
/* Position of the first byte behind the hole; only if n_held > 0. */
uint64_t reassembly_held_at(const struct reassembly *r);
