/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of a clearance, for check_settings.c: do its pairs of domains, markings and policies
 * have the shape the table names, and does what is unlabelled pass for a marking that is released.
 * Values are only looked at; compile_clearance.c takes them over and may rely on what passed, and
 * sees where two tables want the same pair. */
#include <string.h>

#include "rules/check_int.h"
#include "xmpp/label.h"

static const char *value_text(const struct ast_value *v)
{
	return v->kind == VALUE_LIST ? "{ ... }" : v->text;
}

static bool is_word(const struct ast_value *v, const char *word)
{
	return v && v->kind == VALUE_WORD && strcmp(v->text, word) == 0;
}

static void clearance_wrong(struct checker *c, const struct schema_setting *known,
	const struct ast_setting *s, const struct ast_value *v, const char *hint)
{
	if (!v)
		diag_error(c->diags, s->at, hint, "'%s' wants %s", known->name, known->syntax);
	else
		diag_error(c->diags, v->at, hint, "'%s' wants %s, not '%s'", known->name,
			known->syntax, value_text(v));
}

/* ---- from ... to ... ---- */

/* Domains with commas between them; returns what stands behind the last one, NULL at the end. */
static const struct ast_value *check_names(struct checker *c, const struct ast_value *v, bool *fine)
{
	const struct ast_value *first = v;

	*fine = false;
	for (; v && v->kind == VALUE_STRING && (v == first || v->comma); v = v->next) {
		if (!check_is_domain(v->text)) {
			diag_error(c->diags, v->at, "such as \"example.org\" or \"*.example.org\"",
				"'%s' is not a domain", v->text);
			return NULL;
		}
		*fine = true;
	}
	return v;
}

static void check_from(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	unsigned errors = c->diags->errors;
	const struct ast_value *v;
	bool fine;

	v = check_names(c, s->values, &fine);
	if (fine && is_word(v, "to"))
		v = check_names(c, v->next, &fine);
	else
		fine = false;
	if (c->diags->errors == errors && (!fine || v))
		clearance_wrong(c, known, s, v,
			v && v->kind == VALUE_WORD ? "write it in double quotes"
			: v && v->kind == VALUE_STRING
				? "a comma belongs between two domains"
				: "such as from \"high.example\" to \"low.example\"");
}

/* ---- release ... ---- */

/* Markings are compared as they stand between white space. */
static bool check_marking(struct checker *c, const struct ast_value *v)
{
	struct span text = span_of(v->text);

	if (text.len && label_trim(text).len == text.len)
		return true;
	diag_error(c->diags, v->at, NULL,
		text.len ? "white space at the ends of a marking is left out: this one never comes"
			 : "a marking is not empty");
	return false;
}

/* Markings with commas between them, at least one, and nothing else. */
static void check_markings(struct checker *c, const struct schema_setting *known,
	const struct ast_setting *s, const struct ast_value *v)
{
	if (!v)
		clearance_wrong(c, known, s, NULL, "such as release \"UNCLASSIFIED\"");
	for (const struct ast_value *first = v; v; v = v->next) {
		if (v->kind != VALUE_STRING || (v != first && !v->comma)) {
			clearance_wrong(c, known, s, v,
				v->kind == VALUE_WORD     ? "write it in double quotes"
				: v->kind == VALUE_STRING ? "a comma belongs between two markings"
							  : NULL);
			return;
		}
		if (!check_marking(c, v))
			return;
	}
}

static bool is_oid(const char *text)
{
	size_t len = strspn(text, "0123456789.");

	return len > 2 && !text[len] && strchr("012", text[0]) && text[1] == '.' &&
	       text[len - 1] != '.' && !strstr(text, "..");
}

static bool check_class_number(struct checker *c, const struct ast_value *v, struct loc at)
{
	if (v && v->kind == VALUE_NUMBER && v->number <= ESS_CLASS_MAX)
		return true;
	diag_error(c->diags, v ? v->at : at, "such as class 0 to 1",
		"a class is a number between 0 and %d", ESS_CLASS_MAX);
	return false;
}

/* N or N to N */
static void check_class(struct checker *c, const struct schema_setting *known,
	const struct ast_setting *s, const struct ast_value *policy, const struct ast_value *word)
{
	const struct ast_value *low = word->next, *high = low;

	if (!is_oid(policy->text)) {
		diag_error(c->diags, word->at, "an OID, such as \"1.3.6.1.4.1.99999.7\"",
			"only the labels of an ESS policy have a class");
		return;
	}
	if (!check_class_number(c, low, word->at))
		return;
	if (is_word(low->next, "to")) {
		high = low->next->next;
		if (!check_class_number(c, high, low->next->at))
			return;
	}
	if (low->number > high->number)
		diag_error(c->diags, low->at, NULL, "from %llu to %llu there is no class",
			(unsigned long long)low->number, (unsigned long long)high->number);
	else if (high->next)
		clearance_wrong(c, known, s, high->next, "a setting ends with ';'");
}

static void check_release(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	const struct ast_value *policy;

	if (!is_word(s->values, "policy")) {
		check_markings(c, known, s, s->values);
		return;
	}
	policy = s->values->next;
	if (!policy || policy->kind != VALUE_STRING || !policy->next) {
		clearance_wrong(
			c, known, s, policy, "the policy and its markings in double quotes");
		return;
	}
	if (!is_oid(policy->text) && !strchr(policy->text, ':'))
		diag_error(c->diags, policy->at,
			"such as \"1.3.6.1.4.1.99999.7\" or \"urn:example:marks\"",
			"'%s' is neither an OID nor a namespace", policy->text);
	else if (is_word(policy->next, "class"))
		check_class(c, known, s, policy, policy->next);
	else
		check_markings(c, known, s, policy->next);
}

/* ---- unlabelled refuse | as "MARKING" ---- */

static void check_unlabelled(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	const struct ast_value *v = s->values;

	if (is_word(v, "refuse") && !v->next)
		return;
	if (!is_word(v, "as") || !v->next || v->next->kind != VALUE_STRING || v->next->next)
		clearance_wrong(c, known, s, v, NULL);
	else
		check_marking(c, v->next);
}

static bool releases(const struct ast_item *clearance, const char *marking)
{
	for (const struct ast_setting *s = clearance->settings; s; s = s->next) {
		if (strcmp(s->name, "release") != 0 || is_word(s->values, "policy"))
			continue;
		for (const struct ast_value *v = s->values; v; v = v->next)
			if (v->text && strcmp(v->text, marking) == 0)
				return true;
	}
	return false;
}

void check_clearance_setting(
	struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	if (strcmp(known->name, "from") == 0)
		check_from(c, known, s);
	else if (strcmp(known->name, "release") == 0)
		check_release(c, known, s);
	else
		check_unlabelled(c, known, s);
}

void check_clearance(struct checker *c, const struct ast_item *clearance)
{
	for (const struct ast_setting *s = clearance->settings; s; s = s->next) {
		const struct ast_value *v = s->values ? s->values->next : NULL;

		if (strcmp(s->name, "unlabelled") == 0 && v && v->kind == VALUE_STRING &&
			!releases(clearance, v->text))
			diag_error(c->diags, v->at, "write 'unlabelled refuse' or release it",
				"\"%s\" is not released: what bears no label would never be",
				v->text);
	}
}
