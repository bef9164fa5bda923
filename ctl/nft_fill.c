/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between what should be in the kernel (ctl/kernel_sets.c) and its sets. A small
 * pair is read, compared and mended in one step. A large one is put in page by page, whatever is
 * there already; intervals, of which the kernel goes through all at each transaction, in few large
 * pieces; and then its sets by hash are read in pieces, and what does not belong there is taken
 * out, by what the source says at that moment. Who edits single elements in between does no harm,
 * and is not harmed, as long as he writes the source first. */
#include "ctl/nft_fill.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "ctl/interval.h"
#include "ctl/nft_sets_int.h"

enum {
	SMALL_MAX = 20000, /* elements: read and compared in one go */
	PIECE = 2048,      /* elements of a set by hash in a transaction */
	INTERVAL_PIECES = 16,
	PASSES_MAX = 16,
};

enum stage { STAGE_SMALL, STAGE_PUT, STAGE_NETS, STAGE_PRUNE, STAGE_DONE };

struct nft_fill {
	struct nft *nft;
	char base[NFT_BASE_MAX];
	struct nft_source source;
	bool fresh, holds;
	enum stage stage;
	size_t changes;
	uint64_t known, digest;
	struct nft_element *all; /* of source.all, in address order */
	size_t n_all, at;
	struct nft_element last; /* of the last page */
	bool paged;
	enum nft_part part; /* of STAGE_NETS, STAGE_PRUNE */
	struct nft_run *runs;
	size_t n_runs, run_at;
	bool flattened;
	struct nft_walk *walk;
	size_t pruned; /* in this pass through the set */
	unsigned passes;
};

/* ---- setting out ---- */

static int compare_elements(const void *a, const void *b)
{
	const struct nft_element *x = a, *y = b;
	int r = interval_compare(&x->address, &y->address);

	return r ? r : (int)x->prefix_len - (int)y->prefix_len;
}

static int stage_enter(struct nft_fill *f, enum stage stage)
{
	f->stage = stage;
	f->part = stage == STAGE_NETS ? NFT_PART_4_NETS : NFT_PART_4;
	return stage != STAGE_DONE;
}

int nft_fill_new(struct nft *n, const char *base, const struct nft_source *source, bool fresh,
	uint64_t known, struct nft_fill **out)
{
	struct nft_fill *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->nft = n;
	f->source = *source;
	f->fresh = fresh;
	f->known = fresh ? 0 : known;
	memcpy(f->base, base, strnlen(base, sizeof(f->base) - 1));
	/* Pairs of intervals alone are compared whole. */
	stage_enter(f,
		source->count(source->arg) > SMALL_MAX && !nft_part_is_interval(n, base, NFT_PART_4)
			? STAGE_PUT
			: STAGE_SMALL);
	*out = f;
	return 0;
}

void nft_fill_free(struct nft_fill *f)
{
	if (!f)
		return;
	free(f->all);
	free(f->runs);
	nft_walk_end(f->walk);
	free(f);
}

bool nft_fill_is_whole(const struct nft_fill *f)
{
	return f->stage == STAGE_PRUNE || f->stage == STAGE_DONE;
}

size_t nft_fill_changes(const struct nft_fill *f)
{
	return f->changes;
}

uint64_t nft_fill_digest(const struct nft_fill *f)
{
	return f->digest;
}

void nft_fill_changed(struct nft_fill *f)
{
	if (f->stage != STAGE_PUT && f->stage != STAGE_NETS)
		return;
	free(f->all);
	f->all = NULL;
	free(f->runs);
	f->runs = NULL;
	f->n_all = f->at = f->n_runs = f->run_at = 0;
	f->flattened = false;
	if (f->stage == STAGE_NETS)
		stage_enter(f, f->source.page ? STAGE_NETS : STAGE_PUT);
}

bool nft_fill_holds(const struct nft_fill *f)
{
	return f->holds;
}

/* ---- small ---- */

/* All there is, pages behind the rest. */
static int gather(const struct nft_source *s, struct nft_element **all, size_t *n)
{
	struct nft_element last, *more;
	size_t pages = 0, got = 1;
	int r = s->all(s->arg, all, n);

	while (r == 0 && s->page && got > 0) {
		if (!(more = realloc(*all, (*n + PIECE) * sizeof(*more))))
			return -ENOMEM;
		*all = more;
		r = s->page(s->arg, pages++ ? &last : NULL, more + *n, PIECE, &got);
		if (r < 0 || got == 0)
			break;
		*n += got;
		last = more[*n - 1];
	}
	return r;
}

static int step_small(struct nft_fill *f)
{
	struct nft_edit result = { 0 };
	struct nft_element *all = NULL;
	size_t n = 0;
	int r = gather(&f->source, &all, &n);

	if (r == 0)
		r = nft_sync(f->nft, f->base, all, n, &result);
	f->changes += result.added + result.removed;
	free(all);
	return r < 0 ? r : stage_enter(f, STAGE_DONE);
}

/* ---- single keys ---- */

/* Runs of one part out of elements; *n_out may be 0. */
static int put_part(
	struct nft_fill *f, enum nft_part part, const struct nft_element *elements, size_t n)
{
	struct nft_run runs[PIECE];
	size_t count = 0;

	for (size_t i = 0; i < n; i++) {
		if (!interval_of(&elements[i].address, elements[i].prefix_len, &runs[count]) ||
			nft_part_of_run(f->nft, f->base, &runs[count]) != (int)part)
			continue;
		runs[count++].left_ms = elements[i].left_ms;
	}
	return nft_put(f->nft, f->base, part, runs, count);
}

static int put_singles(struct nft_fill *f, const struct nft_element *elements, size_t n)
{
	int r = 0;

	for (unsigned part = NFT_PART_4; part <= NFT_PART_6_64 && r == 0; part++)
		r = put_part(f, part, elements, n);
	return r;
}

static bool is_sorted(const struct nft_element *all, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (compare_elements(&all[i - 1], &all[i]) > 0)
			return false;
	return true;
}

static int read_all(struct nft_fill *f)
{
	int r;

	if (f->all)
		return 0;
	if ((r = f->source.all(f->source.arg, &f->all, &f->n_all)) < 0 || f->n_all == 0)
		return r;
	if (!is_sorted(f->all, f->n_all))
		qsort(f->all, f->n_all, sizeof(*f->all), compare_elements);
	/* Ends are of the moment; only what stays for ever is compared. */
	f->digest = f->source.page ? 0 : map_hash(f->all, f->n_all * sizeof(*f->all));
	return 0;
}

static int step_put(struct nft_fill *f)
{
	struct nft_element page[PIECE];
	size_t n = 0;
	int r;

	if (!f->source.page) {
		if ((r = read_all(f)) < 0)
			return r;
		if (f->digest != 0 && f->digest == f->known)
			return stage_enter(f, STAGE_DONE);
		n = f->n_all - f->at < PIECE ? f->n_all - f->at : PIECE;
		r = n > 0 ? put_singles(f, f->all + f->at, n) : 0;
		f->at += n;
	} else {
		r = f->source.page(f->source.arg, f->paged ? &f->last : NULL, page, PIECE, &n);
		if (r == 0 && n > 0) {
			r = put_singles(f, page, n);
			f->last = page[n - 1];
			f->paged = true;
		}
	}
	return r < 0 ? r : n > 0 ? 1 : stage_enter(f, STAGE_NETS);
}

/* ---- networks ---- */

static int read_runs(struct nft_fill *f)
{
	struct nft_element *mine;
	struct nft_run run;
	size_t n = 0;
	int r = read_all(f);

	if (r < 0)
		return r;
	if (!(mine = calloc(f->n_all ? f->n_all : 1, sizeof(*mine))))
		return -ENOMEM;
	for (size_t i = 0; i < f->n_all; i++)
		if (interval_of(&f->all[i].address, f->all[i].prefix_len, &run) &&
			nft_part_of_run(f->nft, f->base, &run) == (int)f->part)
			mine[n++] = f->all[i];
	r = interval_flatten(mine, n, &f->runs, &f->n_runs);
	f->run_at = 0;
	free(mine);
	return r;
}

/* Few: compared with what is there. */
static int sync_runs(struct nft_fill *f)
{
	struct nft_edit result = { 0 };
	int r = nft_sync_part(f->nft, f->base, f->part, f->runs, f->n_runs, &result);

	f->changes += result.added + result.removed;
	f->run_at = f->n_runs;
	return r;
}

static int put_runs(struct nft_fill *f)
{
	size_t piece = f->n_runs / INTERVAL_PIECES, left = f->n_runs - f->run_at;
	int r = 0;

	if (f->run_at == 0 && !f->fresh) {
		if (f->source.guards && (r = nft_flag(f->nft, FIREWALL_LOADING, true)) == 0)
			f->holds = true;
		if (r == 0)
			r = nft_flush(f->nft, f->base, f->part);
	}
	piece = piece < PIECE ? PIECE : piece;
	piece = piece < left ? piece : left;
	if (r == 0)
		r = nft_put(f->nft, f->base, f->part, f->runs + f->run_at, piece);
	f->run_at += piece;
	return r;
}

/* Single ones may be among what pages leave out: those that could not be written down. */
static int put_rest(struct nft_fill *f)
{
	int r = 0;

	for (size_t at = 0; at < f->n_all && r == 0; at += PIECE)
		r = put_singles(f, f->all + at, f->n_all - at < PIECE ? f->n_all - at : PIECE);
	return r;
}

static int step_nets(struct nft_fill *f)
{
	int r = 0;

	if (!f->flattened) {
		f->flattened = true;
		if ((r = read_runs(f)) == 0 && f->source.page && f->part == NFT_PART_4_NETS)
			r = put_rest(f);
		return r < 0 ? r : 1;
	}
	if (!nft_part_exists(f->nft, f->base, NFT_PART_4_NETS))
		return stage_enter(f, f->fresh ? STAGE_DONE : STAGE_PRUNE);
	r = f->n_runs <= SMALL_MAX ? sync_runs(f) : put_runs(f);
	if (r < 0 || f->run_at < f->n_runs)
		return r < 0 ? r : 1;
	free(f->runs);
	f->runs = NULL;
	f->n_runs = f->run_at = 0;
	f->flattened = false;
	if (f->part == NFT_PART_4_NETS) {
		f->part = NFT_PART_6_NETS;
		return 1;
	}
	return stage_enter(f, f->fresh ? STAGE_DONE : STAGE_PRUNE);
}

/* ---- what does not belong there ---- */

static bool belongs(struct nft_fill *f, const struct nft_element *key, struct nft_element *found)
{
	const struct nft_element *one;

	if (f->source.find)
		return f->source.find(f->source.arg, key, found);
	one = f->n_all ? bsearch(key, f->all, f->n_all, sizeof(*f->all), compare_elements) : NULL;
	if (one)
		*found = *one;
	return one != NULL;
}

static int prune(struct nft_fill *f, const struct nft_run *runs, size_t n)
{
	struct nft_op *ops = calloc(n ? n : 1, sizeof(*ops));
	struct nft_edit result = { 0 };
	size_t count = 0;
	int r;

	if (!ops)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct nft_element found,
			key = { runs[i].first, f->part == NFT_PART_6_64 ? 64 : 128, 0 };
		struct nft_op op = { .run = runs[i], .part = (uint8_t)f->part };

		if (!belongs(f, &key, &found)) {
			op.kind = NFT_OP_DELETE;
		} else if (!nft_same_end(found.left_ms, runs[i].left_ms)) {
			op.kind = NFT_OP_REPLACE;
			op.run.left_ms = found.left_ms;
		} else {
			continue;
		}
		ops[count++] = op;
	}
	r = nft_ops_run(f->nft, f->base, ops, count, &result);
	f->changes += result.added + result.removed;
	f->pruned += result.removed;
	free(ops);
	return r == ERR_EXISTS ? 0 : r; /* another hand was quicker, and is told of */
}

static int prune_next(struct nft_fill *f)
{
	bool again = f->pruned > 0 && ++f->passes < PASSES_MAX;

	nft_walk_end(f->walk);
	f->walk = NULL;
	f->pruned = 0;
	/* The kernel counts what it has shown, and what is taken out behind it makes it skip
	 * others. */
	if (again)
		return 1;
	f->passes = 0;
	if (f->part == NFT_PART_6_64)
		return stage_enter(f, STAGE_DONE);
	f->part++;
	return 1;
}

static int step_prune(struct nft_fill *f)
{
	struct nft_run *runs = NULL;
	size_t n = 0;
	int more, r;

	if (!nft_part_exists(f->nft, f->base, f->part))
		return prune_next(f);
	if (!f->walk && (r = nft_walk_begin(f->base, f->part, &f->walk)) < 0)
		return r;
	if ((more = nft_walk_next(f->walk, &runs, &n)) < 0)
		return more == -ENOENT ? ERR_NOTFOUND : more;
	r = n ? prune(f, runs, n) : 0;
	free(runs);
	if (r < 0 || more)
		return r < 0 ? r : 1;
	return prune_next(f);
}

int nft_fill_step(struct nft_fill *f)
{
	switch (f->stage) {
	case STAGE_SMALL:
		return step_small(f);
	case STAGE_PUT:
		return step_put(f);
	case STAGE_NETS:
		return step_nets(f);
	case STAGE_PRUNE:
		return step_prune(f);
	case STAGE_DONE:
		break;
	}
	return 0;
}
