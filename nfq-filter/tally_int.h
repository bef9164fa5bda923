/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums themselves: shared by tally.c, which adds, and tally_json.c, which tells. */
#pragma once

#include "base/map.h"
#include "nfq-filter/tally.h"
#include "rules/punish.h"

enum { TALLY_SIZES = 24, TALLY_KINDS_MAX = 64, TALLY_LAST_RULES = 16 };

struct tally_peer {
	struct peer_address address;
	uint64_t streams, stanzas, bytes, refused, strikes, after_ban;
	unsigned bans;
	bool shared;
	uint64_t jid; /* hash of the one account seen; 0: none */
	int64_t banned_until_ms;
};

struct tally_rule {
	char *chain, *rule;
	uint64_t verdicts[VERDICT_KINDS], dry, strikes;
};

struct tally_kind {
	const char *kind, *type;
	uint64_t stanzas, bytes;
};

struct tally_ban {
	struct peer_address address;
	unsigned prefix_len; /* in IPv6 bits */
	char rule[160], why[128];
	int64_t at_ms, until_ms;
	bool spared;
};

struct tally {
	struct policy *policy;
	struct punish_table *ladder;
	struct map peers, rules;
	/* Most stanzas are of somebody, and decided by something, just seen. Strings of a policy
	 * are told by where they are. */
	struct tally_peer *last_peer;
	struct {
		const char *chain, *rule;
		struct tally_rule *of;
	} last_rules[TALLY_LAST_RULES];
	uint64_t peers_lost; /* stanzas of peers beyond the bound */
	uint64_t stanzas, bytes, dry, strikes, after_ban;
	uint64_t verdicts[VERDICT_KINDS];
	struct tally_kind kinds[TALLY_KINDS_MAX];
	unsigned n_kinds;
	uint64_t sizes[TALLY_SIZES];
	int64_t first_ms, last_ms;
	int64_t second, peak_second; /* since 1970 */
	uint64_t in_second, peak;
	struct tally_ban *bans;
	size_t n_bans, bans_lost;
	json_t *streams, *broken;
	size_t streams_lost, broken_lost;
};
