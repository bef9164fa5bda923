/* SPDX-License-Identifier: BSD-2-Clause */
/* Between listen.c's sessions and their login: streams that have not logged in yet, so that
 * they cannot crowd out those that want to. Asked once for each connection and told once when it
 * logs in or ends. By service: a map of addresses, each with its streams from old to young; and the
 * addresses in lists by how many they have, so that the one that has most is found at once, and of
 * several the one that has been there for longest. Whoever is pushed out leaves the lists in that
 * moment; its own thread ends it a little later. It closes nothing itself. */
#include "proxy/preauth.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"

struct preauth_service;

struct preauth_address {
	struct preauth_service *service;
	struct peer_address key;
	struct preauth *oldest, *youngest;
	unsigned n;
	struct preauth_address *next, *prev; /* those that have as many */
};

/* The addresses that have so many. */
struct level {
	struct preauth_address *first, *last;
};

struct preauth_service {
	struct map addresses;
	struct level *levels; /* by number, 0 is unused */
	size_t cap;
	unsigned n, most;
};

/* Services are few and never leave. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map services;

static struct preauth_service *service_find(const char *name)
{
	struct preauth_service *s = map_find(&services, name, strlen(name));

	if (s || !(s = calloc(1, sizeof(*s))))
		return s;
	if (map_put(&services, name, strlen(name), s, NULL) < 0) {
		free(s);
		return NULL;
	}
	return s;
}

/* ---- levels ---- */

static void level_remove(struct preauth_address *a)
{
	struct level *l = &a->service->levels[a->n];

	*(a->prev ? &a->prev->next : &l->first) = a->next;
	*(a->next ? &a->next->prev : &l->last) = a->prev;
	a->next = a->prev = NULL;
}

static void level_add(struct preauth_address *a)
{
	struct level *l = &a->service->levels[a->n];

	a->prev = l->last;
	*(l->last ? &l->last->next : &l->first) = a;
	l->last = a;
	if (a->n > a->service->most)
		a->service->most = a->n;
}

/* Room for an address with n. */
static int levels_grow(struct preauth_service *s, unsigned n)
{
	size_t cap = s->cap ? s->cap : 16;
	struct level *grown;

	while (cap <= n)
		cap *= 2;
	if (cap == s->cap)
		return 0;
	if (!(grown = realloc(s->levels, cap * sizeof(*grown))))
		return -ENOMEM;
	memset(grown + s->cap, 0, (cap - s->cap) * sizeof(*grown));
	s->levels = grown;
	s->cap = cap;
	return 0;
}

/* ---- lists ---- */

static struct preauth_address *address_find(
	struct preauth_service *s, const struct peer_address *from)
{
	struct peer_address key = *from;
	struct preauth_address *a;

	/* Whoever has one address of an IPv6 /64 has them all. */
	if (!address_is_v4(from))
		memset(key.bytes + 8, 0, 8);
	if ((a = map_find(&s->addresses, key.bytes, sizeof(key.bytes))) ||
		!(a = calloc(1, sizeof(*a))))
		return a;
	a->service = s;
	a->key = key;
	if (map_put(&s->addresses, key.bytes, sizeof(key.bytes), a, NULL) < 0) {
		free(a);
		return NULL;
	}
	return a;
}

static void address_drop(struct preauth_address *a)
{
	if (a->n > 0)
		return;
	map_take(&a->service->addresses, a->key.bytes, sizeof(a->key.bytes));
	free(a);
}

static int list_add(struct preauth_address *a, struct preauth *p)
{
	struct preauth_service *s = a->service;
	int r = levels_grow(s, a->n + 1);

	if (r < 0)
		return r;
	if (a->n > 0)
		level_remove(a);
	p->address = a;
	p->older = a->youngest;
	*(a->youngest ? &a->youngest->younger : &a->oldest) = p;
	a->youngest = p;
	a->n++;
	s->n++;
	level_add(a);
	return 0;
}

/* The address may be gone afterwards. */
static void list_remove(struct preauth *p)
{
	struct preauth_address *a = p->address;
	struct preauth_service *s = a->service;

	level_remove(a);
	*(p->older ? &p->older->younger : &a->oldest) = p->younger;
	*(p->younger ? &p->younger->older : &a->youngest) = p->older;
	p->older = p->younger = NULL;
	p->address = NULL;
	a->n--;
	s->n--;
	if (a->n > 0)
		level_add(a);
	while (s->most > 0 && !s->levels[s->most].first)
		s->most--;
	address_drop(a);
}

/* The one that has to go so that one more may come to a. */
static struct preauth *list_push(
	const struct preauth_address *a, unsigned max, unsigned per_address)
{
	const struct preauth_service *s = a->service;
	struct preauth *p = NULL;

	if (per_address && a->n >= per_address) {
		p = a->oldest;
		p->why = "preauth.address";
	} else if (max && s->n >= max && s->most > 0) {
		p = s->levels[s->most].first->oldest;
		p->why = "preauth.full";
	}
	return p;
}

struct preauth *preauth_enter(const char *name, const struct peer_address *from, unsigned max,
	unsigned per_address, struct session *session, struct worker *worker,
	struct preauth **pushed)
{
	struct preauth *p = calloc(1, sizeof(*p));
	struct preauth_service *s;
	struct preauth_address *a;

	*pushed = NULL;
	if (!p)
		return NULL;
	*p = (struct preauth){ .session = session, .worker = worker, .holders = 1 };
	pthread_mutex_lock(&lock);
	s = service_find(name);
	a = s ? address_find(s, from) : NULL;
	if (a && (*pushed = list_push(a, max, per_address))) {
		(*pushed)->holders++;
		list_remove(*pushed);
		a = address_find(s, from); /* it may have been the last one there */
	}
	if (!a || list_add(a, p) < 0) {
		if (a)
			address_drop(a);
		free(p);
		p = NULL;
	}
	pthread_mutex_unlock(&lock);
	return p;
}

/* Under the lock. */
static void hold_end(struct preauth *p)
{
	if (--p->holders == 0)
		free(p);
}

void preauth_leave(struct preauth *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&lock);
	p->session = NULL;
	if (p->address)
		list_remove(p);
	hold_end(p);
	pthread_mutex_unlock(&lock);
}

void preauth_release(struct preauth *p)
{
	pthread_mutex_lock(&lock);
	hold_end(p);
	pthread_mutex_unlock(&lock);
}

unsigned preauth_count(const char *service)
{
	const struct preauth_service *s;
	unsigned n;

	pthread_mutex_lock(&lock);
	s = map_find(&services, service, strlen(service));
	n = s ? s->n : 0;
	pthread_mutex_unlock(&lock);
	return n;
}
