/* SPDX-License-Identifier: BSD-2-Clause */
/* Meaning of a parsed policy: what names stand for, in what order things are looked at. Settings,
 * conditions and rules each have a file of their own. In comes the tree as parsed, out goes the
 * same tree with fields and targets filled in, or diagnostics; it goes on after each, so that a run
 * shows all. What can only be seen by preparing an operand (a regular expression, a JID) is left to
 * compile.c. */
#include "rules/check.h"

#include <string.h>

#include "base/err.h"
#include "rules/check_int.h"
#include "rules/define.h"
#include "rules/list.h"

enum { SUGGEST_MAX = 512 /* names looked through for a hint */ };

/* ---- names ---- */

struct ast_item *check_find(const struct checker *c, enum ast_item_kind kind, const char *name)
{
	return map_find(&c->names[kind], name, strlen(name));
}

const char *check_suggest(struct checker *c, enum ast_item_kind kind, const char *name)
{
	const char *names[SUGGEST_MAX];
	size_t n = 0;

	if (c->diags->errors >= DIAG_MAX)
		return NULL; /* it would not be shown */
	for (const struct ast_item *i = c->ast->items; i && n < SUGGEST_MAX; i = i->next)
		if (i->kind == kind)
			names[n++] = i->name;
	return diag_suggest(c->diags, name, names, n);
}

static void name_add(struct checker *c, struct map *map, const char *name, struct loc at,
	const char *what, void *value)
{
	int r;

	if (map_has(map, name, strlen(name))) {
		diag_error(c->diags, at, NULL, "there is already a %s '%s'", what, name);
		return;
	}
	if ((r = map_put(map, name, strlen(name), value, NULL)) < 0)
		c->error = r;
}

static void names_collect(struct checker *c)
{
	for (struct ast_item *i = c->ast->items; i && !c->error; i = i->next) {
		if (i->kind == ITEM_INCLUDE || i->kind == ITEM_DEFINE || i->kind == ITEM_EXPECT)
			continue;
		name_add(c, &c->names[i->kind], i->name, i->name_at,
			i->kind == ITEM_OPTIONS ? "block" : schema_of_item(i)->name, i);
	}
}

/* Rules of different chains may share a name; "by" of an expectation means any of them. */
static void rules_collect(struct checker *c, const struct ast_item *chain)
{
	struct map own;
	int r;

	map_init(&own);
	for (struct ast_rule *rule = chain->rules; rule && !c->error; rule = rule->next) {
		name_add(c, &own, rule->name, rule->name_at, "rule", rule);
		if ((r = map_put(&c->rules, rule->name, strlen(rule->name), rule, NULL)) < 0)
			c->error = r;
	}
	map_fini(&own, NULL);
}

int check_set_type(const struct ast_item *set)
{
	for (const struct ast_setting *s = set->settings; s; s = s->next)
		if (strcmp(s->name, "type") == 0 && s->values && s->values->text)
			return list_type_find(s->values->text);
	return -1;
}

void check_service_name(struct checker *c, const char *name, struct loc at)
{
	const char *hint;

	/* A file of rules alone does not say which services there are. */
	if (c->names[ITEM_SERVICE].count == 0 || check_find(c, ITEM_SERVICE, name) ||
		schema_has_word("c2s|s2s|component|serverless|any|login", name))
		return;
	hint = check_suggest(c, ITEM_SERVICE, name);
	diag_error(c->diags, at, hint, "no such service '%s'", name);
}

/* ---- the whole ---- */

static void items_check(struct checker *c)
{
	for (struct ast_item *i = c->ast->items; i && !c->error; i = i->next)
		if (i->kind == ITEM_CHAIN)
			rules_collect(c, i);
	for (struct ast_item *i = c->ast->items; i && !c->error; i = i->next) {
		if (i->kind == ITEM_INCLUDE || i->kind == ITEM_DEFINE)
			continue;
		check_settings(c, i);
		if (i->kind == ITEM_SERVICE && strcmp(i->name, "login") == 0)
			diag_error(c->diags, i->name_at, NULL,
				"'hook login' stands for failed logins of all services; name the "
				"service otherwise");
		if (i->kind == ITEM_SET)
			check_set_whole(c, i);
		if (i->kind == ITEM_CHAIN)
			check_chain(c, i);
		if (i->kind == ITEM_EXPECT)
			check_expect(c, i);
	}
	if (!c->error)
		check_jumps(c);
}

int check_policy(struct ast *ast, struct source_set *sources, struct diag_list *diags)
{
	struct checker c = { .ast = ast, .diags = diags };
	unsigned errors = diags->errors;
	bool defined;

	(void)sources;
	for (size_t i = 0; i < ITEM_INCLUDE; i++)
		map_init(&c.names[i]);
	map_init(&c.rules);
	c.error = define_expand(ast, diags);
	defined = !c.error && diags->errors == errors;
	if (defined)
		names_collect(&c);
	if (defined && !c.error)
		items_check(&c);
	for (size_t i = 0; i < ITEM_INCLUDE; i++)
		map_fini(&c.names[i], NULL);
	map_fini(&c.rules, NULL);
	if (c.error)
		return c.error;
	return diags->errors > errors ? ERR_SYNTAX : 0;
}
