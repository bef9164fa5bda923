/* SPDX-License-Identifier: BSD-2-Clause */
/* What firewall.c, firewall_queue.c and firewall_iptables.c share. Nobody else includes this. */
#pragma once

#include "ctl/firewall.h"

/* Services listen on addresses of one family, of both, or on all. */
struct firewall_family {
	const char *name;  /* "ip ", "ip6 " */
	const char *proto; /* as meta nfproto says it */
	bool v4;
};

enum { FIREWALL_FAMILIES = 2 };
extern const struct firewall_family firewall_families[FIREWALL_FAMILIES];

/* "192.0.2.1, 192.0.2.2": the service's addresses of a family. *count says how many, *any whether
 * one of them is the unspecified address. 0 or a negative code. */
int firewall_format_list(const struct service *s, const struct firewall_family *f,
	const char *separator, struct buf *text, unsigned *count, bool *any);
/* "ip daddr { 192.0.2.1 } " (which: "daddr" or "saddr"), or "meta nfproto ipv4 "; *count 0: none.
 */
int firewall_format_addresses(const struct service *s, const struct firewall_family *f,
	const char *which, struct buf *text, unsigned *count);
/* "{ 5222, 5269 }": each port of any service, as peers dial it, once; nothing and *any false when
 * there is none. 0 or a negative code. */
int firewall_format_protected(const struct service *services, size_t n, struct buf *out, bool *any);
/* A rule a family for each service wanted (NULL: all) that has ports: "tcp dport { 5222 } STATEMENT",
 * with its addresses, and for this host alone unless it is led in or inspected. */
int firewall_format_services(const struct service *services, size_t n,
	bool (*wanted)(const struct service *s), const char *statement, struct buf *out);
bool firewall_service_proxied(const struct service *s);
bool firewall_service_inspected(const struct service *s);
bool firewall_service_tproxied(const struct service *s);
/* The sets of a pair of which single addresses are found by hash: BASE4, BASE6, BASE6_64,
 * BASE4_nets, BASE6_nets; and the rules that ask them all for a packet's source ("accept"). 0,
 * -ENOMEM. */
int firewall_format_pair(const char *base, bool timeout, struct buf *out);
int firewall_format_match(const char *base, const char *act, struct buf *out);
/* A name from the configuration, with nothing in it that could be syntax. */
int firewall_format_name(const char *name, struct buf *out);
