/* SPDX-License-Identifier: BSD-2-Clause */
/* Listeners and children on their way from one program of the daemon to the next (ctl/handover.h).
 * Out: what the next one needs, when nothing is under way. In: the same, checked by ctl/handover.c.
 * The children notice nothing: the line to them stays open, and what they say meanwhile waits in
 * it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "ctl/config.h"
#include "ctl/handover.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"

static json_t *listener_json(const struct listener *l)
{
	return json_pack("{s:s,s:s,s:i,s:i,s:b,s:i,s:i}", "service", l->service, "address",
		l->address, "port", (int)l->port, "bound", (int)l->bound, "transparent",
		l->transparent, "thread", (int)l->thread, "fd", l->fd);
}

static json_t *child_json(const struct child *c)
{
	struct worker_hold hold;
	const char *unread;
	size_t len;

	if (!worker_hold(c->worker, &hold, &unread, &len))
		return NULL;
	return json_pack("{s:I,s:i,s:o,s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:i,s:b}", "pid",
		(json_int_t)hold.pid, "fd", hold.fd, "unread", handover_hex(unread, len), "sandbox",
		hold.sandbox, "version", c->version, "retired", hold.retired, "since_ms",
		(json_int_t)hold.since_ms, "until_ms", (json_int_t)hold.until_ms, "restarts",
		(json_int_t)hold.restarts, "sessions", c->sessions, "slot", (int)child_slot(c),
		"inspects", c->role == CHILD_INSPECTING);
}

bool workers_hold(const struct workers *w, json_t *state)
{
	json_t *listeners = json_array(), *children = json_array(), *child;
	bool quiet = w->calls == NULL && w->upgraded == NULL;

	for (const struct child *c = w->children; quiet && c; c = c->next) {
		if ((c == w->serving || c == w->inspecting) &&
			worker_state(c->worker) == WORKER_DOWN)
			continue; /* it is started anew there */
		if ((child = child_json(c)) == NULL ||
			json_array_insert_new(children, 0, child) < 0)
			quiet = false;
	}
	for (size_t i = 0; i < w->listeners.n; i++)
		json_array_append_new(listeners, listener_json(&w->listeners.all[i]));
	json_object_set_new(state, "listeners", listeners);
	json_object_set_new(state, "children", children);
	json_object_set_new(state, "seq", json_integer(w->seq));
	json_object_set_new(state, "born", json_integer((json_int_t)w->born));
	return quiet;
}

int workers_held_listeners(const json_t *state, struct listeners *out)
{
	json_t *all = json_object_get(state, "listeners"), *one;
	size_t i;

	*out = (struct listeners){ calloc(json_array_size(all) + 1, sizeof *out->all), 0 };
	if (!out->all)
		return -ENOMEM;
	json_array_foreach(all, i, one)
	{
		const char *service, *address;
		int port, bound, transparent, thread, fd;

		if (json_unpack(one, "{s:s,s:s,s:i,s:i,s:b,s:i,s:i}", "service", &service,
			    "address", &address, "port", &port, "bound", &bound, "transparent",
			    &transparent, "thread", &thread, "fd", &fd) < 0)
			return ERR_PROTO;
		out->all[out->n] = (struct listener){ strdup(service), strdup(address),
			(uint16_t)port, (uint16_t)bound, transparent != 0, (unsigned)thread, fd };
		if (!out->all[out->n].service || !out->all[out->n].address)
			return -ENOMEM;
		out->n++;
	}
	return 0;
}

static int child_adopt(struct workers *w, json_t *row)
{
	bool retired = json_is_true(json_object_get(row, "retired"));
	bool inspects = json_is_true(json_object_get(row, "inspects"));
	struct child *c = inspects  ? child_new(w, CHILD_INSPECTING)
			  : retired ? child_new(w, CHILD_RETIRING)
				    : w->serving;
	json_int_t pid, since, until, restarts;
	const char *sandbox, *version;
	struct worker_hold hold;
	struct buf unread;
	int fd, slot, r;

	if (!c)
		return -ENOMEM;
	if (inspects && w->inspecting)
		return ERR_PROTO;
	if (inspects)
		w->inspecting = c;
	if (worker_state(c->worker) != WORKER_DOWN ||
		json_unpack(row, "{s:I,s:i,s:s,s:s,s:I,s:I,s:I,s:I,s:i}", "pid", &pid, "fd", &fd,
			"sandbox", &sandbox, "version", &version, "since_ms", &since, "until_ms",
			&until, "restarts", &restarts, "sessions", &c->sessions, "slot",
			&slot) < 0 ||
		!child_set_slot(c, (unsigned)slot))
		return ERR_PROTO;
	snprintf(c->version, sizeof c->version, "%s", version);
	hold = (struct worker_hold){ (pid_t)pid, fd, sandbox, retired, (uint64_t)since,
		(uint64_t)until, (unsigned)restarts };
	buf_init(&unread, HANDOVER_MAX);
	r = handover_unhex(json_object_get(row, "unread"), &unread);
	if (r == 0)
		r = worker_adopt(c->worker, &hold, buf_ptr(&unread), buf_len(&unread));
	buf_fini(&unread);
	return r;
}

int workers_adopt(struct workers *w, const json_t *state, struct listeners *listeners)
{
	json_t *row;
	size_t i;
	int r;

	w->seq = json_integer_value(json_object_get(state, "seq"));
	w->born = (unsigned)json_integer_value(json_object_get(state, "born"));
	w->started = listeners->n > 0;
	(void)child_set_slot(w->serving, CHILDREN_MAX); /* out of the way of those that have one */
	json_array_foreach(json_object_get(state, "children"), i, row)
	{
		w->started = w->started || !json_is_true(json_object_get(row, "inspects"));
		if ((r = child_adopt(w, row)) < 0)
			return r;
	}
	for (unsigned slot = 0; child_slot(w->serving) == CHILDREN_MAX; slot++)
		(void)child_set_slot(w->serving, slot); /* it was down */
	w->listeners = *listeners;
	*listeners = (struct listeners){ 0 };
	inspecting_note_queues(w, w->spec.config(w->spec.arg)->policy);
	return 0;
}

void workers_go_on(struct workers *w)
{
	workers_reap(w); /* who died while nobody looked */
	if (w->started && worker_state(w->serving->worker) == WORKER_DOWN)
		worker_start(w->serving->worker);
	if (w->inspecting && worker_state(w->inspecting->worker) == WORKER_DOWN)
		worker_start(w->inspecting->worker);
	workers_inspect(w);
}
