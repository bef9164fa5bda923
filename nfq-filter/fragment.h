/* SPDX-License-Identifier: BSD-2-Clause */
/* IP fragments put together, within bounds. For captures: where the kernel hands us packets it has
 * done that itself. */
#pragma once

#include "nfq-filter/counts.h"
#include "nfq-filter/packet.h"

struct fragments;

enum { FRAGMENT_DATAGRAMS = 256, FRAGMENT_PIECES = 1024, FRAGMENT_SECONDS = 30 };

/* counts is borrowed. NULL when out of memory. */
struct fragments *fragments_new(struct counts *counts);
void fragments_free(struct fragments *f);
/* p is of PACKET_FRAGMENT. 1 when it was the last one missing: *data is the datagram's payload
 * (until the next call) for packet_parse_transport; 0 when there is more to come or it was thrown
 * away; -ENOMEM. */
int fragments_push(
	struct fragments *f, const struct packet *p, const unsigned char **data, size_t *len);
