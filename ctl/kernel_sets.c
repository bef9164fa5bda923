/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside ctl/kernel.c: the pairs of address sets of the table ("block", "allow", classes of
 * addresses), each a row that says what it is a copy of. In: rows, lists of the policy and their
 * edits, what sources say stands, what another hand did. Out: the kernel's sets made equal to it,
 * by differences where these stand alone, else by ctl/nft_fill.c, one pair after the other. It
 * never decides what belongs into a set, and loads no table. */
#include "ctl/kernel_sets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "ctl/mirror.h"
#include "rules/address.h"
#include "rules/rules.h"

enum { KEYS_MAX = 256 /* of another hand, mended one by one */ };

/* ---- rows ---- */

int kernel_sets_add(struct kernel_sets *s, const struct kernel_set *row)
{
	if (s->n == KERNEL_SETS_MAX)
		return ERR_LIMIT;
	s->all[s->n++] = *row;
	return 0;
}

void kernel_sets_replace(struct kernel_sets *s, const struct kernel_sets *by)
{
	struct kernel_sets next = *by;

	nft_fill_free(s->fill);
	for (size_t i = 0; i < next.n; i++) {
		struct kernel_set *row = &next.all[i];
		const struct kernel_set *was = kernel_sets_find(s, row->base);

		if (!was)
			row->dirty = true;
		if (!was || !was->list != !row->list)
			continue;
		row->digest = was->digest;
		row->dirty = was->dirty;
		row->fresh = false;
	}
	*s = next;
	s->fill = NULL;
}

void kernel_sets_policy(struct kernel_sets *s, const struct policy *p)
{
	for (size_t i = 0; i < s->n; i++)
		s->all[i].policy = p;
}

struct kernel_set *kernel_sets_find(struct kernel_sets *s, const char *base)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->all[i].base, base) == 0)
			return &s->all[i];
	return NULL;
}

/* ---- sources ---- */

static size_t count_list(void *arg)
{
	const struct kernel_set *row = arg;
	const struct set_info *sets;
	size_t n = policy_sets(row->policy, &sets);

	for (size_t i = 0; i < n; i++)
		if (strcmp(sets[i].name, row->list) == 0)
			return __atomic_load_n(&sets[i].entries, __ATOMIC_RELAXED);
	return 0;
}

static int all_list(void *arg, struct nft_element **elements, size_t *n)
{
	const struct kernel_set *row = arg;
	struct mirror m = { 0 };
	int r = mirror_add_set(&m, row->policy, row->list);

	if (r < 0) {
		mirror_fini(&m);
		return r;
	}
	*elements = m.all;
	*n = m.n;
	return 0;
}

static size_t count_none(void *arg)
{
	(void)arg;
	return 0;
}

static int all_none(void *arg, struct nft_element **elements, size_t *n)
{
	(void)arg;
	*elements = NULL;
	*n = 0;
	return 0;
}

static struct nft_source source_of(struct kernel_set *row)
{
	if (row->list)
		return (struct nft_source){
			.count = count_list, .all = all_list, .arg = row, .guards = row->guards
		};
	if (row->source.all)
		return row->source;
	return (struct nft_source){ .count = count_none, .all = all_none };
}

/* ---- filling ---- */

static void fill_stop(struct kernel_sets *s, const struct kernel_set *row)
{
	if (s->fill && &s->all[s->filling] == row) {
		nft_fill_free(s->fill);
		s->fill = NULL;
	}
}

static void row_refresh(struct kernel_sets *s, struct kernel_set *row, bool fresh)
{
	fill_stop(s, row);
	row->dirty = true;
	row->fresh = fresh;
	row->digest = 0;
}

void kernel_sets_refresh(struct kernel_sets *s, const char *base, bool fresh)
{
	for (size_t i = 0; i < s->n; i++)
		if (!base || strcmp(s->all[i].base, base) == 0)
			row_refresh(s, &s->all[i], fresh);
}

void kernel_sets_check(struct kernel_sets *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct kernel_set *row = &s->all[i];

		/* A large source edits its elements itself, one by one. */
		if (row->dirty ||
			(!row->list && source_of(row).page &&
				source_of(row).count(row->source.arg) > KERNEL_SETS_SMALL))
			continue;
		row->dirty = true;
		row->fresh = false;
	}
}

static int fill_begin(struct kernel_sets *s, struct nft *nft)
{
	struct kernel_set *row = NULL;
	struct nft_source source;

	for (size_t i = s->n; i-- > 0;)
		if (s->all[i].dirty && (!row || s->all[i].guards)) {
			row = &s->all[i];
			s->filling = i;
		}
	if (!row)
		return 0;
	source = source_of(row);
	return nft_fill_new(nft, row->base, &source, row->fresh, row->digest, &s->fill);
}

static void fill_end(struct kernel_sets *s, size_t *changes)
{
	struct kernel_set *row = &s->all[s->filling];

	*changes += nft_fill_changes(s->fill);
	row->digest = nft_fill_digest(s->fill);
	row->dirty = row->fresh = false;
	nft_fill_free(s->fill);
	s->fill = NULL;
}

static bool has_more(const struct kernel_sets *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].dirty)
			return true;
	return false;
}

int kernel_sets_run(struct kernel_sets *s, struct nft *nft, uint64_t ms, size_t *changes)
{
	uint64_t start = clock_mono_ms();

	do {
		int r = s->fill ? 0 : fill_begin(s, nft);

		if (r < 0 || !s->fill)
			return r;
		r = nft_fill_step(s->fill);
		if (r < 0) {
			nft_fill_free(s->fill);
			s->fill = NULL;
			s->all[s->filling].fresh = false; /* a part of it may be in */
			return r;
		}
		s->holds = s->holds || nft_fill_holds(s->fill);
		if (r == 0)
			fill_end(s, changes);
	} while (clock_mono_ms() - start < ms);
	return has_more(s);
}

bool kernel_sets_hold(struct kernel_sets *s)
{
	bool holds = s->holds;

	s->holds = false;
	return holds;
}

bool kernel_sets_are_open(const struct kernel_sets *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].guards && s->all[i].dirty &&
			(!s->fill || s->filling != i || !nft_fill_is_whole(s->fill)))
			return true;
	return false;
}

/* ---- edits ---- */

static bool is_single(const struct nft_element *e)
{
	return e->prefix_len == ADDRESS_BITS ||
	       (e->prefix_len == 64 && !address_is_v4(&e->address));
}

/* After the source; the fill that is on the way has read it before, perhaps. */
static int row_compare_nets(struct kernel_sets *s, struct kernel_set *row, struct nft *nft)
{
	struct nft_source source = source_of(row);
	struct nft_element *all = NULL;
	size_t n = 0;
	int r;

	if (s->fill && &s->all[s->filling] == row)
		nft_fill_changed(s->fill);
	r = source.all(source.arg, &all, &n);
	if (r == 0)
		r = source.page ? nft_sync_nets(nft, row->base, all, n, NULL)
				: nft_sync(nft, row->base, all, n, NULL);
	free(all);
	return r;
}

/* Copies those that can be edited by themselves: how many. */
static size_t pick_singles(
	const struct nft_element *from, size_t n, struct nft_element *to, bool *others)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_single(&from[i]))
			to[count++] = from[i];
		else
			*others = true;
	}
	return count;
}

int kernel_set_edit(struct kernel_sets *s, struct kernel_set *row, struct nft *nft,
	const struct nft_element *add, size_t n_add, const struct nft_element *del, size_t n_del)
{
	struct nft_element *singles = calloc(n_add + n_del + 1, sizeof *singles);
	size_t n_adds, n_dels;
	bool nets = false;
	int r;

	if (!singles)
		return -ENOMEM;
	n_adds = pick_singles(add, n_add, singles, &nets);
	n_dels = pick_singles(del, n_del, singles + n_adds, &nets);
	r = nft_edit(nft, row->base, singles, n_adds, singles + n_adds, n_dels, NULL);
	free(singles);
	/* Networks may cover each other; pairs of intervals alone hold all in one set. */
	if (r == ERR_EXISTS || (r == 0 && nets))
		r = row_compare_nets(s, row, nft);
	return r;
}

/* By its differences where they stand alone. ERR_EXISTS: compare the whole. */
static int edit_list(
	const struct kernel_set *row, struct nft *nft, const json_t *add, const json_t *del)
{
	struct mirror added = { 0 }, deleted = { 0 };
	struct nft_edit result = { 0 };
	int r;

	if ((r = mirror_add_texts(&added, add)) < 0 || (r = mirror_add_texts(&deleted, del)) < 0)
		goto out;
	for (size_t i = 0; i < deleted.n && r == 0; i++)
		if (!is_single(&deleted.all[i])) /* a narrower one may be left inside */
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

int kernel_sets_list_edited(struct kernel_sets *s, struct nft *nft, const char *list,
	const json_t *add, const json_t *del)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++) {
		struct kernel_set *row = &s->all[i];

		if (!row->list || strcmp(row->list, list) != 0)
			continue;
		row->digest = 0;
		r = edit_list(row, nft, add, del);
		if (r == 0 && !row->dirty)
			continue;
		row_refresh(s, row, false);
		r = r == ERR_EXISTS ? 0 : r;
	}
	return r;
}

/* ---- other hands ---- */

/* Each key as its source has it. */
static int mend_keys(
	struct kernel_set *row, struct nft *nft, const struct nft_element *keys, size_t n)
{
	struct nft_element add[KEYS_MAX], del[KEYS_MAX];
	size_t n_add = 0, n_del = 0;
	bool found[KEYS_MAX];
	int r = 0;

	if (row->list && (r = mirror_find(row->policy, row->list, keys, n, found)) < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct nft_element one = keys[i];

		if (row->list ? found[i] : row->source.find(row->source.arg, &keys[i], &one))
			add[n_add++] = one;
		else
			del[n_del++] = keys[i];
	}
	return nft_edit(nft, row->base, add, n_add, del, n_del, NULL);
}

bool kernel_sets_mend(struct kernel_sets *s, struct nft *nft, int *r)
{
	struct nft_element keys[KEYS_MAX];
	bool touched = false, whole;
	size_t n;

	*r = 0;
	for (size_t i = 0; i < s->n; i++) {
		struct kernel_set *row = &s->all[i];
		int error = 0;

		if (!nft_event_take(nft, row->base, keys, KEYS_MAX, &n, &whole))
			continue;
		touched = true;
		if (!whole && (row->list || row->source.find))
			error = mend_keys(row, nft, keys, n);
		else
			whole = true;
		if (whole || error == ERR_EXISTS)
			row_refresh(s, row, false);
		else if (error < 0)
			*r = error;
	}
	return touched;
}

/* ---- telling ---- */

size_t kernel_sets_listed(const struct kernel_sets *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].list)
			n += count_list((void *)&s->all[i]);
	return n;
}

json_t *kernel_sets_counts(const struct kernel_sets *s, struct nft *nft)
{
	json_t *counts = json_object();

	for (size_t i = 0; i < s->n; i++) {
		char name[NFT_BASE_MAX + 2];
		size_t n[2];

		if (nft_count(nft, s->all[i].base, &n[0], &n[1]) < 0)
			continue;
		for (int v = 0; v < 2; v++) {
			snprintf(name, sizeof name, "%s%d", s->all[i].base, v ? 6 : 4);
			json_object_set_new(counts, name, json_integer((json_int_t)n[v]));
		}
	}
	return counts;
}
