/* SPDX-License-Identifier: BSD-2-Clause */
/* Quarantine on this side of the channel: a stanza is given to the daemon to be kept, and one that
 * was released comes back into a session. */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include "door/kept.h"
#include "proxy/session.h"

struct link;

enum { DELIVERY_STEPS = 4 };

/* Sends it to the daemon; its tree gets the addresses that the session knows, and a time stamp. 0;
 * ERR_LIMIT when it is too large or too many are under way; -ENOMEM. Nobody keeps it then. */
int keep_stanza(struct session *s, enum direction direction, const struct stanza *st,
	const struct verdict *v);

/* A released stanza looking for a session: the main thread's, read by one worker at a time. */
struct delivery {
	struct delivery *next;
	json_int_t seq;
	json_t *message;
	const char *xml;
	struct {
		const char *jid; /* full, or bare: any of its sessions; NULL: a session between servers */
		enum direction
			direction; /* IN: as if that client had sent it; OUT: to that client */
	} steps[DELIVERY_STEPS];
	unsigned n_steps, step, worker; /* whose turn it is */
	struct span from, to;           /* domains of what a server said, prepared */
	char bare[1];                   /* longer than that: one of the jids */
};

/* On a worker's thread: writes it into a session of the worker that fits the step. False: there is
 * none. */
bool keep_deliver(struct worker *w, const struct delivery *d);

/* On the main thread: the daemon's "deliver", a worker's word, the end. */
void link_on_deliver(struct link *l, json_t *msg);
void link_take_delivery(struct link *l, json_int_t seq, bool delivered);
void link_free_deliveries(struct link *l);
