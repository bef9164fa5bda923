/* SPDX-License-Identifier: BSD-2-Clause */
/* What the children say of the servers behind "upstream backend", and the addresses they are told:
 * part of the daemon's side of ctl/link.h, beside workers.c. In: messages of the child that serves,
 * each checked for its shape. Out: rows for who asks, a line of attention for each server that is
 * down. It keeps no more lines than there may be servers. */
#include "base/err.h"
#include "base/log.h"
#include "ctl/resolver.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"

enum { LINES_MAX = 100 };

int workers_hear_down(struct child *c, json_t *msg)
{
	json_t *rows = json_object_get(msg, "rows"), *row, *lines = json_array();
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *backend = json_string_value(json_object_get(row, "backend"));
		const char *server = json_string_value(json_object_get(row, "server"));
		const char *why = json_string_value(json_object_get(row, "why"));

		if (i < LINES_MAX && backend && server && why)
			json_array_append_new(
				lines, json_sprintf("backend %.100s: server %.300s is down: %.200s",
					       backend, server, why));
	}
	if (c->role != CHILD_SERVING && c->role != CHILD_COMING) {
		json_decref(lines);
		return 0;
	}
	json_decref(c->workers->down);
	c->workers->down = lines;
	return 0;
}

void workers_backends_attention(const struct workers *w, json_t *lines)
{
	if (w->down && child_ready(w->serving))
		json_array_extend(lines, w->down);
}

int workers_hear_backends(struct child *c, json_t *msg)
{
	return workers_hear_rows(c, CALL_BACKENDS, msg);
}

/* Of the one that serves: others check nothing. */
void workers_backends(struct workers *w, void (*done)(void *arg, json_t *rows), void *arg)
{
	workers_ask_serving(w, CALL_BACKENDS, "backends", done, arg);
}

/* ---- names ---- */

static void on_resolved(void *arg, json_t *msg)
{
	struct workers *w = arg;

	for (struct child *c = w->children; c; c = c->next)
		if (child_up(c))
			worker_send(c->worker, msg, -1);
}

void workers_names(struct workers *w, const struct policy *p)
{
	int r;

	if (!p) {
		resolver_close(w->resolver);
		w->resolver = NULL;
		return;
	}
	if (!w->resolver && (r = resolver_new(w->loop, on_resolved, w, &w->resolver)) < 0) {
		log_error("names of servers are not looked up error=\"%s\"", err_text(r));
		return;
	}
	resolver_use(w->resolver, p);
}

void child_say_addresses(struct child *c)
{
	json_t *all = resolver_known(c->workers->resolver), *msg;
	size_t i;

	json_array_foreach(all, i, msg) worker_send(c->worker, msg, -1);
	json_decref(all);
}
