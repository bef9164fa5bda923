/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs, what it counted, and what needs a hand. In: the policy in force, the rooms' own words,
 * the page of counters (which the children write: read, never trusted). Out: the answers of
 * "status", "rules", "lists". It changes nothing. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "ctl/audit.h"
#include "ctl/bans.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/events.h"
#include "ctl/feeds.h"
#include "ctl/kernel.h"
#include "ctl/limits.h"
#include "ctl/lockdown.h"
#include "ctl/mint.h"
#include "ctl/probation.h"
#include "ctl/rehearsal.h"
#include "ctl/reports.h"
#include "ctl/upgrade.h"
#include "ctl/watch.h"
#include "ctl/workers.h"
#include "rules/rules.h"

static const char *const tls_texts[] = {
	[TLS_REQUIRED] = "required",
	[TLS_OPTIONAL] = "optional",
	[TLS_NONE] = "none",
};
static const char *const intercept_texts[] = {
	[INTERCEPT_NONE] = "none",
	[INTERCEPT_TPROXY] = "tproxy",
	[INTERCEPT_REDIRECT] = "redirect",
};
static const char *const upstream_texts[] = {
	[UPSTREAM_PLAIN] = "plain",
	[UPSTREAM_STARTTLS] = "starttls",
	[UPSTREAM_TLS] = "tls",
};

/* ---- services ---- */

/* "backend north, south" */
static json_t *upstream_backends(const struct service *s)
{
	json_t *text = json_sprintf("backend %s", s->backends[0]), *more;

	for (unsigned i = 1; text && i < s->n_backends; i++) {
		more = json_sprintf("%s, %s", json_string_value(text), s->backends[i]);
		json_decref(text);
		text = more;
	}
	return text;
}

static json_t *upstream_json(const struct service *s)
{
	const char *tls = upstream_texts[s->upstream_tls];

	if (s->upstream_original)
		return json_sprintf("original %s", tls);
	if (s->n_backends > 0)
		return upstream_backends(s);
	if (!s->upstream_host)
		return json_string("");
	if (s->upstream_port == 0)
		return json_sprintf("%s %s", s->upstream_host, tls);
	return json_sprintf(strchr(s->upstream_host, ':') ? "[%s]:%u %s" : "%s:%u %s",
		s->upstream_host, s->upstream_port, tls);
}

static json_t *service_json(const struct service *s)
{
	json_t *ports = json_array(), *addresses = json_array();

	for (unsigned i = 0; i < s->n_ports; i++)
		json_array_append_new(ports, json_integer(s->ports[i]));
	for (unsigned i = 0; i < s->n_addresses; i++)
		json_array_append_new(addresses, json_string(s->addresses[i]));
	return json_pack("{s:s,s:o,s:o,s:s,s:s,s:s,s:o,s:b,s:b}", "name", s->name, "ports", ports,
		"addresses", addresses, "mode", s->mode == MODE_PROXY ? "proxy" : "inspect",
		"intercept", intercept_texts[s->intercept], "tls", tls_texts[s->tls], "upstream",
		s->mode == MODE_PROXY ? upstream_json(s) : json_string(""), "verify",
		s->verify != VERIFY_OFF, "fail_open", s->fail_open);
}

static json_t *services_json(const struct policy *p)
{
	const struct service *services;
	json_t *all = json_array();
	size_t n;

	services = policy_services(p, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, service_json(&services[i]));
	return all;
}

/* ---- attention ---- */

static void service_attention(const struct service *s, json_t *lines)
{
	if (s->mode == MODE_PROXY && s->verify == VERIFY_OFF && s->upstream_tls != UPSTREAM_PLAIN)
		json_array_append_new(lines,
			json_sprintf(
				"service %s does not verify the server's certificate (verify off)",
				s->name));
	if (s->fail_open)
		json_array_append_new(lines, json_sprintf("service %s lets traffic through "
							  "unjudged when judging fails (fail open)",
						     s->name));
}

json_t *command_attention(struct daemon *d)
{
	const char *trouble = rehearsal_trouble(d->rehearsal);
	const struct service *services;
	json_t *lines = json_array();
	size_t n;

	lockdown_attention(d->lockdown, lines);
	workers_attention(d->workers, lines);
	if (d->kernel)
		kernel_attention(d->kernel, lines);
	else
		json_array_append_new(
			lines, json_string("started with --no-firewall: nothing is intercepted, "
					   "and a ban ends "
					   "sessions but does not keep their address out"));
	probation_attention(d->probation, lines);
	upgrade_attention(d->upgrade, lines);
	bans_attention(d->bans, lines);
	limits_attention(d->limits, d->config->policy, lines);
	audit_attention(d->audit, lines);
	if (events_error(d->events) < 0)
		json_array_append_new(
			lines, json_sprintf("events cannot be written: %s (%llu lost)",
				       err_text(events_error(d->events)),
				       (unsigned long long)events_lost(d->events)));
	if (d->reload_trouble)
		json_array_append_new(
			lines, json_sprintf("the last reload was refused, the policy before it is "
					    "in force: %.*s",
				       (int)strcspn(d->reload_trouble, "\n"), d->reload_trouble));
	watch_attention(d->watch, lines);
	feeds_attention(d->feeds, lines);
	reports_attention(d->reports, lines);
	mint_attention(d->mint, lines);
	if (trouble)
		json_array_append_new(lines, json_sprintf("since a list was edited, the next start "
							  "or reload would be refused: %.*s",
						     (int)strcspn(trouble, "\n"), trouble));
	services = policy_services(d->config->policy, &n);
	for (size_t i = 0; i < n; i++)
		service_attention(&services[i], lines);
	return lines;
}

/* ---- status ---- */

json_t *command_counters(const struct daemon *d)
{
	json_t *all = json_object();
	const char *name;
	metric *value;

	for (size_t at = 0; metrics_each(d->metrics, &at, &name, &value);)
		/* "rules" shows those beside their rules, "workers" these. */
		if (strncmp(name, "rule.", 5) != 0 && strncmp(name, "child.", 6) != 0)
			json_object_set_new(all, name, json_integer((json_int_t)metric_get(value)));
	return all;
}

static json_t *firewall_json(const struct daemon *d)
{
	json_t *firewall = kernel_status(d->kernel);

	json_object_set_new(firewall, "wanted", json_boolean(d->kernel != NULL));
	return firewall;
}

void command_status(struct daemon *d, struct request *rq)
{
	const struct policy *p = d->config->policy;

	request_answer(rq,
		json_pack("{s:s,s:s,s:I,s:I,s:I,s:i,s:o,s:o,s:o,s:o,s:o,s:I,s:o,s:o,s:o,s:o*,s:o*,s:o*}",
			"version", XMPPWALL_VERSION, "policy", policy_version(p), "since",
			(json_int_t)d->since_ms, "uptime_ms",
			(json_int_t)(clock_mono_ms() - d->since_mono_ms), "loaded",
			(json_int_t)d->config->loaded_ms, "expectations",
			(int)policy_expectations(p), "services", services_json(p), "workers",
			workers_status(d->workers), "firewall", firewall_json(d), "defend",
			kernel_defend(d->kernel), "counters", command_counters(d), "bans", (json_int_t)bans_count(d->bans), "attention",
			command_attention(d), "lockdown", lockdown_json(d->lockdown), "probation",
			probation_status(d->probation), "reports", reports_json(d->reports), "authority", mint_json(d->mint), "audit",
			audit_status(d->audit)));
}

/* ---- rules, lists ---- */

void command_rules(struct daemon *d, struct request *rq)
{
	const struct rule_info *rules;
	size_t n = policy_rules(d->config->policy, &rules);
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			all, json_pack("{s:s,s:s,s:I,s:s}", "chain", rules[i].chain, "name",
				     rules[i].name, "hits", (json_int_t)metric_get(rules[i].hits),
				     "text", rules[i].text));
	request_answer(rq, json_pack("{s:o}", "rules", all));
}

static json_t *flags_json(const struct set_info *set)
{
	const struct {
		bool on;
		const char *name;
	} flags[] = { { set->fold, "fold" }, { set->nocase, "nocase" },
		{ set->substring, "substring" }, { set->suffix, "suffix" } };
	char text[64] = "";

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (flags[i].on)
			strcat(strcat(text, *text ? ", " : ""), flags[i].name);
	return json_string(text);
}

void command_lists(struct daemon *d, struct request *rq)
{
	const struct set_info *sets;
	size_t n = policy_sets(d->config->policy, &sets);
	json_t *all = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(all,
			json_pack("{s:s,s:s,s:s,s:I,s:o}", "name", sets[i].name, "type",
				sets[i].type, "path", sets[i].path, "entries",
				(json_int_t)__atomic_load_n(&sets[i].entries, __ATOMIC_RELAXED),
				"flags", flags_json(&sets[i])));
	request_answer(rq, json_pack("{s:o}", "lists", all));
}
