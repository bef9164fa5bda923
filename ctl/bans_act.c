/* SPDX-License-Identifier: BSD-2-Clause */
/* What rules order becomes a ban here. In: "act" of a worker's event (strikes, a ban). Then the
 * ladder (rules/punish.c), whose rungs say what is punished: the session, a JID, a domain, the
 * address, its prefix. Out: a ban to enter (ctl/bans_enter.c), or a peer that is spared. A worker
 * sees network bytes: each of its words is bounded, and none bans this host, what the policy's
 * allow set names, or more than a rung says. It speaks neither SQL nor nftables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/bans_int.h"
#include "ctl/bans_spare.h"
#include "ctl/barred.h"
#include "rules/address.h"
#include "rules/punish.h"

enum { BANS_STRIKES_MAX = 1000 }; /* of one verdict */

/* An act, read and bounded. */
struct order {
	struct peer_address address; /* as bans count it; all zero: it is not to be banned */
	unsigned prefix_len;
	char chain[LEDGER_RULE_SIZE], name[LEDGER_RULE_SIZE];
	char rule[LEDGER_RULE_SIZE]; /* CHAIN/RULE */
	char id[VERDICT_ID_SIZE];
	struct ledger_bar jid, domain; /* whose, by name; name "": nobody's */
	uint64_t session;
	unsigned strikes;
	uint64_t ban_ms;
	json_t *act;
};

/* ---- reading ---- */

/* What is punished for what an address did: the address, or the network that one IPv6 host has. */
static void peer_of(const struct peer_address *a, struct order *o)
{
	o->address = *a;
	o->prefix_len = address_is_v4(a) ? 128 : BANS_PREFIX6;
	prefix_mask(&o->address, o->prefix_len);
}

static void act_text(const json_t *act, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(act, key));

	bans_text_cut(value ? value : "", text, size);
}

/* As servers prepare it, or two spellings would be two accounts. */
static void act_name(const json_t *act, enum ledger_kind kind, struct ledger_bar *bar)
{
	const char *text = json_string_value(json_object_get(act, barred_kind_text(kind)));
	char bare[LEDGER_NAME_SIZE] = "";

	if (text && strcspn(text, "/") < sizeof bare)
		memcpy(bare, text, strcspn(text, "/"));
	if (!*bare || barred_parse(bare, bar) < 0 || bar->kind != kind)
		*bar->name = '\0';
	bar->kind = kind;
}

static uint64_t act_number(const json_t *act, const char *key, uint64_t most)
{
	json_int_t n = json_integer_value(json_object_get(act, key));

	return n < 0 ? 0 : (uint64_t)n < most ? (uint64_t)n : most;
}

static bool order_read(struct order *o, json_t *act)
{
	const char *text = json_string_value(json_object_get(act, "address"));
	struct peer_address a;

	*o = (struct order){ .act = act };
	if (!text || address_parse(span_of(text), &a) < 0)
		return false;
	peer_of(&a, o);
	act_text(act, "chain", o->chain, sizeof o->chain);
	act_text(act, "rule", o->name, sizeof o->name);
	if (strlen(o->chain) + strlen(o->name) + 2 <= sizeof o->rule) {
		strcpy(o->rule, o->chain);
		strcat(strcat(o->rule, "/"), o->name);
	} else {
		strcpy(o->rule, o->name);
	}
	act_text(act, "id", o->id, sizeof o->id);
	act_name(act, LEDGER_JID, &o->jid);
	act_name(act, LEDGER_DOMAIN, &o->domain);
	o->session = act_number(act, "session", INT64_MAX);
	o->strikes = (unsigned)act_number(act, "strikes", BANS_STRIKES_MAX);
	o->ban_ms = act_number(act, "ban", BANS_MS_MAX);
	return true;
}

/* ---- evidence ---- */

static json_t *proof_json(const struct punish_proof *p)
{
	return json_pack("{s:I,s:s,s:s,s:s}", "time", (json_int_t)p->time_ms, "id", p->id, "rule",
		p->rule, "jid", p->jid);
}

/* As many of the last verdicts as the ledger's line takes, newest first. */
static void evidence_write(
	const char *punish, const struct punish_proof *proofs, unsigned n, char *text, size_t size)
{
	json_t *all = json_pack("{s:s,s:s,s:[]}", "who", "policy", "punish", punish, "verdicts");
	json_t *rows = json_object_get(all, "verdicts");
	size_t len;

	for (unsigned i = 0; rows && i < n; i++)
		json_array_append_new(rows, proof_json(&proofs[i]));
	*text = '\0';
	while (all && (len = json_dumpb(all, text, size - 1, JSON_COMPACT)) >= size) {
		*text = '\0';
		if (json_array_remove(rows, json_array_size(rows) - 1) < 0)
			break;
	}
	if (all && *text)
		text[json_dumpb(all, text, size - 1, JSON_COMPACT)] = '\0';
	json_decref(all);
}

/* ---- orders ---- */

static void ban_fill(struct bans *b, const struct order *o, struct ledger_ban *ban)
{
	*ban = (struct ledger_ban){ .address = o->address,
		.prefix_len = o->prefix_len,
		.since_ms = bans_now(b),
		.strikes = o->strikes };
	memcpy(ban->rule, o->rule, sizeof ban->rule);
	memcpy(ban->id, o->id, sizeof ban->id);
}

/* The rule itself says "ban TIME". */
static void act_ban(struct bans *b, const struct order *o)
{
	struct punish_proof proof = { .time_ms = clock_wall_ms() };
	struct ledger_ban ban;

	ban_fill(b, o, &ban);
	ban.until_ms = ban.since_ms + (int64_t)o->ban_ms;
	snprintf(ban.why, sizeof ban.why, "ordered by rule %s", ban.rule);
	memcpy(proof.id, o->id, sizeof proof.id);
	bans_text_cut(o->rule, proof.rule, sizeof proof.rule);
	bans_text_cut(o->jid.name, proof.jid, sizeof proof.jid);
	evidence_write("", &proof, 1, ban.evidence, sizeof ban.evidence);
	(void)bans_enter(b, &ban, LEDGER_EXTEND, "policy");
}

static void act_spared(struct bans *b, const struct order *o, const struct punish_result *result,
	const char *because)
{
	struct ledger_ban ban;

	ban_fill(b, o, &ban);
	ban.address = result->net;
	ban.prefix_len = result->ladder.of == PUNISH_PREFIX ? result->prefix_len : o->prefix_len;
	ban.strikes = result->strikes;
	snprintf(ban.why, sizeof ban.why, "%u strikes, but %s", result->strikes, because);
	if (*o->jid.name)
		b->spec.on_kill(b->spec.arg, NULL, o->jid.name, "too many strikes");
	bans_event(b, "spared", &ban, "policy");
}

/* "5 strikes within 10m (punish peer)" */
static void why_write(const struct punish_result *result, char *why, size_t size)
{
	char within[32], from[32] = "";

	clock_format_duration(result->ladder.within_ms, within, sizeof within);
	if (result->ladder.of == PUNISH_PREFIX)
		snprintf(from, sizeof from, " from %u addresses", result->addresses);
	snprintf(why, size, "%u strikes within %s%s (punish %s)", result->strikes, within, from,
		result->ladder.name);
}

static void ban_network(struct bans *b, const struct order *o, const struct punish_result *result)
{
	const struct punish *p = &result->ladder;
	struct ledger_ban ban;
	uint64_t ms;

	ban_fill(b, o, &ban);
	if (p->of == PUNISH_PREFIX) {
		ban.address = result->net;
		ban.prefix_len = result->prefix_len;
	}
	ms = punish_ban_ms(p, ledger_previous(b->ledger, &ban.address, ban.prefix_len, ban.since_ms,
				      p->forgive_ms));
	ban.until_ms = ban.since_ms + (int64_t)(ms < BANS_MS_MAX ? ms : BANS_MS_MAX);
	ban.strikes = result->strikes;
	ban.forgive_ms = p->forgive_ms;
	why_write(result, ban.why, sizeof ban.why);
	evidence_write(
		p->name, result->proofs, result->n_proofs, ban.evidence, sizeof ban.evidence);
	(void)bans_enter(b, &ban, LEDGER_EXTEND, "policy");
}

/* A rung that was reached, while the children are asked who else uses the network. */
struct climb {
	struct climb *next;
	struct bans *b;
	struct order o;
	struct punish_result result;
	char name[PUNISH_NAME_SIZE]; /* of the rung: a reload may take it away */
};

static void climb_free(struct climb *c)
{
	struct climb **at = &c->b->climbs;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	free(c);
}

static void climb_done(void *arg, json_t *rows)
{
	struct climb *c = arg;
	const char *because = bans_spare_used(c->b, rows, c->o.jid.name);

	if (because)
		act_spared(c->b, &c->o, &c->result, because);
	else
		ban_network(c->b, &c->o, &c->result);
	climb_free(c);
}

/* False: nobody has to be asked. */
static bool climb_wait(struct bans *b, const struct order *o, const struct punish_result *result)
{
	bool prefix = result->ladder.of == PUNISH_PREFIX;
	struct climb *c = calloc(1, sizeof *c);
	char text[PREFIX_TEXT_SIZE];

	if (!c)
		return false;
	*c = (struct climb){ b->climbs, b, *o, *result, "" };
	c->o.act = NULL;
	bans_text_cut(result->ladder.name, c->name, sizeof c->name);
	c->result.ladder.name = c->name;
	b->climbs = c;
	prefix_format(prefix ? &result->net : &o->address,
		prefix ? result->prefix_len : o->prefix_len, text);
	if (b->spec.on_using(b->spec.arg, text, prefix, climb_done, c))
		return true;
	climb_free(c);
	return false;
}

void bans_act_close(struct bans *b)
{
	while (b->climbs)
		climb_free(b->climbs);
}

static void punish_network(
	struct bans *b, const struct order *o, const struct punish_result *result)
{
	const struct punish *p = &result->ladder;
	bool prefix = p->of == PUNISH_PREFIX;
	const char *because = bans_spare_network(b, p, prefix ? &result->net : &o->address,
		prefix ? result->prefix_len : o->prefix_len);

	if (!because && p->spare_shared)
		because = bans_spare_shared(b, o->act, o->jid.name);
	if (because)
		act_spared(b, o, result, because);
	else if (!p->spare_shared || !climb_wait(b, o, result))
		ban_network(b, o, result);
}

static void punish_name(struct bans *b, const struct order *o, const struct punish_result *result)
{
	const struct punish *p = &result->ladder;
	struct ledger_bar bar = p->of == PUNISH_JID ? o->jid : o->domain, last;
	unsigned previous = 0;
	const char *because;
	uint64_t ms;

	bar.since_ms = bans_now(b);
	bar.strikes = result->strikes;
	bar.forgive_ms = p->forgive_ms;
	memcpy(bar.rule, o->rule, sizeof bar.rule);
	memcpy(bar.id, o->id, sizeof bar.id);
	if ((because = bans_spare_name(b, p, bar.name))) {
		snprintf(bar.why, sizeof bar.why, "%u strikes, but %s", result->strikes, because);
		barred_event(b, "spared", &bar, "policy");
		return;
	}
	if (ledger_bar_find(b->ledger, bar.kind, bar.name, &last) == 0)
		previous = ledger_bar_previous(&last, bar.since_ms, p->forgive_ms);
	ms = punish_ban_ms(p, previous);
	bar.until_ms = bar.since_ms + (int64_t)(ms < BANS_MS_MAX ? ms : BANS_MS_MAX);
	why_write(result, bar.why, sizeof bar.why);
	evidence_write(
		p->name, result->proofs, result->n_proofs, bar.evidence, sizeof bar.evidence);
	(void)barred_enter(b, &bar, LEDGER_EXTEND, "policy");
}

static void punish_session(
	struct bans *b, const struct order *o, const struct punish_result *result)
{
	char why[LEDGER_WHY_SIZE];
	json_t *kill;

	why_write(result, why, sizeof why);
	kill = json_pack(
		"{s:s,s:I,s:s}", "m", "kill", "session", (json_int_t)o->session, "reason", why);
	if (kill)
		b->spec.on_tell(b->spec.arg, kill);
	json_decref(kill);
}

static bool name_stands(struct bans *b, const struct ledger_bar *bar)
{
	struct ledger_bar standing;

	return *bar->name && ledger_bar_find(b->ledger, bar->kind, bar->name, &standing) == 0 &&
	       ledger_bar_stands(&standing, bans_now(b));
}

static void act_strikes(struct bans *b, const struct order *o)
{
	struct punish_act act = { .address = o->address,
		.session = o->session,
		.jid = name_stands(b, &o->jid) ? "" : o->jid.name,
		.domain = name_stands(b, &o->domain) ? "" : o->domain.name,
		.strikes = o->strikes,
		.time_ms = clock_wall_ms(),
		.id = o->id,
		.rule = o->rule };
	struct punish_result results[PUNISH_RULES_MAX];
	const struct punish_result *strongest;
	bool shared = json_is_true(json_object_get(o->act, "shared"));
	struct ledger_ban standing;
	size_t n;

	/* What was on its way when the ban fell is paid for by it: one flood is one ban. */
	if (ledger_ban_covering(b->ledger, &o->address, bans_now(b), &standing) == 0)
		act.address = (struct peer_address){ 0 };
	(void)punish_strike(b->ladder, &act, clock_mono_ms(), results, &n);
	for (size_t i = 0; i < n; i++)
		if (results[i].ladder.of == PUNISH_SESSION)
			punish_session(b, o, &results[i]);
	for (size_t i = 0; i < n; i++)
		if (results[i].ladder.of == PUNISH_JID || results[i].ladder.of == PUNISH_DOMAIN)
			punish_name(b, o, &results[i]);
	for (size_t i = 0; i < n; i++)
		if (results[i].ladder.of == PUNISH_PREFIX)
			punish_network(b, o, &results[i]);
	if ((strongest = punish_strongest(results, n, shared)))
		punish_network(b, o, strongest);
}

void bans_act(struct bans *b, json_t *act)
{
	struct order o;

	if (!order_read(&o, act))
		return;
	if (bans_is_trusted(b, &o.address)) {
		log_info("event=ban-spared address=%s note=\"this host, or allowed by the policy\"",
			json_string_value(json_object_get(act, "address")));
		o.address = (struct peer_address){ 0 };
	} else if (o.ban_ms > 0) {
		act_ban(b, &o);
	}
	if (o.strikes > 0)
		act_strikes(b, &o);
}
