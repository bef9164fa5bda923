/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of a policy. Both tables are one shape: buckets of sixteen slots under a few locks, a
 * key lives in the bucket its keyed hash names, and in a full bucket the coldest slot gives way.
 * For rates the slot is GCRA's theoretical arrival time (TAT): a TAT in the past is the same as no
 * entry, so nothing needs sweeping, and the coldest is the one nearest to that, which keeps the
 * worst offenders however many fresh keys an attacker invents. For pairs it is the moment of use.
 * Keys are SipHash values, never the strings. Nothing here reads a clock or knows a stanza. */
#include "rules/limit.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/map.h"
#include "rules/limit_pairs.h"

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
	struct limit_pairs *pairs; /* NULL: it counts no values */
};

struct pair_table {
	struct table table;
};

static int table_init(struct table *t, size_t entries)
{
	size_t buckets = 1;

	while (buckets * SLOTS < entries && buckets < (size_t)1 << 24)
		buckets *= 2;
	if (!(t->buckets = calloc(buckets, sizeof(*t->buckets))))
		return -ENOMEM;
	t->mask = buckets - 1;
	atomic_init(&t->refs, 1);
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&t->locks[i], NULL);
	return 0;
}

/* One reference less: was it the last? Then the table is empty, and the caller frees what holds it. */
static bool table_unref(struct table *t)
{
	if (atomic_fetch_sub(&t->refs, 1) != 1)
		return false;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&t->locks[i]);
	free(t->buckets);
	return true;
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

struct limit_table *limit_table_new(size_t entries, bool pairs)
{
	struct limit_table *t = calloc(1, sizeof(*t));

	if (!t || table_init(&t->table, entries) < 0) {
		free(t);
		return NULL;
	}
	if (pairs && !(t->pairs = limit_pairs_new(entries))) {
		limit_table_unref(t);
		return NULL;
	}
	return t;
}

struct limit_table *limit_table_ref(struct limit_table *t)
{
	atomic_fetch_add(&t->table.refs, 1);
	return t;
}

void limit_table_unref(struct limit_table *t)
{
	if (!t || !table_unref(&t->table))
		return;
	limit_pairs_free(t->pairs);
	free(t);
}

bool limit_table_count(struct limit_table *t, uint64_t key, uint64_t now_ns, uint64_t cost_ns,
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
	tat += cost_ns;
	exceeded = tat - now_ns > tolerance_ns;
	if (!exceeded)
		*s = (struct slot){ key, tat };
	pthread_mutex_unlock(lock);
	return exceeded;
}

/* What it cost the key is given back. */
static void limit_table_refund(struct limit_table *t, uint64_t key, uint64_t now_ns, uint64_t cost_ns)
{
	size_t index = table_index(&t->table, &key);
	pthread_mutex_t *lock = table_lock(&t->table, index);
	struct slot *s = bucket_find(&t->table.buckets[index], key);

	if (s->key == key && s->heat > now_ns)
		s->heat = s->heat - now_ns > cost_ns ? s->heat - cost_ns : now_ns;
	pthread_mutex_unlock(lock);
}

/* Those values the key has not had lately, each once. */
static unsigned values_fresh(struct limit_table *t, uint64_t key, const uint64_t *values, unsigned n,
	uint64_t now_ns, uint64_t window_ns, uint64_t *fresh)
{
	unsigned n_fresh = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t both[] = { key, values[i] }, pair = map_hash(both, sizeof(both));
		bool twice = false;

		for (unsigned k = 0; k < n_fresh; k++)
			twice = twice || fresh[k] == pair;
		if (!twice && !limit_pairs_find(t->pairs, pair, now_ns, window_ns))
			fresh[n_fresh++] = pair;
	}
	return n_fresh;
}

bool limit_table_count_values(struct limit_table *t, uint64_t key, const uint64_t *values, unsigned n,
	uint64_t now_ns, const struct limit_rate *rate, metric *evicted, unsigned *n_fresh)
{
	/* What is forgotten later than it is earned back need not be given back. */
	uint64_t window = rate->window_ns > rate->tolerance_ns ? rate->window_ns : rate->tolerance_ns;
	uint64_t fresh[LIMIT_VALUES_MAX];

	assert(t->pairs && n <= LIMIT_VALUES_MAX);
	key = key ? key : 1;
	*n_fresh = values_fresh(t, key, values, n, now_ns, window, fresh);
	if (*n_fresh == 0)
		return false;
	if (limit_table_count(t, key, now_ns, limit_rate_cost(rate, *n_fresh), rate->tolerance_ns,
		    evicted))
		return true;
	for (unsigned i = 0; i < *n_fresh; i++) {
		uint64_t loser = limit_pairs_add(t->pairs, fresh[i], key, now_ns, window);

		if (!loser)
			continue;
		metric_add(evicted, 1);
		limit_table_refund(t, loser, now_ns, rate->period_ns);
	}
	return false;
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
	struct pair_table *t = calloc(1, sizeof(*t));

	if (t && table_init(&t->table, entries) < 0) {
		free(t);
		return NULL;
	}
	return t;
}

struct pair_table *pair_table_ref(struct pair_table *t)
{
	atomic_fetch_add(&t->table.refs, 1);
	return t;
}

void pair_table_unref(struct pair_table *t)
{
	if (t && table_unref(&t->table))
		free(t);
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
