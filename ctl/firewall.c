/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: before everything. What the services ask of the kernel, written as the text of
 * one nft table: sets of allowed and blocked addresses, their early drop, and the interception that
 * brings a peer's connection to the proxy. Services and options come in, nft text goes out;
 * "firewall print" shows this very text and nft.c loads it. Addresses are parsed and printed anew
 * and names stripped, so that nothing from the configuration becomes syntax. It never talks to the
 * kernel and never looks at the host. */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>

#include "base/err.h"
#include "ctl/firewall_defend.h"
#include "ctl/firewall_int.h"
#include "ctl/firewall_queue.h"
#include "ctl/firewall_synproxy.h"
#include "rules/rules.h"

static bool service_is(const struct service *s, enum intercept how)
{
	return s->mode == MODE_PROXY && s->intercept == how && s->n_ports > 0;
}

static bool any_service(const struct service *services, size_t n, enum intercept how)
{
	for (size_t i = 0; i < n; i++)
		if (service_is(&services[i], how))
			return true;
	return false;
}

static bool any_source_client(const struct service *services, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (services[i].mode == MODE_PROXY && services[i].source_client)
			return true;
	return false;
}

bool firewall_needs_route(const struct service *services, size_t n)
{
	return any_service(services, n, INTERCEPT_TPROXY) || any_source_client(services, n);
}

/* ---- one service's rules ---- */

/* The condition on addresses: one rule a family, and none for a family without an address. */
const struct firewall_family firewall_families[FIREWALL_FAMILIES] = {
	{ "ip ", "ipv4", true },
	{ "ip6 ", "ipv6", false },
};

static bool address_is_any(const struct peer_address *a)
{
	static const uint8_t zero[16];

	return memcmp(a->bytes + (address_is_v4(a) ? 12 : 0), zero, address_is_v4(a) ? 4 : 16) == 0;
}

int firewall_format_list(const struct service *s, const struct firewall_family *f,
	const char *separator, struct buf *text, unsigned *count, bool *any)
{
	struct peer_address a;
	char name[INET6_ADDRSTRLEN];
	int r;

	*count = 0;
	*any = false;
	for (unsigned i = 0; i < s->n_addresses; i++) {
		if ((r = address_parse(span_of(s->addresses[i]), &a)) < 0)
			return r;
		if (address_is_v4(&a) != f->v4)
			continue;
		*any = *any || address_is_any(&a);
		address_format(&a, name, sizeof(name));
		if ((r = buf_putf(text, "%s%s", (*count)++ ? separator : "", name)) < 0)
			return r;
	}
	return 0;
}

int firewall_format_addresses(const struct service *s, const struct firewall_family *f,
	const char *which, struct buf *text, unsigned *count)
{
	bool any;
	int r;

	*count = 0;
	if ((r = buf_putf(text, "%s%s { ", f->name, which)) < 0 ||
		(r = firewall_format_list(s, f, ", ", text, count, &any)) < 0)
		return r;
	if (any) {
		buf_clear(text);
		return buf_putf(text, "meta nfproto %s ", f->proto);
	}
	return buf_puts(text, " } ");
}

/* family: "" or "ip " or "ip6 "; address: whose listener, "" for one that is
 * bound to all. A tproxy rule without a listening proxy lets the packet go on: the rule after it is
 * what fails closed. Redirection to a port without a listener refuses by itself.
 */
static int format_ports(const struct service *s, const char *family, const char *condition,
	const char *address, uint32_t mark, struct buf *out)
{
	int r = 0;

	for (unsigned i = 0; i < s->n_ports && r == 0; i++) {
		unsigned to = service_own_port(s, s->ports[i]);

		if (s->intercept == INTERCEPT_TPROXY) {
			r = buf_putf(out,
				"\t\t%stcp dport %u tproxy %sto %s:%u meta mark set 0x%08" PRIx32
				" counter accept\n",
				condition, s->ports[i], family, address, to, mark);
			if (r == 0 && !s->fail_open)
				r = buf_putf(out, "\t\t%stcp dport %u counter drop\n", condition,
					s->ports[i]);
		} else
			r = buf_putf(out,
				"\t\tfib daddr type %slocal %stcp dport %u counter redirect to :%u\n",
				s->direction == SERVICE_OUT ? "!= " : "", condition, s->ports[i],
				to);
	}
	return r;
}

/* Each to the listener that is bound to it: without being told the kernel looks for one that is bound
 * to the incoming interface's own address. */
static int format_tproxied(const struct service *s, uint32_t mark, struct buf *out)
{
	int r = 0;

	for (unsigned i = 0; i < s->n_addresses && r == 0; i++) {
		struct service one = *s;
		const struct firewall_family *f =
			&firewall_families[strchr(s->addresses[i], ':') != NULL];
		char address[INET6_ADDRSTRLEN + 2];
		struct buf condition;
		unsigned count;

		one.addresses[0] = s->addresses[i];
		one.n_addresses = 1;
		snprintf(address, sizeof(address), f->v4 ? "%s" : "[%s]", s->addresses[i]);
		buf_init(&condition, 0);
		if ((r = firewall_format_addresses(&one, f, "daddr", &condition, &count)) == 0) {
			const char *text = buf_string(&condition);
			bool all = text && strncmp(text, "meta", 4) == 0;

			r = text ? format_ports(s, f->name, text, all ? "" : address, mark, out)
				 : -ENOMEM;
		}
		buf_fini(&condition);
	}
	return r;
}

/* Names come from the configuration's lexer; whatever is not a plain character there is not
 * repeated here. */
int firewall_format_name(const char *name, struct buf *out)
{
	int r = 0;

	for (; name && *name && r == 0; name++)
		r = buf_putf(out, "%c", *name > ' ' && *name < 0x7f ? *name : '_');
	return r;
}

static int format_service(const struct service *s, uint32_t mark, struct buf *out)
{
	struct buf condition;
	unsigned count;
	int r;

	if ((r = buf_puts(out, "\t\t# service ")) < 0 ||
		(r = firewall_format_name(s->name, out)) < 0 ||
		(r = buf_puts(out, s->intercept != INTERCEPT_TPROXY ? "\n"
				   : s->fail_open ? ", passes by while there is no proxy\n"
						  : ", dropped while there is no proxy\n")) < 0)
		return r;
	if (s->n_addresses == 0)
		return format_ports(s, "", "", "", mark, out);
	if (s->intercept == INTERCEPT_TPROXY)
		return format_tproxied(s, mark, out);
	buf_init(&condition, 0);
	for (size_t i = 0; i < FIREWALL_FAMILIES && r == 0; i++) {
		const char *text;

		buf_clear(&condition);
		if ((r = firewall_format_addresses(
			     s, &firewall_families[i], "daddr", &condition, &count)) < 0)
			break;
		if (count == 0)
			continue;
		text = buf_string(&condition);
		r = text ? format_ports(s, firewall_families[i].name, text, "", mark, out) : -ENOMEM;
	}
	buf_fini(&condition);
	return r;
}

static int format_services(const struct service *services, size_t n, enum intercept how,
	uint32_t mark, struct buf *out)
{
	int r = 0;

	/* What is dialled towards our own servers is no way out. */
	for (int way = SERVICE_IN; way <= SERVICE_OUT; way++)
		for (size_t i = 0; i < n && r == 0; i++)
			if (service_is(&services[i], how) && (int)services[i].direction == way)
				r = format_service(&services[i], mark, out);
	return r;
}

/* ---- the table ---- */

/* Single addresses and networks of 64 bits by hash, for a change in them costs the same however
 * many there are; other networks as intervals. */
int firewall_format_pair(const char *base, bool timeout, struct buf *out)
{
	static const struct {
		const char *suffix, *type;
		bool interval;
	} sets[] = {
		{ "4", "ipv4_addr", false },
		{ "6", "ipv6_addr", false },
		{ "6_64", "ipv6_addr", false },
		{ "4_nets", "ipv4_addr", true },
		{ "6_nets", "ipv6_addr", true },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && r == 0; i++) {
		const char *flags = sets[i].interval ? timeout ? "interval,timeout" : "interval"
				    : timeout        ? "timeout"
						     : NULL;

		r = buf_putf(
			out, "\tset %s%s {\n\t\ttype %s\n", base, sets[i].suffix, sets[i].type);
		if (r == 0 && flags)
			r = buf_putf(out, "\t\tflags %s\n", flags);
		if (r == 0 && timeout && !sets[i].interval)
			r = buf_puts(out, "\t\tgc-interval 10s\n");
		if (r == 0)
			r = buf_puts(out, "\t}\n");
	}
	return r;
}

int firewall_format_match(const char *base, const char *act, struct buf *out)
{
	return buf_putf(out,
		"\t\tip saddr @%s4 %s\n"
		"\t\tip saddr @%s4_nets %s\n"
		"\t\tip6 saddr @%s6 %s\n"
		"\t\tip6 saddr & ffff:ffff:ffff:ffff:: @%s6_64 %s\n"
		"\t\tip6 saddr @%s6_nets %s\n",
		base, act, base, act, base, act, base, act, base, act);
}

static int format_list(const char *base, const char *comment, const char *list, struct buf *out)
{
	int r;

	if ((r = buf_putf(out, "\t# %s", comment)) < 0 ||
		(list && ((r = buf_puts(out, ": the list ")) < 0 ||
				 (r = firewall_format_name(list, out)) < 0)) ||
		(r = buf_puts(out, ".\n")) < 0)
		return r;
	return firewall_format_pair(base, strcmp(base, FIREWALL_BLOCK) == 0, out);
}

static int format_sets(const struct daemon_options *daemon, bool locked, struct buf *out)
{
	int r;

	if ((r = format_list(FIREWALL_ALLOW, "Never blocked", daemon->allow_set, out)) < 0 ||
		(r = format_list(FIREWALL_BLOCK, "Bans, each with its own end", NULL, out)) < 0 ||
		(daemon->block_set && (r = format_list(FIREWALL_BLOCKLIST, "Blocked for good",
					       daemon->block_set, out)) < 0))
		return r;
	return buf_putf(out,
		"\t# Holds tcp while the block sets are being filled.\n"
		"\tset " FIREWALL_LOADING " {\n"
		"\t\ttype inet_proto\n"
		"\t}\n"
		"\t# Holds tcp during a lockdown.\n"
		"\tset " FIREWALL_LOCKDOWN " {\n"
		"\t\ttype inet_proto\n"
		"%s"
		"\t}\n",
		locked ? "\t\telements = { tcp }\n" : "");
}

/* The ports the proxy really listens on are not for dialling: there would be no original
 * destination. Before NAT (raw) an intercepted packet still carries the port its peer dialled. */
static int format_hidden_ports(const struct service *services, size_t n, struct buf *out)
{
	bool first = true;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		if (!service_is(&services[i], INTERCEPT_TPROXY) &&
			!service_is(&services[i], INTERCEPT_REDIRECT))
			continue;
		for (unsigned k = 0; k < services[i].n_ports && r == 0; k++) {
			if (first)
				r = buf_puts(out,
					"\t\t# The proxy's own ports are reached by interception "
					"only.\n"
					"\t\tiifname != \"lo\" fib daddr type local tcp dport {");
			if (r == 0)
				r = buf_putf(out, "%s %u", first ? "" : ",",
					service_own_port(&services[i], services[i].ports[k]));
			first = false;
		}
	}
	return r == 0 && !first ? buf_puts(out, " } counter drop\n") : r;
}

static bool is_repeated(const struct service *services, size_t i, unsigned k)
{
	for (size_t j = 0; j <= i; j++)
		for (unsigned m = 0; m < (j < i ? services[j].n_ports : k); m++)
			if (services[j].ports[m] == services[i].ports[k])
				return true;
	return false;
}

int firewall_format_protected(const struct service *services, size_t n, struct buf *out, bool *any)
{
	int r = 0;

	*any = false;
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < services[i].n_ports && r == 0; k++) {
			if (is_repeated(services, i, k))
				continue;
			r = buf_putf(out, "%s %u", *any ? "," : "{", services[i].ports[k]);
			*any = true;
		}
	return r == 0 && *any ? buf_puts(out, " }") : r;
}

/* Packets of standing connections, too, but not this host's own to itself: a proxy dials a server
 * on the same host in its clients' names. What comes back from a protected port elsewhere passes.
 */
static int format_lockdown(const char *ports, bool serverless, struct buf *out)
{
	int r = buf_puts(out, "\t\t# During a lockdown nobody else comes in.\n");

	if (r == 0 && *ports)
		r = buf_putf(out,
			"\t\tiifname != \"lo\" tcp dport %s meta l4proto @" FIREWALL_LOCKDOWN
			" counter drop\n",
			ports);
	if (r == 0 && serverless)
		r = buf_puts(out,
			"\t\tip daddr . tcp dport @serverless4 meta l4proto @" FIREWALL_LOCKDOWN
			" counter drop\n"
			"\t\tip6 daddr . tcp dport @serverless6 meta l4proto @" FIREWALL_LOCKDOWN
			" counter drop\n");
	return r;
}

/* The two switches of ctl/nft_flag.c. */
static int format_switches(const struct service *services, size_t n, struct buf *out)
{
	bool serverless = firewall_queue_serverless(services, n);
	struct buf ports;
	const char *text;
	bool any;
	int r;

	buf_init(&ports, 0);
	r = firewall_format_protected(services, n, &ports, &any);
	text = r == 0 && any ? buf_string(&ports) : "";
	if (r == 0 && !text)
		r = -ENOMEM;
	if (r == 0 && (any || serverless))
		r = format_lockdown(text, serverless, out);
	if (r == 0 && any)
		r = buf_putf(out,
			"\t\t# Nobody new comes in while bans are still missing.\n"
			"\t\ttcp flags & (fin|syn|rst|ack) == syn tcp dport %s meta "
			"l4proto @" FIREWALL_LOADING " counter drop\n",
			text);
	buf_fini(&ports);
	return r;
}

static int format_early(const struct service *services, size_t n,
	const struct daemon_options *daemon, const struct firewall_host *host, struct buf *out)
{
	int r;

	if ((r = buf_puts(out, "\n"
			       "\t# Before connection tracking and interception; packets of "
			       "standing connections, too.\n"
			       "\tchain early {\n"
			       "\t\ttype filter hook prerouting priority raw; policy accept;\n")) <
			0 ||
		(r = format_hidden_ports(services, n, out)) < 0)
		return r;
	if ((r = buf_puts(out, "\t\t# A ban must not cut this host off from itself.\n"
			       "\t\tip saddr 127.0.0.1 accept\n"
			       "\t\tip6 saddr ::1 accept\n")) < 0 ||
		(r = firewall_format_match(FIREWALL_ALLOW, "accept", out)) < 0 ||
		(r = firewall_format_match(FIREWALL_BLOCK, "counter drop", out)) < 0 ||
		(daemon->block_set &&
			(r = firewall_format_match(FIREWALL_BLOCKLIST, "counter drop", out)) < 0) ||
		(r = format_switches(services, n, out)) < 0 ||
		(r = firewall_defend_early(&daemon->defend, out)) < 0 ||
		(r = firewall_synproxy_early(daemon, host, out)) < 0)
		return r;
	return buf_puts(out, "\t}\n");
}

static int format_intercept(const struct service *services, size_t n,
	const struct daemon_options *daemon, struct buf *out)
{
	uint32_t local = firewall_mark_local(daemon);
	int r;

	if (!firewall_needs_route(services, n))
		return 0;
	if ((r = buf_putf(out,
		     "\n"
		     "\t# Packets for another's address are handed to the proxy here: the mark "
		     "chooses routing table %" PRIu32 ".\n"
		     "\tchain intercept {\n"
		     "\t\ttype filter hook prerouting priority mangle; policy accept;\n"
		     "\t\t# The proxy's own connections to a server on this host.\n"
		     "\t\tmeta mark 0x%08" PRIx32 " accept\n"
		     "\t\t# Answers to connections made in a client's name, and sessions older "
		     "than a reload.\n"
		     "\t\tmeta l4proto tcp socket wildcard 0 socket transparent 1 meta mark set "
		     "0x%08" PRIx32 " accept\n",
		     daemon->route_table, firewall_mark_upstream(daemon), local)) < 0 ||
		(r = format_services(services, n, INTERCEPT_TPROXY, local, out)) < 0)
		return r;
	return buf_puts(out, "\t}\n");
}

/* A server on this host answers in its own name, by a route that leads out: its packets never come
 * by prerouting, where a socket could be found, so the connection is remembered by conntrack. With
 * a server elsewhere these rules see nothing: a proxy's own answers to its peers come from
 * addresses that are not local, or from connections that are not marked. */
static int format_answers(const struct service *services, size_t n,
	const struct daemon_options *daemon, struct buf *out)
{
	uint32_t upstream = firewall_mark_upstream(daemon);

	if (!any_source_client(services, n))
		return 0;
	return buf_putf(out,
		"\n"
		"\t# Answers of a server on this host to connections made in a client's name: to "
		"the proxy.\n"
		"\tchain answers {\n"
		"\t\ttype route hook output priority mangle; policy accept;\n"
		"\t\tmeta mark 0x%08" PRIx32 " ct mark set 0x%08" PRIx32 " accept\n"
		"\t\tct direction reply ct mark 0x%08" PRIx32
		" fib saddr type local meta mark set 0x%08" PRIx32 " counter\n"
		"\t}\n",
		upstream, upstream, upstream, firewall_mark_local(daemon));
}

/* What servers on this host dial; the proxy's own connections bear the mark. */
static int format_redirect_out(const struct service *services, size_t n,
	const struct daemon_options *daemon, struct buf *out)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!service_is(&services[i], INTERCEPT_REDIRECT) ||
			services[i].direction != SERVICE_OUT)
			continue;
		if (!any)
			r = buf_putf(out,
				"\n"
				"\t# What servers on this host dial themselves.\n"
				"\tchain intercept_output {\n"
				"\t\ttype nat hook output priority -100; policy accept;\n"
				"\t\tmeta mark 0x%08" PRIx32 " accept\n",
				firewall_mark_upstream(daemon));
		any = true;
		if (r == 0)
			r = format_service(&services[i], 0, out);
	}
	return r == 0 && any ? buf_puts(out, "\t}\n") : r;
}

static int format_redirect(const struct service *services, size_t n,
	const struct daemon_options *daemon, struct buf *out)
{
	int r;

	if (!any_service(services, n, INTERCEPT_REDIRECT))
		return 0;
	if ((r = buf_putf(out,
		     "\n"
		     "\t# Connections that arrive for a server on this host, or want out from behind "
		     "it.\n"
		     "\tchain intercept_nat {\n"
		     "\t\ttype nat hook prerouting priority dstnat; policy accept;\n"
		     "\t\tmeta mark 0x%08" PRIx32 " accept\n",
		     firewall_mark_upstream(daemon))) < 0 ||
		(r = format_services(services, n, INTERCEPT_REDIRECT, 0, out)) < 0 ||
		(r = buf_puts(out, "\t}\n")) < 0)
		return r;
	return format_redirect_out(services, n, daemon, out);
}

static int check_ranges(
	const struct service *services, size_t n, const struct daemon_options *daemon)
{
	if (daemon->mark == 0 || (daemon->mark & UINT16_MAX) != 0)
		return ERR_RANGE;
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0;
			services[i].intercept != INTERCEPT_NONE && k < services[i].n_ports; k++)
			if (services[i].ports[k] == 0 ||
				service_own_port(&services[i], services[i].ports[k]) > UINT16_MAX)
				return ERR_RANGE;
	return 0;
}

int firewall_format(const struct service *services, size_t n, const struct daemon_options *daemon,
	const struct firewall_host *host, struct buf *out)
{
	int r;

	if ((r = check_ranges(services, n, daemon)) < 0 ||
		(r = buf_puts(out,
			 "# Written by xmppwalld and kept so by it: what others change here "
			 "is undone.\n"
			 "table inet " FIREWALL_TABLE " {\n")) < 0 ||
		(r = format_sets(daemon, host->locked, out)) < 0 ||
		(r = firewall_queue_sets(services, n, daemon, out)) < 0 ||
		(r = firewall_defend_sets(&daemon->defend, out)) < 0 ||
		(r = firewall_synproxy_sets(daemon, host, out)) < 0 ||
		(r = format_early(services, n, daemon, host, out)) < 0 ||
		(r = firewall_defend_chains(services, n, daemon, host, out)) < 0 ||
		(r = firewall_synproxy_chains(services, n, daemon, host, out)) < 0 ||
		(r = format_intercept(services, n, daemon, out)) < 0 ||
		(r = format_answers(services, n, daemon, out)) < 0 ||
		(r = format_redirect(services, n, daemon, out)) < 0 ||
		(r = firewall_queue_format(services, n, daemon, host, out)) < 0)
		return r;
	return buf_puts(out, "}\n");
}
