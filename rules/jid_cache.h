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

/* An address as it was written and, if valid, as servers compare it. */
struct jid_known {
	bool valid;
	struct span written; /* len 0 if absent; NUL-terminated like all others */
	struct jid jid;      /* if valid */
	struct span bare, full, local, domain, resource;
	uint64_t bare_hash, full_hash; /* map_hash, for who looks up; 0: not asked yet */
};

/* map_hash of one of them, asked once. */
static inline uint64_t jid_hash(uint64_t *kept, struct span text)
{
	if (!*kept)
		*kept = map_hash(text.ptr, text.len);
	return *kept;
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
