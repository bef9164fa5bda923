/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a connection's bytes and bosh.c: HTTP/1.x as a push/next machine (RFC 9112).
 * In: both directions' bytes in order. Out: heads, bodies and ends of messages with their positions
 * in the stream, answers matched to their requests: how long an answer is depends on what was asked
 * (HEAD), and after a request to switch protocols the client waits for what the server says. An
 * answer waits for its request. Strict as http_head.c; chunk extensions and trailers are refused,
 * too. It holds a head, or what has to wait, and nothing else; it acts on nothing. */
#include "nfq-filter/http.h"

#include <stdlib.h>
#include "base/buf.h"

enum { CHUNK_DIGITS = 8, CHUNK_LINE_MAX = CHUNK_DIGITS + 2 };

enum http_state {
	H_HEAD,
	H_LENGTH,
	H_CHUNK_SIZE,
	H_CHUNK,
	H_CHUNK_END,  /* CRLF behind its bytes */
	H_CHUNK_LAST, /* CRLF behind the last, of size 0 */
	H_UNTIL_CLOSE,
	H_MESSAGE_END,
	H_WAIT, /* the client asked for another protocol */
	H_UPGRADED,
	H_CLOSED, /* it said that nothing follows */
	H_BAD,
};

struct http_half {
	struct buf in;
	uint64_t position; /* of its first unread byte */
	size_t given;      /* of the last event, dropped at the next call */
	size_t scanned;    /* of the head, so far */
	enum http_state state;
	uint64_t left;  /* of the body or chunk */
	uint64_t count; /* messages begun: heads of requests, of final answers */
	uint64_t number;
	bool interim, unasked, close, ended;
	const char *reason;
};

struct http {
	struct http_half half[FLOW_SIDES];
	struct http_head head;
	struct {
		bool is_head, upgrade;
	} asked[HTTP_PENDING_MAX];
	uint64_t waits_for; /* H_WAIT: the request's number */
	bool resumed;       /* an answer may be to what was not seen */
};

struct http *http_new(void)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		buf_init(&h->half[s].in, (size_t)1 << 30);
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		buf_fini(&h->half[s].in);
	free(h);
}

void http_start(struct http *h, enum flow_side side, uint64_t position)
{
	h->half[side].position = position;
}

void http_resume(struct http *h, enum flow_side side, uint64_t position)
{
	struct http_half *half = &h->half[side];

	buf_clear(&half->in);
	half->position = position;
	half->given = half->scanned = 0;
	half->state = H_HEAD;
	half->close = half->interim = half->unasked = half->ended = false;
	h->resumed = true;
	/* Which of them were answered is not known any more. */
	if (side == FLOW_SERVER)
		h->half[FLOW_SERVER].count = h->half[FLOW_CLIENT].count;
}

void http_lose(struct http *h)
{
	h->resumed = true;
}

int http_push(struct http *h, enum flow_side side, struct span bytes)
{
	struct http_half *half = &h->half[side];

	return half->state == H_BAD || half->ended ? 0 : buf_put_span(&half->in, bytes);
}

void http_end(struct http *h, enum flow_side side)
{
	h->half[side].ended = true;
}

uint64_t http_position(const struct http *h, enum flow_side side)
{
	return h->half[side].position + h->half[side].given;
}

bool http_is_partial(const struct http *h, enum flow_side side)
{
	const struct http_half *half = &h->half[side];

	return buf_len(&half->in) > half->given ||
	       (half->state >= H_LENGTH && half->state <= H_CHUNK_LAST);
}

bool http_waits(const struct http *h, enum flow_side side)
{
	const struct http_half *half = &h->half[side];

	if (buf_len(&half->in) <= half->given)
		return false;
	return half->state == H_WAIT ||
	       (side == FLOW_SERVER && half->state == H_HEAD && !h->resumed &&
		       half->count >= h->half[FLOW_CLIENT].count);
}

size_t http_memory(const struct http *h)
{
	return sizeof(*h) + h->half[0].in.cap + h->half[1].in.cap;
}

static void drop_given(struct http_half *half)
{
	if (half->given == 0)
		return;
	buf_pull(&half->in, half->given);
	half->position += half->given;
	half->given = 0;
}

void http_shrink(struct http *h)
{
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		drop_given(&h->half[s]);
		if (buf_len(&h->half[s].in) == 0)
			buf_shrink(&h->half[s].in);
	}
}

/* ---- events ---- */

static struct http_event *event(
	struct http_half *half, enum http_event_kind kind, size_t len, struct http_event *out)
{
	*out = (struct http_event){ .kind = kind,
		.number = half->number,
		.interim = half->interim,
		.unasked = half->unasked,
		.bytes = { buf_ptr(&half->in), len },
		.position = half->position };
	half->given = len;
	return out;
}

static void give_bad(struct http_half *half, const char *reason, struct http_event *out)
{
	half->state = H_BAD;
	half->reason = reason;
	event(half, HTTP_BAD, 0, out)->reason = reason;
}

/* ---- heads ---- */

static void request_begin(struct http *h, struct http_half *half, struct http_event *out)
{
	const struct http_head *head = &h->head;
	unsigned at = half->count % HTTP_PENDING_MAX;

	if (half->count - h->half[FLOW_SERVER].count == HTTP_PENDING_MAX) {
		give_bad(half, "http.pipeline", out);
		return;
	}
	half->number = half->count++;
	half->close = head->close;
	h->asked[at].is_head = span_is(head->method, "HEAD");
	h->asked[at].upgrade = head->upgrade;
	half->left = head->length;
	half->state = head->framing == HTTP_CHUNKED ? H_CHUNK_SIZE
		      : head->length > 0            ? H_LENGTH
						    : H_MESSAGE_END;
}

/* Another protocol from here on, in both directions. */
static void answer_upgrade(struct http *h, struct http_half *half, struct http_event *out)
{
	if (!h->asked[half->number % HTTP_PENDING_MAX].upgrade || !h->head.upgrade ||
		h->half[FLOW_CLIENT].state != H_WAIT || h->waits_for != half->number) {
		give_bad(half, "http.upgrade", out);
		return;
	}
	half->count++;
	half->state = H_UPGRADED;
	h->half[FLOW_CLIENT].state = H_UPGRADED;
}

static void answer_begin(struct http *h, struct http_half *half, bool known, struct http_event *out)
{
	const struct http_head *head = &h->head;

	half->number = half->count;
	half->interim = head->status < 200 && head->status != 101;
	half->unasked = !known;
	half->left = head->length;
	half->state = H_MESSAGE_END;
	if (head->status == 101) {
		answer_upgrade(h, half, out);
		return;
	}
	if (half->interim)
		return;
	half->close = head->close;
	half->count += known;
	if (head->status == 204 || head->status == 304 ||
		(known && h->asked[half->number % HTTP_PENDING_MAX].is_head))
		return;
	if (head->framing == HTTP_CHUNKED) {
		half->state = H_CHUNK_SIZE;
	} else if (head->framing == HTTP_NO_LENGTH) {
		half->state = H_UNTIL_CLOSE;
		half->close = true;
	} else if (head->length > 0) {
		half->state = H_LENGTH;
	}
}

/* The client waits until it is said whether the protocol changes. */
static void release_client(struct http *h, const struct http_half *half)
{
	struct http_half *client = &h->half[FLOW_CLIENT];

	if (client->state == H_WAIT && half->state != H_UPGRADED && h->waits_for < half->count)
		client->state = client->close ? H_CLOSED : H_HEAD;
}

static void next_head(struct http *h, enum flow_side side, struct http_event *out)
{
	struct http_half *half = &h->half[side];
	bool known = side == FLOW_CLIENT || half->count < h->half[FLOW_CLIENT].count;
	const char *reason;
	size_t len;

	/* An answer waits for its question; refusals come before there was one whole (408, 431). */
	if (!known && !h->resumed && !half->ended) {
		if (buf_len(&half->in) > HTTP_WAIT_MAX)
			give_bad(half, "http.unasked", out);
		return;
	}
	if (buf_len(&half->in) == 0)
		return;
	len = http_head_find(buf_span(&half->in), &half->scanned, &reason);
	if (!reason && len > 0)
		reason = http_head_parse(
			(struct span){ buf_ptr(&half->in), len }, side == FLOW_CLIENT, &h->head);
	if (reason) {
		give_bad(half, reason, out);
		return;
	}
	if (len == 0)
		return;
	if (side == FLOW_CLIENT)
		request_begin(h, half, out);
	else
		answer_begin(h, half, known, out);
	if (half->state == H_BAD)
		return;
	if (side == FLOW_SERVER)
		release_client(h, half);
	event(half, HTTP_HEAD, len, out)->head = &h->head;
}

/* ---- bodies ---- */

static void next_bytes(struct http_half *half, enum http_state then, struct http_event *out)
{
	size_t len = buf_len(&half->in);

	if (half->state != H_UNTIL_CLOSE && half->state != H_UPGRADED) {
		if (len > half->left)
			len = (size_t)half->left;
		half->left -= len;
		if (half->left == 0)
			half->state = then;
	}
	if (len > 0)
		event(half, half->state == H_UPGRADED ? HTTP_UPGRADED : HTTP_BODY, len, out);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "1a2b\r\n" and nothing more. True when it was read. */
static bool chunk_size(struct http_half *half, struct http_event *out)
{
	struct span in = buf_span(&half->in);
	uint64_t size = 0;
	size_t i = 0;

	while (i < in.len && i < CHUNK_DIGITS && hex(in.ptr[i]) >= 0)
		size = size << 4 | (uint64_t)hex(in.ptr[i++]);
	if (i == in.len)
		return false;
	if (i == 0 || in.ptr[i] != '\r') {
		give_bad(half, in.ptr[i] == ';' ? "http.chunk-extension" : "http.chunk", out);
		return false;
	}
	if (i + 1 == in.len)
		return false;
	if (in.ptr[i + 1] != '\n') {
		give_bad(half, "http.line-end", out);
		return false;
	}
	half->given = i + 2;
	half->left = size;
	half->state = size ? H_CHUNK : H_CHUNK_LAST;
	return true;
}

/* CRLF; what else stands there is "why". */
static bool line_end(
	struct http_half *half, enum http_state then, const char *why, struct http_event *out)
{
	struct span in = buf_span(&half->in);

	if (in.len > 0 && in.ptr[0] != '\r')
		give_bad(half, why, out);
	else if (in.len > 1 && in.ptr[1] != '\n')
		give_bad(half, "http.line-end", out);
	if (in.len < 2 || half->state == H_BAD)
		return false;
	half->given = 2;
	half->state = then;
	return true;
}

/* ---- the machine ---- */

static void message_end(struct http *h, enum flow_side side, struct http_event *out)
{
	struct http_half *half = &h->half[side];

	event(half, HTTP_END, 0, out);
	if (half->interim) {
		half->interim = false;
		half->state = H_HEAD;
		return;
	}
	half->state = half->close ? H_CLOSED : H_HEAD;
	/* Unless it was said meanwhile. */
	if (side == FLOW_CLIENT && h->asked[half->number % HTTP_PENDING_MAX].upgrade &&
		h->half[FLOW_SERVER].count <= half->number) {
		half->state = H_WAIT;
		h->waits_for = half->number;
	}
}

static void next_wait(struct http_half *half, struct http_event *out)
{
	if (buf_len(&half->in) > HTTP_WAIT_MAX)
		give_bad(half, "http.upgrade", out);
}

static void next_closed(struct http_half *half, struct http_event *out)
{
	if (buf_len(&half->in) > 0)
		give_bad(half, "http.after-close", out);
}

static void next_until_close(struct http_half *half, struct http_event *out)
{
	next_bytes(half, H_MESSAGE_END, out);
	if (out->kind == HTTP_MORE && half->ended)
		half->state = H_MESSAGE_END;
}

/* One step. True: something was read that is no event, go on. */
static bool step(struct http *h, enum flow_side side, struct http_event *out)
{
	struct http_half *half = &h->half[side];

	drop_given(half);
	switch (half->state) {
	case H_HEAD:
		next_head(h, side, out);
		return false;
	case H_LENGTH:
		next_bytes(half, H_MESSAGE_END, out);
		return false;
	case H_CHUNK_SIZE:
		return chunk_size(half, out);
	case H_CHUNK:
		next_bytes(half, H_CHUNK_END, out);
		return false;
	case H_CHUNK_END:
		return line_end(half, H_CHUNK_SIZE, "http.chunk", out);
	case H_CHUNK_LAST:
		return line_end(half, H_MESSAGE_END, "http.trailer", out);
	case H_UNTIL_CLOSE:
		next_until_close(half, out);
		return out->kind == HTTP_MORE && half->state == H_MESSAGE_END;
	case H_MESSAGE_END:
		message_end(h, side, out);
		return false;
	case H_WAIT:
		next_wait(half, out);
		return false;
	case H_UPGRADED:
		next_bytes(half, H_UPGRADED, out);
		return false;
	case H_CLOSED:
		next_closed(half, out);
		return false;
	case H_BAD:
		give_bad(half, half->reason, out);
		return false;
	}
	return false;
}

int http_next(struct http *h, enum flow_side side, struct http_event *out)
{
	*out = (struct http_event){ .kind = HTTP_MORE };
	while (step(h, side, out))
		;
	return 0;
}
