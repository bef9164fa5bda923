/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside ctl/kernel.c: the pairs of address sets of the table ("block", "allow", classes of
 * addresses), each a row that says what it is a copy of. In: rows, lists of the policy and their
 * edits, what callbacks say stands. Out: the kernel's sets made equal to it, by differences where
 * these stand alone. It never decides what belongs into a set, and loads no table. */
#include "ctl/kernel_sets.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ctl/mirror.h"
#include "rules/rules.h"

int kernel_sets_add(struct kernel_sets *s, const struct kernel_set *row)
{
	if (s->n == KERNEL_SETS_MAX)
		return ERR_LIMIT;
	s->all[s->n++] = *row;
	return 0;
}

const struct kernel_set *kernel_sets_find(const struct kernel_sets *s, const char *base)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->all[i].base, base) == 0)
			return &s->all[i];
	return NULL;
}

int kernel_set_sync(
	const struct kernel_set *row, struct nft *nft, const struct policy *p, size_t *changes)
{
	struct mirror wanted = { 0 };
	struct nft_edit result = { 0 };
	int r = row->elements ? row->elements(row->arg, &wanted.all, &wanted.n) : 0;

	wanted.cap = wanted.n;
	if (r == 0)
		r = mirror_add_set(&wanted, p, row->list);
	if (r == 0)
		r = nft_sync(nft, row->base, wanted.all, wanted.n, &result);
	*changes += result.added + result.removed;
	mirror_fini(&wanted);
	return r;
}

int kernel_sets_sync(
	const struct kernel_sets *s, struct nft *nft, const struct policy *p, size_t *changes)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++)
		r = kernel_set_sync(&s->all[i], nft, p, changes);
	return r;
}

bool kernel_set_lists(
	const struct kernel_set *row, const struct policy *p, const struct nft_element *one)
{
	return mirror_overlaps(p, row->list, one);
}

static bool covers_any(const struct kernel_set *row, const struct mirror *m)
{
	for (size_t i = 0; row->covers && i < m->n; i++)
		if (row->covers(row->arg, &m->all[i].address))
			return true;
	return false;
}

/* By its differences where they stand alone. Negative or ERR_EXISTS: compare the whole. */
static int edit_set(
	const struct kernel_set *row, struct nft *nft, const json_t *add, const json_t *del)
{
	struct mirror added = { 0 }, deleted = { 0 };
	struct nft_edit result = { 0 };
	int r;

	if ((r = mirror_add_texts(&added, add)) < 0 || (r = mirror_add_texts(&deleted, del)) < 0)
		goto out;
	if (!mirror_is_single(&deleted) || /* a narrower one may be left inside */
		covers_any(row, &deleted) || covers_any(row, &added))
		r = ERR_EXISTS;
	if (r == 0)
		r = nft_edit(nft, row->base, added.all, added.n, deleted.all, deleted.n, &result);
	if (r == 0 && result.absent > 0) /* part of a wider one in the kernel */
		r = ERR_EXISTS;
out:
	mirror_fini(&added);
	mirror_fini(&deleted);
	return r;
}

int kernel_sets_list_edited(const struct kernel_sets *s, struct nft *nft, const struct policy *p,
	const char *list, const json_t *add, const json_t *del, size_t *changes)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++) {
		const struct kernel_set *row = &s->all[i];

		if (row->list && strcmp(row->list, list) == 0 &&
			(r = edit_set(row, nft, add, del)) < 0)
			r = kernel_set_sync(row, nft, p, changes);
	}
	return r;
}

static size_t entries_of(const struct policy *p, const char *list)
{
	const struct set_info *sets;
	size_t n = policy_sets(p, &sets);

	for (size_t i = 0; list && i < n; i++)
		if (strcmp(sets[i].name, list) == 0)
			return __atomic_load_n(&sets[i].entries, __ATOMIC_RELAXED);
	return 0;
}

size_t kernel_sets_listed(const struct kernel_sets *s, const struct policy *p)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += entries_of(p, s->all[i].list);
	return n;
}

json_t *kernel_sets_counts(const struct kernel_sets *s, struct nft *nft)
{
	json_t *counts = json_object();

	for (size_t i = 0; i < s->n; i++)
		for (int v4 = 1; v4 >= 0; v4--) {
			char name[NFT_BASE_MAX + 2];
			long n;

			snprintf(name, sizeof name, "%s%d", s->all[i].base, v4 ? 4 : 6);
			if ((n = nft_count(nft, name)) >= 0)
				json_object_set_new(counts, name, json_integer(n));
		}
	return counts;
}
