/* SPDX-License-Identifier: BSD-2-Clause */
/* The tree of one first-level element: looking things up in it and, for bounces and edited
 * features, building one. Comes in: a tree xml.c made. Goes out: borrowed strings and nodes. Never
 * owns memory: all of it is the arena's, and goes when the verdict has been applied. */
#include <errno.h>
#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/stanza.h"

const char *element_attr_ns(const struct xml_element *e, const char *ns, const char *name)
{
	for (const struct xml_attr *a = e->attrs; a; a = a->next)
		if (string_equal(a->name, name) && string_equal(a->ns, ns))
			return a->value;
	return NULL;
}

const char *element_attr(const struct xml_element *e, const char *name)
{
	for (const struct xml_attr *a = e->attrs; a; a = a->next)
		if (*a->ns == '\0' && string_equal(a->name, name))
			return a->value;
	return NULL;
}

bool element_is(const struct xml_element *e, const char *ns, const char *name)
{
	return string_equal(e->name, name) && string_equal(e->ns, ns);
}

static struct xml_element *find(const struct xml_node *n, const char *ns, const char *name)
{
	for (; n; n = n->next)
		if (n->element && (!name || string_equal(n->element->name, name)) &&
			(!ns || string_equal(n->element->ns, ns)))
			return n->element;
	return NULL;
}

struct xml_element *element_child(const struct xml_element *e, const char *ns, const char *name)
{
	return find(e->children, ns, name);
}

struct xml_element *element_next(const struct xml_element *child, const char *ns, const char *name)
{
	const struct xml_node *n = child->parent ? child->parent->children : NULL;

	while (n && n->element != child)
		n = n->next;
	return n ? find(n->next, ns, name) : NULL;
}

struct xml_element *element_first(const struct xml_element *e)
{
	return find(e->children, NULL, NULL);
}

const char *element_text(const struct xml_element *e, struct arena *arena)
{
	const struct xml_node *only = NULL;
	size_t len = 0, runs = 0;

	for (const struct xml_node *n = e->children; n; n = n->next)
		if (!n->element) {
			only = n;
			len += n->len;
			runs++;
		}
	if (runs == 0)
		return "";
	if (runs == 1)
		return only->text;

	char *text = arena_alloc(arena, len + 1), *at = text;
	if (!text)
		return NULL;
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (!n->element) {
			memcpy(at, n->text, n->len);
			at += n->len;
		}
	*at = '\0';
	return text;
}

const char *stanza_kind_text(enum stanza_kind kind)
{
	static const char *const names[] = { "message", "presence", "iq", "stream" };

	return names[kind];
}

const char *stanza_type(const struct stanza *s)
{
	const char *type = element_attr(s->root, "type");

	return type ? type : "";
}

struct xml_element *element_new(struct arena *a, const char *ns, const char *name)
{
	struct xml_element *e = arena_zalloc(a, sizeof *e);

	if (!e || !(e->ns = arena_strdup(a, ns)) || !(e->name = arena_strdup(a, name)))
		return NULL;
	e->prefix = "";
	e->depth = 1;
	return e;
}

int element_set_attr(struct arena *a, struct xml_element *e, const char *name, const char *value)
{
	const char *copy = arena_strdup(a, value);
	struct xml_attr **at = &e->attrs;

	if (!copy)
		return -ENOMEM;
	while (*at && !(string_equal((*at)->name, name) && (*at)->ns[0] == '\0'))
		at = &(*at)->next;
	if (!*at) {
		struct xml_attr *fresh = arena_zalloc(a, sizeof *fresh);

		if (!fresh || !(fresh->name = arena_strdup(a, name)))
			return -ENOMEM;
		fresh->ns = fresh->prefix = "";
		*at = fresh;
	}
	(*at)->value = copy;
	(*at)->len = strlen(copy);
	return 0;
}

static int append(struct arena *a, struct xml_element *parent, const struct xml_node *node)
{
	struct xml_node *n = arena_alloc(a, sizeof *n);

	if (!n)
		return -ENOMEM;
	*n = *node;
	if (parent->last)
		parent->last->next = n;
	else
		parent->children = n;
	parent->last = n;
	return 0;
}

int element_add(struct arena *a, struct xml_element *parent, struct xml_element *child)
{
	child->parent = parent;
	child->depth = parent->depth + 1;
	return append(a, parent, &(struct xml_node){ .element = child });
}

int element_add_text(struct arena *a, struct xml_element *parent, const char *text, size_t len)
{
	const char *copy = arena_strndup(a, text, len);

	return copy ? append(a, parent, &(struct xml_node){ .text = copy, .len = len }) : -ENOMEM;
}

void element_remove(struct xml_element *child)
{
	struct xml_element *parent = child->parent;
	struct xml_node **at = &parent->children, *before = NULL;

	while (*at && (*at)->element != child) {
		before = *at;
		at = &(*at)->next;
	}
	if (!*at)
		return;
	*at = (*at)->next;
	if (!*at)
		parent->last = before;
	child->parent = NULL;
}
