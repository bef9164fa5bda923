/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside nft_set.c: what the kernel's sets hold is read back. A set comes in by name, runs of
 * addresses go out: all of a small one at once; a large one in pieces over a socket of its own, for
 * the kernel goes through a set from its beginning for each piece. What changes meanwhile may be
 * missed or seen twice then, so whoever walks asks what should be there at that very moment. It
 * changes nothing. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/err.h"
#include "ctl/interval.h"
#include "ctl/nft_sets_int.h"

enum { MESSAGE_SIZE = 512, ATTEMPTS = 4, READ_SIZE = 64 * 1024 };

struct edge {
	struct peer_address at;
	bool end;
	uint64_t left_ms;
};

struct dump {
	struct edge *edges;
	size_t n, cap;
	bool v4;
	int r;
};

static int edge_add(struct dump *d, const struct edge *edge)
{
	size_t cap = d->cap ? 2 * d->cap : 256;
	struct edge *edges = d->edges;

	if (d->n == d->cap) {
		if (!(edges = realloc(edges, cap * sizeof(*edges))))
			return -ENOMEM;
		d->edges = edges;
		d->cap = cap;
	}
	d->edges[d->n++] = *edge;
	return 0;
}

/* False: nothing we can read. */
static bool edge_read(const struct nlattr *element, bool v4, struct edge *edge)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct nlattr *attr, *value;
	bool found = false, ends = false;
	uint64_t timeout = 0, left = 0;

	memset(edge, 0, sizeof(*edge));
	mnl_attr_for_each_nested(attr, element)
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_SET_ELEM_KEY:
			value = mnl_attr_get_payload(attr);
			if (mnl_attr_get_payload_len(attr) < sizeof(*value) ||
				mnl_attr_get_payload_len(value) != (v4 ? 4 : 16))
				break;
			memcpy(edge->at.bytes, mapped, sizeof(mapped));
			memcpy(edge->at.bytes + (v4 ? 12 : 0), mnl_attr_get_payload(value),
				v4 ? 4 : 16);
			found = true;
			break;
		case NFTA_SET_ELEM_FLAGS:
			edge->end = ntohl(mnl_attr_get_u32(attr)) & NFT_SET_ELEM_INTERVAL_END;
			break;
		case NFTA_SET_ELEM_TIMEOUT:
			timeout = be64toh(mnl_attr_get_u64(attr));
			break;
		case NFTA_SET_ELEM_EXPIRATION:
			left = be64toh(mnl_attr_get_u64(attr));
			ends = true;
			break;
		}
	}
	/* One that is just about to end must not look as if it had none. */
	edge->left_ms = !timeout ? 0 : !ends ? timeout : left ? left : 1;
	return found;
}

static int on_elements(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *element;
	struct dump *d = arg;
	struct edge edge;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(element, attr)
		{
			if (d->r == 0 && edge_read(element, d->v4, &edge))
				d->r = edge_add(d, &edge);
		}
	}
	return MNL_CB_OK;
}

static int compare_edges(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;
	int r = interval_compare(&x->at, &y->at);

	return r ? r : (int)y->end - (int)x->end;
}

/* The set's runs in address order, malloc'd. Ends without a start (the start has timed out) are
 * passed over. */
static int runs_of_edges(struct dump *d, struct nft_run **out, size_t *n_out)
{
	struct nft_run *runs = calloc(d->n ? d->n : 1, sizeof(*runs)), *open = NULL;
	size_t n = 0;

	if (!runs)
		return -ENOMEM;
	if (d->n)
		qsort(d->edges, d->n, sizeof(*d->edges), compare_edges);
	for (size_t i = 0; i < d->n; i++) {
		const struct edge *e = &d->edges[i];

		if (open) {
			open->last = e->at;
			interval_step(&open->last, -1);
		}
		open = NULL;
		if (e->end)
			continue;
		open = &runs[n++];
		open->first = e->at;
		open->left_ms = e->left_ms;
		open->last = e->at;
		memset(open->last.bytes + (d->v4 ? 12 : 0), 0xff, d->v4 ? 4 : 16);
	}
	*out = runs;
	*n_out = n;
	return 0;
}

static int compare_firsts(const void *a, const void *b)
{
	return interval_compare(
		&((const struct nft_run *)a)->first, &((const struct nft_run *)b)->first);
}

/* Keys of a set by hash are whole by themselves. */
static int runs_of_keys(
	const struct dump *d, enum nft_part part, struct nft_run **out, size_t *n_out)
{
	struct nft_run *runs = calloc(d->n ? d->n : 1, sizeof(*runs));

	if (!runs)
		return -ENOMEM;
	for (size_t i = 0; i < d->n; i++) {
		runs[i] = (struct nft_run){ d->edges[i].at, d->edges[i].at, d->edges[i].left_ms };
		if (part == NFT_PART_6_64)
			memset(runs[i].last.bytes + 8, 0xff, 8);
	}
	*out = runs;
	*n_out = d->n;
	return 0;
}

static struct nlmsghdr *put_request(char *memory, const char *base, enum nft_part part)
{
	struct nlmsghdr *nlh = nft_netlink_header(memory, NFT_MSG_GETSETELEM, NLM_F_DUMP, 0);
	char name[NFT_SET_SIZE];

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FIREWALL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, nft_part_name(base, part, name));
	return nlh;
}

int nft_dump(
	struct nft *n, const char *base, enum nft_part part, struct nft_run **out, size_t *n_out)
{
	char memory[MESSAGE_SIZE];
	int r = -EINTR;

	for (unsigned i = 0; i < ATTEMPTS && r == -EINTR; i++) {
		struct dump d = { .v4 = nft_part_is_v4(part) };

		r = nft_netlink_request(n, put_request(memory, base, part), on_elements, &d);
		r = r < 0                                 ? r
		    : d.r < 0                             ? d.r
		    : nft_part_is_interval(n, base, part) ? runs_of_edges(&d, out, n_out)
							  : runs_of_keys(&d, part, out, n_out);
		if (r == 0 && *n_out)
			qsort(*out, *n_out, sizeof(**out), compare_firsts);
		free(d.edges);
	}
	return r == -ENOENT ? ERR_NOTFOUND : r;
}

/* ---- in pieces ---- */

struct nft_walk {
	struct mnl_socket *socket;
	enum nft_part part;
	uint32_t seq;
	char memory[READ_SIZE];
};

int nft_walk_begin(const char *base, enum nft_part part, struct nft_walk **out)
{
	struct nft_walk *w = calloc(1, sizeof(*w));
	char memory[MESSAGE_SIZE];
	struct nlmsghdr *nlh;
	int r = -ENOMEM;

	if (!w)
		return r;
	w->part = part;
	w->seq = 1;
	if (!(w->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)) ||
		mnl_socket_bind(w->socket, 0, MNL_SOCKET_AUTOPID) < 0)
		goto fail;
	nlh = put_request(memory, base, part);
	nlh->nlmsg_seq = w->seq;
	if (mnl_socket_sendto(w->socket, nlh, nlh->nlmsg_len) < 0)
		goto fail;
	*out = w;
	return 0;
fail:
	r = -errno;
	nft_walk_end(w);
	return r;
}

int nft_walk_next(struct nft_walk *w, struct nft_run **out, size_t *n_out)
{
	struct dump d = { .v4 = nft_part_is_v4(w->part) };
	ssize_t len = mnl_socket_recvfrom(w->socket, w->memory, sizeof(w->memory));
	struct nlmsghdr *nlh = (void *)w->memory;
	int left = (int)len, r = 0;
	bool done = false;

	*out = NULL;
	*n_out = 0;
	if (len < 0)
		return -errno;
	/* By hand: mnl_cb_run gives up at NLM_F_DUMP_INTR, which comes whenever anybody changes
	 * anything. */
	for (; mnl_nlmsg_ok(nlh, left) && r == 0; nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_type == NLMSG_ERROR)
			r = ((struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
		else if (nlh->nlmsg_type == NLMSG_DONE)
			done = true;
		else
			(void)on_elements(nlh, &d);
		r = r < 0 ? r : d.r;
	}
	if (r == 0)
		r = runs_of_keys(&d, w->part, out, n_out);
	free(d.edges);
	return r < 0 ? r : !done;
}

void nft_walk_end(struct nft_walk *w)
{
	if (w && w->socket)
		mnl_socket_close(w->socket);
	free(w);
}
