/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the nft table in which the kernel answers SYNs by itself: defend { synproxy on; }.
 * Called by firewall.c and firewall_defend.c. */
#pragma once

#include "ctl/firewall.h"

/* Wanted, and this host can (ctl/kernel.c finds out): else the meters count SYNs as they come. */
bool firewall_synproxy_is_on(const struct daemon_options *daemon, const struct firewall_host *host);
/* Sets. 0 or a negative code, as all of these. */
int firewall_synproxy_sets(
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out);
/* The last lines of chain early. */
int firewall_synproxy_early(
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out);
/* The chains. */
int firewall_synproxy_chains(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out);
