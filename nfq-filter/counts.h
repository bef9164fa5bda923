/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything the inspector counts, each with its name: ceilings that were reached, packets that
 * were not what they should be, what became of streams. */
#pragma once

#include <stdint.h>

enum count {
	COUNT_PACKETS,
	COUNT_PACKET_BYTES,
	COUNT_PACKET_OTHER,
	COUNT_PACKET_BAD,
	COUNT_PACKET_LINK,
	COUNT_PACKET_CHECKSUM,
	COUNT_PACKET_CUT,
	COUNT_FRAGMENT,
	COUNT_FRAGMENT_OVERLAP,
	COUNT_FRAGMENT_LIMIT,
	COUNT_FRAGMENT_EXPIRED,
	COUNT_FLOW,
	COUNT_FLOW_MIDSTREAM,
	COUNT_FLOW_EVICTED,
	COUNT_FLOW_FULL,
	COUNT_FLOW_IDLE,
	COUNT_TCP_OLD,
	COUNT_TCP_CONFLICT,
	COUNT_TCP_HELD,
	COUNT_TCP_OUTSIDE,
	COUNT_TCP_LIMIT,
	COUNT_TCP_GAP,
	COUNT_TCP_GAP_BYTES,
	COUNT_TCP_URGENT,
	COUNT_TCP_KEEPALIVE,
	COUNT_TCP_RST_IGNORED,
	COUNT_TCP_SYN_IGNORED,
	COUNT_TCP_NO_ACK,
	COUNT_TCP_STAMP,
	COUNT_TCP_SIGNED,
	COUNT_STREAM,
	COUNT_STREAM_PICKED_UP,
	COUNT_STREAM_SKIPPED_BYTES,
	COUNT_STREAM_BAD,
	COUNT_STREAM_MEMORY,
	COUNT_STREAM_TLS,
	COUNT_STREAM_FALSE_PROCEED,
	COUNT_STREAM_COMPRESSED,
	COUNT_STREAM_HTTP,
	COUNT_STREAM_OTHER,
	COUNT_STREAM_UNFINISHED,
	COUNT_MAX
};

struct counts {
	uint64_t n[COUNT_MAX];
};

static inline void counts_add(struct counts *c, enum count which, uint64_t n)
{
	c->n[which] += n;
}

/* "tcp.conflict" */
const char *count_name(enum count which);
/* What it counts, in a line. */
const char *count_doc(enum count which);
