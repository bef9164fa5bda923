/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside the arguments of replay and capture, and the packets they choose. In: "NET,NET" as it was
 * typed, then addresses of packets. Out: yes or no, and what was typed wrong in words. There are
 * few, so that they are looked through one by one. It never allocates. */
#include "nfq-filter/nets.h"

#include <stdio.h>
#include <string.h>

bool nets_add(struct nets *nets, const char *text, const char *what)
{
	for (size_t len; *text; text += len + (text[len] == ',')) {
		struct prefix *net = &nets->all[nets->n];
		struct span one = { text, len = strcspn(text, ",") };

		if (nets->n == NETS_MAX) {
			fprintf(stderr, "%s takes %d networks\n", what, NETS_MAX);
			return false;
		}
		if (address_parse_prefix(one, &net->address, &net->len) < 0) {
			fprintf(stderr, "%s '%.*s' is no address and no network\n", what, (int)len,
				text);
			return false;
		}
		nets->n++;
	}
	return true;
}

bool nets_has(const struct nets *nets, const struct peer_address *a)
{
	for (unsigned i = 0; i < nets->n; i++)
		if (address_in(&nets->all[i].address, nets->all[i].len, a))
			return true;
	return false;
}
