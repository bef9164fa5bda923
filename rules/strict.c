/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the verdict and the writing, where a service says "forward strict": the judged tree comes
 * in, another one goes out that was built from the profile's own names with values that were
 * checked one by one. Each element is looked up once, by its name among those that may stand where
 * it stands; what is not found is not walked into. What was left out is noted, the first of it with
 * its path. Nothing of the old tree is moved or shared, and it is never changed. */
#include "rules/strict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rules/strict_int.h"
#include "xmpp/ns.h"

const char *const strict_types[STANZA_STREAM][STRICT_TYPES_MAX + 1] = {
	[STANZA_MESSAGE] = { "normal", "chat", "groupchat", "headline", "error" },
	[STANZA_PRESENCE] = { "available", "unavailable", "subscribe", "subscribed", "unsubscribe",
		"unsubscribed", "probe", "error" },
	[STANZA_IQ] = { "get", "set", "result", "error" },
};

struct strict *strict_ref(struct strict *p)
{
	if (p)
		atomic_fetch_add(&p->refs, 1);
	return p;
}

void strict_unref(struct strict *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	arena_fini(&p->arena);
	free(p);
}

const char *strict_names(const struct strict *p)
{
	return p->names;
}

/* ---- looking up ---- */

static const struct strict_attr *attr_find(
	const struct strict *p, const struct strict_model *m, const struct xml_attr *a)
{
	uint64_t hash = strict_hash(m, a->ns, a->name, true);

	for (uint64_t at = hash & p->mask; p->table[at].attr || p->table[at].place;
		at = (at + 1) & p->mask) {
		const struct strict_entry *e = &p->table[at];

		/* Equal hashes of different models are no mistake: the array says whose it is. */
		if (e->hash == hash && e->attr && e->attr >= m->attrs &&
			e->attr < m->attrs + m->n_attrs && strcmp(e->attr->name, a->name) == 0 &&
			strcmp(e->attr->ns, a->ns) == 0)
			return e->attr;
	}
	return NULL;
}

static const struct strict_place *place_find_in(
	const struct strict *p, const struct strict_model *m, const char *ns, const char *name)
{
	uint64_t hash = strict_hash(m, ns, name, false);

	for (uint64_t at = hash & p->mask; p->table[at].attr || p->table[at].place;
		at = (at + 1) & p->mask) {
		const struct strict_entry *e = &p->table[at];

		if (e->hash == hash && e->place && e->place >= m->places &&
			e->place < m->places + m->n_places && strcmp(e->place->name, name) == 0 &&
			strcmp(e->place->ns, ns) == 0)
			return e->place;
	}
	return NULL;
}

/* An element of no namespace is none of the stanza's. */
static const struct strict_place *place_find(
	const struct writer *w, const struct strict_model *m, const struct xml_element *e)
{
	const struct strict_place *place = NULL;

	if (m->n_places == 0 || !*e->ns)
		return NULL;
	if (string_equal(e->ns, w->from_ns))
		place = place_find_in(w->p, m, "", e->name);
	return place ? place : place_find_in(w->p, m, e->ns, e->name);
}

/* ---- making ---- */

static struct xml_element *made_element(
	struct writer *w, const char *ns, const char *name, unsigned depth)
{
	struct xml_element *e = arena_zalloc(w->arena, sizeof(*e));

	if (!e)
		return NULL;
	e->ns = ns;
	e->prefix = "";
	e->name = name;
	e->depth = depth;
	w->size += strlen(name) + strlen(ns);
	return e;
}

static bool made_attr(
	struct writer *w, struct xml_attr ***tail, const struct strict_attr *as, struct span value)
{
	struct xml_attr *a = arena_alloc(w->arena, sizeof(*a));
	char *copy = arena_strndup(w->arena, value.ptr, value.len);

	if (!a || !copy)
		return false;
	*a = (struct xml_attr){ NULL, as->ns, as->prefix, as->name, copy, value.len };
	w->size += strlen(as->name) + value.len;
	**tail = a;
	*tail = &a->next;
	return true;
}

static bool made_node(struct writer *w, struct xml_element *parent, struct xml_node node)
{
	struct xml_node *n = arena_alloc(w->arena, sizeof(*n));

	if (!n)
		return false;
	*n = node;
	if (parent->last)
		parent->last->next = n;
	else
		parent->children = n;
	parent->last = n;
	return true;
}

static bool made_text(struct writer *w, struct xml_element *parent, struct span text)
{
	char *copy = arena_strndup(w->arena, text.ptr, text.len);

	w->size += text.len;
	return copy && made_node(w, parent, (struct xml_node){ .text = copy, .len = text.len });
}

/* ---- attributes ---- */

/* The one of the stanza's own attributes that chose the model. */
static bool is_type(const struct xml_element *e, const struct xml_attr *a)
{
	return !e->parent && !*a->ns && string_equal(a->name, "type");
}

/* One that came: where it belongs among found, or what becomes of it. */
static enum fate attr_take(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, const struct xml_attr *a, struct span *found)
{
	const struct strict_attr *as = attr_find(w->p, m, a);
	struct span value = { a->value, a->len };
	int r;

	if (!as || found[as->slot].ptr)
		return strict_note_attr(w, STRICT_ATTRIBUTE, e, a, m->unknown_refuse);
	if ((r = strict_value_fits(as->type, &value, false, w->arena)) < 0)
		return FATE_FAILED;
	if (!r)
		return strict_note_attr(w, STRICT_VALUE, e, a, as->refuse);
	found[as->slot] = value;
	return FATE_KEPT;
}

/* In the profile's order. */
static enum fate attrs_write(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, struct xml_attr **tail)
{
	struct span found[STRICT_ATTRS_MAX];
	enum fate fate;

	memset(found, 0, m->n_attrs * sizeof(found[0]));
	for (const struct xml_attr *a = e->attrs; a; a = a->next)
		if (!is_type(e, a) && (fate = attr_take(w, e, m, a, found)) != FATE_KEPT)
			return fate;
	for (unsigned i = 0; i < m->n_attrs; i++) {
		const struct strict_attr *as = &m->attrs[i];

		if (!found[i].ptr && !as->required)
			continue;
		if (!found[i].ptr)
			return strict_broken(w,
				(struct strict_cause){ STRICT_MISSING, e, as->ns, as->name, true },
				as->refuse);
		if (!made_attr(w, &tail, as, found[i]))
			return FATE_FAILED;
	}
	return FATE_KEPT;
}

/* ---- text ---- */

static bool is_blank(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!strchr(" \t\r\n", s.ptr[i]) || !s.ptr[i])
			return false;
	return true;
}

/* Where no text may stand. What is between elements to make them readable is not worth a refusal.
 */
static enum fate text_unwanted(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, const struct xml_node *n)
{
	struct span text = { n->text, n->len };

	if (is_blank(text))
		return strict_note(w, STRICT_SPACE, e, false);
	return strict_note(w, STRICT_TEXT, e, m->unknown_refuse);
}

static enum fate text_broken(
	struct writer *w, const struct xml_element *e, const struct strict_model *m)
{
	return strict_broken(
		w, (struct strict_cause){ STRICT_TEXT, e, "", NULL, false }, m->text_refuse);
}

/* The text of an element without children, as one value. */
static enum fate text_write(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, struct xml_element *made)
{
	const char *text = element_text(e, w->arena);
	struct span value = span_of(text), whole = value;
	int r;

	if (!text)
		return FATE_FAILED;
	if (value.len == 0)
		return m->text_required || m->text->kind != TYPE_TEXT ? text_broken(w, e, m)
								      : FATE_KEPT;
	if ((r = strict_value_fits(m->text, &value, true, w->arena)) < 0)
		return FATE_FAILED;
	if (!r || value.len == 0)
		return text_broken(w, e, m);
	if (value.len != whole.len && strict_note(w, STRICT_SPACE, e, false) == FATE_FAILED)
		return FATE_FAILED;
	return made_text(w, made, value) ? FATE_KEPT : FATE_FAILED;
}

/* ---- elements ---- */

static enum fate element_write(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, struct xml_element *made);

enum { COUNTS_FEW = 8 };

/* How often each place was taken: few different ones stand in most elements, however many might. */
struct counted {
	const struct strict_place *place;
	unsigned n;
};

/* The children of one element on their way. */
struct children {
	const struct strict_model *model;
	struct counted few[COUNTS_FEW];
	unsigned n_few;
	unsigned *counts; /* by place, once there are more; NULL before */
	unsigned made, required, last;
	bool unordered;
	const struct xml_node *text; /* the first run that is not written yet */
	size_t pending, written;     /* bytes of those; of text in all */
};

static unsigned *count_in(struct children *c, const struct strict_place *place)
{
	for (unsigned i = 0; i < c->n_few; i++)
		if (c->few[i].place == place)
			return &c->few[i].n;
	return c->counts ? &c->counts[place->slot] : NULL;
}

/* NULL when out of memory. */
static unsigned *count_of(struct writer *w, struct children *c, const struct strict_place *place)
{
	unsigned *count = count_in(c, place);

	if (count)
		return count;
	if (c->n_few < COUNTS_FEW) {
		c->few[c->n_few] = (struct counted){ place, 0 };
		return &c->few[c->n_few++].n;
	}
	if (!c->counts &&
		!(c->counts = arena_zalloc(w->arena, c->model->n_places * sizeof(*c->counts))))
		return NULL;
	return &c->counts[place->slot];
}

/* Runs between which nothing stands any more are one. until: what stands behind them. */
static bool pending_write(struct writer *w, struct children *c, const struct xml_node *until,
	struct xml_element *into)
{
	char *copy, *to;

	if (c->pending == 0)
		return true;
	if (!(copy = to = arena_alloc(w->arena, c->pending + 1)))
		return false;
	for (const struct xml_node *n = c->text; n != until; n = n->next)
		if (!n->element) {
			memcpy(to, n->text, n->len);
			to += n->len;
		}
	*to = '\0';
	w->size += c->pending;
	c->written += c->pending;
	if (!made_node(w, into, (struct xml_node){ .text = copy, .len = c->pending }))
		return false;
	c->pending = 0;
	c->text = NULL;
	return true;
}

static enum fate child_add(struct writer *w, struct children *c, const struct xml_node *node,
	const struct strict_place *place, unsigned *count, struct xml_element *into)
{
	unsigned elements = w->elements;
	size_t size = w->size;
	struct xml_element *made =
		made_element(w, *place->ns ? place->ns : w->to_ns, place->name, into->depth + 1);
	enum fate fate;

	if (!made)
		return FATE_FAILED;
	if ((fate = element_write(w, node->element, place->model, made)) == FATE_BROKEN) {
		w->elements = elements;
		w->size = size;
		return place->refuse ? strict_refuse_broken(w) : FATE_BROKEN;
	}
	if (fate != FATE_KEPT)
		return fate;
	c->made++;
	c->required += place->required && *count == 0;
	++*count;
	c->unordered = c->unordered || place->slot < c->last;
	c->last = place->slot;
	made->parent = into;
	return pending_write(w, c, node, into) &&
			       made_node(w, into, (struct xml_node){ .element = made })
		       ? FATE_KEPT
		       : FATE_FAILED;
}

static enum fate child_write(
	struct writer *w, struct children *c, const struct xml_node *node, struct xml_element *into)
{
	const struct xml_element *child = node->element;
	const struct strict_place *place = place_find(w, c->model, child);
	unsigned *count;
	enum fate fate;

	if (!place)
		return strict_note(w, STRICT_ELEMENT, child, c->model->unknown_refuse);
	if (into->depth >= w->p->depth)
		return strict_note(w, STRICT_DEPTH, child, place->refuse);
	if (!(count = count_of(w, c, place)))
		return FATE_FAILED;
	if (*count >= place->max)
		return strict_note(w, STRICT_COUNT, child, place->refuse);
	fate = child_add(w, c, node, place, count, into);
	return fate == FATE_BROKEN ? FATE_KEPT : fate;
}

static unsigned slot_of(
	const struct writer *w, const struct strict_model *m, const struct xml_element *made)
{
	const char *ns = made->ns == w->to_ns ? "" : made->ns;
	const struct strict_place *place = place_find_in(w->p, m, ns, made->name);

	return place ? place->slot : 0;
}

/* By the profile's order; those of one place stay as they were. */
static enum fate children_order(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, struct xml_element *made, unsigned n)
{
	struct xml_node **nodes = arena_alloc(w->arena, n * sizeof(struct xml_node *)), **sorted;
	unsigned *starts = arena_zalloc(w->arena, (m->n_places + 1) * sizeof(*starts));
	unsigned i = 0;

	sorted = arena_alloc(w->arena, n * sizeof(struct xml_node *));
	if (!nodes || !starts || !sorted)
		return FATE_FAILED;
	for (struct xml_node *node = made->children; node; node = node->next) {
		nodes[i++] = node;
		starts[slot_of(w, m, node->element) + 1]++;
	}
	for (unsigned k = 0; k < m->n_places; k++)
		starts[k + 1] += starts[k];
	for (i = 0; i < n; i++)
		sorted[starts[slot_of(w, m, nodes[i]->element)]++] = nodes[i];
	made->children = made->last = NULL;
	for (i = 0; i < n; i++) {
		sorted[i]->next = NULL;
		if (made->last)
			made->last->next = sorted[i];
		else
			made->children = sorted[i];
		made->last = sorted[i];
	}
	return strict_note(w, STRICT_ORDER, e, false);
}

static enum fate children_missing(struct writer *w, const struct xml_element *e, struct children *c)
{
	const struct strict_model *m = c->model;
	unsigned i = 0, *count;

	while (i + 1 < m->n_places &&
		(!m->places[i].required || ((count = count_in(c, &m->places[i])) && *count)))
		i++;
	return strict_broken(w,
		(struct strict_cause){
			STRICT_MISSING, e, m->places[i].ns, m->places[i].name, false },
		m->places[i].refuse);
}

static enum fate children_check(
	struct writer *w, const struct xml_element *e, struct children *c, struct xml_element *made)
{
	const struct strict_model *m = c->model;

	if (c->required < m->n_required)
		return children_missing(w, e, c);
	if (c->made < m->low || c->made > m->high)
		return strict_broken(
			w, (struct strict_cause){ STRICT_COUNT, e, "", NULL, false }, false);
	return m->ordered && c->unordered ? children_order(w, e, m, made, c->made) : FATE_KEPT;
}

/* Text where elements may stand, too: plain, in its place, bounded as a whole. */
static enum fate mixed_text(
	struct writer *w, const struct xml_element *e, struct children *c, const struct xml_node *n)
{
	const struct strict_model *m = c->model;

	if (!m->text)
		return text_unwanted(w, e, m, n);
	c->text = c->text ? c->text : n;
	c->pending += n->len;
	return c->written + c->pending > m->text->max ? text_broken(w, e, m) : FATE_KEPT;
}

static enum fate children_write(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, struct xml_element *made)
{
	bool alone = m->text && m->n_places == 0;
	struct children c = { .model = m };
	enum fate fate = FATE_KEPT;

	for (const struct xml_node *n = e->children; n && fate == FATE_KEPT; n = n->next)
		if (n->element)
			fate = child_write(w, &c, n, made);
		else if (!alone)
			fate = mixed_text(w, e, &c, n);
	if (fate != FATE_KEPT)
		return fate;
	if (alone)
		fate = text_write(w, e, m, made);
	else if (!pending_write(w, &c, NULL, made))
		fate = FATE_FAILED;
	else if (m->text_required && c.written == 0)
		fate = text_broken(w, e, m);
	return fate == FATE_KEPT ? children_check(w, e, &c, made) : fate;
}

/* Depth is bounded by the profile's. */
static enum fate element_write(struct writer *w, const struct xml_element *e,
	const struct strict_model *m, struct xml_element *made)
{
	enum fate fate;

	/* The type of a stanza stands first already. */
	if ((fate = attrs_write(w, e, m, made->attrs ? &made->attrs->next : &made->attrs)) !=
			FATE_KEPT ||
		(fate = children_write(w, e, m, made)) != FATE_KEPT)
		return fate;
	if (++w->elements > w->p->elements || w->size > w->p->size)
		return strict_note(w, STRICT_SIZE, e, true);
	return FATE_KEPT;
}

/* ---- the stanza ---- */

static const char *own_namespace(const char *ns)
{
	static const char *const all[] = { NS_CLIENT, NS_SERVER, NS_COMPONENT,
		NS_COMPONENT_CONNECT };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (string_equal(ns, all[i]))
			return all[i];
	return NULL;
}

/* The model of its kind and type; *type is our own word for the attribute, NULL where there is
 * none. */
static const struct strict_model *stanza_model(
	const struct strict *p, const struct stanza *st, const char **type)
{
	const char *given = element_attr(st->root, "type");
	unsigned i = 0;

	*type = NULL;
	if (st->kind >= STANZA_STREAM)
		return NULL;
	/* "available" is the absence of the attribute, and no value of it. */
	if (!given)
		return st->kind == STANZA_IQ ? NULL : p->stanzas[st->kind][0];
	for (; strict_types[st->kind][i]; i++)
		if (strcmp(strict_types[st->kind][i], given) == 0)
			break;
	if (!strict_types[st->kind][i] || (st->kind == STANZA_PRESENCE && i == 0))
		return NULL;
	*type = strict_types[st->kind][i];
	return p->stanzas[st->kind][i];
}

static enum fate stanza_write(struct writer *w, const struct stanza *st)
{
	static const struct strict_type type_any = { .kind = TYPE_TEXT };
	static const struct strict_attr type_attr = { "", "", "type", &type_any, false, false, 0 };
	const char *type = NULL;
	const struct strict_model *model = stanza_model(w->p, st, &type);
	struct xml_element *made;
	struct xml_attr **tail;
	enum fate fate;

	if (!model || !w->to_ns)
		return strict_note(w, STRICT_TYPE, st->root, true);
	if (!(made = made_element(w, w->to_ns, stanza_kind_text(st->kind), 1)))
		return FATE_FAILED;
	tail = &made->attrs;
	if (type && !made_attr(w, &tail, &type_attr, span_of(type)))
		return FATE_FAILED;
	fate = element_write(w, st->root, model, made);
	if (fate == FATE_KEPT)
		w->out->root = made;
	return fate;
}

int strict_write(const struct strict *p, const struct stanza *st, struct arena *arena,
	struct strict_result *out)
{
	struct writer w = {
		.p = p,
		.arena = arena,
		.out = out,
		.from_ns = st->root->ns,
		.to_ns = own_namespace(st->root->ns),
	};
	enum fate fate;

	out->kind = STRICT_SAME;
	out->root = NULL;
	out->n_notes = out->n_more = 0;
	out->why = (struct strict_note){ STRICT_TYPE, "" };
	fate = stanza_write(&w, st);
	/* What is broken at the top cannot go on. */
	if (fate == FATE_BROKEN)
		fate = strict_refuse_broken(&w);
	return fate == FATE_FAILED ? -ENOMEM : 0;
}
