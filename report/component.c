/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the way to the server is opened: in comes a connected socket, out goes an authenticated
 * component's stream (XEP-0114). The server's bytes pass the same machine as those of any peer
 * (xmpp/stream.c), with the ceilings before login until it has accepted us. It knows nothing of
 * reports. */
#include "report/component.h"

#include <errno.h>
#include <nettle/sha1.h>
#include <poll.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "xmpp/ns.h"
#include "xmpp/write.h"

enum { READ_BYTES = 4096, HEARD_BYTES_MAX = 4 << 20 /* of a server that does not end */ };

struct component {
	struct component_spec spec;
	struct stream *in;
	size_t heard;
	char trouble[256];
};

const char *component_trouble(const struct component *c)
{
	return c->trouble;
}

const char *component_name(const struct component *c)
{
	return c->spec.name;
}

void component_free(struct component *c)
{
	if (!c)
		return;
	stream_free(c->in);
	free(c);
}

/* ---- bytes ---- */

static int wait_for(struct component *c, short what)
{
	struct pollfd p = { c->spec.fd, what, 0 };
	uint64_t now = clock_mono_ms();
	int n = now < c->spec.deadline_mono_ms ? poll(&p, 1, (int)(c->spec.deadline_mono_ms - now))
					       : 0;

	return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : errno == EINTR ? 0 : -errno;
}

int component_send(struct component *c, const struct buf *bytes)
{
	size_t at = 0;
	int r = 0;

	while (at < buf_len(bytes) && r == 0) {
		ssize_t n = send(c->spec.fd, buf_ptr(bytes) + at, buf_len(bytes) - at,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			at += (size_t)n;
		else if (n < 0 && errno == EAGAIN)
			r = wait_for(c, POLLOUT);
		else if (n < 0 && errno != EINTR)
			r = errno == EPIPE || errno == ECONNRESET ? ERR_CLOSED : -errno;
	}
	return r;
}

static int read_more(struct component *c)
{
	char bytes[READ_BYTES];
	ssize_t n;
	int r = wait_for(c, POLLIN);

	if (r < 0)
		return r;
	n = recv(c->spec.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0
		       : errno == ECONNRESET             ? ERR_CLOSED
							 : -errno;
	c->heard += (size_t)n;
	if (c->heard > HEARD_BYTES_MAX)
		return ERR_LIMIT;
	return n == 0 ? ERR_CLOSED : stream_push(c->in, bytes, (size_t)n);
}

/* ---- what the server says ---- */

static int refused(struct component *c, const struct stanza *st)
{
	const struct xml_element *condition = element_child(st->root, NS_STREAMS, NULL);
	const struct xml_element *text = element_child(st->root, NS_STREAMS, "text");
	const char *words = text ? element_text(text, st->arena) : NULL;

	const char *name = condition ? condition->name : "undefined-condition";

	words = words ? words : "";
	snprintf(c->trouble, sizeof(c->trouble), "the server ended the stream: %.*s%s%.*s",
		(int)span_cut(span_of(name), 64), name, *words ? ": " : "",
		(int)span_cut(span_of(words), 128), words);
	return ERR_REFUSED;
}

int component_hear(struct component *c, struct stream_event *event)
{
	int r;

	while ((r = stream_next(c->in, event)) == 0) {
		switch (event->kind) {
		case STREAM_MORE:
			if ((r = read_more(c)) < 0)
				return r;
			break;
		case STREAM_SPACE:
			break;
		case STREAM_CLOSE:
			return ERR_CLOSED;
		case STREAM_BAD:
			snprintf(c->trouble, sizeof(c->trouble), "not a stream of XMPP (%s)",
				event->reason);
			return ERR_PROTO;
		case STREAM_ELEMENT:
			if (element_is(event->stanza.root, NS_STREAM, "error"))
				return refused(c, &event->stanza);
			return 0;
		case STREAM_OPEN:
		case STREAM_STANZA:
			return 0;
		}
	}
	return r;
}

/* ---- opening ---- */

static int send_header(struct component *c)
{
	const struct stream_header header = { .content_ns = NS_COMPONENT, .to = c->spec.name };
	struct buf out;
	int r;

	buf_init(&out, 0);
	if ((r = write_header(&out, &header)) == 0)
		r = component_send(c, &out);
	buf_fini(&out);
	return r;
}

/* Lower-case hexadecimal SHA-1 of the stream's id and the secret (XEP-0114 3). */
static int send_handshake(struct component *c, const char *id)
{
	uint8_t digest[SHA1_DIGEST_SIZE];
	struct sha1_ctx sha;
	struct buf out;
	int r;

	sha1_init(&sha);
	sha1_update(&sha, strlen(id), (const uint8_t *)id);
	sha1_update(&sha, strlen(c->spec.secret), (const uint8_t *)c->spec.secret);
	sha1_digest(&sha, sizeof(digest), digest);
	buf_init(&out, 0);
	r = buf_puts(&out, "<handshake>");
	for (size_t i = 0; i < sizeof(digest) && r == 0; i++)
		r = buf_putf(&out, "%02x", digest[i]);
	if (r == 0 && (r = buf_puts(&out, "</handshake>")) == 0)
		r = component_send(c, &out);
	buf_fini(&out);
	return r;
}

static int open_stream(struct component *c)
{
	struct stream_event event;
	int r;

	if ((r = send_header(c)) < 0 || (r = component_hear(c, &event)) < 0)
		return r;
	if (event.kind != STREAM_OPEN || strcmp(event.header.content_ns, NS_COMPONENT) != 0 ||
		!*event.header.id) {
		snprintf(c->trouble, sizeof(c->trouble),
			"the server does not speak to components on this port");
		return ERR_PROTO;
	}
	if ((r = send_handshake(c, event.header.id)) < 0)
		return r;
	if ((r = component_hear(c, &event)) < 0)
		return r;
	if (event.kind != STREAM_ELEMENT ||
		!element_is(event.stanza.root, NS_COMPONENT, "handshake"))
		return ERR_PROTO;
	stream_set_authenticated(c->in, true);
	return 0;
}

int component_open(const struct component_spec *spec, struct component **out)
{
	struct component *c = calloc(1, sizeof(*c));

	*out = c;
	if (!c)
		return -ENOMEM;
	c->spec = *spec;
	if (!(c->in = stream_new(&xmpp_limits_default)))
		return -ENOMEM;
	return open_stream(c);
}

void component_close(struct component *c)
{
	struct buf out;

	buf_init(&out, 0);
	if (write_close(&out) == 0)
		(void)component_send(c, &out);
	buf_fini(&out);
	(void)shutdown(c->spec.fd, SHUT_WR);
}
