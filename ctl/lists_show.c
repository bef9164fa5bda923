/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists as operators look at them: each entry with its end, its comment and where it is from. In:
 * the lines of the set's file (ctl/list_book.c) and what the policy has in force. Out: JSON for the
 * control socket. It changes nothing. */
#include "ctl/lists_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "ctl/list_book.h"
#include "rules/feed.h"
#include "rules/list.h"
#include "rules/list_look.h"
#include "rules/rules.h"

enum { LISTS_EXPORT_MAX = 60 << 20 /* what fits into an answer's line */, FROM_MAX = 2600 };

struct shown {
	const struct feed_info *feeds;
	size_t n_feeds;
	bool file;       /* entries of the file are shown from its lines */
	json_t *entries; /* the others */
	json_t *also;    /* entry of the file -> who wants it, too */
};

/* "policy, file, feed a, feed b" */
static void from_format(const struct shown *s, const struct list_look *look, char text[FROM_MAX])
{
	char *at = text;

	*at = '\0';
	if (look->from & LIST_FROM_POLICY)
		at = stpcpy(at, "policy, ");
	if (look->from & LIST_FROM_FILE)
		at = stpcpy(at, "file, ");
	for (size_t i = 0; i < s->n_feeds; i++)
		if (look->feeds >> i & 1)
			at += snprintf(
				at, (size_t)(text + FROM_MAX - at), "feed %s, ", s->feeds[i].name);
	if (at > text)
		at[-2] = '\0';
}

static bool visit_show(void *arg, const struct list_look *look)
{
	struct shown *s = arg;
	char from[FROM_MAX];

	if (look->from == LIST_FROM_FILE && !look->feeds && s->file)
		return true;
	from_format(s, look, from);
	if (s->file && (look->from & LIST_FROM_FILE))
		json_object_set_new(s->also, look->text, json_string(from));
	else
		json_array_append_new(
			s->entries, json_pack("{s:s,s:s,s:I,s:s}", "entry", look->text, "comment",
					    "", "until", (json_int_t)look->until_ms, "from", from));
	return true;
}

static json_t *also_find(const struct shown *s, struct span entry)
{
	cleanup_free char *text = json_object_size(s->also) ? strndup(entry.ptr, entry.len) : NULL;
	json_t *from = text ? json_object_get(s->also, text) : NULL;

	return from ? json_incref(from) : json_string("file");
}

static json_t *book_json(const struct list_book *book, const struct shown *s)
{
	json_t *entries = json_array();
	struct list_line line;

	for (size_t at = 0; list_book_each(book, &at, &line);)
		json_array_append_new(entries,
			json_pack("{s:s%,s:s%,s:I,s:o}", "entry", line.entry.ptr, line.entry.len,
				"comment", line.comment.ptr, line.comment.len, "until",
				(json_int_t)line.until_ms, "from", also_find(s, line.entry)));
	return entries;
}

int lists_show(struct lists *l, const char *name, struct buf *error, json_t **out)
{
	struct shown s = { .entries = json_array(), .also = json_object() };
	struct lists_one *one = NULL;
	int r = 0;

	*out = NULL;
	pthread_mutex_lock(&l->lock);
	s.feeds = policy_feeds(l->policy, name, &s.n_feeds, NULL, NULL);
	s.file = map_find(&l->by_name, name, strlen(name)) != NULL;
	if (s.file)
		r = lists_find_one(l, name, error, &one);
	if (r == 0 && policy_list_each(l->policy, name, visit_show, &s) < 0)
		r = lists_find_one(l, name, error, &one); /* says that there is none */
	if (r == 0) {
		json_t *entries = one ? book_json(one->book, &s) : json_array();

		json_array_extend(entries, s.entries);
		*out = json_pack("{s:s,s:o}", "name", name, "entries", entries);
	}
	pthread_mutex_unlock(&l->lock);
	json_decref(s.entries);
	json_decref(s.also);
	return r < 0 ? r : *out ? 0 : -ENOMEM;
}

int lists_find(struct lists *l, const char *name, const char *entry, json_t **out)
{
	struct span text = span_of(entry);
	struct lists_one *one;
	struct list_line line;
	struct buf error;
	int r = ERR_NOTFOUND;

	buf_init(&error, 0);
	pthread_mutex_lock(&l->lock);
	if (lists_find_one(l, name, &error, &one) == 0)
		for (size_t at = 0; r < 0 && list_book_each(one->book, &at, &line);)
			if (span_equal(line.entry, text))
				r = 0;
	if (r == 0)
		*out = json_pack("{s:s,s:s%,s:I}", "file", one->info->path, "comment",
			line.comment.ptr, line.comment.len, "until", (json_int_t)line.until_ms);
	pthread_mutex_unlock(&l->lock);
	buf_fini(&error);
	return r < 0 ? r : *out ? 0 : -ENOMEM;
}

/* ---- export ---- */

static json_t *book_text(const struct list_book *book)
{
	struct list_line line;
	json_t *text = NULL;
	struct buf all;
	int r = 0;

	buf_init(&all, LISTS_EXPORT_MAX);
	for (size_t at = 0; r == 0 && list_book_each(book, &at, &line);) {
		cleanup_free char *one = list_line_format(&line, true);

		r = one ? buf_put(&all, one, strlen(one)) : -ENOMEM;
		if (r == 0)
			r = buf_put(&all, "\n", 1);
	}
	if (r == 0)
		text = json_stringn(buf_len(&all) ? buf_ptr(&all) : "", buf_len(&all));
	buf_fini(&all);
	return text;
}

int lists_export(struct lists *l, const char *name, struct buf *error, json_t **out)
{
	struct lists_one *one;
	json_t *text;
	int r;

	*out = NULL;
	pthread_mutex_lock(&l->lock);
	if ((r = lists_find_one(l, name, error, &one)) == 0) {
		text = book_text(one->book);
		*out = text ? json_pack("{s:s,s:o}", "name", name, "text", text) : NULL;
		if (!*out) {
			buf_putf(error, "the list is too long for one answer: its file is %s",
				one->info->path);
			r = ERR_LIMIT;
		}
	}
	pthread_mutex_unlock(&l->lock);
	return r;
}

/* ---- one entry ---- */

struct wanted {
	struct shown shown;
	struct span entry;
	char *feeds;
};

static bool visit_wanted(void *arg, const struct list_look *look)
{
	struct wanted *w = arg;
	struct list_look feeds = { look->text, 0, 0, look->feeds };
	char from[FROM_MAX];

	if (!look->feeds || strlen(look->text) != w->entry.len ||
		strncasecmp(look->text, w->entry.ptr, w->entry.len) != 0)
		return true;
	from_format(&w->shown, &feeds, from);
	w->feeds = strdup(from);
	return false;
}

char *lists_feeds_of(const struct lists *l, const char *name, struct span entry)
{
	struct wanted w = { .entry = entry };

	w.shown.feeds = policy_feeds(l->policy, name, &w.shown.n_feeds, NULL, NULL);
	(void)policy_list_each(l->policy, name, visit_wanted, &w);
	return w.feeds;
}
