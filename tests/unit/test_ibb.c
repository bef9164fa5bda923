/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* rules/ibb: pieces joined, ends kept, streams forgotten at the bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "rules/ibb.h"

struct bench {
	struct arena arena;
	struct metrics *metrics;
	struct ibb_table *table;
	metric *evicted;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	int fd;

	arena_init(&b->arena, 0);
	assert_int_equal(metrics_new(&b->metrics, &fd), 0);
	b->table = ibb_table_new();
	b->evicted = metrics_find(b->metrics, "evicted");
	*state = b;
	return b->table ? 0 : -1;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	ibb_table_unref(b->table);
	metrics_free(b->metrics);
	arena_fini(&b->arena);
	free(b);
	return 0;
}

static struct span join(struct bench *b, uint64_t stream, unsigned seq, struct span piece)
{
	struct span out;

	assert_int_equal(
		ibb_join(b->table, stream, seq, piece, &b->arena, &out, b->evicted), 0);
	return out;
}

static void test_tail(void **state)
{
	struct bench *b = *state;
	size_t size = 3 * IBB_TAIL_MAX;
	char *big = malloc(size);
	struct span out;

	memset(big, 'x', size);
	out = join(b, 1, 0, (struct span){ big, size });
	assert_int_equal(out.len, size);
	out = join(b, 1, 1, span_of("end"));
	assert_int_equal(out.len, IBB_TAIL_MAX + 3);
	assert_memory_equal(out.ptr + IBB_TAIL_MAX, "end", 3);
	out = join(b, 1, 2, span_of(""));
	assert_int_equal(out.len, IBB_TAIL_MAX);
	assert_memory_equal(out.ptr + IBB_TAIL_MAX - 4, "xend", 4);
	/* The piece itself is never cut, whatever it claims to be. */
	out = join(b, 1, 2, (struct span){ big, size });
	assert_int_equal(out.len, IBB_TAIL_MAX + size);
	out = join(b, 1, 2, (struct span){ big, size });
	assert_int_equal(out.len, IBB_TAIL_MAX + size);
	free(big);
}

static void test_bound(void **state)
{
	struct bench *b = *state;

	for (uint64_t i = 0; i < 2 * IBB_STREAMS_MAX; i++)
		join(b, i, 0, span_of("a"));
	assert_int_equal(metric_get(b->evicted), IBB_STREAMS_MAX);
	assert_int_equal(join(b, 0, 1, span_of("b")).len, 1);
	assert_int_equal(join(b, 2 * IBB_STREAMS_MAX - 1, 1, span_of("b")).len, 2);
}

static void test_bytes(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = { { "aGVsbG8=", "hello" }, { "aGVs bG8", "hello" }, { "aGVs*bG8=", "hel" },
		{ "=aGVs", "" }, { "", "" }, { "a", "" }, { "aG", "h" } };
	struct bench *b = *state;
	struct span out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		out = ibb_decode(&b->arena, span_of(cases[i].in));
		assert_int_equal(out.len, strlen(cases[i].out));
		assert_memory_equal(out.ptr, cases[i].out, out.len);
	}
	out = ibb_text(&b->arena, (struct span){ "\xe2\x82\xac\xe2\x82z\x01", 7 });
	assert_int_equal(out.len, 3 + 3 + 3 + 1 + 3);
	assert_memory_equal(out.ptr, "\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd", out.len);
	assert_int_equal(ibb_text(&b->arena, (struct span){ "", 0 }).len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
