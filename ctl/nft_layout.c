/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside nft_set.c: which sets there are, and of which kind. In: the text that was loaded, as
 * firewall.c writes it. Out: where an address or a network of a pair belongs. It knows names and
 * flags, no elements. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/nft_sets_int.h"

struct nft_named {
	char name[NFT_SET_SIZE];
	bool interval;
};

static const struct {
	const char *suffix;
	bool v4;
} parts[NFT_PARTS] = {
	[NFT_PART_4] = { "4", true },
	[NFT_PART_6] = { "6", false },
	[NFT_PART_6_64] = { "6_64", false },
	[NFT_PART_4_NETS] = { "4_nets", true },
	[NFT_PART_6_NETS] = { "6_nets", false },
};

const char *nft_part_name(const char *base, enum nft_part part, char name[NFT_SET_SIZE])
{
	snprintf(name, NFT_SET_SIZE, "%s%s", base, parts[part].suffix);
	return name;
}

bool nft_part_is_v4(enum nft_part part)
{
	return parts[part].v4;
}

static const struct nft_named *find(const struct nft *n, const char *base, enum nft_part part)
{
	char name[NFT_SET_SIZE];

	nft_part_name(base, part, name);
	for (size_t i = 0; i < n->n_named; i++)
		if (strcmp(n->named[i].name, name) == 0)
			return &n->named[i];
	return NULL;
}

bool nft_part_exists(const struct nft *n, const char *base, enum nft_part part)
{
	return find(n, base, part) || (part <= NFT_PART_6 && n->n_named == 0);
}

bool nft_part_is_interval(const struct nft *n, const char *base, enum nft_part part)
{
	const struct nft_named *named = find(n, base, part);

	return !named || named->interval;
}

/* "::/0" and the like contain the mapped IPv4 addresses by spelling only; to the kernel they are
 * IPv6 prefixes. */
static bool run_is_v4(const struct nft_run *run)
{
	return address_is_v4(&run->first) && address_is_v4(&run->last);
}

static bool run_is_64(const struct nft_run *run)
{
	static const uint8_t none[8], all[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };

	return memcmp(run->first.bytes, run->last.bytes, 8) == 0 &&
	       memcmp(run->first.bytes + 8, none, 8) == 0 &&
	       memcmp(run->last.bytes + 8, all, 8) == 0;
}

int nft_part_of_run(const struct nft *n, const char *base, const struct nft_run *run)
{
	bool v4 = run_is_v4(run);
	enum nft_part single = v4 ? NFT_PART_4 : NFT_PART_6;
	enum nft_part nets = v4 ? NFT_PART_4_NETS : NFT_PART_6_NETS;

	if (!v4 && run_is_64(run) && nft_part_exists(n, base, NFT_PART_6_64))
		return NFT_PART_6_64;
	if (nft_part_is_interval(n, base, single) ||
		memcmp(&run->first, &run->last, sizeof(run->first)) == 0)
		return single;
	return nft_part_exists(n, base, nets) ? (int)nets : ERR_RANGE;
}

/* ---- reading ---- */

/* firewall.c gives each set a line of its own, and each of its lines a tab more. */
int nft_layout_read(struct nft *n, const char *text)
{
	static const char head[] = "\n\tset ";
	struct nft_named *all = NULL, *more;
	size_t count = 0;

	for (const char *at = strstr(text, head); at; at = strstr(at + 1, head)) {
		const char *name = at + strlen(head), *end = strstr(name, "\n\t}"),
			   *flags = strstr(name, "\n\t\tflags ");
		size_t len = strcspn(name, " \n");

		if (!end || len >= NFT_SET_SIZE)
			continue;
		if (!(more = realloc(all, (count + 1) * sizeof(*all)))) {
			free(all);
			return -ENOMEM;
		}
		all = more;
		memcpy(all[count].name, name, len);
		all[count].name[len] = '\0';
		all[count].interval = false;
		if (flags && flags < end) {
			const char *word = strstr(flags, "interval");

			all[count].interval = word && word < flags + 9 + strcspn(flags + 9, "\n");
		}
		count++;
	}
	nft_layout_free(n);
	n->named = all;
	n->n_named = count;
	return 0;
}

void nft_layout_free(struct nft *n)
{
	free(n->named);
	n->named = NULL;
	n->n_named = 0;
}
