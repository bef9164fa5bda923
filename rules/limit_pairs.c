/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of a limit's key and a value, beside the table of rates (limit.c), for limits that count
 * distinct values. Buckets of eight slots under a few locks; a pair lives in the bucket its hash
 * names, and one that was not seen within the window is no more there. In a full bucket the one
 * unseen for longest gives way, and whoever asked is told whose it was, to make good for it: a pair
 * forgotten counts anew, which must not be its owner's loss. Hashes only, no clock, no strings. */
#include "rules/limit_pairs.h"

#include <pthread.h>
#include <stdlib.h>

enum { SLOTS = 8, SHARDS = 64, BUCKETS_MAX = 1 << 24 };

struct slot {
	uint64_t pair, owner; /* owner 0: free */
	uint64_t seen_ns;
};

struct bucket {
	struct slot slots[SLOTS];
};

struct limit_pairs {
	size_t mask; /* buckets - 1 */
	struct bucket *buckets;
	pthread_mutex_t locks[SHARDS];
};

struct limit_pairs *limit_pairs_new(size_t entries)
{
	struct limit_pairs *t = calloc(1, sizeof(*t));
	size_t buckets = 1;

	while (buckets * SLOTS < entries && buckets < BUCKETS_MAX)
		buckets *= 2;
	if (!t || !(t->buckets = calloc(buckets, sizeof(*t->buckets)))) {
		free(t);
		return NULL;
	}
	t->mask = buckets - 1;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&t->locks[i], NULL);
	return t;
}

void limit_pairs_free(struct limit_pairs *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&t->locks[i]);
	free(t->buckets);
	free(t);
}

static struct bucket *bucket_lock(struct limit_pairs *t, uint64_t pair, pthread_mutex_t **lock)
{
	size_t index = pair & t->mask;

	*lock = &t->locks[index % SHARDS];
	pthread_mutex_lock(*lock);
	return &t->buckets[index];
}

static bool slot_lives(const struct slot *s, uint64_t now_ns, uint64_t window_ns)
{
	return s->owner && (s->seen_ns >= now_ns || now_ns - s->seen_ns < window_ns);
}

/* The pair's slot, else a free one, else the one unseen for longest. */
static struct slot *bucket_find(struct bucket *b, uint64_t pair)
{
	struct slot *oldest = &b->slots[0];

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &b->slots[i];

		if (s->owner && s->pair == pair)
			return s;
		if (!s->owner ? oldest->owner != 0 : oldest->owner && s->seen_ns < oldest->seen_ns)
			oldest = s;
	}
	return oldest;
}

bool limit_pairs_find(struct limit_pairs *t, uint64_t pair, uint64_t now_ns, uint64_t window_ns)
{
	pthread_mutex_t *lock;
	struct slot *s = bucket_find(bucket_lock(t, pair, &lock), pair);
	bool found = s->pair == pair && slot_lives(s, now_ns, window_ns);

	if (found && s->seen_ns < now_ns)
		s->seen_ns = now_ns;
	pthread_mutex_unlock(lock);
	return found;
}

uint64_t limit_pairs_add(
	struct limit_pairs *t, uint64_t pair, uint64_t owner, uint64_t now_ns, uint64_t window_ns)
{
	pthread_mutex_t *lock;
	struct slot *s = bucket_find(bucket_lock(t, pair, &lock), pair);
	uint64_t loser = slot_lives(s, now_ns, window_ns) ? s->owner : 0;

	*s = (struct slot){ pair, owner, now_ns };
	pthread_mutex_unlock(lock);
	return loser;
}
