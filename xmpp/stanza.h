/* SPDX-License-Identifier: BSD-2-Clause */
/* A complete first-level child of a stream: a read-only tree in an arena, names expanded. Plain data.
 * Everything lives as long as the arena is not reset (see stream_next). All strings are UTF-8 and
 * NUL-terminated; "" stands for no namespace, never NULL. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/span.h"

struct xml_attr {
	struct xml_attr *next;
	const char *ns;     /* "" unless prefixed */
	const char *prefix; /* as written, "" if none */
	const char *name;   /* local part */
	const char *value;
	size_t len; /* bytes of value */
};

struct xml_element;

/* A child: either an element or a run of character data (CDATA and references already resolved,
 * neighbouring runs joined). */
struct xml_node {
	struct xml_node *next;
	struct xml_element *element; /* NULL for text */
	const char *text;
	size_t len;
};

struct xml_element {
	const char *ns;     /* expanded namespace URI, "" if none */
	const char *prefix; /* as written, "" if none */
	const char *name;   /* local part */
	struct xml_attr *attrs;
	struct xml_node *children, *last;
	struct xml_element *parent; /* NULL for the stanza itself */
	unsigned depth;             /* 1 for the stanza itself */
};

enum stanza_kind {
	STANZA_MESSAGE,
	STANZA_PRESENCE,
	STANZA_IQ,
	STANZA_STREAM, /* any other first-level element: features, SASL, stream management, ... */
};

struct stanza {
	struct arena *arena; /* for whoever needs memory of the same lifetime */
	struct xml_element *root;
	enum stanza_kind kind; /* by expanded name: message/presence/iq in any content namespace (see stream.h) */
	struct span raw;       /* the original bytes */
	unsigned depth, elements;
	const char *canonical_ns; /* raw is what write_element writes where this is the content
	                           * namespace; NULL: raw is spelled otherwise */
};

/* Value of an attribute without namespace; NULL if absent. Borrowed. */
const char *element_attr(const struct xml_element *e, const char *name);
const char *element_attr_ns(const struct xml_element *e, const char *ns, const char *name);
/* Is it exactly {ns}name? */
bool element_is(const struct xml_element *e, const char *ns, const char *name);
/* First child element with that name (ns NULL: any namespace; name NULL: any name); NULL if none. */
struct xml_element *element_child(const struct xml_element *e, const char *ns, const char *name);
/* The next sibling element after child, same filter; NULL at the end. O(n) over the parent's nodes. */
struct xml_element *element_next(const struct xml_element *child, const char *ns, const char *name);
/* First child element of any name; NULL if none. */
struct xml_element *element_first(const struct xml_element *e);
/* All direct character data joined; "" if none; NULL when out of memory. In the arena. */
const char *element_text(const struct xml_element *e, struct arena *arena);
/* "message" "presence" "iq" "stream". */
const char *stanza_kind_text(enum stanza_kind kind);
/* The stanza's type attribute, "" if absent. */
const char *stanza_type(const struct stanza *s);

/* Building (bounces, features edits, tests): in the arena; NULL when out of memory. */
struct xml_element *element_new(struct arena *a, const char *ns, const char *name);
int element_set_attr(struct arena *a, struct xml_element *e, const char *name, const char *value);
int element_add(struct arena *a, struct xml_element *parent, struct xml_element *child);
int element_add_text(struct arena *a, struct xml_element *parent, const char *text, size_t len);
/* Unlinks child from its parent; the memory stays in the arena. */
void element_remove(struct xml_element *child);
