/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps XEP-0198 counters true though stanzas vanish or appear in between: beside relay.c and
 * apply.c. In: what happened to each stanza, every h that passes. Out: the h the other side must
 * hear. The arithmetic is xmpp/acks; here is whose ledger it is. A record belongs to one session at
 * a time; a client that lost its connection may resume on another thread while its old session
 * still stands, so records are shared, locked, and change owner: the old session's later counts are
 * void. Records of ended sessions wait for the time the server promised, at most SM_RECORDS_MAX of
 * them. It never answers a peer and never reads a stanza. */
#include "proxy/sm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "proxy/counters.h"
#include "xmpp/acks.h"

struct sm_record {
	pthread_mutex_t lock;
	unsigned refs;          /* sessions, and one for the table; under table_lock */
	uint64_t owner;         /* serial of the session that counts; 0: waiting */
	struct acks *up, *down; /* client -> server, server -> client */
	char *id, *jid;
	uint64_t keep_ms, expires_ms;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map table;

static void record_unref_locked(struct sm_record *r)
{
	if (--r->refs > 0)
		return;
	acks_free(r->up);
	acks_free(r->down);
	free(r->id);
	free(r->jid);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void record_unref(struct sm_record *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&table_lock);
	record_unref_locked(r);
	pthread_mutex_unlock(&table_lock);
}

static void table_remove_locked(struct sm_record *r)
{
	if (r->id && map_find(&table, r->id, strlen(r->id)) == r) {
		map_take(&table, r->id, strlen(r->id));
		record_unref_locked(r);
	}
}

static void table_remove(struct sm_record *r)
{
	pthread_mutex_lock(&table_lock);
	table_remove_locked(r);
	pthread_mutex_unlock(&table_lock);
}

/* At the bound the record simply is not resumable: the client gets item-not-found and binds anew.
 */
static void table_add(struct sm_record *r)
{
	struct sm_record *old = NULL;

	pthread_mutex_lock(&table_lock);
	if (table.count < SM_RECORDS_MAX &&
		map_put(&table, r->id, strlen(r->id), r, (void **)&old) == 0) {
		r->refs++;
		if (old)
			record_unref_locked(old);
	} else {
		metric_add(counters.sm_unknown, 1);
	}
	pthread_mutex_unlock(&table_lock);
}

void sm_expire(uint64_t now_ms)
{
	struct map_entry *entry;
	size_t at = 0;

	pthread_mutex_lock(&table_lock);
	while (map_each(&table, &at, &entry)) {
		struct sm_record *r = entry->value;

		if (r->refs == 1 && r->expires_ms && r->expires_ms <= now_ms) {
			map_take(&table, entry->key, entry->key_len);
			record_unref_locked(r);
		}
	}
	pthread_mutex_unlock(&table_lock);
}

size_t sm_records(void)
{
	pthread_mutex_lock(&table_lock);
	size_t n = table.count;

	pthread_mutex_unlock(&table_lock);
	return n;
}

void sm_init(struct sm *sm, uint64_t serial)
{
	*sm = (struct sm){ .serial = serial };
}

void sm_fini(struct sm *sm, bool resumable)
{
	struct sm_record *r = sm->record;

	acks_free(sm->pending);
	record_unref(sm->resuming);
	if (r) {
		bool mine;

		pthread_mutex_lock(&r->lock);
		mine = r->owner == sm->serial;
		if (mine)
			r->owner = 0;
		pthread_mutex_unlock(&r->lock);
		if (mine) {
			pthread_mutex_lock(&table_lock);
			r->expires_ms = clock_mono_ms() + r->keep_ms;
			if (!resumable)
				table_remove_locked(r);
			pthread_mutex_unlock(&table_lock);
		}
		record_unref(r);
	}
	*sm = (struct sm){ .serial = sm->serial };
}

int sm_enable(struct sm *sm)
{
	if (sm->pending || sm->record)
		return 0;
	return (sm->pending = acks_new(SM_ENTRIES_MAX)) ? 0 : -ENOMEM;
}

void sm_failed(struct sm *sm)
{
	acks_free(sm->pending);
	sm->pending = NULL;
}

int sm_enabled(struct sm *sm, const char *id, uint64_t max_s, const char *jid)
{
	struct sm_record *r;

	if (sm->record || !sm->pending)
		return 0;
	if (!(r = calloc(1, sizeof(*r))))
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	r->refs = 1;
	r->owner = sm->serial;
	r->up = sm->pending;
	sm->pending = NULL;
	r->down = acks_new(SM_ENTRIES_MAX);
	r->id = id && *id ? strdup(id) : NULL;
	r->jid = strdup(jid ? jid : "");
	/* The longest of: what we keep anyway, what the server promised (to a day). */
	r->keep_ms = max_s > 86400 ? 86400000 : max_s * 1000;
	if (r->keep_ms < SM_KEEP_MS)
		r->keep_ms = SM_KEEP_MS;
	if (!r->down || !r->jid || (id && *id && !r->id)) {
		record_unref(r);
		return -ENOMEM;
	}
	sm->record = r;
	if (r->id)
		table_add(r);
	return 0;
}

bool sm_is_on(struct sm *sm)
{
	return sm->record != NULL;
}

void sm_jid(struct sm *sm, char *text, size_t size)
{
	size_t len = sm->record ? strlen(sm->record->jid) : 0;

	if (len >= size)
		len = size - 1;
	memcpy(text, sm->record ? sm->record->jid : "", len);
	text[len] = '\0';
}

/* One entry in the ledger of a direction, unless another session has taken the record over. */
static int sm_count(struct sm *sm, enum direction direction, int (*count)(struct acks *a))
{
	struct sm_record *r = sm->record;
	int result = 0;

	if (!r)
		return direction == DIRECTION_IN && sm->pending ? count(sm->pending) : 0;
	pthread_mutex_lock(&r->lock);
	if (r->owner == sm->serial)
		result = count(direction == DIRECTION_IN ? r->up : r->down);
	pthread_mutex_unlock(&r->lock);
	return result;
}

int sm_forwarded(struct sm *sm, enum direction direction)
{
	return sm_count(sm, direction, acks_forwarded);
}

int sm_dropped(struct sm *sm, enum direction direction)
{
	return sm_count(sm, direction, acks_dropped);
}

int sm_injected(struct sm *sm, enum direction direction)
{
	return sm_count(sm, direction, acks_injected);
}

int sm_translate(struct sm *sm, enum direction direction, uint32_t h, uint32_t *out)
{
	struct sm_record *r = sm->record;
	int result = 0;

	*out = h;
	if (!r)
		return 0;
	pthread_mutex_lock(&r->lock);
	if (r->owner == sm->serial)
		result = acks_translate(direction == DIRECTION_IN ? r->up : r->down, h, out);
	pthread_mutex_unlock(&r->lock);
	if (result == 0 && *out != h)
		metric_add(counters.sm_translated, 1);
	return result;
}

int sm_resume(struct sm *sm, const char *previd, uint32_t h, uint32_t *out)
{
	struct sm_record *r;
	int result;

	if (sm->record || sm->resuming)
		return ERR_NOTFOUND;
	pthread_mutex_lock(&table_lock);
	r = map_find(&table, previd, strlen(previd));
	if (r)
		r->refs++;
	pthread_mutex_unlock(&table_lock);
	if (!r) {
		metric_add(counters.sm_unknown, 1);
		return ERR_NOTFOUND;
	}
	pthread_mutex_lock(&r->lock);
	result = acks_peek(r->down, h, out);
	pthread_mutex_unlock(&r->lock);
	if (result < 0) {
		record_unref(r);
		return result;
	}
	sm->resuming = r;
	sm->resume_h = h;
	return 0;
}

int sm_resumed(struct sm *sm, uint32_t h, uint32_t *out)
{
	struct sm_record *r = sm->resuming;
	int result;

	if (!r)
		return ERR_NOTFOUND;
	pthread_mutex_lock(&r->lock);
	if ((result = acks_peek(r->up, h, out)) == 0) {
		acks_resume(r->up, h);
		acks_resume(r->down, sm->resume_h);
		r->owner = sm->serial;
	}
	pthread_mutex_unlock(&r->lock);
	sm->resuming = NULL;
	if (result < 0) {
		record_unref(r);
		return result;
	}
	sm_failed(sm); /* an <enable/> before it is void */
	sm->record = r;
	return 0;
}

int sm_resume_failed(struct sm *sm, bool has_h, uint32_t h, uint32_t *out)
{
	struct sm_record *r = sm->resuming;
	int result = 0;

	*out = h;
	if (!r)
		return 0;
	sm->resuming = NULL;
	if (has_h) {
		/* The server knows the session, but it is over: nothing more will be asked of it.
		 */
		pthread_mutex_lock(&r->lock);
		result = acks_peek(r->up, h, out);
		pthread_mutex_unlock(&r->lock);
		table_remove(r);
	}
	record_unref(r);
	return result;
}
