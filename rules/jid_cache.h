/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses that were prepared lately, by what was written: a session says its own with every
 * stanza. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/map.h"
#include "base/span.h"
#include "xmpp/jid.h"

struct list;
enum { JID_MISSES_MAX = 4 };

/* What was found out about one of an address's texts and holds again for the same text. */
struct jid_memo {
	uint64_t hash;  /* map_hash; 0: not asked yet */
	uint64_t stamp; /* the lists were like this (struct program) ... */
	const struct list
		*missed[JID_MISSES_MAX]; /* ... when the text was in none of these, at any time */
	unsigned n_missed;
};

/* An address as it was written and, if valid, as servers compare it. */
struct jid_known {
	bool valid;
	struct span written; /* len 0 if absent; NUL-terminated like all others */
	struct jid jid;      /* if valid */
	struct span bare, full, local, domain, resource;
	struct jid_memo bare_memo, full_memo, domain_memo;
};

static inline uint64_t jid_hash(struct jid_memo *memo, struct span text)
{
	if (!memo->hash)
		memo->hash = map_hash(text.ptr, text.len);
	return memo->hash;
}

/* Is it known that the list, as the stamp says it is, does not hold the text? */
static inline bool jid_is_missed(const struct jid_memo *memo, const struct list *l, uint64_t stamp)
{
	for (unsigned i = 0; memo->stamp == stamp && i < memo->n_missed; i++)
		if (memo->missed[i] == l)
			return true;
	return false;
}

static inline void jid_miss(struct jid_memo *memo, const struct list *l, uint64_t stamp)
{
	if (memo->stamp != stamp)
		memo->n_missed = 0;
	memo->stamp = stamp;
	if (memo->n_missed < JID_MISSES_MAX)
		memo->missed[memo->n_missed++] = l;
}

struct jid_cache;
/* NULL when out of memory. */
struct jid_cache *jid_cache_new(void);
void jid_cache_free(struct jid_cache *c);
/* From here on nothing that was found before is in use any more. */
void jid_cache_rest(struct jid_cache *c);
/* Prepares written, or finds it prepared. *out lives until the next jid_cache_rest; what is too
 * long to keep is put into the arena. c may be NULL. 0 (also of what is no address) or -ENOMEM. */
int jid_cache_find(
	struct jid_cache *c, struct arena *a, struct span written, struct jid_known **out);
