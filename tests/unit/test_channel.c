/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/channel: lines at every cut, descriptors with their lines, bounds, freeing inside callbacks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/channel.h"
#include "base/err.h"

enum { DEADLINE_MS = 20000 };

/* What one end has seen. */
struct end {
	struct channel *ch;
	int messages, fds, wrong_fds, close_code;
	bool closed, free_on_message;
	long last;
};

struct fixture {
	uv_loop_t loop;
	uv_timer_t deadline;
	int peer; /* the raw other end, or -1 */
	struct end a, b;
};

static const struct channel_limits limits = { .line_max = 200000, .queue_max = 4 << 20 };

static ino_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void on_message(void *arg, struct channel *ch, json_t *msg, int fd)
{
	struct end *end = arg;
	json_t *expected = json_object_get(msg, "inode");

	end->messages++;
	end->last = (long)json_integer_value(json_object_get(msg, "n"));
	if ((fd >= 0) != (expected != NULL) ||
		(fd >= 0 && inode_of(fd) != (ino_t)json_integer_value(expected)))
		end->wrong_fds++;
	if (fd >= 0) {
		end->fds++;
		close(fd);
	}
	if (end->free_on_message) {
		channel_free(ch);
		end->ch = NULL;
	}
}

static void on_close(void *arg, struct channel *ch, int code)
{
	struct end *end = arg;

	end->closed = true;
	end->close_code = code;
	channel_free(ch);
	end->ch = NULL;
}

static const struct channel_handler handler = { on_message, on_close };

static void on_deadline(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("deadline passed");
}

static struct fixture *fixture_new(bool two_channels)
{
	struct fixture *f = calloc(1, sizeof(*f));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	uv_timer_init(&f->loop, &f->deadline);
	uv_timer_start(&f->deadline, on_deadline, DEADLINE_MS, 0);
	uv_unref((uv_handle_t *)&f->deadline);
	assert_int_equal(channel_new(&f->loop, pair[0], &limits, &handler, &f->a, &f->a.ch), 0);
	f->peer = pair[1];
	if (two_channels) {
		assert_int_equal(
			channel_new(&f->loop, pair[1], &limits, &handler, &f->b, &f->b.ch), 0);
		f->peer = -1;
	}
	return f;
}

static void fixture_free(struct fixture *f)
{
	channel_free(f->a.ch);
	channel_free(f->b.ch);
	if (f->peer >= 0)
		close(f->peer);
	uv_close((uv_handle_t *)&f->deadline, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
}

static void run_until_closed(struct fixture *f, struct end *end)
{
	while (!end->closed && uv_run(&f->loop, UV_RUN_ONCE))
		;
	assert_true(end->closed);
}

static void write_raw(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void test_every_cut(void **state)
{
	static const char text[] = "{\"n\":1}\n{\"n\":2,\"s\":\"\\n\"}\n{\"n\":3}\n";
	(void)state;

	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		struct fixture *f = fixture_new(false);

		if (cut)
			write_raw(f->peer, text, cut);
		uv_run(&f->loop, UV_RUN_NOWAIT);
		write_raw(f->peer, text + cut, sizeof(text) - 1 - cut);
		while (f->a.messages < 3)
			uv_run(&f->loop, UV_RUN_ONCE);
		assert_int_equal(f->a.last, 3);
		fixture_free(f);
	}
}

/* Many lines of many sizes, every third with a descriptor: each arrives with its own line. */
static void test_descriptors_stay_with_their_lines(void **state)
{
	struct fixture *f = fixture_new(true);
	char *filler = malloc(100001);
	int lines = 0;
	(void)state;

	memset(filler, 'x', 100000);
	for (int i = 0; i < 400; i++) {
		size_t size = i % 40 == 0 ? 100000 : (size_t)(i * 37 % 3000);
		int fd = i % 3 == 0 ? memfd_create("sent", MFD_CLOEXEC) : -1, r;
		json_t *msg = json_pack("{s:i,s:s#}", "n", i, "filler", filler, (int)size);

		if (fd >= 0)
			json_object_set_new(msg, "inode", json_integer((json_int_t)inode_of(fd)));
		while ((r = channel_send(f->a.ch, msg, fd)) == ERR_LIMIT)
			uv_run(&f->loop, UV_RUN_ONCE);
		assert_int_equal(r, 0);
		json_decref(msg);
		if (fd >= 0)
			close(fd);
		lines++;
		if (i % 7 == 0)
			uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	channel_finish(f->a.ch);
	run_until_closed(f, &f->a);
	assert_int_equal(f->a.close_code, 0);
	run_until_closed(f, &f->b);
	assert_int_equal(f->b.close_code, ERR_CLOSED);
	assert_int_equal(f->b.messages, lines);
	assert_int_equal(f->b.fds, 134);
	assert_int_equal(f->b.wrong_fds, 0);
	free(filler);
	fixture_free(f);
}

static void expect_close(const char *text, size_t len, int code)
{
	struct fixture *f = fixture_new(false);

	write_raw(f->peer, text, len);
	run_until_closed(f, &f->a);
	assert_int_equal(f->a.close_code, code);
	assert_int_equal(f->a.messages, 0);
	fixture_free(f);
}

static void test_nonsense_closes(void **state)
{
	static const char *const bad[] = { "\n", "[]\n", "1\n", "{\"a\":1,\"a\":2}\n", "{\n",
		"{} {}\n", "{\"a\":\"\xff\"}\n" };
	char *text = malloc(200002);
	(void)state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_close(bad[i], strlen(bad[i]), ERR_PROTO);
	memset(text, '[', 200002);
	text[199999] = '\n';
	expect_close(text, 200000, ERR_PROTO); /* deeper than jansson goes */
	memset(text, ' ', 200002);
	expect_close(text, 200001, ERR_LIMIT); /* a line without an end */
	free(text);
}

static void test_peer_gone(void **state)
{
	struct fixture *f = fixture_new(false);
	json_t *msg = json_pack("{s:i}", "n", 1);
	(void)state;

	/* It leaves with our line unread and its last line on the way. */
	assert_int_equal(channel_send(f->a.ch, msg, -1), 0);
	write_raw(f->peer, "{\"n\":9}\n{\"n\"", 12);
	close(f->peer);
	f->peer = -1;
	run_until_closed(f, &f->a);
	assert_int_equal(f->a.close_code, ERR_CLOSED);
	assert_int_equal(f->a.messages, 1);
	json_decref(msg);
	fixture_free(f);
}

static void test_send_to_gone_peer_defers_close(void **state)
{
	struct fixture *f = fixture_new(false);
	json_t *msg = json_pack("{s:i}", "n", 1);
	(void)state;

	close(f->peer);
	f->peer = -1;
	assert_int_equal(channel_send(f->a.ch, msg, -1), ERR_CLOSED);
	assert_false(f->a.closed);
	run_until_closed(f, &f->a);
	assert_int_equal(f->a.close_code, ERR_CLOSED);
	json_decref(msg);
	fixture_free(f);
}

static void test_free_inside_message(void **state)
{
	struct fixture *f = fixture_new(false);
	(void)state;

	f->a.free_on_message = true;
	write_raw(f->peer, "{\"n\"", 4);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	write_raw(f->peer, ":1}\n{\"n\":2}\n", 12);
	while (uv_run(&f->loop, UV_RUN_ONCE))
		;
	assert_int_equal(f->a.messages, 1);
	assert_null(f->a.ch);
	assert_false(f->a.closed);
	fixture_free(f);
}

static void test_queue_is_bounded(void **state)
{
	struct fixture *f = fixture_new(false);
	json_t *msg = json_pack("{s:i}", "n", 1);
	size_t sent = 0;
	int r;
	(void)state;

	while ((r = channel_send(f->a.ch, msg, -1)) == 0)
		sent++;
	assert_int_equal(r, ERR_LIMIT);
	assert_in_range(channel_queued(f->a.ch), limits.queue_max - 10, limits.queue_max);
	/* All of it arrives once the peer reads. */
	struct channel_reader *reader = channel_reader_new(f->peer, 0);
	fcntl(f->peer, F_SETFL, O_NONBLOCK);
	for (json_t *got; sent;) {
		r = channel_read_blocking(reader, &got);
		if (r == 0) {
			json_decref(got);
			sent--;
		} else {
			assert_int_equal(r, -EAGAIN);
			uv_run(&f->loop, UV_RUN_NOWAIT);
		}
	}
	assert_int_equal(channel_queued(f->a.ch), 0);
	channel_reader_free(reader);
	json_decref(msg);
	fixture_free(f);
}

/* Several descriptors with one line: the first is delivered, the others do not stay open. */
static void test_surplus_descriptors_are_closed(void **state)
{
	struct fixture *f = fixture_new(false);
	char control[CMSG_SPACE(3 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { "{}\n", 3 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	int fds[3] = { f->peer, f->peer, f->peer }, before, after;
	(void)state;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	before = dup(0);
	close(before);
	assert_int_equal(sendmsg(f->peer, &msg, 0), 3);
	while (f->a.messages < 1)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->a.fds, 1);
	after = dup(0);
	close(after);
	assert_int_equal(before, after);
	/* And one in the middle of a line is nonsense. */
	write_raw(f->peer, "{", 1);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	iov = (struct iovec){ "}\n", 2 };
	assert_int_equal(sendmsg(f->peer, &msg, 0), 2);
	run_until_closed(f, &f->a);
	assert_int_equal(f->a.close_code, ERR_PROTO);
	fixture_free(f);
}

static void test_blocking_side(void **state)
{
	int pair[2];
	json_t *msg = json_pack("{s:s}", "text", "a\nb"), *got;
	struct channel_reader *r;
	(void)state;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(channel_write_blocking(pair[0], msg), 0);
	assert_int_equal(channel_write_blocking(pair[0], msg), 0);
	write_raw(pair[0], "[1]\n{\"cut\"", 10);
	shutdown(pair[0], SHUT_WR);
	r = channel_reader_new(pair[1], 100);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(channel_read_blocking(r, &got), 0);
		assert_true(json_equal(got, msg));
		json_decref(got);
	}
	assert_int_equal(channel_read_blocking(r, &got), ERR_PROTO);
	assert_int_equal(channel_read_blocking(r, &got), ERR_CLOSED);
	channel_reader_free(r);
	close(pair[1]);
	assert_int_equal(channel_write_blocking(pair[0], msg), ERR_CLOSED);
	close(pair[0]);
	json_decref(msg);
}

static void test_peer_credentials(void **state)
{
	struct fixture *f = fixture_new(false);
	uid_t uid;
	gid_t gid;
	pid_t pid;
	(void)state;

	assert_int_equal(channel_peer(f->a.ch, &uid, &gid, &pid), 0);
	assert_int_equal(uid, getuid());
	assert_int_equal(gid, getgid());
	assert_int_equal(pid, getpid());
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_descriptors_stay_with_their_lines),
		cmocka_unit_test(test_nonsense_closes),
		cmocka_unit_test(test_peer_gone),
		cmocka_unit_test(test_send_to_gone_peer_defers_close),
		cmocka_unit_test(test_free_inside_message),
		cmocka_unit_test(test_queue_is_bounded),
		cmocka_unit_test(test_surplus_descriptors_are_closed),
		cmocka_unit_test(test_blocking_side),
		cmocka_unit_test(test_peer_credentials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
