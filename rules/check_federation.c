/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of the blocks "federation" and "remote", for check_settings.c: have trust anchors,
 * resolver and pins the shape the table names. Values are only looked at; options_federation.c
 * takes them over and may rely on what passed. It reads no file. */
#include <string.h>

#include "rules/check_int.h"
#include "rules/federation.h"
#include "rules/options.h"
#include "rules/options_int.h"
#include "rules/rules.h"

static bool is_word(const struct ast_value *v, const char *word)
{
	return v && v->kind == VALUE_WORD && strcmp(v->text, word) == 0;
}

/* system | file "PEM" */
static const struct ast_value *check_trust(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	const struct ast_value *v = s->values;

	if (is_word(v, "system"))
		return v->next;
	if (is_word(v, "file") && v->next && v->next->kind == VALUE_STRING && *v->next->text)
		return v->next->next;
	check_setting_wrong(c, known, s, v,
		is_word(v, "file")             ? "the file's name in double quotes"
		: v && v->kind == VALUE_STRING ? "write 'file' before the name"
		: v && v->kind == VALUE_WORD && v->text
			? schema_suggest_word(c->diags, "system|file", v->text)
			: NULL);
	return NULL;
}

static const struct ast_value *check_resolver(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	const struct ast_value *v = s->values;
	struct peer_address address;
	char host[64];
	uint16_t port;

	if (v && v->kind == VALUE_ADDRESS &&
		options_split_port(v->text, host, sizeof(host), &port) &&
		address_parse(span_of(host), &address) == 0)
		return v->next;
	check_setting_wrong(c, known, s, v, "such as 127.0.0.1 or [2001:db8::53]:5353");
	return NULL;
}

static void check_pins(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	uint8_t pin[REMOTE_PIN_SIZE];

	if (!s->values)
		check_setting_wrong(c, known, s, NULL, NULL);
	for (const struct ast_value *v = s->values; v; v = v->next) {
		if (v->kind != VALUE_STRING)
			check_setting_wrong(c, known, s, v,
				v->kind == VALUE_WORD ? "write it in double quotes" : NULL);
		else if (!remote_pin_read(v->text, pin))
			diag_error(c->diags, v->at,
				"sha256: and the 44 characters of a SHA-256 in Base64",
				"'%s' is not a pin", v->text);
		if (v != s->values && !v->comma)
			diag_error(c->diags, v->at, NULL, "a comma belongs between two pins");
	}
}

void check_federation_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	const struct ast_value *more = NULL;

	if (known->shape == SHAPE_PINS)
		check_pins(c, known, s);
	else
		more = known->shape == SHAPE_TRUST ? check_trust(c, known, s)
						   : check_resolver(c, known, s);
	if (more)
		diag_error(c->diags, more->at, "a setting ends with ';'",
			"'%s' is one value too many for '%s'",
			more->kind == VALUE_LIST ? "{ ... }" : more->text, known->name);
}

/* Pins, where they are needed and where they are not. */
void check_remote(struct checker *c, const struct ast_item *remote)
{
	const struct ast_setting *require = options_find(remote->settings, "require"),
				 *pins = options_find(remote->settings, "pins");
	const struct ast_value *v = require ? require->values : NULL;

	while (v && !is_word(v, "pin"))
		v = v->next;
	if (v && !pins)
		diag_error(c->diags, v->at, "pins \"sha256:BASE64\";", "remote '%s' has no pins",
			remote->name);
	else if (require && !v && pins)
		diag_warn(c->diags, pins->at, "write 'pin' among what suffices, or leave them out",
			"nobody looks at the pins of remote '%s'", remote->name);
}
