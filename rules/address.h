/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefix trees: which of many networks holds an address. The text forms (address_parse ...) are in
 * rules.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/span.h"
#include "rules/rules.h"

enum { ADDRESS_BITS = 128, ADDRESS_RANGE_PREFIXES_MAX = 256, PREFIX_TEXT_SIZE = 56 };

/* Clears the bits behind len (in IPv6 bits; at most 128). */
void prefix_mask(struct peer_address *a, unsigned len);
/* "192.0.2.7/32" from an address and a length in IPv6 bits. */
void prefix_format(const struct peer_address *a, unsigned len, char text[PREFIX_TEXT_SIZE]);
/* The same, but a single address is shown as one. */
void prefix_show(const struct peer_address *a, unsigned len, char text[PREFIX_TEXT_SIZE]);

/* One network; bits behind len are zero. */
struct prefix {
	struct peer_address address;
	unsigned len; /* in IPv6 bits */
};

/* "192.0.2.1", "192.0.2.0/24" or "192.0.2.5-192.0.2.9" as the prefixes that cover exactly that; *n
 * of at most max. 0, ERR_SYNTAX, or ERR_RANGE when a range is upside down, mixes families or needs
 * more than max prefixes. */
int address_parse_prefixes(struct span text, struct prefix *out, size_t max, size_t *n);

struct prefix_node;
struct prefix_tree {
	struct prefix_node *root;
	size_t count; /* prefixes held */
};

void prefix_tree_init(struct prefix_tree *t);
/* Values are not the tree's. */
void prefix_tree_fini(struct prefix_tree *t);
/* Sets or replaces; *old (may be NULL) gets the previous value. value is not NULL. 0 or -ENOMEM. */
int prefix_tree_put(struct prefix_tree *t, const struct prefix *p, void *value, void **old);
/* The value of exactly that prefix, NULL if absent. */
void *prefix_tree_get(const struct prefix_tree *t, const struct prefix *p);
/* Removes exactly that prefix and returns its value, NULL if absent. */
void *prefix_tree_take(struct prefix_tree *t, const struct prefix *p);
/* The value of the longest prefix that holds a and for which live (may be NULL: all) says yes; NULL
 * if none. */
void *prefix_tree_find(const struct prefix_tree *t, const struct peer_address *a,
	bool (*live)(const void *value, void *arg), void *arg);
/* Does a live prefix of the tree share an address with p (one holds the other)? */
bool prefix_tree_overlaps(const struct prefix_tree *t, const struct prefix *p,
	bool (*live)(const void *value, void *arg), void *arg);
/* Visits all in address order until false. */
bool prefix_tree_each(const struct prefix_tree *t,
	bool (*visit)(void *arg, const struct prefix *p, void *value), void *arg);
