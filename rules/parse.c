/* SPDX-License-Identifier: BSD-2-Clause */
/* Text to tree: files and includes, blocks, settings and values; chains and conditions are in
 * parse_rule.c and parse_cond.c. One function a production of the EBNF in docs/RULES.md. After an
 * error it goes on behind the next ';' or at the closing '}', so that one run shows several. Which
 * settings exist and what they mean is not known here (schema.c, check.c). Depth, file size and
 * includes have ceilings, for the text may come from anywhere. */
#include "rules/parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "rules/parse_int.h"
#include "rules/schema.h"

/* ---- values ---- */

static struct ast_value *parse_list(struct parser *p)
{
	struct ast_value *list = parse_alloc(p, sizeof(*list)), **tail;
	bool lengths = p->lex.lengths;
	struct loc mark_at;

	if (!list || !parse_down(p))
		return NULL;
	p->lex.lengths = false;
	list->kind = VALUE_LIST;
	list->at = p->token.at;
	list->text = "";
	tail = &list->items;
	parse_step(p);
	while (!parse_is(p, TOKEN_BRACE_CLOSE)) {
		if (!(*tail = parse_value(p)))
			break;
		if (parse_accept(p, TOKEN_COLON) &&
			!((*tail)->mark = parse_name(p, "a mark", &mark_at)))
			break;
		tail = &(*tail)->next;
		if (!parse_accept(p, TOKEN_COMMA) && !parse_is(p, TOKEN_BRACE_CLOSE)) {
			parse_wrong(p, "',' or '}'", NULL);
			*tail = NULL;
			p->depth--;
			p->lex.lengths = lengths;
			return NULL;
		}
	}
	p->depth--;
	p->lex.lengths = lengths;
	return parse_accept(p, TOKEN_BRACE_CLOSE) ? list : NULL;
}

/* -1 if the token is no value. */
static int value_kind(enum token_kind kind)
{
	switch (kind) {
	case TOKEN_WORD:
		return VALUE_WORD;
	case TOKEN_STRING:
		return VALUE_STRING;
	case TOKEN_NUMBER:
		return VALUE_NUMBER;
	case TOKEN_DURATION:
		return VALUE_DURATION;
	case TOKEN_SIZE:
		return VALUE_SIZE;
	case TOKEN_RATE:
		return VALUE_RATE;
	case TOKEN_ADDRESS:
		return VALUE_ADDRESS;
	case TOKEN_REGEX:
		return VALUE_REGEX;
	case TOKEN_LENGTH:
		return VALUE_LENGTH;
	case TOKEN_SET:
		return VALUE_SET;
	case TOKEN_DEFINED:
		return VALUE_DEFINED;
	default:
		return -1;
	}
}

struct ast_value *parse_value(struct parser *p)
{
	int kind = value_kind(p->token.kind);
	struct ast_value *value;

	if (parse_is(p, TOKEN_BRACE_OPEN))
		return parse_list(p);
	if (kind < 0) {
		parse_wrong(p, "a value", NULL);
		return NULL;
	}
	if (!(value = parse_alloc(p, sizeof(*value))))
		return NULL;
	value->kind = (enum ast_value_kind)kind;
	value->at = p->token.at;
	value->text = p->token.text;
	value->flags = p->token.flags;
	value->number = p->token.number;
	value->duration_ms = p->token.duration_ms;
	parse_step(p);
	return value;
}

/* ---- settings ---- */

/* "{ word value" opens a block of settings, "{ word," and "{ word }" a list. */
static bool is_block(struct parser *p)
{
	struct lexer ahead = p->lex;
	struct token first, second;

	ahead.diags = NULL;
	lex_next(&ahead, &first);
	lex_next(&ahead, &second);
	return first.kind == TOKEN_WORD && second.kind != TOKEN_COMMA && second.kind != TOKEN_COLON &&
	       second.kind != TOKEN_BRACE_CLOSE && second.kind != TOKEN_END;
}

bool parse_block_ends(struct parser *p)
{
	return parse_is(p, TOKEN_BRACE_CLOSE) || parse_is(p, TOKEN_END) || parse_begins_item(p);
}

bool parse_block_close(struct parser *p, struct loc open)
{
	if (parse_accept(p, TOKEN_BRACE_CLOSE))
		return true;
	if (!p->error)
		diag_error(p->diags, open, NULL, "this '{' is never closed");
	return false;
}

static bool parse_settings(struct parser *p, struct ast_setting **settings)
{
	struct ast_setting **tail = settings;
	struct loc open = p->token.at;
	bool lengths = p->lex.lengths;

	if (!parse_is(p, TOKEN_BRACE_OPEN))
		return parse_wrong(p, "'{'", NULL);
	if (!parse_down(p))
		return false;
	p->lex.lengths = true;
	parse_step(p);
	while (!parse_block_ends(p)) {
		if (!parse_accept(p, TOKEN_SEMICOLON) && !parse_setting(p, &tail))
			parse_recover(p);
	}
	p->depth--;
	p->lex.lengths = lengths;
	return parse_block_close(p, open);
}

/* "5 strikes within 10m" is the setting "strikes" with the values 5, within, 10m. */
static bool parse_setting_word(struct parser *p, struct ast_setting *s, struct ast_value ***tail)
{
	if (parse_is(p, TOKEN_NUMBER)) {
		if (!(**tail = parse_value(p)))
			return false;
		*tail = &(**tail)->next;
	}
	s->at = p->token.at;
	s->name = p->token.text;
	return parse_expect(p, TOKEN_WORD, s->values ? "'strikes'" : "a setting");
}

static bool setting_ends(const struct parser *p)
{
	return parse_is(p, TOKEN_SEMICOLON) || parse_is(p, TOKEN_BRACE_CLOSE) ||
	       parse_is(p, TOKEN_END);
}

bool parse_setting(struct parser *p, struct ast_setting ***link)
{
	struct ast_setting *s = parse_alloc(p, sizeof(*s));
	struct ast_value **tail;

	if (!s)
		return false;
	tail = &s->values;
	if (!parse_setting_word(p, s, &tail))
		return false;
	**link = s;
	*link = &s->next;
	s->assigned = parse_accept(p, TOKEN_ASSIGN);
	if (parse_is(p, TOKEN_BRACE_OPEN) && is_block(p)) {
		s->has_block = true;
		if (!parse_settings(p, &s->block))
			return false;
		parse_accept(p, TOKEN_SEMICOLON);
		return true;
	}
	while (!setting_ends(p) && !parse_begins_item(p)) {
		/* "feed NAME {" */
		if (s->values && s->values->kind == VALUE_WORD && !s->values->next &&
			parse_is(p, TOKEN_BRACE_OPEN) && is_block(p)) {
			s->has_block = true;
			if (!parse_settings(p, &s->block))
				return false;
			parse_accept(p, TOKEN_SEMICOLON);
			return true;
		}
		bool comma = s->values && parse_accept(p, TOKEN_COMMA);

		if (!(*tail = parse_value(p)))
			return false;
		(*tail)->comma = comma;
		tail = &(*tail)->next;
	}
	if (parse_accept(p, TOKEN_SEMICOLON) || parse_is(p, TOKEN_BRACE_CLOSE))
		return true;
	return parse_wrong(p, "';'", NULL);
}

/* ---- items ---- */

static struct ast_item *item_add(struct parser *p, enum ast_item_kind kind, struct loc at)
{
	struct ast_item *item = parse_alloc(p, sizeof(*item));

	if (!item)
		return NULL;
	item->kind = kind;
	item->at = at;
	if (p->ast->last)
		p->ast->last->next = item;
	else
		p->ast->items = item;
	p->ast->last = item;
	return item;
}

static void paths_free(char ***paths)
{
	for (char **path = *paths; path && *path; path++)
		free(*path);
	free(*paths);
}

/* Matching files in byte order; a name without wildcards must be there. */
bool parse_include_files(struct parser *p, const char *pattern, struct loc at)
{
	const char *base = at.file->path;
	cleanup(paths_free) char **paths = NULL;
	int r = 0;

	if (!pattern[strcspn(pattern, "*?[")])
		return parse_file(p, base, pattern, at) == 0;
	if ((r = source_glob(p->sources, base, pattern, &paths)) < 0) {
		diag_error(p->diags, at, NULL, "cannot look for '%s': %s", pattern, err_text(r));
		return false;
	}
	for (char **path = paths; path && *path && !p->error; path++)
		parse_file(p, NULL, *path, at);
	return true;
}

bool parse_include_name(struct parser *p, const char **pattern, struct loc *at)
{
	*pattern = p->token.text;
	*at = p->token.at;
	if (!parse_expect(p, TOKEN_STRING, "a file name in double quotes"))
		return false;
	parse_accept(p, TOKEN_SEMICOLON);
	return true;
}

static bool parse_include(struct parser *p)
{
	struct ast_item *item = item_add(p, ITEM_INCLUDE, p->token.at);

	parse_step(p);
	if (!item || !parse_include_name(p, &item->name, &item->name_at))
		return false;
	parse_include_files(p, item->name, item->name_at);
	return true;
}

static bool parse_define(struct parser *p)
{
	struct ast_item *item;
	struct loc at = p->token.at, name_at;
	const char *name;

	parse_step(p);
	if (!(name = parse_name(p, "a name for the definition", &name_at)) ||
		!(item = item_add(p, ITEM_DEFINE, at)))
		return false;
	item->name = name;
	item->name_at = name_at;
	return parse_expect(p, TOKEN_ASSIGN, "'='") && (item->value = parse_value(p)) &&
	       parse_expect(p, TOKEN_SEMICOLON, "';'");
}

static bool parse_named(struct parser *p, enum ast_item_kind kind)
{
	bool map = parse_is_word(p, "map");
	const char *const wanted[] = {
		[ITEM_SERVICE] = "a name for the service",
		[ITEM_SET] = map ? "a name for the map" : "a name for the set",
		[ITEM_LIMIT] = "a name for the limit",
		[ITEM_SIMILAR] = "a name for what is similar",
		[ITEM_CHAIN] = "a name for the chain",
		[ITEM_PUNISH] = "a name for the punishment",
		[ITEM_BACKEND] = "a name for the backend",
		[ITEM_REMOTE] = "a name for the remote servers",
		[ITEM_CLEARANCE] = "a name for the clearance",
	};
	struct loc at = p->token.at, name_at;
	struct ast_item *item;
	const char *name;

	parse_step(p);
	if (!(name = parse_name(p, wanted[kind], &name_at)) || !(item = item_add(p, kind, at)))
		return false;
	item->name = name;
	item->name_at = name_at;
	item->map = map;
	return kind == ITEM_CHAIN ? parse_chain_body(p, item) : parse_settings(p, &item->settings);
}

static bool parse_options(struct parser *p)
{
	struct ast_item *item = item_add(p, ITEM_OPTIONS, p->token.at);

	if (!item)
		return false;
	item->name = p->token.text;
	item->name_at = p->token.at;
	parse_step(p);
	return parse_settings(p, &item->settings);
}

static bool parse_expectation(struct parser *p)
{
	struct ast_item *item = item_add(p, ITEM_EXPECT, p->token.at);

	parse_step(p);
	if (!item)
		return false;
	item->name = p->token.text;
	item->name_at = p->token.at;
	return parse_expect(p, TOKEN_STRING, "a title in double quotes") &&
	       parse_expect_body(p, item);
}

static bool parse_item(struct parser *p)
{
	const struct schema_block *block =
		parse_is(p, TOKEN_WORD) ? schema_find_block(p->token.text) : NULL;

	if (parse_is_word(p, "include"))
		return parse_include(p);
	if (parse_is_word(p, "define"))
		return parse_define(p);
	if (!block) {
		parse_wrong(p, "a block such as service, set, limit or chain",
			parse_is(p, TOKEN_WORD) ? schema_suggest_block(p->diags, p->token.text)
						: NULL);
		return false;
	}
	if (block->named && block->inner) {
		parse_wrong(p, "a block such as service, set, limit or chain",
			"it stands inside another block");
		return false;
	}
	if (block->item == ITEM_OPTIONS)
		return parse_options(p);
	return block->item == ITEM_EXPECT ? parse_expectation(p) : parse_named(p, block->item);
}

/* ---- files ---- */

static void parse_items(struct parser *p)
{
	while (!parse_is(p, TOKEN_END)) {
		const char *at = p->lex.at;

		if (parse_accept(p, TOKEN_SEMICOLON) || parse_item(p))
			continue;
		parse_recover(p);
		/* At the outermost level a '}' closes nothing. */
		if (parse_is(p, TOKEN_BRACE_CLOSE) || p->lex.at == at)
			parse_step(p);
	}
}

static bool file_is_text(struct parser *p, const struct source_file *file, struct loc at)
{
	size_t bad;

	if (file->len > PARSE_FILE_MAX) {
		diag_error(p->diags, at,
			"long lists belong into files of their own: set ... { file \"...\"; }",
			"'%s' is larger than %d bytes", file->path, PARSE_FILE_MAX);
		return false;
	}
	if ((bad = lex_check_utf8(file->bytes, file->len)) == file->len)
		return true;
	at = (struct loc){ .file = file, .line = 1, .column = 1, .length = 1 };
	for (size_t i = 0; i < bad; i++, at.column++) {
		if (file->bytes[i] == '\n') {
			at.line++;
			at.column = 0;
		}
	}
	diag_error(p->diags, at, NULL, "not UTF-8");
	return false;
}

static void parse_text(struct parser *p, const struct source_file *file)
{
	struct lexer outer = p->lex;
	struct token token = p->token;
	unsigned depth = p->depth;

	p->depth = 0;
	p->in_chain = false;
	lex_init(&p->lex, file, &p->ast->arena, p->diags);
	p->lex.names = p->names;
	parse_step(p);
	p->items(p);
	p->lex = outer;
	p->token = token;
	p->depth = depth;
	if (p->error)
		p->token.kind = TOKEN_END;
}

/* at: the include that names it; without a file for the first one. */
int parse_file(struct parser *p, const char *base, const char *path, struct loc at)
{
	cleanup_free char *resolved = source_resolve(base, path);
	const struct source_file *file = NULL;
	int r = resolved ? 0 : -ENOMEM;

	if (r == 0 && map_has(&p->seen, resolved, strlen(resolved)))
		return 0;
	if (r == 0 && (r = map_put(&p->seen, resolved, strlen(resolved), p, NULL)) == 0 &&
		(r = source_find(p->sources, base, path, &file)) < 0) {
		diag_error(p->diags, at, NULL, "cannot read '%s': %s", resolved, err_text(r));
		return r;
	}
	if (r < 0)
		return p->error = r;
	if (p->includes >= PARSE_INCLUDE_MAX) {
		diag_error(
			p->diags, at, NULL, "includes nested more than %d deep", PARSE_INCLUDE_MAX);
		return ERR_SYNTAX;
	}
	if (!file_is_text(p, file, at))
		return ERR_SYNTAX;
	p->includes++;
	parse_text(p, file);
	p->includes--;
	return p->error;
}

int parse_policy(
	struct source_set *sources, const char *path, struct diag_list *diags, struct ast **out)
{
	struct ast *ast = calloc(1, sizeof(*ast));
	struct parser p = {
		.sources = sources, .diags = diags, .ast = ast, .items = parse_items
	};
	unsigned errors = diags->errors;
	int r;

	*out = ast;
	if (!ast)
		return -ENOMEM;
	arena_init(&ast->arena, 0);
	map_init(&p.seen);
	r = parse_file(&p, NULL, path, (struct loc){ 0 });
	map_fini(&p.seen, NULL);
	if (p.error)
		return p.error;
	if (r == 0 && diags->errors > errors)
		r = ERR_SYNTAX;
	return r;
}

void ast_free(struct ast *ast)
{
	if (!ast)
		return;
	arena_fini(&ast->arena);
	free(ast);
}
