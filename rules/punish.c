/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between a worker's "strike N" and the ledger. Who did it and a number come in
 * with the time; out go the rungs whose number was reached within their window, each with its
 * subject and the last verdicts that led there. A window slides: each subject keeps its last
 * strikes with their times, and where there are more than kept, the two oldest count as one of the
 * older's time (so that nobody is banned too early). Of a prefix the last distinct addresses are
 * kept, as many as its rung asks for, so that counting them is exact and bounded. It never bans,
 * never asks the clock, and a rung that is full forgets the subject whose last strike is longest
 * ago. */
#include "rules/punish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "rules/address.h"

enum { MARKS_MAX = 24, PROOFS_MAX = 65536, RUNGS = PUNISH_RULES_MAX + 1, V4_BITS = 96 };

/* Strikes of one moment. */
struct mark {
	uint64_t at_ms;
	unsigned strikes;
};

/* One of a prefix's addresses. */
struct seen {
	uint64_t hash, at_ms;
};

struct offender {
	struct offender *warmer, *colder;
	struct mark marks[MARKS_MAX]; /* oldest first */
	unsigned n, n_seen;
	uint64_t proofs[PUNISH_PROOFS]; /* places in the ring, from 1; newest first */
	size_t key_len;
	char *key;          /* the map's */
	struct seen seen[]; /* of PREFIX: ladder.from of them */
};

struct rung {
	struct punish ladder;
	char name[PUNISH_NAME_SIZE];
	struct map offenders; /* by subject */
	struct offender *warmest, *coldest;
};

struct punish_table {
	struct rung rungs[RUNGS];    /* the last: all JIDs, for punish_was_struck */
	size_t n_rungs;              /* without it */
	struct punish_proof *proofs; /* a ring: what was overwritten is no evidence any more */
	uint64_t n_proofs;           /* ever */
	size_t max;
	uint64_t evicted;
};

struct subject_key {
	unsigned char bytes[sizeof(struct peer_address) + 1];
	const void *at;
	size_t len;
};

static struct rung *struck(struct punish_table *t)
{
	return &t->rungs[PUNISH_RULES_MAX];
}

struct punish_table *punish_new(size_t entries_max)
{
	struct punish_table *t = calloc(1, sizeof(*t));

	if (!t || !(t->proofs = calloc(PROOFS_MAX, sizeof(*t->proofs)))) {
		free(t);
		return NULL;
	}
	for (size_t i = 0; i < RUNGS; i++)
		map_init(&t->rungs[i].offenders);
	struck(t)->ladder.of = PUNISH_JID;
	t->max = entries_max ? entries_max : PUNISH_SUBJECTS_MAX;
	return t;
}

static void rung_clear(struct rung *r)
{
	map_fini(&r->offenders, free);
	map_init(&r->offenders);
	r->warmest = r->coldest = NULL;
}

void punish_free(struct punish_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < RUNGS; i++)
		map_fini(&t->rungs[i].offenders, free);
	free(t->proofs);
	free(t);
}

size_t punish_count(const struct punish_table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n_rungs; i++)
		n += t->rungs[i].offenders.count;
	return n;
}

uint64_t punish_evicted(const struct punish_table *t)
{
	return t->evicted;
}

const struct punish *punish_find(const struct punish_table *t, const char *name)
{
	for (size_t i = 0; i < t->n_rungs; i++)
		if (strcmp(t->rungs[i].name, name) == 0)
			return &t->rungs[i].ladder;
	return NULL;
}

/* ---- who was struck last ---- */

static void unlink_offender(struct rung *r, struct offender *o)
{
	*(o->warmer ? &o->warmer->colder : &r->warmest) = o->colder;
	*(o->colder ? &o->colder->warmer : &r->coldest) = o->warmer;
	o->warmer = o->colder = NULL;
}

static void link_warmest(struct rung *r, struct offender *o)
{
	o->colder = r->warmest;
	o->warmer = NULL;
	*(r->warmest ? &r->warmest->warmer : &r->coldest) = o;
	r->warmest = o;
}

static void drop_offender(struct rung *r, struct offender *o)
{
	map_take(&r->offenders, o->key, o->key_len);
	unlink_offender(r, o);
	free(o);
}

static struct offender *touch_offender(
	struct punish_table *t, struct rung *r, const struct subject_key *key)
{
	size_t seen = r->ladder.of == PUNISH_PREFIX ? r->ladder.from : 0;
	struct offender *o = map_find(&r->offenders, key->at, key->len);

	if (o) {
		unlink_offender(r, o);
		link_warmest(r, o);
		return o;
	}
	/* The key lies behind the rest. */
	if (!(o = calloc(1, sizeof(*o) + seen * sizeof(o->seen[0]) + key->len)))
		return NULL;
	o->key = (char *)&o->seen[seen];
	o->key_len = key->len;
	memcpy(o->key, key->at, key->len);
	if (map_put(&r->offenders, key->at, key->len, o, NULL) < 0) {
		free(o);
		return NULL;
	}
	link_warmest(r, o);
	if (r->offenders.count > t->max) {
		drop_offender(r, r->coldest);
		t->evicted++;
	}
	return o;
}

/* ---- subjects ---- */

static bool is_none(const struct peer_address *a)
{
	static const struct peer_address none;

	return memcmp(a, &none, sizeof(none)) == 0;
}

static unsigned prefix_len(const struct punish *p, const struct peer_address *a)
{
	if (p->of == PUNISH_PREFIX)
		return address_is_v4(a) ? p->prefix4 + V4_BITS : p->prefix6;
	return 128; /* what one host has was cut off before */
}

static void key_network(struct subject_key *key, const struct peer_address *address, unsigned len)
{
	struct peer_address net = *address;

	prefix_mask(&net, len);
	memcpy(key->bytes, net.bytes, sizeof(net.bytes));
	key->bytes[sizeof(net.bytes)] = (unsigned char)len;
	key->at = key->bytes;
	key->len = sizeof(key->bytes);
}

/* False: this act has no such subject. */
static bool key_of(struct subject_key *key, const struct punish *p, const struct punish_act *act)
{
	const char *name = p->of == PUNISH_DOMAIN ? act->domain : act->jid;

	switch (p->of) {
	case PUNISH_SESSION:
		key->at = &act->session;
		key->len = sizeof(act->session);
		return act->session != 0;
	case PUNISH_JID:
	case PUNISH_DOMAIN:
		key->at = name;
		key->len = name ? strlen(name) : 0;
		return key->len > 0;
	case PUNISH_ADDRESS:
	case PUNISH_PREFIX:
		key_network(key, &act->address, prefix_len(p, &act->address));
		return !is_none(&act->address);
	case PUNISH_OF:
		break;
	}
	return false;
}

/* ---- configuration ---- */

static bool is_same(const struct rung *r, const struct punish *p)
{
	const struct punish *q = &r->ladder;

	return q->of == p->of && q->within_ms == p->within_ms && q->prefix4 == p->prefix4 &&
	       q->prefix6 == p->prefix6 && q->from == p->from &&
	       strncmp(r->name, p->name, PUNISH_NAME_SIZE - 1) == 0;
}

static void rung_take(struct rung *r, const struct punish *p)
{
	size_t len = strnlen(p->name, PUNISH_NAME_SIZE - 1);

	memcpy(r->name, p->name, len);
	r->name[len] = '\0';
	r->ladder = *p;
}

int punish_configure(struct punish_table *t, const struct punish *rules, size_t n)
{
	size_t taken = n < PUNISH_RULES_MAX ? n : PUNISH_RULES_MAX;
	struct rung next[PUNISH_RULES_MAX] = { 0 };
	uint64_t longest = 0;

	for (size_t i = 0; i < taken; i++) {
		map_init(&next[i].offenders);
		for (size_t k = 0; k < t->n_rungs; k++)
			if (is_same(&t->rungs[k], &rules[i])) {
				next[i] = t->rungs[k];
				t->rungs[k].name[0] = '\0'; /* taken: no name is empty */
				map_init(&t->rungs[k].offenders);
				break;
			}
		rung_take(&next[i], &rules[i]);
		longest = rules[i].within_ms > longest ? rules[i].within_ms : longest;
	}
	for (size_t k = 0; k < t->n_rungs; k++)
		rung_clear(&t->rungs[k]);
	for (size_t i = 0; i < taken; i++) {
		t->rungs[i] = next[i];
		t->rungs[i].ladder.name = t->rungs[i].name;
	}
	t->n_rungs = taken;
	struck(t)->ladder.within_ms = longest;
	return n > PUNISH_RULES_MAX ? ERR_LIMIT : 0;
}

/* ---- strikes ---- */

static unsigned saturating_add(unsigned a, unsigned b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* A strike counts while it is younger than the window. */
static bool counts_still(uint64_t at_ms, uint64_t within_ms, uint64_t now_ms)
{
	return now_ms < at_ms || now_ms - at_ms < within_ms;
}

static unsigned offender_sum(const struct offender *o, uint64_t within_ms, uint64_t now_ms)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < o->n; i++)
		if (counts_still(o->marks[i].at_ms, within_ms, now_ms))
			sum = saturating_add(sum, o->marks[i].strikes);
	return sum;
}

static void offender_add(struct offender *o, unsigned strikes, uint64_t within_ms, uint64_t now_ms)
{
	unsigned gone = 0;

	while (gone < o->n && !counts_still(o->marks[gone].at_ms, within_ms, now_ms))
		gone++;
	o->n -= gone;
	memmove(o->marks, o->marks + gone, o->n * sizeof(o->marks[0]));
	if (o->n > 0 && o->marks[o->n - 1].at_ms == now_ms) {
		o->marks[o->n - 1].strikes = saturating_add(o->marks[o->n - 1].strikes, strikes);
		return;
	}
	if (o->n == MARKS_MAX) {
		o->marks[1].strikes = saturating_add(o->marks[0].strikes, o->marks[1].strikes);
		o->marks[1].at_ms = o->marks[0].at_ms;
		memmove(o->marks, o->marks + 1, --o->n * sizeof(o->marks[0]));
	}
	o->marks[o->n++] = (struct mark){ now_ms, strikes };
}

/* How many distinct addresses had strikes within the window, this one included; the oldest of
 * those kept gives way, and if it still counted there were enough anyway. */
static unsigned offender_see(
	struct offender *o, const struct punish *p, const struct peer_address *a, uint64_t now_ms)
{
	uint64_t hash = map_hash(a->bytes, sizeof(a->bytes));
	struct seen *at = NULL, *oldest = o->seen;
	unsigned n = 0;

	for (unsigned i = 0; i < o->n_seen && !at; i++)
		at = o->seen[i].hash == hash ? &o->seen[i] : NULL;
	for (unsigned i = 1; i < o->n_seen; i++)
		oldest = o->seen[i].at_ms < oldest->at_ms ? &o->seen[i] : oldest;
	if (!at)
		at = o->n_seen < p->from ? &o->seen[o->n_seen++] : oldest;
	*at = (struct seen){ hash, now_ms };
	for (unsigned i = 0; i < o->n_seen; i++)
		n += counts_still(o->seen[i].at_ms, p->within_ms, now_ms);
	return n;
}

/* ---- evidence ---- */

static void text_take(char *to, size_t size, const char *from)
{
	size_t len = from ? span_cut(span_of(from), size - 1) : 0;

	memcpy(to, from ? from : "", len);
	to[len] = '\0';
}

/* Its place, from 1. */
static uint64_t proof_add(struct punish_table *t, const struct punish_act *act)
{
	struct punish_proof *p = &t->proofs[t->n_proofs % PROOFS_MAX];

	p->time_ms = act->time_ms;
	text_take(p->id, sizeof(p->id), act->id);
	text_take(p->rule, sizeof(p->rule), act->rule);
	text_take(p->jid, sizeof(p->jid), act->jid);
	return ++t->n_proofs;
}

static void offender_prove(struct offender *o, uint64_t place)
{
	memmove(o->proofs + 1, o->proofs, (PUNISH_PROOFS - 1) * sizeof(o->proofs[0]));
	o->proofs[0] = place;
}

static void result_prove(
	const struct punish_table *t, const struct offender *o, struct punish_result *out)
{
	for (unsigned i = 0; i < PUNISH_PROOFS && o->proofs[i]; i++)
		if (t->n_proofs - o->proofs[i] < PROOFS_MAX)
			out->proofs[out->n_proofs++] = t->proofs[(o->proofs[i] - 1) % PROOFS_MAX];
}

/* ---- the whole ---- */

/* Is the number reached? *key is the subject's. */
static int rung_strike(struct punish_table *t, struct rung *r, const struct punish_act *act,
	uint64_t place, uint64_t now_ms, struct punish_result *out)
{
	const struct punish *p = &r->ladder;
	struct subject_key key;
	struct offender *o;
	unsigned sum, addresses = 0;

	if (!key_of(&key, p, act))
		return 0;
	if (!(o = touch_offender(t, r, &key)))
		return -ENOMEM;
	offender_add(o, act->strikes, p->within_ms, now_ms);
	if (p->of == PUNISH_PREFIX)
		addresses = offender_see(o, p, &act->address, now_ms);
	if (place)
		offender_prove(o, place);
	sum = offender_sum(o, p->within_ms, now_ms);
	if (p->strikes == 0 || sum < p->strikes || (p->of == PUNISH_PREFIX && addresses < p->from))
		return 0;
	out->ladder = *p;
	out->net = act->address;
	out->prefix_len = prefix_len(p, &act->address);
	prefix_mask(&out->net, out->prefix_len);
	out->strikes = sum;
	out->addresses = addresses;
	out->n_proofs = 0;
	result_prove(t, o, out);
	return 1;
}

/* With all rungs that count the same. */
static void forget_subject(struct punish_table *t, enum punish_of of, const struct subject_key *key)
{
	for (size_t i = 0; i < t->n_rungs; i++) {
		struct rung *r = &t->rungs[i];
		struct offender *o =
			r->ladder.of == of ? map_find(&r->offenders, key->at, key->len) : NULL;

		if (o)
			drop_offender(r, o);
	}
}

int punish_strike(struct punish_table *t, const struct punish_act *act, uint64_t now_ms,
	struct punish_result out[PUNISH_RULES_MAX], size_t *n)
{
	struct subject_key key;
	uint64_t place;
	int r = 0, one;

	*n = 0;
	if (act->strikes == 0 || t->n_rungs == 0)
		return 0;
	place = proof_add(t, act);
	if (rung_strike(t, struck(t), act, 0, now_ms, NULL) < 0)
		r = -ENOMEM;
	for (size_t i = 0; i < t->n_rungs; i++) {
		one = rung_strike(t, &t->rungs[i], act, place, now_ms, &out[*n]);
		*n += one > 0;
		r = one < 0 ? one : r;
	}
	for (size_t i = 0; i < *n; i++)
		if (key_of(&key, &out[i].ladder, act))
			forget_subject(t, out[i].ladder.of, &key);
	return r;
}

const struct punish_result *punish_strongest(
	const struct punish_result *results, size_t n, bool shared)
{
	const struct punish_result *best = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct punish *p = &results[i].ladder;
		bool spares = shared && p->spare_shared;

		if (p->of == PUNISH_ADDRESS &&
			(!best || (shared && best->ladder.spare_shared
						  ? !spares || p->ban_ms > best->ladder.ban_ms
						  : !spares && p->ban_ms > best->ladder.ban_ms)))
			best = &results[i];
	}
	return best;
}

bool punish_was_struck(const struct punish_table *t, const char *jid, uint64_t now_ms)
{
	const struct rung *r = &t->rungs[PUNISH_RULES_MAX];
	const struct offender *o = map_find(&r->offenders, jid, strlen(jid));

	return o && offender_sum(o, r->ladder.within_ms, now_ms) > 0;
}

unsigned punish_strikes(
	const struct punish_table *t, const struct peer_address *address, uint64_t now_ms)
{
	struct subject_key key;
	unsigned most = 0;

	key_network(&key, address, 128);
	for (size_t i = 0; i < t->n_rungs; i++) {
		const struct rung *r = &t->rungs[i];
		const struct offender *o = r->ladder.of == PUNISH_ADDRESS
						   ? map_find(&r->offenders, key.at, key.len)
						   : NULL;
		unsigned sum = o ? offender_sum(o, r->ladder.within_ms, now_ms) : 0;

		most = sum > most ? sum : most;
	}
	return most;
}

void punish_forget(struct punish_table *t, const struct peer_address *address, unsigned len)
{
	struct subject_key key;

	key_network(&key, address, 128);
	forget_subject(t, PUNISH_ADDRESS, &key);
	key_network(&key, address, len);
	forget_subject(t, PUNISH_PREFIX, &key);
}

void punish_forget_name(struct punish_table *t, enum punish_of of, const char *name)
{
	struct subject_key key = { .at = name, .len = strlen(name) };
	struct rung *r = struck(t);
	struct offender *o = of == PUNISH_JID ? map_find(&r->offenders, key.at, key.len) : NULL;

	forget_subject(t, of, &key);
	if (o)
		drop_offender(r, o);
}

uint64_t punish_ban_ms(const struct punish *ladder, unsigned previous)
{
	uint64_t ms = ladder->ban_ms;
	uint64_t most = ladder->escalate_max_ms > ms ? ladder->escalate_max_ms : ms;

	if (ladder->escalate <= 1 || ms == 0)
		return ms;
	for (; previous > 0 && ms < most; previous--)
		ms = ms > most / ladder->escalate ? most : ms * ladder->escalate;
	return ms;
}

unsigned punish_forgiven(unsigned bans, int64_t last_end_ms, int64_t now_ms, uint64_t forgive_ms)
{
	uint64_t times;

	if (forgive_ms == 0 || now_ms <= last_end_ms)
		return bans;
	times = (uint64_t)(now_ms - last_end_ms) / forgive_ms;
	return times >= bans ? 0 : bans - (unsigned)times;
}
