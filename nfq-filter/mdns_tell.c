/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind mdns.c, live: pairs that came, live longer or went become a message to the daemon, which
 * keeps the firewall's sets. It sends nothing itself. */
#include "nfq-filter/mdns_tell.h"

#include "ctl/link.h"

static int put_change(json_t *add, json_t *del, const struct mdns_change *c)
{
	char address[INET6_ADDRSTRLEN];

	address_format(&c->where.address, address, sizeof(address));
	if (c->ttl_ms == 0)
		return json_array_append_new(
			del, json_pack("{s:s, s:i}", "address", address, "port", c->where.port));
	return json_array_append_new(add, json_pack("{s:s, s:i, s:I}", "address", address, "port",
						  c->where.port, "ttl_ms", (json_int_t)c->ttl_ms));
}

json_t *mdns_tell(struct mdns *m, uint64_t now_ns)
{
	struct mdns_change changes[LINK_SERVERLESS];
	size_t n = mdns_changes(m, now_ns, changes, LINK_SERVERLESS);
	json_t *add, *del, *message;
	int r = 0;

	if (n == 0)
		return NULL;
	add = json_array();
	del = json_array();
	for (size_t i = 0; i < n; i++)
		r |= put_change(add, del, &changes[i]);
	message = json_pack("{s:s, s:o, s:o}", "m", "serverless", "add", add, "del", del);
	if (r < 0) {
		json_decref(message);
		return NULL;
	}
	return message;
}
