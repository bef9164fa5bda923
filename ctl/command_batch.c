/* SPDX-License-Identifier: BSD-2-Clause */
/* "ban-batch" of the control socket: bans and unbans that another program decided on. In: entries
 * as JSON. Out: bans_batch, and which of them were refused and why. A program's word is no
 * operator's: it bans no wide network, nothing that belongs to this host or to the servers behind
 * it, and nobody whom the policy allows. The same is asked of each entry before any of them is
 * entered. */
#include "ctl/command.h"

#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/bans.h"
#include "ctl/batch.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/request.h"
#include "rules/rules.h"
#include "rules/service.h"

enum { ANSWER_NO = 1, ANSWER_USAGE = 2, OWN_MAX = 1024 };

/* What a batch never touches. */
struct spared {
	const struct policy *policy;
	const char *allow_set;
	struct prefix_tree own; /* of this host and of the policy's servers */
};

static void own_add(struct spared *s, const struct peer_address *a)
{
	static char there;
	const struct prefix p = { *a, ADDRESS_BITS };

	if (s->own.count < OWN_MAX)
		(void)prefix_tree_put(&s->own, &p, &there, NULL);
}

static void own_add_text(struct spared *s, const char *text)
{
	struct peer_address a;

	if (text && address_parse(span_of(text), &a) == 0)
		own_add(s, &a);
}

static void spared_init(struct spared *s, const struct policy *policy)
{
	const struct service *services;
	const struct backend *backends;
	struct ifaddrs *all = NULL;
	struct peer_address a;
	size_t n;

	*s = (struct spared){ .policy = policy, .allow_set = policy_daemon(policy)->allow_set };
	prefix_tree_init(&s->own);
	if (getifaddrs(&all) == 0)
		for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
			int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;

			if (family != AF_INET && family != AF_INET6)
				continue;
			address_from_sockaddr(i->ifa_addr, &a, NULL);
			own_add(s, &a);
		}
	freeifaddrs(all);
	services = policy_services(policy, &n);
	for (size_t i = 0; i < n; i++)
		own_add_text(s, services[i].upstream_host);
	backends = policy_backends(policy, &n);
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < backends[i].n_servers; k++)
			own_add_text(s, backends[i].servers[k].host);
}

static const char *spared_why(const struct spared *s, const struct prefix *p)
{
	const char *why = batch_prefix_refusal(p);

	if (why)
		return why;
	if (prefix_tree_overlaps(&s->own, p, NULL, NULL))
		return "an address of this host or of its server";
	if (policy_addresses_overlap(s->policy, s->allow_set, &p->address, p->len))
		return "allowed by the policy";
	return NULL;
}

/* ---- entries ---- */

static const char *order_fill(const struct spared *s, const json_t *entry, struct ban_order *o)
{
	const char *op = json_string_value(json_object_get(entry, "op"));
	const char *why = json_string_value(json_object_get(entry, "why"));
	json_int_t ms = json_integer_value(json_object_get(entry, "for"));
	struct prefix p;

	o->address = json_string_value(json_object_get(entry, "address"));
	if (!op || (strcmp(op, "ban") != 0 && strcmp(op, "unban") != 0))
		return "\"op\" is \"ban\" or \"unban\"";
	if (!o->address || address_parse_prefix(span_of(o->address), &p.address, &p.len) < 0)
		return "no address or prefix";
	o->unban = *op == 'u';
	o->keep = true;
	if (!o->unban && ms <= 0)
		return "\"for\" is a time in milliseconds";
	o->for_ms = o->unban ? 0 : (uint64_t)ms;
	o->why = why ? why : "by a batch";
	return o->unban ? NULL : spared_why(s, &p);
}

struct tally {
	json_t *refused;
	json_int_t banned, unbanned, standing, absent;
};

static void refuse(struct tally *t, size_t at, const char *address, const char *why)
{
	json_t *error = json_sprintf("%.*s%s%s", (int)span_cut(span_of(address), 60),
		address ? address : "", address ? ": " : "", why);

	json_array_append_new(
		t->refused, json_pack("{s:I,s:o}", "at", (json_int_t)at, "error", error));
}

static void tally_order(struct tally *t, size_t at, const struct ban_order *o)
{
	if (o->code == 0 && o->unban)
		t->unbanned++;
	else if (o->code == 0)
		t->banned++;
	else if (o->code == ERR_EXISTS)
		t->standing++;
	else if (o->unban && o->code == ERR_NOTFOUND)
		t->absent++;
	else
		refuse(t, at, o->address,
			o->code == ERR_LIMIT ? "the ledger is full" : err_text(o->code));
}

/* Refused ones are told in the order of the entries: those that never became orders, then the rest.
 */
static void batch_run(struct daemon *d, struct request *rq, const json_t *entries,
	struct ban_order *orders, size_t *at)
{
	struct tally t = { .refused = json_array() };
	struct spared spared;
	const json_t *entry;
	const char *why;
	size_t i, n = 0;

	spared_init(&spared, d->config->policy);
	json_array_foreach(entries, i, entry)
	{
		orders[n] = (struct ban_order){ .code = 0 };
		if ((why = order_fill(&spared, entry, &orders[n])) != NULL)
			refuse(&t, i, orders[n].address, why);
		else
			at[n++] = i;
	}
	prefix_tree_fini(&spared.own);
	if (n)
		(void)bans_batch(d->bans, orders, n, rq->who);
	for (i = 0; i < n; i++)
		tally_order(&t, at[i], &orders[i]);
	request_answer(
		rq, json_pack("{s:I,s:I,s:I,s:I,s:o}", "banned", t.banned, "unbanned", t.unbanned,
			    "standing", t.standing, "absent", t.absent, "refused", t.refused));
}

void command_ban_batch(struct daemon *d, struct request *rq)
{
	const json_t *entries = json_object_get(rq->args, "entries");
	size_t n = json_array_size(entries), *at;
	struct ban_order *orders;

	if (!json_is_array(entries) || n > REQUEST_BATCH_MAX) {
		request_refuse(rq, ANSWER_USAGE, NULL, "ban-batch needs \"entries\", at most %d",
			REQUEST_BATCH_MAX);
		return;
	}
	orders = calloc(n + 1, sizeof *orders);
	at = calloc(n + 1, sizeof *at);
	if (orders && at)
		batch_run(d, rq, entries, orders, at);
	else
		request_refuse(rq, ANSWER_NO, NULL, "out of memory");
	free(orders);
	free(at);
}
