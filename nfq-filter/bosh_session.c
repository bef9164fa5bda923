/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside bosh.c: a session's requests come on any connection, in any thread.
 * In: what one request or answer told. Out: what all before it told: who logged in and how, the JID
 * that was bound, which rids were used. A session begins with the server's word alone, so nobody
 * fills the table without the server filling its own; the one not heard of longest gives way. One
 * lock, held for moments. It judges nothing. */
#include "nfq-filter/bosh_session.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "base/map.h"
#include "xmpp/jid.h"

/* No server waits longer for a client (XEP-0124 10: "inactivity", a minute or two as a rule). */
#define IDLE_NS (15 * 60 * UINT64_C(1000000000))

struct key {
	struct endpoint server;
	char sid[BOSH_SID_MAX];
};

struct entry {
	struct entry *newer, *older;
	struct bosh_session known;
	uint64_t last_ns;
	bool ended;
	uint64_t rid, rids; /* the highest, and those below it: bit n is rid - n */
	size_t key_len;
	struct key key;
};

struct bosh_table {
	pthread_mutex_t lock;
	struct map entries;
	struct entry *newest, *oldest;
	size_t max;
};

struct bosh_table *bosh_table_new(size_t max)
{
	struct bosh_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	pthread_mutex_init(&t->lock, NULL);
	map_init(&t->entries);
	t->max = max ? max : BOSH_SESSIONS_MAX;
	return t;
}

void bosh_session_fini(struct bosh_session *s)
{
	free(s->domain);
	free(s->jid);
	s->domain = s->jid = NULL;
}

static void list_remove(struct bosh_table *t, struct entry *e)
{
	if (e->newer)
		e->newer->older = e->older;
	else
		t->newest = e->older;
	if (e->older)
		e->older->newer = e->newer;
	else
		t->oldest = e->newer;
	e->newer = e->older = NULL;
}

static void list_append(struct bosh_table *t, struct entry *e)
{
	e->older = t->newest;
	if (t->newest)
		t->newest->newer = e;
	else
		t->oldest = e;
	t->newest = e;
}

static void entry_remove(struct bosh_table *t, struct entry *e)
{
	list_remove(t, e);
	map_take(&t->entries, &e->key, e->key_len);
	bosh_session_fini(&e->known);
	free(e);
}

void bosh_table_free(struct bosh_table *t)
{
	if (!t)
		return;
	while (t->oldest)
		entry_remove(t, t->oldest);
	map_fini(&t->entries, NULL);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* 0: no sid of ours. */
static size_t key_of(const struct endpoint *server, const char *sid, struct key *out)
{
	size_t len = strlen(sid);

	if (len == 0 || len > BOSH_SID_MAX)
		return 0;
	*out = (struct key){ .server = *server };
	memcpy(out->sid, sid, len);
	return offsetof(struct key, sid) + len;
}

static struct entry *entry_find(
	struct bosh_table *t, const struct endpoint *server, const char *sid)
{
	struct key key;
	size_t len = key_of(server, sid, &key);

	return len ? map_find(&t->entries, &key, len) : NULL;
}

static void sweep(struct bosh_table *t, uint64_t now_ns)
{
	while (t->oldest && now_ns > t->oldest->last_ns && now_ns - t->oldest->last_ns > IDLE_NS)
		entry_remove(t, t->oldest);
}

static int keep(char **where, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*where);
	*where = copy;
	return 0;
}

static int session_copy(struct bosh_session *to, const struct bosh_session *from)
{
	*to = *from;
	to->domain = to->jid = NULL;
	if (keep(&to->domain, from->domain) < 0 || keep(&to->jid, from->jid) < 0) {
		bosh_session_fini(to);
		return -ENOMEM;
	}
	return 0;
}

/* ---- coming and going ---- */

static int entry_new(struct bosh_table *t, const struct key *key, size_t key_len,
	const struct bosh_session *s, struct entry **out)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	memcpy(&e->key, key, sizeof(*key));
	e->key_len = key_len;
	if (session_copy(&e->known, s) < 0 || map_put(&t->entries, &e->key, key_len, e, NULL) < 0) {
		bosh_session_fini(&e->known);
		free(e);
		return -ENOMEM;
	}
	list_append(t, e);
	*out = e;
	return 0;
}

int bosh_table_add(struct bosh_table *t, const struct endpoint *server, const char *sid,
	const struct bosh_session *s, uint64_t rid, uint64_t now_ns)
{
	struct key key;
	size_t len = key_of(server, sid, &key);
	struct entry *e;
	int r = 0;

	if (!len)
		return 0;
	pthread_mutex_lock(&t->lock);
	sweep(t, now_ns);
	/* The same answer again (a rid sent again) changes nothing. */
	if (!map_has(&t->entries, &key, len)) {
		if (t->entries.count >= t->max) {
			entry_remove(t, t->oldest);
			r = 1;
		}
		if (entry_new(t, &key, len, s, &e) < 0) {
			r = -ENOMEM;
		} else {
			e->rid = rid;
			e->rids = 1;
			e->last_ns = now_ns;
		}
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

void bosh_table_remove(struct bosh_table *t, const struct endpoint *server, const char *sid)
{
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	if ((e = entry_find(t, server, sid)))
		entry_remove(t, e);
	pthread_mutex_unlock(&t->lock);
}

void bosh_table_end(struct bosh_table *t, const char *jid)
{
	pthread_mutex_lock(&t->lock);
	for (struct entry *e = t->newest; e; e = e->older)
		e->ended = e->ended || jid_is_named(jid, e->known.jid);
	pthread_mutex_unlock(&t->lock);
}

size_t bosh_table_count(struct bosh_table *t)
{
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = t->entries.count;
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* ---- what is known ---- */

static enum bosh_rid rid_fate(const struct entry *e, uint64_t rid)
{
	if (e->ended)
		return BOSH_RID_ENDED;
	if (rid > e->rid)
		return rid - e->rid >= BOSH_RIDS ? BOSH_RID_FAR : BOSH_RID_FIRST;
	return e->rid - rid >= BOSH_RIDS || e->rids >> (e->rid - rid) & 1 ? BOSH_RID_AGAIN
									  : BOSH_RID_FIRST;
}

void bosh_table_answered(
	struct bosh_table *t, const struct endpoint *server, const char *sid, uint64_t rid)
{
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	if ((e = entry_find(t, server, sid)) && rid_fate(e, rid) == BOSH_RID_FIRST) {
		if (rid > e->rid) {
			e->rids <<= rid - e->rid;
			e->rid = rid;
		}
		e->rids |= UINT64_C(1) << (e->rid - rid);
	}
	pthread_mutex_unlock(&t->lock);
}

int bosh_table_find(struct bosh_table *t, const struct endpoint *server, const char *sid,
	uint64_t rid, uint64_t now_ns, struct bosh_session *out, enum bosh_rid *fate)
{
	struct entry *e;
	int r = 0;

	*fate = BOSH_RID_FIRST;
	pthread_mutex_lock(&t->lock);
	sweep(t, now_ns);
	if ((e = entry_find(t, server, sid))) {
		list_remove(t, e);
		list_append(t, e);
		e->last_ns = now_ns;
		if (rid)
			*fate = rid_fate(e, rid);
		r = session_copy(out, &e->known) < 0 ? -ENOMEM : 1;
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

static bool is_other(const char *a, const char *b)
{
	return b && (!a || strcmp(a, b) != 0);
}

/* Only what changed: another connection may have learned something meanwhile. */
static int entry_learn(
	struct bosh_session *s, const struct bosh_session *before, const struct bosh_session *after)
{
	if (strcmp(before->mechanism, after->mechanism) != 0)
		memcpy(s->mechanism, after->mechanism, sizeof(s->mechanism));
	s->authenticated = s->authenticated || after->authenticated;
	s->anonymous = s->anonymous || after->anonymous;
	if (before->bind_hash != after->bind_hash)
		s->bind_hash = after->bind_hash;
	for (unsigned side = 0; side < FLOW_SIDES; side++)
		s->stanzas[side] += after->stanzas[side] - before->stanzas[side];
	return is_other(before->jid, after->jid) ? keep(&s->jid, after->jid) : 0;
}

int bosh_table_learn(struct bosh_table *t, const struct endpoint *server, const char *sid,
	const struct bosh_session *before, const struct bosh_session *after)
{
	struct entry *e;
	int r = 0;

	pthread_mutex_lock(&t->lock);
	if ((e = entry_find(t, server, sid)))
		r = entry_learn(&e->known, before, after);
	pthread_mutex_unlock(&t->lock);
	return r;
}
