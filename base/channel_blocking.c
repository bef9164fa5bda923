/* SPDX-License-Identifier: BSD-2-Clause */
/* The same JSON lines as base/channel.c for programs without a loop: xmppwallctl asks the daemon
 * and prints what comes back.
 * In: a connected stream socket. Out: one object at a time. Lines are bounded here too, though
 * the daemon is trusted. Descriptors that arrive are discarded by the kernel, since none is asked
 * for. It never touches the descriptor's flags and never closes it. */
#include "base/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

enum { READER_DEFAULT_MAX = 1 << 20, READER_CHUNK = 16384 };

struct channel_reader {
	int fd;
	size_t line_max;
	size_t scanned; /* bytes of in known to hold no newline */
	struct buf in;
};

int channel_write_blocking(int fd, json_t *msg)
{
	size_t len, sent = 0;
	char *text;

	if (!msg)
		return -ENOMEM; /* the caller could not even build it */
	assert(json_is_object(msg));
	text = json_dumps(msg, JSON_COMPACT);
	if (!text)
		return -ENOMEM;
	cleanup_free char *line = text;

	len = strlen(line);
	line[len++] = '\n'; /* over the NUL: the length is what counts from here */
	while (sent < len) {
		ssize_t n = send(fd, line + sent, len - sent, MSG_NOSIGNAL);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EPIPE || errno == ECONNRESET)
			return ERR_CLOSED;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

struct channel_reader *channel_reader_new(int fd, size_t line_max)
{
	struct channel_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->fd = fd;
	r->line_max = line_max ? line_max : READER_DEFAULT_MAX;
	buf_init(&r->in, r->line_max + READER_CHUNK + 1);
	return r;
}

void channel_reader_free(struct channel_reader *r)
{
	if (!r)
		return;
	buf_fini(&r->in);
	free(r);
}

static int reader_fill(struct channel_reader *r)
{
	char *where;
	ssize_t n;
	int code;

	if ((code = buf_reserve(&r->in, READER_CHUNK, &where)) < 0)
		return code;
	do
		n = recv(r->fd, where, READER_CHUNK, 0);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return ERR_CLOSED;
	if (n < 0)
		return -errno;
	buf_commit(&r->in, (size_t)n);
	return 0;
}

int channel_read_blocking(struct channel_reader *r, json_t **msg)
{
	const char *nl = NULL;
	size_t len;
	int code;

	while (!nl) {
		if (buf_len(&r->in) > r->scanned)
			nl = memchr(
				buf_ptr(&r->in) + r->scanned, '\n', buf_len(&r->in) - r->scanned);
		if (nl)
			break;
		r->scanned = buf_len(&r->in);
		if (r->scanned > r->line_max)
			return ERR_LIMIT;
		if ((code = reader_fill(r)) < 0)
			return code;
	}
	len = (size_t)(nl - buf_ptr(&r->in));
	r->scanned = 0;
	if (len > r->line_max)
		return ERR_LIMIT;
	*msg = json_loadb(buf_ptr(&r->in), len, JSON_REJECT_DUPLICATES, NULL);
	buf_pull(&r->in, len + 1);
	if (json_is_object(*msg))
		return 0;
	json_decref(*msg);
	*msg = NULL;
	return ERR_PROTO;
}
