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

#include "base/clock.h"
#include "base/err.h"
#include "rules/list.h"
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

/* The entry of a line, NULL for none: *why (NULL: nothing there) says what is wrong. */
static int line_entry(const struct list *l, struct span line, int64_t now_ms,
	struct list_entry **out, const char **why)
{
	struct span entry;
	int64_t expires;
	int r;

	*out = NULL;
	*why = NULL;
	if (!list_parse_line(l->type, line, &entry, &expires, why) || *why)
		return 0;
	if (expires && expires <= now_ms)
		return 0;
	r = list_entry_new(l, entry, expires, out, why);
	if (r == 0)
		*why = NULL;
	return r == -ENOMEM ? r : 0;
}

/* ---- tallying ---- */

static int tally_line(struct list *tally, struct span line, unsigned feed, int64_t now_ms)
{
	struct list_entry *e, *old;
	const char *why;
	int r = line_entry(tally, line, now_ms, &e, &why);

	if (r < 0 || !e)
		return r;
	e->feeds = (uint32_t)1 << feed;
	old = map_find(&tally->by_key, e->key, e->key_len);
	if (!old) {
		if ((r = list_put(tally, e)) < 0)
			list_entry_free(e);
		return r;
	}
	old->feeds |= e->feeds;
	if (old->expires_ms && (!e->expires_ms || e->expires_ms > old->expires_ms))
		old->expires_ms = e->expires_ms;
	list_entry_free(e);
	return 0;
}

static int tally_feed(
	struct list *tally, const struct source_file *file, unsigned feed, int64_t now_ms)
{
	struct span text = { file->bytes, file->len }, line;
	int r = 0;

	skip_mark(&text);
	for (size_t at = 0; r == 0 && line_next(text, &at, &line);)
		r = tally_line(tally, line, feed, now_ms);
	return r;
}

static bool has_votes(const struct list *l, const struct list_entry *e)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < l->n_feeds; i++)
		if (e->feeds >> i & 1)
			sum += l->feeds[i].weight;
	return sum >= l->votes;
}

/* ---- exceptions ---- */

static bool is_excepted(const struct list *l, const struct list_entry *e, int64_t now_ms)
{
	struct span key = { e->key, e->key_len };

	if (!l->except)
		return false;
	switch (l->type) {
	case LIST_DOMAIN:
		return list_find_domain(l->except, key, now_ms) != NULL;
	case LIST_JID:
		return list_find_jid(l->except, key, now_ms) != NULL;
	default:
		return list_find(l->except, key, now_ms) != NULL;
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

/* Moves what has votes; the rest stays in the tally, to be freed with it. */
static int tally_move(struct list *tally, struct list *l, const struct range *excepted,
	size_t n_excepted, int64_t now_ms)
{
	int r = 0;

	for (size_t i = 0; i < tally->n_entries && r == 0; i++) {
		struct list_entry *e = tally->entries[i], *own;
		bool whole = true;

		if (!has_votes(l, e) || (l->type != LIST_ADDRESS && is_excepted(l, e, now_ms)))
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
	int r = !tally || (l->type == LIST_ADDRESS && !excepted) ? -ENOMEM : 0;

	for (unsigned i = 0; i < l->n_feeds && r == 0; i++)
		if (files[i])
			r = tally_feed(tally, files[i], i, now_ms);
	if (r == 0)
		r = tally_move(tally, l, excepted, n_excepted, now_ms);
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

int policy_feed_count(const struct policy *p, const char *set, struct span text, size_t *good,
	size_t *bad, size_t *line_no, const char **why)
{
	const struct list *l = program_find_list(p->program, set);
	int64_t now = clock_wall_ms();
	size_t at = 0, number = 0;
	struct list_entry *e;
	struct span line;
	const char *fault;
	int r = l ? 0 : ERR_NOTFOUND;

	*good = *bad = *line_no = 0;
	*why = NULL;
	skip_mark(&text);
	while (r == 0 && line_next(text, &at, &line)) {
		number++;
		if ((r = line_entry(l, line, now, &e, &fault)) < 0)
			break;
		*good += e != NULL;
		*bad += fault != NULL;
		if (fault && !*why) {
			*why = fault;
			*line_no = number;
		}
		list_entry_free(e);
	}
	return r;
}

const char *policy_feeds_trouble(const struct policy *p)
{
	return p->feeds_trouble;
}
