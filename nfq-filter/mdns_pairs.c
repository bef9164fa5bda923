/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind mdns.c: what follows from the records. In: the word of a source that somebody takes
 * streams there, or has that name. Out: is it so, who is it, and what the firewall was not told
 * yet. Words of several sources stand beside each other; a pair lasts as long as the last of them.
 */
#include <stdlib.h>
#include "nfq-filter/mdns_int.h"

enum { EVICT_AMONG = 16 };

/* ---- claims ---- */

static uint64_t claims_last(const struct claim *c)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < MDNS_CLAIMS; i++)
		last = c[i].expires_ns > last ? c[i].expires_ns : last;
	return last;
}

static struct claim *claims_find(struct claim *c, const struct peer_address *a)
{
	for (unsigned i = 0; i < MDNS_CLAIMS; i++)
		if (c[i].expires_ns && address_equal(&c[i].address, a))
			return &c[i];
	return NULL;
}

/* The place of a, or a free one, or that of the claim that ends first; keep's own is never taken.
 */
static struct claim *claims_place(
	struct claim *c, const struct peer_address *a, const struct peer_address *keep)
{
	struct claim *found = claims_find(c, a), *first = NULL;

	if (found)
		return found;
	for (unsigned i = 0; i < MDNS_CLAIMS; i++) {
		if (!c[i].expires_ns)
			return &c[i];
		if (!address_equal(&c[i].address, keep) &&
			(!first || c[i].expires_ns < first->expires_ns))
			first = &c[i];
	}
	return first;
}

/* ---- pairs and names ---- */

enum { PAIR_KEY = 18 };

static void pair_key(const struct endpoint *e, unsigned char key[PAIR_KEY])
{
	memcpy(key, e->address.bytes, 16);
	key[16] = (unsigned char)(e->port >> 8);
	key[17] = (unsigned char)e->port;
}

static struct pair *pair_find(const struct mdns *m, const struct endpoint *where)
{
	unsigned char key[PAIR_KEY];

	pair_key(where, key);
	return map_find(&m->pairs, key, sizeof(key));
}

/* The ceiling: of some, what would end first goes, so that a flood costs no more than it must. It
 * was told of and stays told: the kernel forgets it when its time is over. */
static void pairs_evict(struct mdns *m, struct counts *counts)
{
	struct map_entry *e;
	struct pair *first = NULL;
	unsigned char key[PAIR_KEY];

	for (unsigned n = 0; n < EVICT_AMONG || !first; n++) {
		if (!map_each(&m->pairs, &m->hand, &e)) {
			m->hand = 0;
			continue;
		}
		if (!first || ((struct pair *)e->value)->expires_ns < first->expires_ns)
			first = e->value;
	}
	pair_key(&first->where, key);
	free(map_take(&m->pairs, key, sizeof(key)));
	counts_add(counts, COUNT_MDNS_EVICTED, 1);
}

void pair_claim(struct mdns *m, const struct endpoint *where, const struct peer_address *source,
	uint64_t expires_ns, struct counts *counts)
{
	struct pair *p = pair_find(m, where);
	unsigned char key[PAIR_KEY];
	struct claim *c;

	if (!p) {
		if (m->pairs.count >= MDNS_PAIRS_MAX)
			pairs_evict(m, counts);
		pair_key(where, key);
		if (!(p = calloc(1, sizeof(*p))) ||
			map_put(&m->pairs, key, sizeof(key), p, NULL) < 0) {
			free(p);
			return;
		}
		p->where = *where;
		counts_add(counts, COUNT_MDNS_LEARNED, 1);
	}
	if (!(c = claims_place(p->claims, source, &where->address)))
		return;
	/* Several of its services may stand there: the longest counts. */
	if (c->batch == m->batch && address_equal(&c->address, source) &&
		c->expires_ns > expires_ns)
		return;
	*c = (struct claim){ *source, expires_ns, m->batch };
	p->expires_ns = claims_last(p->claims);
	m->changed = true;
}

void name_claim(struct mdns *m, const char *label, const struct peer_address *address,
	uint64_t expires_ns, struct counts *counts)
{
	struct name *n = map_find(&m->names, label, strlen(label));
	struct claim *c;

	if (!n) {
		/* Swept as they grow old; until then the names known are kept. */
		if (m->names.count >= MDNS_NAMES_MAX) {
			counts_add(counts, COUNT_MDNS_EVICTED, 1);
			return;
		}
		if (!(n = calloc(1, sizeof(*n))) ||
			map_put(&m->names, label, strlen(label), n, NULL) < 0) {
			free(n);
			return;
		}
	}
	/* Whoever has it keeps it: the next to claim it push nobody out. */
	c = claims_place(n->claims, address, address);
	if (c && c->expires_ns < expires_ns &&
		(c->expires_ns <= m->now_ns || address_equal(&c->address, address)))
		*c = (struct claim){ *address, expires_ns, m->batch };
}

void names_sweep(struct mdns *m, uint64_t now_ns)
{
	struct map_entry *e;
	size_t at = 0;

	while (map_each(&m->names, &at, &e)) {
		struct name *n = e->value;

		if (claims_last(n->claims) <= now_ns)
			free(map_take(&m->names, e->key, e->key_len));
	}
}

/* ---- what is known ---- */

bool mdns_serves(struct mdns *m, const struct endpoint *where, uint64_t now_ns)
{
	const struct pair *p;
	bool known;

	pthread_mutex_lock(&m->lock);
	p = pair_find(m, where);
	known = p && p->expires_ns > now_ns;
	pthread_mutex_unlock(&m->lock);
	return known;
}

/* A host speaks from temporary addresses, too (RFC 8981), and announces only others of its prefix.
 */
static bool is_neighbour(const struct peer_address *a, const struct peer_address *b)
{
	bool link_local = a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;

	return !address_is_v4(a) && !link_local && memcmp(a->bytes, b->bytes, 8) == 0;
}

static enum mdns_known claims_judge(
	const struct claim *claims, const struct peer_address *address, uint64_t now_ns)
{
	bool other = false, neighbour = false;

	for (unsigned i = 0; i < MDNS_CLAIMS; i++) {
		const struct claim *c = &claims[i];

		if (c->expires_ns <= now_ns || address_is_v4(&c->address) != address_is_v4(address))
			continue;
		if (address_equal(&c->address, address))
			return MDNS_HERE;
		other = true;
		neighbour = neighbour || is_neighbour(address, &c->address);
	}
	return other && !neighbour ? MDNS_ELSEWHERE : MDNS_UNKNOWN;
}

enum mdns_known mdns_who(
	struct mdns *m, const char *name, const struct peer_address *address, uint64_t now_ns)
{
	enum mdns_known known = MDNS_UNKNOWN;
	char key[DNS_LABEL_MAX];
	size_t len = strlen(name);
	struct name *n;

	if (len > sizeof(key))
		return MDNS_UNKNOWN;
	for (size_t i = 0; i < len; i++)
		key[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
	pthread_mutex_lock(&m->lock);
	if ((n = map_find(&m->names, key, len)))
		known = claims_judge(n->claims, address, now_ns);
	pthread_mutex_unlock(&m->lock);
	return known;
}

size_t mdns_count(struct mdns *m)
{
	size_t n;

	pthread_mutex_lock(&m->lock);
	n = m->pairs.count;
	pthread_mutex_unlock(&m->lock);
	return n;
}

/* ---- what changed ---- */

/* Is there something to say of it? True with *out; *gone: it was its last word. */
static bool pair_change(struct pair *p, uint64_t now_ns, struct mdns_change *out, bool *gone)
{
	*gone = p->expires_ns <= now_ns;
	*out = (struct mdns_change){ .where = p->where };
	if (*gone)
		return p->told_ns != 0;
	/* Said again when half of what was said is over; a time that shrank only at its end. */
	if (p->told_ns > now_ns && p->told_ns - now_ns >= (p->expires_ns - now_ns) / 2)
		return false;
	out->ttl_ms = (p->expires_ns - now_ns) / 1000000u + 1;
	p->told_ns = p->expires_ns;
	return true;
}

size_t mdns_changes(struct mdns *m, uint64_t now_ns, struct mdns_change *out, size_t max)
{
	struct map_entry *e;
	size_t at = 0, n = 0;

	pthread_mutex_lock(&m->lock);
	if (!m->changed && now_ns < m->swept_ns + SECOND_NS) {
		pthread_mutex_unlock(&m->lock);
		return 0;
	}
	while (n < max && map_each(&m->pairs, &at, &e)) {
		bool gone;

		n += pair_change(e->value, now_ns, &out[n], &gone);
		if (gone)
			free(map_take(&m->pairs, e->key, e->key_len));
	}
	m->changed = n == max;
	if (!m->changed)
		m->swept_ns = now_ns;
	pthread_mutex_unlock(&m->lock);
	return n;
}
