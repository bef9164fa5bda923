/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the table of connections, shared by flow_table.c (who is known, who gives way) and
 * flow.c (what a receiver takes). */
#pragma once

#include "base/map.h"
#include "nfq-filter/flow.h"

/* From the one not heard of longest to the last heard. */
struct flow_list {
	struct flow *oldest, *newest;
};

struct flow_table {
	const struct flow_limits *limits;
	struct flow_hooks hooks;
	struct counts *counts;
	struct map flows;
	struct flow_list lists[FLOW_STAGES];
	struct reassembly_pool pool;
	uint64_t now_ns, number;
};

/* Whose packet is it? NULL: of none that is known. */
struct flow *flow_find(const struct flow_table *t, const struct packet *p);
/* One that begins with p. *out is NULL where there is no room. 0 or -ENOMEM. */
int flow_add(struct flow_table *t, const struct packet *p, struct flow **out);
/* Forgets it. */
void flow_remove(struct flow_table *t, struct flow *f);
/* Something was heard of it, from that side (begun: more than SYN). */
void flow_heard(struct flow_table *t, struct flow *f, bool begun);
/* Both sides said their last. */
bool flow_is_ended(const struct flow *f);
