/* SPDX-License-Identifier: BSD-2-Clause */
/* What the settings of a set say together: hashes need to be told of what they are, and nothing
 * else has a salt. In comes a set whose settings have the right shapes (check_settings.c), out go
 * diagnostics. Which fields may be looked up in it is seen by check_cond.c. */
#include <string.h>

#include "rules/check_int.h"
#include "rules/list.h"

static const struct ast_setting *set_setting(const struct ast_item *set, const char *name)
{
	for (const struct ast_setting *s = set->settings; s; s = s->next)
		if (strcmp(s->name, name) == 0 && s->values && s->values->text)
			return s;
	return NULL;
}

int check_set_of(const struct ast_item *set)
{
	const struct ast_setting *of = set_setting(set, "of");

	return of ? list_type_find(of->values->text) : -1;
}

void check_address_set(
	struct checker *c, const struct schema_setting *known, const struct ast_value *v)
{
	const struct ast_item *set = check_find(c, ITEM_SET, v->text);

	if (!set)
		diag_error(c->diags, v->at, check_suggest(c, ITEM_SET, v->text),
			"no such set '%s'", v->text);
	else if (check_set_type(set) != LIST_ADDRESS)
		diag_error(c->diags, v->at, NULL, "'%s' wants a set of address", known->name);
}

/* Marks stand in the elements of maps and nowhere else. */
static void check_marks(struct checker *c, const struct ast_item *set)
{
	const struct ast_setting *elements = NULL;

	for (const struct ast_setting *s = set->settings; s; s = s->next)
		if (strcmp(s->name, "elements") == 0 && s->values)
			elements = s;
	for (const struct ast_value *v = elements ? elements->values->items : NULL; v; v = v->next) {
		if (!!v->mark == set->map)
			continue;
		diag_error(c->diags, v->at, set->map ? "ENTRY : MARK" : "write 'map' instead of 'set'",
			set->map ? "an entry of a map needs a mark" : "a set's entry has no mark");
		return;
	}
}

void check_set_whole(struct checker *c, const struct ast_item *set)
{
	static const char *const own[] = { "salt", "of" };
	int type = check_set_type(set);
	const struct ast_setting *s;

	if (type == LIST_HASH && !set_setting(set, "of"))
		diag_error(c->diags, set->name_at, "such as 'of jid;'",
			"set '%s' holds hashes but has no 'of'", set->name);
	check_marks(c, set);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own) && type >= 0 && type != LIST_HASH; i++)
		if ((s = set_setting(set, own[i])))
			diag_error(c->diags, s->at, NULL,
				"'%s' is for sets of hash, this one holds %s", s->name,
				list_type_text((enum list_type)type));
}
