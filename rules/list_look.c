/* SPDX-License-Identifier: BSD-2-Clause */
/* The control room's look into a set: what is in force and who wants it there (the policy's text,
 * the set's file, feeds), and what a list file edited by hand would change. In: a policy and a
 * file's bytes. Out: visits. It changes nothing: edits go through rules/live.c as all others do,
 * and a file with a bad line yields diagnostics and no difference at all. */
#include "rules/list_look.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "rules/list.h"
#include "rules/pack.h"
#include "rules/policy.h"

static struct list_look look_at(const struct list_item *item)
{
	return (struct list_look){ item->text, item->expires_ms, item->from, item->feeds };
}

static bool item_is_live(const struct list_item *item, int64_t now)
{
	return item->expires_ms == 0 || item->expires_ms > now;
}

int policy_list_each(const struct policy *p, const char *set,
	bool (*visit)(void *arg, const struct list_look *look), void *arg)
{
	const struct list *l = program_find_list(p->program, set);
	int64_t now = clock_wall_ms();
	struct list_item item;

	if (!l)
		return ERR_NOTFOUND;
	pthread_rwlock_rdlock(&p->program->lock);
	for (size_t at = 0; list_each(l, &at, &item);) {
		struct list_look look = look_at(&item);

		if (item_is_live(&item, now) && !visit(arg, &look))
			break;
	}
	pthread_rwlock_unlock(&p->program->lock);
	return 0;
}

/* An end within the same second is the same end: files tell no more. */
static bool ends_equal(int64_t a, int64_t b)
{
	return (a == 0) == (b == 0) && (a + 999) / 1000 == (b + 999) / 1000;
}

/* Has the set from its file what stands there? */
static bool file_entry_is_in(const struct list *l, const struct list_item *e, int64_t now)
{
	struct list_item old;

	return list_find(l, (struct span){ e->key, e->key_len }, now, &old) &&
	       (old.from & LIST_FROM_FILE) && list_marks_equal(old.mark, e->mark) &&
	       (ends_equal(old.expires_ms, e->expires_ms) || old.feeds ||
		       (old.from & LIST_FROM_POLICY));
}

static void compare(const struct list *l, const struct list *file,
	bool (*visit)(void *arg, bool add, const struct list_look *look), void *arg)
{
	int64_t now = clock_wall_ms();
	struct list_item e, other;

	for (size_t at = 0; list_each(file, &at, &e);) {
		struct list_look look = look_at(&e);

		if (!file_entry_is_in(l, &e, now) && !visit(arg, true, &look))
			return;
	}
	for (size_t at = 0; list_each(l, &at, &e);) {
		struct list_look look = look_at(&e);

		if (e.from != LIST_FROM_FILE || !item_is_live(&e, now) ||
			list_find(file, (struct span){ e.key, e.key_len }, now, &other))
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

	if (r == 0 && (r = list_fill_begin(like, file->len)) == 0 &&
		(r = list_load(like, file, clock_wall_ms(), diags)) == 0)
		r = list_fill_end(like, NULL);
	if (r == 0) {
		pthread_rwlock_rdlock(&p->program->lock);
		compare(l, like, visit, arg);
		pthread_rwlock_unlock(&p->program->lock);
	}
	list_free(like);
	return r;
}

void list_edits_path(const char *set, char path[LIST_EDITS_PATH_MAX])
{
	snprintf(path, LIST_EDITS_PATH_MAX, "/:edits/%s", set);
}

/* What became of an entry that is not in the pack any more. */
static bool visit_gone(const struct list *l, const struct list_item *was,
	bool (*visit)(void *arg, bool add, const struct list_look *look), void *arg)
{
	struct list_item now;
	bool there = list_find(l, (struct span){ was->key, was->key_len }, INT64_MIN, &now) &&
		     (now.from & LIST_FROM_FILE);
	struct list_look look = look_at(there ? &now : was);

	return visit(arg, there, &look);
}

int policy_list_edits(const struct policy *p, const char *set,
	bool (*visit)(void *arg, bool add, const struct list_look *look), void *arg)
{
	const struct list *l = program_find_list(p->program, set);
	struct list_item item;
	bool more = true;

	if (!l || !l->pack)
		return l ? ERR_UNSUPPORTED : ERR_NOTFOUND;
	pthread_rwlock_rdlock(&p->program->lock);
	for (uint32_t at = 0; more && l->n_pack_gone && at < l->pack->head.n; at++)
		if (list_packed_is_gone(l, at)) {
			pack_get(l->pack, at, &item);
			more = visit_gone(l, &item, visit, arg);
		}
	for (size_t at = l->pack->head.n; more && list_each(l, &at, &item);) {
		struct list_look look = look_at(&item);

		if ((item.from & LIST_FROM_FILE) &&
			pack_find(l->pack, (struct span){ item.key, item.key_len }) == PACK_NONE)
			more = visit(arg, true, &look);
	}
	pthread_rwlock_unlock(&p->program->lock);
	return 0;
}

size_t policy_list_beside(const struct policy *p, const char *set)
{
	const struct list *l = program_find_list(p->program, set);
	size_t n = 0;

	if (l && l->pack) {
		pthread_rwlock_rdlock(&p->program->lock);
		n = l->n_entries + l->n_pack_gone;
		pthread_rwlock_unlock(&p->program->lock);
	}
	return n;
}
