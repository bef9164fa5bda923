/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between the nft mark and the proxy. A packet that tproxy or socket marked is
 * for another's address; a rule sends marked packets to a table whose only route calls every
 * address local, so that the kernel delivers them here. Mark and table come in, rtnetlink messages
 * go out; each is "create, if it is not there" and told apart from others' by our own priority and
 * protocol number. Interception needs no other setting of ours: forwarding is the operator's and
 * only looked at, route_localnet is not needed. It never writes a sysctl and never touches table
 * main. */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "base/err.h"
#include "ctl/route.h"

enum {
	PRIORITY = 22530, /* after table local (0), before main (32766) */
	PROTOCOL = 88,    /* who made it: 'X'; free in /etc/iproute2/rt_protos */
	READ_SIZE = 16 * 1024,
	DUPLICATES_MAX = 16, /* rules removed at once, should others have copied ours */
};

struct route {
	struct mnl_socket *socket;
	unsigned seq, loopback;
	uint32_t mark, table;
};

static int route_open(struct route *r, uint32_t mark, uint32_t table)
{
	int error = 0;

	if (table == RT_TABLE_UNSPEC || (table >= RT_TABLE_DEFAULT && table <= RT_TABLE_LOCAL))
		return ERR_RANGE;
	*r = (struct route){ .mark = mark, .table = table, .seq = (unsigned)time(NULL) };
	/* The loopback of a namespace need not be number 1. */
	if ((r->loopback = if_nametoindex("lo")) == 0)
		return -errno;
	r->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->socket)
		return -errno;
	if (mnl_socket_bind(r->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error = errno;
		mnl_socket_close(r->socket);
	}
	return -error;
}

static int route_request(struct route *r, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	char memory[READ_SIZE];
	ssize_t len;
	int done;

	nlh->nlmsg_seq = ++r->seq;
	if (mnl_socket_sendto(r->socket, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	do {
		len = mnl_socket_recvfrom(r->socket, memory, sizeof(memory));
		done = len < 0 ? -1
			       : mnl_cb_run(memory, (size_t)len, r->seq,
					 mnl_socket_get_portid(r->socket), cb, arg);
	} while (done > 0);
	return done < 0 ? -errno : 0;
}

/* ---- messages ---- */

static struct nlmsghdr *rule_message(
	const struct route *r, char *memory, int family, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(memory);
	struct fib_rule_hdr *rule;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	rule = mnl_nlmsg_put_extra_header(nlh, sizeof(*rule));
	rule->family = (uint8_t)family;
	rule->action = FR_ACT_TO_TBL;
	rule->table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, PRIORITY);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark);
	mnl_attr_put_u32(nlh, FRA_FWMASK, UINT32_MAX);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, PROTOCOL);
	return nlh;
}

static struct nlmsghdr *local_message(
	const struct route *r, char *memory, int family, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(memory);
	struct rtmsg *rt;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtm_family = (uint8_t)family;
	rt->rtm_table = r->table < 256 ? (uint8_t)r->table : RT_TABLE_UNSPEC;
	rt->rtm_protocol = PROTOCOL;
	rt->rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
	rt->rtm_type = RTN_LOCAL;
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	mnl_attr_put_u32(nlh, RTA_OIF, r->loopback);
	return nlh;
}

/* A host may be without IPv6, or have it switched off. */
static bool family_missing(int family, int error)
{
	return family == AF_INET6 &&
	       (error == -EAFNOSUPPORT || error == -EOPNOTSUPP || error == -EACCES);
}

static const int route_families[] = { AF_INET, AF_INET6 };

static int family_add(struct route *r, int family)
{
	char memory[256];
	int done = route_request(r,
		local_message(r, memory, family, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL), NULL,
		NULL);

	if (done < 0 && done != -EEXIST)
		return family_missing(family, done) ? 0 : done;
	done = route_request(r,
		rule_message(r, memory, family, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL), NULL,
		NULL);
	return done == -EEXIST || family_missing(family, done) ? 0 : done;
}

static bool is_absent(int error)
{
	return error == -ENOENT || error == -ESRCH;
}

static int family_remove(struct route *r, int family)
{
	char memory[256];
	int done = 0;

	for (unsigned i = 0; i < DUPLICATES_MAX && done == 0; i++)
		done = route_request(
			r, rule_message(r, memory, family, RTM_DELRULE, 0), NULL, NULL);
	if (done < 0 && !is_absent(done))
		return family_missing(family, done) ? 0 : done;
	done = route_request(r, local_message(r, memory, family, RTM_DELROUTE, 0), NULL, NULL);
	return is_absent(done) || family_missing(family, done) ? 0 : done;
}

int route_add(uint32_t mark, uint32_t table)
{
	struct route r;
	int done = route_open(&r, mark, table);

	if (done < 0)
		return done;
	for (size_t i = 0; i < 2 && done == 0; i++)
		done = family_add(&r, route_families[i]);
	mnl_socket_close(r.socket);
	return done;
}

int route_remove(uint32_t mark, uint32_t table)
{
	struct route r;
	int done = route_open(&r, mark, table);

	if (done < 0)
		return done;
	for (size_t i = 0; i < 2 && done == 0; i++)
		done = family_remove(&r, route_families[i]);
	mnl_socket_close(r.socket);
	return done;
}

/* ---- looking ---- */

struct search {
	uint32_t mark, table;
	unsigned loopback;
	bool found;
};

static uint32_t attr_u32(const struct nlmsghdr *nlh, size_t header, int type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, header) if (mnl_attr_get_type(attr) == type &&
						 mnl_attr_validate(attr, MNL_TYPE_U32) >=
							 0) return mnl_attr_get_u32(attr);
	return 0;
}

static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	const size_t header = sizeof(struct fib_rule_hdr);
	struct search *s = arg;

	if (attr_u32(nlh, header, FRA_FWMARK) == s->mark &&
		attr_u32(nlh, header, FRA_FWMASK) == UINT32_MAX &&
		attr_u32(nlh, header, FRA_TABLE) == s->table &&
		attr_u32(nlh, header, FRA_PRIORITY) == PRIORITY)
		s->found = true;
	return MNL_CB_OK;
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(nlh);
	struct search *s = arg;

	if (rt->rtm_type == RTN_LOCAL && rt->rtm_dst_len == 0 &&
		attr_u32(nlh, sizeof(*rt), RTA_TABLE) == s->table &&
		attr_u32(nlh, sizeof(*rt), RTA_OIF) == s->loopback)
		s->found = true;
	return MNL_CB_OK;
}

static int family_dump(struct route *r, int family, uint16_t type, size_t header, mnl_cb_t cb)
{
	struct search s = { r->mark, r->table, r->loopback, false };
	char memory[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(memory);
	uint8_t *payload;
	int done;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	payload = mnl_nlmsg_put_extra_header(nlh, header);
	payload[0] = (uint8_t)family; /* both headers begin with the family */
	done = route_request(r, nlh, cb, &s);
	return done < 0 ? done : s.found;
}

static int read_number(const char *path)
{
	FILE *f = fopen(path, "re");
	int value = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%d", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

/* Switched off, the kernel refuses the route: then nothing is missing. */
static bool ipv6_is_off(void)
{
	return read_number("/proc/sys/net/ipv6/conf/lo/disable_ipv6") != 0;
}

static int family_present(struct route *r, int family)
{
	int done = family_dump(r, family, RTM_GETRULE, sizeof(struct fib_rule_hdr), on_rule);

	if (done == 1)
		done = family_dump(r, family, RTM_GETROUTE, sizeof(struct rtmsg), on_route);
	if (done == 0 && family == AF_INET6 && ipv6_is_off())
		return 1;
	return family_missing(family, done) ? 1 : done;
}

int route_present(uint32_t mark, uint32_t table)
{
	struct route r;
	int done = route_open(&r, mark, table);

	if (done < 0)
		return done;
	done = 1;
	for (size_t i = 0; i < 2 && done == 1; i++)
		done = family_present(&r, route_families[i]);
	mnl_socket_close(r.socket);
	return done;
}

/* ---- sysctls ---- */

static const struct {
	const char *name, *path;
	int good; /* value wanted; for rp_filter: the value that hurts is 1 */
	bool must_differ;
	const char *found, *advice;
} route_checks[ROUTE_CHECKS] = {
	{ "forward4", "/proc/sys/net/ipv4/ip_forward", 1, false, "this host forwards IPv4",
		"this host does not forward IPv4: fine in front of its own server; a router needs "
		"net.ipv4.ip_forward=1" },
	{ "forward6", "/proc/sys/net/ipv6/conf/all/forwarding", 1, false, "this host forwards IPv6",
		"this host does not forward IPv6: fine in front of its own server; a router needs "
		"net.ipv6.conf.all.forwarding=1" },
	{ "src_valid_mark", "/proc/sys/net/ipv4/conf/all/src_valid_mark", 0, false,
		"reverse path checks do not look at marks",
		"net.ipv4.conf.all.src_valid_mark=1 (wg-quick sets it) makes the reverse path "
		"check drop intercepted "
		"packets; set it to 0, or rp_filter to 0 on the interfaces towards peers" },
	{ "rp_filter", "/proc/sys/net/ipv4/conf/all/rp_filter", 1, true,
		"no strict reverse path check for all interfaces",
		"net.ipv4.conf.all.rp_filter=1 drops what comes and goes by different interfaces; "
		"2 (loose) is enough" },
	{ "tcp_loose", "/proc/sys/net/netfilter/nf_conntrack_tcp_loose", 0, false,
		"connections are tracked from their first packet, for synproxy",
		"only for defend { synproxy on; }: net.netfilter.nf_conntrack_tcp_loose=0" },
	{ "tcp_syncookies", "/proc/sys/net/ipv4/tcp_syncookies", 0, true,
		"SYN cookies, for synproxy", "net.ipv4.tcp_syncookies=1 helps against SYN floods" },
	{ "tcp_timestamps", "/proc/sys/net/ipv4/tcp_timestamps", 0, true,
		"timestamps, in which synproxy keeps what a peer can",
		"only for defend { synproxy on; }: without net.ipv4.tcp_timestamps=1 its connections "
		"have neither window scaling nor selective acknowledgements" },
};

bool route_tracks_strictly(void)
{
	return read_number("/proc/sys/net/netfilter/nf_conntrack_tcp_loose") == 0;
}

size_t route_check(struct firewall_check *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < ROUTE_CHECKS && n < max; i++) {
		int value = read_number(route_checks[i].path);

		if (value < 0) /* no IPv6, or no /proc/sys here: nothing to say */
			continue;
		out[n].name = route_checks[i].name;
		out[n].ok = (value == route_checks[i].good) != route_checks[i].must_differ;
		snprintf(out[n].text, sizeof(out[n].text), "%s",
			out[n].ok ? route_checks[i].found : route_checks[i].advice);
		n++;
	}
	return n;
}
