/* SPDX-License-Identifier: BSD-2-Clause */
/* Whole elements to trees: the one room of expat. frame.c has found where each ends and has refused
 * what RFC 6120 11.1 restricts, so expat never keeps half a token; it must agree with every
 * boundary, or the stream is bad. */
#pragma once

#include <stdbool.h>
#include "base/arena.h"
#include "base/span.h"
#include "xmpp/limits.h"
#include "xmpp/stanza.h"
#include "xmpp/stream.h"

struct xml;

struct xml_root {
	struct xml_element *element; /* attributes, no children; NULL when refused */
	const char *content_ns; /* default namespace declared on it, "" if none; in the arena */
	bool dialback;          /* jabber:server:dialback was declared on it */
};

struct xml_tree {
	struct xml_element *element; /* NULL when refused */
	unsigned depth, elements;    /* deepest element (1: itself), elements in all */
};

/* NULL when out of memory. */
struct xml *xml_new(void);
void xml_free(struct xml *x);
/* The header (with its declaration). First thing a parser sees, once. 0 or -ENOMEM. Trees are in
 * the arena. */
int xml_open(struct xml *x, struct span bytes, struct arena *arena, struct xml_root *out);
/* Exactly one first-level element. 0 or -ENOMEM. */
int xml_element(struct xml *x, struct span bytes, struct arena *arena, struct xml_tree *out);
/* The end tag of the stream: false when it does not fit. */
bool xml_close(struct xml *x, struct span bytes);
/* Why the last call refused; reason is static storage. */
enum stream_error xml_refusal(const struct xml *x, const char **reason);
