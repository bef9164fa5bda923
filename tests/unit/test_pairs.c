/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of domains of a stream between servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "base/err.h"
#include "proxy/pairs.h"

static bool valid(struct pairs *p, enum side side, const char *from, const char *to)
{
	return pairs_is_valid(p, side, span_of(from), span_of(to));
}

static void set(
	struct pairs *p, enum side side, const char *from, const char *to, enum pair_state state)
{
	assert_int_equal(pairs_set(p, side, from, to, state, PAIR_BY_DIALBACK, NULL), 0);
}

static void each_direction_is_its_own(void **state)
{
	struct pairs p;

	(void)state;
	pairs_init(&p, 4);
	assert_false(valid(&p, SIDE_INITIATOR, "a", "b"));
	set(&p, SIDE_INITIATOR, "a", "b", PAIR_VALID);
	assert_true(valid(&p, SIDE_INITIATOR, "a", "b"));
	assert_false(valid(&p, SIDE_INITIATOR, "b", "a"));
	assert_false(valid(&p, SIDE_RECEIVER, "a", "b"));
	assert_false(valid(&p, SIDE_RECEIVER, "b", "a"));
	pairs_fini(&p);
}

static void only_valid_is_valid(void **state)
{
	struct pairs p;

	(void)state;
	pairs_init(&p, 4);
	for (int s = 0; s < PAIR_STATES; s++) {
		set(&p, SIDE_RECEIVER, "a", "b", (enum pair_state)s);
		assert_int_equal(valid(&p, SIDE_RECEIVER, "a", "b"), s == PAIR_VALID);
		assert_int_equal(pairs_count(&p, SIDE_RECEIVER, (enum pair_state)s), 1);
		assert_int_equal(pairs_speaks_for(&p, SIDE_RECEIVER, "a"), s == PAIR_VALID);
	}
	assert_false(pairs_speaks_for(&p, SIDE_RECEIVER, "b"));
	assert_int_equal(p.said_by[SIDE_RECEIVER].n, 1);
	pairs_fini(&p);
}

/* "a"+"bc" is not "ab"+"c", and half a name is none. */
static void names_are_whole(void **state)
{
	struct pairs p;

	(void)state;
	pairs_init(&p, 4);
	set(&p, SIDE_INITIATOR, "ab.example", "c.example", PAIR_VALID);
	assert_false(valid(&p, SIDE_INITIATOR, "ab.exampl", "c.example"));
	assert_false(valid(&p, SIDE_INITIATOR, "ab.example", "c.example.net"));
	assert_false(valid(&p, SIDE_INITIATOR, "b.example", "c.example"));
	assert_false(valid(&p, SIDE_INITIATOR, "", ""));
	assert_false(pairs_is_valid(&p, SIDE_INITIATOR, (struct span){ NULL, 0 }, span_of("x")));
	pairs_fini(&p);
}

static void the_last_hit_is_no_more_than_a_place(void **state)
{
	struct pairs p;

	(void)state;
	pairs_init(&p, 3);
	set(&p, SIDE_INITIATOR, "a", "z", PAIR_REFUSED);
	set(&p, SIDE_INITIATOR, "b", "z", PAIR_VALID);
	set(&p, SIDE_INITIATOR, "c", "z", PAIR_VALID);
	assert_true(valid(&p, SIDE_INITIATOR, "c", "z"));
	assert_true(valid(&p, SIDE_INITIATOR, "b", "z"));
	/* "a" goes, and all move up. */
	set(&p, SIDE_INITIATOR, "d", "z", PAIR_ASKED);
	assert_true(valid(&p, SIDE_INITIATOR, "b", "z"));
	assert_true(valid(&p, SIDE_INITIATOR, "c", "z"));
	assert_false(valid(&p, SIDE_INITIATOR, "d", "z"));
	assert_null(pairs_find(&p, SIDE_INITIATOR, span_of("a"), span_of("z")));
	pairs_fini(&p);
}

static void the_ceiling_is_each_directions(void **state)
{
	struct pairs p;
	char name[16];

	(void)state;
	pairs_init(&p, 100);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		set(&p, SIDE_INITIATOR, name, "z", i % 2 ? PAIR_VALID : PAIR_ASKED);
	}
	assert_int_equal(pairs_set(&p, SIDE_INITIATOR, "x", "z", PAIR_ASKED, PAIR_BY_NOTHING, NULL),
		ERR_LIMIT);
	set(&p, SIDE_INITIATOR, "n7", "z", PAIR_REFUSED);
	set(&p, SIDE_INITIATOR, "x", "z", PAIR_ASKED);
	assert_int_equal(pairs_set(&p, SIDE_INITIATOR, "y", "z", PAIR_ASKED, PAIR_BY_NOTHING, NULL),
		ERR_LIMIT);
	set(&p, SIDE_RECEIVER, "y", "z", PAIR_ASKED);
	assert_int_equal(p.said_by[SIDE_INITIATOR].n, 100);
	pairs_fini(&p);
}

static void a_pairs_memory_stays_where_it_is(void **state)
{
	struct pairs p;
	const struct pair *first;
	char name[16];

	(void)state;
	pairs_init(&p, 50);
	assert_int_equal(
		pairs_set(&p, SIDE_RECEIVER, "a", "b", PAIR_VALID, PAIR_BY_EXTERNAL, &first), 0);
	for (int i = 0; i < 49; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		set(&p, SIDE_RECEIVER, name, "b", PAIR_VALID);
	}
	assert_string_equal(first->from.ptr, "a");
	assert_string_equal(first->to.ptr, "b");
	assert_int_equal(first->how, PAIR_BY_EXTERNAL);
	assert_ptr_equal(pairs_find(&p, SIDE_RECEIVER, span_of("a"), span_of("b")), first);
	pairs_fini(&p);
}

static void names_are_prepared(void **state)
{
	static const struct {
		const char *text, *prepared;
	} cases[] = {
		{ "Example.COM", "example.com" },
		{ "example.com.", "example.com" },
		{ "xn--mnchen-3ya.example", "münchen.example" },
		{ "MÜNCHEN.example", "münchen.example" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "", NULL },
		{ ".", NULL },
		{ "a..b", NULL },
		{ "user@example.com", NULL },
		{ "example.com/x", NULL },
		{ "exa mple.com", NULL },
		{ "a<b", NULL },
	};
	struct arena a;
	const char *out;
	char text[400];

	(void)state;
	arena_init(&a, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = pair_prepare(&a, cases[i].text, &out);

		assert_int_equal(r, cases[i].prepared ? 0 : ERR_SYNTAX);
		if (r == 0)
			assert_string_equal(out, cases[i].prepared);
	}
	memset(text, 'a', sizeof(text));
	text[PAIR_NAME_MAX] = '\0';
	assert_int_equal(pair_prepare(&a, text, &out), 0);
	text[PAIR_NAME_MAX] = 'a';
	text[PAIR_NAME_MAX + 1] = '\0';
	assert_int_equal(pair_prepare(&a, text, &out), ERR_SYNTAX);
	arena_fini(&a);
}

static void a_domain_in_an_address(void **state)
{
	static const char *const cases[][2] = {
		{ "d", "d" },
		{ "u@d", "d" },
		{ "u@d/r", "d" },
		{ "d/r", "d" },
		{ "d/u@e", "d" },
		{ "u@d/r/e@f", "d" },
		{ "u@e@d", "e@d" },
		{ "@d", "d" },
		{ "u@", "" },
		{ "/r", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_true(span_is(pair_domain_of(cases[i][0]), cases[i][1]));
}

static void words(void **state)
{
	(void)state;
	assert_string_equal(pair_state_text(PAIR_REFUSED), "refused");
	assert_string_equal(pair_how_text(PAIR_BY_EXTERNAL), "external");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_direction_is_its_own),
		cmocka_unit_test(only_valid_is_valid),
		cmocka_unit_test(names_are_whole),
		cmocka_unit_test(the_last_hit_is_no_more_than_a_place),
		cmocka_unit_test(the_ceiling_is_each_directions),
		cmocka_unit_test(a_pairs_memory_stays_where_it_is),
		cmocka_unit_test(names_are_prepared),
		cmocka_unit_test(a_domain_in_an_address),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
