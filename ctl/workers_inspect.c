/* SPDX-License-Identifier: BSD-2-Clause */
/* The child that inspects, beside children.c: there is one as long as the policy in force has a
 * service of mode inspect, whether another one serves or not. In: policies, its end, an upgrade.
 * Out: it is started, or ended and begun anew where it needs other queues or another program. In
 * between nobody reads its queues, and the kernel does with their packets what the service says
 * ("fail"); streams that stand are taken up by "midstream". What is said to it is workers.c's. */
#include "base/err.h"
#include "ctl/config.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"
#include "rules/rules.h"

enum { INSPECT_GRACE_MS = 3000 };

static bool policy_inspects(const struct policy *p)
{
	const struct service *all;
	size_t n;

	all = policy_services(p, &n);
	for (size_t i = 0; i < n; i++)
		if (all[i].mode == MODE_INSPECT)
			return true;
	return false;
}

/* It is not waited for by anybody; once it is down, the next may come. */
static void inspecting_leave(struct workers *w)
{
	struct child *c = w->inspecting;

	w->inspecting = NULL;
	c->role = CHILD_LEAVING;
	worker_stop(c->worker, INSPECT_GRACE_MS);
}

/* Two of them would ask for the same queues. */
static bool one_leaves(const struct workers *w)
{
	for (const struct child *c = w->children; c; c = c->next)
		if (c->role == CHILD_LEAVING)
			return true;
	return false;
}

void inspecting_note_queues(struct workers *w, const struct policy *p)
{
	const struct inspect_options *o = &policy_daemon(p)->inspect;

	w->queue = o->queue;
	w->queues = service_queues(o, uv_available_parallelism());
}

bool workers_inspects(const struct workers *w)
{
	return w->inspecting && child_ready(w->inspecting);
}

void workers_capture(struct workers *w, json_t *msg)
{
	if (workers_inspects(w))
		worker_send(w->inspecting->worker, msg, -1);
}

void workers_inspect(struct workers *w)
{
	const struct policy *p = w->spec.config(w->spec.arg)->policy;
	unsigned queue = w->queue, queues = w->queues;
	bool wanted = policy_inspects(p);

	if (w->stopping)
		return;
	inspecting_note_queues(w, p);
	if (w->inspecting && (!wanted || queue != w->queue || queues != w->queues))
		inspecting_leave(w);
	if (!wanted || w->inspecting || one_leaves(w) ||
		!(w->inspecting = child_new(w, CHILD_INSPECTING)))
		return;
	worker_start(w->inspecting->worker);
}

void workers_inspect_anew(struct workers *w)
{
	if (w->inspecting)
		inspecting_leave(w);
	workers_inspect(w);
}

void inspecting_attention(const struct workers *w, json_t *lines)
{
	const char *trouble;

	if (!w->inspecting || worker_state(w->inspecting->worker) != WORKER_DOWN)
		return;
	trouble = worker_trouble(w->inspecting->worker);
	json_array_append_new(lines,
		json_sprintf("%s is not running, what it would inspect waits or, with 'fail open', "
			     "passes unjudged: %s",
			worker_name(w->inspecting->worker),
			*trouble ? trouble : "it will be started in a moment"));
}

int workers_hear_known(struct child *c, json_t *msg)
{
	return c->workers->spec.on_known(c->workers->spec.arg, msg);
}

int workers_hear_domains(struct child *c, json_t *msg)
{
	return c->workers->spec.on_domains(c->workers->spec.arg, msg);
}

int workers_hear_serverless(struct child *c, json_t *msg)
{
	if (c->role != CHILD_INSPECTING && c->role != CHILD_LEAVING)
		return ERR_PROTO;
	return c->workers->spec.on_serverless(c->workers->spec.arg, msg);
}
