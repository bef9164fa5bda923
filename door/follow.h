/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is followed through the rules on this thread ("trace" of ctl/link.h). */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include "door/hub.h"
#include "door/scene.h"
#include "rules/trace.h"
#include "xmpp/stream.h"

enum {
	FOLLOWS_MAX = 4,
	FOLLOW_A_SECOND = 50,      /* stanzas told of, each follow on each thread */
	FOLLOW_MS_MAX = 3600000,   /* an hour */
	FOLLOW_BYTES_MAX = 200000, /* of one message: a line to the daemon is bounded */
	FOLLOW_JID_MAX = 3071
};

/* One of jid, address, session. */
struct follow {
	json_int_t id;
	bool bodies, by_address;
	char jid[FOLLOW_JID_MAX + 1]; /* "": not by JID; a bare one means all its resources */
	struct peer_address address;
	unsigned prefix_len;
	json_int_t session; /* 0: not by session */
	uint64_t ms;        /* how long */
	/* on the thread */
	uint64_t until_ms, second_ms;
	unsigned in_second, lost;
};

/* What a thread follows; nothing when n is 0. */
struct follows {
	struct follow *all[FOLLOWS_MAX];
	unsigned n;
	struct trace trace;
};

/* Takes f. One too many is freed. */
void follow_add(struct follows *fs, struct follow *f, uint64_t now_ms);
void follow_remove(struct follows *fs, json_int_t id);
/* Forgets those whose time is over. */
void follow_tick(struct follows *fs, uint64_t now_ms);
void follow_fini(struct follows *fs);
/* "trace" of ctl/link.h into f; false when it makes no sense. */
bool follow_take(struct follow *f, json_t *msg);
/* Before a judgement: is anyone interested? A bit for each; the judge traces then. */
unsigned follow_begin(struct follows *fs, struct judge *judge, uint64_t now_ms,
	const struct scene *s, const struct stanza *st);
/* After it: tells them. code is of judge_stanza. */
void follow_end(struct follows *fs, struct judge *judge, struct hub *hub, unsigned who,
	enum direction direction, const struct scene *s, const struct stanza *st,
	const struct verdict *v, int code);
