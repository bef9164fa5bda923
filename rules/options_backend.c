/* SPDX-License-Identifier: BSD-2-Clause */
/* One backend of the checked tree as a struct backend, and what services want of them. Domains are
 * prepared as a stream's "to" will be, so that the proxy only compares. Out: plain data, and
 * complaints that need more than one setting to see. It resolves no name: the daemon does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/options_int.h"
#include "rules/rules.h"
#include "xmpp/jid.h"

enum { HOST_SIZE = 256 };

/* ---- a backend ---- */

const char *options_domain(struct collector *c, const char *text)
{
	bool below = strncmp(text, "*.", 2) == 0;
	const char *name;
	char *out;

	if (jid_prep_domain(c->arena, span_of(below ? text + 2 : text), &name) < 0 ||
		!(out = arena_zalloc(c->arena, strlen(name) + 3))) {
		c->error = -ENOMEM;
		return "";
	}
	sprintf(out, "%s%s", below ? "*." : "", name);
	return out;
}

static void take_domains(struct collector *c, struct backend *b, const struct ast_setting *set)
{
	for (const struct ast_value *v = set->values; v && !c->error; v = v->next) {
		if (b->n_domains == BACKEND_DOMAINS_MAX) {
			diag_error(c->diags, v->at, "make it two backends",
				"a backend has at most %d domains", BACKEND_DOMAINS_MAX);
			return;
		}
		b->domains[b->n_domains++] = options_domain(c, v->text);
	}
}

static enum upstream_tls tls_of(const struct ast_value *v)
{
	if (!v || v->comma)
		return UPSTREAM_STARTTLS;
	return strcmp(v->text, "plain") == 0 ? UPSTREAM_PLAIN
	       : strcmp(v->text, "tls") == 0 ? UPSTREAM_TLS
					     : UPSTREAM_STARTTLS;
}

static void add_server(struct collector *c, struct backend *b, const struct ast_value *v)
{
	char host[HOST_SIZE], text[HOST_SIZE + 16];
	struct backend_server *s;

	if (b->n_servers == BACKEND_SERVERS_MAX) {
		diag_error(c->diags, v->at, "make it two backends",
			"a backend has at most %d servers", BACKEND_SERVERS_MAX);
		return;
	}
	s = &b->servers[b->n_servers++];
	s->named = v->kind == VALUE_STRING;
	s->tls = tls_of(v->next);
	if (!options_split_port(v->text, host, sizeof(host), &s->port))
		return; /* the checker has seen to that */
	if (s->port == 0)
		s->port = s->tls == UPSTREAM_TLS ? 5223 : 5222;
	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, s->port);
	s->host = options_strdup(c, host);
	s->text = options_strdup(c, text);
	for (unsigned i = 0; i + 1 < b->n_servers; i++)
		if (s->text && b->servers[i].text && strcmp(b->servers[i].text, s->text) == 0)
			diag_error(c->diags, v->at, NULL, "'%s' stands here twice", s->text);
}

static void take_servers(struct collector *c, struct backend *b, const struct ast_setting *set)
{
	for (const struct ast_value *v = set->values; v && !c->error; v = v->next)
		if (v == set->values || v->comma)
			add_server(c, b, v);
}

static void take_check(struct collector *c, struct backend *b, const struct ast_setting *set)
{
	const struct ast_value *v = set->values;

	b->check = strcmp(v->text, "off") == 0   ? CHECK_OFF
		   : strcmp(v->text, "tcp") == 0 ? CHECK_TCP
						 : CHECK_STREAM;
	for (v = v->next; v; v = v->next->next) {
		if (strcmp(v->text, "every") == 0)
			b->every_ms = v->next->number;
		else if (strcmp(v->text, "timeout") == 0)
			b->timeout_ms = v->next->number;
		else if (strcmp(v->text, "rise") == 0)
			b->rise = (unsigned)v->next->number;
		else if (strcmp(v->text, "fall") == 0)
			b->fall = (unsigned)v->next->number;
		else
			b->check_to = options_domain(c, v->next->text);
	}
}

static void find_whom_to_ask(struct collector *c, struct backend *b, const struct ast_item *item)
{
	const struct ast_setting *check = options_find(item->settings, "check");

	for (unsigned i = 0; i < b->n_domains && !b->check_to; i++)
		if (b->domains[i][0] != '*')
			b->check_to = b->domains[i];
	if (b->check == CHECK_STREAM && !b->check_to)
		diag_error(c->diags, check->at, "check stream to \"example.org\"",
			"backend '%s' names no domain a check could ask for", item->name);
}

void options_backend(struct collector *c, const struct ast_item *item)
{
	struct backend *b = &c->out->backends[c->out->n_backends++];
	const struct ast_setting *set;

	*b = (struct backend){ .name = options_strdup(c, item->name),
		.check = CHECK_TCP,
		.every_ms = 5000,
		.timeout_ms = 3000,
		.rise = 2,
		.fall = 3,
		.resolve_ms = 60000 };
	for (set = item->settings; set && !c->error; set = set->next) {
		if (strcmp(set->name, "domains") == 0)
			take_domains(c, b, set);
		else if (strcmp(set->name, "servers") == 0)
			take_servers(c, b, set);
		else if (strcmp(set->name, "check") == 0)
			take_check(c, b, set);
		else if (strcmp(set->name, "resolve") == 0)
			b->resolve_ms = set->values->kind == VALUE_NUMBER
						? set->values->number * 1000
						: set->values->number;
	}
	if (options_word(item->settings, "balance", "roundrobin"))
		b->balance = BALANCE_ROUNDROBIN;
	else if (options_word(item->settings, "balance", "source"))
		b->balance = BALANCE_SOURCE;
	find_whom_to_ask(c, b, item);
}

/* ---- of a service ---- */

static const struct backend *backend_find(const struct collector *c, const char *name)
{
	for (size_t i = 0; i < c->out->n_backends; i++)
		if (strcmp(c->out->backends[i].name, name) == 0)
			return &c->out->backends[i];
	return NULL;
}

/* The domain that both have; "" if both want all the rest; NULL if they are apart. */
static const char *backends_meet(const struct backend *a, const struct backend *b)
{
	if (a->n_domains == 0 && b->n_domains == 0)
		return "";
	for (unsigned i = 0; i < a->n_domains; i++)
		for (unsigned k = 0; k < b->n_domains; k++)
			if (strcmp(a->domains[i], b->domains[k]) == 0)
				return a->domains[i];
	return NULL;
}

static void add_backend(struct collector *c, struct service *s, const struct ast_value *v)
{
	const struct backend *b = backend_find(c, v->text), *other;
	const char *both;

	for (unsigned i = 0; b && i < s->n_backends; i++) {
		other = backend_find(c, s->backends[i]);
		if (other && (both = backends_meet(other, b))) {
			diag_error(c->diags, v->at, NULL, "backends '%s' and '%s' both want %s%s",
				other->name, b->name, *both ? "" : "the domains no other has",
				both);
			return;
		}
	}
	if (s->n_backends == BACKENDS_MAX)
		diag_error(c->diags, v->at, "make it two services",
			"a service has at most %d backends", BACKENDS_MAX);
	else if (b)
		s->backends[s->n_backends++] = b->name;
}

void options_upstream_backends(
	struct collector *c, struct service *s, const struct ast_setting *upstream)
{
	for (const struct ast_value *v = upstream->values->next; v; v = v->next)
		add_backend(c, s, v);
}

/* ---- source client ---- */

/* Of IPv4 only: what ::1 answers is led to the proxy as any other answer of this host. */
static bool is_loopback(const char *host)
{
	struct peer_address a;

	return host && address_parse(span_of(host), &a) == 0 && address_is_v4(&a) &&
	       a.bytes[12] == 127;
}

static void refuse_loopback(struct collector *c, const struct ast_item *item, const char *server)
{
	const struct ast_setting *set = options_find(item->settings, "source");

	diag_error(c->diags, set->at,
		"have the server listen on this host's own address and name that, or write "
		"'proxy-protocol v2', or 'intercept redirect' with 'upstream original'",
		"'source client' cannot work with the server on %s: what it answers to a client's "
		"address never leaves the loopback",
		server);
}

void options_source_reach(struct collector *c, const struct service *s, const struct ast_item *item)
{
	if (!s->source_client)
		return;
	if (!s->upstream_original && is_loopback(s->upstream_host))
		refuse_loopback(c, item, s->upstream_host);
	for (unsigned i = 0; i < s->n_backends; i++) {
		const struct backend *b = backend_find(c, s->backends[i]);

		for (unsigned k = 0; b && k < b->n_servers; k++)
			if (is_loopback(b->servers[k].host))
				refuse_loopback(c, item, b->servers[k].text);
	}
}
