/* SPDX-License-Identifier: BSD-2-Clause */
/* What rules order becomes a ban here. In: "act" of a worker's event (strikes, a ban). Then the
 * ladder (rules/punish.c). Out: a ban to enter (ctl/bans_enter.c), or a peer that is spared. A
 * worker sees network bytes, so its word can never ban more than one address, nor this host, nor
 * what the policy's allow set names. It speaks neither SQL nor nftables. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans_int.h"
#include "rules/address.h"
#include "rules/punish.h"

enum { BANS_STRIKES_MAX = 1000 }; /* of one verdict */

/* What is punished for what an address did: the address, or the network that one IPv6 host has. */
static void peer_of(const struct peer_address *a, struct peer_address *peer, unsigned *prefix_len)
{
	*peer = *a;
	*prefix_len = address_is_v4(a) ? 128 : BANS_PREFIX6;
	prefix_mask(peer, *prefix_len);
}

/* ---- who is never banned by a worker's word ---- */

static bool is_own(const struct peer_address *a)
{
	static const struct {
		const char *text;
	} never[] = { { "127.0.0.0/8" }, { "0.0.0.0/8" }, { "::/127" } };
	struct peer_address net;
	unsigned len;

	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (address_parse_prefix(span_of(never[i].text), &net, &len) == 0 &&
			address_in(&net, len, a))
			return true;
	return false;
}

struct covered {
	const struct peer_address *address;
	bool yes;
};

static bool visit_allowed(void *arg, const struct peer_address *net, unsigned prefix_len)
{
	struct covered *c = arg;

	c->yes = address_in(net, prefix_len, c->address);
	return !c->yes;
}

static bool is_allowed(const struct bans *b, const struct peer_address *a)
{
	struct covered c = { a, false };
	const char *set = b->policy ? policy_daemon(b->policy)->allow_set : NULL;

	if (set)
		(void)policy_addresses(b->policy, set, visit_allowed, &c);
	return c.yes;
}

bool bans_is_trusted(const struct bans *b, const struct peer_address *a)
{
	return is_own(a) || is_allowed(b, a);
}

/* ---- orders ---- */

static void act_text(json_t *act, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(act, key));

	bans_text_cut(value ? value : "", text, size);
}

static void act_fill(
	struct bans *b, json_t *act, const struct peer_address *a, struct ledger_ban *ban)
{
	char chain[LEDGER_RULE_SIZE], rule[LEDGER_RULE_SIZE];

	*ban = (struct ledger_ban){ .since_ms = bans_now(b) };
	peer_of(a, &ban->address, &ban->prefix_len);
	act_text(act, "chain", chain, sizeof chain);
	act_text(act, "rule", rule, sizeof rule);
	if (strlen(chain) + strlen(rule) + 2 <= sizeof ban->rule) {
		strcpy(ban->rule, chain);
		strcat(strcat(ban->rule, "/"), rule);
	} else {
		memcpy(ban->rule, rule, sizeof rule);
	}
	act_text(act, "id", ban->id, sizeof ban->id);
}

/* The rule itself says "ban TIME". */
static void act_ban(
	struct bans *b, json_t *act, const struct peer_address *a, uint64_t ms, unsigned strikes)
{
	struct ledger_ban ban;

	act_fill(b, act, a, &ban);
	ban.until_ms = ban.since_ms + (int64_t)ms;
	ban.strikes = strikes;
	snprintf(ban.why, sizeof ban.why, "ordered by rule %s", ban.rule);
	(void)bans_enter(b, &ban, LEDGER_EXTEND, "policy");
}

static void act_spared(struct bans *b, json_t *act, const struct peer_address *a,
	const struct punish_result *result)
{
	char jid[3200];
	struct ledger_ban ban;

	act_fill(b, act, a, &ban);
	ban.strikes = result->strikes;
	snprintf(
		ban.why, sizeof ban.why, "%u strikes, but others use the address", result->strikes);
	act_text(act, "jid", jid, sizeof jid);
	if (*jid)
		b->spec.on_kill(b->spec.arg, NULL, jid, "too many strikes");
	bans_event(b, "spared", &ban, "policy");
}

static void act_strikes(struct bans *b, json_t *act, const struct peer_address *a, unsigned strikes)
{
	bool shared = json_is_true(json_object_get(act, "shared"));
	struct punish_result result;
	struct ledger_ban ban, standing;
	char for_text[32];
	uint64_t ms;

	act_fill(b, act, a, &ban);
	/* What was on its way when the ban fell is paid for by it: one flood is one ban. */
	if (ledger_ban_covering(b->ledger, &ban.address, ban.since_ms, &standing) == 0)
		return;
	if (punish_strike(b->ladder, &ban.address, strikes, shared, clock_mono_ms(), &result) < 0)
		return;
	if (result.spared)
		act_spared(b, act, a, &result);
	if (!result.ban)
		return;
	ms = punish_ban_ms(
		&result.ladder, ledger_previous(b->ledger, &ban.address, ban.prefix_len));
	ban.until_ms = ban.since_ms + (int64_t)(ms < BANS_MS_MAX ? ms : BANS_MS_MAX);
	ban.strikes = result.strikes;
	clock_format_duration(result.ladder.within_ms, for_text, sizeof for_text);
	snprintf(ban.why, sizeof ban.why, "%u strikes within %s (punish %s)", result.strikes,
		for_text, result.ladder.name);
	(void)bans_enter(b, &ban, LEDGER_EXTEND, "policy");
}

void bans_act(struct bans *b, json_t *act)
{
	const char *text = json_string_value(json_object_get(act, "address"));
	json_int_t strikes = json_integer_value(json_object_get(act, "strikes"));
	json_int_t ms = json_integer_value(json_object_get(act, "ban"));
	struct peer_address a;

	if (!text || address_parse(span_of(text), &a) < 0)
		return;
	if (bans_is_trusted(b, &a)) {
		log_info("event=ban-spared address=%s note=\"this host, or allowed by the policy\"",
			text);
		return;
	}
	strikes = strikes < 0 ? 0 : strikes > BANS_STRIKES_MAX ? BANS_STRIKES_MAX : strikes;
	if (ms > 0)
		act_ban(b, act, &a, (uint64_t)ms < BANS_MS_MAX ? (uint64_t)ms : BANS_MS_MAX,
			(unsigned)strikes);
	if (strikes > 0)
		act_strikes(b, act, &a, (unsigned)strikes);
}
