/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes to one packet that need no byte more: options and flags that two readers take differently
 * are blanked, a packet becomes a reset. bytes is a copy of the whole packet from its IP header on;
 * *p was parsed from it and is parsed anew. Each leaves right checksums. */
#pragma once

#include "nfq-filter/packet.h"

/* Is there anything scrub_normalise would change? */
bool scrub_is_due(const struct packet *p);
/* No urgent pointer (RFC 6093: nobody agrees on it), no data in a SYN (RFC 7413; its sender sends
 * it again), no Fast Open and no multipath options. Returns the new length. */
size_t scrub_normalise(unsigned char *bytes, size_t len, struct packet *p);
/* A reset as p's sender would send it: seq is the next its receiver waits for (RFC 5961 3.2).
 * Returns the new length. */
size_t scrub_reset(unsigned char *bytes, struct packet *p, uint32_t seq);
