/* SPDX-License-Identifier: BSD-2-Clause */
/* The ladder: strikes of an address within a window become a ban. Pure and single-threaded; time is
 * given. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/rules.h"

struct punish_table;

enum { PUNISH_RULES_MAX = 8, PUNISH_ADDRESSES_MAX = 65536, PUNISH_NAME_SIZE = 64 };

/* entries_max: addresses kept at once, 0: PUNISH_ADDRESSES_MAX. NULL when out of memory. */
struct punish_table *punish_new(size_t entries_max);
void punish_free(struct punish_table *t);
/* Takes over the ladders of a policy (copied; those above PUNISH_RULES_MAX are left out:
 * ERR_LIMIT). Strikes counted under a ladder of equal name and window stay. */
int punish_configure(struct punish_table *t, const struct punish *rules, size_t n);

struct punish_result {
	bool ban;    /* a ladder's number was reached: ban for punish_ban_ms(ladder, previous) */
	bool spared; /* reached, but the ladder spares shared addresses and this is one: no ban */
	unsigned strikes; /* within the window of the ladder named; of the first ladder when none
			     was reached */
	struct punish ladder; /* which one; its name is borrowed from the table */
};
/* Enters strikes (0 is none) of an address at a monotonic time. After a ban or a sparing the
 * address starts from 0. 0 with *out, or -ENOMEM (nothing entered). */
int punish_strike(struct punish_table *t, const struct peer_address *address, unsigned strikes,
	bool shared, uint64_t now_ms, struct punish_result *out);
/* ban_ms * escalate^previous, at most escalate_max_ms (never less than ban_ms). Does not overflow.
 */
uint64_t punish_ban_ms(const struct punish *ladder, unsigned previous);
/* Strikes that still count, of the ladder where most do; for "bans" and tests. */
unsigned punish_strikes(
	const struct punish_table *t, const struct peer_address *address, uint64_t now_ms);
/* An unban forgives the strikes, too. */
void punish_forget(struct punish_table *t, const struct peer_address *address);
size_t punish_count(const struct punish_table *t);
/* Addresses whose strikes were forgotten because the table was full. */
uint64_t punish_evicted(const struct punish_table *t);
