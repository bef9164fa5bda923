/* SPDX-License-Identifier: BSD-2-Clause */
/* Between flow.c and inspect.c: one direction's segments, in any order and any number of copies,
 * become one run of bytes. In: sequence numbers and bytes of a peer who may lie. Out: bytes in
 * order, each once. FIRST COPY WINS: a byte that is known is never replaced, neither in order nor
 * behind a hole; a later copy that differs is counted, and rewritten where packets can still be
 * changed, so that whatever its receiver prefers it reads what we read. Urgent bytes are left out,
 * as their receiver leaves them out. What lies behind a hole, what is kept for comparison and what
 * all directions hold together is bounded. It knows nothing of connections and never guesses at
 * missing bytes. */
#include "nfq-filter/reassemble.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PUSH_MAX = 1 << 20 };

struct reassembly_piece {
	struct reassembly_piece *next;
	uint64_t at;
	size_t len;
	char bytes[];
};

const struct reassembly_limits reassembly_limits_default = {
	.held_bytes = 1 << 20,
	.held_segments = 2048,
	.kept_bytes = 256 << 10,
	.window = 16 << 20,
};

void reassembly_init(
	struct reassembly *r, const struct reassembly_limits *limits, struct reassembly_pool *pool)
{
	*r = (struct reassembly){ .limits = limits, .pool = pool };
	buf_init(&r->kept, limits->kept_bytes + limits->held_bytes + PUSH_MAX);
}

/* The pool knows the memory, not the bytes. */
static void charge(struct reassembly *r)
{
	size_t now = r->kept.cap + r->held_bytes + r->n_held * sizeof(struct reassembly_piece);

	r->pool->used += now - r->charged;
	r->charged = now;
}

static void held_clear(struct reassembly *r)
{
	struct reassembly_piece *next;

	for (struct reassembly_piece *p = r->held; p; p = next) {
		next = p->next;
		free(p);
	}
	r->held = r->last = NULL;
	r->held_bytes = 0;
	r->n_held = 0;
}

void reassembly_fini(struct reassembly *r)
{
	held_clear(r);
	buf_fini(&r->kept);
	r->kept.cap = 0;
	charge(r);
}

void reassembly_start(struct reassembly *r, uint32_t seq)
{
	held_clear(r);
	buf_clear(&r->kept);
	r->next = r->kept_at = r->given = r->acked = 0;
	r->n_urgent = 0;
	r->next_seq = seq;
	r->started = true;
	charge(r);
}

int64_t reassembly_position(const struct reassembly *r, uint32_t seq)
{
	return (int64_t)r->next + (int32_t)(seq - r->next_seq);
}

uint64_t reassembly_held_at(const struct reassembly *r)
{
	return r->held->at;
}

/* ---- what is known ---- */

/* The part of [at, at+len) that a run of known bytes covers, given to each. */
struct overlap {
	const char *known;
	size_t offset; /* in the segment */
	size_t len;
};

static bool overlap_find(const char *bytes, uint64_t bytes_at, size_t bytes_len, int64_t at,
	size_t len, struct overlap *out)
{
	int64_t first = (int64_t)bytes_at, end = first + (int64_t)bytes_len;

	if (first < at)
		first = at;
	if (end > at + (int64_t)len)
		end = at + (int64_t)len;
	if (first >= end)
		return false;
	*out = (struct overlap){ bytes + (first - (int64_t)bytes_at), (size_t)(first - at),
		(size_t)(end - first) };
	return true;
}

static size_t count_different(const char *a, const char *b, size_t len)
{
	size_t n = 0;

	if (memcmp(a, b, len) == 0)
		return 0;
	for (size_t i = 0; i < len; i++)
		n += a[i] != b[i];
	return n;
}

/* How many bytes of the segment differ from what is known; with write, they are set right. */
static size_t compare(const struct reassembly *r, int64_t at, char *data, size_t len, bool write)
{
	struct overlap o;
	size_t n = 0;

	if (overlap_find(buf_ptr(&r->kept), r->kept_at, buf_len(&r->kept), at, len, &o)) {
		n += count_different(data + o.offset, o.known, o.len);
		if (write)
			memcpy(data + o.offset, o.known, o.len);
	}
	/* Behind a hole, most segments come in order, too. */
	if (r->last && at >= (int64_t)(r->last->at + r->last->len))
		return n;
	for (const struct reassembly_piece *p = r->held; p && (int64_t)p->at < at + (int64_t)len;
		p = p->next) {
		if (!overlap_find(p->bytes, p->at, p->len, at, len, &o))
			continue;
		n += count_different(data + o.offset, o.known, o.len);
		if (write)
			memcpy(data + o.offset, o.known, o.len);
	}
	return n;
}

size_t reassembly_differs(const struct reassembly *r, uint32_t seq, const void *data, size_t len)
{
	/* compare() writes nothing without being told to. */
	return r->started && len ? compare(r, reassembly_position(r, seq), (char *)(uintptr_t)data,
					   len, false)
				 : 0;
}

size_t reassembly_rewrite(const struct reassembly *r, uint32_t seq, void *data, size_t len)
{
	return r->started && len ? compare(r, reassembly_position(r, seq), data, len, true) : 0;
}

bool reassembly_overwrite(struct reassembly *r, uint64_t at, const void *bytes, size_t len)
{
	if (at < r->kept_at || at + len > r->given)
		return false;
	memcpy(r->kept.data + r->kept.head + (at - r->kept_at), bytes, len);
	return true;
}

/* ---- in order ---- */

/* What was handed out need not be kept once its receiver has it, nor, unless strict, beyond the
 * bound. */
static void kept_trim(struct reassembly *r, size_t max)
{
	uint64_t end = r->acked < r->given ? r->acked : r->given;

	if (!r->limits->strict && buf_len(&r->kept) > max && r->next - max > end)
		end = r->next - max < r->given ? r->next - max : r->given;
	if (end > r->kept_at) {
		buf_pull(&r->kept, (size_t)(end - r->kept_at));
		r->kept_at = end;
	}
}

static int append(struct reassembly *r, const char *data, size_t len)
{
	int e = buf_put(&r->kept, data, len);

	if (e == 0) {
		r->next += len;
		r->next_seq += (uint32_t)len;
	}
	return e;
}

/* What lay behind the hole just filled. */
static int absorb(struct reassembly *r)
{
	struct reassembly_piece *p;
	int e;

	while ((p = r->held) && p->at == r->next) {
		if ((e = append(r, p->bytes, p->len)) < 0)
			return e;
		r->held = p->next;
		if (r->last == p)
			r->last = NULL;
		r->held_bytes -= p->len;
		r->n_held--;
		free(p);
	}
	return 0;
}

/* ---- behind a hole ---- */

static int hold(struct reassembly *r, struct reassembly_piece **where, uint64_t at,
	const char *data, size_t len)
{
	struct reassembly_piece *p;

	if (r->held_bytes + len > r->limits->held_bytes || r->n_held >= r->limits->held_segments ||
		r->pool->used + len > r->pool->max)
		return -ENOBUFS;
	if (!(p = malloc(sizeof(*p) + len)))
		return -ENOMEM;
	*p = (struct reassembly_piece){ *where, at, len };
	memcpy(p->bytes, data, len);
	*where = p;
	if (!p->next)
		r->last = p;
	r->held_bytes += len;
	r->n_held++;
	charge(r);
	return 0;
}

/* Only what is not known yet: pieces never overlap. */
static int hold_new(struct reassembly *r, uint64_t at, const char *data, size_t len)
{
	struct reassembly_piece **where = &r->held;
	int e;

	/* Behind a hole, most segments come in order. */
	if (r->last && at >= r->last->at + r->last->len)
		where = &r->last->next;
	while (len > 0) {
		size_t n = len;

		while (*where && (*where)->at + (*where)->len <= at)
			where = &(*where)->next;
		if (*where && (*where)->at <= at) {
			n = (size_t)((*where)->at + (*where)->len - at);
			n = n < len ? n : len;
		} else {
			if (*where && (*where)->at - at < n)
				n = (size_t)((*where)->at - at);
			if ((e = hold(r, where, at, data, n)) < 0)
				return e;
		}
		at += n;
		data += n;
		len -= n;
	}
	return 0;
}

/* In order and with a hole behind: only up to what is known there, piece by piece. */
static int fill(struct reassembly *r, const char *data, size_t len)
{
	uint64_t end = r->next + len, start = r->next;
	int e;

	while (r->next < end) {
		size_t n = (size_t)(end - r->next);

		if (r->held && r->held->at - r->next < n)
			n = (size_t)(r->held->at - r->next);
		if ((e = append(r, data + (r->next - start), n)) < 0 || (e = absorb(r)) < 0)
			return e;
	}
	return 0;
}

int reassembly_push(struct reassembly *r, uint32_t seq, const void *data, size_t len,
	struct reassembly_result *out)
{
	const char *bytes = data;
	int64_t at;
	int e;

	*out = (struct reassembly_result){ .fate = REASSEMBLY_OLD };
	if (!r->started)
		reassembly_start(r, seq);
	assert(len <= PUSH_MAX);
	at = reassembly_position(r, seq);
	if (at + (int64_t)len > (int64_t)(r->next + r->limits->window)) {
		out->fate = REASSEMBLY_OUTSIDE;
		return 0;
	}
	if (len == 0)
		return 0;
	out->conflicts = reassembly_differs(r, seq, bytes, len);
	if (at + (int64_t)len <= (int64_t)r->next)
		return 0;
	if (at < (int64_t)r->next) {
		bytes += (int64_t)r->next - at;
		len -= (size_t)((int64_t)r->next - at);
		at = (int64_t)r->next;
	}
	kept_trim(r, r->pool->used > r->pool->max ? 0 : r->limits->kept_bytes);
	if (r->limits->strict && (r->pool->used + len > r->pool->max ||
					 r->next + len > r->kept_at + r->limits->kept_bytes)) {
		out->fate = REASSEMBLY_FULL;
		return 0;
	}
	out->fate = (uint64_t)at == r->next ? REASSEMBLY_NEW : REASSEMBLY_HELD;
	e = out->fate == REASSEMBLY_NEW ? fill(r, bytes, len)
					: hold_new(r, (uint64_t)at, bytes, len);
	charge(r);
	if (e == -ENOMEM)
		return e;
	if (e < 0)
		out->fate = REASSEMBLY_FULL;
	return 0;
}

/* ---- out ---- */

static void urgent_drop_first(struct reassembly *r)
{
	r->n_urgent--;
	memmove(r->urgent, r->urgent + 1, r->n_urgent * sizeof(r->urgent[0]));
}

bool reassembly_next(struct reassembly *r, struct span *bytes, uint64_t *position)
{
	uint64_t end = r->next;

	while (r->n_urgent > 0 && r->urgent[0] <= r->given && r->given < r->next) {
		r->given += r->urgent[0] == r->given;
		urgent_drop_first(r);
	}
	if (r->n_urgent > 0 && r->urgent[0] < end)
		end = r->urgent[0];
	if (r->given >= end) {
		/* Others need the room more than we need copies to compare with. */
		if (r->pool->used > r->pool->max) {
			kept_trim(r, 0);
			reassembly_shrink(r);
		}
		return false;
	}
	*bytes = (struct span){ buf_ptr(&r->kept) + (r->given - r->kept_at),
		(size_t)(end - r->given) };
	*position = r->given;
	r->given = end;
	return true;
}

bool reassembly_urgent(struct reassembly *r, uint32_t seq)
{
	int64_t at = reassembly_position(r, seq);
	unsigned i = 0;

	if (!r->started || at < (int64_t)r->given || at > (int64_t)(r->next + r->limits->window))
		return true;
	while (i < r->n_urgent && r->urgent[i] < (uint64_t)at)
		i++;
	if (i < r->n_urgent && r->urgent[i] == (uint64_t)at)
		return true;
	if (r->n_urgent == REASSEMBLY_URGENT_MAX)
		return false;
	memmove(r->urgent + i + 1, r->urgent + i, (r->n_urgent - i) * sizeof(r->urgent[0]));
	r->urgent[i] = (uint64_t)at;
	r->n_urgent++;
	return true;
}

void reassembly_ack(struct reassembly *r, uint32_t ack)
{
	int64_t at;

	if (!r->started)
		return;
	at = reassembly_position(r, ack);
	if (at <= (int64_t)r->acked || at > (int64_t)(r->next + r->limits->window))
		return;
	r->acked = (uint64_t)at;
	kept_trim(r, r->limits->kept_bytes);
}

bool reassembly_is_lost(const struct reassembly *r)
{
	return r->held && r->acked >= r->held->at;
}

uint64_t reassembly_skip(struct reassembly *r)
{
	uint64_t lost;

	if (!r->held)
		return 0;
	assert(r->given == r->next || r->n_urgent > 0);
	lost = r->held->at - r->next;
	buf_clear(&r->kept);
	r->next = r->kept_at = r->given = r->held->at;
	r->next_seq += (uint32_t)lost;
	/* Its bound is the sum of what may be held and kept: there is room. */
	absorb(r);
	charge(r);
	return lost;
}

void reassembly_shrink(struct reassembly *r)
{
	kept_trim(r, r->limits->kept_bytes);
	if (buf_len(&r->kept) == 0 && r->kept.cap > 0)
		buf_shrink(&r->kept);
	charge(r);
}
