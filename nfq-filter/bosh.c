/* SPDX-License-Identifier: BSD-2-Clause */
/* Between inspect.c and http.c: HTTP in which there may be BOSH (XEP-0124, XEP-0206).
 * In: both directions' bytes. Out: verdicts on the stanzas in the bodies, each with its place; who
 * speaks is looked up by the session's sid, for its requests come on any connection, and what they
 * tell is kept for the others. What is not POST with such a body, and its answer, passes. A body
 * that is not one clean document, or that two readers read differently, ends the connection. What
 * was answered once and is sent again is judged and not counted again. It acts on nothing. */
#include "nfq-filter/bosh.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include "nfq-filter/bosh_int.h"
#include "nfq-filter/detect.h"

/* ---- coming and going ---- */

const char *bosh_unwelcome(const struct inspection *i)
{
	/* Where every server speaks streams, HTTP is somebody's trick. */
	if (i->role != ROLE_C2S || i->server.port == 5222 || i->server.port == 5223)
		return "stream.http";
	return i->of->live && i->conf && i->conf->tls == TLS_REQUIRED ? "tls.required" : NULL;
}

static void exchange_reset(struct exchange *x)
{
	free(x->sid);
	free(x->domain);
	*x = (struct exchange){ .rid = 0 };
}

static void account(struct bosh *b)
{
	size_t now = sizeof(*b) + http_memory(b->http) + bosh_doc_memory(&b->half[0].doc) +
		     bosh_doc_memory(&b->half[1].doc);

	b->i->of->memory += now - b->accounted;
	b->accounted = now;
}

static struct bosh *bosh_new(struct inspection *i)
{
	struct bosh *b = calloc(1, sizeof(*b));

	if (!b || !(b->http = http_new())) {
		free(b);
		return NULL;
	}
	b->i = i;
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		bosh_doc_init(&b->half[s].doc, &i->limits);
		http_start(b->http, s, i->half[s].position);
		if (i->midstream)
			http_resume(b->http, s, i->half[s].position);
	}
	account(b);
	return b;
}

void bosh_free(struct bosh *b)
{
	if (!b)
		return;
	b->i->of->memory -= b->accounted;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		bosh_doc_fini(&b->half[s].doc);
	for (unsigned n = 0; n < HTTP_PENDING_MAX; n++)
		exchange_reset(&b->exchanges[n]);
	bosh_session_fini(&b->before);
	http_free(b->http);
	free(b);
}

void bosh_shrink(struct bosh *b)
{
	http_shrink(b->http);
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		if (!b->half[s].begun)
			bosh_doc_shrink(&b->half[s].doc);
	account(b);
}

/* ---- messages ---- */

/* BOSH in the address (XEP-0124 1.4's script syntax): nobody reads that here. */
static bool is_script(struct span target)
{
	for (size_t n = 0; n < target.len; n++)
		if (target.ptr[n] == '<' ||
			(n + 3 <= target.len && strncasecmp(target.ptr + n, "%3c", 3) == 0))
			return true;
	return false;
}

/* No answer shall come compressed: the question for it becomes one that nobody knows. */
static void hide_encodings(struct bosh *b, const struct http_event *ev)
{
	const struct inspect_hooks *hooks = &b->i->of->hooks;

	for (unsigned n = 0; hooks->rewrite && n < ev->head->n_fields; n++) {
		struct span name = ev->head->fields[n].name;

		if (http_is(name, "accept-encoding"))
			hooks->rewrite(hooks->arg, b->i, FLOW_CLIENT,
				ev->position + (uint64_t)(name.ptr - ev->bytes.ptr),
				(struct span){ "X", 1 });
	}
}

/* Whichever of several a reader believes. */
static bool names_charset(const struct http_head *head)
{
	for (unsigned n = 0; n < head->n_fields; n++)
		if (http_is(head->fields[n].name, "content-type") &&
			bosh_is_other_charset(head->fields[n].value))
			return true;
	return false;
}

static void on_request_head(struct bosh *b, struct bosh_half *half, const struct http_event *ev)
{
	const struct http_head *head = ev->head;
	half->exchange = &b->exchanges[ev->number % HTTP_PENDING_MAX];
	exchange_reset(half->exchange);
	half->exchange->post = span_is(head->method, "POST");
	half->exchange->charset = names_charset(head);
	if (is_script(head->target)) {
		bosh_refuse_policy(b, FLOW_CLIENT, "bosh.script");
		return;
	}
	if (head->upgrade && b->i->of->live) {
		bosh_refuse_policy(
			b, FLOW_CLIENT, head->websocket ? "http.websocket" : "http.upgrade");
		return;
	}
	if (!half->exchange->post) {
		counts_add(b->i->of->counts, COUNT_HTTP_OTHER, 1);
		return;
	}
	if (head->encoded) {
		bosh_refuse_policy(b, FLOW_CLIENT, "http.encoding");
		return;
	}
	half->reading = READ_POST;
	hide_encodings(b, ev);
}

/* The server answers what it cannot have read: we still hold it, and do not know what it is. */
static bool is_early(const struct bosh *b, const struct exchange *x, unsigned status)
{
	const struct bosh_half *client = &b->half[FLOW_CLIENT];

	return b->i->of->live && status < 300 && x && x == client->exchange && !x->bosh &&
	       client->reading == READ_POST;
}

static void on_answer_head(struct bosh *b, struct bosh_half *half, const struct http_event *ev)
{
	struct exchange *x = ev->unasked ? NULL : &b->exchanges[ev->number % HTTP_PENDING_MAX];

	half->exchange = ev->interim ? NULL : x;
	if (ev->interim)
		return;
	if (is_early(b, x, ev->head->status)) {
		bosh_refuse_policy(b, FLOW_SERVER, "bosh.early");
		return;
	}
	if (x && x->bosh && ev->head->status == 200) {
		half->reading = READ_BODY;
		if (ev->head->encoded)
			bosh_refuse_policy(b, FLOW_SERVER, "http.encoding");
	} else if (!x || x->post) {
		half->reading = READ_MAYBE;
	} else {
		counts_add(b->i->of->counts, COUNT_HTTP_OTHER, 1);
	}
}

static void on_head(struct bosh *b, enum flow_side side, const struct http_event *ev)
{
	struct bosh_half *half = &b->half[side];

	half->reading = READ_NOTHING;
	half->begun = half->root_seen = false;
	if (side == FLOW_CLIENT)
		on_request_head(b, half, ev);
	else
		on_answer_head(b, half, ev);
}

/* What a document begins with: a tag, or what some take for one in another encoding. */
static bool is_markup(char c)
{
	return c == '<' || c == '\0' || (unsigned char)c == 0xef || (unsigned char)c >= 0xfe;
}

static int on_body(struct bosh *b, enum flow_side side, const struct http_event *ev)
{
	struct bosh_half *half = &b->half[side];
	struct span bytes = ev->bytes;
	int r;

	if (half->reading == READ_NOTHING)
		return 0;
	while (!half->begun && bytes.len > 0 && *bytes.ptr && strchr(" \t\r\n", *bytes.ptr)) {
		bytes.ptr++;
		bytes.len--;
	}
	if (bytes.len == 0)
		return 0;
	if (!half->begun && !is_markup(*bytes.ptr)) {
		if (half->reading == READ_BODY)
			bosh_refuse(b, side, STREAM_ERROR_BAD_FORMAT, "bosh.no-xml");
		half->reading = READ_NOTHING;
		counts_add(b->i->of->counts, COUNT_HTTP_OTHER, 1);
		return 0;
	}
	if (!half->begun)
		bosh_doc_begin(&half->doc, side == FLOW_SERVER);
	half->begun = true;
	r = bosh_doc_push(&half->doc, bytes, ev->position + (uint64_t)(bytes.ptr - ev->bytes.ptr));
	return r < 0 ? r : bosh_read(b, side);
}

static void on_end(struct bosh *b, enum flow_side side, const struct http_event *ev)
{
	struct bosh_half *half = &b->half[side];
	struct exchange *x = half->exchange;

	if (half->begun && half->reading != READ_NOTHING && !half->doc.closed &&
		(half->root_seen || half->reading != READ_MAYBE))
		bosh_refuse(b, side, STREAM_ERROR_NOT_WELL_FORMED, "bosh.cut");
	half->begun = half->root_seen = false;
	half->reading = READ_NOTHING;
	half->exchange = NULL;
	bosh_doc_begin(&half->doc, false);
	if (side == FLOW_CLIENT || ev->interim || !x)
		return;
	if (x->over && x->sid && b->i->of->bosh)
		bosh_table_remove(b->i->of->bosh, &b->i->server, x->sid);
	if (b->half[FLOW_CLIENT].exchange != x)
		exchange_reset(x);
}

static int on_event(struct bosh *b, enum flow_side side, const struct http_event *ev)
{
	switch (ev->kind) {
	case HTTP_HEAD:
		on_head(b, side, ev);
		return 0;
	case HTTP_BODY:
		return on_body(b, side, ev);
	case HTTP_END:
		on_end(b, side, ev);
		return 0;
	case HTTP_UPGRADED:
		bosh_refuse_policy(b, side, "http.upgrade");
		return 0;
	case HTTP_BAD:
		bosh_refuse_policy(b, side, ev->reason);
		return 0;
	default:
		return 0;
	}
}

/* Everything that is complete, of both sides: an answer may wait for its request. */
static int drain(struct bosh *b)
{
	struct http_event ev;
	bool more = true;
	int r = 0;

	while (more && r == 0 && !b->done) {
		more = false;
		for (unsigned s = 0; s < FLOW_SIDES && r == 0 && !b->done; s++) {
			if ((r = http_next(b->http, s, &ev)) < 0 || ev.kind == HTTP_MORE)
				continue;
			more = true;
			r = on_event(b, s, &ev);
		}
	}
	account(b);
	if (r == 0 && b->i->of->memory > b->i->of->memory_max) {
		counts_add(b->i->of->counts, COUNT_STREAM_MEMORY, 1);
		bosh_refuse(b, FLOW_CLIENT, STREAM_ERROR_RESOURCE_CONSTRAINT, "stream.memory");
	}
	return r;
}

/* ---- bytes ---- */

int bosh_begin(struct inspection *i, enum flow_side side, struct span bytes)
{
	uint64_t end = i->half[side].position;

	i->half[side].position = end - bytes.len;
	i->bosh = bosh_new(i);
	i->half[side].position = end;
	return i->bosh ? bosh_push(i->bosh, side, bytes, end - bytes.len) : -ENOMEM;
}

int bosh_push(struct bosh *b, enum flow_side side, struct span bytes, uint64_t position)
{
	struct bosh_half *half = &b->half[side];
	int r;

	if (b->done)
		return 0;
	if (half->lost) {
		if (!detect_is_http(bytes))
			return 0;
		half->lost = half->begun = false;
		half->reading = READ_NOTHING;
		half->exchange = NULL;
		http_resume(b->http, side, position);
	}
	r = http_push(b->http, side, bytes);
	return r < 0 ? r : drain(b);
}

void bosh_gap(struct bosh *b, enum flow_side side)
{
	b->half[side].lost = true;
	http_lose(b->http);
}

int bosh_end(struct bosh *b, enum flow_side side)
{
	int r;

	if (b->done)
		return 0;
	http_end(b->http, side);
	r = drain(b);
	if (!b->done && !b->half[side].lost && b->i->number && http_is_partial(b->http, side)) {
		counts_add(b->i->of->counts, COUNT_STREAM_UNFINISHED, 1);
		b->i->of->hooks.noted(b->i->of->hooks.arg, b->i, side, "unfinished");
	}
	return r;
}

uint64_t bosh_decided(const struct bosh *b, enum flow_side side)
{
	const struct bosh_half *half = &b->half[side];
	uint64_t position;

	if (half->begun && half->reading != READ_NOTHING && bosh_doc_waits(&half->doc, &position))
		return position;
	return http_position(b->http, side);
}

/* A message that waits for what the other side says may be whole. */
bool bosh_is_unfinished(const struct bosh *b, enum flow_side side)
{
	return !http_waits(b->http, side);
}
