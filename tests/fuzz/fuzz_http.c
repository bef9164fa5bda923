/* SPDX-License-Identifier: BSD-2-Clause */
/* link: nfq
 * Both directions of a connection as HTTP. The first byte says how the bytes are cut, and whether
 * the beginning was seen; 0xff changes the side that speaks, 0xfe ends it. Read twice, whole and
 * cut: the same events; every byte of an event stands in the stream at its place, places only go
 * up, and nothing is given twice. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "nfq-filter/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LOG_MAX = 1 << 24, INPUT_MAX = 1 << 16, CHANGE = 0xff, END = 0xfe };

struct reader {
	struct http *h;
	struct buf raw[FLOW_SIDES], log[FLOW_SIDES];
	uint64_t seen[FLOW_SIDES];
	bool bad[FLOW_SIDES];
};

static void put(struct buf *b, const void *data, size_t len)
{
	if (buf_put(b, data, len) < 0)
		abort();
}

static void note(struct reader *r, enum flow_side side, const struct http_event *ev)
{
	struct buf *log = &r->log[side];
	uint64_t head[] = { ev->number, ev->position, ev->bytes.len, ev->interim, ev->unasked };

	if (ev->kind == HTTP_BODY || ev->kind == HTTP_UPGRADED) {
		for (size_t i = 0; i < ev->bytes.len; i++)
			put(log, (char[]){ ev->kind == HTTP_BODY ? 'b' : 'u', ev->bytes.ptr[i] },
				2);
		return;
	}
	put(log, ev->kind == HTTP_HEAD ? "H" : ev->kind == HTTP_END ? "E" : "B", 1);
	put(log, head, sizeof(head));
	if (ev->kind == HTTP_BAD)
		put(log, ev->reason, strlen(ev->reason));
}

static void check_head(const struct http_head *head, struct span bytes)
{
	assert(bytes.len >= 4 && bytes.len <= HTTP_HEAD_MAX);
	assert(memcmp(bytes.ptr + bytes.len - 4, "\r\n\r\n", 4) == 0);
	assert(head->n_fields <= HTTP_FIELDS_MAX && head->minor <= 1);
	for (unsigned i = 0; i < head->n_fields; i++) {
		struct span name = head->fields[i].name, value = head->fields[i].value;

		assert(name.len > 0 && name.ptr > bytes.ptr);
		assert(value.ptr + value.len <= bytes.ptr + bytes.len - 4);
		assert(name.ptr + name.len < value.ptr + (value.len == 0));
	}
}

/* True: something was said. */
static bool take(struct reader *r, enum flow_side side)
{
	struct http_event ev;

	if (http_next(r->h, side, &ev) < 0)
		abort();
	if (ev.kind == HTTP_MORE || r->bad[side])
		return false;
	assert(ev.position >= r->seen[side]);
	assert(ev.position + ev.bytes.len <= buf_len(&r->raw[side]));
	assert(ev.bytes.len == 0 ||
		memcmp(buf_ptr(&r->raw[side]) + ev.position, ev.bytes.ptr, ev.bytes.len) == 0);
	r->seen[side] = ev.position + ev.bytes.len;
	assert(http_position(r->h, side) == r->seen[side]);
	assert((ev.kind == HTTP_HEAD) == (ev.head != NULL));
	if (ev.head)
		check_head(ev.head, ev.bytes);
	note(r, side, &ev);
	r->bad[side] = ev.kind == HTTP_BAD;
	return true;
}

static void take_all(struct reader *r)
{
	while (take(r, FLOW_CLIENT) || take(r, FLOW_SERVER))
		;
}

static void read_all(struct reader *r, const uint8_t *data, size_t size, size_t step, bool resumed)
{
	enum flow_side side = FLOW_CLIENT;

	r->h = http_new();
	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		buf_init(&r->raw[s], LOG_MAX);
		buf_init(&r->log[s], LOG_MAX);
		if (resumed)
			http_resume(r->h, s, 0);
	}
	for (size_t at = 0; at < size;) {
		size_t len = 0;

		while (len < step && at + len < size && data[at + len] < END)
			len++;
		if (len > 0) {
			put(&r->raw[side], data + at, len);
			if (http_push(r->h, side, (struct span){ (const char *)data + at, len }) <
				0)
				abort();
			at += len;
		} else {
			if (data[at] == END)
				http_end(r->h, side);
			else
				side = !side;
			at++;
		}
		take_all(r);
		http_shrink(r->h);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r[2] = { 0 };

	if (size < 2 || size > INPUT_MAX)
		return 0;
	read_all(&r[0], data + 1, size - 1, INPUT_MAX, data[0] & 128);
	read_all(&r[1], data + 1, size - 1, 1 + (data[0] & 31), data[0] & 128);
	for (unsigned s = 0; s < FLOW_SIDES; s++)
		assert(span_equal(buf_span(&r[0].log[s]), buf_span(&r[1].log[s])));
	for (unsigned i = 0; i < 2; i++) {
		http_free(r[i].h);
		for (unsigned s = 0; s < FLOW_SIDES; s++) {
			buf_fini(&r[i].raw[s]);
			buf_fini(&r[i].log[s]);
		}
	}
	return 0;
}
