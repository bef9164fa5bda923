/* link: base */
/* SPDX-License-Identifier: BSD-2-Clause */
/* base/map and base/siphash: against the paper's vectors and a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/map.h"
#include "base/siphash.h"

enum { KEYS = 2000 };

static void test_siphash_vectors(void **state)
{
	uint8_t key[16], data[15];
	(void)state;

	for (uint8_t i = 0; i < 16; i++)
		key[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		data[i] = i;
	/* Appendix A of the SipHash paper; and the first of its authors' test vectors. */
	assert_true(siphash24(key, data, 15) == 0xa129ca6149be45e5u);
	assert_true(siphash24(key, data, 0) == 0x726fdb47dd0e0e31u);
	assert_true(siphash24(key, data, 8) == 0x93f5f5799a932462u);
}

static size_t key_text(char *text, int i)
{
	return (size_t)sprintf(text, "key-%d", i);
}

static void test_against_array(void **state)
{
	static char values[KEYS];
	static bool present[KEYS];
	struct map m;
	unsigned seed = 1;
	size_t count = 0;
	char key[32];
	void *old;
	(void)state;

	map_init(&m);
	for (int round = 0; round < 60000; round++) {
		seed = seed * 1103515245u + 12345u;
		int i = (int)(seed >> 8) % KEYS;
		size_t len = key_text(key, i);

		if (seed >> 31) {
			assert_int_equal(map_put(&m, key, len, &values[i], &old), 0);
			assert_ptr_equal(old, present[i] ? &values[i] : NULL);
			count += !present[i];
			present[i] = true;
		} else {
			assert_ptr_equal(map_take(&m, key, len), present[i] ? &values[i] : NULL);
			count -= present[i];
			present[i] = false;
		}
		assert_int_equal(m.count, count);
		assert_true(m.cap <= 4 * KEYS);
	}
	for (int i = 0; i < KEYS; i++) {
		size_t len = key_text(key, i);

		assert_int_equal(map_has(&m, key, len), present[i]);
		assert_ptr_equal(map_find(&m, key, len), present[i] ? &values[i] : NULL);
	}
	map_fini(&m, NULL);
}

static void test_walk_may_remove(void **state)
{
	static int seen[KEYS];
	struct map m;
	struct map_entry *e;
	size_t at = 0;
	char key[32];
	(void)state;

	map_init(&m);
	assert_false(map_each(&m, &at, &e));
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(map_put(&m, key, key_text(key, i), &seen[i], NULL), 0);
	for (at = 0; map_each(&m, &at, &e);) {
		int *mark = e->value;

		++*mark;
		if ((mark - seen) % 2)
			assert_ptr_equal(map_take(&m, e->key, e->key_len), mark);
	}
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(m.count, KEYS / 2);
	map_fini(&m, NULL);
}

static void test_odd_keys(void **state)
{
	struct map m;
	(void)state;

	map_init(&m);
	assert_null(map_find(&m, "", 0));
	assert_null(map_take(&m, "", 0));
	assert_int_equal(map_put(&m, NULL, 0, strdup("empty"), NULL), 0);
	assert_int_equal(map_put(&m, "a\0b", 3, strdup("nul"), NULL), 0);
	assert_int_equal(map_put(&m, "a", 1, strdup("short"), NULL), 0);
	assert_string_equal(map_find(&m, "", 0), "empty");
	assert_string_equal(map_find(&m, "a\0b", 3), "nul");
	assert_string_equal(map_find(&m, "a", 1), "short");
	assert_null(map_find(&m, "a\0c", 3));
	map_fini(&m, free);
	assert_int_equal(m.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash_vectors),
		cmocka_unit_test(test_against_array),
		cmocka_unit_test(test_walk_may_remove),
		cmocka_unit_test(test_odd_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
