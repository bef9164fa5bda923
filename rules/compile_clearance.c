/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks "clearance" as tables (rules/clearance.h). In come settings that check_clearance.c has
 * passed, out go pairs of prepared domains, the narrower before the wider, each leading to one
 * table. Where two tables want the same pair, or neither of two that overlap is the narrower,
 * nobody could say which counts: that is an error. It judges nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "rules/compile.h"
#include "xmpp/jid.h"

enum { PAIRS_MAX_ALL = 2048 };

/* A pair on its way, with where it was written. */
struct pair_draft {
	struct clearance_pair pair;
	const struct ast_value *from, *to;
};

struct drafts {
	struct pair_draft *items;
	unsigned n, cap;
};

static struct span marking_of(struct compiler *c, const struct ast_value *v)
{
	const char *copy = compile_strdup(c, v->text);

	return copy ? span_of(copy) : (struct span){ "", 0 };
}

static bool is_word(const struct ast_value *v, const char *word)
{
	return v && v->kind == VALUE_WORD && strcmp(v->text, word) == 0;
}

/* ---- one table ---- */

static void add_policy(struct compiler *c, struct clearance *t, const struct ast_value *v)
{
	struct span policy = marking_of(c, v);

	if (is_word(v->next, "class")) {
		const struct ast_value *low = v->next->next,
				       *high = low->next ? low->next->next : low;

		t->policies[t->n_policies++] = (struct clearance_policy){ policy, { NULL, 0 },
			(unsigned)low->number, (unsigned)high->number };
		return;
	}
	for (v = v->next; v; v = v->next)
		t->policies[t->n_policies++] =
			(struct clearance_policy){ policy, marking_of(c, v), 0, 0 };
}

static void add_release(struct compiler *c, struct clearance *t, const struct ast_setting *s)
{
	if (is_word(s->values, "policy")) {
		add_policy(c, t, s->values->next);
		return;
	}
	for (const struct ast_value *v = s->values; v; v = v->next)
		t->displays[t->n_displays++] = marking_of(c, v);
}

static struct clearance *table_new(struct compiler *c, const struct ast_item *item)
{
	struct clearance *t = compile_alloc(c, sizeof(*t));
	unsigned values = 0;

	for (const struct ast_setting *s = item->settings; s; s = s->next)
		for (const struct ast_value *v = s->values; v; v = v->next)
			values++;
	if (!t || !(t->displays = compile_alloc(c, (values + 1) * sizeof(*t->displays))) ||
		!(t->policies = compile_alloc(c, (values + 1) * sizeof(*t->policies))))
		return NULL;
	t->name = compile_strdup(c, item->name);
	for (const struct ast_setting *s = item->settings; s; s = s->next) {
		if (strcmp(s->name, "release") == 0)
			add_release(c, t, s);
		/* The marking that stands for none is a released one: check_clearance.c saw to it.
		 */
		t->unlabelled |= strcmp(s->name, "unlabelled") == 0 && is_word(s->values, "as");
		t->errors |= strcmp(s->name, "errors") == 0 && is_word(s->values, "release");
	}
	return c->error ? NULL : t;
}

/* ---- pairs ---- */

static struct clearance_domain domain_of(struct compiler *c, const struct ast_value *v)
{
	struct clearance_domain d = { { "", 0 }, strncmp(v->text, "*.", 2) == 0 };
	const char *name = NULL;
	int r;

	if ((r = jid_prep_domain(&c->p->arena, span_of(v->text + (d.below ? 2 : 0)), &name)) < 0)
		c->error = c->error ? c->error : r;
	else
		d.name = span_of(name);
	return d;
}

static void draft_add(struct compiler *c, struct drafts *all, const struct clearance *table,
	const struct ast_value *from, const struct ast_value *to)
{
	struct pair_draft *grown;

	if (all->n == PAIRS_MAX_ALL) {
		diag_error(c->diags, from->at, NULL,
			"all clearances together have more than %d pairs of domains",
			PAIRS_MAX_ALL);
		all->n++;
	}
	if (all->n > PAIRS_MAX_ALL)
		return;
	if (all->n == all->cap) {
		all->cap = all->cap ? all->cap * 2 : 16;
		if (!(grown = realloc(all->items, all->cap * sizeof(*grown)))) {
			c->error = -ENOMEM;
			return;
		}
		all->items = grown;
	}
	all->items[all->n++] =
		(struct pair_draft){ { domain_of(c, from), domain_of(c, to), table }, from, to };
}

static void add_pairs(struct compiler *c, struct drafts *all, const struct clearance *table,
	const struct ast_setting *s)
{
	const struct ast_value *to = s->values;

	while (!is_word(to, "to"))
		to = to->next;
	for (const struct ast_value *f = s->values; f != to && !c->error; f = f->next)
		for (const struct ast_value *t = to->next; t && !c->error; t = t->next)
			draft_add(c, all, table, f, t);
}

static void compare_pairs(
	struct compiler *c, const struct pair_draft *a, const struct pair_draft *b)
{
	enum clearance_relation from = clearance_compare(&a->pair.from, &b->pair.from),
				to = clearance_compare(&a->pair.to, &b->pair.to);

	if (from == CLEARANCE_APART || to == CLEARANCE_APART)
		return;
	if (from == CLEARANCE_SAME && to == CLEARANCE_SAME)
		diag_error(c->diags, b->from->at, "one table for each pair of domains",
			"'%s' to '%s' already stands in clearance '%s'", b->from->text, b->to->text,
			a->pair.table->name);
	else if (a->pair.table != b->pair.table && from != CLEARANCE_SAME && to != CLEARANCE_SAME &&
		 from != to)
		diag_error(c->diags, b->from->at, "name the pairs that both hold in one of them",
			"'%s' to '%s' and '%s' to '%s' of clearance '%s' overlap, and neither is "
			"the "
			"narrower",
			b->from->text, b->to->text, a->from->text, a->to->text,
			a->pair.table->name);
}

/* A name before those below one, and the longer before the shorter. */
static size_t pair_width(const struct clearance_pair *p)
{
	enum { NAME_LEN = 4096 };

	return (p->from.below ? 2 * NAME_LEN - p->from.name.len : 0) +
	       (p->to.below ? 2 * NAME_LEN - p->to.name.len : 0);
}

static int pair_order(const void *a, const void *b)
{
	size_t x = pair_width(a), y = pair_width(b);

	return x < y ? -1 : x > y;
}

static void drafts_free(struct drafts *all)
{
	free(all->items);
}

void compile_clearances(struct compiler *c, const struct ast *ast)
{
	cleanup(drafts_free) struct drafts all = { NULL, 0, 0 };
	struct clearance_set *set = &c->p->clearances;

	for (const struct ast_item *i = ast->items; i && !c->error; i = i->next) {
		const struct clearance *table;

		if (i->kind != ITEM_CLEARANCE || !(table = table_new(c, i)))
			continue;
		for (const struct ast_setting *s = i->settings; s && !c->error; s = s->next)
			if (strcmp(s->name, "from") == 0)
				add_pairs(c, &all, table, s);
	}
	if (c->error || all.n == 0 || all.n > PAIRS_MAX_ALL)
		return;
	for (unsigned i = 0; i < all.n && c->diags->errors < DIAG_MAX; i++)
		for (unsigned k = i + 1; k < all.n; k++)
			compare_pairs(c, &all.items[i], &all.items[k]);
	if (!(set->pairs = compile_alloc(c, all.n * sizeof(*set->pairs))))
		return;
	for (unsigned i = 0; i < all.n; i++)
		set->pairs[i] = all.items[i].pair;
	set->n = all.n;
	qsort(set->pairs, set->n, sizeof(*set->pairs), pair_order);
}
