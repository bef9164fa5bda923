/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside gate.c: one connection, its packets that wait and its end.
 * In: what flow.c has put in order, and time. Out: packets let go as far as inspect.c has decided;
 * a connection that must not go on is ended for both. What its sender cannot finish while we hold
 * its beginning goes in part, for its receiver does nothing without the end, and the end stays
 * ours. It judges nothing. */
#include "nfq-filter/gate_int.h"

#include <stdlib.h>

/* A packet may come that much too late; then it is lost, and its sender has to hear of it. */
enum { REORDER_NS = 100000000 };

/* A sender that says nothing new for so long waits for an acknowledgement, more often than not, and
 * one whose answer is waited for may take its time. */
enum { QUIET_NS = 40000000 };
static const uint64_t answer_ns = 5000000000u;

/* ---- connections ---- */

static void conn_wait(struct conn *c)
{
	struct gate *g = c->gate;
	bool waits = hold_waits(&c->held[FLOW_CLIENT]) || hold_waits(&c->held[FLOW_SERVER]);

	if (waits == c->waiting)
		return;
	c->waiting = waits;
	if (waits) {
		c->next = g->waiting;
		c->before = NULL;
		if (c->next)
			c->next->before = c;
		g->waiting = c;
		return;
	}
	if (c->before)
		c->before->next = c->next;
	else
		g->waiting = c->next;
	if (c->next)
		c->next->before = c->before;
}

void conn_free(struct conn *c)
{
	if (!c)
		return;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		hold_drop(&c->gate->hold, &c->held[s]);
	conn_wait(c);
	inspection_free(c->inspection);
	free(c);
}

struct conn *conn_new(struct gate *g, struct flow *f)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || !(c->inspection = inspection_new(&g->inspector, f))) {
		free(c);
		return NULL;
	}
	c->gate = g;
	c->flow = f;
	c->inspection->user = c;
	f->user = c;
	return c;
}

void conn_doom(struct conn *c, enum flow_side side)
{
	c->doomed = true;
	c->doomed_side = side;
}

void conn_refuse(struct conn *c, enum flow_side side, enum stream_error error, const char *why)
{
	if (c->doomed)
		return;
	conn_doom(c, side);
	c->gate->hooks.killed(c->gate->hooks.arg, c->flow, c->inspection, side, error, why);
}

/* Both ends learn it: the receiver by what was on its way to it, its sender by the answer. */
void conn_end(struct conn *c)
{
	struct gate *g = c->gate;
	struct flow *f = c->flow;

	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		const struct flow_half *h = &f->half[s];
		bool told =
			hold_kill(&g->hold, &c->held[s], &h->in, h->released, s == c->doomed_side);

		/* No packet was there to tell the server with. */
		if (s != FLOW_CLIENT || told || !h->in.started)
			continue;
		f->reset_due = true;
		f->reset_seq = h->in.next_seq - (uint32_t)(h->in.next - h->released);
	}
	counts_add(g->counts, COUNT_FLOW_KILLED, 1);
	f->killed = true;
	flow_end(g->flows, f);
}

/* ---- reading ---- */

/* Nobody can say what is in it. */
static void conn_fail(struct conn *c, enum flow_side side, int code)
{
	const struct service *conf = c->inspection->conf;

	counts_add(c->gate->counts, COUNT_JUDGE_FAILED, 1);
	c->gate->error = code;
	if (conf && conf->fail_open)
		c->open = true;
	else
		conn_refuse(c, side, STREAM_ERROR_INTERNAL_SERVER_ERROR, "judge.failed");
}

static void conn_read(struct conn *c, enum flow_side side)
{
	struct flow_event ev;
	int r = 0;

	while (!c->doomed) {
		flow_next(c->gate->flows, c->flow, side, &ev);
		if (ev.kind == FLOW_NOTHING)
			return;
		if (c->open)
			continue;
		if (ev.kind == FLOW_BYTES)
			r = inspection_push(c->inspection, side, ev.bytes, ev.position);
		else
			r = inspection_end(c->inspection, side);
		if (r < 0)
			conn_fail(c, side, r);
	}
}

/* ---- letting go ---- */

/* Everything both ends said in the clear is theirs; what comes is not for us. */
static bool conn_may_pass(const struct conn *c)
{
	if (!inspection_is_opaque(c->inspection) || c->flow->midstream)
		return false;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		if (c->flow->half[s].in.acked < c->inspection->half[s].opaque_at)
			return false;
	return c->held[FLOW_CLIENT].n + c->held[FLOW_SERVER].n == 1;
}

static uint64_t half_decided(const struct conn *c, enum flow_side side)
{
	return c->open ? UINT64_MAX : inspection_decided(c->inspection, side);
}

/* What went behind a hole may reach beyond what is decided once the hole is filled: its receiver
 * has the beginning of something, and that must be all it has. */
static bool half_may_reach(struct conn *c, enum flow_side side, uint64_t decided, uint64_t reach)
{
	if (reach <= decided)
		return true;
	if (inspection_is_unfinished(c->inspection, side)) {
		counts_add(c->gate->counts, COUNT_HOLD_RELEASED, 1);
		return true;
	}
	conn_refuse(c, side, STREAM_ERROR_POLICY_VIOLATION, "hold.pipelined");
	return false;
}

/* The beginning of what is not finished goes, and so does what follows until it ends. */
static void half_let_part(struct conn *c, enum flow_side side)
{
	struct flow_half *h = &c->flow->half[side];

	if (!inspection_is_unfinished(c->inspection, side)) {
		conn_refuse(c, side, STREAM_ERROR_POLICY_VIOLATION, "hold.pipelined");
		return;
	}
	h->released = hold_release(
		&c->gate->hold, &c->held[side], &h->in, h->in.given, h->released, false);
}

static bool half_is_beyond(const struct conn *c, enum flow_side side)
{
	const struct gate *g = c->gate;
	const struct flow_half *h = &c->flow->half[side];

	if (!hold_since(&c->held[side], h->in.given))
		return false;
	return h->released > half_decided(c, side) ||
	       h->in.given - h->released > policy_daemon(g->policy)->inspect.hold_bytes;
}

static void half_let_go(struct conn *c, enum flow_side side)
{
	struct flow_half *h = &c->flow->half[side];
	uint64_t decided = half_decided(c, side), reach;
	bool pass;

	if (!c->held[side].first)
		return;
	if (decided > h->in.given)
		decided = h->in.given;
	pass = conn_may_pass(c);
	reach = hold_reach(&c->held[side], decided, h->released);
	if (reach > h->released && !half_may_reach(c, side, decided, reach))
		return;
	hold_release(&c->gate->hold, &c->held[side], &h->in, decided, h->released, pass);
	h->released = reach;
	if (pass) {
		counts_add(c->gate->counts, COUNT_FLOW_PASSED, 1);
		c->flow->passed = true;
		return;
	}
	if (half_is_beyond(c, side)) {
		counts_add(c->gate->counts, COUNT_HOLD_RELEASED, 1);
		half_let_part(c, side);
	}
}

void conn_go_on(struct conn *c, enum flow_side side, struct held *at_hand)
{
	struct gate *g = c->gate;

	for (unsigned s = 0; s < FLOW_SIDES; s++)
		conn_read(c, s);
	for (unsigned s = 0; s < FLOW_SIDES && !c->doomed; s++)
		half_let_go(c, s);
	if (c->doomed) {
		conn_end(c);
		return;
	}
	if (at_hand && hold_keep(&g->hold, &c->held[side], at_hand) < 0)
		counts_add(g->counts, COUNT_HOLD_MEMORY, 1);
	conn_wait(c);
	if (c->flow->passed)
		flow_end(g->flows, c->flow);
	else
		flow_settle(g->flows, c->flow);
}

/* What waits since then, has it waited long enough? */
static bool half_is_late(const struct conn *c, enum flow_side side, uint64_t since, uint64_t now_ns)
{
	uint64_t patience = policy_daemon(c->gate->policy)->inspect.hold_ms * (uint64_t)1000000;

	/* A server far away takes its time to answer a ClientHello. */
	if (inspection_waits_for_tls(c->inspection, side))
		return false;
	/* It is not this sender who is slow, and what would be released must not be. */
	if (!inspection_is_unfinished(c->inspection, side))
		return now_ns - since >= (patience > answer_ns ? patience : answer_ns);
	if (now_ns - since >= patience)
		return true;
	/* What went before may be acknowledged late, and its sender wait for that. */
	return c->flow->half[side].in.acked >= c->flow->half[side].released &&
	       now_ns - c->fresh_ns[side] >= QUIET_NS;
}

void conn_tick(struct conn *c, uint64_t now_ns)
{
	/* Is there a hole for its receiver, too? */
	for (unsigned s = 0; s < FLOW_SIDES && now_ns > REORDER_NS; s++)
		if (c->flow->half[s].agreed)
			hold_release_late(&c->gate->hold, &c->held[s], &c->flow->half[s].in,
				c->flow->half[s].in.given, now_ns - REORDER_NS);
	for (unsigned s = 0; s < FLOW_SIDES && !c->doomed; s++) {
		uint64_t since = hold_since(&c->held[s], c->flow->half[s].in.given);

		if (!since || !half_is_late(c, s, since, now_ns))
			continue;
		counts_add(c->gate->counts, COUNT_HOLD_RELEASED, 1);
		half_let_part(c, s);
	}
	if (c->doomed)
		conn_end(c);
	else
		conn_wait(c);
}
