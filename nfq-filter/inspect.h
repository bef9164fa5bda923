/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection read as XMPP: ordered bytes of both directions in, verdicts out. The same stream
 * machine and the same rules as the proxy's; positions in the stream are kept, so that whoever
 * holds the packets knows which bytes a verdict is about. */
#pragma once

#include "door/crowd.h"
#include "nfq-filter/counts.h"
#include "nfq-filter/flow.h"
#include "nfq-filter/inspect_tls.h"
#include "nfq-filter/mdns.h"
#include "nfq-filter/nets.h"
#include "rules/rules.h"

enum inspect_speaks {
	SPEAKS_UNKNOWN, /* nothing seen yet */
	SPEAKS_XMPP,
	SPEAKS_TLS, /* from its first byte */
	SPEAKS_HTTP,
	SPEAKS_OTHER,
};

enum inspect_stage {
	STAGE_NEW, /* nothing seen yet */
	STAGE_XML,
	STAGE_HTTP,   /* bosh.c reads it */
	STAGE_SEEK,   /* in the middle: looking for a stanza */
	STAGE_OPAQUE, /* TLS, compressed, or none of ours: not looked at */
	STAGE_BAD,    /* broke a rule of RFC 6120: not read further */
	STAGE_ENDED,
};

struct inspect_half {
	struct stream *in;
	enum inspect_stage stage;
	bool opened, picked_up, waits, expects_tls, after_proceed, said_sasl;
	uint64_t position;  /* behind the last byte taken */
	uint64_t opaque_at; /* OPAQUE: everything before is read; behind it nothing is */
	uint64_t sought;    /* bytes passed over in STAGE_SEEK */
	uint64_t stanzas, stanza_bytes, bytes;
	size_t memory;
	struct hello_watch hello; /* of a client behind <proceed/>, live */
	enum mdns_known known;    /* serverless: the name this side gives itself */
	struct {                  /* of the header */
		char *from, *to;
		const char *content_ns; /* static; NULL: none of XMPP's */
	} header;
};

/* Domains of remote servers on a stream that its opener asked dialback for, at most. */
enum { INSPECT_REMOTES_MAX = 16 };

struct inspect_remote {
	char *domain; /* prepared */
	bool valid;
};

struct inspection {
	struct inspector *of;
	uint64_t number; /* of the stream, from 1; 0 as long as it is none */
	struct endpoint client, server;
	enum inspect_speaks speaks;
	enum service_role role;
	const struct service *conf; /* NULL when no service of the policy fits */
	const char *service;        /* name; never NULL */
	struct xmpp_limits limits;  /* of its streams */
	bool announced;             /* its port was learned from multicast DNS */
	bool between;               /* neither side is inside, or both are */
	bool midstream, starttls, compressed;
	bool counted; /* stream management counts stanzas, in one direction at least */
	bool outward; /* opened from inside: the server is the peer, what the client says goes out
		       */
	bool authenticated, anonymous;
	bool external; /* by SASL */
	char *registered; /* the account under which the door knows it; the door's */
	bool entered;     /* the door has counted it in; the door's */
	unsigned logins;  /* begun on it */
	uint64_t session; /* the door's number for it; 0: none yet */
	char mechanism[64];
	char *jid;
	uint64_t bind_hash;  /* of the id asked with; 0: none */
	uint64_t resume_key; /* of the stream asked for (resumed.h); 0: none */
	uint64_t first_ns;
	uint64_t verdicts[VERDICT_KINDS];
	struct pace pace; /* of its stanzas, for "top" */
	struct inspect_half half[FLOW_SIDES];
	struct inspect_remote remotes[INSPECT_REMOTES_MAX];
	unsigned n_remotes;
	struct bosh *bosh; /* SPEAKS_HTTP */
	void *user;        /* of the hooks */
};

struct inspect_verdict {
	enum flow_side side;
	const struct subject *subject;
	const struct verdict *verdict;
	uint64_t start, end; /* positions of the stanza's first byte and behind its last */
	bool scattered;      /* other bytes stand between them: it cannot be overwritten */
};

struct inspect_hooks {
	void *arg;
	/* A stanza was judged; everything is borrowed. */
	void (*judged)(void *arg, struct inspection *i, const struct inspect_verdict *v);
	/* A direction broke RFC 6120 or a ceiling: what a peer would get, and the reason's name. */
	void (*broken)(void *arg, struct inspection *i, enum flow_side side,
		enum stream_error error, const char *reason);
	/* Something worth a line: "starttls", "tls", "compressed", "false-proceed", "gap",
	 * "unfinished", "serverless.from". */
	void (*noted)(void *arg, struct inspection *i, enum flow_side side, const char *what);
	/* The last of it. */
	void (*ended)(void *arg, struct inspection *i);
	/* May be NULL. Those bytes ought to stand there instead, if that can still be done. */
	void (*rewrite)(void *arg, struct inspection *i, enum flow_side side, uint64_t position,
		struct span bytes);
	/* A stanza is about to be judged; everything is borrowed. NULL: nobody cares. */
	void (*judging)(void *arg, struct inspection *i, enum flow_side side,
		const struct subject *subject);
};

struct inspector {
	struct policy *policy;
	struct judge *judge;
	struct counts *counts;
	struct inspect_hooks hooks;
	struct mdns *mdns; /* borrowed; NULL: nothing is known of announcements */
	bool live;         /* what cannot be read is refused, for nobody else will look at it */
	uint64_t now_ns;   /* set by the caller: of the packet */
	size_t memory, memory_max; /* of all streams */
	/* What is protected, if told: who opens a connection from there to elsewhere is not the
	 * peer. */
	struct nets inside;
	uint64_t streams, active; /* ever; now */
	struct resumed *resumed;  /* borrowed; NULL: nothing is known of streams that go on */
	struct bosh_table *bosh;  /* borrowed; NULL: nothing is known of BOSH sessions */
	/* Of subjects: who else is there; NULL: nobody knows. */
	void (*company)(const struct subject *s, struct subject_company *out);
};

/* NULL when out of memory. */
struct inspection *inspection_new(struct inspector *of, const struct flow *f);
/* Tells "ended" if it was a stream. */
void inspection_free(struct inspection *i);
bool inspector_is_inside(const struct inspector *of, const struct peer_address *a);
/* Towards what we protect, or away from it. */
enum direction inspection_direction(const struct inspection *i, enum flow_side side);
/* 0 or a negative code of the machine. */
int inspection_push(
	struct inspection *i, enum flow_side side, struct span bytes, uint64_t position);
/* Up to which position everything is judged, or is nothing to judge; UINT64_MAX: whatever comes. */
uint64_t inspection_decided(const struct inspection *i, enum flow_side side);
/* Does what is undecided there hold nothing whole that its receiver may act upon? */
bool inspection_is_unfinished(const struct inspection *i, enum flow_side side);
/* Said by a client behind its ClientHello, and the server has not answered that yet. */
bool inspection_waits_for_tls(const struct inspection *i, enum flow_side side);
/* TLS in both directions: nothing more to read, ever. */
bool inspection_is_opaque(const struct inspection *i);
/* Another policy is in of->policy. */
void inspection_swap(struct inspection *i);
/* Packets are missing here. */
void inspection_gap(struct inspection *i, enum flow_side side);
/* The side says no more. */
int inspection_end(struct inspection *i, enum flow_side side);
/* Idle for a while: gives memory back. */
void inspection_shrink(struct inspection *i);
