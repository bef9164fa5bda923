/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions: which field a word means, whether the operator suits the field's type, whether the
 * operand suits both, and which set or limit it names. One table says which types a set of each
 * kind serves; messages name what would fit. Fills field and target of the tree. The tree's height
 * is bounded by the parser, so recursion is, too. */
#include <stdio.h>
#include <string.h>

#include "rules/address.h"
#include "rules/check_int.h"
#include "rules/list.h"

static const char kinds[] = "message|presence|iq|stream";

static const char *const op_texts[] = {
	[OP_TRUE] = "",
	[OP_EXISTS] = "exists",
	[OP_IN] = "in",
	[OP_CONTAINS] = "contains",
	[OP_MATCHES] = "matches",
	[OP_EQ] = "is",
	[OP_NE] = "is not",
	[OP_LT] = "<",
	[OP_LE] = "<=",
	[OP_GT] = ">",
	[OP_GE] = ">=",
};

#define OP(op) (1u << (op))

/* What each type of field can be asked, and how the message says it. */
static const struct {
	unsigned ops;
	const char *offer;
} type_ops[] = {
	[FIELD_TEXT] = { OP(OP_EXISTS) | OP(OP_IN) | OP(OP_CONTAINS) | OP(OP_MATCHES) | OP(OP_EQ) |
				 OP(OP_NE),
		"contains, matches, is, in, exists" },
	[FIELD_WORD] = { OP(OP_EXISTS) | OP(OP_IN) | OP(OP_MATCHES) | OP(OP_EQ) | OP(OP_NE),
		"is, in, matches, exists" },
	[FIELD_DOMAIN] = { OP(OP_EXISTS) | OP(OP_IN) | OP(OP_MATCHES) | OP(OP_EQ) | OP(OP_NE),
		"is, in, matches, exists" },
	[FIELD_JID] = { OP(OP_EXISTS) | OP(OP_IN) | OP(OP_MATCHES) | OP(OP_EQ) | OP(OP_NE),
		"is, in, matches, exists" },
	[FIELD_ADDRESS] = { OP(OP_EXISTS) | OP(OP_IN) | OP(OP_EQ) | OP(OP_NE), "is, in, exists" },
	[FIELD_NUMBER] = { OP(OP_EXISTS) | OP(OP_IN) | OP(OP_EQ) | OP(OP_NE) | OP(OP_LT) |
				   OP(OP_LE) | OP(OP_GT) | OP(OP_GE),
		"<, <=, >, >=, is, in, exists" },
	[FIELD_TIME] = { OP(OP_EXISTS) | OP(OP_IN) | OP(OP_EQ) | OP(OP_NE) | OP(OP_LT) | OP(OP_LE) |
				 OP(OP_GT) | OP(OP_GE),
		"in, is, <, <=, >, >=, exists" },
	[FIELD_BOOL] = { OP(OP_TRUE) | OP(OP_EQ) | OP(OP_NE), "nothing (it stands alone), or is" },
};

#define LIST(type) (1u << (type))

/* Which sets a field of each type may be looked up in with "in". */
static const struct {
	unsigned lists;
	const char *offer;
} type_lists[] = {
	[FIELD_TEXT] = { LIST(LIST_KEYWORD) | LIST(LIST_REGEX), "keyword or regex" },
	[FIELD_WORD] = { LIST(LIST_KEYWORD) | LIST(LIST_REGEX) | LIST(LIST_NAMESPACE),
		"keyword, regex or namespace" },
	[FIELD_DOMAIN] = { LIST(LIST_DOMAIN) | LIST(LIST_REGEX) | LIST(LIST_HASH),
		"domain, regex or hash" },
	[FIELD_JID] = { LIST(LIST_JID) | LIST(LIST_DOMAIN) | LIST(LIST_REGEX) | LIST(LIST_HASH),
		"jid, domain, regex or hash" },
	[FIELD_ADDRESS] = { LIST(LIST_ADDRESS), "address" },
	[FIELD_NUMBER] = { 0, "" },
	[FIELD_BOOL] = { 0, "" },
	[FIELD_TIME] = { 0, "" },
};

/* ---- fields ---- */

static const char *field_suggest(struct checker *c, const char *name)
{
	const char *names[256], *dot = strchr(name, '.'), *hint;
	char aliased[96];
	size_t n = 0;

	if (c->diags->errors >= DIAG_MAX)
		return NULL;
	for (size_t i = 0; i < field_count && n < sizeof(names) / sizeof(*names) - 4; i++)
		names[n++] = field_table[i].name;
	names[n++] = "message";
	names[n++] = "presence";
	names[n++] = "stream";
	/* "message.boddy": the part behind the kind is what is misspelt. */
	if (dot && (size_t)(dot - name) < 9 && strlen(name) < sizeof(aliased)) {
		memcpy(aliased, name, (size_t)(dot - name));
		aliased[dot - name] = '\0';
		if (schema_has_word("message|presence|iq", aliased) &&
			(hint = diag_suggest(c->diags, dot + 1, names, n))) {
			const char *word = strchr(hint, '\''), *end = strrchr(hint, '\'');
			char text[200];

			snprintf(text, sizeof(text), "did you mean '%s.%.*s'?", aliased,
				(int)(end - word - 1), word + 1);
			return arena_strdup(&c->diags->arena, text);
		}
	}
	return diag_suggest(c->diags, name, names, n);
}

const struct field *check_field(struct checker *c, const char *name, struct loc at)
{
	const struct field *field = field_find(name);

	if (!field)
		diag_error(c->diags, at, field_suggest(c, name), "unknown field '%s'", name);
	return field;
}

/* ---- operands ---- */

/* Spans only for "in". */
static bool is_time_for(const struct ast_cond *cond, const struct ast_value *v)
{
	unsigned first, last;

	return (v->kind == VALUE_ADDRESS || v->kind == VALUE_STRING) &&
	       field_parse_times(v->text, &first, &last) &&
	       (cond->op == OP_IN || !strchr(v->text, '-'));
}

/* Seconds since something, compared with times. */
static bool is_age(const struct field *field)
{
	return strcmp(field->name, "session.age") == 0 || strcmp(field->name, "remote.first_seen") == 0;
}

static bool is_scalar_for(const struct ast_cond *cond, const struct ast_value *v)
{
	bool age = is_age(cond->field);

	if (cond->op == OP_CONTAINS)
		return v->kind == VALUE_STRING;
	if (cond->op == OP_MATCHES)
		return v->kind == VALUE_REGEX;
	switch (cond->field->type) {
	case FIELD_NUMBER:
		return v->kind == VALUE_NUMBER || v->kind == (age ? VALUE_DURATION : VALUE_SIZE);
	case FIELD_BOOL:
		return v->kind == VALUE_WORD && schema_has_word("true|false|yes|no", v->text);
	case FIELD_TIME:
		return is_time_for(cond, v);
	case FIELD_ADDRESS:
		return v->kind == VALUE_ADDRESS || v->kind == VALUE_STRING;
	case FIELD_TEXT:
		return v->kind == VALUE_STRING;
	case FIELD_DOMAIN:
		return v->kind == VALUE_STRING || v->kind == VALUE_WORD || v->kind == VALUE_ADDRESS;
	default:
		return v->kind == VALUE_STRING || v->kind == VALUE_WORD || v->kind == VALUE_NUMBER;
	}
}

static const char *scalar_wanted(const struct ast_cond *cond)
{
	bool age = is_age(cond->field);

	if (cond->op == OP_CONTAINS)
		return "a string in double quotes, or a set of keyword";
	if (cond->op == OP_MATCHES)
		return "a /regular expression/, or a set of regex";
	switch (cond->field->type) {
	case FIELD_NUMBER:
		return age ? "a time such as 90s or 10m" : "a number, or a size such as 64k or 10M";
	case FIELD_BOOL:
		return "true or false";
	case FIELD_TIME:
		return cond->op == OP_IN ? "times such as 08:00-17:30" : "a time such as 08:30";
	case FIELD_ADDRESS:
		return "an address, network or range";
	case FIELD_TEXT:
		return "a string in double quotes";
	case FIELD_DOMAIN:
		return "a domain name";
	case FIELD_JID:
		return "a JID";
	default:
		return "a word, or a string in double quotes";
	}
}

static bool is_country(const char *text)
{
	return text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' && text[1] <= 'Z' && !text[2];
}

/* What may stand behind fields whose words are known. */
static void check_closed_word(
	struct checker *c, const struct ast_cond *cond, const struct ast_value *v)
{
	static const struct {
		const char *field, *words;
	} closed[] = {
		{ "kind", kinds },
		{ "direction", "in|out" },
		{ "weekday", "mon|tue|wed|thu|fri|sat|sun" },
		{ "chatstate", "active|composing|paused|inactive|gone" },
		{ "receipt", "request|received" },
		{ "remote.verified", "none|dialback|pkix|dane|pin" },
	};

	if (cond->op == OP_MATCHES)
		return;
	if (strcmp(cond->field->name, "peer.country") == 0 && !is_country(v->text))
		diag_error(c->diags, v->at, "such as DE",
			"a country is two capital letters, not '%s'", v->text);
	for (size_t i = 0; i < sizeof(closed) / sizeof(*closed); i++)
		if (strcmp(cond->field->name, closed[i].field) == 0 &&
			!schema_has_word(closed[i].words, v->text))
			diag_error(c->diags, v->at,
				schema_suggest_word(c->diags, closed[i].words, v->text),
				"'%s' is never '%s'", cond->field->name, v->text);
	if (strcmp(cond->field->name, "service") == 0)
		check_service_name(c, v->text, v->at);
}

static void check_scalar(struct checker *c, const struct ast_cond *cond, const struct ast_value *v)
{
	const char *hint = NULL;
	bool number = cond->field->type == FIELD_NUMBER;

	if (is_scalar_for(cond, v)) {
		check_closed_word(c, cond, v);
		return;
	}
	if (number && v->kind == VALUE_DURATION)
		hint = "'m' is minutes; sizes are written 64k, 10M or 1G";
	else if (v->kind == VALUE_WORD &&
		 (cond->field->type == FIELD_TEXT || cond->op == OP_CONTAINS))
		hint = "write it in double quotes";
	else if (v->kind == VALUE_REGEX)
		hint = "write 'matches' before a regular expression";
	else if (v->kind == VALUE_STRING && cond->op == OP_MATCHES)
		hint = "write 'contains' before a string";
	else if (v->kind == VALUE_LIST && (cond->op == OP_EQ || cond->op == OP_NE))
		hint = "write 'in' before a list";
	diag_error(c->diags, v->at, hint, "'%s %s' wants %s", cond->field->name, op_texts[cond->op],
		scalar_wanted(cond));
}

/* ---- sets ---- */

static bool hash_fits(const struct field *field, const struct ast_item *set)
{
	int of = check_set_of(set);

	if (of == LIST_URL)
		return strcmp(field->name, "url") == 0;
	return of < 0 || field->type == FIELD_JID ||
	       (field->type == FIELD_DOMAIN && of == LIST_DOMAIN);
}

static void check_list_type(
	struct checker *c, const struct ast_cond *cond, const struct ast_item *set, int type)
{
	unsigned fits = type_lists[cond->field->type].lists;
	const char *offer = type_lists[cond->field->type].offer, *hint = NULL;
	char wanted[96];

	if (cond->op == OP_CONTAINS) {
		fits = LIST(LIST_KEYWORD);
		offer = "keyword";
		hint = type == LIST_REGEX ? "write 'matches' before a set of regex" : NULL;
	} else if (cond->op == OP_MATCHES) {
		fits = LIST(LIST_REGEX);
		offer = "regex";
		hint = type == LIST_KEYWORD && cond->field->type == FIELD_TEXT
			       ? "write 'contains' before a set of keyword"
			       : NULL;
	}
	if (type == LIST_COUNTRY && cond->op == OP_IN &&
		strcmp(cond->field->name, "peer.country") == 0)
		return;
	if (type == LIST_HASH && cond->op == OP_IN && hash_fits(cond->field, set))
		return;
	if (type < 0 || (type != LIST_HASH && (fits & LIST(type))))
		return;
	if (type == LIST_HASH && cond->op == OP_IN && fits) {
		int of = check_set_of(set);

		diag_error(c->diags, cond->operand->at, NULL,
			"'%s' cannot be looked up in '@%s', which holds hashes of %s",
			cond->field->name, set->name,
			of < 0 ? "nothing" : list_type_text((enum list_type)of));
		return;
	}
	if (!fits) {
		diag_error(c->diags, cond->operand->at, NULL,
			"'%s' (%s) cannot be looked up in a set", cond->text,
			field_type_text(cond->field->type));
		return;
	}
	snprintf(wanted, sizeof(wanted), "%s %s", cond->field->name, op_texts[cond->op]);
	diag_error(c->diags, cond->operand->at, hint,
		"'%s' wants a set of %s, '@%s' is a set of %s", wanted, offer, set->name,
		list_type_text((enum list_type)type));
}

static void check_set(struct checker *c, struct ast_cond *cond)
{
	const struct ast_value *v = cond->operand;

	if (cond->op != OP_IN && cond->op != OP_CONTAINS && cond->op != OP_MATCHES) {
		diag_error(c->diags, v->at, "write 'in' before a set",
			"'%s' cannot be compared with a set", cond->text);
		return;
	}
	cond->target = check_find(c, ITEM_SET, v->text);
	if (!cond->target)
		diag_error(c->diags, v->at, check_suggest(c, ITEM_SET, v->text), "no such set '%s'",
			v->text);
	else
		check_list_type(c, cond, cond->target, check_set_type(cond->target));
}

static void check_operand(struct checker *c, struct ast_cond *cond)
{
	const struct ast_value *v = cond->operand;

	if (!v)
		return;
	if (v->kind == VALUE_SET) {
		check_set(c, cond);
		return;
	}
	if (v->kind != VALUE_LIST ||
		(cond->op != OP_IN && cond->op != OP_CONTAINS && cond->op != OP_MATCHES)) {
		check_scalar(c, cond, v);
		return;
	}
	if (!v->items)
		diag_error(c->diags, v->at, NULL, "an empty list holds nothing");
	for (v = v->items; v; v = v->next) {
		if (v->mark)
			diag_error(c->diags, v->at, "marks stand in a map", "a list's entry has no mark");
		check_scalar(c, cond, v);
	}
}

/* ---- tests ---- */

static bool is_bare_kind(const struct ast_cond *cond)
{
	return cond->op == OP_TRUE && schema_has_word(kinds, cond->text);
}

static void check_param(struct checker *c, const struct ast_cond *cond)
{
	if (cond->field->param && !cond->param)
		diag_error(c->diags, cond->field_at, "such as xml \"{ns}name@attribute\"",
			"'%s' needs a path in double quotes", cond->field->name);
	else if (!cond->field->param && cond->param)
		diag_error(c->diags, cond->field_at, "'contains', 'is' or 'in' stands between them",
			"'%s' cannot be followed by a string", cond->text);
}

static void check_operator(struct checker *c, const struct ast_cond *cond)
{
	const char *type = field_type_text(cond->field->type),
		   *offer = type_ops[cond->field->type].offer;

	if (cond->op == OP_TRUE)
		diag_error(c->diags, cond->field_at, NULL,
			"'%s' (%s) says neither yes nor no; ask with %s", cond->text, type, offer);
	else
		diag_error(c->diags, cond->op_at, NULL,
			"'%s' does not suit '%s' (%s); what does: %s", op_texts[cond->op],
			cond->text, type, offer);
}

static void check_test(struct checker *c, struct ast_cond *cond)
{
	if (is_bare_kind(cond)) {
		cond->field = field_find("kind");
		return;
	}
	if (!(cond->field = check_field(c, cond->text, cond->field_at)))
		return;
	check_param(c, cond);
	if (!(type_ops[cond->field->type].ops & OP(cond->op)))
		check_operator(c, cond);
	else
		check_operand(c, cond);
}

static void check_counter(
	struct checker *c, struct ast_cond *cond, enum ast_item_kind kind, const char *what)
{
	cond->target = check_find(c, kind, cond->text);
	if (!cond->target)
		diag_error(c->diags, cond->field_at, check_suggest(c, kind, cond->text),
			"no such %s '%s'", what, cond->text);
}

void check_cond(struct checker *c, struct ast_cond *cond)
{
	switch (cond->kind) {
	case COND_AND:
	case COND_OR:
		check_cond(c, cond->left);
		check_cond(c, cond->right);
		break;
	case COND_NOT:
		check_cond(c, cond->left);
		break;
	case COND_TEST:
		check_test(c, cond);
		break;
	case COND_LIMIT:
		check_counter(c, cond, ITEM_LIMIT, "limit");
		break;
	case COND_SIMILAR:
		check_counter(c, cond, ITEM_SIMILAR, "similar");
		break;
	}
}
