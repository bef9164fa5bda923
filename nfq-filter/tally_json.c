/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of a replay as one JSON object, from which the summary for people is written, too
 * (summary.c). In: a tally at its end. Out: keys as docs/CONTROL.md lists them; the busiest first
 * where not all are told. */
#include "nfq-filter/tally_int.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "rules/address.h"

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static void set_time(json_t *o, const char *key, int64_t ms)
{
	char text[40];

	clock_format_wall(ms, text, sizeof(text));
	json_object_set_new(o, key, ms ? json_string(text) : json_null());
}

static void set_address(json_t *o, const char *key, const struct peer_address *a)
{
	char text[INET6_ADDRSTRLEN];

	address_format(a, text, sizeof(text));
	json_object_set_new(o, key, json_string(text));
}

static json_t *verdicts_json(const uint64_t verdicts[VERDICT_KINDS], bool all)
{
	json_t *o = json_object();

	for (unsigned k = 0; k < VERDICT_KINDS; k++)
		if (all || verdicts[k])
			json_object_set_new(
				o, verdict_kind_text((enum verdict_kind)k), number(verdicts[k]));
	return o;
}

/* ---- peers ---- */

static int peer_order(const void *a, const void *b)
{
	const struct tally_peer *const *x = a, *const *y = b;

	if ((*x)->bans != (*y)->bans)
		return (*x)->bans < (*y)->bans ? 1 : -1;
	if ((*x)->refused != (*y)->refused)
		return (*x)->refused < (*y)->refused ? 1 : -1;
	if ((*x)->stanzas != (*y)->stanzas)
		return (*x)->stanzas < (*y)->stanzas ? 1 : -1;
	return memcmp(&(*x)->address, &(*y)->address, sizeof((*x)->address));
}

static json_t *peer_json(const struct tally_peer *p)
{
	json_t *o =
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:i, s:I}", "streams", (json_int_t)p->streams,
			"stanzas", (json_int_t)p->stanzas, "bytes", (json_int_t)p->bytes, "refused",
			(json_int_t)p->refused, "strikes", (json_int_t)p->strikes, "bans",
			(int)p->bans, "after_ban", (json_int_t)p->after_ban);

	if (o)
		set_address(o, "address", &p->address);
	return o;
}

static json_t *peers_json(const struct tally *t, size_t top)
{
	struct tally_peer **all = calloc(t->peers.count + 1, sizeof(struct tally_peer *));
	json_t *rows = json_array();
	struct map_entry *e;
	size_t at = 0, n = 0;

	while (all && map_each(&t->peers, &at, &e))
		all[n++] = e->value;
	if (all)
		qsort(all, n, sizeof(struct tally_peer *), peer_order);
	for (size_t i = 0; i < n && i < top; i++)
		json_array_append_new(rows, peer_json(all[i]));
	free(all);
	return rows;
}

/* ---- rules and limits ---- */

static json_t *rule_row(const char *chain, const char *rule, const struct tally_rule *r)
{
	static const uint64_t none[VERDICT_KINDS];
	json_t *o = json_pack("{s:s, s:s, s:o}", "chain", chain, "rule", rule, "verdicts",
		verdicts_json(r ? r->verdicts : none, false));
	uint64_t sum = r ? r->dry : 0;

	for (unsigned k = 0; r && k < VERDICT_KINDS; k++)
		sum += r->verdicts[k];
	json_object_set_new(o, "stanzas", number(sum));
	if (r && r->dry)
		json_object_set_new(o, "dry", number(r->dry));
	if (r && r->strikes)
		json_object_set_new(o, "strikes", number(r->strikes));
	return o;
}

static int chain_order(const void *a, const void *b)
{
	const struct tally_rule *const *x = a, *const *y = b;

	/* What no chain saw comes last. */
	if (!*(*x)->chain != !*(*y)->chain)
		return *(*x)->chain ? -1 : 1;
	return strcmp((*x)->chain, (*y)->chain);
}

/* In the order of the file; a chain's own policy, and what no chain saw, behind. */
static json_t *rules_json(struct tally *t)
{
	const struct rule_info *rules;
	size_t n = policy_rules(t->policy, &rules), n_policies = 0, at = 0;
	struct tally_rule **policies;
	json_t *rows = json_array();
	struct map_entry *e;

	for (size_t i = 0; i < n; i++) {
		struct tally_rule *r = NULL;

		for (at = 0; map_each(&t->rules, &at, &e); r = NULL) {
			r = e->value;
			if (strcmp(r->chain, rules[i].chain) == 0 &&
				strcmp(r->rule, rules[i].name) == 0)
				break;
		}
		json_array_append_new(rows, rule_row(rules[i].chain, rules[i].name, r));
	}
	policies = calloc(t->rules.count + 1, sizeof(struct tally_rule *));
	for (at = 0; policies && map_each(&t->rules, &at, &e);) {
		policies[n_policies] = e->value;
		n_policies += !*policies[n_policies]->rule;
	}
	if (policies)
		qsort(policies, n_policies, sizeof(struct tally_rule *), chain_order);
	for (size_t i = 0; i < n_policies; i++)
		json_array_append_new(rows, rule_row(policies[i]->chain, "", policies[i]));
	free(policies);
	return rows;
}

static json_t *limits_json(const struct tally *t)
{
	const struct limit_info *limits;
	size_t n = policy_limits(t->policy, &limits);
	json_t *rows = json_array();
	char rate[48];

	for (size_t i = 0; i < n; i++) {
		limit_info_format(&limits[i], &limits[i].rate, rate, sizeof(rate));
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:I}", "name",
				limits[i].name, "rate", rate, "burst", (json_int_t)limit_rate_burst(&limits[i].rate), "key",
				limits[i].key, "count", limits[i].count, "distinct",
				limits[i].distinct, "exceeded",
				(json_int_t)metric_get(limits[i].exceeded), "evicted",
				(json_int_t)metric_get(limits[i].evicted)));
	}
	return rows;
}

/* ---- the rest ---- */

static json_t *bans_json(const struct tally *t)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < t->n_bans; i++) {
		const struct tally_ban *b = &t->bans[i];
		char prefix[PREFIX_TEXT_SIZE];
		json_t *o = json_pack(
			"{s:s, s:s, s:b}", "rule", b->rule, "why", b->why, "spared", b->spared);

		prefix_show(&b->address, b->prefix_len, prefix);
		json_object_set_new(o, "address", json_string(prefix));
		set_time(o, "time", b->at_ms);
		set_time(o, "until", b->until_ms);
		json_array_append_new(rows, o);
	}
	return rows;
}

static int kind_order(const void *a, const void *b)
{
	const struct tally_kind *x = a, *y = b;
	int r = strcmp(x->kind, y->kind);

	if (r != 0)
		return r;
	return x->stanzas < y->stanzas   ? 1
	       : x->stanzas > y->stanzas ? -1
					 : strcmp(x->type, y->type);
}

static json_t *kinds_json(struct tally *t)
{
	json_t *rows = json_array();

	qsort(t->kinds, t->n_kinds, sizeof(t->kinds[0]), kind_order);
	for (unsigned i = 0; i < t->n_kinds; i++)
		json_array_append_new(
			rows, json_pack("{s:s, s:s, s:I, s:I}", "kind", t->kinds[i].kind, "type",
				      t->kinds[i].type, "stanzas", (json_int_t)t->kinds[i].stanzas,
				      "bytes", (json_int_t)t->kinds[i].bytes));
	return rows;
}

static json_t *sizes_json(const struct tally *t)
{
	json_t *rows = json_array();

	for (unsigned b = 0; b < TALLY_SIZES; b++)
		if (t->sizes[b])
			json_array_append_new(
				rows, json_pack("{s:I, s:I, s:I}", "from", (json_int_t)1 << b, "to",
					      ((json_int_t)2 << b) - 1, "stanzas",
					      (json_int_t)t->sizes[b]));
	return rows;
}

static json_t *rate_json(const struct tally *t)
{
	double seconds = (double)(t->last_ms - t->first_ms) / 1000;
	json_t *o = json_pack("{s:f, s:I}", "mean",
		seconds >= 1 ? (double)t->stanzas / seconds : (double)t->stanzas, "peak",
		(json_int_t)t->peak);

	set_time(o, "peak_at", t->peak_second * 1000);
	return o;
}

static json_t *streams_json(const struct tally *t, size_t top)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < json_array_size(t->streams) && i < top; i++)
		json_array_append(rows, json_array_get(t->streams, i));
	return rows;
}

json_t *tally_json(struct tally *t, size_t top)
{
	json_t *o = json_object();

	if (!o)
		return NULL;
	json_object_set_new(o, "ruleset", json_string(policy_version(t->policy)));
	json_object_set_new(o, "stanzas", number(t->stanzas));
	json_object_set_new(o, "bytes", number(t->bytes));
	json_object_set_new(o, "verdicts", verdicts_json(t->verdicts, true));
	json_object_set_new(o, "dry", number(t->dry));
	set_time(o, "from", t->first_ms);
	set_time(o, "until", t->last_ms);
	json_object_set_new(o, "rate", rate_json(t));
	json_object_set_new(o, "kinds", kinds_json(t));
	json_object_set_new(o, "sizes", sizes_json(t));
	json_object_set_new(o, "rules", rules_json(t));
	json_object_set_new(o, "limits", limits_json(t));
	json_object_set_new(o, "strikes", number(t->strikes));
	json_object_set_new(o, "bans", bans_json(t));
	json_object_set_new(o, "bans_untold", number(t->bans_lost));
	json_object_set_new(o, "after_ban", number(t->after_ban));
	json_object_set_new(o, "peers_seen", number(t->peers.count));
	json_object_set_new(o, "peers", peers_json(t, top));
	json_object_set_new(
		o, "streams_seen", number(json_array_size(t->streams) + t->streams_lost));
	json_object_set_new(o, "streams", streams_json(t, top));
	json_object_set_new(o, "broken", json_incref(t->broken));
	json_object_set_new(o, "broken_untold", number(t->broken_lost));
	return o;
}
