/* SPDX-License-Identifier: BSD-2-Clause */
/* JIDs and domains that are kept out: entered, told to the doors, ended. Part of ctl/bans*.c. */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include "ctl/ledger_barred.h"

struct arena;
struct bans;
struct buf;

/* A name as somebody wrote it: a bare JID, or a domain with a dot in it; prepared into bar's kind
 * and name. 0, ERR_SYNTAX when it is neither, -ENOMEM. */
int barred_parse(const char *text, struct ledger_bar *bar);
/* Enters it: ledger, doors, sessions, event. *bar is what stands then. 0 or what the ledger failed
 * with. */
int barred_enter(struct bans *b, struct ledger_bar *bar, enum ledger_how how, const char *who);
/* ERR_NOTFOUND when it was not barred. */
int barred_end(struct bans *b, enum ledger_kind kind, const char *name, const char *who);
/* Those whose time is over are let in again. */
void barred_expire(struct bans *b);
/* "bar" messages of ctl/link.h with all that stands, for a child that starts: say until false. */
void barred_tell(struct bans *b, bool (*say)(void *arg, json_t *message), void *arg);
/* "jid" or "domain". */
const char *barred_kind_text(enum ledger_kind kind);
/* A row for "bans"; and "ban", "unban", "spared" as an event. */
json_t *barred_row(const struct bans *b, const struct ledger_bar *bar);
void barred_event(struct bans *b, const char *type, const struct ledger_bar *bar, const char *who);
