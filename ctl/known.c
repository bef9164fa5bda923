/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between a login and the kernel's meters. Addresses that the doors say somebody
 * logged in from come in; the ledger and the kernel's sets known4 and known6 hold them for the time
 * the policy names. A child's word is bounded: so many addresses a message, each one an address a
 * peer can have, 100,000 in all, the one heard of least lately going first; one that was told
 * lately costs neither ledger nor kernel anything. It never says what the known may:
 * ctl/firewall_defend.c writes that. */
#include "ctl/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "ctl/kernel.h"
#include "ctl/ledger_known.h"
#include "ctl/link.h"
#include "rules/address.h"
#include "rules/rules.h"

struct known_entry {
	TAILQ_ENTRY(known_entry) link;
	struct peer_address address;
	int64_t last_ms;
};

struct known {
	struct known_spec spec;
	struct map entries;                         /* by address */
	TAILQ_HEAD(known_order, known_entry) order; /* the oldest first */
	struct kernel *kernel;
	uint64_t keep_ms; /* 0: nobody asks */
	int error;        /* of the last write to the ledger */
	int64_t second;   /* whose messages are counted */
	size_t heard;     /* addresses in it */
};

enum {
	HEARD_MAX = 8192 /* addresses a second, of all children; an honest one has 4,096 at most */
};

/* Whoever has one address of an IPv6 /64 has them all. */
static struct peer_address key_of(const struct peer_address *a)
{
	struct peer_address key = *a;

	if (!address_is_v4(a))
		memset(key.bytes + 8, 0, 8);
	return key;
}

static struct nft_element element_of(
	const struct known *k, const struct known_entry *e, int64_t now)
{
	int64_t left = e->last_ms + (int64_t)k->keep_ms - now;

	return (struct nft_element){ e->address,
		address_is_v4(&e->address) ? ADDRESS_BITS : DEFEND_V6,
		left > 0 ? (uint64_t)left : 1 };
}

/* ---- entries ---- */

static void entry_drop(struct known *k, struct known_entry *e)
{
	map_take(&k->entries, e->address.bytes, sizeof(e->address.bytes));
	TAILQ_REMOVE(&k->order, e, link);
	free(e);
}

static void known_expire(struct known *k, int64_t now)
{
	struct known_entry *e;

	while ((e = TAILQ_FIRST(&k->order)) && e->last_ms + (int64_t)k->keep_ms <= now)
		entry_drop(k, e);
}

static void known_clear(struct known *k)
{
	struct known_entry *e;

	while ((e = TAILQ_FIRST(&k->order)))
		entry_drop(k, e);
}

static struct known_entry *entry_find(const struct known *k, const struct peer_address *key)
{
	return map_find(&k->entries, key->bytes, sizeof(key->bytes));
}

/* NULL: no memory. */
static struct known_entry *entry_add(
	struct known *k, const struct peer_address *key, int64_t last_ms)
{
	struct known_entry *e = calloc(1, sizeof(*e));

	if (!e || map_put(&k->entries, key->bytes, sizeof(key->bytes), e, NULL) < 0) {
		free(e);
		return NULL;
	}
	e->address = *key;
	e->last_ms = last_ms;
	return e;
}

/* ---- the policy's time ---- */

/* Newest first, so each goes before those already there. */
static bool take_row(void *arg, const struct ledger_known *row)
{
	struct known *k = arg;
	struct peer_address key = key_of(&row->address);
	struct known_entry *e = entry_find(k, &key) ? NULL : entry_add(k, &key, row->last_ms);

	if (e)
		TAILQ_INSERT_HEAD(&k->order, e, link);
	return true;
}

void known_configure(struct known *k, const struct policy *p)
{
	uint64_t keep = defend_known_ms(&policy_daemon(p)->defend);
	int64_t now = k->spec.now(k->spec.arg);
	int r;

	if (keep == k->keep_ms)
		return;
	/* A longer time asks for those that were forgotten already. */
	known_clear(k);
	k->keep_ms = keep;
	if (keep && (r = ledger_known_each(
			     k->spec.ledger, now - (int64_t)keep, KNOWN_MAX, take_row, k)) < 0)
		log_error("event=known error=\"%s\" note=\"nobody is known until the next login\"",
			err_text(r));
	if (k->kernel)
		kernel_known_all(k->kernel);
}

/* ---- hearing ---- */

/* What no peer on the network can have would only take room. */
static bool is_peer(const struct peer_address *a)
{
	static const char *const never[] = { "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/64",
		"ff00::/8" };
	struct peer_address net;
	unsigned len;

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (address_parse_prefix(span_of(never[i]), &net, &len) == 0 &&
			address_in(&net, len, a) && address_is_v4(a) == address_is_v4(&net))
			return false;
	return true;
}

struct heard {
	struct ledger_known rows[LINK_KNOWN];
	struct nft_element elements[LINK_KNOWN];
	size_t n;
};

static int hear_one(
	struct known *k, const struct peer_address *address, int64_t now, struct heard *h)
{
	struct peer_address key = key_of(address);
	struct known_entry *e = entry_find(k, &key);

	if (e && now - e->last_ms < (int64_t)(k->keep_ms / LINK_KNOWN_AGAIN / 2))
		return 0;
	if (!e && k->entries.count >= KNOWN_MAX)
		entry_drop(k, TAILQ_FIRST(&k->order));
	if (e)
		TAILQ_REMOVE(&k->order, e, link);
	else if (!(e = entry_add(k, &key, now)))
		return -ENOMEM;
	e->last_ms = now;
	TAILQ_INSERT_TAIL(&k->order, e, link);
	h->rows[h->n] = (struct ledger_known){ key, now };
	h->elements[h->n++] = element_of(k, e, now);
	return 0;
}

/* One that tells on and on is not written down on and on. */
static bool may_hear(struct known *k, size_t n, int64_t now)
{
	if (k->second != now / 1000) {
		k->second = now / 1000;
		k->heard = 0;
	}
	k->heard += n;
	return k->heard <= HEARD_MAX;
}

/* Those that count no more, by their time or because others took their places. */
static int64_t forgotten_before(const struct known *k, int64_t now)
{
	int64_t expired = now - (int64_t)k->keep_ms;
	const struct known_entry *oldest = TAILQ_FIRST(&k->order);

	return k->entries.count >= KNOWN_MAX && oldest->last_ms > expired ? oldest->last_ms
									  : expired;
}

int known_hear(struct known *k, const json_t *message)
{
	const json_t *addresses = json_object_get(message, "addresses"), *text;
	int64_t now = k->spec.now(k->spec.arg);
	struct heard *h;
	size_t i;
	int r = 0;

	if (!json_is_array(addresses) || json_array_size(addresses) > LINK_KNOWN)
		return ERR_PROTO;
	if (!k->keep_ms)
		return 0; /* of a policy that has just gone */
	if (!may_hear(k, json_array_size(addresses), now))
		return 0;
	if (!(h = calloc(1, sizeof(*h))))
		return 0;
	known_expire(k, now);
	json_array_foreach(addresses, i, text)
	{
		struct peer_address a;
		struct span span = { json_string_value(text), json_string_length(text) };

		if (!json_is_string(text) || address_parse(span, &a) < 0) {
			free(h);
			return ERR_PROTO;
		}
		if (is_peer(&a) && (r = hear_one(k, &a, now, h)) < 0)
			break;
	}
	if (h->n > 0) {
		r = ledger_known_put(k->spec.ledger, h->rows, h->n, forgotten_before(k, now));
		if (r != k->error && r < 0)
			log_error("event=known error=\"%s\" note=\"who logged in is not kept over "
				  "a restart\"",
				err_text(r));
		k->error = r;
		if (k->kernel)
			kernel_known(k->kernel, h->elements, h->n);
	}
	free(h);
	return 0;
}

/* ---- face ---- */

int known_open(const struct known_spec *spec, struct known **out)
{
	struct known *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->spec = *spec;
	map_init(&k->entries);
	TAILQ_INIT(&k->order);
	*out = k;
	return 0;
}

void known_close(struct known *k)
{
	if (!k)
		return;
	known_clear(k);
	map_fini(&k->entries, NULL);
	free(k);
}

void known_set_kernel(struct known *k, struct kernel *kernel)
{
	k->kernel = kernel;
}

bool known_has(const struct known *k, const struct peer_address *a)
{
	struct peer_address key = key_of(a);
	const struct known_entry *e = entry_find(k, &key);

	return e && e->last_ms + (int64_t)k->keep_ms > k->spec.now(k->spec.arg);
}

size_t known_count(const struct known *k)
{
	return k->entries.count;
}

int known_elements(void *known, struct nft_element **elements, size_t *n)
{
	struct known *k = known;
	int64_t now = k->spec.now(k->spec.arg);
	const struct known_entry *e;

	known_expire(k, now);
	*elements = NULL;
	*n = 0;
	if (k->entries.count == 0)
		return 0;
	if (!(*elements = calloc(k->entries.count, sizeof(**elements))))
		return -ENOMEM;
	TAILQ_FOREACH(e, &k->order, link)(*elements)[(*n)++] = element_of(k, e, now);
	return 0;
}

static size_t known_source_count(void *arg)
{
	return known_count(arg);
}

static bool known_source_find(
	void *arg, const struct nft_element *prefix, struct nft_element *found)
{
	const struct known *k = arg;
	const struct known_entry *e = entry_find(k, &prefix->address);
	int64_t now = k->spec.now(k->spec.arg);

	if (!e || e->last_ms + (int64_t)k->keep_ms <= now)
		return false;
	*found = element_of(k, e, now);
	return found->prefix_len == prefix->prefix_len;
}

struct nft_source known_source(struct known *k)
{
	return (struct nft_source){ .count = known_source_count,
		.all = known_elements,
		.find = known_source_find,
		.arg = k };
}
