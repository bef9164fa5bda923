/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: before connection tracking. SYNs to proxied ports are answered by the kernel
 * with a cookie; only when the peer's answer holds it, so that its address is its own, the kernel
 * opens the connection in the peer's name. That second SYN is made on this host: it leaves by the
 * output hook with an address that is not ours, and what leads peers to the proxy in prerouting
 * must be done there once more. There, too, completed handshakes are counted. The inspector would
 * not see the handshake of its own connections (the answer comes from nowhere, the numbers are not
 * the server's), so its services go without. It never talks to the kernel. */
#include "ctl/firewall_synproxy.h"

#include <inttypes.h>
#include <stdio.h>

#include "ctl/firewall_defend.h"
#include "ctl/firewall_int.h"

#define SYN "tcp flags & (fin|syn|rst|ack) == syn"

bool firewall_synproxy_is_on(const struct daemon_options *daemon, const struct firewall_host *host)
{
	return daemon->defend.synproxy && host->synproxy;
}

int firewall_synproxy_sets(
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	int r = 0;

	for (int v4 = 1; v4 >= 0 && r == 0 && firewall_synproxy_is_on(daemon, host); v4--)
		r = buf_putf(out,
			"\t# Who completed a handshake and is over a number: reset with the next "
			"packet.\n"
			"\tset synproxy_over%d {\n"
			"\t\ttype ipv%d_addr . inet_service\n"
			"\t\tsize %u\n"
			"\t\tflags dynamic,timeout\n"
			"\t}\n",
			v4 ? 4 : 6, v4 ? 4 : 6, DEFEND_ENTRIES);
	return r;
}

int firewall_synproxy_early(
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	if (!firewall_synproxy_is_on(daemon, host))
		return 0;
	return buf_puts(out, "\t\tiifname != \"lo\" " SYN " jump synproxy_new\n");
}

/* Connections that stood before were tracked by nobody: those that were led here are known by their
 * sockets. */
static int put_answer(
	const struct service *services, size_t n, const struct defend *d, struct buf *out)
{
	int r;

	if ((r = buf_puts(out,
		     "\tchain synproxy_input {\n"
		     "\t\ttype filter hook input priority filter; policy accept;\n"
		     "\t\tiifname != \"lo\" ct state invalid,untracked jump synproxy_ports\n"
		     "\t}\n"
		     "\tchain synproxy_ports {\n")) < 0 ||
		(r = firewall_format_services(
			 services, n, firewall_service_proxied, "goto synproxy_answer", out)) < 0)
		return r;
	return buf_putf(out,
		"\t}\n"
		"\tchain synproxy_answer {\n"
		"\t\tsocket wildcard 0 socket transparent 1 accept\n"
		"\t\ttcp flags & (syn|rst) == 0 ip saddr . tcp sport @synproxy_over4 reject with "
		"tcp reset\n"
		"\t\ttcp flags & (syn|rst) == 0 ip6 saddr . tcp sport @synproxy_over6 reject with "
		"tcp reset\n"
		"\t\tsynproxy mss %u wscale %u timestamp sack-perm\n"
		"\t\ttcp flags & rst == 0 counter drop\n"
		"\t}\n",
		d->mss, d->wscale);
}

static int put_made(const struct service *services, size_t n, const struct daemon_options *daemon,
	struct buf *out)
{
	struct buf statement;
	int r;

	buf_init(&statement, 0);
	if ((r = buf_putf(&statement, "meta mark set 0x%08" PRIx32 " counter",
		     firewall_mark_local(daemon))) < 0 ||
		(r = buf_putf(out,
			 "\t# Connections that came about, opened in their peers' names.\n"
			 "\tchain synproxy_made {\n"
			 "\t\ttype route hook output priority mangle - 10; policy accept;\n"
			 "\t\tmeta mark 0x%08" PRIx32 " accept\n"
			 "\t\tmeta l4proto != tcp accept\n"
			 "\t\tfib saddr type local accept\n"
			 "\t\tct state new " SYN " jump synproxy_count\n",
			 firewall_mark_upstream(daemon))) < 0 ||
		(r = firewall_format_services(
			 services, n, firewall_service_tproxied, buf_string(&statement), out)) < 0)
		goto out;
	/* Its peer takes the connection for open: a reset it believes bears the cookie's numbers,
	 * and only its own next packet tells those. */
	r = buf_puts(out, "\t}\n"
			  "\tchain synproxy_count {\n"
			  "\t\tadd @synproxy_over4 { ip saddr . tcp sport timeout 30s }\n"
			  "\t\tadd @synproxy_over6 { ip6 saddr . tcp sport timeout 30s }\n");
	if (r == 0)
		r = firewall_defend_counts(services, n, &daemon->defend, out);
	if (r == 0)
		r = buf_puts(out, "\t\tdelete @synproxy_over4 { ip saddr . tcp sport }\n"
				  "\t\tdelete @synproxy_over6 { ip6 saddr . tcp sport }\n"
				  "\t}\n");
out:
	buf_fini(&statement);
	return r;
}

static bool is_redirected(const struct service *s)
{
	return s->mode == MODE_PROXY && s->intercept == INTERCEPT_REDIRECT;
}

static int put_redirected(const struct service *s, struct buf *out)
{
	char statement[64];
	int r = 0;

	for (unsigned i = 0; i < s->n_ports && r == 0; i++) {
		struct service one = *s;

		one.ports[0] = s->ports[i];
		one.n_ports = 1;
		snprintf(statement, sizeof(statement), "meta l4proto tcp dnat to :%u",
			service_own_port(s, s->ports[i]));
		r = firewall_format_services(&one, 1, NULL, statement, out);
	}
	return r;
}

static int put_nat(const struct service *services, size_t n, const struct daemon_options *daemon,
	struct buf *out)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!is_redirected(&services[i]))
			continue;
		if (!any)
			r = buf_putf(out,
				"\tchain synproxy_nat {\n"
				"\t\ttype nat hook output priority -100; policy accept;\n"
				"\t\tmeta mark 0x%08" PRIx32 " accept\n"
				"\t\tfib saddr type local accept\n",
				firewall_mark_upstream(daemon));
		any = true;
		if (r == 0)
			r = put_redirected(&services[i], out);
	}
	return r == 0 && any ? buf_puts(out, "\t}\n") : r;
}

int firewall_synproxy_chains(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	int r;

	if (daemon->defend.synproxy && !host->synproxy)
		return buf_puts(out, "\n\t# synproxy is wanted, but goes without: "
				     "net.netfilter.nf_conntrack_tcp_loose is not 0.\n");
	if (!daemon->defend.synproxy)
		return 0;
	if ((r = buf_puts(out,
		     "\n\t# SYNs are answered by the kernel; what begins has been answered "
		     "by its peer.\n"
		     "\tchain synproxy_new {\n")) < 0 ||
		(r = firewall_format_services(
			 services, n, firewall_service_proxied, "notrack", out)) < 0 ||
		(r = buf_puts(out, "\t}\n")) < 0 ||
		(r = put_answer(services, n, &daemon->defend, out)) < 0 ||
		(r = put_made(services, n, daemon, out)) < 0)
		return r;
	return put_nat(services, n, daemon, out);
}
