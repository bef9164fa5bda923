/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: behind it. The kernel's named counters of connections it refused come in
 * (ctl/nft_counter.c), what "status", the metrics and "what needs attention" say of them goes out.
 * Sums go on when the table is loaded anew and its counters begin again, and when a reload orders
 * classes otherwise. It changes nothing in the kernel. */
#include "ctl/defend.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "ctl/nft.h"

enum { MUCH = 50 /* refused in a watch: worth a word */, COUNT_LONG_MS = 20 };

/* ---- looking ---- */

static struct defend_seen *seen_find(struct defend_watch *w, const char *name)
{
	for (unsigned i = 0; i < w->n; i++)
		if (strcmp(w->names[i], name) == 0)
			return &w->seen[i];
	return NULL;
}

/* The classes of the policy in force, with what was seen of those that were there before. */
static void watch_arrange(struct defend_watch *w, const struct defend *d)
{
	struct defend_watch next = { .n = d->n_classes, .since_ms = w->since_ms };
	bool same = w->n == d->n_classes;

	for (unsigned i = 0; i < w->n && same; i++)
		same = strcmp(w->names[i], d->classes[i].name) == 0;
	if (same)
		return;
	for (unsigned i = 0; i < d->n_classes; i++) {
		const struct defend_seen *seen = seen_find(w, d->classes[i].name);

		snprintf(next.names[i], sizeof(next.names[i]), "%s", d->classes[i].name);
		if (seen)
			next.seen[i] = *seen;
	}
	*w = next;
}

struct looking {
	struct defend_watch *w;
	const struct defend *d;
};

static bool on_counter(void *arg, const char *name, uint64_t packets)
{
	const struct looking *l = arg;
	char wanted[FIREWALL_DEFEND_NAME];

	for (unsigned i = 0; i < l->d->n_classes; i++)
		for (unsigned reason = 0; reason < FIREWALL_DEFEND_REASONS; reason++) {
			struct defend_seen *s = &l->w->seen[i];

			firewall_defend_counter(&l->d->classes[i], reason, wanted);
			if (strcmp(wanted, name) != 0)
				continue;
			s->sum[reason] +=
				packets < s->raw[reason] ? packets : packets - s->raw[reason];
			s->raw[reason] = packets;
			return true;
		}
	return true;
}

static void watch_turn(struct defend_watch *w, uint64_t now_ms)
{
	if (now_ms - w->since_ms < DEFEND_WATCH_MS)
		return;
	w->since_ms = now_ms;
	for (unsigned i = 0; i < w->n; i++)
		for (unsigned reason = 0; reason < FIREWALL_DEFEND_REASONS; reason++) {
			struct defend_seen *s = &w->seen[i];

			s->lately[reason] = s->sum[reason] - s->then[reason];
			s->then[reason] = s->sum[reason];
		}
}

static void tell_metrics(const struct defend_watch *w, struct metrics *metrics)
{
	char name[METRIC_NAME_MAX];

	for (unsigned i = 0; i < w->n; i++)
		for (unsigned reason = 0; reason < FIREWALL_DEFEND_REASONS; reason++) {
			snprintf(name, sizeof(name), "defend.%s.%s", w->names[i],
				firewall_defend_reasons[reason]);
			metric_set(metrics_find(metrics, name), w->seen[i].sum[reason]);
		}
}

void defend_begin_anew(struct defend_watch *w)
{
	for (unsigned i = 0; i < w->n; i++)
		memset(w->seen[i].raw, 0, sizeof(w->seen[i].raw));
}

void defend_look(struct defend_watch *w, struct nft *nft, const struct defend *d,
	struct metrics *metrics, uint64_t now_ms)
{
	struct looking l = { w, d };

	watch_arrange(w, d);
	if (w->n == 0 || nft_counters(nft, on_counter, &l) < 0)
		return;
	watch_turn(w, now_ms);
	if (metrics)
		tell_metrics(w, metrics);
}

/* ---- telling ---- */

struct counting {
	struct nft *nft;
	uint64_t n;
};

static bool count_meter(void *arg, const char *name)
{
	struct counting *c = arg;
	long n = nft_count_set(c->nft, name);

	c->n += n > 0 ? (uint64_t)n : 0;
	return true;
}

/* A long count is good for a hundred times as long. */
static void count_entries(
	struct defend_watch *w, struct nft *nft, const struct defend *d, uint64_t now_ms)
{
	if (w->took_ms > COUNT_LONG_MS && now_ms - w->counted_ms < 100 * w->took_ms)
		return;
	for (unsigned i = 0; i < w->n && i < d->n_classes; i++) {
		struct counting c = { nft, 0 };

		firewall_defend_meters(d, &d->classes[i], count_meter, &c);
		w->seen[i].entries = c.n;
	}
	w->counted_ms = clock_mono_ms();
	w->took_ms = w->counted_ms - now_ms;
}

json_t *defend_status(
	struct defend_watch *w, struct nft *nft, const struct defend *d, uint64_t now_ms)
{
	json_t *all = json_object();

	if (w->n > 0)
		count_entries(w, nft, d, now_ms);
	for (unsigned i = 0; i < w->n; i++) {
		json_t *one = json_object();

		for (unsigned reason = 0; reason < FIREWALL_DEFEND_REASONS; reason++)
			json_object_set_new(one, firewall_defend_reasons[reason],
				json_integer((json_int_t)w->seen[i].sum[reason]));
		json_object_set_new(one, "entries", json_integer((json_int_t)w->seen[i].entries));
		json_object_set_new(all, w->names[i], one);
	}
	return all;
}

void defend_attention(const struct defend_watch *w, json_t *lines)
{
	static const unsigned per_second = 1000;

	for (unsigned i = 0; i < w->n; i++) {
		const uint64_t *lately = w->seen[i].lately;
		uint64_t refused = lately[FIREWALL_DEFEND_RATE] + lately[FIREWALL_DEFEND_PENALTY] +
				   lately[FIREWALL_DEFEND_CONCURRENT];

		if (refused >= MUCH)
			json_array_append_new(lines,
				json_sprintf("defend: of class %s, %llu connections a second are "
					     "refused "
					     "(rate %llu, penalty %llu, concurrent %llu)",
					w->names[i],
					(unsigned long long)(refused * per_second /
							     DEFEND_WATCH_MS),
					(unsigned long long)(lately[FIREWALL_DEFEND_RATE] *
							     per_second / DEFEND_WATCH_MS),
					(unsigned long long)(lately[FIREWALL_DEFEND_PENALTY] *
							     per_second / DEFEND_WATCH_MS),
					(unsigned long long)(lately[FIREWALL_DEFEND_CONCURRENT] *
							     per_second / DEFEND_WATCH_MS)));
		if (lately[FIREWALL_DEFEND_FULL])
			json_array_append_new(
				lines, json_sprintf("defend: a meter of class %s is full, %llu "
						    "connections went "
						    "uncounted in 10 s (defend { entries N; })",
					       w->names[i],
					       (unsigned long long)lately[FIREWALL_DEFEND_FULL]));
	}
}
