/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a ledger, shared by acks.c (counting) and acks_resume.c (taking up where a
 * connection was lost). */
#pragma once

#include "xmpp/acks.h"

/* A word: 32 bits of value, 5 spare, 6 of condition, 3 of kind, 12 of check. Of the ring: a number
 * of stanzas; for an error answer, the number of the stanza it answers. Of the past: a number of
 * stanzas. */
enum acks_kind {
	ACKS_NONE,
	ACKS_FORWARDED,
	ACKS_DROPPED,
	ACKS_INJECTED,
	ACKS_BOUNCED,
	ACKS_PAST_AGAIN,
	ACKS_PAST_HANDLED,
	ACKS_PAST_BOUNCE,
};

/* What stands before the first entry the destination has not counted. */
struct acks_position {
	unsigned run;    /* index of the run it stands in */
	uint32_t inside; /* entries of that run already counted */
	uint32_t source;
	uint32_t blur_source, blur_destination; /* it stands in what has lost its order */
	bool cut;
};

uint64_t acks_word(
	enum acks_kind kind, unsigned condition, uint32_t value, uint64_t salt, unsigned at);
bool acks_word_is_sound(uint64_t word, uint64_t salt, unsigned at);
enum acks_kind acks_word_kind(uint64_t word);
unsigned acks_word_condition(uint64_t word);
uint32_t acks_word_value(uint64_t word);
/* The word of the i-th run. */
uint64_t acks_run(const struct acks *a, unsigned i);
/* 0 or ERR_RANGE. */
int acks_locate(const struct acks *a, uint32_t h, struct acks_position *p);
void acks_commit(struct acks *a, const struct acks_head *head);
void acks_begin(struct acks *a, struct acks_log *log, uint64_t salt, const struct acks_head *head);
