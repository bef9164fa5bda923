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

enum { ROWS_A_MESSAGE = 200 };

/* Session rows being gathered. */
struct gather {
	struct gather *next;
	json_int_t seq;
	unsigned missing; /* workers that have not answered */
	json_t *rows;
};

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
