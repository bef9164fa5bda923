/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/events: what is written is found again, over rotation, restarts and torn lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ctl/events.h"

struct fixture {
	char folder[64], path[96], old[96];
	struct events *events;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->folder, "/tmp/xmppwall-events-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->path, sizeof f->path, "%s/events.json", f->folder);
	snprintf(f->old, sizeof f->old, "%s/events.json.1", f->folder);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	events_close(f->events);
	unlink(f->path);
	unlink(f->old);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void open_events(struct fixture *f, uint64_t max)
{
	events_close(f->events);
	f->events = NULL;
	assert_int_equal(events_open(f->folder, max, &f->events), 0);
}

static void add(struct fixture *f, int number)
{
	char id[24];
	json_t *event;

	snprintf(id, sizeof id, "evnt-%06d", number);
	event = json_pack(
		"{s:s,s:{s:s,s:i}}", "event_type", "alert", "xmpp", "id", id, "number", number);
	events_add(f->events, event);
	json_decref(event);
}

static int number_of(json_t *event)
{
	int n = event ? (int)json_integer_value(
				json_object_get(json_object_get(event, "xmpp"), "number"))
		      : -1;

	json_decref(event);
	return n;
}

static int find(struct fixture *f, int number)
{
	char id[24];

	snprintf(id, sizeof id, "evnt-%06d", number);
	return number_of(events_find(f->events, id));
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void last_are_the_newest_in_order(void **state)
{
	struct fixture *f = *state;
	json_t *last;

	open_events(f, 1 << 20);
	for (int i = 0; i < 10; i++)
		add(f, i);
	last = events_last(f->events, 3);
	assert_int_equal(json_array_size(last), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(number_of(json_incref(json_array_get(last, (size_t)i))), 7 + i);
	json_decref(last);
	last = events_last(f->events, 1000);
	assert_int_equal(json_array_size(last), 10);
	json_decref(last);
}

static void memory_is_bounded_and_files_remember(void **state)
{
	struct fixture *f = *state;
	json_t *last;

	open_events(f, (uint64_t)64 << 20);
	for (int i = 0; i < EVENTS_KEEP + 50; i++)
		add(f, i);
	last = events_last(f->events, EVENTS_KEEP * 2);
	assert_int_equal(json_array_size(last), EVENTS_KEEP);
	json_decref(last);
	assert_int_equal(find(f, 3), 3);
	assert_int_equal(find(f, EVENTS_KEEP + 49), EVENTS_KEEP + 49);
	assert_int_equal(find(f, EVENTS_KEEP + 50), -1);
}

static void rotation_keeps_one_old_file(void **state)
{
	struct fixture *f = *state;

	open_events(f, 4000);
	for (int i = 0; i < 130; i++)
		add(f, i);
	assert_true(size_of(f->path) <= 4000);
	assert_true(size_of(f->old) > 3000 && size_of(f->old) <= 4000);
	open_events(f, 4000);
	assert_int_equal(find(f, 129), 129);
	assert_int_equal(find(f, 129 - 40), 89);
	assert_int_equal(find(f, 0), -1);
	assert_int_equal(events_lost(f->events), 0);
}

static void a_restart_remembers_the_end(void **state)
{
	struct fixture *f = *state;
	json_t *last;

	open_events(f, 1 << 20);
	for (int i = 0; i < 30; i++)
		add(f, i);
	open_events(f, 1 << 20);
	last = events_last(f->events, 5);
	assert_int_equal(number_of(json_incref(json_array_get(last, 4))), 29);
	json_decref(last);
}

static void a_torn_line_costs_only_itself(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_events(f, 1 << 20);
	add(f, 1);
	fd = open(f->path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "{\"event_type\":\"al", 17), 17);
	close(fd);
	open_events(f, 1 << 20);
	add(f, 2);
	open_events(f, 1 << 20);
	assert_int_equal(find(f, 1), 1);
	assert_int_equal(find(f, 2), 2);
}

static void an_id_only_mentioned_is_not_found(void **state)
{
	struct fixture *f = *state;
	json_t *event =
		json_pack("{s:{s:s,s:s}}", "xmpp", "id", "other", "text", "see evnt-000007");

	open_events(f, 1 << 20);
	events_add(f->events, event);
	json_decref(event);
	assert_int_equal(find(f, 7), -1);
	add(f, 7);
	assert_int_equal(find(f, 7), 7);
	assert_null(events_find(f->events, ""));
}

static void moved_away_is_opened_anew(void **state)
{
	struct fixture *f = *state;

	open_events(f, 1 << 20);
	add(f, 1);
	assert_int_equal(rename(f->path, f->old), 0);
	events_reopen(f->events, 1 << 20);
	add(f, 2);
	assert_true(size_of(f->path) > 0);
	assert_int_equal(find(f, 1), 1);
}

static void a_full_disk_loses_events_only(void **state)
{
	struct fixture *f = *state;

	if (access("/dev/full", W_OK) < 0)
		skip();
	assert_int_equal(symlink("/dev/full", f->path), 0);
	if (events_open(f->folder, 1 << 20, &f->events) < 0)
		skip();
	add(f, 1);
	assert_int_equal(events_lost(f->events), 1);
	assert_true(events_error(f->events) < 0);
	assert_int_equal(find(f, 1), 1);
}

static void no_folder_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_true(events_open("/nonexistent/folder", 1 << 20, &f->events) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(last_are_the_newest_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			memory_is_bounded_and_files_remember, setup, teardown),
		cmocka_unit_test_setup_teardown(rotation_keeps_one_old_file, setup, teardown),
		cmocka_unit_test_setup_teardown(a_restart_remembers_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_torn_line_costs_only_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(an_id_only_mentioned_is_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(moved_away_is_opened_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_disk_loses_events_only, setup, teardown),
		cmocka_unit_test_setup_teardown(no_folder_is_an_error, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
