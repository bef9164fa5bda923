/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: a ban's last step. Prefixes come in, and operations on elements of the pair's
 * sets go out to nft_batch.c, one batch a call; what the kernel holds is read back (nft_dump.c) for
 * the comparison that nft_sync makes. It never decides who is banned, nor for how long. */
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

enum {
	ATTEMPTS = 4,
	SLACK_MS = 1500, /* sync leaves an end alone that is this near */
};

/* ---- edit ---- */

static int op_fill(const struct nft *n, const char *base, struct nft_op *op, enum nft_op_kind kind,
	const struct nft_element *e)
{
	int part;

	op->kind = (uint8_t)kind;
	if (!interval_of(&e->address, e->prefix_len, &op->run) ||
		(part = nft_part_of_run(n, base, &op->run)) < 0)
		return ERR_RANGE;
	op->part = (uint8_t)part;
	op->run.left_ms = e->left_ms;
	return 0;
}

int nft_edit(struct nft *n, const char *base, const struct nft_element *add, size_t n_add,
	const struct nft_element *del, size_t n_del, struct nft_edit *result)
{
	struct nft_op *ops = calloc(n_add + n_del + 1, sizeof(*ops));
	int r = 0;

	if (!ops)
		return -ENOMEM;
	for (size_t i = 0; i < n_del && r == 0; i++)
		r = op_fill(n, base, &ops[i], NFT_OP_DELETE, &del[i]);
	for (size_t i = 0; i < n_add && r == 0; i++)
		r = op_fill(n, base, &ops[n_del + i], NFT_OP_ADD, &add[i]);
	if (r == 0)
		r = nft_ops_run(n, base, ops, n_add + n_del, result);
	free(ops);
	return r;
}

/* ---- reading ---- */

int nft_each(struct nft *n, const char *base, bool (*visit)(void *arg, const struct nft_run *run),
	void *arg)
{
	static const enum nft_part order[NFT_PARTS] = { NFT_PART_4, NFT_PART_4_NETS, NFT_PART_6,
		NFT_PART_6_64, NFT_PART_6_NETS };
	bool on = true;

	for (size_t p = 0; p < NFT_PARTS && on; p++) {
		struct nft_run *runs = NULL;
		size_t n_runs = 0;
		int r;

		if (!nft_part_exists(n, base, order[p]))
			continue;
		if ((r = nft_dump(n, base, order[p], &runs, &n_runs)) < 0)
			return r;
		for (size_t i = 0; i < n_runs && on; i++)
			on = visit(arg, &runs[i]);
		free(runs);
	}
	return 0;
}

/* NFTA_SET_COUNT, since 6.16. */
enum { SET_COUNT = 20, COUNT_EXACT = 1000 };

struct count {
	bool known;
	size_t n;
};

static int on_set(const struct nlmsghdr *nlh, void *arg)
{
	struct count *c = arg;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != SET_COUNT ||
			mnl_attr_validate(attr, MNL_TYPE_U32) < 0)
			continue;
		c->known = true;
		c->n = ntohl(mnl_attr_get_u32(attr));
	}
	return MNL_CB_OK;
}

static int count_kernel(struct nft *n, const char *set, struct count *c)
{
	char memory[512];
	struct nlmsghdr *nlh = nft_netlink_header(memory, NFT_MSG_GETSET, NLM_F_ACK, 0);
	int r;

	mnl_attr_put_strz(nlh, NFTA_SET_TABLE, FIREWALL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_NAME, set);
	r = nft_netlink_request(n, nlh, on_set, c);
	return r == -ENOENT ? ERR_NOTFOUND : r;
}

static int count_part(struct nft *n, const char *base, enum nft_part part, struct count *c)
{
	char name[NFT_SET_SIZE];

	return count_kernel(n, nft_part_name(base, part, name), c);
}

/* The kernel's own number is exact for sets by hash, and halves the edges of intervals. */
static int count_exactly(struct nft *n, const char *base, enum nft_part part, struct count *c)
{
	struct nft_run *runs = NULL;
	int r = nft_dump(n, base, part, &runs, &c->n);

	free(runs);
	return r;
}

int nft_count(struct nft *n, const char *base, size_t *v4, size_t *v6)
{
	int r = ERR_NOTFOUND;

	*v4 = *v6 = 0;
	for (unsigned part = 0; part < NFT_PARTS; part++) {
		struct count c = { false, 0 };

		if (!nft_part_exists(n, base, part))
			continue;
		r = count_part(n, base, part, &c);
		if (r == 0 &&
			(!c.known || (nft_part_is_interval(n, base, part) && c.n < COUNT_EXACT)))
			r = count_exactly(n, base, part, &c);
		if (r < 0)
			return r;
		*(nft_part_is_v4(part) ? v4 : v6) += c.n;
	}
	return r;
}

static int on_counted(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *element;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
			mnl_attr_for_each_nested(element, attr)++ *(long *)arg;
	}
	return MNL_CB_OK;
}

long nft_count_set(struct nft *n, const char *set)
{
	struct count c = { false, 0 };
	struct nlmsghdr *nlh;
	char memory[512];
	long count = 0;
	int r = count_kernel(n, set, &c);

	if (r < 0 || c.known)
		return r < 0 ? r : (long)c.n;
	nlh = nft_netlink_header(memory, NFT_MSG_GETSETELEM, NLM_F_DUMP, 0);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FIREWALL_TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
	r = nft_netlink_request(n, nlh, on_counted, &count);
	return r == -ENOENT ? ERR_NOTFOUND : r < 0 && r != -EINTR ? r : count;
}

/* ---- sync ---- */

bool nft_same_end(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a == b;
	return (a > b ? a - b : b - a) <= SLACK_MS;
}

struct side {
	struct nft_run *all;
	size_t n;
};

struct sync {
	struct nft *nft;
	const char *base;
	unsigned first, end; /* parts */
	struct side want[NFT_PARTS], have[NFT_PARTS];
};

/* Both in address order: whatever is not equal on both sides is deleted or added. */
static size_t compare_part(
	const struct side *have, const struct side *want, enum nft_part part, struct nft_op *ops)
{
	size_t i = 0, k = 0, n = 0;

	while (i < have->n || k < want->n) {
		int order = i == have->n ? 1
			    : k == want->n
				    ? -1
				    : interval_compare(&have->all[i].first, &want->all[k].first);
		enum nft_op_kind kind;

		if (order == 0 && interval_compare(&have->all[i].last, &want->all[k].last) == 0) {
			if (!nft_same_end(have->all[i].left_ms, want->all[k].left_ms))
				ops[n++] = (struct nft_op){ .kind = NFT_OP_REPLACE,
					.part = (uint8_t)part,
					.run = want->all[k] };
			i++;
			k++;
			continue;
		}
		kind = order <= 0 ? NFT_OP_DELETE : NFT_OP_ADD;
		ops[n++] = (struct nft_op){ .kind = (uint8_t)kind,
			.part = (uint8_t)part,
			.run = order <= 0 ? have->all[i++] : want->all[k++] };
	}
	return n;
}

static int sync_read(struct sync *s)
{
	int r = 0;

	for (unsigned p = s->first; p < s->end && r == 0; p++) {
		free(s->have[p].all);
		s->have[p] = (struct side){ 0 };
		if (!nft_part_exists(s->nft, s->base, p))
			continue;
		r = nft_dump(s->nft, s->base, p, &s->have[p].all, &s->have[p].n);
	}
	return r;
}

static int sync_once(struct sync *s, struct nft_edit *result)
{
	struct nft_op *ops;
	size_t most = 1, n = 0;
	int r = sync_read(s);

	if (r < 0)
		return r;
	for (unsigned p = 0; p < NFT_PARTS; p++)
		most += s->want[p].n + s->have[p].n;
	if (!(ops = calloc(most, sizeof(*ops))))
		return -ENOMEM;
	for (unsigned p = 0; p < NFT_PARTS; p++)
		n += compare_part(&s->have[p], &s->want[p], p, ops + n);
	r = nft_ops_run(s->nft, s->base, ops, n, result);
	free(ops);
	return r;
}

/* The wanted prefixes of one part as disjoint runs. */
static int want_part(struct sync *s, enum nft_part part, const struct nft_element *wanted, size_t n)
{
	struct nft_element *mine = calloc(n ? n : 1, sizeof(*mine));
	struct nft_run run;
	size_t n_mine = 0;
	int r = mine ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		int where = ERR_RANGE;

		if (!interval_of(&wanted[i].address, wanted[i].prefix_len, &run) ||
			(where = nft_part_of_run(s->nft, s->base, &run)) < 0)
			r = ERR_RANGE;
		else if (where == (int)part)
			mine[n_mine++] = wanted[i];
	}
	if (r == 0)
		r = interval_flatten(mine, n_mine, &s->want[part].all, &s->want[part].n);
	free(mine);
	return r;
}

static int sync_want(struct sync *s, const struct nft_element *wanted, size_t n)
{
	int r = 0;

	for (unsigned p = s->first; p < s->end && r == 0; p++)
		if (nft_part_exists(s->nft, s->base, p))
			r = want_part(s, p, wanted, n);
	return r;
}

static int sync_run(struct sync *s, struct nft_edit *result)
{
	int r = sync_once(s, result);

	/* Something timed out, or another edited, between reading and writing: look again. */
	for (unsigned i = 1; i < ATTEMPTS && r == ERR_EXISTS; i++)
		r = sync_once(s, result);
	for (unsigned p = 0; p < NFT_PARTS; p++)
		free(s->have[p].all);
	return r;
}

int nft_sync_part(struct nft *n, const char *base, enum nft_part part, struct nft_run *runs,
	size_t n_runs, struct nft_edit *result)
{
	struct sync s = { .nft = n, .base = base, .first = part, .end = part + 1u };

	s.want[part] = (struct side){ runs, n_runs };
	return sync_run(&s, result);
}

static int sync_wanted(
	struct sync *s, const struct nft_element *wanted, size_t n_wanted, struct nft_edit *result)
{
	int r = sync_want(s, wanted, n_wanted);

	if (r == 0)
		r = sync_run(s, result);
	for (unsigned p = 0; p < NFT_PARTS; p++)
		free(s->want[p].all);
	return r;
}

int nft_sync_nets(struct nft *n, const char *base, const struct nft_element *wanted,
	size_t n_wanted, struct nft_edit *result)
{
	struct sync s = { .nft = n, .base = base, .first = NFT_PART_4_NETS, .end = NFT_PARTS };

	return sync_wanted(&s, wanted, n_wanted, result);
}

int nft_sync(struct nft *n, const char *base, const struct nft_element *wanted, size_t n_wanted,
	struct nft_edit *result)
{
	struct sync s = { .nft = n, .base = base, .first = 0, .end = NFT_PARTS };

	return sync_wanted(&s, wanted, n_wanted, result);
}
