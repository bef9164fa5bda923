/* SPDX-License-Identifier: BSD-2-Clause */
/* What the operator asks of a running proxy: sessions to end, who is connected. Called by link.c
 * for its messages. In: JSON, borrowed. Out: orders to the workers, rows gathered from all of them.
 * It never touches a session. */
#include <stdlib.h>
#include "door/crowd.h"
#include "proxy/link_int.h"

void link_on_kill(struct link *l, json_t *msg)
{
	struct named_peer who;

	if (!gather_named(msg, &who)) {
		line_nonsense(&l->line, "kill");
		return;
	}
	for (unsigned i = 0; i < l->n_workers; i++)
		worker_kill(l->workers[i], &who);
}

void link_on_sessions(struct link *l, json_t *msg)
{
	json_t *top = json_object_get(msg, "top");
	struct crowd *crowd = top ? crowd_new(top) : NULL;
	json_int_t seq = number_of(msg, "seq");
	unsigned asked = 0;

	for (unsigned i = 0; i < l->n_workers; i++)
		asked += worker_list_sessions(l->workers[i], seq, crowd) == 0;
	if (gather_begin(&l->gathers, seq, asked, crowd) < 0)
		line_fail(&l->line);
	else
		gather_finish(&l->gathers, &l->line);
}

void link_take_rows(struct link *l, json_int_t seq, json_t *rows)
{
	gather_take(&l->gathers, seq, rows);
	gather_finish(&l->gathers, &l->line);
}
