/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: before xmppwall-nfq. Which packets the kernel hands to the inspector, as
 * chains of the nft table: services of mode inspect come in, nft text goes out. A packet is queued
 * once, in both directions of its connection, wherever it passes this host; connections that the
 * inspector let go are not queued again, those it ended are answered with a reset. What cannot be
 * judged (packets of no connection) never gets that far. Numbers are printed anew, as in
 * firewall.c. It never talks to the kernel and never looks at the host. */
#include "ctl/firewall_queue.h"

#include <errno.h>
#include <inttypes.h>

#include "base/err.h"
#include "ctl/firewall_int.h"

static bool is_inspected(const struct service *s)
{
	return s->mode == MODE_INSPECT;
}

static bool is_serverless(const struct service *s)
{
	return is_inspected(s) && s->role == ROLE_SERVERLESS;
}

static const struct service *find_serverless(const struct service *services, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_serverless(&services[i]))
			return &services[i];
	return NULL;
}

bool firewall_inspects(const struct service *services, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_inspected(&services[i]))
			return true;
	return false;
}

static bool any_fails(const struct service *services, size_t n, bool open)
{
	for (size_t i = 0; i < n; i++)
		if (is_inspected(&services[i]) && services[i].fail_open == open)
			return true;
	return false;
}

static const char *judge_chain(const struct service *s)
{
	return s->fail_open ? "inspect_open" : "inspect_closed";
}

/* ---- one service ---- */

static int format_ports(const struct service *s, const char *which, struct buf *out)
{
	int r = buf_putf(out, "tcp %s { ", which);

	for (unsigned i = 0; i < s->n_ports && r == 0; i++)
		r = buf_putf(out, "%s%u", i ? ", " : "", s->ports[i]);
	return r == 0 ? buf_puts(out, " } ") : r;
}

/* What goes to the service, what comes from it. */
static int format_ways(const struct service *s, const struct firewall_family *f, struct buf *out)
{
	static const char *const addresses[] = { "daddr", "saddr" };
	static const char *const ports[] = { "dport", "sport" };
	struct buf condition;
	unsigned count = 1;
	int r = 0;

	buf_init(&condition, 0);
	for (unsigned way = 0; way < 2 && r == 0; way++) {
		buf_clear(&condition);
		if (f)
			r = firewall_format_addresses(s, f, addresses[way], &condition, &count);
		if (r < 0 || count == 0)
			break;
		if ((r = buf_puts(out, "\t\t")) < 0 ||
			(r = buf_put(out, buf_ptr(&condition), buf_len(&condition))) < 0 ||
			(r = format_ports(s, ports[way], out)) < 0)
			break;
		r = buf_putf(out, "goto %s\n", judge_chain(s));
	}
	buf_fini(&condition);
	return r;
}

static int format_service(const struct service *s, struct buf *out)
{
	int r;

	if ((r = buf_puts(out, "\t\t# service ")) < 0 ||
		(r = firewall_format_name(s->name, out)) < 0 ||
		(r = buf_putf(out, ", %s while there is no inspector\n",
			 s->fail_open ? "passes by" : "dropped")) < 0)
		return r;
	if (s->n_addresses == 0)
		return format_ways(s, NULL, out);
	for (size_t i = 0; i < FIREWALL_FAMILIES && r == 0; i++)
		r = format_ways(s, &firewall_families[i], out);
	return r;
}

/* Those that fail closed first: whoever dials them from a port that another service has must not
 * pass for that one. */
static int format_services(const struct service *services, size_t n, struct buf *out)
{
	int r = 0;

	for (unsigned open = 0; open < 2; open++)
		for (size_t i = 0; i < n && r == 0; i++)
			if (is_inspected(&services[i]) && services[i].n_ports > 0 &&
				services[i].fail_open == open)
				r = format_service(&services[i], out);
	return r;
}

/* ---- serverless ---- */

bool firewall_queue_serverless(const struct service *services, size_t n)
{
	return find_serverless(services, n) != NULL;
}

int firewall_queue_sets(const struct service *services, size_t n,
	const struct daemon_options *daemon, struct buf *out)
{
	int r = 0;

	if (daemon->inspect.bridge && firewall_inspects(services, n))
		r = buf_puts(out,
			"\t# These bridges hand over what they forward as long as the table "
			"stands.\n"
			"\tset " FIREWALL_BRIDGES " {\n"
			"\t\ttype ifname\n"
			"\t}\n");
	if (r < 0 || !find_serverless(services, n))
		return r;
	return buf_puts(out, "\t# Where _presence._tcp is, as mDNS tells.\n"
			     "\tset serverless4 {\n"
			     "\t\ttype ipv4_addr . inet_service\n"
			     "\t\tflags timeout\n"
			     "\t}\n"
			     "\tset serverless6 {\n"
			     "\t\ttype ipv6_addr . inet_service\n"
			     "\t\tflags timeout\n"
			     "\t}\n");
}

/* The proxy's ports, as dialled and as listened on: their streams are judged there. */
static int format_proxied(const struct service *services, size_t n, struct buf *out)
{
	static const char *const ports[] = { "dport", "sport" };
	int r = 0;

	for (unsigned way = 0; way < 2; way++) {
		bool first = true;

		for (size_t i = 0; i < n; i++) {
			const struct service *s = &services[i];

			for (unsigned k = 0; !is_inspected(s) && k < s->n_ports && r == 0; k++) {
				r = first ? buf_putf(
						    out, "\t\ttcp %s { %u", ports[way], s->ports[k])
					  : buf_putf(out, ", %u", s->ports[k]);
				if (r == 0 && s->intercept != INTERCEPT_NONE)
					r = buf_putf(
						out, ", %u", service_own_port(s, s->ports[k]));
				first = false;
			}
		}
		if (r == 0 && !first)
			r = buf_puts(out, " } accept\n");
	}
	return r;
}

/* A connection once found stays found: what its announcement's end, or another's word, would let
 * go. */
static int format_found(const struct daemon_options *daemon, const char *chain, struct buf *out)
{
	static const char *const found[] = {
		"ip daddr . tcp dport @serverless4",
		"ip saddr . tcp sport @serverless4",
		"ip6 daddr . tcp dport @serverless6",
		"ip6 saddr . tcp sport @serverless6",
		/* '<?xml' and '<stream:' at the start of a segment, on any port. */
		"meta l4proto tcp @ih,0,40 0x3c3f786d6c",
		"meta l4proto tcp @ih,0,64 0x3c73747265616d3a",
	};
	uint32_t stream = firewall_mark_stream(daemon);
	int r = buf_putf(out, "\t\tct mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " goto %s\n",
		0xffff0010, stream, chain);

	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]) && r == 0; i++)
		r = buf_putf(out,
			"%s\t\t%s ct mark set ct mark & 0x0000ffff | 0x%08" PRIx32 " goto %s\n",
			i == 4 ? "\t\t# '<?xml' and '<stream:' at the start of a segment, on any "
				 "port.\n"
			       : "",
			found[i], stream, chain);
	return r;
}

/* What a bridge sends to several ports is one packet to connection tracking, and its first could
 * not be queued: the kernel drops it. */
static int format_untracked(const struct daemon_options *daemon, struct buf *out)
{
	if (!daemon->inspect.bridge)
		return 0;
	return buf_puts(out, "\n\t# A bridge's multicast cannot be queued while it is tracked.\n"
			     "\tchain inspect_untracked {\n"
			     "\t\ttype filter hook prerouting priority raw; policy accept;\n"
			     "\t\tudp dport 5353 notrack\n"
			     "\t\tudp sport 5353 notrack\n"
			     "\t}\n");
}

static int format_serverless(const struct service *services, size_t n,
	const struct daemon_options *daemon, struct buf *out)
{
	const struct service *s = find_serverless(services, n);
	int r;

	if (!s)
		return 0;
	if ((r = buf_puts(out, "\t\t# service ")) < 0 ||
		(r = firewall_format_name(s->name, out)) < 0 ||
		(r = buf_putf(out,
			 ", on any port: %s while there is no inspector\n"
			 "\t\tudp dport 5353 goto inspect_mdns\n"
			 "\t\tudp sport 5353 goto inspect_mdns\n",
			 s->fail_open ? "passes by" : "dropped")) < 0 ||
		(r = format_proxied(services, n, out)) < 0)
		return r;
	return format_found(daemon, judge_chain(s), out);
}

/* ---- what goes for all ---- */

static int format_hooks(const struct daemon_options *daemon, struct buf *out)
{
	uint32_t upstream = firewall_mark_upstream(daemon);

	return buf_putf(out,
		"\n"
		"\t# Clear text for xmppwall-nfq. Each packet is queued once: over the loopback it "
		"comes by\n"
		"\t# output and input, and input is where it no longer counts against its sender's "
		"socket.\n"
		"\tchain inspect_forward {\n"
		"\t\ttype filter hook forward priority filter + 10; policy accept;\n"
		"\t\tjump inspect\n"
		"\t}\n"
		"\tchain inspect_input {\n"
		"\t\ttype filter hook input priority filter + 10; policy accept;\n"
		"\t\tjump inspect\n"
		"\t}\n"
		"\tchain inspect_output {\n"
		"\t\ttype filter hook output priority filter + 10; policy accept;\n"
		"\t\t# The proxy's own connections, whose streams it has judged.\n"
		"\t\tmeta mark & 0xffff0001 == 0x%08" PRIx32
		" ct mark set ct mark & 0x0000ffff | 0x%08" PRIx32 " accept\n"
		"\t\toifname \"lo\" accept\n"
		"\t\tjump inspect\n"
		"\t}\n"
		"\tchain inspect {\n"
		"\t\tct mark & 0xffff0001 == 0x%08" PRIx32 " accept\n",
		upstream, upstream, upstream);
}

/* A reset of a connection that is to end may always pass. Those that a rule made, ours or
 * another's, belong to the connection by relation only; the kernel would lose them in a queue.
 * Connection tracking may hold on to an entry whose ends have long forgotten it; who dials from
 * there again must not have what was said of the former connection. */
static int format_state(const struct daemon_options *daemon, struct buf *out)
{
	uint32_t pass = service_mark_pass(daemon), killed = service_mark_kill(daemon);
	int r = buf_putf(out,
		"\tchain inspect_state {\n"
		"\t\t# Resets that a firewall made.\n"
		"\t\tct state related tcp flags & rst == rst accept\n"
		"\t\t# A handshake: what was said of these addresses and ports is over.\n"
		"\t\tct direction reply tcp flags & (syn | ack) == (syn | ack) ct mark & "
		"0xffff0000 == 0x%08" PRIx32 " ct mark set ct mark & 0xffffffe3\n"
		"\t\t# Connections that the inspector ended; those it let go for good.\n"
		"\t\tct mark & 0xffff0008 == 0x%08" PRIx32 " tcp flags & rst == rst accept\n"
		"\t\tct mark & 0xffff0008 == 0x%08" PRIx32
		" tcp flags & syn == 0 counter reject with tcp reset\n"
		"\t\tct mark & 0xffff0004 == 0x%08" PRIx32 " tcp flags & syn == 0 accept\n"
		"\t\tct state invalid counter drop\n",
		daemon->mark, killed, killed, pass);

	if (r == 0 && !daemon->inspect.midstream)
		r = buf_puts(out,
			"\t\t# Connections whose beginning nobody saw are ended.\n"
			"\t\tct state new tcp flags & (syn | ack) != syn counter reject with tcp "
			"reset\n");
	return r == 0 ? buf_puts(out, "\t}\n") : r;
}

struct queue_range {
	unsigned first, last;
	enum firewall_queue_form form;
};

/* The statement that hands a packet over, and what becomes of it where that cannot be said. */
static int format_queue(const struct queue_range *q, bool open, struct buf *out)
{
	int r;

	switch (q->form) {
	case FIREWALL_QUEUE_NATIVE:
		r = buf_putf(
			out, "\t\tcounter queue %sto %u", open ? "flags bypass " : "", q->first);
		if (r == 0 && q->last != q->first)
			r = buf_putf(out, "-%u", q->last);
		return r == 0 ? buf_puts(out, "\n") : r;
	case FIREWALL_QUEUE_TARGET:
		return buf_putf(out,
			"\t\tcounter jump %s # the NFQUEUE target: queue%s %u to %u\n"
			"\t\t%s\n",
			open ? FIREWALL_QUEUE_OPEN : FIREWALL_QUEUE_CLOSED,
			open ? " flags bypass" : "", q->first, q->last,
			open ? "accept" : "counter drop");
	case FIREWALL_QUEUE_NONE:
		return buf_putf(out, "\t\t# This kernel has no queue.\n\t\t%s\n",
			open ? "accept" : "counter drop");
	}
	return 0;
}

static int format_judge(const struct queue_range *q, bool open, struct buf *out)
{
	int r;

	if (q->form == FIREWALL_QUEUE_TARGET &&
		(r = buf_putf(out, "\tchain %s {\n\t}\n",
			 open ? FIREWALL_QUEUE_OPEN : FIREWALL_QUEUE_CLOSED)) < 0)
		return r;
	if ((r = buf_putf(out, "\tchain inspect_%s {\n\t\tjump inspect_state\n",
		     open ? "open" : "closed")) < 0 ||
		(r = format_queue(q, open, out)) < 0)
		return r;
	return buf_puts(out, "\t}\n");
}

static int format_judges(
	const struct service *services, size_t n, const struct queue_range *q, struct buf *out)
{
	bool mdns = find_serverless(services, n), open = any_fails(services, n, true);
	int r = buf_puts(out, "\t# Which queue: by a hash of both addresses, the same for both "
			      "directions. Not \"fanout\": by\n"
			      "\t# the core that a packet came in on, a connection would have two "
			      "judges.\n");

	if (r == 0 && any_fails(services, n, false))
		r = format_judge(q, false, out);
	if (r == 0 && (open || mdns))
		r = format_judge(q, true, out);
	if (r < 0 || !mdns)
		return r;
	if ((r = buf_puts(out, "\t# Looking up names on the link goes on without an inspector.\n"
			       "\tchain inspect_mdns {\n")) < 0 ||
		(r = format_queue(q, true, out)) < 0)
		return r;
	return buf_puts(out, "\t}\n");
}

/* What comes back from the queue goes on with the chains behind it. */
static int format_after(const struct daemon_options *daemon, struct buf *out)
{
	static const char *const hooks[] = { "forward", "input", "output" };
	uint32_t mark = daemon->mark, pass = service_mark_pass(daemon),
		 killed = service_mark_kill(daemon);
	int r = buf_puts(out, "\n\t# What the inspector said of a packet's connection is kept with "
			      "the connection.\n");

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]) && r == 0; i++)
		r = buf_putf(out,
			"\tchain inspected_%s {\n"
			"\t\ttype filter hook %s priority filter + 11; policy accept;\n"
			"\t\tmeta mark & 0x%08" PRIx32 " != 0x%08" PRIx32 " accept\n"
			"\t\tjump inspected\n"
			"\t}\n",
			hooks[i], hooks[i], mark, mark);
	if (r < 0)
		return r;
	return buf_putf(out,
		"\tchain inspected {\n"
		"\t\tmeta mark & 0x%08" PRIx32 " == 0x%08" PRIx32 " goto inspected_kill\n"
		"\t\tmeta mark & 0xffff0004 != 0x%08" PRIx32 " accept\n"
		"\t\tct mark set ct mark & 0x0000ffff | 0x%08" PRIx32 "\n"
		"\t\tmeta mark set meta mark & 0x0000fff3 accept\n"
		"\t}\n"
		"\tchain inspected_kill {\n"
		"\t\tct mark set ct mark & 0x0000ffff | 0x%08" PRIx32 "\n"
		"\t\tmeta mark set meta mark & 0x0000fff3\n"
		"\t\ttcp flags & rst == rst accept\n"
		"\t\tmeta l4proto tcp counter reject with tcp reset\n"
		"\t\tcounter drop\n"
		"\t}\n",
		killed, killed, pass, pass, killed);
}

int firewall_queue_format(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	unsigned count = service_queues(&daemon->inspect, host->cores);
	struct queue_range q = { daemon->inspect.queue, daemon->inspect.queue + count - 1,
		host->form };
	int r;

	if (!firewall_inspects(services, n))
		return 0;
	if (q.last > UINT16_MAX)
		return ERR_RANGE;
	if ((find_serverless(services, n) && (r = format_untracked(daemon, out)) < 0) ||
		(r = format_hooks(daemon, out)) < 0 ||
		(r = format_services(services, n, out)) < 0 ||
		(r = format_serverless(services, n, daemon, out)) < 0 ||
		(r = buf_puts(out, "\t}\n")) < 0 || (r = format_state(daemon, out)) < 0 ||
		(r = format_judges(services, n, &q, out)) < 0)
		return r;
	return format_after(daemon, out);
}
