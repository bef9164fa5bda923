/* SPDX-License-Identifier: BSD-2-Clause */
/* Answers that come from several threads: session rows gathered and sent in parts; and whom the
 * daemon names when it wants sessions ended. */
#pragma once

#include <stdbool.h>
#include "door/answer.h"

struct crowd;
struct gather;

/* So many threads were asked. crowd: where they add up (NULL: each gives rows); taken. 0 or
 * -ENOMEM. */
int gather_begin(struct gather **all, json_int_t seq, unsigned asked, struct crowd *crowd);
/* One has answered; rows (borrowed) may be NULL. */
void gather_take(struct gather **all, json_int_t seq, json_t *rows);
/* Sends those that are complete. */
void gather_finish(struct gather **all, struct line *to);
void gather_free(struct gather **all);

/* "kill": whose sessions are to end. */
struct named_peer {
	enum { NAMED_NETWORK, NAMED_JID, NAMED_DOMAIN, NAMED_SESSION, NAMED_STRANGERS } by;
	struct peer_address net;
	unsigned len;
	uint64_t session;
	const char *name; /* JID or domain, or the set of those who are no strangers, borrowed from the
			     message; "" */
};
/* Logs it, too. False when it makes no sense. */
bool gather_named(json_t *msg, struct named_peer *out);

/* A session as it is compared; jid and domain may be NULL. */
struct named_session {
	const struct peer_address *peer;
	uint64_t number;
	const char *jid;
	const char *domain; /* of a server that is the peer */
	const struct policy *policy;
};
bool gather_is_named(const struct named_peer *who, const struct named_session *s);
