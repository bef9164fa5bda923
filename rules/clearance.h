/* SPDX-License-Identifier: BSD-2-Clause */
/* Clearance tables: which labels (XEP-0258) may go from one domain to another. Compiled from blocks
 * "clearance", asked by the field label.release. Immutable, in the program's arena. */
#pragma once

#include <stdbool.h>
#include "base/span.h"
#include "xmpp/label.h"

enum clearance_answer {
	CLEARANCE_UNLISTED, /* no table for this pair of domains */
	CLEARANCE_RELEASED,
	CLEARANCE_WITHHELD,
	CLEARANCE_UNLABELLED
};

/* "release policy ...": of a policy, by marking or by classification. */
struct clearance_policy {
	struct span policy;
	struct span display; /* ptr NULL: by class */
	unsigned low, high;
};

struct clearance {
	const char *name;
	struct span
		*displays; /* markings that suffice where the label's policy is not named below */
	unsigned n_displays;
	struct clearance_policy *policies;
	unsigned n_policies;
	bool unlabelled; /* what bears no label is released */
	bool errors;     /* ... if it is an error that says nothing */
};

/* A prepared domain, or all below it. */
struct clearance_domain {
	struct span name;
	bool below;
};

struct clearance_pair {
	struct clearance_domain from, to;
	const struct clearance *table;
};

struct clearance_set {
	struct clearance_pair *pairs; /* the narrower before the wider */
	unsigned n;
};

/* How one stands to the other: they have no name in common, are the same, or one is a part. */
enum clearance_relation { CLEARANCE_APART, CLEARANCE_SAME, CLEARANCE_NARROWER, CLEARANCE_WIDER };
enum clearance_relation clearance_compare(
	const struct clearance_domain *a, const struct clearance_domain *b);

/* The table for what goes from one prepared domain to another; NULL: none. */
const struct clearance *clearance_find(
	const struct clearance_set *set, struct span from, struct span to);
/* What the table says of a stanza and its labels. Each label must be fit. */
enum clearance_answer clearance_ask(
	const struct clearance *c, const struct stanza *s, const struct labels *labels);
/* "released" "withheld" "unlabelled" "unlisted". */
const char *clearance_text(enum clearance_answer answer);
