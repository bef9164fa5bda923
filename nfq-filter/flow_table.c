/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside flow.c: which connections are known.
 * In: packets that begin one, and time. Out: the connection of a packet; memory given back by who
 * is silent. The table is bounded: who has ended gives way first, then who never answered, then who
 * was silent longest; live, one that may still speak does not, and a new one does not come up. It
 * looks at no sequence number. */
#include "nfq-filter/flow_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct flow_key {
	struct endpoint low, high;
};

struct flow_table *flow_table_new(
	const struct flow_limits *limits, const struct flow_hooks *hooks, struct counts *counts)
{
	struct flow_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->limits = limits;
	t->hooks = *hooks;
	t->counts = counts;
	t->pool.max = limits->pool_bytes;
	map_init(&t->flows);
	return t;
}

size_t flow_table_count(const struct flow_table *t)
{
	return t->flows.count;
}

/* ---- the lists ---- */

static void list_remove(struct flow_table *t, struct flow *f)
{
	struct flow_list *l = &t->lists[f->stage];

	if (f->newer)
		f->newer->older = f->older;
	else
		l->newest = f->older;
	if (f->older)
		f->older->newer = f->newer;
	else
		l->oldest = f->newer;
	f->newer = f->older = NULL;
}

static void list_append(struct flow_table *t, struct flow *f, enum flow_stage stage)
{
	struct flow_list *l = &t->lists[stage];

	f->stage = stage;
	f->older = l->newest;
	if (l->newest)
		l->newest->newer = f;
	else
		l->oldest = f;
	l->newest = f;
}

static void list_move(struct flow_table *t, struct flow *f, enum flow_stage stage)
{
	list_remove(t, f);
	list_append(t, f, stage);
}

/* ---- coming and going ---- */

static struct flow_key key_of(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a, b, sizeof(*a)) <= 0 ? (struct flow_key){ *a, *b }
					     : (struct flow_key){ *b, *a };
}

struct flow *flow_find(const struct flow_table *t, const struct packet *p)
{
	struct flow_key key = key_of(&p->src, &p->dst);

	return map_find(&t->flows, &key, sizeof(key));
}

bool flow_is_ended(const struct flow *f)
{
	return f->half[FLOW_CLIENT].ended && f->half[FLOW_SERVER].ended;
}

void flow_heard(struct flow_table *t, struct flow *f, bool begun)
{
	enum flow_stage stage = f->stage;

	if (stage != FLOW_CLOSED && (stage != FLOW_OPENING || begun))
		stage = FLOW_BUSY;
	f->last_ns = t->now_ns;
	list_move(t, f, stage);
}

/* Its user hears the rest and goes; the connection stays known for a while. */
void flow_end(struct flow_table *t, struct flow *f)
{
	if (f->closed)
		return;
	f->last_call = true;
	t->hooks.forget(t->hooks.arg, f);
	f->user = NULL;
	f->closed = true;
	list_move(t, f, FLOW_CLOSED);
	for (unsigned i = 0; i < FLOW_SIDES; i++)
		reassembly_fini(&f->half[i].in);
}

void flow_remove(struct flow_table *t, struct flow *f)
{
	struct flow_key key = key_of(&f->client, &f->server);

	flow_end(t, f);
	list_remove(t, f);
	map_take(&t->flows, &key, sizeof(key));
	free(f);
}

void flow_table_clear(struct flow_table *t)
{
	for (unsigned i = FLOW_STAGES; i-- > 0;)
		while (t->lists[i].oldest)
			flow_remove(t, t->lists[i].oldest);
}

void flow_table_free(struct flow_table *t)
{
	if (!t)
		return;
	flow_table_clear(t);
	map_fini(&t->flows, NULL);
	free(t);
}

static bool is_silent(const struct flow_table *t, const struct flow *f, uint64_t ns)
{
	return f && t->now_ns - f->last_ns >= ns;
}

/* Who was silent long enough gives back memory; who ended long ago leaves, and who never began. */
static void sweep(struct flow_table *t)
{
	struct flow *f;

	while ((f = t->lists[FLOW_CLOSED].oldest, is_silent(t, f, t->limits->closed_ns)))
		flow_remove(t, f);
	while ((f = t->lists[FLOW_OPENING].oldest, is_silent(t, f, t->limits->idle_ns)))
		flow_remove(t, f);
	while ((f = t->lists[FLOW_BUSY].oldest, is_silent(t, f, t->limits->idle_ns))) {
		list_move(t, f, FLOW_IDLE);
		if (flow_is_ended(f)) {
			flow_end(t, f);
			continue;
		}
		for (unsigned i = 0; i < FLOW_SIDES; i++)
			reassembly_shrink(&f->half[i].in);
		t->hooks.idle(t->hooks.arg, f);
	}
}

/* Who gives way: who has ended, who never began, who is silent longest. Live, those who may still
 * have something to say stay, and NULL comes back. */
static struct flow *find_victim(const struct flow_table *t)
{
	static const enum flow_stage order[] = { FLOW_CLOSED, FLOW_OPENING, FLOW_IDLE, FLOW_BUSY };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		struct flow *f = t->lists[order[i]].oldest;

		if (!f)
			continue;
		if (t->limits->live &&
			(order[i] == FLOW_BUSY ||
				(order[i] == FLOW_IDLE && !is_silent(t, f, t->limits->silent_ns))))
			return NULL;
		return f;
	}
	return NULL;
}

/* The client is who asks: who sent SYN, else who speaks to a port that somebody serves. */
static bool is_from_client(const struct flow_table *t, const struct packet *p)
{
	bool to, from;

	if (p->flags & TCP_SYN)
		return !(p->flags & TCP_ACK);
	to = t->hooks.serves(t->hooks.arg, &p->dst);
	from = t->hooks.serves(t->hooks.arg, &p->src);
	return to != from ? to : p->dst.port <= p->src.port;
}

int flow_add(struct flow_table *t, const struct packet *p, struct flow **out)
{
	struct flow_key key = key_of(&p->src, &p->dst);
	bool client = is_from_client(t, p);
	struct flow *f;
	int r;

	*out = NULL;
	if (t->flows.count >= t->limits->flows) {
		if (!(f = find_victim(t))) {
			counts_add(t->counts, COUNT_FLOW_FULL, 1);
			return 0;
		}
		counts_add(t->counts, COUNT_FLOW_EVICTED, !f->closed);
		flow_remove(t, f);
	}
	if (!(f = calloc(1, sizeof(*f))))
		return -ENOMEM;
	if ((r = map_put(&t->flows, &key, sizeof(key), f, NULL)) < 0) {
		free(f);
		return r;
	}
	f->client = client ? p->src : p->dst;
	f->server = client ? p->dst : p->src;
	f->number = ++t->number;
	f->first_ns = f->last_ns = t->now_ns;
	f->midstream = !(p->flags & TCP_SYN);
	for (unsigned i = 0; i < FLOW_SIDES; i++)
		reassembly_init(&f->half[i].in, &t->limits->reassembly, &t->pool);
	list_append(t, f, t->limits->live && !f->midstream ? FLOW_OPENING : FLOW_BUSY);
	counts_add(t->counts, COUNT_FLOW, 1);
	counts_add(t->counts, COUNT_FLOW_MIDSTREAM, f->midstream);
	*out = f;
	return 0;
}

void flow_table_tick(struct flow_table *t, uint64_t now_ns)
{
	if (now_ns > t->now_ns)
		t->now_ns = now_ns;
	sweep(t);
}

void flow_table_visit(struct flow_table *t, void (*visit)(void *arg, struct flow *f), void *arg)
{
	for (unsigned i = 0; i < FLOW_CLOSED; i++)
		for (struct flow *f = t->lists[i].oldest, *next; f; f = next) {
			next = f->newer;
			visit(arg, f);
		}
}

size_t flow_table_held(const struct flow_table *t)
{
	return t->pool.used;
}
