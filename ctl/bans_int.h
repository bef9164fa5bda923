/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files ctl/bans*.c share. Nobody else includes this. */
#pragma once

#include "ctl/bans.h"
#include "ctl/booktime.h"
#include "ctl/ledger.h"
#include "rules/rules.h"

struct bans_newest;
struct climb;
struct bans_pending;
struct punish_table;

enum { BANS_PREFIX6 = 64 }; /* what one host on IPv6 is given, as limits see it */
#define BANS_MS_MAX ((uint64_t)10 * 365 * 24 * 3600 * 1000)

struct bans {
	struct bans_spec spec;
	struct ledger *ledger;
	struct punish_table *ladder;
	struct kernel *kernel;
	struct policy *policy;
	uv_timer_t timer;
	uv_check_t check; /* while something waits to be entered */
	struct bans_pending *pending;
	unsigned closing;
	struct booktime time;
	struct climb *climbs; /* of ctl/bans_act.c: those that wait for the children's word */
	int64_t barred_until_ms; /* names whose time was over by then are told */
	bool damaged;
	int error;                  /* of the last ban that was to be entered */
	int expiry_error;           /* of the last look for ended ones */
	struct bans_newest *newest; /* NULL: nobody looks */
	struct bans_names {
		json_t *newest; /* NULL: nobody looked */
		size_t max;
		long total;
		uint64_t again_ms; /* looked for anew from then on */
	} names;
};

/* Looks again when the next ban ends, and writes down what time it is when that is news. */
void bans_wake(struct bans *b);
/* Enters a ban: ledger, kernel, sessions, event, with all others of this turn of the loop, at its
 * end. *ban is what stands then. 0 or what the ledger failed with. */
int bans_enter(struct bans *b, struct ledger_ban *ban, enum ledger_how how, const char *who);
/* Lets go of what waits for an answer. */
void bans_act_close(struct bans *b);
/* Says that the address is not banned, or by which wider ban it is; ERR_NOTFOUND. */
int bans_unknown(
	struct bans *b, const struct peer_address *a, const char *address, struct buf *why);
/* Takes back the ban of just this prefix, filling *ban; as bans_enter, or ERR_NOTFOUND. */
int bans_leave(struct bans *b, struct ledger_ban *ban, const char *who);
/* Does now what the end of the turn would do. 0, or the ledger's failure: nothing that was entered
 * or taken back since the last time counts then. */
int bans_flush(struct bans *b);
void bans_pending_free(struct bans *b);
/* "ban", "unban", "spared" as an event. */
void bans_event(struct bans *b, const char *type, const struct ledger_ban *ban, const char *who);
/* A row of "bans"; a new reference. */
json_t *bans_row(const struct bans *b, const struct ledger_ban *ban);
/* A ban stands, or does so no longer. */
void bans_newest_hear(struct bans *b, bool stands, const struct ledger_ban *ban);
/* What nobody but an operator's hand may ban: this host, and what the policy allows. */
bool bans_is_trusted(const struct bans *b, const struct peer_address *a);
/* As much of the text as fits, no character cut in half: half a character is no JSON. */
void bans_text_cut(const char *value, char *text, size_t size);
