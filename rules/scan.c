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
	struct scan_run *run;
	const struct scan_value *value;
	unsigned found;
};

/* Was it taken out since, or has it ended? */
static bool item_is_dead(struct judge *j, const struct pattern_item *item)
{
	if (item->packed_in)
		return !list_packed_is_live(item->packed_in, item->at, view_wall_ms(&j->view));
	return item->entry && !list_entry_is_live(item->entry, view_wall_ms(&j->view));
}

static bool scan_visit(void *arg, const struct pattern_item *item, size_t start, size_t end)
{
	struct scan_state *state = arg;
	struct judge *j = state->j;
	struct hit *hit = &state->run->hits[item->group];
	struct candidate *c;

	if (state->run->done != SCAN_SOMETHING) {
		memset(state->run->hits, 0, state->s->n_groups * sizeof(*hit));
		state->run->done = SCAN_SOMETHING;
	}
	if (hit->item || item_is_dead(j, item))
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

/* What another field of the scanner gave is not read again. */
static bool run_share(struct judge *j, const struct scanner *s, struct scan_run *run)
{
	const struct scan_run *other = &j->runs[s->first_run];

	for (unsigned i = 0; i < s->n_fields; i++, other++) {
		if (other == run || other->done == SCAN_NOT_YET || !other->text.len ||
			other->text.ptr != run->text.ptr || other->text.len != run->text.len)
			continue;
		run->done = other->done;
		run->hits = other->hits;
		return true;
	}
	return false;
}

static void scanner_run(
	struct judge *j, const struct scanner *s, unsigned place, struct scan_run *run)
{
	const struct scan_field *f = &s->fields[place];
	struct scan_state state = { .j = j, .s = s, .run = run };

	run->done = SCAN_NOTHING; /* until something is: hits are cleared then */
	run->text = (struct span){ NULL, 0 };
	run->hits = &j->hits[s->first_hit + place * s->n_groups];
	if (!s->base && !s->delta)
		return;
	for (unsigned i = 0; !j->error && state.found < s->n_groups; i++) {
		struct field_value value = { .text = { "", 0 } };
		int r;

		if (!f->field->get(&j->view, f->param, i, &value))
			break;
		if (!f->field->many)
			run->text = value.text;
		if (!f->field->many && run_share(j, s, run))
			break;
		if (value.text.len && (r = scan_text(&state, value.text)) < 0)
			j->error = r;
		if (!f->field->many)
			break;
	}
}

static struct scan_run *run_of(const struct judge *j, const struct scan_ref *ref)
{
	return &j->runs[ref->scanner->first_run + ref->field];
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

bool judge_scan_any(struct judge *j, const struct scan_ref *ref)
{
	struct scan_run *run = run_of(j, ref);

	if (run->done == SCAN_NOT_YET)
		scanner_run(j, ref->scanner, ref->field, run);
	return run->done == SCAN_SOMETHING && !j->error;
}

bool judge_scan_maybe(const struct judge *j, const struct scan_ref *ref)
{
	const struct hit *hit = &run_of(j, ref)->hits[ref->group];

	return hit->item || hit->candidates;
}

const struct hit *judge_scan(struct judge *j, const struct scan_ref *ref)
{
	struct hit *hit;

	if (!judge_scan_any(j, ref))
		return NULL;
	hit = &run_of(j, ref)->hits[ref->group];
	if (hit->candidates)
		confirm(j, hit);
	return hit->item && !j->error ? hit : NULL;
}

const struct folded *judge_fold(struct judge *j, struct span text)
{
	struct scan_value *value;
	int r = value_find(j, PATTERN_FOLDED, text, &value);

	if (r < 0)
		j->error = r;
	return r < 0 ? NULL : &value->folded;
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

	if (item->group != sweep->group || item_is_dead(j, item))
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

void judge_scan_each(struct judge *j, const struct scan_ref *ref, struct span text,
	void (*visit)(void *arg, size_t start, size_t end), void *arg)
{
	const struct scanner *s = ref->scanner;
	struct scan_value value = { .raw = text };
	struct sweep sweep = { j, ref->group, &value, visit, arg, NULL };
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
