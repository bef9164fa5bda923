/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of one child that sees network bytes: fork and exec, the line to it, its end, its next
 * life. In: what libuv says of its line and of SIGCHLD. Out: on_up, on_message, on_down to
 * ctl/workers.c. One that keeps dying is started ever more slowly; one that does not get ready, or
 * does not read what it is told, is killed: a broken sibling is presumed hostile. The listeners are
 * not its, so peers wait in the kernel's queue meanwhile. */
#include "ctl/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/channel.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/link.h"

enum {
	WORKER_BACKOFF_FIRST_MS = 100,
	WORKER_BACKOFF_MAX_MS = 30000,
	WORKER_STEADY_MS = 60000,     /* having lived so long, its death is the first again */
	WORKER_START_MAX_MS = 180000, /* a large policy takes its time to compile */
	WORKER_RETIRE_GRACE_MS = 10000,
};

struct worker {
	struct worker_spec spec;
	uv_loop_t *loop;
	uv_timer_t timer; /* next start, or the end of patience */
	enum worker_state state;
	struct channel *channel;
	pid_t pid; /* 0: reaped */
	bool wanted;
	bool once; /* not started again */
	bool retired, ended_well;
	bool eof;
	unsigned failures, restarts;
	uint64_t since_ms, until_ms;
	char sandbox[128], trouble[200];
};

static const char *const state_texts[] = {
	[WORKER_DOWN] = "down",
	[WORKER_STARTING] = "starting",
	[WORKER_READY] = "ready",
	[WORKER_STOPPING] = "stopping",
};

static void worker_set_state(struct worker *w, enum worker_state state)
{
	log_debug("event=worker-state worker=%s from=%s to=%s", w->spec.name, state_texts[w->state],
		state_texts[state]);
	w->state = state;
}

static void worker_set_trouble(struct worker *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void worker_set_trouble(struct worker *w, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(w->trouble, sizeof w->trouble, format, args);
	va_end(args);
}

struct worker *worker_new(uv_loop_t *loop, const struct worker_spec *spec)
{
	struct worker *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->spec = *spec;
	w->loop = loop;
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	return w;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void worker_free(struct worker *w)
{
	if (!w)
		return;
	channel_free(w->channel);
	uv_close((uv_handle_t *)&w->timer, on_timer_closed);
}

/* ---- its end ---- */

static void on_restart(uv_timer_t *timer)
{
	worker_start(timer->data);
}

static void worker_schedule(struct worker *w)
{
	uint64_t delay = WORKER_BACKOFF_FIRST_MS;

	for (unsigned i = 0; i < w->failures && delay < WORKER_BACKOFF_MAX_MS; i++)
		delay *= 2;
	if (delay > WORKER_BACKOFF_MAX_MS)
		delay = WORKER_BACKOFF_MAX_MS;
	w->failures++;
	uv_timer_start(&w->timer, on_restart, delay, 0);
}

/* Reaped, and all it said has been read. */
static void worker_gone(struct worker *w)
{
	bool steady = w->state == WORKER_READY && clock_mono_ms() - w->since_ms > WORKER_STEADY_MS;

	channel_free(w->channel);
	w->channel = NULL;
	uv_timer_stop(&w->timer);
	worker_set_state(w, WORKER_DOWN);
	w->spec.on_down(w->spec.arg, w); /* the owner may let go of it here */
	if (!w->wanted || w->once)
		return;
	if (steady)
		w->failures = 0;
	w->restarts++;
	worker_schedule(w);
}

static void worker_gone_if_all(struct worker *w)
{
	if (w->pid == 0 && w->eof && w->state != WORKER_DOWN)
		worker_gone(w);
}

void worker_reap(struct worker *w)
{
	int status;

	if (w->pid == 0 || waitpid(w->pid, &status, WNOHANG) != w->pid)
		return;
	w->pid = 0;
	w->ended_well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (w->wanted && WIFSIGNALED(status) && !(w->state == WORKER_STOPPING && *w->trouble))
		worker_set_trouble(w, "it was killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else if (w->wanted && WIFEXITED(status) && !(w->state == WORKER_STOPPING && *w->trouble))
		worker_set_trouble(
			w, "it ended with status %d; the log says why", WEXITSTATUS(status));
	if (w->wanted)
		log_error("event=worker-died worker=%s why=\"%s\"", w->spec.name, w->trouble);
	worker_gone_if_all(w);
}

void worker_kill(struct worker *w, const char *why)
{
	if (w->state == WORKER_DOWN)
		return;
	worker_set_trouble(w, "%s", why);
	log_error("event=worker-kill worker=%s why=\"%s\"", w->spec.name, why);
	if (w->pid > 0)
		kill(w->pid, SIGKILL);
	worker_set_state(w, WORKER_STOPPING);
}

static void on_start_timeout(uv_timer_t *timer)
{
	worker_kill(timer->data, "it did not get ready in time");
}

static void on_stop_timeout(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	log_warn("event=worker-stop worker=%s why=\"did not end in time\"", w->spec.name);
	if (w->pid > 0)
		kill(w->pid, SIGKILL);
}

/* ---- its line ---- */

static void on_channel_message(void *arg, struct channel *ch, json_t *msg, int fd)
{
	struct worker *w = arg;

	(void)ch;
	if (w->wanted && w->state == WORKER_STOPPING) { /* killed: nothing it says counts */
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd >= 0) { /* children have nothing to give */
		close(fd);
		worker_kill(w, "it sent a descriptor");
		return;
	}
	if (w->spec.on_message(w->spec.arg, w, msg) < 0)
		worker_kill(w, "it sent a message that does not fit");
}

static void on_channel_close(void *arg, struct channel *ch, int code)
{
	struct worker *w = arg;

	(void)ch;
	w->eof = true;
	if (w->pid > 0 && code != ERR_CLOSED)
		worker_kill(w, "its line broke");
	else if (w->pid > 0 && w->state != WORKER_STOPPING)
		kill(w->pid, SIGKILL); /* without a line it can tell us nothing; mostly it is dead
					  already */
	worker_gone_if_all(w);
}

bool worker_send(struct worker *w, json_t *msg, int fd)
{
	int r;

	if (!w->channel || w->eof || (w->state != WORKER_STARTING && w->state != WORKER_READY))
		return false;
	if ((r = channel_send(w->channel, msg, fd)) < 0) {
		worker_kill(
			w, r == ERR_LIMIT ? "it does not read what it is told" : "its line broke");
		return false;
	}
	return true;
}

/* ---- its start ---- */

/* Takes fd. */
static int worker_line(struct worker *w, int fd)
{
	static const struct channel_limits limits = { LINK_LINE_FROM_WORKER, LINK_QUEUE };
	static const struct channel_handler handler = { on_channel_message, on_channel_close };

	return channel_new(w->loop, fd, &limits, &handler, w, &w->channel);
}

static int worker_spawn(struct worker *w)
{
	char path[4096], *argv[] = { (char *)w->spec.name, NULL };
	struct child_spec child = { path, argv, w->spec.metrics_fd };
	int fd, r;

	snprintf(path, sizeof path, "%s/%s", w->spec.libexec_dir, w->spec.name);
	if ((r = child_spawn(&child, &w->pid, &fd)) < 0) {
		worker_set_trouble(w, "%s cannot be started: %s%s", path, err_text(r),
			r == -ENOENT ? " (is it installed? see --libexec-dir)" : "");
		return r;
	}
	if ((r = worker_line(w, fd)) == 0)
		return 0;
	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	w->pid = 0;
	worker_set_trouble(w, "no line to it: %s", err_text(r));
	return r;
}

void worker_start(struct worker *w)
{
	w->wanted = true;
	if (w->state != WORKER_DOWN)
		return;
	w->eof = w->ended_well = false;
	*w->sandbox = '\0';
	w->pid = 0;
	if (worker_spawn(w) < 0) {
		log_error("event=worker-start worker=%s error=\"%s\"", w->spec.name, w->trouble);
		bool once = w->once;

		w->spec.on_down(w->spec.arg, w);
		if (!once && w->wanted)
			worker_schedule(w);
		return;
	}
	worker_set_state(w, WORKER_STARTING);
	w->since_ms = clock_mono_ms();
	uv_timer_start(&w->timer, on_start_timeout, WORKER_START_MAX_MS, 0);
	w->spec.on_up(w->spec.arg, w);
}

void worker_start_once(struct worker *w)
{
	w->once = true;
	worker_start(w);
}

void worker_keep(struct worker *w)
{
	w->once = false;
}

void worker_set_ready(struct worker *w, const char *sandbox)
{
	if (w->state != WORKER_STARTING)
		return;
	uv_timer_stop(&w->timer);
	snprintf(w->sandbox, sizeof w->sandbox, "%s", sandbox);
	for (char *c = w->sandbox; *c; c++) /* a child's word ends on a terminal */
		if (*c < ' ' || *c > '~')
			*c = '?';
	w->since_ms = clock_mono_ms();
	*w->trouble = '\0';
	worker_set_state(w, WORKER_READY);
	log_info("event=worker-ready worker=%s pid=%d sandbox=\"%s\"", w->spec.name, (int)w->pid,
		w->sandbox);
}

void worker_stop(struct worker *w, uint64_t grace_ms)
{
	json_t *stop;

	w->wanted = false;
	uv_timer_stop(&w->timer);
	if (w->state == WORKER_DOWN) {
		w->spec.on_down(w->spec.arg, w);
		return;
	}
	stop = json_pack("{s:s}", "m", "stop");
	if ((!stop || !worker_send(w, stop, -1)) && w->pid > 0)
		kill(w->pid, SIGKILL);
	json_decref(stop);
	worker_set_state(w, WORKER_STOPPING);
	uv_timer_start(&w->timer, on_stop_timeout, grace_ms, 0);
}

void worker_retire(struct worker *w, uint64_t ms)
{
	json_t *retire = json_pack("{s:s,s:I}", "m", "retire", "ms", (json_int_t)ms);

	w->once = w->retired = true;
	w->until_ms = clock_mono_ms() + ms;
	worker_send(w, retire, -1);
	json_decref(retire);
	if (w->state == WORKER_READY) /* it ends by itself; should it not: */
		uv_timer_start(&w->timer, on_stop_timeout, ms + WORKER_RETIRE_GRACE_MS, 0);
}

void worker_expect_end(struct worker *w, uint64_t grace_ms)
{
	if (w->state != WORKER_READY && w->state != WORKER_STARTING)
		return;
	w->wanted = false;
	worker_set_state(w, WORKER_STOPPING);
	uv_timer_start(&w->timer, on_stop_timeout, grace_ms, 0);
}

/* ---- from one program of the daemon to the next ---- */

bool worker_hold(const struct worker *w, struct worker_hold *hold, const char **unread, size_t *len)
{
	if (w->state != WORKER_READY || w->eof || w->pid == 0 || channel_queued(w->channel) > 0)
		return false;
	*hold = (struct worker_hold){ w->pid, channel_fd(w->channel, unread, len), w->sandbox,
		w->retired, w->since_ms, w->until_ms, w->restarts };
	return hold->fd >= 0;
}

int worker_adopt(struct worker *w, const struct worker_hold *hold, const char *unread, size_t len)
{
	uint64_t now = clock_mono_ms();
	int r;

	if ((r = worker_line(w, hold->fd)) < 0)
		return r;
	w->pid = hold->pid;
	w->wanted = true;
	w->once = w->retired = hold->retired;
	w->since_ms = hold->since_ms;
	w->until_ms = hold->until_ms;
	w->restarts = hold->restarts;
	snprintf(w->sandbox, sizeof w->sandbox, "%s", hold->sandbox);
	worker_set_state(w, WORKER_READY);
	if (w->retired)
		uv_timer_start(&w->timer, on_stop_timeout,
			(w->until_ms > now ? w->until_ms - now : 0) + WORKER_RETIRE_GRACE_MS, 0);
	return channel_resume(w->channel, unread, len);
}

/* ---- looking ---- */

uint64_t worker_since(const struct worker *w)
{
	return w->since_ms;
}

bool worker_is_retired(const struct worker *w)
{
	return w->retired;
}

bool worker_ended_well(const struct worker *w)
{
	return w->ended_well;
}

pid_t worker_pid(const struct worker *w)
{
	return w->pid;
}

enum worker_state worker_state(const struct worker *w)
{
	return w->state;
}

const char *worker_name(const struct worker *w)
{
	return w->spec.name;
}

const char *worker_trouble(const struct worker *w)
{
	return w->trouble;
}

json_t *worker_status(const struct worker *w)
{
	bool up = w->state == WORKER_READY && w->retired;
	uint64_t now = clock_mono_ms();
	json_t *row = json_pack("{s:s,s:i,s:s,s:s,s:i,s:I}", "name", w->spec.name, "pid",
		(int)w->pid, "state", up ? "retiring" : state_texts[w->state], "sandbox",
		*w->sandbox ? w->sandbox : state_texts[w->state], "restarts", (int)w->restarts,
		"age_ms",
		w->state == WORKER_DOWN ? (json_int_t)0 : (json_int_t)(now - w->since_ms));

	if (row && w->retired)
		json_object_set_new(row, "until",
			json_integer(clock_wall_ms() +
				     (w->until_ms > now ? (int64_t)(w->until_ms - now) : 0)));
	return row;
}
