/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/arena: alignment, ceiling, reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "base/arena.h"

static void test_aligned_and_apart(void **state)
{
	struct arena a;
	char *before = NULL;
	(void)state;

	arena_init(&a, 0);
	for (size_t len = 0; len < 3000; len += 7) {
		char *p = arena_alloc(&a, len);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_ptr_not_equal(p, before);
		memset(p, (int)len, len);
		before = p;
	}
	arena_fini(&a);
}

static void test_ceiling(void **state)
{
	struct arena a;
	(void)state;

	arena_init(&a, 100);
	assert_non_null(arena_alloc(&a, 64));
	assert_null(arena_alloc(&a, 64));
	assert_non_null(arena_alloc(&a, 32));
	assert_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_strndup(&a, "x", SIZE_MAX));
	arena_reset(&a);
	assert_int_equal(a.used, 0);
	assert_non_null(arena_alloc(&a, 96));
	arena_fini(&a);
}

static void test_reset_keeps_one_small_block(void **state)
{
	struct arena a;
	(void)state;

	arena_init(&a, 0);
	assert_non_null(arena_alloc(&a, 1 << 20));
	arena_reset(&a);
	assert_null(a.blocks);
	for (int i = 0; i < 100; i++)
		assert_non_null(arena_alloc(&a, 1000));
	arena_reset(&a);
	assert_non_null(a.blocks);
	assert_int_equal(*(char *)arena_zalloc(&a, 10), 0);
	arena_shrink(&a);
	assert_null(a.blocks);
	assert_string_equal(arena_strdup(&a, "again"), "again");
	arena_fini(&a);
}

static void test_copies(void **state)
{
	struct arena a;
	(void)state;

	arena_init(&a, 0);
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&a, NULL, 0), "");
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aligned_and_apart),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_reset_keeps_one_small_block),
		cmocka_unit_test(test_copies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
