/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it. What this kernel can of all that the table may need: each thing is
 * tried in a transaction that is thrown away, what cannot be tried so is looked up. Lines for
 * "firewall check" go out, and how packets are queued here. It changes nothing. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <nftables/libnftables.h>

#include "base/cleanup.h"
#include "ctl/nft_int.h"

/* Dormant: a hook that comes and goes would make the kernel drop what waits in its queues. */
#define IN_TABLE(text) "table inet xmppwall_check {\nflags dormant;\n" text "\n}\n"
#define FILTER(priority, rule)                                                                     \
	IN_TABLE("chain c { type filter hook prerouting priority " priority "; " rule "; }")
#define FORWARD(rule) IN_TABLE("chain c { type filter hook forward priority filter; " rule "; }")
#define NAT(rule)     IN_TABLE("chain c { type nat hook prerouting priority dstnat; " rule "; }")
#define SET(type, element)                                                                         \
	"set " type " { type " type "; flags interval,timeout; elements = { " element              \
	" timeout 1m }; }\n"

#define METER(flags, rule)                                                                         \
	IN_TABLE("counter n {\n}\nset m { type ipv4_addr; size 64; flags " flags "; }\n"           \
		 "chain c { type filter hook prerouting priority mangle; " rule "; }")

static const struct {
	const char *name, *text, *found, *advice;
} checks[] = {
	{ .name = "table",
		.text = "add table inet xmppwall_check\n",
		.found = "nf_tables with family inet",
		.advice = "needs CAP_NET_ADMIN, CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET" },
	{ .name = "sets",
		.text = IN_TABLE(
			SET("ipv4_addr", "192.0.2.0/24") SET("ipv6_addr", "2001:db8::/32")),
		.found = "sets of prefixes with timeouts",
		.advice = "bans need a kernel of 5.6 or later" },
	{ .name = "drop",
		.text = FILTER("raw", "ip saddr 192.0.2.1 counter drop"),
		.found = "drops before connection tracking",
		.advice = "needs CONFIG_NF_TABLES_INET" },
	{ .name = "tproxy",
		.text = FILTER("mangle", "tcp dport 5222 tproxy to :15222 meta mark set 1 accept"),
		.found = "transparent proxying",
		.advice = "needs CONFIG_NFT_TPROXY (module nft_tproxy); else use 'intercept "
			  "redirect'" },
	{ .name = "socket",
		.text = FILTER(
			"mangle", "meta l4proto tcp socket wildcard 0 socket transparent 1 accept"),
		.found = "finds the proxy's own sockets",
		.advice = "needs CONFIG_NFT_SOCKET (module nft_socket), kernel 5.11 or later" },
	{ .name = "redirect",
		.text = NAT("tcp dport 5222 redirect to :15222"),
		.found = "redirection to local ports",
		.advice =
			"needs modules nft_chain_nat and nft_redir; else use 'intercept tproxy'" },
	{ .name = "fib",
		.text = FILTER("raw", "fib daddr type local accept"),
		.found = "tells local addresses from others",
		.advice = "needs CONFIG_NFT_FIB_INET (module nft_fib_inet)" },
	{ .name = "conntrack",
		.text = FORWARD("ct state invalid drop"),
		.found = "knows connections, for mode inspect",
		.advice = "mode inspect needs CONFIG_NF_CONNTRACK and CONFIG_NFT_CT" },
	{ .name = "conntrack-mark",
		.text = FORWARD("ct mark set ct mark & 0x0000ffff | 4"),
		.found = "connections can be marked, for mode inspect",
		.advice = "mode inspect needs CONFIG_NF_CONNTRACK_MARK" },
	{ .name = "reset",
		.text = FORWARD("meta l4proto tcp reject with tcp reset"),
		.found = "answers with resets, for mode inspect",
		.advice = "mode inspect needs CONFIG_NFT_REJECT_INET (module nft_reject_inet)" },
	{ .name = "payload",
		.text = FORWARD("meta l4proto tcp @ih,0,40 0x3c3f786d6c drop"),
		.found = "finds streams by their first bytes, for role serverless",
		.advice = "role serverless needs a kernel of 5.16 or later" },
	{ .name = "meters",
		.text = METER("dynamic,timeout", "update @m { ip saddr timeout 1m limit rate over "
						 "10/second burst 5 packets } counter name "
						 "\"n\" drop"),
		.found = "rates of addresses, for defend",
		.advice = "defend needs CONFIG_NFT_LIMIT and CONFIG_NFT_OBJREF (modules nft_limit, "
			  "nft_objref)" },
	{ .name = "concurrent",
		.text = METER("dynamic", "add @m { ip saddr ct count over 5 } drop"),
		.found = "connections at once, for defend",
		.advice = "'concurrent' needs CONFIG_NFT_CONNLIMIT (module nft_connlimit)" },
	{ .name = "synproxy",
		.text = IN_TABLE("chain c { type filter hook input priority filter; tcp dport 5222 "
				 "ct state invalid,untracked synproxy mss 1460 wscale 7 timestamp "
				 "sack-perm; }"),
		.found = "answers SYNs by itself, for defend { synproxy on; }",
		.advice = "synproxy needs CONFIG_NFT_SYNPROXY (module nft_synproxy)" },
};

enum { TRIED = sizeof(checks) / sizeof(checks[0]), LOOKED_AT = 4 };
_Static_assert(TRIED + LOOKED_AT == NFT_CHECKS, "as nft.h says");

/* nft's message without the quoted line and the carets. */
static void first_line(char *text)
{
	text[strcspn(text, "\n")] = '\0';
}

static int dry_run(struct nft *n, const char *text, char **error)
{
	int r;

	nft_ctx_set_dry_run(n->ctx, true);
	r = nft_run(n, text, error);
	nft_ctx_set_dry_run(n->ctx, false);
	if (error && *error)
		first_line(*error);
	return r;
}

static bool has_expression(struct nft *n)
{
	return dry_run(n, FORWARD("queue flags bypass to 5298-5299"), NULL) == 0;
}

enum firewall_queue_form nft_queue_form(struct nft *n)
{
	if (has_expression(n))
		return FIREWALL_QUEUE_NATIVE;
	return nft_target_try(n) == 0 ? FIREWALL_QUEUE_TARGET : FIREWALL_QUEUE_NONE;
}

static void say(struct firewall_check *line, const char *name, bool ok, const char *text)
{
	*line = (struct firewall_check){ .name = name, .ok = ok };
	snprintf(line->text, sizeof(line->text), "%s", text);
}

/* One of the two is enough. */
static void say_queue(struct nft *n, struct firewall_check out[2])
{
	static const char neither[] =
		"mode inspect needs CONFIG_NFT_QUEUE (module nft_queue) or "
		"CONFIG_NETFILTER_XT_TARGET_NFQUEUE (module xt_NFQUEUE): without, "
		"what fails closed is dropped";
	bool expression = has_expression(n), target = nft_target_try(n) == 0;

	say(&out[0], "queue-expression", expression || target,
		expression ? "nft's queue, for mode inspect"
		: target   ? "not in this kernel; the NFQUEUE target takes its place"
			   : neither);
	say(&out[1], "queue-target", expression || target,
		target       ? "the NFQUEUE target of iptables"
		: expression ? "not in this kernel, and not needed"
			     : neither);
}

static void say_looked_at(struct nft *n, struct firewall_check out[LOOKED_AT])
{
	bool bridge = access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0;
	bool frag6 = access("/proc/sys/net/netfilter/nf_conntrack_frag6_timeout", F_OK) == 0;

	say_queue(n, out);
	say(&out[2], "defragmentation", frag6,
		frag6 ? "fragments are put together before they are judged"
		      : "fragments of IPv6 cannot be judged without CONFIG_NF_DEFRAG_IPV6 (module "
			"nf_defrag_ipv6)");
	say(&out[3], "br_netfilter", bridge,
		bridge ? "bridged packets can be judged, with inspect { bridge on; }"
		       : "only for inspect { bridge on; }: needs CONFIG_BRIDGE_NETFILTER (modprobe "
			 "br_netfilter)");
}

size_t nft_check(struct nft *n, struct firewall_check *out, size_t max)
{
	size_t i;

	for (i = 0; i < TRIED && i < max; i++) {
		cleanup_free char *error = NULL;

		out[i].name = checks[i].name;
		out[i].ok = dry_run(n, checks[i].text, &error) == 0;
		if (out[i].ok)
			snprintf(out[i].text, sizeof(out[i].text), "%s", checks[i].found);
		else
			snprintf(out[i].text, sizeof(out[i].text), "%s (%s)", checks[i].advice,
				error ? error : "refused");
	}
	if (i == TRIED && max >= NFT_CHECKS) {
		say_looked_at(n, out + i);
		i += LOOKED_AT;
	}
	return i;
}
