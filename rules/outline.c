/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind the checker, before the tree goes: each service, set, limit, chain and rule in canonical
 * text, with a digest of all of it. Out goes an array that the policy keeps, for whoever asks what
 * a reload changes. Entries of list files are no part of it: they change while it runs. */
#include "rules/outline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rules/print.h"
#include "rules/schema.h"

enum { OUTLINE_PRINT_MAX = 64 << 20 };

static uint64_t text_digest(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return h;
}

/* What stands between the braces. */
static struct span text_inner(const char *printed)
{
	const char *begin = strchr(printed, '\n'), *end = strrchr(printed, '}');

	while (begin && (*begin == '\n' || *begin == ' ' || *begin == '\t'))
		begin++;
	while (begin && end > begin && (end[-1] == '\n' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return begin && end > begin ? (struct span){ begin, (size_t)(end - begin) }
				    : span_of(printed);
}

/* The printer's text of a chain that holds nothing else, without the chain. */
const char *outline_rule(
	struct arena *arena, const struct ast_item *chain, const struct ast_rule *rule)
{
	struct ast_rule one = *rule;
	struct ast_item item = *chain;
	struct ast ast = { .items = &item, .last = &item };
	const char *text = NULL, *printed;
	struct span inner;
	struct buf b;

	one.next = NULL;
	item.next = NULL;
	item.settings = NULL;
	item.rules = &one;
	buf_init(&b, OUTLINE_PRINT_MAX);
	if (print_policy(&ast, &b) == 0 && (printed = buf_string(&b))) {
		inner = text_inner(printed);
		text = arena_strndup(arena, inner.ptr, inner.len);
	}
	buf_fini(&b);
	return text;
}

/* A chain without its rules, anything else whole. */
static int item_print(struct arena *arena, const struct ast_item *from, struct item_info *info)
{
	struct ast_item item = *from;
	struct ast ast = { .items = &item, .last = &item };
	const char *text;
	struct buf b;
	size_t len;
	int r;

	item.next = NULL;
	item.rules = NULL;
	buf_init(&b, OUTLINE_PRINT_MAX);
	if ((r = print_policy(&ast, &b)) == 0 && (text = buf_string(&b))) {
		info->digest = text_digest(text);
		len = span_cut(span_of(text), OUTLINE_TEXT_MAX);
		while (len > 0 && text[len - 1] == '\n')
			len--;
		info->text = arena_strndup(arena, text, len);
	}
	buf_fini(&b);
	return r < 0 ? r : info->text ? 0 : -ENOMEM;
}

static const char *item_kind(const struct ast_item *item)
{
	const struct schema_block *block;

	if (item->kind == ITEM_DEFINE)
		return "define";
	block = schema_of_item(item);
	return block ? block->name : "";
}

static int rule_outline(struct arena *arena, const struct ast_item *chain,
	const struct ast_rule *rule, struct item_info *info)
{
	char name[512];

	snprintf(name, sizeof(name), "%s/%s", chain->name, rule->name);
	info->kind = "rule";
	info->name = arena_strdup(arena, name);
	info->text = outline_rule(arena, chain, rule);
	if (!info->name || !info->text)
		return -ENOMEM;
	info->digest = text_digest(info->text);
	return 0;
}

static size_t item_count(const struct ast *ast)
{
	size_t n = 0;

	for (const struct ast_item *item = ast->items; item; item = item->next) {
		n++;
		for (const struct ast_rule *rule = item->rules; rule; rule = rule->next)
			n++;
	}
	return n;
}

int outline_make(const struct ast *ast, struct arena *arena, struct item_info **out, size_t *n)
{
	struct item_info *all = arena_zalloc(arena, (item_count(ast) + 1) * sizeof(*all));
	int r = all ? 0 : -ENOMEM;

	*n = 0;
	*out = all;
	for (const struct ast_item *item = ast->items; item && r == 0; item = item->next) {
		if (item->kind == ITEM_INCLUDE)
			continue;
		all[*n].kind = item_kind(item);
		all[*n].name = arena_strdup(arena, item->name ? item->name : "");
		r = all[*n].name ? item_print(arena, item, &all[*n]) : -ENOMEM;
		(*n)++;
		for (const struct ast_rule *rule = item->rules; rule && r == 0; rule = rule->next)
			r = rule_outline(arena, item, rule, &all[(*n)++]);
	}
	return r;
}
