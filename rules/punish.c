/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between a worker's "strike N" and the ledger. An address and a number come in
 * with the time; out goes whether a ladder's number was reached within its window, and whether the
 * address is spared because others share it. A window slides: each address keeps its last strikes
 * with their times, and where there are more than kept, the two oldest count as one of the older's
 * time (so that nobody is banned too early). It never bans, never asks the clock, and forgets the
 * address whose last strike is longest ago when it is full. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "rules/punish.h"

enum { MARKS_MAX = 24 };

/* Strikes of one moment. */
struct mark {
	uint64_t at_ms;
	unsigned strikes;
};

struct track {
	struct mark marks[MARKS_MAX]; /* oldest first */
	unsigned n;
};

struct offender {
	struct peer_address address;
	struct offender *warmer, *colder;
	struct track tracks[]; /* one a ladder; only as many as there are */
};

struct punish_table {
	struct map offenders; /* by address */
	struct offender *warmest, *coldest;
	struct punish ladders[PUNISH_RULES_MAX];
	char names[PUNISH_RULES_MAX][PUNISH_NAME_SIZE];
	size_t n_ladders;
	size_t max;
	uint64_t evicted;
};

struct punish_table *punish_new(size_t entries_max)
{
	struct punish_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	map_init(&t->offenders);
	t->max = entries_max ? entries_max : PUNISH_ADDRESSES_MAX;
	return t;
}

void punish_free(struct punish_table *t)
{
	if (!t)
		return;
	map_fini(&t->offenders, free);
	free(t);
}

size_t punish_count(const struct punish_table *t)
{
	return t->offenders.count;
}

uint64_t punish_evicted(const struct punish_table *t)
{
	return t->evicted;
}

/* ---- who was struck last ---- */

static void unlink_offender(struct punish_table *t, struct offender *o)
{
	*(o->warmer ? &o->warmer->colder : &t->warmest) = o->colder;
	*(o->colder ? &o->colder->warmer : &t->coldest) = o->warmer;
	o->warmer = o->colder = NULL;
}

static void link_warmest(struct punish_table *t, struct offender *o)
{
	o->colder = t->warmest;
	o->warmer = NULL;
	*(t->warmest ? &t->warmest->warmer : &t->coldest) = o;
	t->warmest = o;
}

static struct offender *find_offender(
	const struct punish_table *t, const struct peer_address *address)
{
	return map_find(&t->offenders, address->bytes, sizeof(address->bytes));
}

static void drop_offender(struct punish_table *t, struct offender *o)
{
	map_take(&t->offenders, o->address.bytes, sizeof(o->address.bytes));
	unlink_offender(t, o);
	free(o);
}

void punish_forget(struct punish_table *t, const struct peer_address *address)
{
	struct offender *o = find_offender(t, address);

	if (o)
		drop_offender(t, o);
}

static struct offender *touch_offender(struct punish_table *t, const struct peer_address *address)
{
	struct offender *o = find_offender(t, address);

	if (o) {
		unlink_offender(t, o);
		link_warmest(t, o);
		return o;
	}
	o = calloc(1, sizeof(*o) + t->n_ladders * sizeof(o->tracks[0]));
	if (!o)
		return NULL;
	o->address = *address;
	if (map_put(&t->offenders, address->bytes, sizeof(address->bytes), o, NULL) < 0) {
		free(o);
		return NULL;
	}
	link_warmest(t, o);
	if (t->offenders.count > t->max) {
		drop_offender(t, t->coldest);
		t->evicted++;
	}
	return o;
}

/* ---- ladders ---- */

static size_t same_ladder(const struct punish_table *t, const struct punish *p)
{
	size_t i;

	for (i = 0; i < t->n_ladders; i++)
		if (t->ladders[i].within_ms == p->within_ms &&
			strncmp(t->names[i], p->name, PUNISH_NAME_SIZE - 1) == 0)
			break;
	return i;
}

/* Tracks move to where their ladders are now; those of ladders that are gone are forgotten. */
static int move_tracks(struct punish_table *t, const size_t *from, size_t n)
{
	struct offender *o, *next;

	for (o = t->warmest; o; o = next) {
		struct offender *moved = calloc(1, sizeof(*moved) + n * sizeof(moved->tracks[0]));

		next = o->colder;
		if (!moved)
			return -ENOMEM;
		moved->address = o->address;
		moved->warmer = o->warmer;
		moved->colder = o->colder;
		for (size_t i = 0; i < n; i++)
			if (from[i] < t->n_ladders)
				moved->tracks[i] = o->tracks[from[i]];
		*(o->warmer ? &o->warmer->colder : &t->warmest) = moved;
		*(o->colder ? &o->colder->warmer : &t->coldest) = moved;
		/* The key is there: replacing its value cannot fail. */
		map_put(&t->offenders, o->address.bytes, sizeof(o->address.bytes), moved, NULL);
		free(o);
	}
	return 0;
}

static void forget_all(struct punish_table *t)
{
	map_fini(&t->offenders, free);
	map_init(&t->offenders);
	t->warmest = t->coldest = NULL;
}

int punish_configure(struct punish_table *t, const struct punish *rules, size_t n)
{
	size_t taken = n < PUNISH_RULES_MAX ? n : PUNISH_RULES_MAX, from[PUNISH_RULES_MAX];
	bool moved = taken != t->n_ladders;

	for (size_t i = 0; i < taken; i++) {
		from[i] = same_ladder(t, &rules[i]);
		moved = moved || from[i] != i;
	}
	/* Out of memory half-way, sizes would differ: rather nobody has strikes. */
	if (moved && move_tracks(t, from, taken) < 0)
		forget_all(t);
	for (size_t i = 0; i < taken; i++) {
		size_t len = strnlen(rules[i].name, PUNISH_NAME_SIZE - 1);

		memcpy(t->names[i], rules[i].name, len);
		t->names[i][len] = '\0';
		t->ladders[i] = rules[i];
		t->ladders[i].name = t->names[i];
	}
	t->n_ladders = taken;
	return n > PUNISH_RULES_MAX ? ERR_LIMIT : 0;
}

/* ---- strikes ---- */

static unsigned saturating_add(unsigned a, unsigned b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* A strike counts while it is younger than the window. */
static bool counts_still(const struct mark *m, uint64_t within_ms, uint64_t now_ms)
{
	return now_ms < m->at_ms || now_ms - m->at_ms < within_ms;
}

static unsigned track_sum(const struct track *k, uint64_t within_ms, uint64_t now_ms)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < k->n; i++)
		if (counts_still(&k->marks[i], within_ms, now_ms))
			sum = saturating_add(sum, k->marks[i].strikes);
	return sum;
}

static void track_add(struct track *k, unsigned strikes, uint64_t within_ms, uint64_t now_ms)
{
	unsigned gone = 0;

	while (gone < k->n && !counts_still(&k->marks[gone], within_ms, now_ms))
		gone++;
	k->n -= gone;
	memmove(k->marks, k->marks + gone, k->n * sizeof(k->marks[0]));
	if (k->n > 0 && k->marks[k->n - 1].at_ms == now_ms) {
		k->marks[k->n - 1].strikes = saturating_add(k->marks[k->n - 1].strikes, strikes);
		return;
	}
	if (k->n == MARKS_MAX) {
		k->marks[1].strikes = saturating_add(k->marks[0].strikes, k->marks[1].strikes);
		k->marks[1].at_ms = k->marks[0].at_ms;
		memmove(k->marks, k->marks + 1, --k->n * sizeof(k->marks[0]));
	}
	k->marks[k->n++] = (struct mark){ now_ms, strikes };
}

/* Of two ladders reached at once the one that bans longer speaks; one that spares only if no other
 * bans. */
static bool is_stronger(const struct punish *a, const struct punish *b, bool shared)
{
	bool a_spares = shared && a->spare_shared, b_spares = shared && b->spare_shared;

	return a_spares != b_spares ? b_spares : a->ban_ms > b->ban_ms;
}

int punish_strike(struct punish_table *t, const struct peer_address *address, unsigned strikes,
	bool shared, uint64_t now_ms, struct punish_result *out)
{
	struct offender *o;
	bool reached = false;

	*out = (struct punish_result){ 0 };
	if (strikes == 0 || t->n_ladders == 0)
		return 0;
	if (!(o = touch_offender(t, address)))
		return -ENOMEM;
	out->ladder = t->ladders[0];
	for (size_t i = 0; i < t->n_ladders; i++) {
		const struct punish *p = &t->ladders[i];
		unsigned sum;

		track_add(&o->tracks[i], strikes, p->within_ms, now_ms);
		sum = track_sum(&o->tracks[i], p->within_ms, now_ms);
		if (i == 0)
			out->strikes = sum;
		if (p->strikes == 0 || sum < p->strikes ||
			(reached && !is_stronger(p, &out->ladder, shared)))
			continue;
		reached = true;
		out->strikes = sum;
		out->ladder = *p;
	}
	if (!reached)
		return 0;
	out->spared = shared && out->ladder.spare_shared;
	out->ban = !out->spared;
	drop_offender(t, o);
	return 0;
}

unsigned punish_strikes(
	const struct punish_table *t, const struct peer_address *address, uint64_t now_ms)
{
	const struct offender *o = find_offender(t, address);
	unsigned most = 0;

	for (size_t i = 0; o && i < t->n_ladders; i++) {
		unsigned sum = track_sum(&o->tracks[i], t->ladders[i].within_ms, now_ms);

		most = sum > most ? sum : most;
	}
	return most;
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
