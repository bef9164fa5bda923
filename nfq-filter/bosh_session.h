/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of BOSH sessions (XEP-0124), whatever connection it was learned on: a bounded table
 * by server and sid, shared by all threads. */
#pragma once

#include <stddef.h>
#include "nfq-filter/flow.h"

enum { BOSH_SESSIONS_MAX = 65536, BOSH_SID_MAX = 256, BOSH_RIDS = 64 };

struct bosh_session {
	char *domain; /* it was opened to */
	char *jid;
	char mechanism[64];
	bool authenticated, anonymous;
	uint64_t bind_hash; /* see inspect_login.c */
	uint64_t since_ns;
	uint64_t stanzas[FLOW_SIDES];
};

enum bosh_rid {
	BOSH_RID_FIRST,
	BOSH_RID_AGAIN, /* answered before, or older than what is remembered */
	BOSH_RID_ENDED, /* the session was ended by us */
	BOSH_RID_FAR,   /* further ahead than any window (XEP-0124 14.3) */
};

struct bosh_table;

/* max 0: BOSH_SESSIONS_MAX. NULL when out of memory. */
struct bosh_table *bosh_table_new(size_t max);
void bosh_table_free(struct bosh_table *t);
/* A server said that there is such a session now; its first request had that rid. The texts are
 * copied. How many gave way to it (0 or 1), or -ENOMEM. */
int bosh_table_add(struct bosh_table *t, const struct endpoint *server, const char *sid,
	const struct bosh_session *s, uint64_t rid, uint64_t now_ns);
/* A copy of what is known (bosh_session_fini), and whether the rid (0: none) was answered before.
 * 1, 0 when it is unknown, or -ENOMEM. */
int bosh_table_find(struct bosh_table *t, const struct endpoint *server, const char *sid,
	uint64_t rid, uint64_t now_ns, struct bosh_session *out, enum bosh_rid *fate);
/* The server answered the request of that rid: what comes under it again, it will not act upon. */
void bosh_table_answered(
	struct bosh_table *t, const struct endpoint *server, const char *sid, uint64_t rid);
/* What is other in after than in before was learned just now. 0 or -ENOMEM. */
int bosh_table_learn(struct bosh_table *t, const struct endpoint *server, const char *sid,
	const struct bosh_session *before, const struct bosh_session *after);
/* The sessions of that JID (bare: all of its resources) get no further request through. */
void bosh_table_end(struct bosh_table *t, const char *jid);
/* It is over. */
void bosh_table_remove(struct bosh_table *t, const struct endpoint *server, const char *sid);
size_t bosh_table_count(struct bosh_table *t);
/* Frees the texts. */
void bosh_session_fini(struct bosh_session *s);
