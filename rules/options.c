/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of the checked tree as the plain structs of service.h, with the defaults where the files
 * say nothing. Global stream-limits and timeouts come first, a service's own go over them. What
 * only the values together show (too many ports, TLS without certificates) is said here.
 * Certificates and trust anchors are read into the sources, so that children who get them as a
 * bundle need no files. It looks into none of them. */
#include "rules/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "rules/options_int.h"
#include "xmpp/jid.h"

/* ---- values ---- */

const struct ast_setting *options_find(const struct ast_setting *settings, const char *name)
{
	for (const struct ast_setting *s = settings; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

bool options_word(const struct ast_setting *settings, const char *name, const char *word)
{
	const struct ast_setting *s = options_find(settings, name);

	return s && s->values && s->values->text && strcmp(s->values->text, word) == 0;
}

const char *options_strdup(struct collector *c, const char *text)
{
	const char *copy = text ? arena_strdup(c->arena, text) : NULL;

	if (text && !copy)
		c->error = -ENOMEM;
	return copy;
}

static const char *value_text(const struct ast_setting *settings, const char *name)
{
	const struct ast_setting *s = options_find(settings, name);

	return s && s->values ? s->values->text : NULL;
}

static uint64_t value_number(const struct ast_setting *settings, const char *name, uint64_t initial)
{
	const struct ast_setting *s = options_find(settings, name);

	return s && s->values ? s->values->number : initial;
}

uint64_t options_ms(const struct ast_setting *s, uint64_t initial)
{
	if (!s || !s->values)
		return initial;
	return s->values->kind == VALUE_DURATION ? s->values->number : s->values->number * 1000;
}

bool options_split_port(const char *text, char *host, size_t size, uint16_t *port)
{
	const char *end = strrchr(text, ':'), *start = text;
	size_t len = strlen(text);
	unsigned long number;
	char *stop;

	*port = 0;
	if (*text == '[') {
		start = text + 1;
		end = strchr(text, ']');
		if (!end)
			return false;
		len = (size_t)(end++ - start);
		if (*end && *end != ':')
			return false;
	} else if (end && strchr(text, ':') != end) {
		end = text + len; /* IPv6 without brackets has no port */
	} else if (end) {
		len = (size_t)(end - text);
	} else {
		end = text + len;
	}
	if (len == 0 || len >= size)
		return false;
	memcpy(host, start, len);
	host[len] = '\0';
	if (!*end)
		return true;
	number = end[1] >= '1' && end[1] <= '9' ? strtoul(end + 1, &stop, 10) : 0;
	if (number < 1 || number > 65535 || *stop)
		return false;
	*port = (uint16_t)number;
	return true;
}

/* ---- blocks of numbers ---- */

void options_limits(const struct ast_setting *settings, struct xmpp_limits *limits)
{
	static const struct {
		const char *name;
		size_t offset;
		bool wide;
	} table[] = {
		{ "stanza", offsetof(struct xmpp_limits, stanza_bytes), true },
		{ "stanza-preauth", offsetof(struct xmpp_limits, stanza_bytes_preauth), true },
		{ "header", offsetof(struct xmpp_limits, header_bytes), true },
		{ "token", offsetof(struct xmpp_limits, token_bytes), true },
		{ "attribute", offsetof(struct xmpp_limits, attribute_bytes), true },
		{ "depth", offsetof(struct xmpp_limits, depth), false },
		{ "elements", offsetof(struct xmpp_limits, elements), false },
		{ "elements-preauth", offsetof(struct xmpp_limits, elements_preauth), false },
		{ "attributes", offsetof(struct xmpp_limits, attributes), false },
		{ "namespaces", offsetof(struct xmpp_limits, namespaces), false },
		{ "name", offsetof(struct xmpp_limits, names_bytes), false },
		{ "space", offsetof(struct xmpp_limits, space_run), true },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *at = (char *)limits + table[i].offset;

		if (table[i].wide)
			*(size_t *)at = value_number(settings, table[i].name, *(size_t *)at);
		else
			*(unsigned *)at =
				(unsigned)value_number(settings, table[i].name, *(unsigned *)at);
	}
}

void options_timeouts(const struct ast_setting *settings, struct service *s)
{
	s->handshake_ms = options_ms(options_find(settings, "handshake"), s->handshake_ms);
	s->login_ms = options_ms(options_find(settings, "login"), s->login_ms);
	s->idle_ms = options_ms(options_find(settings, "idle"), s->idle_ms);
	s->connect_ms = options_ms(options_find(settings, "connect"), s->connect_ms);
	s->close_ms = options_ms(options_find(settings, "close"), s->close_ms);
	s->stanza_ms = options_ms(options_find(settings, "stanza"), s->stanza_ms);
}

/* ---- the rest of the daemon ---- */

static void collect_daemon(struct collector *c, const struct ast_setting *settings)
{
	struct daemon_options *d = &c->out->daemon;

	d->threads = (unsigned)value_number(settings, "threads", d->threads);
	if (options_find(settings, "user"))
		d->user = options_strdup(c, value_text(settings, "user"));
	if (options_find(settings, "log"))
		d->log_level = options_strdup(c, value_text(settings, "log"));
	d->login_window_ms = options_ms(options_find(settings, "login-window"), d->login_window_ms);
	d->login_entries = (unsigned)value_number(settings, "login-entries", d->login_entries);
	d->drain_ms = options_ms(options_find(settings, "drain"), d->drain_ms);
	d->events_max_bytes = value_number(settings, "events-max", d->events_max_bytes);
	d->audit_max_bytes = value_number(settings, "audit-max", d->audit_max_bytes);
	d->quarantine_entries =
		(unsigned)value_number(settings, "quarantine-entries", d->quarantine_entries);
	d->quarantine_bytes = value_number(settings, "quarantine-size", d->quarantine_bytes);
	d->quarantine_ms = options_ms(options_find(settings, "quarantine-keep"), d->quarantine_ms);
}

static void collect_firewall(struct collector *c, const struct ast_setting *settings)
{
	struct daemon_options *d = &c->out->daemon;

	d->mark = (uint32_t)value_number(settings, "mark", d->mark);
	d->route_table = (uint32_t)value_number(settings, "table", d->route_table);
	if (d->mark & 0xffff)
		diag_error(c->diags, options_find(settings, "mark")->values->at,
			"such as 0x584d0000", "the lower 16 bits of the mark are not ours");
	d->allow_set = options_strdup(c, value_text(settings, "allow"));
	d->block_set = options_strdup(c, value_text(settings, "block"));
}

static void collect_inspect(struct collector *c, const struct ast_setting *settings)
{
	struct inspect_options *i = &c->out->daemon.inspect;

	i->queues = (unsigned)value_number(settings, "queues", i->queues);
	i->queue = (uint16_t)value_number(settings, "queue", i->queue);
	i->flows = (unsigned)value_number(settings, "flows", i->flows);
	i->memory = value_number(settings, "memory", i->memory);
	i->hold_bytes = value_number(settings, "hold-size", i->hold_bytes);
	i->hold_ms = options_ms(options_find(settings, "hold-time"), i->hold_ms);
	i->midstream = options_word(settings, "midstream", "accept");
	i->bridge = options_word(settings, "bridge", "on");
}

static void collect_reporter(struct collector *c, const struct ast_setting *settings)
{
	struct reporter_options *r = &c->out->daemon.reporter;
	struct jid to, component;
	char host[64];

	r->component = options_strdup(c, value_text(settings, "component"));
	r->secret_file = options_strdup(c, value_text(settings, "secret-file"));
	r->to = options_strdup(c, value_text(settings, "to"));
	if (options_split_port(value_text(settings, "server"), host, sizeof(host), &r->port))
		r->host = options_strdup(c, host);
	r->every_ms = options_ms(options_find(settings, "every"), 10000);
	r->keep = (unsigned)value_number(settings, "keep", 1000);
	if (!r->to || !r->component)
		return;
	if (jid_parse(c->arena, span_of(r->to), &to) < 0)
		diag_error(c->diags, options_find(settings, "to")->values->at, NULL,
			"'%s' is no JID", r->to);
	if (jid_parse(c->arena, span_of(r->component), &component) < 0 || *component.local ||
		*component.resource)
		diag_error(c->diags, options_find(settings, "component")->values->at,
			"such as \"firewall.example.org\"", "a component's name is a domain");
}

static void collect_options(struct collector *c, const struct ast_item *item)
{
	if (strcmp(item->name, "daemon") == 0)
		collect_daemon(c, item->settings);
	else if (strcmp(item->name, "firewall") == 0)
		collect_firewall(c, item->settings);
	else if (strcmp(item->name, "defend") == 0)
		options_defend(c, item);
	else if (strcmp(item->name, "reporter") == 0)
		collect_reporter(c, item->settings);
	else if (strcmp(item->name, "inspect") == 0)
		collect_inspect(c, item->settings);
	else if (strcmp(item->name, "federation") == 0)
		options_federation(c, item);
	else if (strcmp(item->name, "stream-limits") == 0)
		options_limits(item->settings, &c->initial.limits);
	else if (strcmp(item->name, "timeouts") == 0)
		options_timeouts(item->settings, &c->initial);
}

/* ---- the whole ---- */

static void defaults_set(struct collector *c)
{
	c->out->daemon = (struct daemon_options){
		.log_level = "info",
		.mark = 0x584d0000,
		.route_table = 22530,
		.drain_ms = (uint64_t)60 * 60 * 1000,
		.events_max_bytes = (uint64_t)100 << 20,
		.audit_max_bytes = (uint64_t)100 << 20,
		.login_window_ms = 600000,
		.login_entries = 65536,
		.quarantine_entries = 10000,
		.quarantine_bytes = (uint64_t)64 << 20,
		.quarantine_ms = (uint64_t)30 * 86400000,
		.inspect = {
			.queue = 5298,
			.flows = 65536,
			.memory = (uint64_t)256 << 20,
			.hold_bytes = 12 << 10,
			.hold_ms = 250,
		},
		.defend = { .entries = DEFEND_ENTRIES, .mss = 1460, .wscale = 7 },
	};
	options_federation_defaults(&c->out->federation);
	c->initial = (struct service){
		.tls = TLS_REQUIRED,
		.upstream_original = true,
		.upstream_tls = UPSTREAM_STARTTLS,
		.limits = xmpp_limits_default,
		.handshake_ms = 10000,
		.login_ms = 60000,
		.connect_ms = 10000,
		.close_ms = 5000,
		.stanza_ms = 30000,
		.sessions_max = 20000,
		.sessions_per_address = 200,
		.buffer_max = (size_t)256 << 10,
	};
}

static int tables_new(struct collector *c)
{
	size_t services = 0, punishes = 0, backends = 0, remotes = 0;

	for (const struct ast_item *i = c->ast->items; i; i = i->next) {
		services += i->kind == ITEM_SERVICE;
		punishes += i->kind == ITEM_PUNISH;
		backends += i->kind == ITEM_BACKEND;
		remotes += i->kind == ITEM_REMOTE;
	}
	c->out->backends = arena_zalloc(c->arena, (backends + 1) * sizeof(*c->out->backends));
	c->out->remotes = arena_zalloc(c->arena, (remotes + 1) * sizeof(*c->out->remotes));
	c->out->services = arena_zalloc(c->arena, (services + 1) * sizeof(*c->out->services));
	c->out->punishes = arena_zalloc(c->arena, (punishes + 1) * sizeof(*c->out->punishes));
	return c->out->services && c->out->punishes && c->out->backends && c->out->remotes ? 0 : -ENOMEM;
}

int options_collect(const struct ast *ast, struct source_set *sources, struct arena *arena,
	struct diag_list *diags, struct options *out)
{
	struct collector c = {
		.ast = ast, .sources = sources, .arena = arena, .diags = diags, .out = out
	};
	unsigned errors = diags->errors;

	*out = (struct options){ 0 };
	defaults_set(&c);
	c.error = tables_new(&c);
	for (const struct ast_item *i = ast->items; i && !c.error; i = i->next)
		if (i->kind == ITEM_OPTIONS)
			collect_options(&c, i);
		else if (i->kind == ITEM_BACKEND)
			options_backend(&c, i);
	for (const struct ast_item *i = ast->items; i && !c.error; i = i->next) {
		if (i->kind == ITEM_SERVICE)
			options_service(&c, i);
		else if (i->kind == ITEM_PUNISH)
			options_punish(&c, i);
		else if (i->kind == ITEM_REMOTE)
			options_remote(&c, i);
	}
	if (!c.error)
		options_remote_names(&c);
	if (!c.error)
		options_defend_reach(&c);
	if (c.error)
		return c.error;
	return diags->errors > errors ? ERR_SYNTAX : 0;
}
