/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the view, which knows where an address stands, and xmpp/jid.c, which prepares it. In
 * comes what was written, out goes the same prepared, from a table of what was seen lately where it
 * can: preparing is a pure function of the bytes, and those are compared in full. One judge, one
 * table, no lock. A place is never given away while the judgement going on uses it; then, and for
 * long addresses, the arena serves. Who writes addresses that fall on one place only has them
 * prepared anew each time. It never asks whose an address is. */
#include "rules/jid_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 256 /* a power of two */, PLACE_BYTES = 400 };

struct place {
	struct jid_known known;
	uint64_t used;           /* in which judgement */
	char bytes[PLACE_BYTES]; /* what known points at */
};

struct jid_cache {
	uint64_t judgement;
	struct place places[PLACES];
};

struct jid_cache *jid_cache_new(void)
{
	struct jid_cache *c = calloc(1, sizeof(*c));

	if (c)
		c->judgement = 1;
	return c;
}

void jid_cache_free(struct jid_cache *c)
{
	free(c);
}

void jid_cache_rest(struct jid_cache *c)
{
	c->judgement++;
}

static uint64_t load(const char *p)
{
	uint64_t part;

	memcpy(&part, p, sizeof(part));
	return part;
}

/* Only says where to look: who makes places collide gains nothing. The last eight bytes may be
 * taken twice. */
static size_t place_of(struct span text)
{
	static const uint64_t spread = 0x9e3779b97f4a7c15u;
	uint64_t hash = text.len;

	for (size_t i = 0; i + 8 < text.len; i += 8)
		hash = (hash ^ load(text.ptr + i)) * spread;
	if (text.len >= 8)
		hash = (hash ^ load(text.ptr + text.len - 8)) * spread;
	for (size_t i = 0; text.len < 8 && i < text.len; i++)
		hash = (hash ^ (unsigned char)text.ptr[i]) * spread;
	return (hash ^ hash >> 32) >> 24 & (PLACES - 1);
}

static struct span tail(struct span text, size_t len)
{
	return (struct span){ text.ptr + text.len - len, len };
}

/* The address in the arena. */
static int known_make(struct arena *a, struct span written, struct jid_known *out)
{
	const struct span none = { "", 0 };
	const char *bare, *full;
	int r;

	*out = (struct jid_known){ false, written, { "", "", "" }, none, none, none, none, none, 0,
		0 };
	if ((r = jid_parse(a, written, &out->jid)) < 0)
		return r == -ENOMEM ? r : 0;
	out->valid = true;
	out->local = span_of(out->jid.local);
	out->domain = span_of(out->jid.domain);
	out->resource = span_of(out->jid.resource);
	if (!(bare = jid_bare(a, &out->jid)))
		return -ENOMEM;
	full = out->resource.len ? jid_full(a, &out->jid) : bare;
	if (!full)
		return -ENOMEM;
	out->bare = span_of(bare);
	out->full = span_of(full);
	return 0;
}

static struct span keep(char **at, struct span text)
{
	struct span kept = { *at, text.len };

	if (text.len)
		memcpy(*at, text.ptr, text.len);
	(*at)[text.len] = '\0';
	*at += text.len + 1;
	return kept;
}

/* Parts that end another are not kept twice. */
static bool place_fill(struct place *p, const struct jid_known *from)
{
	struct jid_known *k = &p->known;
	char *at = p->bytes;

	if (from->written.len + from->bare.len + from->full.len + from->local.len + 4 > PLACE_BYTES)
		return false;
	*k = *from;
	k->written = keep(&at, from->written);
	if (!k->valid)
		return true;
	k->bare = keep(&at, from->bare);
	k->full = from->resource.len ? keep(&at, from->full) : k->bare;
	k->local = keep(&at, from->local);
	k->domain = tail(k->bare, from->domain.len);
	k->resource = tail(k->full, from->resource.len);
	k->jid = (struct jid){ k->local.ptr, k->domain.ptr, k->resource.ptr };
	return true;
}

int jid_cache_find(
	struct jid_cache *c, struct arena *a, struct span written, struct jid_known **out)
{
	struct place *p = c ? &c->places[place_of(written)] : NULL;
	struct jid_known *fresh;
	int r;

	if (p && p->used && span_equal(p->known.written, written)) {
		p->used = c->judgement;
		*out = &p->known;
		return 0;
	}
	if (!(fresh = arena_alloc(a, sizeof(*fresh))))
		return -ENOMEM;
	if ((r = known_make(a, written, fresh)) < 0)
		return r;
	*out = fresh;
	if (p && p->used != c->judgement && place_fill(p, fresh)) {
		p->used = c->judgement;
		*out = &p->known;
	}
	return 0;
}
