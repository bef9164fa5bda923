/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns for one judgement. The first test that needs a scanner has it run: each value of the
 * field is brought into the scanner's view and passed once over base and delta; what every set and
 * operand found first is kept for the tests that follow. Expressions that may match are confirmed
 * only when a test asks. In come views and databases, out go hits. It knows no rules. */
#include <errno.h>
#include <string.h>

#include "rules/judge.h"

enum {
	VALUES_MAX = 16 /* kept for the next field that gives the same; a text may have thousands of
			   URLs */
};

struct scan_state {
	struct judge *j;
	const struct scanner *s;
	const struct scan_value *value;
	unsigned found;
};

static bool scan_visit(void *arg, const struct pattern_item *item, size_t start, size_t end)
{
	struct scan_state *state = arg;
	struct judge *j = state->j;
	struct hit *hit = &j->hits[state->s->first_group + item->group];
	struct candidate *c;

	if (j->scanned[state->s->index] != SCAN_SOMETHING) {
		memset(&j->hits[state->s->first_group], 0, state->s->n_groups * sizeof(*j->hits));
		j->scanned[state->s->index] = SCAN_SOMETHING;
	}
	if (hit->item || (item->entry && !list_entry_is_live(item->entry, view_wall_ms(&j->view))))
		return true;
	if (!item->re) {
		hit->item = item;
		hit->value = state->value;
		hit->start = start;
		hit->end = end;
		return ++state->found < state->s->n_groups;
	}
	if (!(c = arena_alloc(&j->arena, sizeof(*c)))) {
		j->error = -ENOMEM;
		return false;
	}
	*c = (struct candidate){ NULL, item, state->value };
	if (!hit->last)
		hit->last = &hit->candidates;
	*hit->last = c;
	hit->last = &c->next;
	return true;
}

static struct span value_view(const struct scan_value *value)
{
	return value->folded.source ? (struct span){ value->folded.text, value->folded.len }
				    : value->raw;
}

static int value_fold(struct judge *j, enum pattern_view view, struct scan_value *value)
{
	if (view == PATTERN_RAW)
		return 0;
	return view == PATTERN_FOLDED ? text_fold(&j->arena, value->raw, &value->folded)
				      : text_casefold(&j->arena, value->raw, &value->folded);
}

/* A text that several fields give (the body is often all the text there is) is folded once. */
static int value_find(
	struct judge *j, enum pattern_view view, struct span raw, struct scan_value **out)
{
	struct scan_value *value = j->values;
	int r;

	while (value &&
		(value->view != view || value->raw.ptr != raw.ptr || value->raw.len != raw.len))
		value = value->next;
	*out = value;
	if (value)
		return 0;
	if (!(value = arena_zalloc(&j->arena, sizeof(*value))))
		return -ENOMEM;
	value->view = view;
	value->raw = raw;
	if ((r = value_fold(j, view, value)) < 0)
		return r;
	if (j->n_values++ < VALUES_MAX) {
		value->next = j->values;
		j->values = value;
	}
	*out = value;
	return 0;
}

static int scan_text(struct scan_state *state, struct span raw)
{
	struct judge *j = state->j;
	struct scan_value *value;
	int r;

	if ((r = value_find(j, state->s->view, raw, &value)) < 0)
		return r;
	state->value = value;
	if ((r = pattern_scan(j->scratch, state->s->base, value_view(value), scan_visit, state)) <
		0)
		return r;
	return pattern_scan(j->scratch, state->s->delta, value_view(value), scan_visit, state);
}

static void scanner_run(struct judge *j, const struct scanner *s)
{
	struct scan_state state = { .j = j, .s = s };

	j->scanned[s->index] = SCAN_NOTHING; /* until something is: hits are cleared then */
	if (!s->base && !s->delta)
		return;
	for (unsigned i = 0; !j->error && state.found < s->n_groups; i++) {
		struct field_value value = { 0 };
		int r;

		if (!s->field->get(&j->view, s->param, i, &value))
			break;
		if (value.text.len && (r = scan_text(&state, value.text)) < 0)
			j->error = r;
		if (!s->field->many)
			break;
	}
}

/* What runs into its limits counts as a match: the text is not let through because it is hard to
 * judge. */
static void confirm(struct judge *j, struct hit *hit)
{
	for (struct candidate *c = hit->candidates; c && !hit->item; c = c->next) {
		enum regex_result result = regex_match(
			j->scratch, c->item->re, value_view(c->value), &hit->start, &hit->end);

		if (result == REGEX_NOMEM)
			j->error = -ENOMEM;
		if (result == REGEX_NO || result == REGEX_NOMEM)
			continue;
		hit->item = c->item;
		hit->value = c->value;
		if (result == REGEX_LIMIT) {
			hit->limited = true;
			hit->start = hit->end = 0;
			if (!j->trial)
				metric_add(j->program->regex_limited, 1);
		}
	}
	hit->candidates = NULL;
}

bool judge_scan_any(struct judge *j, const struct scanner *s)
{
	if (j->scanned[s->index] == SCAN_NOT_YET)
		scanner_run(j, s);
	return j->scanned[s->index] == SCAN_SOMETHING && !j->error;
}

bool judge_scan_maybe(const struct judge *j, const struct scanner *s, unsigned group)
{
	const struct hit *hit = &j->hits[s->first_group + group];

	return hit->item || hit->candidates;
}

const struct hit *judge_scan(struct judge *j, const struct scanner *s, unsigned group)
{
	struct hit *hit = &j->hits[s->first_group + group];

	if (!judge_scan_any(j, s))
		return NULL;
	if (hit->candidates)
		confirm(j, hit);
	return hit->item && !j->error ? hit : NULL;
}

/* ---- every match ---- */

struct sweep {
	struct judge *j;
	unsigned group;
	const struct scan_value *value;
	void (*visit)(void *arg, size_t start, size_t end);
	void *arg;
	struct candidate *candidates;
};

/* Bytes of the view as bytes of the text; a letter that folds to several counts whole. */
static void sweep_tell(const struct sweep *sweep, size_t start, size_t end)
{
	const struct folded *f = &sweep->value->folded;

	if (f->source) {
		while (end > start && end < f->len && f->source[end] == f->source[end - 1])
			end++;
		start = f->source[start];
		end = f->source[end];
	}
	if (start < end)
		sweep->visit(sweep->arg, start, end);
}

/* All further places of a literal. */
static void sweep_literal(const struct sweep *sweep, const struct pattern_item *item, size_t from)
{
	struct span view = value_view(sweep->value);
	const char *at;

	while (from < view.len &&
		(at = memmem(view.ptr + from, view.len - from, item->bytes, item->len))) {
		from = (size_t)(at - view.ptr) + 1;
		sweep_tell(sweep, from - 1, from - 1 + item->len);
	}
}

static bool sweep_visit(void *arg, const struct pattern_item *item, size_t start, size_t end)
{
	struct sweep *sweep = arg;
	struct judge *j = sweep->j;
	struct candidate *c;

	if (item->group != sweep->group ||
		(item->entry && !list_entry_is_live(item->entry, view_wall_ms(&j->view))))
		return true;
	if (!item->re) {
		sweep_tell(sweep, start, end);
		/* Parts of words are told once, words each time. */
		if (!item->word)
			sweep_literal(sweep, item, start + 1);
		return !j->error;
	}
	if (!(c = arena_alloc(&j->arena, sizeof(*c)))) {
		j->error = -ENOMEM;
		return false;
	}
	*c = (struct candidate){ sweep->candidates, item, sweep->value };
	sweep->candidates = c;
	return true;
}

static void sweep_regex(const struct sweep *sweep, const struct regex *re)
{
	struct span view = value_view(sweep->value);
	size_t from = 0, start, end;

	while (from <= view.len && !sweep->j->error) {
		switch (regex_match_from(sweep->j->scratch, re, view, from, &start, &end)) {
		case REGEX_NO:
			return;
		case REGEX_NOMEM:
			sweep->j->error = -ENOMEM;
			return;
		case REGEX_LIMIT:
			sweep->visit(sweep->arg, 0, sweep->value->raw.len);
			return;
		case REGEX_YES:
			sweep_tell(sweep, start, end);
			from = end > from ? end : from + 1;
			while (from < view.len && ((unsigned char)view.ptr[from] & 0xc0) == 0x80)
				from++;
		}
	}
}

void judge_scan_each(struct judge *j, const struct scanner *s, unsigned group, struct span text,
	void (*visit)(void *arg, size_t start, size_t end), void *arg)
{
	struct scan_value value = { .raw = text };
	struct sweep sweep = { j, group, &value, visit, arg, NULL };
	int r = 0;

	if (j->error || !text.len || (!s->base && !s->delta))
		return;
	if ((r = value_fold(j, s->view, &value)) < 0 ||
		(r = pattern_scan(j->scratch, s->base, value_view(&value), sweep_visit, &sweep)) <
			0 ||
		(r = pattern_scan(j->scratch, s->delta, value_view(&value), sweep_visit, &sweep)) <
			0)
		j->error = r;
	for (const struct candidate *c = sweep.candidates; c && !j->error; c = c->next)
		sweep_regex(&sweep, c->item->re);
}

struct span hit_text(const struct hit *hit, size_t *start, size_t *end)
{
	const struct scan_value *v = hit->value;

	*start = v->folded.source ? v->folded.source[hit->start] : hit->start;
	*end = v->folded.source ? v->folded.source[hit->end] : hit->end;
	return (struct span){ v->raw.ptr + *start, *end - *start };
}
