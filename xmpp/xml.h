/* SPDX-License-Identifier: BSD-2-Clause */
/* The parser of a stream (RFC 6120 11): one pass over the bytes finds where each event ends, checks
 * that it is well-formed XML 1.0 with namespaces in strict UTF-8 and nothing of what RFC 6120 11.1
 * restricts, keeps struct xmpp_limits, and builds the tree in the caller's arena. The bytes may
 * come cut anywhere. Between two events it holds nothing but the namespaces of the header. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "xmpp/limits.h"
#include "xmpp/stanza.h"
#include "xmpp/stream.h"

enum xml_result {
	XML_MORE,    /* all bytes read, nothing complete */
	XML_HEADER,  /* declaration (if any) and stream header: root */
	XML_ELEMENT, /* a first-level element: root, depth, elements, canonical */
	XML_SPACE,   /* a run of white space between elements (as far as it has come) */
	XML_CLOSE,   /* the end tag of the stream */
	XML_BAD,     /* error, reason */
	XML_MEMORY,  /* the machine has no more */
	XML_AGAIN,   /* inside only: go on */
};

struct xml_scope;   /* what the header declared */
struct xml_binding; /* a prefix and what it stands for */
struct xml_place;   /* an element whose end tag has not come */
struct xml_mark;    /* where an attribute of the tag being read stands */

struct xml {
	const struct xmpp_limits *limits;
	struct xml_scope *scope; /* NULL before the header */
	bool authenticated;
	bool document; /* the caller's: a header that is an empty-element tag is one, too... */
	bool is_empty; /* ... and then there is no end tag to come */
	uint8_t state; /* enum xml_state */

	/* The event being read; offsets from its first byte, below what limits allow. */
	uint8_t quote;               /* the value being read opened with it */
	bool text_odd;               /* the run of text has references, CR or CDATA in it */
	bool canonical;              /* so far it is as write_element would write it */
	const char *bytes;           /* borrowed for one call */
	size_t given, end;           /* how many there are, where to stop */
	size_t at;                   /* read so far */
	size_t tag;                  /* where the tag being read began */
	size_t mark;                 /* where the name, value or gap being read began */
	size_t colon;                /* in that name, 0: none yet */
	size_t text;                 /* where the run of text began */
	size_t name_end, name_colon; /* of the tag being read; its name begins at tag + 1 */
	struct xml_mark *marks;      /* of that tag, in the arena */
	unsigned n_marks, max_marks, n_namespaces;
	unsigned depth, elements, work;
	struct arena *arena;                /* borrowed for one call, but the same for one event */
	struct xml_place *open;             /* the innermost element open */
	struct xml_element *root;           /* the event's element */
	const struct xml_binding *bindings; /* in scope */
	const char *default_ns;

	enum stream_error error; /* XML_BAD */
	const char *reason;      /* XML_BAD: stable id, static storage */
};

/* limits is borrowed. Allocates nothing. */
void xml_init(struct xml *x, const struct xmpp_limits *limits);
void xml_fini(struct xml *x);
/* A new stream begins: all is forgotten but the limits and the login. */
void xml_restart(struct xml *x);
/* bytes[0..len) start at the first byte of an event; what an earlier call has read (MORE) must
 * still be there, if elsewhere, and the arena must be the same. *end gets the length of the event,
 * for all results but MORE, BAD and MEMORY. The tree lives as long as the arena is not reset and
 * the stream not restarted. */
enum xml_result xml_parse(
	struct xml *x, const char *bytes, size_t len, struct arena *arena, size_t *end);
/* Of the header: its default namespace ("" if none); whether jabber:server:dialback was declared.
 */
const char *xml_content_ns(const struct xml *x);
bool xml_has_dialback(const struct xml *x);
/* Bytes of memory held besides itself and the arena. */
size_t xml_memory(const struct xml *x);
