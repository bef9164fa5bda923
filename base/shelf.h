/* SPDX-License-Identifier: BSD-2-Clause */
/* A shelf: slots of equal size in memory that several processes share and that outlives each of
 * them. A slot has one writer, who holds it; others may read it, and may take it away. What is read
 * back is checked: a slot that does not fit its checks is not there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/metrics.h"

struct shelf;

enum {
	SHELF_WAYS = 64,  /* slots that a key may be in */
	SHELF_HEAD = 128, /* bytes of a slot that are the shelf's own */
	SHELF_BEAT_MS = 1000,
	SHELF_DEAD_MS = 10000, /* a process that has not said shelf_beat for so long is gone */
};

/* A slot at one time of its life; generation 0: none. */
struct shelf_ref {
	uint32_t index, generation;
};

/* What happens on it; all of them, or counters.c's dummies. */
struct shelf_metrics {
	metric *used;    /* a gauge, set by shelf_sweep */
	metric *evicted; /* parked, and gone for want of room */
	metric *full;    /* nothing could be claimed */
	metric *adopted; /* left behind by a process that died */
	metric *damaged;
};

/* ---- for whoever owns it ---- */

/* Opens the file at path, or makes it anew (*kept false) when it is of another boot, version or
 * size; path NULL: memory that ends with the processes. slot_bytes includes SHELF_HEAD. -ENOSPC:
 * the file system has no room to spare. *fd is close-on-exec. */
int shelf_create(
	const char *path, uint32_t version, size_t slot_bytes, size_t slots, int *fd, bool *kept);

/* ---- for those who use it ---- */

/* Maps it; takes fd. 0, ERR_PROTO when it is not such a shelf, or a system code. */
int shelf_open(int fd, uint32_t version, size_t slot_bytes, const struct shelf_metrics *metrics,
	struct shelf **out);
void shelf_close(struct shelf *s);
size_t shelf_slots(const struct shelf *s);
/* A key of any bytes; only this shelf's processes can foresee it. */
void shelf_hash(const struct shelf *s, const void *data, size_t len, uint64_t key[2]);

/* An unused slot for the key, held by us but not found by anybody yet. At the bound the coldest
 * parked one goes, of the group that has most of them. ERR_LIMIT when all are held. */
int shelf_claim(struct shelf *s, const uint64_t key[2], uint64_t group, uint64_t keep_ms,
	struct shelf_ref *out);
/* From now on it can be found. */
void shelf_publish(struct shelf *s, struct shelf_ref ref);
/* The newest with that key, held or parked. ERR_NOTFOUND. */
int shelf_find(struct shelf *s, const uint64_t key[2], struct shelf_ref *out);
/* How long it is kept once parked; is it another process's? For one that was found. */
uint64_t shelf_keep_ms(const struct shelf *s, struct shelf_ref ref);
bool shelf_is_foreign(const struct shelf *s, struct shelf_ref ref);
/* Do we hold it still? Ask before each write. */
bool shelf_holds(const struct shelf *s, struct shelf_ref ref);
/* Is it there still, held by anybody or parked? */
bool shelf_has(const struct shelf *s, struct shelf_ref ref);
/* We hold it no longer; it is kept for keep_ms. */
void shelf_park(struct shelf *s, struct shelf_ref ref);
/* We hold it no longer, and nobody needs it. */
void shelf_drop(struct shelf *s, struct shelf_ref ref);
/* Takes it away from whoever holds it, who drops it on noticing. */
void shelf_oust(struct shelf *s, struct shelf_ref ref);
/* It did not pass its reader's checks: counted, and gone. */
void shelf_damaged(struct shelf *s, struct shelf_ref ref);
/* The slot's bytes behind SHELF_HEAD, and what goes into checks of them. */
void *shelf_body(struct shelf *s, struct shelf_ref ref);
uint64_t shelf_salt(const struct shelf *s, struct shelf_ref ref);
/* We are alive; at least every SHELF_BEAT_MS. */
void shelf_beat(struct shelf *s, uint64_t now_ms);
/* Forgets what nobody came back for, parks what dead processes held. */
void shelf_sweep(struct shelf *s, uint64_t now_ms);
/* Slots held or parked. */
size_t shelf_used(struct shelf *s);
