/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the queue and everything that reads: which packets wait, which go, and as what
 * (docs/INSPECTOR.md). In: packets, time, another policy. Out: one order for each packet, and what
 * became of stanzas and connections. A packet goes once everything in it is decided; before that it
 * is held, and where its sender cannot finish a stanza while we hold its beginning, the beginning
 * goes and the end stays ours. It knows no socket, reads no clock and judges nothing itself. */
#include "nfq-filter/gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "nfq-filter/apply.h"
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/detect.h"
#include "nfq-filter/gate_int.h"
#include "nfq-filter/scrub.h"
#include "xmpp/jid.h"

enum {
	MEMORY_SHARE = 4
}; /* of the ceiling: copies of packets; the rest is reassembly's and streams' */

/* ---- from the inspection ---- */

static void on_judging(
	void *arg, struct inspection *i, enum flow_side side, const struct subject *subject)
{
	struct gate *g = arg;

	if (g->hooks.judging)
		g->hooks.judging(g->hooks.arg, i, side, subject);
}

static void on_judged(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	struct gate *g = arg;
	struct conn *c = i->user;
	struct flow_half *h = &c->flow->half[v->side];
	enum gate_act act;
	/* What went behind a hole cannot be changed any more, either. */
	bool gone = hold_has_gone(&c->held[v->side], (int64_t)v->start, (int64_t)v->end);
	int r = apply_verdict(i, v, gone ? v->end : h->released, &g->text, &act);

	if (r == 0 && act != GATE_FORWARDED && act != GATE_KILLED &&
		!reassembly_overwrite(&h->in, v->start, buf_ptr(&g->text), buf_len(&g->text)))
		act = GATE_KILLED;
	if (r < 0) {
		g->error = r;
		act = GATE_KILLED;
	}
	if (act == GATE_KILLED)
		conn_doom(c, v->side);
	g->hooks.judged(g->hooks.arg, i, v, act);
}

static void on_broken(void *arg, struct inspection *i, enum flow_side side, enum stream_error error,
	const char *reason)
{
	(void)arg;
	conn_refuse(i->user, side, error, reason);
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	struct gate *g = arg;

	g->hooks.noted(g->hooks.arg, i, side, what);
}

static void on_ended(void *arg, struct inspection *i)
{
	struct gate *g = arg;

	g->hooks.ended(g->hooks.arg, i);
}

/* Only as long as nobody has it. */
static void on_rewrite(
	void *arg, struct inspection *i, enum flow_side side, uint64_t position, struct span bytes)
{
	struct conn *c = i->user;
	struct flow_half *h = &c->flow->half[side];

	(void)arg;
	if (position >= h->released &&
		!hold_has_gone(&c->held[side], (int64_t)position, (int64_t)(position + bytes.len)))
		(void)reassembly_overwrite(&h->in, position, bytes.ptr, bytes.len);
}

/* ---- from the flows ---- */

static bool on_serves(void *arg, const struct endpoint *where)
{
	const struct gate *g = arg;
	struct mdns *m = g->inspector.mdns;

	return detect_is_served(g->policy, where->port) ||
	       (m && mdns_serves(m, where, g->inspector.now_ns));
}

static void on_idle(void *arg, struct flow *f)
{
	struct conn *c = f->user;

	(void)arg;
	if (c)
		inspection_shrink(c->inspection);
}

static void on_forget(void *arg, struct flow *f)
{
	(void)arg;
	conn_free(f->user);
	f->user = NULL;
}

/* ---- packets ---- */

static void order(struct gate *g, const struct held *h, enum gate_fate fate)
{
	struct gate_order o = { .id = h->id, .fate = fate };

	/* It may have been made harmless already. */
	if (h->changed && (fate == GATE_ACCEPT || fate == GATE_PASS)) {
		o.bytes = h->bytes;
		o.len = h->len;
	}
	g->hooks.order(g->hooks.arg, &o);
}

static bool is_released(const struct conn *c, enum flow_side side, const struct held *h)
{
	return h->end <= (int64_t)c->flow->half[side].released;
}

/* Where its SYN is the one that was answered, nobody sends what lies before it. Where it was a
 * decoy, the true stream lies there, and nobody has read it. Of what was joined later, it has been
 * sent before only if its receiver said so. */
static bool is_before_the_beginning(const struct flow_half *half, const struct held *h)
{
	return h->start < 0 && (half->syn || !half->agreed);
}

/* A packet with bytes or a FIN. It waits like any other, if only for a moment. */
static void take_data(struct conn *c, const struct flow_taken *t, struct held *h)
{
	struct gate *g = c->gate;
	const struct flow_half *half = &c->flow->half[t->side];
	enum flow_side side = t->side;

	if (t->bytes == REASSEMBLY_FULL || t->bytes == REASSEMBLY_OUTSIDE ||
		(half->syn && is_before_the_beginning(half, h))) {
		order(g, h, GATE_DROP);
		return;
	}
	if (is_before_the_beginning(half, h)) {
		conn_refuse(c, side, STREAM_ERROR_RESET, "flow.midstream");
		order(g, h, GATE_KILL);
		conn_end(c);
		return;
	}
	if ((t->bytes == REASSEMBLY_OLD && is_released(c, side, h)) ||
		(t->bytes != REASSEMBLY_NEW && !h->fin &&
			hold_is_gone(&c->held[side], h->start, h->end))) {
		hold_pass(&g->hold, h, &half->in, GATE_ACCEPT);
		conn_go_on(c, side, NULL);
		return;
	}
	/* Bytes behind the FIN; a copy of what waits. */
	if ((t->bytes == REASSEMBLY_OLD && h->start < h->end && h->end > (int64_t)half->in.next) ||
		(t->bytes != REASSEMBLY_NEW &&
			hold_covers(&c->held[side], h->start, h->end, h->fin))) {
		order(g, h, GATE_DROP);
		return;
	}
	if (t->bytes == REASSEMBLY_NEW)
		c->fresh_ns[side] = h->since_ns;
	hold_append(&c->held[side], h);
	conn_go_on(c, side, h);
}

/* A connection whose beginning was not seen is none of ours, unless the first we see of it is its
 * beginning (RFC 6120 4.2; XEP-0174, whose ports nobody knows before). */
static bool is_midstream(const struct gate *g, struct conn *c, const struct packet *p)
{
	bool maybe;

	if (!c->flow->midstream || policy_daemon(g->policy)->inspect.midstream)
		return false;
	/* What was announced on the network may be anybody's: it is read from where it can be. */
	if (c->inspection->announced)
		return false;
	return c->inspection->role != ROLE_SERVERLESS ||
	       !detect_is_header((struct span){ (const char *)p->payload, p->len }, &maybe);
}

static void take_flow(
	struct gate *g, const struct packet *p, const struct flow_taken *t, struct held *h)
{
	struct flow *f = t->flow;
	struct conn *c = f->user;

	if (!c && !(c = conn_new(g, f))) {
		g->error = -ENOMEM;
		order(g, h, GATE_DROP);
		return;
	}
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		if (c->acked[s] != f->half[s].in.acked) {
			c->acked[s] = f->half[s].in.acked;
			c->fresh_ns[s] = h->since_ns;
		}
	h->start = t->position;
	h->end = t->position + (int64_t)p->len;
	h->fin = p->flags & TCP_FIN;
	if (p->len > 0 && t->fresh && is_midstream(g, c, p)) {
		conn_refuse(c, t->side, STREAM_ERROR_RESET, "flow.midstream");
		order(g, h, GATE_KILL);
		conn_end(c);
		return;
	}
	if (p->len > 0 || (h->fin && !(p->flags & TCP_RST))) {
		take_data(c, t, h);
		return;
	}
	order(g, h, GATE_ACCEPT);
	conn_go_on(c, t->side, NULL);
}

/* ---- multicast DNS ---- */

static void on_announced(void *arg, struct inspection *i, const struct inspect_verdict *v)
{
	struct gate *g = arg;

	g->hooks.judged(g->hooks.arg, i, v,
		announce_is_accepted(v->verdict) ? GATE_FORWARDED : GATE_BLANKED);
}

/* A datagram goes as it is or not at all. What is wrong with it might be read otherwise by others.
 */
static void take_mdns(struct gate *g, const struct packet *p, const struct held *h)
{
	int r = p->checksum == CHECKSUM_WRONG ? 0 : 1;

	if (r > 0 && g->inspector.mdns)
		r = mdns_learn(g->inspector.mdns, p, h->since_ns, g->counts);
	else
		counts_add(g->counts, COUNT_PACKET_CHECKSUM, r == 0);
	if (r > 0)
		r = announcer_judge(g->announcer, &g->inspector, p, on_announced, g);
	if (r < 0)
		g->error = r;
	order(g, h, r > 0 ? GATE_ACCEPT : GATE_DROP);
}

/* What its client says next tells the server that it is over; who said it hears so with what it
 * says then. */
static void tell_server(struct gate *g, struct packet *p, struct held *h, struct flow *f)
{
	f->reset_due = false;
	if (h->bytes != g->scratch) {
		memcpy(g->scratch, h->bytes, h->len);
		if (packet_parse_unsummed(g->scratch, h->len, p) != PACKET_TCP) {
			order(g, h, GATE_KILL);
			return;
		}
		h->bytes = g->scratch;
		h->changed = true;
	}
	h->len = scrub_reset(g->scratch, p, f->reset_seq);
	order(g, h, GATE_ACCEPT);
}

static void take_tcp(struct gate *g, struct packet *p, struct held *h)
{
	struct flow_taken t;
	int r;

	if (p->checksum == CHECKSUM_WRONG) {
		counts_add(g->counts, COUNT_PACKET_CHECKSUM, 1);
		order(g, h, GATE_DROP);
		return;
	}
	if (scrub_is_due(p)) {
		counts_add(g->counts, COUNT_TCP_URGENT, !!(p->flags & TCP_URG));
		memcpy(g->scratch, h->bytes, h->len);
		packet_parse_unsummed(g->scratch, h->len, p);
		h->bytes = g->scratch;
		h->changed = true;
		h->len = scrub_normalise(g->scratch, h->len, p);
	}
	p->time_ns = h->since_ns;
	if ((r = flow_push(g->flows, p, &t)) < 0) {
		g->error = r;
		order(g, h, GATE_DROP);
		return;
	}
	switch (t.fate) {
	case FLOW_TAKEN:
		take_flow(g, p, &t, h);
		return;
	case FLOW_OVER:
		/* Perhaps another one; that shows in the answer. */
		if ((p->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN)
			order(g, h, GATE_ACCEPT);
		else if (t.flow->passed)
			order(g, h, GATE_PASS);
		else if (p->flags & TCP_RST)
			order(g, h, GATE_ACCEPT);
		else if (t.flow->reset_due && t.side == FLOW_CLIENT && !(p->flags & TCP_SYN))
			tell_server(g, p, h, t.flow);
		else
			/* Nobody compares it with what was said before. */
			order(g, h, t.flow->killed || p->len > 0 ? GATE_KILL : GATE_ACCEPT);
		return;
	case FLOW_STRAY:
		order(g, h, GATE_ACCEPT);
		return;
	case FLOW_REFUSED:
	case FLOW_NO_ROOM:
		order(g, h, GATE_DROP);
		return;
	}
}

/* Only the queue knows what a card is yet to sum; what a peer left undone its receiver does not
 * take. */
static enum packet_kind packet_of(const struct gate_packet *in, struct packet *p)
{
	enum packet_kind kind;

	if (in->checksum_not_ready)
		return packet_parse_unsummed(in->bytes, in->len, p);
	kind = packet_parse_ip(in->bytes, in->len, in->len, p);
	if (p->checksum == CHECKSUM_OFFLOADED)
		p->checksum = CHECKSUM_WRONG;
	return kind;
}

int gate_push(struct gate *g, const struct gate_packet *in)
{
	struct packet p = { 0 };
	struct held h = {
		.id = in->id, .bytes = in->bytes, .len = in->len, .since_ns = in->now_ns
	};

	g->error = 0;
	g->inspector.now_ns = in->now_ns;
	counts_add(g->counts, COUNT_PACKETS, 1);
	counts_add(g->counts, COUNT_PACKET_BYTES, in->len);
	if (in->len > sizeof(g->scratch)) {
		counts_add(g->counts, COUNT_PACKET_BAD, 1);
		order(g, &h, GATE_DROP);
		return 0;
	}
	switch (packet_of(in, &p)) {
	case PACKET_TCP:
		take_tcp(g, &p, &h);
		break;
	case PACKET_UDP:
		if (mdns_is_for(&p)) {
			take_mdns(g, &p, &h);
			break;
		}
		/* fall through */
	case PACKET_OTHER:
		/* The kernel knew what it is. */
		counts_add(g->counts, COUNT_PACKET_OTHER, 1);
		order(g, &h, GATE_DROP);
		break;
	default:
		/* conntrack puts fragments together before us. */
		counts_add(g->counts, COUNT_PACKET_BAD, 1);
		order(g, &h, GATE_DROP);
		break;
	}
	return g->error;
}

/* ---- time and policy ---- */

void gate_tick(struct gate *g, uint64_t now_ns)
{
	g->inspector.now_ns = now_ns;
	for (struct conn *c = g->waiting, *next; c; c = next) {
		next = c->next;
		conn_tick(c, now_ns);
	}
	flow_table_tick(g->flows, now_ns);
}

static void visit_swap(void *arg, struct flow *f)
{
	struct conn *c = f->user;

	(void)arg;
	if (c)
		inspection_swap(c->inspection);
}

static void apply_options(struct gate *g)
{
	const struct inspect_options *o = &policy_daemon(g->policy)->inspect;

	g->limits.flows = o->flows;
	g->limits.pool_bytes = o->memory / MEMORY_SHARE * (MEMORY_SHARE - 2);
	g->hold.bytes_max = o->memory / MEMORY_SHARE;
	g->inspector.memory_max = o->memory / MEMORY_SHARE;
}

void gate_swap(struct gate *g, struct policy *policy, struct judge *judge)
{
	struct policy *old = g->policy;

	g->inspector.policy = g->policy = policy_ref(policy);
	g->inspector.judge = g->judge = judge;
	apply_options(g);
	flow_table_visit(g->flows, visit_swap, NULL);
	policy_unref(old);
}

/* ---- from outside ---- */

struct killing {
	const struct peer_address *net;
	unsigned len;
	const char *jid;
	unsigned n;
};

static void visit_kill(void *arg, struct flow *f)
{
	struct killing *k = arg;
	struct conn *c = f->user;

	if (!c || !(k->net ? address_in(k->net, k->len, &f->client.address) ||
					  address_in(k->net, k->len, &f->server.address)
			   : jid_is_named(k->jid, c->inspection->jid)))
		return;
	k->n++;
	conn_doom(c, FLOW_CLIENT);
	conn_end(c);
}

unsigned gate_kill(struct gate *g, const struct peer_address *net, unsigned len, const char *jid)
{
	struct killing k = { net, len, jid, 0 };

	if (net || jid)
		flow_table_visit(g->flows, visit_kill, &k);
	/* Its next request may come by any connection. */
	if (jid && g->inspector.bosh)
		bosh_table_end(g->inspector.bosh, jid);
	return k.n;
}

struct choosing {
	bool (*is)(void *arg, const struct flow *f, const struct inspection *i);
	void *arg;
	unsigned n;
};

static void visit_chosen(void *arg, struct flow *f)
{
	struct choosing *k = arg;
	struct conn *c = f->user;

	if (!c || !k->is(k->arg, f, c->inspection))
		return;
	k->n++;
	conn_doom(c, FLOW_CLIENT);
	conn_end(c);
}

unsigned gate_kill_if(struct gate *g,
	bool (*is)(void *arg, const struct flow *f, const struct inspection *i), void *arg)
{
	struct choosing k = { is, arg, 0 };

	flow_table_visit(g->flows, visit_chosen, &k);
	return k.n;
}

struct visiting {
	void (*visit)(void *arg, const struct flow *f, struct inspection *i);
	void *arg;
};

static void visit_one(void *arg, struct flow *f)
{
	struct visiting *v = arg;
	struct conn *c = f->user;

	if (c && c->inspection->number)
		v->visit(v->arg, f, c->inspection);
}

void gate_visit(struct gate *g,
	void (*visit)(void *arg, const struct flow *f, struct inspection *i), void *arg)
{
	flow_table_visit(g->flows, visit_one, &(struct visiting){ visit, arg });
}

bool gate_waits(const struct gate *g)
{
	return g->waiting;
}

struct gate_load gate_load(const struct gate *g)
{
	return (struct gate_load){
		.flows = flow_table_count(g->flows),
		.streams = (size_t)g->inspector.active,
		.held_packets = g->hold.packets,
		.held_bytes = g->hold.bytes,
		.memory = g->hold.bytes + flow_table_held(g->flows) + g->inspector.memory,
	};
}

/* ---- beginning and end ---- */

struct gate *gate_new(const struct gate_spec *spec)
{
	struct gate *g = calloc(1, sizeof(*g));
	struct flow_hooks hooks = { g, on_serves, on_idle, on_forget };

	if (!g)
		return NULL;
	g->hooks = spec->hooks;
	g->policy = policy_ref(spec->policy);
	g->judge = spec->judge;
	g->counts = spec->counts;
	g->limits = flow_limits_live;
	g->hold.arg = spec->hooks.arg;
	g->hold.order = spec->hooks.order;
	buf_init(&g->text, (size_t)32 << 20);
	g->inspector = (struct inspector){
		.policy = g->policy,
		.judge = g->judge,
		.counts = g->counts,
		.hooks = { g, on_judged, on_broken, on_noted, on_ended, on_rewrite, on_judging },
		.mdns = spec->mdns,
		.live = true,
		.bosh = spec->bosh,
		.resumed = spec->resumed,
		.company = spec->company,
	};
	apply_options(g);
	g->announcer = announcer_new();
	if (!g->announcer || !(g->flows = flow_table_new(&g->limits, &hooks, g->counts))) {
		gate_free(g);
		return NULL;
	}
	return g;
}

void gate_free(struct gate *g)
{
	if (!g)
		return;
	flow_table_free(g->flows);
	announcer_free(g->announcer);
	buf_fini(&g->text);
	policy_unref(g->policy);
	free(g);
}
