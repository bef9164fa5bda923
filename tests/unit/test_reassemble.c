/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/reassemble: order, copies that contradict each other, bounds, holes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "nfq-filter/reassemble.h"

static struct reassembly_pool pool;
static const struct reassembly_limits small = {
	.held_bytes = 64, .held_segments = 4, .kept_bytes = 32, .window = 1000
};

struct fixture {
	struct reassembly r;
	char out[4096];
	size_t len;
};

static void begin(struct fixture *f, uint32_t seq, const struct reassembly_limits *limits)
{
	memset(f, 0, sizeof(*f));
	pool = (struct reassembly_pool){ .max = 1 << 20 };
	reassembly_init(&f->r, limits, &pool);
	reassembly_start(&f->r, seq);
}

static void finish(struct fixture *f)
{
	reassembly_fini(&f->r);
	assert_int_equal(pool.used, 0);
}

static void drain(struct fixture *f)
{
	struct span bytes;
	uint64_t position;

	while (reassembly_next(&f->r, &bytes, &position)) {
		assert_true(position + bytes.len <= sizeof(f->out));
		memcpy(f->out + f->len, bytes.ptr, bytes.len);
		f->len += bytes.len;
	}
}

static struct reassembly_result push(struct fixture *f, uint32_t seq, const char *text)
{
	struct reassembly_result result;

	assert_int_equal(reassembly_push(&f->r, seq, text, strlen(text), &result), 0);
	drain(f);
	return result;
}

static void says(const struct fixture *f, const char *text)
{
	assert_int_equal(f->len, strlen(text));
	assert_memory_equal(f->out, text, f->len);
}

static void test_in_order(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 100, &reassembly_limits_default);
	assert_int_equal(push(&f, 100, "abc").fate, REASSEMBLY_NEW);
	assert_int_equal(push(&f, 103, "def").fate, REASSEMBLY_NEW);
	assert_int_equal(push(&f, 100, "abcdef").fate, REASSEMBLY_OLD);
	assert_int_equal(push(&f, 104, "efgh").fate, REASSEMBLY_NEW);
	says(&f, "abcdefgh");
	finish(&f);
}

/* RFC 9293 3.4: numbers go round. */
static void test_wrap(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0xfffffffeu, &reassembly_limits_default);
	assert_int_equal(push(&f, 1, "def").fate, REASSEMBLY_HELD);
	assert_int_equal(push(&f, 0xfffffffeu, "abc").fate, REASSEMBLY_NEW);
	push(&f, 4, "ghi");
	says(&f, "abcdefghi");
	assert_int_equal(f.r.next, 9);
	finish(&f);
}

static void test_any_order(void **state)
{
	static const char text[] = "the quick brown fox jumps over";
	struct fixture f;
	unsigned order[30];

	(void)state;
	srand(7);
	for (unsigned round = 0; round < 200; round++) {
		begin(&f, round * 100000u, &reassembly_limits_default);
		for (unsigned i = 0; i < 30; i++) {
			unsigned k = (unsigned)rand() % (i + 1);

			order[i] = order[k];
			order[k] = i;
		}
		for (unsigned i = 0; i < 30; i++) {
			char one[2] = { text[order[i]], '\0' };

			push(&f, round * 100000u + order[i], one);
		}
		says(&f, text);
		assert_int_equal(f.r.n_held, 0);
		finish(&f);
	}
}

/* What was delivered, and what waits, stays as it came first. */
static void test_first_copy_wins(void **state)
{
	struct reassembly_result result;
	struct fixture f;

	(void)state;
	begin(&f, 0, &reassembly_limits_default);
	push(&f, 0, "good");
	result = push(&f, 0, "evil");
	assert_int_equal(result.fate, REASSEMBLY_OLD);
	assert_int_equal(result.conflicts, 4);
	result = push(&f, 2, "od news");
	assert_int_equal(result.conflicts, 0);
	says(&f, "good news");
	push(&f, 12, "CCC");
	result = push(&f, 10, "xxyyyzz"); /* envelops it */
	assert_int_equal(result.conflicts, 3);
	assert_int_equal(f.r.n_held, 3);
	push(&f, 9, "-");
	says(&f, "good news-xxCCCzz");
	finish(&f);
}

static void test_hole_filled_over_held(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0, &reassembly_limits_default);
	push(&f, 4, "EF");
	push(&f, 8, "IJ");
	assert_int_equal(push(&f, 0, "abcdefghijkl").conflicts, 4);
	says(&f, "abcdEFghIJkl");
	finish(&f);
}

/* A later copy is made to say what the first said, as far as that is known. */
static void test_rewrite(void **state)
{
	char segment[] = "XXXXXXXXXX";
	struct fixture f;

	(void)state;
	begin(&f, 50, &reassembly_limits_default);
	push(&f, 50, "abc");
	push(&f, 55, "fg");
	assert_int_equal(reassembly_rewrite(&f.r, 49, segment, 10), 5);
	assert_string_equal(segment, "XabcXXfgXX");
	reassembly_ack(&f.r, 53);
	memcpy(segment, "YYYYYYYYYY", 10);
	assert_int_equal(reassembly_rewrite(&f.r, 49, segment, 10), 2);
	finish(&f);
}

/* With what is acknowledged goes the memory. */
static void test_acknowledged(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0, &reassembly_limits_default);
	push(&f, 0, "abcdefgh");
	assert_int_equal(buf_len(&f.r.kept), 8);
	reassembly_ack(&f.r, 5);
	assert_int_equal(buf_len(&f.r.kept), 3);
	reassembly_ack(&f.r, 3); /* older: nothing */
	reassembly_ack(&f.r, 8);
	assert_int_equal(buf_len(&f.r.kept), 0);
	reassembly_shrink(&f.r);
	assert_int_equal(push(&f, 0, "xxxxxxxx").conflicts, 0);
	says(&f, "abcdefgh");
	finish(&f);
}

static void test_kept_is_bounded(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0, &small);
	for (uint32_t i = 0; i < 100; i++)
		push(&f, i * 10, "0123456789");
	assert_true(buf_len(&f.r.kept) <= small.kept_bytes + 10);
	assert_int_equal(f.len, 1000);
	finish(&f);
}

static void test_bounds(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0, &small);
	assert_int_equal(push(&f, 2000, "far").fate, REASSEMBLY_OUTSIDE);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(push(&f, 10 + i * 5, "abc").fate, REASSEMBLY_HELD);
	assert_int_equal(push(&f, 100, "abc").fate, REASSEMBLY_FULL);
	assert_int_equal(f.r.n_held, 4);
	finish(&f);
	begin(&f, 0, &small);
	assert_int_equal(
		push(&f, 1, "0123456789012345678901234567890123456789012345678901234567890123")
			.fate,
		REASSEMBLY_HELD);
	assert_int_equal(push(&f, 80, "a").fate, REASSEMBLY_FULL);
	/* What is in order always passes. */
	assert_int_equal(push(&f, 0, "-").fate, REASSEMBLY_NEW);
	assert_int_equal(f.len, 65);
	finish(&f);
	begin(&f, 0, &reassembly_limits_default);
	pool.max = 10;
	assert_int_equal(push(&f, 5, "0123456789a").fate, REASSEMBLY_FULL);
	assert_int_equal(push(&f, 0, "abc").fate, REASSEMBLY_NEW);
	finish(&f);
}

/* The urgent byte is not in the stream its receiver reads (RFC 6093 2). */
static void test_urgent(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0, &reassembly_limits_default);
	assert_true(reassembly_urgent(&f.r, 3));
	push(&f, 0, "casXino");
	says(&f, "casino");
	assert_true(reassembly_urgent(&f.r, 9));
	assert_true(reassembly_urgent(&f.r, 7));
	assert_true(reassembly_urgent(&f.r, 7));
	push(&f, 7, "!y!");
	says(&f, "casinoy");
	assert_true(reassembly_urgent(&f.r, 2)); /* too late */
	for (uint32_t i = 0; i < REASSEMBLY_URGENT_MAX; i++)
		assert_true(reassembly_urgent(&f.r, 100 + i));
	assert_false(reassembly_urgent(&f.r, 200));
	finish(&f);
}

static void test_lost(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 0, &reassembly_limits_default);
	push(&f, 0, "abc");
	push(&f, 10, "xyz");
	assert_false(reassembly_is_lost(&f.r));
	reassembly_ack(&f.r, 7);
	assert_false(reassembly_is_lost(&f.r));
	reassembly_ack(&f.r, 13);
	assert_true(reassembly_is_lost(&f.r));
	assert_int_equal(reassembly_skip(&f.r), 7);
	drain(&f);
	says(&f, "abcxyz");
	assert_int_equal(f.r.next, 13);
	assert_int_equal(reassembly_skip(&f.r), 0);
	push(&f, 13, "!");
	says(&f, "abcxyz!");
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_first_copy_wins),
		cmocka_unit_test(test_hole_filled_over_held),
		cmocka_unit_test(test_rewrite),
		cmocka_unit_test(test_acknowledged),
		cmocka_unit_test(test_kept_is_bounded),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_urgent),
		cmocka_unit_test(test_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
