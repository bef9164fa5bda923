/* SPDX-License-Identifier: BSD-2-Clause */
/* Which children there are: one serves, one may be coming to take its place, some retire with the
 * sessions they have. In: orders to change the one that serves, the children's words on themselves,
 * their ends. Out: one that is ready is made the one that serves, and the one before retires; who
 * waits is told. Whatever goes wrong with one that comes leaves the one that serves where it is.
 * The number of those that retire is bounded: the oldest gives way. What is said to them is
 * ctl/workers.c's, the life of one ctl/worker.c's. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"

enum { RETIRING_MAX = 4, LEAVE_GRACE_MS = 8000 };

struct child *child_new(struct workers *w, enum child_role role)
{
	struct child *c = calloc(1, sizeof *c);

	for (unsigned i = 0; c && i < CHILDREN_MAX && !c->bit; i++)
		if (!(w->bits & 1u << i))
			c->bit = 1u << i;
	if (c && c->bit) {
		c->workers = w;
		c->role = role;
		c->worker = worker_new(w->loop,
			&(struct worker_spec){
				role == CHILD_INSPECTING ? "xmppwall-nfq" : "xmppwall-proxy",
				w->spec.libexec_dir, w->spec.metrics_fd, workers_child_up,
				workers_child_message, workers_child_down, c });
	}
	if (!c || !c->worker) {
		free(c);
		return NULL;
	}
	w->bits |= c->bit;
	c->next = w->children;
	w->children = c;
	return c;
}

unsigned child_slot(const struct child *c)
{
	return (unsigned)__builtin_ctz(c->bit);
}

bool child_set_slot(struct child *c, unsigned slot)
{
	struct workers *w = c->workers;

	if (slot > CHILDREN_MAX || (w->bits & ~c->bit & 1u << slot))
		return false;
	w->bits = (w->bits & ~c->bit) | 1u << slot;
	c->bit = 1u << slot;
	return true;
}

void child_free(struct child *c)
{
	struct workers *w = c->workers;
	struct child **at = &w->children;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	w->bits &= ~c->bit;
	if (w->serving == c)
		w->serving = NULL;
	if (w->inspecting == c)
		w->inspecting = NULL;
	worker_free(c->worker);
	free(c);
}

bool child_up(const struct child *c)
{
	return worker_state(c->worker) == WORKER_STARTING || child_ready(c);
}

bool child_ready(const struct child *c)
{
	return worker_state(c->worker) == WORKER_READY;
}

/* ---- another one serves ---- */

static void upgrade_end(struct workers *w, int code, const char *text)
{
	workers_done done = w->upgraded;

	w->upgraded = NULL;
	if (done)
		done(w->upgraded_arg, code, text);
}

/* Room for one more: the one that has been at it longest. */
static void retiring_bound(struct workers *w)
{
	struct child *oldest = NULL;
	unsigned n = 0;

	for (struct child *c = w->children; c; c = c->next)
		if (c->role == CHILD_RETIRING && child_ready(c)) {
			n++;
			if (!oldest || worker_since(c->worker) < worker_since(oldest->worker))
				oldest = c;
		}
	if (n <= RETIRING_MAX)
		return;
	log_warn("event=retire-early sessions=%lld note=\"more than %d children retire: the oldest "
		 "has to end\"",
		(long long)oldest->sessions, RETIRING_MAX);
	worker_retire(oldest->worker, 0);
}

/* The child that has come serves; the one that served lives on with its sessions. */
static void child_promote(struct child *c)
{
	struct workers *w = c->workers;
	struct child *old = w->serving;

	w->serving = c;
	c->role = CHILD_SERVING;
	worker_keep(c->worker);
	w->spec.on_settle(w->spec.arg);
	old->role = CHILD_RETIRING;
	log_info("event=retire sessions=%lld drain_ms=%llu", (long long)old->sessions,
		(unsigned long long)w->drain_ms);
	if (child_ready(old))
		worker_retire(old->worker, w->drain_ms);
	else
		worker_stop(old->worker, LEAVE_GRACE_MS); /* nobody is there */
	retiring_bound(w);
	workers_inspect_anew(w);
	upgrade_end(w, 0, "");
}

void workers_upgrade(struct workers *w, uint64_t drain_ms, workers_done done, void *arg)
{
	struct child *c;

	if (!w->started && !w->stopping)
		workers_inspect_anew(w);
	if (!w->started || w->stopping || w->upgraded) {
		done(arg, w->started ? ERR_REFUSED : 0,
			w->started ? "another upgrade is under way" : "");
		return;
	}
	if (!(c = child_new(w, CHILD_COMING))) {
		done(arg, -ENOMEM, "too many children live");
		return;
	}
	w->drain_ms = drain_ms;
	w->upgraded = done;
	w->upgraded_arg = arg;
	worker_start_once(c->worker);
}

unsigned workers_retiring(const struct workers *w)
{
	unsigned n = 0;

	for (const struct child *c = w->children; c; c = c->next)
		n += c->role == CHILD_RETIRING;
	return n;
}

/* ---- what a child says of itself ---- */

int child_hear_ready(struct child *c, json_t *msg)
{
	const char *sandbox = json_string_value(json_object_get(msg, "sandbox"));
	const char *version = json_string_value(json_object_get(msg, "version"));

	worker_set_ready(c->worker, sandbox ? sandbox : "");
	snprintf(c->version, sizeof c->version, "%s", version ? version : "");
	for (char *at = c->version; *at; at++) /* a child's word ends on a terminal */
		if (*at <= ' ' || *at > '~')
			*at = '?';
	if (c->role == CHILD_COMING && child_ready(c))
		child_promote(c);
	if (workers_ready(c->workers))
		c->workers->spec.on_change(c->workers->spec.arg);
	return 0;
}

int child_hear_count(struct child *c, json_t *msg)
{
	json_t *sessions = json_object_get(msg, "sessions");

	if (!json_is_integer(sessions) || json_integer_value(sessions) < 0)
		return ERR_PROTO;
	c->sessions = json_integer_value(sessions);
	return 0;
}

/* Only one that was told to. */
int child_hear_retired(struct child *c, json_t *msg)
{
	(void)msg;
	if (c->role != CHILD_RETIRING)
		return ERR_PROTO;
	log_info("event=retired sessions=%lld", (long long)c->sessions);
	worker_expect_end(c->worker, LEAVE_GRACE_MS);
	return 0;
}

bool child_down(struct child *c)
{
	struct workers *w = c->workers;
	char why[200];

	if (c->role == CHILD_SERVING || c->role == CHILD_INSPECTING)
		return false;
	snprintf(why, sizeof why, "%s", worker_trouble(c->worker));
	if (c->role == CHILD_COMING)
		upgrade_end(w, ERR_REFUSED, *why ? why : "it ended before it was ready");
	if (c->role == CHILD_LEAVING) {
		child_free(c);
		workers_inspect(w);
		return true;
	}
	child_free(c);
	return true;
}

/* ---- looking ---- */

json_t *workers_status(const struct workers *w)
{
	json_t *all = json_array(), *row;

	for (const struct child *c = w->children; c; c = c->next) {
		if ((c == w->serving && !w->started) || !(row = worker_status(c->worker)))
			continue;
		json_object_set_new(row, "version", json_string(c->version));
		json_object_set_new(row, "sessions", json_integer(c->sessions));
		if (c == w->serving)
			json_array_insert_new(all, 0, row);
		else
			json_array_append_new(all, row);
	}
	return all;
}

void workers_attention(const struct workers *w, json_t *lines)
{
	const char *trouble = worker_trouble(w->serving->worker);

	if (w->stopping)
		return;
	inspecting_attention(w, lines);
	if (w->started && worker_state(w->serving->worker) == WORKER_DOWN)
		json_array_append_new(
			lines, json_sprintf("%s is not running, nobody gets through: %s",
				       worker_name(w->serving->worker),
				       *trouble ? trouble : "it will be started in a moment"));
	workers_backends_attention(w, lines);
	for (const struct child *c = w->children; c; c = c->next)
		if (c->refused)
			json_array_append_new(lines,
				json_sprintf(
					c->role != CHILD_RETIRING
						? "%s refused a policy: %s"
						: "a retiring %s keeps the policy before for its "
						  "sessions, it refused the new one: %s",
					worker_name(c->worker), c->refusal));
}
