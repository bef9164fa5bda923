/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it. What stands in the kernel under our name, as one number that
 * changes when chains, rules or sets do: taken after a load, compared whenever somebody touched the
 * table. Handles are part of it, for they tell a rule from its replacement. Elements are not (there
 * may be a hundred thousand, and nft_sync compares them), nor are counters. It never says what
 * changed; the answer to any change is to load again. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/map.h"
#include "ctl/nft_int.h"

enum { DIGEST_MAX = 1024 * 1024 };

struct digest {
	struct buf text;
	uint16_t type;
	bool found;
	int r;
};

/* Which attributes of chain, rule and set say what it does. */
static bool is_told(uint16_t message, int attr)
{
	switch (message) {
	case NFT_MSG_GETCHAIN:
		return attr == NFTA_CHAIN_HANDLE || attr == NFTA_CHAIN_NAME ||
		       attr == NFTA_CHAIN_HOOK || attr == NFTA_CHAIN_POLICY ||
		       attr == NFTA_CHAIN_TYPE;
	case NFT_MSG_GETSET:
		return attr == NFTA_SET_HANDLE || attr == NFTA_SET_NAME || attr == NFTA_SET_FLAGS ||
		       attr == NFTA_SET_KEY_TYPE || attr == NFTA_SET_KEY_LEN ||
		       attr == NFTA_SET_TIMEOUT;
	case NFT_MSG_GETRULE:
		return attr == NFTA_RULE_HANDLE || attr == NFTA_RULE_CHAIN;
	}
	return false;
}

static void tell(struct digest *d, const void *data, size_t len)
{
	if (d->r == 0)
		d->r = buf_put(&d->text, &len, sizeof(len));
	if (d->r == 0)
		d->r = buf_put(&d->text, data, len);
}

static void tell_attr(struct digest *d, const struct nlattr *attr)
{
	uint16_t type = mnl_attr_get_type(attr);

	tell(d, &type, sizeof(type));
	tell(d, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

static void tell_expression(struct digest *d, const struct nlattr *expression)
{
	const struct nlattr *attr, *data = NULL;
	const char *name = "";

	mnl_attr_for_each_nested(attr, expression)
	{
		if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME &&
			mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			name = mnl_attr_get_str(attr);
		else if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA)
			data = attr;
	}
	tell(d, name, strlen(name));
	if (data && strcmp(name, "counter") != 0)
		tell_attr(d, data);
}

/* Attribute 1 is the table's name in all three. */
static bool is_ours(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(*nfg))
	{
		if (mnl_attr_get_type(attr) == NFTA_CHAIN_TABLE)
			return nfg->nfgen_family == NFPROTO_INET &&
			       mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
			       strcmp(mnl_attr_get_str(attr), FIREWALL_TABLE) == 0;
	}
	return false;
}

static int on_object(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *attr, *expression;
	struct digest *d = arg;

	if (!is_ours(nlh))
		return MNL_CB_OK;
	d->found = true;
	tell(d, &d->type, sizeof(d->type));
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (is_told(d->type, mnl_attr_get_type(attr)))
			tell_attr(d, attr);
		if (d->type != NFT_MSG_GETRULE || mnl_attr_get_type(attr) != NFTA_RULE_EXPRESSIONS)
			continue;
		mnl_attr_for_each_nested(expression, attr) tell_expression(d, expression);
	}
	return MNL_CB_OK;
}

static int dump_objects(struct nft *n, struct digest *d, uint16_t type)
{
	char memory[256];
	struct nlmsghdr *nlh = nft_netlink_header(memory, type, NLM_F_DUMP, 0);
	int r;

	d->type = type;
	/* Older kernels do not filter chains; on_object does. */
	if (type != NFT_MSG_GETCHAIN)
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, FIREWALL_TABLE);
	r = nft_netlink_request(n, nlh, on_object, d);
	return r == -ENOENT ? 0 : r;
}

int nft_digest(struct nft *n, uint64_t *digest)
{
	static const uint16_t types[] = { NFT_MSG_GETCHAIN, NFT_MSG_GETSET, NFT_MSG_GETRULE };
	int r = -EINTR;

	/* -EINTR: changed while it was read. */
	for (unsigned attempt = 0; attempt < 4 && r == -EINTR; attempt++) {
		struct digest d = { .r = 0 };

		buf_init(&d.text, DIGEST_MAX);
		r = 0;
		for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && r == 0; i++)
			r = dump_objects(n, &d, types[i]);
		r = r < 0 ? r : d.r;
		*digest = d.found ? map_hash(buf_ptr(&d.text), buf_len(&d.text)) : 0;
		buf_fini(&d.text);
	}
	return r;
}
