/* SPDX-License-Identifier: BSD-2-Clause */
/* An operator's word on bans, or that of a program the operator runs. In: addresses and prefixes as
 * text. Out: bans entered or taken back, and a line that says why not. By hand everything may be
 * banned: who does it is presumed to know. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "ctl/bans_int.h"
#include "ctl/barred.h"
#include "rules/address.h"
#include "rules/punish.h"

enum {
	BANS_SAME_MS = 2000, /* ends so near to each other are the same */
	BANS_BATCH = 5000,   /* orders in a transaction */
};

static int prefix_parse(
	const char *text, struct peer_address *a, unsigned *prefix_len, struct buf *why)
{
	int r = address_parse_prefix(span_of(text), a, prefix_len);

	if (r < 0)
		buf_putf(why,
			"'%s' is no address or prefix (192.0.2.7, 192.0.2.0/24, 2001:db8::/64), no "
			"bare JID and no domain",
			text);
	else
		prefix_mask(a, *prefix_len);
	return r;
}

/* ---- names ---- */

static bool is_name(const char *text, struct ledger_bar *bar)
{
	struct peer_address a;
	unsigned len;

	*bar = (struct ledger_bar){ 0 };
	return address_parse_prefix(span_of(text), &a, &len) < 0 && barred_parse(text, bar) == 0;
}

/* Who, for "bans --why". */
static void evidence_who(const char *who, char *text, size_t size)
{
	json_t *all = json_pack("{s:s}", "who", who);
	size_t len = all ? json_dumpb(all, text, size - 1, JSON_COMPACT) : 0;

	text[len < size ? len : 0] = '\0';
	json_decref(all);
}

static int name_add(struct bans *b, struct ledger_bar *bar, uint64_t for_ms, const char *text,
	const char *who, json_t **result, struct buf *why)
{
	int r;

	bar->since_ms = bans_now(b);
	bar->until_ms = for_ms ? bar->since_ms + (int64_t)for_ms : 0;
	bans_text_cut(text, bar->why, sizeof bar->why);
	evidence_who(who, bar->evidence, sizeof bar->evidence);
	if ((r = barred_enter(b, bar, LEDGER_SET, who)) < 0) {
		buf_putf(why, "the ledger did not take the ban: %s", err_text(r));
		return r;
	}
	*result = json_pack("{s:s,s:I}", barred_kind_text(bar->kind), bar->name, "until",
		(json_int_t)bans_wall(b, bar->until_ms));
	return 0;
}

static int name_remove(
	struct bans *b, const struct ledger_bar *bar, const char *who, struct buf *why)
{
	int r = barred_end(b, bar->kind, bar->name, who);

	punish_forget_name(
		b->ladder, bar->kind == LEDGER_JID ? PUNISH_JID : PUNISH_DOMAIN, bar->name);
	if (r == ERR_NOTFOUND)
		buf_putf(why, "%s is not banned", bar->name);
	else if (r < 0)
		buf_putf(why, "the ledger did not take it: %s", err_text(r));
	return r;
}

/* ---- addresses ---- */

static int order_ban(struct bans *b, const char *address, uint64_t for_ms, const char *text,
	const char *who, struct ledger_ban *ban, struct buf *why)
{
	int r;

	*ban = (struct ledger_ban){ .since_ms = bans_now(b) };
	if ((r = prefix_parse(address, &ban->address, &ban->prefix_len, why)) < 0)
		return r;
	if (for_ms > BANS_MS_MAX)
		for_ms = BANS_MS_MAX;
	ban->until_ms = for_ms ? ban->since_ms + (int64_t)for_ms : 0;
	bans_text_cut(text, ban->why, sizeof ban->why);
	evidence_who(who, ban->evidence, sizeof ban->evidence);
	if ((r = bans_enter(b, ban, LEDGER_SET, who)) < 0)
		buf_putf(why, "the ledger did not take the ban: %s", err_text(r));
	return r;
}

int bans_add(struct bans *b, const char *address, uint64_t for_ms, const char *text,
	const char *who, json_t **result, struct buf *why)
{
	char prefix[PREFIX_TEXT_SIZE];
	struct ledger_ban ban;
	struct ledger_bar bar;
	int r;

	if (is_name(address, &bar))
		return name_add(b, &bar, for_ms < BANS_MS_MAX ? for_ms : BANS_MS_MAX, text, who,
			result, why);
	if ((r = order_ban(b, address, for_ms, text, who, &ban, why)) < 0)
		return r;
	if ((r = bans_flush(b)) < 0) {
		buf_putf(why, "the ledger did not take the ban: %s", err_text(r));
		return r;
	}
	prefix_show(&ban.address, ban.prefix_len, prefix);
	*result = json_pack(
		"{s:s,s:I}", "address", prefix, "until", (json_int_t)bans_wall(b, ban.until_ms));
	return 0;
}

int bans_unknown(struct bans *b, const struct peer_address *a, const char *address, struct buf *why)
{
	struct ledger_ban wider;
	char prefix[PREFIX_TEXT_SIZE];

	if (ledger_ban_covering(b->ledger, a, bans_now(b), &wider) == 0) {
		prefix_show(&wider.address, wider.prefix_len, prefix);
		buf_putf(why, "%s is not banned by itself, but %s is", address, prefix);
	} else {
		buf_putf(why, "%s is not banned", address);
	}
	return ERR_NOTFOUND;
}

static int order_unban(struct bans *b, const char *address, const char *who, struct buf *why)
{
	struct ledger_ban ban;
	struct peer_address a;
	struct ledger_bar bar;
	unsigned len;
	int r;

	if (is_name(address, &bar))
		return name_remove(b, &bar, who, why);
	if ((r = prefix_parse(address, &a, &len, why)) < 0)
		return r;
	ban.address = a;
	ban.prefix_len = len;
	if ((r = bans_leave(b, &ban, who)) == ERR_NOTFOUND)
		return bans_unknown(b, &a, address, why);
	if (r < 0) {
		buf_putf(why, "the ledger did not take it: %s", err_text(r));
		return r;
	}
	punish_forget(b->ladder, &a, len);
	return 0;
}

int bans_remove(struct bans *b, const char *address, const char *who, struct buf *why)
{
	int r = order_unban(b, address, who, why);

	if (r == 0 && (r = bans_flush(b)) < 0)
		buf_putf(why, "the ledger did not take it: %s", err_text(r));
	return r;
}

/* Does such a ban stand already? Who tells the same decision each minute is to change nothing, and
 * no program shortens what an operator ordered. */
static bool order_stands(const struct bans *b, const struct ban_order *o)
{
	struct ledger_ban ban;
	struct peer_address a;
	unsigned len;

	if (!o->keep || o->unban || address_parse_prefix(span_of(o->address), &a, &len) < 0 ||
		ledger_ban_find(b->ledger, &a, len, &ban) < 0)
		return false;
	if (ban.until_ms == 0 || o->for_ms == 0)
		return ban.until_ms == 0;
	return o->for_ms < BANS_MS_MAX &&
	       ban.until_ms + BANS_SAME_MS >= bans_now(b) + (int64_t)o->for_ms;
}

static int order_run(struct bans *b, const struct ban_order *o, const char *who)
{
	json_t *result = NULL;
	struct ledger_ban ban;
	struct ledger_bar bar;
	struct buf why;
	int r;

	if (order_stands(b, o))
		return ERR_EXISTS;
	buf_init(&why, 0);
	if (o->unban)
		r = order_unban(b, o->address, who, &why);
	else if (is_name(o->address, &bar))
		r = bans_add(b, o->address, o->for_ms, o->why, who, &result, &why);
	else
		r = order_ban(b, o->address, o->for_ms, o->why, who, &ban, &why);
	json_decref(result);
	buf_fini(&why);
	return r;
}

int bans_batch(struct bans *b, struct ban_order *orders, size_t n, const char *who)
{
	int refused = 0;

	for (size_t at = 0, end; at < n; at = end) {
		int r;

		end = n - at < BANS_BATCH ? n : at + BANS_BATCH;
		for (size_t i = at; i < end; i++)
			orders[i].code = order_run(b, &orders[i], who);
		r = bans_flush(b);
		for (size_t i = at; i < end; i++) {
			if (r < 0 && orders[i].code == 0)
				orders[i].code = r;
			refused += orders[i].code < 0;
		}
	}
	return refused;
}
