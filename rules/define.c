/* SPDX-License-Identifier: BSD-2-Clause */
/* Definitions are resolved between the parser and the checker: in comes the tree as written, with
 * $NAME standing as values of their own, out goes the same tree with copies of what was defined in
 * their places. A list used inside a list lends it its entries. Each copy stands where it is used,
 * so that diagnostics show that place, and remembers its name for the printer. The number of copies
 * has a ceiling, for definitions of definitions could grow without end. */
#include "rules/define.h"

#include <errno.h>
#include <string.h>

#include "base/map.h"

enum { DEFINE_NAMES_MAX = 256 /* names looked through for a hint */ };

struct definer {
	struct ast *ast;
	struct diag_list *diags;
	struct map known; /* name -> struct ast_item *, those above */
	size_t copies;
	int error;
};

static const char *define_suggest(struct definer *d, const char *name)
{
	const char *names[DEFINE_NAMES_MAX];
	size_t n = 0;

	for (const struct ast_item *i = d->ast->items; i && n < DEFINE_NAMES_MAX; i = i->next)
		if (i->kind == ITEM_DEFINE && map_has(&d->known, i->name, strlen(i->name)))
			names[n++] = i->name;
	return diag_suggest(d->diags, name, names, n);
}

static struct ast_value *value_copy(
	struct definer *d, const struct ast_value *from, struct loc at, const char *name)
{
	struct ast_value *copy, **tail;

	if (d->copies++ == DEFINE_VALUES_MAX)
		diag_error(d->diags, at, "long lists belong into a set with a file",
			"definitions come to more than %d values", DEFINE_VALUES_MAX);
	if (d->copies > DEFINE_VALUES_MAX)
		return NULL;
	if (!(copy = arena_zalloc(&d->ast->arena, sizeof(*copy)))) {
		d->error = -ENOMEM;
		return NULL;
	}
	*copy = *from;
	copy->next = copy->items = NULL;
	copy->at = at;
	copy->define = name;
	copy->define_rest = false;
	copy->define_mark = NULL;
	tail = &copy->items;
	for (const struct ast_value *item = from->items; item; item = item->next) {
		if (!(*tail = value_copy(d, item, at, NULL)))
			return NULL;
		tail = &(*tail)->next;
	}
	return copy;
}

/* The copy of what this value names; NULL after a diagnostic. */
static struct ast_value *value_defined(struct definer *d, const struct ast_value *use)
{
	const struct ast_item *item = map_find(&d->known, use->text, strlen(use->text));

	if (!item) {
		diag_error(d->diags, use->at, define_suggest(d, use->text),
			"'$%s' is not defined above", use->text);
		return NULL;
	}
	return value_copy(d, item->value, use->at, use->text);
}

/* Replaces *link by what it names. In a list, the entries of a list take its place. */
static struct ast_value **value_replace(struct definer *d, struct ast_value **link, bool in_list)
{
	struct ast_value *use = *link, *copy = value_defined(d, use), *last;

	if (!copy)
		return &use->next;
	if (in_list && copy->kind == VALUE_LIST) {
		copy = copy->items;
		copy->define = use->text;
		for (last = copy; last->next; last = last->next)
			last->next->define_rest = true;
	} else {
		last = copy;
	}
	/* "$NAME : MARK" gives it to all of them. */
	copy->define_mark = use->mark;
	for (struct ast_value *v = use->mark ? copy : NULL; v; v = v->next)
		v->mark = use->mark;
	copy->comma = use->comma;
	last->next = use->next;
	*link = copy;
	return &last->next;
}

static void values_expand(struct definer *d, struct ast_value **link, bool in_list)
{
	while (*link && !d->error) {
		if ((*link)->kind == VALUE_DEFINED) {
			link = value_replace(d, link, in_list);
			continue;
		}
		if (!(*link)->define)
			values_expand(d, &(*link)->items, true);
		link = &(*link)->next;
	}
}

static void settings_expand(struct definer *d, struct ast_setting *s)
{
	for (; s && !d->error; s = s->next) {
		values_expand(d, &s->values, false);
		settings_expand(d, s->block);
	}
}

/* The parser keeps conditions from being deep. */
static void cond_expand(struct definer *d, struct ast_cond *cond)
{
	if (!cond || d->error)
		return;
	cond_expand(d, cond->left);
	cond_expand(d, cond->right);
	values_expand(d, &cond->operand, false);
}

/* An action takes over what the definition says, if it is of the kind that stands there. */
static void action_take(struct definer *d, struct ast_action *a, const struct ast_value *v)
{
	bool text = v->kind == VALUE_STRING;

	switch (a->kind) {
	case ACTION_STRIKE:
		a->number = v->number;
		if (v->kind != VALUE_NUMBER)
			diag_error(d->diags, a->word_at, NULL, "'$%s' is no number", a->define);
		return;
	case ACTION_BAN:
	case ACTION_TARPIT:
		a->number = v->number;
		if (v->kind != VALUE_DURATION)
			diag_error(d->diags, a->word_at, "times are written 250ms 90s 10m 1h 7d",
				"'$%s' is no time", a->define);
		return;
	case ACTION_STRIP:
		a->word = v->text;
		break;
	case ACTION_REDIRECT:
		text |= v->kind == VALUE_WORD;
		/* fall through */
	default:
		a->text = v->text;
	}
	if (!text)
		diag_error(d->diags, a->word_at, NULL, "'$%s' is no string", a->define);
}

static void actions_expand(struct definer *d, struct ast_action *a)
{
	for (; a && !d->error; a = a->next) {
		struct ast_value use = { .text = a->define, .at = a->word_at };
		const struct ast_value *v = a->define ? value_defined(d, &use) : NULL;

		if (v)
			action_take(d, a, v);
	}
}

static void define_add(struct definer *d, struct ast_item *item)
{
	size_t len = strlen(item->name);
	int r;

	if (!item->value)
		return; /* it did not parse */
	values_expand(d, &item->value, false);
	if (map_has(&d->known, item->name, len))
		diag_error(d->diags, item->name_at, NULL, "'%s' is already defined", item->name);
	else if (item->value->kind == VALUE_LIST && !item->value->items)
		diag_error(d->diags, item->value->at, NULL, "a definition needs a value");
	else if ((r = map_put(&d->known, item->name, len, item, NULL)) < 0)
		d->error = r;
}

int define_expand(struct ast *ast, struct diag_list *diags)
{
	struct definer d = { .ast = ast, .diags = diags };

	map_init(&d.known);
	for (struct ast_item *i = ast->items; i && !d.error; i = i->next) {
		if (i->kind == ITEM_DEFINE)
			define_add(&d, i);
		settings_expand(&d, i->settings);
		for (struct ast_rule *rule = i->rules; rule; rule = rule->next)
			cond_expand(&d, rule->cond), actions_expand(&d, rule->actions);
	}
	map_fini(&d.known, NULL);
	return d.error;
}
