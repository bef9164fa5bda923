/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: between nft_set.c's runs and the netlink socket. Operations on elements come
 * in, one transaction goes out. An interval is two elements: its first address, and one flagged as
 * end at the address after its last. Deleting what has just timed out fails a whole batch, so
 * failed deletions are told by their number, left out, and the rest is sent again; that is why an
 * operation is a message of its own. What only adds (a fill) puts many elements into a message. It
 * never decides who is banned, nor for how long. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/err.h"
#include "ctl/interval.h"
#include "ctl/nft_sets_int.h"

enum {
	MESSAGE_SIZE = 512,  /* one interval: two elements and the names */
	FILL_ELEMENTS = 128, /* in a message of many */
	FILL_SIZE = 256 + FILL_ELEMENTS * 64,
	BATCH_MAX = 512 << 20, /* bytes; far above what the ledger's ceiling makes */
	ATTEMPTS = 4,
};

/* Two messages an operation; the sequence tells which: first_seq + 2 * index, one more for the
 * addition. */
struct batch {
	struct nft *nft;
	const char *base;
	struct nft_op *ops;
	size_t n;
	uint32_t first_seq;
	int fatal;
};

/* ---- building ---- */

static void put_element(struct nlmsghdr *nlh, const struct peer_address *a, bool v4, uint32_t flags,
	uint64_t timeout)
{
	struct nlattr *element = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM), *key;

	if (flags)
		mnl_attr_put_u32(nlh, NFTA_SET_ELEM_FLAGS, htonl(flags));
	if (timeout)
		mnl_attr_put_u64(nlh, NFTA_SET_ELEM_TIMEOUT, htobe64(timeout));
	key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, v4 ? 4 : 16, a->bytes + (v4 ? 12 : 0));
	mnl_attr_nest_end(nlh, key);
	mnl_attr_nest_end(nlh, element);
}

/* The end of the last interval of the family is open: there is no address after it. */
static bool has_end(const struct nft_run *run, bool v4)
{
	static const uint8_t top[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return memcmp(run->last.bytes + (v4 ? 12 : 0), top, v4 ? 4 : 16) != 0;
}

static void put_run(
	struct nlmsghdr *nlh, const struct nft_run *run, bool v4, bool interval, bool adding)
{
	struct peer_address end = run->last;

	put_element(nlh, &run->first, v4, 0, adding ? run->left_ms : 0);
	if (interval && has_end(run, v4) && interval_step(&end, 1))
		put_element(nlh, &end, v4, NFT_SET_ELEM_INTERVAL_END, 0);
}

/* A message without its elements; *list is the nest they go into. */
static struct nlmsghdr *put_header(char *where, const char *base, enum nft_part part, bool adding,
	uint16_t flags, uint32_t seq, struct nlattr **list)
{
	struct nlmsghdr *nlh = nft_netlink_header(
		where, adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, flags, seq);
	char name[NFT_SET_SIZE];

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FIREWALL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, nft_part_name(base, part, name));
	*list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	return nlh;
}

static int put_op(const struct batch *b, struct buf *out, const struct nft_op *op, bool adding,
	uint32_t seq, bool ack)
{
	uint16_t flags = (uint16_t)((adding ? NLM_F_CREATE : 0) |
				    (adding && op->kind == NFT_OP_ADD ? NLM_F_EXCL : 0) |
				    (ack ? NLM_F_ACK : 0));
	struct nlmsghdr *nlh;
	struct nlattr *list;
	char *where;
	int r = buf_reserve(out, MESSAGE_SIZE, &where);

	if (r < 0)
		return r;
	nlh = put_header(where, b->base, op->part, adding, flags, seq, &list);
	put_run(nlh, &op->run, nft_part_is_v4(op->part),
		nft_part_is_interval(b->nft, b->base, op->part), adding);
	mnl_attr_nest_end(nlh, list);
	buf_commit(out, nlh->nlmsg_len);
	return 0;
}

/* Deletions first: an addition may take a deleted one's place. *last is the message that asks for
 * an ack. */
static int batch_write(struct batch *b, struct buf *out, uint32_t *last)
{
	size_t n_messages = 0, at = 0;
	int r = nft_netlink_edge(out, false, b->first_seq - 1);

	for (size_t i = 0; i < b->n; i++)
		n_messages += b->ops[i].skip ? 0 : b->ops[i].kind == NFT_OP_REPLACE ? 2 : 1;
	*last = 0;
	for (int adding = 0; adding < 2 && r == 0; adding++) {
		for (size_t i = 0; i < b->n && r == 0; i++) {
			const struct nft_op *op = &b->ops[i];
			uint32_t seq = b->first_seq + (uint32_t)(2 * i) + (uint32_t)adding;

			if (op->skip || op->kind == (adding ? NFT_OP_DELETE : NFT_OP_ADD))
				continue;
			at++;
			r = put_op(b, out, op, adding, seq, at == n_messages);
			*last = seq;
		}
	}
	if (r == 0)
		r = nft_netlink_edge(out, true, b->first_seq + (uint32_t)(2 * b->n));
	return n_messages == 0 && r == 0 ? -ENOMSG : r;
}

/* ---- sending ---- */

static void on_error(void *arg, uint32_t seq, int error)
{
	struct batch *b = arg;
	uint32_t at = seq - b->first_seq;

	if (at >= 2 * b->n || (error != -ENOENT && error != -EEXIST)) {
		b->fatal = error;
		return;
	}
	if (at % 2)
		b->ops[at / 2].error = error;
	else
		b->ops[at / 2].delete_error = error;
}

/* What the failed attempt teaches about the next. 0 when it is worth one. */
static int batch_learn(struct batch *b)
{
	if (b->fatal)
		return b->fatal;
	for (size_t i = 0; i < b->n; i++) {
		struct nft_op *op = &b->ops[i];

		if (op->error == -ENOENT)
			return ERR_NOTFOUND; /* additions miss only their set */
		if (op->delete_error && op->kind == NFT_OP_DELETE) {
			op->skip = true;
		} else if (op->delete_error) {
			op->kind = NFT_OP_ADD;
			op->vanished = true;
		} else if (op->error == -EEXIST && op->kind == NFT_OP_ADD && !op->vanished) {
			op->kind = NFT_OP_REPLACE;
		} else if (op->error == -EEXIST) {
			return ERR_EXISTS; /* not equal to one of the set, but overlapping */
		}
		op->error = op->delete_error = 0;
	}
	return 0;
}

static int batch_try(struct batch *b)
{
	struct buf out;
	uint32_t last;
	int r;

	buf_init(&out, BATCH_MAX);
	b->first_seq = b->nft->seq + 2;
	b->nft->seq += (uint32_t)(2 * b->n) + 3;
	r = batch_write(b, &out, &last);
	if (r == 0)
		r = nft_netlink_batch(b->nft, &out, last, on_error, b);
	buf_fini(&out);
	return r;
}

struct looked_for {
	const char *name;
	bool found;
};

static bool match_set(void *arg, const char *name)
{
	struct looked_for *l = arg;

	l->found = strcmp(name, l->name) == 0;
	return !l->found;
}

static int find_set(struct nft *n, const char *base)
{
	char name[NFT_SET_SIZE];
	struct looked_for set = { nft_part_name(base, NFT_PART_4, name), false };
	int r = nft_netlink_names(n, NFT_MSG_GETSET, match_set, &set);

	return r < 0 ? r : set.found ? 0 : ERR_NOTFOUND;
}

int nft_ops_run(
	struct nft *n, const char *base, struct nft_op *ops, size_t n_ops, struct nft_edit *result)
{
	struct batch b = { .nft = n, .base = base, .ops = ops, .n = n_ops };
	struct nft_edit done = { 0 };
	int r = n_ops ? -EBADMSG : 0;

	for (unsigned i = 0; i < ATTEMPTS && r == -EBADMSG; i++) {
		r = batch_try(&b);
		if (r == -EBADMSG) {
			int learnt = batch_learn(&b);

			r = learnt < 0 ? learnt : r;
		}
	}
	/* Nothing left to send: all deletions were absent, or there is no table to delete from. */
	if (r == -ENOMSG)
		r = find_set(n, base);
	if (r < 0)
		return r == -EBADMSG ? ERR_EXISTS : r;
	for (size_t i = 0; i < n_ops; i++) {
		done.absent += ops[i].skip;
		done.removed += ops[i].kind == NFT_OP_DELETE && !ops[i].skip;
		done.added += ops[i].kind != NFT_OP_DELETE;
	}
	if (result)
		*result = done;
	return 0;
}

/* ---- fills ---- */

static void on_fill_error(void *arg, uint32_t seq, int error)
{
	(void)seq;
	*(int *)arg = *(int *)arg ? *(int *)arg : error;
}

static int put_many(struct nft *n, const char *base, enum nft_part part, const struct nft_run *runs,
	size_t count, struct buf *out, uint32_t seq, bool ack)
{
	bool v4 = nft_part_is_v4(part), interval = nft_part_is_interval(n, base, part);
	uint16_t flags = (uint16_t)(NLM_F_CREATE | (ack ? NLM_F_ACK : 0));
	struct nlmsghdr *nlh;
	struct nlattr *list;
	char *where;
	int r = buf_reserve(out, FILL_SIZE, &where);

	if (r < 0)
		return r;
	nlh = put_header(where, base, part, true, flags, seq, &list);
	for (size_t i = 0; i < count; i++)
		put_run(nlh, &runs[i], v4, interval, true);
	mnl_attr_nest_end(nlh, list);
	buf_commit(out, nlh->nlmsg_len);
	return 0;
}

int nft_put(struct nft *n, const char *base, enum nft_part part, const struct nft_run *runs,
	size_t count)
{
	/* An interval is two elements. */
	size_t each = nft_part_is_interval(n, base, part) ? FILL_ELEMENTS / 2 : FILL_ELEMENTS;
	int r, error = 0;
	struct buf out;

	if (count == 0)
		return 0;
	buf_init(&out, BATCH_MAX);
	r = nft_netlink_edge(&out, false, ++n->seq);
	for (size_t at = 0; at < count && r == 0; at += each) {
		size_t some = count - at < each ? count - at : each;

		r = put_many(n, base, part, runs + at, some, &out, ++n->seq, at + some == count);
	}
	if (r == 0 && (r = nft_netlink_edge(&out, true, ++n->seq)) == 0)
		r = nft_netlink_batch(n, &out, n->seq - 1, on_fill_error, &error);
	buf_fini(&out);
	r = error ? error : r;
	return r == -ENOENT ? ERR_NOTFOUND : r == -EEXIST ? ERR_EXISTS : r;
}

int nft_flush(struct nft *n, const char *base, enum nft_part part)
{
	struct nlmsghdr *nlh;
	char name[NFT_SET_SIZE], *where;
	int r, error = 0;
	struct buf out;

	buf_init(&out, 0);
	if ((r = nft_netlink_edge(&out, false, n->seq + 1)) == 0 &&
		(r = buf_reserve(&out, MESSAGE_SIZE, &where)) == 0) {
		nlh = nft_netlink_header(where, NFT_MSG_DELSETELEM, NLM_F_ACK, n->seq + 2);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FIREWALL_TABLE);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, nft_part_name(base, part, name));
		buf_commit(&out, nlh->nlmsg_len);
		r = nft_netlink_edge(&out, true, n->seq + 3);
	}
	n->seq += 3;
	if (r == 0)
		r = nft_netlink_batch(n, &out, n->seq - 1, on_fill_error, &error);
	buf_fini(&out);
	r = error ? error : r;
	return r == -ENOENT ? ERR_NOTFOUND : r;
}
