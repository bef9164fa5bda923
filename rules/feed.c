/* SPDX-License-Identifier: BSD-2-Clause */
/* From the copies of feeds to entries of a set. In: the bytes of each feed's last good copy,
 * written by strangers; the set with its own entries; its exceptions. Each key's votes are tallied
 * beside the set, and those with enough go in, marked with the feeds that named them, so that an
 * edit of the set's own file cannot take them out. What the set has already stays as it is. A bad
 * line is no error here: whether a copy is good is decided before it becomes a source
 * (ctl/feed_copy.c). */
#include "rules/feed.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "rules/list.h"
#include "rules/pack_build.h"
#include "rules/policy.h"

void feed_source_path(const char *set, const char *feed, char path[FEED_PATH_MAX])
{
	snprintf(path, FEED_PATH_MAX, "/:feed/%s.%s", set, feed);
}

/* ---- lines ---- */

/* The next line of text from *at; false at the end. */
static bool line_next(struct span text, size_t *at, struct span *line)
{
	const char *end;

	if (*at >= text.len)
		return false;
	end = memchr(text.ptr + *at, '\n', text.len - *at);
	*line = (struct span){ text.ptr + *at,
		end ? (size_t)(end - text.ptr) - *at : text.len - *at };
	*at += line->len + 1;
	return true;
}

static void skip_mark(struct span *text)
{
	if (text->len >= 3 && memcmp(text->ptr, "\xef\xbb\xbf", 3) == 0)
		*text = (struct span){ text->ptr + 3, text->len - 3 };
}

/* What a line names: empty if nothing. *why (NULL: nothing wrong) says what is wrong. */
static struct span line_text(
	const struct list *l, struct span line, int64_t now_ms, int64_t *expires, const char **why)
{
	struct span entry = { NULL, 0 };

	*why = NULL;
	if (!list_parse_line(l->type, line, &entry, expires, why) || *why ||
		(*expires && *expires <= now_ms))
		entry.len = 0;
	return entry;
}

/* ---- tallying ---- */

static int64_t later_end(int64_t a, int64_t b)
{
	return !a || !b ? 0 : a > b ? a : b;
}

static int tally_pack(struct list *tally, struct arena *a, struct span text, int64_t expires,
	unsigned feed)
{
	struct list_prepared prepared;
	struct pack_row *old;
	const char *why;
	int r = list_prepare(tally, a, text, &prepared, &why);

	if (r < 0)
		return r == ERR_SYNTAX ? 0 : r;
	old = pack_build_find(tally->building, (struct span){ prepared.key, prepared.key_len });
	if (!old)
		return pack_build_put(
			tally->building, &prepared, expires, 0, (uint32_t)1 << feed);
	old->feeds |= (uint32_t)1 << feed;
	old->expires_ms = later_end(old->expires_ms, expires);
	return 0;
}

static int tally_entry(struct list *tally, struct span text, int64_t expires, unsigned feed)
{
	struct list_entry *e, *old;
	const char *why;
	int r = list_entry_new(tally, text, expires, &e, &why);

	if (r < 0)
		return r == ERR_SYNTAX ? 0 : r;
	e->feeds = (uint32_t)1 << feed;
	old = map_find(&tally->by_key, e->key, e->key_len);
	if (!old && (r = list_put(tally, e)) == 0)
		return 0;
	if (old) {
		old->feeds |= e->feeds;
		old->expires_ms = later_end(old->expires_ms, e->expires_ms);
	}
	list_entry_free(e);
	return r;
}

static int tally_feed(
	struct list *tally, const struct source_file *file, unsigned feed, int64_t now_ms)
{
	struct span text = { file->bytes, file->len }, line, entry;
	const char *why;
	struct arena a;
	int64_t expires;
	int r = 0;

	arena_init(&a, 0);
	skip_mark(&text);
	for (size_t at = 0; r == 0 && line_next(text, &at, &line);) {
		entry = line_text(tally, line, now_ms, &expires, &why);
		if (!entry.len)
			continue;
		r = tally->building ? tally_pack(tally, &a, entry, expires, feed)
				    : tally_entry(tally, entry, expires, feed);
		arena_reset(&a);
	}
	arena_fini(&a);
	return r;
}

static bool has_votes(const struct list *l, uint32_t feeds)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < l->n_feeds; i++)
		if (feeds >> i & 1)
			sum += l->feeds[i].weight;
	return sum >= l->votes;
}

/* ---- exceptions ---- */

static bool is_excepted(const struct list *l, struct span key, int64_t now_ms)
{
	struct list_item item;

	if (!l->except)
		return false;
	switch (l->type) {
	case LIST_DOMAIN:
		return list_find_domain(l->except, key, now_ms, &item);
	case LIST_JID:
		return list_find_jid(l->except, key, now_ms, &item);
	default:
		return list_find(l->except, key, now_ms, &item);
	}
}

struct range {
	uint8_t first[16], last[16];
};

static int range_order(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct range));
}

/* The address behind or, with down, before a; false beyond the ends. */
static bool address_step(uint8_t a[16], bool down)
{
	for (int i = 15; i >= 0; i--) {
		a[i] = (uint8_t)(down ? a[i] - 1 : a[i] + 1);
		if (a[i] != (down ? 0xff : 0))
			return true;
	}
	return false;
}

static int piece_put(struct list *l, const struct range *piece, const struct list_entry *of)
{
	char first[INET6_ADDRSTRLEN], last[INET6_ADDRSTRLEN], text[2 * INET6_ADDRSTRLEN];
	struct peer_address a;
	struct list_entry *e;
	const char *why;
	int r;

	memcpy(a.bytes, piece->first, sizeof(a.bytes));
	address_format(&a, first, sizeof(first));
	memcpy(a.bytes, piece->last, sizeof(a.bytes));
	address_format(&a, last, sizeof(last));
	if (strcmp(first, last) == 0)
		snprintf(text, sizeof(text), "%s", first);
	else
		snprintf(text, sizeof(text), "%s-%s", first, last);
	if ((r = list_entry_new(l, span_of(text), of->expires_ms, &e, &why)) < 0)
		return r == ERR_SYNTAX ? 0 : r;
	e->feeds = of->feeds;
	if (map_find(&l->by_key, e->key, e->key_len) || (r = list_put(l, e)) < 0)
		list_entry_free(e);
	return r;
}

/* What the exceptions leave of a network; all is e itself if they leave it alone: *whole then. */
static int address_carve(struct list *l, const struct list_entry *e, const struct range *excepted,
	size_t n, bool *whole)
{
	struct range piece;
	int r = 0;

	*whole = true;
	memcpy(&piece, e->key, sizeof(piece));
	for (size_t i = 0; i < n && r == 0; i++) {
		struct range before = piece;

		if (memcmp(excepted[i].last, piece.first, 16) < 0 ||
			memcmp(excepted[i].first, piece.last, 16) > 0)
			continue;
		*whole = false;
		memcpy(before.last, excepted[i].first, 16);
		if (memcmp(excepted[i].first, piece.first, 16) > 0 &&
			address_step(before.last, true))
			r = piece_put(l, &before, e);
		memcpy(piece.first, excepted[i].last, 16);
		if (!address_step(piece.first, false) || memcmp(piece.first, piece.last, 16) > 0)
			return r;
	}
	return r < 0 || *whole ? r : piece_put(l, &piece, e);
}

/* The exceptions of an address set in order. */
static struct range *ranges_of(const struct list *except, size_t *n)
{
	struct range *all = calloc((except ? except->n_entries : 0) + 1, sizeof(*all));

	*n = 0;
	for (size_t i = 0; all && except && i < except->n_entries; i++)
		if (!except->entries[i]->removed)
			memcpy(&all[(*n)++], except->entries[i]->key, sizeof(*all));
	if (all)
		qsort(all, *n, sizeof(*all), range_order);
	return all;
}

/* ---- into the set ---- */

static int entry_move(
	struct list *l, const struct list_prepared *one, const struct pack_row *row)
{
	struct list_entry *own = map_find(&l->by_key, one->key, one->key_len);
	const char *why;
	int r;

	if (own) {
		own->feeds = row->feeds;
		return 0;
	}
	if ((r = list_entry_new(l, one->text, row->expires_ms, &own, &why)) < 0)
		return r;
	own->feeds = row->feeds;
	if ((r = list_put(l, own)) < 0)
		list_entry_free(own);
	return r;
}

/* What has votes, from a tally that is packed into the set: as text, unless it is packed, too. */
static int packed_move(struct list *tally, struct list *l, int64_t now_ms)
{
	int r = 0;

	for (uint32_t i = 0; i < tally->building->n && r == 0; i++) {
		const struct pack_row *row = &tally->building->rows[i];
		struct list_prepared one;
		struct pack_row *own;
		struct span key;

		pack_build_get(tally->building, row, &one);
		key = (struct span){ one.key, one.key_len };
		if (!has_votes(l, row->feeds) || is_excepted(l, key, now_ms))
			continue;
		if (!l->building)
			r = entry_move(l, &one, row);
		else if ((own = pack_build_find(l->building, key)))
			own->feeds = row->feeds;
		else
			r = pack_build_put(l->building, &one, row->expires_ms, 0, row->feeds);
	}
	return r;
}

/* Moves what has votes; the rest stays in the tally, to be freed with it. */
static int tally_move(struct list *tally, struct list *l, const struct range *excepted,
	size_t n_excepted, int64_t now_ms)
{
	int r = 0;

	for (size_t i = 0; i < tally->n_entries && r == 0; i++) {
		struct list_entry *e = tally->entries[i], *own;
		bool whole = true;

		if (!has_votes(l, e->feeds) ||
			(l->type != LIST_ADDRESS &&
				is_excepted(l, (struct span){ e->key, e->key_len }, now_ms)))
			continue;
		if ((own = map_find(&l->by_key, e->key, e->key_len)) != NULL) {
			own->feeds = e->feeds;
			continue;
		}
		if (l->type == LIST_ADDRESS)
			r = address_carve(l, e, excepted, n_excepted, &whole);
		if (r == 0 && whole && (r = list_put(l, e)) == 0)
			tally->entries[i] = NULL;
	}
	return r;
}

int feed_merge(struct list *l, const struct source_file *const *files, int64_t now_ms)
{
	struct list *tally = list_like(l);
	size_t n_excepted = 0;
	struct range *excepted = l->type == LIST_ADDRESS ? ranges_of(l->except, &n_excepted) : NULL;
	int r = !tally || (l->type == LIST_ADDRESS && !excepted) ? -ENOMEM
									: list_fill_begin(tally, SIZE_MAX);

	for (unsigned i = 0; i < l->n_feeds && r == 0; i++)
		if (files[i])
			r = tally_feed(tally, files[i], i, now_ms);
	if (r == 0)
		r = tally->building ? packed_move(tally, l, now_ms)
				    : tally_move(tally, l, excepted, n_excepted, now_ms);
	free(excepted);
	list_free(tally);
	return r;
}

/* ---- for the control room ---- */

const struct feed_info *policy_feeds(const struct policy *p, const char *set, size_t *n,
	unsigned *votes, const char **except_path)
{
	const struct list *l = program_find_list(p->program, set);

	*n = l ? l->n_feeds : 0;
	if (votes)
		*votes = l ? l->votes : 0;
	if (except_path)
		*except_path = l && l->except && *l->except->path ? l->except->path : NULL;
	return l ? l->feeds : NULL;
}

/* Is it an entry? *why says why not. */
static int text_is_entry(const struct list *l, struct arena *a, struct span text, const char **why)
{
	struct list_prepared prepared;
	struct list_entry *e;
	int r;

	if (list_type_packs(l->type)) {
		r = list_prepare(l, a, text, &prepared, why);
		arena_reset(a);
	} else if ((r = list_entry_new(l, text, 0, &e, why)) == 0) {
		list_entry_free(e);
	}
	return r;
}

int policy_feed_count(const struct policy *p, const char *set, struct span text, size_t *good,
	size_t *bad, size_t *line_no, const char **why)
{
	const struct list *l = program_find_list(p->program, set);
	int64_t now = clock_wall_ms(), expires;
	size_t at = 0, number = 0;
	struct span line, entry;
	const char *fault;
	struct arena a;
	int r = l ? 0 : ERR_NOTFOUND;

	*good = *bad = *line_no = 0;
	*why = NULL;
	skip_mark(&text);
	arena_init(&a, 0);
	while (r == 0 && line_next(text, &at, &line)) {
		number++;
		entry = line_text(l, line, now, &expires, &fault);
		if (entry.len && (r = text_is_entry(l, &a, entry, &fault)) == 0) {
			++*good;
			fault = NULL;
		}
		if (r == ERR_SYNTAX)
			r = 0;
		*bad += fault != NULL;
		if (fault && !*why) {
			*why = fault;
			*line_no = number;
		}
	}
	arena_fini(&a);
	return r;
}

const char *policy_feeds_trouble(const struct policy *p)
{
	return p->feeds_trouble;
}
