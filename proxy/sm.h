/* SPDX-License-Identifier: BSD-2-Clause */
/* Stream management (XEP-0198) of one session. The ledgers of sessions that may be resumed lie on a
 * shelf (base/shelf.h) that threads and processes share and that outlives them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/shelf.h"
#include "rules/rules.h"
#include "xmpp/acks.h"

enum {
	SM_KEEP_MS = 600000, /* at least, whatever the server promises */
	SM_KEEP_MAX_MS = 86400000,
	SM_ID_MAX = 4096,
	SM_OWN_SLOTS = 1024, /* where there is no shelf to share */
};

/* Of a session's stanzas: from who dialled to whom, and back. Which of them a rule calls "in" is
 * the service's affair (session_direction). */
enum way { WAY_UP, WAY_DOWN };

struct sm_resuming;

struct sm {
	bool pending;                 /* client -> server is counted, from <enable/> on */
	bool on;                      /* both ways are, since <enabled/> or <resumed/> passed */
	bool lost;                    /* somebody else has resumed it */
	bool old;                     /* urn:xmpp:sm:2 */
	bool held;                    /* the server was told less than the client has handled */
	uint32_t told;                /* ... namely so many */
	struct shelf_ref ref;         /* its slot; none: not resumable */
	struct acks up, down;         /* client -> server, server -> client */
	struct acks_log *own;         /* two of them, where there is no slot */
	struct sm_resuming *resuming; /* <resume/> was forwarded, its answer is awaited */
};

/* Once, before threads: maps the shelf of the daemon (takes fd); -1: one of our own. 0 or a
 * negative code. */
int sm_open(int fd);
bool sm_is_open(void);
void sm_close(void);
/* We are alive; and, seldom, forgets what nobody came back for. */
void sm_beat(uint64_t now_ms);
void sm_expire(uint64_t now_ms);
/* Ledgers on the shelf. */
size_t sm_records(void);

void sm_init(struct sm *sm);
/* The session ends. resumable: its ledger is kept for who resumes. */
void sm_fini(struct sm *sm, bool resumable);

/* <enable/> goes to the server: the client counts from here. 0 or -ENOMEM. */
int sm_enable(struct sm *sm);
/* <enabled/> from the server of domain; id NULL or "": not resumable; max_s 0: not said. */
int sm_enabled(struct sm *sm, const char *domain, const char *id, uint64_t max_s, const char *jid);
void sm_failed(struct sm *sm);
/* Is this session counting? Could another connection take it up? */
bool sm_is_on(const struct sm *sm);
bool sm_is_resumable(const struct sm *sm);
/* True once somebody else has. */
bool sm_is_lost(struct sm *sm);
const char *sm_namespace(const struct sm *sm);

/* A stanza on that way. 0 or ERR_LIMIT. Nothing happens while not counting. */
int sm_forwarded(struct sm *sm, enum way way);
int sm_dropped(struct sm *sm, enum way way);
int sm_injected(struct sm *sm, enum way way);
/* It went no further, and its sender was answered with an error. */
int sm_bounced(struct sm *sm, enum way way, unsigned condition);
/* What had become of the next stanza on that way before the connection was lost. */
enum acks_again sm_again(struct sm *sm, enum way way, unsigned *condition);
/* True once when the receiver of that way ought to be asked for an ack. */
bool sm_wants_ack(struct sm *sm, enum way way);
/* An h said by the receiver of that way, as its sender must hear it: the server not beyond a
 * stanza that we answered in the client's name, until it has the answer. 0 or ERR_RANGE. */
int sm_translate(struct sm *sm, enum way way, uint32_t h, uint32_t *out);
/* True when the server may hear now what was held back, and *h is that. */
bool sm_release(struct sm *sm, uint32_t *h);
/* What its receiver was sent. */
uint32_t sm_sent(const struct sm *sm, enum way way);

/* <resume/>: finds the ledger and says what h the server must hear. Nothing changes hands. 0,
 * ERR_NOTFOUND, ERR_RANGE, -ENOMEM. */
int sm_resume(struct sm *sm, const char *domain, const char *previd, uint32_t h, uint32_t *out);
/* <resumed h/>: what the client must hear, and who it is; from now on this session counts, and who
 * counted before does not. 0 or ERR_RANGE, ERR_NOTFOUND; -ESTALE: another connection has resumed it
 * meanwhile. */
int sm_resumed(struct sm *sm, uint32_t h, uint32_t *out, char *jid, size_t size);
/* <failed h/> in answer to <resume/>; has_h: translated into *out. 0 or ERR_RANGE. */
int sm_resume_failed(struct sm *sm, bool has_h, uint32_t h, uint32_t *out);
