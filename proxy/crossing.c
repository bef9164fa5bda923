/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that need another stream: beside apply.c, over pairs.c.
 * In: pairs that become valid and sessions that end; an error for a peer who cannot hear it on the
 * stream it spoke on (RFC 6120 10.4: streams between servers go one way). Out: the error in a
 * session whose receiver takes that "from" for that "to", entered in its ledger as ours. One table
 * for the process, a mutex around it; of several sessions of a pair the newest. It never makes an
 * answer. */
#include "proxy/crossing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/map.h"
#include "proxy/counters.h"
#include "proxy/session_close.h"
#include "proxy/session_federation.h"
#include "proxy/worker.h"

enum { CROSSING_KEY = 2 * (PAIR_NAME_MAX + 1) };

/* A session that takes a pair; those of one pair hang together, the newest first. */
struct crossing {
	struct crossing *next;
	struct worker *worker;
	uint64_t serial;
	enum side side; /* who says it there */
};

struct crossing_letter {
	uint64_t serial;
	enum side side;
	char *from, *to; /* behind xml */
	size_t len;
	char xml[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct map crossings; /* struct crossing * by "from" NUL "to" */
static size_t crossings_n;

static size_t crossing_key(char key[CROSSING_KEY], struct span from, struct span to)
{
	if (from.len > PAIR_NAME_MAX || to.len > PAIR_NAME_MAX)
		return 0;
	memcpy(key, from.ptr, from.len);
	key[from.len] = '\0';
	memcpy(key + from.len + 1, to.ptr, to.len);
	return from.len + 1 + to.len;
}

/* Under the lock. */
static void crossing_remove(const char *key, size_t len, uint64_t serial)
{
	struct crossing *first = map_find(&crossings, key, len), **at = &first, *c;

	while ((c = *at) && c->serial != serial)
		at = &c->next;
	if (!c)
		return;
	*at = c->next;
	free(c);
	crossings_n--;
	/* Replacing what is there takes no memory. */
	if (first)
		(void)map_put(&crossings, key, len, first, NULL);
	else
		(void)map_take(&crossings, key, len);
}

static void crossing_add(struct session *s, enum side side, const char *key, size_t len)
{
	struct crossing *c = crossings_n < CROSSING_MAX ? calloc(1, sizeof(*c)) : NULL;

	if (!c) {
		metric_add(counters.crossing_full, 1);
		return;
	}
	*c = (struct crossing){ map_find(&crossings, key, len), s->worker, s->serial, side };
	if (map_put(&crossings, key, len, c, NULL) < 0)
		free(c);
	else
		crossings_n++;
}

void crossing_set(struct session *s, enum side side, const struct pair *pair)
{
	char key[CROSSING_KEY];
	size_t len = crossing_key(key, pair->from, pair->to);

	if (len == 0)
		return;
	pthread_mutex_lock(&lock);
	crossing_remove(key, len, s->serial);
	if (pair->state == PAIR_VALID)
		crossing_add(s, side, key, len);
	pthread_mutex_unlock(&lock);
}

void crossing_leave(struct session *s)
{
	const struct pairs *p = &s->federation->dialback.pairs;
	char key[CROSSING_KEY];
	size_t len;

	pthread_mutex_lock(&lock);
	for (int side = 0; side < SIDES; side++) {
		for (unsigned i = 0; i < p->said_by[side].n; i++) {
			const struct pair *pair = p->said_by[side].all[i];

			if ((len = crossing_key(key, pair->from, pair->to)) > 0)
				crossing_remove(key, len, s->serial);
		}
	}
	if (crossings_n == 0)
		map_fini(&crossings, NULL);
	pthread_mutex_unlock(&lock);
}

/* ---- letters ---- */

static bool crossing_write(
	struct session *s, enum side side, struct span from, struct span to, struct span xml)
{
	struct leg *leg = side == SIDE_INITIATOR ? &s->server : &s->client;
	int r;

	if (s->state != SESSION_ONLINE || leg->closed_out || leg->conn.fd < 0 ||
		!dialback_is_legal(&s->federation->dialback, side, from, to) ||
		buf_put_span(&leg->conn.out, xml) < 0)
		return false;
	r = sm_injected(&s->sm, side == SIDE_INITIATOR ? WAY_UP : WAY_DOWN);
	if (r < 0)
		session_fail(s, r, "stream management ledger");
	metric_add(counters.crossing_sent, 1);
	return true;
}

void crossing_deliver(struct worker *w, struct crossing_letter *letter)
{
	struct session *s = w->sessions;

	while (s && s->serial != letter->serial)
		s = s->next;
	if (s && s->federation &&
		crossing_write(s, letter->side, span_of(letter->from), span_of(letter->to),
			(struct span){ letter->xml, letter->len }))
		session_run(s);
	else
		metric_add(counters.crossing_lost, 1);
	free(letter);
}

static struct crossing_letter *letter_new(
	const struct crossing *to_whom, const char *from, const char *to, struct span xml)
{
	size_t n_from = strlen(from) + 1, n_to = strlen(to) + 1;
	struct crossing_letter *letter = malloc(sizeof(*letter) + xml.len + n_from + n_to);

	if (!letter)
		return NULL;
	letter->serial = to_whom->serial;
	letter->side = to_whom->side;
	letter->len = xml.len;
	letter->from = letter->xml + xml.len;
	letter->to = letter->from + n_from;
	memcpy(letter->xml, xml.ptr, xml.len);
	memcpy(letter->from, from, n_from);
	memcpy(letter->to, to, n_to);
	return letter;
}

bool crossing_send(const char *from, const char *to, struct span xml)
{
	struct crossing_letter *letter = NULL;
	const struct crossing *found;
	struct worker *worker = NULL;
	char key[CROSSING_KEY];
	size_t len = crossing_key(key, span_of(from), span_of(to));
	bool sent = false;

	pthread_mutex_lock(&lock);
	found = len > 0 ? map_find(&crossings, key, len) : NULL;
	if (found && (letter = letter_new(found, from, to, xml)))
		worker = found->worker;
	/* Under the lock: a thread that ends has taken its sessions out before. */
	if (letter && worker_cross(worker, letter) == 0)
		sent = true;
	else
		free(letter);
	pthread_mutex_unlock(&lock);
	return sent;
}
