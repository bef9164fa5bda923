/* SPDX-License-Identifier: BSD-2-Clause */
/* Stream management's ledger (XEP-0198) for one direction through a middlebox: which stanzas of the source
 * reached the destination, which were dropped, which we made up; and how an h of the destination is said
 * to the source. Counters are modulo 2^32. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct acks;

/* Starts at zero on both sides (the moment of <enabled/>). entries_max bounds the unacknowledged log; at the bound
 * acks_* return ERR_LIMIT and the session must end. NULL when out of memory. */
struct acks *acks_new(size_t entries_max);
void acks_free(struct acks *a);

/* One stanza: forwarded (counted by both), dropped (source only), injected (destination only). */
int acks_forwarded(struct acks *a);
int acks_dropped(struct acks *a);
int acks_injected(struct acks *a);

/* The destination said h: *out is what to tell the source. 0, or ERR_RANGE when h was never sent (then the peer
 * lies: policy of the caller). Entries acknowledged are forgotten. */
int acks_translate(struct acks *a, uint32_t h, uint32_t *out);
/* The same without forgetting anything. */
int acks_peek(const struct acks *a, uint32_t h, uint32_t *out);
/* After <resumed/>: the log is cut at what the destination has, resent stanzas will be entered anew. */
void acks_resume(struct acks *a, uint32_t h);
uint32_t acks_source(const struct acks *a);
uint32_t acks_destination(const struct acks *a);
