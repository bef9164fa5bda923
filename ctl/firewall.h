/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's part of the policy as text: one nft table, written from the services. Pure; loads
 * nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "rules/service.h"

#define FIREWALL_TABLE "xmppwall" /* of family inet */

/* A line of "firewall check"; made by nft_check and route_check. */
struct firewall_check {
	const char *name; /* "tproxy"; static */
	bool ok;
	char text[256]; /* what was found, and what to do about it */
};

/* Two values are made of the daemon's mark, and service_mark_pass and service_mark_kill; the mark's
 * four low bits must be free. */
static inline uint32_t firewall_mark_upstream(const struct daemon_options *d)
{
	return d->mark | 1; /* SO_MARK of the proxy's own connections: never intercepted */
}
static inline uint32_t firewall_mark_local(const struct daemon_options *d)
{
	return d->mark |
	       2; /* packets to be delivered here though their address is another's: ip rule */
}

/* Appends the nft text of the table: what "firewall print" shows and nft_load takes. 0, -ENOMEM,
 * ERR_LIMIT, or ERR_RANGE when the mark is 0 or has one of its four low bits set, or a port is too
 * high to intercept; ERR_SYNTAX for "listen on" of no address. Names a policy has checked already; here
 * they only guard the kernel. */
int firewall_format(const struct service *services, size_t n, const struct daemon_options *daemon,
	struct buf *out);
/* Do these services need route_add (tproxy, or source client)? */
bool firewall_needs_route(const struct service *services, size_t n);
