/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: behind it. What the kernel counted: the named counters of our table, read back
 * for whoever shows them. It resets none and makes none (the table's text does). */
#include <errno.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/err.h"
#include "ctl/nft_int.h"

struct counters {
	bool (*visit)(void *arg, const char *name, uint64_t packets);
	void *arg;
	bool stopped;
};

static uint64_t packets_of(const struct nlattr *data)
{
	const struct nlattr *attr;
	uint64_t packets = 0;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == NFTA_COUNTER_PACKETS &&
			mnl_attr_validate(attr, MNL_TYPE_U64) >= 0)
			packets = be64toh(mnl_attr_get_u64(attr));
	}
	return packets;
}

static int on_counter(const struct nlmsghdr *nlh, void *arg)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr, *data = NULL;
	const char *table = "", *name = NULL;
	struct counters *c = arg;
	uint32_t type = 0;

	mnl_attr_for_each(attr, nlh, sizeof(*nfg))
	{
		uint16_t which = mnl_attr_get_type(attr);

		if (which == NFTA_OBJ_TABLE && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			table = mnl_attr_get_str(attr);
		else if (which == NFTA_OBJ_NAME &&
			 mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
		else if (which == NFTA_OBJ_TYPE && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			type = ntohl(mnl_attr_get_u32(attr));
		else if (which == NFTA_OBJ_DATA && mnl_attr_validate(attr, MNL_TYPE_NESTED) >= 0)
			data = attr;
	}
	if (c->stopped || !name || !data || type != NFT_OBJECT_COUNTER ||
		nfg->nfgen_family != NFPROTO_INET || strcmp(table, FIREWALL_TABLE) != 0)
		return MNL_CB_OK;
	c->stopped = !c->visit(c->arg, name, packets_of(data));
	return MNL_CB_OK;
}

int nft_counters(
	struct nft *n, bool (*visit)(void *arg, const char *name, uint64_t packets), void *arg)
{
	struct counters c = { visit, arg, false };
	char memory[256];
	struct nlmsghdr *nlh = nft_netlink_header(memory, NFT_MSG_GETOBJ, NLM_F_DUMP, 0);
	int r;

	mnl_attr_put_strz(nlh, NFTA_OBJ_TABLE, FIREWALL_TABLE);
	mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(NFT_OBJECT_COUNTER));
	r = nft_netlink_request(n, nlh, on_counter, &c);
	return r == -ENOENT ? ERR_NOTFOUND : r;
}
