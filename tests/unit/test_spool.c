/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/spool: records come whole and in order, round the ring, from many threads, over the death of
 * the writer or the reader; a full one says so; a hostile writer harms nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/err.h"
#include "base/spool.h"

enum { RING = 64 * 1024, THREADS = 4, EACH = 5000 };

static char path[64];
static struct spool *writer;
static struct spool_reader reader;

static int setup(void **state)
{
	int fd = -1, again;

	(void)state;
	snprintf(path, sizeof path, "/tmp/spool-test-%d", (int)getpid());
	assert_int_equal(spool_create(path, RING, &fd), 0);
	again = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(spool_map(fd, &writer), 0);
	assert_int_equal(spool_open(again, &reader), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	spool_unmap(writer);
	spool_close(&reader);
	unlink(path);
	return 0;
}

static int put(const char *text)
{
	return spool_put(writer, span_of(text));
}

static bool took(const char *text)
{
	char bytes[SPOOL_RECORD_MAX];
	size_t len = 0;

	return spool_take(&reader, bytes, &len) == 1 && len == strlen(text) &&
	       memcmp(bytes, text, len) == 0;
}

static bool is_empty(void)
{
	char bytes[SPOOL_RECORD_MAX];
	size_t len;

	return spool_take(&reader, bytes, &len) == 0;
}

static void test_in_order(void **state)
{
	(void)state;
	assert_true(is_empty());
	assert_int_equal(put("one"), 0);
	assert_int_equal(put("a second one"), 0);
	assert_true(took("one"));
	assert_true(took("a second one"));
	assert_true(is_empty());
	spool_back(&reader);
	assert_true(took("one"));
	assert_int_equal(spool_keep(&reader), 0);
	spool_back(&reader);
	assert_true(took("a second one"));
	assert_int_equal(put(""), ERR_LIMIT);
}

/* Each length, many times round. */
static void test_round(void **state)
{
	static char record[SPOOL_RECORD_MAX + 1];
	char bytes[SPOOL_RECORD_MAX];
	size_t len;

	(void)state;
	for (size_t n = 1; n <= SPOOL_RECORD_MAX; n += n / 7 + 1) {
		memset(record, (int)('a' + n % 26), n);
		for (int i = 0; i < 9; i++) {
			assert_int_equal(spool_put(writer, (struct span){ record, n }), 0);
			assert_int_equal(spool_take(&reader, bytes, &len), 1);
			assert_int_equal(len, n);
			assert_memory_equal(bytes, record, n);
			assert_int_equal(spool_keep(&reader), 0);
		}
	}
	assert_int_equal(
		spool_put(writer, (struct span){ record, SPOOL_RECORD_MAX + 1 }), ERR_LIMIT);
}

static void test_full_and_stopped(void **state)
{
	char record[1000];
	unsigned n = 0;

	(void)state;
	memset(record, 'x', sizeof record);
	while (spool_put(writer, (struct span){ record, sizeof record }) == 0)
		n++;
	assert_int_equal(n, RING / 1024);
	assert_int_equal(put("more"), -EAGAIN);
	assert_false(spool_has_room(writer, SPOOL_ROOM));
	for (unsigned i = 0; i < n; i++) {
		char bytes[SPOOL_RECORD_MAX];
		size_t len;

		assert_int_equal(spool_take(&reader, bytes, &len), 1);
	}
	assert_true(is_empty());
	assert_int_equal(put("more"), -EAGAIN); /* taken is not kept */
	assert_int_equal(spool_keep(&reader), 0);
	assert_true(spool_has_room(writer, SPOOL_ROOM));
	assert_int_equal(spool_stop(&reader, true), 0);
	assert_false(spool_has_room(writer, 1));
	assert_int_equal(put("more"), -EAGAIN);
	assert_int_equal(spool_stop(&reader, false), 0);
	assert_int_equal(put("more"), 0);
	assert_true(took("more"));
}

static void *write_many(void *arg)
{
	char text[64];

	for (int i = 0; i < EACH; i++) {
		snprintf(text, sizeof text, "%d %d %.*s", (int)(intptr_t)arg, i, i % 40,
			"........................................");
		while (put(text) == -EAGAIN)
			;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	int next[THREADS] = { 0 }, who, n;
	char bytes[SPOOL_RECORD_MAX + 1];
	size_t len;

	(void)state;
	for (intptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
	for (int got = 0; got < THREADS * EACH;) {
		if (spool_take(&reader, bytes, &len) != 1)
			continue;
		bytes[len] = '\0';
		assert_int_equal(sscanf(bytes, "%d %d", &who, &n), 2);
		assert_int_equal(n, next[who]++);
		got++;
		assert_int_equal(spool_keep(&reader), 0);
	}
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(is_empty());
}

/* Both ends die; the next reader has what was written, but for what was kept. */
static void test_killed(void **state)
{
	int ends[2], status;
	unsigned said = 0, n = 0;
	char bytes[SPOOL_RECORD_MAX + 1], c;
	size_t len;
	pid_t pid;

	(void)state;
	assert_int_equal(put("kept"), 0);
	assert_true(took("kept"));
	assert_int_equal(spool_keep(&reader), 0);
	assert_int_equal(pipe(ends), 0);
	if ((pid = fork()) == 0) {
		for (unsigned i = 0;; i++) {
			char text[32];

			snprintf(text, sizeof text, "line %u", i);
			if (put(text) < 0 || write(ends[1], "x", 1) != 1)
				pause();
		}
	}
	while (said < 300 && read(ends[0], &c, 1) == 1)
		said++;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	close(ends[1]);
	while (read(ends[0], &c, 1) == 1)
		said++;
	close(ends[0]);
	spool_close(&reader);
	assert_int_equal(spool_open(open(path, O_RDWR | O_CLOEXEC), &reader), 0);
	for (char want[32]; spool_take(&reader, bytes, &len) == 1; n++) {
		bytes[len] = '\0';
		snprintf(want, sizeof want, "line %u", n);
		assert_string_equal(bytes, want);
	}
	assert_true(n == said || n == said + 1);
}

/* Whatever stands in the ring: the reader takes bounded records or none. */
static void test_hostile(void **state)
{
	char bytes[SPOOL_RECORD_MAX], *ring;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	size_t len;

	(void)state;
	srand(7);
	ring = mmap(NULL, SPOOL_HEAD + RING, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int round = 0; round < 2000; round++) {
		assert_int_equal(put("good"), 0);
		for (int i = 0; i < 8; i++)
			ring[SPOOL_HEAD + (reader.taken + (unsigned)rand() % 64) % RING] =
				(char)rand();
		while (spool_take(&reader, bytes, &len) == 1)
			assert_true(len > 0 && len <= SPOOL_RECORD_MAX);
		/* On with a ring of its own. */
		if (!took("good")) {
			spool_unmap(writer);
			spool_close(&reader);
			munmap(ring, SPOOL_HEAD + RING);
			close(fd);
			setup(NULL);
			fd = open(path, O_RDWR | O_CLOEXEC);
			ring = mmap(
				NULL, SPOOL_HEAD + RING, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		}
	}
	/* Cut short: no signal for who only reads. */
	assert_int_equal(put("good"), 0);
	assert_int_equal(ftruncate(fd, SPOOL_HEAD), 0);
	assert_true(spool_take(&reader, bytes, &len) <= 0);
	munmap(ring, SPOOL_HEAD + RING);
	close(fd);
}

static void test_strange_files(void **state)
{
	struct spool_reader other;
	struct spool *s;
	int fd;

	(void)state;
	assert_int_equal(spool_create(path, 100, &fd), -EINVAL);
	fd = open(path, O_RDWR | O_CLOEXEC | O_TRUNC);
	assert_int_equal(spool_open(dup(fd), &other), ERR_PROTO);
	assert_int_equal(spool_map(fd, &s), ERR_PROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_and_stopped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_strange_files, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
