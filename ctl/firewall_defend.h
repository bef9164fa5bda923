/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the nft table that counts connections: defend { ... } as text (docs/SHIELD.md).
 * Called by firewall.c only, but for the names. */
#pragma once

#include "ctl/firewall.h"

/* The pair of sets with the addresses that logged in lately; IPv6 by its /64. */
#define FIREWALL_KNOWN "known"

/* What a class refuses, each a named counter of the table. */
enum firewall_defend_reason {
	FIREWALL_DEFEND_RATE,
	FIREWALL_DEFEND_PENALTY,
	FIREWALL_DEFEND_CONCURRENT,
	FIREWALL_DEFEND_FULL, /* not refused: nobody could count it */
	FIREWALL_DEFEND_REASONS
};
extern const char *const firewall_defend_reasons[FIREWALL_DEFEND_REASONS];

enum { FIREWALL_DEFEND_NAME = 96 /* bytes of any of these names */ };

/* "defend_tor_rate". */
void firewall_defend_counter(const struct defend_class *k, enum firewall_defend_reason reason,
	char name[FIREWALL_DEFEND_NAME]);
/* "class_tor": the pair of sets with the addresses of a class that has a list. */
void firewall_defend_base(const struct defend_class *k, char name[FIREWALL_DEFEND_NAME]);
/* Visits the names of a class's meters, until false. */
void firewall_defend_meters(const struct defend *d, const struct defend_class *k,
	bool (*visit)(void *arg, const char *name), void *arg);

/* Counters and sets. 0 or a negative code, as all of these; nothing without a class. */
int firewall_defend_sets(const struct defend *d, struct buf *out);
/* The last line of chain early. */
int firewall_defend_early(const struct defend *d, struct buf *out);
/* The chains. */
int firewall_defend_chains(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out);
/* Rules that count what the SYN proxy let come about, for a chain of its own. */
int firewall_defend_counts(
	const struct service *services, size_t n, const struct defend *d, struct buf *out);
