/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection read as HTTP/1.x, both directions: bytes with their positions in, heads and bodies
 * with their positions out, each answer under the number of its request. What two parsers would
 * read differently is not read: HTTP_BAD. It knows nothing of what bodies hold. */
#pragma once

#include "nfq-filter/flow.h"
#include "nfq-filter/http_head.h"

enum {
	HTTP_PENDING_MAX = 32,  /* requests without an answer on one connection */
	HTTP_WAIT_MAX = 262144, /* bytes that must wait for what the other side says */
};

enum http_event_kind {
	HTTP_MORE,     /* nothing complete, or it has to wait for the other side */
	HTTP_HEAD,     /* a line and its fields */
	HTTP_BODY,     /* the next bytes of the body, without what frames them */
	HTTP_END,      /* of the message */
	HTTP_UPGRADED, /* bytes of another protocol */
	HTTP_BAD,      /* it stays so; reason */
};

struct http_event {
	enum http_event_kind kind;
	uint64_t number;              /* of the request, from 0; an answer has its request's */
	const struct http_head *head; /* HEAD; borrowed until the next call */
	bool interim;                 /* a 1xx, the answer itself is to come */
	bool unasked;       /* an answer whose request was not seen: the number says nothing */
	struct span bytes;  /* HEAD, BODY, UPGRADED; borrowed until the next call */
	uint64_t position;  /* of the first of bytes; of END and BAD: where it is known */
	const char *reason; /* BAD: stable id, static storage */
};

struct http;

/* From the connection's first byte on. NULL when out of memory. */
struct http *http_new(void);
void http_free(struct http *h);
/* Nothing was pushed yet: the side's first byte is at that position. */
void http_start(struct http *h, enum flow_side side, uint64_t position);
/* Joined in the middle, or bytes were lost: the side's next byte begins a message, whatever was
 * before; an answer nobody asked for is taken, since the question may not have been seen. */
void http_resume(struct http *h, enum flow_side side, uint64_t position);
/* Bytes were lost, and there may have been a request in them. */
void http_lose(struct http *h);
/* Copied. Then call http_next for both sides until both say MORE. 0 or -ENOMEM. */
int http_push(struct http *h, enum flow_side side, struct span bytes);
/* 0 or -ENOMEM. */
int http_next(struct http *h, enum flow_side side, struct http_event *out);
/* The side says no more: what it still owes is an event of http_next. */
void http_end(struct http *h, enum flow_side side);
/* Everything before was given in events. */
uint64_t http_position(const struct http *h, enum flow_side side);
/* Inside of a message. */
bool http_is_partial(const struct http *h, enum flow_side side);
/* Is something there that may be whole, but has to wait for what the other side says? */
bool http_waits(const struct http *h, enum flow_side side);
/* Bytes of memory held. */
size_t http_memory(const struct http *h);
void http_shrink(struct http *h);
