/* SPDX-License-Identifier: BSD-2-Clause */
/* Names that are kept out, in the ledger: what ledger.h says of prefixes, of bare JIDs and domains.
 */
#pragma once

#include "ctl/ledger.h"

enum ledger_kind { LEDGER_JID, LEDGER_DOMAIN };

enum {
	LEDGER_NAME_SIZE = 2100,
	LEDGER_BARRED_MAX = 100000,
	LEDGER_BARRED_BYTES = 16 << 20, /* of all names: they are told in one go */
};

struct ledger_bar {
	enum ledger_kind kind;
	char name[LEDGER_NAME_SIZE]; /* prepared */
	int64_t since_ms;
	int64_t until_ms; /* 0: for ever */
	char why[LEDGER_WHY_SIZE];
	char rule[LEDGER_RULE_SIZE]; /* "" when an operator did it */
	char id[VERDICT_ID_SIZE];
	unsigned count, strikes;
	char evidence[LEDGER_EVIDENCE_SIZE]; /* as of struct ledger_ban */
	uint64_t forgive_ms;                 /* how its number is reckoned; not kept */
};

/* Enters it or extends what stands, at since_ms; *bar is what stands then. 0, ERR_LIMIT, ERR_RANGE
 * (no name), or as ledger_ban_add. */
int ledger_bar_add(struct ledger *l, struct ledger_bar *bar, enum ledger_how how);
/* Takes it back, and off the count. 0 or ERR_NOTFOUND, ... */
int ledger_bar_end(struct ledger *l, enum ledger_kind kind, const char *name, int64_t now_ms);
/* Also one that has ended. 0 or ERR_NOTFOUND. */
int ledger_bar_find(
	struct ledger *l, enum ledger_kind kind, const char *name, struct ledger_bar *out);
bool ledger_bar_stands(const struct ledger_bar *bar, int64_t now_ms);
/* How many there were so far that are not forgiven. */
unsigned ledger_bar_previous(const struct ledger_bar *bar, int64_t now_ms, uint64_t forgive_ms);
/* Visits those that stand until false, newest first; no writing meanwhile. 0 or ERR_LIBRARY. */
int ledger_barred_each(struct ledger *l, int64_t now_ms,
	bool (*visit)(void *arg, const struct ledger_bar *bar), void *arg);
/* Those that ended behind from and until to. */
int ledger_barred_ended(struct ledger *l, int64_t from_ms, int64_t to_ms,
	bool (*visit)(void *arg, const struct ledger_bar *bar), void *arg);
/* Lets go of counts beyond memory. */
int ledger_barred_forget(struct ledger *l, int64_t now_ms);
/* When the next one ends; 0 if none does. */
int64_t ledger_barred_next_end(struct ledger *l, int64_t now_ms);
long ledger_barred_count(struct ledger *l, int64_t now_ms);
