/* SPDX-License-Identifier: BSD-2-Clause */
/* Which server a stream goes to: asked by session_server.c when the client has said for which
 * domain it comes. In: domains and servers of the policy, results of health.c's checks, addresses
 * of names that the daemon has looked up. Out: an address. Domains are compared prepared as servers
 * prepare them, so that no spelling leads elsewhere than the server's own reading would; the name
 * in TLS does not count. Clients that lost a session are led back to its server, where it can be
 * resumed (XEP-0198). It opens no socket, and no client's failure changes what is held of a server.
 */
#include "proxy/backends_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/clock.h"
#include "base/siphash.h"
#include "xmpp/jid.h"

enum { STICK_SLOTS = 8192 };

struct backends {
	_Atomic unsigned refs;
	struct arena arena;
	struct backend *all;
	struct server *(*servers)[BACKEND_SERVERS_MAX];
	_Atomic unsigned *turns; /* roundrobin */
	size_t n;
};

static struct stick {
	uint64_t key, server; /* hashes; 0: empty */
	uint64_t until_ms;
} sticks[STICK_SLOTS];

/* ---- a policy's ---- */

/* The same server in the policy before; a reference. */
static struct server *server_keep(
	const struct backends *previous, const char *backend, const struct backend_server *conf)
{
	for (size_t i = 0; previous && i < previous->n; i++) {
		if (strcmp(previous->all[i].name, backend) != 0)
			continue;
		for (unsigned k = 0; k < previous->all[i].n_servers; k++)
			if (strcmp(previous->all[i].servers[k].text, conf->text) == 0 &&
				previous->all[i].servers[k].named == conf->named &&
				previous->all[i].servers[k].tls == conf->tls)
				return server_ref(previous->servers[i][k]);
	}
	return NULL;
}

static int backend_copy(struct backends *b, size_t i, const struct backend *from)
{
	struct backend *to = &b->all[i];
	bool fine = true;

	*to = *from;
	fine = fine && (to->name = arena_strdup(&b->arena, from->name));
	for (unsigned k = 0; k < from->n_domains && fine; k++)
		fine = (to->domains[k] = arena_strdup(&b->arena, from->domains[k]));
	for (unsigned k = 0; k < from->n_servers && fine; k++)
		fine = (to->servers[k].text = arena_strdup(&b->arena, from->servers[k].text)) &&
		       (to->servers[k].host = arena_strdup(&b->arena, from->servers[k].host));
	if (from->check_to && fine)
		fine = (to->check_to = arena_strdup(&b->arena, from->check_to));
	return fine ? 0 : -ENOMEM;
}

static int backend_fill(struct backends *b, size_t i, const struct backends *previous)
{
	const struct backend *conf = &b->all[i];

	for (unsigned k = 0; k < conf->n_servers; k++) {
		struct server *s = server_keep(previous, conf->name, &conf->servers[k]);

		if (!s && !(s = server_new(conf->name, &conf->servers[k])))
			return -ENOMEM;
		b->servers[i][k] = s;
		if (conf->check != CHECK_OFF)
			continue;
		pthread_mutex_lock(&backends_lock);
		s->state = SERVER_UNCHECKED;
		s->why[0] = '\0';
		pthread_mutex_unlock(&backends_lock);
	}
	return 0;
}

int backends_new(
	const struct backend *all, size_t n, struct backends *previous, struct backends **out)
{
	struct backends *b = calloc(1, sizeof(*b));
	int r = 0;

	if (!b)
		return -ENOMEM;
	atomic_init(&b->refs, 1);
	arena_init(&b->arena, 0);
	b->all = calloc(n + 1, sizeof(*b->all));
	b->servers = calloc(n + 1, sizeof(*b->servers));
	b->turns = calloc(n + 1, sizeof(*b->turns));
	if (!b->all || !b->servers || !b->turns)
		r = -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++) {
		b->n++;
		if ((r = backend_copy(b, i, &all[i])) == 0)
			r = backend_fill(b, i, previous);
	}
	if (r < 0) {
		backends_unref(b);
		return r;
	}
	*out = b;
	return 0;
}

struct backends *backends_ref(struct backends *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

void backends_unref(struct backends *b)
{
	if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
		return;
	for (size_t i = 0; b->servers && i < b->n; i++)
		for (unsigned k = 0; k < BACKEND_SERVERS_MAX; k++)
			server_unref(b->servers[i][k]);
	free(b->all);
	free(b->servers);
	free(b->turns);
	arena_fini(&b->arena);
	free(b);
}

size_t backends_count(const struct backends *b)
{
	return b->n;
}

const struct backend *backends_conf(const struct backends *b, size_t i)
{
	return &b->all[i];
}

struct server *backends_server(const struct backends *b, size_t i, unsigned k)
{
	return b->servers[i][k];
}

/* ---- who has a domain ---- */

size_t domains_fit(const char *const *domains, unsigned n, const char *domain)
{
	size_t best = 0, len = strlen(domain);

	for (unsigned i = 0; i < n; i++) {
		const char *one = domains[i];
		size_t tail = strlen(one) - 1; /* of "*.b.example": ".b.example" */

		if (strcmp(one, domain) == 0)
			return SIZE_MAX;
		if (one[0] == '*' && len > tail && strcmp(domain + len - tail, one + 1) == 0 &&
			tail + 1 > best)
			best = tail + 1;
	}
	return best;
}

/* How well a backend has the domain: 0 not at all, 1 as one of the rest, then the longer the
 * better. */
static size_t backend_fits(const struct backend *b, const char *domain)
{
	return b->n_domains == 0 ? 1 : domains_fit(b->domains, b->n_domains, domain);
}

/* Its number; -1: nobody's. */
static int backend_of(const struct backends *b, const struct service *service, const char *spelled)
{
	size_t best = 0, fits;
	const char *domain;
	struct arena a;
	int found = -1;

	arena_init(&a, 0);
	if (jid_prep_domain(&a, span_of(spelled), &domain) == 0) {
		for (unsigned i = 0; i < service->n_backends; i++)
			for (size_t k = 0; k < b->n; k++)
				if (strcmp(service->backends[i], b->all[k].name) == 0 &&
					(fits = backend_fits(&b->all[k], domain)) > best) {
					best = fits;
					found = (int)k;
				}
	}
	arena_fini(&a);
	return found;
}

/* ---- those who come back ---- */

/* The same in every process: who resumes after a restart is led to the same server by "source". */
static uint64_t hash_of(const char *what, const void *data, size_t len)
{
	static const uint8_t key[16];
	uint64_t parts[2] = { siphash24(key, what, strlen(what)), siphash24(key, data, len) };

	return siphash24(key, parts, sizeof(parts)) | 1;
}

static uint64_t stick_of_client(const char *backend, const struct peer_address *client)
{
	struct peer_address net = *client;

	if (!address_is_v4(client))
		memset(net.bytes + 8, 0, 8);
	return hash_of(backend, net.bytes, sizeof(net.bytes));
}

static uint64_t stick_of_jid(const char *backend, const char *jid)
{
	return hash_of(backend, jid, strcspn(jid, "/"));
}

static void stick_put(uint64_t key, uint64_t server)
{
	sticks[key / 2 % STICK_SLOTS] =
		(struct stick){ key, server, clock_mono_ms() + BACKENDS_STICK_MS };
}

static uint64_t stick_find(uint64_t key)
{
	const struct stick *s = &sticks[key / 2 % STICK_SLOTS];

	return s->key == key && clock_mono_ms() < s->until_ms ? s->server : 0;
}

static uint64_t server_hash(const struct server *s)
{
	return hash_of("server", s->key, strlen(s->key));
}

/* ---- choosing ---- */

struct candidates {
	unsigned index[BACKEND_SERVERS_MAX];
	struct endpoint at[BACKEND_SERVERS_MAX];
	unsigned n;
};

static void candidates_find(struct backends *b, size_t i, const struct peer_address *like,
	uint32_t tried, struct candidates *out)
{
	for (unsigned k = 0; k < b->all[i].n_servers; k++) {
		struct server *s = b->servers[i][k];

		if ((tried >> k & 1) || s->state == SERVER_DOWN ||
			!server_find_address(s, like, &out->at[out->n]))
			continue;
		out->index[out->n++] = k;
	}
}

/* The highest of the hashes: when one server goes, only its clients move. */
static unsigned pick_by_source(
	struct backends *b, size_t i, const struct candidates *c, const struct peer_address *client)
{
	uint64_t source = stick_of_client(b->all[i].name, client), best = 0, one;
	unsigned picked = 0;

	for (unsigned k = 0; k < c->n; k++) {
		const struct server *s = b->servers[i][c->index[k]];

		one = hash_of(s->key, &source, sizeof(source));
		if (one > best) {
			best = one;
			picked = k;
		}
	}
	return picked;
}

static unsigned pick(struct backends *b, size_t i, const struct candidates *c,
	const struct peer_address *client, const char *from)
{
	uint64_t stick = from ? stick_find(stick_of_jid(b->all[i].name, from)) : 0;

	if (!stick)
		stick = stick_find(stick_of_client(b->all[i].name, client));
	for (unsigned k = 0; stick && k < c->n; k++)
		if (server_hash(b->servers[i][c->index[k]]) == stick)
			return k;
	if (b->all[i].balance == BALANCE_SOURCE)
		return pick_by_source(b, i, c, client);
	if (b->all[i].balance == BALANCE_ROUNDROBIN) {
		unsigned turn = atomic_fetch_add(&b->turns[i], 1) % b->all[i].n_servers;

		/* Each in turn, also where one of them is missing. */
		for (unsigned k = 0; k < c->n; k++)
			if (c->index[k] >= turn)
				return k;
	}
	return 0;
}

enum backends_answer backends_choose(struct backends *b, const struct service *service,
	const char *domain, const struct peer_address *client, const char *from,
	struct backend_choice *choice)
{
	int i = b ? backend_of(b, service, domain) : -1;
	struct candidates c = { .n = 0 };
	uint32_t tried = choice->tried;
	unsigned k;

	if (i < 0)
		return BACKENDS_UNKNOWN;
	for (k = 0; choice->server && k < b->all[i].n_servers; k++)
		if (b->servers[i][k] == choice->server)
			tried |= (uint32_t)1 << k;
	backends_leave(choice, client, NULL);
	choice->tried = tried;
	pthread_mutex_lock(&backends_lock);
	candidates_find(b, (size_t)i, service->source_client ? client : NULL, tried, &c);
	if (c.n > 0) {
		k = pick(b, (size_t)i, &c, client, from);
		choice->server = server_ref(b->servers[i][c.index[k]]);
		choice->at = c.at[k];
		choice->tls = choice->server->tls;
		atomic_fetch_add(&choice->server->sessions, 1);
	}
	pthread_mutex_unlock(&backends_lock);
	return c.n > 0 ? BACKENDS_CHOSEN : BACKENDS_NONE;
}

void backends_leave(
	struct backend_choice *choice, const struct peer_address *client, const char *jid)
{
	struct server *s = choice->server;
	char backend[256];

	if (!s)
		return;
	if (jid) {
		snprintf(backend, sizeof(backend), "%.*s", (int)strcspn(s->key, " "), s->key);
		pthread_mutex_lock(&backends_lock);
		stick_put(stick_of_jid(backend, jid), server_hash(s));
		stick_put(stick_of_client(backend, client), server_hash(s));
		pthread_mutex_unlock(&backends_lock);
	}
	atomic_fetch_sub(&s->sessions, 1);
	server_unref(s);
	*choice = (struct backend_choice){ .tried = choice->tried };
}

void backends_doubt(const struct backend_choice *choice)
{
	if (choice->server)
		atomic_store(&choice->server->doubted, true);
}

/* ---- telling ---- */

json_t *backends_rows(struct backends *b)
{
	json_t *rows = json_array();

	for (size_t i = 0; b && rows && i < b->n; i++)
		for (unsigned k = 0; k < b->all[i].n_servers; k++)
			json_array_append_new(rows,
				server_row(b->servers[i][k], &b->all[i], &b->all[i].servers[k]));
	return rows;
}
