/* SPDX-License-Identifier: BSD-2-Clause */
/* Stream management's ledger (XEP-0198) for one direction through a middlebox: which stanzas of the
 * source reached the destination, which were dropped, which we made up; how an h of the destination
 * is said to the source; and, after a resumption, what had become of a stanza that comes again.
 * Counters are modulo 2^32. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ACKS_RUNS = 64, /* in the log; beyond, the oldest lose their detail */
	ACKS_PAST = 48, /* of what may be sent again after a resumption */
	ACKS_ASK = 24,  /* so many runs are worth a request of our own */
	ACKS_BOUNCES_MAX = ACKS_RUNS,
};

struct acks_head {
	uint32_t source, destination; /* counted by both when the log begins */
	uint32_t first, inside;       /* where it begins: a run, entries of it already counted */
	uint32_t blur_source, blur_destination; /* before that: a number of each in unknown order */
	uint32_t blur_cut;                      /* the destination has counted some of those */
	uint32_t base, n_past; /* the past tells of the source's stanzas from base + 1 on */
	uint32_t spare;
};

/* Plain data, in memory that may outlive the process: every change takes force by one store, and
 * whatever does not fit its checks is damage. Zeroed memory is no log. */
struct acks_log {
	_Atomic uint64_t commit; /* sequence and check; heads[sequence & 1] is in force */
	struct acks_head heads[2];
	_Atomic uint64_t runs[ACKS_RUNS]; /* a ring, ended by 0 */
	uint64_t past[ACKS_PAST];
};

/* A log in the hands of its one writer. */
struct acks {
	struct acks_log *log;
	uint64_t salt;
	struct acks_head head;
	uint32_t sequence;
	uint32_t source, destination; /* counted so far */
	unsigned n;                   /* runs */
	unsigned past_at;             /* piece of the past that the next stanza may be of */
	uint32_t past_start;          /* the source's number before that piece */
	bool asked;                   /* an ack was asked for */
};

/* An error answer that its receiver does not have: to which stanza, with which condition. */
struct acks_bounce {
	uint32_t source; /* the stanza's number where it came from */
	unsigned condition;
};

/* What to do with the next stanza of the source. */
enum acks_again {
	ACKS_NEW,     /* it never came before */
	ACKS_AGAIN,   /* it was on its way and got lost */
	ACKS_HANDLED, /* it arrived, or went no further: nothing is to happen */
	ACKS_BOUNCE,  /* it went no further, and its sender did not get the error */
};

/* Begins a log with zero on both sides (the moment of <enabled/>). salt goes into the checks. */
void acks_init(struct acks *a, struct acks_log *log, uint64_t salt);
/* Takes up a log that somebody else has written; nothing in it is trusted. 0 or ERR_SYNTAX:
 * damaged. */
int acks_load(struct acks *a, struct acks_log *log, uint64_t salt);
/* As it is at one moment, though its writer goes on. 0 or ERR_SYNTAX. */
int acks_snapshot(const struct acks_log *from, struct acks_log *to);
/* The same counts in another log. */
void acks_move(struct acks *to, struct acks_log *log, uint64_t salt, const struct acks *from);

/* One stanza: forwarded (counted by both), dropped (source only), injected (destination only).
 * 0, or ERR_LIMIT when half of all numbers are unacknowledged. */
int acks_forwarded(struct acks *a);
int acks_dropped(struct acks *a);
int acks_injected(struct acks *a);
/* An error of ours goes to a's destination, in answer to the stanza with that number there. */
int acks_bounced(struct acks *a, uint32_t stanza, unsigned condition);

/* The destination said h: *out is what to tell the source. 0, or ERR_RANGE when h was never sent
 * (then the peer lies: policy of the caller). Entries acknowledged are forgotten. */
int acks_translate(struct acks *a, uint32_t h, uint32_t *out);
/* The same without forgetting anything. */
int acks_peek(const struct acks *a, uint32_t h, uint32_t *out);
/* True once when the log gets long: the destination should be asked for an ack. */
bool acks_wants_ack(struct acks *a);
/* True once until the next ack: it should be asked for one whatever the log's length. */
bool acks_ask(struct acks *a);

/* Our errors towards a's destination that it does not have at its h, oldest first; how many. */
size_t acks_lost(const struct acks *a, uint32_t h, struct acks_bounce lost[ACKS_BOUNCES_MAX]);
/* At most h, and below the first stanza whose error is lost: a source that has heard that its stanza
 * is handled does not send it again, and nobody would know. */
uint32_t acks_below(uint32_t h, const struct acks_bounce *lost, size_t n_lost);
/* After <resumed/>: next begins where the destination has h and the source is told the number told
 * (not above what acks_peek says); its past is what becomes of the stanzas after told. lost are the
 * errors that the source did not get. 0, or ERR_NOTFOUND when the log has lost the detail it needs.
 */
int acks_resume(struct acks *next, struct acks_log *log, uint64_t salt, const struct acks *old,
	uint32_t h, uint32_t told, const struct acks_bounce *lost, size_t n_lost);
/* What the past says of the source's next stanza, which is to be entered afterwards. */
enum acks_again acks_again(struct acks *a, unsigned *condition);

uint32_t acks_source(const struct acks *a);
uint32_t acks_destination(const struct acks *a);
