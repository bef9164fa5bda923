/* SPDX-License-Identifier: BSD-2-Clause */
/* One direction of an XML stream (RFC 6120 4) as a push/next machine. Bytes in, events out. Inside is
 * the parser of xml.h: well-formed XML in UTF-8, without what RFC 6120 11.1 restricts (and UTF-16, BOMs,
 * over-long things), or the stream is bad. Between stanzas a stream holds its header's namespaces and
 * nothing else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "base/span.h"
#include "xmpp/limits.h"
#include "xmpp/stanza.h"

struct stream;

enum stream_event_kind {
	STREAM_MORE,   /* nothing complete: push more */
	STREAM_OPEN,   /* a stream header */
	STREAM_STANZA, /* message, presence or iq in a content namespace: jabber:client, :server,
	                * component:accept, component:connect, httpbind */
	STREAM_ELEMENT, /* any other first-level element */
	STREAM_SPACE,  /* white space between elements (a keepalive); count bytes, delivered collapsed */
	STREAM_CLOSE,  /* </stream:stream> */
	STREAM_BAD,    /* the peer broke a rule; the machine stays here until stream_restart */
};

/* RFC 6120 4.9.3 conditions used by us. */
enum stream_error {
	STREAM_ERROR_NONE,
	STREAM_ERROR_BAD_FORMAT,
	STREAM_ERROR_BAD_NAMESPACE_PREFIX,
	STREAM_ERROR_CONFLICT,
	STREAM_ERROR_CONNECTION_TIMEOUT,
	STREAM_ERROR_HOST_GONE,
	STREAM_ERROR_HOST_UNKNOWN,
	STREAM_ERROR_IMPROPER_ADDRESSING,
	STREAM_ERROR_INTERNAL_SERVER_ERROR,
	STREAM_ERROR_INVALID_FROM,
	STREAM_ERROR_INVALID_NAMESPACE,
	STREAM_ERROR_INVALID_XML,
	STREAM_ERROR_NOT_AUTHORIZED,
	STREAM_ERROR_NOT_WELL_FORMED,
	STREAM_ERROR_POLICY_VIOLATION,
	STREAM_ERROR_REMOTE_CONNECTION_FAILED,
	STREAM_ERROR_RESET,
	STREAM_ERROR_RESOURCE_CONSTRAINT,
	STREAM_ERROR_RESTRICTED_XML,
	STREAM_ERROR_SEE_OTHER_HOST,
	STREAM_ERROR_SYSTEM_SHUTDOWN,
	STREAM_ERROR_UNDEFINED_CONDITION,
	STREAM_ERROR_UNSUPPORTED_ENCODING,
	STREAM_ERROR_UNSUPPORTED_FEATURE,
	STREAM_ERROR_UNSUPPORTED_STANZA_TYPE,
	STREAM_ERROR_UNSUPPORTED_VERSION,
	STREAM_ERROR_COUNT,
};

struct stream_header {
	const char *content_ns; /* the default namespace, "" if none */
	const char *from, *to, *id, *version, *lang; /* "" if absent */
	bool dialback; /* jabber:server:dialback was declared */
	const struct xml_element *root; /* the header itself, no children */
};

struct stream_event {
	enum stream_event_kind kind;
	struct stream_header header; /* STREAM_OPEN */
	struct stanza stanza;        /* STREAM_STANZA, STREAM_ELEMENT */
	size_t count;                /* STREAM_SPACE: bytes */
	enum stream_error error;     /* STREAM_BAD: what RFC 6120 wants said */
	const char *reason;          /* STREAM_BAD: stable id for counters and logs, e.g. "xml.comment",
	                              * "xml.utf8", "limit.stanza-bytes", "stream.text"; static storage */
};

/* limits is borrowed and must outlive the stream. Starts unauthenticated. NULL when out of memory. */
struct stream *stream_new(const struct xmpp_limits *limits);
void stream_free(struct stream *s);
/* The next byte starts a new stream: a new parser, everything learned is forgotten (RFC 6120 4.3.3, 5.4.3.3),
 * unread bytes too. */
void stream_restart(struct stream *s);
/* The same, but bytes pushed and not yet consumed stay and are read as the new stream's first (after
 * SASL success, when the peer may have pipelined its header: XEP-0305). */
void stream_restart_keep(struct stream *s);
/* From now on the limits after login hold. */
void stream_set_authenticated(struct stream *s, bool authenticated);

/* Feeds bytes (copied). 0, -ENOMEM. How much is kept is bounded by the limits: call next until MORE. */
int stream_push(struct stream *s, const void *data, size_t len);
/* Next event. All pointers in it are valid until the following stream_next, push, restart or free. 0 or -ENOMEM. */
int stream_next(struct stream *s, struct stream_event *event);
/* Bytes pushed that lie behind the last event given (what follows <starttls/>; borrowed like an event). */
struct span stream_rest(const struct stream *s);
/* Inside an element whose end has not come (a stanza begun but unfinished): for timeouts. */
bool stream_is_partial(const struct stream *s);
/* Gives back what an idle stream need not keep (between stanzas only); it is rebuilt at the next byte. */
void stream_shrink(struct stream *s);
/* Bytes of memory held, for ceilings and status. */
size_t stream_memory(const struct stream *s);

/* "policy-violation" and back; NONE if unknown. */
const char *stream_error_text(enum stream_error error);
enum stream_error stream_error_find(struct span name);
