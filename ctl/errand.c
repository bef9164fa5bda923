/* SPDX-License-Identifier: BSD-2-Clause */
/* How the daemon has something done that it must not do itself, since strangers' bytes are read on
 * the way: a program of its own is started for it (fetch/main.c, report/main.c, ca/main.c). In: a request as
 * JSON on its descriptor 0. Out: one JSON object it left in a file in memory. A program that hangs
 * is killed; what it says is taken for no more than an object; it gets no descriptor but those
 * four. */
#include "ctl/errand.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"

enum { ANSWER_DEFAULT = 65536 };

struct errand {
	uv_process_t process;
	uv_timer_t timer;
	unsigned handles; /* not closed yet */
	int answer;       /* where the program writes */
	size_t answer_max;
	char program[64], why[256];
	void (*done)(void *arg, const json_t *answer, const char *why);
	void *arg;
};

/* A file in memory that holds the text (NULL: nothing), at its beginning. */
static int memory_new(const char *text)
{
	cleanup_fd int fd = memfd_create("xmppwall-errand", MFD_CLOEXEC);

	if (fd < 0 || (text && (write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
				       lseek(fd, 0, SEEK_SET) < 0)))
		return -EIO;
	return take_fd(&fd);
}

static int request_new(const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	int fd = text ? memory_new(text) : -ENOMEM;

	free(text);
	return fd;
}

static json_t *answer_read(const struct errand *e)
{
	char *text = malloc(e->answer_max);
	json_t *answer = NULL;
	ssize_t n = text ? pread(e->answer, text, e->answer_max, 0) : -1;

	if (n > 0)
		answer = json_loadb(text, (size_t)n, JSON_DISABLE_EOF_CHECK, NULL);
	free(text);
	if (json_is_object(answer))
		return answer;
	json_decref(answer);
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	struct errand *e = handle->data;
	json_t *answer;

	if (--e->handles > 0)
		return;
	answer = *e->why ? NULL : answer_read(e);
	if (!answer && !*e->why)
		snprintf(e->why, sizeof e->why, "%s ended without a word", e->program);
	e->done(e->arg, answer, e->why);
	json_decref(answer);
	close(e->answer);
	free(e);
}

static void handles_close(struct errand *e)
{
	uv_close((uv_handle_t *)&e->process, on_closed);
	uv_close((uv_handle_t *)&e->timer, on_closed);
}

static void on_exit_of(uv_process_t *process, int64_t status, int number)
{
	struct errand *e = process->data;

	(void)status;
	if (number)
		log_warn("event=errand program=%s signal=%d", e->program, number);
	handles_close(e);
}

static void on_late(uv_timer_t *timer)
{
	struct errand *e = timer->data;

	snprintf(e->why, sizeof e->why, "it took longer than its timeout");
	(void)uv_process_kill(&e->process, SIGKILL);
}

/* libuv puts the descriptors in place, all others close on exec. */
static void program_start(struct errand *e, const struct errand_spec *spec, int request)
{
	char path[PATH_MAX];
	char *argv[] = { e->program, NULL };
	uv_stdio_container_t stdio[4] = {
		{ .flags = UV_INHERIT_FD, .data.fd = request },
		{ .flags = UV_INHERIT_FD, .data.fd = e->answer },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = spec->body },
	};
	uv_process_options_t options = { .exit_cb = on_exit_of,
		.file = path,
		.args = argv,
		.stdio = stdio,
		.stdio_count = spec->body < 0 ? 3 : 4 };
	struct rlimit room = { spec->file_max, spec->file_max };
	int r;

	snprintf(path, sizeof path, "%s/%s", spec->folder, spec->program);
	if ((r = uv_spawn(spec->loop, &e->process, &options)) < 0) {
		snprintf(e->why, sizeof e->why, "cannot start %.160s: %s", path, err_text(r));
		handles_close(e); /* the end comes from there */
		return;
	}
	/* It limits itself, too; this is in case somebody took it over. */
	(void)prlimit(e->process.pid, RLIMIT_FSIZE, &room, NULL);
	uv_timer_start(&e->timer, on_late, spec->timeout_ms, 0);
}

int errand_start(const struct errand_spec *spec, struct errand **out)
{
	cleanup_fd int request = request_new(spec->request), answer = memory_new(NULL);
	struct errand *e;

	if (request < 0 || answer < 0)
		return request < 0 ? request : answer;
	if (!(e = calloc(1, sizeof *e)))
		return -ENOMEM;
	snprintf(e->program, sizeof e->program, "%s", spec->program);
	e->answer = take_fd(&answer);
	e->answer_max = spec->answer_max ? spec->answer_max : ANSWER_DEFAULT;
	e->done = spec->done;
	e->arg = spec->arg;
	e->handles = 2;
	e->process.data = e->timer.data = e;
	uv_timer_init(spec->loop, &e->timer);
	program_start(e, spec, request);
	*out = e;
	return 0;
}

void errand_end(struct errand *e)
{
	if (e->handles == 2 && !uv_is_closing((uv_handle_t *)&e->process))
		(void)uv_process_kill(&e->process, SIGKILL);
}
