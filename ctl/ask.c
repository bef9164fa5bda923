/* SPDX-License-Identifier: BSD-2-Clause */
/* From a program that must go on listening to its keys to the daemon's control socket. In: a command with
 * its arguments. Out: its one answer, when it has come. A connection for each request: one that was given up
 * cannot be mistaken for the next. It never waits. */
#include "ctl/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/channel.h"
#include "base/err.h"
#include "ctl/request.h"

enum { ASK_CHUNK = 65536 };

struct ask {
	int fd;
	struct buf in;
};

int ask_connect(const char *run_dir, bool waits, int *fd)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int n = snprintf(sun.sun_path, sizeof sun.sun_path, "%s/control.sock", run_dir), r;

	*fd = -1;
	if (n < 0 || (size_t)n >= sizeof sun.sun_path)
		return -ENAMETOOLONG;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (waits ? 0 : SOCK_NONBLOCK), 0);
	if (*fd >= 0 && connect(*fd, (struct sockaddr *)&sun, sizeof sun) == 0)
		return 0;
	r = -errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return r;
}

int ask_open(const char *run_dir, const char *cmd, json_t *args, struct ask **out)
{
	json_t *request = json_pack("{s:s,s:o}", "cmd", cmd, "args", args ? args : json_object());
	struct ask *a = calloc(1, sizeof *a);
	int r = request && a ? 0 : -ENOMEM;

	if (a) {
		a->fd = -1;
		buf_init(&a->in, REQUEST_LINE_MAX);
	}
	/* A request is short: it goes into the socket's buffer whole. */
	if (r == 0 && (r = ask_connect(run_dir, false, &a->fd)) == 0)
		r = channel_write_blocking(a->fd, request);
	json_decref(request);
	if (r < 0)
		ask_close(a);
	else
		*out = a;
	return r;
}

int ask_fd(const struct ask *a)
{
	return a->fd;
}

int ask_read(struct ask *a, json_t **answer)
{
	const char *end = NULL;
	char *where;
	ssize_t n;
	int r;

	while (!end) {
		if ((r = buf_reserve(&a->in, ASK_CHUNK, &where)) < 0)
			return r;
		n = recv(a->fd, where, ASK_CHUNK, MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		if (n == 0)
			return ERR_CLOSED;
		end = memchr(where, '\n', (size_t)n);
		buf_commit(&a->in, (size_t)n);
	}
	*answer = json_loadb(buf_ptr(&a->in), (size_t)(end - buf_ptr(&a->in)), JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(*answer))
		return 1;
	json_decref(*answer);
	*answer = NULL;
	return ERR_PROTO;
}

void ask_close(struct ask *a)
{
	if (!a)
		return;
	if (a->fd >= 0)
		close(a->fd);
	buf_fini(&a->in);
	free(a);
}
