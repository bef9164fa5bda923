/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/metrics: two mappings of one page, two processes, a page that lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/err.h"
#include "base/log.h"
#include "base/metrics.h"

static void test_shared_between_processes(void **state)
{
	struct metrics *m;
	int fd, status;
	pid_t pid;
	(void)state;

	assert_int_equal(metrics_new(&m, &fd), 0);
	metric_add(metrics_find(m, "stanza.in"), 1);
	pid = fork();
	if (pid == 0) {
		struct metrics *mine;
		char name[32];

		if (metrics_open(dup(fd), &mine) < 0)
			_exit(1);
		for (int i = 0; i < 500; i++) {
			snprintf(name, sizeof(name), "rule.%d", i);
			metric_add(metrics_find(mine, name), 2);
		}
		metric_add(metrics_find(mine, "stanza.in"), 41);
		metrics_free(mine);
		_exit(0);
	}
	/* Both claim the same names at the same time. */
	for (int i = 499; i >= 0; i--) {
		char name[32];

		snprintf(name, sizeof(name), "rule.%d", i);
		metric_add(metrics_find(m, name), 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(metric_get(metrics_find(m, "stanza.in")), 42);

	const char *name;
	metric *value;
	int count = 0;
	for (size_t at = 0; metrics_each(m, &at, &name, &value); count++) {
		if (strncmp(name, "rule.", 5) == 0)
			assert_int_equal(metric_get(value), 3);
	}
	assert_int_equal(count, 501);
	metrics_free(m);
}

static void test_long_names_stay_distinct(void **state)
{
	struct metrics *m;
	char a[300], b[300];
	int fd;
	(void)state;

	assert_int_equal(metrics_new(&m, &fd), 0);
	memset(a, 'a', sizeof(a));
	a[299] = '\0';
	memcpy(b, a, sizeof(b));
	b[298] = 'b';
	assert_ptr_equal(metrics_find(m, a), metrics_find(m, a));
	assert_ptr_not_equal(metrics_find(m, a), metrics_find(m, b));
	metrics_free(m);
}

static void test_full_page_gives_dummy(void **state)
{
	struct metrics *m;
	metric *value;
	const char *name;
	char text[32];
	int fd, count = 0;
	(void)state;

	log_init("unit", LOG_LEVEL_ERROR);
	assert_int_equal(metrics_new(&m, &fd), 0);
	for (int i = 0; i < METRIC_SLOTS + 3; i++) {
		snprintf(text, sizeof(text), "c%d", i);
		metric_add(metrics_find(m, text), 1);
	}
	for (size_t at = 0; metrics_each(m, &at, &name, &value); count++)
		assert_int_equal(metric_get(value), 1);
	assert_int_equal(count, METRIC_SLOTS);
	assert_ptr_equal(metrics_find(NULL, "x"), metrics_find(m, "one more"));
	metrics_free(m);
	metrics_free(NULL);
}

static void test_open_refuses_what_is_no_page(void **state)
{
	struct metrics *m;
	int fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	(void)state;

	assert_int_equal(ftruncate(fd, 2 << 20), 0);
	assert_int_equal(metrics_open(dup(fd), &m), ERR_PROTO);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(metrics_open(fd, &m), ERR_PROTO);
	assert_int_equal(metrics_open(open("/dev/null", O_RDWR), &m), ERR_PROTO);
	assert_int_equal(metrics_open(-1, &m), ERR_PROTO);
}

static void test_names_of_a_lying_child_are_cleaned(void **state)
{
	struct metrics *m;
	const char *name;
	metric *value;
	size_t at = 0;
	int fd;
	(void)state;

	assert_int_equal(metrics_new(&m, &fd), 0);
	assert_true(ftruncate(fd, 100) < 0);
	metrics_find(m, "a\x1b\xff z");
	assert_true(metrics_each(m, &at, &name, &value));
	assert_string_equal(name, "a???z");
	assert_false(metrics_each(m, &at, &name, &value));
	metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared_between_processes),
		cmocka_unit_test(test_long_names_stay_distinct),
		cmocka_unit_test(test_full_page_gives_dummy),
		cmocka_unit_test(test_open_refuses_what_is_no_page),
		cmocka_unit_test(test_names_of_a_lying_child_are_cleaned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
