/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/log: shape of a line, rate limit, quoting. stderr is a pipe while a test reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

static int real_stderr, log_pipe;
static char seen[65536];

static int redirect(void **state)
{
	int ends[2];
	(void)state;

	if (pipe(ends) < 0 || (real_stderr = dup(2)) < 0 || dup2(ends[1], 2) < 0)
		return -1;
	close(ends[1]);
	log_pipe = ends[0];
	fcntl(log_pipe, F_SETFL, O_NONBLOCK);
	unsetenv("JOURNAL_STREAM");
	log_init("unit", LOG_LEVEL_INFO);
	return 0;
}

static int restore(void **state)
{
	(void)state;
	dup2(real_stderr, 2);
	close(real_stderr);
	close(log_pipe);
	clock_thaw();
	return 0;
}

static const char *read_log(void)
{
	ssize_t n = read(log_pipe, seen, sizeof(seen) - 1);

	seen[n > 0 ? n : 0] = '\0';
	return seen;
}

static void test_line(void **state)
{
	(void)state;
	errno = ENOENT;
	log_warn("peer=%s why=%m", log_quote(span_of("a\nb")));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(
		read_log(), "WARN unit: peer=\"a\\x0ab\" why=No such file or directory\n");
	log_debug("quiet");
	assert_string_equal(read_log(), "");
	log_info("one\ntwo\x1b[31m");
	assert_string_equal(read_log(), "INFO unit: one two [31m\n");
}

static void test_long_line_is_cut(void **state)
{
	char text[5000];
	(void)state;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
	assert_in_range(strlen(read_log()), 2000, 2048);
	assert_int_equal(seen[strlen(seen) - 1], '\n');
}

static void test_journal_prefix(void **state)
{
	char stream[64];
	struct stat st;
	(void)state;

	assert_int_equal(fstat(2, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init("unit", LOG_LEVEL_DEBUG);
	log_error("e");
	log_debug("d");
	assert_string_equal(read_log(), "<3>ERROR unit: e\n<7>DEBUG unit: d\n");
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_init("unit", LOG_LEVEL_INFO);
	log_info("i");
	assert_string_equal(read_log(), "INFO unit: i\n");
}

static void say_often(int times)
{
	for (int i = 0; i < times; i++)
		log_error("again");
}

static void test_rate_limit(void **state)
{
	int lines = 0;
	(void)state;

	clock_freeze(1000000000u, 0);
	say_often(50);
	read_log();
	for (const char *p = seen; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 20);
	assert_null(strstr(seen, "dropped"));
	clock_advance(1000000000u);
	say_often(2);
	assert_string_equal(read_log(), "ERROR unit: again dropped=30\nERROR unit: again\n");
}

static void test_quote(void **state)
{
	char text[100];
	const char *quoted;
	(void)state;

	assert_string_equal(log_quote((struct span){ NULL, 0 }), "\"\"");
	assert_string_equal(log_quote(span_of("a\"\\\xc3\xa9")), "\"a\\\"\\\\\\xc3\\xa9\"");
	memset(text, 1, sizeof(text));
	quoted = log_quote((struct span){ text, sizeof(text) });
	assert_int_equal(strlen(quoted), 64 * 4 + 5);
	for (int i = 0; i < 7; i++)
		log_quote(span_of("other"));
	assert_int_equal(strlen(quoted), 64 * 4 + 5);
}

static void test_parse_level(void **state)
{
	enum log_level level;
	(void)state;

	assert_int_equal(log_parse_level("warn", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_parse_level("WARN", &level), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_line, redirect, restore),
		cmocka_unit_test_setup_teardown(test_long_line_is_cut, redirect, restore),
		cmocka_unit_test_setup_teardown(test_journal_prefix, redirect, restore),
		cmocka_unit_test_setup_teardown(test_rate_limit, redirect, restore),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_parse_level),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
