/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of a backend, for check_settings.c: do its domains, servers and checks have the shape
 * the table names, and are there backends of the names behind "upstream backend". Values are only
 * looked at; options_backend.c takes them over and may rely on what passed. It resolves no name. */
#include <string.h>

#include "rules/check_int.h"
#include "rules/options.h"
#include "rules/rules.h"
#include "xmpp/jid.h"

enum { HOST_SIZE = 256, CHECK_COUNT_MAX = 100 };

static const char transports[] = "plain|starttls|tls", checks[] = "off|tcp|stream";

void check_setting_wrong(struct checker *c, const struct schema_setting *known,
	const struct ast_setting *s, const struct ast_value *v, const char *hint)
{
	if (!v)
		diag_error(c->diags, s->at, hint, "'%s' wants %s", known->name, known->syntax);
	else
		diag_error(c->diags, v->at, hint, "'%s' wants %s, not '%s'", known->name,
			known->syntax, v->kind == VALUE_LIST ? "{ ... }" : v->text);
}

/* ---- domains ---- */

bool check_is_domain(const char *text)
{
	struct arena a;
	const char *out;
	bool fine;

	if (strncmp(text, "*.", 2) == 0)
		text += 2;
	arena_init(&a, 0);
	fine = !strpbrk(text, "*@/ ") && jid_prep_domain(&a, span_of(text), &out) == 0;
	arena_fini(&a);
	return fine;
}

static void check_domains(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	if (!s->values)
		check_setting_wrong(c, known, s, NULL, NULL);
	for (const struct ast_value *v = s->values; v; v = v->next) {
		if (v->kind != VALUE_STRING)
			check_setting_wrong(c, known, s, v,
				v->kind == VALUE_WORD ? "write it in double quotes" : NULL);
		else if (!check_is_domain(v->text))
			diag_error(c->diags, v->at, "such as \"example.org\" or \"*.example.org\"",
				"'%s' is not a domain", v->text);
		if (v != s->values && !v->comma)
			diag_error(c->diags, v->at, NULL, "a comma belongs between two domains");
	}
}

/* ---- servers ---- */

static bool is_server(const struct ast_value *v)
{
	struct peer_address address;
	char host[HOST_SIZE];
	uint16_t port;

	if ((v->kind != VALUE_ADDRESS && v->kind != VALUE_STRING) ||
		!options_split_port(v->text, host, sizeof(host), &port))
		return false;
	return v->kind == VALUE_STRING ? check_is_domain(host) && host[0] != '*'
				       : address_parse(span_of(host), &address) == 0;
}

static void check_servers(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	const struct ast_value *v = s->values;

	if (!v)
		check_setting_wrong(c, known, s, NULL, NULL);
	while (v) {
		if (!is_server(v)) {
			check_setting_wrong(c, known, s, v,
				v->kind == VALUE_WORD
					? "a host name is written in double quotes"
					: "a server is 192.0.2.7:5222, [2001:db8::7]:5222 or "
					  "\"xmpp1.example.org:5222\"");
			return;
		}
		v = v->next;
		if (v && !v->comma) {
			if (v->kind != VALUE_WORD || !schema_has_word(transports, v->text)) {
				diag_error(c->diags, v->at,
					schema_suggest_word(
						c->diags, transports, v->text ? v->text : ""),
					"'%s' is no way to speak to the server; a comma stands "
					"before the next one",
					v->text ? v->text : "{ ... }");
				return;
			}
			v = v->next;
		}
		if (v && !v->comma) {
			check_setting_wrong(c, known, s, v, "a comma stands before the next server");
			return;
		}
	}
}

/* ---- checks ---- */

/* The value behind one of the words; false after a complaint. */
static bool check_option(struct checker *c, const struct ast_value *word)
{
	const struct ast_value *v = word->next;
	bool time = strcmp(word->text, "every") == 0 || strcmp(word->text, "timeout") == 0;

	if (time) {
		if (v && v->kind == VALUE_DURATION && v->number >= 100 && v->number <= 3600000)
			return true;
		diag_error(c->diags, (v ? v : word)->at, "such as 5s",
			"behind '%s' stands a time between 100ms and 1h", word->text);
	} else if (strcmp(word->text, "rise") == 0 || strcmp(word->text, "fall") == 0) {
		if (v && v->kind == VALUE_NUMBER && v->number >= 1 && v->number <= CHECK_COUNT_MAX)
			return true;
		diag_error(c->diags, (v ? v : word)->at, NULL,
			"behind '%s' stands a number between 1 and %d", word->text,
			CHECK_COUNT_MAX);
	} else if (strcmp(word->text, "to") == 0) {
		if (v && v->kind == VALUE_STRING && check_is_domain(v->text) && v->text[0] != '*')
			return true;
		diag_error(c->diags, (v ? v : word)->at, NULL,
			"behind 'to' stands a domain in double quotes");
	} else {
		diag_error(c->diags, word->at,
			schema_suggest_word(c->diags, "every|timeout|rise|fall|to", word->text),
			"'%s' is nothing a check knows", word->text);
	}
	return false;
}

static void check_check(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	const struct ast_value *v = s->values;

	if (!v || v->kind != VALUE_WORD) {
		check_setting_wrong(c, known, s, v, NULL);
		return;
	}
	if (!schema_has_word(checks, v->text)) {
		diag_error(c->diags, v->at, schema_suggest_word(c->diags, checks, v->text),
			"'%s' is no check", v->text);
		return;
	}
	for (v = v->next; v; v = v->next->next) {
		if (v->kind != VALUE_WORD) {
			check_setting_wrong(c, known, s, v, NULL);
			return;
		}
		if (!check_option(c, v))
			return;
	}
}

/* ---- which of them ---- */

void check_backend_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	if (known->shape == SHAPE_DOMAINS)
		check_domains(c, known, s);
	else if (known->shape == SHAPE_SERVERS)
		check_servers(c, known, s);
	else
		check_check(c, known, s);
}

void check_upstream_backends(struct checker *c, const struct ast_value *backend)
{
	const struct ast_value *v = backend->next;

	if (!v)
		diag_error(c->diags, backend->at, "such as upstream backend north, south",
			"no backend is named");
	for (; v; v = v->next) {
		if (v->kind != VALUE_WORD || (v != backend->next && !v->comma)) {
			diag_error(c->diags, v->at,
				v->kind == VALUE_WORD ? "each backend says for its servers how to "
							"speak to them; a comma stands between two"
						      : NULL,
				"'%s' is not the name of a backend",
				v->kind == VALUE_LIST ? "{ ... }" : v->text);
			return;
		}
		if (!check_find(c, ITEM_BACKEND, v->text))
			diag_error(c->diags, v->at, check_suggest(c, ITEM_BACKEND, v->text),
				"no such backend '%s'", v->text);
	}
}
