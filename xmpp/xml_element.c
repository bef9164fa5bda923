/* SPDX-License-Identifier: BSD-2-Clause */
/* A start tag that has been read becomes an element of the tree. Comes in: the event's bytes and
 * where in them the tag's name and attributes stand. Goes out: one block of the arena with the
 * element, its attributes and one copy of the tag's bytes, in which the strings end where they
 * stood (a value is decoded in its place: what it says is never longer than what is written). The
 * names are expanded here, and here it shows whether the tag is spelled as write.c would spell it.
 */
#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/xml_int.h"

/* The copy of a tag's bytes: offsets of the event lead into it. */
struct copy {
	char *text;
	size_t from;
};

static char *copy_at(const struct copy *c, size_t offset)
{
	return c->text + (offset - c->from);
}

/* The value, decoded and ended where it lies. */
static const char *value_take(const struct copy *c, const struct xml_mark *m, size_t *len)
{
	char *value = copy_at(c, m->value);
	size_t n = m->odd ? xml_value_decode(value, value, m->value_len) : m->value_len;

	value[n] = '\0';
	*len = n;
	return value;
}

/* "prefix:local" or "local"; an end is put behind each. */
static const char *name_take(
	const struct copy *c, size_t name, size_t len, size_t colon, struct span *prefix)
{
	char *at = copy_at(c, name);

	at[len] = '\0';
	*prefix = (struct span){ "", 0 };
	if (!colon)
		return at;
	*prefix = (struct span){ at, colon - name };
	*copy_at(c, colon) = '\0';
	return copy_at(c, colon + 1);
}

static enum xml_result declarations_take(
	struct xml *x, const struct copy *c, struct xml_binding *slot)
{
	const struct xml_binding *before = x->bindings;
	const char *standing = x->default_ns;
	bool seen = false;

	for (unsigned i = 0; i < x->n_marks; i++) {
		const struct xml_mark *m = &x->marks[i];
		struct span xmlns;
		size_t len;

		if (!m->is_namespace)
			continue;
		const char *prefix = name_take(c, m->name, m->name_len, m->colon, &xmlns);
		const char *uri = value_take(c, m, &len);
		if (!m->colon && seen)
			return xml_not_well_formed(x);
		seen = seen || !m->colon;
		/* Only the default namespace, only in the first place, only where it changes. */
		if (m->colon || i > 0 || strcmp(uri, standing) == 0)
			x->canonical = false;
		enum xml_result r = xml_declare(x, before, slot++, m->colon ? prefix : NULL, uri);
		if (r != XML_AGAIN)
			return r;
	}
	return XML_AGAIN;
}

static enum xml_result attribute_take(
	struct xml *x, const struct copy *c, const struct xml_mark *m, struct xml_attr *a)
{
	struct span prefix;

	*a = (struct xml_attr){ .ns = "" };
	a->name = name_take(c, m->name, m->name_len, m->colon, &prefix);
	a->prefix = prefix.ptr;
	a->value = value_take(c, m, &a->len);
	if (!m->colon)
		return XML_AGAIN;
	if (!span_is(prefix, "xml"))
		x->canonical = false;
	return xml_resolve(x, prefix, &a->ns);
}

static enum xml_result attributes_take(
	struct xml *x, const struct copy *c, struct xml_element *e, struct xml_attr *slot)
{
	struct xml_attr **last = &e->attrs;

	for (unsigned i = 0; i < x->n_marks; i++) {
		if (x->marks[i].is_namespace)
			continue;
		enum xml_result r = attribute_take(x, c, &x->marks[i], slot);
		if (r != XML_AGAIN)
			return r;
		*last = slot;
		last = &slot++->next;
	}
	return xml_check_twice(x, e, x->n_marks - x->n_namespaces);
}

static enum xml_result name_expand(struct xml *x, const struct copy *c, struct xml_element *e)
{
	struct span prefix;

	e->name = name_take(c, x->tag + 1, x->name_end - (x->tag + 1), x->name_colon, &prefix);
	e->prefix = prefix.ptr;
	e->ns = x->default_ns;
	if (prefix.len) {
		enum xml_result r = xml_resolve(x, prefix, &e->ns);

		if (r != XML_AGAIN)
			return r;
		if (!span_is(prefix, "stream") || x->n_namespaces > 0)
			x->canonical = false;
	} else if (string_equal(e->ns, NS_STREAM)) {
		x->canonical = false;
	}
	return XML_AGAIN;
}

/* Into its parent, and open, unless it is empty. */
static void place_enter(struct xml *x, struct xml_place *p, bool empty)
{
	struct xml_element *e = &p->element, *parent;

	e->depth = 1;
	if (x->open) {
		parent = &x->open->element;
		e->parent = parent;
		e->depth = parent->depth + 1;
		p->node.element = e;
		if (parent->last)
			parent->last->next = &p->node;
		else
			parent->children = &p->node;
		parent->last = &p->node;
	} else {
		x->root = e;
	}
	if (e->depth > x->depth)
		x->depth = e->depth;
	if (empty) {
		x->bindings = p->bindings;
		x->default_ns = p->default_ns;
	} else {
		p->up = x->open;
		x->open = p;
	}
}

enum xml_result xml_element_take(struct xml *x, bool empty)
{
	size_t from = x->tag + 1, len = x->at - from;
	unsigned n_attrs = x->n_marks - x->n_namespaces;
	struct xml_place *p =
		xml_alloc(x, sizeof *p + n_attrs * sizeof(struct xml_attr) +
				     x->n_namespaces * sizeof(struct xml_binding) + len + 1);
	enum xml_result r;

	if (!p)
		return xml_no_memory(x);
	struct xml_attr *attrs = (struct xml_attr *)(p + 1);
	struct xml_binding *bindings = (struct xml_binding *)(attrs + n_attrs);
	struct copy c = { (char *)(bindings + x->n_namespaces), from };

	memcpy(c.text, x->bytes + from, len);
	*p = (struct xml_place){ .bindings = x->bindings,
		.default_ns = x->default_ns,
		.name = from,
		.name_len = x->name_end - from };
	if ((x->n_namespaces > 0 && (r = declarations_take(x, &c, bindings)) != XML_AGAIN) ||
		(r = name_expand(x, &c, &p->element)) != XML_AGAIN ||
		(x->n_marks > 0 && (r = attributes_take(x, &c, &p->element, attrs)) != XML_AGAIN))
		return r;
	place_enter(x, p, empty);
	return XML_AGAIN;
}
