/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a gate, shared by gate.c (packets, time, policies) and gate_conn.c (one connection:
 * what waits, what goes, how it ends). */
#pragma once

#include "base/buf.h"
#include "nfq-filter/announce.h"
#include "nfq-filter/gate.h"
#include "nfq-filter/hold.h"

/* What a flow's user is. */
struct conn {
	struct conn *next, *before; /* among those with packets that wait */
	bool waiting;
	struct gate *gate;
	struct flow *flow;
	struct inspection *inspection;
	struct hold_half held[FLOW_SIDES];
	uint64_t fresh_ns[FLOW_SIDES]; /* since when its sender said and heard nothing new */
	uint64_t acked[FLOW_SIDES];    /* what it heard */
	bool open;                     /* cannot be judged and may pass */
	bool doomed;                   /* to be ended when the packet at hand is through */
	enum flow_side doomed_side;
};

struct gate {
	struct gate_hooks hooks;
	struct policy *policy;
	struct judge *judge;
	struct counts *counts;
	struct inspector inspector;
	struct flow_limits limits;
	struct flow_table *flows;
	struct hold hold;
	struct announcer *announcer;
	struct conn *waiting;
	struct buf text; /* of what takes a stanza's place */
	unsigned char scratch[65536];
	int error;
};

/* NULL when out of memory. It becomes f's user. */
struct conn *conn_new(struct gate *g, struct flow *f);
/* What waits is dropped. */
void conn_free(struct conn *c);
/* To be ended when the packet at hand is through. */
void conn_doom(struct conn *c, enum flow_side side);
/* The same, and told: below the rules. */
void conn_refuse(struct conn *c, enum flow_side side, enum stream_error error, const char *why);
/* Now. */
void conn_end(struct conn *c);
/* After anything new: read, decide, let go. at_hand (NULL: none) is the packet that brought it,
 * borrowed: only if it goes on waiting it is copied. The connection may be over afterwards. */
void conn_go_on(struct conn *c, enum flow_side side, struct held *at_hand);
/* What waited too long is decided. */
void conn_tick(struct conn *c, uint64_t now_ns);
