/* SPDX-License-Identifier: BSD-2-Clause */
/* The names in profiles: before profile_compile.c puts groups in their places, each "use" finds the
 * group it means, wherever it is written, and blocks and groups are told apart. Out come the tree
 * with its groups found, and the names of the blocks as one text; or diagnostics. It makes nothing
 * of what is in them. */
#include <errno.h>
#include <string.h>

#include "base/map.h"
#include "rules/profile_int.h"
#include "rules/source.h"

const char *const profile_type_words[TYPE_KINDS] = {
	[TYPE_TEXT] = "text",
	[TYPE_TOKEN] = "token",
	[TYPE_JID] = "jid",
	[TYPE_DOMAIN] = "domain",
	[TYPE_WORDS] = "words",
	[TYPE_NUMBER] = "number",
	[TYPE_LANG] = "lang",
	[TYPE_DATETIME] = "datetime",
	[TYPE_BASE64] = "base64",
	[TYPE_URI] = "uri",
};

const char *const profile_limit_words[PROFILE_LIMIT_KINDS] = {
	[LIMIT_SIZE] = "size",
	[LIMIT_DEPTH] = "depth",
	[LIMIT_ELEMENTS] = "elements",
};

enum { SUGGEST_MAX = 256 };

struct names {
	struct diag_list *diags;
	struct map groups; /* name -> struct profile_item * */
	int error;
};

static void groups_find(struct names *c, struct profile_decl *body)
{
	const char *names[SUGGEST_MAX];
	struct map_entry *e;
	size_t n = 0, at = 0;

	while (n < SUGGEST_MAX && map_each(&c->groups, &at, &e))
		names[n++] = e->key;
	for (struct profile_decl *d = body; d; d = d->next) {
		for (struct profile_name *w = d->names; w; w = w->next) {
			if (d->kind != DECL_USE ||
				(w->group = map_find(&c->groups, w->text, strlen(w->text))))
				continue;
			diag_error(c->diags, w->at, diag_suggest(c->diags, w->text, names, n),
				"no such group '%s'", w->text);
		}
		groups_find(c, d->body);
	}
}

static void group_add(struct names *c, struct profile_item *item)
{
	if (map_has(&c->groups, item->name, strlen(item->name)))
		diag_error(
			c->diags, item->name_at, NULL, "there is already a group '%s'", item->name);
	else if (map_put(&c->groups, item->name, strlen(item->name), item, NULL) < 0)
		c->error = -ENOMEM;
}

static void names_collect(struct names *c, struct profile_item *items)
{
	for (struct profile_item *i = items; i && !c->error; i = i->next) {
		if (i->kind == PROFILE_GROUP)
			group_add(c, i);
		names_collect(c, i->items);
	}
}

static void names_find(struct names *c, struct profile_item *items)
{
	for (struct profile_item *i = items; i; i = i->next) {
		groups_find(c, i->body);
		names_find(c, i->items);
	}
}

/* "chat, presence" */
static void blocks_name(
	struct names *c, const struct profile_item *items, struct arena *arena, const char **out)
{
	struct buf names;

	buf_init(&names, 0);
	for (const struct profile_item *i = items; i; i = i->next) {
		if (i->kind != PROFILE_BLOCK)
			continue;
		for (const struct profile_item *k = items; k != i; k = k->next)
			if (k->kind == PROFILE_BLOCK && strcmp(k->name, i->name) == 0)
				diag_error(c->diags, i->name_at, NULL,
					"there is already a profile '%s'", i->name);
		buf_putf(&names, "%s%s", buf_len(&names) ? ", " : "", i->name);
	}
	if (!(*out = arena_strndup(arena, buf_len(&names) ? buf_ptr(&names) : "", buf_len(&names))))
		c->error = -ENOMEM;
	buf_fini(&names);
}

int profile_names(const struct profile_tree *tree, struct diag_list *diags, struct arena *arena,
	const char **blocks)
{
	struct names c = { .diags = diags };

	map_init(&c.groups);
	names_collect(&c, tree->items);
	if (!c.error)
		names_find(&c, tree->items);
	if (!c.error)
		blocks_name(&c, tree->items, arena, blocks);
	map_fini(&c.groups, NULL);
	return c.error;
}
