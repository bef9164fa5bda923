/* SPDX-License-Identifier: BSD-2-Clause */
/* What was observed, on its way from a worker to the daemon and to its file: only the buckets that
 * hold somebody. What comes in is another process's word: numbers that do not fit refuse all of it.
 */
#include <string.h>

#include "base/err.h"
#include "rules/sketch.h"

enum { PEERS_MAX = 1 << 30 /* of a bucket: enough for anybody, and sums do not overflow */ };

json_t *sketch_json(const struct sketch_counts *counts)
{
	json_t *all = json_array();

	for (unsigned r = 0; r < SKETCH_RATES; r++) {
		json_t *one = json_array();

		for (unsigned b = 0; b < SKETCH_BUCKETS; b++) {
			uint64_t n = counts->n[r][b];

			if (n == 0)
				continue;
			json_array_append_new(one, json_integer((json_int_t)b));
			json_array_append_new(
				one, json_integer((json_int_t)(n < PEERS_MAX ? n : PEERS_MAX)));
		}
		json_array_append_new(all, one);
	}
	return json_pack("{s:I,s:o}", "peers",
		(json_int_t)(counts->peers < PEERS_MAX ? counts->peers : PEERS_MAX), "rates", all);
}

static bool number_take(const json_t *json, uint64_t max, uint64_t *out)
{
	json_int_t n = json_integer_value(json);

	*out = (uint64_t)n;
	return json_is_integer(json) && n >= 0 && (uint64_t)n <= max;
}

static bool rate_parse(const json_t *json, uint64_t n[SKETCH_BUCKETS])
{
	size_t size = json_array_size(json);
	uint64_t bucket, peers;

	if (!json_is_array(json) || size % 2 != 0 || size > 2 * SKETCH_BUCKETS)
		return false;
	for (size_t i = 0; i < size; i += 2) {
		if (!number_take(json_array_get(json, i), SKETCH_BUCKETS - 1, &bucket) ||
			!number_take(json_array_get(json, i + 1), PEERS_MAX, &peers))
			return false;
		n[bucket] += peers;
	}
	return true;
}

int sketch_parse(const json_t *json, struct sketch_counts *out)
{
	const json_t *all = json_object_get(json, "rates");
	bool fine;

	memset(out, 0, sizeof(*out));
	fine = number_take(json_object_get(json, "peers"), PEERS_MAX, &out->peers) &&
	       json_array_size(all) == SKETCH_RATES;
	for (unsigned r = 0; fine && r < SKETCH_RATES; r++)
		fine = rate_parse(json_array_get(all, r), out->n[r]);
	if (!fine)
		memset(out, 0, sizeof(*out));
	return fine ? 0 : ERR_SYNTAX;
}
