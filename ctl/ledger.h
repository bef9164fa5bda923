/* SPDX-License-Identifier: BSD-2-Clause */
/* The book of bans and list edits, in one SQLite file. What a call has returned 0 for survives kill
 * -9. Times of bans are book time (ctl/booktime.h), those of edits wall milliseconds since 1970.
 * Strings longer than their bound are cut at a whole UTF-8 character. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/rules.h"

struct ledger;

enum {
	LEDGER_WHY_SIZE = 160,
	LEDGER_RULE_SIZE = 64,
	LEDGER_EVIDENCE_SIZE = 768,
	LEDGER_BANS_MAX = 1000000,   /* ban_add answers ERR_LIMIT above */
	LEDGER_EXPIRE_MAX = 20000,   /* bans that one ledger_expire takes out */
	LEDGER_HISTORY_MAX = 100000, /* the oldest edits are forgotten above */
	LEDGER_ENTRY_MAX = 512,      /* bytes of an entry kept in the history */
};
/* An address whose last ban ended longer ago than this starts anew at escalation. */
#define LEDGER_MEMORY_MS ((int64_t)90 * 24 * 3600 * 1000)

struct ledger_ban {
	struct peer_address address;
	unsigned prefix_len; /* in IPv6 bits (IPv4 + 96); host bits are cleared when stored */
	int64_t since_ms;
	int64_t until_ms; /* 0: for ever */
	char why[LEDGER_WHY_SIZE];
	char rule[LEDGER_RULE_SIZE]; /* "" when an operator banned */
	char id[VERDICT_ID_SIZE];
	unsigned count;   /* how many bans this prefix has had, this one included; filled by the
			     ledger */
	unsigned strikes; /* that led to it */
	char evidence
		[LEDGER_EVIDENCE_SIZE]; /* JSON object {"who","punish","verdicts":[{"time","id",
					   "rule","jid"}]}, newest first; "": nothing is known */
	uint64_t forgive_ms;            /* how its number is reckoned (punish_forgiven); not kept */
};

/* Creates the file (0600) and its schema where there is none. A damaged file is renamed to
 * "PATH.damaged-TIME", an error is logged, *damaged (may be NULL) is set and an empty ledger
 * opened. 0, -errno, ERR_LIBRARY, ERR_UNSUPPORTED when a newer program wrote the file. */
int ledger_open(const char *path, struct ledger **out, bool *damaged);
void ledger_close(struct ledger *l);

/* What the disk refuses (it is full, read-only, locked by another) is kept in memory and counts as
 * entered; as lines in this file, too, if it can be written (on another disk), so that a restart
 * loses nothing. What stands there already is taken in. 0 or -ENOMEM. */
int ledger_wait_in(struct ledger *l, const char *path);
/* How many changes wait for the disk; *error: why. */
size_t ledger_waiting(const struct ledger *l, int *error);
/* Tries to write them. 0 (nothing waits any more), or why not. */
int ledger_settle(struct ledger *l);

/* ---- many at once ---- */

/* From here to ledger_batch_end bans are added and removed in one transaction: what those calls
 * answered 0 for stands when ledger_batch_end has, and not before. 0 (also when one is open) or
 * negative. */
int ledger_batch_begin(struct ledger *l);
/* Commits. Negative: nothing of the batch was kept. */
int ledger_batch_end(struct ledger *l);
bool ledger_batch_is_open(const struct ledger *l);
/* Whoever writes anything else while a batch is open: this is called first, and ends it. */
void ledger_batch_hook(struct ledger *l, void (*end)(void *arg), void *arg);

/* ---- bans ---- */

enum ledger_how {
	LEDGER_EXTEND, /* a standing ban never gets shorter (punishments) */
	LEDGER_SET,    /* the end is as given (an operator's word) */
};
/* Enters a ban or extends the standing one; since and count are the ledger's then: *ban is updated
 * to what now stands. 0 (on disk, or waiting for it), ERR_LIMIT, ERR_RANGE (prefix), ... */
int ledger_ban_add(struct ledger *l, struct ledger_ban *ban, enum ledger_how how);
/* Takes the ban back, and off the count of the prefix. 0 or ERR_NOTFOUND, ... */
int ledger_ban_remove(struct ledger *l, const struct peer_address *address, unsigned prefix_len);
/* The ban of exactly this prefix. 0 or ERR_NOTFOUND. */
int ledger_ban_find(struct ledger *l, const struct peer_address *address, unsigned prefix_len,
	struct ledger_ban *out);
/* The ban that covers this address and ends last. 0 or ERR_NOTFOUND. */
int ledger_ban_covering(struct ledger *l, const struct peer_address *address, int64_t now_ms,
	struct ledger_ban *out);
/* Removes bans that ended at or before now (their count stays), LEDGER_EXPIRE_MAX at most, and
 * counts beyond memory, after ledger_settle. How many bans, or negative: what has ended may still
 * be found then. */
long ledger_expire(struct ledger *l, int64_t now_ms);
/* When the next ban ends; 0 if none does. */
int64_t ledger_next_end(struct ledger *l);
/* Visits until false, newest first; the ban is borrowed for the call. No writing from the visitor.
 * 0 or ERR_LIBRARY. */
int ledger_bans_each(
	struct ledger *l, bool (*visit)(void *arg, const struct ledger_ban *ban), void *arg);
/* Where a prefix is banned, and until when: all that the kernel needs to know. */
struct ledger_end_of {
	struct peer_address address;
	unsigned prefix_len;
	int64_t until_ms; /* 0: for ever */
};
/* Single addresses and IPv6 networks of 64 bits in address order, behind *after (NULL: from the
 * first), at most max. 0 with *n. */
int ledger_ends_page(struct ledger *l, const struct ledger_end_of *after, struct ledger_end_of *out,
	size_t max, size_t *n);
/* Is there a later word on it that waits for the disk? */
bool ledger_waits_for(const struct ledger *l, const struct ledger_end_of *end);
/* All other networks, and all bans that wait for the disk: malloc'd, the caller frees. 0 or
 * negative. */
int ledger_ends_rest(struct ledger *l, struct ledger_end_of **out, size_t *n);
/* How many bans stand. */
long ledger_bans_count(struct ledger *l);
/* How many bans this prefix has had so far (a standing one included) and have not been forgiven:
 * the exponent of escalation. 0 on error. */
unsigned ledger_previous(struct ledger *l, const struct peer_address *address, unsigned prefix_len,
	int64_t now_ms, uint64_t forgive_ms);

/* ---- the time bans are reckoned in ---- */

/* One reading of three clocks, by ctl/booktime.c. */
struct ledger_clock {
	char boot[40]; /* the kernel's id of this boot; "" when it told none */
	int64_t boot_ms, wall_ms, book_ms;
};
/* The last reading. 0, ERR_NOTFOUND (a ledger older than that), or ERR_LIBRARY. */
int ledger_clock_find(struct ledger *l, struct ledger_clock *out);
/* Takes the place of the last one. 0 or as ledger_ban_add. */
int ledger_clock_put(struct ledger *l, const struct ledger_clock *reading);

/* ---- history of list edits ---- */

struct ledger_edit {
	int64_t time_ms;
	const char *who;  /* "uid 0 (root)" */
	const char *what; /* "add", "del", "import" */
	const char *list;
	const char *entry;
};
/* All in one transaction. 0 or as ledger_ban_add. */
int ledger_history_add(struct ledger *l, const struct ledger_edit *edits, size_t n);
/* The newest max edits of a list (NULL: of all), newest first, until false. Strings are borrowed
 * for the call. */
int ledger_history_each(struct ledger *l, const char *list, size_t max,
	bool (*visit)(void *arg, const struct ledger_edit *edit), void *arg);
