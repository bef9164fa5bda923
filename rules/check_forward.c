/* SPDX-License-Identifier: BSD-2-Clause */
/* The setting "forward" of services, for check_settings.c: one of the two words, or "strict" with files and a direction. Whether
 * two of them go together and what the files hold is seen by options_forward.c. */
#include <string.h>

#include "rules/check_int.h"

static bool is_word(const struct ast_value *v, const char *word)
{
	return v && v->kind == VALUE_WORD && strcmp(v->text, word) == 0;
}

static void forward_wrong(struct checker *c, const struct schema_setting *known, const struct ast_setting *s,
	const struct ast_value *v, const char *hint)
{
	if (!v)
		diag_error(c->diags, s->at, hint, "'%s' wants %s", known->name, known->syntax);
	else
		diag_error(c->diags, v->at, hint, "'%s' wants %s, not '%s'", known->name, known->syntax,
			v->kind == VALUE_LIST ? "{ ... }" : v->text);
}

static bool is_file(const struct ast_value *v)
{
	return v && v->kind == VALUE_STRING && *v->text;
}

void check_forward_setting(struct checker *c, const struct schema_setting *known, const struct ast_setting *s)
{
	static const char words[] = "canonical|verbatim|strict";
	const struct ast_value *v = s->values;

	if (!v || v->kind != VALUE_WORD || !schema_has_word(words, v->text)) {
		forward_wrong(c, known, s, v,
			v && v->kind == VALUE_WORD ? schema_suggest_word(c->diags, words, v->text) : NULL);
		return;
	}
	if (is_word(v, "strict")) {
		if (!is_file(v->next)) {
			forward_wrong(c, known, s, v->next, "a profile in double quotes");
			return;
		}
		for (v = v->next; is_file(v->next) && v->next->comma; v = v->next)
			;
	}
	v = v->next;
	if (v && is_word(s->values, "strict") && is_word(v, "direction")) {
		if (!v->next || v->next->kind != VALUE_WORD || !schema_has_word("in|out", v->next->text)) {
			forward_wrong(c, known, s, v->next ? v->next : v, "a direction is in or out");
			return;
		}
		v = v->next->next;
	}
	if (v)
		diag_error(c->diags, v->at, "a setting ends with ';'", "'%s' is one value too many for '%s'",
			v->kind == VALUE_LIST ? "{ ... }" : v->text, known->name);
}
