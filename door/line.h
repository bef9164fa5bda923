/* SPDX-License-Identifier: BSD-2-Clause */
/* A door's end of the line to the daemon (ctl/link.h), on its main thread. */
#pragma once

#include <stdbool.h>
#include <jansson.h>
#include <uv.h>

struct channel;
struct link; /* a door's main thread: each door has its own */

/* A message by its name "m". A descriptor that came with it is taken by line_take_fd. */
struct line_order {
	const char *name;
	void (*take)(struct link *l, json_t *msg); /* msg is borrowed */
};

struct line_handler {
	const struct line_order *orders; /* ends with a name that is NULL */
	/* A message that is not among them; "stop" is the line's own. */
	void (*on_other)(struct link *l, const char *name, json_t *msg);
	/* Once: no message will come any more. line_finish follows when all is told. */
	void (*on_stop)(struct link *l);
};

struct line {
	const struct line_handler *handler;
	struct link *link;
	struct channel *channel; /* NULL: the daemon is gone */
	int fd;                  /* came with the message at hand, or -1 */
	bool stopping;
	int status; /* the process's exit status */
};

/* Takes fd; handler and link are borrowed. 0 or a negative code. */
int line_open(struct line *line, uv_loop_t *loop, int fd, const struct line_handler *handler,
	struct link *link);
/* The descriptor of the message at hand, the caller's; -1: none. */
int line_take_fd(struct line *line);
/* Takes message (NULL: out of memory, nothing is sent). */
void line_send(struct line *line, json_t *message);
/* The same for what may be lost without a word: borrowed; 0 or a negative code. */
int line_try(struct line *line, json_t *message);
/* What a daemon never sends: it is broken, or somebody else. The process ends. */
void line_nonsense(struct line *line, const char *what);
/* Nothing can go on: the process ends. */
void line_fail(struct line *line);
/* Calls on_stop, the first time. */
void line_stop(struct line *line, int status);
/* Closes once all is sent. */
void line_finish(struct line *line);
