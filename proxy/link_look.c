/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon asks about the rules at work: how often entries matched. Called by link.c for its
 * messages, on the main thread. In: JSON, borrowed. Out: rows in parts. It changes nothing that is
 * judged by. */
#include <errno.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"
#include "rules/list_hits.h"

enum { HITS_A_MESSAGE = 100, HITS_MAX = 10000 };

/* ---- hits ---- */

struct hits {
	struct link *link;
	json_int_t seq;
	json_t *rows; /* of the message being filled; NULL when out of memory */
};

static void hits_send(struct hits *h, bool more)
{
	link_send(h->link, json_pack("{s:s, s:I, s:o, s:b}", "m", "hits", "seq", h->seq, "rows",
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

void link_on_hits(struct link *l, json_t *msg)
{
	struct hits h = { l, number_of(msg, "seq"), json_array() };
	json_int_t max = number_of(msg, "max");
	int r = 0;

	if (max < 1 || max > HITS_MAX) {
		json_decref(h.rows);
		link_nonsense(l, "hits");
		return;
	}
	if (l->gear)
		r = policy_list_hits(
			l->gear->policy, text_of(msg, "set"), (size_t)max, hits_visit, &h);
	if (r < 0 && r != ERR_NOTFOUND)
		log_warn("hits error=%s", err_text(r));
	hits_send(&h, false);
	json_decref(h.rows);
}
