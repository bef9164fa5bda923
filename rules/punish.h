/* SPDX-License-Identifier: BSD-2-Clause */
/* The ladder: strikes of a session, a JID, a domain, an address or a prefix within a window reach a
 * rung's number. Pure and single-threaded; time is given. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/rules.h"

struct punish_table;

enum {
	PUNISH_SUBJECTS_MAX = 65536, /* a rung's */
	PUNISH_NAME_SIZE = 64,
	PUNISH_RULE_SIZE = 64,
	PUNISH_JID_SIZE = 96,
	PUNISH_PROOFS = 5,
};

/* Who did something, and what it was. Strings are borrowed; "" or NULL: none. */
struct punish_act {
	struct peer_address address; /* as bans count it: of IPv6 the /64. All zero: none */
	uint64_t session;            /* 0: none */
	const char *jid, *domain;    /* bare JID, domain of a server: prepared */
	unsigned strikes;
	int64_t time_ms;       /* wall clock, for the evidence alone */
	const char *id, *rule; /* of the verdict; rule as CHAIN/RULE */
};

/* One verdict that led to a punishment. Texts are cut at whole characters. */
struct punish_proof {
	int64_t time_ms;
	char id[VERDICT_ID_SIZE], rule[PUNISH_RULE_SIZE], jid[PUNISH_JID_SIZE];
};

/* A rung that was reached. */
struct punish_result {
	struct punish ladder;    /* which one; its name is borrowed from the table */
	struct peer_address net; /* of ADDRESS and PREFIX */
	unsigned prefix_len;     /* ... in IPv6 bits */
	unsigned strikes;        /* within the window */
	unsigned addresses;      /* of PREFIX: distinct ones, as far as they are counted */
	unsigned n_proofs;       /* the last verdicts, newest first */
	struct punish_proof proofs[PUNISH_PROOFS];
};

/* entries_max: subjects kept at once by each rung, 0: PUNISH_SUBJECTS_MAX. NULL when out of memory.
 */
struct punish_table *punish_new(size_t entries_max);
void punish_free(struct punish_table *t);
/* Takes over the rungs of a policy (copied, but for names of sets; those above PUNISH_RULES_MAX are
 * left out: ERR_LIMIT). Strikes counted by a rung of equal name, subject and window stay. */
int punish_configure(struct punish_table *t, const struct punish *rules, size_t n);

/* Enters strikes (0 is none) at a monotonic time with every rung that has a subject here. Whoever
 * reaches a rung starts from 0 with it (an address with all rungs of addresses). Out, in the order
 * of the policy, *n of at most PUNISH_RULES_MAX. 0, or -ENOMEM (some were not counted). */
int punish_strike(struct punish_table *t, const struct punish_act *act, uint64_t now_ms,
	struct punish_result out[PUNISH_RULES_MAX], size_t *n);
/* Of the rungs of addresses among them the one that speaks: of those that ban it the longest, else
 * one that spares it because it is shared; NULL: none was reached. */
const struct punish_result *punish_strongest(
	const struct punish_result *results, size_t n, bool shared);
/* ban_ms * escalate^previous, at most escalate_max_ms (never less than ban_ms). Does not overflow.
 */
uint64_t punish_ban_ms(const struct punish *ladder, unsigned previous);
/* What forgiving leaves of so many bans, of which the last ended then. */
unsigned punish_forgiven(unsigned bans, int64_t last_end_ms, int64_t now_ms, uint64_t forgive_ms);
/* Had this bare JID strikes lately, wherever they came from? (Asked where addresses are shared: it
 * does not behave well.) */
bool punish_was_struck(const struct punish_table *t, const char *jid, uint64_t now_ms);
/* Strikes that still count, of the rung of addresses where most do; for "bans" and tests. */
unsigned punish_strikes(
	const struct punish_table *t, const struct peer_address *address, uint64_t now_ms);
/* An unban forgives the strikes, too: of a network (prefix_len in IPv6 bits), or of a name
 * (PUNISH_JID, PUNISH_DOMAIN). */
void punish_forget(struct punish_table *t, const struct peer_address *address, unsigned prefix_len);
void punish_forget_name(struct punish_table *t, enum punish_of of, const char *name);
/* Subjects with strikes, of all rungs. */
size_t punish_count(const struct punish_table *t);
/* Subjects whose strikes were forgotten because a rung was full. */
uint64_t punish_evicted(const struct punish_table *t);
/* The rung of that name as configured; NULL: there is none. */
const struct punish *punish_find(const struct punish_table *t, const char *name);
