/* SPDX-License-Identifier: BSD-2-Clause */
/* What the daemon asks about the rules at work: whom to follow. Called
 * by link.c for its messages, on the main thread. In: JSON, borrowed. Out: orders to
 * the workers. It changes nothing that is judged by. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/log.h"
#include "proxy/link_int.h"

/* ---- traces ---- */

void link_on_trace(struct link *l, json_t *msg)
{
	struct follow *f = calloc(1, sizeof(*f));

	if (f && !follow_take(f, msg))
		line_nonsense(&l->line, "trace");
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
