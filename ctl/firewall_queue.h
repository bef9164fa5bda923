/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the nft table that hands packets to xmppwall-nfq. Called by firewall.c only. */
#pragma once

#include "ctl/firewall.h"

/* In the target form of the queue: chains that the text leaves empty for nft_target_fill. */
#define FIREWALL_QUEUE_CLOSED "queue_closed"
#define FIREWALL_QUEUE_OPEN   "queue_open" /* passes by while nobody listens */

/* The set that remembers which bridges were told to hand over their packets (ctl/nft_bridges.c). */
#define FIREWALL_BRIDGES "bridges"

/* Sets for bridges, and for what mDNS tells of, where a service is serverless. 0 or a negative
 * code. */
int firewall_queue_sets(const struct service *services, size_t n,
	const struct daemon_options *daemon, struct buf *out);
/* Is there a service for streams without a server, and so the sets serverless4 and serverless6? */
bool firewall_queue_serverless(const struct service *services, size_t n);
/* The chains; nothing without a service of mode inspect. As firewall_format. */
int firewall_queue_format(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out);
