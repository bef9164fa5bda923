/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy's allow and block sets have a copy in the kernel. In: a policy's set, or the texts of
 * a list edit. Out: arrays of elements for ctl/kernel.c, and whether a ban and a set speak of the
 * same addresses, for then only a whole comparison (nft_sync) keeps both true. Elements of sets
 * have no end of their own here: the list forgets them, and then the kernel. */
#include "ctl/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rules/address.h"
#include "rules/list.h"
#include "rules/rules.h"

void mirror_fini(struct mirror *m)
{
	free(m->all);
	*m = (struct mirror){ 0 };
}

static bool element_collect(void *arg, const struct peer_address *a, unsigned prefix_len)
{
	struct mirror *m = arg;
	size_t cap = m->cap ? m->cap * 2 : 256;
	struct nft_element *more = m->all;

	if (m->n == m->cap && (more = realloc(m->all, cap * sizeof *more)) != NULL)
		m->cap = cap;
	if (!more) {
		m->failed = true;
		return false;
	}
	m->all = more;
	m->all[m->n++] = (struct nft_element){ *a, prefix_len, 0 };
	return true;
}

int mirror_add_set(struct mirror *m, const struct policy *p, const char *set)
{
	int r = set ? policy_addresses(p, set, element_collect, m) : 0;

	return r < 0 ? r : m->failed ? -ENOMEM : 0;
}

int mirror_add_texts(struct mirror *m, const json_t *texts)
{
	struct prefix prefixes[ADDRESS_RANGE_PREFIXES_MAX];
	struct span entry;
	const char *why;
	int64_t until;
	json_t *text;
	size_t i, n;

	json_array_foreach(texts, i, text)
	{
		struct span line = { json_string_value(text), json_string_length(text) };

		if (!list_parse_line(LIST_ADDRESS, line, &entry, &until, &why) || why ||
			address_parse_prefixes(entry, prefixes, ADDRESS_RANGE_PREFIXES_MAX, &n) < 0)
			continue;
		for (size_t k = 0; k < n; k++)
			if (!element_collect(m, &prefixes[k].address, prefixes[k].len))
				return -ENOMEM;
	}
	return 0;
}

struct overlap {
	const struct nft_element *one;
	bool found;
};

static bool visit_overlap(void *arg, const struct peer_address *a, unsigned prefix_len)
{
	struct overlap *o = arg;
	unsigned bits = prefix_len < o->one->prefix_len ? prefix_len : o->one->prefix_len;
	unsigned rest = bits % 8;

	o->found = memcmp(a->bytes, o->one->address.bytes, bits / 8) == 0 &&
		   (rest == 0 || ((a->bytes[bits / 8] ^ o->one->address.bytes[bits / 8]) &
					 (0xff00 >> rest) & 0xff) == 0);
	return !o->found;
}

bool mirror_overlaps(const struct policy *p, const char *set, const struct nft_element *one)
{
	struct overlap o = { one, false };

	if (set)
		(void)policy_addresses(p, set, visit_overlap, &o);
	return o.found;
}

bool mirror_is_single(const struct mirror *m)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->all[i].prefix_len != ADDRESS_BITS)
			return false;
	return true;
}
