/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy's allow and block sets have a copy in the kernel. In: a policy's set, or the texts of
 * a list edit. Out: arrays of elements for ctl/kernel_sets.c, and whether a set has some prefixes.
 * Elements of sets have no end of their own here: the list forgets them, and then the kernel. */
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

struct search {
	const struct nft_element **sorted; /* the keys, by address */
	const struct nft_element *keys;
	size_t n;
	bool *found;
};

static int compare_prefixes(const void *a, const void *b)
{
	const struct nft_element *x = *(const struct nft_element *const *)a,
				 *y = *(const struct nft_element *const *)b;
	int r = memcmp(&x->address, &y->address, sizeof x->address);

	return r ? r : (int)x->prefix_len - (int)y->prefix_len;
}

/* The same key may have been touched twice. */
static bool visit_found(void *arg, const struct peer_address *a, unsigned prefix_len)
{
	const struct nft_element one = { *a, prefix_len, 0 }, *key = &one;
	const struct nft_element **hit;
	struct search *s = arg;

	hit = bsearch(&key, s->sorted, s->n, sizeof *s->sorted, compare_prefixes);
	if (!hit)
		return true;
	while (hit > s->sorted && compare_prefixes(hit - 1, &key) == 0)
		hit--;
	for (; hit < s->sorted + s->n && compare_prefixes(hit, &key) == 0; hit++)
		s->found[*hit - s->keys] = true;
	return true;
}

int mirror_find(const struct policy *p, const char *set, const struct nft_element *keys, size_t n,
	bool *found)
{
	struct search s = { calloc(n + 1, sizeof *s.sorted), keys, n, found };
	int r;

	if (!s.sorted)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		s.sorted[i] = &keys[i];
		found[i] = false;
	}
	qsort(s.sorted, n, sizeof *s.sorted, compare_prefixes);
	r = n ? policy_addresses(p, set, visit_found, &s) : 0;
	free(s.sorted);
	return r;
}
