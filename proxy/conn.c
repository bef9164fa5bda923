/* SPDX-License-Identifier: BSD-2-Clause */
/* A socket as the session sees it: between the loop and the streams, on both legs.
 * In: readiness from libuv, bytes to send. Out: bytes read, ends and losses of connection told
 * apart, a callback when there is something to do. Output is gathered and written once a batch, in
 * records of up to 16 KiB; the order at the end is data, close_notify, FIN, so that no byte is lost
 * to a reset. A peer that reads slowly makes the queue grow: the session stops reading the other
 * side then (back-pressure). It never parses and never blocks. */
#include "proxy/conn.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/err.h"

enum { CONN_RECORD = 16384 };

void conn_init(struct conn *c, size_t out_max, void *owner, void (*on_ready)(struct conn *c),
	void (*on_closed)(struct conn *c))
{
	*c = (struct conn){
		.fd = -1, .owner = owner, .on_ready = on_ready, .on_closed = on_closed
	};
	c->tls.fd = -1;
	buf_init(&c->out, out_max);
	buf_init(&c->prefix, 65536);
}

static void conn_on_poll(uv_poll_t *handle, int status, int events)
{
	struct conn *c = handle->data;

	/* An error condition of the socket arrives as a status: reading it tells which. */
	if (status < 0 || (events & UV_READABLE))
		c->readable = true;
	if (status < 0 || (events & UV_WRITABLE)) {
		c->writable = true;
		c->blocked = false;
	}
	if (status < 0)
		c->polled = 0;
	c->on_ready(c);
}

/* Peers vanish without a FIN: asked after five minutes of silence, given up after two more; the
 * same for bytes that nobody acknowledges. */
static void conn_probe(int fd)
{
	static const int one = 1, idle = 300, every = 30, count = 4;
	static const unsigned unacknowledged_ms = 420000;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(
		fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof(unacknowledged_ms));
}

int conn_open(struct conn *c, uv_loop_t *loop, int fd, bool connecting)
{
	static const int one = 1;
	int r;

	assert(c->fd < 0 && !c->open);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	conn_probe(fd);
	if ((r = uv_poll_init_socket(loop, &c->poll, fd)) < 0) {
		close(fd);
		return r;
	}
	c->poll.data = c;
	c->fd = fd;
	c->open = true;
	c->connecting = connecting;
	c->ended = c->lost = c->finish = c->finished = c->mute = false;
	c->readable = c->writable = c->blocked = c->secure = false;
	c->polled = 0;
	c->progress_ms = uv_now(loop);
	return 0;
}

static void conn_on_close(uv_handle_t *handle)
{
	struct conn *c = handle->data;

	c->open = false;
	c->on_closed(c);
}

void conn_close(struct conn *c, bool reset)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (c->fd < 0)
		return;
	tls_link_free(&c->tls);
	c->secure = false;
	uv_poll_stop(&c->poll);
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	/* libuv forgets the descriptor in uv_close; the number may be reused only after that. */
	uv_close((uv_handle_t *)&c->poll, conn_on_close);
	close(c->fd);
	c->fd = -1;
	buf_shrink(&c->out);
	buf_shrink(&c->prefix);
}

void conn_fini(struct conn *c)
{
	assert(c->fd < 0 && !c->open);
	buf_fini(&c->out);
	buf_fini(&c->prefix);
}

int conn_connected(struct conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	if (error == 0)
		c->connecting = false;
	return -error;
}

int conn_unread(struct conn *c, struct span bytes)
{
	int r = buf_put_span(&c->prefix, bytes);

	if (r == 0 && bytes.len > 0)
		c->readable = true;
	return r;
}

enum tls_result conn_handshake(struct conn *c)
{
	enum tls_result r = tls_link_handshake(&c->tls);

	c->readable = r == TLS_DONE; /* what came with the last flight may be data */
	c->secure = r == TLS_DONE;
	c->blocked = c->tls.want_write;
	return r;
}

static ssize_t conn_read_clear(struct conn *c, void *data, size_t len)
{
	ssize_t n;

	do
		n = recv(c->fd, data, len, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		c->readable = (size_t)n == len;
		return n;
	}
	c->readable = false;
	if (n == 0)
		return CONN_READ_END;
	return errno == EAGAIN || errno == EWOULDBLOCK ? CONN_READ_AGAIN : CONN_READ_LOST;
}

ssize_t conn_read(struct conn *c, void *data, size_t len)
{
	ssize_t n;

	if (!c->tls.on) {
		n = conn_read_clear(c, data, len);
	} else {
		n = tls_link_read(&c->tls, data, len);
		if (n <= 0 || (c->tls.drained && !tls_link_pending(&c->tls)))
			c->readable = false;
		if (n == TLS_CLOSED)
			n = CONN_READ_END;
		else if (n == TLS_BROKEN)
			n = c->tls.lost ? CONN_READ_LOST : CONN_READ_TLS;
	}
	if (n > 0)
		c->received += (uint64_t)n;
	c->ended |= n == CONN_READ_END;
	c->lost |= n == CONN_READ_LOST || n == CONN_READ_TLS;
	return n;
}

/* 0 when blocked, else bytes gone or a negative value. */
static ssize_t conn_send(struct conn *c, const char *data, size_t len)
{
	ssize_t n;

	if (c->tls.on)
		return tls_link_write(&c->tls, data, len > CONN_RECORD ? CONN_RECORD : len);
	do
		n = send(c->fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return n;
}

static void conn_say_goodbye(struct conn *c)
{
	if (c->tls.ssl && !c->mute && tls_link_shutdown(&c->tls) == TLS_AGAIN) {
		c->blocked = true;
		return;
	}
	shutdown(c->fd, SHUT_WR);
	c->finished = true;
}

void conn_flush(struct conn *c)
{
	if (c->fd < 0 || c->connecting || c->blocked)
		return;
	/* During a handshake the socket belongs to it. */
	if (c->tls.on && !c->secure)
		return;
	while (buf_len(&c->out) > 0 && !c->mute) {
		ssize_t n = conn_send(c, buf_ptr(&c->out), buf_len(&c->out));

		if (n == 0) {
			c->blocked = true;
			c->progress_ms = uv_now(c->poll.loop);
			return;
		}
		if (n < 0) {
			c->mute = true; /* the reading side learns why */
			c->readable = true;
			break;
		}
		buf_pull(&c->out, (size_t)n);
		c->sent += (uint64_t)n;
		c->progress_ms = uv_now(c->poll.loop);
	}
	if (c->mute)
		buf_clear(&c->out);
	if (c->finish && !c->finished)
		conn_say_goodbye(c);
}

void conn_finish(struct conn *c)
{
	c->finish = true;
}

bool conn_is_flushed(const struct conn *c)
{
	if (c->fd < 0 || c->mute)
		return true;
	return buf_len(&c->out) == 0 && (!c->finish || c->finished);
}

void conn_watch(struct conn *c, bool read)
{
	int want = 0;

	if (c->fd < 0)
		return;
	if (c->connecting || c->blocked)
		want |= UV_WRITABLE;
	if (read && !c->connecting && !c->ended && !c->lost)
		want |= UV_READABLE;
	if (want == c->polled)
		return;
	if (want == 0)
		uv_poll_stop(&c->poll);
	else
		uv_poll_start(&c->poll, want, conn_on_poll);
	c->polled = want;
}
