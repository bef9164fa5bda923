/* SPDX-License-Identifier: BSD-2-Clause */
/* The control room's look into a set: what is in force and who wants it there (the policy's text,
 * the set's file, feeds), and what a list file edited by hand would change. In: a policy and a
 * file's bytes. Out: visits. It changes nothing: edits go through rules/live.c as all others do,
 * and a file with a bad line yields diagnostics and no difference at all. */
#include "rules/list_look.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "rules/list.h"
#include "rules/policy.h"

static struct list_look look_at(const struct list_entry *e)
{
	return (struct list_look){ e->text, e->expires_ms, e->from, e->feeds };
}

int policy_list_each(const struct policy *p, const char *set,
	bool (*visit)(void *arg, const struct list_look *look), void *arg)
{
	const struct list *l = program_find_list(p->program, set);
	int64_t now = clock_wall_ms();
	bool more = true;

	if (!l)
		return ERR_NOTFOUND;
	pthread_rwlock_rdlock(&p->program->lock);
	for (size_t i = 0; i < l->n_entries && more; i++) {
		struct list_look look = look_at(l->entries[i]);

		if (list_entry_is_live(l->entries[i], now))
			more = visit(arg, &look);
	}
	pthread_rwlock_unlock(&p->program->lock);
	return 0;
}

/* An end within the same second is the same end: files tell no more. */
static bool ends_equal(int64_t a, int64_t b)
{
	return (a == 0) == (b == 0) && (a + 999) / 1000 == (b + 999) / 1000;
}

/* What the file has and the set has not from it. */
static bool compare_added(const struct list *l, const struct list *file, int64_t now,
	bool (*visit)(void *arg, bool add, const struct list_look *look), void *arg)
{
	for (size_t i = 0; i < file->n_entries; i++) {
		const struct list_entry *e = file->entries[i], *old;
		struct list_look look = look_at(e);

		if (e->removed)
			continue;
		old = list_find(l, (struct span){ e->key, e->key_len }, now);
		if (old && (old->from & LIST_FROM_FILE) && list_marks_equal(old, e) &&
			(ends_equal(old->expires_ms, e->expires_ms) || old->feeds ||
				(old->from & LIST_FROM_POLICY)))
			continue;
		if (!visit(arg, true, &look))
			return false;
	}
	return true;
}

static void compare(const struct list *l, const struct list *file,
	bool (*visit)(void *arg, bool add, const struct list_look *look), void *arg)
{
	int64_t now = clock_wall_ms();

	if (!compare_added(l, file, now, visit, arg))
		return;
	for (size_t i = 0; i < l->n_entries; i++) {
		const struct list_entry *e = l->entries[i];
		struct list_look look = look_at(e);

		if (e->from != LIST_FROM_FILE || !list_entry_is_live(e, now) ||
			list_find(file, (struct span){ e->key, e->key_len }, now))
			continue;
		if (!visit(arg, false, &look))
			return;
	}
}

int policy_list_compare(const struct policy *p, const char *set, const struct source_file *file,
	struct diag_list *diags, bool (*visit)(void *arg, bool add, const struct list_look *look),
	void *arg)
{
	const struct list *l = program_find_list(p->program, set);
	struct list *like = l ? list_like(l) : NULL;
	int r = !l ? ERR_NOTFOUND : !like ? -ENOMEM : 0;

	if (r == 0)
		r = list_load(like, file, clock_wall_ms(), diags);
	if (r == 0) {
		pthread_rwlock_rdlock(&p->program->lock);
		compare(l, like, visit, arg);
		pthread_rwlock_unlock(&p->program->lock);
	}
	list_free(like);
	return r;
}
