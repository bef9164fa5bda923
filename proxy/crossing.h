/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pairs of domains are valid on which sessions of this process, so that an answer finds a
 * stream on which its receiver takes it (docs/FEDERATION.md, "What answers whom"). Shared by
 * threads. */
#pragma once

#include <stdint.h>
#include "proxy/pairs.h"

struct session;
struct worker;

enum { CROSSING_MAX = 200000 }; /* entries; beyond it answers find no stream */

/* That side's pair has changed on the session: entered when it is valid, else taken out. */
void crossing_set(struct session *s, enum side side, const struct pair *pair);
/* The session ends: what it entered goes. */
void crossing_leave(struct session *s);
/* Sends a stanza of ours (canonical, jabber:server) from one prepared domain to another over a
 * session on which that pair is valid, by its thread. False: there is none, or no memory. */
bool crossing_send(const char *from, const char *to, struct span xml);

/* On a worker's thread: writes what another has sent, if the session still stands and takes it. */
struct crossing_letter;
void crossing_deliver(struct worker *w, struct crossing_letter *letter);
