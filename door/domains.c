/* SPDX-License-Identifier: BSD-2-Clause */
/* In the data's way: beside it, for "remote.first_seen". In: domains that a door verified, on any thread, and on the main
 * thread what the daemon's ledger knows of them. Out: since when a domain is known; and messages for the daemon, for those
 * that are new and, now and then, those that came again. A domain that is noted is known at once, whatever the daemon says
 * later: it has the last word about when. Bounded; the one noted least lately goes. It verifies nothing. */
#include "door/domains.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/map.h"
#include "ctl/link.h"

struct domain {
	TAILQ_ENTRY(domain) order, news;
	uint64_t first_ms; /* since 1970 */
	uint64_t noted_ms; /* monotonic; 0: not by this child */
	bool is_news;
	char name[];
};

TAILQ_HEAD(domain_list, domain);

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct map domains;
static struct domain_list order = TAILQ_HEAD_INITIALIZER(order), /* noted least lately first */
	news = TAILQ_HEAD_INITIALIZER(news);                     /* still to be told */
static size_t n_news;

static struct domain *find(const char *name)
{
	return map_find(&domains, name, strlen(name));
}

static void news_take(struct domain *d)
{
	if (!d->is_news)
		return;
	TAILQ_REMOVE(&news, d, news);
	d->is_news = false;
	n_news--;
}

static void drop(struct domain *d)
{
	map_take(&domains, d->name, strlen(d->name));
	TAILQ_REMOVE(&order, d, order);
	news_take(d);
	free(d);
}

/* NULL: no domain, or no memory. */
static struct domain *add(const char *name, uint64_t first_ms)
{
	size_t len = strlen(name);
	struct domain *d = len > 0 && len <= LINK_DOMAIN_SIZE ? calloc(1, sizeof(*d) + len + 1) : NULL;

	if (!d)
		return NULL;
	memcpy(d->name, name, len + 1);
	d->first_ms = first_ms;
	if (domains.count >= DOMAINS_MAX)
		drop(TAILQ_FIRST(&order));
	if (map_put(&domains, name, len, d, NULL) < 0) {
		free(d);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&order, d, order);
	return d;
}

/* ---- doors ---- */

uint64_t domains_first_seen(const char *domain)
{
	const struct domain *d;
	uint64_t first;

	pthread_rwlock_rdlock(&lock);
	d = find(domain);
	first = d ? d->first_ms : 0;
	pthread_rwlock_unlock(&lock);
	return first;
}

static bool is_fresh(const struct domain *d, uint64_t now_ms)
{
	return d && d->noted_ms && now_ms - d->noted_ms < DOMAINS_AGAIN_MS;
}

/* Beyond what can be told in time nothing is lost but the renewal: it is told when it comes again. */
static void note(struct domain *d, uint64_t now_ms)
{
	TAILQ_REMOVE(&order, d, order);
	TAILQ_INSERT_TAIL(&order, d, order);
	if (d->is_news)
		return;
	d->noted_ms = 0;
	if (n_news >= DOMAINS_MAX / 4)
		return;
	d->noted_ms = now_ms ? now_ms : 1;
	d->is_news = true;
	TAILQ_INSERT_TAIL(&news, d, news);
	n_news++;
}

uint64_t domains_meet(const char *domain)
{
	uint64_t now = clock_mono_ms(), first;
	struct domain *d;

	pthread_rwlock_rdlock(&lock);
	d = find(domain);
	first = is_fresh(d, now) ? d->first_ms : 0;
	pthread_rwlock_unlock(&lock);
	if (first)
		return first;
	pthread_rwlock_wrlock(&lock);
	if (!(d = find(domain)))
		d = add(domain, (uint64_t)clock_wall_ms());
	if (d && !is_fresh(d, now))
		note(d, now);
	first = d ? d->first_ms : (uint64_t)clock_wall_ms();
	pthread_rwlock_unlock(&lock);
	return first;
}

void domains_note(const char *domain)
{
	(void)domains_meet(domain);
}

/* ---- the daemon ---- */

static json_t *names_take(void)
{
	json_t *names = json_array();
	struct domain *d;

	while (names && (d = TAILQ_FIRST(&news)) && json_array_size(names) < LINK_DOMAINS) {
		news_take(d);
		json_array_append_new(names, json_string(d->name));
	}
	return names;
}

json_t *domains_tell(void)
{
	static uint64_t second;
	static unsigned told;
	uint64_t now = clock_mono_ms() / 1000;
	json_t *names = NULL;

	pthread_rwlock_wrlock(&lock);
	if (now != second) {
		second = now;
		told = 0;
	}
	if (n_news > 0 && told + LINK_DOMAINS <= DOMAINS_TOLD_MAX && (names = names_take()))
		told += (unsigned)json_array_size(names);
	pthread_rwlock_unlock(&lock);
	return names ? json_pack("{s:s, s:o}", "m", "domains", "names", names) : NULL;
}

/* [name, first] */
static bool hear_one(const json_t *row)
{
	const char *name = json_string_value(json_array_get(row, 0));
	json_t *first = json_array_get(row, 1);
	struct domain *d;

	if (!name || !*name || !json_is_integer(first) || json_integer_value(first) <= 0)
		return false;
	/* Without memory for it, it is as new. */
	if ((d = find(name)) || (d = add(name, 0)))
		d->first_ms = (uint64_t)json_integer_value(first);
	return true;
}

bool domains_hear(const json_t *msg)
{
	const json_t *rows = json_object_get(msg, "rows"), *row;
	bool fine = json_is_array(rows);
	size_t i;

	pthread_rwlock_wrlock(&lock);
	json_array_foreach(rows, i, row) fine = hear_one(row) && fine;
	pthread_rwlock_unlock(&lock);
	return fine;
}

void domains_clear(void)
{
	struct domain *d;

	pthread_rwlock_wrlock(&lock);
	while ((d = TAILQ_FIRST(&order)))
		drop(d);
	map_fini(&domains, NULL);
	map_init(&domains);
	pthread_rwlock_unlock(&lock);
}
