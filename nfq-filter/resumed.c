/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside inspect_login.c: a stream that is resumed binds nothing, so who is speaking was said on
 * another connection. In: what servers said when they let a stream be resumed. Out: the JID when
 * one says that it is. The key of an id is a salted hash over the server's address, too; each has
 * one place, and who comes later takes it: then rules see a session without a JID, as they do where
 * the beginning was not seen. Nothing in it is believed of a client. */
#include "nfq-filter/resumed.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"

struct resumed {
	pthread_mutex_t lock;
	struct place {
		uint64_t key; /* 0: free */
		char *jid;
	} places[RESUMED_MAX];
};

struct resumed *resumed_new(void)
{
	struct resumed *r = calloc(1, sizeof(*r));

	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void resumed_free(struct resumed *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < RESUMED_MAX; i++)
		free(r->places[i].jid);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

uint64_t resumed_key(const struct endpoint *server, const char *id)
{
	uint64_t both[2] = { map_hash(server->address.bytes, sizeof(server->address.bytes)),
		map_hash(id, strlen(id)) };

	return map_hash(both, sizeof(both)) | 1;
}

void resumed_add(struct resumed *r, uint64_t key, const char *jid)
{
	struct place *p = &r->places[(key >> 1) % RESUMED_MAX];
	char *copy = strdup(jid);

	if (!copy)
		return;
	pthread_mutex_lock(&r->lock);
	free(p->jid);
	*p = (struct place){ key, copy };
	pthread_mutex_unlock(&r->lock);
}

char *resumed_find(struct resumed *r, uint64_t key)
{
	const struct place *p = &r->places[(key >> 1) % RESUMED_MAX];
	char *jid;

	pthread_mutex_lock(&r->lock);
	jid = p->key == key ? strdup(p->jid) : NULL;
	pthread_mutex_unlock(&r->lock);
	return jid;
}
