/* SPDX-License-Identifier: BSD-2-Clause */
/* The feeds of a set, from the checked tree into the program: settings with their defaults, the
 * exceptions (whose lines must all be good: they are the operator's own), and the entries of the
 * copies that are among the sources. Where there is no copy (a check on the command line, a feed
 * not fetched yet) a feed names nothing. It fetches nothing. */
#include "rules/compile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "rules/feed.h"

enum {
	FEED_EVERY_MS = 3600 * 1000,
	FEED_TIMEOUT_MS = 60 * 1000,
	FEED_SHRINK = 50,
	FEED_SIZE = 64 << 20,
};

static const struct ast_value *value_of(const struct ast_setting *settings, const char *name)
{
	for (const struct ast_setting *s = settings; s; s = s->next)
		if (strcmp(s->name, name) == 0)
			return s->values;
	return NULL;
}

static uint64_t number_of(const struct ast_setting *settings, const char *name, uint64_t initial)
{
	const struct ast_value *v = value_of(settings, name);

	return v ? v->number : initial;
}

static uint64_t time_of(const struct ast_setting *settings, const char *name, uint64_t initial)
{
	const struct ast_value *v = value_of(settings, name);

	if (!v)
		return initial;
	return v->kind == VALUE_DURATION ? v->number : v->number * 1000;
}

static void feed_fill(struct compiler *c, const struct ast_setting *s, struct feed_info *feed)
{
	const struct ast_value *url = value_of(s->block, "url"), *file = value_of(s->block, "file");

	*feed = (struct feed_info){
		.name = compile_strdup(c, s->values->text),
		.url = url ? compile_strdup(c, url->text) : NULL,
		.every_ms = time_of(s->block, "every", FEED_EVERY_MS),
		.timeout_ms = time_of(s->block, "timeout", FEED_TIMEOUT_MS),
		.weight = (unsigned)number_of(s->block, "weight", 1),
		.shrink = (unsigned)number_of(s->block, "shrink", FEED_SHRINK),
		.size_max = number_of(s->block, "size", FEED_SIZE),
	};
	if (file) {
		cleanup_free char *path =
			source_resolve(file->at.file ? file->at.file->path : NULL, file->text);

		feed->file = path ? compile_strdup(c, path) : NULL;
		if (!path)
			c->error = -ENOMEM;
	}
}

static int except_new(struct compiler *c, struct list *l)
{
	if (!l->except && !(l->except = list_like(l)))
		c->error = -ENOMEM;
	return c->error;
}

static void compile_except(struct compiler *c, const struct ast_item *item, struct list *l)
{
	const struct ast_setting *elements = compile_setting(item, "except"),
				 *file = compile_setting(item, "except-file");
	struct source_file *found;

	if (elements && except_new(c, l) == 0)
		compile_elements(c, l->except, elements);
	if (file && file->values && except_new(c, l) == 0 &&
		(found = compile_list_find(c, l->except, file)))
		compile_list_file(c, l->except, found);
}

/* The copy of the feed that the setting is about; NULL if there is none. */
static struct source_file *feed_copy(
	const struct compiler *c, const struct ast_item *item, const struct ast_setting *s)
{
	char path[FEED_PATH_MAX];

	if (c->sources->without_feeds)
		return NULL;
	feed_source_path(item->name, s->values->text, path);
	return source_peek(c->sources, path);
}

static const struct ast_setting *feed_next(const struct ast_setting *s)
{
	while (s && strcmp(s->name, "feed") != 0)
		s = s->next;
	return s;
}

size_t compile_feeds_size(const struct compiler *c, const struct ast_item *item)
{
	size_t bytes = 0;

	for (const struct ast_setting *s = feed_next(item->settings); s; s = feed_next(s->next)) {
		const struct source_file *copy = feed_copy(c, item, s);

		if (copy)
			bytes += copy->elided ? LIST_PACK_BYTES : copy->len;
	}
	return bytes;
}

void compile_feeds_key(struct compiler *c, const struct ast_item *item, struct hash_state *h)
{
	const struct ast_setting *votes = compile_setting(item, "votes"),
				 *file = compile_setting(item, "except-file");
	struct source_file *copy;

	hash_add_number(h, votes && votes->values ? votes->values->number : 1);
	for (const struct ast_value *v =
			compile_setting_values(compile_setting(item, "except"));
		v; v = v->next) {
		hash_add_span(h, span_of(v->text));
		hash_add_span(h, span_of(v->mark));
	}
	hash_add_number(h, UINT64_MAX);
	if (file && file->values &&
		source_find_list(c->sources,
			file->values->at.file ? file->values->at.file->path : NULL,
			file->values->text, &copy) == 0)
		hash_add(h, source_digest(copy), HASH_SIZE);
	for (const struct ast_setting *s = feed_next(item->settings); s; s = feed_next(s->next)) {
		copy = feed_copy(c, item, s);
		hash_add_number(h, number_of(s->block, "weight", 1));
		hash_add(h, copy ? (const void *)source_digest(copy) : "none", copy ? HASH_SIZE : 4);
	}
}

static int copies_merge(struct compiler *c, struct list *l, struct source_file *const *files)
{
	for (unsigned i = 0; i < l->n_feeds; i++) {
		int r = files[i] ? source_text(c->sources, files[i]) : 0;

		if (r < 0)
			return r;
	}
	return feed_merge(l, (const struct source_file *const *)files, clock_wall_ms());
}

void compile_feeds(struct compiler *c, const struct ast_item *item, struct list *l, bool merge)
{
	struct source_file *files[FEEDS_MAX] = { NULL };
	const struct ast_setting *votes = compile_setting(item, "votes");
	bool packed = !merge || l->building;
	int r;

	l->votes = votes && votes->values ? (unsigned)votes->values->number : 1;
	compile_except(c, item, l);
	l->feeds = compile_alloc(c, FEEDS_MAX * sizeof(*l->feeds));
	for (const struct ast_setting *s = feed_next(item->settings);
		s && l->feeds && !c->error && l->n_feeds < FEEDS_MAX; s = feed_next(s->next)) {
		feed_fill(c, s, &l->feeds[l->n_feeds]);
		if ((files[l->n_feeds] = feed_copy(c, item, s)))
			files[l->n_feeds]->packed |= packed;
		l->n_feeds++;
	}
	if (merge && !c->error && l->n_feeds && (r = copies_merge(c, l, files)) < 0)
		c->error = r;
}
