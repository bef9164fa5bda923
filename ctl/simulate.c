/* SPDX-License-Identifier: BSD-2-Clause */
/* "What if" for a limit, without a daemon. In: keys and times, one after the other. For each key
 * the limit's own arithmetic (rules/limit.c) goes on in a table without a bound, and beside it what
 * burst the key would have needed. Out: numbers and the worst. It reads no file. */
#include "ctl/simulate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "rules/rules.h"
#include "rules/sketch.h"

static const uint64_t AHEAD_MAX_NS = UINT64_C(1) << 62;

struct peer {
	const char *key; /* the map's */
	uint64_t tat, need_tat, need, last;
	uint64_t events, limited;
};

struct simulation {
	struct limit_rate rate;
	struct map peers;
	struct map pairs; /* key and value -> uint64_t, when they were last together */
	bool bytes;
	uint64_t events, limited, hit;
};

struct simulation *simulation_new(const struct limit_rate *rate)
{
	struct simulation *s = calloc(1, sizeof *s);

	if (s) {
		s->rate = *rate;
		map_init(&s->peers);
		map_init(&s->pairs);
	}
	return s;
}

void simulation_free(struct simulation *s)
{
	if (s) {
		map_fini(&s->peers, free);
		map_fini(&s->pairs, free);
	}
	free(s);
}

void simulation_set_bytes(struct simulation *s)
{
	s->bytes = true;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static struct peer *peer_of(struct simulation *s, const char *key)
{
	struct peer *p = map_find(&s->peers, key, strlen(key));

	if (p)
		return p;
	if (!(p = calloc(1, sizeof *p)) || map_put(&s->peers, key, strlen(key), p, NULL) < 0) {
		free(p);
		return NULL;
	}
	return p;
}

/* Was that too much? */
static bool peer_count(struct simulation *s, struct peer *p, uint64_t time_ns, uint64_t events)
{
	uint64_t cost = limit_rate_cost(&s->rate, events), tat;

	p->last = time_ns = later(time_ns, p->last);
	p->need_tat = later(p->need_tat, time_ns);
	if (p->need_tat - time_ns < AHEAD_MAX_NS)
		p->need_tat += cost < AHEAD_MAX_NS ? cost : AHEAD_MAX_NS;
	p->need = later(p->need, p->need_tat - time_ns);
	tat = later(p->tat, time_ns) + cost;
	p->events += events;
	s->events += events;
	if (tat - time_ns <= s->rate.tolerance_ns) {
		p->tat = tat;
		return false;
	}
	s->limited += events;
	s->hit += p->limited == 0;
	p->limited += events;
	return true;
}

int simulation_add(struct simulation *s, const char *key, uint64_t time_ns, uint64_t events)
{
	struct peer *p = peer_of(s, key);

	if (!p)
		return -ENOMEM;
	if (events > 0)
		peer_count(s, p, time_ns, events);
	return 0;
}

/* NULL: without memory. */
static uint64_t *pair_of(struct simulation *s, const char *key, const char *value)
{
	size_t n = strlen(key) + 1, len = n + strlen(value);
	char *pair = malloc(len + 1);
	uint64_t *seen = NULL;

	if (!pair)
		return NULL;
	strcpy(pair, key);
	strcpy(pair + n, value);
	seen = map_find(&s->pairs, pair, len);
	if (!seen && (seen = calloc(1, sizeof *seen)) && map_put(&s->pairs, pair, len, seen, NULL) < 0) {
		free(seen);
		seen = NULL;
	}
	free(pair);
	return seen;
}

int simulation_add_value(struct simulation *s, const char *key, const char *value, uint64_t time_ns)
{
	uint64_t window = later(s->rate.window_ns, s->rate.tolerance_ns);
	struct peer *p = peer_of(s, key);
	uint64_t *seen = p ? pair_of(s, key, value) : NULL;

	if (!seen)
		return -ENOMEM;
	time_ns = later(time_ns, p->last);
	/* What was refused is as new the next time. */
	if ((*seen && time_ns - *seen < window) || !peer_count(s, p, time_ns, 1))
		*seen = time_ns;
	return 0;
}

/* ---- the answer ---- */

static int peer_order(const void *a, const void *b)
{
	const struct peer *const *x = a, *const *y = b;

	if ((*x)->limited != (*y)->limited)
		return (*x)->limited < (*y)->limited ? 1 : -1;
	return strcmp((*x)->key, (*y)->key);
}

static json_t *top_json(const struct simulation *s, size_t top)
{
	struct peer **hit = calloc(s->hit + 1, sizeof(struct peer *));
	json_t *all = json_array();
	struct map_entry *e;
	size_t at = 0, n = 0;

	while (hit && map_each(&s->peers, &at, &e)) {
		struct peer *p = e->value;

		p->key = e->key;
		if (p->limited)
			hit[n++] = p;
	}
	if (hit)
		qsort(hit, n, sizeof(struct peer *), peer_order);
	for (size_t i = 0; i < n && i < top; i++)
		json_array_append_new(all, json_pack("{s:s,s:I,s:I}", "key", hit[i]->key, "events",
						   (json_int_t)hit[i]->events, "limited",
						   (json_int_t)hit[i]->limited));
	free(hit);
	return all;
}

static json_t *histogram_json(const struct simulation *s)
{
	uint64_t counts[SKETCH_BUCKETS] = { 0 };
	json_t *all = json_array();
	struct map_entry *e;
	size_t at = 0;

	while (map_each(&s->peers, &at, &e)) {
		const struct peer *p = e->value;
		uint64_t burst = (p->need + s->rate.period_ns - 1) / s->rate.period_ns;
		unsigned b = 0;

		while (b < SKETCH_BUCKETS - 1 && sketch_burst_high(b) < burst)
			b++;
		counts[b]++;
	}
	for (unsigned b = 0; b < SKETCH_BUCKETS; b++)
		if (counts[b])
			json_array_append_new(all,
				json_pack("{s:I,s:I,s:I}", "from", (json_int_t)sketch_burst_low(b),
					"to", (json_int_t)sketch_burst_high(b), "peers",
					(json_int_t)counts[b]));
	return all;
}

json_t *simulation_json(const struct simulation *s, size_t top)
{
	size_t peers = s->peers.count;
	char rate[48];

	if (s->bytes)
		limit_rate_format_exact(&s->rate, true, rate, sizeof rate);
	else
		limit_rate_format(&s->rate, rate, sizeof rate);
	return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:f,s:o,s:o}", "rate", rate, "burst",
		(json_int_t)limit_rate_burst(&s->rate), "events", (json_int_t)s->events, "peers",
		(json_int_t)peers, "hit", (json_int_t)s->hit, "limited", (json_int_t)s->limited,
		"share", peers ? (double)s->hit / (double)peers : 0.0, "top", top_json(s, top),
		"histogram", histogram_json(s));
}
