/* SPDX-License-Identifier: BSD-2-Clause */
/* The judge. A door hands in a subject; the chains that hook it run by priority, rules in file
 * order, conditions left to right and no further than needed; the first final verdict ends it, a
 * chain's policy where no rule did. Out goes a verdict: data, with the entry and the text that
 * decided. Sets are read under the program's lock. It acts on nothing: apply.c does. */
#include "rules/match.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "rules/judge.h"
#include "rules/policy.h"
#include "rules/condition.h"
#include "rules/reason.h"
#include "rules/edit.h"
#include "rules/guard.h"
#include "rules/verdict.h"

enum { JUDGE_MEMORY_MAX = 64 << 20, MATCH_TEXT_MAX = 128, MATCH_CONTEXT_MAX = 60 };

struct judge *judge_new(void)
{
	struct judge *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	arena_init(&j->arena, JUDGE_MEMORY_MAX);
	if (!(j->scratch = pattern_scratch_new()) || !(j->addresses = jid_cache_new()) ||
		text_fold_init() < 0) {
		judge_free(j);
		return NULL;
	}
	return j;
}

void judge_free(struct judge *j)
{
	if (!j)
		return;
	pattern_scratch_free(j->scratch);
	jid_cache_free(j->addresses);
	arena_fini(&j->arena);
	free(j->hits);
	free(j->runs);
	free(j->limits);
	free(j->similars);
	free(j);
}

static bool grow(void *array, unsigned *cap, unsigned need, size_t size)
{
	void **p = array, *grown;

	if (need <= *cap)
		return true;
	if (!(grown = realloc(*p, need * size)))
		return false;
	*p = grown;
	*cap = need;
	return true;
}

static int judge_fit(struct judge *j, const struct program *p)
{
	if (!grow(&j->hits, &j->cap_hits, p->n_hits, sizeof(*j->hits)) ||
		!grow(&j->runs, &j->cap_runs, p->n_runs, sizeof(*j->runs)) ||
		!grow(&j->limits, &j->cap_limits, p->n_limits, sizeof(*j->limits)) ||
		!grow(&j->similars, &j->cap_similars, p->n_similars, sizeof(*j->similars)))
		return -ENOMEM;
	for (unsigned i = 0; i < p->n_runs; i++)
		j->runs[i].done = SCAN_NOT_YET;
	if (p->n_limits)
		memset(j->limits, 0, p->n_limits * sizeof(*j->limits));
	if (p->n_similars)
		memset(j->similars, 0, p->n_similars * sizeof(*j->similars));
	return 0;
}

/* ---- what a rule that held leaves behind ---- */

/* What stands around a match, at most so many bytes and no half character. */
static void match_add_context(
	struct judge *j, const struct pending_match *from, struct verdict_match *m)
{
	const char *end = from->whole.ptr + from->whole.len,
		   *after = from->text.ptr + from->text.len;
	size_t before = (size_t)(from->text.ptr - from->whole.ptr), len;

	if (from->whole.len == from->text.len)
		return;
	if (before > MATCH_CONTEXT_MAX)
		before = MATCH_CONTEXT_MAX;
	while (before > 0 && (from->text.ptr[-(ptrdiff_t)before] & 0xc0) == 0x80)
		before--;
	len = span_cut((struct span){ after, (size_t)(end - after) }, MATCH_CONTEXT_MAX);
	m->before = arena_strndup(&j->arena, from->text.ptr - before, before);
	m->after = arena_strndup(&j->arena, after, len);
	if (!m->before || !m->after)
		j->error = -ENOMEM;
}

/* Entries may be edited away once the lock is gone, so the verdict gets copies. */
static void verdict_add_matches(struct judge *j, bool context)
{
	struct verdict *v = j->verdict;

	for (unsigned i = 0; i < j->n_pending && v->n_matches < VERDICT_MATCHES_MAX; i++) {
		const struct pending_match *from = &j->pending[i];
		struct verdict_match *m = &v->matches[v->n_matches];

		m->field = from->field;
		m->set = from->set;
		m->entry = arena_strdup(&j->arena, from->entry);
		m->text = arena_strndup(&j->arena, from->text.len ? from->text.ptr : "",
			span_cut(from->text, MATCH_TEXT_MAX));
		m->start = from->start;
		m->end = from->end;
		m->before = m->after = NULL;
		if (context)
			match_add_context(j, from, m);
		if (!m->entry || !m->text)
			j->error = -ENOMEM;
		else
			v->n_matches++;
	}
	j->n_pending = 0;
}

/* The map's mark for what is looked up, NULL: none. The entry may be edited away once the lock is
 * gone. A lookup is no test: it shows no match. */
static const char *mark_find(struct judge *j, const struct node *lookup)
{
	unsigned shown = j->n_pending;
	const char *mark;

	j->found = NULL;
	if (!test_node(j, lookup) || !j->found || !j->found_mark)
		return NULL;
	j->n_pending = shown;
	if (!(mark = arena_strdup(&j->arena, j->found_mark)))
		j->error = -ENOMEM;
	return mark;
}

static void verdict_add_mark(struct verdict *v, const char *mark)
{
	for (unsigned i = 0; mark && i < v->n_marks; i++)
		if (strcmp(v->marks[i], mark) == 0)
			return;
	if (mark && v->n_marks < VERDICT_MARKS_MAX)
		v->marks[v->n_marks++] = mark;
}

static bool action_logs_body(const struct action *a)
{
	return a->kind == ACTION_LOG && a->word && strcmp(a->word, "body") == 0;
}

static void verdict_add_order(struct judge *j, const struct rule *rule, const struct action *a)
{
	struct verdict *v = j->verdict;

	switch (a->kind) {
	case ACTION_LOG:
		v->log = true;
		v->log_body |= action_logs_body(a);
		break;
	case ACTION_COUNT:
		v->count = true;
		break;
	case ACTION_MARK:
		verdict_add_mark(v, a->lookup ? mark_find(j, a->lookup) : a->word);
		break;
	case ACTION_STRIKE:
		v->strikes += (unsigned)a->number;
		break;
	case ACTION_BAN:
		if (a->number > v->ban_ms)
			v->ban_ms = a->number;
		break;
	case ACTION_TARPIT:
		if (a->number > v->tarpit_ms)
			v->tarpit_ms = a->number;
		break;
	case ACTION_REPORT:
		v->report = a->word;
		v->report_text = a->text;
		break;
	case ACTION_STRIP:
		edit_strip(j, a->word);
		break;
	case ACTION_REPLACE:
		edit_mask(j, rule->cond, a->text);
		break;
	default:
		break;
	}
}

/* Only a message on its way in can go elsewhere: what came out of the server has been delivered, an
 * iq wants the answer of whom it was sent to. Errors are nobody's letters, and what the mailbox
 * itself writes or gets stays as it is: no redirection leads back to itself. */
static void verdict_redirect(struct judge *j, struct verdict *v, const struct action *a)
{
	const struct subject *s = j->view.s;

	if (!s->stanza || s->stanza->kind != STANZA_MESSAGE || s->direction != DIRECTION_IN) {
		v->kind = VERDICT_REJECT;
		v->condition = STANZA_ERROR_POLICY_VIOLATION;
	} else if (strcmp(stanza_type(s->stanza), "error") == 0) {
		v->kind = VERDICT_DROP;
	} else if (!span_is(view_address(&j->view, VIEW_TO)->bare, a->word) &&
		   !span_is(view_address(&j->view, VIEW_FROM)->bare, a->word)) {
		v->kind = VERDICT_REDIRECT;
		v->redirect = a->text;
	}
	v->text = NULL;
}

/* Only messages are kept: an iq wants an answer now, and presence of yesterday is none. */
static void verdict_quarantine(struct judge *j, struct verdict *v)
{
	const struct stanza *st = j->view.s->stanza;

	if (st && st->kind == STANZA_MESSAGE) {
		v->kind = strcmp(stanza_type(st), "error") == 0 ? VERDICT_DROP : VERDICT_QUARANTINE;
	} else {
		v->kind = VERDICT_REJECT;
		v->condition = STANZA_ERROR_POLICY_VIOLATION;
	}
}

static void verdict_set(struct judge *j, struct verdict *v, const struct action *a)
{
	v->kind = a->kind == ACTION_DROP     ? VERDICT_DROP
		  : a->kind == ACTION_REJECT ? VERDICT_REJECT
		  : a->kind == ACTION_CLOSE  ? VERDICT_CLOSE
					     : VERDICT_ACCEPT;
	v->condition = a->condition;
	v->stream_error = a->stream_error;
	v->text = a->text;
	if (a->kind == ACTION_REDIRECT)
		verdict_redirect(j, v, a);
	if (a->kind == ACTION_QUARANTINE)
		verdict_quarantine(j, v);
}

/* ---- chains ---- */

enum flow { FLOW_ON, FLOW_FINAL, FLOW_LEAVE, FLOW_GOTO };

static enum flow chain_run(struct judge *j, const struct chain *chain, unsigned depth);

/* Matches of the rule that decides go before those of rules that only gave orders, should there be
 * too many. */
static void rule_show(struct judge *j, const struct rule *rule)
{
	struct verdict *v = j->verdict;
	struct verdict_match earlier[VERDICT_MATCHES_MAX];
	unsigned n = v->n_matches;
	bool final = false, shown = false, body = v->log_body;

	for (unsigned i = 0; i < rule->n_actions; i++) {
		body |= action_logs_body(&rule->actions[i]);
		final |= rule->actions[i].kind < ACTION_JUMP;
		shown |= rule->actions[i].kind > ACTION_RETURN &&
			 rule->actions[i].kind != ACTION_COUNT;
	}
	if (!final && !shown)
		return;
	reason_keep(j, final);
	if (!final) {
		verdict_add_matches(j, body);
		return;
	}
	memcpy(earlier, v->matches, n * sizeof(*earlier));
	v->n_matches = 0;
	verdict_add_matches(j, body);
	for (unsigned i = 0; i < n && v->n_matches < VERDICT_MATCHES_MAX; i++)
		v->matches[v->n_matches++] = earlier[i];
}

static enum flow rule_apply(
	struct judge *j, const struct chain **chain, const struct rule *rule, unsigned depth)
{
	if (!j->trial)
		metric_add(rule->hits, 1);
	rule_show(j, rule);
	for (unsigned i = 0; i < rule->n_actions; i++) {
		const struct action *a = &rule->actions[i];

		switch (a->kind) {
		case ACTION_JUMP:
			return chain_run(j, a->target, depth + 1);
		case ACTION_GOTO:
			*chain = a->target;
			return FLOW_GOTO;
		case ACTION_RETURN:
			return FLOW_LEAVE;
		case ACTION_ACCEPT:
		case ACTION_DROP:
		case ACTION_REJECT:
		case ACTION_CLOSE:
		case ACTION_REDIRECT:
		case ACTION_QUARANTINE:
			verdict_set(j, j->verdict, a);
			j->verdict->rule = rule->name;
			j->verdict->chain = (*chain)->name;
			return FLOW_FINAL;
		default:
			verdict_add_order(j, rule, a);
			if (j->error)
				return FLOW_FINAL;
		}
	}
	return FLOW_ON;
}

/* A dry rule that held: its hit is counted and what it would have done is kept beside the verdict
 * under the same id. Chains it leads to are not asked. */
static void rule_try(struct judge *j, const struct chain *chain, const struct rule *rule)
{
	struct verdict *real = j->verdict, *would;

	if (!j->trial)
		metric_add(rule->hits, 1);
	if (j->n_would == VERDICT_DRY_MAX)
		return;
	if (!(would = arena_zalloc(&j->arena, sizeof(*would)))) {
		j->error = -ENOMEM;
		return;
	}
	would->dry = true;
	would->kind = VERDICT_ACCEPT;
	would->rule = rule->name;
	would->chain = chain->name;
	memcpy(would->id, real->id, sizeof(would->id));
	j->verdict = would;
	verdict_add_matches(j, false);
	for (unsigned i = 0; i < rule->n_actions; i++) {
		if (rule->actions[i].kind < ACTION_JUMP)
			verdict_set(j, would, &rule->actions[i]);
		else if (rule->actions[i].kind > ACTION_RETURN)
			verdict_add_order(j, rule, &rule->actions[i]);
	}
	j->verdict = real;
	*j->last_would = would;
	j->last_would = &would->next;
	j->n_would++;
}

static bool rule_holds(struct judge *j, const struct chain *chain, const struct rule *rule)
{
	bool held;

	if (!j->trace)
		return !rule->rest || test_node(j, rule->rest);
	trace_rule(j->trace, chain, rule);
	held = !rule->cond || test_node(j, rule->cond);
	trace_held(j->trace, held);
	return held;
}

static enum flow chain_run(struct judge *j, const struct chain *chain, unsigned depth)
{
	const struct rule *rule;
	struct guard_walk walk;
	unsigned hops = 0;

	if (depth > PROGRAM_DEPTH_MAX) {
		j->error = ERR_LIMIT; /* check.c refuses loops, so this is our bug: the door fails
					 closed */
		return FLOW_FINAL;
	}
again:
	guard_walk_init(j, chain, &walk);
	while ((rule = guard_walk_next(j, &walk))) {
		enum flow flow;

		j->n_pending = j->n_looked = 0;
		if (!rule_holds(j, chain, rule))
			continue;
		if (j->error)
			return FLOW_FINAL;
		if (rule->dry) {
			rule_try(j, chain, rule);
			continue;
		}
		flow = rule_apply(j, &chain, rule, depth);
		if (flow == FLOW_FINAL || j->error)
			return FLOW_FINAL;
		if (flow == FLOW_LEAVE)
			break;
		if (flow == FLOW_GOTO) {
			if (++hops > PROGRAM_DEPTH_MAX)
				j->error = ERR_LIMIT;
			if (j->error)
				return FLOW_FINAL;
			goto again;
		}
	}
	return j->error ? FLOW_FINAL : FLOW_ON;
}

static bool chain_hooks(const struct chain *chain, const struct subject *s)
{
	const char *role = service_role_text(s->role);
	const char *service = s->service && *s->service ? s->service : role;
	bool login = s->login && s->login->failure;

	for (unsigned i = 0; i < chain->n_hooks; i++) {
		const struct hook *h = &chain->hooks[i];
		if (login != h->login)
			continue;
		if (login || ((s->direction == DIRECTION_IN ? h->in : h->out) &&
				     (h->any || string_equal(h->service, service) ||
					     (h->all && string_equal(h->service, role)))))
			return true;
	}
	return false;
}

static void chains_run(struct judge *j, const struct subject *s)
{
	struct program *p = j->program;

	for (unsigned i = 0; i < p->n_order && !j->error; i++) {
		const struct chain *chain = p->order[i];

		if (!chain_hooks(chain, s))
			continue;
		if (chain_run(j, chain, 0) == FLOW_FINAL)
			return;
		verdict_set(j, j->verdict, &chain->policy);
		j->verdict->chain = chain->name;
		if (j->trace)
			trace_policy(j->trace, chain, verdict_kind_text(j->verdict->kind));
		if (chain->policy.kind != ACTION_ACCEPT)
			return;
	}
}

/* Who wrote to whom: only what got through counts, and errors are no letters. */
static void remember_pair(struct judge *j, const struct subject *s)
{
	unsigned bit;
	uint64_t key;

	if (!j->program->uses_stranger || j->verdict->kind != VERDICT_ACCEPT || !s->stanza ||
		s->stanza->kind != STANZA_MESSAGE || strcmp(stanza_type(s->stanza), "error") == 0)
		return;
	if (view_pair(&j->view, &key, &bit))
		pair_table_add(j->view.pairs, key, bit, j->program->pairs_evicted);
}

int judge_program(struct judge *j, struct program *p, const struct subject *s,
	const struct trial *trial, struct verdict *out)
{
	view_clear(out, offsetof(struct verdict, marks));
	out->kind = VERDICT_ACCEPT;
	out->rule = out->chain = "";
	verdict_next_id(&j->ids, out->id);
	arena_reset(&j->arena);
	pattern_scratch_rest(j->scratch);
	jid_cache_rest(j->addresses);
	j->program = p;
	j->values = NULL;
	j->n_values = 0;
	j->trial = trial;
	j->verdict = out;
	j->mono_ns = trial ? trial->now_ns : 0;
	j->silent = j->n_pending = j->n_would = j->n_told = 0;
	j->last_would = &out->would;
	view_init(&j->view, s, &j->arena, trial ? trial->pairs : p->pairs);
	j->view.cache = j->addresses;
	j->view.wall_ms = trial ? trial->wall_ms : VIEW_NO_CLOCK;
	j->view.verdict = out;
	j->view.ibb = trial ? trial->ibb : p->ibb;
	j->view.ibb_evicted = p->ibb_evicted;
	j->view.zone = &p->zone;
	j->view.countries = p->countries;
	j->view.clearances = &p->clearances;
	if ((j->error = judge_fit(j, p)) < 0)
		return j->error;
	pthread_rwlock_rdlock(&p->lock);
	chains_run(j, s);
	if (!j->error && !(trial && trial->still))
		remember_pair(j, s);
	if (!j->error && !trial)
		reason_tell(j);
	pthread_rwlock_unlock(&p->lock);
	return j->error ? j->error : j->view.error;
}

int judge_stanza(struct judge *j, struct policy *p, const struct subject *s, struct verdict *out)
{
	return judge_program(j, p->program, s, NULL, out);
}
