/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: where multicast DNS said that serverless streams are taken, the kernel is to
 * queue from the first packet on. Pairs of an address and a port come in, elements of the table's
 * serverless sets go out, each with its end. It does not remember them (ctl/serverless.c does). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>

#include "base/err.h"
#include "ctl/nft_int.h"

enum { MESSAGE_SIZE = 512 };

struct attempt {
	int error;
};

static void on_error(void *arg, uint32_t seq, int error)
{
	struct attempt *a = arg;

	(void)seq;
	a->error = a->error ? a->error : error;
}

/* Each part of a key that is two joined takes whole words of four bytes. */
static struct nftnl_set *set_of(const struct nft_pair *p, bool adding)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	struct nftnl_set *set = nftnl_set_alloc();
	bool v4 = address_is_v4(&p->address);
	size_t len = v4 ? 4 : 16;
	uint16_t port = htons(p->port);
	uint8_t key[20] = { 0 };

	memcpy(key, p->address.bytes + (v4 ? 12 : 0), len);
	memcpy(key + len, &port, sizeof(port));
	if (!e || !set || nftnl_set_set_str(set, NFTNL_SET_TABLE, FIREWALL_TABLE) < 0 ||
		nftnl_set_set_str(set, NFTNL_SET_NAME, v4 ? "serverless4" : "serverless6") < 0 ||
		nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, (uint32_t)len + 4) < 0) {
		if (e)
			nftnl_set_elem_free(e);
		if (set)
			nftnl_set_free(set);
		return NULL;
	}
	if (adding && p->left_ms)
		nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_TIMEOUT, p->left_ms);
	nftnl_set_elem_add(set, e);
	return set;
}

static int put_element(struct buf *out, const struct nft_pair *p, bool adding, uint32_t seq)
{
	struct nftnl_set *set = set_of(p, adding);
	struct nlmsghdr *nlh;
	char *where;
	int r;

	if (!set)
		return -ENOMEM;
	if ((r = buf_reserve(out, MESSAGE_SIZE, &where)) == 0) {
		nlh = nftnl_nlmsg_build_hdr(where, adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
			NFPROTO_INET,
			(uint16_t)(NLM_F_ACK | (adding ? NLM_F_CREATE | NLM_F_EXCL : 0)), seq);
		nftnl_set_elems_nlmsg_build_payload(nlh, set);
		buf_commit(out, nlh->nlmsg_len);
	}
	nftnl_set_free(set);
	return r;
}

/* Deletes and adds, as asked, in one transaction. */
static int change(struct nft *n, const struct nft_pair *p, bool del, bool add)
{
	struct attempt a = { 0 };
	uint32_t seq = n->seq + 1, last;
	struct buf out;
	int r;

	buf_init(&out, 0);
	r = nft_netlink_edge(&out, false, seq);
	last = seq;
	if (r == 0 && del)
		r = put_element(&out, p, false, ++last);
	if (r == 0 && add)
		r = put_element(&out, p, true, ++last);
	n->seq = last + 1;
	if (r == 0 && (r = nft_netlink_edge(&out, true, n->seq)) == 0)
		r = nft_netlink_batch(n, &out, last, on_error, &a);
	buf_fini(&out);
	return a.error ? a.error : r;
}

int nft_pair_add(struct nft *n, const struct nft_pair *p)
{
	int r = change(n, p, false, true);

	if (r == -EEXIST) /* with another end */
		r = change(n, p, true, true);
	if (r == -ENOENT) /* that end came just now, or there is no such set */
		r = change(n, p, false, true);
	return r == -ENOENT ? ERR_NOTFOUND : r;
}

int nft_pair_remove(struct nft *n, const struct nft_pair *p)
{
	int r = change(n, p, true, false);

	return r == -ENOENT ? ERR_NOTFOUND : r;
}
