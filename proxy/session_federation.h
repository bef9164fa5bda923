/* SPDX-License-Identifier: BSD-2-Clause */
/* What a session between two servers has beside what all have (docs/FEDERATION.md): who the
 * stranger is, by what, and which certificates stand for whom. */
#pragma once

#include "proxy/dialback.h"
#include "proxy/leaves.h"
#include "proxy/remote.h"
#include "proxy/session.h"

struct federation {
	struct dialback dialback;      /* who may speak as whom */
	const char *local, *remote;    /* prepared domains of the header, owned; NULL before */
	enum remote_verified verified; /* by the stranger's certificate */
	unsigned ways;                 /* all that holds, of enum remote_require */
	const char *why;               /* not: static */
	struct leaf *leaf;             /* stands for it towards our own server; NULL: none */
	const struct cert *shown;      /* direction out: ours, towards the stranger */
	const char *answer;            /* where the last error went, for the event about it; NULL */
	bool proceed;   /* direction out: <proceed/> is due once the stranger is known */
	bool held;      /* ... a handshake that waits for its certificate */
	bool opened;    /* ... the header behind TLS has come */
	bool ready;     /* ... the stranger's side is */
	bool plain;     /* ... has no TLS, and the policy takes that */
	bool redialled; /* ... once, for another domain of ours */
	bool vouched;   /* ... our own server was shown that it was verified */
	bool featured;  /* the stream has had its features */
};

/* 0 or -ENOMEM. */
/* Only for sessions of role s2s. */
int federation_new(struct session *s);
/* Nothing that was asked for comes any more; NULL is fine. */
void federation_free(struct session *s);

/* What was said in clear text is void. */
void federation_begin_anew(struct session *s);

/* The initiator's header counts from here on; refused: false, and the session has ended. */
bool federation_header_fits(struct session *s, const struct stream_header *h);
/* Direction in: finds out who it is, then dials. */
void federation_open_in(struct session *s);
/* Direction out: the header behind TLS; the stranger may have been dialled already. */
void federation_open_out(struct session *s);
/* Direction out: our own server has said <starttls/>, or is in its handshake. */
void federation_dial_first(struct session *s);
/* The stream towards whom we dialled can be opened: TLS stands, or none is wanted. */
void federation_server_ready(struct session *s);
/* Behind tls_link_connect to whom we dial: what we show there. 0 or a negative code. */
int federation_show_server(struct session *s);
/* The stranger offers no STARTTLS. True: it is dialled again without; false: the session has ended.
 */
bool federation_goes_plain(struct session *s);
/* Has the header's stranger been verified, by whatever way? */
bool federation_is_proved(const struct session *s);
/* Whose deeds are whose: the stranger's domain once something has verified it; NULL before. */
const char *federation_peer(const struct session *s);
/* Was that remote domain (prepared) found valid on the stream, beside the header's? */
bool federation_has(const struct session *s, const char *domain);
/* Its keys in a row of "sessions". */
void federation_row(const struct session *s, json_t *row);
/* The domain of an address of a stanza, prepared, in the arena. 0, ERR_SYNTAX, -ENOMEM. */
int federation_domain_of(struct arena *a, const char *address, const char **out);
/* What a remote domain (prepared; NULL: none named) is held to. Never NULL. */
const struct remote_policy *federation_policy(const struct session *s, const char *domain);

void act_client_asks(struct session *s, struct leg *from, const struct stream_event *ev);
void act_verified(struct session *s, struct leg *from, const struct stream_event *ev);
