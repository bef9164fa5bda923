/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters in the entries themselves, or, for those of a pack, by place. condition.c adds one when
 * an entry decides a test; a policy loaded after another takes the counts over; the door's main
 * thread asks for the entries that matter. Counts live as long as the process. */
#include "rules/list_hits.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "rules/list.h"
#include "rules/pack.h"
#include "rules/policy.h"

void list_hit(const struct list *l, const struct list_entry *entry, uint32_t at)
{
	/* The one thing that judging changes in a set. */
	__atomic_fetch_add(
		entry ? (uint64_t *)&entry->hits : &l->pack_hits[at], 1, __ATOMIC_RELAXED);
}

static uint64_t item_hits(const struct list *l, const struct list_item *item)
{
	return __atomic_load_n(
		item->entry ? &item->entry->hits : &l->pack_hits[item->at], __ATOMIC_RELAXED);
}

/* The next entry that was hit. A million others are passed over by their numbers alone. */
static bool hit_next(const struct list *l, size_t *at, struct list_item *out, uint64_t *hits)
{
	size_t packed = l->pack ? l->pack->head.n : 0;

	do {
		while (*at < packed && !__atomic_load_n(&l->pack_hits[*at], __ATOMIC_RELAXED))
			++*at;
		if (!list_each(l, at, out))
			return false;
		*hits = item_hits(l, out);
	} while (!*hits);
	return true;
}

void list_hits_inherit(struct list *l, const struct list *old)
{
	struct list_item from, to;
	uint64_t hits;

	if (old->type != l->type)
		return;
	for (size_t at = 0; hit_next(old, &at, &from, &hits);)
		if (list_find(l, (struct span){ from.key, from.key_len }, INT64_MIN, &to))
			*(to.entry ? (uint64_t *)&to.entry->hits : &l->pack_hits[to.at]) = hits;
}

struct counted {
	const char *text;
	uint64_t hits;
};

static int by_hits(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	return x->hits > y->hits ? -1 : x->hits < y->hits;
}

static int counted_put(struct counted **all, size_t *n, const struct counted *one)
{
	struct counted *more;

	if ((*n & (*n - 1)) == 0) { /* at every power of two */
		if (!(more = realloc(*all, (*n ? *n * 2 : 1) * sizeof(**all))))
			return -ENOMEM;
		*all = more;
	}
	(*all)[(*n)++] = *one;
	return 0;
}

int policy_list_hits(const struct policy *p, const char *set, size_t max,
	bool (*visit)(void *arg, const char *text, uint64_t hits), void *arg)
{
	const struct list *l = program_find_list(p->program, set);
	struct counted *all = NULL, one;
	struct list_item item;
	size_t n = 0;
	int r = 0;

	if (!l)
		return ERR_NOTFOUND;
	pthread_rwlock_rdlock(&p->program->lock);
	for (size_t at = 0; r == 0 && hit_next(l, &at, &item, &one.hits);) {
		one.text = item.text;
		r = counted_put(&all, &n, &one);
	}
	if (n)
		qsort(all, n, sizeof(*all), by_hits);
	for (size_t i = 0; r == 0 && i < n && i < max; i++)
		if (!visit(arg, all[i].text, all[i].hits))
			break;
	pthread_rwlock_unlock(&p->program->lock);
	free(all);
	return r;
}
