/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/buf: order, ceiling, reuse of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/err.h"

static void test_put_pull_keeps_order(void **state)
{
	struct buf b;
	unsigned char next_in = 0, next_out = 0;
	(void)state;

	buf_init(&b, 4096);
	for (int round = 0; round < 2000; round++) {
		unsigned char data[97];
		size_t len = (size_t)(round * 7 % 97) + 1, out = (size_t)(round * 13 % 101);

		for (size_t i = 0; i < len; i++)
			data[i] = (unsigned char)(next_in + i);
		if (buf_put(&b, data, len) == 0)
			next_in = (unsigned char)(next_in + len);
		if (out > buf_len(&b))
			out = buf_len(&b);
		for (size_t i = 0; i < out; i++)
			assert_int_equal(
				(unsigned char)buf_ptr(&b)[i], (unsigned char)(next_out + i));
		buf_pull(&b, out);
		next_out = (unsigned char)(next_out + out);
		assert_true(b.cap <= 4 * 4096);
	}
	buf_fini(&b);
}

static void test_ceiling_counts_unread_bytes(void **state)
{
	struct buf b;
	char *where;
	(void)state;

	buf_init(&b, 10);
	assert_int_equal(buf_puts(&b, "0123456789"), 0);
	assert_int_equal(buf_puts(&b, "x"), ERR_LIMIT);
	assert_int_equal(buf_putf(&b, "%d", 1), ERR_LIMIT);
	assert_int_equal(buf_reserve(&b, 1, &where), ERR_LIMIT);
	assert_int_equal(buf_len(&b), 10);
	assert_string_equal(buf_string(&b), "0123456789");
	buf_pull(&b, 4);
	assert_int_equal(buf_putf(&b, "%s", "abcd"), 0);
	assert_string_equal(buf_string(&b), "456789abcd");
	assert_int_equal(buf_put(&b, "x", SIZE_MAX), ERR_LIMIT);
	buf_fini(&b);
}

static void test_reserve_then_commit(void **state)
{
	struct buf b;
	char *where;
	(void)state;

	buf_init(&b, 0);
	assert_null(buf_ptr(&b));
	assert_null(buf_span(&b).ptr);
	assert_int_equal(buf_reserve(&b, 300, &where), 0);
	memset(where, 'a', 300);
	buf_commit(&b, 3);
	assert_true(span_is(buf_span(&b), "aaa"));
	buf_clear(&b);
	assert_int_equal(buf_len(&b), 0);
	buf_shrink(&b);
	assert_null(b.data);
	buf_fini(&b);
}

static void test_take_moves_out(void **state)
{
	struct buf b;
	char *text;
	(void)state;

	buf_init(&b, 0);
	text = buf_take(&b);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(buf_puts(&b, "drop keep"), 0);
	buf_pull(&b, 5);
	text = buf_take(&b);
	assert_string_equal(text, "keep");
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_puts(&b, "again"), 0);
	free(text);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_pull_keeps_order),
		cmocka_unit_test(test_ceiling_counts_unread_bytes),
		cmocka_unit_test(test_reserve_then_commit),
		cmocka_unit_test(test_take_moves_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
