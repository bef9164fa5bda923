/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is not banned, whatever a rung says. Each answers why not, as words behind "but"; NULL: no
 * reason. Part of ctl/bans*.c. */
#pragma once

#include <jansson.h>
#include "rules/rules.h"

struct bans;

/* Of an address or a prefix (in IPv6 bits): this host, the allow set, the sets that the rung
 * spares; of a prefix also if one of them is within. */
const char *bans_spare_network(const struct bans *b, const struct punish *p,
	const struct peer_address *net, unsigned prefix_len);
/* A name that the sets of the rung hold. */
const char *bans_spare_name(const struct bans *b, const struct punish *p, const char *name);
/* Do others use the address, who behave well, as the act tells ("shared", "others" of ctl/link.h)?
 */
const char *bans_spare_shared(const struct bans *b, const json_t *act, const char *jid);
/* The same, as the children tell ("using"). */
const char *bans_spare_used(const struct bans *b, const json_t *rows, const char *jid);
