/* SPDX-License-Identifier: BSD-2-Clause */
/* Following a stanza through the rules: what was tried, in order, with the values looked at. */
#pragma once

#include <stdbool.h>
#include <jansson.h>

struct chain;
struct judge;
struct node;
struct rule;

enum {
	TRACE_STEPS_MAX = 1000, /* rules of one stanza */
	TRACE_TESTS_MAX = 64,   /* tests of one rule */
	TRACE_VALUES_MAX = 4,   /* values of one test */
	TRACE_TEXT_MAX = 256    /* bytes of one value */
};

/* Zero it, set content, hand it to judge_follow; after each judgement take steps. */
struct trace {
	bool content;  /* free text is shown, not only its length */
	json_t *steps; /* [{"chain","rule","held","dry","tests":[{"test","held","values","bytes",
			  "entry","set","text"}]} or {"chain","policy"}]; the caller's */
	bool cut;      /* there were more steps */
	json_t *step;  /* the rule being tried, borrowed from steps */
};

/* The judgements of j that follow are traced into t until NULL is given. Costs nothing when off. */
void judge_follow(struct judge *j, struct trace *t);
/* For the next stanza: forgets the steps. */
void trace_reset(struct trace *t);
/* Takes out of steps what content had them show. */
void trace_hide(json_t *steps);

/* From match.c and condition.c. */
void trace_rule(struct trace *t, const struct chain *chain, const struct rule *rule);
void trace_held(struct trace *t, bool held);
void trace_test(struct judge *j, const struct node *n, bool held, unsigned first_match);
void trace_policy(struct trace *t, const struct chain *chain, const char *verdict);
