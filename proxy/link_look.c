/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon asks about the rules at work: how often entries matched, whom to follow. Called
 * by link.c for its messages, on the main thread. In: JSON, borrowed. Out: rows in parts, orders to
 * the workers. It changes nothing that is judged by. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"
#include "rules/list_hits.h"

enum { HITS_A_MESSAGE = 100, HITS_MAX = 10000 };

/* ---- traces ---- */

static bool follow_take(struct follow *f, json_t *msg)
{
	const char *address = text_of(msg, "address"), *jid = text_of(msg, "jid");
	json_int_t ms = number_of(msg, "ms");

	f->id = number_of(msg, "trace");
	f->session = number_of(msg, "session");
	f->bodies = json_is_true(json_object_get(msg, "bodies"));
	f->by_address = *address != '\0';
	if (ms < 1 || ms > FOLLOW_MS_MAX || strlen(jid) > FOLLOW_JID_MAX)
		return false;
	f->ms = (uint64_t)ms;
	strcpy(f->jid, jid);
	if (!f->by_address)
		return *jid || f->session > 0;
	if (address_parse_prefix(span_of(address), &f->address, &f->prefix_len) == 0)
		return true;
	f->prefix_len = 128;
	return address_parse(span_of(address), &f->address) == 0;
}

void link_on_trace(struct link *l, json_t *msg)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f && !follow_take(f, msg))
		link_nonsense(l, "trace");
	else
		for (unsigned i = 0; f && i < l->n_workers; i++)
			if (worker_follow(l->workers[i], f) < 0)
				log_warn("trace error=%s", err_text(-ENOMEM));
	free(f);
}

void link_on_untrace(struct link *l, json_t *msg)
{
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_unfollow(l->workers[i], number_of(msg, "trace"));
}

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
