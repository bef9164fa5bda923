/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: a switch the packets pass. A set of protocols whose rule drops what it holds
 * is empty, or has tcp in it: "loading" while the block set is not whole, "lockdown" while nobody
 * but the allow set may enter. One element goes out, in one transaction; no rule changes, so the
 * table stays as it was loaded. It never decides when. */
#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>

#include "base/err.h"
#include "ctl/nft_int.h"

enum { MESSAGE_SIZE = 512 };

static struct nftnl_set *set_of(const char *name)
{
	const uint8_t protocol = IPPROTO_TCP;
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	struct nftnl_set *set = nftnl_set_alloc();

	if (e && set && nftnl_set_set_str(set, NFTNL_SET_TABLE, FIREWALL_TABLE) == 0 &&
		nftnl_set_set_str(set, NFTNL_SET_NAME, name) == 0 &&
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, &protocol, sizeof(protocol)) == 0) {
		nftnl_set_elem_add(set, e);
		return set;
	}
	if (e)
		nftnl_set_elem_free(e);
	if (set)
		nftnl_set_free(set);
	return NULL;
}

static void on_error(void *arg, uint32_t seq, int error)
{
	(void)seq;
	*(int *)arg = error;
}

int nft_flag(struct nft *n, const char *name, bool on)
{
	struct nftnl_set *set = set_of(name);
	struct nlmsghdr *nlh;
	int r, error = 0;
	struct buf out;
	char *where;

	if (!set)
		return -ENOMEM;
	buf_init(&out, 0);
	if ((r = nft_netlink_edge(&out, false, n->seq + 1)) == 0 &&
		(r = buf_reserve(&out, MESSAGE_SIZE, &where)) == 0) {
		nlh = nftnl_nlmsg_build_hdr(where, on ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
			NFPROTO_INET, (uint16_t)((on ? NLM_F_CREATE : 0) | NLM_F_ACK), n->seq + 2);
		nftnl_set_elems_nlmsg_build_payload(nlh, set);
		buf_commit(&out, nlh->nlmsg_len);
		r = nft_netlink_edge(&out, true, n->seq + 3);
	}
	n->seq += 3;
	if (r == 0)
		r = nft_netlink_batch(n, &out, n->seq - 1, on_error, &error);
	buf_fini(&out);
	nftnl_set_free(set);
	r = error ? error : r;
	return r != -ENOENT ? r : on ? ERR_NOTFOUND : 0;
}
