/* SPDX-License-Identifier: BSD-2-Clause */
/* Between packet.c and inspect.c: whose packet is it, and would its receiver take it?
 * In: parsed packets in the order they were seen. Out: for each connection two runs of bytes with
 * their gaps and ends. As the endpoint does (Linux; RFC 9293, 5961, 7323), a segment is passed over
 * when its checksum is wrong, it lacks the ACK flag, carries a signature nobody agreed on or a
 * timestamp from the past; a reset counts only at exactly the next byte; a SYN inside a connection
 * counts only once the other side answers it. So decoys that an endpoint ignores are ignored here.
 * It never looks at a payload and reads no clock but the packets'. */
#include "nfq-filter/flow_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct flow_limits flow_limits_default = {
	.flows = 65536,
	.pool_bytes = (size_t)256 << 20,
	.idle_ns = 30000000000u,
	.closed_ns = 60000000000u,
	.gap_packets = 16,
	.gap_ns = 1000000000u,
	.deaf_ns = 3000000000u,
	.reassembly = {
		.held_bytes = 1 << 20,
		.held_segments = 2048,
		.kept_bytes = 256 << 10,
		.window = 16 << 20,
	},
};

const struct flow_limits flow_limits_live = {
	.flows = 65536,
	.pool_bytes = (size_t)256 << 20,
	.idle_ns = 30000000000u,
	.silent_ns = 3600000000000u,
	.closed_ns = 60000000000u,
	.live = true,
	.reassembly = {
		.held_bytes = 1 << 20,
		.held_segments = 2048,
		.kept_bytes = 4 << 20,
		.window = 16 << 20,
		.strict = true,
	},
};

static enum flow_side side_of(const struct flow *f, const struct packet *p)
{
	return memcmp(&p->src, &f->client, sizeof(p->src)) == 0 ? FLOW_CLIENT : FLOW_SERVER;
}

/* ---- what a receiver takes ---- */

/* What both ends agreed on with their SYN; of a connection that was joined later: what is usual
 * there. */
static void learn_options(struct flow_half *h, const struct packet *p)
{
	if (h->seen)
		return;
	h->seen = true;
	h->is_signed = p->is_signed;
	h->stamped = p->has_stamp;
	h->stamp = p->stamp;
}

static bool is_refused(struct flow_table *t, const struct flow *f, const struct flow_half *h,
	const struct packet *p)
{
	enum count why = COUNT_MAX;

	if (p->checksum == CHECKSUM_WRONG && !t->limits->any_checksum)
		why = COUNT_PACKET_CHECKSUM;
	else if (!(p->flags & (TCP_ACK | TCP_SYN | TCP_RST)))
		why = COUNT_TCP_NO_ACK;
	else if (p->is_signed && h->seen && !h->is_signed)
		why = COUNT_TCP_SIGNED;
	else if (p->has_stamp && f->half[0].stamped && f->half[1].stamped &&
		 !(p->flags & TCP_RST) && (int32_t)(p->stamp - h->stamp) < 0)
		why = COUNT_TCP_STAMP;
	if (why == COUNT_MAX)
		return false;
	counts_add(t->counts, why, 1);
	return true;
}

/* A reset is believed where the next byte would be, or what its receiver last said it wants. */
static void take_reset(
	struct flow_table *t, struct flow *f, struct flow_half *h, const struct packet *p)
{
	int64_t at = reassembly_position(&h->in, p->seq);

	bool next = at == (int64_t)h->in.next && (!t->limits->live || h->released == h->in.next);

	if (h->in.started && !next && at != (int64_t)h->in.acked) {
		counts_add(t->counts, COUNT_TCP_RST_IGNORED, 1);
		return;
	}
	f->reset = true;
}

/* Where streams begin. True when the packet's data may be taken. */
static bool take_syn(
	struct flow_table *t, struct flow *f, enum flow_side side, const struct packet *p)
{
	struct flow_half *h = &f->half[side], *other = &f->half[!side];

	if (!h->in.started) {
		reassembly_start(&h->in, p->seq + 1);
		h->syn = true;
		if ((p->flags & TCP_ACK) && !other->in.started) {
			reassembly_start(&other->in, p->ack);
			other->syn = true;
		}
		return true;
	}
	if (h->syn && h->in.next == 0 && h->in.next_seq == p->seq + 1)
		return true;
	/* Sent again, late, it is no surprise. */
	counts_add(t->counts, COUNT_TCP_SYN_IGNORED, reassembly_position(&h->in, p->seq + 1) != 0);
	return false;
}

/* A connection begun anew between the same ports: once both have said so, or, where nobody waits
 * for us, after the old one. Live, a SYN alone says nothing: it may die on its way, or be passed
 * over, and then the old one goes on. */
static bool is_reborn(struct flow_table *t, struct flow *f, const struct packet *p)
{
	enum flow_side side = side_of(f, p);
	bool live = t->limits->live;

	if (!(p->flags & TCP_SYN))
		return false;
	if (!(p->flags & TCP_ACK)) {
		if (!live && (f->closed || f->half[0].ended || f->half[1].ended ||
				     t->now_ns - f->last_ns >= t->limits->closed_ns))
			return !f->half[side].in.started || f->closed ||
			       reassembly_position(&f->half[side].in, p->seq + 1) != 0;
		f->syn_again = live || side == FLOW_CLIENT;
		f->syn_side = side;
		f->syn_seq = p->seq;
		return false;
	}
	if (f->closed && !live)
		return true;
	if (!f->syn_again || side == f->syn_side)
		return false;
	if (f->closed)
		return p->ack == f->syn_seq + 1;
	if (reassembly_position(&f->half[!side].in, p->ack) == 0)
		return false;
	/* Which of several it answers, only its sender knows. */
	return p->ack == f->syn_seq + 1 || !f->half[side].in.started;
}

static void take_fin(struct flow_half *h, const struct packet *p)
{
	int64_t at = reassembly_position(&h->in, p->seq + (uint32_t)(p->len + p->missing));

	if (!h->in.started || h->fin || at < (int64_t)h->in.next ||
		at > (int64_t)(h->in.next + h->in.limits->window))
		return;
	h->fin = true;
	h->fin_at = (uint64_t)at;
}

static int take_bytes(
	struct flow_table *t, struct flow_half *h, const struct packet *p, struct flow_taken *out)
{
	struct reassembly_result result;
	uint32_t seq = p->seq + !!(p->flags & TCP_SYN);
	int64_t at;
	int r;

	if (!h->in.started)
		reassembly_start(&h->in, seq);
	at = reassembly_position(&h->in, seq);
	if (p->len <= 1 && at == (int64_t)h->in.next - 1 && at >= 0) {
		counts_add(t->counts, COUNT_TCP_KEEPALIVE, 1);
		return 0;
	}
	if (p->flags & TCP_URG) {
		counts_add(t->counts, COUNT_TCP_URGENT, 1);
		if (!reassembly_urgent(&h->in, seq + p->urgent - (p->urgent > 0)))
			counts_add(t->counts, COUNT_TCP_LIMIT, 1);
	}
	if ((r = reassembly_push(&h->in, seq, p->payload, p->len, &result)) < 0)
		return r;
	out->bytes = result.fate;
	h->conflicts += result.conflicts;
	counts_add(t->counts, COUNT_TCP_CONFLICT, result.conflicts);
	counts_add(t->counts, COUNT_PACKET_CUT, p->missing > 0);
	if (p->len == 0 || result.fate == REASSEMBLY_NEW)
		return 0;
	h->full = h->full || result.fate == REASSEMBLY_FULL;
	counts_add(t->counts,
		result.fate == REASSEMBLY_HELD      ? COUNT_TCP_HELD
		: result.fate == REASSEMBLY_OUTSIDE ? COUNT_TCP_OUTSIDE
		: result.fate == REASSEMBLY_FULL    ? COUNT_TCP_LIMIT
						    : COUNT_TCP_OLD,
		1);
	return 0;
}

/* Since when is there a hole, and since when is it known to be lost? */
static void watch_hole(const struct flow_table *t, struct flow_half *h)
{
	if (h->in.n_held == 0)
		h->hole_ns = 0;
	else if (h->hole_ns == 0)
		h->hole_ns = t->now_ns;
	if (!reassembly_is_lost(&h->in)) {
		h->lost_packets = 0;
		h->lost_ns = 0;
		return;
	}
	if (h->lost_ns == 0)
		h->lost_ns = t->now_ns;
	h->lost_packets++;
}

/* Nobody can have received what waits here. */
static bool is_believed_ack(const struct flow_table *t, const struct flow_half *h, uint32_t ack)
{
	return !t->limits->live || !h->in.started ||
	       reassembly_position(&h->in, ack) <= (int64_t)h->released + h->fin;
}

static int flow_take(
	struct flow_table *t, struct flow *f, const struct packet *p, struct flow_taken *out)
{
	enum flow_side side = out->side = side_of(f, p);
	struct flow_half *h = &f->half[side], *other = &f->half[!side];
	bool data = true;
	int r = 0;

	learn_options(h, p);
	h->packets++;
	h->bytes += p->len;
	if (p->flags & TCP_RST) {
		take_reset(t, f, h, p);
		return 0;
	}
	if (p->flags & TCP_SYN)
		data = take_syn(t, f, side, p);
	if ((p->flags & TCP_ACK) && is_believed_ack(t, other, p->ack)) {
		reassembly_ack(&other->in, p->ack);
		other->agreed = other->agreed ||
				(other->in.started && reassembly_position(&other->in, p->ack) >= 0);
	}
	/* Live, the SYN may have been a decoy: who waits for an answer says nothing before it. */
	if (t->limits->live && h->syn && !h->agreed && (p->len > 0 || (p->flags & TCP_FIN))) {
		counts_add(t->counts, COUNT_TCP_OUTSIDE, 1);
		out->fate = FLOW_REFUSED;
		return 0;
	}
	if (data && (p->len > 0 || p->missing > 0 || (p->flags & TCP_FIN)) && !(h->fin && h->ended))
		r = take_bytes(t, h, p, out);
	if (h->in.started)
		out->position = reassembly_position(&h->in, p->seq + !!(p->flags & TCP_SYN));
	if (p->has_stamp && h->in.started &&
		reassembly_position(&h->in, p->seq) <= (int64_t)h->in.next &&
		(int32_t)(p->stamp - h->stamp) > 0)
		h->stamp = p->stamp;
	if (data && r == 0 && (p->flags & TCP_FIN))
		take_fin(h, p);
	watch_hole(t, h);
	watch_hole(t, other);
	return r;
}

int flow_push(struct flow_table *t, const struct packet *p, struct flow_taken *out)
{
	struct flow *f;
	int r;

	*out = (struct flow_taken){ .fate = FLOW_REFUSED, .bytes = REASSEMBLY_OLD };
	if (p->time_ns > t->now_ns)
		t->now_ns = p->time_ns;
	flow_table_tick(t, t->now_ns);
	f = flow_find(t, p);
	if (f && is_refused(t, f, &f->half[side_of(f, p)], p))
		return 0;
	if (f && is_reborn(t, f, p)) {
		flow_remove(t, f);
		f = NULL;
	}
	if (!f) {
		static const struct flow none;

		/* The tail of something that ended, or a scan. */
		if (!(p->flags & TCP_SYN) && (p->len == 0 || (p->flags & TCP_RST))) {
			out->fate = FLOW_STRAY;
			return 0;
		}
		if (is_refused(t, &none, &none.half[0], p))
			return 0;
		if ((r = flow_add(t, p, &f)) < 0)
			return r;
		if (!f) {
			out->fate = FLOW_NO_ROOM;
			return 0;
		}
		out->fresh = true;
	}
	flow_heard(t, f, side_of(f, p) == FLOW_CLIENT && !(p->flags & (TCP_SYN | TCP_RST)));
	out->flow = f;
	out->side = side_of(f, p);
	out->fate = f->closed ? FLOW_OVER : FLOW_TAKEN;
	return f->closed ? 0 : flow_take(t, f, p, out);
}

bool flow_is_early(const struct flow_table *t, const struct packet *p)
{
	const struct flow *f = flow_find(t, p);
	const struct flow_half *other;
	int64_t at;

	if (!f)
		return !(p->flags & (TCP_SYN | TCP_RST)) && p->len > 0;
	other = &f->half[!side_of(f, p)];
	if (f->closed || !(p->flags & TCP_ACK) || !other->in.started)
		return false;
	at = reassembly_position(&other->in, p->ack);
	return at > (int64_t)(other->in.next + other->fin) &&
	       at <= (int64_t)(other->in.next + other->in.limits->window);
}

/* ---- out ---- */

static bool gap_is_due(const struct flow_table *t, const struct flow *f, const struct flow_half *h,
	const struct flow_half *other)
{
	if (h->in.n_held == 0 || t->limits->live)
		return false;
	if (f->last_call || f->reset || h->full)
		return true;
	if (h->lost_ns && (h->lost_packets >= t->limits->gap_packets ||
				  t->now_ns - h->lost_ns >= t->limits->gap_ns))
		return true;
	return !other->seen && t->now_ns - h->hole_ns >= t->limits->deaf_ns;
}

/* Bytes at the end that its receiver has, and we have not. */
static uint64_t tail_missing(const struct flow_table *t, const struct flow *f, struct flow_half *h)
{
	uint64_t end = h->fin ? h->fin_at : h->in.acked;

	if (!f->last_call || t->limits->live || !h->in.started || end <= h->in.next)
		return 0;
	/* One more may be its FIN, which was not seen either. */
	if (!h->fin && end == h->in.next + 1)
		return 0;
	return end - h->in.next;
}

static void count_gap(struct flow_table *t, uint64_t bytes)
{
	counts_add(t->counts, COUNT_TCP_GAP, 1);
	counts_add(t->counts, COUNT_TCP_GAP_BYTES, bytes);
}

void flow_next(struct flow_table *t, struct flow *f, enum flow_side side, struct flow_event *out)
{
	struct flow_half *h = &f->half[side];

	*out = (struct flow_event){ .kind = FLOW_NOTHING };
	if (f->closed || h->ended)
		return;
	if (reassembly_next(&h->in, &out->bytes, &out->position)) {
		out->kind = FLOW_BYTES;
		return;
	}
	if (gap_is_due(t, f, h, &f->half[!side])) {
		out->kind = FLOW_GAP;
		out->lost = reassembly_skip(&h->in);
		h->full = false;
		h->lost_packets = 0;
		h->lost_ns = h->hole_ns = 0;
		watch_hole(t, h);
		count_gap(t, out->lost);
		return;
	}
	if ((out->lost = tail_missing(t, f, h)) > 0) {
		/* Told once. */
		out->kind = FLOW_GAP;
		h->in.acked = h->in.next;
		h->fin = false;
		count_gap(t, out->lost);
		return;
	}
	if ((h->fin && h->in.given >= h->fin_at) || f->reset) {
		h->ended = true;
		out->kind = FLOW_END;
	}
}

/* Live, what its receiver may still ask for again is kept until it has it. */
static bool is_settled(const struct flow_table *t, const struct flow *f)
{
	if (f->reset || !flow_is_ended(f))
		return f->reset;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		if (t->limits->live && f->half[s].in.acked <= f->half[s].fin_at)
			return false;
	return true;
}

void flow_settle(struct flow_table *t, struct flow *f)
{
	if (is_settled(t, f))
		flow_end(t, f);
}
