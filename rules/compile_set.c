/* SPDX-License-Identifier: BSD-2-Clause */
/* A set from the checked tree into the program: its elements, its file, its feeds. A large one is
 * looked for among the parts that were compiled before, under the digest of everything it is made
 * of; if it is not there it is filled from the text and becomes such a part. Edits that a bundle
 * brings along stand beside it. In: the tree, sources, parts. Out: a set, or diagnostics. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "rules/cache.h"
#include "rules/compile.h"
#include "rules/feed.h"
#include "rules/hash.h"
#include "rules/list_hits.h"
#include "rules/list_look.h"
#include "rules/pack.h"

/* ---- filling from text ---- */

static void set_element(
	struct compiler *c, struct list *l, struct arena *a, const struct ast_value *v)
{
	const char *text = v->text ? v->text : "", *why;
	cleanup_free char *written = NULL;
	int r = 0;

	if (v->kind == VALUE_REGEX)
		r = asprintf(&written, "/%s/%s", v->text, v->flags ? v->flags : "");
	else if (v->mark)
		r = asprintf(&written, "%s : %s", text, v->mark);
	if (r < 0) {
		written = NULL;
		c->error = -ENOMEM;
		return;
	}
	r = list_fill(l, a, span_of(written ? written : text), 0, LIST_FROM_POLICY, &why);
	if (r == ERR_SYNTAX)
		diag_error(c->diags, v->at, NULL, "bad %s in set '%s': %s", list_type_text(l->type),
			l->name, why);
	else if (r < 0)
		c->error = r;
}

void compile_elements(struct compiler *c, struct list *l, const struct ast_setting *s)
{
	struct arena a;

	arena_init(&a, 0);
	for (const struct ast_value *v = compile_setting_values(s); v; v = v->next)
		set_element(c, l, &a, v);
	arena_fini(&a);
}

struct source_file *compile_list_find(
	struct compiler *c, struct list *l, const struct ast_setting *s)
{
	struct source_file *file = NULL;
	struct loc at = s->values->at;
	const char *base = at.file ? at.file->path : NULL;
	int r = source_find_list(c->sources, base, s->values->text, &file);
	char *path;

	if (r < 0) {
		diag_error(
			c->diags, at, NULL, "cannot read '%s': %s", s->values->text, err_text(r));
		return NULL;
	}
	if (!(path = source_resolve(base, s->values->text))) {
		c->error = -ENOMEM;
		return NULL;
	}
	free(l->path);
	l->path = path;
	return file;
}

void compile_list_file(struct compiler *c, struct list *l, struct source_file *file)
{
	int r = source_text(c->sources, file);

	if (r == 0)
		r = list_load(l, file, clock_wall_ms(), c->diags);
	if (l->building)
		file->packed = true;
	else
		file->plain = true;
	if (r < 0 && r != ERR_SYNTAX)
		c->error = r;
}

/* ---- packs ---- */

static void key_add_setting(struct hash_state *h, const struct ast_setting *s)
{
	for (const struct ast_value *v = compile_setting_values(s); v; v = v->next) {
		hash_add_number(h, v->kind);
		hash_add_span(h, span_of(v->text));
		hash_add_span(h, span_of(v->flags));
		hash_add_span(h, span_of(v->mark));
	}
	hash_add_number(h, UINT64_MAX);
}

/* What a set is made of. Whether it was written so or otherwise does not matter. */
static void key_make(struct compiler *c, const struct ast_item *item, const struct list *l,
	struct source_file *file, uint8_t key[PART_KEY])
{
	struct hash_state h;

	hash_begin(&h);
	hash_add_number(&h, PACK_VERSION);
	hash_add_number(&h, list_shape(l));
	key_add_setting(&h, compile_setting(item, "elements"));
	hash_add(&h, file ? (const void *)source_digest(file) : "no file", file ? 32 : 7);
	compile_feeds_key(c, item, &h);
	hash_end(&h, key);
}

static bool set_is_packed(struct compiler *c, const struct ast_item *item, const struct list *l,
	const struct source_file *file)
{
	size_t bytes = (file ? file->len : 0) + compile_feeds_size(c, item);

	return list_type_packs(l->type) && ((file && file->elided) || bytes >= LIST_PACK_BYTES);
}

/* Takes the set as it was compiled before. False if it was not. */
static bool set_take(
	struct compiler *c, struct list *l, struct source_file *file, const uint8_t key[PART_KEY])
{
	struct part *part = cache_find(c->sources, PART_SET, key);
	struct pack *pack = NULL;
	int r = part ? pack_open(part, list_shape(l), &pack) : ERR_NOTFOUND;

	if (r == ERR_PROTO)
		cache_refuse(c->sources, part);
	if (r == 0 && (r = list_take_pack(l, pack)) < 0)
		pack_free(pack);
	if (r < 0) {
		if (r == -ENOMEM)
			c->error = r;
		return false;
	}
	if (file)
		file->packed = true;
	if (list_has_ended(l, clock_wall_ms()))
		list_expire(l, clock_wall_ms());
	return true;
}

static void set_fill(struct compiler *c, const struct ast_item *item, struct list *l,
	struct source_file *file, const uint8_t *key)
{
	unsigned errors = c->diags->errors;
	int r = key ? list_fill_begin(l, SIZE_MAX) : 0;

	if (r < 0) {
		c->error = r;
		return;
	}
	compile_elements(c, l, compile_setting(item, "elements"));
	if (file)
		compile_list_file(c, l, file);
	compile_feeds(c, item, l, true);
	if (c->error || c->diags->errors > errors)
		return;
	if ((r = list_fill_end(l, key)) == 0 && key)
		r = cache_add(c->sources, l->pack->part);
	if (r < 0)
		c->error = r;
}

/* ---- edits made since ---- */

/* "+ENTRY until TIME" or "-ENTRY", as live.c would. */
static int edit_apply(struct list *l, struct span line)
{
	struct list_entry *e;
	struct span entry;
	const char *why;
	int64_t expires;
	bool add = line.len && line.ptr[0] == '+';
	int r;

	if (line.len < 2 || (!add && line.ptr[0] != '-'))
		return ERR_PROTO;
	line = (struct span){ line.ptr + 1, line.len - 1 };
	if (!list_parse_line(l->type, line, &entry, &expires, &why) || why)
		return ERR_PROTO;
	if ((r = list_entry_new(l, entry, expires, &e, &why)) < 0)
		return r == ERR_SYNTAX ? ERR_PROTO : r;
	e->from = LIST_FROM_FILE;
	if (!add)
		list_drop(l, e);
	else if (!list_renew(l, e) && (r = list_put(l, e)) == 0)
		return 0;
	list_entry_free(e);
	return r;
}

static void set_edits(struct compiler *c, struct list *l)
{
	char path[LIST_EDITS_PATH_MAX];
	struct source_file *file;
	int r = 0;

	list_edits_path(l->name, path);
	if (!(file = source_peek(c->sources, path)))
		return;
	for (size_t i = 0; r == 0 && i < file->len;) {
		const char *end = memchr(file->bytes + i, '\n', file->len - i);
		size_t len = end ? (size_t)(end - file->bytes) - i : file->len - i;

		r = edit_apply(l, (struct span){ file->bytes + i, len });
		i += len + 1;
	}
	if (r < 0)
		c->error = r;
}

/* ---- the set ---- */

static void set_inherit(struct compiler *c, struct list *l)
{
	struct list *old = c->previous ? program_find_list(c->previous, l->name) : NULL;

	if (!old)
		return;
	pthread_rwlock_rdlock(&c->previous->lock);
	list_hits_inherit(l, old);
	pthread_rwlock_unlock(&c->previous->lock);
}

static void set_hash(struct compiler *c, struct list *l, const struct ast_item *item)
{
	const char *of = compile_setting_text(item, "of"),
		   *salt = compile_setting_text(item, "salt");

	if (l->type != LIST_HASH)
		return;
	l->of = of ? (enum list_type)list_type_find(of) : LIST_JID;
	if (!salt)
		return;
	free(l->salt);
	if (!(l->salt = strdup(salt)))
		c->error = -ENOMEM;
}

static void set_flags(struct compiler *c, struct list *l, const struct ast_item *item)
{
	l->fold = compile_setting_has(item, "flags", "fold");
	l->nocase = compile_setting_has(item, "flags", "nocase");
	l->substring = compile_setting_has(item, "flags", "substring");
	l->map = item->map;
	l->suffix = compile_setting_has(item, "flags", "suffix");
	l->hits = compile_counter(c, "set.%s.hits%s", item->name, "");
	set_hash(c, l, item);
}

void compile_set(struct compiler *c, const struct ast_item *item)
{
	const struct ast_setting *s = compile_setting(item, "file");
	const char *type_name = compile_setting_text(item, "type");
	int type = type_name ? list_type_find(type_name) : -1;
	struct source_file *file = NULL;
	uint8_t key[PART_KEY];
	struct list *l;
	bool packed;

	if (type < 0) {
		diag_error(c->diags, item->name_at, NULL, "set '%s' has no known type", item->name);
		return;
	}
	if (!(l = list_new(item->name, (enum list_type)type))) {
		c->error = -ENOMEM;
		return;
	}
	c->p->lists[c->p->n_lists++] = l;
	set_flags(c, l, item);
	if (s && s->values && s->values->text)
		file = compile_list_find(c, l, s);
	if ((packed = set_is_packed(c, item, l, file)))
		key_make(c, item, l, file, key);
	if (packed && set_take(c, l, file, key))
		compile_feeds(c, item, l, false);
	else if (!c->error)
		set_fill(c, item, l, file, packed ? key : NULL);
	if (l->pack && !c->error)
		set_edits(c, l);
	set_inherit(c, l);
}
