/* SPDX-License-Identifier: BSD-2-Clause */
/* Guards of rules: hundreds of rules that begin "from.domain is ..." need one look at the domain,
 * not hundreds. At compile time each rule is put under the kind of stanza it names and under the
 * first test behind that, together with all rules of the chain that ask the same field or scanner
 * first. While judging, a guard is asked when the first of its rules has its turn, never earlier: a
 * rule is passed over only where its condition would have failed right there. So nothing is
 * computed that the rules would not have computed, and counters, limits and the order of rules are
 * as without. It decides no verdict; under a trace nothing is passed over. */
#include "rules/guard.h"

#include <errno.h>
#include <string.h>

#include "rules/compile.h"
#include "rules/condition.h"
#include "rules/judge.h"

enum {
	BITS = 64,
	KIND_NONE = STANZA_STREAM + 1, /* a connection or a login: there is no stanza */
	KINDS,
	KINDS_ALL = (1 << KINDS) - 1
};

/* A rule holds only if this does. */
struct guard_entry {
	const struct node *node;
	unsigned rule;
	struct span word;         /* of WORDS */
	struct guard_entry *next; /* in its bucket */
};

struct guard {
	enum node_kind kind; /* WORDS, NUMBERS (and TRUE) or SCAN */
	const struct node *first;
	uint64_t *rules;
	struct guard_entry *entries;
	unsigned n;
	struct guard_entry **buckets; /* of WORDS, a power of two */
	unsigned mask;
};

struct guards {
	unsigned n_bits;        /* words of a set of rules */
	uint64_t *kinds[KINDS]; /* rules that may hold for such a stanza */
	unsigned *of_rule;      /* guard's place + 1; 0: none */
	struct guard *items;
	unsigned n;
};

static void bit_set(uint64_t *bits, unsigned i)
{
	bits[i / BITS] |= (uint64_t)1 << i % BITS;
}

/* ---- kinds ---- */

static bool is_kind_test(const struct node *n)
{
	return n->kind == NODE_WORDS && !n->negate && strcmp(n->field->name, "kind") == 0;
}

static unsigned kinds_of_test(const struct node *n)
{
	unsigned kinds = 0;

	for (unsigned i = 0; i < n->n; i++)
		for (unsigned kind = STANZA_MESSAGE; kind <= STANZA_STREAM; kind++)
			if (span_is(n->words[i].text, stanza_kind_text((enum stanza_kind)kind)))
				kinds |= 1u << kind;
	return kinds;
}

/* Nothing but kinds is asked here. */
static bool is_kind_only(const struct node *n)
{
	return n->kind == NODE_AND || n->kind == NODE_OR
		       ? is_kind_only(n->left) && is_kind_only(n->right)
		       : is_kind_test(n);
}

/* Kinds of stanza for which asking n asks more than the kind. */
static unsigned kinds_of(const struct node *n)
{
	switch (n->kind) {
	case NODE_AND:
		return kinds_of(n->left) & (is_kind_only(n->left) ? kinds_of(n->right) : KINDS_ALL);
	case NODE_OR:
		return kinds_of(n->left) | kinds_of(n->right);
	default:
		return is_kind_test(n) ? kinds_of_test(n) : KINDS_ALL;
	}
}

/* ---- first tests ---- */

/* The test that is made first once the bare kinds in front are known to hold; NULL if that is all.
 */
static const struct node *first_test(const struct node *n)
{
	const struct node *left;

	if (n->kind == NODE_AND)
		return (left = first_test(n->left)) ? left : first_test(n->right);
	return n->quiet && is_kind_test(n) ? NULL : n;
}

static enum node_kind guard_kind(const struct node *n)
{
	return n->kind == NODE_TRUE ? NODE_NUMBERS : n->kind;
}

static bool can_guard(const struct node *n)
{
	if (n->negate)
		return false;
	switch (n->kind) {
	case NODE_WORDS:
	case NODE_NUMBERS:
	case NODE_TRUE:
		return true;
	case NODE_SCAN:
		return n->n_scans == 1;
	default:
		return false;
	}
}

static bool same_guard(const struct node *a, const struct node *b)
{
	if (guard_kind(a) != guard_kind(b))
		return false;
	if (a->kind == NODE_SCAN)
		return a->scans[0].scanner == b->scans[0].scanner &&
		       a->scans[0].field == b->scans[0].field;
	return a->field == b->field &&
	       (a->param == b->param || (a->param && b->param && strcmp(a->param, b->param) == 0));
}

/* The test that decides first, or one of several that ask the same thing; NULL if there is none. */
static const struct node *guard_test(const struct node *n)
{
	const struct node *left, *right;

	n = first_test(n);
	if (!n || n->kind != NODE_OR)
		return n && can_guard(n) ? n : NULL;
	left = guard_test(n->left);
	right = guard_test(n->right);
	return left && right && same_guard(left, right) ? left : NULL;
}

static unsigned entries_count(const struct node *n)
{
	n = first_test(n);
	if (n->kind == NODE_OR)
		return entries_count(n->left) + entries_count(n->right);
	return n->kind == NODE_WORDS ? n->n : 1;
}

static void entries_add(struct guard *g, const struct node *n, unsigned rule)
{
	n = first_test(n);
	if (n->kind == NODE_OR) {
		entries_add(g, n->left, rule);
		entries_add(g, n->right, rule);
		return;
	}
	if (n->kind != NODE_WORDS) {
		g->entries[g->n++] = (struct guard_entry){ .node = n, .rule = rule };
		return;
	}
	for (unsigned i = 0; i < n->n; i++)
		g->entries[g->n++] =
			(struct guard_entry){ .node = n, .rule = rule, .word = n->words[i].text };
}

/* ---- compiling ---- */

static uint64_t *bits_new(struct compiler *c, const struct guards *gs)
{
	return compile_alloc(c, gs->n_bits * sizeof(uint64_t));
}

static void guard_hash(struct compiler *c, struct guard *g)
{
	unsigned size = 8;

	while (size < g->n)
		size *= 2;
	g->mask = size - 1;
	if (!(g->buckets = compile_alloc(c, size * sizeof(struct guard_entry *))))
		return;
	for (unsigned i = 0; i < g->n; i++) {
		struct guard_entry *e = &g->entries[i], **bucket;

		bucket = &g->buckets[span_mix(e->word) & g->mask];
		e->next = *bucket;
		*bucket = e;
	}
}

static void guard_fill(
	struct compiler *c, const struct chain *chain, const struct guards *gs, unsigned at)
{
	struct guard *g = &gs->items[at];
	unsigned n = 0;

	for (unsigned i = 0; i < chain->n_rules; i++)
		if (gs->of_rule[i] == at + 1)
			n += entries_count(chain->rules[i].cond);
	g->entries = compile_alloc(c, n * sizeof(*g->entries));
	g->rules = bits_new(c, gs);
	if (!g->entries || !g->rules)
		return;
	for (unsigned i = 0; i < chain->n_rules; i++)
		if (gs->of_rule[i] == at + 1) {
			bit_set(g->rules, i);
			entries_add(g, chain->rules[i].cond, i);
		}
	if (g->kind == NODE_WORDS)
		guard_hash(c, g);
}

static unsigned guard_place(struct guards *gs, const struct node *test)
{
	unsigned i;

	for (i = 0; i < gs->n; i++)
		if (same_guard(gs->items[i].first, test))
			return i + 1;
	gs->items[gs->n++] = (struct guard){ .kind = guard_kind(test), .first = test };
	return gs->n;
}

static void rules_place(const struct chain *chain, struct guards *gs)
{
	for (unsigned i = 0; i < chain->n_rules; i++) {
		const struct node *cond = chain->rules[i].cond, *test;
		unsigned kinds = cond ? kinds_of(cond) : KINDS_ALL;

		for (unsigned kind = 0; kind < KINDS; kind++)
			if (kinds >> kind & 1)
				bit_set(gs->kinds[kind], i);
		if (cond && (test = guard_test(cond)))
			gs->of_rule[i] = guard_place(gs, test);
	}
}

/* Kinds that no explanation shows. */
static bool is_quiet(const struct node *n)
{
	return n->kind == NODE_AND || n->kind == NODE_OR ? is_quiet(n->left) && is_quiet(n->right)
							 : n->quiet;
}

/* What is left to test of a rule that is open for the kind of the stanza; NULL: nothing. */
static struct node *cond_rest(struct node *n)
{
	while (n && n->kind == NODE_AND && is_kind_only(n->left) && is_quiet(n->left))
		n = n->right;
	return n && is_kind_only(n) && is_quiet(n) ? NULL : n;
}

void guards_compile(struct compiler *c, struct chain *chain)
{
	struct guards *gs = compile_alloc(c, sizeof(*gs));
	unsigned n = chain->n_rules;

	if (!gs || c->error)
		return;
	gs->n_bits = n / BITS + 1;
	gs->of_rule = compile_alloc(c, (n + 1) * sizeof(*gs->of_rule));
	gs->items = compile_alloc(c, (n + 1) * sizeof(*gs->items));
	for (unsigned kind = 0; kind < KINDS; kind++)
		gs->kinds[kind] = bits_new(c, gs);
	if (c->error)
		return;
	rules_place(chain, gs);
	for (unsigned i = 0; i < n; i++)
		chain->rules[i].rest = cond_rest(chain->rules[i].cond);
	for (unsigned i = 0; i < gs->n && !c->error; i++)
		guard_fill(c, chain, gs, i);
	chain->guards = gs;
}

/* ---- judging ---- */

static void words_ask(const struct guard *g, struct span text, uint64_t *open)
{
	struct guard_entry *e = g->buckets[span_mix(text) & g->mask];

	for (; e; e = e->next)
		if (span_equal(e->word, text))
			bit_set(open, e->rule);
}

/* A JID written without a resource stands for all of them. */
static void jid_ask(const struct guard *g, struct span text, uint64_t *open)
{
	const char *slash = memchr(text.ptr, '/', text.len);

	words_ask(g, text, open);
	if (slash)
		words_ask(g, (struct span){ text.ptr, (size_t)(slash - text.ptr) }, open);
}

static bool number_asks(const struct node *n, uint64_t number)
{
	if (n->kind == NODE_TRUE)
		return number != 0;
	for (unsigned i = 0; i < n->n; i++)
		if (number_holds(n->op, number, n->numbers[i]))
			return true;
	return false;
}

static void value_ask(const struct guard *g, const struct field_value *value, uint64_t *open)
{
	if (g->kind == NODE_NUMBERS) {
		for (unsigned i = 0; i < g->n; i++)
			if (number_asks(g->entries[i].node, value->number))
				bit_set(open, g->entries[i].rule);
	} else if (value->text.len) {
		if (g->first->field->type == FIELD_JID)
			jid_ask(g, value->text, open);
		else
			words_ask(g, value->text, open);
	}
}

static void values_ask(struct judge *j, const struct guard *g, uint64_t *open)
{
	const struct node *n = g->first;

	for (unsigned i = 0; !j->error; i++) {
		struct field_value value = { .text = { "", 0 } };

		if (!n->field->get(&j->view, n->param, i, &value))
			break;
		value_ask(g, &value, open);
		if (!n->field->many)
			break;
	}
}

static void scan_ask(struct judge *j, const struct guard *g, uint64_t *open)
{
	if (!judge_scan_any(j, &g->first->scans[0]))
		return;
	for (unsigned i = 0; i < g->n; i++)
		if (judge_scan_maybe(j, &g->entries[i].node->scans[0]))
			bit_set(open, g->entries[i].rule);
}

static void guard_ask(struct judge *j, struct guard_walk *w, unsigned at)
{
	const struct guards *gs = w->chain->guards;
	const struct guard *g = &gs->items[at];

	w->asked[at] = true;
	for (unsigned i = 0; i < gs->n_bits; i++)
		w->open[i] &= ~g->rules[i];
	if (g->kind == NODE_SCAN)
		scan_ask(j, g, w->open);
	else
		values_ask(j, g, w->open);
}

void guard_walk_init(struct judge *j, const struct chain *chain, struct guard_walk *w)
{
	const struct guards *gs = chain->guards;
	size_t size = gs->n_bits * sizeof(uint64_t);
	unsigned kind = j->view.root ? (unsigned)j->view.s->stanza->kind : KIND_NONE;

	w->chain = chain;
	w->open = NULL;
	w->next = 0;
	if (j->trace)
		return;
	if (gs->n_bits <= GUARD_SMALL_BITS && gs->n <= GUARD_SMALL_GUARDS) {
		w->open = w->small_open;
		w->asked = w->small_asked;
	} else if ((w->open = arena_alloc(&j->arena, size + gs->n + 1))) {
		w->asked = (bool *)w->open + size;
	} else {
		j->error = -ENOMEM;
		return;
	}
	memcpy(w->open, gs->kinds[kind], size);
	memset(w->asked, 0, gs->n);
}

/* The first open rule from i on; n_rules if there is none. */
static unsigned open_next(const struct guard_walk *w, unsigned i)
{
	unsigned n = w->chain->n_rules, at = i / BITS;
	uint64_t bits;

	if (i >= n)
		return n;
	bits = w->open[at] & ~(uint64_t)0 << i % BITS;
	while (!bits && ++at < w->chain->guards->n_bits)
		bits = w->open[at];
	return bits ? at * BITS + (unsigned)__builtin_ctzll(bits) : n;
}

const struct rule *guard_walk_next(struct judge *j, struct guard_walk *w)
{
	const struct chain *chain = w->chain;
	const struct guards *gs = chain->guards;
	unsigned i;

	if (!w->open)
		return w->next < chain->n_rules ? &chain->rules[w->next++] : NULL;
	while (!j->error && (i = open_next(w, w->next)) < chain->n_rules) {
		unsigned guard = gs->of_rule[i];

		if (guard && !w->asked[guard - 1]) {
			w->next = i;
			guard_ask(j, w, guard - 1);
			continue;
		}
		w->next = i + 1;
		return &chain->rules[i];
	}
	return NULL;
}
