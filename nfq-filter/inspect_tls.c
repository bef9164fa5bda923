/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside inspect.c: what a client may say between <proceed/> and the server's first TLS record.
 * In: its bytes, in any pieces. Out: the place where its ClientHello ends, or that it is none. A
 * server that only said <proceed/> would read clear text behind a byte that looks like TLS, so
 * until it answers in TLS nothing but this one message goes to it. It understands no more of TLS
 * than the frames of records and handshake messages (RFC 8446 4, 5.1), keeps no byte of it and ends
 * nothing. */
#include "nfq-filter/inspect_tls.h"

enum {
	HANDSHAKE = 22,
	CLIENT_HELLO = 1,
	VERSION = 3,
	RECORD_MAX = 16384,
	HELLO_MAX = 65536,
};

static size_t number(const unsigned char *p, unsigned n)
{
	size_t value = 0;

	for (unsigned i = 0; i < n; i++)
		value = value << 8 | p[i];
	return value;
}

static bool is_record(struct hello_watch *w)
{
	w->n_head = 0;
	w->record = number(w->head + 3, 2);
	return w->head[0] == HANDSHAKE && w->head[1] == VERSION && w->record > 0 &&
	       w->record <= RECORD_MAX;
}

static bool is_hello(struct hello_watch *w)
{
	w->left = number(w->message + 1, 3);
	return w->message[0] == CLIENT_HELLO && w->left > 0 && w->left <= HELLO_MAX;
}

/* One byte of the frame, or as many of the message as are there. */
static size_t take(struct hello_watch *w, struct span bytes)
{
	unsigned char first = (unsigned char)*bytes.ptr;
	size_t n = bytes.len;

	if (w->record == 0) {
		w->head[w->n_head++] = first;
		if (w->n_head == sizeof(w->head) && !is_record(w))
			w->state = HELLO_NONE;
		return 1;
	}
	if (w->n_message < sizeof(w->message)) {
		w->message[w->n_message++] = first;
		w->record--;
		if (w->n_message == sizeof(w->message) && !is_hello(w))
			w->state = HELLO_NONE;
		return 1;
	}
	n = n < w->record ? n : w->record;
	n = n < w->left ? n : w->left;
	w->record -= n;
	w->left -= n;
	/* Nothing else may stand in its last record. */
	if (w->left == 0)
		w->state = w->record == 0 ? HELLO_WHOLE : HELLO_NONE;
	return n;
}

void hello_watch_push(struct hello_watch *w, struct span bytes, uint64_t position)
{
	while (bytes.len > 0 && w->state == HELLO_READING) {
		size_t n = take(w, bytes);

		bytes.ptr += n;
		bytes.len -= n;
		position += n;
	}
	if (w->state == HELLO_WHOLE && w->end == 0)
		w->end = position;
}
