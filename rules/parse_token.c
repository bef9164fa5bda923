/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser's hands: looking at the current token and stepping over it, saying what was expected
 * instead, names, and finding the next statement after an error. All productions stand on these.
 * What it promises to the rest: every call ends, and who recovers either moves on or stands at
 * something that its caller reads. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "rules/parse_int.h"
#include "rules/schema.h"

/* ---- tokens ---- */

void *parse_alloc(struct parser *p, size_t size)
{
	void *memory = arena_zalloc(&p->ast->arena, size);

	if (!memory)
		p->error = -ENOMEM;
	return memory;
}

void parse_step(struct parser *p)
{
	lex_next(&p->lex, &p->token);
	if (p->lex.nomem)
		p->error = -ENOMEM;
	if (p->error)
		p->token.kind = TOKEN_END;
}

struct token parse_peek(struct parser *p)
{
	struct lexer ahead = p->lex;
	struct token token;

	ahead.diags = NULL;
	lex_next(&ahead, &token);
	return token;
}

bool parse_is(const struct parser *p, enum token_kind kind)
{
	return p->token.kind == kind;
}

bool parse_is_word(const struct parser *p, const char *word)
{
	return p->token.kind == TOKEN_WORD && strcmp(p->token.text, word) == 0;
}

bool parse_accept(struct parser *p, enum token_kind kind)
{
	if (p->token.kind != kind)
		return false;
	parse_step(p);
	return true;
}

bool parse_accept_word(struct parser *p, const char *word)
{
	if (!parse_is_word(p, word))
		return false;
	parse_step(p);
	return true;
}

static const char *token_text(const struct token *token)
{
	static const char *const texts[] = {
		[TOKEN_END] = "the end of the file",
		[TOKEN_STRING] = "a string",
		[TOKEN_LENGTH] = "the length of a prefix",
		[TOKEN_REGEX] = "a regular expression",
		[TOKEN_BRACE_OPEN] = "'{'",
		[TOKEN_BRACE_CLOSE] = "'}'",
		[TOKEN_PAREN_OPEN] = "'('",
		[TOKEN_PAREN_CLOSE] = "')'",
		[TOKEN_SEMICOLON] = "';'",
		[TOKEN_COMMA] = "','",
		[TOKEN_COLON] = "':'",
		[TOKEN_ASSIGN] = "'='",
		[TOKEN_EQ] = "'=='",
		[TOKEN_NE] = "'!='",
		[TOKEN_LT] = "'<'",
		[TOKEN_LE] = "'<='",
		[TOKEN_GT] = "'>'",
		[TOKEN_GE] = "'>='",
		[TOKEN_BAD] = NULL,
	};

	return texts[token->kind];
}

bool parse_wrong(struct parser *p, const char *what, const char *hint)
{
	const char *got = token_text(&p->token);

	if (p->token.kind == TOKEN_BAD || p->error)
		return false;
	if (got)
		diag_error(p->diags, p->token.at, hint, "expected %s, got %s", what, got);
	else
		diag_error(p->diags, p->token.at, hint, "expected %s, got '%s%s'", what,
			p->token.kind == TOKEN_SET       ? "@"
			: p->token.kind == TOKEN_DEFINED ? "$"
							 : "",
			p->token.text);
	return false;
}

bool parse_expect(struct parser *p, enum token_kind kind, const char *what)
{
	return parse_accept(p, kind) || parse_wrong(p, what, NULL);
}

static bool is_name(const char *text)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char rest[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789-";

	return strchr(first, *text) && !text[strspn(text, rest)] && strlen(text) <= PARSE_NAME_MAX;
}

const char *parse_name(struct parser *p, const char *what, struct loc *at)
{
	const char *name = p->token.text;

	*at = p->token.at;
	if (!parse_is(p, TOKEN_WORD)) {
		parse_wrong(p, what, NULL);
		return NULL;
	}
	if (!is_name(name)) {
		diag_error(p->diags, *at,
			"letters, digits, '_' and '-', at most 63, a letter first",
			"'%s' cannot be a name", name);
		return NULL;
	}
	parse_step(p);
	return name;
}

/* Is the token the first on its line? */
static bool is_first(const struct parser *p)
{
	const char *at, *word;

	if (p->token.at.line != p->lex.line)
		return false; /* the lexer has gone on; words never span lines */
	at = p->lex.line_start;
	word = at + p->token.at.column - 1;
	while (at < word && (*at == ' ' || *at == '\t'))
		at++;
	return at == word;
}

/* Forgotten braces would make one error of the rest of the file: a line "rule NAME {", or one that
 * begins with "set NAME {" and its like, is what it looks like, wherever it stands. */
bool parse_begins_rule(struct parser *p)
{
	return p->in_chain && parse_is_word(p, "rule") && is_first(p) &&
	       parse_peek(p).kind == TOKEN_WORD;
}

bool parse_begins_item(struct parser *p)
{
	const struct schema_block *block;
	struct lexer ahead = p->lex;
	struct token next;

	if (p->begins)
		return p->begins(p);
	if (!parse_is(p, TOKEN_WORD) || p->token.at.column != 1 ||
		!(block = schema_find_block(p->token.text)) || block->inner)
		return false;
	ahead.diags = NULL;
	lex_next(&ahead, &next);
	if (block->named) {
		if (next.kind != TOKEN_WORD && next.kind != TOKEN_STRING)
			return false;
		lex_next(&ahead, &next);
	}
	return next.kind == TOKEN_BRACE_OPEN;
}

void parse_recover(struct parser *p)
{
	struct diag_list *diags = take_ptr(p->lex.diags);
	size_t open = 0;

	while (!parse_is(p, TOKEN_END) && !parse_begins_rule(p) && !parse_begins_item(p)) {
		if (parse_is(p, TOKEN_BRACE_OPEN))
			open++;
		if (parse_is(p, TOKEN_BRACE_CLOSE) && open-- == 0)
			break;
		/* A block that is closed ends a statement too. */
		if (open == 0 && (parse_is(p, TOKEN_SEMICOLON) || parse_is(p, TOKEN_BRACE_CLOSE))) {
			p->lex.diags = diags;
			parse_step(p);
			return;
		}
		parse_step(p);
	}
	p->lex.diags = diags;
}

bool parse_down(struct parser *p)
{
	if (p->depth++ < PARSE_DEPTH_MAX)
		return true;
	p->depth--;
	diag_error(p->diags, p->token.at, NULL, "nested more than %d levels deep", PARSE_DEPTH_MAX);
	return false;
}
