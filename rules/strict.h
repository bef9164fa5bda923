/* SPDX-License-Identifier: BSD-2-Clause */
/* A stanza made anew from a profile (docs/PROFILES.md): what the profile does not name is not in
 * it. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "xmpp/stanza.h"

/* A compiled profile: immutable, shared by all threads. */
struct strict;
struct strict *strict_ref(struct strict *p);
void strict_unref(struct strict *p);
/* Names of its blocks, "chat, presence, rooms": the profile's own string. */
const char *strict_names(const struct strict *p);

enum strict_kind {
	STRICT_SAME,    /* all of it is in the profile */
	STRICT_CHANGED, /* something was left out */
	STRICT_REFUSED, /* it must not go on */
};

enum strict_reason {
	STRICT_ELEMENT,   /* an element that the profile does not name there */
	STRICT_ATTRIBUTE, /* an attribute, the same */
	STRICT_TEXT,      /* text where none is allowed, or another kind of text */
	STRICT_VALUE,     /* an attribute's value of another kind */
	STRICT_COUNT,   /* more of an element than allowed, or of all children together, or fewer */
	STRICT_MISSING, /* an element or attribute that must be there */
	STRICT_TYPE,    /* a kind of stanza, or a type of it, that no block names */
	STRICT_DEPTH,   /* too deep inside */
	STRICT_SIZE,    /* too large, or too many elements */
	STRICT_ORDER,   /* children were put in the profile's order */
	STRICT_SPACE,   /* white space between elements or around a value */
	STRICT_REASONS
};
/* "element" ... */
const char *strict_reason_text(enum strict_reason reason);

struct strict_note {
	enum strict_reason reason;
	const char *
		path; /* "message/{urn:x}y", "message/body@xml:lang"; names are the sender's, cut */
};

enum { STRICT_NOTES_MAX = 16 };

struct strict_result {
	enum strict_kind kind;
	struct xml_element *root;                   /* what goes on; NULL if refused */
	struct strict_note notes[STRICT_NOTES_MAX]; /* what was removed or changed, in order */
	unsigned n_notes, n_more;                   /* those here; those beyond */
	struct strict_note why;                     /* REFUSED: over what */
};

/* Makes a new tree in the arena; nothing of the old one is in it: names are the profile's, values
 * are copied once they were checked. st itself is not changed. The notes' paths live in the arena,
 * too. 0 or -ENOMEM (then it must not go on). */
int strict_write(const struct strict *p, const struct stanza *st, struct arena *arena,
	struct strict_result *out);
struct verdict;
/* A refusal in the shape of a rule's verdict: "reject policy-violation" by "strict"; its text is in the arena. */
void strict_refusal(const struct strict_result *result, struct arena *arena, struct verdict *out);
/* For people: "removed element message/{urn:x}y, attribute message@z and 3 more", or "refused:
 * ..."; nothing if it is the same. 0, -ENOMEM or ERR_LIMIT. */
int strict_format(const struct strict_result *result, struct buf *out);
