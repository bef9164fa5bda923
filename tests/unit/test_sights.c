/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* rules/sights: names with their first and last time, bounded, and a flood of new ones does not
 * push out those that are known for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "rules/sights.h"

enum { DAY = SIGHTS_SETTLED_MS, MAX = 20 };

static char gone[256];

static void on_gone(void *arg, const char *name)
{
	(void)arg;
	sprintf(gone + strlen(gone), "%s ", name);
}

static struct sight *add(struct sights *t, const char *name, uint64_t first_ms)
{
	gone[0] = '\0';
	return sights_add(t, name, first_ms, on_gone, NULL);
}

static void fill(struct sights *t, const char *prefix, unsigned n, bool settled)
{
	char name[32];

	for (unsigned i = 0; i < n; i++) {
		struct sight *s;

		snprintf(name, sizeof(name), "%s%u", prefix, i);
		s = add(t, name, 1000 + i);
		assert_non_null(s);
		if (settled)
			sights_touch(t, s, 1000 + DAY, DAY);
	}
}

static void test_times(void **state)
{
	struct sights t;
	struct sight *s;

	(void)state;
	sights_init(&t, MAX);
	assert_null(sights_find(&t, "a"));
	assert_non_null(s = add(&t, "a", 5));
	assert_ptr_equal(sights_find(&t, "a"), s);
	assert_int_equal(s->first_ms, 5);
	assert_false(s->settled);
	sights_touch(&t, s, 9, DAY - 1);
	assert_false(s->settled);
	sights_touch(&t, s, 10, DAY);
	assert_true(s->settled);
	sights_touch(&t, s, 11, 0); /* the clock was set back: it stays */
	assert_true(s->settled);
	assert_int_equal(s->last_ms, 11);
	assert_int_equal(sights_count(&t), 1);
	sights_fini(&t);
}

static void test_names(void **state)
{
	char name[SIGHTS_NAME_MAX + 2];
	struct sights t;

	(void)state;
	sights_init(&t, MAX);
	assert_null(add(&t, "", 1));
	memset(name, 'a', sizeof(name));
	name[SIGHTS_NAME_MAX + 1] = '\0';
	assert_null(add(&t, name, 1));
	name[SIGHTS_NAME_MAX] = '\0';
	assert_non_null(add(&t, name, 1));
	assert_int_equal(sights_count(&t), 1);
	sights_fini(&t);
}

/* All are new: the one seen least lately goes. */
static void test_least_lately(void **state)
{
	struct sights t;

	(void)state;
	sights_init(&t, MAX);
	fill(&t, "n", MAX, false);
	sights_touch(&t, sights_find(&t, "n0"), 5000, 1);
	assert_non_null(add(&t, "more", 1));
	assert_string_equal(gone, "n1 ");
	assert_non_null(sights_find(&t, "n0"));
	assert_int_equal(sights_count(&t), MAX);
	sights_fini(&t);
}

/* Of a full table a fifth is for those that are new: they push out each other. */
static void test_flood(void **state)
{
	char name[32];
	struct sights t;

	(void)state;
	sights_init(&t, MAX);
	fill(&t, "old", MAX, true);
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "flood%u", i);
		assert_non_null(add(&t, name, 1));
		assert_int_equal(sights_count(&t), MAX);
	}
	assert_int_equal(t.n_new, MAX / SIGHTS_NEW_SHARE);
	for (unsigned i = MAX / SIGHTS_NEW_SHARE; i < MAX; i++) {
		snprintf(name, sizeof(name), "old%u", i);
		assert_non_null(sights_find(&t, name));
	}
	sights_fini(&t);
}

/* What settles is counted among the others, and one of those goes once they are too many. */
static void test_settles(void **state)
{
	struct sights t;

	(void)state;
	sights_init(&t, MAX);
	fill(&t, "n", MAX, false);
	fill(&t, "n", 0, false);
	for (struct sight *s; (s = TAILQ_FIRST(&t.new));)
		sights_touch(&t, s, 2, DAY);
	assert_int_equal(t.n_new, 0);
	assert_non_null(add(&t, "more", 1));
	assert_string_equal(gone, "n0 ");
	sights_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_least_lately),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_settles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
