/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pairs of address sets the kernel holds a copy of, and of what: a table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include "ctl/nft.h"

struct policy;

enum { KERNEL_SETS_MAX = 24 };

/* What is in the sets BASE4 and BASE6 comes from a list of the policy, from a callback, or both. */
struct kernel_set {
	char base[NFT_BASE_MAX];
	const char *list; /* a policy's address set; NULL: none. Borrowed from the policy */
	/* More: malloc'd array (the caller frees it) of *n, NULL with 0; negative on failure. NULL:
	 * none. */
	int (*elements)(void *arg, struct nft_element **elements, size_t *n);
	/* Does what elements gives cover the address? With elements. */
	bool (*covers)(void *arg, const struct peer_address *a);
	void *arg;
};

struct kernel_sets {
	struct kernel_set all[KERNEL_SETS_MAX];
	size_t n;
};

/* A row more. 0 or ERR_LIMIT. */
int kernel_sets_add(struct kernel_sets *s, const struct kernel_set *row);
const struct kernel_set *kernel_sets_find(const struct kernel_sets *s, const char *base);

/* Makes a pair of the kernel's sets hold what its row says. *changes grows by the elements added
 * and removed. As nft_sync. */
int kernel_set_sync(
	const struct kernel_set *row, struct nft *nft, const struct policy *p, size_t *changes);
/* All of them, in the table's order. */
int kernel_sets_sync(
	const struct kernel_sets *s, struct nft *nft, const struct policy *p, size_t *changes);
/* Has the row's list any address in common with this one? */
bool kernel_set_lists(
	const struct kernel_set *row, const struct policy *p, const struct nft_element *one);
/* A list of the policy was edited (texts as the policy takes them): every pair that holds it
 * follows. As nft_sync. */
int kernel_sets_list_edited(const struct kernel_sets *s, struct nft *nft, const struct policy *p,
	const char *list, const json_t *add, const json_t *del, size_t *changes);
/* How many entries the lists have. */
size_t kernel_sets_listed(const struct kernel_sets *s, const struct policy *p);
/* {"block4":N,...}: how many runs each set holds. */
json_t *kernel_sets_counts(const struct kernel_sets *s, struct nft *nft);
