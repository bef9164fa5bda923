/* SPDX-License-Identifier: BSD-2-Clause */
/* A stream fed whole and cut: the events must be equal, what is written must read back to the same
 * bytes, and nothing may crash. The first byte chooses login and the cuts. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/stream.h"
#include "xmpp/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char header[] = "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "'>";

/* Canonical bytes are a fixed point. */
static void reread(const char *written)
{
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event e;
	struct buf again;

	if (!s)
		abort();
	buf_init(&again, 16 << 20);
	stream_set_authenticated(s, true);
	stream_push(s, header, sizeof header - 1);
	stream_next(s, &e);
	stream_push(s, written, strlen(written));
	stream_next(s, &e);
	if (e.kind == STREAM_STANZA ||
		e.kind == STREAM_ELEMENT) { /* escapes may lift it over a ceiling */
		write_element(&again, e.stanza.root, NS_CLIENT);
		assert(strcmp(written, buf_string(&again)) == 0);
	} else {
		assert(e.kind == STREAM_BAD && strncmp(e.reason, "limit.", 6) == 0);
	}
	buf_fini(&again);
	stream_free(s);
}

static void note_element(struct buf *out, const struct xml_element *e)
{
	struct buf one;

	buf_init(&one, 16 << 20);
	write_element(&one, e, NS_CLIENT);
	reread(buf_string(&one));
	buf_puts(out, buf_string(&one));
	buf_fini(&one);
}

static void note(struct buf *out, const struct stream_event *e, bool *space)
{
	if (e->kind == STREAM_MORE || (e->kind == STREAM_SPACE && *space))
		return;
	*space = e->kind == STREAM_SPACE;
	buf_putf(out, "\n%d ", (int)e->kind);
	if (e->kind == STREAM_BAD)
		buf_putf(out, "%s %s", stream_error_text(e->error), e->reason);
	else if (e->kind == STREAM_OPEN)
		write_header(out, &e->header);
	else if (e->kind == STREAM_STANZA || e->kind == STREAM_ELEMENT)
		note_element(out, e->stanza.root);
}

static void run(const uint8_t *data, size_t size, size_t step, bool login, struct buf *out)
{
	struct stream *s = stream_new(&xmpp_limits_default);
	struct stream_event e = { .kind = STREAM_MORE };
	bool space = false;

	if (!s)
		abort();
	stream_set_authenticated(s, login);
	for (size_t at = 0; at < size && e.kind != STREAM_BAD;) {
		size_t n = step < size - at ? step : size - at;

		if (stream_push(s, data + at, n) < 0)
			abort();
		at += n;
		do {
			if (stream_next(s, &e) < 0)
				abort();
			note(out, &e, &space);
		} while (e.kind != STREAM_MORE && e.kind != STREAM_BAD);
	}
	stream_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, cut;

	if (size < 2)
		return 0;
	buf_init(&whole, 64 << 20);
	buf_init(&cut, 64 << 20);
	run(data + 1, size - 1, size, data[0] & 1, &whole);
	run(data + 1, size - 1, 1 + (data[0] >> 1) % 9, data[0] & 1, &cut);
	assert(strcmp(buf_string(&whole), buf_string(&cut)) == 0);

	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
