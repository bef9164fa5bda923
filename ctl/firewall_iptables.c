/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: before xmppwall-nfq, where the operator's firewall is iptables. The same hook
 * as firewall_queue.c's as a shell script: chains of mangle queue packets, since a queue's verdict
 * skips the rest of its table and mangle has nothing behind it; a chain of filter keeps what the
 * inspector said of a connection, since only there iptables can answer with a reset. It may be run
 * again: chains are replaced at once. What needs sets with timeouts (serverless) is the nft table's
 * alone. Text only; it runs nothing. */
#include <inttypes.h>

#include "base/err.h"
#include "ctl/firewall_int.h"

struct script {
	const struct service *services;
	size_t n;
	const struct daemon_options *daemon;
	unsigned first, last; /* queues */
	struct buf *out;
};

/* ---- mangle ---- */

static int put_port(const struct script *x, const struct service *s, const char *flag,
	const char *address, unsigned port, bool to)
{
	return buf_putf(x->out, "-A XMPPWALL%s%s%s%s -p tcp %s %u -g XMPPWALL_%s\n",
		*address ? " " : "", *address ? flag : "", *address ? " " : "", address,
		to ? "--dport" : "--sport", port, s->fail_open ? "OPEN" : "CLOSED");
}

static int put_ways(const struct script *x, const struct service *s, const char *address)
{
	int r = 0;

	for (unsigned i = 0; i < s->n_ports && r == 0; i++)
		if ((r = put_port(x, s, "-d", address, s->ports[i], true)) == 0)
			r = put_port(x, s, "-s", address, s->ports[i], false);
	return r;
}

static int put_service(
	const struct script *x, const struct service *s, const struct firewall_family *f)
{
	struct service one = *s;
	struct buf address;
	unsigned count;
	bool any;
	int r = 0;

	if (s->n_addresses == 0)
		return put_ways(x, s, "");
	buf_init(&address, 0);
	one.n_addresses = 1;
	for (unsigned i = 0; i < s->n_addresses && r == 0; i++) {
		one.addresses[0] = s->addresses[i];
		buf_clear(&address);
		if ((r = firewall_format_list(&one, f, "", &address, &count, &any)) == 0 &&
			count > 0)
			r = put_ways(x, s, any ? "" : buf_string(&address));
	}
	buf_fini(&address);
	return r;
}

static int put_queue(const struct script *x, bool open)
{
	const struct daemon_options *d = x->daemon;
	const char *name = open ? "OPEN" : "CLOSED", *bypass = open ? " --queue-bypass" : "";
	int r = buf_putf(x->out,
		"-A XMPPWALL_%s -p tcp --tcp-flags RST RST -m conntrack --ctstate RELATED -j "
		"RETURN\n"
		"-A XMPPWALL_%s -p tcp --tcp-flags SYN,ACK SYN,ACK -m conntrack --ctdir REPLY -m "
		"connmark --mark 0x%08" PRIx32 "/0xffff0000 -j CONNMARK --set-xmark 0x0/0x1c\n"
		"-A XMPPWALL_%s -p tcp ! --tcp-flags SYN SYN -m connmark --mark 0x%08" PRIx32
		"/0xffff0008 -j RETURN\n"
		"-A XMPPWALL_%s -p tcp ! --tcp-flags SYN SYN -m connmark --mark 0x%08" PRIx32
		"/0xffff0004 -j RETURN\n"
		"-A XMPPWALL_%s -m conntrack --ctstate INVALID -j DROP\n",
		name, name, d->mark, name, service_mark_kill(d), name, service_mark_pass(d), name);

	/* Ended in filter, as if the inspector had said so. */
	if (r == 0 && !d->inspect.midstream)
		r = buf_putf(x->out,
			"-A XMPPWALL_%s -p tcp ! --tcp-flags SYN,ACK SYN -m conntrack --ctstate "
			"NEW -j MARK --set-xmark 0x%08" PRIx32 "/0x%08" PRIx32 "\n"
			"-A XMPPWALL_%s -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32 " -j RETURN\n",
			name, service_mark_kill(d), service_mark_kill(d), name,
			service_mark_kill(d), service_mark_kill(d));
	if (r < 0)
		return r;
	if (x->first == x->last)
		return buf_putf(x->out, "-A XMPPWALL_%s -j NFQUEUE --queue-num %u%s\n", name,
			x->first, bypass);
	return buf_putf(x->out, "-A XMPPWALL_%s -j NFQUEUE --queue-balance %u:%u%s\n", name,
		x->first, x->last, bypass);
}

static int put_mangle(const struct script *x, const struct firewall_family *f)
{
	uint32_t upstream = firewall_mark_upstream(x->daemon);
	int r = buf_putf(x->out,
		"*mangle\n"
		":XMPPWALL - [0:0]\n"
		":XMPPWALL_OUT - [0:0]\n"
		":XMPPWALL_CLOSED - [0:0]\n"
		":XMPPWALL_OPEN - [0:0]\n"
		"-A XMPPWALL_OUT -m mark --mark 0x%08" PRIx32
		"/0xffff0001 -j CONNMARK --set-xmark 0x%08" PRIx32 "/0xffff0001\n"
		"-A XMPPWALL_OUT -o lo -j RETURN\n"
		"-A XMPPWALL_OUT -j XMPPWALL\n"
		"-A XMPPWALL -m connmark --mark 0x%08" PRIx32 "/0xffff0001 -j RETURN\n",
		upstream, upstream, upstream);

	for (unsigned open = 0; open < 2; open++)
		for (size_t i = 0; i < x->n && r == 0; i++)
			if (x->services[i].mode == MODE_INSPECT && x->services[i].fail_open == open)
				r = put_service(x, &x->services[i], f);
	if (r == 0 && (r = put_queue(x, false)) == 0)
		r = put_queue(x, true);
	return r == 0 ? buf_puts(x->out, "COMMIT\n") : r;
}

/* ---- filter ---- */

static int put_filter(const struct script *x)
{
	uint32_t pass = service_mark_pass(x->daemon), killed = service_mark_kill(x->daemon);

	return buf_putf(x->out,
		"*filter\n"
		":XMPPWALL - [0:0]\n"
		"-A XMPPWALL -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32
		" -j CONNMARK --set-xmark 0x%08" PRIx32 "/0xffff0008\n"
		"-A XMPPWALL -m mark --mark 0x%08" PRIx32 "/0x%08" PRIx32
		" -j MARK --set-xmark 0x0/0xffff000c\n"
		"-A XMPPWALL -m mark --mark 0x%08" PRIx32
		"/0xffff0004 -j CONNMARK --set-xmark 0x%08" PRIx32 "/0xffff0004\n"
		"-A XMPPWALL -m mark --mark 0x%08" PRIx32
		"/0xffff0004 -j MARK --set-xmark 0x0/0xffff000c\n"
		"-A XMPPWALL -p tcp --tcp-flags SYN,RST NONE -m connmark --mark 0x%08" PRIx32
		"/0xffff0008 -j REJECT --reject-with tcp-reset\n"
		"COMMIT\n",
		killed, killed, killed, killed, killed, pass, pass, pass, killed);
}

/* ---- the script ---- */

static int put_family(const struct script *x, const struct firewall_family *f)
{
	static const char *const jumps[][3] = {
		{ "filter", "FORWARD", "XMPPWALL" },
		{ "filter", "INPUT", "XMPPWALL" },
		{ "filter", "OUTPUT", "XMPPWALL" },
		{ "mangle", "FORWARD", "XMPPWALL" },
		{ "mangle", "INPUT", "XMPPWALL" },
		{ "mangle", "OUTPUT", "XMPPWALL_OUT" },
	};
	const char *program = f->v4 ? "iptables" : "ip6tables";
	int r = buf_putf(x->out, "\n%s-restore -w --noflush <<'END'\n", program);

	if (r < 0 || (r = put_mangle(x, f)) < 0 || (r = put_filter(x)) < 0 ||
		(r = buf_puts(x->out, "END\n")) < 0)
		return r;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]) && r == 0; i++) {
		const char *const *j = jumps[i];

		r = buf_putf(x->out,
			"%s -w -t %s -C %s -j %s 2>/dev/null || %s -w -t %s -I %s -j %s\n", program,
			j[0], j[1], j[2], program, j[0], j[1], j[2]);
	}
	return r;
}

int firewall_format_iptables(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	unsigned first = daemon->inspect.queue;
	struct script x = { services, n, daemon, first,
		first + service_queues(&daemon->inspect, host->cores) - 1, out };
	int r;

	if (daemon->mark == 0 || (daemon->mark & UINT16_MAX) != 0 || x.last > UINT16_MAX)
		return ERR_RANGE;
	if ((r = buf_puts(out,
		     "#!/bin/sh -e\n"
		     "# The inspector's hook for a host whose firewall is iptables; xmppwalld "
		     "runs with --no-firewall\n"
		     "# there. To be run again whenever the services change.\n")) < 0)
		return r;
	if (!firewall_inspects(services, n))
		return buf_puts(
			out, "# No service is of mode inspect: there is nothing to hook.\n");
	for (size_t i = 0; i < n; i++)
		if (services[i].mode == MODE_INSPECT && services[i].role == ROLE_SERVERLESS) {
			r = buf_puts(out,
				"# Of role serverless only its ports: what mDNS tells is known to "
				"the nft table alone.\n");
			break;
		}
	for (size_t i = 0; i < FIREWALL_FAMILIES && r == 0; i++)
		r = put_family(&x, &firewall_families[i]);
	return r;
}
