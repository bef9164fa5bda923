/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits of the checked tree as parts of the program: rate and burst in nanoseconds, the fields
 * that make the key, the table of what was counted. Where an older policy had the same limit with
 * the same key, its table goes on, so that a reload forgives nobody, and so does what "limit set"
 * changed while it ran. It counts nothing itself: condition.c does. */
#include "rules/compile.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

enum { LIMIT_ENTRIES_DEFAULT = 65536, LIMIT_ENTRIES_MAX = 16000000 };

struct limit *compile_find_limit(struct compiler *c, const char *name)
{
	for (unsigned i = 0; i < c->p->n_limits; i++)
		if (strcmp(c->p->limits[i].name, name) == 0)
			return &c->p->limits[i];
	return NULL;
}

/* ---- what an older policy had ---- */

static void limit_inherit(struct program *previous, struct limit *limit)
{
	for (unsigned i = 0; previous && i < previous->n_limits; i++) {
		const struct limit *old = &previous->limits[i];

		if (strcmp(old->name, limit->name) != 0)
			continue;
		pthread_rwlock_rdlock(&previous->lock);
		limit->changed = old->changed;
		if (old->changed)
			limit->rate = old->rate;
		pthread_rwlock_unlock(&previous->lock);
		if (strcmp(old->key, limit->key) != 0 || strcmp(old->what, limit->what) != 0)
			continue;
		limit->sketch = sketch_ref(old->sketch);
		if (old->entries == limit->entries)
			limit->table = limit_table_ref(old->table);
	}
}

/* ---- the key ---- */

static void key_set(
	struct compiler *c, struct limit_key *key, const struct ast_value *v, struct buf *text)
{
	const struct ast_value *path = v->next;

	if (!(key->field = field_find(v->text))) {
		diag_error(c->diags, v->at, NULL, "unknown field '%s'", v->text);
		return;
	}
	buf_putf(text, "%s%s", buf_len(text) ? ", " : "", key->field->name);
	if (!key->field->param || !path || path->kind != VALUE_STRING)
		return;
	key->param = compile_strdup(c, path->text);
	buf_putf(text, " \"%s\"", path->text);
}

static void limit_set_key(
	struct compiler *c, struct limit *limit, const struct ast_setting *setting)
{
	struct buf text;

	buf_init(&text, 0);
	for (const struct ast_value *v = setting ? setting->values : NULL; v; v = v->next)
		if (v->kind == VALUE_WORD && limit->n_keys < LIMIT_KEYS_MAX) {
			struct limit_key *key = &limit->keys[limit->n_keys];

			key_set(c, key, v, &text);
			limit->n_keys += key->field != NULL;
		}
	limit->key = compile_strdup(c, buf_len(&text) ? buf_string(&text) : "");
	buf_fini(&text);
}

/* ---- what is counted ---- */

static bool is_bytes(const struct field *field)
{
	return field &&
	       (strcmp(field->name, "size") == 0 || strcmp(field->name, "file.size") == 0);
}

static void limit_set_what(struct compiler *c, struct limit *limit, const struct ast_item *item)
{
	const struct ast_setting *count = compile_setting(item, "count"),
				 *distinct = compile_setting(item, "distinct");
	struct buf text;

	buf_init(&text, 0);
	if (count && count->values && strcmp(count->values->text, "stanzas") != 0)
		key_set(c, &limit->count, count->values, &text);
	if (distinct && distinct->values) {
		buf_puts(&text, "distinct");
		key_set(c, &limit->distinct, distinct->values, &text);
	}
	limit->plain = !limit->count.field && !limit->distinct.field;
	limit->bytes = is_bytes(limit->count.field);
	limit->what = compile_strdup(c, buf_len(&text) ? buf_string(&text) : "");
	buf_fini(&text);
}

void compile_limit_item(struct compiler *c, const struct ast_item *item)
{
	const struct ast_setting *rate = compile_setting(item, "rate"),
				 *burst = compile_setting(item, "burst"),
				 *entries = compile_setting(item, "entries");
	struct limit *limit = &c->p->limits[c->p->n_limits++];
	const struct ast_value *v = rate ? rate->values : NULL;

	limit->name = compile_strdup(c, item->name);
	limit_set_key(c, limit, compile_setting(item, "key"));
	limit_set_what(c, limit, item);
	if (!v || v->kind != VALUE_RATE || v->number == 0 || v->duration_ms == 0) {
		diag_error(c->diags, v ? v->at : item->name_at, NULL,
			"limit '%s' needs a rate such as 20/second", item->name);
		return;
	}
	/* Without a burst, one period's worth may come at once. */
	limit->configured = limit_rate_make(
		v->number, v->duration_ms, burst && burst->values ? burst->values->number : 0);
	limit->rate = limit->configured;
	limit->entries = entries && entries->values && entries->values->number
				 ? entries->values->number
				 : LIMIT_ENTRIES_DEFAULT;
	if (limit->entries > LIMIT_ENTRIES_MAX)
		limit->entries = LIMIT_ENTRIES_MAX;
	limit->exceeded = compile_counter(c, "limit.%s.exceeded%s", item->name, "");
	limit->evicted = compile_counter(c, "limit.%s.evicted%s", item->name, "");
	if (limit->name && limit->key && limit->what)
		limit_inherit(c->previous, limit);
	if (!limit->table &&
		!(limit->table = limit_table_new(limit->entries, limit->distinct.field)))
		c->error = -ENOMEM;
	if (!limit->sketch && !(limit->sketch = sketch_new()))
		c->error = -ENOMEM;
}
