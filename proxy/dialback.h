/* SPDX-License-Identifier: BSD-2-Clause */
/* The law of one stream between servers: which elements of XEP-0220 and XEP-0288 may be said by
 * whom, and which pairs of domains become valid by them. No sockets; the session carries out what
 * is decided. */
#pragma once

#include "proxy/pairs.h"
#include "xmpp/stanza.h"
#include "xmpp/stream.h"

struct dialback_request;

/* 0 in any: its default. */
struct dialback_limits {
	unsigned pairs;      /* each direction; 100 */
	unsigned open;       /* requests not answered; 32 */
	unsigned per_minute; /* requests; 120 */
	size_t stanza_bytes; /* <limits/> in <bidi/> promises no more (XEP-0478); 0: whatever it
				says */
};

/* What the session knows. Domains are prepared. A NULL function: nothing is refused for it. */
struct dialback_asks {
	/* Is it one of our own? */
	bool (*is_local)(void *ctx, const char *domain);
	/* May a pair with this remote domain become valid by dialback on this stream: does
	 * "require" of that domain take dialback, or the certificate seen on this stream cover it
	 * as required? Asked when the pair is asked for, and again when it is to become valid. */
	bool (*may)(void *ctx, const char *domain);
	void *ctx;
};

struct dialback {
	struct pairs pairs;
	struct dialback_limits limits;
	struct dialback_asks asks;
	enum side local; /* whose server is ours: the receiver with "direction in", the initiator
			    with "out" */
	char *stream_id; /* the receiver's, behind TLS; NULL before */
	struct dialback_request **open;
	unsigned n_open;
	uint64_t window_ms;           /* when the minute of the counts began */
	unsigned asked, asked_before; /* in this minute, in the one before */
	bool bidi_offered;            /* the initiator saw the feature */
	bool bidi;                    /* and took it: both directions are legal */
	bool begun;                   /* authentication: too late for bidi */
};

enum dialback_fate {
	DIALBACK_FORWARD, /* with out->stripped what is left of it */
	DIALBACK_SWALLOW, /* it goes no further; out->answer, if any, is written to out->answer_to
			   */
	DIALBACK_END,     /* out->error to who said it */
};

struct dialback_out {
	const char *reason;      /* why not, or what was odd: "dialback.unsolicited"; NULL: nothing.
				    Static. */
	enum stream_error error; /* END */
	struct xml_element *answer; /* SWALLOW: in the stanza's arena; NULL: silence */
	enum side answer_to;
	const struct pair *pair; /* whose state this element changed, and ... */
	enum side side;          /* ... who says its stanzas; NULL: none */
	const char *from,
		*to;       /* of the element, prepared, in the arena; NULL where they are none */
	unsigned stripped; /* attributes and children taken out */
};

/* local: see struct dialback. */
void dialback_init(struct dialback *d, enum side local, const struct dialback_limits *limits,
	const struct dialback_asks *asks);
void dialback_fini(struct dialback *d);
/* The id of the receiver's stream header behind TLS: what belongs to this very stream is not
 * verified on it (XEP-0288 2.2). 0, -ENOMEM. */
int dialback_set_id(struct dialback *d, const char *id);

/* Judges an element of jabber:server:dialback or urn:xmpp:bidi that side has said, whole; takes out
 * of its tree what has no business there. Keys and names stay as they are written (XEP-0185 hashes
 * them). */
enum dialback_fate dialback_check(
	struct dialback *d, enum side said_by, const struct stanza *st, struct dialback_out *out);

/* SASL EXTERNAL has succeeded: the pair of the header behind TLS (raw text) is valid. 0;
 * ERR_SYNTAX: one of them is no domain; ERR_LIMIT, -ENOMEM. out may be NULL. */
int dialback_external(struct dialback *d, struct arena *a, const char *from, const char *to,
	const struct pair **out);
/* The features that went to the initiator held bidi. */
void dialback_offer_bidi(struct dialback *d);

/* May side send stanzas now? Prepared domains. With bidi, the twin of a valid pair counts. */
bool dialback_is_legal(struct dialback *d, enum side side, struct span from, struct span to);
/* The same for a stanza's from and to as they stand there (addresses; NULL: absent, never legal).
 * Costs two comparisons as long as pairs repeat and domains are written in their prepared form;
 * else the arena is used. */
bool dialback_takes(
	struct dialback *d, enum side side, struct arena *a, const char *from, const char *to);
