/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands, for "bans" of the control socket. In: the ledger's rows. Out: JSON. */
#include "base/err.h"
#include "ctl/bans_int.h"
#include "rules/address.h"

static bool visit_json(void *arg, const struct ledger_ban *ban)
{
	char prefix[PREFIX_TEXT_SIZE];

	prefix_show(&ban->address, ban->prefix_len, prefix);
	json_array_append_new(
		arg, json_pack("{s:s,s:I,s:I,s:s,s:s,s:s,s:i,s:i}", "address", prefix, "since",
			     (json_int_t)ban->since_ms, "until", (json_int_t)ban->until_ms, "why",
			     ban->why, "rule", ban->rule, "id", ban->id, "count", (int)ban->count,
			     "strikes", (int)ban->strikes));
	return true;
}

json_t *bans_list(struct bans *b)
{
	json_t *all = json_array();

	(void)ledger_expire(b->ledger, bans_now(b));
	(void)ledger_bans_each(b->ledger, visit_json, all);
	return all;
}
