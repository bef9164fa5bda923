/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is connected from where: asked by listen.c (ceilings), apply.c (is an address shared, so that
 * a ban would hit others) and by rules that look at who else is there. In: sessions that come, log in and go. Out: counts.
 * Sharded by address, and once more by account, a mutex a shard; an entry lives as long as sessions of its address or
 * account do, so its size is bounded by the sessions' ceiling. It never decides: the callers do. */
#include "door/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/map.h"

enum {
	REGISTRY_SHARDS = 64,
	REGISTRY_NEWS = 64, /* a shard, a second; who finds no room comes with the next sweep */
};

struct jid_use {
	struct jid_use *next;
	unsigned count;
	char bare[];
};

struct address_use {
	unsigned sessions, n_jids;
	struct jid_use *jids;
	uint64_t told_ms; /* that it logged in; 0: not yet */
};

/* Sessions by bare JID, wherever they come from. */
static struct account_shard {
	pthread_mutex_t lock;
	struct map counts; /* unsigned * */
} accounts[REGISTRY_SHARDS] = { [0 ... REGISTRY_SHARDS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER } };

static struct registry_shard {
	pthread_mutex_t lock;
	struct map addresses;
	struct peer_address news[REGISTRY_NEWS]; /* logged in, and to be told */
	unsigned n_news;
} shards[REGISTRY_SHARDS] = { [0 ... REGISTRY_SHARDS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER } };

/* Services are few and never leave. */
static pthread_mutex_t services_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map services;
static atomic_size_t sessions_all;

/* Whoever has one address of an IPv6 /64 has them all: they count as one, as they do for bans. */
static struct peer_address registry_key(const struct peer_address *address)
{
	struct peer_address key = *address;

	if (!address_is_v4(address))
		memset(key.bytes + 8, 0, 8);
	return key;
}

static struct registry_shard *registry_lock(const struct peer_address *address)
{
	struct registry_shard *shard =
		&shards[map_hash(address->bytes, sizeof(address->bytes)) % REGISTRY_SHARDS];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

static struct address_use *registry_find(
	struct registry_shard *shard, const struct peer_address *address)
{
	return map_find(&shard->addresses, address->bytes, sizeof(address->bytes));
}

static atomic_uint *registry_service(const char *name)
{
	atomic_uint *count;

	pthread_mutex_lock(&services_lock);
	count = map_find(&services, name, strlen(name));
	if (!count && (count = calloc(1, sizeof(*count))) &&
		map_put(&services, name, strlen(name), count, NULL) < 0) {
		free(count);
		count = NULL;
	}
	pthread_mutex_unlock(&services_lock);
	return count;
}

static enum registry_result registry_enter_address(const struct peer_address *address, unsigned max)
{
	struct registry_shard *shard = registry_lock(address);
	struct address_use *use = registry_find(shard, address);
	enum registry_result result = REGISTRY_OK;

	if (!use) {
		use = calloc(1, sizeof(*use));
		if (use && map_put(&shard->addresses, address->bytes, sizeof(address->bytes), use,
				   NULL) < 0) {
			free(use);
			use = NULL;
		}
	}
	if (!use)
		result = REGISTRY_NO_MEMORY;
	else if (max && use->sessions >= max)
		result = REGISTRY_ADDRESS_FULL;
	else
		use->sessions++;
	pthread_mutex_unlock(&shard->lock);
	return result;
}

enum registry_result registry_enter(const char *service, const struct peer_address *from,
	unsigned sessions_max, unsigned per_address)
{
	const struct peer_address key = registry_key(from), *address = &key;
	atomic_uint *count = registry_service(service);
	enum registry_result result;

	if (!count)
		return REGISTRY_NO_MEMORY;
	if (atomic_fetch_add(count, 1) >= sessions_max) {
		atomic_fetch_sub(count, 1);
		return REGISTRY_FULL;
	}
	result = registry_enter_address(address, per_address);
	if (result != REGISTRY_OK)
		atomic_fetch_sub(count, 1);
	else
		atomic_fetch_add(&sessions_all, 1);
	return result;
}

/* One more or less; 0: how many. */
static unsigned account_add(const char *bare, int change)
{
	size_t len = strlen(bare);
	struct account_shard *shard = &accounts[map_hash(bare, len) % REGISTRY_SHARDS];
	unsigned *count, n;

	pthread_mutex_lock(&shard->lock);
	count = map_find(&shard->counts, bare, len);
	if (!count && change > 0 && (count = calloc(1, sizeof(*count))) &&
		map_put(&shard->counts, bare, len, count, NULL) < 0) {
		free(count);
		count = NULL;
	}
	if (count)
		*count += (unsigned)change;
	n = count ? *count : 0;
	if (count && n == 0) {
		map_take(&shard->counts, bare, len);
		free(count);
	}
	pthread_mutex_unlock(&shard->lock);
	return n;
}

static void address_use_free(struct address_use *use)
{
	struct jid_use *jid;

	while ((jid = use->jids)) {
		use->jids = jid->next;
		account_add(jid->bare, -(int)jid->count);
		free(jid);
	}
	free(use);
}

void registry_leave(const char *service, const struct peer_address *from)
{
	const struct peer_address key = registry_key(from), *address = &key;
	struct registry_shard *shard = registry_lock(address);
	struct address_use *use = registry_find(shard, address);

	if (use && --use->sessions == 0) {
		map_take(&shard->addresses, address->bytes, sizeof(address->bytes));
		address_use_free(use);
	}
	pthread_mutex_unlock(&shard->lock);
	atomic_fetch_sub(registry_service(service), 1);
	atomic_fetch_sub(&sessions_all, 1);
}

static struct jid_use **registry_jid(struct address_use *use, const char *bare)
{
	struct jid_use **at = &use->jids;

	while (*at && strcmp((*at)->bare, bare) != 0)
		at = &(*at)->next;
	return at;
}

static void registry_note(struct registry_shard *shard, struct address_use *use,
	const struct peer_address *key, uint64_t now_ms)
{
	if (shard->n_news == REGISTRY_NEWS)
		return;
	shard->news[shard->n_news++] = *key;
	use->told_ms = now_ms;
}

int registry_login(const struct peer_address *from, const char *bare)
{
	const struct peer_address key = registry_key(from), *address = &key;
	struct registry_shard *shard = registry_lock(address);
	struct address_use *use = registry_find(shard, address);
	struct jid_use **at = use ? registry_jid(use, bare) : NULL;
	int r = 0;

	if (at && !*at) {
		*at = calloc(1, sizeof(**at) + strlen(bare) + 1);
		if (*at) {
			strcpy((*at)->bare, bare);
			use->n_jids++;
		} else {
			r = -ENOMEM;
		}
	}
	if (at && *at) {
		(*at)->count++;
		account_add(bare, 1);
		if (!use->told_ms)
			registry_note(shard, use, address, clock_mono_ms());
	}
	pthread_mutex_unlock(&shard->lock);
	return r;
}

void registry_logout(const struct peer_address *from, const char *bare)
{
	const struct peer_address key = registry_key(from), *address = &key;
	struct registry_shard *shard = registry_lock(address);
	struct address_use *use = registry_find(shard, address);
	struct jid_use **at = use ? registry_jid(use, bare) : NULL;

	if (at && *at) {
		struct jid_use *jid = *at;

		account_add(bare, -1);
		if (--jid->count == 0) {
			*at = jid->next;
			use->n_jids--;
			free(jid);
		}
	}
	pthread_mutex_unlock(&shard->lock);
}

bool registry_is_shared(const struct peer_address *from, const char *bare)
{
	const struct peer_address key = registry_key(from), *address = &key;
	struct registry_shard *shard = registry_lock(address);
	struct address_use *use = registry_find(shard, address);
	bool shared = false;

	for (struct jid_use *jid = use ? use->jids : NULL; jid && !shared; jid = jid->next)
		shared = strcmp(jid->bare, bare ? bare : "") != 0;
	pthread_mutex_unlock(&shard->lock);
	return shared;
}

void registry_company(const struct subject *s, struct subject_company *out)
{
	const struct peer_address key = registry_key(&s->peer), *address = &key;
	const char *jid = s->session_jid && *s->session_jid ? s->session_jid : s->session_account;
	char *bare = jid ? strndup(jid, strcspn(jid, "/")) : NULL;
	struct registry_shard *shard = registry_lock(address);
	const struct address_use *use = registry_find(shard, address);

	out->peer_sessions = use ? use->sessions : 0;
	out->peer_accounts = use ? use->n_jids : 0;
	pthread_mutex_unlock(&shard->lock);
	out->account_sessions = bare ? account_add(bare, 0) + !s->session_listed : 0;
	free(bare);
}

static void using_add(json_t *all, const struct address_use *use, size_t max)
{
	for (const struct jid_use *jid = use->jids; jid; jid = jid->next) {
		if (json_array_size(all) > max)
			return;
		json_array_append_new(all,
			json_array_size(all) == max ? json_true() : json_string(jid->bare));
	}
}

json_t *registry_using(const struct peer_address *net, unsigned prefix_len, size_t max)
{
	json_t *all = json_array();

	for (unsigned i = 0; all && i < REGISTRY_SHARDS; i++) {
		struct map_entry *entry;
		size_t at = 0;

		pthread_mutex_lock(&shards[i].lock);
		while (map_each(&shards[i].addresses, &at, &entry)) {
			struct peer_address a;

			memcpy(a.bytes, entry->key, sizeof(a.bytes));
			if (address_in(net, prefix_len, &a))
				using_add(all, entry->value, max);
		}
		pthread_mutex_unlock(&shards[i].lock);
	}
	return all;
}

unsigned registry_others(const struct peer_address *from, const char *bare, char **others,
	unsigned max, bool *more)
{
	const struct peer_address key = registry_key(from), *address = &key;
	struct registry_shard *shard = registry_lock(address);
	struct address_use *use = registry_find(shard, address);
	unsigned n = 0;

	for (struct jid_use *jid = use ? use->jids : NULL; jid && !*more; jid = jid->next) {
		if (strcmp(jid->bare, bare ? bare : "") == 0)
			continue;
		if (n == max || !(others[n] = strdup(jid->bare)))
			*more = true;
		else
			n++;
	}
	pthread_mutex_unlock(&shard->lock);
	return n;
}

size_t registry_known_take(struct peer_address *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < REGISTRY_SHARDS && n < max; i++) {
		struct registry_shard *shard = &shards[i];

		pthread_mutex_lock(&shard->lock);
		while (shard->n_news > 0 && n < max)
			out[n++] = shard->news[--shard->n_news];
		pthread_mutex_unlock(&shard->lock);
	}
	return n;
}

void registry_known_sweep(uint64_t now_ms, uint64_t again_ms)
{
	for (size_t i = 0; i < REGISTRY_SHARDS; i++) {
		struct registry_shard *shard = &shards[i];
		struct map_entry *entry;

		pthread_mutex_lock(&shard->lock);
		for (size_t at = 0; map_each(&shard->addresses, &at, &entry);) {
			struct address_use *use = entry->value;
			struct peer_address key;

			if (!use->jids || now_ms - use->told_ms < again_ms)
				continue;
			memcpy(key.bytes, entry->key, sizeof(key.bytes));
			registry_note(shard, use, &key, now_ms);
		}
		pthread_mutex_unlock(&shard->lock);
	}
}

size_t registry_count(void)
{
	return atomic_load(&sessions_all);
}
