/* link: door */
/* SPDX-License-Identifier: BSD-2-Clause */
/* door/gather.c: rows of several threads, in messages that the daemon reads however long its peers' names are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>
#include "base/channel.h"
#include "ctl/link.h"
#include "door/gather.h"
#include "door/line.h"

enum { ROWS = 450, NAME = 3000 };

struct reading {
	int fd;
	size_t rows, messages;
	bool last;
	int code;
};

static void read_all(void *arg)
{
	struct reading *r = arg;
	struct channel_reader *reader = channel_reader_new(r->fd, LINK_LINE_FROM_WORKER);
	json_t *msg;

	while (!r->last && (r->code = channel_read_blocking(reader, &msg)) == 0) {
		r->messages++;
		r->rows += json_array_size(json_object_get(msg, "rows"));
		r->last = !json_is_true(json_object_get(msg, "more"));
		json_decref(msg);
	}
	channel_reader_free(reader);
	close(r->fd);
}

static void on_stop(struct link *l)
{
	(void)l;
}

static void on_other(struct link *l, const char *name, json_t *msg)
{
	(void)l;
	(void)name;
	(void)msg;
}

static void long_names(void **state)
{
	static const struct line_order orders[] = { { NULL, NULL } };
	static const struct line_handler handler = { orders, on_other, on_stop };
	struct gather *all = NULL;
	struct line line;
	struct reading reading = { 0 };
	uv_thread_t thread;
	char name[NAME + 1];
	json_t *rows = json_array();
	uv_loop_t loop;
	int pair[2];

	(void)state;
	memset(name, 'a', NAME);
	name[NAME] = '\0';
	for (int i = 0; i < ROWS; i++)
		json_array_append_new(rows, json_pack("{s:i,s:s}", "id", i, "jid", name));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(line_open(&line, &loop, pair[0], &handler, NULL), 0);
	assert_int_equal(gather_begin(&all, 7, 2, NULL), 0);
	gather_take(&all, 7, rows);
	gather_finish(&all, &line);
	assert_non_null(all); /* one thread is awaited */
	gather_take(&all, 7, NULL);
	gather_finish(&all, &line);
	assert_null(all);
	reading.fd = pair[1];
	assert_int_equal(uv_thread_create(&thread, read_all, &reading), 0);
	line_finish(&line);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_thread_join(&thread);
	assert_int_equal(reading.code, 0);
	assert_true(reading.last);
	assert_int_equal(reading.rows, ROWS);
	assert_true(reading.messages > ROWS / 200 + 1);
	json_decref(rows);
	uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(long_names) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
