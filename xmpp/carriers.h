/* SPDX-License-Identifier: BSD-2-Clause */
/* Where text hides in a stanza: bodies in all languages, subject, status, nick, XHTML-IM joined across inline
 * elements, forwarded copies in carbons and MAM, pubsub items, forms, file names, reasons, unknown elements
 * and attributes of unknown namespaces. */
#pragma once

#include <stdbool.h>
#include "base/arena.h"
#include "xmpp/stanza.h"

/* One joined text. Parts are separated by a line feed, so that no word is made across them. */
struct carrier_text {
	const char *text; /* NUL-terminated; in the arena, or the stanza's own where one text is all there is */
	size_t len;
};

/* A run of a joined text that stands in the tree as it is: where it begins in the joined text, and
 * its bytes inside one node's text or one attribute's value. */
struct carrier_piece {
	size_t at;
	struct span text;
};
struct carrier_map {
	const struct carrier_piece *pieces; /* in the order of at; what lies between is separators */
	size_t n;
};

/* Everything a person or a program could read: all character data and attribute values of unknown
 * namespaces, depth first; inline XHTML joined without separator. 0 or -ENOMEM. */
int carriers_all(struct arena *a, const struct stanza *s, struct carrier_text *out);
/* All <body> of the stanza's own namespace and of stanzas forwarded in it, each language; likewise the rest.
 * name: "body", "subject", "status", "thread"; nick has its own namespace and the MUC nick in "to". */
int carriers_named(struct arena *a, const struct stanza *s, const char *name, struct carrier_text *out);
int carriers_nick(struct arena *a, const struct stanza *s, struct carrier_text *out);
/* Calls visit for the stanza's root and each stanza forwarded inside it (carbons, MAM, XEP-0297), outermost first,
 * until visit returns false. */
void carriers_each_message(const struct stanza *s,
	bool (*visit)(void *arg, const struct xml_element *message, unsigned level), void *arg);
/* The same joined text as carriers_all (name NULL) or carriers_named, and where it comes from. */
int carriers_map(struct arena *a, const struct stanza *s, const char *name, struct carrier_text *out,
	struct carrier_map *map);
