/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions of rules: "or" binds weaker than "and", tests beside each other are joined by "and"
 * ("message url.host in @hosts"), "not" and parentheses bind tightest. Every word that begins no
 * action is taken for a field; check_cond.c knows which there are. The height of the tree is
 * counted while it is built, for everything behind walks it by recursion. */
#include <string.h>

#include "rules/parse_int.h"

static struct ast_cond *parse_or(struct parser *p, unsigned *height);

static struct ast_cond *cond_new(struct parser *p, enum ast_cond_kind kind, struct loc at)
{
	struct ast_cond *cond = parse_alloc(p, sizeof(*cond));

	if (!cond)
		return NULL;
	cond->kind = kind;
	cond->at = at;
	cond->field_at = cond->op_at = at;
	return cond;
}

static struct ast_cond *cond_join(struct parser *p, enum ast_cond_kind kind, struct ast_cond *left,
	struct ast_cond *right, unsigned *height, unsigned right_height)
{
	struct ast_cond *cond = cond_new(p, kind, left->at);

	*height = 1 + (*height > right_height ? *height : right_height);
	if (*height > PARSE_HEIGHT_MAX) {
		diag_error(p->diags, right->at,
			"put the alternatives into a set, or make it several rules",
			"condition of more than %d levels", PARSE_HEIGHT_MAX);
		return NULL;
	}
	if (!cond)
		return NULL;
	cond->left = left;
	cond->right = right;
	return cond;
}

/* ---- tests ---- */

static bool is_operator_word(const char *word)
{
	return strcmp(word, "in") == 0 || strcmp(word, "contains") == 0 ||
	       strcmp(word, "matches") == 0 || strcmp(word, "exists") == 0;
}

/* "is", "is not", "==" ...; false when the token is no operator, and nothing was read. */
static bool accept_operator(struct parser *p, enum ast_op *op)
{
	static const struct {
		enum token_kind token;
		const char *word;
		enum ast_op op;
	} operators[] = {
		{ TOKEN_WORD, "in", OP_IN },
		{ TOKEN_WORD, "contains", OP_CONTAINS },
		{ TOKEN_WORD, "matches", OP_MATCHES },
		{ TOKEN_WORD, "exists", OP_EXISTS },
		{ TOKEN_WORD, "is", OP_EQ },
		{ TOKEN_EQ, NULL, OP_EQ },
		{ TOKEN_ASSIGN, NULL, OP_EQ },
		{ TOKEN_NE, NULL, OP_NE },
		{ TOKEN_LT, NULL, OP_LT },
		{ TOKEN_LE, NULL, OP_LE },
		{ TOKEN_GT, NULL, OP_GT },
		{ TOKEN_GE, NULL, OP_GE },
	};

	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
		if (!parse_is(p, operators[i].token) ||
			(operators[i].word && !parse_is_word(p, operators[i].word)))
			continue;
		if (parse_is(p, TOKEN_ASSIGN)) {
			diag_error(p->diags, p->token.at, "compare with 'is' or '=='",
				"'=' compares nothing");
			return false;
		}
		parse_step(p);
		*op = operators[i].op;
		if (operators[i].word && *op == OP_EQ && parse_accept_word(p, "not"))
			*op = OP_NE;
		return true;
	}
	return false;
}

/* "field not in ..." is "not field in ..."; a "not" before anything else begins the next test. */
static bool accept_inverted(struct parser *p)
{
	struct token next;

	if (!parse_is_word(p, "not"))
		return false;
	next = parse_peek(p);
	if (next.kind != TOKEN_WORD || !is_operator_word(next.text))
		return false;
	parse_step(p);
	return true;
}

/* An action where a value should be: "text contains drop }". */
static bool is_action_ahead(struct parser *p)
{
	struct token next;

	if (!parse_is(p, TOKEN_WORD) || !parse_word_is_action(p->token.text))
		return false;
	next = parse_peek(p);
	return next.kind == TOKEN_BRACE_CLOSE || next.kind == TOKEN_COMMA ||
	       next.kind == TOKEN_SEMICOLON;
}

static bool parse_operation(struct parser *p, struct ast_cond *cond)
{
	cond->op_at = p->token.at;
	cond->op = OP_TRUE;
	if (!accept_operator(p, &cond->op))
		return !parse_is(p, TOKEN_ASSIGN);
	if (cond->op == OP_EXISTS)
		return true;
	if (is_action_ahead(p))
		return parse_wrong(p, "a value", NULL);
	cond->operand = parse_value(p);
	return cond->operand != NULL;
}

static struct ast_cond *parse_test(struct parser *p, unsigned *height)
{
	struct ast_cond *cond = cond_new(p, COND_TEST, p->token.at), *inverse;
	bool inverted;

	*height = 1;
	if (!cond)
		return NULL;
	cond->text = p->token.text;
	if (parse_is(p, TOKEN_WORD) && parse_word_is_action(cond->text)) {
		parse_wrong(p, "a condition", NULL);
		return NULL;
	}
	if (!parse_expect(p, TOKEN_WORD, "a condition"))
		return NULL;
	if (parse_is(p, TOKEN_STRING)) {
		cond->param = p->token.text;
		parse_step(p);
	}
	inverted = accept_inverted(p);
	if (!parse_operation(p, cond))
		return NULL;
	if (!inverted)
		return cond;
	*height = 2;
	if ((inverse = cond_new(p, COND_NOT, cond->at)))
		inverse->left = cond;
	return inverse;
}

/* "limit NAME exceeded", "similar NAME exceeded" */
static struct ast_cond *parse_counter(
	struct parser *p, enum ast_cond_kind kind, const char *name, unsigned *height)
{
	struct ast_cond *cond = cond_new(p, kind, p->token.at);
	struct loc at;

	*height = 1;
	parse_step(p);
	if (!cond || !(cond->text = parse_name(p, name, &at)))
		return NULL;
	cond->field_at = at;
	return parse_accept_word(p, "exceeded") || parse_wrong(p, "'exceeded'", NULL) ? cond : NULL;
}

/* ---- what joins them ---- */

static struct ast_cond *parse_not(struct parser *p, unsigned *height);

static struct ast_cond *parse_unary(struct parser *p, unsigned *height)
{
	struct ast_cond *cond;

	if (parse_is_word(p, "not"))
		return parse_not(p, height);
	if (parse_is_word(p, "limit"))
		return parse_counter(p, COND_LIMIT, "the name of a limit", height);
	if (parse_is_word(p, "similar"))
		return parse_counter(p, COND_SIMILAR, "the name of a similar block", height);
	if (!parse_is(p, TOKEN_PAREN_OPEN))
		return parse_test(p, height);
	if (!parse_down(p))
		return NULL;
	parse_step(p);
	cond = parse_or(p, height);
	p->depth--;
	return cond && parse_expect(p, TOKEN_PAREN_CLOSE, "')'") ? cond : NULL;
}

static struct ast_cond *parse_not(struct parser *p, unsigned *height)
{
	struct ast_cond *cond = cond_new(p, COND_NOT, p->token.at);

	if (!cond || !parse_down(p))
		return NULL;
	parse_step(p);
	cond->left = parse_unary(p, height);
	p->depth--;
	*height += 1;
	return cond->left ? cond : NULL;
}

/* Could the token go on with a condition without "and"? */
static bool begins_condition(const struct parser *p)
{
	if (parse_is(p, TOKEN_PAREN_OPEN))
		return true;
	return parse_is(p, TOKEN_WORD) && strcmp(p->token.text, "or") != 0 &&
	       !parse_word_is_action(p->token.text);
}

static struct ast_cond *parse_and(struct parser *p, unsigned *height)
{
	struct ast_cond *left = parse_unary(p, height);

	while (left && (parse_accept_word(p, "and") || begins_condition(p))) {
		unsigned right_height = 0;
		struct ast_cond *right = parse_unary(p, &right_height);

		left = right ? cond_join(p, COND_AND, left, right, height, right_height) : NULL;
	}
	return left;
}

static struct ast_cond *parse_or(struct parser *p, unsigned *height)
{
	struct ast_cond *left = parse_and(p, height);

	while (left && parse_accept_word(p, "or")) {
		unsigned right_height = 0;
		struct ast_cond *right = parse_and(p, &right_height);

		left = right ? cond_join(p, COND_OR, left, right, height, right_height) : NULL;
	}
	return left;
}

struct ast_cond *parse_condition(struct parser *p)
{
	unsigned height = 0;

	return parse_or(p, &height);
}
