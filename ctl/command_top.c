/* SPDX-License-Identifier: BSD-2-Clause */
/* "top": everything a screen shows each second, in one answer of bounded size. In: what the
 * children tell of their sessions (sums and the busiest: their word, looked at for its shape), the
 * policy in force, counters, bans, what the processes cost. Out: rows, busiest first. What grows is
 * told as it is: whoever looks twice knows the rates. It changes nothing and remembers nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "ctl/bans.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/kernel.h"
#include "ctl/limits.h"
#include "ctl/lockdown.h"
#include "ctl/usage.h"
#include "ctl/workers.h"
#include "rules/address.h"
#include "rules/rules.h"

enum {
	ANSWER_NO = 1,
	ANSWER_USAGE = 2,
	TOP_ROWS = 20,
	TOP_ROWS_MAX = 1000,
	TOP_TEXT_MAX = 240,
	TOP_COVER_NS = 3000000, /* spent on finding out whether peers are banned */
};

struct top {
	struct daemon *d;
	struct request *rq;
	size_t peers, sessions, rules, limits, bans;
};

/* ---- rows, the greatest first ---- */

struct ranked {
	double rank;
	json_t *row; /* borrowed */
};

static int rank_compare(const void *a, const void *b)
{
	double x = ((const struct ranked *)a)->rank, y = ((const struct ranked *)b)->rank;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The first max of rows by the number under key, which goes; a new array. */
static json_t *rows_best(const json_t *rows, const char *key, bool keep, size_t max)
{
	struct ranked *all = calloc(json_array_size(rows) + 1, sizeof *all);
	json_t *best = json_array(), *row;
	size_t i, n = 0;

	json_array_foreach(rows, i, row) if (all) all[n++] =
		(struct ranked){ json_number_value(json_object_get(row, key)), row };
	if (all)
		qsort(all, n, sizeof *all, rank_compare);
	for (i = 0; i < n && i < max; i++) {
		json_array_append(best, all[i].row);
		if (!keep)
			json_object_del(all[i].row, key);
	}
	free(all);
	return best;
}

/* ---- what the children say ---- */

struct heard {
	json_t *sessions, *peers; /* rows with "rank" */
	json_t *by_address;       /* peers, by their address */
	json_int_t n_sessions, n_online, n_peers;
	json_int_t plain; /* peers that were not counted yet: of an older program's rows */
};

static json_int_t number(const json_t *object, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(object, key));

	return n > 0 ? n : 0;
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "";
}

static void add_number(json_t *into, const json_t *from, const char *key)
{
	json_object_set_new(into, key, json_integer(number(into, key) + number(from, key)));
}

static void add_real(json_t *into, const json_t *from, const char *key)
{
	double sum = json_number_value(json_object_get(into, key)) +
		     json_number_value(json_object_get(from, key));

	json_object_set_new(into, key, json_real(sum));
}

/* Two children may know the same address: one row. */
static void hear_peer(struct heard *h, const json_t *peer, double rank)
{
	static const char *const sums[] = { "sessions", "online", "in", "out", "dropped",
		"rejected" };
	json_t *one = json_object_get(h->by_address, text(peer, "address"));

	if (!one) {
		if (!(one = json_object()))
			return;
		json_object_set_new(one, "address", json_string(text(peer, "address")));
		json_object_set_new(one, "jid", json_string(text(peer, "jid")));
		json_object_set_new(h->by_address, text(peer, "address"), one);
		json_array_append(h->peers, one);
	}
	for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
		add_number(one, peer, sums[i]);
	add_real(one, peer, "rate");
	if (number(peer, "age_ms") >= number(one, "age_ms"))
		json_object_set_new(one, "age_ms", json_integer(number(peer, "age_ms")));
	json_object_set_new(
		one, "rank", json_real(json_number_value(json_object_get(one, "rank")) + rank));
}

/* A child of an older program tells all its sessions, and no rates. */
static void hear_plain(struct heard *h, json_t *row)
{
	bool online = strcmp(text(row, "state"), "online") == 0;
	bool known = json_object_get(h->by_address, text(row, "address")) != NULL;
	json_t *peer = json_pack("{s:s,s:i,s:i,s:I,s:I,s:I,s:I,s:I,s:s}", "address",
		text(row, "address"), "sessions", 1, "online", online, "in", number(row, "in"),
		"out", number(row, "out"), "dropped", number(row, "dropped"), "rejected",
		number(row, "rejected"), "age_ms", number(row, "age_ms"), "jid", text(row, "jid"));

	h->n_sessions++;
	h->n_online += online;
	h->plain += !known;
	json_object_set_new(row, "rate", json_real(0));
	json_object_set_new(row, "rank", json_real(0));
	json_array_append(h->sessions, row);
	if (peer)
		hear_peer(h, peer, 0);
	json_decref(peer);
}

static void hear_row(struct heard *h, json_t *row)
{
	json_t *session = json_object_get(row, "session"), *peer = json_object_get(row, "peer"),
	       *all = json_object_get(row, "all");
	double rank = json_number_value(json_object_get(row, "rank"));

	if (json_is_object(session)) {
		json_object_set_new(session, "rank", json_real(rank));
		json_array_append(h->sessions, session);
	} else if (json_is_object(peer)) {
		hear_peer(h, peer, rank);
	} else if (json_is_object(all)) {
		h->n_sessions += number(all, "sessions");
		h->n_online += number(all, "online");
		h->n_peers += number(all, "peers");
	} else if (json_is_integer(json_object_get(row, "id"))) {
		hear_plain(h, row);
	}
}

/* Each costs some look-ups in the ledger: those at the head of the rows come first. */
static void mark_banned(struct daemon *d, json_t *peers)
{
	uint64_t began = uv_hrtime();
	struct prefix prefix;
	json_t *peer;
	size_t i, n;

	if (bans_count(d->bans) == 0)
		return;
	json_array_foreach(peers, i, peer)
	{
		if (uv_hrtime() - began > TOP_COVER_NS)
			return;
		if (address_parse_prefixes(span_of(text(peer, "address")), &prefix, 1, &n) == 0)
			json_object_set_new(
				peer, "banned", json_boolean(bans_cover(d->bans, &prefix.address)));
	}
}

/* ---- what the daemon knows ---- */

static json_t *process_json(const char *name, pid_t pid, const char *state, json_int_t sessions)
{
	json_t *one = json_pack("{s:s,s:I,s:s,s:I}", "name", name, "pid", (json_int_t)pid, "state",
		state, "sessions", sessions);
	struct usage usage;

	if (!one || pid <= 0 || usage_read(pid, &usage) < 0)
		return one;
	json_object_set_new(one, "cpu_ms", json_integer((json_int_t)usage.cpu_ms));
	json_object_set_new(one, "memory", json_integer((json_int_t)usage.memory));
	return one;
}

static json_t *processes_json(struct daemon *d)
{
	json_t *all = json_array(), *workers = workers_status(d->workers), *one;
	size_t i;

	json_array_append_new(all, process_json("xmppwalld", getpid(), "ready", 0));
	json_array_foreach(workers, i, one) json_array_append_new(
		all, process_json(text(one, "name"), (pid_t)number(one, "pid"), text(one, "state"),
			     number(one, "sessions")));
	json_decref(workers);
	return all;
}

static json_t *rules_json(struct daemon *d, size_t max, size_t *n)
{
	const struct rule_info *rules;
	json_t *all = json_array(), *best;

	*n = policy_rules(d->config->policy, &rules);
	for (size_t i = 0; i < *n && max > 0; i++)
		json_array_append_new(
			all, json_pack("{s:s,s:s,s:I,s:s%}", "chain", rules[i].chain, "name",
				     rules[i].name, "hits", (json_int_t)metric_get(rules[i].hits),
				     "text", rules[i].text,
				     span_cut(span_of(rules[i].text), TOP_TEXT_MAX)));
	best = rows_best(all, "hits", true, max);
	json_decref(all);
	return best;
}

static json_t *limits_json(struct daemon *d, size_t max, size_t *n)
{
	const struct limit_info *limits;
	json_t *all = json_array(), *best;

	*n = policy_limits(d->config->policy, &limits);
	for (size_t i = 0; i < *n && max > 0; i++)
		json_array_append_new(all, command_limit_row(d->limits, &limits[i]));
	best = rows_best(all, "exceeded", true, max);
	json_decref(all);
	return best;
}

/* ---- the answer ---- */

static json_t *totals_json(
	struct daemon *d, const struct heard *h, size_t n_rules, size_t n_limits, long n_barred)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "sessions", h->n_sessions, "online",
		h->n_online, "peers", h->n_peers + h->plain, "rules", (json_int_t)n_rules, "limits",
		(json_int_t)n_limits, "bans", (json_int_t)bans_count(d->bans), "barred",
		(json_int_t)n_barred);
}

static void top_answer(struct top *t, const struct heard *h)
{
	json_t *peers = rows_best(h->peers, "rank", false, t->peers), *rules, *limits, *defend,
	       *barred;
	const struct policy *p = t->d->config->policy;
	size_t n_rules, n_limits;
	long n_barred;

	mark_banned(t->d, peers);
	barred = bans_newest_names(t->d->bans, t->bans, &n_barred);
	rules = rules_json(t->d, t->rules, &n_rules);
	limits = limits_json(t->d, t->limits, &n_limits);
	defend = kernel_defend(t->d->kernel); /* looks: the counters are younger then */
	request_answer(t->rq,
		json_pack("{s:s,s:s,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}",
			"version", XMPPWALL_VERSION, "policy", policy_version(p), "time",
			(json_int_t)clock_wall_ms(), "uptime_ms",
			(json_int_t)(clock_mono_ms() - t->d->since_mono_ms), "counters",
			command_counters(t->d), "attention", command_attention(t->d), "firewall",
			kernel_status(t->d->kernel), "defend", defend, "lockdown",
			lockdown_json(t->d->lockdown), "workers", processes_json(t->d), "totals",
			totals_json(t->d, h, n_rules, n_limits, n_barred), "peers", peers,
			"sessions", rows_best(h->sessions, "rank", false, t->sessions), "rules",
			rules, "limits", limits, "bans", bans_newest(t->d->bans, t->bans), "barred",
			barred));
}

static void on_busiest(void *arg, json_t *rows)
{
	struct heard h = {
		.sessions = json_array(), .peers = json_array(), .by_address = json_object()
	};
	struct top *t = arg;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) hear_row(&h, row);
	top_answer(t, &h);
	json_decref(h.sessions);
	json_decref(h.peers);
	json_decref(h.by_address);
	free(t);
}

/* How many of a kind; false when that is no such number. */
static bool rows_wanted(const struct request *rq, const char *key, size_t *n)
{
	const json_t *value = json_object_get(rq->args, key);
	json_int_t given = value ? json_integer_value(value) : TOP_ROWS;

	*n = (size_t)given;
	return (!value || json_is_integer(value)) && given >= 0 && given <= TOP_ROWS_MAX;
}

void command_top(struct daemon *d, struct request *rq)
{
	struct top *t = calloc(1, sizeof *t);

	if (!t) {
		request_refuse(rq, ANSWER_NO, NULL, "%s", err_text(-ENOMEM));
		return;
	}
	t->d = d;
	t->rq = rq;
	if (!rows_wanted(rq, "peers", &t->peers) || !rows_wanted(rq, "sessions", &t->sessions) ||
		!rows_wanted(rq, "rules", &t->rules) || !rows_wanted(rq, "limits", &t->limits) ||
		!rows_wanted(rq, "bans", &t->bans)) {
		request_refuse(rq, ANSWER_USAGE, NULL, "how many rows is a number from 0 to %d",
			TOP_ROWS_MAX);
		free(t);
		return;
	}
	workers_busiest(d->workers,
		json_pack("{s:I,s:I,s:s,s:s,s:s}", "peers", (json_int_t)t->peers, "sessions",
			(json_int_t)t->sessions, "peers_by", text(rq->args, "peers_by"),
			"sessions_by", text(rq->args, "sessions_by"), "match",
			text(rq->args, "match")),
		on_busiest, t);
}
