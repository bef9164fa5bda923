/* SPDX-License-Identifier: BSD-2-Clause */
/* Two policies side by side: behind config.c, for "reload". In: the items of both (rules/outline.c)
 * and their sets. Out: what was added, removed, altered, moved, as JSON that is bounded however
 * large they are. It knows what is written, not what it means: whether verdicts differ, a shadow
 * finds out. */
#include "ctl/compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "rules/rules.h"

enum { COMPARE_SAME_NAME_MAX = 100 /* titles of expectations may repeat */ };

struct row {
	const struct item_info *item;
	char *key; /* "KIND NAME NUMBER" */
};

struct side {
	struct row *rows;
	size_t n;
	struct map by_key; /* -> struct row * */
};

struct comparison {
	json_t *added, *removed, *altered, *moved, *entries;
	bool cut;
};

static void side_fini(struct side *side)
{
	for (size_t i = 0; side->rows && i < side->n; i++)
		free(side->rows[i].key);
	free(side->rows);
	map_fini(&side->by_key, NULL);
}

static int row_enter(struct side *side, struct row *row)
{
	for (unsigned nth = 0;; nth++) {
		free(row->key);
		row->key = NULL;
		if (asprintf(&row->key, "%s %s %u", row->item->kind, row->item->name, nth) < 0) {
			row->key = NULL;
			return -ENOMEM;
		}
		if (nth < COMPARE_SAME_NAME_MAX &&
			map_has(&side->by_key, row->key, strlen(row->key)))
			continue;
		return map_put(&side->by_key, row->key, strlen(row->key), row, NULL);
	}
}

static int side_init(struct side *side, const struct policy *p)
{
	const struct item_info *items;
	int r = 0;

	map_init(&side->by_key);
	side->n = policy_items(p, &items);
	if (!(side->rows = calloc(side->n + 1, sizeof *side->rows)))
		return -ENOMEM;
	for (size_t i = 0; i < side->n && r == 0; i++) {
		side->rows[i].item = &items[i];
		r = row_enter(side, &side->rows[i]);
	}
	return r;
}

static const struct item_info *side_find(const struct side *side, const struct row *row)
{
	const struct row *found = map_find(&side->by_key, row->key, strlen(row->key));

	return found ? found->item : NULL;
}

/* Takes value. */
static void rows_add(struct comparison *c, json_t *rows, json_t *value)
{
	if (json_array_size(rows) < COMPARE_ROWS_MAX) {
		json_array_append_new(rows, value);
		return;
	}
	c->cut = true;
	json_decref(value);
}

static json_t *item_json(const struct item_info *item)
{
	return json_pack(
		"{s:s,s:s,s:s}", "kind", item->kind, "name", item->name, "text", item->text);
}

static void compare_items(struct comparison *c, const struct side *before, const struct side *after)
{
	for (size_t i = 0; i < before->n; i++)
		if (!side_find(after, &before->rows[i]))
			rows_add(c, c->removed, item_json(before->rows[i].item));
	for (size_t i = 0; i < after->n; i++) {
		const struct item_info *is = after->rows[i].item;
		const struct item_info *was = side_find(before, &after->rows[i]);

		if (!was)
			rows_add(c, c->added, item_json(is));
		else if (was->digest != is->digest)
			rows_add(c, c->altered,
				json_pack("{s:s,s:s,s:s,s:s}", "kind", is->kind, "name", is->name,
					"before", was->text, "after", is->text));
	}
}

/* Chains are run in file order, rules in theirs: what is in both and comes behind something it came
 * before has moved. */
static void compare_order(struct comparison *c, const struct side *before, const struct side *after)
{
	const struct item_info *last_chain = NULL, *last_rule = NULL, **last;

	for (size_t i = 0; i < after->n; i++) {
		const struct item_info *is = after->rows[i].item;
		const struct item_info *was = side_find(before, &after->rows[i]);
		bool chain = strcmp(is->kind, "chain") == 0;

		if (chain)
			last_rule = NULL; /* rules are compared within theirs */
		if (!was || (!chain && strcmp(is->kind, "rule") != 0))
			continue;
		last = chain ? &last_chain : &last_rule;
		if (*last && was < *last)
			rows_add(c, c->moved, json_string(is->name));
		else
			*last = was;
	}
}

static void compare_sets(
	struct comparison *c, const struct policy *before, const struct policy *after)
{
	const struct set_info *old, *new;
	size_t n_old = policy_sets(before, &old), n_new = policy_sets(after, &new);

	for (size_t i = 0; i < n_new; i++)
		for (size_t k = 0; k < n_old; k++) {
			json_int_t was =
				(json_int_t)__atomic_load_n(&old[k].entries, __ATOMIC_RELAXED);
			json_int_t is = (json_int_t) new[i].entries;

			if (strcmp(old[k].name, new[i].name) == 0 && was != is)
				rows_add(c, c->entries,
					json_pack("{s:s,s:I,s:I}", "name", new[i].name, "before",
						was, "after", is));
		}
}

json_t *compare_policies(const struct policy *before, const struct policy *after)
{
	struct comparison c = { json_array(), json_array(), json_array(), json_array(),
		json_array(), false };
	struct side old = { 0 }, new = { 0 };
	json_t *out = NULL;

	if (side_init(&old, before) == 0 && side_init(&new, after) == 0) {
		compare_items(&c, &old, &new);
		compare_order(&c, &old, &new);
		compare_sets(&c, before, after);
		out = json_pack("{s:O,s:O,s:O,s:O,s:O,s:b}", "added", c.added, "removed", c.removed,
			"altered", c.altered, "moved", c.moved, "entries", c.entries, "cut", c.cut);
	}
	json_decref(c.added);
	json_decref(c.removed);
	json_decref(c.altered);
	json_decref(c.moved);
	json_decref(c.entries);
	side_fini(&new);
	side_fini(&old);
	return out;
}
