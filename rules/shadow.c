/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind a judgement that counts: the same subject before another policy. In: a policy that is not
 * in force, every stanza, the verdict on it. Out: numbers: how many verdicts would differ, of which
 * kinds, and the first of them. Tables of its own, so that it limits nobody; who wrote to whom is
 * read where the policy in force remembers it. It acts on nothing and logs no content. */
#include "rules/shadow.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rules/ibb.h"
#include "rules/match.h"
#include "rules/policy.h"

enum { SHADOW_ENTRIES_MAX = 65536 /* keys of a limit */, SHADOW_WORDS = 200, SHADOW_JID_MAX = 256 };

struct shadow_kind {
	char before[SHADOW_WORDS], after[SHADOW_WORDS];
	json_int_t count;
};

struct shadow {
	_Atomic unsigned refs;
	_Atomic uint64_t judged, failed;
	struct policy *policy;
	struct trial tables;
	pthread_mutex_t lock; /* over what follows: touched only where verdicts differ */
	struct shadow_kind kinds[SHADOW_KINDS_MAX];
	unsigned n_kinds;
	json_int_t differ, more;
	json_t *examples;
};

static int tables_init(struct shadow *sh)
{
	struct program *p = sh->policy->program;
	struct trial *t = &sh->tables;

	t->still = true;
	t->limits = calloc(p->n_limits + 1, sizeof(struct limit_table *));
	t->similars = calloc(p->n_similars + 1, sizeof(struct similar_table *));
	t->pairs = pair_table_ref(p->pairs);
	t->ibb = ibb_table_new();
	if (!t->limits || !t->similars || !t->ibb)
		return -ENOMEM;
	for (unsigned i = 0; i < p->n_limits; i++) {
		size_t n = p->limits[i].entries;
		if (!(t->limits[i] = limit_table_new(
			      n < SHADOW_ENTRIES_MAX ? n : SHADOW_ENTRIES_MAX,
			      p->limits[i].distinct.field)))
			return -ENOMEM;
	}
	for (unsigned i = 0; i < p->n_similars; i++)
		if (!(t->similars[i] = similar_table_new(
			      SHADOW_ENTRIES_MAX, p->similars[i].window_ns)))
			return -ENOMEM;
	return 0;
}

static void tables_fini(struct shadow *sh)
{
	struct program *p = sh->policy->program;
	struct trial *t = &sh->tables;

	for (unsigned i = 0; t->limits && i < p->n_limits; i++)
		limit_table_unref(t->limits[i]);
	for (unsigned i = 0; t->similars && i < p->n_similars; i++)
		similar_table_unref(t->similars[i]);
	free(t->limits);
	free(t->similars);
	pair_table_unref(t->pairs);
	ibb_table_unref(t->ibb);
}

int shadow_new(struct policy *p, struct shadow **out)
{
	struct shadow *sh = calloc(1, sizeof(*sh));

	if (!sh)
		return -ENOMEM;
	atomic_init(&sh->refs, 1);
	sh->policy = policy_ref(p);
	pthread_mutex_init(&sh->lock, NULL);
	sh->examples = json_array();
	if (tables_init(sh) < 0 || !sh->examples) {
		shadow_unref(sh);
		return -ENOMEM;
	}
	*out = sh;
	return 0;
}

struct shadow *shadow_ref(struct shadow *sh)
{
	atomic_fetch_add(&sh->refs, 1);
	return sh;
}

void shadow_unref(struct shadow *sh)
{
	if (!sh || atomic_fetch_sub(&sh->refs, 1) != 1)
		return;
	tables_fini(sh);
	policy_unref(sh->policy);
	json_decref(sh->examples);
	pthread_mutex_destroy(&sh->lock);
	free(sh);
}

/* ---- differences ---- */

/* What is done to the stanza and its sender; not by which rule. */
static bool verdict_differs(const struct verdict *a, const struct verdict *b)
{
	if (a->kind != b->kind || a->strikes != b->strikes || a->ban_ms != b->ban_ms)
		return true;
	if (a->kind == VERDICT_REJECT && a->condition != b->condition)
		return true;
	if (a->kind == VERDICT_CLOSE && a->stream_error != b->stream_error)
		return true;
	return a->n_strips != b->n_strips || a->n_masks != b->n_masks ||
	       a->tarpit_ms != b->tarpit_ms;
}

static void verdict_words(const struct verdict *v, char *text, size_t size)
{
	const char *condition = v->kind == VERDICT_REJECT  ? stanza_error_text(v->condition)
				: v->kind == VERDICT_CLOSE ? stream_error_text(v->stream_error)
							   : "";

	snprintf(text, size, "%s%s%.40s%s%.60s%s%.60s", verdict_kind_text(v->kind),
		*condition ? " " : "", condition, *v->chain ? " by " : "", v->chain,
		*v->rule ? "/" : "", v->rule);
}

static void kind_count(struct shadow *sh, const char *before, const char *after)
{
	struct shadow_kind *kind;

	for (unsigned i = 0; i < sh->n_kinds; i++) {
		kind = &sh->kinds[i];
		if (strcmp(kind->before, before) == 0 && strcmp(kind->after, after) == 0) {
			kind->count++;
			return;
		}
	}
	if (sh->n_kinds == SHADOW_KINDS_MAX) {
		sh->more++;
		return;
	}
	kind = &sh->kinds[sh->n_kinds++];
	snprintf(kind->before, sizeof(kind->before), "%s", before);
	snprintf(kind->after, sizeof(kind->after), "%s", after);
	kind->count = 1;
}

static json_t *jid_json(const char *text)
{
	json_t *out = json_stringn(text ? text : "", span_cut(span_of(text), SHADOW_JID_MAX));

	return out ? out : json_string("");
}

static void example_add(
	struct shadow *sh, const struct subject *s, const char *before, const char *after)
{
	json_t *example;

	if (json_array_size(sh->examples) >= SHADOW_EXAMPLES_MAX || !s->stanza)
		return;
	example = json_pack("{s:o,s:o,s:s,s:o,s:s,s:s}", "from",
		jid_json(element_attr(s->stanza->root, "from")), "to",
		jid_json(element_attr(s->stanza->root, "to")), "kind",
		stanza_kind_text(s->stanza->kind), "jid", jid_json(s->session_jid), "before",
		before, "after", after);
	json_array_append_new(sh->examples, example);
}

void shadow_judge(
	struct shadow *sh, struct judge *j, const struct subject *s, const struct verdict *live)
{
	struct trial trial = sh->tables;
	char before[SHADOW_WORDS], after[SHADOW_WORDS];
	struct verdict v;

	trial.now_ns = clock_mono_ns();
	trial.wall_ms = clock_wall_ms();
	atomic_fetch_add_explicit(&sh->judged, 1, memory_order_relaxed);
	if (judge_program(j, sh->policy->program, s, &trial, &v) < 0) {
		atomic_fetch_add_explicit(&sh->failed, 1, memory_order_relaxed);
		return;
	}
	if (!verdict_differs(live, &v))
		return;
	verdict_words(live, before, sizeof(before));
	verdict_words(&v, after, sizeof(after));
	pthread_mutex_lock(&sh->lock);
	sh->differ++;
	kind_count(sh, before, after);
	example_add(sh, s, before, after);
	pthread_mutex_unlock(&sh->lock);
}

/* ---- the report ---- */

static int by_count(const void *a, const void *b)
{
	const struct shadow_kind *x = a, *y = b;

	return x->count > y->count ? -1 : x->count < y->count;
}

json_t *shadow_report(struct shadow *sh)
{
	json_t *kinds = json_array(), *report;

	pthread_mutex_lock(&sh->lock);
	qsort(sh->kinds, sh->n_kinds, sizeof(*sh->kinds), by_count);
	for (unsigned i = 0; i < sh->n_kinds; i++)
		json_array_append_new(
			kinds, json_pack("{s:s,s:s,s:I}", "before", sh->kinds[i].before, "after",
				       sh->kinds[i].after, "count", sh->kinds[i].count));
	report = json_pack("{s:I,s:I,s:I,s:o,s:I,s:O}", "judged",
		(json_int_t)atomic_load(&sh->judged), "differ", sh->differ, "failed",
		(json_int_t)atomic_load(&sh->failed), "kinds", kinds, "more", sh->more, "examples",
		sh->examples);
	pthread_mutex_unlock(&sh->lock);
	return report;
}
