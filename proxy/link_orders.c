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

enum { SETTLE_MS = 1000, ROWS_A_MESSAGE = 200 };

/* Session rows being gathered. */
struct gather {
	struct gather *next;
	json_int_t seq;
	unsigned missing; /* workers that have not answered */
	json_t *rows;
};

/* ---- lists ---- */

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

void link_on_list(struct link *l, json_t *msg)
{
	json_t *answer;
	int r;

	if (!l->gear) {
		link_nonsense(l, "list");
		return;
	}
	link_remember(l, msg);
	r = answer_edit_list(l->gear->policy, msg);
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

void link_on_limits(struct link *l, json_t *msg)
{
	if (!l->gear || !json_is_array(json_object_get(msg, "set"))) {
		link_nonsense(l, "limits");
		return;
	}
	link_remember(l, msg);
	answer_set_limits(l->gear->policy, msg);
	link_send(l,
		json_pack("{s:s, s:I, s:b}", "m", "limits", "seq", number_of(msg, "seq"), "ok", 1));
}

void link_on_observed(struct link *l, json_t *msg)
{
	struct answer_to to = { l, link_answer };

	answer_observed(l->gear ? l->gear->policy : NULL, msg, &to);
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
