/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: before the table, on a host that is a bridge. A bridged packet meets tables of
 * family inet only where br_netfilter leads it there, for all bridges (a sysctl) or for one (a
 * setting of the link); the latter is what we use. A table of family bridge would need no such
 * thing, but many kernels have no connection tracking there. Only rtnetlink is spoken; no sysctl is
 * written and no module loaded. */
#include "ctl/route_bridge.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

enum { READ_SIZE = 64 * 1024 };

struct listing {
	struct bridge *all;
	size_t n, cap;
	int r;
};

/* ---- messages ---- */

static int request(struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	char *memory = malloc(READ_SIZE);
	int done = -1, error = ENOMEM;
	ssize_t len;

	nlh->nlmsg_seq = (unsigned)time(NULL);
	if (!s || !memory || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0 ||
		mnl_socket_sendto(s, nlh, nlh->nlmsg_len) < 0) {
		error = memory ? errno : ENOMEM;
	} else {
		do {
			len = mnl_socket_recvfrom(s, memory, READ_SIZE);
			done = len < 0 ? -1
				       : mnl_cb_run(memory, (size_t)len, nlh->nlmsg_seq,
						 mnl_socket_get_portid(s), cb, arg);
		} while (done > 0);
		error = errno;
	}
	if (s)
		mnl_socket_close(s);
	free(memory);
	return done < 0 ? -error : 0;
}

static void read_data(const struct nlattr *data, struct bridge *b)
{
	const struct nlattr *attr;
	bool v4 = false, v6 = false;

	mnl_attr_for_each_nested(attr, data)
	{
		bool set = mnl_attr_validate(attr, MNL_TYPE_U8) >= 0 && mnl_attr_get_u8(attr);

		if (mnl_attr_get_type(attr) == IFLA_BR_NF_CALL_IPTABLES) {
			b->known = true;
			v4 = set;
		} else if (mnl_attr_get_type(attr) == IFLA_BR_NF_CALL_IP6TABLES) {
			v6 = set;
		}
	}
	b->on = v4 && v6;
}

static bool read_info(const struct nlattr *info, struct bridge *b)
{
	const struct nlattr *attr, *data = NULL;
	bool is_bridge = false;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			is_bridge = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
				    strcmp(mnl_attr_get_str(attr), "bridge") == 0;
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (is_bridge && data)
		read_data(data, b);
	return is_bridge;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(nlh);
	struct bridge found = { .index = (unsigned)link->ifi_index };
	struct listing *l = arg;
	const struct nlattr *attr;
	bool is_bridge = false;

	mnl_attr_for_each(attr, nlh, sizeof(*link))
	{
		if (mnl_attr_get_type(attr) == IFLA_IFNAME &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			snprintf(found.name, sizeof(found.name), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_LINKINFO)
			is_bridge = read_info(attr, &found);
	}
	if (!is_bridge || l->r < 0)
		return MNL_CB_OK;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 8;
		struct bridge *all = realloc(l->all, cap * sizeof(*all));

		if (!all) {
			l->r = -ENOMEM;
			return MNL_CB_OK;
		}
		l->all = all;
		l->cap = cap;
	}
	l->all[l->n++] = found;
	return MNL_CB_OK;
}

int bridge_list(struct bridge **out, size_t *n)
{
	char memory[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(memory);
	struct listing l = { 0 };
	struct ifinfomsg *link;
	int r;

	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	r = request(nlh, on_link, &l);
	r = r < 0 ? r : l.r;
	if (r < 0)
		free(l.all);
	*out = r < 0 ? NULL : l.all;
	*n = r < 0 ? 0 : l.n;
	return r;
}

int bridge_switch(unsigned index, bool on)
{
	char memory[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(memory);
	struct nlattr *info, *data;
	struct ifinfomsg *link;

	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	link = mnl_nlmsg_put_extra_header(nlh, sizeof(*link));
	link->ifi_family = AF_UNSPEC;
	link->ifi_index = (int)index;
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u8(nlh, IFLA_BR_NF_CALL_IPTABLES, on);
	mnl_attr_put_u8(nlh, IFLA_BR_NF_CALL_IP6TABLES, on);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return request(nlh, NULL, NULL);
}

/* ---- for all bridges ---- */

static bool is_one(const char *path)
{
	FILE *f = fopen(path, "re");
	int value = 0;

	if (!f)
		return false;
	if (fscanf(f, "%d", &value) != 1)
		value = 0;
	fclose(f);
	return value == 1;
}

bool bridge_is_possible(void)
{
	return access("/proc/sys/net/bridge/bridge-nf-call-iptables", F_OK) == 0;
}

bool bridge_is_general(void)
{
	return is_one("/proc/sys/net/bridge/bridge-nf-call-iptables") &&
	       is_one("/proc/sys/net/bridge/bridge-nf-call-ip6tables");
}
