/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind inspect.c in a replay: verdicts and streams in, sums out (tally_json.c).
 * Strikes go up the policy's own ladder (rules/punish.c) on the capture's clock, as in the daemon:
 * an address that would be banned is not struck again meanwhile, what it still says is counted
 * apart; those the policy never bans are spared. Every table is bounded and tells what it left out.
 * It prints nothing. */
#include "nfq-filter/tally_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

struct tally *tally_new(struct policy *policy)
{
	struct tally *t = calloc(1, sizeof(*t));
	const struct punish *ladders;
	size_t n;

	if (!t)
		return NULL;
	t->policy = policy;
	map_init(&t->peers);
	map_init(&t->rules);
	t->streams = json_array();
	t->broken = json_array();
	t->ladder = punish_new(TALLY_PEERS_MAX);
	t->bans = calloc(TALLY_BANS_MAX, sizeof(*t->bans));
	ladders = policy_punish(policy, &n);
	if (!t->streams || !t->broken || !t->ladder || !t->bans ||
		punish_configure(t->ladder, ladders, n) == -ENOMEM) {
		tally_free(t);
		return NULL;
	}
	return t;
}

static void rule_free(void *value)
{
	struct tally_rule *r = value;

	free(r->chain);
	free(r->rule);
	free(r);
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	map_fini(&t->peers, free);
	map_fini(&t->rules, rule_free);
	punish_free(t->ladder);
	free(t->bans);
	json_decref(t->streams);
	json_decref(t->broken);
	free(t);
}

/* NULL with *r 0: beyond the bound. */
static struct tally_peer *peer_get(struct tally *t, const struct peer_address *a, int *r)
{
	struct tally_peer *p = t->last_peer;

	*r = 0;
	if (p && memcmp(&p->address, a, sizeof(*a)) == 0)
		return p;
	p = map_find(&t->peers, a, sizeof(*a));
	if (!p && t->peers.count < TALLY_PEERS_MAX) {
		if (!(p = calloc(1, sizeof(*p))) ||
			(*r = map_put(&t->peers, a, sizeof(*a), p, NULL)) < 0) {
			free(p);
			*r = -ENOMEM;
			return NULL;
		}
		p->address = *a;
	}
	t->last_peer = p;
	return p;
}

static struct tally_rule *rule_find(struct tally *t, const struct verdict *v)
{
	struct tally_rule *r;
	char key[256];
	int len = snprintf(key, sizeof(key), "%s/%s", v->chain, v->rule);

	len = len < (int)sizeof(key) ? len : (int)sizeof(key) - 1;
	if ((r = map_find(&t->rules, key, (size_t)len)))
		return r;
	if (!(r = calloc(1, sizeof(*r))) || !(r->chain = strdup(v->chain)) ||
		!(r->rule = strdup(v->rule)) || map_put(&t->rules, key, (size_t)len, r, NULL) < 0) {
		if (r)
			rule_free(r);
		return NULL;
	}
	return r;
}

static struct tally_rule *rule_get(struct tally *t, const struct verdict *v)
{
	size_t at = (((uintptr_t)v->rule >> 4) ^ ((uintptr_t)v->chain >> 3)) % TALLY_LAST_RULES;
	struct tally_rule *r = t->last_rules[at].of;

	if (r && t->last_rules[at].rule == v->rule && t->last_rules[at].chain == v->chain)
		return r;
	if (!(r = rule_find(t, v)))
		return NULL;
	t->last_rules[at].chain = v->chain;
	t->last_rules[at].rule = v->rule;
	t->last_rules[at].of = r;
	return r;
}

/* ---- stanzas ---- */

/* Types of RFC 6120 and 6121; a peer may invent others. */
static const char *known_type(const char *type)
{
	static const char *const types[] = { "", "chat", "groupchat", "headline", "normal", "error",
		"get", "set", "result", "unavailable", "subscribe", "subscribed", "unsubscribe",
		"unsubscribed", "probe" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			return types[i];
	return "other";
}

static void count_kind(struct tally *t, const struct stanza *st)
{
	const char *kind = stanza_kind_text(st->kind), *type = known_type(stanza_type(st));
	struct tally_kind *k = t->kinds;

	while (k < t->kinds + t->n_kinds && (k->kind != kind || k->type != type))
		k++;
	if (k == t->kinds + TALLY_KINDS_MAX)
		return;
	if (k == t->kinds + t->n_kinds)
		t->kinds[t->n_kinds++] = (struct tally_kind){ .kind = kind, .type = type };
	k->stanzas++;
	k->bytes += st->raw.len;
}

static void count_size(struct tally *t, size_t len)
{
	unsigned b = 0;

	while (b < TALLY_SIZES - 1 && len >> (b + 1))
		b++;
	t->sizes[b]++;
}

static void count_time(struct tally *t, int64_t wall_ms)
{
	int64_t second = wall_ms / 1000;

	if (!t->first_ms)
		t->first_ms = wall_ms;
	t->last_ms = wall_ms > t->last_ms ? wall_ms : t->last_ms;
	if (second != t->second) {
		t->second = second;
		t->in_second = 0;
	}
	if (++t->in_second > t->peak) {
		t->peak = t->in_second;
		t->peak_second = second;
	}
}

/* ---- strikes and bans ---- */

struct covered {
	const struct peer_address *address;
	bool yes;
};

static bool visit_allowed(void *arg, const struct peer_address *net, unsigned prefix_len)
{
	struct covered *c = arg;
	unsigned whole = prefix_len / 8, rest = prefix_len % 8;

	c->yes = memcmp(net->bytes, c->address->bytes, whole) == 0 &&
		 (rest == 0 || (net->bytes[whole] ^ c->address->bytes[whole]) >> (8 - rest) == 0);
	return !c->yes;
}

/* Those the policy lets in, and this machine's own loopback, are not banned. */
static bool is_spared(const struct tally *t, const struct peer_address *a)
{
	static const struct peer_address six = { .bytes = { [15] = 1 } };
	const char *set = policy_daemon(t->policy)->allow_set;
	struct covered c = { a, false };

	if (memcmp(a, &six, sizeof(*a)) == 0 || (address_is_v4(a) && a->bytes[12] == 127))
		return true;
	if (set)
		(void)policy_addresses(t->policy, set, visit_allowed, &c);
	return c.yes;
}

/* of NULL: the rule itself bans the address. */
static void ban_add(struct tally *t, struct tally_peer *p, const struct verdict *v, int64_t now_ms,
	uint64_t ms, bool spared, const struct punish_result *of, const char *why)
{
	struct tally_ban *b;
	const struct peer_address *net = of ? &of->net : &p->address;

	if (!spared) {
		int64_t until = now_ms + (int64_t)(ms < INT64_MAX / 4 ? ms : INT64_MAX / 4);

		p->bans++;
		p->banned_until_ms = until > p->banned_until_ms ? until : p->banned_until_ms;
	}
	if (t->n_bans == TALLY_BANS_MAX) {
		t->bans_lost++;
		return;
	}
	b = &t->bans[t->n_bans++];
	*b = (struct tally_ban){ .address = *net,
		.prefix_len = of ? of->prefix_len : 128,
		.at_ms = now_ms,
		.spared = spared };
	b->until_ms = spared ? 0 : now_ms + (int64_t)(ms < INT64_MAX / 4 ? ms : INT64_MAX / 4);
	snprintf(b->rule, sizeof(b->rule), "%s/%s", v->chain, v->rule);
	snprintf(b->why, sizeof(b->why), "%s", why);
}

/* A rung was reached; NULL: none. */
static void climb(struct tally *t, struct tally_peer *p, const struct verdict *v, int64_t now_ms,
	const struct punish_result *result)
{
	char why[128], within[32];

	if (!result)
		return;
	clock_format_duration(result->ladder.within_ms, within, sizeof(within));
	snprintf(why, sizeof(why), "%u strikes within %s (punish %.48s)", result->strikes, within,
		result->ladder.name);
	ban_add(t, p, v, now_ms, punish_ban_ms(&result->ladder, p->bans),
		p->shared && result->ladder.spare_shared, result, why);
}

/* A capture has no rungs of names: whether a login or a domain is genuine is the server's word. */
static int strike(struct tally *t, struct tally_peer *p, const struct verdict *v, int64_t now_ms)
{
	struct punish_result results[PUNISH_RULES_MAX];
	struct punish_act act;
	size_t n;
	char why[128], within[32];
	bool banned = now_ms < p->banned_until_ms;

	p->strikes += v->strikes;
	t->strikes += v->strikes;
	if (is_spared(t, &p->address))
		return 0;
	if (v->ban_ms && !banned) {
		clock_format_duration(v->ban_ms, within, sizeof(within));
		snprintf(why, sizeof(why), "the rule says ban %s", within);
		ban_add(t, p, v, now_ms, v->ban_ms, false, NULL, why);
		banned = true;
	}
	if (!v->strikes || banned)
		return 0;
	act = (struct punish_act){ .address = p->address, .strikes = v->strikes };
	if (punish_strike(t->ladder, &act, clock_mono_ms(), results, &n) < 0)
		return -ENOMEM;
	climb(t, p, v, now_ms, punish_strongest(results, n, p->shared));
	for (size_t i = 0; i < n; i++)
		if (results[i].ladder.of == PUNISH_PREFIX)
			climb(t, p, v, now_ms, &results[i]);
	return 0;
}

/* Two accounts behind one address: others would suffer from its ban. */
static void learn_account(struct tally_peer *p, const struct inspection *i)
{
	uint64_t hash;

	if (!i->jid || !i->authenticated)
		return;
	hash = map_hash(i->jid, strcspn(i->jid, "/")) | 1;
	p->shared = p->shared || (p->jid && p->jid != hash);
	p->jid = hash;
}

static int count_peer(struct tally *t, const struct inspection *i, const struct inspect_verdict *v,
	int64_t wall_ms)
{
	const struct verdict *verdict = v->verdict;
	int r;
	struct tally_peer *p = peer_get(t, &v->subject->peer, &r);

	if (!p) {
		t->peers_lost += r == 0;
		return r;
	}
	p->stanzas++;
	p->bytes += v->subject->stanza->raw.len;
	p->refused += verdict->kind != VERDICT_ACCEPT && verdict->kind != VERDICT_REDIRECT;
	learn_account(p, i);
	if (wall_ms < p->banned_until_ms) {
		p->after_ban++;
		t->after_ban++;
	}
	return verdict->strikes || verdict->ban_ms ? strike(t, p, verdict, wall_ms) : 0;
}

int tally_verdict(struct tally *t, const struct inspection *i, const struct inspect_verdict *v,
	int64_t wall_ms)
{
	struct tally_rule *rule = rule_get(t, v->verdict);

	if (!rule)
		return -ENOMEM;
	rule->verdicts[v->verdict->kind]++;
	rule->strikes += v->verdict->strikes;
	for (const struct verdict *w = v->verdict->would; w; w = w->next) {
		if (!(rule = rule_get(t, w)))
			return -ENOMEM;
		rule->dry++;
		t->dry++;
	}
	t->stanzas++;
	t->bytes += v->subject->stanza->raw.len;
	t->verdicts[v->verdict->kind]++;
	count_kind(t, v->subject->stanza);
	count_size(t, v->subject->stanza->raw.len);
	count_time(t, wall_ms);
	return count_peer(t, i, v, wall_ms);
}

/* ---- streams ---- */

static void set_endpoint(json_t *o, const char *key, const struct endpoint *e)
{
	char text[INET6_ADDRSTRLEN + 16], address[INET6_ADDRSTRLEN];

	address_format(&e->address, address, sizeof(address));
	snprintf(text, sizeof(text), address_is_v4(&e->address) ? "%s:%u" : "[%s]:%u", address,
		e->port);
	json_object_set_new(o, key, json_string(text));
}

static void set_text(json_t *o, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(o, key, json_string(text));
}

int tally_broken(struct tally *t, const struct inspection *i, enum flow_side side,
	enum stream_error error, const char *reason)
{
	json_t *row;

	if (json_array_size(t->broken) >= TALLY_BROKEN_MAX) {
		t->broken_lost++;
		return 0;
	}
	row = json_pack("{s:I, s:s, s:s, s:s}", "stream", (json_int_t)i->number, "side",
		side == FLOW_CLIENT ? "client" : "server", "condition", stream_error_text(error),
		"reason", reason);
	return row && json_array_append_new(t->broken, row) == 0 ? 0 : -ENOMEM;
}

static const char *stream_end(const struct inspection *i)
{
	if (i->compressed)
		return "compressed";
	if (i->starttls && i->half[FLOW_CLIENT].stage == STAGE_OPAQUE)
		return "tls";
	return i->half[0].stage == STAGE_BAD || i->half[1].stage == STAGE_BAD ? "broken" : "clear";
}

int tally_stream(struct tally *t, const struct inspection *i, uint64_t now_ns)
{
	const struct inspect_half *half = i->half;
	int r;
	struct tally_peer *p =
		peer_get(t, i->outward ? &i->server.address : &i->client.address, &r);
	json_t *row;

	if (r < 0)
		return r;
	if (p)
		p->streams++;
	if (json_array_size(t->streams) >= TALLY_STREAMS_MAX) {
		t->streams_lost++;
		return 0;
	}
	row = json_pack("{s:I, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "stream",
		(json_int_t)i->number, "service", i->service, "ends", stream_end(i), "midstream",
		i->midstream, "in", (json_int_t)half[FLOW_CLIENT].stanzas, "out",
		(json_int_t)half[FLOW_SERVER].stanzas, "bytes_in",
		(json_int_t)half[FLOW_CLIENT].bytes, "bytes_out",
		(json_int_t)half[FLOW_SERVER].bytes, "age_ms",
		(json_int_t)((now_ns - i->first_ns) / 1000000u));
	if (!row)
		return -ENOMEM;
	set_endpoint(row, "client", &i->client);
	set_endpoint(row, "server", &i->server);
	json_object_set_new(row, "role", json_string(service_role_text(i->role)));
	set_text(row, "from", half[FLOW_CLIENT].header.from);
	set_text(row, "to", half[FLOW_CLIENT].header.to);
	set_text(row, "mechanism", i->mechanism);
	set_text(row, "jid", i->jid);
	set_text(row, "carrier", i->bosh ? "bosh" : NULL);
	return json_array_append_new(t->streams, row) == 0 ? 0 : -ENOMEM;
}
