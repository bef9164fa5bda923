/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pairs of address sets the kernel holds a copy of, and of what: a table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "ctl/nft_fill.h"

struct policy;

enum { KERNEL_SETS_MAX = 24, KERNEL_SETS_SMALL = 20000 };

/* What is in the sets of a pair comes from a list of the policy, or from a source. */
struct kernel_set {
	char base[NFT_BASE_MAX];
	const char *list;         /* a policy's address set, borrowed from it; NULL: the source */
	struct nft_source source; /* without a list; all callbacks NULL: stays empty */
	bool guards;              /* while it is not whole, nobody new is let in */
	/* ---- of the table itself ---- */
	const struct policy *policy;
	uint64_t digest; /* of what was put in last; 0: unknown */
	bool dirty;      /* to be filled, or being filled */
	bool fresh;      /* with nothing in it as yet */
};

struct kernel_sets {
	struct kernel_set all[KERNEL_SETS_MAX];
	size_t n;
	struct nft_fill *fill; /* of row filling; NULL: none */
	size_t filling;
	bool holds;
};

/* A row more. 0 or ERR_LIMIT. */
int kernel_sets_add(struct kernel_sets *s, const struct kernel_set *row);
/* Takes over other rows; what is known of pairs of the same names stays. */
void kernel_sets_replace(struct kernel_sets *s, const struct kernel_sets *by);
/* Rows are read from this policy's lists from now on (borrowed). */
void kernel_sets_policy(struct kernel_sets *s, const struct policy *p);
struct kernel_set *kernel_sets_find(struct kernel_sets *s, const char *base);

/* The pair is to be filled anew; NULL: all. fresh: the kernel's sets are empty. */
void kernel_sets_refresh(struct kernel_sets *s, const char *base, bool fresh);
/* All rows are looked at again: lists may have changed, and small sources. */
void kernel_sets_check(struct kernel_sets *s);
/* Fills for so long (0: one piece). 1 when there is more to do, 0 when all is as it should be, or
 * negative as nft_sync. *changes grows by the elements added and removed where they were compared.
 */
int kernel_sets_run(struct kernel_sets *s, struct nft *nft, uint64_t ms, size_t *changes);
/* Since it was asked last: was a pair emptied, and "loading" switched on for it? */
bool kernel_sets_hold(struct kernel_sets *s);
/* Does a pair that guards lack elements, or will it? */
bool kernel_sets_are_open(const struct kernel_sets *s);
/* What another hand did to keys of the pairs is undone, or the pair is to be filled anew. True when
 * anything was touched; *r negative on failure. */
bool kernel_sets_mend(struct kernel_sets *s, struct nft *nft, int *r);

/* Elements more, or with a new time, and less, of a row with a source, after the source: in one
 * transaction; where networks are among them, the pair's networks are compared. As nft_sync. */
int kernel_set_edit(struct kernel_sets *s, struct kernel_set *row, struct nft *nft,
	const struct nft_element *add, size_t n_add, const struct nft_element *del, size_t n_del);
/* A list of the policy was edited (texts as the policy takes them): every pair that holds it
 * follows, or is to be filled anew. As nft_edit. */
int kernel_sets_list_edited(struct kernel_sets *s, struct nft *nft, const char *list,
	const json_t *add, const json_t *del);
/* How many entries the lists have. */
size_t kernel_sets_listed(const struct kernel_sets *s);
/* {"block4":N,"block6":N,...}: how many runs each pair holds; those of a large one as its source
 * says. */
json_t *kernel_sets_counts(const struct kernel_sets *s, struct nft *nft);
