/* SPDX-License-Identifier: BSD-2-Clause */
/* The hand of both doors' apply.c that changes a stanza: between the verdict and the writing of
 * what goes on. In: the judged tree and what the verdict says of it, pieces of its text to be
 * masked and names of elements to be stripped. Out: the same tree, changed; the rest stays as it
 * was. It looks for nothing itself and never decides: what matches was found in judging
 * (rules/edit.c). A text that would grow beyond measure by its masks becomes one mask as a whole.
 */
#include "rules/amend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "xmpp/stanza.h"

enum { EDIT_GROWTH = 64 };
#define EDIT_NS "urn:xmppwall:redirected:0"

bool amend_is_due(const struct verdict *v)
{
	return v->n_masks > 0 || v->n_strips > 0 || v->kind == VERDICT_REDIRECT;
}

/* ---- strip ---- */

static void strip_below(
	struct xml_element *e, const struct verdict *v, const struct xml_element *root)
{
	struct xml_node **at = &e->children, *last = NULL;

	while (*at) {
		struct xml_element *child = (*at)->element;

		if (child && verdict_strips(v, child, root)) {
			*at = (*at)->next;
			continue;
		}
		if (child)
			strip_below(child, v, root);
		last = *at;
		at = &last->next;
	}
	e->last = last;
}

/* ---- replace ---- */

/* Sorted, and none overlaps or touches the next. */
struct masks {
	struct arena *arena;
	struct verdict_mask *items;
	size_t n;
};

static int mask_compare(const void *a, const void *b)
{
	const char *left = ((const struct verdict_mask *)a)->text.ptr;
	const char *right = ((const struct verdict_mask *)b)->text.ptr;

	return left < right ? -1 : left > right;
}

static int masks_init(struct masks *m, const struct stanza *st, const struct verdict *v)
{
	size_t n = 0;

	m->arena = st->arena;
	m->n = 0;
	if (!(m->items = arena_alloc(st->arena, (v->n_masks + 1) * sizeof(*m->items))))
		return -ENOMEM;
	if (v->n_masks)
		memcpy(m->items, v->masks, v->n_masks * sizeof(*m->items));
	qsort(m->items, v->n_masks, sizeof(*m->items), mask_compare);
	for (size_t i = 0; i < v->n_masks; i++) {
		struct span *last = n ? &m->items[n - 1].text : NULL, *text = &m->items[i].text;

		if (last && text->ptr <= last->ptr + last->len) {
			if (text->ptr + text->len > last->ptr + last->len)
				last->len = (size_t)(text->ptr + text->len - last->ptr);
		} else {
			m->items[n++] = m->items[i];
		}
	}
	m->n = n;
	return 0;
}

/* The first mask at or behind that byte. */
static size_t masks_find(const struct masks *m, const char *at)
{
	size_t low = 0, high = m->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (m->items[mid].text.ptr >= at)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* One text with the masks first to last-1 in it. */
static int mask_join(
	const struct masks *m, size_t first, size_t last, const char **text, size_t *len)
{
	const char *at = *text, *end = *text + *len;
	size_t size = *len;
	char *out, *to;

	for (size_t i = first; i < last; i++)
		size += strlen(m->items[i].with);
	if (!(out = to = arena_alloc(m->arena, size + 1)))
		return -ENOMEM;
	for (size_t i = first; i < last; i++) {
		const struct verdict_mask *mask = &m->items[i];
		size_t with = strlen(mask->with);

		memcpy(to, at, (size_t)(mask->text.ptr - at));
		to += mask->text.ptr - at;
		memcpy(to, mask->with, with);
		to += with;
		at = mask->text.ptr + mask->text.len;
	}
	memcpy(to, at, (size_t)(end - at));
	to += end - at;
	*to = '\0';
	if ((size_t)(to - out) > 2 * *len + EDIT_GROWTH)
		return mask_join(
			&(struct masks){ m->arena,
				&(struct verdict_mask){ { *text, *len }, m->items[first].with },
				1 },
			0, 1, text, len);
	*text = out;
	*len = (size_t)(to - out);
	return 0;
}

static int mask_text(const struct masks *m, const char **text, size_t *len)
{
	size_t first = masks_find(m, *text), last = first;

	if (*len == 0)
		return 0;
	while (last < m->n && m->items[last].text.ptr < *text + *len)
		last++;
	return last > first ? mask_join(m, first, last, text, len) : 0;
}

static int mask_below(struct xml_element *e, const struct masks *m)
{
	int r = 0;

	for (struct xml_attr *a = e->attrs; a && r == 0; a = a->next)
		r = mask_text(m, &a->value, &a->len);
	for (struct xml_node *n = e->children; n && r == 0; n = n->next)
		r = n->element ? mask_below(n->element, m) : mask_text(m, &n->text, &n->len);
	return r;
}

/* ---- redirect ---- */

/* The new recipient learns whom it was for from an element that nobody else can have put there. A
 * room's kind of message means nothing to an account. */
static int redirect(const struct stanza *st, const struct verdict *v)
{
	struct xml_element *e = element_new(st->arena, EDIT_NS, "redirected"), *forged;
	const char *to = element_attr(st->root, "to");
	int r;

	while ((forged = element_child(st->root, EDIT_NS, NULL)))
		element_remove(forged);
	if (!e)
		return -ENOMEM;
	if ((to && (r = element_set_attr(st->arena, e, "to", to)) < 0) ||
		(r = element_set_attr(st->arena, e, "rule", v->rule)) < 0 ||
		(r = element_set_attr(st->arena, e, "id", v->id)) < 0 ||
		(r = element_add(st->arena, st->root, e)) < 0)
		return r;
	if (strcmp(stanza_type(st), "groupchat") == 0 &&
		(r = element_set_attr(st->arena, st->root, "type", "normal")) < 0)
		return r;
	return element_set_attr(st->arena, st->root, "to", v->redirect);
}

int amend_stanza(const struct stanza *st, const struct verdict *v)
{
	struct masks masks;
	int r = masks_init(&masks, st, v);

	if (r == 0 && masks.n)
		r = mask_below(st->root, &masks);
	if (r == 0 && v->n_strips)
		strip_below(st->root, v, st->root);
	if (r == 0 && v->kind == VERDICT_REDIRECT)
		r = redirect(st, v);
	return r;
}
