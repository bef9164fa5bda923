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
	uint64_t silent_ns; /* live: after which it may give way to another (1 h) */
	uint64_t closed_ns; /* how long an ended one is remembered, so that stragglers are known (60
			       s) */
	unsigned gap_packets; /* of the connection, after which a hole that was acknowledged counts
				 as lost (16) */
	uint64_t gap_ns;      /* the same as time (1 s) */
	uint64_t deaf_ns;     /* the same where the other direction is not seen at all (3 s) */
	bool any_checksum;    /* take packets whatever their checksum says */
	/* Packets wait for us: no hole is ever skipped, only what was released can be acknowledged,
	 * an ended connection is known until everything is, and a full table takes no new ones. */
	bool live;
	struct reassembly_limits reassembly;
};

extern const struct flow_limits flow_limits_default;
/* For packets that wait; flows, pool_bytes are the configuration's. */
extern const struct flow_limits flow_limits_live;

enum flow_stage {
	FLOW_OPENING, /* live: the client has not answered the server's SYN */
	FLOW_BUSY,
	FLOW_IDLE,
	FLOW_CLOSED,
	FLOW_STAGES
};

struct flow_half {
	struct reassembly in;
	bool seen, syn; /* syn: from its beginning */
	bool agreed;    /* its receiver acknowledged it, counting as we do */
	bool fin, ended;
	bool is_signed, stamped, full;
	uint32_t stamp;
	uint64_t fin_at;
	unsigned lost_packets;
	uint64_t lost_ns, hole_ns; /* since when */
	uint64_t released;         /* live: position behind what was let through; set by the gate */
	uint64_t packets, bytes, conflicts;
};

struct flow {
	struct endpoint client, server;
	uint64_t number; /* from 1 */
	uint64_t first_ns, last_ns;
	bool midstream, reset, closed;
	bool killed, passed; /* set by the gate */
	bool reset_due;      /* killed, and the server does not know: the next it waits for is */
	uint32_t reset_seq;
	struct flow_half half[FLOW_SIDES];
	void *user; /* the hook's */
	/* the table's */
	struct flow *newer, *older;
	enum flow_stage stage;
	bool last_call, syn_again;
	enum flow_side syn_side;
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

enum flow_fate {
	FLOW_TAKEN,   /* drain both sides with flow_next, then flow_settle */
	FLOW_REFUSED, /* its receiver would pass it over */
	FLOW_STRAY,   /* says nothing, belongs to nothing we know */
	FLOW_OVER,    /* of a connection that has ended, or was ended */
	FLOW_NO_ROOM, /* live: the table is full */
};

/* What became of a packet. */
struct flow_taken {
	enum flow_fate fate;
	struct flow *flow; /* TAKEN, OVER; else NULL */
	enum flow_side side;
	bool fresh;                 /* the first of its connection */
	enum reassembly_fate bytes; /* of its payload; OLD when it has none */
	int64_t position;           /* of its first byte; only where something is known */
};

struct flow_hooks {
	void *arg;
	/* Does somebody serve XMPP there? Decides who is the server where the beginning was not
	 * seen. */
	bool (*serves)(void *arg, const struct endpoint *where);
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
/* A packet of PACKET_TCP. 0 or -ENOMEM. */
int flow_push(struct flow_table *t, const struct packet *p, struct flow_taken *out);
/* Does the packet answer what was not seen of the other side yet, or speak on a connection that
 * was not seen opened? In a capture that may be a matter of order. */
bool flow_is_early(const struct flow_table *t, const struct packet *p);
/* Its user goes; what comes of it from now on is OVER. */
void flow_end(struct flow_table *t, struct flow *f);
/* Time passed without a packet: who is idle, who is forgotten. */
void flow_table_tick(struct flow_table *t, uint64_t now_ns);
/* Visits all, ended ones included. */
void flow_table_visit(struct flow_table *t, void (*visit)(void *arg, struct flow *f), void *arg);
/* Bytes that all directions hold together. */
size_t flow_table_held(const struct flow_table *t);
/* What happened on a side, one thing at a time until NOTHING. Spans are borrowed until the next
 * call. */
void flow_next(struct flow_table *t, struct flow *f, enum flow_side side, struct flow_event *out);
/* After draining: an ended connection is forgotten (its user, too). */
void flow_settle(struct flow_table *t, struct flow *f);
/* Connections in the table, ended ones included. */
size_t flow_table_count(const struct flow_table *t);
