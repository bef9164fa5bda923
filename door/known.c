/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it, on a door's main thread. Addresses with sessions that logged in
 * come from door/registry.c, messages for the daemon go out, at most LINK_KNOWN addresses each. A
 * session that stands long is told again now and then, so that its address stays known. It counts
 * nothing and decides nothing. */
#include "door/known.h"

#include "ctl/link.h"
#include "door/registry.h"
#include "rules/rules.h"

json_t *known_tell(struct known_teller *t, const struct policy *p, uint64_t now_ms)
{
	uint64_t again = defend_known_ms(&policy_daemon(p)->defend) / LINK_KNOWN_AGAIN;
	struct peer_address told[LINK_KNOWN];
	char text[INET6_ADDRSTRLEN];
	json_t *addresses;
	size_t n;

	if (!again)
		return NULL;
	if (now_ms - t->swept_ms >= again / 4) {
		t->swept_ms = now_ms;
		registry_known_sweep(now_ms, again);
	}
	if ((n = registry_known_take(told, LINK_KNOWN)) == 0 || !(addresses = json_array()))
		return NULL;
	for (size_t i = 0; i < n; i++) {
		address_format(&told[i], text, sizeof(text));
		json_array_append_new(addresses, json_string(text));
	}
	return json_pack("{s:s, s:o}", "m", "known", "addresses", addresses);
}
