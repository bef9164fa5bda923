/* SPDX-License-Identifier: BSD-2-Clause */
/* The operator's hand on the live lists. In: edits from the control socket. Out, in this order:
 * every entry checked as the policy would, the list's file replaced (ctl/list_book.c), the daemon's
 * own policy edited; the caller then tells the workers and the history. The file comes first: what
 * was answered "in force" is still there after kill -9. It never talks to workers or clients and
 * runs in the daemon's job thread, one edit at a time. */
#include "ctl/lists_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "ctl/list_book.h"
#include "rules/feed.h"
#include "rules/list.h"
#include "rules/list_look.h"
#include "rules/rules.h"

/* Files that changed this shortly before they were read are read again by lists_follow. */
enum { LISTS_CLOCK_MS = 50 };

static void one_free(void *value)
{
	struct lists_one *one = value;

	list_book_free(one->book);
	free(one);
}

bool lists_stat_equal(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What the policy has of this file: as its predecessor knew, or what was on disk before the policy
 * was read. */
static void one_follow(struct lists_one *one, const struct lists *previous, int64_t read_ms)
{
	const struct lists_one *old =
		previous ? map_find(&previous->by_name, one->info->name, strlen(one->info->name))
			 : NULL;
	struct stat st;
	int64_t changed;

	if (old && strcmp(old->info->path, one->info->path) == 0) {
		one->followed = old->followed;
		one->wrong = old->wrong;
		return;
	}
	if (stat(one->info->path, &st) < 0)
		return;
	changed = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	if (changed + LISTS_CLOCK_MS < read_ms)
		one->followed = st;
}

int lists_new(struct policy *p, const struct lists *previous, int64_t read_ms, struct lists **out)
{
	struct lists *l = calloc(1, sizeof *l);
	const struct set_info *sets;
	size_t n = policy_sets(p, &sets);

	if (!l)
		return -ENOMEM;
	l->policy = policy_ref(p);
	map_init(&l->by_name);
	pthread_mutex_init(&l->lock, NULL);
	for (size_t i = 0; i < n; i++) {
		struct lists_one *one;

		if (!*sets[i].path)
			continue;
		one = calloc(1, sizeof *one);
		if (!one || !(one->book = list_book_new(&sets[i])) ||
			map_put(&l->by_name, sets[i].name, strlen(sets[i].name), one, NULL) < 0) {
			if (one)
				one_free(one);
			lists_free(l);
			return -ENOMEM;
		}
		one->info = &sets[i];
		one_follow(one, previous, read_ms);
	}
	*out = l;
	return 0;
}

void lists_warm(void *lists)
{
	struct lists *l = lists;
	struct map_entry *entry;

	pthread_mutex_lock(&l->lock);
	for (size_t at = 0; map_each(&l->by_name, &at, &entry);)
		(void)list_book_refresh(((struct lists_one *)entry->value)->book);
	pthread_mutex_unlock(&l->lock);
}

void lists_inherit(struct lists *l, struct lists *old)
{
	struct map_entry *entry;

	for (size_t at = 0; map_each(&l->by_name, &at, &entry);) {
		struct lists_one *one = entry->value,
				 *was = map_find(&old->by_name, entry->key, entry->key_len);

		if (was && list_book_is_like(one->book, was->book)) {
			struct list_book *book = one->book;

			one->book = was->book;
			was->book = book;
		}
	}
}

void lists_free(struct lists *l)
{
	if (!l)
		return;
	map_fini(&l->by_name, one_free);
	pthread_mutex_destroy(&l->lock);
	policy_unref(l->policy);
	free(l);
}

void lists_edit_init(struct lists_edit *edit, const char *name)
{
	*edit = (struct lists_edit){ .name = name, .add = json_array(), .del = json_array() };
	buf_init(&edit->error, 0);
	buf_init(&edit->details, 0);
}

void lists_edit_fini(struct lists_edit *edit)
{
	json_decref(edit->add);
	json_decref(edit->del);
	buf_fini(&edit->error);
	buf_fini(&edit->details);
}

/* ---- finding ---- */

static int name_unknown(const struct lists *l, const char *name, struct buf *error)
{
	const struct set_info *sets;
	size_t n = policy_sets(l->policy, &sets);

	for (size_t i = 0; i < n; i++)
		if (strcmp(sets[i].name, name) == 0) {
			buf_putf(error,
				"the elements of '%s' are written in the policy: edit it there and "
				"reload, or give "
				"the set a file",
				name);
			return ERR_UNSUPPORTED;
		}
	buf_putf(error, "there is no list '%s'", name);
	for (size_t i = 0, shown = 0; i < n && shown < 12; i++)
		if (*sets[i].path)
			buf_putf(error, "%s%s", shown++ ? ", " : "; there is: ", sets[i].name);
	return ERR_NOTFOUND;
}

/* The list with its lines as the file has them now. */
int lists_find_one(
	const struct lists *l, const char *name, struct buf *error, struct lists_one **out)
{
	struct lists_one *one = map_find(&l->by_name, name, strlen(name));
	int r;

	if (!one)
		return name_unknown(l, name, error);
	if ((r = list_book_refresh(one->book)) < 0) {
		buf_putf(error, "cannot read %s: %s", one->info->path, err_text(r));
		return r;
	}
	*out = one;
	return 0;
}

/* ---- edits ---- */

static void entry_refuse(struct lists_edit *edit, size_t i, const char *why)
{
	struct span s = edit->entries[i];

	buf_putf(&edit->details, "entry %zu: \"%.*s\": %s\n", i + 1, s.len > 80 ? 80 : (int)s.len,
		s.ptr, why);
}

/* All entries parsed and checked; *lines (caller frees) has *n of them. */
static int entries_parse(const struct lists_one *one, struct lists_edit *edit, struct arena *a,
	struct list_line **lines, size_t *n)
{
	size_t wrong = 0;
	const char *why;

	*n = 0;
	if (edit->n > LISTS_ENTRIES_MAX || !(*lines = calloc(edit->n + 1, sizeof **lines))) {
		buf_putf(&edit->error, "too many entries at once");
		return ERR_LIMIT;
	}
	for (size_t i = 0; i < edit->n && wrong < LISTS_ERRORS_MAX; i++) {
		struct list_line *line = &(*lines)[*n];

		if (!list_book_parse(one->book, edit->entries[i], line, &why))
			continue;
		++*n;
		if (why && list_book_hash(one->book, a, line, &why))
			edit->hashed++;
		if (why)
			entry_refuse(edit, i, why), wrong++;
		if (!line->until_ms)
			line->until_ms = edit->until_ms;
		if (!line->comment.len && edit->comment)
			line->comment = span_of(edit->comment);
	}
	if (wrong == 0 && *n > 0)
		return 0;
	buf_putf(&edit->error,
		wrong ? "nothing was changed: %zu entr%s not fit for a set of type %s"
		      : "no entry given",
		wrong, wrong == 1 ? "y is" : "ies are", one->info->type);
	return ERR_SYNTAX;
}

static int book_add(
	const struct lists_one *one, struct lists_edit *edit, const struct list_line *line)
{
	cleanup_free char *text = NULL;
	bool was;
	int r = list_book_add(one->book, line, &was);

	if (r < 0)
		return r;
	if (was)
		edit->present++;
	else
		edit->added++;
	if (lists_too_many(one->info, edit->n_add++)) /* nobody will ask for the texts */
		return 0;
	if (!(text = list_line_format(line, false)))
		return -ENOMEM;
	return json_array_append_new(edit->add, json_string(text)) < 0 ? ERR_SYNTAX : 0;
}

static int book_remove(
	const struct lists_one *one, struct lists_edit *edit, const struct list_line *line)
{
	bool was;
	int r = list_book_remove(one->book, line->entry, &was);

	if (r < 0 || !was)
		return r;
	edit->removed++;
	if (lists_too_many(one->info, edit->n_del++))
		return 0;
	return json_array_append_new(edit->del, json_stringn(line->entry.ptr, line->entry.len)) < 0
		       ? ERR_SYNTAX
		       : 0;
}

static struct span *spans_of(const json_t *texts)
{
	struct span *spans = calloc(json_array_size(texts) + 1, sizeof *spans);
	json_t *text;
	size_t i;

	json_array_foreach(texts, i, text) if (spans) spans[i] =
		(struct span){ json_string_value(text), json_string_length(text) };
	return spans;
}

int lists_policy_follow(const struct lists *l, const struct lists_edit *edit)
{
	cleanup_free struct span *add = spans_of(edit->add), *del = spans_of(edit->del);

	if (!add || !del)
		return -ENOMEM;
	return policy_list_edit(l->policy, edit->name, add, json_array_size(edit->add), del,
		json_array_size(edit->del));
}

bool lists_too_many(const struct set_info *info, size_t n)
{
	int type = list_type_find(info->type);

	return n > (size_t)(type == LIST_KEYWORD || type == LIST_REGEX ? LISTS_LIVE_SCANNED_MAX
								       : LISTS_LIVE_MAX);
}

/* Writes the file. What somebody else wrote into it before is still to be compared. */
static int book_write(struct lists_one *one)
{
	struct stat st;
	bool in_step = stat(one->info->path, &st) == 0 && lists_stat_equal(&st, &one->followed);
	int r = list_book_write(one->book);

	one->edited = true;
	if (r == 0 && in_step && stat(one->info->path, &st) == 0)
		one->followed = st;
	return r;
}

static int edit_run(struct lists *l, struct lists_edit *edit,
	int (*each)(const struct lists_one *, struct lists_edit *, const struct list_line *))
{
	cleanup_free struct list_line *lines = NULL;
	struct lists_one *one;
	struct arena a;
	size_t n;
	int r;

	if ((r = lists_find_one(l, edit->name, &edit->error, &one)) < 0)
		return r;
	arena_init(&a, 0);
	r = entries_parse(one, edit, &a, &lines, &n);
	if (r < 0) {
		arena_fini(&a);
		return r;
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = each(one, edit, &lines[i]);
	arena_fini(&a);
	if (r == 0 && (edit->n_add || edit->n_del)) {
		r = book_write(one);
	}
	if (r < 0) {
		buf_putf(&edit->error, "cannot write %s: %s", one->info->path, err_text(r));
		return r;
	}
	edit->renew = lists_too_many(one->info, edit->n_add + edit->n_del) ||
		      policy_list_beside(l->policy, edit->name) > LISTS_LIVE_MAX;
	one->ahead |= edit->renew;
	if (edit->renew)
		return 0;
	if ((r = lists_policy_follow(l, edit)) < 0)
		buf_putf(&edit->error,
			"%s is written, but the policy did not take it: %s; try reload",
			one->info->path, err_text(r));
	return r;
}

int lists_add(struct lists *l, struct lists_edit *edit)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = edit_run(l, edit, book_add);
	pthread_mutex_unlock(&l->lock);
	return r;
}

int lists_remove(struct lists *l, struct lists_edit *edit)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = edit_run(l, edit, book_remove);
	pthread_mutex_unlock(&l->lock);
	return r;
}

/* ---- for workers that start later ---- */

struct look_arg {
	struct buf *all;
	int r;
};

static bool look_put(void *arg, const struct list_look *look)
{
	struct look_arg *to = arg;
	struct list_line line = { span_of(look->text), { NULL, 0 }, look->until_ms };
	cleanup_free char *text = NULL;

	if (!(look->from & LIST_FROM_FILE))
		return true;
	if ((text = list_line_format(&line, false)) == NULL)
		to->r = -ENOMEM;
	else
		to->r = buf_putf(to->all, "%s\n", text);
	return to->r == 0;
}

/* What is in force: a file that was edited by hand since may be wrong. */
static int one_put_policy(const struct lists *l, const struct lists_one *one, struct buf *all)
{
	struct look_arg to = { all, 0 };
	int r = policy_list_each(l->policy, one->info->name, look_put, &to);

	return r < 0 ? r : to.r;
}

/* The file's own bytes, so that the next start finds what is made of them. */
static int one_put_bytes(const struct lists_one *one, struct source_set *sources)
{
	const struct source_file *file;
	struct source_set disk;
	int r;

	source_init(&disk, true);
	if ((r = source_find(&disk, NULL, one->info->path, &file)) == 0)
		r = source_add(sources, one->info->path, file->bytes, file->len);
	source_fini(&disk);
	return r;
}

/* Lines of the file that another hand was at: not all may be good. */
static int one_put_file(const struct lists *l, const struct lists_one *one, struct buf *all)
{
	struct list_line line;
	const char *why;
	int r = list_book_refresh(one->book);

	for (size_t at = 0; r == 0 && list_book_each(one->book, &at, &line);) {
		cleanup_free char *text = list_line_format(&line, false);

		if (!text)
			r = -ENOMEM;
		else if (policy_list_check(l->policy, one->info->name, span_of(text), &why) == 0)
			r = buf_putf(all, "%s\n", text);
	}
	return r;
}

/* What is about to be in force. */
static bool file_is_good(const struct lists_one *one)
{
	struct stat st;

	return !one->wrong && stat(one->info->path, &st) == 0 &&
	       lists_stat_equal(&st, &one->followed);
}

static int one_refresh(
	const struct lists *l, const struct lists_one *one, struct source_set *sources)
{
	struct buf all;
	int r;

	if (one->ahead && file_is_good(one))
		return one_put_bytes(one, sources);
	buf_init(&all, (size_t)512 << 20);
	r = one->ahead ? one_put_file(l, one, &all) : one_put_policy(l, one, &all);
	if (r == 0)
		r = source_add(sources, one->info->path, buf_len(&all) ? buf_ptr(&all) : "",
			buf_len(&all));
	buf_fini(&all);
	return r;
}

/* Feeds that changed are merged with the text of the set's file, which the bundle may not have. */
static bool one_needs_text(
	const struct lists *l, const struct lists_one *one, const struct source_set *sources)
{
	const struct source_file *file = source_peek(sources, one->info->path);
	size_t n_feeds;

	(void)policy_feeds(l->policy, one->info->name, &n_feeds, NULL, NULL);
	return n_feeds > 0 && file && file->elided;
}

int lists_refresh_sources(struct lists *l, struct source_set *sources)
{
	char path[LIST_EDITS_PATH_MAX];
	struct map_entry *entry;
	int r = 0;

	pthread_mutex_lock(&l->lock);
	for (size_t at = 0; r == 0 && map_each(&l->by_name, &at, &entry);) {
		struct lists_one *one = entry->value;

		if (!one->edited && !one_needs_text(l, one, sources))
			continue;
		list_edits_path(one->info->name, path);
		if ((r = one_refresh(l, one, sources)) == 0 && source_peek(sources, path))
			r = source_add(sources, path, "", 0); /* they are in the text */
	}
	pthread_mutex_unlock(&l->lock);
	return r;
}

bool lists_are_edited(struct lists *l)
{
	struct map_entry *entry;
	bool edited = false;

	pthread_mutex_lock(&l->lock);
	for (size_t at = 0; map_each(&l->by_name, &at, &entry);)
		edited |= ((struct lists_one *)entry->value)->edited;
	pthread_mutex_unlock(&l->lock);
	return edited;
}

static bool edit_put(void *arg, bool add, const struct list_look *look)
{
	struct look_arg *to = arg;
	struct list_line line = { span_of(look->text), { NULL, 0 }, add ? look->until_ms : 0 };
	cleanup_free char *text = list_line_format(&line, false);

	to->r = text ? buf_putf(to->all, "%c%s\n", add ? '+' : '-', text) : -ENOMEM;
	return to->r == 0;
}

static int one_bundle(
	const struct lists *l, const struct lists_one *one, struct source_set *sources)
{
	char path[LIST_EDITS_PATH_MAX];
	struct buf all;
	struct look_arg to = { &all, 0 };
	int r;

	buf_init(&all, (size_t)512 << 20);
	r = policy_list_edits(l->policy, one->info->name, edit_put, &to);
	if (r == ERR_UNSUPPORTED) { /* it is no pack */
		buf_fini(&all);
		return one_refresh(l, one, sources);
	}
	list_edits_path(one->info->name, path);
	if (r == 0 && (r = to.r) == 0)
		r = source_add(sources, path, buf_len(&all) ? buf_ptr(&all) : "", buf_len(&all));
	buf_fini(&all);
	return r;
}

int lists_bundle_edits(struct lists *l, struct source_set *sources)
{
	struct map_entry *entry;
	int r = 0;

	pthread_mutex_lock(&l->lock);
	for (size_t at = 0; r == 0 && map_each(&l->by_name, &at, &entry);) {
		struct lists_one *one = entry->value;

		if (one->edited)
			r = one_bundle(l, one, sources);
	}
	pthread_mutex_unlock(&l->lock);
	return r;
}

void lists_renew_refused(struct lists *l)
{
	struct map_entry *entry;

	pthread_mutex_lock(&l->lock);
	for (size_t at = 0; map_each(&l->by_name, &at, &entry);)
		((struct lists_one *)entry->value)->ahead = false;
	pthread_mutex_unlock(&l->lock);
}
