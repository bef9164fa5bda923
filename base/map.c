/* SPDX-License-Identifier: BSD-2-Clause */
/* The one hash table of the house: sessions by id, counters by name, addresses, list entries.
 * In: keys that peers may have chosen. Out: pointers. Open addressing with linear probing; removed
 * entries leave a mark until the next rebuild, so that a walk may remove what it was just given.
 * Load stays at or under three quarters, marks included. It never owns values and never locks. */
#include "base/map.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "base/siphash.h"

enum { MAP_FIRST_CAP = 16 };

/* A slot without a key is empty (hash 0) or was removed (hash 1). */
enum { SLOT_EMPTY = 0, SLOT_DEAD = 1 };

static uint8_t map_key[16];
static pthread_once_t map_key_once = PTHREAD_ONCE_INIT;

static void map_key_init(void)
{
	size_t got = 0;

	while (got < sizeof(map_key)) {
		ssize_t n = getrandom(map_key + got, sizeof(map_key) - got, 0);

		if (n > 0)
			got += (size_t)n;
		else if (n == 0 || errno != EINTR)
			abort(); /* a guessable key would hand peers our worst case */
	}
}

uint64_t map_hash(const void *key, size_t len)
{
	pthread_once(&map_key_once, map_key_init);
	return siphash24(map_key, key, len);
}

void map_init(struct map *m)
{
	*m = (struct map){ 0 };
}

void map_fini(struct map *m, void (*free_value)(void *))
{
	for (size_t i = 0; i < m->cap; i++) {
		if (!m->slots[i].key)
			continue;
		if (free_value)
			free_value(m->slots[i].value);
		free(m->slots[i].key);
	}
	free(m->slots);
	map_init(m);
}

static struct map_entry *map_locate(const struct map *m, uint64_t hash, const void *key, size_t len)
{
	size_t mask = m->cap - 1;

	if (m->count == 0)
		return NULL;
	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		struct map_entry *e = &m->slots[i];

		if (!e->key && e->hash == SLOT_EMPTY)
			return NULL;
		if (e->key && e->hash == hash && e->key_len == len &&
			(len == 0 || memcmp(e->key, key, len) == 0))
			return e;
	}
}

static struct map_entry *map_free_slot(struct map_entry *slots, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (slots[i].key)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

/* New table with room for one more entry, without the marks of removed ones. */
static int map_rebuild(struct map *m)
{
	struct map_entry *slots;
	size_t cap = MAP_FIRST_CAP;

	while (cap / 2 < m->count + 1) {
		if (cap > SIZE_MAX / sizeof(*slots) / 2)
			return -ENOMEM;
		cap *= 2;
	}
	slots = calloc(cap, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < m->cap; i++) {
		if (m->slots[i].key)
			*map_free_slot(slots, cap, m->slots[i].hash) = m->slots[i];
	}
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	m->dead = 0;
	return 0;
}

void *map_find(const struct map *m, const void *key, size_t len)
{
	struct map_entry *e = m->count ? map_locate(m, map_hash(key, len), key, len) : NULL;

	return e ? e->value : NULL;
}

bool map_has(const struct map *m, const void *key, size_t len)
{
	return m->count && map_locate(m, map_hash(key, len), key, len);
}

int map_put(struct map *m, const void *key, size_t len, void *value, void **old)
{
	uint64_t hash = map_hash(key, len);
	struct map_entry *e = map_locate(m, hash, key, len);
	char *copy;
	int r;

	if (old)
		*old = e ? e->value : NULL;
	if (e) {
		e->value = value;
		return 0;
	}
	if (len == SIZE_MAX || !(copy = malloc(len + 1)))
		return -ENOMEM;
	if (len)
		memcpy(copy, key, len);
	copy[len] = '\0';
	if ((m->count + m->dead + 1) > m->cap / 4 * 3 && (r = map_rebuild(m)) < 0) {
		free(copy);
		return r;
	}
	e = map_free_slot(m->slots, m->cap, hash);
	if (e->hash == SLOT_DEAD)
		m->dead--;
	*e = (struct map_entry){ .hash = hash, .key = copy, .key_len = len, .value = value };
	m->count++;
	return 0;
}

void *map_take(struct map *m, const void *key, size_t len)
{
	struct map_entry *e = map_locate(m, map_hash(key, len), key, len);
	size_t mask = m->cap - 1, i;
	void *value;

	if (!e)
		return NULL;
	value = e->value;
	free(e->key);
	*e = (struct map_entry){ .hash = SLOT_DEAD };
	m->count--;
	m->dead++;
	/* At the end of a probe chain the marks serve nobody: clear this one and those before it.
	 */
	i = (size_t)(e - m->slots);
	if (m->slots[(i + 1) & mask].key || m->slots[(i + 1) & mask].hash != SLOT_EMPTY)
		return value;
	for (; !m->slots[i].key && m->slots[i].hash == SLOT_DEAD; i = (i - 1) & mask) {
		m->slots[i].hash = SLOT_EMPTY;
		m->dead--;
	}
	return value;
}

bool map_each(const struct map *m, size_t *at, struct map_entry **entry)
{
	for (; *at < m->cap; ++*at) {
		if (!m->slots[*at].key)
			continue;
		*entry = &m->slots[(*at)++];
		return true;
	}
	return false;
}
