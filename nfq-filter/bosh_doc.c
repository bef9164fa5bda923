/* SPDX-License-Identifier: BSD-2-Clause */
/* Between http.c and bosh.c: the parser of streams reads a document.
 * In: the pieces of a message's body, wherever chunks and packets were cut. Out: the root, then
 * each child with the place of its first and last byte in the TCP stream, and whether anything
 * stands between them that is not its own (the line of a chunk): then nobody can overwrite it. The
 * root is to the parser what a stream's header is: same ceilings, same strictness. It knows no
 * session. */
#include "nfq-filter/bosh_doc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "xmpp/ns.h"

enum { IN_MAX = 64 << 20, ARENA_MAX = 16 << 20, RUNS_MAX = 4096, RUNS_FIRST = 8 };

struct bosh_run {
	uint64_t position;
	size_t len;
};

void bosh_doc_init(struct bosh_doc *d, const struct xmpp_limits *limits)
{
	*d = (struct bosh_doc){ .closed = false };
	xml_init(&d->xml, limits);
	d->xml.document = true;
	buf_init(&d->in, IN_MAX);
	arena_init(&d->arena, ARENA_MAX);
}

void bosh_doc_fini(struct bosh_doc *d)
{
	xml_fini(&d->xml);
	buf_fini(&d->in);
	arena_fini(&d->arena);
	free(d->runs);
	d->runs = NULL;
}

void bosh_doc_begin(struct bosh_doc *d, bool authenticated)
{
	arena_reset(&d->arena);
	buf_clear(&d->in);
	d->given = d->n_runs = 0;
	d->closed = d->bad = false;
	xml_restart(&d->xml);
	d->xml.authenticated = authenticated;
}

size_t bosh_doc_memory(const struct bosh_doc *d)
{
	return d->in.cap + d->arena.used + xml_memory(&d->xml) + d->max_runs * sizeof(*d->runs);
}

void bosh_doc_shrink(struct bosh_doc *d)
{
	if (buf_len(&d->in) > d->given)
		return;
	bosh_doc_begin(d, d->xml.authenticated);
	buf_shrink(&d->in);
	arena_shrink(&d->arena);
	free(d->runs);
	d->runs = NULL;
	d->max_runs = 0;
}

/* ---- where bytes stand ---- */

static int runs_add(struct bosh_doc *d, size_t len, uint64_t position)
{
	struct bosh_run *last = d->n_runs ? &d->runs[d->n_runs - 1] : NULL;

	if (last && last->position + last->len == position) {
		last->len += len;
		return 0;
	}
	if (d->n_runs == d->max_runs) {
		size_t max = d->max_runs ? d->max_runs * 2 : RUNS_FIRST;
		struct bosh_run *more = realloc(d->runs, max * sizeof(*more));

		if (!more)
			return -ENOMEM;
		d->runs = more;
		d->max_runs = max;
	}
	d->runs[d->n_runs++] = (struct bosh_run){ position, len };
	return 0;
}

static void runs_pull(struct bosh_doc *d, size_t len)
{
	size_t gone = 0;

	while (gone < d->n_runs && len >= d->runs[gone].len)
		len -= d->runs[gone++].len;
	memmove(d->runs, d->runs + gone, (d->n_runs - gone) * sizeof(*d->runs));
	d->n_runs -= gone;
	if (len > 0) {
		d->runs[0].position += len;
		d->runs[0].len -= len;
	}
}

/* Of the byte that many behind the first. */
static uint64_t position_of(const struct bosh_doc *d, size_t at)
{
	const struct bosh_run *run = d->runs;

	while (at >= run->len)
		at -= run++->len;
	return run->position + at;
}

static void drop_given(struct bosh_doc *d)
{
	if (d->given == 0)
		return;
	buf_pull(&d->in, d->given);
	runs_pull(d, d->given);
	arena_reset(&d->arena);
	d->given = 0;
}

bool bosh_doc_waits(const struct bosh_doc *d, uint64_t *position)
{
	if (buf_len(&d->in) <= d->given)
		return false;
	*position = position_of(d, d->given);
	return true;
}

int bosh_doc_push(struct bosh_doc *d, struct span bytes, uint64_t position)
{
	int r;

	drop_given(d);
	if (d->bad || bytes.len == 0)
		return 0;
	r = buf_put_span(&d->in, bytes);
	return r < 0 ? r : runs_add(d, bytes.len, position);
}

/* ---- events ---- */

static void give_bad(
	struct bosh_doc *d, enum stream_error error, const char *reason, struct bosh_doc_event *out)
{
	d->bad = true;
	d->error = error;
	d->reason = reason;
	*out = (struct bosh_doc_event){ .kind = BOSH_DOC_BAD, .error = error, .reason = reason };
}

/* Clients leave xmlns='jabber:client' out, and servers take that for a stanza. */
static enum stanza_kind kind_of(const struct xml_element *e)
{
	if (string_equal(e->ns, NS_CLIENT) || string_equal(e->ns, NS_HTTPBIND))
		for (unsigned k = STANZA_MESSAGE; k <= STANZA_IQ; k++)
			if (string_equal(e->name, stanza_kind_text((enum stanza_kind)k)))
				return (enum stanza_kind)k;
	return STANZA_STREAM;
}

static void give_element(struct bosh_doc *d, enum bosh_doc_kind kind, struct bosh_doc_event *out)
{
	const struct xml *x = &d->xml;

	*out = (struct bosh_doc_event){
		.kind = kind,
		.stanza = { .arena = &d->arena,
			.root = x->root,
			.kind = kind == BOSH_DOC_ROOT ? STANZA_STREAM : kind_of(x->root),
			.raw = { buf_ptr(&d->in), d->given },
			.depth = x->depth,
			.elements = x->elements,
			.canonical_ns = x->canonical ? xml_content_ns(x) : NULL },
		.start = position_of(d, 0),
		.end = position_of(d, d->given - 1) + 1,
	};
	out->scattered = out->end - out->start != d->given;
	if (kind == BOSH_DOC_ROOT)
		d->closed = x->is_empty;
}

/* Nothing but white space may follow the document. */
static void next_closed(struct bosh_doc *d, struct bosh_doc_event *out)
{
	struct span rest = buf_span(&d->in);

	for (size_t i = 0; i < rest.len; i++)
		if (!strchr(" \t\r\n", rest.ptr[i]) || !rest.ptr[i]) {
			give_bad(d, STREAM_ERROR_BAD_FORMAT, "bosh.after-body", out);
			return;
		}
	d->given = rest.len;
}

int bosh_doc_next(struct bosh_doc *d, struct bosh_doc_event *out)
{
	enum xml_result found;

	*out = (struct bosh_doc_event){ .kind = BOSH_DOC_MORE };
	if (d->bad) {
		give_bad(d, d->error, d->reason, out);
		return 0;
	}
	drop_given(d);
	if (d->n_runs > RUNS_MAX) {
		give_bad(d, STREAM_ERROR_POLICY_VIOLATION, "http.chunks", out);
		return 0;
	}
	if (d->closed) {
		next_closed(d, out);
		return 0;
	}
	do {
		drop_given(d);
		found = xml_parse(&d->xml, buf_ptr(&d->in), buf_len(&d->in), &d->arena, &d->given);
	} while (found == XML_SPACE);
	switch (found) {
	case XML_HEADER:
		give_element(d, BOSH_DOC_ROOT, out);
		return 0;
	case XML_ELEMENT:
		give_element(d, BOSH_DOC_ELEMENT, out);
		return 0;
	case XML_CLOSE:
		d->closed = true;
		out->kind = BOSH_DOC_CLOSE;
		return 0;
	case XML_BAD:
		give_bad(d, d->xml.error, d->xml.reason, out);
		return 0;
	case XML_MEMORY:
		return -ENOMEM;
	default:
		return 0;
	}
}
