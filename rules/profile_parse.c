/* SPDX-License-Identifier: BSD-2-Clause */
/* Text of profiles to their tree, by the same lexer, the same hands and the same includes as
 * policies. One function a production of the EBNF in docs/PROFILES.md. What a single statement
 * shows is said here (words that do not exist, numbers out of range); what statements mean together
 * is profile_compile.c's. After an error it goes on behind the next ';' or at the closing '}', so
 * that one run shows several. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "rules/parse.h"
#include "rules/profile_int.h"

enum { PROFILE_MAX_DEFAULT = 1024, PROFILE_MAX_BYTES = 16 << 20, PROFILE_COUNT_MAX = 65535 };

/* ---- words and numbers ---- */

/* Says what was expected, with the nearest of the words. */
static bool wrong_word(struct parser *p, const char *what, const char *const *words, size_t n)
{
	const char *hint =
		parse_is(p, TOKEN_WORD) ? diag_suggest(p->diags, p->token.text, words, n) : NULL;

	return parse_wrong(p, what, hint);
}

/* The word's place in the table, n if it is none of them; not stepped over. */
static size_t word_find(const struct parser *p, const char *const *words, size_t n)
{
	size_t i = 0;

	while (i < n && !parse_is_word(p, words[i]))
		i++;
	return i;
}

static bool parse_count(
	struct parser *p, const char *what, uint64_t low, uint64_t high, uint64_t *out)
{
	if (!parse_is(p, TOKEN_NUMBER) && !parse_is(p, TOKEN_SIZE))
		return parse_wrong(p, what, NULL);
	*out = p->token.number;
	if (*out < low || *out > high) {
		diag_error(p->diags, p->token.at, NULL, "%s must be between %llu and %llu", what,
			(unsigned long long)low, (unsigned long long)high);
		return false;
	}
	parse_step(p);
	return true;
}

static bool parse_policy_word(struct parser *p, enum profile_policy *out)
{
	static const char *const words[] = { "remove", "refuse" };
	size_t i = word_find(p, words, 2);

	if (i == 2)
		return wrong_word(p, "'remove' or 'refuse'", words, 2);
	*out = i ? POLICY_REFUSE : POLICY_REMOVE;
	parse_step(p);
	return true;
}

/* A name of XML without prefix, as far as any protocol goes; "xml:lang" where attributes stand. */
static bool is_xml_name(const char *text, bool attribute)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	const char *at = text;

	if (attribute && strncmp(text, "xml:", 4) == 0)
		at = text += 4;
	if (!*at || (!strchr(first, *at) && (unsigned char)*at < 0x80))
		return false;
	for (; *at; at++)
		if ((unsigned char)*at < 0x80 && !strchr(first, *at) &&
			!strchr("0123456789-.", *at))
			return false;
	return true;
}

static struct profile_name *name_take(struct parser *p)
{
	struct profile_name *name = parse_alloc(p, sizeof(*name));

	if (!name)
		return NULL;
	name->text = p->token.text;
	name->at = p->token.at;
	name->quoted = parse_is(p, TOKEN_STRING);
	parse_step(p);
	return name;
}

/* NAME, NAME ... */
static bool parse_names(
	struct parser *p, const char *what, bool xml, bool attribute, struct profile_name **out)
{
	do {
		if (!parse_is(p, TOKEN_WORD))
			return parse_wrong(p, what, NULL);
		if (xml && !is_xml_name(p->token.text, attribute)) {
			diag_error(p->diags, p->token.at,
				attribute && strchr(p->token.text, ':')
					? "attribute NAME in \"NAMESPACE\""
					: NULL,
				"'%s' cannot be a name in XML", p->token.text);
			return false;
		}
		if (!(*out = name_take(p)))
			return false;
		out = &(*out)->next;
	} while (parse_accept(p, TOKEN_COMMA));
	return true;
}

/* ---- types ---- */

/* { a, b, "c d" } */
static bool parse_words(struct parser *p, const char *what, struct profile_name **out)
{
	if (!parse_expect(p, TOKEN_BRACE_OPEN, "'{'"))
		return false;
	while (!parse_is(p, TOKEN_BRACE_CLOSE)) {
		if (!parse_is(p, TOKEN_WORD) && !parse_is(p, TOKEN_STRING) &&
			!parse_is(p, TOKEN_NUMBER))
			return parse_wrong(p, what, NULL);
		if (!(*out = name_take(p)))
			return false;
		out = &(*out)->next;
		if (!parse_accept(p, TOKEN_COMMA) && !parse_is(p, TOKEN_BRACE_CLOSE))
			return parse_wrong(p, "',' or '}'", NULL);
	}
	parse_step(p);
	return true;
}

/* A to B; each may be negative. */
static bool parse_range(struct parser *p, struct profile_type *type)
{
	struct loc at = p->token.at;

	type->low = (int64_t)p->token.number;
	if (!parse_expect(p, TOKEN_NUMBER, "a number, such as 'number 0 to 255'"))
		return false;
	if (!parse_accept_word(p, "to"))
		return parse_wrong(p, "'to'", "such as number 0 to 255");
	type->high = (int64_t)p->token.number;
	if (!parse_expect(p, TOKEN_NUMBER, "a number"))
		return false;
	if (type->low <= type->high)
		return true;
	diag_error(p->diags, at, NULL, "no number lies between these two");
	return false;
}

static bool has_max(enum strict_type_kind kind)
{
	return kind == TYPE_TEXT || kind == TYPE_TOKEN || kind == TYPE_BASE64 || kind == TYPE_URI;
}

/* What stands behind the word of a type. */
static bool parse_type_rest(struct parser *p, struct profile_type *type)
{
	type->max = PROFILE_MAX_DEFAULT;
	if (type->kind == TYPE_NUMBER)
		return parse_range(p, type);
	if (type->kind == TYPE_WORDS && !parse_words(p, "a word", &type->words))
		return false;
	if (type->kind == TYPE_WORDS && !type->words) {
		diag_error(p->diags, type->at, NULL, "there is no word that would fit");
		return false;
	}
	if (type->kind == TYPE_URI && parse_is(p, TOKEN_BRACE_OPEN) &&
		!parse_words(p, "a scheme such as https", &type->words))
		return false;
	if (type->kind == TYPE_JID)
		type->bare = parse_accept_word(p, "bare");
	if (!has_max(type->kind) || !parse_accept_word(p, "max"))
		return true;
	type->has_max = true;
	return parse_count(p, "the bytes of a value", 1, PROFILE_MAX_BYTES, &type->max);
}

/* optional: without a type's word it is text. */
static struct profile_type *parse_type(struct parser *p, bool optional)
{
	size_t kind = word_find(p, profile_type_words, TYPE_KINDS);
	struct profile_type *type = parse_alloc(p, sizeof(*type));

	if (!type)
		return NULL;
	type->at = p->token.at;
	if (kind < TYPE_KINDS) {
		type->kind = (enum strict_type_kind)kind;
		parse_step(p);
	} else if (!optional || (!parse_is(p, TOKEN_SEMICOLON) && !parse_is(p, TOKEN_BRACE_CLOSE) &&
					!parse_is_word(p, "max") && !parse_is_word(p, "required") &&
					!parse_is_word(p, "otherwise"))) {
		wrong_word(p, "a kind of value", profile_type_words, TYPE_KINDS);
		return NULL;
	}
	return parse_type_rest(p, type) ? type : NULL;
}

/* ---- declarations ---- */

static bool parse_body(struct parser *p, struct profile_decl **out);

static bool decl_ends(struct parser *p)
{
	if (parse_accept(p, TOKEN_SEMICOLON) || parse_is(p, TOKEN_BRACE_CLOSE))
		return true;
	return parse_wrong(p, "';'", NULL);
}

static bool parse_namespace(struct parser *p, struct profile_decl *d)
{
	if (!parse_accept_word(p, "in"))
		return true;
	d->ns = p->token.text;
	if (parse_is(p, TOKEN_STRING) && (!*d->ns || strlen(d->ns) > PROFILE_NS_MAX)) {
		diag_error(p->diags, p->token.at, NULL, "a namespace has 1 to %d bytes",
			PROFILE_NS_MAX);
		return false;
	}
	return parse_expect(p, TOKEN_STRING, "a namespace in double quotes");
}

/* [required] [otherwise remove|refuse] */
static bool parse_manner(struct parser *p, struct profile_decl *d)
{
	d->required = parse_accept_word(p, "required");
	return !parse_accept_word(p, "otherwise") || parse_policy_word(p, &d->otherwise);
}

static bool parse_attribute(struct parser *p, struct profile_decl *d)
{
	return parse_names(p, "the name of an attribute", true, true, &d->names) &&
	       parse_namespace(p, d) && (d->type = parse_type(p, false)) && parse_manner(p, d) &&
	       decl_ends(p);
}

static bool parse_element(struct parser *p, struct profile_decl *d)
{
	uint64_t max = 1;

	d->max = 1;
	if (!parse_names(p, "the name of an element", true, false, &d->names) ||
		!parse_namespace(p, d))
		return false;
	d->required = parse_accept_word(p, "required");
	if ((d->has_max = parse_accept_word(p, "max")) &&
		!parse_count(p, "the number of elements", 1, PROFILE_COUNT_MAX, &max))
		return false;
	d->max = (unsigned)max;
	if (parse_accept_word(p, "otherwise") && !parse_policy_word(p, &d->otherwise))
		return false;
	if (!parse_is(p, TOKEN_BRACE_OPEN))
		return parse_is(p, TOKEN_SEMICOLON) || parse_is(p, TOKEN_BRACE_CLOSE)
			       ? decl_ends(p)
			       : parse_wrong(p, "'{' or ';'", NULL);
	d->has_body = true;
	return parse_body(p, &d->body);
}

static bool parse_text_decl(struct parser *p, struct profile_decl *d)
{
	return (d->type = parse_type(p, true)) && parse_manner(p, d) && decl_ends(p);
}

static bool parse_use(struct parser *p, struct profile_decl *d)
{
	return parse_names(p, "the name of a group", false, false, &d->names) && decl_ends(p);
}

static bool parse_unknown(struct parser *p, struct profile_decl *d)
{
	return parse_policy_word(p, &d->otherwise) && decl_ends(p);
}

static bool parse_children(struct parser *p, struct profile_decl *d)
{
	uint64_t low, high;

	if (!parse_count(p, "the number of children", 0, PROFILE_COUNT_MAX, &low))
		return false;
	if (!parse_accept_word(p, "to"))
		return parse_wrong(p, "'to'", "such as children 1 to 8");
	if (!parse_count(p, "the number of children", low, PROFILE_COUNT_MAX, &high))
		return false;
	d->low = (unsigned)low;
	d->high = (unsigned)high;
	return decl_ends(p);
}

static bool parse_ordered(struct parser *p, struct profile_decl *d)
{
	(void)d;
	return decl_ends(p);
}

static bool parse_decl(struct parser *p, struct profile_decl ***tail)
{
	static const char *const words[] = {
		[DECL_ATTRIBUTE] = "attribute",
		[DECL_ELEMENT] = "element",
		[DECL_TEXT] = "text",
		[DECL_USE] = "use",
		[DECL_UNKNOWN] = "unknown",
		[DECL_CHILDREN] = "children",
		[DECL_ORDERED] = "ordered",
	};
	static bool (*const parse[])(struct parser *, struct profile_decl *) = {
		[DECL_ATTRIBUTE] = parse_attribute,
		[DECL_ELEMENT] = parse_element,
		[DECL_TEXT] = parse_text_decl,
		[DECL_USE] = parse_use,
		[DECL_UNKNOWN] = parse_unknown,
		[DECL_CHILDREN] = parse_children,
		[DECL_ORDERED] = parse_ordered,
	};
	enum { WORDS = sizeof(words) / sizeof(words[0]) };
	size_t kind = word_find(p, words, WORDS);
	struct profile_decl *d;

	if (kind == WORDS)
		return wrong_word(p, "a statement such as 'element' or 'attribute'", words, WORDS);
	if (!(d = parse_alloc(p, sizeof(*d))))
		return false;
	d->kind = (enum profile_decl_kind)kind;
	d->at = p->token.at;
	parse_step(p);
	if (!parse[kind](p, d))
		return false;
	**tail = d;
	*tail = &d->next;
	return true;
}

/* A line that begins with a block is one, wherever a brace was forgotten. */
static bool begins_block(const struct parser *p)
{
	return p->token.at.column == 1 &&
	       (parse_is_word(p, "profile") || parse_is_word(p, "group"));
}

static bool block_ends(const struct parser *p)
{
	return parse_is(p, TOKEN_BRACE_CLOSE) || parse_is(p, TOKEN_END) || begins_block(p);
}

static bool parse_body(struct parser *p, struct profile_decl **out)
{
	struct loc open = p->token.at;

	if (!parse_expect(p, TOKEN_BRACE_OPEN, "'{'") || !parse_down(p))
		return false;
	while (!block_ends(p))
		if (!parse_accept(p, TOKEN_SEMICOLON) && !parse_decl(p, &out))
			parse_recover(p);
	p->depth--;
	return parse_block_close(p, open);
}

/* ---- items ---- */

static struct profile_item *item_new(struct parser *p, enum profile_item_kind kind)
{
	struct profile_item *item = parse_alloc(p, sizeof(*item));

	if (!item)
		return NULL;
	item->kind = kind;
	item->at = item->name_at = p->token.at;
	item->name = p->token.text;
	parse_step(p);
	return item;
}

static void item_add(struct profile_item ***tail, struct profile_item *item)
{
	**tail = item;
	*tail = &item->next;
}

static bool parse_group(struct parser *p, struct profile_item ***tail)
{
	struct profile_item *item = item_new(p, PROFILE_GROUP);

	if (!item || !(item->name = parse_name(p, "a name for the group", &item->name_at)) ||
		!parse_body(p, &item->body))
		return false;
	item_add(tail, item);
	return true;
}

/* Is it a type of one of the kinds? */
static bool type_known(unsigned kinds, const char *word)
{
	for (unsigned k = 0; k < STANZA_STREAM; k++)
		for (const char *const *t = strict_types[k]; (kinds >> k & 1) && *t; t++)
			if (strcmp(*t, word) == 0)
				return true;
	return false;
}

static bool check_types(struct parser *p, const struct profile_item *item)
{
	const char *words[STANZA_STREAM * STRICT_TYPES_MAX];
	size_t n = 0;

	for (unsigned k = 0; k < STANZA_STREAM; k++)
		for (const char *const *t = strict_types[k]; (item->kinds >> k & 1) && *t; t++)
			words[n++] = *t;
	for (const struct profile_name *w = item->words; w; w = w->next) {
		if (type_known(item->kinds, w->text))
			continue;
		diag_error(p->diags, w->at, diag_suggest(p->diags, w->text, words, n),
			"there is no %s of type '%s'", item->name, w->text);
		return false;
	}
	return true;
}

static bool parse_stanza(struct parser *p, unsigned kinds, struct profile_item ***tail)
{
	struct profile_item *item = item_new(p, PROFILE_STANZA);

	if (!item)
		return false;
	item->kinds = kinds;
	if (!parse_is(p, TOKEN_BRACE_OPEN) &&
		(!parse_names(p, "a type, or '{'", false, false, &item->words) ||
			!check_types(p, item)))
		return false;
	if (!parse_body(p, &item->body))
		return false;
	item_add(tail, item);
	return true;
}

static bool parse_block_item(struct parser *p, struct profile_item ***tail)
{
	static const char *const words[] = { "message", "presence", "iq", "stanza", "group" };
	size_t i = word_find(p, words, 5);

	if (i == 5)
		return wrong_word(p, "'message', 'presence', 'iq', 'stanza' or 'group'", words, 5);
	if (i == 4)
		return parse_group(p, tail);
	return parse_stanza(p, i < 3 ? 1u << i : 7u, tail);
}

static bool parse_profile(struct parser *p, struct profile_item ***tail)
{
	struct profile_item *item = item_new(p, PROFILE_BLOCK), **inner;
	struct loc open;

	if (!item || !(item->name = parse_name(p, "a name for the profile", &item->name_at)))
		return false;
	open = p->token.at;
	inner = &item->items;
	item_add(tail, item);
	if (!parse_expect(p, TOKEN_BRACE_OPEN, "'{'") || !parse_down(p))
		return false;
	while (!parse_is(p, TOKEN_BRACE_CLOSE) && !parse_is(p, TOKEN_END) &&
		!(p->token.at.column == 1 && parse_is_word(p, "profile")))
		if (!parse_accept(p, TOKEN_SEMICOLON) && !parse_block_item(p, &inner))
			parse_recover(p);
	p->depth--;
	return parse_block_close(p, open);
}

static bool parse_limits(struct parser *p, struct profile_item ***tail)
{
	static const uint64_t highest[] = { PROFILE_MAX_BYTES, STRICT_DEPTH_MAX, 1000000 };
	struct profile_item *item = item_new(p, PROFILE_LIMITS);
	struct loc open = p->token.at;

	if (!item || !parse_expect(p, TOKEN_BRACE_OPEN, "'{'"))
		return false;
	item_add(tail, item);
	while (!parse_is(p, TOKEN_BRACE_CLOSE) && !parse_is(p, TOKEN_END)) {
		size_t i = word_find(p, profile_limit_words, PROFILE_LIMIT_KINDS);

		if (i == PROFILE_LIMIT_KINDS)
			return wrong_word(
				p, "'size', 'depth' or 'elements'", profile_limit_words, i);
		item->limits_at[i] = p->token.at;
		parse_step(p);
		if (!parse_count(p, profile_limit_words[i], 1, highest[i], &item->limits[i]) ||
			!decl_ends(p))
			return false;
	}
	return parse_block_close(p, open);
}

static bool parse_unknown_item(struct parser *p, struct profile_item ***tail)
{
	struct profile_item *item = item_new(p, PROFILE_UNKNOWN);

	if (!item || !parse_policy_word(p, &item->policy) || !decl_ends(p))
		return false;
	item_add(tail, item);
	return true;
}

static bool parse_include(struct parser *p, struct profile_item ***tail)
{
	struct profile_item *item = item_new(p, PROFILE_INCLUDE);

	if (!item || !parse_include_name(p, &item->name, &item->name_at))
		return false;
	item_add(tail, item);
	parse_include_files(p, item->name, item->name_at);
	return true;
}

static bool parse_item(struct parser *p, struct profile_item ***tail)
{
	static const char *const words[] = { "profile", "include", "group", "limits", "unknown" };
	static bool (*const parse[])(struct parser *, struct profile_item ***) = { parse_profile,
		parse_include, parse_group, parse_limits, parse_unknown_item };
	size_t i = word_find(p, words, 5);

	return i == 5 ? wrong_word(p, "a block such as 'profile'", words, 5) : parse[i](p, tail);
}

static void parse_items(struct parser *p)
{
	struct profile_tree *tree = p->tree;

	while (!parse_is(p, TOKEN_END)) {
		const char *at = p->lex.at;

		if (parse_accept(p, TOKEN_SEMICOLON) || parse_item(p, &tree->tail))
			continue;
		parse_recover(p);
		/* At the outermost level a '}' closes nothing. */
		if (parse_is(p, TOKEN_BRACE_CLOSE) || (p->lex.at == at && !parse_is(p, TOKEN_END)))
			parse_step(p);
	}
}

/* ---- the whole ---- */

int profile_parse(struct source_set *sources, const struct profile_file *files, size_t n,
	struct diag_list *diags, struct profile_tree *out)
{
	struct parser p = { .sources = sources,
		.diags = diags,
		.names = true,
		.items = parse_items,
		.begins = begins_block };
	unsigned errors = diags->errors;
	int r = 0;

	*out = (struct profile_tree){ .ast = calloc(1, sizeof(struct ast)) };
	if (!out->ast)
		return -ENOMEM;
	out->tail = &out->items;
	arena_init(&out->ast->arena, 0);
	map_init(&p.seen);
	p.ast = out->ast;
	p.tree = out;
	for (size_t i = 0; i < n && !p.error; i++) {
		int one = parse_file(&p, files[i].base, files[i].path, files[i].at);

		r = one < 0 ? one : r;
	}
	map_fini(&p.seen, NULL);
	if (p.error)
		return p.error;
	if (r == 0 && diags->errors > errors)
		r = ERR_SYNTAX;
	return r;
}

void profile_free(struct profile_tree *tree)
{
	ast_free(tree->ast);
	tree->ast = NULL;
}
