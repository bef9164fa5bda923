/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields of security labels: what each label of a stanza says, and what the clearance table of
 * its domains says of all of them. In comes the view, which reads the labels once; out goes the
 * index-th value. It releases nothing by itself: rules do, by asking for label.release. */
#include "rules/field_label.h"

#include "rules/clearance.h"
#include "rules/view.h"

#define UNUSED(x) (void)(x)

FIELD_GETTER(label_display)
{
	UNUSED(param);
	for (const struct label *l = view_labels(v)->first; l; l = l->next)
		if (l->display.len && index-- == 0) {
			out->text = l->display;
			return true;
		}
	return false;
}

/* The index-th part of which has() is true: labels and their equivalents in their order. */
static const struct label_part *part_at(
	struct subject_view *v, unsigned index, bool (*has)(const struct label_part *p))
{
	for (const struct label *l = view_labels(v)->first; l; l = l->next)
		for (const struct label_part *p = l->parts; p; p = p->next)
			if (has(p) && index-- == 0)
				return p;
	return NULL;
}

static bool has_policy(const struct label_part *p)
{
	return p->policy.len > 0;
}

static bool has_class(const struct label_part *p)
{
	return p->has_class;
}

static bool has_bytes(const struct label_part *p)
{
	return p->kind != LABEL_EMPTY;
}

FIELD_GETTER(label_policy)
{
	const struct label_part *p = part_at(v, index, has_policy);

	UNUSED(param);
	if (p)
		out->text = p->policy;
	return p != NULL;
}

FIELD_GETTER(label_class)
{
	const struct label_part *p = part_at(v, index, has_class);

	UNUSED(param);
	if (p)
		out->number = p->class;
	return p != NULL;
}

FIELD_GETTER(label_bytes)
{
	const struct label_part *p = part_at(v, index, has_bytes);
	int r;

	UNUSED(param);
	if (p && (r = label_part_bytes(v->arena, p, &out->text)) < 0) {
		v->error = r;
		return false;
	}
	return p != NULL;
}

FIELD_GETTER(label_release)
{
	UNUSED(param);
	if (index > 0 || !v->root)
		return false;
	out->text = span_of(clearance_text(view_release(v)));
	return true;
}
