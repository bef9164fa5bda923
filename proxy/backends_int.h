/* SPDX-License-Identifier: BSD-2-Clause */
/* What backends.c (choosing) and server.c (what is held of a server) share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include "proxy/backends.h"

struct server {
	_Atomic unsigned refs;
	char *key; /* "BACKEND SERVER" */
	char *host;
	uint16_t port;
	bool named;
	enum upstream_tls tls;
	struct peer_address literal;
	_Atomic unsigned sessions;
	atomic_bool doubted;
	/* under the lock */
	enum server_state state;
	unsigned run;  /* checks in a row that speak against the state */
	unsigned next; /* which address a check takes */
	uint64_t since_ms, checked_ms, took_ms, checks, failures;
	char why[SERVER_WHY_MAX]; /* of the last check that failed; "" after one that did not */
};

/* Over states, names and who comes back where: held for moments only. */
extern pthread_mutex_t backends_lock;

/* NULL when out of memory. */
struct server *server_new(const char *backend, const struct backend_server *conf);
struct server *server_ref(struct server *s);
void server_unref(struct server *s);
/* With the lock held. like (may be NULL): only an address of that one's family. */
bool server_find_address(
	const struct server *s, const struct peer_address *like, struct endpoint *at);
json_t *server_row(
	struct server *s, const struct backend *conf, const struct backend_server *written);
