/* SPDX-License-Identifier: BSD-2-Clause */
/* Why somebody is kept out, for "bans --why". In: a ban or a barred name of the ledger, the policy
 * in force. Out: JSON with all that is known of it: the rule and its text, the rung and its
 * numbers, the verdicts that led there, who ordered it, and how long the next one would be. Rules
 * and rungs are those in force now: what a reload took away is named, and has no text. It changes
 * nothing. */
#include <string.h>

#include "base/err.h"
#include "ctl/bans_int.h"
#include "ctl/barred.h"
#include "rules/address.h"
#include "rules/punish.h"

enum { WHY_MAX = 1000 }; /* rows of all */

static const char *rule_text(const struct bans *b, const char *rule)
{
	const struct rule_info *rules = NULL;
	const char *slash = strchr(rule, '/');
	size_t n = b->policy && slash ? policy_rules(b->policy, &rules) : 0;

	for (size_t i = 0; i < n; i++)
		if (strncmp(rules[i].chain, rule, (size_t)(slash - rule)) == 0 &&
			!rules[i].chain[slash - rule] && strcmp(rules[i].name, slash + 1) == 0)
			return rules[i].text;
	return NULL;
}

static json_t *ladder_json(const struct punish *p)
{
	json_t *o = json_pack("{s:s,s:s,s:i,s:I,s:I,s:i,s:I,s:I}", "name", p->name, "of",
		punish_of_text(p->of), "strikes", (int)p->strikes, "within_ms",
		(json_int_t)p->within_ms, "ban_ms", (json_int_t)p->ban_ms, "escalate",
		(int)p->escalate, "escalate_max_ms", (json_int_t)p->escalate_max_ms, "forgive_ms",
		(json_int_t)p->forgive_ms);
	json_t *spare = json_array();

	if (p->spare_shared)
		json_array_append_new(spare, json_string("shared"));
	for (unsigned i = 0; i < p->n_spare; i++)
		json_array_append_new(spare, json_sprintf("@%s", p->spare[i]));
	json_object_set_new(o, "spare", spare);
	if (p->of == PUNISH_PREFIX)
		json_object_set_new(o, "from", json_integer(p->from));
	return o;
}

/* What both kinds have: evidence is the ledger's text. */
static void why_fill(
	const struct bans *b, json_t *row, const char *rule, const char *evidence, unsigned count)
{
	json_t *known = *evidence ? json_loads(evidence, 0, NULL) : NULL;
	const char *name = json_string_value(json_object_get(known, "punish")),
		   *who = json_string_value(json_object_get(known, "who")),
		   *text = rule_text(b, rule);
	json_t *verdicts = json_object_get(known, "verdicts");
	const struct punish *p = name ? punish_find(b->ladder, name) : NULL;

	json_object_set_new(row, "who", json_string(who ? who : ""));
	json_object_set(row, "evidence", verdicts ? verdicts : json_null());
	if (!verdicts)
		json_object_set_new(row, "evidence", json_array());
	if (text)
		json_object_set_new(row, "rule_text", json_string(text));
	if (name && *name)
		json_object_set_new(row, "punish", json_string(name));
	if (p) {
		json_object_set_new(row, "ladder", ladder_json(p));
		json_object_set_new(
			row, "next_ms", json_integer((json_int_t)punish_ban_ms(p, count)));
	}
	json_decref(known);
}

static json_t *why_address(const struct bans *b, const struct ledger_ban *ban)
{
	json_t *row = bans_row(b, ban);

	if (row)
		why_fill(b, row, ban->rule, ban->evidence, ban->count);
	return row;
}

static json_t *why_name(const struct bans *b, const struct ledger_bar *bar)
{
	json_t *row = barred_row(b, bar);

	if (row)
		why_fill(b, row, bar->rule, bar->evidence, bar->count);
	return row;
}

/* ---- all ---- */

struct listing {
	const struct bans *b;
	json_t *all;
	int64_t now;
};

static bool visit_address(void *arg, const struct ledger_ban *ban)
{
	const struct listing *l = arg;

	if (ban->until_ms == 0 || ban->until_ms > l->now)
		json_array_append_new(l->all, why_address(l->b, ban));
	return json_array_size(l->all) < WHY_MAX;
}

static bool visit_name(void *arg, const struct ledger_bar *bar)
{
	const struct listing *l = arg;

	json_array_append_new(l->all, why_name(l->b, bar));
	return json_array_size(l->all) < WHY_MAX;
}

static void why_all(struct bans *b, json_t *addresses, json_t *names)
{
	struct listing l = { b, addresses, bans_now(b) };

	(void)ledger_bans_each(b->ledger, visit_address, &l);
	l.all = names;
	(void)ledger_barred_each(b->ledger, l.now, visit_name, &l);
}

/* ---- one ---- */

static int why_of_name(
	struct bans *b, const struct ledger_bar *name, json_t *names, struct buf *why)
{
	struct ledger_bar bar;
	const char *at = strchr(name->name, '@');
	int64_t now = bans_now(b);

	if (ledger_bar_find(b->ledger, name->kind, name->name, &bar) == 0 &&
		ledger_bar_stands(&bar, now))
		return json_array_append_new(names, why_name(b, &bar));
	if (at && ledger_bar_find(b->ledger, LEDGER_DOMAIN, at + 1, &bar) == 0 &&
		ledger_bar_stands(&bar, now))
		buf_putf(why, "%s is not banned by itself, but %s is", name->name, at + 1);
	else
		buf_putf(why, "%s is not banned", name->name);
	return ERR_NOTFOUND;
}

int bans_why(struct bans *b, const char *who, json_t **out, struct buf *why)
{
	json_t *addresses = json_array(), *names = json_array();
	struct ledger_ban ban;
	struct ledger_bar bar;
	struct peer_address a;
	unsigned len;
	int r = 0;

	if (!who) {
		why_all(b, addresses, names);
	} else if (address_parse_prefix(span_of(who), &a, &len) < 0) {
		if ((r = barred_parse(who, &bar)) < 0)
			buf_putf(why, "'%s' is no address, prefix, bare JID or domain", who);
		else
			r = why_of_name(b, &bar, names, why);
	} else if (ledger_ban_find(b->ledger, &a, len, &ban) == 0 &&
		   (ban.until_ms == 0 || ban.until_ms > bans_now(b))) {
		json_array_append_new(addresses, why_address(b, &ban));
	} else {
		r = bans_unknown(b, &a, who, why);
	}
	*out = r == 0 ? json_pack("{s:O,s:O}", "bans", addresses, "barred", names) : NULL;
	json_decref(addresses);
	json_decref(names);
	return r;
}
