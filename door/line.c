/* SPDX-License-Identifier: BSD-2-Clause */
/* The line to the daemon, on a door's main thread. In: the messages of ctl/link.h, each of which
 * goes to the door's function for it. Out: what the door has to tell. A daemon that speaks nonsense
 * or goes away ends the process in order. It knows no policy, and it never touches a session or a
 * packet. */
#include "door/line.h"

#include <stdlib.h>
#include <string.h>
#include "base/channel.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/link.h"
#include "door/json.h"

static void line_obey(struct line *line, json_t *msg)
{
	const char *name = text_of(msg, "m");

	if (strcmp(name, "stop") == 0) {
		line_stop(line, EXIT_SUCCESS);
		return;
	}
	for (const struct line_order *o = line->handler->orders; o->name; o++)
		if (strcmp(name, o->name) == 0) {
			o->take(line->link, msg);
			return;
		}
	line->handler->on_other(line->link, name, msg);
}

static void line_on_message(void *arg, struct channel *ch, json_t *msg, int fd)
{
	struct line *line = arg;

	(void)ch;
	line->fd = fd;
	if (!line->stopping)
		line_obey(line, msg);
	if ((fd = line_take_fd(line)) >= 0)
		close(fd);
}

static void line_on_close(void *arg, struct channel *ch, int code)
{
	struct line *line = arg;

	if (!line->stopping)
		log_warn("the daemon is gone reason=%s", err_text(code));
	channel_free(ch);
	line->channel = NULL;
	line_stop(line, code == ERR_CLOSED || code == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int line_open(struct line *line, uv_loop_t *loop, int fd, const struct line_handler *handler,
	struct link *link)
{
	static const struct channel_limits limits = { LINK_LINE_FROM_DAEMON, LINK_QUEUE };
	static const struct channel_handler mine = { line_on_message, line_on_close };

	*line = (struct line){ .handler = handler, .link = link, .fd = -1 };
	return channel_new(loop, fd, &limits, &mine, line, &line->channel);
}

int line_take_fd(struct line *line)
{
	return take_fd(&line->fd);
}

int line_try(struct line *line, json_t *message)
{
	return line->channel ? channel_send(line->channel, message, -1) : 0;
}

void line_send(struct line *line, json_t *message)
{
	int r = line_try(line, message);

	json_decref(message);
	if (r < 0)
		log_warn("link send error=%s", err_text(r));
}

void line_nonsense(struct line *line, const char *what)
{
	log_error("link refused message=%s", log_quote(span_of(what)));
	line_fail(line);
}

void line_fail(struct line *line)
{
	line_stop(line, EXIT_FAILURE);
}

void line_stop(struct line *line, int status)
{
	if (line->stopping)
		return;
	line->stopping = true;
	line->status = status;
	line->handler->on_stop(line->link);
}

void line_finish(struct line *line)
{
	if (line->channel)
		channel_finish(line->channel);
}
