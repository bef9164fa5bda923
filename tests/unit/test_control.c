/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/control: requests in, one answer each, bounds, followers, and clients that hang up before
 * their answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "ctl/control.h"

enum { DEADLINE_MS = 20000, CLIENTS = CONTROL_CLIENTS_MAX + 1 };

struct fixture {
	char folder[64];
	uv_loop_t loop;
	uv_timer_t deadline;
	struct control *control;
	struct request *kept[CONTROL_REQUESTS_MAX + 8]; /* those to be answered later */
	size_t n_kept;
	int clients[CLIENTS];
	size_t n_clients;
	char line[4096];
};

static void on_deadline(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("it did not happen in time");
}

/* "echo" answers its arguments, "keep" is answered by the test, "refuse" is not granted. */
static void on_request(void *arg, struct request *rq)
{
	struct fixture *f = arg;

	assert_int_equal(rq->role, ROLE_OWNER);
	if (strcmp(rq->cmd, "echo") == 0)
		request_answer(rq, json_incref(rq->args));
	else if (strcmp(rq->cmd, "follow") == 0)
		request_follow(rq, NULL);
	else if (strcmp(rq->cmd, "keep") == 0)
		f->kept[f->n_kept++] = rq;
	else
		request_refuse(rq, 1, "line one\n", "no %s for %s", rq->cmd, rq->who);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct control_spec spec = { f->folder, NULL, on_request, f };
	struct buf why;

	strcpy(f->folder, "/tmp/xmppwall-control-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	buf_init(&why, 0);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->deadline);
	uv_timer_start(&f->deadline, on_deadline, DEADLINE_MS, 0);
	assert_int_equal(control_open(&f->loop, &spec, &f->control, &why), 0);
	buf_fini(&why);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->n_clients; i++)
		if (f->clients[i] >= 0)
			close(f->clients[i]);
	control_close(f->control);
	uv_close((uv_handle_t *)&f->deadline, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(rmdir(f->folder), 0); /* the socket is gone */
	free(f);
	return 0;
}

static int *client_new(struct fixture *f)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int *fd = &f->clients[f->n_clients++];

	snprintf(sun.sun_path, sizeof sun.sun_path, "%s/control.sock", f->folder);
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*fd, (struct sockaddr *)&sun, sizeof sun), 0);
	return fd;
}

static void say(int fd, const char *line)
{
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

/* Turns the loop until the client has a line, or its end (""). */
static const char *hear(struct fixture *f, int fd)
{
	size_t n = 0;

	for (;;) {
		ssize_t r = recv(fd, f->line + n, 1, MSG_DONTWAIT);

		if (r == 0 || (r == 1 && f->line[n] == '\n'))
			break;
		if (r == 1)
			n++;
		else
			uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	f->line[n] = '\0';
	return f->line;
}

static void wait_kept(struct fixture *f, size_t n)
{
	while (f->n_kept < n)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void answers_and_refusals(void **state)
{
	struct fixture *f = *state;
	int fd = *client_new(f);

	say(fd, "{\"cmd\":\"echo\",\"args\":{\"a\":1}}\n");
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"result\":{\"a\":1}}");
	say(fd, "{\"cmd\":\"echo\"}\n");
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"result\":{}}");
	say(fd, "{\"cmd\":\"sing\"}\n");
	assert_non_null(strstr(hear(f, fd), "\"exit\":1"));
	assert_non_null(strstr(f->line, "no sing for uid "));
	assert_non_null(strstr(f->line, "line one"));
}

static void shapes_are_checked(void **state)
{
	static const char *const bad[] = { "{}\n", "{\"cmd\":1}\n",
		"{\"cmd\":\"echo\",\"args\":[]}\n" };
	struct fixture *f = *state;
	int fd = *client_new(f);

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		say(fd, bad[i]);
		assert_non_null(strstr(hear(f, fd), "\"exit\":2"));
	}
	say(fd, "this is no JSON\n");
	assert_string_equal(hear(f, fd), ""); /* hung up on */
}

static void answers_may_come_in_any_order(void **state)
{
	struct fixture *f = *state;
	int fd = *client_new(f);

	say(fd, "{\"cmd\":\"keep\",\"args\":{\"n\":1}}\n{\"cmd\":\"keep\",\"args\":{\"n\":2}}\n");
	wait_kept(f, 2);
	assert_true(control_has_requests(f->control));
	request_answer(f->kept[1], json_pack("{s:i}", "n", 2));
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"result\":{\"n\":2}}");
	request_answer(f->kept[0], json_pack("{s:i}", "n", 1));
	assert_string_equal(hear(f, fd), "{\"ok\":true,\"result\":{\"n\":1}}");
	assert_false(control_has_requests(f->control));
}

static void who_hung_up_is_not_answered(void **state)
{
	struct fixture *f = *state;
	int *fd = client_new(f);

	say(*fd, "{\"cmd\":\"keep\"}\n{\"cmd\":\"keep\"}\n");
	wait_kept(f, 2);
	close(*fd);
	*fd = -1;
	while (f->kept[0]->client)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_null(f->kept[1]->client);
	request_answer(f->kept[0], NULL);
	request_refuse(f->kept[1], 1, NULL, "too late");
}

static void unanswered_requests_are_bounded(void **state)
{
	struct fixture *f = *state;
	int fd = *client_new(f);

	for (int i = 0; i <= CONTROL_REQUESTS_MAX; i++)
		say(fd, "{\"cmd\":\"keep\"}\n");
	assert_non_null(strstr(hear(f, fd), "too many"));
	assert_int_equal(f->n_kept, CONTROL_REQUESTS_MAX);
	for (size_t i = 0; i < f->n_kept; i++)
		request_answer(f->kept[i], NULL);
}

static void clients_are_bounded(void **state)
{
	struct fixture *f = *state;
	int *last;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		int fd = *client_new(f);

		say(fd, "{\"cmd\":\"echo\"}\n");
		assert_true(*hear(f, fd));
	}
	last = client_new(f);
	assert_string_equal(hear(f, *last), "");
	/* One leaves, the next may come. */
	close(f->clients[0]);
	f->clients[0] = -1;
	close(*last);
	f->n_clients--;
	for (int tries = 0;; tries++) {
		int fd = *client_new(f);

		(void)send(fd, "{\"cmd\":\"echo\"}\n", 15, MSG_NOSIGNAL);
		if (*hear(f, fd))
			break;
		close(fd);
		f->n_clients--;
		assert_true(tries < 1000);
	}
}

static void followers_get_events_and_others_do_not(void **state)
{
	struct fixture *f = *state;
	int follower = *client_new(f), other = *client_new(f);
	json_t *event = json_pack("{s:s}", "event_type", "ban");

	say(follower, "{\"cmd\":\"follow\"}\n");
	assert_string_equal(hear(f, follower), "{\"ok\":true,\"result\":{}}");
	say(other, "{\"cmd\":\"echo\"}\n");
	hear(f, other);
	control_event(f->control, event);
	assert_string_equal(hear(f, follower), "{\"event\":{\"event_type\":\"ban\"}}");
	assert_int_equal(recv(other, f->line, 1, MSG_DONTWAIT), -1);
	json_decref(event);
}

static void a_follower_that_does_not_read_is_hung_up_on(void **state)
{
	struct fixture *f = *state;
	int fd = *client_new(f);
	char *text = calloc(1, 100001);
	json_t *event;
	ssize_t n;

	memset(text, 'x', 100000);
	event = json_pack("{s:s}", "text", text);
	say(fd, "{\"cmd\":\"follow\"}\n");
	hear(f, fd);
	for (int i = 0; i < 100; i++) {
		control_event(f->control, event);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	while ((n = recv(fd, text, 100000, 0)) > 0) /* what was sent before, then the end */
		;
	assert_true(n <= 0);
	json_decref(event);
	free(text);
}

static void the_socket_is_for_owner_and_group(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct stat st;

	snprintf(path, sizeof path, "%s/control.sock", f->folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_and_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(shapes_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_may_come_in_any_order, setup, teardown),
		cmocka_unit_test_setup_teardown(who_hung_up_is_not_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(unanswered_requests_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(clients_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			followers_get_events_and_others_do_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_follower_that_does_not_read_is_hung_up_on, setup, teardown),
		cmocka_unit_test_setup_teardown(the_socket_is_for_owner_and_group, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
