/* SPDX-License-Identifier: BSD-2-Clause */
/* Where verdicts, strikes and bans are written down. In: events that workers made of verdicts and
 * the daemon of bans, as JSON objects. Out: one line each in events.json, and answers to "events"
 * and "explain" from a ring in memory or, for older ones, from the file and the one before it.
 * Lines are appended whole, so that whoever follows the file never reads half of one; what a crash
 * tore is closed off at the next start. It judges nothing, adds nothing to an event, and a full
 * disk costs events (counted), never the daemon. */
#include "ctl/events.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

enum { EVENTS_TAIL = 2 << 20 /* read back at start */ };

struct events {
	char *path, *old_path;
	int fd;
	uint64_t size, max_bytes, lost;
	int error;
	/* A ring of lines as text: smaller than objects, and what a hostile worker can make us keep
	 * is bounded. */
	char *ring[EVENTS_KEEP];
	size_t first, count, bytes;
};

/* ---- memory ---- */

static char **ring_at(const struct events *e, size_t i)
{
	return (char **)&e->ring[(e->first + i) % EVENTS_KEEP];
}

static void ring_drop_first(struct events *e)
{
	char **line = ring_at(e, 0);

	e->bytes -= strlen(*line);
	free(*line);
	*line = NULL;
	e->first = (e->first + 1) % EVENTS_KEEP;
	e->count--;
}

/* Takes line. */
static void ring_add(struct events *e, char *line)
{
	size_t len = strlen(line);

	while (e->count > 0 && (e->count == EVENTS_KEEP || e->bytes + len > EVENTS_KEEP_BYTES))
		ring_drop_first(e);
	*ring_at(e, e->count++) = line;
	e->bytes += len;
}

json_t *events_last(const struct events *e, size_t n)
{
	json_t *all = json_array();

	if (n > e->count)
		n = e->count;
	for (size_t i = e->count - n; all && i < e->count; i++) {
		json_t *event = json_loads(*ring_at(e, i), 0, NULL);

		if (event)
			json_array_append_new(all, event);
	}
	return all;
}

/* ---- the file ---- */

static int file_write(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int file_open(struct events *e)
{
	char last = '\n';
	struct stat st;

	e->fd = open(e->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	if (e->fd < 0 || fstat(e->fd, &st) < 0)
		return -errno;
	e->size = (uint64_t)st.st_size;
	/* A line torn by a crash must not swallow the next event. */
	if (e->size > 0 && pread(e->fd, &last, 1, st.st_size - 1) == 1 && last != '\n' &&
		file_write(e->fd, "\n", 1) == 0)
		e->size++;
	return 0;
}

static void file_close(struct events *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

static void file_rotate(struct events *e)
{
	int r;

	file_close(e);
	if (rename(e->path, e->old_path) < 0 && errno != ENOENT)
		log_warn("event=events-rotate path=%s error=\"%s\"", e->path, strerror(errno));
	if ((r = file_open(e)) < 0)
		log_error("event=events-open path=%s error=\"%s\"", e->path, err_text(r));
}

/* The end of the file into memory, so that "events" knows the past after a restart. */
static void file_recall(struct events *e)
{
	size_t len = e->size < EVENTS_TAIL ? (size_t)e->size : EVENTS_TAIL;
	cleanup_free char *tail = malloc(len + 1);
	char *line, *save = NULL;
	ssize_t n;

	if (!tail || (n = pread(e->fd, tail, len, (off_t)(e->size - len))) <= 0)
		return;
	tail[n] = '\0';
	line = tail;
	if (len < e->size) /* begins somewhere inside a line */
		line = strchr(tail, '\n');
	for (line = line ? strtok_r(line, "\n", &save) : NULL; line;
		line = strtok_r(NULL, "\n", &save)) {
		char *copy = line[0] == '{' ? strdup(line) : NULL;

		if (copy)
			ring_add(e, copy);
	}
}

int events_open(const char *log_dir, uint64_t max_bytes, struct events **out)
{
	struct events *e = calloc(1, sizeof *e);
	int r = -ENOMEM;

	if (!e)
		return r;
	e->fd = -1;
	e->max_bytes = max_bytes;
	if (asprintf(&e->path, "%s/events.json", log_dir) < 0)
		e->path = NULL;
	if (asprintf(&e->old_path, "%s/events.json.1", log_dir) < 0)
		e->old_path = NULL;
	if (!e->path || !e->old_path || (r = file_open(e)) < 0) {
		events_close(e);
		return r;
	}
	file_recall(e);
	*out = e;
	return 0;
}

void events_close(struct events *e)
{
	if (!e)
		return;
	file_close(e);
	while (e->count > 0)
		ring_drop_first(e);
	free(e->path);
	free(e->old_path);
	free(e);
}

void events_reopen(struct events *e, uint64_t max_bytes)
{
	struct stat ours, there;
	int r;

	e->max_bytes = max_bytes;
	if (e->fd >= 0 && fstat(e->fd, &ours) == 0 && stat(e->path, &there) == 0 &&
		ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
		return;
	file_close(e);
	if ((r = file_open(e)) < 0)
		log_error("event=events-open path=%s error=\"%s\"", e->path, err_text(r));
}

/* line ends with '\n'. One write: followers never see half a line unless the disk is full. */
static void file_add(struct events *e, const char *line, size_t len)
{
	int r;

	if (e->fd >= 0 && e->size > 0 && e->size + len > e->max_bytes)
		file_rotate(e);
	r = e->fd >= 0 ? file_write(e->fd, line, len) : -EBADF;
	e->error = r;
	if (r == 0) {
		e->size += len;
		return;
	}
	e->lost++;
	log_error("event=events-write path=%s error=\"%s\" lost=%llu", e->path, err_text(r),
		(unsigned long long)e->lost);
}

void events_add(struct events *e, json_t *event)
{
	char *line = json_dumps(event, JSON_COMPACT);
	size_t len = line ? strlen(line) : 0;

	if (!line) {
		e->lost++;
		return;
	}
	line[len] = '\n'; /* in the NUL's place for the one write, then back */
	file_add(e, line, len + 1);
	line[len] = '\0';
	ring_add(e, line);
}

uint64_t events_lost(const struct events *e)
{
	return e->lost;
}

int events_error(const struct events *e)
{
	return e->error;
}

/* ---- looking for an id ---- */

/* The line's event if it really is the one of that id and does not only mention it. */
static json_t *line_event(const char *line, size_t len, const char *id)
{
	json_t *event = json_loadb(line, len, 0, NULL);
	const char *own = json_string_value(json_object_get(json_object_get(event, "xmpp"), "id"));

	if (own && strcmp(own, id) == 0)
		return event;
	json_decref(event);
	return NULL;
}

/* Line by line, not mapped: another tool may truncate the file at any moment. */
static json_t *file_find(const char *path, const char *id)
{
	FILE *in = fopen(path, "re");
	cleanup_free char *line = NULL;
	json_t *event = NULL;
	size_t size = 0;
	ssize_t n;

	while (in && !event && (n = getline(&line, &size, in)) > 0)
		if (strstr(line, id))
			event = line_event(line, (size_t)n, id);
	if (in)
		fclose(in);
	return event;
}

json_t *events_find(const struct events *e, const char *id)
{
	json_t *event = NULL;

	if (!*id)
		return NULL;
	for (size_t i = e->count; i > 0 && !event; i--) {
		const char *line = *ring_at(e, i - 1);

		if (strstr(line, id))
			event = line_event(line, strlen(line), id);
	}
	if (!event)
		event = file_find(e->path, id);
	return event ? event : file_find(e->old_path, id);
}
