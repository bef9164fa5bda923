/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a door's sessions and "top". In: every session of every thread, one after the other. Out:
 * sums by address (of IPv6 by /64, which is what one host is given), and as many of the busiest of
 * both as were asked for: twenty thousand sessions are looked at, a hundred are told. It costs a
 * map of the addresses while it is made and nothing while nobody asks. It keeps no session. */
#include "door/crowd.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/map.h"
#include "door/json.h"

enum { PACE_MS = 500 };

enum crowd_by { BY_RATE, BY_SESSIONS, BY_WAITING, BY_IN, BY_OUT, BY_STOPPED, BY_AGE, BY_N };

static const char *const by_names[BY_N] = { "rate", "sessions", "waiting", "in", "out", "stopped",
	"age" };

/* One of the busiest: the heap's root is the least of them. */
struct pick {
	double rank, rate;
	const void *what;
	json_t *row;
};

struct picks {
	struct pick all[CROWD_ROWS_MAX];
	unsigned n, max;
};

struct crowd_peer {
	struct crowd_peer *next;
	struct peer_address address;
	uint64_t sessions, online, in, out, dropped, rejected, age_ms;
	double rate, jid_rate;
	const char *jid; /* of its busiest session; borrowed unless it owns it */
	bool owns_jid, matches;
};

struct crowd {
	atomic_uint refs;
	pthread_mutex_t lock;
	enum crowd_by sessions_by, peers_by;
	unsigned n_peers;
	char match[CROWD_MATCH_MAX + 1];
	uint64_t total, online;
	struct map peers;
	struct crowd_peer *first; /* of all peers, the one that came last */
	struct picks sessions;
};

double pace_look(struct pace *p, uint64_t began_ms, uint64_t now_ms, uint64_t count)
{
	if (p->ms == 0)
		p->ms = began_ms ? began_ms : 1;
	if (now_ms < p->ms + PACE_MS)
		return p->rate;
	p->rate = count > p->count ? (double)(count - p->count) * 1000.0 / (double)(now_ms - p->ms)
				   : 0;
	p->count = count;
	p->ms = now_ms;
	return p->rate;
}

/* ---- the busiest ---- */

static void picks_sink(struct picks *p, unsigned at)
{
	for (unsigned least; (least = 2 * at + 1) < p->n; at = least) {
		struct pick swap = p->all[at];

		if (least + 1 < p->n && p->all[least + 1].rank < p->all[least].rank)
			least++;
		if (p->all[least].rank >= swap.rank)
			return;
		p->all[at] = p->all[least];
		p->all[least] = swap;
	}
}

static void picks_raise(struct picks *p, unsigned at)
{
	for (unsigned up; at > 0 && p->all[up = (at - 1) / 2].rank > p->all[at].rank; at = up) {
		struct pick swap = p->all[at];

		p->all[at] = p->all[up];
		p->all[up] = swap;
	}
}

/* Takes the pick's row. */
static void picks_offer(struct picks *p, const struct pick *pick)
{
	if (p->n < p->max) {
		p->all[p->n] = *pick;
		picks_raise(p, p->n++);
	} else if (p->max > 0 && pick->rank > p->all[0].rank) {
		json_decref(p->all[0].row);
		p->all[0] = *pick;
		picks_sink(p, 0);
	} else {
		json_decref(pick->row);
	}
}

static int pick_compare(const void *a, const void *b)
{
	double x = ((const struct pick *)a)->rank, y = ((const struct pick *)b)->rank;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* ---- life ---- */

static enum crowd_by by_of(json_t *ask, const char *key)
{
	const char *name = text_of(ask, key);

	for (unsigned i = 0; i < BY_N; i++)
		if (strcmp(by_names[i], name) == 0)
			return (enum crowd_by)i;
	return BY_RATE;
}

static unsigned rows_of(json_t *ask, const char *key)
{
	json_int_t n = number_of(ask, key);

	return n <= 0 ? 0 : n > CROWD_ROWS_MAX ? CROWD_ROWS_MAX : (unsigned)n;
}

struct crowd *crowd_new(json_t *ask)
{
	struct crowd *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->lock, NULL);
	map_init(&c->peers);
	c->sessions_by = by_of(ask, "sessions_by");
	c->peers_by = by_of(ask, "peers_by");
	c->sessions.max = rows_of(ask, "sessions");
	c->n_peers = rows_of(ask, "peers");
	strncat(c->match, text_of(ask, "match"), CROWD_MATCH_MAX);
	return c;
}

struct crowd *crowd_sheet(const struct crowd *of)
{
	struct crowd *c = crowd_new(NULL);

	if (!c)
		return NULL;
	c->sessions_by = of->sessions_by;
	c->peers_by = of->peers_by;
	c->sessions.max = of->sessions.max;
	c->n_peers = of->n_peers;
	memcpy(c->match, of->match, sizeof(c->match));
	return c;
}

struct crowd *crowd_ref(struct crowd *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

static void peer_free(struct crowd_peer *peer)
{
	if (peer->owns_jid)
		free((char *)peer->jid);
	free(peer);
}

static void peers_free(struct crowd *c)
{
	struct crowd_peer *peer;

	while ((peer = c->first)) {
		c->first = peer->next;
		peer_free(peer);
	}
	map_fini(&c->peers, NULL);
}

void crowd_unref(struct crowd *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	peers_free(c);
	for (unsigned i = 0; i < c->sessions.n; i++)
		json_decref(c->sessions.all[i].row);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- a thread's own ---- */

static struct peer_address group_of(const struct peer_address *a)
{
	struct peer_address group = *a;

	if (!address_is_v4(a))
		memset(group.bytes + 8, 0, 8);
	return group;
}

static void group_format(const struct peer_address *a, char *text, size_t size)
{
	address_format(a, text, size);
	if (!address_is_v4(a))
		strncat(text, "/64", size - strlen(text) - 1);
}

/* Takes it. */
static struct crowd_peer *peer_put(struct crowd *c, struct crowd_peer *peer)
{
	if (map_put(&c->peers, &peer->address, sizeof(peer->address), peer, NULL) < 0) {
		peer_free(peer);
		return NULL;
	}
	peer->next = c->first;
	c->first = peer;
	return peer;
}

static struct crowd_peer *peer_get(struct crowd *c, const struct peer_address *address)
{
	struct crowd_peer *peer = map_find(&c->peers, address, sizeof(*address));

	if (peer || !(peer = calloc(1, sizeof(*peer))))
		return peer;
	peer->address = *address;
	return peer_put(c, peer);
}

static bool member_matches(const struct crowd *c, const struct crowd_member *m)
{
	char address[64];

	if (!*c->match)
		return true;
	address_format(m->address, address, sizeof(address));
	return strcasestr(address, c->match) || (m->jid && strcasestr(m->jid, c->match));
}

static double session_rank(enum crowd_by by, const struct crowd_member *m)
{
	switch (by) {
	case BY_IN:
		return (double)m->in;
	case BY_OUT:
		return (double)m->out;
	case BY_STOPPED:
		return (double)(m->dropped + m->rejected);
	case BY_AGE:
		return (double)m->age_ms;
	case BY_WAITING:
		return m->online ? 0 : (double)m->age_ms;
	default:
		return m->rate;
	}
}

void crowd_add(struct crowd *c, const struct crowd_member *m)
{
	struct peer_address group = group_of(m->address);
	struct crowd_peer *peer = peer_get(c, &group);
	bool matches = member_matches(c, m);

	c->total++;
	c->online += m->online;
	if (matches)
		picks_offer(&c->sessions, &(struct pick){ .rank = session_rank(c->sessions_by, m),
						  .rate = m->rate,
						  .what = m->session });
	if (!peer)
		return;
	peer->sessions++;
	peer->online += m->online;
	peer->in += m->in;
	peer->out += m->out;
	peer->dropped += m->dropped;
	peer->rejected += m->rejected;
	peer->rate += m->rate;
	peer->matches |= matches;
	if (m->age_ms > peer->age_ms)
		peer->age_ms = m->age_ms;
	if (m->jid && (!peer->jid || m->rate > peer->jid_rate)) {
		peer->jid = m->jid;
		peer->jid_rate = m->rate;
	}
}

/* ---- all of them ---- */

/* Cut at a whole character; the sheet's borrowed one becomes ours. */
static char *jid_keep(const char *jid)
{
	size_t len = strnlen(jid, CROWD_JID_MAX);

	if (jid[len])
		while (len > 0 && ((unsigned char)jid[len] & 0xc0) == 0x80)
			len--;
	return strndup(jid, len);
}

static double peer_rank(enum crowd_by by, const struct crowd_peer *peer)
{
	switch (by) {
	case BY_SESSIONS:
		return (double)peer->sessions;
	case BY_WAITING:
		return (double)(peer->sessions - peer->online);
	case BY_IN:
		return (double)peer->in;
	case BY_OUT:
		return (double)peer->out;
	case BY_STOPPED:
		return (double)(peer->dropped + peer->rejected);
	case BY_AGE:
		return (double)peer->age_ms;
	default:
		return peer->rate;
	}
}

/* A pointer of the heap's is its peer; NULL when out of memory. */
static struct picks *peers_pick(struct crowd *c)
{
	struct picks *best = calloc(1, sizeof(*best));

	if (!best)
		return NULL;
	best->max = c->n_peers;
	for (const struct crowd_peer *peer = c->first; peer; peer = peer->next)
		if (peer->matches)
			picks_offer(best, &(struct pick){ .rank = peer_rank(c->peers_by, peer),
						  .what = peer });
	return best;
}

/* Only those that may be told keep a JID, and then their own: thousands of copies are saved. */
static void jids_keep(struct crowd *sheet)
{
	struct picks *best = peers_pick(sheet);

	for (unsigned i = 0; best && i < best->n; i++) {
		struct crowd_peer *peer = (struct crowd_peer *)best->all[i].what;

		if (peer->jid && (peer->jid = jid_keep(peer->jid)))
			peer->owns_jid = true;
	}
	free(best);
	for (struct crowd_peer *peer = sheet->first; peer; peer = peer->next)
		if (!peer->owns_jid)
			peer->jid = NULL;
}

/* Takes one. */
static void peer_merge(struct crowd *into, struct crowd_peer *one)
{
	struct crowd_peer *all = map_find(&into->peers, &one->address, sizeof(one->address));

	if (!all) {
		peer_put(into, one);
		return;
	}
	all->sessions += one->sessions;
	all->online += one->online;
	all->in += one->in;
	all->out += one->out;
	all->dropped += one->dropped;
	all->rejected += one->rejected;
	all->rate += one->rate;
	all->matches |= one->matches;
	if (one->age_ms > all->age_ms)
		all->age_ms = one->age_ms;
	if (one->jid && (!all->jid || one->jid_rate > all->jid_rate)) {
		const char *jid = all->jid;

		all->jid = one->jid;
		all->jid_rate = one->jid_rate;
		all->owns_jid = true;
		one->jid = jid;
		one->owns_jid = jid != NULL;
	}
	peer_free(one);
}

void crowd_merge(struct crowd *into, struct crowd *sheet,
	json_t *(*row)(void *arg, const void *session), void *arg)
{
	struct crowd_peer *peer;

	for (unsigned i = 0; i < sheet->sessions.n; i++)
		sheet->sessions.all[i].row = row(arg, sheet->sessions.all[i].what);
	jids_keep(sheet);
	pthread_mutex_lock(&into->lock);
	into->total += sheet->total;
	into->online += sheet->online;
	for (unsigned i = 0; i < sheet->sessions.n; i++)
		if (sheet->sessions.all[i].row)
			picks_offer(&into->sessions, &sheet->sessions.all[i]);
	sheet->sessions.n = 0;
	/* Not in the order of the map: from one map into another of the same hash, that makes
	 * chains. */
	while ((peer = sheet->first)) {
		sheet->first = peer->next;
		peer_merge(into, peer);
	}
	pthread_mutex_unlock(&into->lock);
	crowd_unref(sheet);
}

/* What text shows without a tail of digits. */
static double eighths(double rate)
{
	return (double)(uint64_t)(rate * 8 + 0.5) / 8;
}

static json_t *peer_row(const struct crowd_peer *p)
{
	char address[80];

	group_format(&p->address, address, sizeof(address));
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:s}", "address", address,
		"sessions", (json_int_t)p->sessions, "online", (json_int_t)p->online, "in",
		(json_int_t)p->in, "out", (json_int_t)p->out, "dropped", (json_int_t)p->dropped,
		"rejected", (json_int_t)p->rejected, "rate", eighths(p->rate), "age_ms",
		(json_int_t)p->age_ms, "jid", p->jid ? p->jid : "");
}

static void add_row(json_t *rows, const char *kind, double rank, json_t *row)
{
	json_array_append_new(rows, json_pack("{s:o, s:f}", kind, row, "rank", rank));
}

json_t *crowd_rows(struct crowd *c)
{
	struct picks *peers = peers_pick(c);
	json_t *rows = json_array();

	qsort(c->sessions.all, c->sessions.n, sizeof(*c->sessions.all), pick_compare);
	json_array_append_new(rows,
		json_pack("{s:{s:I, s:I, s:I}}", "all", "sessions", (json_int_t)c->total, "online",
			(json_int_t)c->online, "peers", (json_int_t)c->peers.count));
	for (unsigned i = 0; i < c->sessions.n; i++) {
		struct pick *pick = &c->sessions.all[i];

		json_object_set_new(pick->row, "rate", json_real(eighths(pick->rate)));
		add_row(rows, "session", pick->rank, json_incref(pick->row));
	}
	if (!peers)
		return rows;
	qsort(peers->all, peers->n, sizeof(*peers->all), pick_compare);
	for (unsigned i = 0; i < peers->n; i++)
		add_row(rows, "peer", peers->all[i].rank, peer_row(peers->all[i].what));
	free(peers);
	return rows;
}
