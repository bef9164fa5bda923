/* SPDX-License-Identifier: BSD-2-Clause */
/* Leaves in the daemon's talk with its children. In: what a worker wants minted, and the answers of
 * ctl/mint.c. Out: the former to the daemon with the name of the child's life, the latter to that
 * very life of that child and to no later one, whose numbers begin anew. A child that never asked,
 * an older program perhaps, hears nothing of it. */
#include <stddef.h>

#include "base/err.h"
#include "ctl/worker.h"
#include "ctl/workers_int.h"

int workers_hear_mint(struct child *c, json_t *msg)
{
	struct workers *w = c->workers;

	if (c->role == CHILD_INSPECTING || c->role == CHILD_LEAVING)
		return ERR_PROTO;
	if (!c->life)
		c->life = ++w->lives;
	return w->spec.on_mint(w->spec.arg, c->life, msg);
}

bool workers_lives(const struct workers *w, json_int_t life)
{
	for (const struct child *c = w->children; c; c = c->next)
		if (c->life == life)
			return child_up(c);
	return false;
}

void workers_minted(struct workers *w, json_int_t life, json_t *msg)
{
	for (struct child *c = w->children; c; c = c->next)
		if (c->life == life && child_up(c)) {
			child_say(c, msg, -1);
			return;
		}
	json_decref(msg);
}

void workers_authority(struct workers *w)
{
	for (struct child *c = w->children; c; c = c->next)
		if (c->life && child_up(c))
			child_say(c, json_pack("{s:s}", "m", "authority"), -1);
}
