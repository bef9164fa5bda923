/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose fault is it that logins fail? Beside proxy/login.c, before a failure becomes a strike. In:
 * where logins succeed and where they fail. Out: whether those who could log in within a day have
 * all begun to fail, from several addresses and with nobody let in meanwhile: then it is the
 * server's, and nobody is to be struck for it. Two fixed tables, shared by all threads under one
 * lock: addresses that logged in, by hash, of which the oldest of a bucket gives way; and those of
 * them that failed since somebody got in. Strangers that fail prove nothing, so a guesser cannot
 * make an outage; who has several addresses with accounts could, until the next honest login ends
 * it. */
#include "door/outage.h"

#include <pthread.h>
#include <string.h>
#include "base/map.h"

enum { BUCKETS = 8192, WAYS = 8 };

static struct known {
	uint64_t key; /* 0: free */
	uint64_t at_s;
} known[BUCKETS][WAYS];

static struct failing {
	uint64_t key, at_ms;
} failing[OUTAGE_ADDRESSES];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_failing;
static uint64_t told_ms; /* 0: not yet */

static uint64_t key_of(const struct peer_address *a)
{
	struct peer_address key = *a;

	if (!address_is_v4(a))
		memset(key.bytes + 8, 0, 8);
	return map_hash(key.bytes, sizeof(key.bytes)) | 1;
}

/* Its place, or the one that gives way. */
static struct known *place_of(uint64_t key)
{
	struct known *bucket = known[(key >> 1) % BUCKETS], *oldest = bucket;

	for (unsigned i = 0; i < WAYS; i++) {
		if (bucket[i].key == key)
			return &bucket[i];
		oldest = bucket[i].at_s < oldest->at_s ? &bucket[i] : oldest;
	}
	return oldest;
}

void outage_succeeded(const struct peer_address *a, uint64_t now_ms)
{
	uint64_t key = key_of(a);

	pthread_mutex_lock(&lock);
	*place_of(key) = (struct known){ key, now_ms / 1000 };
	n_failing = 0;
	told_ms = 0;
	pthread_mutex_unlock(&lock);
}

/* Those that failed longer ago than the window no longer count. */
static void failing_expire(uint64_t now_ms)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_failing; i++)
		if (now_ms - failing[i].at_ms < OUTAGE_WINDOW_MS)
			failing[n++] = failing[i];
	n_failing = n;
}

static void failing_add(uint64_t key, uint64_t now_ms)
{
	unsigned i = 0;

	while (i < n_failing && failing[i].key != key)
		i++;
	if (i == n_failing && n_failing < OUTAGE_ADDRESSES)
		n_failing++;
	if (i < OUTAGE_ADDRESSES)
		failing[i] = (struct failing){ key, now_ms };
}

bool outage_failed(const struct peer_address *a, uint64_t now_ms, bool *news)
{
	uint64_t key = key_of(a);
	const struct known *place;
	bool excused;

	pthread_mutex_lock(&lock);
	place = place_of(key);
	failing_expire(now_ms);
	if (place->key == key && now_ms / 1000 - place->at_s < OUTAGE_LATELY_S)
		failing_add(key, now_ms);
	excused = n_failing >= OUTAGE_ADDRESSES;
	*news = excused && (!told_ms || now_ms - told_ms >= OUTAGE_WINDOW_MS);
	told_ms = *news ? now_ms : told_ms;
	pthread_mutex_unlock(&lock);
	return excused;
}

void outage_forget(void)
{
	pthread_mutex_lock(&lock);
	memset(known, 0, sizeof(known));
	n_failing = 0;
	told_ms = 0;
	pthread_mutex_unlock(&lock);
}
