/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree of profiles to what strict.c walks: groups are put in their places, an element's
 * namespace is that of the one it stands in unless it says its own, and each element in each
 * namespace becomes one model, so that what contains itself is a circle and no tower. What
 * statements say against each other is found here: the same element twice in one place, a group
 * that nobody wrote. Out comes one struct strict with its own arena, or diagnostics; the tree may
 * go afterwards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "rules/profile_int.h"
#include "rules/source.h"
#include "xmpp/ns.h"

enum {
	MODELS_MAX = 8192,   /* elements, each once for every namespace it may be of */
	ENTRIES_MAX = 65536, /* attributes and elements in all of them */
	PLACES_MAX = 2048,   /* elements in one */
	SIZE_DEFAULT = 64 << 10,
	DEPTH_DEFAULT = 12,
	ELEMENTS_DEFAULT = 256
};

struct attr_link {
	struct attr_link *next;
	struct strict_attr attr;
	struct loc at;
};

struct place_link {
	struct place_link *next;
	struct strict_place place;
	struct loc at;
};

/* A model being made, with what made it. */
struct making {
	struct making *next; /* to be filled */
	struct strict_model *model;
	unsigned number;
	struct profile_decl *body;
	bool stanza;
	const char *ns; /* of elements that say none: "": the stanza's */
	struct attr_link *attrs, **attrs_tail;
	struct place_link *places, **places_tail;
	const struct profile_decl *text, *unknown, *children;
};

struct compiler {
	const struct profile_tree *tree;
	struct diag_list *diags;
	struct strict *out;
	struct arena arena; /* of what is forgotten afterwards */
	struct map models;  /* declaration and namespace -> struct making * */
	struct making *first, **tail;
	unsigned n_models;
	size_t n_entries;
	bool refuse; /* "unknown" of the files */
	int error;
};

static void *compile_alloc(struct compiler *c, struct arena *arena, size_t size)
{
	void *memory = arena_zalloc(arena, size ? size : 1);

	if (!memory)
		c->error = -ENOMEM;
	return memory;
}

static const char *compile_text(struct compiler *c, const char *text)
{
	const char *copy = *text ? arena_strdup(&c->out->arena, text) : "";

	if (!copy)
		c->error = -ENOMEM;
	return copy ? copy : "";
}

/* "is already named at FILE:LINE"; once a statement, which may be in several models. */
static void say_twice(struct compiler *c, struct profile_decl *d, struct loc at, struct loc other,
	const char *what, const char *name)
{
	char hint[512];

	if (d->told)
		return;
	d->told = true;
	snprintf(hint, sizeof(hint), "it is at %s:%u", other.file ? other.file->path : "",
		other.line);
	diag_error(c->diags, at, hint, "%s '%s' is already there", what, name);
}

/* ---- types ---- */

static const struct span *words_make(
	struct compiler *c, const struct profile_name *names, unsigned *n)
{
	struct span *words;
	unsigned i = 0;

	for (const struct profile_name *w = names; w; w = w->next)
		++*n;
	if (!(words = compile_alloc(c, &c->out->arena, *n * sizeof(*words))))
		return NULL;
	for (; names; names = names->next)
		words[i++] = span_of(compile_text(c, names->text));
	return words;
}

static const struct strict_type *type_make(struct compiler *c, const struct profile_type *from)
{
	struct strict_type *type = compile_alloc(c, &c->out->arena, sizeof(*type));

	if (!type)
		return NULL;
	*type = (struct strict_type){
		.kind = from->kind,
		.bare = from->bare,
		.max = (uint32_t)from->max,
		.low = from->low,
		.high = from->high,
	};
	type->words = words_make(c, from->words, &type->n_words);
	return type;
}

/* ---- models ---- */

static struct making *model_new(struct compiler *c, struct profile_decl *body, const char *ns)
{
	struct making *m = compile_alloc(c, &c->arena, sizeof(*m));
	struct strict_model *model = compile_alloc(c, &c->out->arena, sizeof(*model));

	if (!m || !model)
		return NULL;
	model->high = UINT32_MAX;
	model->unknown_refuse = c->refuse;
	m->model = model;
	m->number = ++c->n_models;
	model->salt = m->number * 0xbf58476d1ce4e5b9u;
	m->body = body;
	m->ns = ns;
	m->attrs_tail = &m->attrs;
	m->places_tail = &m->places;
	*c->tail = m;
	c->tail = &m->next;
	return m;
}

/* That of an element's statement in a namespace, made once. */
static const struct strict_model *model_of(
	struct compiler *c, struct profile_decl *d, const char *ns)
{
	char key[sizeof(d) + PROFILE_NS_MAX];
	size_t len = strnlen(ns, PROFILE_NS_MAX);
	struct making *m;

	memcpy(key, &d, sizeof(d));
	memcpy(key + sizeof(d), ns, len);
	if ((m = map_find(&c->models, key, sizeof(d) + len)))
		return m->model;
	if (!(m = model_new(c, d->body, ns)))
		return NULL;
	if (map_put(&c->models, key, sizeof(d) + len, m, NULL) < 0)
		c->error = -ENOMEM;
	return m->model;
}

/* ---- statements ---- */

/* Small files can ask for much: groups in groups, elements of many namespaces. Says so, once. */
static bool too_many(struct compiler *c, struct loc at, bool here)
{
	if (!here && c->n_models <= MODELS_MAX && ++c->n_entries <= ENTRIES_MAX)
		return false;
	diag_error(c->diags, at, NULL,
		here ? "an element may hold at most %d others"
		     : "the profiles together are too large (%d elements, each in each namespace)",
		here ? PLACES_MAX : MODELS_MAX);
	c->error = ERR_SYNTAX;
	return true;
}

static const char *attr_namespace(const struct profile_decl *d, const char **name)
{
	if (strncmp(*name, "xml:", 4) == 0) {
		*name += 4;
		return NS_XML;
	}
	return d->ns ? d->ns : "";
}

static void add_attribute(struct compiler *c, struct making *m, struct profile_decl *d,
	const struct profile_name *n, const struct strict_type *type)
{
	struct attr_link *link = compile_alloc(c, &c->arena, sizeof(*link));
	const char *name = n->text, *ns = attr_namespace(d, &name);
	char prefix[16] = "";

	if (!link)
		return;
	if (m->stanza && !*ns && strcmp(name, "type") == 0) {
		if (!d->told)
			diag_error(c->diags, n->at, "such as message chat, normal { ... }",
				"the type of a stanza stands behind its name");
		d->told = true;
		return;
	}
	if (strcmp(ns, NS_XML) == 0)
		strcpy(prefix, "xml");
	else if (*ns)
		snprintf(prefix, sizeof(prefix), "a%u", m->model->n_attrs);
	for (const struct attr_link *a = m->attrs; a; a = a->next) {
		if (strcmp(a->attr.ns, ns) == 0 && *ns)
			snprintf(prefix, sizeof(prefix), "%s", a->attr.prefix);
		if (strcmp(a->attr.name, name) == 0 && strcmp(a->attr.ns, ns) == 0) {
			say_twice(c, d, n->at, a->at, "attribute", n->text);
			return;
		}
	}
	if (too_many(c, n->at, false))
		return;
	if (m->model->n_attrs == STRICT_ATTRS_MAX) {
		diag_error(c->diags, n->at, NULL, "an element has at most %d attributes",
			STRICT_ATTRS_MAX);
		return;
	}
	link->at = n->at;
	link->attr = (struct strict_attr){
		.ns = compile_text(c, ns),
		.prefix = compile_text(c, prefix),
		.name = compile_text(c, name),
		.type = type,
		.required = d->required,
		.refuse = d->otherwise == POLICY_REFUSE,
		.slot = m->model->n_attrs++,
	};
	*m->attrs_tail = link;
	m->attrs_tail = &link->next;
}

static void add_element(
	struct compiler *c, struct making *m, struct profile_decl *d, const struct profile_name *n)
{
	const char *ns = d->ns ? d->ns : m->ns;
	struct place_link *link = compile_alloc(c, &c->arena, sizeof(*link));

	for (const struct place_link *p = m->places; p; p = p->next)
		if (strcmp(p->place.name, n->text) == 0 && strcmp(p->place.ns, ns) == 0) {
			say_twice(c, d, n->at, p->at, "element", n->text);
			return;
		}
	if (!link || too_many(c, n->at, m->model->n_places >= PLACES_MAX))
		return;
	link->at = n->at;
	link->place = (struct strict_place){
		.ns = compile_text(c, ns),
		.name = compile_text(c, n->text),
		.model = model_of(c, d, ns),
		.required = d->required,
		.refuse = d->otherwise == POLICY_REFUSE,
		.max = d->max,
		.slot = m->model->n_places++,
	};
	m->model->n_required += d->required;
	*m->places_tail = link;
	m->places_tail = &link->next;
}

/* A statement that may stand once in a place. */
static bool only_one(struct compiler *c, struct profile_decl *d, const struct profile_decl **seen,
	const char *what)
{
	if (*seen && *seen != d) {
		say_twice(c, d, d->at, (*seen)->at, "statement", what);
		return false;
	}
	*seen = d;
	return true;
}

static void fill(struct compiler *c, struct making *m, struct profile_decl *body);

static void use_groups(struct compiler *c, struct making *m, struct profile_decl *d)
{
	for (struct profile_name *n = d->names; n && !c->error; n = n->next) {
		struct profile_item *group = n->group;

		if (!group || group->used == m->number)
			continue; /* twice is once; so is a circle */
		group->used = m->number;
		fill(c, m, group->body);
	}
}

static void fill_one(struct compiler *c, struct making *m, struct profile_decl *d)
{
	const struct strict_type *type = d->type ? type_make(c, d->type) : NULL;

	switch (d->kind) {
	case DECL_ATTRIBUTE:
		for (const struct profile_name *n = d->names; n && type; n = n->next)
			add_attribute(c, m, d, n, type);
		break;
	case DECL_ELEMENT:
		for (const struct profile_name *n = d->names; n && !c->error; n = n->next)
			add_element(c, m, d, n);
		break;
	case DECL_TEXT:
		if (!only_one(c, d, &m->text, "text"))
			break;
		m->model->text = type;
		m->model->text_required = d->required;
		m->model->text_refuse = d->otherwise == POLICY_REFUSE;
		break;
	case DECL_USE:
		use_groups(c, m, d);
		break;
	case DECL_UNKNOWN:
		if (only_one(c, d, &m->unknown, "unknown"))
			m->model->unknown_refuse = d->otherwise == POLICY_REFUSE;
		break;
	case DECL_CHILDREN:
		if (only_one(c, d, &m->children, "children")) {
			m->model->low = d->low;
			m->model->high = d->high;
		}
		break;
	case DECL_ORDERED:
		m->model->ordered = true;
		break;
	}
}

static void fill(struct compiler *c, struct making *m, struct profile_decl *body)
{
	for (struct profile_decl *d = body; d && !c->error; d = d->next)
		fill_one(c, m, d);
}

/* Lists become arrays; what does not go together is said. */
static void model_finish(struct compiler *c, struct making *m)
{
	struct strict_model *model = m->model;
	struct strict_attr *attrs =
		compile_alloc(c, &c->out->arena, model->n_attrs * sizeof(*attrs));
	struct strict_place *places =
		compile_alloc(c, &c->out->arena, model->n_places * sizeof(*places));

	if (!attrs || !places)
		return;
	for (const struct attr_link *a = m->attrs; a; a = a->next)
		attrs[a->attr.slot] = a->attr;
	for (const struct place_link *p = m->places; p; p = p->next)
		places[p->place.slot] = p->place;
	model->attrs = attrs;
	model->places = places;
	if (model->text && model->n_places && (model->text->kind != TYPE_TEXT || model->ordered))
		diag_error(c->diags, m->text->at, "write 'text max N'",
			"beside elements only plain text can stand, and not in an order");
}

/* ---- stanzas ---- */

static bool names_type(const struct profile_item *item, const char *type)
{
	for (const struct profile_name *w = item->words; w; w = w->next)
		if (strcmp(w->text, type) == 0)
			return true;
	return false;
}

/* The next statement about stanzas, inside blocks too. */
static const struct profile_item *stanza_next(
	const struct profile_item **block, const struct profile_item *at)
{
	if (at && (at = at->next))
		return at;
	while (!at && (*block = *block ? (*block)->next : NULL))
		at = (*block)->kind == PROFILE_BLOCK ? (*block)->items : NULL;
	return at;
}

static void stanza_make(struct compiler *c, unsigned kind, unsigned number)
{
	const struct profile_item head = { .next = c->tree->items }, *block, *at;
	const char *type = strict_types[kind][number];
	struct making *m = NULL;

	/* Only a statement that names the type allows it. */
	block = &head;
	for (at = NULL; (at = stanza_next(&block, at)) && !m;)
		if (at->kind == PROFILE_STANZA && (at->kinds >> kind & 1) && names_type(at, type) &&
			!(m = model_new(c, NULL, "")))
			return;
	if (!m)
		return;
	m->stanza = true;
	block = &head;
	for (at = NULL; (at = stanza_next(&block, at));)
		if (at->kind == PROFILE_STANZA && (at->kinds >> kind & 1) &&
			(!at->words || names_type(at, type)))
			fill(c, m, at->body);
	c->out->stanzas[kind][number] = m->model;
	/* RFC 6120 8.2.3: a request has exactly one child, an answer at most one. */
	if (kind != STANZA_IQ || m->children || strcmp(type, "error") == 0)
		return;
	m->model->high = 1;
	m->model->low = strcmp(type, "result") != 0;
}

/* ---- limits ---- */

static void limits_take(struct compiler *c)
{
	uint64_t limits[PROFILE_LIMIT_KINDS] = { SIZE_DEFAULT, DEPTH_DEFAULT, ELEMENTS_DEFAULT };
	const struct profile_item *seen[PROFILE_LIMIT_KINDS] = { NULL }, *unknown = NULL;

	for (const struct profile_item *i = c->tree->items; i; i = i->next) {
		if (i->kind == PROFILE_UNKNOWN && unknown && unknown->policy != i->policy)
			diag_error(c->diags, i->at, NULL, "'unknown' says otherwise at %s:%u",
				unknown->at.file->path, unknown->at.line);
		if (i->kind == PROFILE_UNKNOWN)
			unknown = i;
		for (unsigned k = 0; k < PROFILE_LIMIT_KINDS; k++) {
			if (i->kind != PROFILE_LIMITS || !i->limits[k])
				continue;
			if (seen[k])
				diag_error(c->diags, i->limits_at[k], NULL,
					"'%s' is already set at %s:%u", profile_limit_words[k],
					seen[k]->at.file->path, seen[k]->limits_at[k].line);
			seen[k] = i;
			limits[k] = i->limits[k];
		}
	}
	c->refuse = unknown && unknown->policy == POLICY_REFUSE;
	c->out->size = limits[LIMIT_SIZE];
	c->out->depth = (unsigned)limits[LIMIT_DEPTH];
	c->out->elements = (unsigned)limits[LIMIT_ELEMENTS];
}

/* ---- the table ---- */

static void table_put(struct strict *p, struct strict_entry entry)
{
	uint64_t at = entry.hash & p->mask;

	while (p->table[at].attr || p->table[at].place)
		at = (at + 1) & p->mask;
	p->table[at] = entry;
}

static int table_make(struct compiler *c)
{
	struct strict *p = c->out;
	size_t cap = 16;

	while (cap < c->n_entries * 2)
		cap *= 2;
	p->mask = cap - 1;
	if (!(p->table = arena_zalloc(&p->arena, cap * sizeof(*p->table))))
		return -ENOMEM;
	for (const struct making *m = c->first; m; m = m->next) {
		const struct strict_model *model = m->model;

		for (unsigned i = 0; i < model->n_attrs; i++) {
			const struct strict_attr *a = &model->attrs[i];
			table_put(p, (struct strict_entry){
					     strict_hash(model, a->ns, a->name, true), a, NULL });
		}
		for (unsigned i = 0; i < model->n_places; i++) {
			const struct strict_place *e = &model->places[i];
			table_put(p, (struct strict_entry){
					     strict_hash(model, e->ns, e->name, false), NULL, e });
		}
	}
	return 0;
}

/* ---- the whole ---- */

static void compile_all(struct compiler *c)
{
	if ((c->error = profile_names(c->tree, c->diags, &c->out->arena, &c->out->names)) < 0)
		return;
	limits_take(c);
	for (unsigned kind = 0; kind < STANZA_STREAM && !c->error; kind++)
		for (unsigned n = 0; strict_types[kind][n] && !c->error; n++)
			stanza_make(c, kind, n);
	/* Models that are found meanwhile are filled at the end of the list. */
	for (struct making *m = c->first; m && !c->error; m = m->next) {
		fill(c, m, m->body);
		if (!c->error)
			model_finish(c, m);
	}
}

int profile_compile(const struct profile_tree *tree, struct diag_list *diags, struct strict **out)
{
	struct compiler c = {
		.tree = tree, .diags = diags, .out = calloc(1, sizeof(struct strict))
	};
	unsigned errors = diags->errors;

	if (!c.out)
		return -ENOMEM;
	c.tail = &c.first;
	atomic_init(&c.out->refs, 1);
	arena_init(&c.out->arena, 0);
	arena_init(&c.arena, 0);
	map_init(&c.models);
	compile_all(&c);
	if (!c.error && diags->errors > errors)
		c.error = ERR_SYNTAX;
	if (!c.error)
		c.error = table_make(&c);
	map_fini(&c.models, NULL);
	arena_fini(&c.arena);
	if (c.error)
		strict_unref(c.out);
	else
		*out = c.out;
	return c.error;
}

int profile_load(struct source_set *sources, const struct profile_file *files, size_t n,
	struct diag_list *diags, struct strict **out)
{
	struct profile_tree tree;
	int r = profile_parse(sources, files, n, diags, &tree);

	if (r == 0)
		r = profile_compile(&tree, diags, out);
	profile_free(&tree);
	return r;
}
