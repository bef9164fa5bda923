/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking a value up by what the set's type makes of it: a domain and its parents, a JID with and
 * without its resource, a digest, an address in networks. In: a prepared value, from a test of a
 * rule. Out: the entry that stands for it. What only feeds want gives way to the operator's
 * exceptions, also where these are narrower than the entry: a feed that names example.com leaves an
 * excepted a.example.com alone. It changes nothing. */
#include <string.h>

#include "rules/hash.h"
#include "rules/list.h"

/* May an exception have a say in it? */
static bool is_of_feeds(const struct list *l, const struct list_item *item)
{
	return l->except && item->from == 0;
}

/* The entry for the name or one of its parents; with strict, not one that feeds alone want. */
static bool find_above(const struct list *l, struct span domain, int64_t now_ms, bool strict,
	struct list_item *out)
{
	for (;;) {
		const char *dot;

		if (list_find(l, domain, now_ms, out) && !(strict && is_of_feeds(l, out)))
			return true;
		dot = l->suffix && domain.len ? memchr(domain.ptr, '.', domain.len) : NULL;
		if (!dot)
			return false;
		domain.len -= (size_t)(dot + 1 - domain.ptr);
		domain.ptr = dot + 1;
	}
}

bool list_find_domain(
	const struct list *l, struct span domain, int64_t now_ms, struct list_item *out)
{
	struct list_item excepted;

	if (!find_above(l, domain, now_ms, false, out))
		return false;
	return !is_of_feeds(l, out) || !find_above(l->except, domain, now_ms, false, &excepted) ||
	       find_above(l, domain, now_ms, true, out);
}

static bool find_jid(
	const struct list *l, struct span jid, int64_t now_ms, bool strict, struct list_item *out)
{
	const char *slash;

	if (list_find(l, jid, now_ms, out) && !(strict && is_of_feeds(l, out)))
		return true;
	slash = jid.len ? memchr(jid.ptr, '/', jid.len) : NULL;
	return slash &&
	       list_find(l, (struct span){ jid.ptr, (size_t)(slash - jid.ptr) }, now_ms, out) &&
	       !(strict && is_of_feeds(l, out));
}

bool list_find_jid(const struct list *l, struct span jid, int64_t now_ms, struct list_item *out)
{
	struct list_item excepted;

	if (!find_jid(l, jid, now_ms, false, out))
		return false;
	return !is_of_feeds(l, out) || !find_jid(l->except, jid, now_ms, false, &excepted) ||
	       find_jid(l, jid, now_ms, true, out);
}

static bool find_hash(
	const struct list *l, struct span text, int64_t now_ms, bool strict, struct list_item *out)
{
	const char *dot;
	uint8_t hash[HASH_SIZE];

	for (;;) {
		hash_salted(l->salt, text, hash);
		if (list_find(l, (struct span){ (const char *)hash, sizeof(hash) }, now_ms, out) &&
			!(strict && is_of_feeds(l, out)))
			return true;
		dot = l->suffix && text.len ? memchr(text.ptr, '.', text.len) : NULL;
		if (!dot)
			return false;
		text.len -= (size_t)(dot + 1 - text.ptr);
		text.ptr = dot + 1;
	}
}

bool list_find_hash(const struct list *l, struct span text, int64_t now_ms, struct list_item *out)
{
	struct list_item excepted;

	if (!find_hash(l, text, now_ms, false, out))
		return false;
	return !is_of_feeds(l, out) || !find_hash(l->except, text, now_ms, false, &excepted) ||
	       find_hash(l, text, now_ms, true, out);
}

/* ---- addresses: exceptions were cut out of the networks (feed.c) ---- */

const struct list_entry *list_place_live(const struct list_place *place, int64_t now_ms)
{
	while (place && !list_entry_is_live(place->entry, now_ms))
		place = place->next;
	return place ? place->entry : NULL;
}

static bool value_is_live(const void *value, void *arg)
{
	return list_place_live(value, *(const int64_t *)arg) != NULL;
}

bool list_find_address(
	const struct list *l, const struct peer_address *a, int64_t now_ms, struct list_item *out)
{
	const struct list_entry *e =
		list_place_live(prefix_tree_find(&l->tree, a, value_is_live, &now_ms), now_ms);

	if (e)
		list_entry_item(e, out);
	return e != NULL;
}
