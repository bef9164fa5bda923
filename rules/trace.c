/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside a judgement: match.c says which rule it tries, condition.c how each test went; here that
 * becomes JSON, with the values the test looked at. Bounded in every direction, so that a policy of
 * a thousand rules or a stanza of a thousand links makes no line without end. What people wrote is
 * shown only if asked for: otherwise its length. It changes no verdict and counts nothing. */
#include "rules/trace.h"

#include <stdio.h>

#include "rules/judge.h"

void judge_follow(struct judge *j, struct trace *t)
{
	j->trace = t;
}

void trace_reset(struct trace *t)
{
	json_decref(t->steps);
	t->steps = NULL;
	t->step = NULL;
	t->cut = false;
}

/* Cut where a character ends. */
static json_t *text_json(struct span text)
{
	size_t len = span_cut(text, TRACE_TEXT_MAX);
	json_t *out = json_stringn(len ? text.ptr : "", len);

	return out ? out : json_string("");
}

/* The new step, or NULL at the bound. */
static json_t *step_add(struct trace *t, const char *chain)
{
	json_t *step;

	t->step = NULL;
	if (!t->steps)
		t->steps = json_array();
	if (json_array_size(t->steps) >= TRACE_STEPS_MAX) {
		t->cut = true;
		return NULL;
	}
	step = json_pack("{s:s}", "chain", chain);
	if (step && json_array_append_new(t->steps, step) == 0)
		t->step = step;
	return t->step;
}

void trace_rule(struct trace *t, const struct chain *chain, const struct rule *rule)
{
	json_t *step = step_add(t, chain->name);

	if (!step)
		return;
	json_object_set_new(step, "rule", json_string(rule->name));
	if (rule->dry)
		json_object_set_new(step, "dry", json_true());
	json_object_set_new(step, "tests", json_array());
}

void trace_held(struct trace *t, bool held)
{
	if (t->step)
		json_object_set_new(t->step, "held", json_boolean(held));
}

void trace_policy(struct trace *t, const struct chain *chain, const char *verdict)
{
	json_t *step = step_add(t, chain->name);

	if (step)
		json_object_set_new(step, "policy", json_string(verdict));
}

/* ---- values ---- */

static json_t *value_json(const struct field *f, const struct field_value *value)
{
	char number[24];

	if (f->type == FIELD_BOOL)
		return json_string(value->number ? "true" : "false");
	if (f->type != FIELD_NUMBER)
		return text_json(value->text);
	snprintf(number, sizeof(number), "%llu", (unsigned long long)value->number);
	return json_string(number);
}

/* What is there: nothing is computed twice, the view keeps it. */
static void values_add(struct judge *j, json_t *test, const struct field *f, const char *param)
{
	bool hidden = f->type == FIELD_TEXT && !j->trace->content;
	json_t *values = json_array();
	size_t bytes = 0;

	for (unsigned i = 0; !j->view.error; i++) {
		struct field_value value = { .text = { "", 0 } };

		if (!f->get(&j->view, param, i, &value))
			break;
		if (i == TRACE_VALUES_MAX) {
			json_object_set_new(test, "more", json_true());
			break;
		}
		bytes += value.text.len;
		if (!hidden && (value.text.len || f->type == FIELD_NUMBER || f->type == FIELD_BOOL))
			json_array_append_new(values, value_json(f, &value));
		if (!f->many)
			break;
	}
	json_object_set_new(test, "field", json_string(f->name));
	if (f->type == FIELD_TEXT)
		json_object_set_new(test, "bytes", json_integer((json_int_t)bytes));
	json_object_set_new(test, "values", values);
}

/* Who is counted: the first value of each part of the limit's key. */
static void key_add(struct judge *j, json_t *test, const struct limit *limit)
{
	json_t *values = json_array();

	for (unsigned i = 0; i < limit->n_keys && !j->view.error; i++) {
		const struct field *f = limit->keys[i].field;
		struct field_value value = { .text = { "", 0 } };

		if (!f->get(&j->view, limit->keys[i].param, 0, &value))
			continue;
		if (f->type == FIELD_TEXT)
			json_object_set_new(
				test, "bytes", json_integer((json_int_t)value.text.len));
		if (f->type != FIELD_TEXT || j->trace->content)
			json_array_append_new(values, value_json(f, &value));
	}
	json_object_set_new(test, "field", json_string(limit->key));
	json_object_set_new(test, "values", values);
}

/* How many sent and got nearly this text; nobody is counted for a text too short to compare. */
static void similar_add(struct judge *j, json_t *test, unsigned index)
{
	const struct similar_count *count = &j->similars[index].count;

	json_object_set_new(test, "field", json_string("senders, recipients"));
	json_object_set_new(test, "values",
		count->senders ? json_pack("[o,o]", json_sprintf("%u", count->senders),
					 json_sprintf("%u", count->recipients))
			       : json_array());
}

void trace_hide(json_t *steps)
{
	json_t *step, *test;
	size_t i, k;

	json_array_foreach(steps, i, step) json_array_foreach(
		json_object_get(step, "tests"), k, test) if (json_object_get(test, "bytes"))
		json_array_clear(json_object_get(test, "values"));
}

/* The match that the test left behind, if any. */
static void match_add(struct judge *j, json_t *test, unsigned first)
{
	const struct pending_match *m = &j->pending[first];

	if (first >= j->n_pending)
		return;
	json_object_set_new(test, "entry", text_json(span_of(m->entry)));
	if (*m->set)
		json_object_set_new(test, "set", json_string(m->set));
	json_object_set_new(test, "text", text_json(m->text));
}

void trace_test(struct judge *j, const struct node *n, bool held, unsigned first_match)
{
	json_t *tests = j->trace->step ? json_object_get(j->trace->step, "tests") : NULL, *test;

	if (!tests || json_array_size(tests) >= TRACE_TESTS_MAX)
		return;
	test = json_pack("{s:s,s:b}", "test", n->written ? n->written : "", "held", held);
	if (!test || json_array_append_new(tests, test) < 0)
		return;
	if (n->kind == NODE_LIMIT)
		key_add(j, test, &j->program->limits[n->limit]);
	else if (n->kind == NODE_SIMILAR)
		similar_add(j, test, n->limit);
	else if (n->field)
		values_add(j, test, n->field, n->param);
	if (held && !j->silent)
		match_add(j, test, first_match);
}
