/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands, for "bans" of the control socket. In: the ledger's rows. Out: JSON, with wall
 * times as the clock stands now. */
#include "base/err.h"
#include "ctl/bans_int.h"
#include "ctl/barred.h"
#include "rules/address.h"

json_t *bans_row(const struct bans *b, const struct ledger_ban *ban)
{
	char prefix[PREFIX_TEXT_SIZE];

	prefix_show(&ban->address, ban->prefix_len, prefix);
	return json_pack("{s:s,s:I,s:I,s:s,s:s,s:s,s:i,s:i}", "address", prefix, "since",
		(json_int_t)bans_wall(b, ban->since_ms), "until",
		(json_int_t)bans_wall(b, ban->until_ms), "why", ban->why, "rule", ban->rule, "id",
		ban->id, "count", (int)ban->count, "strikes", (int)ban->strikes);
}

struct listing {
	const struct bans *b;
	json_t *all;
	int64_t now;
};

/* What has ended is no ban, also when the ledger could not be told. */
static bool visit_json(void *arg, const struct ledger_ban *ban)
{
	const struct listing *l = arg;

	if (ban->until_ms && ban->until_ms <= l->now)
		return true;
	json_array_append_new(l->all, bans_row(l->b, ban));
	return true;
}

static bool visit_name(void *arg, const struct ledger_bar *bar)
{
	const struct listing *l = arg;

	json_array_append_new(l->all, barred_row(l->b, bar));
	return true;
}

json_t *bans_names(struct bans *b)
{
	struct listing l = { b, json_array(), bans_now(b) };

	(void)ledger_barred_each(b->ledger, l.now, visit_name, &l);
	return l.all;
}

json_t *bans_list(struct bans *b)
{
	struct listing l = { b, json_array(), bans_now(b) };

	(void)ledger_expire(b->ledger, l.now);
	(void)ledger_bans_each(b->ledger, visit_json, &l);
	return l.all;
}
