/* SPDX-License-Identifier: BSD-2-Clause */
/* What stands in the braces of a chain and of an expectation: hook and policy, rules, actions, and
 * the stanzas a policy is tried with. In comes the parser behind the block's name, out go rules and
 * expectations of the tree. Whether the words name a stanza error, a chain or a rule is seen by
 * check.c. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "rules/field.h"
#include "rules/parse_int.h"

/* ---- actions ---- */

static const struct {
	const char *word;
	enum ast_action_kind kind;
} action_words[] = {
	{ "accept", ACTION_ACCEPT },
	{ "drop", ACTION_DROP },
	{ "reject", ACTION_REJECT },
	{ "close", ACTION_CLOSE },
	{ "redirect", ACTION_REDIRECT },
	{ "jump", ACTION_JUMP },
	{ "goto", ACTION_GOTO },
	{ "return", ACTION_RETURN },
	{ "log", ACTION_LOG },
	{ "count", ACTION_COUNT },
	{ "mark", ACTION_MARK },
	{ "strike", ACTION_STRIKE },
	{ "ban", ACTION_BAN },
	{ "strip", ACTION_STRIP },
	{ "replace", ACTION_REPLACE },
	{ "tarpit", ACTION_TARPIT },
	{ "report", ACTION_REPORT },
	{ "quarantine", ACTION_QUARANTINE },
};

enum { ACTION_WORDS = sizeof(action_words) / sizeof(*action_words) };

static int action_find(const char *word)
{
	for (size_t i = 0; i < ACTION_WORDS; i++)
		if (strcmp(action_words[i].word, word) == 0)
			return (int)action_words[i].kind;
	return -1;
}

bool parse_word_is_action(const char *word)
{
	return action_find(word) >= 0;
}

const char *parse_action_word(size_t i)
{
	return i < ACTION_WORDS ? action_words[i].word : NULL;
}

static const char *action_suggest(struct parser *p, const char *word)
{
	const char *words[ACTION_WORDS];

	for (size_t i = 0; i < ACTION_WORDS; i++)
		words[i] = action_words[i].word;
	return diag_suggest(p->diags, word, words, ACTION_WORDS);
}

/* The word behind reject, close, log, strip: may be missing. */
static void take_word(struct parser *p, struct ast_action *a)
{
	a->word = p->token.text;
	a->word_at = p->token.at;
	parse_step(p);
}

/* $NAME: what it stands for is put there by define.c. */
static bool take_defined(struct parser *p, struct ast_action *a)
{
	if (!parse_is(p, TOKEN_DEFINED))
		return false;
	a->define = p->token.text;
	a->word_at = p->token.at;
	parse_step(p);
	return true;
}

static void take_text(struct parser *p, struct ast_action *a)
{
	if (take_defined(p, a) || !parse_is(p, TOKEN_STRING))
		return;
	a->text = p->token.text;
	parse_step(p);
}

static bool parse_redirect(struct parser *p, struct ast_action *a)
{
	if (take_defined(p, a))
		return true;
	if (!parse_is(p, TOKEN_STRING) && !parse_is(p, TOKEN_WORD))
		return parse_wrong(p, "where to redirect", "a JID such as \"abuse@example.org\"");
	a->text = p->token.text;
	a->word_at = p->token.at;
	parse_step(p);
	return true;
}

static bool parse_time(
	struct parser *p, struct ast_action *a, const char *what, const char *such_as)
{
	if (take_defined(p, a))
		return true;
	a->number = p->token.number;
	a->word_at = p->token.at;
	return parse_accept(p, TOKEN_DURATION) || parse_wrong(p, what, such_as);
}

/* "mark FIELD in @map" against "mark NAME". */
static bool begins_lookup(struct parser *p)
{
	struct token next = parse_peek(p);

	return parse_is(p, TOKEN_WORD) &&
	       (next.kind == TOKEN_STRING ||
		       (next.kind == TOKEN_WORD && strcmp(next.text, "in") == 0));
}

static bool parse_action_rest(struct parser *p, struct ast_action *a)
{
	switch (a->kind) {
	case ACTION_REJECT:
	case ACTION_CLOSE:
	case ACTION_REPORT:
		if (parse_is(p, TOKEN_WORD))
			take_word(p, a);
		take_text(p, a);
		return true;
	case ACTION_JUMP:
	case ACTION_GOTO:
		a->word = parse_name(p, "the name of a chain", &a->word_at);
		return a->word != NULL;
	case ACTION_MARK:
		if (begins_lookup(p))
			return (a->lookup = parse_condition(p)) != NULL;
		a->word = parse_name(p, "a name for the mark", &a->word_at);
		return a->word != NULL;
	case ACTION_LOG:
		if (parse_is(p, TOKEN_WORD))
			take_word(p, a);
		return true;
	case ACTION_STRIKE:
		a->number = 1;
		if (take_defined(p, a))
			return true;
		a->word_at = p->token.at;
		if (parse_is(p, TOKEN_NUMBER))
			a->number = p->token.number;
		parse_accept(p, TOKEN_NUMBER);
		return true;
	case ACTION_BAN:
		return parse_time(p, a, "how long to ban", "a time such as 10m, 1h or 7d");
	case ACTION_TARPIT:
		return parse_time(p, a, "how long to wait", "a time such as 500ms, 10s or 1m");
	case ACTION_REDIRECT:
		return parse_redirect(p, a);
	case ACTION_STRIP:
		if (take_defined(p, a))
			return true;
		if (!parse_is(p, TOKEN_STRING))
			return parse_wrong(
				p, "what to strip", "an element such as \"{urn:x}name\"");
		take_word(p, a);
		return true;
	case ACTION_REPLACE:
	case ACTION_QUARANTINE:
		take_text(p, a);
		return true;
	default:
		return true;
	}
}

static struct ast_action *parse_action(struct parser *p)
{
	int kind = parse_is(p, TOKEN_WORD) ? action_find(p->token.text) : -1;
	struct ast_action *a;

	if (kind < 0) {
		parse_wrong(p, "an action such as accept, drop, reject or log",
			parse_is(p, TOKEN_WORD) ? action_suggest(p, p->token.text) : NULL);
		return NULL;
	}
	if (!(a = parse_alloc(p, sizeof(*a))))
		return NULL;
	a->kind = (enum ast_action_kind)kind;
	a->at = a->word_at = p->token.at;
	parse_step(p);
	return parse_action_rest(p, a) ? a : NULL;
}

/* ---- rules ---- */

/* "stranger dropp }" reads as two conditions: the last word is what is meant to be the action. */
static bool action_missing(struct parser *p, const struct ast_cond *cond)
{
	static const char what[] = "an action such as accept, drop, reject or log";
	const char *hint;

	while (cond->left)
		cond = cond->right ? cond->right : cond->left;
	if (cond->kind == COND_TEST && cond->op == OP_TRUE && !field_find(cond->text) &&
		(hint = action_suggest(p, cond->text))) {
		diag_error(p->diags, cond->at, hint, "expected %s, got '%s'", what, cond->text);
		return false;
	}
	return parse_wrong(p, what, NULL);
}

static bool parse_rule_body(struct parser *p, struct ast_rule *rule)
{
	struct ast_action **tail = &rule->actions;

	if (!parse_is(p, TOKEN_WORD) || !parse_word_is_action(p->token.text)) {
		if (parse_is(p, TOKEN_BRACE_CLOSE))
			return parse_wrong(p, "a condition or an action", NULL);
		if (!(rule->cond = parse_condition(p)))
			return false;
		if (parse_is(p, TOKEN_BRACE_CLOSE) || parse_is(p, TOKEN_SEMICOLON))
			return action_missing(p, rule->cond);
	}
	do {
		if (!(*tail = parse_action(p)))
			return false;
		tail = &(*tail)->next;
	} while (parse_accept(p, TOKEN_COMMA));
	parse_accept(p, TOKEN_SEMICOLON);
	return true;
}

static bool parse_rule(struct parser *p, struct ast_rule ***tail)
{
	struct ast_rule *rule = parse_alloc(p, sizeof(*rule));
	bool good;

	if (!rule)
		return false;
	rule->at = p->token.at;
	parse_step(p);
	if (!(rule->name = parse_name(p, "a name for the rule", &rule->name_at)))
		return false;
	rule->dry = parse_accept_word(p, "dry");
	if (!parse_expect(p, TOKEN_BRACE_OPEN, rule->dry ? "'{'" : "'{' or dry"))
		return false;
	**tail = rule;
	*tail = &rule->next;
	good = parse_rule_body(p, rule);
	if (good && !parse_is(p, TOKEN_BRACE_CLOSE))
		good = parse_wrong(p, "',' or '}'", NULL);
	/* The rule's own '}' is where a broken rule ends, or the next rule, so that that one is
	 * read. */
	while (!good && !parse_block_ends(p) && !parse_begins_rule(p))
		parse_recover(p);
	if (!parse_accept(p, TOKEN_BRACE_CLOSE))
		return parse_begins_rule(p);
	parse_accept(p, TOKEN_SEMICOLON);
	return true;
}

bool parse_chain_body(struct parser *p, struct ast_item *item)
{
	struct ast_setting **settings = &item->settings;
	struct ast_rule **rules = &item->rules;
	struct loc open = p->token.at;

	if (!parse_expect(p, TOKEN_BRACE_OPEN, "'{'"))
		return false;
	p->in_chain = true;
	while (!parse_block_ends(p)) {
		bool good;

		if (parse_accept(p, TOKEN_SEMICOLON))
			continue;
		good = parse_is_word(p, "rule") ? parse_rule(p, &rules)
						: parse_setting(p, &settings);
		if (!good)
			parse_recover(p);
	}
	p->in_chain = false;
	return parse_block_close(p, open);
}

/* ---- expectations ---- */

static bool take_string(struct parser *p, const char **out)
{
	*out = p->token.text;
	return parse_expect(p, TOKEN_STRING, "a string");
}

static bool take_name(struct parser *p, const char **out, const char *what)
{
	*out = p->token.text;
	return parse_expect(p, TOKEN_WORD, what);
}

static bool take_address(struct parser *p, const char **out)
{
	*out = p->token.text;
	return parse_accept(p, TOKEN_STRING) || parse_expect(p, TOKEN_ADDRESS, "an address");
}

/* "DOMAIN" [verified WORD] [seen TIME] */
static bool take_remote(struct parser *p, struct ast_expect *e)
{
	e->remote_at = p->token.at;
	if (!take_string(p, &e->remote))
		return false;
	if (parse_accept_word(p, "verified")) {
		e->verified_at = p->token.at;
		if (!take_name(p, &e->verified, "pin, dane, pkix, dialback or none"))
			return false;
	}
	if (!parse_accept_word(p, "seen"))
		return true;
	e->seen = p->token.text;
	e->seen_ms = p->token.number;
	return parse_expect(p, TOKEN_DURATION, "a time such as 3d");
}

/* Strings beside each other are one text, so that long stanzas may have several lines. */
static bool take_xml(struct parser *p, const char **out, struct loc *at)
{
	struct buf text;
	const char *joined;

	*at = p->token.at;
	if (!parse_is(p, TOKEN_STRING))
		return parse_wrong(p, "XML in double quotes", NULL);
	buf_init(&text, PARSE_FILE_MAX);
	for (; parse_is(p, TOKEN_STRING) && !p->error; parse_step(p))
		p->error = buf_puts(&text, p->token.text);
	joined = buf_string(&text);
	*out = joined ? arena_strdup(&p->ast->arena, joined) : NULL;
	buf_fini(&text);
	if (!*out && !p->error)
		p->error = -ENOMEM;
	return !p->error;
}

static const char *const expect_words[] = { "from", "to", "service", "direction", "peer", "jid",
	"remote", "at", "stanza", "verdict", "crosses" };
enum { EXPECT_WORDS = sizeof(expect_words) / sizeof(*expect_words) };

static bool begins_expect_line(const struct parser *p)
{
	for (size_t i = 0; i < EXPECT_WORDS; i++)
		if (parse_is_word(p, expect_words[i]))
			return true;
	return parse_is_word(p, "by");
}

static bool take_verdict(struct parser *p, struct ast_expect *e)
{
	e->verdict_at = p->token.at;
	if (!take_name(p, &e->verdict, "accept, drop, reject, close, redirect or quarantine"))
		return false;
	if (parse_is(p, TOKEN_WORD) && !begins_expect_line(p) &&
		(strcmp(e->verdict, "reject") == 0 || strcmp(e->verdict, "close") == 0)) {
		e->condition = p->token.text;
		parse_step(p);
	}
	return !parse_accept_word(p, "by") || take_name(p, &e->by, "the name of a rule");
}

static bool parse_expect_line(struct parser *p, struct ast_expect *e)
{
	if (parse_accept_word(p, "from"))
		return take_string(p, &e->from);
	if (parse_accept_word(p, "to"))
		return take_string(p, &e->to);
	if (parse_accept_word(p, "service"))
		return take_name(p, &e->service, "the name of a service");
	if (parse_accept_word(p, "direction"))
		return take_name(p, &e->direction, "in or out");
	if (parse_accept_word(p, "peer"))
		return take_address(p, &e->peer);
	if (parse_accept_word(p, "jid"))
		return take_string(p, &e->jid);
	if (parse_accept_word(p, "remote"))
		return take_remote(p, e);
	if (parse_accept_word(p, "at"))
		return take_string(p, &e->moment);
	if (parse_accept_word(p, "stanza"))
		return take_xml(p, &e->stanza, &e->stanza_at);
	if (parse_accept_word(p, "verdict"))
		return take_verdict(p, e);
	if (parse_accept_word(p, "crosses"))
		return take_xml(p, &e->crosses, &e->crosses_at);
	return parse_wrong(p, "from, to, service, direction, peer, jid, remote, at, stanza, verdict or crosses",
		parse_is(p, TOKEN_WORD)
			? diag_suggest(p->diags, p->token.text, expect_words, EXPECT_WORDS)
			: NULL);
}

bool parse_expect_body(struct parser *p, struct ast_item *item)
{
	struct ast_expect *e = parse_alloc(p, sizeof(*e));
	struct loc open = p->token.at;

	if (!e || !parse_expect(p, TOKEN_BRACE_OPEN, "'{'"))
		return false;
	e->at = e->stanza_at = e->verdict_at = item->name_at;
	item->expect = e;
	while (!parse_block_ends(p))
		if (!parse_accept(p, TOKEN_SEMICOLON) && !parse_expect_line(p, e))
			parse_recover(p);
	return parse_block_close(p, open);
}
