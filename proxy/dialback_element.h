/* SPDX-License-Identifier: BSD-2-Clause */
/* One element of XEP-0220 as its parts, cut back to them, and our own error answers. */
#pragma once

#include "xmpp/bounce.h"
#include "xmpp/stanza.h"

#define NS_BIDI         "urn:xmpp:bidi"
#define NS_BIDI_FEATURE "urn:xmpp:features:bidi"

enum {
	DIALBACK_KEY_MAX = 1024, /* bytes of a key; XEP-0185 makes 64 */
	DIALBACK_ID_MAX = 256,   /* of a stream's id */
};

enum dialback_kind { DIALBACK_RESULT, DIALBACK_VERIFY, DIALBACK_OTHER };
enum dialback_type {
	DIALBACK_REQUEST,
	DIALBACK_VALID,
	DIALBACK_INVALID,
	DIALBACK_ERROR,
	DIALBACK_UNKNOWN
};

struct dialback_element {
	enum dialback_kind kind;
	enum dialback_type type;
	const char *from, *to; /* prepared; NULL: absent, or no domain */
	const char *id;        /* "" if absent */
	size_t key;            /* bytes of text, white space around it left out */
	bool oversize;         /* key or id are too long */
};

/* Takes e apart; memory from the arena. 0, -ENOMEM. */
int dialback_read(struct arena *a, const struct xml_element *e, struct dialback_element *out);
/* Leaves from, to, id, type, the key and, in an error, its conditions; counts what went. 0,
 * -ENOMEM. */
int dialback_trim(struct arena *a, struct xml_element *e, const struct dialback_element *is,
	unsigned *stripped);
/* Makes of an answer the error answer: what it said before is gone. 0, -ENOMEM. */
int dialback_make_error(struct arena *a, struct xml_element *answer, enum stanza_error condition);
/* Leaves of <bidi/> only what XEP-0478 puts into it; how much went. */
unsigned dialback_trim_bidi(struct xml_element *e);
/* The error answer to a request, from and to swapped, its id kept (XEP-0220 2.4.2). NULL: out of
 * memory. */
struct xml_element *dialback_answer(
	struct arena *a, const struct xml_element *request, enum stanza_error condition);
