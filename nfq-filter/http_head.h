/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of an HTTP/1.x message, strictly (RFC 9112): what two parsers might read differently is
 * not read at all. Everything is borrowed from the bytes given. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "base/span.h"

enum {
	HTTP_HEAD_MAX = 16384,
	HTTP_FIELDS_MAX = 64,
	HTTP_TARGET_MAX = 8000,
};

struct http_field {
	struct span name, value; /* the value without white space around it */
};

/* What its own words say of the body; what it is depends on the request, too: http.c. */
enum http_framing {
	HTTP_NO_LENGTH,
	HTTP_LENGTH,
	HTTP_CHUNKED,
};

struct http_head {
	bool is_request;
	struct span line;
	struct span method, target; /* of a request */
	unsigned status;            /* of an answer */
	unsigned minor;             /* HTTP/1.minor: 0 or 1 */
	struct http_field fields[HTTP_FIELDS_MAX];
	unsigned n_fields;
	enum http_framing framing;
	uint64_t length;
	bool close;     /* nothing follows on this connection */
	bool upgrade;   /* asks for, or switches to, another protocol */
	bool websocket; /* that one */
	bool encoded;   /* Content-Encoding other than identity */
};

/* Looks for the end of a head from *scanned on and remembers where to go on. The length of the head
 * with its empty line, or 0: more is needed. *reason: why there is none; static storage. */
size_t http_head_find(struct span bytes, size_t *scanned, const char **reason);
/* A whole head as http_head_find measured it. NULL, or the reason it is refused: a stable id,
 * static storage. */
const char *http_head_parse(struct span bytes, bool is_request, struct http_head *out);
/* The first field of that name in any case; NULL if there is none. */
const struct http_field *http_head_field(const struct http_head *h, const char *name);
/* Any case. */
bool http_is(struct span text, const char *word);
