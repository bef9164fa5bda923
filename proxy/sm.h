/* SPDX-License-Identifier: BSD-2-Clause */
/* Stream management (XEP-0198) of one session, and the table of those that may be resumed, shared
 * by threads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/rules.h"

enum { SM_RECORDS_MAX = 50000, SM_ENTRIES_MAX = 4096, SM_KEEP_MS = 600000 };

struct sm_record;
struct acks;

struct sm {
	uint64_t serial;            /* of the session; who owns a record */
	struct sm_record *record;   /* counting, once <enabled/> or <resumed/> passed */
	struct acks *pending;       /* client -> server, from <enable/> on */
	struct sm_record *resuming; /* <resume/> was forwarded, its answer is awaited */
	uint32_t resume_h;          /* the client's h in it */
};

void sm_init(struct sm *sm, uint64_t serial);
/* The session ends. resumable: by loss of the connection only; then the ledger is kept for who
 * resumes. */
void sm_fini(struct sm *sm, bool resumable);

/* <enable/> goes to the server: the client counts from here. 0 or -ENOMEM. */
int sm_enable(struct sm *sm);
/* <enabled/> from the server; id NULL or "": not resumable; max_s 0: not said. */
int sm_enabled(struct sm *sm, const char *id, uint64_t max_s, const char *jid);
void sm_failed(struct sm *sm);
/* Is this session counting? */
bool sm_is_on(struct sm *sm);
/* The account behind the record, copied (for a resumed session). */
void sm_jid(struct sm *sm, char *text, size_t size);

/* A stanza in that direction. 0 or ERR_LIMIT. Nothing happens while not counting. */
int sm_forwarded(struct sm *sm, enum direction direction);
int sm_dropped(struct sm *sm, enum direction direction);
int sm_injected(struct sm *sm, enum direction direction);
/* An h said by the receiver of that direction, as its sender must hear it. 0 or ERR_RANGE. */
int sm_translate(struct sm *sm, enum direction direction, uint32_t h, uint32_t *out);

/* <resume/>: finds the ledger and says what h the server must hear. 0, ERR_NOTFOUND, ERR_RANGE. */
int sm_resume(struct sm *sm, const char *previd, uint32_t h, uint32_t *out);
/* <resumed h/>: what the client must hear; from now on this session counts. 0 or ERR_RANGE,
 * ERR_NOTFOUND. */
int sm_resumed(struct sm *sm, uint32_t h, uint32_t *out);
/* <failed h/> in answer to <resume/>; has_h: translated into *out. 0 or ERR_RANGE. */
int sm_resume_failed(struct sm *sm, bool has_h, uint32_t h, uint32_t *out);

/* Forgets what nobody came back for. */
void sm_expire(uint64_t now_ms);
size_t sm_records(void);
