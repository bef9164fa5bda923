/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: a ban's last step. Prefixes come in, and elements of the kernel's interval
 * sets go out in one batch per call, built with libnftnl; what the kernel holds is read back for
 * the comparison that nft_sync makes. An interval is two elements: its first address, and one
 * flagged as end at the address after its last. Deleting what has just timed out fails a whole
 * batch, so failed deletions are told by their number, left out, and the rest is sent again. It
 * never decides who is banned, nor for how long. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <libnftnl/common.h>
#include <libnftnl/set.h>

#include "base/err.h"
#include "ctl/interval.h"
#include "ctl/nft_int.h"

enum {
	MESSAGE_SIZE = 512,    /* one interval: two elements and the names */
	BATCH_MAX = 512 << 20, /* bytes; far above what the ledger's ceiling makes */
	ATTEMPTS = 4,
	SLACK_MS = 1500, /* sync leaves an end alone that is this near */
	NFT_NAME_SIZE = NFT_BASE_MAX + 2,
};

enum op_kind { OP_ADD, OP_DELETE, OP_REPLACE };

struct op {
	enum op_kind kind;
	struct nft_run run;
	bool skip;     /* OP_DELETE: was not there */
	bool vanished; /* OP_REPLACE: nothing equal to delete */
	int error;     /* of this attempt's addition */
	int delete_error;
};

/* Two messages an operation; the sequence tells which: first_seq + 2 * index, one more for the
 * addition. */
struct batch {
	struct nft *nft;
	const char *base;
	struct op *ops;
	size_t n;
	uint32_t first_seq;
	int fatal;
};

static const char *set_name(const char *base, bool v4, char name[NFT_NAME_SIZE])
{
	snprintf(name, NFT_NAME_SIZE, "%s%d", base, v4 ? 4 : 6);
	return name;
}

/* "::/0" and the like contain the mapped IPv4 addresses by spelling only; to the kernel they are
 * IPv6 prefixes. */
static bool run_is_v4(const struct nft_run *run)
{
	return address_is_v4(&run->first) && address_is_v4(&run->last);
}

/* ---- building ---- */

static int put_element(struct nftnl_set *set, const struct peer_address *a, bool v4, uint32_t flags,
	uint64_t timeout)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!e)
		return -ENOMEM;
	if (flags)
		nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_FLAGS, flags);
	if (timeout)
		nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_TIMEOUT, timeout);
	if (nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, a->bytes + (v4 ? 12 : 0), v4 ? 4 : 16) < 0) {
		nftnl_set_elem_free(e);
		return -ENOMEM;
	}
	nftnl_set_elem_add(set, e);
	return 0;
}

/* The end of the last interval of the family is open: there is no address after it. */
static bool has_end(const struct nft_run *run, bool v4)
{
	static const uint8_t top[16] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return memcmp(run->last.bytes + (v4 ? 12 : 0), top, v4 ? 4 : 16) != 0;
}

static struct nftnl_set *set_of_run(const char *base, const struct nft_run *run, bool adding)
{
	struct nftnl_set *set = nftnl_set_alloc();
	char name[NFT_NAME_SIZE];
	bool v4 = run_is_v4(run);
	struct peer_address end = run->last;
	int r;

	if (!set)
		return NULL;
	r = nftnl_set_set_str(set, NFTNL_SET_TABLE, FIREWALL_TABLE);
	if (r == 0)
		r = nftnl_set_set_str(set, NFTNL_SET_NAME, set_name(base, v4, name));
	if (r == 0)
		r = put_element(set, &run->first, v4, 0, adding ? run->left_ms : 0);
	if (r == 0 && has_end(run, v4) && interval_step(&end, 1))
		r = put_element(set, &end, v4, NFT_SET_ELEM_INTERVAL_END, 0);
	if (r == 0)
		return set;
	nftnl_set_free(set);
	return NULL;
}

static int put_run(struct buf *out, const char *base, const struct nft_run *run, bool adding,
	bool exclusive, uint32_t seq, bool ack)
{
	uint16_t flags = (uint16_t)((adding ? NLM_F_CREATE : 0) | (exclusive ? NLM_F_EXCL : 0) |
				    (ack ? NLM_F_ACK : 0));
	struct nftnl_set *set = set_of_run(base, run, adding);
	struct nlmsghdr *nlh;
	char *where;
	int r;

	if (!set)
		return -ENOMEM;
	if ((r = buf_reserve(out, MESSAGE_SIZE, &where)) == 0) {
		nlh = nftnl_nlmsg_build_hdr(where, adding ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM,
			NFPROTO_INET, flags, seq);
		nftnl_set_elems_nlmsg_build_payload(nlh, set);
		buf_commit(out, nlh->nlmsg_len);
	}
	nftnl_set_free(set);
	return r;
}

/* Deletions first: an addition may take a deleted one's place. *last is the message that asks for
 * an ack. */
static int batch_write(struct batch *b, struct buf *out, uint32_t *last)
{
	size_t n_messages = 0, at = 0;
	int r = nft_netlink_edge(out, false, b->first_seq - 1);

	for (size_t i = 0; i < b->n; i++)
		n_messages += b->ops[i].skip ? 0 : b->ops[i].kind == OP_REPLACE ? 2 : 1;
	*last = 0;
	for (int adding = 0; adding < 2 && r == 0; adding++) {
		for (size_t i = 0; i < b->n && r == 0; i++) {
			const struct op *op = &b->ops[i];
			uint32_t seq = b->first_seq + (uint32_t)(2 * i) + (uint32_t)adding;

			if (op->skip || op->kind == (adding ? OP_DELETE : OP_ADD))
				continue;
			at++;
			r = put_run(out, b->base, &op->run, adding, adding && op->kind == OP_ADD,
				seq, at == n_messages);
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
		struct op *op = &b->ops[i];

		if (op->error == -ENOENT)
			return ERR_NOTFOUND; /* additions miss only their set */
		if (op->delete_error && op->kind == OP_DELETE) {
			op->skip = true;
		} else if (op->delete_error) {
			op->kind = OP_ADD;
			op->vanished = true;
		} else if (op->error == -EEXIST && op->kind == OP_ADD && !op->vanished) {
			op->kind = OP_REPLACE;
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

static int batch_run(struct batch *b, struct nft_edit *result)
{
	char name[NFT_NAME_SIZE];
	struct looked_for set = { set_name(b->base, true, name), false };
	struct nft_edit done = { 0 };
	int r = b->n ? -EBADMSG : 0;

	for (unsigned i = 0; i < ATTEMPTS && r == -EBADMSG; i++) {
		r = batch_try(b);
		if (r == -EBADMSG) {
			int learnt = batch_learn(b);

			r = learnt < 0 ? learnt : r;
		}
	}
	/* Nothing left to send: all deletions were absent, or there is no table to delete from. */
	if (r == -ENOMSG) {
		r = nft_netlink_names(b->nft, NFT_MSG_GETSET, match_set, &set);
		if (r == 0 && !set.found)
			r = ERR_NOTFOUND;
	}
	if (r < 0)
		return r == -EBADMSG ? ERR_EXISTS : r;
	for (size_t i = 0; i < b->n; i++) {
		done.absent += b->ops[i].skip;
		done.removed += b->ops[i].kind == OP_DELETE && !b->ops[i].skip;
		done.added += b->ops[i].kind != OP_DELETE;
	}
	if (result)
		*result = done;
	return 0;
}

/* ---- edit ---- */

static int op_fill(struct op *op, enum op_kind kind, const struct nft_element *e)
{
	op->kind = kind;
	if (!interval_of(&e->address, e->prefix_len, &op->run))
		return ERR_RANGE;
	op->run.left_ms = e->left_ms;
	return 0;
}

int nft_edit(struct nft *n, const char *base, const struct nft_element *add, size_t n_add,
	const struct nft_element *del, size_t n_del, struct nft_edit *result)
{
	struct batch b = { .nft = n, .base = base, .n = n_add + n_del };
	int r = 0;

	b.ops = calloc(b.n ? b.n : 1, sizeof(*b.ops));
	if (!b.ops)
		return -ENOMEM;
	for (size_t i = 0; i < n_del && r == 0; i++)
		r = op_fill(&b.ops[i], OP_DELETE, &del[i]);
	for (size_t i = 0; i < n_add && r == 0; i++)
		r = op_fill(&b.ops[n_del + i], OP_ADD, &add[i]);
	if (r == 0)
		r = batch_run(&b, result);
	free(b.ops);
	return r;
}

/* ---- dump ---- */

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

static int on_element(struct nftnl_set_elem *e, void *arg)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct dump *d = arg;
	struct edge *edge;
	uint32_t len = 0;
	const void *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &len);

	if (!key || len != (d->v4 ? 4 : 16))
		return 0;
	if (d->n == d->cap) {
		size_t cap = d->cap ? 2 * d->cap : 256;
		struct edge *edges = realloc(d->edges, cap * sizeof(*edges));

		if (!edges) {
			d->r = -ENOMEM;
			return -1;
		}
		d->edges = edges;
		d->cap = cap;
	}
	edge = &d->edges[d->n++];
	memset(edge, 0, sizeof(*edge));
	if (d->v4)
		memcpy(edge->at.bytes, mapped, sizeof(mapped));
	memcpy(edge->at.bytes + (d->v4 ? 12 : 0), key, len);
	if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_FLAGS))
		edge->end =
			nftnl_set_elem_get_u32(e, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END;
	if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPIRATION))
		edge->left_ms = nftnl_set_elem_get_u64(e, NFTNL_SET_ELEM_EXPIRATION);
	else if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_TIMEOUT))
		edge->left_ms = nftnl_set_elem_get_u64(e, NFTNL_SET_ELEM_TIMEOUT);
	return 0;
}

static int on_elements(const struct nlmsghdr *nlh, void *arg)
{
	struct dump *d = arg;
	struct nftnl_set *set = nftnl_set_alloc();

	if (!set || nftnl_set_elems_nlmsg_parse(nlh, set) < 0)
		d->r = set ? ERR_LIBRARY : -ENOMEM;
	else
		nftnl_set_elem_foreach(set, on_element, d);
	if (set)
		nftnl_set_free(set);
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

static int dump_set(struct nft *n, const char *name, struct nft_run **out, size_t *n_out)
{
	size_t len = strlen(name);
	char memory[MESSAGE_SIZE];
	int r = -EINTR;

	for (unsigned i = 0; i < ATTEMPTS && r == -EINTR; i++) {
		struct dump d = { .v4 = name[len - 1] == '4' };
		struct nlmsghdr *nlh =
			nft_netlink_header(memory, NFT_MSG_GETSETELEM, NLM_F_DUMP, 0);

		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, FIREWALL_TABLE);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name);
		r = nft_netlink_request(n, nlh, on_elements, &d);
		r = r < 0 ? r : d.r < 0 ? d.r : runs_of_edges(&d, out, n_out);
		free(d.edges);
	}
	return r == -ENOENT ? ERR_NOTFOUND : r;
}

int nft_each(struct nft *n, const char *base, bool (*visit)(void *arg, const struct nft_run *run),
	void *arg)
{
	bool on = true;

	for (int v4 = 1; v4 >= 0 && on; v4--) {
		struct nft_run *runs = NULL;
		size_t n_runs = 0;
		char name[NFT_NAME_SIZE];
		int r = dump_set(n, set_name(base, v4, name), &runs, &n_runs);

		if (r < 0)
			return r;
		for (size_t i = 0; i < n_runs && on; i++)
			on = visit(arg, &runs[i]);
		free(runs);
	}
	return 0;
}

long nft_count(struct nft *n, const char *set)
{
	struct nft_run *runs = NULL;
	size_t n_runs = 0;
	int r = dump_set(n, set, &runs, &n_runs);

	free(runs);
	return r < 0 ? r : (long)n_runs;
}

/* ---- sync ---- */

static bool same_end(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a == b;
	return (a > b ? a - b : b - a) <= SLACK_MS;
}

/* Both in address order: whatever is not equal on both sides is deleted or added. */
static void sync_family(struct batch *b, const struct nft_run *have, size_t n_have,
	const struct nft_run *want, size_t n_want)
{
	size_t i = 0, k = 0;

	while (i < n_have || k < n_want) {
		int order = i == n_have   ? 1
			    : k == n_want ? -1
					  : interval_compare(&have[i].first, &want[k].first);

		if (order == 0 && interval_compare(&have[i].last, &want[k].last) == 0) {
			if (!same_end(have[i].left_ms, want[k].left_ms))
				b->ops[b->n++] = (struct op){ .kind = OP_REPLACE, .run = want[k] };
			i++;
			k++;
		} else if (order <= 0) {
			b->ops[b->n++] = (struct op){ .kind = OP_DELETE, .run = have[i++] };
		} else {
			b->ops[b->n++] = (struct op){ .kind = OP_ADD, .run = want[k++] };
		}
	}
}

/* The wanted prefixes of one family as disjoint runs. */
static int wanted_runs(
	const struct nft_element *wanted, size_t n, bool v4, struct nft_run **out, size_t *n_out)
{
	struct nft_element *mine = calloc(n ? n : 1, sizeof(*mine));
	struct nft_run run;
	size_t n_mine = 0;
	int r = mine ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && r == 0; i++) {
		if (!interval_of(&wanted[i].address, wanted[i].prefix_len, &run))
			r = ERR_RANGE;
		else if (run_is_v4(&run) == v4)
			mine[n_mine++] = wanted[i];
	}
	if (r == 0)
		r = interval_flatten(mine, n_mine, out, n_out);
	free(mine);
	return r;
}

struct sync {
	struct nft_run *want[2], *have[2]; /* IPv6, IPv4 */
	size_t n_want[2], n_have[2];
};

static int sync_once(struct nft *n, const char *base, struct sync *s, struct nft_edit *result)
{
	struct batch b = { .nft = n, .base = base };
	char name[NFT_NAME_SIZE];
	size_t most = 1;
	int r = 0;

	for (int v4 = 0; v4 < 2 && r == 0; v4++) {
		free(s->have[v4]);
		s->have[v4] = NULL;
		r = dump_set(n, set_name(base, v4, name), &s->have[v4], &s->n_have[v4]);
		most += s->n_want[v4] + s->n_have[v4];
	}
	if (r < 0)
		return r;
	b.ops = calloc(most, sizeof(*b.ops));
	if (!b.ops)
		return -ENOMEM;
	for (int v4 = 0; v4 < 2; v4++)
		sync_family(&b, s->have[v4], s->n_have[v4], s->want[v4], s->n_want[v4]);
	r = batch_run(&b, result);
	free(b.ops);
	return r;
}

int nft_sync(struct nft *n, const char *base, const struct nft_element *wanted, size_t n_wanted,
	struct nft_edit *result)
{
	struct sync s = { 0 };
	int r = 0;

	for (int v4 = 0; v4 < 2 && r == 0; v4++)
		r = wanted_runs(wanted, n_wanted, v4, &s.want[v4], &s.n_want[v4]);
	if (r == 0)
		r = sync_once(n, base, &s, result);
	/* Something timed out, or another edited, between reading and writing: look again. */
	for (unsigned i = 1; i < ATTEMPTS && r == ERR_EXISTS; i++)
		r = sync_once(n, base, &s, result);
	for (int v4 = 0; v4 < 2; v4++) {
		free(s.want[v4]);
		free(s.have[v4]);
	}
	return r;
}
