/* SPDX-License-Identifier: BSD-2-Clause */
/* The XML document that is the body of a BOSH message (XEP-0124 6): its pieces in, with their
 * places in the stream; its root and the children of that out, each with its place. */
#pragma once

#include "base/buf.h"
#include "xmpp/xml.h"

enum bosh_doc_kind {
	BOSH_DOC_MORE,
	BOSH_DOC_ROOT,    /* stanza.root, without its children */
	BOSH_DOC_ELEMENT, /* a child, whole */
	BOSH_DOC_CLOSE,   /* the root's end: from here on white space only */
	BOSH_DOC_BAD,     /* error, reason; it stays so */
};

struct bosh_doc_event {
	enum bosh_doc_kind kind;
	struct stanza stanza; /* ROOT, ELEMENT; valid until the next call */
	uint64_t start, end;  /* ELEMENT: positions of its first byte and behind its last */
	bool scattered;       /* something that is not its own stands between them */
	enum stream_error error;
	const char *reason; /* static storage */
};

struct bosh_run;

struct bosh_doc {
	struct xml xml;
	struct arena arena;
	struct buf in;
	size_t given;
	struct bosh_run *runs; /* where the bytes in "in" stand */
	size_t n_runs, max_runs;
	bool closed, bad;
	enum stream_error error;
	const char *reason;
};

/* limits is borrowed. Allocates nothing yet. */
void bosh_doc_init(struct bosh_doc *d, const struct xmpp_limits *limits);
void bosh_doc_fini(struct bosh_doc *d);
/* Another document begins: everything is forgotten. */
void bosh_doc_begin(struct bosh_doc *d, bool authenticated);
/* The next bytes, the first of which stands at that position. Then call next until MORE or BAD. 0
 * or -ENOMEM. */
int bosh_doc_push(struct bosh_doc *d, struct span bytes, uint64_t position);
/* 0 or -ENOMEM. */
int bosh_doc_next(struct bosh_doc *d, struct bosh_doc_event *out);
/* Is a byte there that no event was about? Where the first of them stands. */
bool bosh_doc_waits(const struct bosh_doc *d, uint64_t *position);
size_t bosh_doc_memory(const struct bosh_doc *d);
/* Between two documents. */
void bosh_doc_shrink(struct bosh_doc *d);
