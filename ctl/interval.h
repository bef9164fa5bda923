/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes with ends, which may nest, to runs of addresses that do not: interval sets hold no
 * overlaps. Pure. */
#pragma once

#include <stddef.h>
#include "ctl/nft.h"

/* First and last address of a prefix (host bits are ignored); false when prefix_len is above 128.
 */
bool interval_of(const struct peer_address *address, unsigned prefix_len, struct nft_run *run);
int interval_compare(const struct peer_address *a, const struct peer_address *b);
/* The address before or after; false, and *a untouched, at the end of all addresses. */
bool interval_step(struct peer_address *a, int direction);
/* *out (malloc'd, caller frees) in address order, disjoint; each address is held as long as the
 * longest of its prefixes says (0 is longest). 0, -ENOMEM, ERR_RANGE. */
int interval_flatten(
	const struct nft_element *elements, size_t n, struct nft_run **out, size_t *n_out);
