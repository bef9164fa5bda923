/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the daemon's line and a policy at work, for both doors: list edits, rates of limits, what
 * was seen. In: JSON of ctl/link.h, borrowed. Out: edits of the policy (judged against by all
 * threads once the answer is out), rows in parts. It knows no session and no packet. */
#include "door/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "door/json.h"
#include "rules/list_hits.h"
#include "rules/sketch.h"

enum { HITS_A_MESSAGE = 100, HITS_MAX = 10000 };

/* ---- lists ---- */

/* Borrowed spans into the message; malloc'd. */
static struct span *entries(json_t *array, size_t *n)
{
	struct span *out;
	json_t *entry;
	size_t i;

	*n = 0;
	if (!(out = calloc(json_array_size(array) + 1, sizeof(*out))))
		return NULL;
	json_array_foreach(array, i, entry)
	{
		if (json_is_string(entry))
			out[(*n)++] = (struct span){ json_string_value(entry),
				json_string_length(entry) };
	}
	return out;
}

int answer_edit_list(struct policy *p, json_t *msg)
{
	size_t n_add, n_del;
	cleanup_free struct span *add = entries(json_object_get(msg, "add"), &n_add);
	cleanup_free struct span *del = entries(json_object_get(msg, "del"), &n_del);

	if (!add || !del)
		return -ENOMEM;
	return policy_list_edit(p, text_of(msg, "set"), add, n_add, del, n_del);
}

/* ---- limits ---- */

/* The entry's rate for that limit; NULL if there is none. */
static const struct limit_rate *limit_of(json_t *set, const char *name, struct limit_rate *rate)
{
	json_t *entry;
	size_t i;

	json_array_foreach(set, i, entry)
	{
		json_int_t period = number_of(entry, "period_ns"),
			   tolerance = number_of(entry, "tolerance_ns");

		if (strcmp(text_of(entry, "name"), name) != 0 || period < 1 || tolerance < period)
			continue;
		*rate = (struct limit_rate){ (uint64_t)period, (uint64_t)tolerance, 1,
			(uint64_t)period };
		if (number_of(entry, "events") > 0 && number_of(entry, "window_ns") > 0) {
			rate->events = (uint64_t)number_of(entry, "events");
			rate->window_ns = (uint64_t)number_of(entry, "window_ns");
		}
		return rate;
	}
	return NULL;
}

/* What is not named is as the policy says. */
void answer_set_limits(struct policy *p, json_t *msg)
{
	json_t *set = json_object_get(msg, "set");
	const struct limit_info *all;
	struct limit_rate rate;
	size_t n = policy_limits(p, &all);

	for (size_t i = 0; i < n; i++)
		policy_limit_set(p, all[i].name, limit_of(set, all[i].name, &rate));
}

int answer_again(struct policy *p, json_t *msg)
{
	if (strcmp(text_of(msg, "m"), "list") == 0)
		return answer_edit_list(p, msg);
	answer_set_limits(p, msg);
	return 0;
}

/* A message a limit: each may be some kilobytes. */
void answer_observed(struct policy *p, json_t *msg, struct line *to)
{
	json_int_t seq = number_of(msg, "seq");
	const struct limit_info *all;
	struct sketch_counts ended, running;
	size_t n = p ? policy_limits(p, &all) : 0;

	for (size_t i = 0; i < n; i++) {
		policy_limit_observed(p, i, &ended, &running);
		if (ended.peers + running.peers == 0)
			continue;
		line_send(to,
			json_pack("{s:s, s:I, s:[{s:s, s:s, s:o, s:o}], s:b}", "m", "observed",
				"seq", seq, "rows", "name", all[i].name, "key", all[i].key, "ended",
				sketch_json(&ended), "running", sketch_json(&running), "more", 1));
	}
	line_send(to,
		json_pack("{s:s, s:I, s:[], s:b}", "m", "observed", "seq", seq, "rows", "more", 0));
}

/* ---- hits ---- */

struct hits {
	struct line *to;
	json_int_t seq;
	json_t *rows; /* of the message being filled; NULL when out of memory */
};

static void hits_send(struct hits *h, bool more)
{
	line_send(h->to, json_pack("{s:s, s:I, s:o, s:b}", "m", "hits", "seq", h->seq, "rows",
				 h->rows ? h->rows : json_array(), "more", more));
	h->rows = json_array();
}

static bool hits_visit(void *arg, const char *text, uint64_t hits)
{
	struct hits *h = arg;

	if (json_array_size(h->rows) == HITS_A_MESSAGE)
		hits_send(h, true);
	json_array_append_new(
		h->rows, json_pack("{s:s, s:I}", "entry", text, "hits", (json_int_t)hits));
	return h->rows != NULL;
}

bool answer_hits(struct policy *p, json_t *msg, struct line *to)
{
	struct hits h = { to, number_of(msg, "seq"), json_array() };
	json_int_t max = number_of(msg, "max");
	int r = 0;

	if (max < 1 || max > HITS_MAX) {
		json_decref(h.rows);
		return false;
	}
	if (p)
		r = policy_list_hits(p, text_of(msg, "set"), (size_t)max, hits_visit, &h);
	if (r < 0 && r != ERR_NOTFOUND)
		log_warn("hits error=%s", err_text(r));
	hits_send(&h, false);
	json_decref(h.rows);
	return true;
}
