/* SPDX-License-Identifier: BSD-2-Clause */
/* Who dialled us and whom we dial for it: two sockets, two parsers, one state. Lives on one worker's
 * thread. "client" is the side that dialled, "server" the other, also where both are servers. */
#pragma once

#include <jansson.h>
#include "door/crowd.h"
#include "proxy/backends.h"
#include "proxy/conn.h"
#include "proxy/gear.h"
#include "proxy/session_table.h"
#include "proxy/sm.h"
#include "proxy/upstream.h"
#include "xmpp/ns.h"
#include "xmpp/stream.h"

struct federation;
struct worker;
struct session;

/* One side. */
struct leg {
	struct session *session;
	struct conn conn;
	struct stream *in;   /* parses what this side says */
	bool pushed;         /* the parser may have events */
	bool opened;         /* a stream header was written to this side since its last restart */
	bool closed_out;     /* </stream:stream> was written to it */
	bool closed_in;      /* it said </stream:stream> */
	bool failed_in;      /* it said <stream:error/>: the close follows, spoken or not */
	bool ended;          /* its end was given as an event */
	bool shrunk;         /* nothing to give back */
	bool paused;         /* too much white space: not read for the rest of the second */
	uint64_t tarpit_ms;  /* not heard before; 0: now */
	uint64_t partial_ms; /* since when a stanza is unfinished; 0: none is */
	uint64_t heard_ms;   /* when bytes came last */
	uint64_t space_ms;   /* when a keepalive was passed on last */
	uint64_t spaces_ms;  /* since when spaces are counted */
	size_t spaces;       /* bytes of them in this second */
};

struct session {
	struct session *next, *prev; /* the worker's list */
	struct session *runnable;    /* the worker's queue of those with more to do */
	struct worker *worker;
	struct gear_service *service;
	uint64_t serial;
	enum session_state state;
	struct leg client, server;
	struct endpoint peer, dest,
		upstream; /* the client; where it wanted to go; where we went for it */
	struct backend_choice backend; /* with "upstream backend": which server */
	uint16_t dialled; /* the port it dialled, before interception */
	bool queued, running;
	bool direct;    /* TLS from the first byte */
	bool fell_back; /* the server's port took no TLS from the first byte */
	bool audited;     /* its crossings are lines of the audit trail: as the policy in force says */
	bool audit_waits; /* no line of the audit trail could be taken: it is not heard */
	bool redial;    /* as soon as the server's old connection is gone */
	bool resumable; /* a connection was lost: the ledger is kept */
	bool authenticated, anonymous;
	bool sasl_wait;     /* the client has spoken SASL, the server's answer is due */
	bool sm_refused;    /* an inline <resume/> of an unknown session was taken out */
	bool endpoint_kept; /* the features left tls-server-end-point in */
	bool plus_stripped; /* and took -PLUS out */
	bool sasl_first;    /* the client's first message is still to come */
	bool sasl_yes;      /* it said "y" where -PLUS was taken out */
	bool sasl_answered; /* the server went on with a challenge */
	bool logged_in;     /* counted in the registry under jid */
	char *domain;       /* the stream's "to" */
	char *from, *lang;  /* of the client's header, NULL if absent */
	struct preauth *preauth; /* its place among those not logged in; NULL: none */
	char *jid;          /* full once bound; NULL before */
	char *account;      /* bare, of the login that succeeded, where its mechanism named one */
	unsigned sasl_tries;
	char mechanism[64], alpn[32];
	struct subject_login login; /* account: of the exchange under way, owned */
	uint64_t bind_hash; /* of the id of the bind request under way; 0: none */
	struct sm sm;
	struct federation *federation; /* NULL: a client's */
	uint64_t opened_ms, state_ms,
		phase_ms;    /* accepted; state entered; handshake, dialling, bind, resume begun */
	uint64_t stanzas[2]; /* judged, by enum direction */
	uint64_t dropped, rejected;
	struct pace pace; /* of its stanzas, for "top" */
};

/* Takes fd (accepted, non-blocking) and starts. The session frees itself, and leaves the
 * registry that the caller has entered for it. 0 or a negative code (all of that is done then). */
int session_new(struct worker *w, struct gear_service *service, int fd, const struct endpoint *peer,
	const struct endpoint *dest, uint16_t dialled);
/* Does what can be done now. The session may be gone afterwards. */
void session_run(struct session *s);
/* Looks up and carries out what the table says. ev only with events of a stream. */
void session_handle(struct session *s, enum session_event event, const struct stream_event *ev);
/* The one place where the state changes. */
void session_set_state(struct session *s, enum session_state state);
/* Time passes: deadlines, idle memory. The session may be gone afterwards. */
void session_tick(struct session *s, uint64_t now_ms);
/* Sessions are numbered from here on, so that no two children give out the same number. */
void session_number_from(uint64_t serial);
/* An event from outside (EVENT_KILL, EVENT_STOP), then what follows from it. */
void session_poke(struct session *s, enum session_event event);
/* It has to make room for others that log in: its end is at once. The session may be gone afterwards. */
void session_push_out(struct session *s, const char *why);
/* A row of "sessions" (ctl/link.h); NULL when out of memory. */
json_t *session_row(const struct session *s);
/* The same for "top"; it borrows from s. */
struct crowd_member session_member(struct session *s, uint64_t now_ms);

static inline struct leg *session_other(struct session *s, const struct leg *leg)
{
	return leg == &s->client ? &s->server : &s->client;
}
/* The client has asked for its JID, and the server has not answered. */
static inline bool session_awaits_jid(const struct session *s)
{
	return s->state == SESSION_ONLINE && (s->bind_hash != 0 || s->sm.resuming);
}
static inline enum way session_way(const struct session *s, const struct leg *from)
{
	return from == &s->client ? WAY_UP : WAY_DOWN;
}
/* Has our own server dialled, to a stranger's? */
static inline bool session_dials_out(const struct session *s)
{
	return s->service->conf.direction == SERVICE_OUT;
}
/* As rules mean it: "in" is what a stranger says. */
static inline enum direction session_direction(const struct session *s, const struct leg *from)
{
	return (from == &s->client) != session_dials_out(s) ? DIRECTION_IN : DIRECTION_OUT;
}
/* The stranger's side. */
static inline struct leg *session_stranger(struct session *s)
{
	return session_dials_out(s) ? &s->server : &s->client;
}
/* Its address: rules ask about it, and bans are for it. */
static inline const struct endpoint *session_peer(const struct session *s)
{
	return session_dials_out(s) && s->upstream.port ? &s->upstream : &s->peer;
}
/* The namespace of stanzas on both its streams. */
static inline const char *session_ns(const struct session *s)
{
	return s->federation ? NS_SERVER : NS_CLIENT;
}
