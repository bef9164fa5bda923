/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/interval: random nested prefixes against asking each address one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "ctl/interval.h"

enum { ROUNDS = 2000, ADDRESSES = 256, PREFIXES_MAX = 24 };

static struct nft_element element(const char *prefix, uint64_t left_ms)
{
	struct nft_element e = { .left_ms = left_ms };

	assert_int_equal(address_parse_prefix(span_of(prefix), &e.address, &e.prefix_len), 0);
	return e;
}

static void test_ends_of_a_prefix(void **state)
{
	struct nft_element e = element("192.0.2.77/26", 0);
	struct peer_address a = e.address;
	struct nft_run run;

	(void)state;
	assert_true(interval_of(&e.address, e.prefix_len, &run));
	assert_int_equal(run.first.bytes[15], 64);
	assert_int_equal(run.last.bytes[15], 127);
	assert_false(interval_of(&e.address, 129, &run));
	assert_true(interval_of(&e.address, 0, &run));
	assert_int_equal(run.first.bytes[0], 0);
	assert_int_equal(run.last.bytes[15], 255);
	assert_false(interval_step(&run.last, 1));
	assert_false(interval_step(&run.first, -1));
	assert_int_equal(run.last.bytes[0], 255);
	a.bytes[15] = 255;
	assert_true(interval_step(&a, 1));
	assert_int_equal(a.bytes[14], 3);
	assert_int_equal(a.bytes[15], 0);
	assert_true(interval_step(&a, -1));
	assert_int_equal(a.bytes[14], 2);
}

/* How long the longest prefix that covers the last byte of an address in one /24 says. */
static uint64_t longest(const struct nft_element *all, size_t n, unsigned byte)
{
	uint64_t best = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned shift = 128 - all[i].prefix_len;
		uint64_t left = all[i].left_ms ? all[i].left_ms : UINT64_MAX;

		if (byte >> shift == (unsigned)all[i].address.bytes[15] >> shift && left > best)
			best = left;
	}
	return best;
}

static void check_round(const struct nft_element *all, size_t n)
{
	struct nft_run *runs = NULL;
	uint64_t held[ADDRESSES] = { 0 };
	size_t n_runs = 0;

	assert_int_equal(interval_flatten(all, n, &runs, &n_runs), 0);
	for (size_t i = 0; i < n_runs; i++) {
		assert_true(interval_compare(&runs[i].first, &runs[i].last) <= 0);
		if (i > 0)
			assert_true(interval_compare(&runs[i - 1].last, &runs[i].first) < 0);
		for (unsigned byte = runs[i].first.bytes[15]; byte <= runs[i].last.bytes[15];
			byte++)
			held[byte] = runs[i].left_ms ? runs[i].left_ms : UINT64_MAX;
	}
	for (unsigned byte = 0; byte < ADDRESSES; byte++)
		assert_true(held[byte] == longest(all, n, byte));
	free(runs);
}

/* At the end of all addresses, at their beginning, and among IPv4: the seams are where it breaks.
 */
static void test_against_each_address(void **state)
{
	static const uint8_t nets[] = { 0x00, 0xff, 0x42 };
	struct nft_element all[PREFIXES_MAX];

	(void)state;
	srand(20261121);
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t n = (size_t)rand() % PREFIXES_MAX;

		for (size_t i = 0; i < n; i++) {
			memset(all[i].address.bytes, nets[round % 3], 15);
			all[i].address.bytes[15] = (uint8_t)rand();
			all[i].prefix_len = 120 + (unsigned)rand() % 9;
			all[i].left_ms = (uint64_t)rand() % 5;
		}
		check_round(all, n);
	}
}

static void test_edges(void **state)
{
	struct nft_element all[] = { element("::/0", 5),
		element("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 9), element("::", 9) };
	struct nft_run *runs = NULL;
	size_t n = 0;

	(void)state;
	assert_int_equal(interval_flatten(all, 3, &runs, &n), 0);
	assert_int_equal(n, 3);
	free(runs);
	assert_int_equal(interval_flatten(NULL, 0, &runs, &n), 0);
	assert_int_equal(n, 0);
	free(runs);
	all[1].prefix_len = 200;
	assert_int_equal(interval_flatten(all, 3, &runs, &n), ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_of_a_prefix),
		cmocka_unit_test(test_against_each_address),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
