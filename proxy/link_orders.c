/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operator asks of a running proxy: list edits, sessions to end, who is connected. Called
 * by link.c for its messages. In: JSON, borrowed. Out: edits of the policy in force (judged against
 * by all threads once the answer is out), orders to the workers, rows gathered from all of them and
 * sent in parts. Large list edits are folded in later, here, where nobody waits for it. It never
 * touches a session. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"
#include "rules/sketch.h"

enum { SETTLE_MS = 1000, ROWS_A_MESSAGE = 200 };

/* Session rows being gathered. */
struct gather {
	struct gather *next;
	json_int_t seq;
	unsigned missing; /* workers that have not answered */
	json_t *rows;
};

/* ---- lists ---- */

/* Borrowed spans into the message; malloc'd. */
static struct span *link_entries(json_t *array, size_t *n)
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

/* Compiling a large base takes seconds: beside the line, which has kills and answers to carry. */
static void settle_work(uv_work_t *work)
{
	int r = policy_list_settle(work->data);

	if (r < 0)
		log_warn("lists not settled error=%s", err_text(r));
}

static void settle_done(uv_work_t *work, int status)
{
	struct link *l = (struct link *)((char *)work - offsetof(struct link, settling));

	(void)status;
	policy_unref(work->data);
	l->settles = false;
}

static void link_on_settle(uv_timer_t *timer)
{
	struct link *l = timer->data;

	if (!l->gear || l->stopping)
		return;
	if (l->settles) { /* with edits that came too late for it */
		uv_timer_start(timer, link_on_settle, SETTLE_MS, 0);
		return;
	}
	l->settling.data = policy_ref(l->gear->policy);
	l->settles = uv_queue_work(&l->loop, &l->settling, settle_work, settle_done) == 0;
	if (!l->settles)
		policy_unref(l->settling.data);
}

int link_edit_list(struct gear *gear, json_t *msg)
{
	size_t n_add, n_del;
	cleanup_free struct span *add = link_entries(json_object_get(msg, "add"), &n_add);
	cleanup_free struct span *del = link_entries(json_object_get(msg, "del"), &n_del);

	if (!add || !del)
		return -ENOMEM;
	return policy_list_edit(gear->policy, text_of(msg, "set"), add, n_add, del, n_del);
}

void link_on_list(struct link *l, json_t *msg)
{
	json_t *answer;
	int r;

	if (!l->gear) {
		link_nonsense(l, "list");
		return;
	}
	link_remember(l, msg);
	r = link_edit_list(l->gear, msg);
	answer = json_pack(
		"{s:s, s:I, s:b}", "m", "list", "seq", number_of(msg, "seq"), "ok", r >= 0);
	if (answer && r < 0)
		json_object_set_new(answer, "error", json_string(err_text(r)));
	link_send(l, answer);
	/* Running on: edits that never cease must not put it off for ever. */
	if (!l->stopping && !uv_is_active((uv_handle_t *)&l->settle))
		uv_timer_start(&l->settle, link_on_settle, SETTLE_MS, 0);
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
		*rate = (struct limit_rate){ (uint64_t)period, (uint64_t)tolerance };
		return rate;
	}
	return NULL;
}

/* What is not named is as the policy says. */
int link_set_limits(struct gear *gear, json_t *msg)
{
	json_t *set = json_object_get(msg, "set");
	const struct limit_info *all;
	struct limit_rate rate;
	size_t n = policy_limits(gear->policy, &all);

	for (size_t i = 0; i < n; i++)
		policy_limit_set(gear->policy, all[i].name, limit_of(set, all[i].name, &rate));
	return 0;
}

void link_on_limits(struct link *l, json_t *msg)
{
	if (!l->gear || !json_is_array(json_object_get(msg, "set"))) {
		link_nonsense(l, "limits");
		return;
	}
	link_remember(l, msg);
	link_set_limits(l->gear, msg);
	link_send(l,
		json_pack("{s:s, s:I, s:b}", "m", "limits", "seq", number_of(msg, "seq"), "ok", 1));
}

/* A message a limit: each may be some kilobytes. */
void link_on_observed(struct link *l, json_t *msg)
{
	json_int_t seq = number_of(msg, "seq");
	const struct limit_info *all;
	struct sketch_counts ended, running;
	size_t n = l->gear ? policy_limits(l->gear->policy, &all) : 0;

	for (size_t i = 0; i < n; i++) {
		policy_limit_observed(l->gear->policy, i, &ended, &running);
		if (ended.peers + running.peers == 0)
			continue;
		link_send(l,
			json_pack("{s:s, s:I, s:[{s:s, s:s, s:o, s:o}], s:b}", "m", "observed",
				"seq", seq, "rows", "name", all[i].name, "key", all[i].key, "ended",
				sketch_json(&ended), "running", sketch_json(&running), "more", 1));
	}
	link_send(l,
		json_pack("{s:s, s:I, s:[], s:b}", "m", "observed", "seq", seq, "rows", "more", 0));
}

/* ---- kill, sessions ---- */

void link_on_kill(struct link *l, json_t *msg)
{
	const char *jid = text_of(msg, "jid"), *address = text_of(msg, "address");
	struct peer_address net = { { 0 } };
	unsigned len = 0;

	if (!*jid && address_parse_prefix(span_of(address), &net, &len) < 0) {
		if (address_parse(span_of(address), &net) < 0) {
			link_nonsense(l, "kill");
			return;
		}
		len = 128;
	}
	log_info("kill jid=%s address=%s reason=%s", log_quote(span_of(jid)),
		log_quote(span_of(address)), log_quote(span_of(text_of(msg, "reason"))));
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_kill(l->workers[i], &net, len, *jid ? jid : NULL);
}

static void gather_send(struct link *l, struct gather *g)
{
	size_t n = json_array_size(g->rows), at = 0;

	do {
		json_t *part = json_array();

		for (size_t end = at + ROWS_A_MESSAGE; at < n && at < end; at++)
			json_array_append(part, json_array_get(g->rows, at));
		link_send(l, json_pack("{s:s, s:I, s:o, s:b}", "m", "sessions", "seq", g->seq,
				     "rows", part, "more", at < n));
	} while (at < n);
}

/* Answers those that are complete. */
static void link_finish_gathers(struct link *l)
{
	struct gather **at = &l->gathers;

	while (*at) {
		struct gather *g = *at;

		if (g->missing > 0) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		gather_send(l, g);
		json_decref(g->rows);
		free(g);
	}
}

void link_on_sessions(struct link *l, json_t *msg)
{
	struct gather *g = calloc(1, sizeof(*g));

	if (!g || !(g->rows = json_array())) {
		free(g);
		link_stop(l, EXIT_FAILURE);
		return;
	}
	g->seq = number_of(msg, "seq");
	g->next = l->gathers;
	l->gathers = g;
	for (unsigned i = 0; i < l->n_workers; i++) {
		if (worker_list_sessions(l->workers[i], g->seq) == 0)
			g->missing++;
	}
	link_finish_gathers(l);
}

void link_take_rows(struct link *l, json_int_t seq, json_t *rows)
{
	for (struct gather *g = l->gathers; g; g = g->next) {
		if (g->seq == seq && g->missing > 0) {
			if (rows)
				json_array_extend(g->rows, rows);
			g->missing--;
			break;
		}
	}
	link_finish_gathers(l);
}

void link_free_gathers(struct link *l)
{
	struct gather *g;

	while ((g = l->gathers)) {
		l->gathers = g->next;
		json_decref(g->rows);
		free(g);
	}
}
