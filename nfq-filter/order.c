/* SPDX-License-Identifier: BSD-2-Clause */
/* Between packet.c and flow.c where a file is read: who captures on several queues or cards writes
 * down an answer before its question now and then, and a login's success in front of the login says
 * nothing. In: packets as they stand in the file. Out: the same ones; a packet that acknowledges
 * what was not seen of the other side waits for it, and so does data of a connection that was not
 * opened yet. What is waited for may never come: a tenth of a second, or 256 packets, are enough.
 */
#include "nfq-filter/order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct early {
	struct early *next;
	struct packet packet;
	void *user;
	unsigned char bytes[];
};

struct order {
	const struct flow_table *flows;
	void (*take)(void *arg, const struct packet *p, void *user);
	void *arg;
	struct early *first, **end;
	unsigned n;
};

struct order *order_new(const struct flow_table *flows,
	void (*take)(void *arg, const struct packet *p, void *user), void *arg)
{
	struct order *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->flows = flows;
	o->take = take;
	o->arg = arg;
	o->end = &o->first;
	return o;
}

void order_free(struct order *o)
{
	struct early *next;

	for (struct early *e = o ? o->first : NULL; e; e = next) {
		next = e->next;
		free(e);
	}
	free(o);
}

static int wait_for_others(struct order *o, const struct packet *p, void *user)
{
	struct early *e = malloc(sizeof(*e) + p->tcp_header + p->len);

	if (!e)
		return -ENOMEM;
	*e = (struct early){ .packet = *p, .user = user };
	memcpy(e->bytes, p->tcp, p->tcp_header);
	memcpy(e->bytes + p->tcp_header, p->payload, p->len);
	e->packet.tcp = e->bytes;
	e->packet.payload = e->bytes + p->tcp_header;
	*o->end = e;
	o->end = &e->next;
	o->n++;
	return 0;
}

static bool is_same_connection(const struct packet *a, const struct packet *b)
{
	return (memcmp(&a->src, &b->src, sizeof(a->src)) == 0 &&
		       memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0) ||
	       (memcmp(&a->src, &b->dst, sizeof(a->src)) == 0 &&
		       memcmp(&a->dst, &b->src, sizeof(a->dst)) == 0);
}

static struct early *unlink_at(struct order *o, struct early **at)
{
	struct early *e = *at;

	*at = e->next;
	if (o->end == &e->next)
		o->end = at;
	o->n--;
	return e;
}

/* The packet, and then those of its connection that waited for no other. */
static void take_with_followers(struct order *o, const struct packet *p, void *user)
{
	struct early **at = &o->first;

	o->take(o->arg, p, user);
	while (*at) {
		struct early *e = *at;

		if (!is_same_connection(&e->packet, p) || flow_is_early(o->flows, &e->packet)) {
			at = &e->next;
			continue;
		}
		unlink_at(o, at);
		o->take(o->arg, &e->packet, e->user);
		free(e);
		at = &o->first;
	}
}

static void take_first(struct order *o)
{
	struct early *e = unlink_at(o, &o->first);

	take_with_followers(o, &e->packet, e->user);
	free(e);
}

int order_push(struct order *o, const struct packet *p, void *user)
{
	int r = 0;

	while (o->first && (o->n >= ORDER_PACKETS ||
				   p->time_ns - o->first->packet.time_ns > ORDER_MS * 1000000ull))
		take_first(o);
	if (flow_is_early(o->flows, p))
		r = wait_for_others(o, p, user);
	else
		take_with_followers(o, p, user);
	return r;
}

void order_finish(struct order *o)
{
	while (o->first)
		take_first(o);
}
