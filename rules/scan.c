/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns for one judgement. The first test that needs a scanner has it run: each value of the
 * field is brought into the scanner's view and passed once over base and delta; what every set and
 * operand found first is kept for the tests that follow. Expressions that may match are confirmed
 * only when a test asks. In come views and databases, out go hits. It knows no rules. */
#include <errno.h>

#include "rules/judge.h"

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

	if (hit->item || (item->entry && !list_entry_is_live(item->entry, j->wall_ms)))
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

static int scan_text(struct scan_state *state, struct span raw)
{
	struct judge *j = state->j;
	struct scan_value *value = arena_zalloc(&j->arena, sizeof(*value));
	int r;

	if (!value)
		return -ENOMEM;
	value->raw = raw;
	if ((r = value_fold(j, state->s->view, value)) < 0)
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

	memset(&j->hits[s->first_group], 0, s->n_groups * sizeof(*j->hits));
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

const struct hit *judge_scan(struct judge *j, const struct scanner *s, unsigned group)
{
	struct hit *hit = &j->hits[s->first_group + group];

	if (!j->scanned[s->index]) {
		j->scanned[s->index] = true;
		scanner_run(j, s);
	}
	if (hit->candidates)
		confirm(j, hit);
	return hit->item && !j->error ? hit : NULL;
}

struct span hit_text(const struct hit *hit, size_t *start, size_t *end)
{
	const struct scan_value *v = hit->value;

	*start = v->folded.source ? v->folded.source[hit->start] : hit->start;
	*end = v->folded.source ? v->folded.source[hit->end] : hit->end;
	return (struct span){ v->raw.ptr + *start, *end - *start };
}
