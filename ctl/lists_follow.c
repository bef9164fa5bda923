/* SPDX-License-Identifier: BSD-2-Clause */
/* List files that people edit with an editor. In: files that changed on disk. Out: the difference
 * to what is in force, checked whole and given to the policy the way commands do (ctl/lists.c); or,
 * of a file with a bad line, its diagnostics and no change at all. The file is never written here.
 * It runs in the daemon's job thread; ctl/watch.c says when, and tells workers and history. */
#include "ctl/lists_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "ctl/list_book.h"
#include "rules/diag.h"
#include "rules/list.h"
#include "rules/list_look.h"
#include "rules/rules.h"

/* A file whose last change is younger may still be being written. */
enum { FOLLOW_SETTLED_MS = 150 };

void lists_changes_free(struct lists_change *changes)
{
	struct lists_change *next;

	for (; changes; changes = next) {
		next = changes->next;
		lists_edit_fini(&changes->edit);
		free((char *)changes->edit.name);
		free(changes->trouble);
		free(changes);
	}
}

static struct lists_change *change_new(const char *name)
{
	struct lists_change *change = calloc(1, sizeof *change);
	char *copy = strdup(name);

	if (!change || !copy) {
		free(change);
		free(copy);
		return NULL;
	}
	lists_edit_init(&change->edit, copy);
	return change;
}

static bool is_fresh(const struct stat *st)
{
	int64_t age = clock_wall_ms() -
		      ((int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000);

	return age >= 0 && age < FOLLOW_SETTLED_MS;
}

static bool visit_difference(void *arg, bool add, const struct list_look *look)
{
	struct lists_change *change = arg;
	size_t *n = add ? &change->edit.n_add : &change->edit.n_del;
	struct list_line line = { span_of(look->text), { NULL, 0 }, add ? look->until_ms : 0 };
	cleanup_free char *text = NULL;

	if (++*n > LISTS_LIVE_MAX) /* nobody will ask for the texts */
		return true;
	text = list_line_format(&line, false);
	if (!text || json_array_append_new(
			     add ? change->edit.add : change->edit.del, json_string(text)) < 0)
		change->code = -ENOMEM;
	return change->code == 0;
}

/* The file against the policy. ERR_SYNTAX with change->trouble. */
static int file_compare(
	const struct lists *l, const struct lists_one *one, struct lists_change *change)
{
	const struct source_file *file;
	struct source_set sources;
	struct diag_list diags;
	int r;

	source_init(&sources, true);
	diag_init(&diags);
	if ((r = source_find(&sources, NULL, one->info->path, &file)) == 0 &&
		(r = policy_list_compare(
			 l->policy, one->info->name, file, &diags, visit_difference, change)) == 0)
		r = change->code;
	if (r < 0)
		change->trouble = diags.first ? diag_string(&diags) : NULL;
	if (r < 0 && !change->trouble &&
		asprintf(&change->trouble, "%s: %s\n", one->info->path, err_text(r)) < 0)
		change->trouble = NULL;
	diag_fini(&diags);
	source_fini(&sources);
	return r;
}

static void one_take(const struct lists *l, struct lists_one *one, struct lists_change *change)
{
	size_t n = change->edit.n_add + change->edit.n_del;

	change->edit.added = change->edit.n_add;
	change->edit.removed = change->edit.n_del;
	if (n == 0)
		return;
	one->edited = true;
	change->edit.renew = lists_too_many(one->info, n);
	one->ahead |= change->edit.renew;
	if (!change->edit.renew)
		change->code = lists_policy_follow(l, &change->edit);
}

/* True when the file may not be whole yet. */
static bool one_look(const struct lists *l, struct lists_one *one, struct lists_change ***tail)
{
	struct lists_change *change;
	struct stat st = { 0 };
	int r = stat(one->info->path, &st) < 0 ? -errno : 0;

	if (r == 0 ? lists_stat_equal(&st, &one->followed) : one->wrong && !one->followed.st_ino)
		return false;
	if (r == 0 && is_fresh(&st))
		return true;
	if (!(change = change_new(one->info->name)))
		return true;
	**tail = change;
	*tail = &change->next;
	r = file_compare(l, one, change);
	one->followed = st;
	one->wrong = r < 0;
	if (r == 0)
		one_take(l, one, change);
	else
		change->code = r;
	return false;
}

bool lists_follow(struct lists *l, struct lists_change **out)
{
	struct lists_change **tail = out;
	struct map_entry *entry;
	bool again = false;

	*out = NULL;
	pthread_mutex_lock(&l->lock);
	for (size_t at = 0; map_each(&l->by_name, &at, &entry);)
		again |= one_look(l, entry->value, &tail);
	pthread_mutex_unlock(&l->lock);
	return again;
}
