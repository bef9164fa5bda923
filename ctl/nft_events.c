/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: the kernel's word that somebody touched our table. Notifications of every
 * transaction come in, ours and others'; own element batches are known by the sender's port, own
 * loads by the generation they made. Out: which keys of which sets another hand touched, so that a
 * set of half a million need not be read for one of them; or that everything is to be looked at. It
 * mends nothing. */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "ctl/nft_sets_int.h"

enum { READ_SIZE = 64 * 1024, READS_MAX = 4096 };

int nft_event_fd(const struct nft *n)
{
	return mnl_socket_get_fd(n->events);
}

static bool is_own_generation(const struct nft *n, uint32_t generation)
{
	for (size_t i = 0; i < NFT_OWN_MAX; i++)
		if (n->own[i] == generation)
			return true;
	return false;
}

static const char *text_of(const struct nlattr *attr)
{
	return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attr) : "";
}

/* ---- keeping ---- */

static void hear_many(struct nft_heard *h, const char *set)
{
	for (size_t i = 0; i < h->n_many; i++)
		if (strcmp(h->many[i], set) == 0)
			return;
	if (h->n_many == NFT_HEARD_SETS)
		h->table = true;
	else
		strcpy(h->many[h->n_many++], set);
}

static void hear_element(struct nft_heard *h, const char *set, const struct nlattr *element)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct nlattr *attr, *value;
	struct nft_heard_key key = { .v4 = false };
	size_t len = 0;

	mnl_attr_for_each_nested(attr, element)
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_KEY ||
			mnl_attr_get_payload_len(attr) < sizeof(*value))
			continue;
		value = mnl_attr_get_payload(attr);
		len = mnl_attr_get_payload_len(value);
		key.v4 = len == 4;
		if (len == 4)
			memcpy(key.at.bytes, mapped, sizeof(mapped));
		if (len == 4 || len == 16)
			memcpy(key.at.bytes + (16 - len), mnl_attr_get_payload(value), len);
	}
	if (h->n == NFT_HEARD_MAX || (len != 4 && len != 16)) {
		hear_many(h, set);
		return;
	}
	strcpy(key.set, set);
	h->keys[h->n++] = key;
}

static void hear(struct nft_heard *h, const struct nlmsghdr *nlh)
{
	uint8_t type = (uint8_t)nlh->nlmsg_type;
	const struct nlattr *attr, *element, *elements = NULL;
	const char *set = "";

	if (type != NFT_MSG_NEWSETELEM && type != NFT_MSG_DELSETELEM) {
		h->table = true;
		h->doubt = h->doubt || type == NFT_MSG_DELSET || type == NFT_MSG_DELTABLE;
		return;
	}
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_SET)
			set = text_of(attr);
		else if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS)
			elements = attr;
	}
	if (strlen(set) >= NFT_SET_SIZE || !elements) {
		h->table = true;
		return;
	}
	mnl_attr_for_each_nested(element, elements) hear_element(h, set, element);
}

/* The transaction that has just ended was ours, or it was not. */
static bool hear_end(struct nft_heard *h, bool own)
{
	bool touched = !own && (h->n > h->n_whole || h->n_many > h->n_many_whole || h->table);

	if (own) {
		h->n = h->n_whole;
		h->n_many = h->n_many_whole;
	} else {
		h->n_whole = h->n;
		h->n_many_whole = h->n_many;
		h->table_whole = h->table_whole || h->table;
		h->doubted = h->doubted || h->doubt;
	}
	h->table = h->doubt = false;
	return touched;
}

/* ---- reading ---- */

static bool names_our_table(const struct nlmsghdr *nlh)
{
	const struct nfgenmsg *nfg = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (nfg->nfgen_family != NFPROTO_INET)
		return false;
	/* Attribute 1 is the table's name in every message but that of the generation. */
	mnl_attr_for_each(attr, nlh, sizeof(*nfg))
	{
		if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME)
			return strcmp(text_of(attr), FIREWALL_TABLE) == 0;
	}
	return false;
}

/* Events of a transaction come in a row, its generation last. */
static bool event_next(struct nft *n, const struct nlmsghdr *nlh)
{
	uint32_t generation = 0;

	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
		mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return false;
	if ((nlh->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		if (nlh->nlmsg_pid != n->portid && names_our_table(nlh))
			hear(&n->heard, nlh);
		return false;
	}
	(void)nft_netlink_on_generation(nlh, &generation);
	return hear_end(&n->heard, is_own_generation(n, generation));
}

int nft_event_read(struct nft *n)
{
	char *memory = malloc(READ_SIZE);
	bool touched = false;
	ssize_t len = 0;
	int error = EAGAIN;

	if (!memory)
		return -ENOMEM;
	/* What is left then is read the next time: a flush of a million tells of each. */
	for (unsigned i = 0; i < READS_MAX; i++) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)(void *)memory;
		int left;

		len = recv(mnl_socket_get_fd(n->events), memory, READ_SIZE, 0);
		error = errno;
		/* ENOBUFS: events were lost, ours may be among them. */
		if (len < 0 && (error == ENOBUFS || error == EINTR)) {
			n->heard.table_whole = n->heard.table_whole || error == ENOBUFS;
			n->heard.doubted = n->heard.doubted || error == ENOBUFS;
			touched = touched || error == ENOBUFS;
			continue;
		}
		if (len <= 0)
			break;
		for (left = (int)len; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			touched = event_next(n, nlh) || touched;
	}
	free(memory);
	return len < 0 && error != EAGAIN && error != ENOBUFS && error != EINTR ? -error : touched;
}

/* ---- taking ---- */

static int part_of_name(const char *base, const char *set)
{
	char name[NFT_SET_SIZE];

	for (int part = 0; part < NFT_PARTS; part++)
		if (strcmp(nft_part_name(base, (enum nft_part)part, name), set) == 0)
			return part;
	return -1;
}

static bool take_many(struct nft *n, const char *base)
{
	struct nft_heard *h = &n->heard;
	bool found = false;

	for (size_t i = 0; i < h->n_many_whole;) {
		if (part_of_name(base, h->many[i]) < 0) {
			i++;
			continue;
		}
		found = true;
		memmove(h->many[i], h->many[i + 1], (--h->n_many - i) * sizeof(h->many[0]));
		h->n_many_whole--;
	}
	return found;
}

bool nft_event_take(struct nft *n, const char *base, struct nft_element *keys, size_t max,
	size_t *n_keys, bool *whole)
{
	struct nft_heard *h = &n->heard;
	bool found = false;

	*n_keys = 0;
	*whole = take_many(n, base);
	for (size_t i = 0; i < h->n_whole;) {
		const struct nft_heard_key *key = &h->keys[i];
		int part = part_of_name(base, key->set);

		if (part < 0) {
			i++;
			continue;
		}
		found = true;
		if (nft_part_is_interval(n, base, (enum nft_part)part) || *n_keys == max)
			*whole = true;
		else
			keys[(*n_keys)++] = (struct nft_element){ key->at,
				part == NFT_PART_6_64 ? 64 : 128, 0 };
		memmove(&h->keys[i], &h->keys[i + 1], (--h->n - i) * sizeof(h->keys[0]));
		h->n_whole--;
	}
	return found || *whole;
}

bool nft_event_rest(struct nft *n)
{
	struct nft_heard *h = &n->heard;
	bool rest = h->table_whole || h->n_whole > 0 || h->n_many_whole > 0;

	memmove(h->keys, h->keys + h->n_whole, (h->n - h->n_whole) * sizeof(h->keys[0]));
	h->n -= h->n_whole;
	memmove(h->many, h->many[h->n_many_whole],
		(h->n_many - h->n_many_whole) * sizeof(h->many[0]));
	h->n_many -= h->n_many_whole;
	h->n_whole = h->n_many_whole = 0;
	h->table_whole = false;
	return rest;
}
