/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a middlebox must count (XEP-0198): a dropped stanza the sender counted would, with the far
 * side's h passed on as it is, be sent again for ever; an injected one would make h too high and
 * end the stream. Comes in: what happened to each stanza, in order. Goes out: f(H), the largest
 * source number before the first entry whose destination number is above H. The log is a ring of
 * runs of equal fate, so it stays short while nothing is dropped. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "xmpp/acks.h"

enum fate { FORWARDED, DROPPED, INJECTED };

struct run {
	enum fate fate;
	uint32_t count;
};

struct acks {
	struct run *runs; /* ring */
	size_t cap, first, n;
	size_t entries, entries_max;              /* stanzas in the log */
	uint32_t source, destination;             /* counted so far */
	uint32_t source_acked, destination_acked; /* before the first run */
};

enum { RUNS_FIRST = 8 };

struct acks *acks_new(size_t entries_max)
{
	struct acks *a = calloc(1, sizeof *a);

	if (a)
		a->entries_max = entries_max;
	return a;
}

void acks_free(struct acks *a)
{
	if (!a)
		return;
	free(a->runs);
	free(a);
}

static struct run *run_at(const struct acks *a, size_t i)
{
	return &a->runs[(a->first + i) % a->cap];
}

static int grow(struct acks *a)
{
	size_t cap = a->cap ? a->cap * 2 : RUNS_FIRST;
	struct run *runs = malloc(cap * sizeof *runs);

	if (!runs)
		return -ENOMEM;
	for (size_t i = 0; i < a->n; i++)
		runs[i] = *run_at(a, i);
	free(a->runs);
	a->runs = runs;
	a->cap = cap;
	a->first = 0;
	return 0;
}

static int enter(struct acks *a, enum fate fate)
{
	int r;

	if (a->entries >= a->entries_max)
		return ERR_LIMIT;
	if (a->n == 0 || run_at(a, a->n - 1)->fate != fate) {
		if (a->n == a->cap && (r = grow(a)) < 0)
			return r;
		*run_at(a, a->n++) = (struct run){ fate, 0 };
	}
	run_at(a, a->n - 1)->count++;
	a->entries++;
	a->source += fate != INJECTED;
	a->destination += fate != DROPPED;
	return 0;
}

int acks_forwarded(struct acks *a)
{
	return enter(a, FORWARDED);
}

int acks_dropped(struct acks *a)
{
	return enter(a, DROPPED);
}

int acks_injected(struct acks *a)
{
	return enter(a, INJECTED);
}

/* What stands before the first entry the destination has not counted. */
struct position {
	size_t run;      /* index of the run it stands in */
	uint32_t inside; /* entries of that run already counted */
	uint32_t source;
	size_t entries;
};

static int locate(const struct acks *a, uint32_t h, struct position *p)
{
	uint32_t left = h - a->destination_acked; /* modulo 2^32 */

	*p = (struct position){ .source = a->source_acked };
	if (left > a->destination - a->destination_acked)
		return ERR_RANGE;
	for (; p->run < a->n; p->run++) {
		const struct run *r = run_at(a, p->run);
		uint32_t taken = r->fate == DROPPED || r->count <= left ? r->count : left;

		if (r->fate != INJECTED)
			p->source += taken;
		if (r->fate != DROPPED)
			left -= taken;
		p->entries += taken;
		if (taken < r->count) {
			p->inside = taken;
			break;
		}
	}
	return 0;
}

int acks_peek(const struct acks *a, uint32_t h, uint32_t *out)
{
	struct position p;
	int r = locate(a, h, &p);

	if (r == 0)
		*out = p.source;
	return r;
}

int acks_translate(struct acks *a, uint32_t h, uint32_t *out)
{
	struct position p;
	int r = locate(a, h, &p);

	if (r < 0)
		return r;
	if (a->cap)
		a->first = (a->first + p.run) % a->cap;
	a->n -= p.run;
	if (p.inside)
		run_at(a, 0)->count -= p.inside;
	a->entries -= p.entries;
	a->source_acked = p.source;
	a->destination_acked = h;
	*out = p.source;
	return 0;
}

void acks_resume(struct acks *a, uint32_t h)
{
	uint32_t source;

	if (acks_translate(a, h, &source) < 0)
		return; /* a number never reached: nothing to cut, the caller has refused it */
	/* What lies behind will be sent again by the source and is entered then. */
	a->n = 0;
	a->entries = 0;
	a->source = a->source_acked;
	a->destination = a->destination_acked;
}

uint32_t acks_source(const struct acks *a)
{
	return a->source;
}

uint32_t acks_destination(const struct acks *a)
{
	return a->destination;
}
