/* SPDX-License-Identifier: BSD-2-Clause */
/* A gate between two ends that take what they are given, as TCP does: the first copy of each byte.
 * For tests of packets through the live inspector: what an end reads is what counts. */
#pragma once

#include <stdlib.h>
#include "nfq-filter/bosh_session.h"
#include "nfq-filter/gate.h"
#include "tests/unit/packets.h"
#include "tests/unit/policy_of.h"

enum { C0 = 1000, S0 = 5000, ROOM = 65536, IDS = 4096 };

static struct policy *policy;
static struct bosh_table *table; /* NULL: none */

struct end {
	char got[ROOM];
	unsigned char have[ROOM];
	size_t next;
	unsigned resets, finished;
	uint32_t first; /* number of the first byte */
};

struct lab {
	struct gate *gate;
	struct judge *judge;
	struct counts counts;
	struct end ends[FLOW_SIDES]; /* what came from that side */
	unsigned char fates[IDS];    /* + 1 */
	struct made sent[IDS];
	enum flow_side from[IDS];
	uint32_t id, seq[FLOW_SIDES];
	uint16_t port;
	uint64_t now_ns;
	unsigned acts[8], kills, passes;
	char why[64];
	bool acks;             /* each end acknowledges what it has */
	unsigned char syn[80]; /* the last short packet that was changed */
	size_t syn_len;
};

static inline void deliver(struct lab *l, enum flow_side side, const void *bytes, size_t len)
{
	struct packet p = { 0 };
	struct end *e = &l->ends[side];

	assert_int_equal(packet_parse_ip(bytes, len, len, &p), PACKET_TCP);
	assert_int_equal(p.checksum, CHECKSUM_GOOD);
	assert_false(p.flags & TCP_URG);
	if (p.flags & TCP_RST) {
		assert_int_equal(p.seq, e->first + e->next);
		e->resets++;
		return;
	}
	for (size_t n = 0; n < p.len; n++) {
		size_t at = p.seq + n - e->first;

		if (at >= ROOM || e->have[at])
			continue;
		e->have[at] = 1;
		e->got[at] = (char)p.payload[n];
	}
	while (e->next < ROOM && e->have[e->next])
		e->next++;
	e->finished += !!(p.flags & TCP_FIN);
}

static inline void on_order(void *arg, const struct gate_order *o)
{
	struct lab *l = arg;
	const struct made *m = &l->sent[o->id];

	assert_in_range(o->id, 1, l->id);
	assert_int_equal(l->fates[o->id], 0); /* once */
	l->fates[o->id] = (unsigned char)(o->fate + 1);
	l->kills += o->fate == GATE_KILL;
	l->passes += o->fate == GATE_PASS;
	if (o->fate != GATE_ACCEPT && o->fate != GATE_PASS)
		return;
	if (o->bytes && o->len <= sizeof(l->syn)) {
		memcpy(l->syn, o->bytes, o->len);
		l->syn_len = o->len;
	}
	if (o->bytes)
		deliver(l, l->from[o->id], o->bytes, o->len);
	else
		deliver(l, l->from[o->id], m->bytes, m->len);
}

static inline void on_judged(
	void *arg, struct inspection *i, const struct inspect_verdict *v, enum gate_act act)
{
	(void)i;
	(void)v;
	((struct lab *)arg)->acts[act]++;
}

static inline void on_killed(void *arg, const struct flow *f, struct inspection *i,
	enum flow_side side, enum stream_error error, const char *why)
{
	(void)f;
	(void)i;
	(void)side;
	(void)error;
	snprintf(((struct lab *)arg)->why, sizeof(((struct lab *)arg)->why), "%s", why);
}

static inline void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)arg;
	(void)i;
	(void)side;
	(void)what;
}

static inline void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	(void)i;
}

static inline void raw(struct lab *l, enum flow_side side, struct recipe r)
{
	bool client = side == FLOW_CLIENT;
	uint32_t id = ++l->id;

	assert_true(id < IDS);
	r.src = client ? 1 : 2;
	r.dst = client ? 2 : 1;
	r.sport = client ? 40000 : l->port;
	r.dport = client ? l->port : 40000;
	l->from[id] = side;
	made_ip(&l->sent[id], &r);
	l->now_ns += 1000000;
	assert_int_equal(gate_push(l->gate, &(struct gate_packet){ .id = id,
						    .bytes = l->sent[id].bytes,
						    .len = l->sent[id].len,
						    .now_ns = l->now_ns }),
		0);
}

static inline uint32_t acked(const struct lab *l, enum flow_side side)
{
	return l->ends[!side].first + (uint32_t)l->ends[!side].next;
}

/* A segment of len bytes that stand at offset in the side's stream. */
static inline void segment(
	struct lab *l, enum flow_side side, size_t offset, const char *data, size_t len)
{
	raw(l, side,
		(struct recipe){ .flags = TCP_ACK | TCP_PSH,
			.seq = l->ends[side].first + (uint32_t)offset,
			.ack = acked(l, side),
			.data = data,
			.len = len });
	if (l->acks)
		raw(l, !side,
			(struct recipe){ .flags = TCP_ACK,
				.seq = l->ends[!side].first + l->seq[!side],
				.ack = acked(l, !side) });
}

static inline void say_in(struct lab *l, enum flow_side side, const char *text, size_t step)
{
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		segment(l, side, l->seq[side], text + at, n);
		l->seq[side] += (uint32_t)n;
	}
}

static inline void say(struct lab *l, enum flow_side side, const char *text)
{
	say_in(l, side, text, 1400);
}

static inline struct lab *lab_begin(uint16_t port)
{
	struct lab *l = calloc(1, sizeof(*l));
	struct gate_spec spec = { .policy = policy,
		.bosh = table,
		.judge = judge_new(),
		.counts = &l->counts,
		.hooks = { l, on_order, on_judged, on_killed, on_noted, on_ended, NULL } };

	l->judge = spec.judge;
	l->port = port;
	l->acks = true;
	l->now_ns = 1000000000;
	l->ends[FLOW_CLIENT].first = C0 + 1;
	l->ends[FLOW_SERVER].first = S0 + 1;
	assert_non_null(l->gate = gate_new(&spec));
	return l;
}

static inline void shake(struct lab *l)
{
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_SYN, .seq = C0 });
	raw(l, FLOW_SERVER,
		(struct recipe){ .flags = TCP_SYN | TCP_ACK, .seq = S0, .ack = C0 + 1 });
	raw(l, FLOW_CLIENT, (struct recipe){ .flags = TCP_ACK, .seq = C0 + 1, .ack = S0 + 1 });
}

/* Each packet had its order. */
static inline void lab_end(struct lab *l)
{
	gate_free(l->gate);
	for (uint32_t id = 1; id <= l->id; id++)
		assert_int_not_equal(l->fates[id], 0);
	judge_free(l->judge);
	free(l);
}

static inline const char *got(const struct lab *l, enum flow_side side)
{
	return l->ends[side].got;
}

static inline int lab_load(const char *rules)
{
	policy = policy_of_text(rules, NULL);
	return 0;
}
