/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a rule that held and the verdict: where the stanza has to change. In come the rule's
 * condition and the view, out go pieces of the tree's own text (for "replace") and names of
 * elements that are there (for "strip"), in the verdict. Every match counts here, not only the
 * first; what an expression could not finish is masked whole. The way back leads through the map
 * of a gathered text to the nodes it came from. The stanza itself is not touched: the door does
 * that (rules/amend.c). */
#include "rules/edit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rules/condition.h"
#include "rules/judge.h"
#include "xmpp/carriers.h"

/* ---- which fields ---- */

static const struct {
	const char *field;
	const char *carrier; /* NULL: all text */
	bool url;
} edit_fields[] = {
	{ "body", "body", false },
	{ "subject", "subject", false },
	{ "status", "status", false },
	{ "thread", "thread", false },
	{ "text", NULL, false },
	{ "url", NULL, true },
	{ "url.host", NULL, true },
	{ "url.scheme", NULL, true },
};

static int field_index(const char *field)
{
	for (size_t i = 0; i < sizeof(edit_fields) / sizeof(*edit_fields); i++)
		if (strcmp(edit_fields[i].field, field) == 0)
			return (int)i;
	return -1;
}

bool edit_masks_field(const char *field)
{
	return field_index(field) >= 0;
}

/* ---- from a joined text to the tree ---- */

struct masking {
	struct judge *j;
	const char *with;
	struct span text;
	struct carrier_map map;
};

static void mask_add(struct judge *j, struct span text, const char *with)
{
	struct verdict *v = j->verdict;
	struct verdict_mask *grown;
	size_t n = v->n_masks;

	/* There is room for 16, 32, 64 ... */
	if (n == 0 || (n >= 16 && (n & (n - 1)) == 0)) {
		if (!(grown = arena_alloc(&j->arena, (n ? 2 * n : 16) * sizeof(*grown)))) {
			j->error = -ENOMEM;
			return;
		}
		if (n)
			memcpy(grown, v->masks, n * sizeof(*grown));
		v->masks = grown;
	}
	v->masks[v->n_masks++] = (struct verdict_mask){ text, with };
}

/* The first piece that ends behind byte at. */
static size_t piece_find(const struct carrier_map *map, size_t at)
{
	size_t low = 0, high = map->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (map->pieces[mid].at + map->pieces[mid].text.len > at)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

static void mask_range(void *arg, size_t start, size_t end)
{
	struct masking *m = arg;

	for (size_t i = piece_find(&m->map, start); i < m->map.n && !m->j->error; i++) {
		const struct carrier_piece *p = &m->map.pieces[i];
		size_t from = start > p->at ? start - p->at : 0, to = end - p->at;

		if (p->at >= end)
			break;
		if (to > p->text.len)
			to = p->text.len;
		mask_add(m->j, (struct span){ p->text.ptr + from, to - from }, m->with);
	}
}

/* ---- tests ---- */

static void mask_scan(struct masking *m, const struct node *n)
{
	for (unsigned i = 0; i < n->n_scans && !m->j->error; i++)
		judge_scan_each(m->j, &n->scans[i], m->text, mask_range, m);
}

static void count_range(void *arg, size_t start, size_t end)
{
	(void)start;
	(void)end;
	*(bool *)arg = true;
}

/* Does the test hold for this value alone? */
static bool value_fits(struct judge *j, const struct node *n, const struct field_value *value)
{
	bool found = false;

	if (n->kind != NODE_SCAN)
		return value->text.len && test_value(j, n, value);
	for (unsigned i = 0; i < n->n_scans && !found && !j->error; i++)
		judge_scan_each(j, &n->scans[i], value->text, count_range, &found);
	return found;
}

static void mask_urls(struct masking *m, const struct node *n)
{
	struct subject_view *view = &m->j->view;
	unsigned count;
	struct url **urls = view_urls(view, &count);

	for (unsigned i = 0; i < count && !m->j->error; i++) {
		struct field_value value = { .text = { "", 0 } };

		if (n->field->get(view, n->param, i, &value) && value_fits(m->j, n, &value))
			mask_range(m, urls[i]->start, urls[i]->end);
	}
}

static void mask_text(struct masking *m, const struct node *n)
{
	struct field_value value = { .text = m->text };

	if (n->kind == NODE_SCAN)
		mask_scan(m, n);
	else if (value_fits(m->j, n, &value))
		mask_range(m, 0, m->text.len);
}

static void mask_test(struct judge *j, const struct node *n, const char *with)
{
	struct masking m = { .j = j, .with = with };
	int field = n->field && !n->param ? field_index(n->field->name) : -1, r;
	struct carrier_text text;

	if (field < 0 || n->negate || !j->view.root)
		return;
	r = carriers_map(&j->arena, j->view.s->stanza, edit_fields[field].carrier, &text, &m.map);
	if (r < 0) {
		j->error = r;
		return;
	}
	m.text = (struct span){ text.text, text.len };
	j->silent++;
	if (edit_fields[field].url)
		mask_urls(&m, n);
	else
		mask_text(&m, n);
	j->silent--;
}

void edit_mask(struct judge *j, const struct node *cond, const char *with)
{
	if (!cond || j->error)
		return;
	switch (cond->kind) {
	case NODE_AND:
	case NODE_OR:
		edit_mask(j, cond->left, with);
		edit_mask(j, cond->right, with);
		break;
	case NODE_NOT:
	case NODE_LIMIT:
	case NODE_SIMILAR:
		break;
	default:
		mask_test(j, cond, with);
	}
}

/* ---- strip ---- */

/* "{ns}name", '*' for either; a name without braces is in the stanza's namespace. */
static bool name_fits(const char *name, const struct xml_element *e, const char *content_ns)
{
	const char *close = *name == '{' ? strchr(name, '}') : NULL;
	size_t len;

	if (!close)
		return strcmp(name, e->name) == 0 && strcmp(e->ns, content_ns) == 0;
	len = (size_t)(close - name - 1);
	if (!(len == 1 && name[1] == '*') &&
		(strlen(e->ns) != len || memcmp(e->ns, name + 1, len) != 0))
		return false;
	return strcmp(close + 1, "*") == 0 || strcmp(close + 1, e->name) == 0;
}

static bool name_occurs(const char *name, const struct xml_element *e, const char *content_ns)
{
	for (const struct xml_node *n = e->children; n; n = n->next)
		if (n->element && (name_fits(name, n->element, content_ns) ||
					  name_occurs(name, n->element, content_ns)))
			return true;
	return false;
}

bool verdict_strips(
	const struct verdict *v, const struct xml_element *e, const struct xml_element *root)
{
	for (unsigned i = 0; i < v->n_strips; i++)
		if (name_fits(v->strips[i], e, root->ns))
			return true;
	return false;
}

void edit_strip(struct judge *j, const char *name)
{
	struct verdict *v = j->verdict;
	const struct xml_element *root = j->view.root;

	for (unsigned i = 0; i < v->n_strips; i++)
		if (strcmp(v->strips[i], name) == 0)
			return;
	if (!root || !name_occurs(name, root, root->ns))
		return;
	/* More than a verdict has room for: what was ordered cannot be done, so nothing passes. */
	if (v->n_strips == VERDICT_STRIPS_MAX)
		j->error = ERR_LIMIT;
	else
		v->strips[v->n_strips++] = name;
}
