/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON lines (jansson) over a local stream socket on a libuv loop, with a descriptor now and then
 * (SCM_RIGHTS). Carries daemon <-> child and daemon <-> xmppwallctl. Both directions are bounded.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <jansson.h>
#include <uv.h>

struct channel;

struct channel_handler {
	/* One message; msg is borrowed; fd is -1 or a descriptor that the callee now owns. */
	void (*on_message)(void *arg, struct channel *ch, json_t *msg, int fd);
	/* The other end is gone or spoke nonsense (code says which); the callee frees the channel.
	 */
	void (*on_close)(void *arg, struct channel *ch, int code);
};

struct channel_limits {
	size_t line_max;  /* longest line accepted, bytes */
	size_t queue_max; /* unsent bytes kept; channel_send says ERR_LIMIT above it */
};

/* Takes fd (made non-blocking). limits is copied. */
int channel_new(uv_loop_t *loop, int fd, const struct channel_limits *limits,
	const struct channel_handler *handler, void *arg, struct channel **out);
/* Closes at once, unsent lines are lost; safe inside its own callbacks. */
void channel_free(struct channel *ch);
/* Closes after the queue has drained; no more callbacks but on_close. */
void channel_finish(struct channel *ch);
/* Queues one line; msg is borrowed; fd (or -1) is duplicated. 0, ERR_LIMIT, ERR_CLOSED or -ENOMEM.
 */
int channel_send(struct channel *ch, json_t *msg, int fd);
/* Peer's credentials by SO_PEERCRED. */
int channel_peer(const struct channel *ch, uid_t *uid, gid_t *gid, pid_t *pid);
/* Bytes still unsent. */
size_t channel_queued(const struct channel *ch);
/* For a process that is about to become another program: the descriptor, and what came of an
 * unfinished line (both borrowed). -1 when a descriptor has come with that line, or it is not open.
 */
int channel_fd(const struct channel *ch, const char **unread, size_t *len);
/* On a channel just made: what its former owner had read of a line. Calls nobody. 0, ERR_LIMIT,
 * -ENOMEM, ERR_PROTO when that is no unfinished line. */
int channel_resume(struct channel *ch, const char *unread, size_t len);

/* For programs without a loop (xmppwallctl): send one line, then read lines one by one, blocking.
 * *msg is a new reference; ERR_CLOSED at end of file. */
int channel_write_blocking(int fd, json_t *msg);
struct channel_reader;
struct channel_reader *channel_reader_new(int fd, size_t line_max);
int channel_read_blocking(struct channel_reader *r, json_t **msg);
void channel_reader_free(struct channel_reader *r);
