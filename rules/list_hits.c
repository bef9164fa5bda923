/* SPDX-License-Identifier: BSD-2-Clause */
/* Counters in the entries themselves: eight bytes each, no table beside. condition.c adds one when
 * an entry decides a test; a policy loaded after another takes the counts over; the door's main
 * thread asks for the entries that matter. Counts live as long as the process. */
#include "rules/list_hits.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "rules/list.h"
#include "rules/policy.h"

void list_entry_hit(const struct list_entry *e)
{
	/* The one thing that judging changes in a set. */
	__atomic_fetch_add((uint64_t *)&e->hits, 1, __ATOMIC_RELAXED);
}

static uint64_t entry_hits(const struct list_entry *e)
{
	return __atomic_load_n(&e->hits, __ATOMIC_RELAXED);
}

void list_hits_inherit(struct list *l, const struct list *old)
{
	if (old->type != l->type)
		return;
	for (size_t i = 0; i < old->n_entries; i++) {
		const struct list_entry *from = old->entries[i];
		uint64_t hits = from->removed ? 0 : entry_hits(from);
		struct list_entry *to =
			hits ? map_find(&l->by_key, from->key, from->key_len) : NULL;

		if (to)
			to->hits = hits;
	}
}

struct counted {
	const struct list_entry *entry;
	uint64_t hits;
};

static int by_hits(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	return x->hits > y->hits ? -1 : x->hits < y->hits;
}

int policy_list_hits(const struct policy *p, const char *set, size_t max,
	bool (*visit)(void *arg, const char *text, uint64_t hits), void *arg)
{
	const struct list *l = program_find_list(p->program, set);
	struct counted *all;
	size_t n = 0;

	if (!l)
		return ERR_NOTFOUND;
	pthread_rwlock_rdlock(&p->program->lock);
	if ((all = calloc(l->n_entries + 1, sizeof(*all)))) {
		for (size_t i = 0; i < l->n_entries; i++) {
			uint64_t hits = entry_hits(l->entries[i]);
			if (hits && !l->entries[i]->removed)
				all[n++] = (struct counted){ l->entries[i], hits };
		}
		qsort(all, n, sizeof(*all), by_hits);
		for (size_t i = 0; i < n && i < max; i++)
			if (!visit(arg, all[i].entry->text, all[i].hits))
				break;
	}
	pthread_rwlock_unlock(&p->program->lock);
	free(all);
	return all ? 0 : -ENOMEM;
}
