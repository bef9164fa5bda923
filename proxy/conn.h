/* SPDX-License-Identifier: BSD-2-Clause */
/* One non-blocking socket on a loop, clear or TLS, with a bounded queue of bytes to send. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>
#include "base/buf.h"
#include "proxy/tls_link.h"

struct conn {
	uv_poll_t poll;
	int fd;            /* -1: none or closed */
	struct buf out;    /* clear bytes to be sent */
	struct buf prefix; /* bytes read before TLS began */
	struct tls_link tls;
	bool open;               /* the poll handle lives */
	bool connecting;         /* waiting for connect() */
	bool secure;             /* the handshake is done */
	bool readable, writable; /* the loop said so and no read has disagreed since */
	bool blocked;            /* the socket's buffer is full */
	bool ended;              /* the peer sent its FIN */
	bool lost;               /* the peer reset the connection */
	bool finish, finished;   /* FIN wanted, sent */
	bool mute;               /* writing failed: bytes to send are thrown away */
	int polled;              /* the mask in force */
	uint64_t sent, received; /* clear bytes */
	uint64_t progress_ms;    /* when bytes last left or began to wait */
	void (*on_ready)(struct conn *c);
	void (*on_closed)(struct conn *c);
	void *owner;
};

enum { CONN_READ_AGAIN = 0, CONN_READ_END = -1, CONN_READ_LOST = -2, CONN_READ_TLS = -3 };

/* Without socket; out_max bounds unsent bytes. */
void conn_init(struct conn *c, size_t out_max, void *owner, void (*on_ready)(struct conn *c),
	void (*on_closed)(struct conn *c));
/* Takes fd (non-blocking). 0 or a negative code (fd is closed then). */
int conn_open(struct conn *c, uv_loop_t *loop, int fd, bool connecting);
/* Closes at once; on_closed comes later if the loop held it. reset: RST instead of FIN. */
void conn_close(struct conn *c, bool reset);
/* Frees buffers; only when closed. */
void conn_fini(struct conn *c);

/* Finishes connect(): 0 or -errno. */
int conn_connected(struct conn *c);
/* Puts bytes before those of the socket. */
int conn_unread(struct conn *c, struct span bytes);
enum tls_result conn_handshake(struct conn *c);
/* > 0 bytes or one of the enum above. */
ssize_t conn_read(struct conn *c, void *data, size_t len);
/* Sends what it can, then FIN when asked for and nothing is left. */
void conn_flush(struct conn *c);
/* FIN (after close_notify) as soon as all is sent. */
void conn_finish(struct conn *c);
/* Nothing left to send, FIN included if wanted. */
bool conn_is_flushed(const struct conn *c);
/* Asks the loop for readiness: read says whether we want to read; writing is our own affair. */
void conn_watch(struct conn *c, bool read);
