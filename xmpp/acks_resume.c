/* SPDX-License-Identifier: BSD-2-Clause */
/* After a resumption (XEP-0198 5): in, the ledger as it stood when the connection was lost, the
 * destination's h, the errors of ours that the source did not get. Out: a new ledger, and the past:
 * what had become of each stanza that the source will send again. One that arrived, or that went no
 * further and whose sender knows it, is not to happen twice; one that got lost is judged again, but
 * was paid for; an error that got lost is written again. Pieces of equal fate, bounded: beyond the
 * bound what arrived still does not arrive twice, and the rest is judged again. Like the ledger it
 * is plain data that may be read by another process. */
#include "xmpp/acks.h"

#include <assert.h>
#include "base/err.h"
#include "xmpp/acks_int.h"

/* The past while it is made. */
struct past {
	struct acks_log *log;
	uint64_t salt;
	unsigned n;
	enum acks_kind kind; /* of the piece not written yet */
	unsigned condition;
	uint32_t count;
	unsigned bound;           /* with so many pieces ... */
	enum acks_kind otherwise; /* ... all that follows is this */
};

static void past_flush(struct past *p)
{
	if (p->count == 0)
		return;
	assert(p->n < ACKS_PAST);
	p->log->past[p->n] = acks_word(p->kind, p->condition, p->count, p->salt, ACKS_RUNS + p->n);
	p->n++;
	p->count = 0;
}

static void past_add(struct past *p, enum acks_kind kind, unsigned condition, uint32_t count)
{
	if (p->n >= p->bound)
		kind = p->otherwise;
	if (p->kind == kind && p->count && kind != ACKS_PAST_BOUNCE) {
		p->count += count;
		return;
	}
	past_flush(p);
	p->kind = kind;
	p->condition = condition;
	p->count = count;
}

/* Stanzas at + 1 ... at + count, those with a lost error apart. */
static void past_add_span(struct past *p, enum acks_kind kind, uint32_t at, uint32_t count,
	const struct acks_bounce *lost, size_t n_lost)
{
	for (size_t i = 0; i < n_lost; i++) {
		uint32_t before = lost[i].source - at - 1;

		if (before >= count)
			continue;
		if (before > 0)
			past_add(p, kind, 0, before);
		past_add(p, ACKS_PAST_BOUNCE, lost[i].condition, 1);
		at += before + 1;
		count -= before + 1;
	}
	if (count > 0)
		past_add(p, kind, 0, count);
}

/* What the destination did not count of the log. */
static void past_add_runs(struct past *p, const struct acks *old, const struct acks_position *from,
	const struct acks_bounce *lost, size_t n_lost)
{
	uint32_t at = from->source;

	if (from->blur_source) {
		past_add(p, ACKS_PAST_AGAIN, 0, from->blur_source);
		at += from->blur_source;
	}
	for (unsigned i = from->run; i < old->n; i++) {
		uint64_t word = acks_run(old, i);
		enum acks_kind kind = acks_word_kind(word);
		uint32_t count = acks_word_value(word);

		if (kind != ACKS_FORWARDED && kind != ACKS_DROPPED)
			continue;
		if (i == from->run && kind == ACKS_FORWARDED)
			count -= from->inside;
		past_add_span(p, kind == ACKS_FORWARDED ? ACKS_PAST_AGAIN : ACKS_PAST_HANDLED, at,
			count, lost, n_lost);
		at += count;
	}
}

/* What an earlier resumption left to come. Beyond the bound it could not be told what arrived. */
static int past_add_rest(struct past *p, const struct acks *old)
{
	uint32_t done = old->source - old->head.base, start = 0;

	for (unsigned i = 0; i < old->head.n_past; i++) {
		uint64_t word = old->log->past[i];
		uint32_t count = acks_word_value(word), over = done > start ? done - start : 0;

		if (over < count && p->n >= p->bound && acks_word_kind(word) != ACKS_PAST_AGAIN)
			return ERR_NOTFOUND;
		if (over < count)
			past_add(p, acks_word_kind(word), acks_word_condition(word), count - over);
		start += count;
	}
	return 0;
}

size_t acks_lost(const struct acks *a, uint32_t h, struct acks_bounce lost[ACKS_BOUNCES_MAX])
{
	struct acks_position p;
	size_t n = 0;

	if (acks_locate(a, h, &p) < 0)
		return 0;
	for (unsigned i = p.run; i < a->n; i++) {
		uint64_t word = acks_run(a, i);

		if (acks_word_kind(word) == ACKS_BOUNCED)
			lost[n++] = (struct acks_bounce){ acks_word_value(word),
				acks_word_condition(word) };
	}
	return n;
}

uint32_t acks_below(uint32_t h, const struct acks_bounce *lost, size_t n_lost)
{
	return n_lost > 0 && (int32_t)(lost[0].source - 1 - h) < 0 ? lost[0].source - 1 : h;
}

int acks_resume(struct acks *next, struct acks_log *log, uint64_t salt, const struct acks *old,
	uint32_t h, uint32_t told, const struct acks_bounce *lost, size_t n_lost)
{
	struct past past = {
		.log = log, .salt = salt, .bound = ACKS_PAST - 3, .otherwise = ACKS_PAST_HANDLED
	};
	struct acks_head head = { .source = told, .destination = h, .base = told };
	struct acks_position p;

	if (acks_locate(old, h, &p) < 0 || p.cut || p.source - told > INT32_MAX)
		return ERR_NOTFOUND;
	past_add_span(&past, ACKS_PAST_HANDLED, told, p.source - told, lost, n_lost);
	past.bound = ACKS_PAST - 2;
	past.otherwise = ACKS_PAST_AGAIN;
	past_add_runs(&past, old, &p, lost, n_lost);
	if (past_add_rest(&past, old) < 0)
		return ERR_NOTFOUND;
	past_flush(&past);
	head.n_past = past.n;
	acks_begin(next, log, salt, &head);
	return 0;
}

enum acks_again acks_again(struct acks *a, unsigned *condition)
{
	uint32_t done = a->source - a->head.base;

	*condition = 0;
	for (; a->past_at < a->head.n_past; a->past_at++) {
		uint64_t word = a->log->past[a->past_at];
		uint32_t count = acks_word_value(word);

		if (done - (a->past_start - a->head.base) < count) {
			*condition = acks_word_condition(word);
			switch (acks_word_kind(word)) {
			case ACKS_PAST_AGAIN:
				return ACKS_AGAIN;
			case ACKS_PAST_HANDLED:
				return ACKS_HANDLED;
			default:
				return ACKS_BOUNCE;
			}
		}
		a->past_start += count;
	}
	return ACKS_NEW;
}
