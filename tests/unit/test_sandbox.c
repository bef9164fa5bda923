/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/sandbox: a child process enters and tries what it may and may not. It leaves by _exit with
 * the number of the check that failed, since leak checkers cannot run inside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <uv.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sandbox.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			log_error("failed line=%d check=%s errno=%d", __LINE__, #what, errno);     \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static int run_child(void (*body)(const struct sandbox_spec *), const struct sandbox_spec *spec)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		log_init("sandboxed", LOG_LEVEL_ERROR);
		alarm(30);
		body(spec);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;

static void *play_turns(void *arg)
{
	int mine = arg != NULL;

	pthread_mutex_lock(&lock);
	while (turn < 1000) {
		while (turn % 2 != mine && turn < 1000)
			pthread_cond_wait(&turned, &lock);
		turn++;
		pthread_cond_broadcast(&turned);
	}
	pthread_mutex_unlock(&lock);
	free(malloc(1 << 20));
	return NULL;
}

static void check_threads(void)
{
	pthread_t a, b;

	CHECK(pthread_create(&a, NULL, play_turns, NULL) == 0);
	CHECK(pthread_create(&b, NULL, play_turns, &turn) == 0);
	CHECK(pthread_join(a, NULL) == 0 && pthread_join(b, NULL) == 0);
	CHECK(turn >= 1000);
}

static void count_tick(uv_timer_t *timer)
{
	++*(int *)timer->data;
	uv_close((uv_handle_t *)timer, NULL);
}

static void check_loop(void)
{
	uv_loop_t loop;
	uv_timer_t timer;
	int ticks = 0;

	CHECK(uv_loop_init(&loop) == 0);
	uv_timer_init(&loop, &timer);
	timer.data = &ticks;
	uv_timer_start(&timer, count_tick, 1, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	CHECK(ticks == 1 && uv_loop_close(&loop) == 0);
}

static void check_file_system_is_gone(int inherited)
{
	char *const argv[] = { "true", NULL };
	char byte;
	struct stat st;

	CHECK(open("/etc/passwd", O_RDONLY) < 0 && open("/dev/null", O_WRONLY) < 0);
	CHECK(open("/tmp/sandbox-test", O_CREAT | O_WRONLY, 0600) < 0);
	CHECK(stat("/etc/passwd", &st) < 0 && access("/", F_OK) < 0);
	CHECK(execv("/bin/true", argv) < 0);
	CHECK(fork() < 0);
	CHECK(fstat(inherited, &st) == 0 && read(inherited, &byte, 1) == 1);
}

static void check_tcp_on_loopback(bool allowed)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(addr);
	int server = socket(AF_INET, SOCK_STREAM, 0), client;

	if (!allowed) {
		CHECK(server < 0);
		return;
	}
	CHECK(server >= 0 && bind(server, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(listen(server, 1) == 0 && getsockname(server, (struct sockaddr *)&addr, &len) == 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(connect(client, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	CHECK(accept4(server, NULL, NULL, SOCK_NONBLOCK) >= 0);
	CHECK(socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno == EAFNOSUPPORT);
}

static void enter_and_try(const struct sandbox_spec *spec)
{
	struct rlimit limit = { 0, 0 };
	int inherited = open("/proc/self/stat", O_RDONLY);
	void *code;

	CHECK(sandbox_enter(spec) == 0);
	check_file_system_is_gone(inherited);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && socket(AF_NETLINK, SOCK_RAW, 0) < 0);
	CHECK(socket(AF_PACKET, SOCK_RAW, 0) < 0);
	CHECK(setuid(0) < 0 && kill(getppid(), 0) < 0);
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
	CHECK(prctl(PR_GET_DUMPABLE) < 0 && prctl(PR_SET_NAME, "worker") == 0);
	check_tcp_on_loopback(spec->role == SANDBOX_PROXY);
	check_threads();
	check_loop();
	code = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(code != MAP_FAILED); /* PCRE2's JIT needs it, see base/sandbox_seccomp.c */
	CHECK(strstr(sandbox_text(), "seccomp"));
}

static void test_trial(void **state)
{
	static const enum sandbox_role roles[] = { SANDBOX_PROXY, SANDBOX_NFQ };
	(void)state;

	for (int i = 0; i < 2; i++) {
		const struct sandbox_spec spec = { .role = roles[i], .trial = true };

		assert_int_equal(run_child(enter_and_try, &spec), 0);
	}
}

#ifndef UNDER_ASAN /* its runtime makes calls of its own, which would kill */
static void enter_and_live(const struct sandbox_spec *spec)
{
	CHECK(sandbox_enter(spec) == 0);
	check_threads();
	check_loop();
	CHECK(open("/etc/localtime", O_RDONLY) < 0 && errno == EACCES);
}

static void enter_and_offend(const struct sandbox_spec *spec)
{
	CHECK(sandbox_enter(spec) == 0);
	socket(AF_UNIX, SOCK_STREAM, 0);
}

static const char *offence;

/* What signs has its memory, its descriptors, and nothing to say to anybody. */
static void sign_and_offend(const struct sandbox_spec *spec)
{
	CHECK(sandbox_enter(spec) == 0);
	free(malloc(4 << 20));
	CHECK(open("/etc/localtime", O_RDONLY) < 0 && errno == EACCES);
	CHECK(getpid() > 1 && clock_wall_ms() > 0);
	if (strcmp(offence, "socket") == 0)
		socket(AF_INET, SOCK_STREAM, 0);
	if (strcmp(offence, "send") == 0)
		send(STDERR_FILENO, "", 0, 0);
	if (strcmp(offence, "code") == 0)
		mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (strcmp(offence, "mprotect") == 0)
		mprotect((void *)((uintptr_t)&offence & ~4095ul), 4096, PROT_READ | PROT_EXEC);
	if (strcmp(offence, "thread") == 0)
		check_threads();
}

static void test_authority(void **state)
{
	static const char *const offences[] = { "socket", "send", "code", "mprotect", "thread" };
	const struct sandbox_spec spec = { .role = SANDBOX_CA };
	(void)state;

	offence = "";
	assert_int_equal(run_child(sign_and_offend, &spec), 0);
	for (size_t i = 0; i < sizeof(offences) / sizeof(*offences); i++) {
		int status;

		offence = offences[i];
		status = run_child(sign_and_offend, &spec);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSYS);
	}
}

static void test_enforced(void **state)
{
	const struct sandbox_spec spec = { .role = SANDBOX_PROXY };
	int status;
	(void)state;

	assert_int_equal(run_child(enter_and_live, &spec), 0);
	status = run_child(enter_and_offend, &spec);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

static void enter_as_nobody(const struct sandbox_spec *spec)
{
	CHECK(sandbox_enter(spec) == 0);
	CHECK(getuid() != 0 && geteuid() != 0 && getgid() != 0 && getgroups(0, NULL) == 0);
	CHECK(strstr(sandbox_text(), "caps=net_raw user=nobody"));
}

static void test_user_and_capabilities(void **state)
{
	static const int keep[] = { CAP_NET_RAW, -1 };
	const struct sandbox_spec spec = { SANDBOX_PROXY, "nobody", keep, true };
	(void)state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(run_child(enter_as_nobody, &spec), 0);
}

/* The change of user clears PR_SET_PDEATHSIG; the sandbox must set it again. */
static void test_still_dies_with_parent(void **state)
{
	const struct sandbox_spec spec = { SANDBOX_NFQ, "nobody", NULL, true };
	int ready[2], alive[2];
	pid_t middle;
	char byte;
	(void)state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(alive), 0);
	middle = fork();
	if (middle == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (sandbox_enter(&spec) == 0 && write(ready[1], "r", 1) == 1)
				poll(NULL, 0, 60000);
			_exit(0);
		}
		close(ready[1]);
		_exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
	}
	close(alive[1]);
	close(ready[1]);
	alarm(20);
	assert_int_equal(read(alive[0], &byte, 1), 0); /* end of file: both are gone */
	alarm(0);
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	close(alive[0]);
	close(ready[0]);
}

static void enter_as_unknown(const struct sandbox_spec *spec)
{
	log_init("sandboxed", LOG_LEVEL_ERROR + 1);
	CHECK(sandbox_enter(spec) == ERR_NOTFOUND);
}

static void *wait_forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void enter_with_threads(const struct sandbox_spec *spec)
{
	pthread_t thread;

	log_init("sandboxed", LOG_LEVEL_ERROR + 1);
	CHECK(pthread_create(&thread, NULL, wait_forever, NULL) == 0);
	CHECK(sandbox_enter(spec) == -EBUSY);
}

static void test_refusals(void **state)
{
	const struct sandbox_spec unknown = { .user = "no such user", .trial = true };
	const struct sandbox_spec threaded = { .trial = true };
	(void)state;

	assert_int_equal(run_child(enter_as_unknown, &unknown), 0);
	assert_int_equal(run_child(enter_with_threads, &threaded), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trial),
#ifndef UNDER_ASAN
		cmocka_unit_test(test_enforced),
		cmocka_unit_test(test_authority),
#endif
		cmocka_unit_test(test_user_and_capabilities),
		cmocka_unit_test(test_still_dies_with_parent),
		cmocka_unit_test(test_refusals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
