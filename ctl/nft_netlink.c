/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between nft.c, nft_set.c and the kernel. Requests and batches go out over one
 * netlink socket and are answered before the call returns (the kernel works in the sender's time);
 * what the second socket hears is nft_events.c's. It knows messages, not what they mean for sets.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter.h>
#include <linux/netlink.h>
#include <libnftnl/common.h>

#include "base/err.h"
#include "ctl/nft_int.h"

enum {
	READ_SIZE = 64 * 1024,
	RECEIVE_MAX = 64 * 1024 * 1024,
	SEND_SPARE = 64 * 1024,
	EDGE_SIZE = 64
};

static int socket_open(struct mnl_socket **out, unsigned groups)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int fd, size = RECEIVE_MAX, error;

	if (!s)
		return -errno;
	fd = mnl_socket_get_fd(s);
	if (mnl_socket_bind(s, groups, MNL_SOCKET_AUTOPID) < 0) {
		error = errno;
		mnl_socket_close(s);
		return -error;
	}
	/* A large buffer only spares us a resync; without the privilege the default must do. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	*out = s;
	return 0;
}

int nft_netlink_open(struct nft *n)
{
	uint32_t generation;
	int on = 1, r, fd;

	if ((r = socket_open(&n->request, 0)) < 0 ||
		(r = socket_open(&n->events, 1u << (NFNLGRP_NFTABLES - 1))) < 0)
		return r;
	/* Errors need not carry the failed message: thousands may fail at once. */
	mnl_socket_setsockopt(n->request, NETLINK_CAP_ACK, &on, sizeof(on));
	fd = mnl_socket_get_fd(n->events);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return -errno;
	n->portid = mnl_socket_get_portid(n->request);
	n->seq = (uint32_t)time(NULL);
	return nft_netlink_generation(n, &generation);
}

void nft_netlink_close(struct nft *n)
{
	if (n->request)
		mnl_socket_close(n->request);
	if (n->events)
		mnl_socket_close(n->events);
}

struct nlmsghdr *nft_netlink_header(char *memory, uint16_t type, uint16_t flags, uint32_t seq)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(memory);
	struct nfgenmsg *nfg;

	nlh->nlmsg_type = (uint16_t)((NFNL_SUBSYS_NFTABLES << 8) | type);
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = seq;
	nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));
	nfg->nfgen_family = NFPROTO_INET;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = 0;
	return nlh;
}

int nft_netlink_request(struct nft *n, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	char *memory = malloc(READ_SIZE);
	ssize_t len;
	int r = -ENOMEM;

	if (!memory)
		return r;
	nlh->nlmsg_seq = ++n->seq;
	if (mnl_socket_sendto(n->request, nlh, nlh->nlmsg_len) < 0) {
		r = -errno;
		free(memory);
		return r;
	}
	do {
		len = mnl_socket_recvfrom(n->request, memory, READ_SIZE);
		r = len < 0 ? -1 : mnl_cb_run(memory, (size_t)len, n->seq, n->portid, cb, arg);
	} while (r > 0);
	r = r < 0 ? -errno : 0;
	free(memory);
	return r;
}

/* ---- generation ---- */

int nft_netlink_on_generation(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh,
		sizeof(struct nfgenmsg)) if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
					     mnl_attr_validate(attr, MNL_TYPE_U32) >= 0) *
		(uint32_t *)arg = ntohl(mnl_attr_get_u32(attr));
	return MNL_CB_OK;
}

int nft_netlink_generation(struct nft *n, uint32_t *generation)
{
	char memory[256];
	struct nlmsghdr *nlh = nft_netlink_header(memory, NFT_MSG_GETGEN, NLM_F_ACK, 0);

	*generation = 0;
	((struct nfgenmsg *)mnl_nlmsg_get_payload(nlh))->nfgen_family = AF_UNSPEC;
	return nft_netlink_request(n, nlh, nft_netlink_on_generation, generation);
}

/* ---- names ---- */

struct names {
	uint16_t type;
	bool (*visit)(void *arg, const char *name);
	void *arg;
	bool stopped;
};

static int on_name(const struct nlmsghdr *nlh, void *arg)
{
	struct names *names = arg;
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	int name_attr = names->type == NFT_MSG_GETCHAIN ? NFTA_CHAIN_NAME : NFTA_SET_NAME;
	const char *table = "", *name = NULL;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		int type = mnl_attr_get_type(attr);

		/* NFTA_CHAIN_TABLE and NFTA_SET_TABLE are the same number; objects are as sets. */
		if (type == NFTA_SET_TABLE && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			table = mnl_attr_get_str(attr);
		else if (type == name_attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
	}
	if (!name || names->stopped || nfg->nfgen_family != NFPROTO_INET ||
		strcmp(table, FIREWALL_TABLE) != 0 || strncmp(name, "__", 2) == 0)
		return MNL_CB_OK;
	names->stopped = !names->visit(names->arg, name);
	return MNL_CB_OK;
}

int nft_netlink_names(
	struct nft *n, uint16_t type, bool (*visit)(void *arg, const char *name), void *arg)
{
	struct names names = { type, visit, arg, false };
	char memory[256];
	struct nlmsghdr *nlh = nft_netlink_header(memory, type, NLM_F_DUMP, 0);
	int r;

	if (type == NFT_MSG_GETSET)
		mnl_attr_put_strz(nlh, NFTA_SET_TABLE, FIREWALL_TABLE);
	r = nft_netlink_request(n, nlh, on_name, &names);
	return r == -ENOENT ? 0 : r;
}

/* ---- batches ---- */

int nft_netlink_edge(struct buf *batch, bool end, uint32_t seq)
{
	char *where;
	int r = buf_reserve(batch, EDGE_SIZE, &where);

	if (r == 0)
		buf_commit(
			batch, (end ? nftnl_batch_end : nftnl_batch_begin)(where, seq)->nlmsg_len);
	return r;
}

static int batch_send(struct nft *n, const struct buf *batch)
{
	int fd = mnl_socket_get_fd(n->request), size = (int)buf_len(batch) + SEND_SPARE;

	/* The kernel takes a batch whole or not at all. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	return mnl_socket_sendto(n->request, buf_ptr(batch), buf_len(batch)) < 0 ? -errno : 0;
}

int nft_netlink_batch(struct nft *n, struct buf *batch, uint32_t last_seq,
	void (*on_error)(void *arg, uint32_t seq, int error), void *arg)
{
	char *memory = malloc(READ_SIZE);
	bool answered = false, failed = false;
	int r = -ENOMEM, fd = mnl_socket_get_fd(n->request);
	ssize_t len;

	if (!memory || (r = batch_send(n, batch)) < 0) {
		free(memory);
		return r;
	}
	/* All answers are queued by now. */
	while ((len = recv(fd, memory, READ_SIZE, MSG_DONTWAIT)) > 0) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)memory;
		int left = (int)len;

		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);

			if (nlh->nlmsg_type != NLMSG_ERROR ||
				mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
				continue;
			answered = answered || nlh->nlmsg_seq == last_seq || e->error;
			if (e->error) {
				failed = true;
				on_error(arg, nlh->nlmsg_seq, e->error);
			}
		}
	}
	r = len < 0 && errno != EAGAIN ? -errno : 0;
	free(memory);
	return r < 0 ? r : failed ? -EBADMSG : answered ? 0 : -EPROTO;
}
