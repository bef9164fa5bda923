/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages kept instead of delivered: a book of its own in the state directory, with ceilings. */
#pragma once

#include <stdint.h>
#include <jansson.h>
#include "base/buf.h"

struct quarantine;

struct quarantine_ceilings {
	unsigned entries;
	uint64_t bytes;   /* of stanzas */
	uint64_t keep_ms; /* each */
};

/* What has become of a message. */
enum quarantine_state {
	QUARANTINE_KEPT,
	QUARANTINE_UNSURE, /* given to a worker that has not said whether it delivered it */
	QUARANTINE_RELEASED,
};

/* Opens or makes STATE_DIR/quarantine.db; a damaged one is moved aside. 0, or a negative code with a
 * line in why. */
int quarantine_open(const char *state_dir, struct quarantine **out, struct buf *why);
void quarantine_close(struct quarantine *q);
/* From now on; what is above them goes, the oldest first. */
void quarantine_configure(struct quarantine *q, const struct quarantine_ceilings *ceilings);

/* Keeps the "stanza" of a worker's message (ctl/link.h), its shape checked here. The oldest give way
 * at the ceilings. 0, ERR_PROTO, ERR_LIMIT (larger than all that may be kept), a code of the disk. */
int quarantine_put(struct quarantine *q, const json_t *stanza, int64_t now_ms);
/* Rows, newest first, without the stanzas; a new array. */
json_t *quarantine_list(struct quarantine *q, int64_t now_ms);
/* One with its stanza; a new object, NULL if there is none. */
json_t *quarantine_find(struct quarantine *q, const char *id, int64_t now_ms);
/* KEPT becomes UNSURE, on the disk when this returns: from here on it is not given out again. 0,
 * ERR_NOTFOUND (no such, or not KEPT), a code of the disk. */
int quarantine_mark(struct quarantine *q, const char *id);
/* What came of it: KEPT again, or RELEASED. */
int quarantine_settle(struct quarantine *q, const char *id, enum quarantine_state state);
/* 0, ERR_NOTFOUND, a code of the disk. */
int quarantine_delete(struct quarantine *q, const char *id);
/* How many were pushed out by the ceilings since the start. */
uint64_t quarantine_evicted(const struct quarantine *q);
