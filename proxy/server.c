/* SPDX-License-Identifier: BSD-2-Clause */
/* One server behind "upstream backend": what is held of it, between health.c, which checks it, and
 * backends.c, which chooses. In: results of checks, addresses of its name as the daemon looked them
 * up. Out: its state with a reason, an address, a row for the operator. So many checks in a row
 * change the state, the first of all alone. It opens no socket, and nothing a client does is a
 * result. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/map.h"
#include "proxy/backends_int.h"
#include "proxy/counters.h"

enum { NAMES_MAX = 1024 };

/* What a host name means now; lives as long as the process. */
struct resolved {
	struct peer_address addresses[SERVER_ADDRESSES_MAX];
	unsigned n;
	char why[SERVER_WHY_MAX];
};

pthread_mutex_t backends_lock = PTHREAD_MUTEX_INITIALIZER;
static struct map names; /* host -> struct resolved */

const char *server_state_text(enum server_state state)
{
	static const char *const texts[] = { "unchecked", "up", "down" };

	return texts[state];
}

/* ---- servers ---- */

void server_unref(struct server *s)
{
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	free(s->key);
	free(s->host);
	free(s);
}

struct server *server_ref(struct server *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

struct server *server_new(const char *backend, const struct backend_server *conf)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	atomic_init(&s->refs, 1);
	s->port = conf->port;
	s->tls = conf->tls;
	s->named = conf->named;
	s->since_ms = clock_mono_ms();
	s->host = strdup(conf->host);
	if (asprintf(&s->key, "%s %s", backend, conf->text) < 0)
		s->key = NULL;
	if (!s->key || !s->host ||
		(!s->named && address_parse(span_of(conf->host), &s->literal) < 0)) {
		server_unref(s);
		return NULL;
	}
	return s;
}

/* With the lock held: how many addresses there are. */
static unsigned server_addresses(const struct server *s, const struct peer_address **out)
{
	const struct resolved *r;

	if (!s->named) {
		*out = &s->literal;
		return 1;
	}
	r = map_find(&names, s->host, strlen(s->host));
	*out = r ? r->addresses : NULL;
	return r ? r->n : 0;
}

/* With the lock held. like (may be NULL): only of that one's family. */
bool server_find_address(
	const struct server *s, const struct peer_address *like, struct endpoint *at)
{
	const struct peer_address *all;
	unsigned n = server_addresses(s, &all);

	for (unsigned i = 0; i < n; i++) {
		/* The one that the last good check took comes first. */
		const struct peer_address *a = &all[(i + s->next) % n];

		if (like && address_is_v4(a) != address_is_v4(like))
			continue;
		*at = (struct endpoint){ *a, s->port };
		return true;
	}
	return false;
}

/* ---- names ---- */

void backends_resolved(
	const char *name, const struct peer_address *addresses, size_t n, const char *why)
{
	struct resolved *r;

	pthread_mutex_lock(&backends_lock);
	r = map_find(&names, name, strlen(name));
	if (!r && names.count < NAMES_MAX && (r = calloc(1, sizeof(*r))) &&
		map_put(&names, name, strlen(name), r, NULL) < 0) {
		free(r);
		r = NULL;
	}
	if (r) {
		if (n > SERVER_ADDRESSES_MAX)
			n = SERVER_ADDRESSES_MAX;
		/* What was known stays while the name service is away. */
		if (n > 0) {
			memcpy(r->addresses, addresses, n * sizeof(*addresses));
			r->n = (unsigned)n;
		}
		snprintf(r->why, sizeof(r->why), "%s", n > 0 ? "" : why);
	}
	pthread_mutex_unlock(&backends_lock);
}

/* ---- checks ---- */

bool server_address(struct server *s, struct endpoint *at)
{
	bool found;

	pthread_mutex_lock(&backends_lock);
	found = server_find_address(s, NULL, at);
	pthread_mutex_unlock(&backends_lock);
	return found;
}

/* With the lock held: does it change the state? */
static bool server_judge(struct server *s, const struct backend *conf, bool well)
{
	enum server_state next = well ? SERVER_UP : SERVER_DOWN;

	if (s->state == next) {
		s->run = 0;
		return false;
	}
	/* The first check of all decides alone. */
	if (s->state != SERVER_UNCHECKED && ++s->run < (well ? conf->rise : conf->fall))
		return false;
	s->run = 0;
	s->state = next;
	s->since_ms = clock_mono_ms();
	return true;
}

bool server_checked(struct server *s, const struct backend *conf, const char *why, uint64_t took_ms,
	enum server_state *now)
{
	const struct resolved *r;
	bool changed;

	pthread_mutex_lock(&backends_lock);
	changed = server_judge(s, conf, why == NULL);
	s->checks++;
	s->failures += why != NULL;
	s->next += why != NULL;
	s->checked_ms = clock_mono_ms();
	s->took_ms = took_ms;
	r = s->named ? map_find(&names, s->host, strlen(s->host)) : NULL;
	snprintf(s->why, sizeof(s->why), "%s",
		!why                                      ? ""
		: s->named && (!r || (!r->n && !*r->why)) ? "its name is not resolved yet"
		: r && !r->n                              ? r->why
							  : why);
	*now = s->state;
	pthread_mutex_unlock(&backends_lock);
	if (changed)
		metric_add(*now == SERVER_UP ? counters.backend_up : counters.backend_down, 1);
	return changed;
}

bool server_is_doubted(struct server *s)
{
	return atomic_exchange(&s->doubted, false);
}

bool server_is_wavering(struct server *s)
{
	bool wavering;

	pthread_mutex_lock(&backends_lock);
	wavering = s->run > 0;
	pthread_mutex_unlock(&backends_lock);
	return wavering;
}

enum server_state server_state(struct server *s)
{
	enum server_state state;

	pthread_mutex_lock(&backends_lock);
	state = s->state;
	pthread_mutex_unlock(&backends_lock);
	return state;
}

/* ---- telling ---- */

static json_t *addresses_json(const struct server *s)
{
	const struct peer_address *all;
	unsigned n = server_addresses(s, &all);
	json_t *out = json_array();
	char text[64];

	for (unsigned i = 0; i < n; i++) {
		address_format(&all[i], text, sizeof(text));
		json_array_append_new(out, json_string(text));
	}
	return out;
}

json_t *server_row(
	struct server *s, const struct backend *conf, const struct backend_server *written)
{
	static const char *const tls[] = { "plain", "starttls", "tls" };
	static const char *const checks[] = { "off", "tcp", "stream" };
	uint64_t now = clock_mono_ms();
	json_t *row, *addresses;

	pthread_mutex_lock(&backends_lock);
	addresses = addresses_json(s);
	row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:o}", "backend",
		conf->name, "server", written->text, "tls", tls[s->tls], "check",
		checks[conf->check], "state", server_state_text(s->state), "why", s->why,
		"since_ms", (json_int_t)(now - s->since_ms), "sessions",
		(json_int_t)atomic_load(&s->sessions), "checks", (json_int_t)s->checks, "failures",
		(json_int_t)s->failures, "took_ms", (json_int_t)s->took_ms, "addresses", addresses);
	if (row && s->checks > 0)
		json_object_set_new(
			row, "checked_ms", json_integer((json_int_t)(now - s->checked_ms)));
	pthread_mutex_unlock(&backends_lock);
	return row;
}
