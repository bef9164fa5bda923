/* SPDX-License-Identifier: BSD-2-Clause */
/* The servers behind "upstream backend": which of them a stream goes to, and what is held of each.
 * Shared by threads; what is held of a server survives a reload as long as backend and server stand
 * there under the same names. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "proxy/upstream.h"
#include "rules/rules.h"

struct backends; /* those of one policy */
struct server;   /* one server of one backend */

enum server_state {
	SERVER_UNCHECKED, /* no check has ended yet, or none is wanted: it is used */
	SERVER_UP,
	SERVER_DOWN,
};
enum { SERVER_WHY_MAX = 128, SERVER_ADDRESSES_MAX = 8, BACKENDS_STICK_MS = 600000 };

/* Where one session went; all zero: nowhere yet. */
struct backend_choice {
	struct server *server; /* a reference */
	struct endpoint at;
	enum upstream_tls tls;
	uint32_t tried; /* servers that this session could not reach */
};

enum backends_answer {
	BACKENDS_CHOSEN,
	BACKENDS_UNKNOWN, /* no backend has that domain */
	BACKENDS_NONE,    /* none of its servers is up, or all were tried */
};

/* Copies what it needs. previous may be NULL. 0 with one reference, or -ENOMEM. */
int backends_new(
	const struct backend *all, size_t n, struct backends *previous, struct backends **out);
struct backends *backends_ref(struct backends *b);
void backends_unref(struct backends *b);

/* Picks a server for a domain as the stream names it. from (may be NULL) and client tell whose
 * lost session may wait there. What was in choice before is given back and counts as tried. */
enum backends_answer backends_choose(struct backends *b, const struct service *service,
	const char *domain, const struct peer_address *client, const char *from,
	struct backend_choice *choice);
/* The session ends. jid NULL: nothing is to be found again; else who comes back within
 * BACKENDS_STICK_MS is led to the same server. */
void backends_leave(
	struct backend_choice *choice, const struct peer_address *client, const char *jid);
/* The session could not reach its server: a check is due. It changes nothing that is held of it:
 * what a client can bring about (an address the server refuses) must not take it from others. */
void backends_doubt(const struct backend_choice *choice);
/* What the name means from now on; n 0: nothing, because of why. Bounded. */
void backends_resolved(
	const char *name, const struct peer_address *addresses, size_t n, const char *why);
/* An array of rows {"backend","server","tls","state",...} (docs/CONTROL.md); NULL when out of
 * memory. */
json_t *backends_rows(struct backends *b);

/* ---- for health.c ---- */

size_t backends_count(const struct backends *b);
/* Backend i and its server k; conf is b's. */
const struct backend *backends_conf(const struct backends *b, size_t i);
struct server *backends_server(const struct backends *b, size_t i, unsigned k);
/* The address a check takes next: another one after each failure. False: why not is noted. */
bool server_address(struct server *s, struct endpoint *at);
/* A check ended. why NULL: well. True when it changed the state, which *now is. */
bool server_checked(struct server *s, const struct backend *conf, const char *why, uint64_t took_ms,
	enum server_state *now);
/* Has a session asked for a check since the last time? */
bool server_is_doubted(struct server *s);
/* Does the next check decide? Then it need not wait for its turn. */
bool server_is_wavering(struct server *s);
enum server_state server_state(struct server *s);
/* "up" and so on; static. */
const char *server_state_text(enum server_state state);
/* How well one of the names fits the domain (all prepared; "*." in front: any name below): 0 not at all,
 * the longer the better, exactly the best. */
size_t domains_fit(const char *const *domains, unsigned n, const char *domain);
