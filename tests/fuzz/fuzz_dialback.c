/* SPDX-License-Identifier: BSD-2-Clause */
/* link: proxy */
/* Two servers that say anything to each other on one stream, as XML or put together of few words.
 * What a pair is made valid by is followed beside the law, in nothing but the bytes that were
 * passed on: a pair is valid if and only if who says its stanzas asked for it, in bytes that the
 * other end got, and the other end's "valid" came back, in bytes that went on, or SASL EXTERNAL
 * said so. Whatever passes is what XEP-0220 knows and reads back to itself. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/dialback.h"
#include "proxy/dialback_element.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS = 4096, TEXT = 8192 };

static const char header[] = "<stream:stream xmlns='jabber:server' xmlns:db='" NS_DIALBACK "' "
			     "xmlns:stream='" NS_STREAM "'>";

/* Something that was said and passed on: open until answered. */
struct record {
	enum side by;
	enum dialback_kind kind;
	char *from, *to, *id;
};

struct model {
	struct record open[RECORDS], valid[RECORDS];
	unsigned n_open, n_valid;
	bool begun, bidi;
	uint8_t policy; /* changes under way */
};

static struct model m;

/* ---- what the session would know ---- */

static bool is_local(void *ctx, const char *domain)
{
	(void)ctx;
	return strcmp(domain, "home.example") == 0 || strcmp(domain, "rooms.home.example") == 0;
}

static bool may(void *ctx, const char *domain)
{
	(void)ctx;
	return !(m.policy & 1) && strcmp(domain, "strict.example") != 0;
}

/* ---- the model ---- */

static bool record_is(const struct record *r, enum side by, enum dialback_kind kind,
	const char *from, const char *to, const char *id)
{
	return r->by == by && r->kind == kind && strcmp(r->from, from) == 0 &&
	       strcmp(r->to, to) == 0 && (kind == DIALBACK_RESULT || strcmp(r->id, id) == 0);
}

static int record_find(const struct record *all, unsigned n, enum side by, enum dialback_kind kind,
	const char *from, const char *to, const char *id)
{
	for (unsigned i = 0; i < n; i++)
		if (record_is(&all[i], by, kind, from, to, id))
			return (int)i;
	return -1;
}

static void record_add(struct record *all, unsigned *n, enum side by, enum dialback_kind kind,
	const char *from, const char *to, const char *id)
{
	if (record_find(all, *n, by, kind, from, to, id) >= 0)
		return;
	assert(*n < RECORDS);
	all[(*n)++] = (struct record){ by, kind, strdup(from), strdup(to), strdup(id) };
}

static void record_remove(struct record *all, unsigned *n, unsigned i)
{
	free(all[i].from);
	free(all[i].to);
	free(all[i].id);
	all[i] = all[--*n];
}

static void model_clear(void)
{
	while (m.n_open)
		record_remove(m.open, &m.n_open, 0);
	while (m.n_valid)
		record_remove(m.valid, &m.n_valid, 0);
	memset(&m, 0, sizeof(m));
}

static void model_external(const char *from, const char *to)
{
	m.begun = true;
	record_add(m.valid, &m.n_valid, SIDE_INITIATOR, DIALBACK_RESULT, from, to, "");
}

static void model_answer(enum side by, const struct dialback_element *is)
{
	enum side asked_by = side_other(by);
	int at = record_find(m.open, m.n_open, asked_by, is->kind, is->to, is->from, is->id);
	int old;

	/* The heart of it. */
	assert(at >= 0);
	record_remove(m.open, &m.n_open, (unsigned)at);
	if (is->kind != DIALBACK_RESULT)
		return;
	old = record_find(m.valid, m.n_valid, asked_by, DIALBACK_RESULT, is->to, is->from, "");
	if (is->type == DIALBACK_VALID)
		record_add(m.valid, &m.n_valid, asked_by, DIALBACK_RESULT, is->to, is->from, "");
	else if (old >= 0)
		record_remove(m.valid, &m.n_valid, (unsigned)old);
}

static void model_request(enum side by, enum side local, const struct dialback_element *is)
{
	assert(is->key > 0 && strcmp(is->from, is->to) != 0);
	assert(by == SIDE_INITIATOR || m.bidi);
	assert((by == local) == is_local(NULL, is->from));
	assert(by == local || is_local(NULL, is->to));
	assert(is->kind != DIALBACK_VERIFY || (*is->id && strcmp(is->id, "this-stream") != 0));
	m.begun |= is->kind == DIALBACK_RESULT;
	record_add(m.open, &m.n_open, by, is->kind, is->from, is->to, is->id);
}

/* What went on, as the far server reads it. */
static void model_heard(enum side by, enum side local, struct arena *a, const struct xml_element *e)
{
	struct dialback_element is;

	if (element_is(e, NS_BIDI, "bidi")) {
		assert(by == SIDE_INITIATOR && !m.bidi && !m.begun);
		m.bidi = true;
		return;
	}
	assert(dialback_read(a, e, &is) == 0);
	assert(is.kind != DIALBACK_OTHER && is.type != DIALBACK_UNKNOWN && is.from && is.to);
	assert(!is.oversize);
	for (const struct xml_attr *attr = e->attrs; attr; attr = attr->next)
		assert(attr->ns[0] == '\0');
	assert(!element_first(e) == (is.type != DIALBACK_ERROR));
	if (is.type == DIALBACK_REQUEST)
		model_request(by, local, &is);
	else
		model_answer(by, &is);
}

static void compare(struct dialback *d)
{
	assert(pairs_count(&d->pairs, SIDE_INITIATOR, PAIR_VALID) +
			pairs_count(&d->pairs, SIDE_RECEIVER, PAIR_VALID) ==
		m.n_valid);
	for (unsigned i = 0; i < m.n_valid; i++) {
		const struct record *r = &m.valid[i];
		struct span from = span_of(r->from), to = span_of(r->to);

		assert(pairs_is_valid(&d->pairs, r->by, from, to));
		assert(dialback_is_legal(d, r->by, from, to));
		/* The twin: only with bidi, or by itself. */
		assert(m.bidi || !dialback_is_legal(d, side_other(r->by), to, from) ||
			pairs_is_valid(&d->pairs, side_other(r->by), to, from));
	}
	assert(d->bidi == m.bidi && d->n_open <= d->limits.open && d->n_open <= m.n_open);
}

/* ---- one element ---- */

static struct stream *stream_of(const char *text, size_t len)
{
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event e;

	if (!s || stream_push(s, header, sizeof(header) - 1) < 0 || stream_next(s, &e) < 0 ||
		stream_push(s, text, len) < 0)
		abort();
	return s;
}

static void hear(struct dialback *d, enum side by, const struct xml_element *e)
{
	struct stream_event ev;
	struct stream *s;
	struct buf out, again;

	buf_init(&out, 0);
	buf_init(&again, 0);
	assert(write_dialback(&out, e, NS_SERVER) == 0);
	s = stream_of(buf_ptr(&out), buf_len(&out));
	assert(stream_next(s, &ev) == 0 && ev.kind == STREAM_ELEMENT);
	assert(write_dialback(&again, ev.stanza.root, NS_SERVER) == 0);
	assert(span_equal(buf_span(&out), buf_span(&again)));
	model_heard(by, d->local, ev.stanza.arena, ev.stanza.root);
	buf_fini(&out);
	buf_fini(&again);
	stream_free(s);
}

static void judge(struct dialback *d, enum side by, const struct stanza *st)
{
	struct dialback_out out;
	enum dialback_fate fate;

	if (m.n_open >= RECORDS || m.n_valid >= RECORDS)
		return;
	fate = dialback_check(d, by, st, &out);
	assert((fate == DIALBACK_END) == (out.error != STREAM_ERROR_NONE));
	assert(fate == DIALBACK_FORWARD || out.reason);
	assert(!out.answer || fate == DIALBACK_SWALLOW);
	if (fate == DIALBACK_FORWARD)
		hear(d, by, st->root);
	if (out.pair)
		assert(pairs_find(&d->pairs, out.side, out.pair->from, out.pair->to) == out.pair);
	if (out.answer) {
		assert(out.answer_to == by);
		assert(strcmp(element_attr(out.answer, "type"), "error") == 0);
	}
	compare(d);
}

static void say(struct dialback *d, enum side by, const char *text, size_t len)
{
	struct stream *s = stream_of(text, len);
	struct stream_event e;

	while (stream_next(s, &e) == 0 && e.kind != STREAM_MORE && e.kind != STREAM_BAD &&
		e.kind != STREAM_CLOSE) {
		/* As the session has it: these two namespaces come here. */
		if (e.kind == STREAM_ELEMENT && (strcmp(e.stanza.root->ns, NS_DIALBACK) == 0 ||
							strcmp(e.stanza.root->ns, NS_BIDI) == 0))
			judge(d, by, &e.stanza);
	}
	stream_free(s);
}

/* ---- the input ---- */

static const char *const names[] = { "far.example", "home.example", "rooms.home.example",
	"FAR.example.", "strict.example", "m\xc3\xbcnchen.example", "xn--mnchen-3ya.example",
	"HOME.example", "b.example", "rooms.far.example", "a@far.example", "far.example/r", "",
	"n1.example", "n2.example", "x..y" };
static const char *const types[] = { "", " type='valid'", " type='valid'", " type='invalid'",
	" type='error'", " type='valid'", "", " type='x'" };
static const char *const ids[] = { "", " id='s1'", " id='s2'", " id='this-stream'" };

static void external(struct dialback *d, const char *from, const char *to)
{
	struct arena a;
	const char *f, *t;

	arena_init(&a, 0);
	if (dialback_external(d, &a, from, to, NULL) == 0) {
		assert(pair_prepare(&a, from, &f) == 0 && pair_prepare(&a, to, &t) == 0);
		model_external(f, t);
	} else {
		m.begun = true;
	}
	arena_fini(&a);
}

/* Raw addresses and prepared ones agree. */
static void stanza_of(struct dialback *d, enum side by, const char *from, const char *to)
{
	struct arena a;
	const char *f, *t;
	bool takes;

	arena_init(&a, 0);
	takes = dialback_takes(d, by, &a, from, to);
	if (!strpbrk(from, "@/") && !strpbrk(to, "@/"))
		assert(takes == (pair_prepare(&a, from, &f) == 0 && pair_prepare(&a, to, &t) == 0 &&
					dialback_is_legal(d, by, span_of(f), span_of(t))));
	arena_fini(&a);
}

/* Four bytes: what, the names, the type and id. */
static void say_words(struct dialback *d, const uint8_t op[4])
{
	enum side by = op[0] & 1 ? SIDE_RECEIVER : SIDE_INITIATOR;
	const char *from = names[op[1] & 15], *to = names[op[1] >> 4];
	char text[512];

	switch (op[0] >> 1 & 7) {
	case 0:
		clock_advance((uint64_t)op[2] * 1000000000u);
		return;
	case 1:
		if (op[2] == 0x77)
			external(d, from, to);
		else
			stanza_of(d, by, from, to);
		return;
	case 2:
		m.policy = op[2];
		return;
	case 3:
		snprintf(text, sizeof(text), "<bidi xmlns='urn:xmpp:bidi'/>");
		break;
	default:
		snprintf(text, sizeof(text), "<db:%s from='%s' to='%s'%s%s>%s</db:%s>",
			op[2] & 1 ? "verify" : "result", from, to, types[op[2] >> 1 & 7],
			ids[op[2] >> 4 & 3], op[2] & 0x80 ? "" : "k",
			op[2] & 1 ? "verify" : "result");
	}
	say(d, by, text, strlen(text));
}

/* Lines: the first byte is who says it ("I", "R"), the rest is XML. */
static void say_lines(struct dialback *d, const char *text, size_t size)
{
	while (size > 0) {
		const char *end = memchr(text, '\n', size);
		size_t len = end ? (size_t)(end - text) : size;

		if (len > 1)
			say(d, text[0] == 'R' ? SIDE_RECEIVER : SIDE_INITIATOR, text + 1, len - 1);
		text += len + (end != NULL);
		size -= len + (end != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct dialback_asks asks = { is_local, may, NULL };
	struct dialback_limits limits = { 0 };
	struct dialback d;

	if (size < 2 || size > TEXT)
		return 0;
	clock_freeze(1000000000, 0);
	if (data[0] & 4)
		limits = (struct dialback_limits){ 3, 2, 1000000, 0 };
	dialback_init(&d, data[0] & 1 ? SIDE_INITIATOR : SIDE_RECEIVER, &limits, &asks);
	if (dialback_set_id(&d, "this-stream") < 0)
		abort();
	if (data[0] & 2)
		dialback_offer_bidi(&d);
	if (data[0] & 8)
		say_lines(&d, (const char *)data + 1, size - 1);
	else
		for (size_t i = 1; i + 4 <= size; i += 4)
			say_words(&d, data + i);
	compare(&d);
	dialback_fini(&d);
	model_clear();
	clock_thaw();
	return 0;
}
