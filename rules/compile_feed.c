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

	if (elements && except_new(c, l) == 0)
		compile_elements(c, l->except, elements);
	if (file && file->values && except_new(c, l) == 0)
		compile_list_file(c, l->except, file);
}

void compile_feeds(struct compiler *c, const struct ast_item *item, struct list *l)
{
	const struct source_file *files[FEEDS_MAX] = { NULL };
	const struct ast_setting *votes = compile_setting(item, "votes");
	char path[FEED_PATH_MAX];
	int r;

	l->votes = votes && votes->values ? (unsigned)votes->values->number : 1;
	compile_except(c, item, l);
	l->feeds = compile_alloc(c, FEEDS_MAX * sizeof(*l->feeds));
	for (const struct ast_setting *s = item->settings; s && l->feeds && !c->error;
		s = s->next) {
		if (strcmp(s->name, "feed") != 0 || l->n_feeds == FEEDS_MAX)
			continue;
		feed_fill(c, s, &l->feeds[l->n_feeds]);
		feed_source_path(l->name, s->values->text, path);
		files[l->n_feeds++] =
			c->sources->without_feeds ? NULL : source_peek(c->sources, path);
	}
	if (!c->error && l->n_feeds && (r = feed_merge(l, files, clock_wall_ms())) < 0)
		c->error = r;
}
