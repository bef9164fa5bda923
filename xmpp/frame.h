/* SPDX-License-Identifier: BSD-2-Clause */
/* The lexical scanner in front of expat: finds where the stream header and each first-level element
 * end, checks UTF-8 and XML characters byte by byte, counts what struct xmpp_limits bounds and
 * refuses what RFC 6120 11.1 restricts. It knows no namespaces and builds nothing; xml.c must agree
 * with every boundary it finds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "xmpp/limits.h"
#include "xmpp/stream.h"

enum frame_result {
	FRAME_MORE,    /* all bytes scanned, nothing complete */
	FRAME_HEADER,  /* declaration (if any) and stream header */
	FRAME_ELEMENT, /* a first-level element */
	FRAME_SPACE,   /* a run of white space between elements (as far as it has come) */
	FRAME_CLOSE,   /* the end tag of the stream */
	FRAME_BAD,
};

struct frame {
	const struct xmpp_limits *limits;
	bool authenticated;
	uint8_t state;    /* enum state of frame.c */
	uint8_t quote;    /* the quote an attribute value opened with */
	bool header_seen; /* the stream header is complete */
	bool closing;     /* the tag being read is an end tag */
	bool in_declaration;
	uint8_t brackets;                /* run of ']' in text, to see "]]>" */
	unsigned depth;                  /* open elements below the stream */
	unsigned elements;               /* in the element being read */
	unsigned attributes, namespaces; /* on the tag being read */
	size_t scanned;                  /* bytes of the current event scanned so far */
	size_t tag;                      /* offset where the tag began */
	size_t mark;                     /* where the name or reference being read began */
	size_t value;                    /* where the attribute value began */
	uint32_t cp;                     /* UTF-8 sequence being read */
	uint8_t more, cp_len;
	enum stream_error error; /* FRAME_BAD */
	const char *reason;      /* FRAME_BAD: stable id, static storage */
};

void frame_init(struct frame *f, const struct xmpp_limits *limits);
/* A new stream begins; the limits and the login state stay. */
void frame_restart(struct frame *f);
/* bytes[0..len) start at the beginning of the current event; those before f->scanned have been
 * seen. *end gets the length of the event for all results but MORE. */
enum frame_result frame_scan(struct frame *f, const char *bytes, size_t len, size_t *end);
