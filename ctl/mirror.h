/* SPDX-License-Identifier: BSD-2-Clause */
/* Address sets of the policy as elements of the kernel's sets. Pure: talks to nobody. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>
#include "ctl/nft.h"

struct policy;

/* A growing array; all is malloc'd, freed by mirror_fini. */
struct mirror {
	struct nft_element *all;
	size_t n, cap;
	bool failed; /* out of memory */
};

void mirror_fini(struct mirror *m);
/* Appends all of the policy's set (NULL: nothing). 0, ERR_NOTFOUND, -ENOMEM. */
int mirror_add_set(struct mirror *m, const struct policy *p, const char *set);
/* Appends what these list texts ("192.0.2.1 until 2026-12-01") name; what cannot be read is left
 * out. 0 or -ENOMEM. */
int mirror_add_texts(struct mirror *m, const json_t *texts);
/* Which of these prefixes has the policy's set exactly? In one walk through it. 0, ERR_NOTFOUND,
 * -ENOMEM. */
int mirror_find(const struct policy *p, const char *set, const struct nft_element *keys, size_t n,
	bool *found);
