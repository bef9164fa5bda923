/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP connections: packets in, bytes of both directions in order out, as their receivers take them.
 * A bounded table; the same for captures and for the live queue. */
#pragma once

#include "nfq-filter/counts.h"
#include "nfq-filter/packet.h"
#include "nfq-filter/reassemble.h"

enum flow_side {
	FLOW_CLIENT,
	FLOW_SERVER,
	FLOW_SIDES
}; /* who speaks; the client opened the connection */

struct flow_limits {
	unsigned flows;     /* at once (65536) */
	size_t pool_bytes;  /* held by all together (256 MiB) */
	uint64_t idle_ns;   /* after which a connection gives back what it can (30 s) */
	uint64_t closed_ns; /* how long an ended one is remembered, so that stragglers are known (60
			       s) */
	unsigned gap_packets; /* of the connection, after which a hole that was acknowledged counts
				 as lost (16) */
	uint64_t gap_ns;      /* the same as time (1 s) */
	uint64_t deaf_ns;     /* the same where the other direction is not seen at all (3 s) */
	bool any_checksum;    /* take packets whatever their checksum says */
	struct reassembly_limits reassembly;
};

extern const struct flow_limits flow_limits_default;

struct flow_half {
	struct reassembly in;
	bool seen, syn; /* syn: from its beginning */
	bool fin, ended;
	bool is_signed, stamped, full;
	uint32_t stamp;
	uint64_t fin_at;
	unsigned lost_packets;
	uint64_t lost_ns, hole_ns; /* since when */
	uint64_t packets, bytes, conflicts;
};

struct flow {
	struct endpoint client, server;
	uint64_t number; /* from 1 */
	uint64_t first_ns, last_ns;
	bool midstream, reset, closed;
	struct flow_half half[FLOW_SIDES];
	void *user; /* the hook's */
	/* the table's */
	struct flow *newer, *older;
	bool is_idle, last_call, syn_again;
	uint32_t syn_seq;
};

enum flow_event_kind {
	FLOW_NOTHING,
	FLOW_BYTES,
	FLOW_GAP, /* packets are missing here; bytes go on behind them */
	FLOW_END, /* of this side: FIN or reset */
};

struct flow_event {
	enum flow_event_kind kind;
	struct span bytes;
	uint64_t position; /* of the first byte in the side's stream */
	uint64_t lost;     /* GAP: bytes */
};

struct flow_hooks {
	void *arg;
	/* Does somebody serve XMPP there? Decides who is the server where the beginning was not
	 * seen. */
	bool (*serves)(void *arg, uint16_t port);
	/* Nothing was said for a while: give back memory. */
	void (*idle)(void *arg, struct flow *f);
	/* The last of it: drain both sides once more, then free user. */
	void (*forget)(void *arg, struct flow *f);
};

struct flow_table;

/* All borrowed; hooks are copied. NULL when out of memory. */
struct flow_table *flow_table_new(
	const struct flow_limits *limits, const struct flow_hooks *hooks, struct counts *counts);
/* Forgets every connection, oldest first. */
void flow_table_free(struct flow_table *t);
void flow_table_clear(struct flow_table *t);
/* A packet of PACKET_TCP. *out: its connection (drain both sides with flow_next, then flow_settle),
 * or NULL when no receiver would take it. 0 or -ENOMEM. */
int flow_push(struct flow_table *t, const struct packet *p, struct flow **out);
/* What happened on a side, one thing at a time until NOTHING. Spans are borrowed until the next
 * call. */
void flow_next(struct flow_table *t, struct flow *f, enum flow_side side, struct flow_event *out);
/* After draining: an ended connection is forgotten (its user, too). */
void flow_settle(struct flow_table *t, struct flow *f);
/* Connections in the table, ended ones included. */
size_t flow_table_count(const struct flow_table *t);
