/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the inspector's child and ctl/kernel.c. Pairs of address and port that multicast DNS told
 * of come in with their time to live, and are here for as long, in the daemon's memory: the truth
 * of which the kernel's sets are a copy. A child's message is taken whole or not at all: it read
 * what strangers sent, and may be theirs. It speaks with nobody. */
#include "ctl/serverless.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/link.h"

static size_t find(const struct serverless *s, const struct nft_pair *pair)
{
	size_t i = 0;

	while (i < s->n && (s->all[i].port != pair->port ||
				   memcmp(s->all[i].address.bytes, pair->address.bytes,
					   sizeof(pair->address.bytes)) != 0))
		i++;
	return i;
}

static void forget(struct serverless *s, size_t at)
{
	s->n--;
	s->all[at] = s->all[s->n];
	s->ends_ms[at] = s->ends_ms[s->n];
}

static int reserve(struct serverless *s)
{
	if (!s->all)
		s->all = calloc(SERVERLESS_MAX, sizeof(*s->all));
	if (!s->ends_ms)
		s->ends_ms = calloc(SERVERLESS_MAX, sizeof(*s->ends_ms));
	return s->all && s->ends_ms ? 0 : -ENOMEM;
}

int serverless_note(
	struct serverless *s, const struct nft_pair *pair, uint64_t ttl_ms, uint64_t now_ms)
{
	size_t at = find(s, pair);
	int r;

	if (ttl_ms == 0) {
		if (at < s->n)
			forget(s, at);
		return 0;
	}
	if ((r = reserve(s)) < 0)
		return r;
	if (at == SERVERLESS_MAX && (at = serverless_refresh(s, now_ms)) == SERVERLESS_MAX)
		return ERR_LIMIT;
	if (at == s->n)
		s->n++;
	s->all[at] = *pair;
	s->ends_ms[at] = now_ms + ttl_ms;
	return 0;
}

size_t serverless_refresh(struct serverless *s, uint64_t now_ms)
{
	for (size_t i = 0; i < s->n;) {
		if (s->ends_ms[i] <= now_ms) {
			forget(s, i);
			continue;
		}
		s->all[i].left_ms = s->ends_ms[i] - now_ms;
		i++;
	}
	return s->n;
}

void serverless_fini(struct serverless *s)
{
	free(s->all);
	free(s->ends_ms);
	*s = (struct serverless){ 0 };
}

/* ---- from a child ---- */

static bool take_pair(const json_t *row, bool add, struct nft_pair *out)
{
	const char *address = json_string_value(json_object_get(row, "address"));
	const json_t *port = json_object_get(row, "port"), *ttl = json_object_get(row, "ttl_ms");

	if (!address || !json_is_integer(port) || json_integer_value(port) < 1 ||
		json_integer_value(port) > UINT16_MAX ||
		address_parse(span_of(address), &out->address) < 0)
		return false;
	out->port = (uint16_t)json_integer_value(port);
	out->left_ms = 0;
	if (!add)
		return !ttl;
	if (!json_is_integer(ttl) || json_integer_value(ttl) < 1 ||
		json_integer_value(ttl) > LINK_SERVERLESS_TTL_MS)
		return false;
	out->left_ms = (uint64_t)json_integer_value(ttl);
	return true;
}

int serverless_take(const json_t *message,
	void (*note)(void *arg, const struct peer_address *address, uint16_t port, uint64_t ttl_ms),
	void *arg)
{
	const json_t *lists[] = { json_object_get(message, "del"),
		json_object_get(message, "add") };
	struct nft_pair pairs[LINK_SERVERLESS];
	size_t n = 0, at;
	json_t *row;

	for (size_t i = 0; i < 2; i++) {
		if (lists[i] && !json_is_array(lists[i]))
			return ERR_PROTO;
		json_array_foreach(lists[i], at,
			row) if (n == LINK_SERVERLESS ||
				 !take_pair(row, i == 1, &pairs[n++])) return ERR_PROTO;
	}
	for (size_t i = 0; i < n; i++)
		note(arg, &pairs[i].address, pairs[i].port, pairs[i].left_ms);
	return 0;
}
