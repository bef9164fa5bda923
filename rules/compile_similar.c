/* SPDX-License-Identifier: BSD-2-Clause */
/* "similar" blocks of the checked tree as parts of the program. Where an older policy had the same
 * one over the same text and window, its table goes on, so that a reload forgives nobody. It counts
 * nothing itself: similar_count.c does. */
#include "rules/compile.h"

#include <errno.h>
#include <string.h>

enum { ENTRIES_DEFAULT = 16384, WORDS_DEFAULT = 8, WINDOW_DEFAULT_MS = 600000 };

struct similar *compile_find_similar(struct compiler *c, const char *name)
{
	for (unsigned i = 0; i < c->p->n_similars; i++)
		if (strcmp(c->p->similars[i].name, name) == 0)
			return &c->p->similars[i];
	return NULL;
}

static uint64_t number_of(const struct ast_item *item, const char *name, uint64_t absent)
{
	const struct ast_setting *s = compile_setting(item, name);

	return s && s->values ? s->values->number : absent;
}

/* A bare number is seconds. */
static uint64_t window_of(const struct ast_item *item)
{
	const struct ast_setting *s = compile_setting(item, "window");

	if (!s || !s->values)
		return WINDOW_DEFAULT_MS;
	return s->values->kind == VALUE_DURATION ? s->values->number : s->values->number * 1000;
}

static void text_set(struct compiler *c, struct similar *similar, const struct ast_setting *text)
{
	const struct ast_value *v = text ? text->values : NULL, *path = v ? v->next : NULL;

	similar->field = field_find(v ? v->text : "text");
	if (!similar->field)
		diag_error(c->diags, v->at, NULL, "unknown field '%s'", v->text);
	else if (similar->field->param && path && path->kind == VALUE_STRING)
		similar->param = compile_strdup(c, path->text);
}

static void similar_inherit(const struct program *previous, struct similar *similar)
{
	for (unsigned i = 0; previous && i < previous->n_similars; i++) {
		const struct similar *old = &previous->similars[i];

		if (strcmp(old->name, similar->name) == 0 && old->field == similar->field &&
			old->entries == similar->entries && old->window_ns == similar->window_ns &&
			strcmp(old->param ? old->param : "",
				similar->param ? similar->param : "") == 0)
			similar->table = similar_table_ref(old->table);
	}
}

void compile_similar_item(struct compiler *c, const struct ast_item *item)
{
	struct similar *similar = &c->p->similars[c->p->n_similars++];

	similar->name = compile_strdup(c, item->name);
	text_set(c, similar, compile_setting(item, "text"));
	similar->window_ns = window_of(item) * 1000000;
	similar->entries = number_of(item, "entries", ENTRIES_DEFAULT);
	similar->words = (unsigned)number_of(item, "words", WORDS_DEFAULT);
	similar->senders = (unsigned)number_of(item, "senders", 0);
	similar->recipients = (unsigned)number_of(item, "recipients", 0);
	similar->exceeded = compile_counter(c, "similar.%s.exceeded%s", item->name, "");
	similar->evicted = compile_counter(c, "similar.%s.evicted%s", item->name, "");
	if (similar->senders + similar->recipients == 0)
		diag_error(c->diags, item->name_at,
			"write 'senders 5;' or 'recipients 10;', or both",
			"similar '%s' says of nothing how much is too much", item->name);
	if (c->error || !similar->field)
		return;
	similar_inherit(c->previous, similar);
	if (!similar->table &&
		!(similar->table = similar_table_new(similar->entries, similar->window_ns)))
		c->error = -ENOMEM;
}
