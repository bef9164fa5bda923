/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of failed logins and the words for them: beside limit.c, for the doors and for
 * expectations. In: keys (hashes, never names) and moments. Out: how many failures of a key lie in
 * the window. A window is cut into slices, one counter each: a failure is forgotten between seven
 * eighths of the window and the whole of it, and nothing needs sweeping. The table has a fixed
 * size; what gives way is whoever failed least, so that fresh names in any number do not make the
 * worst forgotten. It reads no clock and judges nobody. */
#include "rules/login.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "rules/rules.h"
#include "xmpp/ns.h"

enum { SLOTS = 16, SHARDS = 16 };

struct slot {
	uint64_t key;                  /* 0: free */
	uint64_t slice;                /* of the last failure, counted from the clock's beginning */
	uint16_t counts[LOGIN_SLICES]; /* by slice % LOGIN_SLICES */
};

struct login_table {
	uint64_t slice_ns;
	size_t mask; /* buckets - 1 */
	struct slot (*buckets)[SLOTS];
	pthread_mutex_t locks[SHARDS];
};

const char *login_failure_word(const struct xml_element *failure)
{
	const struct xml_element *e = element_first(failure);

	for (; e; e = element_next(e, NULL, NULL)) {
		if ((strcmp(e->ns, NS_SASL) == 0 || strcmp(e->ns, failure->ns) == 0) &&
			strcmp(e->name, "text") != 0)
			return e->name;
	}
	return "not-authorized";
}

bool login_failure_counts(const char *word)
{
	static const char *const innocent[] = { "aborted",
		"credentials-expired", "encryption-required", "invalid-mechanism",
		"mechanism-too-weak" };

	for (size_t i = 0; i < sizeof(innocent) / sizeof(*innocent); i++)
		if (strcmp(word, innocent[i]) == 0)
			return false;
	return !login_failure_is_servers(word);
}

bool login_failure_is_servers(const char *word)
{
	static const char *const faults[] = { "temporary-auth-failure", "internal-server-error",
		"remote-connection-failed", "resource-constraint", "service-unavailable",
		"system-shutdown" };

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		if (strcmp(word, faults[i]) == 0)
			return true;
	return false;
}

void login_try(struct subject_login *l, const struct xml_element *failure)
{
	l->failure = login_failure_word(failure);
	l->of_peer += login_failure_counts(l->failure);
	l->of_account = l->account ? l->of_peer : 0;
}

struct login_table *login_table_new(size_t entries, uint64_t window_ns)
{
	struct login_table *t = calloc(1, sizeof(*t));
	size_t buckets = 1;

	while (buckets * SLOTS < entries && buckets < (size_t)1 << 20)
		buckets *= 2;
	if (!t || !(t->buckets = calloc(buckets, sizeof(*t->buckets)))) {
		free(t);
		return NULL;
	}
	t->mask = buckets - 1;
	t->slice_ns = window_ns / LOGIN_SLICES ? window_ns / LOGIN_SLICES : 1;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&t->locks[i], NULL);
	return t;
}

void login_table_free(struct login_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SHARDS; i++)
		pthread_mutex_destroy(&t->locks[i]);
	free(t->buckets);
	free(t);
}

/* What lies in the window that ends with this slice. */
static uint64_t slot_sum(const struct slot *s, uint64_t slice)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < LOGIN_SLICES && i <= s->slice; i++)
		if (slice < s->slice - i + LOGIN_SLICES)
			sum += s->counts[(s->slice - i) % LOGIN_SLICES];
	return sum;
}

/* The slices since the last failure begin empty. */
static void slot_advance(struct slot *s, uint64_t slice)
{
	for (uint64_t i = 1; s->slice + i <= slice && i <= LOGIN_SLICES; i++)
		s->counts[(s->slice + i) % LOGIN_SLICES] = 0;
	if (s->slice < slice)
		s->slice = slice;
}

/* The key's slot, or the one that gives way. */
static struct slot *bucket_find(struct slot *slots, uint64_t key, uint64_t slice)
{
	struct slot *least = &slots[0];

	for (unsigned i = 0; i < SLOTS; i++)
		if (slots[i].key == key)
			return &slots[i];
	for (unsigned i = 1; i < SLOTS; i++) {
		uint64_t sum = slot_sum(&slots[i], slice), fewest = slot_sum(least, slice);

		if (sum < fewest || (sum == fewest && slots[i].slice < least->slice))
			least = &slots[i];
	}
	return least;
}

uint64_t login_table_add(struct login_table *t, uint64_t key, uint64_t now_ns, metric *evicted)
{
	uint64_t slice = now_ns / t->slice_ns, sum;
	struct slot *s;
	size_t at;

	key = key ? key : 1;
	at = key & t->mask;
	pthread_mutex_lock(&t->locks[at % SHARDS]);
	s = bucket_find(t->buckets[at], key, slice);
	if (s->key != key) {
		if (s->key && slot_sum(s, slice) > 0)
			metric_add(evicted, 1);
		*s = (struct slot){ .key = key, .slice = slice };
	}
	slot_advance(s, slice);
	if (s->counts[s->slice % LOGIN_SLICES] < UINT16_MAX)
		s->counts[s->slice % LOGIN_SLICES]++;
	sum = slot_sum(s, slice);
	pthread_mutex_unlock(&t->locks[at % SHARDS]);
	return sum;
}

uint64_t login_table_count(struct login_table *t, uint64_t key, uint64_t now_ns)
{
	uint64_t slice = now_ns / t->slice_ns, sum = 0;
	size_t at;

	key = key ? key : 1;
	at = key & t->mask;
	pthread_mutex_lock(&t->locks[at % SHARDS]);
	for (unsigned i = 0; i < SLOTS; i++)
		if (t->buckets[at][i].key == key)
			sum = slot_sum(&t->buckets[at][i], slice);
	pthread_mutex_unlock(&t->locks[at % SHARDS]);
	return sum;
}
