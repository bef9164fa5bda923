/* SPDX-License-Identifier: BSD-2-Clause */
/* How a limit's settings fit together, once each of them is well formed: what is counted must be a
 * number, it is either counted or told apart, and room must be for what is told apart. In: the
 * block's tree. Out: diagnostics. It computes no rate: compile_limit.c does. */
#include <string.h>

#include "rules/check_int.h"
#include "rules/diag.h"

static const struct ast_value *value_of(const struct ast_item *limit, const char *name)
{
	for (const struct ast_setting *s = limit->settings; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s->values;
	return NULL;
}

static const struct field *field_of(const struct ast_value *v)
{
	return v && v->kind == VALUE_WORD ? field_find(v->text) : NULL;
}

static void check_count(struct checker *c, const struct ast_item *limit)
{
	const struct ast_value *count = value_of(limit, "count");
	const struct field *field = field_of(count);

	if (field && field->type != FIELD_NUMBER)
		diag_error(c->diags, count->at, "such as size or recipients",
			"'%s' is a %s, not a number", field->name, field_type_text(field->type));
}

static void check_distinct(struct checker *c, const struct ast_item *limit)
{
	const struct ast_value *distinct = value_of(limit, "distinct"),
			       *rate = value_of(limit, "rate"),
			       *entries = value_of(limit, "entries");

	if (!distinct)
		return;
	if (field_of(value_of(limit, "count")))
		diag_error(c->diags, distinct->at, "make two limits of it",
			"a limit counts a number or tells values apart, not both");
	if (rate && rate->kind == VALUE_RATE && entries && entries->number < rate->number)
		diag_warn(c->diags, entries->at, "pairs of all keys together find room in it",
			"%llu values cannot be told apart with entries %llu",
			(unsigned long long)rate->number, (unsigned long long)entries->number);
}

void check_limit(struct checker *c, const struct ast_item *limit)
{
	check_count(c, limit);
	check_distinct(c, limit);
}
