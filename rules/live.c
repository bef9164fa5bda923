/* SPDX-License-Identifier: BSD-2-Clause */
/* Live edits. A set's entries change under the program's lock, which every judgement holds for
 * reading; the patterns made of them change beside it: what was added since the base was compiled
 * stands in a small delta database that each edit makes anew (some milliseconds), and what was
 * removed is still found but no longer counts. Settling compiles a new base from a snapshot without
 * holding anyone up. In come prepared edits of the control room, out go databases for
 * rules/match.c. It writes no files. */
#include "rules/live.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "rules/pack.h"

/* ---- what a scanner looks for ---- */

static bool group_wants(const struct scanner *s, const struct list *l, const struct list_entry *e)
{
	if (e->removed)
		return false;
	return l->type == LIST_REGEX ? regex_view(e->re) == s->view : list_view(l) == s->view;
}

static size_t list_size(const struct list *l)
{
	return l->n_entries + (l->pack ? l->pack->head.n : 0);
}

struct items {
	struct pattern_item *all;
	size_t n;
};

static int items_init(struct items *items, const struct scanner *s)
{
	size_t max = s->n_fixed + 1;

	for (unsigned g = 0; g < s->n_groups; g++)
		max += s->groups[g].list ? list_size(s->groups[g].list) : 0;
	items->n = 0;
	items->all = malloc(max * sizeof(*items->all));
	return items->all ? 0 : -ENOMEM;
}

/* What is still in of the set's pack; it is older than all edits. */
static void items_add_pack(struct items *items, const struct scanner *s, unsigned group)
{
	const struct list *l = s->groups[group].list;
	struct list_item item;

	if (!l->pack || list_view(l) != s->view)
		return;
	for (size_t at = 0; at < l->pack->head.n && list_each(l, &at, &item);)
		if (!item.entry)
			items->all[items->n++] = (struct pattern_item){
				.group = group,
				.at = item.at,
				.word = !l->substring,
				.bytes = item.key,
				.len = item.key_len,
				.text = item.text,
				.packed_in = l,
			};
}

/* The set's entries added after the given edit. They stand in that order, so the walk starts at the
 * end. */
static void items_add_set(
	struct items *items, const struct scanner *s, unsigned group, uint64_t after)
{
	const struct list *l = s->groups[group].list;
	size_t i = l->n_entries;

	while (i > 0 && l->entries[i - 1]->added > after)
		i--;
	for (; i < l->n_entries; i++) {
		const struct list_entry *e = l->entries[i];
		if (!group_wants(s, l, e))
			continue;
		items->all[items->n++] = (struct pattern_item){
			.group = group,
			.word = !l->substring,
			.bytes = e->re ? NULL : e->key,
			.len = e->re ? 0 : e->key_len,
			.re = e->re,
			.text = e->text,
			.entry = e,
		};
	}
}

/* Everything, with the moment of each set noted; or what is not in the base. */
static int items_collect(
	struct items *items, const struct scanner *s, uint64_t *snapshot, const uint64_t *after)
{
	int r = items_init(items, s);

	if (r < 0)
		return r;
	for (size_t i = 0; !after && i < s->n_fixed; i++)
		items->all[items->n++] = s->fixed[i];
	for (unsigned g = 0; g < s->n_groups; g++) {
		if (!s->groups[g].list)
			continue;
		if (snapshot)
			snapshot[g] = s->groups[g].list->edits;
		if (!after)
			items_add_pack(items, s, g);
		items_add_set(items, s, g, after ? after[g] : 0);
	}
	return 0;
}

static int database_new(const struct scanner *s, uint64_t *snapshot, const uint64_t *after,
	const struct pattern_db *share, struct source_set *sources, struct pattern_db **out)
{
	struct items items;
	int r = items_collect(&items, s, snapshot, after);

	if (r < 0)
		return r;
	r = pattern_db_make(items.all, items.n, share, sources, out);
	free(items.all);
	return r;
}

/* Entries of the set's pack that were taken out. */
static size_t group_gone(const struct scan_group *g)
{
	return g->list ? g->list->n_pack_gone : 0;
}

static uint64_t *edits_new(const struct scanner *s)
{
	uint64_t *edits = calloc(s->n_groups + 1, sizeof(*edits));

	for (unsigned g = 0; edits && g < s->n_groups; g++)
		edits[g] = s->groups[g].base_edits;
	return edits;
}

int scanner_build(
	struct scanner *s, const struct pattern_db *share, struct source_set *sources)
{
	uint64_t *edits = edits_new(s);
	int r = edits ? database_new(s, edits, NULL, share, sources, &s->base) : -ENOMEM;

	for (unsigned g = 0; r == 0 && g < s->n_groups; g++) {
		s->groups[g].base_edits = edits[g];
		s->groups[g].base_gone = group_gone(&s->groups[g]);
	}
	free(edits);
	return r;
}

void scanner_fini(struct scanner *s)
{
	pattern_db_free(s->base);
	pattern_db_free(s->delta);
	for (size_t i = 0; i < s->n_fixed; i++)
		regex_free((struct regex *)s->fixed[i].re);
	free(s->fixed);
	free(s->groups);
}

/* ---- edits ---- */

static bool scanner_uses(const struct scanner *s, const struct list *l)
{
	for (unsigned g = 0; g < s->n_groups; g++)
		if (s->groups[g].list == l)
			return true;
	return false;
}

/* Puts new databases in their places for all judgements that begin from now on; the old ones come
 * back in their place. */
static void scanner_swap(struct program *p, struct scanner *s, struct pattern_db **base,
	const uint64_t *edits, struct pattern_db **delta)
{
	struct pattern_db *old;

	pthread_rwlock_wrlock(&p->lock);
	if (base) {
		old = s->base;
		s->base = *base;
		*base = old;
		for (unsigned g = 0; g < s->n_groups; g++)
			s->groups[g].base_edits = edits[g];
	}
	old = s->delta;
	s->delta = *delta;
	*delta = old;
	pthread_rwlock_unlock(&p->lock);
}

/* Makes the deltas of all scanners of l anew. False in *used when there is none. */
static int deltas_update(struct program *p, struct list *l, bool *used)
{
	int r = 0;

	*used = false;
	for (struct scanner *s = p->scanners; s && r == 0; s = s->next) {
		struct pattern_db *delta = NULL;
		uint64_t *after;

		if (!scanner_uses(s, l))
			continue;
		*used = true;
		if (!(after = edits_new(s)))
			return -ENOMEM;
		r = database_new(s, NULL, after, NULL, NULL, &delta);
		free(after);
		if (r == 0)
			scanner_swap(p, s, NULL, NULL, &delta);
		pattern_db_free(delta);
	}
	return r;
}

/* Prepares all texts, or none. */
static int entries_prepare(
	const struct list *l, const struct span *texts, size_t n, struct list_entry ***out)
{
	struct list_entry **entries = calloc(n + 1, sizeof(struct list_entry *));
	const char *why;
	int r = entries ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		int64_t expires;
		struct span text;

		if (!list_parse_line(l->type, texts[i], &text, &expires, &why) || why)
			r = ERR_SYNTAX;
		else
			r = list_entry_new(l, text, expires, &entries[i], &why);
	}
	*out = entries;
	return r;
}

static void entries_free(struct list_entry **entries, size_t n)
{
	for (size_t i = 0; entries && i < n; i++)
		list_entry_free(entries[i]);
	free(entries);
}

static int entries_apply(struct list *l, struct list_entry **add, size_t n_add,
	struct list_entry **del, size_t n_del)
{
	int r = 0;

	for (size_t i = 0; i < n_del; i++)
		list_drop(l, del[i]);
	for (size_t i = 0; i < n_add && r == 0; i++) {
		add[i]->from = LIST_FROM_FILE;
		if (list_renew(l, add[i]))
			continue;
		if ((r = list_put(l, add[i])) == 0)
			add[i] = NULL;
	}
	return r;
}

uint64_t live_stamp(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

int live_edit(struct program *p, struct list *l, const struct span *add, size_t n_add,
	const struct span *del, size_t n_del)
{
	struct list_entry **added = NULL, **deleted = NULL;
	bool used;
	int r;

	pthread_mutex_lock(&p->editing);
	if ((r = entries_prepare(l, add, n_add, &added)) == 0 &&
		(r = entries_prepare(l, del, n_del, &deleted)) == 0) {
		pthread_rwlock_wrlock(&p->lock);
		r = entries_apply(l, added, n_add, deleted, n_del);
		p->lists_stamp = live_stamp();
		pthread_rwlock_unlock(&p->lock);
		if (r == 0)
			r = deltas_update(p, l, &used);
		if (r == 0 && !used) {
			pthread_rwlock_wrlock(&p->lock);
			list_sweep(l, l->edits);
			pthread_rwlock_unlock(&p->lock);
		}
	}
	pthread_mutex_unlock(&p->editing);
	entries_free(added, n_add);
	entries_free(deleted, n_del);
	return r;
}

/* ---- settling ---- */

static size_t scanner_drift(const struct scanner *s)
{
	size_t n = pattern_db_count(s->delta);

	for (unsigned g = 0; g < s->n_groups; g++)
		if (s->groups[g].list)
			n += list_removed(s->groups[g].list) + group_gone(&s->groups[g]) -
			     s->groups[g].base_gone;
	return n;
}

/* Only edits change sets, and they wait: who judges needs to wait only if there is something. */
static void expire(struct program *p)
{
	int64_t now = clock_wall_ms();

	for (unsigned i = 0; i < p->n_lists; i++) {
		if (!list_has_ended(p->lists[i], now))
			continue;
		pthread_rwlock_wrlock(&p->lock);
		list_expire(p->lists[i], now);
		pthread_rwlock_unlock(&p->lock);
	}
}

/* What no base can report any more. */
static void sweep(struct program *p)
{
	for (unsigned i = 0; i < p->n_lists; i++) {
		struct list *l = p->lists[i];
		uint64_t upto = l->edits;

		for (struct scanner *s = p->scanners; s; s = s->next)
			for (unsigned g = 0; g < s->n_groups; g++)
				if (s->groups[g].list == l && s->groups[g].base_edits < upto)
					upto = s->groups[g].base_edits;
		pthread_rwlock_wrlock(&p->lock);
		list_sweep(l, upto);
		pthread_rwlock_unlock(&p->lock);
	}
}

static int scanner_settle(struct program *p, struct scanner *s)
{
	struct pattern_db *base = NULL, *delta = NULL;
	uint64_t *edits = edits_new(s);
	size_t *gone = calloc(s->n_groups + 1, sizeof(*gone));
	struct items items = { 0 };
	int r = edits && gone ? 0 : -ENOMEM;

	if (r == 0) {
		pthread_mutex_lock(&p->editing);
		for (unsigned g = 0; g < s->n_groups; g++)
			gone[g] = group_gone(&s->groups[g]);
		r = items_collect(&items, s, edits, NULL);
		pthread_mutex_unlock(&p->editing);
	}
	/* Nothing is locked in these seconds. The entries stay: only settling frees them. */
	if (r == 0)
		r = pattern_db_new(items.all, items.n, NULL, &base);
	free(items.all);
	if (r == 0) {
		pthread_mutex_lock(&p->editing);
		if ((r = database_new(s, NULL, edits, NULL, NULL, &delta)) == 0)
			scanner_swap(p, s, &base, edits, &delta);
		for (unsigned g = 0; r == 0 && g < s->n_groups; g++)
			s->groups[g].base_gone = gone[g];
		pthread_mutex_unlock(&p->editing);
	}
	pattern_db_free(base);
	pattern_db_free(delta);
	free(gone);
	free(edits);
	return r;
}

int live_settle(struct program *p)
{
	int r = 0;

	pthread_mutex_lock(&p->settling);
	pthread_mutex_lock(&p->editing);
	expire(p);
	for (unsigned i = 0; i < p->n_lists && r == 0; i++) {
		bool used;
		/* Deltas must not hold what sweep() frees. */
		if (list_removed(p->lists[i]))
			r = deltas_update(p, p->lists[i], &used);
	}
	pthread_mutex_unlock(&p->editing);
	for (struct scanner *s = p->scanners; s && r == 0; s = s->next)
		if (scanner_drift(s) > LIVE_DELTA_MAX)
			r = scanner_settle(p, s);
	if (r == 0) {
		pthread_mutex_lock(&p->editing);
		sweep(p);
		pthread_mutex_unlock(&p->editing);
	}
	pthread_mutex_unlock(&p->settling);
	return r;
}
