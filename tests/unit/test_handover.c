/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes from one program of the daemon to the next: whole, and hostile in every place. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/err.h"
#include "ctl/handover.h"

struct rig {
	json_t *state;
	pid_t child;
};

static int memory(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd > 2);
	return fd;
}

static int line(void)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	return pair[0]; /* the other end stays open until the program ends */
}

static int listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int rig_up(void **state)
{
	static struct rig rig;

	rig.child = fork();
	if (rig.child == 0) {
		pause();
		_exit(0);
	}
	rig.state = json_pack(
		"{s:i,s:s,s:{s:i,s:i,s:i,s:i,s:i,s:i,s:i},s:[{s:i}],s:[s],s:i,s:i,s:i,s:i,s:i,s:i,"
		"s:i,"
		"s:[{s:s,s:s,s:i,s:i,s:b,s:i,s:i}],s:[{s:i,s:i,s:s,s:s,s:s,s:b,s:i,s:i,s:i,s:i,s:i}],"
		"s:[{s:i,s:s,s:b,s:[],s:{}}]}",
		"handover", HANDOVER_VERSION, "version", "1", "fds", "bundle", memory(), "metrics",
		memory(), "lock_state", memory(), "lock_run", -1, "streams", -1, "control",
		listener(), "program", memory(), "parts", "fd", memory(), "args", "--config",
		"threads", 2, "generation", 3, "seq", 4, "born", 1, "since_ms", 5, "since_mono_ms",
		6, "loaded_ms", 7, "listeners", "service", "c2s", "address", "::", "port", 5222,
		"bound", 5222, "transparent", 0, "thread", 0, "fd", listener(), "children", "pid",
		(int)rig.child, "fd", line(), "unread", "7b22", "sandbox", "", "version", "1",
		"retired", 0, "since_ms", 1, "until_ms", 0, "restarts", 0, "sessions", 9, "slot", 0, "clients",
		"fd", line(), "unread", "", "follows", 1, "requests", "answer");
	assert_non_null(rig.state);
	*state = &rig;
	return 0;
}

static void fd_close(void *arg, int fd)
{
	(void)arg;
	if (fd >= 0)
		close(fd);
}

static int rig_down(void **state)
{
	struct rig *rig = *state;

	handover_each_fd(rig->state, fd_close, NULL);
	json_decref(rig->state);
	kill(rig->child, SIGKILL);
	waitpid(rig->child, NULL, 0);
	return 0;
}

static int read_back(const json_t *state, json_t **out, struct buf *why)
{
	int fd = -1, r;

	assert_int_equal(handover_write(state, &fd), 0);
	r = handover_read(fd, out, why);
	close(fd);
	return r;
}

/* It is refused, and the line says so. */
static void refused(const json_t *state, const char *text)
{
	json_t *out = NULL;
	struct buf why;

	buf_init(&why, 0);
	assert_int_equal(read_back(state, &out, &why), ERR_PROTO);
	assert_null(out);
	assert_true(buf_len(&why) > 1 && buf_ptr(&why)[buf_len(&why) - 1] == '\n');
	if (text && !strstr(buf_string(&why), text))
		fail_msg("'%s' is not in: %s", text, buf_string(&why));
	buf_fini(&why);
}

static void all_of_it_comes_back(void **state)
{
	struct rig *rig = *state;
	json_t *out = NULL;
	struct buf why;

	buf_init(&why, 0);
	if (read_back(rig->state, &out, &why) < 0)
		fail_msg("%s", buf_string(&why));
	assert_true(json_equal(rig->state, out));
	json_decref(out);
	buf_fini(&why);
}

static void memory_must_be_sealed(void **state)
{
	struct rig *rig = *state;
	char *text = json_dumps(rig->state, 0);
	int fd = memfd_create("test", MFD_ALLOW_SEALING);
	json_t *out = NULL;
	struct buf why;

	buf_init(&why, 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(handover_read(fd, &out, &why), ERR_PROTO);
	assert_int_equal(handover_read(-1, &out, &why), ERR_PROTO);
	assert_int_equal(handover_read(1, &out, &why), ERR_PROTO);
	assert_int_equal(handover_read(999, &out, &why), ERR_PROTO);
	assert_null(out);
	close(fd);
	buf_fini(&why);
	free(text);
}

static int sealed(const void *bytes, size_t len)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING);

	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(
		fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		0);
	return fd;
}

static void garbage_is_refused(void **state)
{
	struct rig *rig = *state;
	char *text = json_dumps(rig->state, JSON_COMPACT);
	json_t *out = NULL;
	struct buf why;

	buf_init(&why, 1 << 20);
	for (size_t len = 0; len < strlen(text); len++) {
		int fd = sealed(text, len);

		assert_int_equal(handover_read(fd, &out, &why), ERR_PROTO);
		close(fd);
	}
	for (size_t at = 0; at < strlen(text); at += 3) { /* a byte of it is another: no crash */
		char was = text[at];
		int fd;

		text[at] = '9';
		fd = sealed(text, strlen(text));
		if (handover_read(fd, &out, &why) == 0)
			json_decref(out);
		out = NULL;
		close(fd);
		text[at] = was;
	}
	assert_null(out);
	buf_fini(&why);
	free(text);
}

static void another_version_is_told(void **state)
{
	struct rig *rig = *state;

	json_object_set_new(rig->state, "handover", json_integer(HANDOVER_VERSION + 1));
	refused(rig->state, "version");
	json_object_set_new(rig->state, "handover", json_string("1"));
	refused(rig->state, "no handover");
	json_object_del(rig->state, "handover");
	refused(rig->state, "no handover");
}

/* Each member taken away, and each of another kind. */
static void object_is_needed_whole(const json_t *whole, json_t *object)
{
	static const char *const optional[] = { "version", "answer", "transparent" };
	json_t *copy = json_copy(object), *value;
	const char *name;

	json_object_foreach(copy, name, value)
	{
		bool may_miss = false;

		for (size_t i = 0; i < 2; i++)
			may_miss |= strcmp(name, optional[i]) == 0 && (i == 1 || object == whole);
		if (!may_miss) {
			json_object_del(object, name);
			refused(whole, NULL);
		}
		if (object != whole || strcmp(name, "version") != 0) {
			json_object_set_new(object, name, json_null());
			refused(whole, NULL);
		}
		json_object_set(object, name, value);
	}
	json_decref(copy);
}

static void each_member_is_needed(void **state)
{
	static const char *const lists[] = { "parts", "listeners", "children", "clients" };
	struct rig *rig = *state;

	object_is_needed_whole(rig->state, rig->state);
	object_is_needed_whole(rig->state, json_object_get(rig->state, "fds"));
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		json_t *list = json_object_get(rig->state, lists[i]);

		object_is_needed_whole(rig->state, json_array_get(list, 0));
		json_array_append_new(list, json_integer(7));
		refused(rig->state, NULL);
		json_array_remove(list, 1);
	}
	json_array_append_new(json_object_get(rig->state, "args"), json_integer(7));
	refused(rig->state, "args");
}

static void set_fd(const struct rig *rig, const char *list, int fd)
{
	json_object_set_new(
		json_array_get(json_object_get(rig->state, list), 0), "fd", json_integer(fd));
}

static int fd_in(const struct rig *rig, const char *list)
{
	return (int)json_integer_value(
		json_object_get(json_array_get(json_object_get(rig->state, list), 0), "fd"));
}

static void descriptors_are_what_they_should_be(void **state)
{
	static const char *const lists[] = { "listeners", "children", "clients" };
	static const int wrong[] = { -1, 0, 1, 2, 1000000, -2 };
	struct rig *rig = *state;
	json_t *fds = json_object_get(rig->state, "fds");
	int control = (int)json_integer_value(json_object_get(fds, "control"));

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		int was = fd_in(rig, lists[i]);

		for (size_t k = 0; k < sizeof(wrong) / sizeof(*wrong); k++) {
			set_fd(rig, lists[i], wrong[k]);
			refused(rig->state, NULL);
		}
		/* A line is no listener, a file neither, a listener is no line. */
		set_fd(rig, lists[i], fd_in(rig, i == 0 ? "clients" : "listeners"));
		refused(rig->state, NULL);
		set_fd(rig, lists[i], (int)json_integer_value(json_object_get(fds, "bundle")));
		refused(rig->state, NULL);
		set_fd(rig, lists[i], was);
	}
	set_fd(rig, "listeners", control); /* of the right kind, but another's */
	refused(rig->state, "twice");
}

static void children_are_ours(void **state)
{
	struct rig *rig = *state;
	json_t *child = json_array_get(json_object_get(rig->state, "children"), 0);
	const json_int_t wrong[] = { 0, 1, -1, -(json_int_t)rig->child, getpid(), getppid(),
		(json_int_t)1 << 40 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		json_object_set_new(child, "pid", json_integer(wrong[i]));
		refused(rig->state, NULL);
	}
}

static void numbers_are_in_their_ranges(void **state)
{
	struct rig *rig = *state;
	json_t *one = json_array_get(json_object_get(rig->state, "listeners"), 0);

	json_object_set_new(one, "port", json_integer(65536));
	refused(rig->state, "port");
	json_object_set_new(one, "port", json_integer(-1));
	refused(rig->state, "port");
	json_object_set_new(one, "port", json_integer(1));
	json_object_set_new(rig->state, "threads", json_integer(-1));
	refused(rig->state, "threads");
}

static void a_question_needs_little(void **state)
{
	struct rig *rig = *state;
	json_t *fds = json_object_get(rig->state, "fds");
	json_t *ask = json_pack("{s:i,s:b,s:[],s:{s:O}}", "handover", HANDOVER_VERSION, "check", 1,
		"parts", "fds", "bundle", json_object_get(fds, "bundle"));
	json_t *out = NULL;
	struct buf why;

	buf_init(&why, 0);
	assert_int_equal(read_back(ask, &out, &why), 0);
	json_decref(out);
	json_object_set_new(json_object_get(ask, "fds"), "bundle", json_integer(2));
	refused(ask, "bundle");
	json_decref(ask);
	buf_fini(&why);
}

static bool closes_on_exec(int fd)
{
	return fcntl(fd, F_GETFD) & FD_CLOEXEC;
}

static void only_what_is_named_goes_over(void **state)
{
	struct rig *rig = *state;
	int other = memory(), also = memory();

	fcntl(other, F_SETFD, 0);
	assert_int_equal(handover_arm(rig->state, also), 0);
	assert_true(closes_on_exec(other));
	assert_false(closes_on_exec(also));
	assert_false(closes_on_exec(fd_in(rig, "children")));
	assert_false(closes_on_exec(fd_in(rig, "listeners")));
	handover_disarm();
	assert_true(closes_on_exec(also) && closes_on_exec(fd_in(rig, "children")));
	close(other);
	close(also);
}

static void bytes_are_bytes(void **state)
{
	char all[256];
	json_t *text;
	struct buf b;

	(void)state;
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	buf_init(&b, 0);
	text = handover_hex(all, sizeof(all));
	assert_int_equal(handover_unhex(text, &b), 0);
	assert_int_equal(buf_len(&b), sizeof(all));
	assert_memory_equal(buf_ptr(&b), all, sizeof(all));
	json_decref(text);
	for (const char *const *bad = (const char *const[]){ "0", "0g", "G0", " 00", NULL }; *bad;
		bad++) {
		text = json_string(*bad);
		assert_int_equal(handover_unhex(text, &b), ERR_PROTO);
		json_decref(text);
	}
	buf_fini(&b);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)
	const struct CMUnitTest tests[] = {
		TEST(all_of_it_comes_back),
		TEST(memory_must_be_sealed),
		TEST(garbage_is_refused),
		TEST(another_version_is_told),
		TEST(each_member_is_needed),
		TEST(descriptors_are_what_they_should_be),
		TEST(children_are_ours),
		TEST(numbers_are_in_their_ranges),
		TEST(a_question_needs_little),
		TEST(only_what_is_named_goes_over),
		cmocka_unit_test(bytes_are_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
