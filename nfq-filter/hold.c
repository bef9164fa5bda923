/* SPDX-License-Identifier: BSD-2-Clause */
/* Between gate.c and the queue: packets that wait for a verdict on the stanzas in them.
 * In: packets with the positions of their bytes, and up to where everything is decided. Out: an
 * order for each, once. A packet that leaves carries what the first copy of its bytes says, blanked
 * stanzas blanked, whoever sent it and however often. What all hold together is bounded. It looks
 * into no payload and decides nothing. */
#include "nfq-filter/hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nfq-filter/scrub.h"

static void order_send(
	struct hold *all, uint32_t id, enum gate_fate fate, const void *bytes, size_t len)
{
	struct gate_order o = { .id = id, .fate = fate, .bytes = bytes, .len = len };

	all->order(all->arg, &o);
}

/* ---- coming ---- */

void hold_append(struct hold_half *half, struct held *h)
{
	h->borrowed = true;
	h->next = NULL;
	if (half->last)
		half->last->next = h;
	else
		half->first = h;
	half->last = h;
	half->n++;
}

/* The borrowed one is the last. */
static struct held **find(struct hold_half *half, const struct held *h, struct held **before)
{
	struct held **at = &half->first;

	*before = NULL;
	while (*at && *at != h) {
		*before = *at;
		at = &(*at)->next;
	}
	return at;
}

int hold_keep(struct hold *all, struct hold_half *half, struct held *borrowed)
{
	struct held *before, **at, *copy = NULL;
	size_t size = sizeof(*copy) + borrowed->len;
	int r = 0;

	if (half->last != borrowed)
		return 0;
	at = find(half, borrowed, &before);
	if (all->bytes + size > all->bytes_max)
		r = -ENOBUFS;
	else if (!(copy = malloc(size)))
		r = -ENOMEM;
	if (r < 0) {
		*at = NULL;
		half->last = before;
		half->n--;
		order_send(all, borrowed->id, GATE_DROP, NULL, 0);
		return r;
	}
	*copy = *borrowed;
	copy->borrowed = false;
	copy->bytes = memcpy(copy + 1, borrowed->bytes, borrowed->len);
	*at = half->last = copy;
	half->bytes += size;
	all->bytes += size;
	all->packets++;
	return 0;
}

bool hold_waits(const struct hold_half *half)
{
	return half->n > half->n_gone;
}

uint64_t hold_since(const struct hold_half *half, uint64_t given)
{
	for (const struct held *h = half->first; h; h = h->next)
		if (!h->gone && h->end <= (int64_t)given)
			return h->since_ns ? h->since_ns : 1;
	return 0;
}

bool hold_covers(const struct hold_half *half, int64_t start, int64_t end, bool fin)
{
	for (const struct held *h = half->first; h; h = h->next)
		if (!h->gone && h->start <= start && h->end >= end &&
			(!fin || (h->fin && h->end == end)))
			return true;
	return false;
}

/* ---- behind a hole ---- */

bool hold_has_gone(const struct hold_half *half, int64_t start, int64_t end)
{
	for (const struct held *h = half->first; h; h = h->next)
		if (h->gone && h->start < end && h->end > start)
			return true;
	return false;
}

bool hold_is_gone(const struct hold_half *half, int64_t start, int64_t end)
{
	for (const struct held *h = half->first; h; h = h->next)
		if (h->gone && h->start <= start && h->end >= end)
			return true;
	return false;
}

unsigned hold_release_late(struct hold *all, struct hold_half *half, const struct reassembly *bytes,
	uint64_t position, uint64_t since_ns)
{
	unsigned n = 0;

	for (struct held *h = half->first; h; h = h->next) {
		if (h->gone || h->fin || h->start <= (int64_t)position || h->since_ns > since_ns)
			continue;
		hold_pass(all, h, bytes, GATE_ACCEPT);
		h->gone = true;
		half->n_gone++;
		n++;
	}
	return n;
}

uint64_t hold_reach(const struct hold_half *half, uint64_t until, uint64_t from)
{
	bool more = true;

	for (const struct held *h = half->first; h; h = h->next)
		if (h->end > 0 && (uint64_t)h->end <= until && (uint64_t)h->end > from)
			from = (uint64_t)h->end;
	while (more) {
		more = false;
		for (const struct held *h = half->first; h; h = h->next) {
			if (!h->gone || h->start > (int64_t)from || h->end <= (int64_t)from)
				continue;
			from = (uint64_t)h->end;
			more = true;
		}
	}
	return from;
}

/* ---- going ---- */

static void held_free(struct hold *all, struct hold_half *half, struct held *h)
{
	half->n--;
	half->n_gone -= h->gone;
	if (h->borrowed)
		return;
	half->bytes -= sizeof(*h) + h->len;
	all->bytes -= sizeof(*h) + h->len;
	all->packets--;
	free(h);
}

void hold_pass(
	struct hold *all, const struct held *h, const struct reassembly *bytes, enum gate_fate fate)
{
	struct packet p = { 0 };
	uint32_t seq;
	size_t payload;

	if (packet_parse_unsummed(h->bytes, h->len, &p) != PACKET_TCP ||
		h->len > sizeof(all->scratch)) {
		order_send(all, h->id, GATE_DROP, NULL, 0);
		return;
	}
	seq = p.seq + !!(p.flags & TCP_SYN);
	if (reassembly_differs(bytes, seq, p.payload, p.len) == 0) {
		order_send(all, h->id, fate, h->changed ? h->bytes : NULL, h->changed ? h->len : 0);
		return;
	}
	payload = (size_t)(p.payload - h->bytes);
	memcpy(all->scratch, h->bytes, h->len);
	packet_parse_unsummed(all->scratch, h->len, &p);
	reassembly_rewrite(bytes, seq, all->scratch + payload, p.len);
	packet_sign(&p, all->scratch, payload + p.len);
	order_send(all, h->id, fate, all->scratch, payload + p.len);
}

uint64_t hold_release(struct hold *all, struct hold_half *half, const struct reassembly *bytes,
	uint64_t until, uint64_t from, bool pass)
{
	struct held **at = &half->first, *last = NULL, *h;

	while ((h = *at)) {
		if (h->end > 0 && (uint64_t)h->end > until) {
			last = h;
			at = &h->next;
			continue;
		}
		*at = h->next;
		if (h->end > 0 && (uint64_t)h->end > from)
			from = (uint64_t)h->end;
		if (!h->gone)
			hold_pass(all, h, bytes, pass ? GATE_PASS : GATE_ACCEPT);
		held_free(all, half, h);
	}
	half->last = last;
	return from;
}

/* Only of a packet whose sender its receiver would believe. */
static bool become_reset(struct hold *all, const struct held *h, uint32_t seq)
{
	struct packet p = { 0 };
	size_t len;

	if (h->len > sizeof(all->scratch))
		return false;
	memcpy(all->scratch, h->bytes, h->len);
	if (packet_parse_unsummed(all->scratch, h->len, &p) != PACKET_TCP)
		return false;
	len = scrub_reset(all->scratch, &p, seq);
	order_send(all, h->id, GATE_ACCEPT, all->scratch, len);
	return true;
}

bool hold_kill(struct hold *all, struct hold_half *half, const struct reassembly *bytes,
	uint64_t released, bool reset)
{
	uint32_t seq = bytes->next_seq - (uint32_t)(bytes->next - released);
	bool told = false;
	struct held *h;

	while ((h = half->first)) {
		half->first = h->next;
		/* Who is gone has its order. */
		if (!h->gone && reset && !told && bytes->started && become_reset(all, h, seq))
			told = true;
		else if (!h->gone)
			order_send(all, h->id, GATE_KILL, NULL, 0);
		held_free(all, half, h);
	}
	half->last = NULL;
	return told;
}

void hold_drop(struct hold *all, struct hold_half *half)
{
	struct held *h;

	while ((h = half->first)) {
		half->first = h->next;
		if (!h->gone)
			order_send(all, h->id, GATE_DROP, NULL, 0);
		held_free(all, half, h);
	}
	half->last = NULL;
}
