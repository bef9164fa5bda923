/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/child: what a child is given, and failures of exec. The children are /bin/sh scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/child.h"

static pid_t spawn_shell(const char *script, int metrics_fd, int *channel)
{
	char *const argv[] = { "sh", "-c", (char *)script, NULL };
	const struct child_spec spec = { "/bin/sh", argv, metrics_fd };
	pid_t pid;

	assert_int_equal(child_spawn(&spec, &pid, channel), 0);
	return pid;
}

static void read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
}

static void test_descriptors(void **state)
{
	int page = memfd_create("page", 0), stray = dup(page), channel, status;
	char text[256];
	pid_t pid;
	(void)state;

	assert_int_equal(write(page, "metrics", 7), 7);
	lseek(page, 0, SEEK_SET);
	pid = spawn_shell("cat <&4 >&3; for n in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && "
			  "echo -n $n, >&3; done; true",
		page, &channel);
	assert_int_not_equal(fcntl(channel, F_GETFD) & FD_CLOEXEC, 0);
	read_all(channel, text, sizeof(text));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* The shell keeps descriptors of its own at 10 and above. */
	assert_string_equal(text, "metrics0,1,2,3,4,");
	close(stray);
	close(page);
	close(channel);
}

static void test_no_metrics(void **state)
{
	int channel, status;
	pid_t pid = spawn_shell("cat <&4", -1, &channel);
	(void)state;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(channel);
}

static void test_exec_failure(void **state)
{
	char *const argv[] = { "none", NULL };
	struct child_spec spec = { "/nonexistent/none", argv, -1 };
	int channel = -7;
	pid_t pid = -7;
	(void)state;

	assert_int_equal(child_spawn(&spec, &pid, &channel), -ENOENT);
	spec.path = "/";
	assert_int_equal(child_spawn(&spec, &pid, &channel), -EACCES);
	assert_int_equal(channel, -7);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_signals_are_reset(void **state)
{
	int channel, status;
	char text[64];
	pid_t pid;
	sigset_t set;
	(void)state;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = spawn_shell("grep -E '^Sig(Blk|Ign):' /proc/self/status | cut -f2 >&3", -1, &channel);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	signal(SIGPIPE, SIG_DFL);
	read_all(channel, text, sizeof(text));
	assert_string_equal(text, "0000000000000000\n0000000000000000\n");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(channel);
}

/* A parent in between spawns and dies; the grandchild's end of the channel closes with it. */
static void test_dies_with_parent(void **state)
{
	int report[2], channel;
	char text[8];
	pid_t middle;
	(void)state;

	assert_int_equal(pipe(report), 0);
	assert_int_equal(dup2(report[1], 2) < 0, 0); /* the grandchild inherits 2 only */
	middle = fork();
	if (middle == 0) {
		spawn_shell("read wait <&3; sleep 60", -1, &channel);
		raise(SIGKILL);
	}
	close(report[1]);
	dup2(1, 2);
	alarm(20);
	read_all(report[0], text, sizeof(text)); /* ends when the grandchild has died */
	alarm(0);
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	close(report[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_no_metrics),
		cmocka_unit_test(test_exec_failure),
		cmocka_unit_test(test_signals_are_reset),
		cmocka_unit_test(test_dies_with_parent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
