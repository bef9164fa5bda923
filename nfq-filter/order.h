/* SPDX-License-Identifier: BSD-2-Clause */
/* Captured packets in an order in which they can have been sent: what answers comes behind what it
 * answers. For captures alone: in the queue, order is what we see. */
#pragma once

#include "nfq-filter/flow.h"

struct order;

enum { ORDER_PACKETS = 256, ORDER_MS = 100 };

/* flows is borrowed; take gets each packet once, with what order_push was told. NULL when out of
 * memory. */
struct order *order_new(const struct flow_table *flows,
	void (*take)(void *arg, const struct packet *p, void *user), void *arg);
/* What waits is thrown away. */
void order_free(struct order *o);
/* A packet of PACKET_TCP; taken at once, or copied to wait. 0 or -ENOMEM. */
int order_push(struct order *o, const struct packet *p, void *user);
/* No more will come: all that wait are taken. */
void order_finish(struct order *o);
