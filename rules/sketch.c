/* SPDX-License-Identifier: BSD-2-Clause */
/* Watching beside the limits what peers do, so that numbers can be proposed. In: keys and times, as
 * the limits get them. For each key followed there is one arrival time a rate, and how far it got
 * ahead of the clock within the hour is the burst this peer would have needed: GCRA's own
 * arithmetic, so the share of peers over a burst is what such a limit would have hit. When the hour
 * is over the levels go into a histogram with buckets in equal ratios (the idea of DDSketch) and
 * the keys are forgotten. With more keys than fit, those whose hash ends in a zero bit more are
 * followed and stand for twice as many: a fair sample, whoever comes first. Keys are hashes, never
 * the strings. */
#include "rules/sketch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHARDS = 8,
	SLOTS = 256,
	KEYS_MAX = 192, /* of a shard */
	EXACT = 16,     /* bursts up to this have buckets of their own */
	STEPS = 4,      /* buckets a doubling */
	SHIFT_MAX = 40,
};

static const uint64_t HOUR_NS = 3600000000000;
static const uint64_t AHEAD_MAX_NS = UINT64_C(1) << 62;

struct follow {
	uint64_t key;                /* 0: free */
	uint64_t tat[SKETCH_RATES];  /* theoretical arrival time, ns */
	uint64_t peak[SKETCH_RATES]; /* the furthest it was ahead, ns */
};

struct shard {
	pthread_mutex_t lock;
	uint64_t hour;
	unsigned used, shift; /* each key stands for 1 << shift */
	struct follow *slots; /* NULL until the first event */
};

struct sketch {
	_Atomic unsigned refs;
	struct shard shards[SHARDS];
	pthread_mutex_t lock; /* over ended */
	struct sketch_counts ended;
};

/* ---- scales ---- */

#define RATE(events, ms)                                                                           \
	{                                                                                          \
		events, ms, ms *UINT64_C(1000000) / events                                         \
	}
static const struct {
	uint32_t events, ms;
	uint64_t period_ns;
} rates[SKETCH_RATES] = {
	RATE(1, 3600000),
	RATE(6, 3600000),
	RATE(20, 3600000),
	RATE(1, 60000),
	RATE(3, 60000),
	RATE(10, 60000),
	RATE(30, 60000),
	RATE(1, 1000),
	RATE(2, 1000),
	RATE(5, 1000),
	RATE(10, 1000),
	RATE(20, 1000),
	RATE(50, 1000),
	RATE(100, 1000),
	RATE(200, 1000),
	RATE(1000, 1000),
};
#undef RATE

static uint64_t period_of(unsigned rate)
{
	return rates[rate].period_ns;
}

struct limit_rate sketch_rate(unsigned index)
{
	return limit_rate_make(rates[index].events, rates[index].ms, 1);
}

uint64_t sketch_burst_high(unsigned bucket)
{
	unsigned over = bucket - EXACT + 1;
	uint64_t base = EXACT;

	if (bucket < EXACT)
		return bucket + 1;
	if (bucket >= SKETCH_BUCKETS - 1)
		return LIMIT_EVENTS_MAX;
	base <<= over / STEPS;
	return base + base / STEPS * (over % STEPS);
}

uint64_t sketch_burst_low(unsigned bucket)
{
	return bucket == 0 ? 1 : sketch_burst_high(bucket - 1) + 1;
}

/* The smallest burst that lets a bucket so far ahead pass. */
static unsigned bucket_of(uint64_t peak_ns, uint64_t period_ns)
{
	uint64_t burst = (peak_ns + period_ns - 1) / period_ns;
	unsigned low = 0, high = SKETCH_BUCKETS - 1;

	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (sketch_burst_high(middle) >= burst)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void sketch_merge(struct sketch_counts *into, const struct sketch_counts *from)
{
	into->peers += from->peers;
	for (unsigned r = 0; r < SKETCH_RATES; r++)
		for (unsigned b = 0; b < SKETCH_BUCKETS; b++)
			into->n[r][b] += from->n[r][b];
}

/* The sum stays the sum of its parts: halves are rounded per rate as they fall. */
void sketch_age(struct sketch_counts *counts)
{
	counts->peers /= 2;
	for (unsigned r = 0; r < SKETCH_RATES; r++)
		for (unsigned b = 0; b < SKETCH_BUCKETS; b++)
			counts->n[r][b] /= 2;
}

/* ---- following ---- */

static void shard_count(const struct shard *d, struct sketch_counts *into)
{
	uint64_t weight = (uint64_t)1 << d->shift;

	for (unsigned i = 0; d->slots && i < SLOTS; i++) {
		const struct follow *f = &d->slots[i];

		if (!f->key)
			continue;
		into->peers += weight;
		for (unsigned r = 0; r < SKETCH_RATES; r++)
			into->n[r][bucket_of(f->peak[r], period_of(r))] += weight;
	}
}

/* The hour is over. */
static void shard_roll(struct sketch *s, struct shard *d, uint64_t hour)
{
	if (d->hour == hour)
		return;
	if (d->used > 0) {
		pthread_mutex_lock(&s->lock);
		shard_count(d, &s->ended);
		pthread_mutex_unlock(&s->lock);
		memset(d->slots, 0, SLOTS * sizeof(*d->slots));
	}
	d->hour = hour;
	d->used = d->shift = 0;
}

static bool is_sampled(const struct shard *d, uint64_t key)
{
	return (key >> 16 & (((uint64_t)1 << d->shift) - 1)) == 0;
}

static struct follow *slot_find(struct shard *d, uint64_t key)
{
	unsigned at = (unsigned)(key >> 8) % SLOTS;

	while (d->slots[at].key && d->slots[at].key != key)
		at = (at + 1) % SLOTS;
	return &d->slots[at];
}

/* About half of the keys go; those that stay were followed from their first event. */
static void shard_thin(struct shard *d)
{
	struct follow *old = d->slots;
	struct follow *fresh = calloc(SLOTS, sizeof(*fresh));

	if (!fresh) { /* then all of them */
		memset(old, 0, SLOTS * sizeof(*old));
		d->used = 0;
		return;
	}
	d->shift++;
	d->slots = fresh;
	d->used = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		if (!old[i].key || !is_sampled(d, old[i].key))
			continue;
		*slot_find(d, old[i].key) = old[i];
		d->used++;
	}
	free(old);
}

static void follow_add(struct follow *f, uint64_t now_ns)
{
	for (unsigned r = 0; r < SKETCH_RATES; r++) {
		uint64_t tat = f->tat[r] > now_ns ? f->tat[r] : now_ns;

		if (tat - now_ns < AHEAD_MAX_NS)
			tat += period_of(r);
		f->tat[r] = tat;
		if (tat - now_ns > f->peak[r])
			f->peak[r] = tat - now_ns;
	}
}

static void follow_add_part(struct follow *f, uint64_t now_ns, uint64_t parts)
{
	for (unsigned r = 0; r < SKETCH_RATES; r++) {
		unsigned __int128 cost = (unsigned __int128)period_of(r) * parts / SKETCH_ONE;
		uint64_t tat = f->tat[r] > now_ns ? f->tat[r] : now_ns;

		tat = cost < AHEAD_MAX_NS - (tat - now_ns) ? tat + (uint64_t)cost
							   : now_ns + AHEAD_MAX_NS;
		f->tat[r] = tat;
		if (tat - now_ns > f->peak[r])
			f->peak[r] = tat - now_ns;
	}
}

static void shard_add(struct shard *d, uint64_t key, uint64_t now_ns, uint64_t parts)
{
	struct follow *f;

	if (!d->slots && !(d->slots = calloc(SLOTS, sizeof(*d->slots))))
		return;
	if (!is_sampled(d, key))
		return;
	f = slot_find(d, key);
	if (!f->key && d->used >= KEYS_MAX) {
		while (d->used >= KEYS_MAX && d->shift < SHIFT_MAX)
			shard_thin(d);
		if (d->used >= KEYS_MAX || !is_sampled(d, key))
			return;
		f = slot_find(d, key);
	}
	if (!f->key) {
		f->key = key;
		d->used++;
	}
	if (parts == SKETCH_ONE)
		follow_add(f, now_ns);
	else
		follow_add_part(f, now_ns, parts);
}

void sketch_add(struct sketch *s, uint64_t key, uint64_t now_ns)
{
	sketch_add_part(s, key, now_ns, SKETCH_ONE);
}

void sketch_add_part(struct sketch *s, uint64_t key, uint64_t now_ns, uint64_t parts)
{
	struct shard *d;

	key = key ? key : 1;
	d = &s->shards[key % SHARDS];
	pthread_mutex_lock(&d->lock);
	shard_roll(s, d, now_ns / HOUR_NS);
	shard_add(d, key, now_ns, parts);
	pthread_mutex_unlock(&d->lock);
}

void sketch_take(struct sketch *s, uint64_t now_ns, struct sketch_counts *ended,
	struct sketch_counts *running)
{
	memset(running, 0, sizeof(*running));
	for (unsigned i = 0; i < SHARDS; i++) {
		struct shard *d = &s->shards[i];

		pthread_mutex_lock(&d->lock);
		shard_roll(s, d, now_ns / HOUR_NS);
		shard_count(d, running);
		pthread_mutex_unlock(&d->lock);
	}
	pthread_mutex_lock(&s->lock);
	*ended = s->ended;
	memset(&s->ended, 0, sizeof(s->ended));
	pthread_mutex_unlock(&s->lock);
}

struct sketch *sketch_new(void)
{
	struct sketch *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	pthread_mutex_init(&s->lock, NULL);
	for (unsigned i = 0; i < SHARDS; i++)
		pthread_mutex_init(&s->shards[i].lock, NULL);
	return s;
}

struct sketch *sketch_ref(struct sketch *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

void sketch_unref(struct sketch *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	for (unsigned i = 0; i < SHARDS; i++) {
		pthread_mutex_destroy(&s->shards[i].lock);
		free(s->shards[i].slots);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}
