/* SPDX-License-Identifier: BSD-2-Clause */
/* From a histogram to a proposal. In: for each rate, how many peers would have needed which burst.
 * Out: for each rate the smallest burst that leaves the wanted share in peace, without those that
 * a slower rate does as well; one of them recommended; and what the limit as it is would do. The
 * recommended one is the slowest whose burst is earned back within a minute: a peer that was hit is
 * not shut out for longer than that. It knows no daemon. */
#include "ctl/suggest.h"

#include <stdbool.h>

#include "rules/rules.h"
#include "rules/sketch.h"

static const uint64_t REFILL_NS = 60000000000;

static uint64_t rate_peers(const struct sketch_counts *c, unsigned rate)
{
	uint64_t n = 0;

	for (unsigned b = 0; b < SKETCH_BUCKETS; b++)
		n += c->n[rate][b];
	return n;
}

/* The bucket below or in which that share of the peers is. */
static unsigned bucket_for(const struct sketch_counts *c, unsigned rate, double share)
{
	double want = share * (double)rate_peers(c, rate);
	unsigned last = 0;
	uint64_t sum = 0;

	for (unsigned b = 0; b < SKETCH_BUCKETS; b++) {
		if (c->n[rate][b] == 0)
			continue;
		last = b;
		sum += c->n[rate][b];
		if ((double)sum >= want)
			break;
	}
	return last;
}

/* The share that needed more than burst; most: those count, too, who may have. */
static double share_over(const struct sketch_counts *c, unsigned rate, uint64_t burst, bool most)
{
	uint64_t all = rate_peers(c, rate), n = 0;

	for (unsigned b = 0; b < SKETCH_BUCKETS; b++)
		if ((most ? sketch_burst_high(b) : sketch_burst_low(b)) > burst)
			n += c->n[rate][b];
	return all ? (double)n / (double)all : 0;
}

static json_t *rate_json(const struct limit_rate *rate, bool bytes)
{
	char text[48];

	if (bytes)
		limit_rate_format_exact(rate, true, text, sizeof text);
	else
		limit_rate_format(rate, text, sizeof text);
	return json_string(text);
}

/* What the sketch takes for an event, of bytes a KiB. */
static uint64_t event_of(bool bytes)
{
	return bytes ? SKETCH_ONE : 1;
}

static struct limit_rate rate_of(unsigned index, bool bytes)
{
	struct limit_rate rate = sketch_rate(index);

	return limit_rate_make(
		rate.events * event_of(bytes), rate.window_ns / 1000000u, event_of(bytes));
}

/* Its rate stands between two of those that were observed. */
static json_t *current_json(const struct sketch_counts *c, const struct limit_rate *now, bool bytes)
{
	uint64_t burst = limit_rate_burst(now) / event_of(bytes);
	double most = 1, least = 0;

	for (unsigned r = 0; r < SKETCH_RATES; r++) {
		uint64_t period = rate_of(r, bytes).period_ns;

		if (period >= now->period_ns)
			most = share_over(c, r, burst, true);
		if (period <= now->period_ns) {
			least = share_over(c, r, burst, false);
			break;
		}
	}
	return json_pack("{s:o,s:I,s:f,s:f}", "rate", rate_json(now, bytes), "burst",
		(json_int_t)limit_rate_burst(now), "hit_least", least, "hit_most", most);
}

static json_t *histogram_json(const struct sketch_counts *c, unsigned rate, bool bytes)
{
	uint64_t one = event_of(bytes);
	json_t *all = json_array();

	for (unsigned b = 0; b < SKETCH_BUCKETS; b++)
		if (c->n[rate][b])
			json_array_append_new(all,
				json_pack("{s:I,s:I,s:I}", "from", 
					(json_int_t)((sketch_burst_low(b) - 1) * one + 1), "to",
					(json_int_t)(sketch_burst_high(b) * one), "peers",
					(json_int_t)c->n[rate][b]));
	return all;
}

json_t *suggest_limit(const struct sketch_counts *counts, double share,
	const struct limit_rate *now, bool bytes)
{
	json_t *rates = json_array(), *last = NULL;
	unsigned chosen = SKETCH_RATES - 1;
	uint64_t before = UINT64_MAX;
	bool found = false;

	for (unsigned r = 0; r < SKETCH_RATES; r++) {
		struct limit_rate rate = rate_of(r, bytes);
		uint64_t burst = sketch_burst_high(bucket_for(counts, r, share));
		bool soon = burst <= REFILL_NS / sketch_rate(r).period_ns;

		if (burst >= before)
			continue;
		before = burst;
		last = json_pack("{s:o,s:I,s:f,s:b}", "rate", rate_json(&rate, bytes), "burst",
			(json_int_t)(burst * event_of(bytes)), "hit", share_over(counts, r, burst, false),
			"recommended", soon && !found);
		json_array_append_new(rates, last);
		if (!found)
			chosen = r;
		found = found || soon;
	}
	if (!found)
		json_object_set_new(last, "recommended", json_true());
	return json_pack("{s:f,s:I,s:o,s:o,s:o}", "for", share, "peers", (json_int_t)counts->peers,
		"rates", rates, "current", current_json(counts, now, bytes), "histogram",
		histogram_json(counts, chosen, bytes));
}
