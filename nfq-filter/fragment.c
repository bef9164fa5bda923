/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside packet.c: fragments of IP datagrams in, whole ones out.
 * As Linux does it (and RFC 5722 wants it): a fragment that overlaps another one makes the whole
 * datagram void, so there is never a question whose bytes count; an exact repetition is passed
 * over. Datagrams, their pieces and their age are bounded; the oldest gives way. Sizes are those of
 * IP: 64 KiB a datagram. */
#include "nfq-filter/fragment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DATAGRAM_MAX = 65535 };

struct piece {
	struct piece *next;
	size_t offset, len;
	unsigned char bytes[];
};

struct datagram {
	bool used, dead;
	struct peer_address src, dst;
	uint32_t id;
	uint8_t protocol;
	uint64_t time_ns;
	struct piece *pieces; /* by offset, none overlapping */
	unsigned n;
	size_t have, total; /* total: 0 as long as the last piece is missing */
};

struct fragments {
	struct counts *counts;
	unsigned char *whole;
	struct datagram datagrams[FRAGMENT_DATAGRAMS];
};

struct fragments *fragments_new(struct counts *counts)
{
	struct fragments *f = calloc(1, sizeof(*f));

	if (f && !(f->whole = malloc(DATAGRAM_MAX + 1))) {
		free(f);
		return NULL;
	}
	if (f)
		f->counts = counts;
	return f;
}

static void datagram_drop_pieces(struct datagram *d)
{
	struct piece *next;

	for (struct piece *p = d->pieces; p; p = next) {
		next = p->next;
		free(p);
	}
	d->pieces = NULL;
	d->n = 0;
}

static void datagram_clear(struct datagram *d)
{
	datagram_drop_pieces(d);
	*d = (struct datagram){ .used = false };
}

void fragments_free(struct fragments *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < FRAGMENT_DATAGRAMS; i++)
		datagram_clear(&f->datagrams[i]);
	free(f->whole);
	free(f);
}

static bool datagram_is(const struct datagram *d, const struct packet *p)
{
	return d->used && d->id == p->fragment_id && d->protocol == p->protocol &&
	       memcmp(&d->src, &p->src.address, sizeof(d->src)) == 0 &&
	       memcmp(&d->dst, &p->dst.address, sizeof(d->dst)) == 0;
}

/* The datagram the fragment belongs to: known, or in a free place, or in that of the oldest. */
static struct datagram *datagram_find(struct fragments *f, const struct packet *p)
{
	struct datagram *place = &f->datagrams[0];

	for (size_t i = 0; i < FRAGMENT_DATAGRAMS; i++) {
		struct datagram *d = &f->datagrams[i];

		if (d->used && p->time_ns > d->time_ns + FRAGMENT_SECONDS * 1000000000ull) {
			counts_add(f->counts, COUNT_FRAGMENT_EXPIRED, !d->dead);
			datagram_clear(d);
		}
		if (datagram_is(d, p))
			return d;
		if (place->used && (!d->used || d->time_ns < place->time_ns))
			place = d;
	}
	if (place->used) {
		counts_add(f->counts, COUNT_FRAGMENT_LIMIT, 1);
		datagram_clear(place);
	}
	*place = (struct datagram){ .used = true,
		.src = p->src.address,
		.dst = p->dst.address,
		.id = p->fragment_id,
		.protocol = p->protocol,
		.time_ns = p->time_ns };
	return place;
}

static int datagram_kill(struct fragments *f, struct datagram *d, enum count why)
{
	datagram_drop_pieces(d);
	d->dead = true;
	counts_add(f->counts, why, 1);
	return 0;
}

/* Where the piece goes; false when it repeats one (*again) or overlaps. */
static bool datagram_place(
	struct datagram *d, const struct packet *p, struct piece ***where, bool *again)
{
	struct piece **at = &d->pieces;

	*again = false;
	for (; *at && (*at)->offset + (*at)->len <= p->offset; at = &(*at)->next)
		;
	*where = at;
	if (!*at || p->offset + p->len <= (*at)->offset)
		return true;
	*again = (*at)->offset == p->offset && (*at)->len == p->len;
	return false;
}

static int datagram_whole(
	struct fragments *f, struct datagram *d, const unsigned char **data, size_t *len)
{
	for (const struct piece *p = d->pieces; p; p = p->next)
		memcpy(f->whole + p->offset, p->bytes, p->len);
	*data = f->whole;
	*len = d->total;
	datagram_clear(d);
	return 1;
}

int fragments_push(
	struct fragments *f, const struct packet *p, const unsigned char **data, size_t *len)
{
	struct datagram *d = datagram_find(f, p);
	struct piece **where, *piece;
	bool again;

	counts_add(f->counts, COUNT_FRAGMENT, 1);
	if (d->dead)
		return 0;
	if (p->missing || p->len == 0 || (p->more && p->len % 8) ||
		p->offset + p->len > DATAGRAM_MAX)
		return datagram_kill(f, d, COUNT_PACKET_BAD);
	if (!datagram_place(d, p, &where, &again))
		return again ? 0 : datagram_kill(f, d, COUNT_FRAGMENT_OVERLAP);
	/* Nothing may lie behind the last one. */
	if ((!p->more && (*where || (d->total && d->total != p->offset + p->len))) ||
		(d->total && p->offset + p->len > d->total))
		return datagram_kill(f, d, COUNT_FRAGMENT_OVERLAP);
	if (d->n >= FRAGMENT_PIECES)
		return datagram_kill(f, d, COUNT_FRAGMENT_LIMIT);
	if (!(piece = malloc(sizeof(*piece) + p->len)))
		return -ENOMEM;
	*piece = (struct piece){ *where, p->offset, p->len };
	memcpy(piece->bytes, p->payload, p->len);
	*where = piece;
	d->n++;
	d->have += p->len;
	if (!p->more)
		d->total = p->offset + p->len;
	return d->total && d->have == d->total ? datagram_whole(f, d, data, len) : 0;
}
