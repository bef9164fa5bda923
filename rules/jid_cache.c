/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the view, which knows where an address stands, and xmpp/jid.c, which prepares it. In
 * comes what was written, out goes the same prepared, from a table of what was seen lately where it
 * can: preparing is a pure function of the bytes, and those are compared in full. One judge, one
 * table, no lock. An address gets its place when it comes again before another has come to it, so
 * that a crowd of strangers writes no table; a place is never given away while the judgement going
 * on uses it. Otherwise, and for long addresses, the arena serves. Who writes addresses that fall
 * on one place only has them prepared anew each time. It never asks whose an address is. */
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
	uint32_t seen[PLACES]; /* mark of the address that came there last; 0: none */
	uint32_t kept[PLACES]; /* mark of the one that the place holds; 0: none */
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

static struct span tail(struct span text, size_t len)
{
	return (struct span){ text.ptr + text.len - len, len };
}

/* Everything empty and nothing known yet; what a memo remembers stays unread then. */
static void known_reset(struct jid_known *k)
{
	struct jid_memo *memos[] = { &k->bare_memo, &k->full_memo, &k->domain_memo };

	k->valid = false;
	k->jid = (struct jid){ "", "", "" };
	k->bare = k->full = k->local = k->domain = k->resource = (struct span){ "", 0 };
	for (size_t i = 0; i < sizeof(memos) / sizeof(*memos); i++) {
		memos[i]->hash = memos[i]->stamp = 0;
		memos[i]->n_missed = 0;
	}
}

/* The address in the arena. */
static int known_make(struct arena *a, struct span written, struct jid_known *out)
{
	const char *bare, *full;
	int r;

	known_reset(out);
	out->written = written;
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
	known_reset(k);
	k->written = keep(&at, from->written);
	if (!(k->valid = from->valid))
		return true;
	k->bare = keep(&at, from->bare);
	k->full = from->resource.len ? keep(&at, from->full) : k->bare;
	k->local = keep(&at, from->local);
	k->domain = tail(k->bare, from->domain.len);
	k->resource = tail(k->full, from->resource.len);
	k->jid = (struct jid){ k->local.ptr, k->domain.ptr, k->resource.ptr };
	return true;
}

/* Comes the address again? Then the place is its own, if it is free. */
static bool place_take(struct jid_cache *c, size_t at, uint32_t mark, const struct jid_known *fresh)
{
	struct place *p = &c->places[at];
	bool again = c->seen[at] == mark;

	c->seen[at] = mark;
	if (!again || (c->kept[at] && p->used == c->judgement) || !place_fill(p, fresh))
		return false;
	c->kept[at] = mark;
	p->used = c->judgement;
	return true;
}

static int find_fresh(struct jid_cache *c, struct arena *a, struct span written, size_t at,
	uint32_t mark, struct jid_known **out)
{
	struct jid_known *fresh = arena_alloc(a, sizeof(*fresh));
	int r = fresh ? known_make(a, written, fresh) : -ENOMEM;

	if (r < 0)
		return r;
	*out = c && place_take(c, at, mark, fresh) ? &c->places[at].known : fresh;
	return 0;
}

int jid_cache_find(
	struct jid_cache *c, struct arena *a, struct span written, struct jid_known **out)
{
	/* Only says where to look: who makes them collide gains nothing. */
	uint64_t hash = span_mix(written);
	uint32_t mark = (uint32_t)(hash >> 32) | 1;
	size_t at = hash & (PLACES - 1);

	if (!c || c->kept[at] != mark || !span_equal(c->places[at].known.written, written))
		return find_fresh(c, a, written, at, mark, out);
	c->places[at].used = c->judgement;
	*out = &c->places[at].known;
	return 0;
}
