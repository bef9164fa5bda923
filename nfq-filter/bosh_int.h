/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a connection with BOSH: bosh.c follows the messages, bosh_read.c reads their
 * bodies.
 */
#pragma once

#include "nfq-filter/bosh.h"
#include "nfq-filter/bosh_doc.h"
#include "nfq-filter/http.h"
#include "nfq-filter/inspect_int.h"

enum reading {
	READ_NOTHING, /* none of ours: its bytes pass */
	READ_MAYBE,   /* an answer: BOSH if it looks like it */
	READ_POST,    /* a request: XML is BOSH, or something else that can be read */
	READ_BODY,    /* the answer to BOSH */
};

/* A request, until it is answered. */
struct exchange {
	bool post, bosh, again, over, charset;
	uint64_t rid;
	char *sid; /* NULL: it opens a session */
	char *domain;
};

struct bosh_half {
	struct bosh_doc doc;
	enum reading reading;
	bool begun;                /* the document */
	bool root_seen;            /* and it is ours */
	bool lost;                 /* bytes are missing: looking for the next message */
	struct exchange *exchange; /* NULL: not known */
};

struct bosh {
	struct inspection *i;
	struct http *http;
	struct bosh_half half[FLOW_SIDES];
	struct exchange exchanges[HTTP_PENDING_MAX];
	struct bosh_session before; /* of the stanza at hand, as it was found */
	bool known, done;
	size_t accounted;
};

/* Nothing of the connection is read further. */
void bosh_refuse(struct bosh *b, enum flow_side side, enum stream_error error, const char *reason);
void bosh_refuse_policy(struct bosh *b, enum flow_side side, const char *reason);
/* What is whole in the side's document. 0 or a negative code of the machine. */
int bosh_read(struct bosh *b, enum flow_side side);
/* A content type that names another encoding than UTF-8. */
bool bosh_is_other_charset(struct span type);
