/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it, for "remote.first_seen". In: names, by whoever saw them. Out: since
 * when each is known. A name settles when it is seen again a day after the first time; who floods
 * the table with names of the day pushes out others of that kind, and not those that are known for
 * long. It looks at no clock: its holder does. */
#include "rules/sights.h"

#include <stdlib.h>
#include <string.h>

void sights_init(struct sights *t, size_t max)
{
	*t = (struct sights){ .max = max };
	map_init(&t->by_name);
	TAILQ_INIT(&t->new);
	TAILQ_INIT(&t->settled);
}

static void unlink_it(struct sights *t, struct sight *s)
{
	TAILQ_REMOVE(s->settled ? &t->settled : &t->new, s, order);
	t->n_new -= !s->settled;
}

static void link_it(struct sights *t, struct sight *s)
{
	TAILQ_INSERT_TAIL(s->settled ? &t->settled : &t->new, s, order);
	t->n_new += !s->settled;
}

static void drop(struct sights *t, struct sight *s)
{
	map_take(&t->by_name, s->name, strlen(s->name));
	unlink_it(t, s);
	free(s);
}

void sights_fini(struct sights *t)
{
	struct sight *s;

	while ((s = TAILQ_FIRST(&t->new)) || (s = TAILQ_FIRST(&t->settled)))
		drop(t, s);
	map_fini(&t->by_name, NULL);
}

size_t sights_count(const struct sights *t)
{
	return t->by_name.count;
}

struct sight *sights_find(const struct sights *t, const char *name)
{
	return map_find(&t->by_name, name, strlen(name));
}

static struct sight *who_goes(const struct sights *t)
{
	bool new = t->n_new >= t->max / SIGHTS_NEW_SHARE || TAILQ_EMPTY(&t->settled);

	return TAILQ_FIRST(new && t->n_new > 0 ? &t->new : &t->settled);
}

struct sight *sights_add(struct sights *t, const char *name, uint64_t first_ms,
	void (*gone)(void *arg, const char *name), void *arg)
{
	size_t len = strlen(name);
	struct sight *s = len > 0 && len <= SIGHTS_NAME_MAX ? calloc(1, sizeof(*s) + len + 1)
							    : NULL,
		     *old;

	if (!s)
		return NULL;
	memcpy(s->name, name, len + 1);
	s->first_ms = first_ms;
	if (map_put(&t->by_name, name, len, s, NULL) < 0) {
		free(s);
		return NULL;
	}
	if (t->by_name.count > t->max && (old = who_goes(t))) {
		if (gone)
			gone(arg, old->name);
		drop(t, old);
	}
	link_it(t, s);
	return s;
}

void sights_touch(struct sights *t, struct sight *s, uint64_t last_ms, uint64_t age_ms)
{
	unlink_it(t, s);
	s->settled = s->settled || age_ms >= SIGHTS_SETTLED_MS;
	s->last_ms = last_ms;
	link_it(t, s);
}
