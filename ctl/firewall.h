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
/* Pairs of address sets, by what their names have in common. */
#define FIREWALL_ALLOW     "allow"
#define FIREWALL_BLOCK     "block"
#define FIREWALL_BLOCKLIST "blocklist" /* the policy's block set */
#define FIREWALL_LOADING   "loading"   /* set of protocols: tcp while the block set is not whole */
#define FIREWALL_LOCKDOWN  "lockdown"  /* another: tcp while only the allow set may come in */

/* A line of "firewall check"; made by nft_check and route_check. */
struct firewall_check {
	const char *name; /* "tproxy"; static */
	bool ok;
	char text[256]; /* what was found, and what to do about it */
};

/* Two values are made of the daemon's mark, and service_mark_pass and service_mark_kill; the mark's
 * lower 16 bits must be free. */
static inline uint32_t firewall_mark_upstream(const struct daemon_options *d)
{
	return d->mark | 1; /* SO_MARK of the proxy's own connections: never intercepted */
}
static inline uint32_t firewall_mark_local(const struct daemon_options *d)
{
	return d->mark |
	       2; /* packets to be delivered here though their address is another's: ip rule */
}

static inline uint32_t firewall_mark_stream(const struct daemon_options *d)
{
	return d->mark | 16; /* connections: found to be serverless XMPP by their first bytes */
}

/* How a kernel can be told to queue packets. */
enum firewall_queue_form {
	FIREWALL_QUEUE_NATIVE, /* nft's own expression */
	FIREWALL_QUEUE_TARGET, /* the NFQUEUE target of iptables: nft_target_fill puts it where the
				  text leaves room */
	FIREWALL_QUEUE_NONE,   /* not at all: what fails closed is dropped */
};

/* What the text depends on besides the configuration. */
struct firewall_host {
	enum firewall_queue_form form;
	unsigned cores; /* for inspect { queues 0; } */
	bool locked;    /* the set lockdown holds tcp (ctl/lockdown.c) */
	bool synproxy;  /* connection tracking takes up nothing in its middle (route_tracks_strictly) */
};

/* Appends the nft text of the table: what "firewall print" shows and nft_load takes. 0, -ENOMEM,
 * ERR_LIMIT, or ERR_RANGE when the mark is 0 or has one of its lower 16 bits set, a port is too
 * high to intercept, or there are not so many queues; ERR_SYNTAX for "listen on" of no address.
 * Names a policy has checked already; here they only guard the kernel. */
int firewall_format(const struct service *services, size_t n, const struct daemon_options *daemon,
	const struct firewall_host *host, struct buf *out);
/* The hook of the inspector alone, as a script of iptables and ip6tables commands. As
 * firewall_format. */
int firewall_format_iptables(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out);
/* Is anything queued for the inspector? */
bool firewall_inspects(const struct service *services, size_t n);
/* Do these services need route_add (tproxy, or source client)? */
bool firewall_needs_route(const struct service *services, size_t n);
