/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: for kernels without nft's own queue expression, the rule that hands packets to
 * the inspector, made of the NFQUEUE target that iptables has. nft's language has no word for it,
 * so the table's text leaves two chains empty, with what failing means behind the jump to them;
 * here they get their one rule each, taken out and put in within one transaction, so that a reload
 * has no gap. Also finds out which of the two ways a kernel knows. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_NFQUEUE.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>

#include "base/err.h"
#include "ctl/firewall_queue.h"
#include "ctl/nft_int.h"

#define PROBE_TABLE "xmppwall_check"

enum { MESSAGE_SIZE = 1024, TARGET_REVISION = 3 };

struct batch {
	struct nft *nft;
	struct buf messages;
	uint32_t first, seq; /* sequence numbers: of the first message, of the last one written */
	int r, error;
};

/* ---- messages ---- */

static char *batch_room(struct batch *b)
{
	char *where = NULL;

	if (b->r == 0)
		b->r = buf_reserve(&b->messages, MESSAGE_SIZE, &where);
	return b->r == 0 ? where : NULL;
}

static struct nlmsghdr *batch_header(struct batch *b, uint16_t type, uint16_t flags)
{
	char *where = batch_room(b);

	return where ? nftnl_nlmsg_build_hdr(
			       where, type, NFPROTO_INET, (uint16_t)(flags | NLM_F_ACK), ++b->seq)
		     : NULL;
}

static void batch_begin(struct batch *b, struct nft *n)
{
	char *where;

	*b = (struct batch){ .nft = n, .first = n->seq + 2, .seq = n->seq + 1 };
	buf_init(&b->messages, 0);
	if ((where = batch_room(b)))
		buf_commit(&b->messages, nftnl_batch_begin(where, b->seq)->nlmsg_len);
}

static void on_error(void *arg, uint32_t seq, int error)
{
	struct batch *b = arg;

	(void)seq;
	if (b->error == 0)
		b->error = error;
}

/* Without its end a batch is tried, and thrown away. */
static int batch_finish(struct batch *b, bool commit)
{
	uint32_t last = b->seq;
	char *where;

	if (commit && (where = batch_room(b)))
		buf_commit(&b->messages, nftnl_batch_end(where, ++b->seq)->nlmsg_len);
	if (b->r == 0 && last >= b->first)
		b->r = nft_netlink_batch(b->nft, &b->messages, last, on_error, b);
	b->nft->seq = b->seq + 1;
	buf_fini(&b->messages);
	return b->error ? b->error : b->r;
}

/* The expression owns the information. */
static int add_target(struct nftnl_rule *rule, const struct xt_NFQ_info_v3 *wanted)
{
	struct nftnl_expr *e = nftnl_expr_alloc("target");
	struct xt_NFQ_info_v3 *info = calloc(1, NLMSG_ALIGN(sizeof(*info)));

	if (!e || !info || nftnl_expr_set_str(e, NFTNL_EXPR_TG_NAME, "NFQUEUE") < 0) {
		if (e)
			nftnl_expr_free(e);
		free(info);
		return -ENOMEM;
	}
	*info = *wanted;
	nftnl_expr_set_u32(e, NFTNL_EXPR_TG_REV, TARGET_REVISION);
	nftnl_expr_set(e, NFTNL_EXPR_TG_INFO, info, NLMSG_ALIGN(sizeof(*info)));
	nftnl_rule_add_expr(rule, e);
	return 0;
}

static void put_rule(
	struct batch *b, const char *table, const char *chain, const struct xt_NFQ_info_v3 *target)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct nlmsghdr *nlh;

	if (b->r == 0 && (!rule || nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, table) < 0 ||
				 nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain) < 0))
		b->r = -ENOMEM;
	if (b->r == 0)
		b->r = add_target(rule, target);
	if (b->r == 0 && (nlh = batch_header(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND))) {
		nftnl_rule_nlmsg_build_payload(nlh, rule);
		buf_commit(&b->messages, nlh->nlmsg_len);
	}
	if (rule)
		nftnl_rule_free(rule);
}

/* Every rule of the chain. */
static void put_flush(struct batch *b, const char *table, const char *chain)
{
	struct nlmsghdr *nlh = batch_header(b, NFT_MSG_DELRULE, 0);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, chain);
	buf_commit(&b->messages, nlh->nlmsg_len);
}

/* ---- filling ---- */

struct present {
	bool closed, open;
};

static bool on_chain(void *arg, const char *name)
{
	struct present *p = arg;

	p->closed = p->closed || strcmp(name, FIREWALL_QUEUE_CLOSED) == 0;
	p->open = p->open || strcmp(name, FIREWALL_QUEUE_OPEN) == 0;
	return true;
}

int nft_target_fill(struct nft *n, unsigned first, unsigned count)
{
	struct xt_NFQ_info_v3 target = { .queuenum = (uint16_t)first,
		.queues_total = (uint16_t)count };
	struct present present = { false, false };
	struct batch b;
	int r = nft_netlink_names(n, NFT_MSG_GETCHAIN, on_chain, &present);

	if (r < 0 || (!present.closed && !present.open))
		return r;
	batch_begin(&b, n);
	if (present.closed) {
		put_flush(&b, FIREWALL_TABLE, FIREWALL_QUEUE_CLOSED);
		put_rule(&b, FIREWALL_TABLE, FIREWALL_QUEUE_CLOSED, &target);
	}
	target.flags = NFQ_FLAG_BYPASS;
	if (present.open) {
		put_flush(&b, FIREWALL_TABLE, FIREWALL_QUEUE_OPEN);
		put_rule(&b, FIREWALL_TABLE, FIREWALL_QUEUE_OPEN, &target);
	}
	if ((r = batch_finish(&b, true)) == 0 && nft_digest(n, &n->loaded) < 0)
		n->loaded = 0;
	return r;
}

/* ---- probing ---- */

static void put_probe_table(struct batch *b)
{
	struct nlmsghdr *nlh = batch_header(b, NFT_MSG_NEWTABLE, NLM_F_CREATE);

	if (!nlh)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, PROBE_TABLE);
	buf_commit(&b->messages, nlh->nlmsg_len);
	if (!(nlh = batch_header(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE)))
		return;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, PROBE_TABLE);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, "c");
	buf_commit(&b->messages, nlh->nlmsg_len);
}

int nft_target_try(struct nft *n)
{
	static const struct xt_NFQ_info_v3 target = { .queuenum = 5298, .queues_total = 1 };
	struct batch b;

	batch_begin(&b, n);
	put_probe_table(&b);
	put_rule(&b, PROBE_TABLE, "c", &target);
	return batch_finish(&b, false);
}
