/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets in memory. Entries come in from rules/compile_set.c (elements and files) and rules/live.c
 * (edits), prepared by rules/list_prepare.c, and are found by hash or by prefix tree; keywords and
 * expressions are also handed to the scanners. A large set is a pack (rules/pack.c) with the edits
 * made since beside it. Removed entries keep their memory until no scanner can report them any
 * more. It never opens a file, never locks, and never judges. */
#include "rules/list.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "rules/hash.h"
#include "rules/pack.h"
#include "rules/pack_build.h"
#include "rules/part.h"

static const char *const type_names[] = {
	[LIST_KEYWORD] = "keyword",
	[LIST_REGEX] = "regex",
	[LIST_DOMAIN] = "domain",
	[LIST_JID] = "jid",
	[LIST_ADDRESS] = "address",
	[LIST_NAMESPACE] = "namespace",
	[LIST_HASH] = "hash",
	[LIST_COUNTRY] = "country",
	[LIST_URL] = "url",
};

int list_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(type_names) / sizeof(*type_names); i++)
		if (strcmp(type_names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *list_type_text(enum list_type type)
{
	return type_names[type];
}

struct list *list_new(const char *name, enum list_type type)
{
	struct list *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->type = type;
	map_init(&l->by_key);
	prefix_tree_init(&l->tree);
	l->name = strdup(name);
	l->path = strdup("");
	l->salt = strdup("");
	l->hits = metrics_find(NULL, name);
	if (!l->name || !l->path || !l->salt) {
		list_free(l);
		return NULL;
	}
	return l;
}

struct list *list_like(const struct list *l)
{
	struct list *like = list_new(l->name, l->type);

	if (!like)
		return NULL;
	like->fold = l->fold;
	like->nocase = l->nocase;
	like->substring = l->substring;
	like->suffix = l->suffix;
	like->map = l->map;
	like->of = l->of;
	free(like->salt);
	if (!(like->salt = strdup(l->salt))) {
		list_free(like);
		return NULL;
	}
	return like;
}

static size_t hits_size(const struct pack *p)
{
	return (p->head.n + 1) * sizeof(uint64_t);
}

void list_free(struct list *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_entries; i++)
		list_entry_free(l->entries[i]);
	if (l->pack_hits)
		munmap(l->pack_hits, hits_size(l->pack));
	free(l->pack_gone);
	pack_free(l->pack);
	pack_build_free(l->building);
	free(l->entries);
	map_fini(&l->by_key, NULL);
	prefix_tree_fini(&l->tree);
	list_free(l->except);
	free(l->name);
	free(l->path);
	free(l->salt);
	free(l);
}

enum pattern_view list_view(const struct list *l)
{
	return l->fold ? PATTERN_FOLDED : l->nocase ? PATTERN_CASEFOLD : PATTERN_RAW;
}

bool list_type_packs(enum list_type type)
{
	return type != LIST_ADDRESS && type != LIST_REGEX && type != LIST_COUNTRY;
}

uint32_t list_shape(const struct list *l)
{
	return (uint32_t)l->type | (uint32_t)l->of << 8 | (uint32_t)l->fold << 16 |
	       (uint32_t)l->nocase << 17 | (uint32_t)l->suffix << 18 | (uint32_t)l->map << 19;
}

/* ---- the pack ---- */

bool list_packed_is_gone(const struct list *l, uint32_t at)
{
	return l->pack_gone[at / 8] >> at % 8 & 1;
}

static void pack_take_out(struct list *l, uint32_t at)
{
	l->pack_gone[at / 8] |= (uint8_t)(1 << at % 8);
	l->n_pack_gone++;
	l->n_live--;
	l->edits++;
}

int list_take_pack(struct list *l, struct pack *pack)
{
	void *hits;

	assert(l->n_entries == 0 && !l->pack);
	/* The kernel gives memory only for pages that are written: to count hits of few costs
	 * little. */
	hits = mmap(NULL, hits_size(pack), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (hits == MAP_FAILED)
		return -ENOMEM;
	if (!(l->pack_gone = calloc(pack->head.n / 8 + 1, 1))) {
		munmap(hits, hits_size(pack));
		return -ENOMEM;
	}
	l->pack_hits = hits;
	l->pack = pack;
	l->n_live = pack->head.n;
	return 0;
}

/* The place of the key in the pack, if it is still in. */
static uint32_t packed_find(const struct list *l, struct span key)
{
	uint32_t at = l->pack ? pack_find(l->pack, key) : PACK_NONE;

	return at != PACK_NONE && list_packed_is_gone(l, at) ? PACK_NONE : at;
}

static uint32_t packed_like(const struct list *l, const struct list_entry *e)
{
	return packed_find(l, (struct span){ e->key, e->key_len });
}

bool list_packed_is_live(const struct list *l, uint32_t at, int64_t now_ms)
{
	int64_t expires;

	if (list_packed_is_gone(l, at))
		return false;
	expires = l->pack->head.n_expiring ? pack_expires(l->pack, at) : 0;
	return expires == 0 || expires > now_ms;
}

/* An entry of the pack that is about to change becomes one of its own; NULL when out of memory. */
static struct list_entry *packed_entry(const struct list *l, uint32_t at)
{
	struct list_item item;
	struct list_entry *e;
	const char *why;

	pack_get(l->pack, at, &item);
	if (list_entry_new(l, span_of(item.text), item.expires_ms, &e, &why) < 0)
		return NULL;
	e->from = item.from;
	e->feeds = item.feeds;
	return e;
}

static void packed_replace(struct list *l, struct list_entry *e)
{
	if (list_put(l, e) < 0)
		list_entry_free(e);
}

/* ---- in and out ---- */

static void place_take(struct list *l, const struct list_place *place)
{
	struct list_place *first = prefix_tree_get(&l->tree, &place->prefix), *p;

	if (first == place) {
		if (first->next)
			(void)prefix_tree_put(&l->tree, &place->prefix, first->next, NULL);
		else
			prefix_tree_take(&l->tree, &place->prefix);
		return;
	}
	for (p = first; p && p->next != place; p = p->next)
		;
	if (p)
		p->next = place->next;
}

static int place_put(struct list *l, struct list_place *place)
{
	place->next = prefix_tree_get(&l->tree, &place->prefix);
	return prefix_tree_put(&l->tree, &place->prefix, place, NULL);
}

static int index_put(struct list *l, struct list_entry *e)
{
	int r = map_put(&l->by_key, e->key, e->key_len, e, NULL);

	for (size_t i = 0; i < e->n_places && r == 0; i++)
		r = place_put(l, &e->places[i]);
	return r;
}

static void index_take(struct list *l, const struct list_entry *e)
{
	if (map_find(&l->by_key, e->key, e->key_len) == e)
		map_take(&l->by_key, e->key, e->key_len);
	for (size_t i = 0; i < e->n_places; i++)
		place_take(l, &e->places[i]);
}

int list_put(struct list *l, struct list_entry *e)
{
	const struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);
	uint32_t at = old ? PACK_NONE : packed_like(l, e);
	struct list_item item;
	int r;

	if (l->n_entries == l->cap_entries) {
		size_t cap = l->cap_entries ? l->cap_entries * 2 : 64;
		struct list_entry **grown = realloc(l->entries, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->entries = grown;
		l->cap_entries = cap;
	}
	if (old) {
		e->from |= old->from;
		e->feeds |= old->feeds;
		e->hits = __atomic_load_n(&old->hits, __ATOMIC_RELAXED);
		list_remove(l, e);
	}
	if ((r = index_put(l, e)) < 0) {
		index_take(l, e);
		return r;
	}
	if (at != PACK_NONE) {
		pack_get(l->pack, at, &item);
		e->from |= item.from;
		e->feeds |= item.feeds;
		e->hits = __atomic_load_n(&l->pack_hits[at], __ATOMIC_RELAXED);
		pack_take_out(l, at);
	}
	e->added = ++l->edits;
	l->entries[l->n_entries++] = e;
	l->n_live++;
	return 0;
}

int list_fill(struct list *l, struct arena *a, struct span text, int64_t expires_ms, uint32_t from,
	const char **why)
{
	struct list_prepared prepared;
	struct list_entry *e;
	int r;

	if (!l->building) {
		if ((r = list_entry_new(l, text, expires_ms, &e, why)) < 0)
			return r;
		e->from = from;
		if ((r = list_put(l, e)) < 0)
			list_entry_free(e);
		return r;
	}
	if ((r = list_prepare(l, a, text, &prepared, why)) == 0)
		r = pack_build_put(l->building, &prepared, expires_ms, from, 0);
	arena_reset(a);
	return r;
}

int list_fill_begin(struct list *l, size_t bytes)
{
	if (bytes < LIST_PACK_BYTES || !list_type_packs(l->type))
		return 0;
	l->building = pack_build_new(l->type == LIST_HASH ? HASH_SIZE : 0);
	return l->building ? 0 : -ENOMEM;
}

int list_fill_end(struct list *l, const uint8_t key[])
{
	static const uint8_t nobody[PART_KEY];
	struct pack_build *b = take_ptr(l->building);
	struct part *part = NULL;
	struct pack *pack = NULL;
	int r = b ? pack_build_finish(b, list_shape(l), key ? key : nobody, &part) : 0;

	pack_build_free(b);
	if (r == 0 && part && (r = pack_open(part, list_shape(l), &pack)) == 0 &&
		(r = list_take_pack(l, pack)) < 0)
		pack_free(pack);
	part_unref(part);
	return r;
}

/* What the policy or a feed wants for ever does not end because a file names it, too. */
static int64_t renewed_end(int64_t expires_ms, uint32_t feeds, uint32_t from, int64_t wanted_ms)
{
	return expires_ms || !(feeds || (from & LIST_FROM_POLICY)) ? wanted_ms : expires_ms;
}

static bool packed_renew(struct list *l, const struct list_entry *e, uint32_t at)
{
	struct list_entry *own;
	struct list_item item;
	int64_t end;

	pack_get(l->pack, at, &item);
	end = renewed_end(item.expires_ms, item.feeds, item.from, e->expires_ms);
	if (!list_marks_equal(item.mark, e->mark))
		return false;
	if (end == item.expires_ms && (item.from | e->from) == item.from)
		return true;
	if (!(own = packed_entry(l, at)))
		return false;
	own->expires_ms = end;
	own->from |= e->from;
	packed_replace(l, own);
	return true;
}

bool list_renew(struct list *l, const struct list_entry *e)
{
	struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);
	uint32_t at = old ? PACK_NONE : packed_like(l, e);

	if (at != PACK_NONE)
		return packed_renew(l, e, at);
	if (!old || !list_marks_equal(old->mark, e->mark))
		return false;
	old->expires_ms = renewed_end(old->expires_ms, old->feeds, old->from, e->expires_ms);
	old->from |= e->from;
	return true;
}

static void packed_drop(struct list *l, uint32_t at)
{
	struct list_entry *own = NULL;
	struct list_item item;

	pack_get(l->pack, at, &item);
	if (item.feeds)
		own = packed_entry(l, at);
	pack_take_out(l, at);
	if (!own)
		return;
	own->from &= ~(uint32_t)LIST_FROM_FILE;
	own->expires_ms = 0;
	packed_replace(l, own);
}

void list_drop(struct list *l, const struct list_entry *e)
{
	struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);
	uint32_t at = old ? PACK_NONE : packed_like(l, e);

	if (at != PACK_NONE)
		packed_drop(l, at);
	if (!old)
		return;
	old->from &= ~(uint32_t)LIST_FROM_FILE;
	if (old->feeds)
		old->expires_ms = 0;
	else
		list_remove(l, old);
}

bool list_remove(struct list *l, const struct list_entry *e)
{
	struct list_entry *old = map_find(&l->by_key, e->key, e->key_len);
	uint32_t at = old ? PACK_NONE : packed_like(l, e);

	if (at != PACK_NONE)
		pack_take_out(l, at);
	if (!old)
		return at != PACK_NONE;
	index_take(l, old);
	old->removed = ++l->edits;
	l->n_live--;
	return true;
}

bool list_has_ended(const struct list *l, int64_t now_ms)
{
	for (uint32_t at = 0; l->pack && l->pack->head.n_expiring && at < l->pack->head.n; at++)
		if (!list_packed_is_gone(l, at) && !list_packed_is_live(l, at, now_ms))
			return true;
	for (size_t i = 0; i < l->n_entries; i++)
		if (!l->entries[i]->removed && !list_entry_is_live(l->entries[i], now_ms))
			return true;
	return false;
}

void list_expire(struct list *l, int64_t now_ms)
{
	for (uint32_t at = 0; l->pack && l->pack->head.n_expiring && at < l->pack->head.n; at++)
		if (!list_packed_is_gone(l, at) && !list_packed_is_live(l, at, now_ms))
			pack_take_out(l, at);
	for (size_t i = 0; i < l->n_entries; i++)
		if (!l->entries[i]->removed && !list_entry_is_live(l->entries[i], now_ms))
			list_remove(l, l->entries[i]);
}

size_t list_removed(const struct list *l)
{
	size_t packed = l->pack ? l->pack->head.n - l->n_pack_gone : 0;

	return l->n_entries - (l->n_live - packed);
}

void list_sweep(struct list *l, uint64_t upto)
{
	size_t kept = 0;

	if (list_removed(l) == 0)
		return;
	for (size_t i = 0; i < l->n_entries; i++) {
		struct list_entry *e = l->entries[i];
		if (e->removed && e->removed <= upto)
			list_entry_free(e);
		else
			l->entries[kept++] = e;
	}
	l->n_entries = kept;
}

/* ---- looking up ---- */

bool list_marks_equal(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

bool list_entry_is_live(const struct list_entry *e, int64_t now_ms)
{
	return !e->removed && (e->expires_ms == 0 || e->expires_ms > now_ms);
}

void list_entry_item(const struct list_entry *e, struct list_item *out)
{
	*out = (struct list_item){ e->text, e->mark, e->key, e->key_len, e->expires_ms, e->feeds,
		e->from, e, PACK_NONE };
}

bool list_each(const struct list *l, size_t *at, struct list_item *out)
{
	size_t packed = l->pack ? l->pack->head.n : 0;

	for (; *at < packed; ++*at)
		if (!list_packed_is_gone(l, (uint32_t)*at)) {
			pack_get(l->pack, (uint32_t)(*at)++, out);
			return true;
		}
	for (; *at - packed < l->n_entries; ++*at)
		if (!l->entries[*at - packed]->removed) {
			list_entry_item(l->entries[(*at)++ - packed], out);
			return true;
		}
	return false;
}

bool list_find(const struct list *l, struct span key, int64_t now_ms, struct list_item *out)
{
	const struct list_entry *e =
		l->by_key.count ? map_find(&l->by_key, key.ptr ? key.ptr : "", key.len) : NULL;
	uint32_t at;

	if (e) {
		list_entry_item(e, out);
		return list_entry_is_live(e, now_ms);
	}
	if ((at = packed_find(l, key)) == PACK_NONE || !list_packed_is_live(l, at, now_ms))
		return false;
	pack_get(l->pack, at, out);
	return true;
}
