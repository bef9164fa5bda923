/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings beside the table of schema.c: is there such a setting, may it stand twice, do its values
 * have the shape the table names. One function a shape. Values are only looked at here; options.c
 * and compile.c take them over and may rely on what passed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rules/address.h"
#include "rules/check_int.h"
#include "rules/limit.h"
#include "rules/list.h"
#include "rules/options.h"

enum { BOUND_SIZE = 48 };

struct shape {
	struct checker *c;
	const struct ast_item *item;
	const struct schema_setting *known;
	const struct ast_setting *s;
};

/* ---- complaints ---- */

static const char *value_text(const struct ast_value *v)
{
	return v->kind == VALUE_LIST ? "{ ... }" : v->text;
}

static bool is_word(const struct ast_value *v, const char *word)
{
	return v && v->kind == VALUE_WORD && strcmp(v->text, word) == 0;
}

/* Says what the setting wants, at the value or, when there is none, at its name. */
static void shape_wrong(const struct shape *x, const struct ast_value *v, const char *hint)
{
	if (!v)
		diag_error(x->c->diags, x->s->at, hint, "'%s' wants %s", x->known->name,
			x->known->syntax);
	else
		diag_error(x->c->diags, v->at, hint, "'%s' wants %s, not '%s'", x->known->name,
			x->known->syntax, value_text(v));
}

/* No value may follow. */
static void shape_end(const struct shape *x, const struct ast_value *v)
{
	if (v)
		diag_error(x->c->diags, v->at, "a setting ends with ';'",
			"'%s' is one value too many for '%s'", value_text(v), x->known->name);
}

/* ---- bounds ---- */

static void format_bound(enum schema_shape shape, uint64_t n, char text[BOUND_SIZE])
{
	static const char *const units[] = { "", "k", "M", "G" };
	unsigned unit = 0;

	if (shape == SHAPE_DURATION) {
		clock_format_duration(n, text, BOUND_SIZE);
		return;
	}
	for (; shape == SHAPE_SIZE && unit < 3 && n && n % 1024 == 0; unit++)
		n /= 1024;
	snprintf(text, BOUND_SIZE, "%llu%s", (unsigned long long)n, units[unit]);
}

static bool shape_bounds(const struct shape *x, const struct ast_value *v, uint64_t n)
{
	char low[BOUND_SIZE], high[BOUND_SIZE];

	if (n >= x->known->min && n <= x->known->max)
		return true;
	format_bound(x->known->shape, x->known->min, low);
	format_bound(x->known->shape, x->known->max, high);
	diag_error(x->c->diags, v->at, NULL, "'%s' must be between %s and %s", x->known->name, low,
		high);
	return false;
}

static void check_number(const struct shape *x, const struct ast_value *v)
{
	if (!v || v->kind != VALUE_NUMBER)
		shape_wrong(x, v, NULL);
	else if (shape_bounds(x, v, v->number))
		shape_end(x, v->next);
}

static void check_size(const struct shape *x, const struct ast_value *v)
{
	if (!v || (v->kind != VALUE_NUMBER && v->kind != VALUE_SIZE))
		shape_wrong(x, v, "sizes are written 4096, 64k, 10M or 1G");
	else if (shape_bounds(x, v, v->number))
		shape_end(x, v->next);
}

static void check_duration(const struct shape *x, const struct ast_value *v)
{
	uint64_t ms;

	if (!v || (v->kind != VALUE_NUMBER && v->kind != VALUE_DURATION)) {
		shape_wrong(x, v, "times are written 250ms, 90s, 10m, 1h or 7d");
		return;
	}
	if (v->kind == VALUE_DURATION || __builtin_mul_overflow(v->number, 1000u, &ms))
		ms = v->number;
	if (shape_bounds(x, v, ms))
		shape_end(x, v->next);
}

/* ---- words ---- */

static bool known_word(const struct shape *x, const struct ast_value *v)
{
	if (v->kind == VALUE_WORD && schema_has_word(x->known->words, v->text))
		return true;
	diag_error(x->c->diags, v->at, schema_suggest_word(x->c->diags, x->known->words, v->text),
		"'%s' cannot be '%s'", x->known->name, value_text(v));
	return false;
}

static void check_word(const struct shape *x, const struct ast_value *v)
{
	if (!v) {
		shape_wrong(x, v, NULL);
		return;
	}
	if (!known_word(x, v))
		return;
	shape_end(x, v->next);
}

/* Which flags mean something for which sets. */
static void check_flag(const struct shape *x, const struct ast_value *v)
{
	int type = check_set_type(x->item),
	    wanted = is_word(v, "suffix") ? LIST_DOMAIN : LIST_KEYWORD;

	/* Hashes of domains have parents as domains have. */
	if (type == LIST_HASH && wanted == LIST_DOMAIN && check_set_of(x->item) == LIST_DOMAIN)
		return;
	if (type >= 0 && type != wanted)
		diag_error(x->c->diags, v->at,
			type == LIST_REGEX ? "write the flags behind each expression: /.../if"
					   : NULL,
			"flag '%s' is for sets of %s, this one holds %s", v->text,
			list_type_text((enum list_type)wanted),
			list_type_text((enum list_type)type));
}

static void check_words(const struct shape *x, const struct ast_value *v)
{
	if (!v)
		shape_wrong(x, v, NULL);
	if (v && v->kind == VALUE_LIST)
		v = v->items;
	for (; v; v = v->next)
		if (known_word(x, v) && x->item->kind == ITEM_SET)
			check_flag(x, v);
}

static void check_string(const struct shape *x, const struct ast_value *v)
{
	if (!v || v->kind != VALUE_STRING)
		shape_wrong(x, v, v && v->kind == VALUE_WORD ? "write it in double quotes" : NULL);
	else if (!*v->text)
		diag_error(x->c->diags, v->at, NULL, "'%s' is empty", x->known->name);
	else
		shape_end(x, v->next);
}

static void check_user(const struct shape *x, const struct ast_value *v)
{
	if (!v || (v->kind != VALUE_STRING && v->kind != VALUE_WORD) || !*v->text)
		shape_wrong(x, v, NULL);
	else
		shape_end(x, v->next);
}

/* ---- sets, limits, punishments ---- */

static void check_rate(const struct shape *x, const struct ast_value *v)
{
	if (!v || v->kind != VALUE_RATE || v->number == 0)
		shape_wrong(x, v, "such as 20/second, 5/10m or 64k/second");
	else
		shape_end(x, v->next);
}

static void check_set_name(const struct shape *x, const struct ast_value *v)
{
	if (!v || v->kind != VALUE_SET) {
		shape_wrong(x, v, NULL);
		return;
	}
	check_address_set(x->c, x->known, v);
	shape_end(x, v->next);
}

/* The field at v, with its string if it needs one; returns what follows, NULL after an error. */
static const struct ast_value *check_key_field(
	const struct shape *x, const struct ast_value *v, bool *fine)
{
	const struct field *field;

	*fine = false;
	if (v->kind != VALUE_WORD) {
		shape_wrong(x, v, "such as peer.address or from.bare");
		return NULL;
	}
	if (!(field = check_field(x->c, v->text, v->at)))
		return NULL;
	if (strcmp(field->name, v->text) != 0) {
		diag_error(x->c->diags, v->at, NULL,
			"a %s counts what its rules ask about; write '%s %s'",
			x->item->kind == ITEM_SIMILAR ? "similar" : "limit", x->known->name,
			field->name);
		return NULL;
	}
	if (field->param && (!v->next || v->next->kind != VALUE_STRING)) {
		diag_error(x->c->diags, v->at, NULL, "'%s' needs a path in double quotes",
			field->name);
		return NULL;
	}
	if (x->item->kind == ITEM_SIMILAR && field->type != FIELD_TEXT) {
		diag_error(x->c->diags, v->at, "such as text or body",
			"'%s' is a %s, not a text", field->name, field_type_text(field->type));
		return NULL;
	}
	*fine = true;
	return field->param ? v->next->next : v->next;
}

static void check_key(const struct shape *x, const struct ast_value *v)
{
	unsigned n = 0;
	bool fine = true;

	if (!v) {
		shape_wrong(x, v, "such as peer.address or from.bare");
		return;
	}
	if (x->known->words && is_word(v, x->known->words)) {
		shape_end(x, v->next);
		return;
	}
	while (v && fine) {
		if (n > 0 && (!v->comma || strcmp(x->known->name, "key") != 0)) {
			shape_end(x, v);
			return;
		}
		if (++n > LIMIT_KEYS_MAX) {
			diag_error(x->c->diags, v->at, NULL, "a key has at most %d fields",
				LIMIT_KEYS_MAX);
			return;
		}
		v = check_key_field(x, v, &fine);
	}
}

static bool element_fits(int type, const struct ast_value *v)
{
	switch (v->kind) {
	case VALUE_STRING:
		return true;
	case VALUE_REGEX:
		return type == LIST_REGEX;
	case VALUE_ADDRESS:
		return type == LIST_ADDRESS || type == LIST_DOMAIN;
	case VALUE_WORD:
		return type != LIST_REGEX && type != LIST_ADDRESS && type != LIST_HASH;
	default:
		return false;
	}
}

static void check_elements(const struct shape *x, const struct ast_value *v)
{
	static const char *const forms[] = {
		[LIST_KEYWORD] = "a word, or a string in double quotes",
		[LIST_REGEX] = "/a regular expression/ with flags",
		[LIST_DOMAIN] = "a domain name",
		[LIST_JID] = "user@domain, domain, or either with a resource",
		[LIST_ADDRESS] = "192.0.2.1, 192.0.2.0/24, 192.0.2.5-192.0.2.9 or IPv6",
		[LIST_NAMESPACE] = "a string in double quotes",
		[LIST_COUNTRY] = "two letters, such as DE",
		[LIST_HASH] = "64 hexadecimal digits in double quotes",
	};
	int type = check_set_type(x->item);

	if (!v || v->kind != VALUE_LIST) {
		shape_wrong(x, v, NULL);
		return;
	}
	for (const struct ast_value *e = v->items; e && type >= 0; e = e->next)
		if (!element_fits(type, e))
			diag_error(x->c->diags, e->at, forms[type],
				"'%s' is no entry for a set of %s", value_text(e),
				list_type_text((enum list_type)type));
	shape_end(x, v->next);
}

static void check_punish_shape(const struct shape *x, const struct ast_value *v)
{
	(void)v;
	check_punish_setting(x->c, x->item, x->known, x->s);
}

/* ---- services ---- */

static void check_port(const struct shape *x, const struct ast_value *v)
{
	if (v->kind != VALUE_NUMBER || v->number < 1 || v->number > 65535)
		diag_error(
			x->c->diags, v->at, NULL, "'%s' is not a port (1 to 65535)", value_text(v));
}

static void check_listen_addresses(const struct shape *x, const struct ast_value *v)
{
	struct peer_address address;

	if (!v)
		shape_wrong(x, v, NULL);
	for (; v; v = v->next)
		if (v->kind != VALUE_ADDRESS || address_parse(span_of(v->text), &address) < 0)
			diag_error(
				x->c->diags, v->at, NULL, "'%s' is not an address", value_text(v));
}

static void check_listen(const struct shape *x, const struct ast_value *v)
{
	if (is_word(v, "on")) {
		check_listen_addresses(x, v->next);
		return;
	}
	if (!is_word(v, "tcp") || !v->next) {
		shape_wrong(
			x, v, v && v->kind == VALUE_NUMBER ? "write 'tcp' before the port" : NULL);
		return;
	}
	v = v->next;
	if (v->kind != VALUE_LIST)
		check_port(x, v);
	else if (!v->items)
		diag_error(x->c->diags, v->at, NULL, "no port to listen on");
	for (const struct ast_value *p = v->kind == VALUE_LIST ? v->items : NULL; p; p = p->next)
		check_port(x, p);
	shape_end(x, v->next);
}

static void check_endpoint(const struct shape *x, const struct ast_value *v)
{
	struct peer_address address;
	char host[64];
	uint16_t port;

	if (!v || v->kind != VALUE_ADDRESS ||
		!options_split_port(v->text, host, sizeof(host), &port) || port == 0 ||
		address_parse(span_of(host), &address) < 0)
		shape_wrong(x, v, "such as 127.0.0.1:5347 or [2001:db8::7]:5347");
	else
		shape_end(x, v->next);
}

static void check_upstream(const struct shape *x, const struct ast_value *v)
{
	static const char transports[] = "plain|starttls|tls";
	struct peer_address address;
	char host[64];
	uint16_t port;

	if (is_word(v, "backend")) {
		check_upstream_backends(x->c, v);
		return;
	}
	if (!is_word(v, "original") &&
		(!v || v->kind != VALUE_ADDRESS ||
			!options_split_port(v->text, host, sizeof(host), &port) ||
			address_parse(span_of(host), &address) < 0)) {
		shape_wrong(x, v, "an address is 192.0.2.7, 192.0.2.7:5222 or [2001:db8::7]:5222");
		return;
	}
	if (!(v = v->next))
		return;
	if (v->kind != VALUE_WORD || !schema_has_word(transports, v->text))
		diag_error(x->c->diags, v->at,
			schema_suggest_word(x->c->diags, transports, value_text(v)),
			"'%s' is no way to speak to the server", value_text(v));
	else
		shape_end(x, v->next);
}

/* [default|system|off|file STRING] [name STRING] */
static void check_verify(const struct shape *x, const struct ast_value *v)
{
	bool file = is_word(v, "file");

	if (!v || (!file && !is_word(v, "name") &&
			  !(v->kind == VALUE_WORD &&
				  schema_has_word("default|system|off", v->text)))) {
		shape_wrong(x, v, NULL);
		return;
	}
	if (!is_word(v, "name"))
		v = v->next;
	if (file && (!v || v->kind != VALUE_STRING)) {
		shape_wrong(x, v, "the file's name in double quotes");
		return;
	}
	v = file ? v->next : v;
	if (!v)
		return;
	if (!is_word(v, "name") || !v->next || v->next->kind != VALUE_STRING)
		shape_wrong(x, v, "behind 'name' stands a string");
	else
		shape_end(x, v->next->next);
}

/* ---- chains ---- */

static void check_hook(const struct shape *x, const struct ast_value *v)
{
	if (!v || is_word(v, "direction"))
		shape_wrong(x, v, "such as hook c2s direction in");
	for (; v && !is_word(v, "direction"); v = v->next) {
		if (v->kind != VALUE_WORD)
			shape_wrong(x, v, NULL);
		else
			check_service_name(x->c, v->text, v->at);
	}
	if (!v)
		return;
	if (!v->next || v->next->kind != VALUE_WORD ||
		!schema_has_word("in|out|both", v->next->text))
		diag_error(x->c->diags, (v->next ? v->next : v)->at, NULL,
			"a direction is in, out or both");
	else
		shape_end(x, v->next->next);
}

static void check_policy_setting(const struct shape *x, const struct ast_value *v)
{
	bool reject = is_word(v, "reject"), close = is_word(v, "close");
	bool text = reject || close || is_word(v, "quarantine");

	if (!v || v->kind != VALUE_WORD ||
		!schema_has_word("accept|drop|reject|close|quarantine", v->text)) {
		shape_wrong(x, v, NULL);
		return;
	}
	v = v->next;
	if (v && (reject || close) && v->kind == VALUE_WORD) {
		check_condition_word(x->c, close, v->text, v->at);
		v = v->next;
	}
	if (v && text && v->kind == VALUE_STRING)
		v = v->next;
	shape_end(x, v);
}

/* ---- blocks ---- */

static void check_block(struct checker *c, const struct ast_item *item,
	const struct schema_block *block, const struct ast_setting *settings, bool whole);

static void check_shape(const struct shape *x)
{
	static void (*const checks[])(const struct shape *, const struct ast_value *) = {
		[SHAPE_WORD] = check_word,
		[SHAPE_WORDS] = check_words,
		[SHAPE_STRING] = check_string,
		[SHAPE_NUMBER] = check_number,
		[SHAPE_DURATION] = check_duration,
		[SHAPE_SIZE] = check_size,
		[SHAPE_AMOUNT] = check_size,
		[SHAPE_RATE] = check_rate,
		[SHAPE_SET] = check_set_name,
		[SHAPE_FIELD] = check_key,
		[SHAPE_ELEMENTS] = check_elements,
		[SHAPE_LISTEN] = check_listen,
		[SHAPE_UPSTREAM] = check_upstream,
		[SHAPE_ENDPOINT] = check_endpoint,
		[SHAPE_VERIFY] = check_verify,
		[SHAPE_USER] = check_user,
		[SHAPE_STRIKES] = check_punish_shape,
		[SHAPE_OF] = check_punish_shape,
		[SHAPE_ESCALATE] = check_punish_shape,
		[SHAPE_SPARE] = check_punish_shape,
		[SHAPE_HOOK] = check_hook,
		[SHAPE_POLICY] = check_policy_setting,
	};
	/* In files of their own. */
	static void (*const others[])(
		struct checker *, const struct schema_setting *, const struct ast_setting *) = {
		[SHAPE_DOMAINS] = check_backend_setting,
		[SHAPE_SERVERS] = check_backend_setting,
		[SHAPE_CHECK] = check_backend_setting,
		[SHAPE_TRUST] = check_federation_setting,
		[SHAPE_RESOLVER] = check_federation_setting,
		[SHAPE_PINS] = check_federation_setting,
		[SHAPE_DEFEND] = check_defend_setting,
		[SHAPE_CLEARANCE] = check_clearance_setting,
		[SHAPE_FORWARD] = check_forward_setting,
		[SHAPE_POLICY] = NULL,
	};
	const struct ast_setting *s = x->s;
	bool block = x->known->shape == SHAPE_BLOCK;

	for (const struct ast_value *v = s->values; v; v = v->next)
		for (const struct ast_value *e = v->items; e; e = e->next)
			if (e->mark && x->known->shape != SHAPE_ELEMENTS)
				diag_error(x->c->diags, e->at, "marks stand in a map",
					"a list's entry has no mark");
	if (block != s->has_block || (block && !x->known->title_free && !s->values != !x->known->titled)) {
		shape_wrong(x, s->values, NULL);
		return;
	}
	if (block)
		check_block(x->c, x->item, schema_find_block(x->known->block), s->block, false);
	else if (others[x->known->shape])
		others[x->known->shape](x->c, x->known, s);
	else
		checks[x->known->shape](x, s->values);
}

static void check_missing(struct checker *c, const struct ast_item *item,
	const struct schema_block *block, uint64_t seen)
{
	for (size_t i = 0; i < block->n; i++)
		if (block->settings[i].required && !(seen >> i & 1))
			diag_error(c->diags, item->name_at, NULL, "%s '%s' has no '%s'",
				block->name, item->name, block->settings[i].name);
}

static void check_block(struct checker *c, const struct ast_item *item,
	const struct schema_block *block, const struct ast_setting *settings, bool whole)
{
	uint64_t seen = 0;

	for (const struct ast_setting *s = settings; s && !c->error; s = s->next) {
		const struct schema_setting *known = schema_find(block, s->name);
		struct shape x = { c, item, known, s };
		uint64_t bit;

		if (!known || known->shape == SHAPE_EXPECT) {
			diag_error(c->diags, s->at, schema_suggest(c->diags, block, s->name),
				"unknown setting '%s' in %s", s->name, block->name);
			continue;
		}
		bit = (uint64_t)1 << (known - block->settings);
		if ((seen & bit) && !known->repeat)
			diag_error(c->diags, s->at, NULL, "'%s' is already set above", s->name);
		seen |= bit;
		check_shape(&x);
	}
	if (whole)
		check_missing(c, item, block, seen);
}

void check_settings(struct checker *c, const struct ast_item *item)
{
	if (item->kind != ITEM_EXPECT)
		check_block(c, item, schema_of_item(item), item->settings, true);
	if (item->kind == ITEM_SET)
		check_feeds(c, item);
	if (item->kind == ITEM_LIMIT)
		check_limit(c, item);
	if (item->kind == ITEM_OPTIONS && strcmp(item->name, "defend") == 0)
		check_defend(c, item);
	if (item->kind == ITEM_REMOTE)
		check_remote(c, item);
	if (item->kind == ITEM_PUNISH)
		check_punish(c, item);
	if (item->kind == ITEM_CLEARANCE)
		check_clearance(c, item);
}
