/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of a policy. Both tables are one shape: buckets of sixteen slots under a few locks, a
 * key lives in the bucket its keyed hash names, and in a full bucket the coldest slot gives way.
 * For rates the slot is GCRA's theoretical arrival time (TAT): a TAT in the past is the same as no
 * entry, so nothing needs sweeping, and the coldest is the one nearest to that, which keeps the
 * worst offenders however many fresh keys an attacker invents. For pairs it is the moment of use.
 * Keys are SipHash values, never the strings. Nothing here reads a clock or knows a stanza. */
#include "rules/limit.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { SLOTS = 16, SHARDS = 64 };

struct slot {
	uint64_t key;  /* 0: free */
	uint64_t heat; /* rates: TAT in ns; pairs: use counter << 2 | bits */
};

struct bucket {
	struct slot slots[SLOTS];
};

struct table {
	_Atomic unsigned refs;
	size_t mask; /* buckets - 1 */
	struct bucket *buckets;
	_Atomic uint64_t uses;
	pthread_mutex_t locks[SHARDS];
};

struct limit_table {
	struct table table;
};

struct pair_table {
	struct table table;
};

static struct table *table_new(size_t entries)
{
	struct table *t = calloc(1, sizeof(*t));
	size_t buckets = 1;

	while (buckets * SLOTS < entries && buckets < (size_t)1 << 24)
		buckets *= 2;
	if (!t || !(t->buckets = calloc(buckets, sizeof(*t->buckets)))) {
		free(t);
		return NULL;
	}
	t->mask = buckets - 1;
	atomic_init(&t->refs, 1);
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&t->locks[i], NULL);
	return t;
}

static void table_unref(struct table *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&t->locks[i]);
	free(t->buckets);
	free(t);
}

static size_t table_index(const struct table *t, uint64_t *key)
{
	if (*key == 0)
		*key = 1;
	return *key & t->mask;
}

static pthread_mutex_t *table_lock(struct table *t, size_t index)
{
	pthread_mutex_t *lock = &t->locks[index % SHARDS];

	pthread_mutex_lock(lock);
	return lock;
}

/* The key's slot, or the coldest one of its bucket. */
static struct slot *bucket_find(struct bucket *b, uint64_t key)
{
	struct slot *coldest = &b->slots[0];

	for (size_t i = 0; i < SLOTS; i++) {
		struct slot *s = &b->slots[i];
		if (s->key == key)
			return s;
		if (!s->key ? coldest->key != 0 : coldest->key && s->heat < coldest->heat)
			coldest = s;
	}
	return coldest;
}

/* ---- rates ---- */

struct limit_table *limit_table_new(size_t entries)
{
	return (struct limit_table *)table_new(entries);
}

struct limit_table *limit_table_ref(struct limit_table *t)
{
	atomic_fetch_add(&t->table.refs, 1);
	return t;
}

void limit_table_unref(struct limit_table *t)
{
	table_unref((struct table *)t);
}

bool limit_table_count(struct limit_table *t, uint64_t key, uint64_t now_ns, uint64_t period_ns,
	uint64_t tolerance_ns, metric *evicted)
{
	size_t index = table_index(&t->table, &key);
	pthread_mutex_t *lock = table_lock(&t->table, index);
	struct slot *s = bucket_find(&t->table.buckets[index], key);
	uint64_t tat = now_ns;
	bool exceeded;

	if (s->key == key)
		tat = s->heat > now_ns ? s->heat : now_ns;
	else if (s->key && s->heat > now_ns)
		metric_add(evicted, 1);
	if (tat - now_ns > tolerance_ns)
		s->heat = tat = now_ns + tolerance_ns; /* counted under an older, slower rate */
	tat += period_ns;
	exceeded = tat - now_ns > tolerance_ns;
	if (!exceeded)
		*s = (struct slot){ key, tat };
	pthread_mutex_unlock(lock);
	return exceeded;
}

size_t limit_table_used(struct limit_table *t, uint64_t now_ns)
{
	size_t n = 0;

	for (size_t i = 0; i <= t->table.mask; i++) {
		pthread_mutex_t *lock = table_lock(&t->table, i);
		for (size_t k = 0; k < SLOTS; k++)
			n += t->table.buckets[i].slots[k].heat > now_ns;
		pthread_mutex_unlock(lock);
	}
	return n;
}

/* ---- pairs ---- */

struct pair_table *pair_table_new(size_t entries)
{
	return (struct pair_table *)table_new(entries);
}

struct pair_table *pair_table_ref(struct pair_table *t)
{
	atomic_fetch_add(&t->table.refs, 1);
	return t;
}

void pair_table_unref(struct pair_table *t)
{
	table_unref((struct table *)t);
}

unsigned pair_table_find(struct pair_table *t, uint64_t key)
{
	size_t index = table_index(&t->table, &key);
	pthread_mutex_t *lock = table_lock(&t->table, index);
	const struct slot *s = bucket_find(&t->table.buckets[index], key);
	unsigned bits = s->key == key ? (unsigned)(s->heat & 3) : 0;

	pthread_mutex_unlock(lock);
	return bits;
}

void pair_table_add(struct pair_table *t, uint64_t key, unsigned bits, metric *evicted)
{
	size_t index = table_index(&t->table, &key);
	uint64_t use = atomic_fetch_add_explicit(&t->table.uses, 1, memory_order_relaxed) + 1;
	pthread_mutex_t *lock = table_lock(&t->table, index);
	struct slot *s = bucket_find(&t->table.buckets[index], key);

	assert(bits && bits <= 3);
	if (s->key == key)
		bits |= (unsigned)(s->heat & 3);
	else if (s->key)
		metric_add(evicted, 1);
	*s = (struct slot){ key, use << 2 | bits };
	pthread_mutex_unlock(lock);
}
