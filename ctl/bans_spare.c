/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is never banned by a worker's word: between the ladder's number and the ban. In: a network or
 * a name that reached a rung. Out: why it is let go, or nothing. This host's addresses are asked of
 * the kernel, at most once a second, for they come and go; a prefix is let go, too, if one of those
 * who are spared lies within it. It bans nobody and keeps nothing about peers. */
#include "ctl/bans_spare.h"

#include <ifaddrs.h>
#include <string.h>

#include "base/clock.h"
#include "ctl/bans_int.h"
#include "ctl/barred.h"
#include "rules/address.h"
#include "rules/punish.h"

enum { OWN_MAX = 1024, OWN_AGE_MS = 1000 };

/* ---- this host ---- */

static struct {
	struct peer_address all[OWN_MAX];
	size_t n;
	uint64_t at_ms; /* 0: never asked */
} own;

static void own_look(void)
{
	uint64_t now = clock_mono_ms();
	struct ifaddrs *all, *i;
	uint16_t port;

	if (own.at_ms && now - own.at_ms < OWN_AGE_MS)
		return;
	/* Without an answer the last one counts. */
	if (getifaddrs(&all) < 0)
		return;
	own.at_ms = now;
	own.n = 0;
	for (i = all; i && own.n < OWN_MAX; i = i->ifa_next)
		if (i->ifa_addr &&
			(i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6))
			address_from_sockaddr(i->ifa_addr, &own.all[own.n++], &port);
	freeifaddrs(all);
}

/* Either holds the other. */
static bool overlaps(
	const struct peer_address *a, unsigned a_len, const struct peer_address *b, unsigned b_len)
{
	return a_len <= b_len ? address_in(a, a_len, b) : address_in(b, b_len, a);
}

static bool is_loopback(const struct peer_address *net, unsigned len)
{
	static const char *const never[] = { "127.0.0.0/8", "0.0.0.0/8", "::/127" };
	struct peer_address other;
	unsigned other_len;

	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (address_parse_prefix(span_of(never[i]), &other, &other_len) == 0 &&
			overlaps(net, len, &other, other_len))
			return true;
	return false;
}

static bool is_own(const struct peer_address *net, unsigned len)
{
	if (is_loopback(net, len))
		return true;
	own_look();
	for (size_t i = 0; i < own.n; i++)
		if (address_in(net, len, &own.all[i]))
			return true;
	return false;
}

/* ---- sets ---- */

static bool is_allowed(const struct bans *b, const struct peer_address *net, unsigned len)
{
	return b->policy &&
	       policy_addresses_overlap(b->policy, policy_daemon(b->policy)->allow_set, net, len);
}

/* The class of "defend" that has this name. */
static bool is_trusted_class(const struct bans *b, const struct peer_address *net, unsigned len)
{
	const struct defend *d = b->policy ? &policy_daemon(b->policy)->defend : NULL;

	for (unsigned i = 0; d && i < d->n_classes; i++)
		if (strcmp(d->classes[i].name, "trusted") == 0 &&
			policy_addresses_overlap(b->policy, d->classes[i].set, net, len))
			return true;
	return false;
}

bool bans_is_trusted(const struct bans *b, const struct peer_address *a)
{
	unsigned len = address_is_v4(a) ? 128 : BANS_PREFIX6;

	return is_own(a, len) || is_allowed(b, a, len) || is_trusted_class(b, a, len);
}

const char *bans_spare_network(const struct bans *b, const struct punish *p,
	const struct peer_address *net, unsigned prefix_len)
{
	if (is_own(net, prefix_len))
		return "it is this host's";
	if (is_allowed(b, net, prefix_len))
		return "the policy allows it";
	if (is_trusted_class(b, net, prefix_len))
		return "the policy trusts it";
	for (unsigned i = 0; b->policy && i < p->n_spare; i++)
		if (policy_addresses_overlap(b->policy, p->spare[i], net, prefix_len))
			return "the policy spares it";
	return NULL;
}

const char *bans_spare_name(const struct bans *b, const struct punish *p, const char *name)
{
	for (unsigned i = 0; b->policy && i < p->n_spare; i++)
		if (policy_names_have(b->policy, p->spare[i], name))
			return "the policy spares it";
	return NULL;
}

/* ---- others ---- */

const char *bans_spare_used(const struct bans *b, const json_t *rows, const char *jid)
{
	uint64_t now = clock_mono_ms();
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *text = json_string_value(row);
		struct ledger_bar bar;

		/* More than are told. */
		if (json_is_true(row))
			return "others use it";
		/* Who has strikes, too, shields nobody. */
		if (text && barred_parse(text, &bar) == 0 && strcmp(bar.name, jid) != 0 &&
			!punish_was_struck(b->ladder, bar.name, now))
			return "others use it";
	}
	return NULL;
}

const char *bans_spare_shared(const struct bans *b, const json_t *act, const char *jid)
{
	const json_t *others = json_object_get(act, "others");

	if (!json_is_true(json_object_get(act, "shared")))
		return NULL;
	if (!json_is_array(others) || json_is_true(json_object_get(act, "more")))
		return "others use it";
	return bans_spare_used(b, others, jid);
}
