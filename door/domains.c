/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it, for "remote.first_seen". In: domains that a door verified, on any
 * thread, and on the main thread what the daemon's ledger knows of them. Out: since when a domain
 * is known; and messages for the daemon, for those that are new and, now and then, those that came
 * again. A domain that is noted is known at once; the daemon has the last word about when. Bounded
 * (rules/sights.c). It verifies nothing. */
#include "door/domains.h"

#include <pthread.h>

#include "base/clock.h"
#include "ctl/link.h"
#include "rules/sights.h"

enum { NEWS_MAX = 16384 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct sights domains; /* first: since 1970; last: monotonic, 0: not noted here */
static json_t *news;          /* names still to be told */

static void init(void)
{
	sights_init(&domains, SIGHTS_MAX);
}

static void lock_to_read(void)
{
	pthread_once(&once, init);
	pthread_rwlock_rdlock(&lock);
}

static void lock_to_write(void)
{
	pthread_once(&once, init);
	pthread_rwlock_wrlock(&lock);
}

/* ---- doors ---- */

uint64_t domains_first_seen(const char *domain)
{
	const struct sight *s;
	uint64_t first;

	lock_to_read();
	s = sights_find(&domains, domain);
	first = s ? s->first_ms : 0;
	pthread_rwlock_unlock(&lock);
	return first;
}

/* Another thread may have looked at its clock later. */
static bool is_lately(const struct sight *s, uint64_t now_ms)
{
	return s && s->last_ms && (now_ms < s->last_ms || now_ms - s->last_ms < DOMAINS_AGAIN_MS);
}

/* Who finds no room among the news is told when it comes again. */
static void note(struct sight *s, uint64_t now_ms, uint64_t wall_ms)
{
	bool told = (news || (news = json_array())) && json_array_size(news) < NEWS_MAX &&
		    json_array_append_new(news, json_string(s->name)) == 0;

	sights_touch(&domains, s, told ? now_ms + !now_ms : 0,
		wall_ms > s->first_ms ? wall_ms - s->first_ms : 0);
}

uint64_t domains_meet(const char *domain)
{
	uint64_t now = clock_mono_ms(), wall = (uint64_t)clock_wall_ms(), first;
	struct sight *s;

	lock_to_read();
	s = sights_find(&domains, domain);
	first = is_lately(s, now) ? s->first_ms : 0;
	pthread_rwlock_unlock(&lock);
	if (first)
		return first;
	lock_to_write();
	if (!(s = sights_find(&domains, domain)))
		s = sights_add(&domains, domain, wall, NULL, NULL);
	if (s && !is_lately(s, now))
		note(s, now, wall);
	first = s ? s->first_ms : wall;
	pthread_rwlock_unlock(&lock);
	return first;
}

void domains_note(const char *domain)
{
	(void)domains_meet(domain);
}

/* ---- the daemon ---- */

/* The latest come first: an order would cost, and means nothing. */
static json_t *names_take(void)
{
	json_t *names = json_array();
	size_t n;

	while (names && (n = json_array_size(news)) > 0 && json_array_size(names) < LINK_DOMAINS) {
		json_array_append(names, json_array_get(news, n - 1));
		json_array_remove(news, n - 1);
	}
	return names;
}

json_t *domains_tell(void)
{
	static uint64_t second;
	static size_t told;
	uint64_t now = clock_mono_ms() / 1000;
	json_t *names = NULL;

	lock_to_write();
	if (now != second) {
		second = now;
		told = 0;
	}
	if (json_array_size(news) > 0 && told + LINK_DOMAINS <= DOMAINS_TOLD_MAX &&
		(names = names_take()))
		told += json_array_size(names);
	pthread_rwlock_unlock(&lock);
	return names ? json_pack("{s:s, s:o}", "m", "domains", "names", names) : NULL;
}

/* [name, first] */
static bool hear_one(const json_t *row, uint64_t wall_ms)
{
	const char *name = json_string_value(json_array_get(row, 0));
	json_t *first = json_array_get(row, 1);
	uint64_t first_ms;
	struct sight *s;

	if (!name || !*name || !json_is_integer(first) || json_integer_value(first) <= 0)
		return false;
	first_ms = (uint64_t)json_integer_value(first);
	/* Without memory for it, it is as new. */
	if (!(s = sights_find(&domains, name)) &&
		!(s = sights_add(&domains, name, first_ms, NULL, NULL)))
		return true;
	s->first_ms = first_ms;
	sights_touch(&domains, s, s->last_ms, wall_ms > first_ms ? wall_ms - first_ms : 0);
	return true;
}

bool domains_hear(const json_t *msg)
{
	const json_t *rows = json_object_get(msg, "rows"), *row;
	uint64_t wall = (uint64_t)clock_wall_ms();
	bool fine = json_is_array(rows);
	size_t i;

	lock_to_write();
	json_array_foreach(rows, i, row) fine = hear_one(row, wall) && fine;
	pthread_rwlock_unlock(&lock);
	return fine;
}

void domains_clear(void)
{
	lock_to_write();
	sights_fini(&domains);
	init();
	json_decref(news);
	news = NULL;
	pthread_rwlock_unlock(&lock);
}
