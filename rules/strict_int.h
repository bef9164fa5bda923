/* SPDX-License-Identifier: BSD-2-Clause */
/* The compiled form of a profile: made by profile_compile.c, walked by strict.c. All of it lies in
 * the arena of struct strict. */
#pragma once

#include <stdatomic.h>
#include "rules/strict.h"

enum strict_type_kind {
	TYPE_TEXT,  /* up to max bytes */
	TYPE_TOKEN, /* the same, without white space and control characters, not empty */
	TYPE_JID,
	TYPE_DOMAIN,
	TYPE_WORDS,
	TYPE_NUMBER,
	TYPE_LANG,     /* BCP 47 by its form */
	TYPE_DATETIME, /* XEP-0082 */
	TYPE_BASE64,
	TYPE_URI, /* of schemes; none: of any */
	TYPE_KINDS
};

struct strict_type {
	enum strict_type_kind kind;
	bool bare;    /* JID: without resource */
	uint32_t max; /* bytes */
	int64_t low, high;
	unsigned n_words; /* WORDS, URI: the schemes */
	const struct span *words;
};

struct strict_attr {
	const char *ns, *prefix, *name; /* "" unless in a namespace */
	const struct strict_type *type;
	bool required, refuse;
	unsigned slot;
};

struct strict_model;

/* An element where it may stand. */
struct strict_place {
	const char *ns; /* "": that of the stanza */
	const char *name;
	const struct strict_model *model;
	bool required, refuse;
	unsigned max, slot;
};

/* What an element may hold. */
struct strict_model {
	uint64_t salt; /* of its entries in the table */
	const struct strict_attr *attrs;
	const struct strict_place *places;
	unsigned n_attrs, n_places, n_required /* places */;
	const struct strict_type *text; /* NULL: none */
	bool text_required, text_refuse;
	bool unknown_refuse, ordered;
	unsigned low, high; /* child elements */
};

struct strict_entry {
	uint64_t hash;
	const struct strict_attr *attr;   /* one of both */
	const struct strict_place *place; /* NULL and NULL: free */
};

enum { STRICT_TYPES_MAX = 8, STRICT_ATTRS_MAX = 64, STRICT_DEPTH_MAX = 64 };

struct strict {
	_Atomic unsigned refs;
	struct arena arena;
	const char *names;
	const struct strict_model *stanzas[STANZA_STREAM][STRICT_TYPES_MAX]; /* NULL: refused */
	struct strict_entry *table;
	uint64_t mask;
	size_t size;
	unsigned depth, elements;
};

/* strict.c: the values of the type attribute of that kind, in the order of stanzas; NULL ends them.
 * "available" is no type attribute. */
extern const char *const strict_types[STANZA_STREAM][STRICT_TYPES_MAX + 1];

/* Where an attribute (ns "" for none) or an element of that name is looked for. */
static inline uint64_t strict_hash(
	const struct strict_model *m, const char *ns, const char *name, bool attr)
{
	uint64_t hash = span_mix(span_of(name)) + (*ns ? span_mix(span_of(ns)) * 3 : 0);

	hash = (hash + m->salt + attr) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

/* strict_value.c: does the value fit? In the text of an element, white space around it is none of
 * it, and in base64 nowhere; *value is what remains then, in the arena if need be. 1, 0 or -ENOMEM.
 */
int strict_value_fits(
	const struct strict_type *type, struct span *value, bool text, struct arena *arena);

/* ---- notes ---- */

struct strict_cause {
	enum strict_reason reason;
	const struct xml_element *e;
	const char *ns, *name; /* of an attribute or child; name NULL: of e itself */
	bool attr;
};

/* One writing. */
struct writer {
	const struct strict *p;
	struct arena *arena;
	struct strict_result *out;
	const char *from_ns,
		*to_ns; /* the stanza's namespace: as it came, and our own word for it */
	unsigned elements;
	size_t size;
	struct strict_cause cause; /* why the last element was broken */
};

/* What became of an element. */
enum fate {
	FATE_KEPT,
	FATE_BROKEN, /* it lacks what it must have: its place says what becomes of it */
	FATE_REFUSED,
	FATE_FAILED, /* no memory */
};

/* strict_note.c: what was left out. refused: that it may not be is the end; FATE_KEPT otherwise,
 * and in all of these FATE_FAILED if out of memory. */
enum fate strict_note(
	struct writer *w, enum strict_reason reason, const struct xml_element *e, bool refused);
enum fate strict_note_attr(struct writer *w, enum strict_reason reason, const struct xml_element *e,
	const struct xml_attr *a, bool refused);
/* Over this its element cannot be; what becomes of that is its place's affair (FATE_BROKEN), unless
 * refused. */
enum fate strict_broken(struct writer *w, struct strict_cause cause, bool refused);
/* ... and its place says that nothing goes on; the note about it was the last one. */
enum fate strict_refuse_broken(struct writer *w);
