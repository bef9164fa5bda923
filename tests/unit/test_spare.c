/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory given back and taken up again: whose size is kept, what is too large for a small wish, and
 * that a thread's end leaves nothing behind (the leak checker sees to that). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>
#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/spare.h"

static void test_sizes(void **state)
{
	size_t size = 4096;
	char *block = spare_take(&size), *again;

	(void)state;
	assert_non_null(block);
	assert_true(size >= 4096);
	memset(block, 1, size);
	spare_give(block, size);
	size = 3000;
	again = spare_take(&size);
	assert_non_null(again);
	assert_true(size >= 3000 && size <= 4 * 3000);
	memset(again, 2, size);
	spare_give(again, size);

	/* A long stanza's memory does not end in a short one's. */
	size = 60000;
	block = spare_take(&size);
	spare_give(block, size);
	size = 512;
	block = spare_take(&size);
	assert_true(size < 60000);
	spare_give(block, size);
	spare_give(NULL, 0);
}

static void *use(void *arg)
{
	struct arena a;
	struct buf b;

	(void)arg;
	arena_init(&a, 0);
	buf_init(&b, 0);
	for (unsigned i = 0; i < 1000; i++) {
		memset(arena_alloc(&a, 100 + i * 10), 1, 100 + i * 10);
		assert_int_equal(buf_put(&b, "0123456789", 10), 0);
		if (i % 7 == 0) {
			arena_shrink(&a);
			buf_shrink(&b);
		}
	}
	arena_fini(&a);
	buf_fini(&b);
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use, NULL), 0);
	use(NULL);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
