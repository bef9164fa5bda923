/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of "similar" limits. In: a signature (rules/shingle.c), hashes of sender and
 * recipient, the time. A group is found through bands: pairs of the signature's parts, each with a
 * small index of groups that have that pair; what is found there is compared in full and the
 * nearest group is taken, if it is near enough. Distinct people are counted by linear counting,
 * with the time of the last sight in each bin, so that the window slides. At its bound the coldest
 * of a few groups gives way. No text and no JID is kept, only hashes under a key of this process.
 * It reads no clock. */
#include "rules/similar.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum {
	BANDS = SIGNATURE_PARTS / 2,
	BINS = 64,
	BUCKET = 4,   /* groups in a place of a band's index */
	LOOK = 16,    /* groups among which the coldest gives way */
	TICKS = 4096, /* of a window */
	TICK_MAX = 65535
};

struct people {
	uint16_t seen[BINS]; /* tick + 1 of the last sight; 0: nobody */
};

struct group {
	struct signature text;
	struct people senders, recipients;
	uint64_t last_ns;
};

struct bucket {
	uint32_t groups[BUCKET]; /* index + 1; may be of a group that is another by now */
};

struct similar_table {
	_Atomic unsigned refs;
	pthread_mutex_t lock;
	uint64_t window_ns;
	size_t entries, used, hand;
	size_t mask; /* places of a band - 1 */
	struct group *groups;
	struct bucket *index; /* BANDS times mask + 1 */
};

struct similar_table *similar_table_new(size_t entries, uint64_t window_ns)
{
	struct similar_table *t = calloc(1, sizeof(*t));
	size_t places = 16;

	if (!t)
		return NULL;
	while (places * 2 < entries)
		places *= 2;
	t->mask = places - 1;
	t->entries = entries < LOOK ? LOOK : entries;
	t->window_ns = window_ns > TICKS ? window_ns : TICKS;
	t->groups = calloc(t->entries, sizeof(*t->groups));
	t->index = calloc(places * BANDS, sizeof(*t->index));
	if (!t->groups || !t->index) {
		free(t->groups);
		free(t->index);
		free(t);
		return NULL;
	}
	atomic_init(&t->refs, 1);
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

struct similar_table *similar_table_ref(struct similar_table *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

void similar_table_unref(struct similar_table *t)
{
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&t->lock);
	free(t->groups);
	free(t->index);
	free(t);
}

void similar_salt(uint64_t salt[2])
{
	salt[0] = map_hash("similar texts, one", 18);
	salt[1] = map_hash("similar texts, two", 18);
}

/* ---- people ---- */

static uint16_t tick_of(const struct similar_table *t, uint64_t now_ns)
{
	return (uint16_t)(now_ns / (t->window_ns / TICKS) % TICK_MAX + 1);
}

/* Threads read the clock one after the other, so a sight may be a little ahead of now. */
static bool is_within(uint16_t seen, uint16_t tick)
{
	unsigned age = ((unsigned)tick + TICK_MAX - seen) % TICK_MAX;

	return seen && (age <= TICKS || age >= TICK_MAX - TICKS);
}

static unsigned people_count(struct people *p, uint64_t who, uint16_t tick)
{
	/* -64 ln(1 - n/64): as many as leave n of the bins filled. */
	static const uint16_t estimates[BINS + 1] = { 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15,
		16, 17, 18, 20, 21, 23, 24, 25, 27, 28, 30, 32, 33, 35, 37, 39, 40, 42, 44, 46, 48,
		51, 53, 55, 58, 60, 63, 65, 68, 71, 74, 78, 81, 85, 89, 93, 97, 102, 107, 113, 119,
		126, 133, 142, 151, 163, 177, 196, 222, 266, 400 };
	unsigned filled = 0;

	if (who)
		p->seen[who % BINS] = tick;
	for (unsigned i = 0; i < BINS; i++) {
		if (!is_within(p->seen[i], tick))
			p->seen[i] = 0;
		filled += p->seen[i] != 0;
	}
	return estimates[filled];
}

/* ---- groups ---- */

static struct bucket *band_bucket(
	const struct similar_table *t, const struct signature *text, unsigned band)
{
	uint64_t pair = (uint64_t)text->parts[2 * band] << 16 | text->parts[2 * band + 1];

	pair = (pair + band) * 0x9e3779b97f4a7c15u;
	return &t->index[(size_t)band * (t->mask + 1) + (pair >> 32 & t->mask)];
}

static bool group_counts(const struct similar_table *t, const struct group *g, uint64_t now_ns)
{
	return g->last_ns && (now_ns < g->last_ns || now_ns - g->last_ns <= t->window_ns);
}

/* The nearest group; NULL if none is near enough. */
static struct group *group_find(
	const struct similar_table *t, const struct signature *text, uint64_t now_ns)
{
	unsigned nearest = SIMILAR_AGREE_MIN - 1;
	struct group *found = NULL;

	for (unsigned band = 0; band < BANDS; band++) {
		const struct bucket *b = band_bucket(t, text, band);

		for (unsigned i = 0; i < BUCKET; i++) {
			struct group *g = b->groups[i] ? &t->groups[b->groups[i] - 1] : NULL;
			unsigned agree;

			if (!g || g == found || !group_counts(t, g, now_ns))
				continue;
			if ((agree = signature_agree(&g->text, text)) > nearest) {
				nearest = agree;
				found = g;
			}
			if (nearest == SIGNATURE_PARTS)
				return found;
		}
	}
	return found;
}

static void bucket_put(const struct similar_table *t, struct bucket *b, const struct group *g)
{
	unsigned coldest = 0;
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < BUCKET; i++) {
		const struct group *old = b->groups[i] ? &t->groups[b->groups[i] - 1] : NULL;
		uint64_t heat = old && old != g ? old->last_ns : 0;

		if (heat < least) {
			least = heat;
			coldest = i;
		}
	}
	b->groups[coldest] = (uint32_t)(g - t->groups) + 1;
}

/* Room for a group: a fresh one, or that of the coldest among the next few. */
static struct group *group_room(struct similar_table *t, uint64_t now_ns, metric *evicted)
{
	struct group *coldest = NULL;

	if (t->used < t->entries)
		return &t->groups[t->used++];
	for (unsigned i = 0; i < LOOK; i++) {
		struct group *g = &t->groups[(t->hand + i) % t->entries];

		if (!coldest || g->last_ns < coldest->last_ns)
			coldest = g;
	}
	t->hand = (t->hand + 1) % t->entries;
	if (group_counts(t, coldest, now_ns))
		metric_add(evicted, 1);
	return coldest;
}

static struct group *group_begin(
	struct similar_table *t, const struct signature *text, uint64_t now_ns, metric *evicted)
{
	struct group *g = group_room(t, now_ns, evicted);

	memset(g, 0, sizeof(*g));
	g->text = *text;
	for (unsigned band = 0; band < BANDS; band++)
		bucket_put(t, band_bucket(t, text, band), g);
	return g;
}

void similar_table_add(struct similar_table *t, const struct signature *text, uint64_t sender,
	uint64_t recipient, uint64_t now_ns, metric *evicted, struct similar_count *out)
{
	uint16_t tick = tick_of(t, now_ns);
	struct group *g;

	pthread_mutex_lock(&t->lock);
	if (!(g = group_find(t, text, now_ns)))
		g = group_begin(t, text, now_ns, evicted);
	if (now_ns > g->last_ns)
		g->last_ns = now_ns;
	out->senders = people_count(&g->senders, sender, tick);
	out->recipients = people_count(&g->recipients, recipient, tick);
	pthread_mutex_unlock(&t->lock);
}

size_t similar_table_used(struct similar_table *t, uint64_t now_ns)
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->used; i++)
		n += group_counts(t, &t->groups[i], now_ns);
	pthread_mutex_unlock(&t->lock);
	return n;
}
