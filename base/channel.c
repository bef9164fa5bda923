/* SPDX-License-Identifier: BSD-2-Clause */
/* The line between the daemon and its children, and between the daemon and xmppwallctl.
 * In: JSON objects to send, a line each, now and then with a descriptor. Out: objects received, to
 * the handler. The daemon does not trust its children (they see network bytes): lines and queues
 * are bounded, and what is not one JSON object a line ends the channel.
 * A descriptor travels with the first byte of its line, by a sendmsg of its own: the kernel ends a
 * recvmsg behind the segment that carried descriptors, so on arrival a descriptor belongs to the
 * last line that began in that recvmsg. It never blocks; base/channel_blocking.c does. */
#include "base/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

enum {
	CHANNEL_DEFAULT_MAX = 1 << 20,
	CHANNEL_CHUNK = 16384,
	CHANNEL_CHUNKS_A_TURN = 8, /* then other handles of the loop have their turn */
	CHANNEL_IOVS = 16,
	CHANNEL_FDS = 8, /* room to receive, so that surplus descriptors can be closed */
};

enum channel_state {
	CHANNEL_OPEN,
	CHANNEL_FINISHING, /* draining the queue, reading nothing */
	CHANNEL_FAILED,    /* on_close was called, waiting for channel_free */
	CHANNEL_CLOSING,   /* waiting for libuv to let go of the handle */
};

struct channel_line {
	struct channel_line *next;
	int fd; /* to be sent with the first byte, or -1 */
	size_t len, sent;
	char text[];
};

struct channel {
	uv_poll_t poll;
	int fd;
	int watched; /* events asked of libuv */
	enum channel_state state;
	struct channel_limits limits;
	struct channel_handler handler;
	void *arg;
	struct buf in; /* the unfinished line */
	int in_fd;     /* its descriptor, or -1 */
	struct channel_line *first, *last;
	size_t queued;
};

static void channel_on_poll(uv_poll_t *poll, int status, int events);

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int channel_watch(struct channel *ch)
{
	int events = 0;

	if (ch->state == CHANNEL_OPEN)
		events |= UV_READABLE;
	if (ch->first || ch->state == CHANNEL_FINISHING)
		events |= UV_WRITABLE;
	if (events == ch->watched)
		return 0;
	ch->watched = events;
	return uv_poll_start(&ch->poll, events, channel_on_poll);
}

int channel_new(uv_loop_t *loop, int fd, const struct channel_limits *limits,
	const struct channel_handler *handler, void *arg, struct channel **out)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	int r;

	if (!ch) {
		close(fd);
		return -ENOMEM;
	}
	ch->fd = fd;
	ch->in_fd = -1;
	ch->limits = *limits;
	if (!ch->limits.line_max)
		ch->limits.line_max = CHANNEL_DEFAULT_MAX;
	if (!ch->limits.queue_max)
		ch->limits.queue_max = CHANNEL_DEFAULT_MAX;
	ch->handler = *handler;
	ch->arg = arg;
	buf_init(&ch->in, ch->limits.line_max);
	if ((r = uv_poll_init(loop, &ch->poll, fd)) < 0) {
		close(fd);
		free(ch);
		return r;
	}
	ch->poll.data = ch;
	if ((r = channel_watch(ch)) < 0) {
		channel_free(ch);
		return r;
	}
	*out = ch;
	return 0;
}

static void channel_drop_first(struct channel *ch)
{
	struct channel_line *line = ch->first;

	ch->first = line->next;
	if (!ch->first)
		ch->last = NULL;
	ch->queued -= line->len - line->sent;
	close_fd(&line->fd);
	free(line);
}

/* libuv has let go of the handle: no callback of ours is on the stack any more. */
static void channel_on_uv_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void channel_free(struct channel *ch)
{
	if (!ch || ch->state == CHANNEL_CLOSING)
		return;
	ch->state = CHANNEL_CLOSING;
	uv_close((uv_handle_t *)&ch->poll, channel_on_uv_closed);
	close_fd(&ch->fd);
	close_fd(&ch->in_fd);
	buf_fini(&ch->in);
	while (ch->first)
		channel_drop_first(ch);
}

static void channel_fail(struct channel *ch, int code)
{
	if (ch->state == CHANNEL_FAILED || ch->state == CHANNEL_CLOSING)
		return;
	ch->state = CHANNEL_FAILED;
	uv_poll_stop(&ch->poll);
	ch->handler.on_close(ch->arg, ch, code);
}

void channel_finish(struct channel *ch)
{
	if (ch->state != CHANNEL_OPEN)
		return;
	ch->state = CHANNEL_FINISHING;
	channel_watch(ch);
}

/* ---- sending ---- */

/* One sendmsg: a line with its descriptor alone, or as many lines without as fit. */
static ssize_t channel_send_some(struct channel *ch)
{
	char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(sizeof(size_t))));
	struct iovec iov[CHANNEL_IOVS];
	struct msghdr msg = { .msg_iov = iov };
	struct channel_line *line = ch->first;

	do {
		iov[msg.msg_iovlen].iov_base = line->text + line->sent;
		iov[msg.msg_iovlen++].iov_len = line->len - line->sent;
		line = line->next;
	} while (line && line->fd < 0 && ch->first->fd < 0 && msg.msg_iovlen < CHANNEL_IOVS);
	if (ch->first->fd >= 0) {
		memset(control, 0, sizeof(control));
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &ch->first->fd, sizeof(int));
	}
	return sendmsg(ch->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void channel_mark_sent(struct channel *ch, size_t n)
{
	/* The descriptor left with the first byte, even if the rest of its line did not. */
	close_fd(&ch->first->fd);
	while (n) {
		size_t left = ch->first->len - ch->first->sent;

		if (n < left) {
			ch->first->sent += n;
			ch->queued -= n;
			return;
		}
		n -= left;
		channel_drop_first(ch);
	}
}

/* Sends what the socket takes; 0 or a negative code when the socket is gone. */
static int channel_flush(struct channel *ch)
{
	while (ch->first) {
		ssize_t n = channel_send_some(ch);

		if (n >= 0)
			channel_mark_sent(ch, (size_t)n);
		else if (errno == EAGAIN)
			return 0;
		else if (errno == EPIPE || errno == ECONNRESET)
			return ERR_CLOSED;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int channel_line_new(json_t *msg, int fd, struct channel_line **out)
{
	size_t flags = JSON_COMPACT, len = json_dumpb(msg, NULL, 0, flags);
	struct channel_line *line;

	if (!msg)
		return -ENOMEM; /* the caller could not even build it */
	assert(json_is_object(msg) && len > 0);
	line = malloc(sizeof(*line) + len + 1);
	if (!line)
		return -ENOMEM;
	*line = (struct channel_line){ .fd = -1, .len = len + 1 };
	if (json_dumpb(msg, line->text, len, flags) != len) {
		free(line);
		return -ENOMEM;
	}
	line->text[len] = '\n';
	if (fd >= 0 && (line->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		free(line);
		return -errno;
	}
	*out = line;
	return 0;
}

int channel_send(struct channel *ch, json_t *msg, int fd)
{
	struct channel_line *line = NULL;
	int r;

	if (ch->state != CHANNEL_OPEN)
		return ERR_CLOSED;
	if ((r = channel_line_new(msg, fd, &line)) < 0)
		return r;
	if (line->len > ch->limits.queue_max || ch->queued > ch->limits.queue_max - line->len) {
		close_fd(&line->fd);
		free(line);
		return ERR_LIMIT;
	}
	if (ch->last)
		ch->last->next = line;
	else
		ch->first = line;
	ch->last = line;
	ch->queued += line->len;
	if (ch->first == line && channel_flush(ch) < 0) {
		/* The caller may be deep in its own work: on_close comes from the loop, which
		 * finds end of file behind whatever the other end still sent. */
		shutdown(ch->fd, SHUT_RDWR);
		while (ch->first)
			channel_drop_first(ch);
		return ERR_CLOSED;
	}
	return channel_watch(ch);
}

size_t channel_queued(const struct channel *ch)
{
	return ch->queued;
}

int channel_fd(const struct channel *ch, const char **unread, size_t *len)
{
	*unread = buf_ptr(&ch->in);
	*len = buf_len(&ch->in);
	return ch->state == CHANNEL_OPEN && ch->in_fd < 0 ? ch->fd : -1;
}

int channel_resume(struct channel *ch, const char *unread, size_t len)
{
	if (len == 0)
		return 0;
	return memchr(unread, '\n', len) ? ERR_PROTO : buf_put(&ch->in, unread, len);
}

int channel_peer(const struct channel *ch, uid_t *uid, gid_t *gid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(ch->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	*uid = cred.uid;
	*gid = cred.gid;
	*pid = cred.pid;
	return 0;
}

/* ---- receiving ---- */

static void channel_deliver(struct channel *ch, const char *text, size_t len)
{
	int fd = take_fd(&ch->in_fd);
	json_t *msg = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (!json_is_object(msg)) {
		close_fd(&fd);
		json_decref(msg);
		channel_fail(ch, ERR_PROTO);
		return;
	}
	ch->handler.on_message(ch->arg, ch, msg, fd);
	json_decref(msg);
}

/* The lines completed by these bytes; stops as soon as a callback closes the channel. */
static void channel_feed(struct channel *ch, const char *p, size_t len)
{
	while (len && ch->state == CHANNEL_OPEN) {
		const char *end = memchr(p, '\n', len);
		size_t part = end ? (size_t)(end - p) : len;
		int r;

		if (part > ch->limits.line_max) {
			channel_fail(ch, ERR_LIMIT);
			return;
		}
		if (end && buf_len(&ch->in) == 0) {
			channel_deliver(ch, p, part);
		} else if ((r = buf_put(&ch->in, p, part)) < 0) {
			channel_fail(ch, r);
			return;
		} else if (end) {
			struct buf line = ch->in;

			/* Taken out first: the handler may free the channel. */
			buf_init(&ch->in, ch->limits.line_max);
			channel_deliver(ch, buf_ptr(&line), buf_len(&line));
			buf_fini(&line);
		}
		part += end ? 1 : 0;
		p += part;
		len -= part;
	}
}

/* Keeps the first descriptor of the message, closes the others. */
static int channel_take_fds(struct msghdr *msg)
{
	int kept = -1, fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(fd)) <= c->cmsg_len; at += sizeof(fd)) {
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

/* Where the last line of the chunk begins. */
static size_t channel_last_start(const char *chunk, size_t len)
{
	const char *nl = memrchr(chunk, '\n', len - 1);

	return nl ? (size_t)(nl - chunk) + 1 : 0;
}

static void channel_feed_with_fd(struct channel *ch, const char *chunk, size_t len, int fd)
{
	size_t start = channel_last_start(chunk, len);

	channel_feed(ch, chunk, start);
	if (ch->state == CHANNEL_OPEN && buf_len(&ch->in) == 0 && ch->in_fd < 0) {
		ch->in_fd = fd;
		channel_feed(ch, chunk + start, len - start);
		return;
	}
	close_fd(&fd);
	/* A descriptor in the middle of a line: no channel of ours sends that. */
	if (ch->state == CHANNEL_OPEN)
		channel_fail(ch, ERR_PROTO);
}

/* One recvmsg; 1 if there may be more, 0 if not now, negative when the channel is to fail. */
static int channel_receive(struct channel *ch)
{
	char chunk[CHANNEL_CHUNK];
	char control[CMSG_SPACE(sizeof(int) * CHANNEL_FDS)]
		__attribute__((aligned(sizeof(size_t))));
	struct iovec iov = { chunk, sizeof(chunk) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(ch->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fd;

	if (n < 0) {
		if (errno == EAGAIN)
			return 0;
		if (errno == EINTR)
			return 1;
		return errno == ECONNRESET ? ERR_CLOSED : -errno;
	}
	fd = channel_take_fds(&msg);
	if (n == 0) {
		close_fd(&fd);
		return ERR_CLOSED;
	}
	if (fd >= 0)
		channel_feed_with_fd(ch, chunk, (size_t)n, fd);
	else
		channel_feed(ch, chunk, (size_t)n);
	return ch->state == CHANNEL_OPEN;
}

static void channel_on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel *ch = poll->data;
	int r = 1;

	/* After an error (POLLERR: the other end closed with our lines unread) libuv says no more,
	 * so what the other end still sent is read to its end here and now. */
	for (int i = 0;
		r == 1 && ch->state == CHANNEL_OPEN && (events & UV_READABLE || status < 0) &&
		(i < CHANNEL_CHUNKS_A_TURN || status < 0);
		i++)
		r = channel_receive(ch);
	if (r >= 0 && status < 0)
		r = ERR_CLOSED;
	if (r >= 0 && (ch->state == CHANNEL_OPEN || ch->state == CHANNEL_FINISHING) &&
		(events & UV_WRITABLE))
		r = channel_flush(ch);
	if (r < 0)
		channel_fail(ch, r);
	else if (ch->state == CHANNEL_FINISHING && !ch->first)
		channel_fail(ch, 0);
	else if (ch->state == CHANNEL_OPEN || ch->state == CHANNEL_FINISHING)
		channel_watch(ch);
}
