/* SPDX-License-Identifier: BSD-2-Clause */
/* The checked tree as a program: sets are filled from elements and files, limits go to
 * compile_limit.c, chains and rules become arrays, conditions go to compile_cond.c, and at the end
 * every scanner's patterns are compiled at once. Errors are diagnostics. Names are already resolved
 * and settings known (check.c); it judges nothing. */
#include "rules/compile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "rules/edit.h"
#include "rules/guard.h"
#include "rules/ibb.h"
#include "rules/live.h"
#include "xmpp/jid.h"

void *compile_alloc(struct compiler *c, size_t size)
{
	void *memory = arena_zalloc(&c->p->arena, size);

	if (!memory)
		c->error = -ENOMEM;
	return memory;
}

const char *compile_strdup(struct compiler *c, const char *text)
{
	const char *copy = arena_strdup(&c->p->arena, text);

	if (!copy)
		c->error = -ENOMEM;
	return copy;
}

metric *compile_counter(struct compiler *c, const char *format, const char *a, const char *b)
{
	char name[METRIC_NAME_MAX];

	snprintf(name, sizeof(name), format, a, b);
	return metrics_find(c->metrics, name);
}

const struct ast_setting *compile_setting(const struct ast_item *item, const char *name)
{
	for (const struct ast_setting *s = item->settings; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

const char *compile_setting_text(const struct ast_item *item, const char *name)
{
	const struct ast_setting *s = compile_setting(item, name);

	return s && s->values ? s->values->text : NULL;
}

/* Values of a setting, whether written "a, b" or "{ a, b }". */
const struct ast_value *compile_setting_values(const struct ast_setting *s)
{
	if (!s || !s->values)
		return NULL;
	return s->values->kind == VALUE_LIST ? s->values->items : s->values;
}

bool compile_setting_has(const struct ast_item *item, const char *name, const char *word)
{
	for (const struct ast_value *v = compile_setting_values(compile_setting(item, name)); v;
		v = v->next)
		if (v->text && strcmp(v->text, word) == 0)
			return true;
	return false;
}

/* ---- sets ---- */

struct list *program_find_list(const struct program *p, const char *name)
{
	for (unsigned i = 0; i < p->n_lists; i++)
		if (strcmp(p->lists[i]->name, name) == 0)
			return p->lists[i];
	return NULL;
}

/* ---- chains ---- */

struct chain *compile_find_chain(struct compiler *c, const char *name)
{
	for (unsigned i = 0; i < c->p->n_chains; i++)
		if (strcmp(c->p->chains[i].name, name) == 0)
			return &c->p->chains[i];
	return NULL;
}

static void action_condition(struct compiler *c, struct action *a, struct span word, struct loc at)
{
	if (a->kind == ACTION_REJECT) {
		a->condition = word.len ? stanza_error_find(word) : STANZA_ERROR_POLICY_VIOLATION;
		if (a->condition == STANZA_ERROR_COUNT)
			diag_error(c->diags, at, NULL, "unknown stanza error '%.*s'", (int)word.len,
				word.ptr);
	} else if (a->kind == ACTION_CLOSE) {
		a->stream_error =
			word.len ? stream_error_find(word) : STREAM_ERROR_POLICY_VIOLATION;
		if (a->stream_error == STREAM_ERROR_NONE)
			diag_error(c->diags, at, NULL, "unknown stream error '%.*s'", (int)word.len,
				word.ptr);
	}
}

static void action_redirect(struct compiler *c, struct action *out, const struct ast_action *a)
{
	struct jid jid;
	int r = jid_parse(&c->p->arena, span_of(a->text), &jid);

	if (r == 0 && (!(out->word = jid_bare(&c->p->arena, &jid)) ||
			      !(out->text = jid_full(&c->p->arena, &jid))))
		r = -ENOMEM;
	if (r == ERR_SYNTAX)
		diag_error(c->diags, a->word_at, NULL, "'%s' is not a JID", a->text);
	else if (r < 0)
		c->error = r;
}

static bool action_is_last(enum ast_action_kind kind)
{
	return kind <= ACTION_RETURN;
}

static void compile_action(struct compiler *c, struct action *out, const struct ast_action *a)
{
	out->kind = a->kind;
	out->word = a->word ? compile_strdup(c, a->word) : NULL;
	out->text = a->text ? compile_strdup(c, a->text) : NULL;
	out->number = a->number;
	out->lookup = a->lookup ? compile_cond(c, a->lookup, 0) : NULL;
	if (a->kind == ACTION_REPLACE && !out->text)
		out->text = EDIT_MASK;
	if (a->kind == ACTION_REDIRECT)
		action_redirect(c, out, a);
	if (a->kind == ACTION_REPORT && !out->word)
		out->word = "spam";
	if (a->kind == ACTION_STRIKE && out->number == 0)
		out->number = 1;
	action_condition(c, out, span_of(a->word), a->word_at);
	if (a->kind != ACTION_JUMP && a->kind != ACTION_GOTO)
		return;
	out->target = compile_find_chain(c, a->target ? a->target->name : a->word);
	if (!out->target)
		diag_error(c->diags, a->word_at, NULL, "no such chain '%s'", a->word);
}

/* Orders first, then what ends or diverts the rule, wherever it was written. */
static void compile_actions(struct compiler *c, struct rule *rule, const struct ast_rule *from)
{
	unsigned n = 0;

	for (const struct ast_action *a = from->actions; a; a = a->next)
		n++;
	if (!(rule->actions = compile_alloc(c, (n + 1) * sizeof(*rule->actions))))
		return;
	for (unsigned last = 0; last < 2; last++)
		for (const struct ast_action *a = from->actions; a; a = a->next)
			if (action_is_last(a->kind) == (last == 1))
				compile_action(c, &rule->actions[rule->n_actions++], a);
}

static void compile_hook(struct compiler *c, struct chain *chain, const struct ast_setting *s)
{
	bool in = true, out = true;
	unsigned first = chain->n_hooks;

	for (const struct ast_value *v = compile_setting_values(s); v; v = v->next) {
		const char *word = v->text ? v->text : "";

		if (strcmp(word, "direction") == 0 && v->next && v->next->text) {
			v = v->next;
			in = strcmp(v->text, "out") != 0;
			out = strcmp(v->text, "in") != 0;
			continue;
		}
		chain->hooks[chain->n_hooks].any = strcmp(word, "any") == 0;
		chain->hooks[chain->n_hooks].login = strcmp(word, "login") == 0;
		chain->hooks[chain->n_hooks++].service = compile_strdup(c, word);
	}
	for (unsigned i = first; i < chain->n_hooks; i++) {
		chain->hooks[i].in = in;
		chain->hooks[i].out = out;
	}
}

static void compile_policy(struct compiler *c, struct chain *chain, const struct ast_setting *s)
{
	const struct ast_value *v = s ? s->values : NULL;
	const char *word = v && v->text ? v->text : "accept";
	struct action *a = &chain->policy;

	a->kind = strcmp(word, "drop") == 0         ? ACTION_DROP
		  : strcmp(word, "reject") == 0     ? ACTION_REJECT
		  : strcmp(word, "close") == 0      ? ACTION_CLOSE
		  : strcmp(word, "quarantine") == 0 ? ACTION_QUARANTINE
						    : ACTION_ACCEPT;
	if (a->kind == ACTION_ACCEPT && strcmp(word, "accept") != 0)
		diag_error(c->diags, v->at, NULL, "unknown policy '%s'", word);
	v = v ? v->next : NULL;
	action_condition(c, a, span_of(v && v->kind == VALUE_WORD ? v->text : NULL),
		v ? v->at : chain->item->at);
	if (v && v->kind == VALUE_WORD)
		v = v->next;
	if (v && v->kind == VALUE_STRING)
		a->text = compile_strdup(c, v->text);
}

static void compile_chain(struct compiler *c, struct chain *chain)
{
	unsigned hooks = 0, rules = 0;
	const struct ast_item *item = chain->item;

	for (const struct ast_setting *s = item->settings; s; s = s->next)
		for (const struct ast_value *v = strcmp(s->name, "hook") == 0 ? compile_setting_values(s)
									      : NULL;
			v; v = v->next)
			hooks++;
	for (const struct ast_rule *r = item->rules; r; r = r->next)
		rules++;
	chain->hooks = compile_alloc(c, (hooks + 1) * sizeof(*chain->hooks));
	chain->rules = compile_alloc(c, (rules + 1) * sizeof(*chain->rules));
	if (!chain->hooks || !chain->rules)
		return;
	for (const struct ast_setting *s = item->settings; s; s = s->next)
		if (strcmp(s->name, "hook") == 0)
			compile_hook(c, chain, s);
		else if (strcmp(s->name, "priority") == 0 && s->values)
			chain->priority = (unsigned)s->values->number;
	compile_policy(c, chain, compile_setting(item, "policy"));
	for (const struct ast_rule *r = item->rules; r && !c->error; r = r->next) {
		struct rule *rule = &chain->rules[chain->n_rules++];

		rule->name = compile_strdup(c, r->name);
		rule->dry = r->dry;
		rule->ast = r;
		rule->hits = compile_counter(c, "rule.%s/%s.hits", item->name, r->name);
		rule->cond = r->cond ? compile_cond(c, r->cond, 0) : NULL;
		compile_actions(c, rule, r);
	}
	c->p->n_rules += chain->n_rules;
	if (!c->error)
		guards_compile(c, chain);
}

/* Hooked chains by priority, and as they stand where that is equal. */
static void compile_order(struct compiler *c)
{
	struct program *p = c->p;

	if (!(p->order = compile_alloc(c, (p->n_chains + 1) * sizeof(*p->order))))
		return;
	for (unsigned i = 0; i < p->n_chains; i++) {
		unsigned at = p->n_order;

		if (p->chains[i].n_hooks == 0)
			continue;
		for (; at > 0 && p->order[at - 1]->priority > p->chains[i].priority; at--)
			p->order[at] = p->order[at - 1];
		p->order[at] = &p->chains[i];
		p->n_order++;
	}
}

/* ---- the whole ---- */

static const struct pattern_db *base_of(const struct program *previous, const struct scanner *s)
{
	for (const struct scanner *old = previous ? previous->scanners : NULL; old; old = old->next)
		if (old->view == s->view && scanner_takes(old, &s->fields[0]))
			return old->base;
	return NULL;
}

int compile_scanners(struct compiler *c)
{
	int r = 0;

	for (struct scanner *s = c->p->scanners; s && r == 0; s = s->next) {
		s->first_run = c->p->n_runs;
		s->first_hit = c->p->n_hits;
		c->p->n_runs += s->n_fields;
		c->p->n_hits += s->n_fields * s->n_groups;
		/* Reading the old base is safe: only settling changes it, and that waits here. */
		if (c->previous)
			pthread_mutex_lock(&c->previous->settling);
		r = scanner_build(s, base_of(c->previous, s), c->sources);
		if (c->previous)
			pthread_mutex_unlock(&c->previous->settling);
	}
	return r;
}

static int program_init(struct program *p, const struct ast *ast)
{
	pthread_rwlockattr_t attr;
	unsigned counts[ITEM_INCLUDE + 1] = { 0 };

	arena_init(&p->arena, 0);
	p->lists_stamp = live_stamp();
	for (const struct ast_item *i = ast->items; i; i = i->next)
		counts[i->kind]++;
	p->lists = calloc(counts[ITEM_SET] + 1, sizeof(struct list *));
	p->limits = calloc(counts[ITEM_LIMIT] + 1, sizeof(*p->limits));
	p->similars = calloc(counts[ITEM_SIMILAR] + 1, sizeof(*p->similars));
	p->chains = calloc(counts[ITEM_CHAIN] + 1, sizeof(*p->chains));
	/* Judgements never wait for each other, and an edit does not wait for a pause between them.
	 */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&p->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&p->editing, NULL);
	pthread_mutex_init(&p->settling, NULL);
	return p->lists && p->limits && p->similars && p->chains ? 0 : -ENOMEM;
}

/* The first file that names a zone decides. */
static void compile_zone(struct compiler *c, const struct ast_item *item)
{
	const struct ast_setting *s = compile_setting(item, "timezone");
	int r;

	if (!s || !s->values || strcmp(item->name, "daemon") != 0)
		return;
	r = zone_load(s->values->text, &c->p->zone);
	if (r == ERR_NOTFOUND)
		diag_error(c->diags, s->values->at, "such as \"Europe/Berlin\" or \"UTC\"",
			"unknown timezone '%s'", s->values->text);
	else if (r < 0)
		c->error = r;
}

/* Without the database a policy is as good as before, but for rules that ask for countries. */
static void compile_countries(struct compiler *c, const struct ast_item *item)
{
	const struct ast_setting *s = compile_setting(item, "country-database");
	struct country_db *old = c->previous ? c->previous->countries : NULL;
	const struct source_file *file;
	struct loc at;
	int r;

	if (!s || !s->values || strcmp(item->name, "daemon") != 0)
		return;
	at = s->values->at;
	r = source_find(c->sources, at.file ? at.file->path : NULL, s->values->text, &file);
	if (r < 0) {
		diag_warn(c->diags, at, "peer.country has no value", "cannot read '%s': %s",
			s->values->text, err_text(r));
		return;
	}
	country_unref(c->p->countries);
	c->p->countries = NULL;
	if (old && country_is(old, file->bytes, file->len))
		c->p->countries = country_ref(old);
	else if ((r = country_new(file->bytes, file->len, &c->p->countries)) == ERR_SYNTAX)
		diag_error(c->diags, at, NULL, "'%s' is no database in MaxMind's format",
			s->values->text);
	else if (r < 0)
		c->error = r;
}

/* Where no service is called "s2s", that stands for all of this role. */
static void compile_roles(const struct ast *ast, struct chain *chain)
{
	for (unsigned i = 0; i < chain->n_hooks; i++) {
		struct hook *h = &chain->hooks[i];
		const char *role = service_role_text(service_role_find(h->service));

		h->all = strcmp(role, h->service) == 0;
		for (const struct ast_item *s = ast->items; s && h->all; s = s->next)
			h->all = s->kind != ITEM_SERVICE || strcmp(s->name, h->service) != 0;
	}
}

static void compile_items(struct compiler *c, const struct ast *ast)
{
	for (const struct ast_item *i = ast->items; i && !c->error; i = i->next) {
		if (i->kind == ITEM_SET) {
			compile_set(c, i);
		} else if (i->kind == ITEM_LIMIT) {
			compile_limit_item(c, i);
		} else if (i->kind == ITEM_SIMILAR) {
			compile_similar_item(c, i);
		} else if (i->kind == ITEM_OPTIONS) {
			compile_zone(c, i);
			compile_countries(c, i);
		} else if (i->kind == ITEM_CHAIN) {
			struct chain *chain = &c->p->chains[c->p->n_chains++];
			chain->name = compile_strdup(c, i->name);
			chain->item = i;
			chain->priority = CHAIN_PRIORITY_DEFAULT;
		}
	}
	compile_clearances(c, ast);
	for (unsigned i = 0; i < c->p->n_chains && !c->error; i++)
		compile_chain(c, &c->p->chains[i]);
	for (unsigned i = 0; i < c->p->n_chains && !c->error; i++)
		compile_roles(ast, &c->p->chains[i]);
	if (!c->error)
		compile_order(c);
}

int program_new(const struct ast *ast, struct source_set *sources, struct program *previous,
	struct metrics *metrics, struct diag_list *diags, struct program **out)
{
	struct program *p = calloc(1, sizeof(*p));
	struct compiler c = { p, sources, previous, metrics, diags, 0 };
	unsigned errors = diags->errors;

	if (!p)
		return -ENOMEM;
	c.error = program_init(p, ast);
	p->regex_limited = metrics_find(metrics, "limit.regex-match");
	p->pairs_evicted = metrics_find(metrics, "limit.stranger.evicted");
	if (!c.error)
		compile_items(&c, ast);
	p->pairs = previous ? pair_table_ref(previous->pairs) : pair_table_new(PAIRS_MAX);
	p->ibb = previous ? ibb_table_ref(previous->ibb) : ibb_table_new();
	p->ibb_evicted = metrics_find(metrics, "limit.ibb.evicted");
	if (!c.error && (!p->pairs || !p->ibb))
		c.error = -ENOMEM;
	if (!c.error && diags->errors > errors)
		c.error = ERR_SYNTAX;
	if (!c.error)
		c.error = compile_scanners(&c);
	if (c.error) {
		program_free(p);
		return c.error;
	}
	*out = p;
	return 0;
}

void program_free(struct program *p)
{
	if (!p)
		return;
	for (struct scanner *s = p->scanners; s; s = s->next)
		scanner_fini(s);
	for (unsigned i = 0; i < p->n_lists; i++)
		list_free(p->lists[i]);
	for (unsigned i = 0; i < p->n_limits; i++) {
		limit_table_unref(p->limits[i].table);
		sketch_unref(p->limits[i].sketch);
	}
	for (unsigned i = 0; i < p->n_similars; i++)
		similar_table_unref(p->similars[i].table);
	for (unsigned i = 0; i < p->n_trees; i++)
		prefix_tree_fini(p->trees[i]);
	part_set_fini(&p->parts);
	pair_table_unref(p->pairs);
	ibb_table_unref(p->ibb);
	country_unref(p->countries);
	pthread_rwlock_destroy(&p->lock);
	pthread_mutex_destroy(&p->editing);
	pthread_mutex_destroy(&p->settling);
	free(p->lists);
	free(p->limits);
	free(p->similars);
	free(p->chains);
	free(p->trees);
	arena_fini(&p->arena);
	free(p);
}
