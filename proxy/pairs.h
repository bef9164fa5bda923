/* SPDX-License-Identifier: BSD-2-Clause */
/* The pairs of domains of one stream between servers: who may speak for whom to whom (XEP-0220).
 * Pure data; all names are prepared (xmpp/jid.h), so two spellings of one domain are one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/span.h"

/* Which end of a stream: who opened it, and who took it. */
enum side { SIDE_INITIATOR, SIDE_RECEIVER, SIDES };

static inline enum side side_other(enum side side)
{
	return side == SIDE_INITIATOR ? SIDE_RECEIVER : SIDE_INITIATOR;
}

enum pair_state {
	PAIR_NONE,    /* nobody asked, or the answer never came */
	PAIR_ASKED,   /* db:result is on its way */
	PAIR_VALID,   /* stanzas pass */
	PAIR_REFUSED, /* type='invalid' or 'error'; may be asked for again */
	PAIR_STATES
};
enum pair_how { PAIR_BY_NOTHING, PAIR_BY_DIALBACK, PAIR_BY_EXTERNAL, PAIR_HOWS };

/* A domain's name is at most this long, so that a full set stays small. */
enum { PAIR_NAME_MAX = 255 };

struct pair {
	struct span from, to; /* NUL-terminated */
	enum pair_state state;
	enum pair_how how; /* by what it is, or was, valid */
};

struct pair_list {
	struct pair **all;
	unsigned n, cap;
	unsigned last; /* where the last search ended well */
};

struct pairs {
	struct pair_list said_by[SIDES];
	unsigned max; /* each direction */
};

void pairs_init(struct pairs *p, unsigned max);
void pairs_fini(struct pairs *p);

/* A domain as it stands in an attribute, prepared, in the arena. 0; ERR_SYNTAX for what is none (an
 * address with a local part or resource, too), -ENOMEM. */
int pair_prepare(struct arena *a, const char *text, const char **out);
/* The domain within an address of a stanza, as written. Borrowed. */
struct span pair_domain_of(const char *address);

/* What side says from "from" to "to"; NULL: nothing known. Borrowed until the pair is forgotten. */
const struct pair *pairs_find(struct pairs *p, enum side side, struct span from, struct span to);
/* Sets a pair's state, and enters it. At the ceiling the pair refused first gives way. 0,
 * ERR_LIMIT, -ENOMEM. */
int pairs_set(struct pairs *p, enum side side, const char *from, const char *to,
	enum pair_state state, enum pair_how how, const struct pair **out);
/* For each stanza: no allocation, and the last hit is found at once. */
bool pairs_is_valid(struct pairs *p, enum side side, struct span from, struct span to);
/* Is any pair valid in which side speaks for from? */
bool pairs_speaks_for(const struct pairs *p, enum side side, const char *from);
/* Pairs in that state. */
unsigned pairs_count(const struct pairs *p, enum side side, enum pair_state state);

/* "asked", "dialback": words for events. */
const char *pair_state_text(enum pair_state state);
const char *pair_how_text(enum pair_how how);
