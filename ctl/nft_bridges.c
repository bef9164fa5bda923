/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside the table: inspect { bridge on; } as something that is loaded and taken away with it. Each
 * bridge that does not hand its packets to tables of family inet is told to, and its name goes into
 * the table's set "bridges" first: the kernel keeps that as long as the table stands, whoever loads
 * or unloads next. Bridges that did so before us are not touched. Nothing is decided here;
 * ctl/kernel.c calls. */
#include "ctl/nft_bridges.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>

#include "base/err.h"
#include "base/log.h"
#include "ctl/route_bridge.h"
#include "ctl/firewall_queue.h"
#include "ctl/nft_int.h"

enum { MESSAGE_SIZE = 512, NAMES_MAX = 256 };

/* ---- the set ---- */

static struct nftnl_set *set_with(const char *name)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	struct nftnl_set *set = nftnl_set_alloc();
	char key[IFNAMSIZ] = { 0 };

	memcpy(key, name, strnlen(name, IFNAMSIZ - 1));
	if (!e || !set || nftnl_set_set_str(set, NFTNL_SET_TABLE, FIREWALL_TABLE) < 0 ||
		nftnl_set_set_str(set, NFTNL_SET_NAME, FIREWALL_BRIDGES) < 0 ||
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, sizeof(key)) < 0) {
		if (e)
			nftnl_set_elem_free(e);
		if (set)
			nftnl_set_free(set);
		return NULL;
	}
	nftnl_set_elem_add(set, e);
	return set;
}

static void on_error(void *arg, uint32_t seq, int error)
{
	(void)seq;
	*(int *)arg = error;
}

static int note(struct nft *n, const char *name)
{
	struct nftnl_set *set = set_with(name);
	struct nlmsghdr *nlh;
	struct buf out;
	int r, error = 0;
	char *where;

	if (!set)
		return -ENOMEM;
	buf_init(&out, 0);
	if ((r = nft_netlink_edge(&out, false, n->seq + 1)) == 0 &&
		(r = buf_reserve(&out, MESSAGE_SIZE, &where)) == 0) {
		nlh = nftnl_nlmsg_build_hdr(where, NFT_MSG_NEWSETELEM, NFPROTO_INET,
			NLM_F_CREATE | NLM_F_ACK, n->seq + 2);
		nftnl_set_elems_nlmsg_build_payload(nlh, set);
		buf_commit(&out, nlh->nlmsg_len);
	}
	n->seq += 3;
	if (r == 0 && (r = nft_netlink_edge(&out, true, n->seq)) == 0)
		r = nft_netlink_batch(n, &out, n->seq - 1, on_error, &error);
	buf_fini(&out);
	nftnl_set_free(set);
	return error ? error : r;
}

struct names {
	char all[NAMES_MAX][IFNAMSIZ];
	size_t n;
};

static int on_element(struct nftnl_set_elem *e, void *arg)
{
	struct names *names = arg;
	uint32_t len = 0;
	const char *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);

	if (key && len == IFNAMSIZ && names->n < NAMES_MAX) {
		memcpy(names->all[names->n], key, len);
		names->all[names->n++][IFNAMSIZ - 1] = '\0';
	}
	return 0;
}

static int on_elements(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_set *set = nftnl_set_alloc();

	if (set && nftnl_set_elems_nlmsg_parse(nlh, set) >= 0)
		nftnl_set_elem_foreach(set, on_element, arg);
	if (set)
		nftnl_set_free(set);
	return MNL_CB_OK;
}

/* ---- face ---- */

int bridges_on(struct nft *n)
{
	struct bridge *all;
	size_t count;
	int r;

	if (!bridge_is_possible())
		return -EOPNOTSUPP;
	if (bridge_is_general())
		return 0;
	if ((r = bridge_list(&all, &count)) < 0)
		return r;
	for (size_t i = 0; i < count && r == 0; i++) {
		if (all[i].on)
			continue;
		if (!all[i].known)
			r = -EOPNOTSUPP;
		else if ((r = note(n, all[i].name)) == 0 &&
			 (r = bridge_switch(all[i].index, true)) == 0)
			log_info("event=bridge name=\"%s\" judged=1", all[i].name);
	}
	free(all);
	return r;
}

void bridges_off(struct nft *n)
{
	struct names *names = calloc(1, sizeof(*names));
	char memory[256];
	struct nlmsghdr *nlh = nft_netlink_header(memory, NFT_MSG_GETSETELEM, NLM_F_DUMP, 0);

	if (!names)
		return;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FIREWALL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, FIREWALL_BRIDGES);
	if (nft_netlink_request(n, nlh, on_elements, names) == 0)
		for (size_t i = 0; i < names->n; i++) {
			unsigned index = if_nametoindex(names->all[i]);

			if (index && bridge_switch(index, false) == 0)
				log_info("event=bridge name=\"%s\" judged=0", names->all[i]);
		}
	free(names);
}
