/* SPDX-License-Identifier: BSD-2-Clause */
/* One service of the checked tree as a struct service. Ports and addresses of several "listen" are
 * put together; files the proxy will want are read into the sources. Missing certificates are a
 * warning here, for a policy may be checked on another host than it runs on; the proxy itself
 * refuses to start without. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "rules/options_int.h"

/* ---- listen ---- */

static void add_port(struct collector *c, struct service *s, const struct ast_value *v)
{
	for (unsigned i = 0; i < s->n_ports; i++)
		if (s->ports[i] == v->number) {
			diag_error(c->diags, v->at, NULL, "port %llu is already listened on",
				(unsigned long long)v->number);
			return;
		}
	if (s->n_ports == SERVICE_PORTS_MAX)
		diag_error(c->diags, v->at, "make it two services",
			"a service has at most %d ports", SERVICE_PORTS_MAX);
	else if (service_own_port(s, (uint16_t)v->number) > 65535)
		diag_error(c->diags, v->at, NULL,
			"intercepted ports are served at the port + %d; %llu is too high",
			s->direction == SERVICE_OUT ? INTERCEPT_OUT_OFFSET : INTERCEPT_PORT_OFFSET,
			(unsigned long long)v->number);
	else
		s->ports[s->n_ports++] = (uint16_t)v->number;
}

static void add_address(struct collector *c, struct service *s, const struct ast_value *v)
{
	if (s->n_addresses == SERVICE_ADDRESSES_MAX)
		diag_error(c->diags, v->at, "make it two services",
			"a service listens on at most %d addresses", SERVICE_ADDRESSES_MAX);
	else
		s->addresses[s->n_addresses++] = options_strdup(c, v->text);
}

static void take_listen(struct collector *c, struct service *s, const struct ast_item *item)
{
	for (const struct ast_setting *set = item->settings; set; set = set->next) {
		const struct ast_value *v = set->values;

		if (strcmp(set->name, "listen") != 0)
			continue;
		if (strcmp(v->text, "on") == 0) {
			while ((v = v->next))
				add_address(c, s, v);
			continue;
		}
		v = v->next;
		if (v->kind == VALUE_NUMBER)
			add_port(c, s, v);
		for (v = v->kind == VALUE_LIST ? v->items : NULL; v; v = v->next)
			add_port(c, s, v);
	}
	if (s->n_ports == 0)
		diag_error(c->diags, item->name_at, NULL, "service '%s' listens on no port",
			item->name);
}

/* ---- files ---- */

/* Paths are names in the sources, and whoever asks for them starts at the first file's folder: a
 * path written in an included file is rewritten to start there, too. */
static const char *path_take(struct collector *c, struct loc at, const char *written)
{
	const char *root = c->ast->items->at.file->path, *slash = strrchr(root, '/');
	cleanup_free char *path = NULL;
	size_t folder = slash ? (size_t)(slash + 1 - root) : 0;

	if (at.file == c->ast->items->at.file)
		return options_strdup(c, written);
	if (!(path = source_resolve(at.file->path, written))) {
		c->error = -ENOMEM;
		return NULL;
	}
	if (strncmp(path, root, folder) == 0)
		return options_strdup(c, path + folder);
	return options_strdup(c, path);
}

static void file_take(struct collector *c, struct loc at, const char *base, const char *path)
{
	const struct source_file *file;
	int r = source_find(c->sources, base, path, &file);

	if (r < 0)
		diag_warn(c->diags, at, NULL, "cannot read '%s': %s", path, err_text(r));
}

const char *options_file(struct collector *c, const struct ast_value *v)
{
	file_take(c, v->at, v->at.file->path, v->text);
	return path_take(c, v->at, v->text);
}

/* NAME.crt and the NAME.key beside it. */
static void certificate_take(struct collector *c, struct loc at, const char *crt)
{
	cleanup_free char *key = strdup(crt);

	if (!key) {
		c->error = -ENOMEM;
		return;
	}
	memcpy(key + strlen(key) - 4, ".key", 4);
	file_take(c, at, NULL, crt);
	file_take(c, at, NULL, key);
}

static void certificates_take(struct collector *c, const struct ast_value *folder)
{
	cleanup_free char *pattern = NULL;
	char **paths = NULL;
	int r;

	if (asprintf(&pattern, "%s/*.crt", folder->text) < 0) {
		pattern = NULL;
		c->error = -ENOMEM;
		return;
	}
	r = source_glob(c->sources, folder->at.file->path, pattern, &paths);
	if (r < 0 || !paths || !paths[0])
		diag_warn(c->diags, folder->at, "NAME.crt and NAME.key in PEM are expected there",
			"no certificates in '%s'", folder->text);
	for (size_t i = 0; paths && paths[i]; i++) {
		certificate_take(c, folder->at, paths[i]);
		free(paths[i]);
	}
	free(paths);
}

static void take_certificates(struct collector *c, struct service *s, const struct ast_item *item)
{
	const struct ast_setting *set = options_find(item->settings, "certificates");

	if (set) {
		s->certificates = path_take(c, set->values->at, set->values->text);
		certificates_take(c, set->values);
	} else if (s->tls != TLS_NONE && s->mode == MODE_PROXY) {
		diag_error(c->diags, item->name_at, "certificates \"FOLDER\"; or tls none;",
			"service '%s' offers TLS but has no certificates", item->name);
	}
}

/* ---- upstream ---- */

static void take_upstream(struct collector *c, struct service *s, const struct ast_item *item)
{
	const struct ast_setting *set = options_find(item->settings, "upstream");
	const struct ast_value *v = set ? set->values : NULL;
	char host[64];

	if (s->intercept == INTERCEPT_NONE && (!v || strcmp(v->text, "original") == 0))
		diag_error(c->diags, v ? v->at : item->name_at,
			"intercept tproxy; or upstream ADDRESS:PORT;",
			"with 'intercept none' nobody knows where a peer wanted to go");
	if (!v)
		return;
	s->upstream_original = strcmp(v->text, "original") == 0;
	if (strcmp(v->text, "backend") == 0) {
		options_upstream_backends(c, s, set);
		return;
	}
	if (!s->upstream_original &&
		options_split_port(v->text, host, sizeof(host), &s->upstream_port))
		s->upstream_host = options_strdup(c, host);
	if (v->next)
		s->upstream_tls = strcmp(v->next->text, "plain") == 0 ? UPSTREAM_PLAIN
				  : strcmp(v->next->text, "tls") == 0 ? UPSTREAM_TLS
								      : UPSTREAM_STARTTLS;
}

static void take_verify(struct collector *c, struct service *s, const struct ast_item *item)
{
	const struct ast_setting *set = options_find(item->settings, "verify");

	for (const struct ast_value *v = set ? set->values : NULL; v; v = v->next) {
		if (strcmp(v->text, "off") == 0) {
			s->verify = VERIFY_OFF;
		} else if (strcmp(v->text, "system") == 0) {
			s->verify = VERIFY_SYSTEM;
		} else if (strcmp(v->text, "file") == 0) {
			v = v->next;
			s->verify = VERIFY_FILE;
			s->verify_file = options_file(c, v);
		} else if (strcmp(v->text, "name") == 0) {
			v = v->next;
			s->verify_name = options_strdup(c, v->text);
		}
	}
}

/* ---- the whole ---- */

static const char *const role_names[SERVICE_ROLES] = {
	[ROLE_C2S] = "c2s",
	[ROLE_S2S] = "s2s",
	[ROLE_COMPONENT] = "component",
	[ROLE_SERVERLESS] = "serverless",
};

const char *service_role_text(enum service_role role)
{
	return role_names[role];
}

enum service_role service_role_find(const char *word)
{
	for (unsigned r = 0; r < SERVICE_ROLES; r++)
		if (strcmp(word, role_names[r]) == 0)
			return (enum service_role)r;
	return ROLE_C2S;
}

/* The inspector ends nothing and adds nothing: what is about the two legs of a proxied session
 * means nothing to it. */
static void warn_unused(struct collector *c, const struct ast_item *item)
{
	static const char *const unused[] = { "direction", "from", "intercept", "certificates", "upstream", "verify",
		"source", "proxy-protocol", "forward", "sessions", "sessions-per-address",
		"streams-preauth", "streams-preauth-per-address", "buffer",
		"timeouts" };

	for (const struct ast_setting *set = item->settings; set; set = set->next)
		for (size_t i = 0; i < sizeof(unused) / sizeof(unused[0]); i++)
			if (strcmp(set->name, unused[i]) == 0)
				diag_warn(c->diags, set->at, "leave it out",
					"'%s' means nothing with 'mode inspect'", set->name);
}

/* What is not encrypted is what it is there for. */
static void take_mode(struct collector *c, struct service *s, const struct ast_item *item)
{
	if (!options_word(item->settings, "mode", "inspect"))
		return;
	s->mode = MODE_INSPECT;
	s->direction = SERVICE_IN;
	s->intercept = INTERCEPT_NONE;
	s->source_client = s->proxy_protocol = s->forward_verbatim = s->audit = false;
	if (options_word(item->settings, "audit", "on"))
		diag_error(c->diags, options_find(item->settings, "audit")->at, "mode proxy;",
			"only what the proxy lets cross is audited: service '%s' is inspected", item->name);
	if (!options_find(item->settings, "tls"))
		s->tls = TLS_OPTIONAL;
	warn_unused(c, item);
}

static void take_role(struct collector *c, struct service *s, const struct ast_item *item)
{
	const struct ast_setting *set = options_find(item->settings, "role");

	s->role = service_role_find(set ? set->values->text : item->name);
	if (s->direction == SERVICE_OUT && s->role != ROLE_S2S)
		diag_error(c->diags, options_find(item->settings, "direction")->at, "role s2s;",
			"only servers dial out: service '%s' is for %s", item->name, service_role_text(s->role));
	/* Two peers dial each other at will: there is nothing a proxy could stand in front of. */
	if (s->role == ROLE_SERVERLESS && !options_word(item->settings, "mode", "inspect"))
		diag_error(c->diags, set ? set->at : item->name_at,
			set ? "mode inspect;" : "mode inspect; or role c2s;",
			"service '%s' is for serverless messaging, which only the inspector sees",
			item->name);
}

/* Without a word about it: a server that is found by where the peer wanted to go needs peers that
 * are led in. */
static bool is_led_in(const struct ast_setting *settings)
{
	return !options_find(settings, "intercept") &&
	       (!options_find(settings, "upstream") ||
		       options_word(settings, "upstream", "original"));
}

static void take_words(struct service *s, const struct ast_setting *settings)
{
	if (options_word(settings, "intercept", "redirect"))
		s->intercept = INTERCEPT_REDIRECT;
	else if (options_word(settings, "intercept", "tproxy") || is_led_in(settings))
		s->intercept = INTERCEPT_TPROXY;
	if (options_word(settings, "direction", "out"))
		s->direction = SERVICE_OUT;
	if (options_word(settings, "tls", "optional"))
		s->tls = TLS_OPTIONAL;
	if (options_word(settings, "tls", "none"))
		s->tls = TLS_NONE;
	s->source_client = options_word(settings, "source", "client");
	s->proxy_protocol = options_word(settings, "proxy-protocol", "v2");
	s->audit = options_word(settings, "audit", "on");
	s->fail_open = options_word(settings, "fail", "open");
}

/* Whoever dials out is shown to the world as one of our own servers. */
static void take_from(struct collector *c, struct service *s, const struct ast_item *item)
{
	const struct ast_setting *set = options_find(item->settings, "from");

	if (set)
		s->from_set = options_strdup(c, set->values->text);
	else if (s->direction == SERVICE_OUT && s->role == ROLE_S2S)
		diag_error(c->diags, options_find(item->settings, "direction")->at, "from @SET;",
			"service '%s' does not say who may dial out: name a set with the addresses of your servers",
			item->name);
}

static void take_numbers(struct service *s, const struct ast_setting *settings)
{
	const struct ast_setting *set;

	if ((set = options_find(settings, "sessions")))
		s->sessions_max = (unsigned)set->values->number;
	if ((set = options_find(settings, "sessions-per-address")))
		s->sessions_per_address = (unsigned)set->values->number;
	s->streams_preauth = (s->sessions_max + 1) / 2;
	if ((set = options_find(settings, "streams-preauth")))
		s->streams_preauth = (unsigned)set->values->number;
	if ((set = options_find(settings, "streams-preauth-per-address")))
		s->streams_preauth_per_address = (unsigned)set->values->number;
	if ((set = options_find(settings, "buffer")))
		s->buffer_max = set->values->number;
	if ((set = options_find(settings, "stream-limits")))
		options_limits(set->block, &s->limits);
	if ((set = options_find(settings, "timeouts")))
		options_timeouts(set->block, s);
}

void options_service(struct collector *c, const struct ast_item *item)
{
	struct service *s = &c->out->services[c->out->n_services++];

	*s = c->initial;
	s->name = options_strdup(c, item->name);
	take_words(s, item->settings);
	take_mode(c, s, item);
	take_role(c, s, item);
	take_from(c, s, item);
	take_numbers(s, item->settings);
	take_listen(c, s, item);
	if (s->mode == MODE_INSPECT)
		return;
	take_certificates(c, s, item);
	take_upstream(c, s, item);
	take_verify(c, s, item);
	options_forward(c, s, item);
	options_source_reach(c, s, item);
	if (s->source_client && s->proxy_protocol)
		diag_warn(c->diags, item->name_at, NULL,
			"service '%s' tells the server the peer's address twice", item->name);
}
