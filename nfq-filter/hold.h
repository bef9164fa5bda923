/* SPDX-License-Identifier: BSD-2-Clause */
/* The packets of one connection that wait, each direction's in the order they came, and their way
 * out: made what the first copy of their bytes says, or a reset, or dropped. */
#pragma once

#include "nfq-filter/gate.h"

/* One that waits. */
struct held {
	struct held *next;
	uint32_t id;
	int64_t start, end; /* positions of its payload in the stream */
	uint64_t since_ns;
	bool fin;
	bool changed; /* its bytes are not the queue's */
	size_t len;
	const unsigned char *bytes; /* from its IP header on; behind this struct, unless borrowed */
	bool borrowed;
	bool gone; /* its receiver has it, behind a hole; only its place is kept */
};

struct hold_half {
	struct held *first, *last;
	size_t bytes; /* of packets copied */
	unsigned n;
	unsigned n_gone; /* of them */
};

/* What all connections of a gate hold, and how packets leave. */
struct hold {
	void *arg;
	void (*order)(void *arg, const struct gate_order *o);
	size_t packets, bytes, bytes_max;
	unsigned char scratch[65536]; /* of the packet that leaves changed */
};

/* A packet of a connection at the end of the line, its bytes borrowed until hold_keep. h is the
 * caller's. */
void hold_append(struct hold_half *half, struct held *h);
/* The borrowed one, if it still waits, gets a copy of its own; dropped where there is no room
 * (-ENOBUFS) or memory (-ENOMEM). */
int hold_keep(struct hold *all, struct hold_half *half, struct held *borrowed);
/* Does one wait that is not gone? */
bool hold_waits(const struct hold_half *half);
/* Since when the first waits whose bytes are in order, up to the position given; 0: none does. */
uint64_t hold_since(const struct hold_half *half, uint64_t given);
/* Is every byte of [start, end), and the FIN if there is one, in one packet that waits? */
bool hold_covers(const struct hold_half *half, int64_t start, int64_t end, bool fin);
/* Lets go what waits behind a hole at the position since before that time, so that its receiver
 * asks for what is missing. How many. */
unsigned hold_release_late(struct hold *all, struct hold_half *half, const struct reassembly *bytes,
	uint64_t position, uint64_t since_ns);
/* Did any of [start, end) go so? */
bool hold_has_gone(const struct hold_half *half, int64_t start, int64_t end);
/* Did all of it, in one packet? */
bool hold_is_gone(const struct hold_half *half, int64_t start, int64_t end);
/* Where its receiver's next hole begins, once what ends at or before until is let go, too. */
uint64_t hold_reach(const struct hold_half *half, uint64_t until, uint64_t from);
/* Lets go what ends at or before the position, each as bytes says. pass: the connection leaves the
 * queue for good. Returns the position behind the last byte let go, or from. */
uint64_t hold_release(struct hold *all, struct hold_half *half, const struct reassembly *bytes,
	uint64_t until, uint64_t from, bool pass);
/* The connection is ended: the first becomes a reset to its receiver, whose next byte is at the
 * position released (reset false: none does); the rest goes back to be answered. */
bool hold_kill(struct hold *all, struct hold_half *half, const struct reassembly *bytes,
	uint64_t released, bool reset);
/* All are dropped. */
void hold_drop(struct hold *all, struct hold_half *half);
/* One packet that never waited, as bytes says. */
void hold_pass(struct hold *all, const struct held *h, const struct reassembly *bytes,
	enum gate_fate fate);
