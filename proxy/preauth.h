/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is connected and has not logged in, in order of age by address: so that such streams push
 * each other out when there are too many of them. Shared by threads; an IPv6 /64 is one address. */
#pragma once

#include <stddef.h>
#include "rules/rules.h"

struct session;
struct worker;

/* A session's place. Two may hold it: the session until it logs in or is gone, and an order that is
 * to end it. */
struct preauth {
	struct session *session; /* NULL: gone or logged in; read and written on its own thread */
	struct worker *worker;
	const char *why;                 /* it is pushed out: "preauth.address" or "preauth.full" */
	struct preauth_address *address; /* NULL: in no list any more */
	struct preauth *older, *younger;
	unsigned holders;
};

/* Counts it in. Beyond the ceilings (0: none) of all, or of its address, an oldest one leaves the
 * lists: of this address, else of the one that has most. *pushed is that one with a hold of it for
 * the caller, NULL if there is room. NULL when out of memory: then it is counted nowhere. */
struct preauth *preauth_enter(const char *service, const struct peer_address *address, unsigned max,
	unsigned per_address, struct session *session, struct worker *worker,
	struct preauth **pushed);
/* On the session's thread: it has logged in, or is gone. NULL is fine. */
void preauth_leave(struct preauth *p);
/* On the session's thread: an order is done with it. */
void preauth_release(struct preauth *p);
/* Those in lists now, of that service. */
unsigned preauth_count(const char *service);
