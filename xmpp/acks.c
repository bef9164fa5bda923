/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a middlebox must count (XEP-0198): a dropped stanza the sender counted would, with the far
 * side's h passed on as it is, be sent again for ever; an injected one would make h too high and
 * end the stream. Comes in: what happened to each stanza, in order. Goes out: f(H), the largest
 * source number before the first entry whose destination number is above H. The log is a ring of
 * runs of equal fate in plain memory that others may map and that may outlive us: a stanza is one
 * store of one word, an ack is a new head and one store that puts it in force, so that a writer
 * killed in between leaves the state before or after. When the ring is full its oldest run blurs:
 * acks then lag, but are never too high. What comes after a resumption is acks_resume.c's. */
#include "xmpp/acks.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/err.h"
#include "xmpp/acks_int.h"

enum { ACKS_OPEN_MAX = 0x7fffffff, SNAPSHOT_TRIES = 64 };

/* ---- words ---- */

/* The multiplier is one for which every single bit of the 52 turns at least one of the 12. */
static uint64_t word_check(uint64_t content, uint64_t salt, unsigned at)
{
	return ((content ^ ((salt + at * UINT64_C(0x9e3779b97f4a7c15)) >> 12)) *
		       UINT64_C(0x4164d8399f767c45)) >>
	       52;
}

uint64_t acks_word(
	enum acks_kind kind, unsigned condition, uint32_t value, uint64_t salt, unsigned at)
{
	uint64_t content = (uint64_t)value << 20 | (uint64_t)(condition & 63) << 3 | kind;

	return content << 12 | word_check(content, salt, at);
}

bool acks_word_is_sound(uint64_t word, uint64_t salt, unsigned at)
{
	return word_check(word >> 12, salt, at) == (word & 0xfff);
}

enum acks_kind acks_word_kind(uint64_t word)
{
	return word >> 12 & 7;
}

unsigned acks_word_condition(uint64_t word)
{
	return word >> 15 & 63;
}

uint32_t acks_word_value(uint64_t word)
{
	return (uint32_t)(word >> 32);
}

/* A run as numbers of both sides. */
static void run_counts(uint64_t word, uint32_t *source, uint32_t *destination)
{
	uint32_t value = acks_word_value(word);

	*source = *destination = 0;
	switch (acks_word_kind(word)) {
	case ACKS_FORWARDED:
		*source = *destination = value;
		break;
	case ACKS_DROPPED:
		*source = value;
		break;
	case ACKS_INJECTED:
		*destination = value;
		break;
	case ACKS_BOUNCED:
		*destination = 1;
		break;
	default:
		break;
	}
}

uint64_t acks_run(const struct acks *a, unsigned i)
{
	return atomic_load_explicit(
		&a->log->runs[(a->head.first + i) % ACKS_RUNS], memory_order_relaxed);
}

/* ---- heads ---- */

static uint32_t head_check(const struct acks_head *head, uint32_t sequence, uint64_t salt)
{
	const uint32_t *field = (const uint32_t *)head;
	uint64_t sum = salt ^ sequence;

	for (size_t i = 0; i < sizeof(*head) / sizeof(*field); i++) {
		sum = (sum ^ field[i]) * UINT64_C(0x9fb21c651e98df25);
		sum ^= sum >> 32;
	}
	return (uint32_t)sum;
}

/* One store makes it count. */
void acks_commit(struct acks *a, const struct acks_head *head)
{
	uint32_t sequence = a->sequence + 1;

	a->log->heads[sequence & 1] = *head;
	atomic_store_explicit(&a->log->commit,
		(uint64_t)sequence << 32 | head_check(head, sequence, a->salt),
		memory_order_release);
	a->head = *head;
	a->sequence = sequence;
}

/* One that begins at these numbers, with nothing in it; the log's memory is ours. */
void acks_begin(struct acks *a, struct acks_log *log, uint64_t salt, const struct acks_head *head)
{
	*a = (struct acks){ .log = log,
		.salt = salt,
		.source = head->source,
		.destination = head->destination,
		.past_start = head->base };
	atomic_store_explicit(&log->runs[head->first], 0, memory_order_relaxed);
	acks_commit(a, head);
}

void acks_init(struct acks *a, struct acks_log *log, uint64_t salt)
{
	static const struct acks_head zero;

	acks_begin(a, log, salt, &zero);
}

/* ---- taking up ---- */

/* Counts what stands in the ring; nothing of it is believed before. */
static int runs_load(struct acks *a)
{
	uint64_t sources = a->head.blur_source, destinations = a->head.blur_destination;
	uint32_t inside = a->head.inside;

	for (a->n = 0;; a->n++) {
		unsigned at = (a->head.first + a->n) % ACKS_RUNS;
		uint64_t word = acks_run(a, a->n);
		uint32_t source, destination;

		if (word == 0)
			break;
		if (a->n == ACKS_RUNS - 1 || !acks_word_is_sound(word, a->salt, at))
			return ERR_SYNTAX;
		run_counts(word, &source, &destination);
		if (source + (uint64_t)destination == 0 ||
			(a->n == 0 && inside > 0 && inside >= destination))
			return ERR_SYNTAX;
		if (a->n == 0 && inside > 0) {
			source -= source ? inside : 0;
			destination -= inside;
		}
		sources += source;
		destinations += destination;
		if (sources > ACKS_OPEN_MAX || destinations > ACKS_OPEN_MAX)
			return ERR_SYNTAX;
	}
	if (a->n == 0 && inside > 0)
		return ERR_SYNTAX;
	a->source = a->head.source + (uint32_t)sources;
	a->destination = a->head.destination + (uint32_t)destinations;
	return 0;
}

static int past_load(const struct acks *a)
{
	for (unsigned i = 0; i < a->head.n_past; i++) {
		uint64_t word = a->log->past[i];

		if (!acks_word_is_sound(word, a->salt, ACKS_RUNS + i) ||
			acks_word_kind(word) < ACKS_PAST_AGAIN || acks_word_value(word) == 0)
			return ERR_SYNTAX;
	}
	return 0;
}

int acks_load(struct acks *a, struct acks_log *log, uint64_t salt)
{
	uint64_t commit = atomic_load_explicit(&log->commit, memory_order_acquire);
	uint32_t sequence = (uint32_t)(commit >> 32);
	int r;

	*a = (struct acks){
		.log = log, .salt = salt, .head = log->heads[sequence & 1], .sequence = sequence
	};
	a->past_start = a->head.base;
	if (head_check(&a->head, sequence, salt) != (uint32_t)commit ||
		a->head.first >= ACKS_RUNS || a->head.n_past > ACKS_PAST ||
		a->head.blur_source > ACKS_OPEN_MAX || a->head.blur_destination > ACKS_OPEN_MAX)
		return ERR_SYNTAX;
	if ((r = runs_load(a)) < 0)
		return r;
	return past_load(a);
}

/* In the ring's own order, since the writer may come round meanwhile. */
static void snapshot_runs(const struct acks_log *from, struct acks_log *to, uint32_t first)
{
	for (unsigned i = 0; i < ACKS_RUNS; i++) {
		unsigned at = (first + i) % ACKS_RUNS;
		uint64_t word = atomic_load_explicit(&from->runs[at], memory_order_acquire);

		atomic_store_explicit(&to->runs[at], word, memory_order_relaxed);
		if (word == 0)
			return;
	}
}

int acks_snapshot(const struct acks_log *from, struct acks_log *to)
{
	for (unsigned i = 0; i < SNAPSHOT_TRIES; i++) {
		uint64_t commit = atomic_load_explicit(&from->commit, memory_order_acquire);

		memcpy(to->heads, from->heads, sizeof(to->heads));
		memcpy(to->past, from->past, sizeof(to->past));
		snapshot_runs(from, to, to->heads[commit >> 32 & 1].first % ACKS_RUNS);
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&from->commit, memory_order_relaxed) == commit) {
			atomic_store_explicit(&to->commit, commit, memory_order_relaxed);
			return 0;
		}
	}
	return ERR_SYNTAX;
}

void acks_move(struct acks *to, struct acks_log *log, uint64_t salt, const struct acks *from)
{
	struct acks_head head = from->head;
	unsigned n = from->n;

	head.first = 0;
	head.n_past = 0;
	for (unsigned i = 0; i < n; i++) {
		uint64_t word = acks_run(from, i);

		atomic_store_explicit(&log->runs[i],
			acks_word(acks_word_kind(word), acks_word_condition(word),
				acks_word_value(word), salt, i),
			memory_order_relaxed);
	}
	*to = (struct acks){ .log = log,
		.salt = salt,
		.source = from->source,
		.destination = from->destination,
		.n = n,
		.past_start = head.base };
	atomic_store_explicit(&log->runs[n], 0, memory_order_relaxed);
	acks_commit(to, &head);
}

/* ---- entering ---- */

/* The oldest run gives up its order: only when all of it is counted is it known what it held. */
static void blur_oldest(struct acks *a)
{
	struct acks_head head = a->head;
	uint64_t word = acks_run(a, 0);
	uint32_t source, destination;

	run_counts(word, &source, &destination);
	/* What did not go on now may have arrived before the last resumption. */
	if (acks_word_kind(word) == ACKS_DROPPED && head.n_past > 0)
		head.blur_cut = true;
	head.blur_source += source - (source ? head.inside : 0);
	head.blur_destination += destination - head.inside;
	head.first = (head.first + 1) % ACKS_RUNS;
	head.inside = 0;
	a->n--;
	acks_commit(a, &head);
}

static int enter(struct acks *a, enum acks_kind kind, unsigned condition, uint32_t value)
{
	uint32_t source = kind == ACKS_FORWARDED || kind == ACKS_DROPPED;
	unsigned at = (a->head.first + a->n + ACKS_RUNS - 1) % ACKS_RUNS;
	uint64_t last = a->n ? acks_run(a, a->n - 1) : 0;

	if (a->source - a->head.source >= ACKS_OPEN_MAX - 1 ||
		a->destination - a->head.destination >= ACKS_OPEN_MAX - 1)
		return ERR_LIMIT;
	if (a->n && kind != ACKS_BOUNCED && acks_word_kind(last) == kind) {
		value = acks_word_value(last) + 1;
	} else {
		if (a->n == ACKS_RUNS - 1)
			blur_oldest(a);
		at = (at + 1) % ACKS_RUNS;
		/* The end first: what stands there is of the last time round. */
		atomic_store_explicit(&a->log->runs[(at + 1) % ACKS_RUNS], 0, memory_order_relaxed);
		a->n++;
	}
	atomic_store_explicit(&a->log->runs[at], acks_word(kind, condition, value, a->salt, at),
		memory_order_release);
	a->source += source;
	a->destination += kind != ACKS_DROPPED;
	return 0;
}

int acks_forwarded(struct acks *a)
{
	return enter(a, ACKS_FORWARDED, 0, 1);
}

int acks_dropped(struct acks *a)
{
	return enter(a, ACKS_DROPPED, 0, 1);
}

int acks_injected(struct acks *a)
{
	return enter(a, ACKS_INJECTED, 0, 1);
}

int acks_bounced(struct acks *a, uint32_t stanza, unsigned condition)
{
	return enter(a, ACKS_BOUNCED, condition, stanza);
}

/* ---- acks ---- */

/* What is left of the i-th run behind the head. */
static void run_left(const struct acks *a, unsigned i, uint32_t *source, uint32_t *destination)
{
	run_counts(acks_run(a, i), source, destination);
	if (i > 0)
		return;
	*source -= *source ? a->head.inside : 0;
	*destination -= a->head.inside;
}

int acks_locate(const struct acks *a, uint32_t h, struct acks_position *p)
{
	uint32_t left = h - a->head.destination; /* modulo 2^32 */

	*p = (struct acks_position){ .source = a->head.source, .inside = a->head.inside };
	if (left > a->destination - a->head.destination)
		return ERR_RANGE;
	p->cut = a->head.blur_cut;
	if (a->head.blur_source || a->head.blur_destination) {
		if (left < a->head.blur_destination) {
			p->blur_source = a->head.blur_source;
			p->blur_destination = a->head.blur_destination - left;
			p->cut |= left > 0;
			return 0;
		}
		left -= a->head.blur_destination;
		p->source += a->head.blur_source;
		p->cut = false;
	}
	for (; p->run < a->n; p->run++) {
		uint32_t source, destination;

		run_left(a, p->run, &source, &destination);
		if (destination > left) {
			p->source += source ? left : 0;
			p->inside += left;
			return 0;
		}
		left -= destination;
		p->source += source;
		p->inside = 0;
	}
	return 0;
}

int acks_peek(const struct acks *a, uint32_t h, uint32_t *out)
{
	struct acks_position p;
	int r = acks_locate(a, h, &p);

	if (r == 0)
		*out = p.source;
	return r;
}

int acks_translate(struct acks *a, uint32_t h, uint32_t *out)
{
	struct acks_head head = a->head;
	struct acks_position p;
	int r = acks_locate(a, h, &p);

	if (r < 0)
		return r;
	*out = p.source;
	a->asked = false;
	if (h == head.destination && p.source == head.source)
		return 0;
	head.source = p.source;
	head.destination = h;
	head.first = (head.first + p.run) % ACKS_RUNS;
	head.inside = p.inside;
	head.blur_source = p.blur_source;
	head.blur_destination = p.blur_destination;
	head.blur_cut = p.cut;
	a->n -= p.run;
	acks_commit(a, &head);
	return 0;
}

bool acks_ask(struct acks *a)
{
	bool asked = a->asked;

	a->asked = true;
	return !asked;
}

bool acks_wants_ack(struct acks *a)
{
	return a->n >= ACKS_ASK && acks_ask(a);
}

uint32_t acks_source(const struct acks *a)
{
	return a->source;
}

uint32_t acks_destination(const struct acks *a)
{
	return a->destination;
}
