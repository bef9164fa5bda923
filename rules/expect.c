/* SPDX-License-Identifier: BSD-2-Clause */
/* Expectations run before a policy may live: each brings its stanzas as text, they pass the same
 * stream machine and the same judge as a peer's, and the last one's verdict is compared. Limits and
 * the memory of who wrote to whom are private to each expectation and time stands still, so that
 * running them neither depends on nor disturbs anything. Out go diagnostics. */
#include "rules/expect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "rules/amend.h"
#include "rules/ibb.h"
#include "rules/login.h"
#include "rules/match.h"
#include "rules/strict.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

enum { TRIAL_ENTRIES_MAX = 1024, CROSSES_SHOWN_MAX = 400 };

struct expectation {
	const struct ast_item *item;
	struct program *program;
	struct diag_list *diags;
	struct arena arena;
	struct subject subject;
	struct trial trial;
	struct judge *judge;
	struct verdict verdict;
	struct subject_login login;
	unsigned judged;
	const struct strict *strict; /* what the service forwards by; NULL: all */
	struct buf crossed;          /* what goes on of the last one; empty: nothing */
};

/* ---- the subject ---- */

static const char *default_service(const struct program *p, enum direction direction)
{
	const char *first = NULL;

	for (unsigned i = 0; i < p->n_chains; i++)
		for (unsigned k = 0; k < p->chains[i].n_hooks; k++) {
			const struct hook *h = &p->chains[i].hooks[k];
			if (!(direction == DIRECTION_IN ? h->in : h->out))
				continue;
			if (strcmp(h->service, "c2s") == 0)
				return "c2s";
			if (!first)
				first = h->service;
		}
	return first ? first : "c2s";
}

static enum service_role service_role(const struct options *options, const char *name)
{
	for (size_t i = 0; i < options->n_services; i++)
		if (strcmp(options->services[i].name, name) == 0)
			return options->services[i].role;
	return service_role_find(name);
}

static const struct strict *service_strict(const struct options *options, const struct subject *s)
{
	for (size_t i = 0; i < options->n_services; i++)
		if (strcmp(options->services[i].name, s->service) == 0)
			return options->services[i].strict[s->direction];
	return NULL;
}

static void subject_init(struct expectation *x, const struct options *options)
{
	const struct ast_expect *e = x->item->expect;
	struct subject *s = &x->subject;
	struct jid jid;

	s->direction =
		e->direction && strcmp(e->direction, "out") == 0 ? DIRECTION_OUT : DIRECTION_IN;
	s->service = e->service ? e->service : default_service(x->program, s->direction);
	s->role = service_role(options, s->service);
	x->strict = service_strict(options, s);
	if (e->peer && address_parse(span_of(e->peer), &s->peer) < 0)
		diag_error(x->diags, x->item->at, NULL, "'%s' is not an address", e->peer);
	if (e->remote && jid_prep_domain(&x->arena, span_of(e->remote), &s->remote_domain) < 0)
		s->remote_domain = e->remote;
	if (e->verified)
		remote_verified_find(e->verified, &s->remote_verified);
	if (e->seen_ms && (uint64_t)x->trial.wall_ms > e->seen_ms)
		s->remote_first_seen_ms = (uint64_t)x->trial.wall_ms - e->seen_ms;
	s->session_jid = e->jid;
	if (!s->session_jid && (s->role == ROLE_C2S || s->role == ROLE_SERVERLESS))
		s->session_jid = s->direction == DIRECTION_IN ? e->from : e->to;
	s->session_authenticated = true;
	if (s->session_jid && jid_parse(&x->arena, span_of(s->session_jid), &jid) == 0) {
		s->session_domain = jid.domain;
		x->login.account = jid_bare(&x->arena, &jid);
	}
	if (strcmp(s->service, "login") == 0) {
		s->session_jid = NULL;
		s->session_authenticated = false;
	}
}

static int trial_init(struct expectation *x)
{
	const struct ast_expect *e = x->item->expect;
	struct program *p = x->program;

	x->trial.now_ns = clock_mono_ns();
	x->trial.wall_ms = clock_wall_ms();
	if (e->moment)
		clock_parse_wall(e->moment, strlen(e->moment), &x->trial.wall_ms);
	x->trial.limits = calloc(p->n_limits + 1, sizeof(struct limit_table *));
	x->trial.similars = calloc(p->n_similars + 1, sizeof(struct similar_table *));
	x->trial.pairs = pair_table_new(TRIAL_ENTRIES_MAX);
	x->trial.ibb = ibb_table_new();
	if (!x->trial.limits || !x->trial.similars || !x->trial.pairs || !x->trial.ibb)
		return -ENOMEM;
	for (unsigned i = 0; i < p->n_limits; i++)
		if (!(x->trial.limits[i] = limit_table_new(
			      TRIAL_ENTRIES_MAX, p->limits[i].distinct.field)))
			return -ENOMEM;
	for (unsigned i = 0; i < p->n_similars; i++)
		if (!(x->trial.similars[i] =
				    similar_table_new(TRIAL_ENTRIES_MAX, p->similars[i].window_ns)))
			return -ENOMEM;
	return 0;
}

static void trial_fini(struct expectation *x)
{
	for (unsigned i = 0; x->trial.limits && i < x->program->n_limits; i++)
		limit_table_unref(x->trial.limits[i]);
	for (unsigned i = 0; x->trial.similars && i < x->program->n_similars; i++)
		similar_table_unref(x->trial.similars[i]);
	free(x->trial.limits);
	free(x->trial.similars);
	pair_table_unref(x->trial.pairs);
	ibb_table_unref(x->trial.ibb);
}

/* ---- the stanzas ---- */

static bool attr_before(const struct xml_attr *a, const struct xml_attr *b)
{
	int order = strcmp(a->ns, b->ns);

	return order < 0 || (order == 0 && strcmp(a->name, b->name) < 0);
}

/* The order of attributes means nothing, and is put in one to compare. */
static void attrs_sort(struct xml_element *e)
{
	struct xml_attr *sorted = NULL, *next;

	for (struct xml_attr *a = e->attrs; a; a = next) {
		struct xml_attr **at = &sorted;

		next = a->next;
		while (*at && attr_before(*at, a))
			at = &(*at)->next;
		a->next = *at;
		*at = a;
	}
	e->attrs = sorted;
	for (struct xml_node *n = e->children; n; n = n->next)
		if (n->element)
			attrs_sort(n->element);
}

/* As the door does it: changed by rules, then made anew. */
static int stanza_cross(struct expectation *x, const struct stanza *stanza)
{
	struct xml_element *root = stanza->root;
	struct verdict *v = &x->verdict;
	struct strict_result result;
	int r = 0;

	buf_clear(&x->crossed);
	if (!x->subject.stanza || (v->kind != VERDICT_ACCEPT && v->kind != VERDICT_REDIRECT) ||
		(!x->strict && !x->item->expect->crosses))
		return 0;
	if (amend_is_due(v))
		r = amend_stanza(stanza, v);
	if (r == 0 && x->strict && (r = strict_write(x->strict, stanza, stanza->arena, &result)) == 0 &&
		!(root = result.root))
		strict_refusal(&result, &x->arena, v);
	if (r < 0 || !root)
		return r;
	attrs_sort(root);
	return write_element(&x->crossed, root, stanza->root->ns);
}

static int stanza_judge(struct expectation *x, const struct stanza *stanza)
{
	const struct ast_expect *e = x->item->expect;
	int r = 0;

	if (e->from)
		r = element_set_attr(stanza->arena, stanza->root, "from", e->from);
	if (r == 0 && e->to)
		r = element_set_attr(stanza->arena, stanza->root, "to", e->to);
	if (r < 0)
		return r;
	/* "service login": each stanza is the server's <failure/>. */
	if (strcmp(x->subject.service, "login") == 0) {
		login_try(&x->login, stanza->root);
		x->subject.login = &x->login;
	} else {
		x->subject.stanza = stanza;
	}
	if ((r = judge_program(x->judge, x->program, &x->subject, &x->trial, &x->verdict)) == 0)
		r = stanza_cross(x, stanza);
	x->subject.stanza = NULL;
	x->subject.session_stanzas = ++x->judged;
	return r;
}

static int stream_begin(const struct expectation *x, struct stream *stream, const char *text)
{
	static const char *const namespaces[] = {
		[ROLE_C2S] = NS_CLIENT, [ROLE_S2S] = NS_SERVER, [ROLE_COMPONENT] = NS_COMPONENT,
		[ROLE_SERVERLESS] = NS_CLIENT
	};
	struct buf header;
	int r;

	buf_init(&header, 0);
	r = buf_putf(&header, "<stream:stream xmlns='%s' xmlns:stream='%s' version='1.0'>",
		namespaces[x->subject.role], NS_STREAM);
	if (r == 0)
		r = stream_push(stream, buf_ptr(&header), buf_len(&header));
	buf_fini(&header);
	return r < 0 ? r : stream_push(stream, text, strlen(text));
}

static int stanzas_run(struct expectation *x, struct stream *stream)
{
	struct stream_event event;
	int r = stream_begin(x, stream, x->item->expect->stanza);

	while (r == 0 && (r = stream_next(stream, &event)) == 0) {
		switch (event.kind) {
		case STREAM_OPEN:
			stream_set_authenticated(stream, true);
			break;
		case STREAM_STANZA:
		case STREAM_ELEMENT:
			r = stanza_judge(x, &event.stanza);
			break;
		case STREAM_SPACE:
			break;
		case STREAM_BAD:
			diag_error(x->diags, x->item->expect->stanza_at, NULL,
				"the stanza of this expectation is not acceptable XML (%s)",
				event.reason);
			return ERR_SYNTAX;
		case STREAM_MORE:
		case STREAM_CLOSE:
			if (x->judged > 0 && !stream_is_partial(stream))
				return 0;
			diag_error(x->diags, x->item->expect->stanza_at, NULL,
				"the stanza of this expectation does not end");
			return ERR_SYNTAX;
		}
	}
	return r;
}

/* ---- the comparison ---- */

static const char *condition_text(const struct verdict *v)
{
	if (v->kind == VERDICT_REJECT)
		return stanza_error_text(v->condition);
	return v->kind == VERDICT_CLOSE ? stream_error_text(v->stream_error) : "";
}

static bool verdict_fits(const struct verdict *v, const struct ast_expect *e)
{
	if (e->verdict && strcmp(verdict_kind_text(v->kind), e->verdict) != 0)
		return false;
	if (e->condition && strcmp(condition_text(v), e->condition) != 0)
		return false;
	return !e->by || strcmp(v->rule, e->by) == 0;
}

static void verdict_compare(struct expectation *x)
{
	const struct ast_expect *e = x->item->expect;
	const struct verdict *v = &x->verdict;
	const char *condition = condition_text(v);
	char got[256];

	if (verdict_fits(v, e))
		return;
	if (*v->rule)
		snprintf(got, sizeof(got), "by %s", v->rule);
	else if (*v->chain)
		snprintf(got, sizeof(got), "(policy of chain %s)", v->chain);
	else
		snprintf(got, sizeof(got), "(no chain hooks %s %s)", x->subject.service,
			x->subject.direction == DIRECTION_IN ? "in" : "out");
	diag_error(x->diags, e->verdict_at, NULL, "expected %s%s%s%s%s, got %s%s%s %s",
		e->verdict ? e->verdict : "", e->condition ? " " : "",
		e->condition ? e->condition : "", e->by ? " by " : "", e->by ? e->by : "",
		verdict_kind_text(v->kind), *condition ? " " : "", condition, got);
}

/* The expected one, spelled as ours. ERR_SYNTAX: it is no stanza. */
static int crosses_write(const struct expectation *x, struct stream *stream, struct buf *out)
{
	struct stream_event event = { .kind = STREAM_MORE };
	int r = stream_begin(x, stream, x->item->expect->crosses);

	if (r == 0 && (r = stream_next(stream, &event)) == 0) {
		stream_set_authenticated(stream, true);
		r = stream_next(stream, &event);
	}
	if (r < 0)
		return r;
	if (event.kind != STREAM_STANZA && event.kind != STREAM_ELEMENT)
		return ERR_SYNTAX;
	attrs_sort(event.stanza.root);
	return write_element(out, event.stanza.root, event.stanza.root->ns);
}

static int crosses_compare(struct expectation *x)
{
	struct stream *stream = stream_new(&xmpp_limits_default);
	struct buf wanted;
	int r;

	buf_init(&wanted, 0);
	r = stream ? crosses_write(x, stream, &wanted) : -ENOMEM;
	if (r == ERR_SYNTAX)
		diag_error(x->diags, x->item->expect->crosses_at, NULL, "this is no acceptable stanza");
	else if (r == 0 && buf_len(&x->crossed) == 0)
		diag_error(x->diags, x->item->expect->crosses_at, NULL, "nothing crosses");
	else if (r == 0 && !span_equal(buf_span(&wanted), buf_span(&x->crossed)))
		diag_error(x->diags, x->item->expect->crosses_at, NULL, "what crosses is %.*s",
			(int)span_cut(buf_span(&x->crossed), CROSSES_SHOWN_MAX), buf_ptr(&x->crossed));
	buf_fini(&wanted);
	stream_free(stream);
	return r == ERR_SYNTAX ? 0 : r;
}

static int expectation_run(struct expectation *x, const struct options *options)
{
	struct stream *stream = stream_new(&xmpp_limits_default);
	int r = stream ? trial_init(x) : -ENOMEM;

	arena_init(&x->arena, 0);
	buf_init(&x->crossed, 0);
	if (r == 0) {
		subject_init(x, options);
		r = stanzas_run(x, stream);
	}
	if (r == 0)
		verdict_compare(x);
	if (r == 0 && x->item->expect->crosses)
		r = crosses_compare(x);
	trial_fini(x);
	buf_fini(&x->crossed);
	stream_free(stream);
	arena_fini(&x->arena);
	return r == ERR_SYNTAX ? 0 : r;
}

int expect_run(struct program *p, const struct ast *ast, const struct options *options,
	struct diag_list *diags, unsigned *n)
{
	struct judge *judge = judge_new();
	unsigned errors = diags->errors;
	int r = judge ? 0 : -ENOMEM;

	*n = 0;
	for (const struct ast_item *i = ast->items; i && r == 0; i = i->next) {
		struct expectation x = { .item = i, .program = p, .diags = diags, .judge = judge };

		if (i->kind != ITEM_EXPECT || !i->expect || !i->expect->stanza)
			continue;
		r = expectation_run(&x, options);
		(*n)++;
	}
	judge_free(judge);
	return r < 0 ? r : diags->errors > errors ? ERR_SYNTAX : 0;
}
