/* SPDX-License-Identifier: BSD-2-Clause */
/* "upgrade", SIGUSR2 (docs/UPGRADE.md). In: the programs on disk. Then: the next daemon is asked,
 * as a child, whether it takes the policy in force; a next proxy is started and serves; and, once
 * nothing is under way, this process becomes the next daemon. Until that last call any failure
 * leaves everything as it is, but for a new child of the new program, which serves. It waits for
 * nobody for long: what operators ask in the last moment is handed over unanswered. Taking over is
 * ctl/adopt.c's. */
#include "ctl/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "ctl/command.h"
#include "ctl/config.h"
#include "ctl/daemon.h"
#include "ctl/handover.h"
#include "ctl/jobs.h"
#include "ctl/mint.h"
#include "ctl/observed.h"
#include "ctl/probation.h"
#include "ctl/shadows.h"
#include "ctl/traces.h"
#include "ctl/workers.h"
#include "rules/part.h"
#include "rules/rules.h"

enum {
	ANSWER_NO = 1,
	CHECK_MAX_MS = 180000, /* compiling a large policy takes its time */
	CHECK_SAID_MAX = 8192,
	CHECK_FD = 3,
	CHECK_FD_BUNDLE = 4,
	CHECK_FD_PARTS = 5, /* and on */
	QUIET_LOOK_MS = 10,
	QUIET_SLOW_MS = 1000, /* then who does not read is hung up on */
	QUIET_MAX_MS = 8000,
	DEFERRED_MAX = CONTROL_CLIENTS_MAX * CONTROL_REQUESTS_MAX,
};

enum stage { STAGE_NONE, STAGE_CHECK, STAGE_CHILD, STAGE_TURN, STAGE_QUIET };

struct upgrade {
	struct daemon *d;
	uv_timer_t timer;
	enum stage stage;
	struct request *rq;
	uint64_t drain_ms, since_ms;
	struct request *deferred[DEFERRED_MAX];
	size_t n_deferred;
	bool reload;      /* was asked for meanwhile */
	int bundle, code; /* of the check */
	struct part_set parts;
	struct buf said;
	char *failed;
};

extern char **environ;

struct upgrade *upgrade_new(struct daemon *d)
{
	struct upgrade *u = calloc(1, sizeof *u);

	if (!u)
		return NULL;
	u->d = d;
	u->bundle = -1;
	buf_init(&u->said, CHECK_SAID_MAX);
	uv_timer_init(&d->loop, &u->timer);
	u->timer.data = u;
	return u;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct upgrade *u = handle->data;

	buf_fini(&u->said);
	free(u->failed);
	free(u);
}

void upgrade_free(struct upgrade *u)
{
	if (!u)
		return;
	if (u->rq)
		request_refuse(u->rq, ANSWER_NO, NULL, "the daemon is stopping");
	u->rq = NULL;
	uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}

/* ---- its end, here ---- */

/* What waited is run by this program after all. */
static void deferred_run(struct upgrade *u)
{
	size_t n = u->n_deferred;

	u->n_deferred = 0;
	if (u->reload && u->d->state == DAEMON_RUNNING)
		daemon_reload(u->d, NULL, NULL);
	u->reload = false;
	for (size_t i = 0; i < n; i++)
		command_run(u->d, u->deferred[i]);
}

static void upgrade_fail(struct upgrade *u, const char *diagnostics, const char *why)
{
	struct request *rq = u->rq;

	log_error("event=upgrade result=refused why=\"%.*s\"", (int)strcspn(why, "\n"), why);
	u->stage = STAGE_NONE;
	u->rq = NULL;
	uv_timer_stop(&u->timer);
	free(u->failed);
	u->failed = strndup(why, strcspn(why, "\n"));
	sd_notify(0, "READY=1");
	if (rq)
		request_refuse(rq, ANSWER_NO, diagnostics, "not upgraded: %s", why);
	deferred_run(u);
}

void upgrade_done(struct upgrade *u, const char *failed)
{
	free(u->failed);
	u->failed = failed ? strdup(failed) : NULL;
	if (failed)
		log_error("event=upgrade result=refused why=\"%s\"", failed);
	else
		log_info("event=upgrade result=done version=%s", XMPPWALL_VERSION);
}

void upgrade_attention(const struct upgrade *u, json_t *lines)
{
	if (u->failed)
		json_array_append_new(
			lines, json_sprintf("the last upgrade failed: %s", u->failed));
}

/* From the moment on when a job of theirs would be queued behind ours. */
bool upgrade_defers(struct upgrade *u, struct request *rq, bool at_once)
{
	if (u->stage != STAGE_QUIET && (u->stage != STAGE_TURN || at_once))
		return false;
	if (u->n_deferred == DEFERRED_MAX)
		return false;
	u->deferred[u->n_deferred++] = rq;
	return true;
}

bool upgrade_defers_reload(struct upgrade *u)
{
	u->reload |= u->stage == STAGE_TURN || u->stage == STAGE_QUIET;
	return u->reload;
}

/* ---- the next program's arguments ---- */

enum { ARGS_MAX = 20 };

struct arguments {
	char *argv[ARGS_MAX];
	char fd[16];
};

static void arguments_make(const struct daemon *d, int fd, bool check, struct arguments *a)
{
	const char *fixed[] = { d->spec.program, "--config", d->spec.config, "--state-dir",
		d->spec.state_dir, "--run-dir", d->spec.run_dir, "--log-dir", d->spec.log_dir,
		"--libexec-dir", d->spec.libexec_dir, "--adopt", a->fd };
	size_t n = sizeof fixed / sizeof *fixed;

	snprintf(a->fd, sizeof a->fd, "%d", fd);
	memcpy(a->argv, fixed, sizeof fixed);
	if (check)
		a->argv[n++] = "--check";
	if (d->spec.no_firewall)
		a->argv[n++] = "--no-firewall";
	a->argv[n] = NULL;
}

/* ---- asked first: in a job, beside the loop ---- */

/* What it says until it ends, at most CHECK_MAX_MS. */
static void check_listen(struct upgrade *u, int fd, pid_t pid)
{
	uint64_t end = clock_mono_ms() + CHECK_MAX_MS;
	char chunk[1024];
	ssize_t n = 1;

	while (n > 0) {
		struct pollfd p = { fd, POLLIN, 0 };
		uint64_t now = clock_mono_ms();

		if (now >= end || poll(&p, 1, (int)(end - now)) == 0) {
			buf_puts(&u->said, "it gave no answer in time\n");
			kill(pid, SIGKILL);
			return;
		}
		n = read(fd, chunk, sizeof chunk);
		if (n > 0)
			(void)buf_put(&u->said, chunk, (size_t)n);
		else if (n < 0 && errno == EINTR)
			n = 1;
	}
}

/* high: the parts. All descriptors are above those that the child is to have. */
static int check_spawn(struct upgrade *u, int state, int out, const int *high, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	struct arguments a;
	sigset_t none, all;
	int r;

	arguments_make(u->d, CHECK_FD, true, &a);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&actions, state, CHECK_FD);
	posix_spawn_file_actions_adddup2(&actions, u->bundle, CHECK_FD_BUNDLE);
	for (size_t i = 0; i < u->parts.n; i++)
		posix_spawn_file_actions_adddup2(&actions, high[i], CHECK_FD_PARTS + (int)i);
	r = posix_spawn(pid, u->d->spec.program, &actions, &attr, a.argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	return -r;
}

/* Out of the way of those that the child is to have. */
static int lift(const struct upgrade *u, int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, CHECK_FD_PARTS + (int)u->parts.n);

	return high < 0 ? -errno : high;
}

static int lift_own(const struct upgrade *u, int *fd)
{
	int high = lift(u, *fd);

	close(*fd);
	*fd = high;
	return high;
}

static json_t *check_json(const struct upgrade *u)
{
	json_t *parts = json_array();

	for (size_t i = 0; i < u->parts.n; i++)
		json_array_append_new(parts, json_pack("{s:i}", "fd", CHECK_FD_PARTS + (int)i));
	return json_pack("{s:i,s:s,s:b,s:o,s:{s:i}}", "handover", HANDOVER_VERSION, "version",
		XMPPWALL_VERSION, "check", 1, "parts", parts, "fds", "bundle", CHECK_FD_BUNDLE);
}

/* The child under way; what it says comes at *in. */
static int check_start(struct upgrade *u, int *in, pid_t *pid)
{
	json_t *ask = check_json(u);
	cleanup_fd int state = -1, out = -1;
	cleanup_free int *high = calloc(u->parts.n + 1, sizeof *high);
	int line[2], r = ask && high ? handover_write(ask, &state) : -ENOMEM;
	size_t n = 0;

	json_decref(ask);
	if (r == 0 && pipe2(line, O_CLOEXEC) < 0)
		r = -errno;
	if (r < 0)
		return r;
	*in = line[0];
	out = line[1];
	for (; n < u->parts.n && r >= 0; n++)
		r = high[n] = lift(u, u->parts.all[n]->fd);
	if (r >= 0 && (r = lift_own(u, &state)) >= 0 && (r = lift_own(u, &out)) >= 0 &&
		(r = lift_own(u, &u->bundle)) >= 0)
		r = check_spawn(u, state, out, high, pid);
	while (n-- > 0)
		if (high[n] >= 0)
			close(high[n]);
	return r < 0 ? r : 0;
}

static int check_run(struct upgrade *u)
{
	cleanup_fd int in = -1;
	int r, status;
	pid_t pid = 0;

	if ((r = check_start(u, &in, &pid)) < 0)
		return r;
	check_listen(u, in, pid);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ERR_REFUSED;
}

static void check_work(void *arg)
{
	struct upgrade *u = arg;

	u->code = check_run(u);
	if (u->bundle >= 0)
		close(take_fd(&u->bundle));
	part_set_fini(&u->parts);
}

/* ---- the daemon's turn ---- */

/* For the way back; all but the descriptor. */
static json_t *args_json(const struct daemon *d)
{
	json_t *args = json_array();
	struct arguments a;

	arguments_make(d, -1, false, &a);
	for (size_t i = 1; a.argv[i]; i++)
		if (strcmp(a.argv[i], "--adopt") == 0)
			i++;
		else
			json_array_append_new(args, json_string(a.argv[i]));
	return args;
}

static json_t *parts_json(const struct daemon *d)
{
	const struct part_set *parts = policy_parts(d->config->policy);
	json_t *all = json_array();

	for (size_t i = 0; i < parts->n; i++)
		if (parts->all[i]->fd >= 0)
			json_array_append_new(all, json_pack("{s:i}", "fd", parts->all[i]->fd));
	return all;
}

static json_t *state_json(struct upgrade *u, int bundle, int program)
{
	struct daemon *d = u->d;
	json_t *state = json_pack("{s:i,s:s,s:o,s:{s:i,s:i,s:i,s:i,s:i,s:i},s:i,s:i,s:I,s:I,s:I}",
		"handover", HANDOVER_VERSION, "version", XMPPWALL_VERSION, "parts", parts_json(d),
		"fds", "bundle", bundle, "metrics", d->metrics_fd, "streams", d->streams_fd,
		"lock_state", d->lock_state, "lock_run", d->lock_run, "program", program, "threads",
		(int)d->threads, "generation", (int)d->generation, "since_ms",
		(json_int_t)d->since_ms, "since_mono_ms", (json_int_t)d->since_mono_ms, "loaded_ms",
		(json_int_t)d->config->loaded_ms);

	if (state)
		json_object_set_new(state, "args", args_json(d));
	if (state && u->reload)
		json_object_set_new(state, "reload", json_true());
	if (state && d->reload_trouble)
		json_object_set_new(state, "trouble", json_string(d->reload_trouble));
	return state;
}

static json_t *answer_json(struct upgrade *u)
{
	return json_pack("{s:b,s:{s:s,s:s,s:I,s:i}}", "ok", 1, "result", "former", XMPPWALL_VERSION,
		"policy", policy_version(u->d->config->policy), "drain", (json_int_t)u->drain_ms,
		"retiring", (int)workers_retiring(u->d->workers));
}

/* Returns only when it did not come to that. */
static int become(struct upgrade *u, const json_t *state)
{
	struct arguments a;
	sigset_t all, before;
	int fd = -1, r = handover_write(state, &fd);

	if (r < 0)
		return r;
	arguments_make(u->d, fd, false, &a);
	sigfillset(&all); /* a signal that comes in between waits for its new handler */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if ((r = handover_arm(state, fd)) == 0) {
		execve(u->d->spec.program, a.argv, environ);
		r = -errno;
		handover_disarm();
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(fd);
	return r;
}

/* Those that whoever asked still waits for; a client that hung up takes its own along. */
static size_t deferred_heard(const struct upgrade *u)
{
	size_t n = 0;

	for (size_t i = 0; i < u->n_deferred; i++)
		n += request_is_heard(u->deferred[i]);
	return n;
}

/* Streams between servers wait for them; not for long, if the authority's program hangs. */
static bool leaves_given(const struct upgrade *u)
{
	return mint_is_idle(u->d->mint) || clock_mono_ms() - u->since_ms > QUIET_SLOW_MS;
}

/* 0 when something is under way, negative when it failed; else it does not return. */
static int try_become(struct upgrade *u)
{
	struct daemon *d = u->d;
	cleanup_fd int bundle = -1, program = -1;
	json_t *state, *answer;
	int r = 0;

	if (d->settles || !jobs_held_only(d->jobs) || !leaves_given(u) ||
		control_requests(d->control) > deferred_heard(u) + (u->rq && u->rq->client))
		return 0;
	if ((bundle = config_bundle(d->config)) < 0)
		return bundle;
	if ((program = open("/proc/self/exe", O_PATH | O_CLOEXEC)) < 0)
		return -errno;
	state = state_json(u, bundle, program);
	answer = answer_json(u);
	if (!state || !answer)
		r = -ENOMEM;
	else if (workers_hold(d->workers, state) &&
		 control_hold(d->control, state, u->rq, answer)) {
		(void)observed_write(d->observed, d->config->policy);
		log_info("event=upgrade result=becoming program=%s", d->spec.program);
		r = become(u, state);
	}
	json_decref(state);
	json_decref(answer);
	return r;
}

static void on_look(uv_timer_t *timer)
{
	struct upgrade *u = timer->data;
	uint64_t waited = clock_mono_ms() - u->since_ms;
	char why[256];
	int r;

	if (waited > QUIET_SLOW_MS)
		control_drop_slow(u->d->control);
	r = u->d->state == DAEMON_RUNNING ? try_become(u) : ERR_CLOSED;
	if (r == 0 && waited <= QUIET_MAX_MS)
		return;
	if (r == 0)
		r = -ETIMEDOUT;
	snprintf(why, sizeof why,
		"the new xmppwall-proxy serves, but xmppwalld goes on as the old program: %s",
		r == -ETIMEDOUT ? "something was always under way" : err_text(r));
	jobs_release(u->d->jobs);
	upgrade_fail(u, NULL, why);
}

static void no_work(void *arg)
{
	(void)arg;
}

/* What was asked before has been done; what is asked from now on is the next program's. */
static void on_turn(void *arg)
{
	struct upgrade *u = arg;

	jobs_hold(u->d->jobs);
	traces_stop(u->d->traces);
	shadows_stop(u->d->shadows);
	u->stage = STAGE_QUIET;
	u->since_ms = clock_mono_ms();
	uv_timer_start(&u->timer, on_look, QUIET_LOOK_MS, QUIET_LOOK_MS);
}

/* ---- the stages before ---- */

static void on_child(void *arg, int code, const char *text)
{
	struct upgrade *u = arg;
	char why[512];

	jobs_release(u->d->jobs);
	if (u->stage != STAGE_CHILD)
		return;
	if (code < 0) {
		snprintf(why, sizeof why, "the new xmppwall-proxy does not serve: %s",
			*text ? text : err_text(code));
		upgrade_fail(u, NULL, why);
		return;
	}
	u->stage = STAGE_TURN;
	if (jobs_run(u->d->jobs, no_work, on_turn, u) < 0)
		upgrade_fail(u, NULL, err_text(-ENOMEM));
}

static void on_checked(void *arg)
{
	struct upgrade *u = arg;
	struct daemon *d = u->d;
	char why[512];

	if (d->state != DAEMON_RUNNING) {
		upgrade_fail(u, NULL, "the daemon is stopping");
	} else if (u->code < 0) {
		snprintf(why, sizeof why, "%s %s", d->spec.program,
			u->code == ERR_REFUSED ? "does not take over" : err_text(u->code));
		upgrade_fail(u, buf_string(&u->said), why);
	} else if (probation_runs(d->probation)) {
		upgrade_fail(u, NULL, "the policy in force waits to be confirmed");
	} else {
		u->stage = STAGE_CHILD;
		jobs_hold(d->jobs); /* no reload while it compiles what is in force */
		workers_upgrade(d->workers, u->drain_ms, on_child, u);
	}
}

/* Those that have a descriptor; a reload may let go of them meanwhile. */
static int parts_borrow(struct upgrade *u)
{
	const struct part_set *parts = policy_parts(u->d->config->policy);
	int r = 0;

	for (size_t i = 0; i < parts->n && r == 0; i++)
		if (parts->all[i]->fd >= 0)
			r = part_set_add(&u->parts, parts->all[i]);
	return r;
}

void upgrade_start(struct upgrade *u, struct request *rq, uint64_t drain_ms)
{
	struct daemon *d = u->d;
	const char *busy = u->stage != STAGE_NONE ? "another upgrade is under way"
			   : probation_runs(d->probation)
				   ? "the policy in force waits to be confirmed: 'xmppwallctl "
				     "confirm' or 'xmppwallctl rollback' first"
				   : NULL;

	if (busy) {
		if (rq)
			request_refuse(rq, ANSWER_NO, NULL, "not upgraded: %s", busy);
		else
			log_error("event=upgrade result=refused why=\"%s\"", busy);
		return;
	}
	log_info("event=upgrade-asked who=\"%s\"", rq ? rq->who : "SIGUSR2");
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		(unsigned long long)(clock_mono_ns() / 1000));
	u->rq = rq;
	u->drain_ms = drain_ms ? drain_ms : policy_daemon(d->config->policy)->drain_ms;
	u->stage = STAGE_CHECK;
	buf_clear(&u->said);
	u->bundle = config_bundle(d->config);
	if (u->bundle < 0 || parts_borrow(u) < 0 ||
		jobs_run(d->jobs, check_work, on_checked, u) < 0) {
		if (u->bundle >= 0)
			close(take_fd(&u->bundle));
		part_set_fini(&u->parts);
		upgrade_fail(u, NULL, err_text(-ENOMEM));
	}
}
