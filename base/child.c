/* SPDX-License-Identifier: BSD-2-Clause */
/* How the daemon gets its workers: fork, put the few descriptors in place, exec.
 * In: a program and the metrics page. Out: a process id and our end of its channel. The child
 * starts with descriptors 0 to 4 and nothing else, default signals, and dies with its parent.
 * Between fork and exec only async-signal-safe calls are made, since the daemon has threads.
 * It never restarts anything: that is the daemon's policy. The kernel ties PR_SET_PDEATHSIG to the
 * thread that forks, so children are to be started from a thread that lives as long as the daemon.
 */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"

enum { CHILD_FD_REPORT = 5, CHILD_FD_HIGH = 16 };

static void child_reset_signals(void)
{
	struct sigaction act = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &act, NULL); /* refused for SIGKILL, SIGSTOP and libc's own */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* First out of the way (the sources may be 3, 4 or 5 themselves), then into place. */
static int child_place_fds(int channel, int metrics, int *report)
{
	channel = fcntl(channel, F_DUPFD_CLOEXEC, CHILD_FD_HIGH);
	*report = fcntl(*report, F_DUPFD_CLOEXEC, CHILD_FD_HIGH);
	if (metrics >= 0)
		metrics = fcntl(metrics, F_DUPFD_CLOEXEC, CHILD_FD_HIGH);
	else
		metrics = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (channel < 0 || *report < 0 || metrics < 0 || dup2(channel, CHILD_FD_CHANNEL) < 0 ||
		dup2(metrics, CHILD_FD_METRICS) < 0 ||
		dup3(*report, CHILD_FD_REPORT, O_CLOEXEC) < 0)
		return -errno;
	*report = CHILD_FD_REPORT;
	if (close_range(CHILD_FD_REPORT + 1, ~0u, 0) < 0)
		return -errno;
	return 0;
}

static _Noreturn void child_run(
	const struct child_spec *spec, int channel, int report, pid_t parent)
{
	int r = child_place_fds(channel, spec->metrics_fd, &report);

	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	if (r == 0 && getppid() != parent) /* it died before we could ask to be told */
		_exit(127);
	if (r == 0) {
		child_reset_signals();
		execv(spec->path, spec->argv);
		r = -errno;
	}
	if (write(report, &r, sizeof(r)) != sizeof(r))
		_exit(126);
	_exit(127);
}

/* 0 once exec has closed the pipe, else what the child reported. */
static int child_await_exec(int report)
{
	int code = 0;
	ssize_t n;

	do
		n = read(report, &code, sizeof(code));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == sizeof(code) ? code : 0;
}

static void child_reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Fork with all signals blocked: no handler of ours may run in the child. */
static pid_t child_fork(const struct child_spec *spec, int channel, int report)
{
	pid_t parent = getpid(), pid;
	sigset_t all, before;
	int saved;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		child_run(spec, channel, report, parent);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid < 0 ? -saved : pid;
}

int child_spawn(const struct child_spec *spec, pid_t *pid, int *channel_fd)
{
	int pair[2], report[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	cleanup_fd int ours = pair[0], theirs = pair[1];

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	cleanup_fd int report_in = report[0], report_out = report[1];
	pid_t child = child_fork(spec, theirs, report_out);

	if (child < 0)
		return child;
	close(take_fd(&report_out));
	if ((r = child_await_exec(report_in)) < 0) {
		child_reap(child);
		return r;
	}
	*pid = child;
	*channel_fd = take_fd(&ours);
	return 0;
}
