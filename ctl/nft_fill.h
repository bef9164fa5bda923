/* SPDX-License-Identifier: BSD-2-Clause */
/* Makes a pair of sets hold what a source says, however much that is: in pieces of some
 * milliseconds, between which single elements may come and go. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "ctl/nft.h"

/* What a pair is to hold. The answers are of the moment of the call. */
struct nft_source {
	/* How many elements, about. */
	size_t (*count)(void *arg);
	/* All of them, or with page those that it leaves out: malloc'd (the caller frees) array of
	 * *n, NULL with 0. Negative on failure. */
	int (*all)(void *arg, struct nft_element **elements, size_t *n);
	/* Single addresses and IPv6 networks of 64 bits behind *after (NULL: from the first), in
	 * address order, at most max; *n 0: no more. With find; NULL: all gives everything. */
	int (*page)(void *arg, const struct nft_element *after, struct nft_element *out, size_t max,
		size_t *n);
	/* Does it hold exactly this prefix? *found with its time then. With page. */
	bool (*find)(void *arg, const struct nft_element *prefix, struct nft_element *found);
	void *arg;
	bool guards; /* a set that must be emptied to be filled lets nobody new in meanwhile */
};

struct nft_fill;

/* fresh: the sets are empty, nothing is to be removed. known: what nft_fill_digest said when the
 * sets were filled last, if nobody has touched them since, and 0 else: then the same is not put in
 * again. source is copied. 0 or -ENOMEM. */
int nft_fill_new(struct nft *n, const char *base, const struct nft_source *source, bool fresh,
	uint64_t known, struct nft_fill **out);
void nft_fill_free(struct nft_fill *f);
/* Does a piece. 1: there is more to do, 0: the pair is as it should be, or as nft_sync. */
int nft_fill_step(struct nft_fill *f);
/* Is all in that should be in? (What should not may still be there.) */
bool nft_fill_is_whole(const struct nft_fill *f);
/* How many elements were added and removed where they were compared. */
size_t nft_fill_changes(const struct nft_fill *f);
/* A number for what a source without pages gave; 0: none. */
uint64_t nft_fill_digest(const struct nft_fill *f);
/* What source.all gives has changed. */
void nft_fill_changed(struct nft_fill *f);
/* Has it put tcp into the set "loading", because it had to empty one that guards? */
bool nft_fill_holds(const struct nft_fill *f);
