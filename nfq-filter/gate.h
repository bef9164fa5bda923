/* SPDX-License-Identifier: BSD-2-Clause */
/* The live inspector without its queue: a packet comes in, and sooner or later, exactly once, what
 * is to become of it goes out. Between them packets are held until the stanzas in them are complete
 * and judged; see docs/INSPECTOR.md. One gate a thread; it knows no socket and reads no clock. */
#pragma once

#include "nfq-filter/flow.h"
#include "nfq-filter/inspect.h"

struct gate;

enum gate_fate {
	GATE_ACCEPT,
	GATE_DROP,
	GATE_PASS, /* accept, and the whole connection leaves the queue for good: mark it so */
	GATE_KILL, /* give it back marked: the firewall answers with a reset, now and from now on */
};

/* For one packet. */
struct gate_order {
	uint32_t id; /* the queue's */
	enum gate_fate fate;
	const void *bytes; /* from its IP header on, checksums right; NULL: unchanged. Borrowed. */
	size_t len;
};

/* What became of the stanza judged. */
enum gate_act {
	GATE_FORWARDED,
	GATE_BLANKED,  /* white space, or what stream management counts, in its place */
	GATE_ANSWERED, /* an iq in its place that its receiver refuses */
	GATE_CHANGED,  /* as the rule wanted: masked, stripped, redirected */
	GATE_KILLED,   /* the connection ended */
};

struct gate_hooks {
	void *arg;
	void (*order)(void *arg, const struct gate_order *o);
	/* A stanza was judged and acted upon; all borrowed. An announcement of mDNS, too: then i is
	 * of it alone, has no number and no user, and BLANKED says that its datagram was dropped.
	 */
	void (*judged)(void *arg, struct inspection *i, const struct inspect_verdict *v,
		enum gate_act act);
	/* The connection is ended by us, below the rules: why is a stable id ("xml.comment",
	 * "tls.required", "hold.limit"), error what RFC 6120 would have said. i may be NULL: the
	 * connection was never read (midstream). */
	void (*killed)(void *arg, const struct flow *f, struct inspection *i, enum flow_side side,
		enum stream_error error, const char *why);
	/* As of inspect_hooks. */
	void (*noted)(void *arg, struct inspection *i, enum flow_side side, const char *what);
	void (*ended)(void *arg, struct inspection *i);
	/* As of inspect_hooks; NULL: nobody cares. */
	void (*judging)(void *arg, struct inspection *i, enum flow_side side,
		const struct subject *subject);
};

struct gate_spec {
	struct policy *policy; /* a reference is taken */
	struct judge *judge;   /* borrowed */
	struct counts *counts; /* borrowed */
	struct mdns *mdns;     /* one for all gates, borrowed; NULL: nothing is learned */
	struct resumed
		*resumed; /* borrowed, one for all threads; NULL: resumed streams have no JID */
	struct bosh_table
		*bosh; /* borrowed, one for all threads; NULL: BOSH sessions are strangers */
	struct gate_hooks hooks;
	/* As of struct inspector. */
	void (*company)(const struct subject *s, struct subject_company *out);
};

/* A packet of the queue. */
struct gate_packet {
	uint32_t id;
	const void *bytes; /* from its IP header on, whole; borrowed */
	size_t len;
	bool checksum_not_ready; /* left to the network card: says nothing */
	uint64_t now_ns;         /* monotonic */
};

/* NULL when out of memory. */
struct gate *gate_new(const struct gate_spec *spec);
/* What is held is dropped. */
void gate_free(struct gate *g);
/* Orders may come during the call, for this packet and others. 0 or a negative code of the machine;
 * an order for the packet comes in any case. */
int gate_push(struct gate *g, const struct gate_packet *p);
/* Time passes: call it every 50 ms or so, and every 10 where something waits. What was held too
 * long is decided. */
void gate_tick(struct gate *g, uint64_t now_ns);
/* Does a packet wait for time to pass? */
bool gate_waits(const struct gate *g);
/* Another policy from now on, for connections that stand, too. */
void gate_swap(struct gate *g, struct policy *policy, struct judge *judge);
/* Ends the connections of an address (len in IPv6 bits) or, with net NULL, of a JID: their next
 * packet is answered with a reset. How many. */
unsigned gate_kill(struct gate *g, const struct peer_address *net, unsigned len, const char *jid);
/* The same of those that is says yes to. */
unsigned gate_kill_if(struct gate *g,
	bool (*is)(void *arg, const struct flow *f, const struct inspection *i), void *arg);
/* Visits the connections that are XMPP streams. */
void gate_visit(struct gate *g,
	void (*visit)(void *arg, const struct flow *f, struct inspection *i), void *arg);
struct gate_load {
	size_t flows, streams, held_packets, held_bytes, memory;
};
struct gate_load gate_load(const struct gate *g);
