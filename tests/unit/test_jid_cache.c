/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* rules/jid_cache: what comes out of the table is what preparing gives, and nothing in use is
 * written over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules/jid_cache.h"

static struct arena arena;
static struct jid_cache *cache;

static int setup(void **state)
{
	(void)state;
	arena_init(&arena, 0);
	cache = jid_cache_new();
	return cache ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	jid_cache_free(cache);
	arena_fini(&arena);
	return 0;
}

static struct jid_known *find(const char *text)
{
	struct jid_known *k;

	assert_int_equal(jid_cache_find(cache, &arena, span_of(text), &k), 0);
	assert_true(span_is(k->written, text));
	return k;
}

static void span_check(struct span s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_string_equal(s.ptr, text);
}

/* Beside jid_parse itself. */
static void known_check(const struct jid_known *k)
{
	struct jid j;

	assert_int_equal(k->valid, jid_parse(&arena, k->written, &j) == 0);
	if (!k->valid) {
		assert_int_equal(
			k->bare.len + k->full.len + k->local.len + k->domain.len + k->resource.len,
			0);
		return;
	}
	span_check(k->local, j.local);
	span_check(k->domain, j.domain);
	span_check(k->resource, j.resource);
	span_check(k->bare, jid_bare(&arena, &j));
	span_check(k->full, jid_full(&arena, &j));
	assert_string_equal(k->jid.local, j.local);
	assert_string_equal(k->jid.domain, j.domain);
	assert_string_equal(k->jid.resource, j.resource);
}

static void test_same(void **state)
{
	static const char *const texts[] = { "a@b", "A@B", "b", "b/r", "a@b/r", "A@b/R", "a@b/ r",
		"@b", "a@", "/", "a b@c", "jos\u00e9@Stra\u00dfe.example/\u212b",
		"x@\uff41.example", "a@b/c@d/e", "a@xn--mnchen-3ya.example",
		"romeo@montague.example/orchard" };

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
			known_check(find(texts[i]));
		jid_cache_rest(cache);
	}
}

/* Again the same, and no memory taken for it. */
static void test_kept(void **state)
{
	struct jid_known *first;
	size_t used;

	(void)state;
	find("romeo@montague.example/orchard");
	jid_cache_rest(cache);
	first = find("romeo@montague.example/orchard"); /* the second time it is kept */
	jid_cache_rest(cache);
	used = arena.used;
	assert_ptr_equal(find("romeo@montague.example/orchard"), first);
	assert_int_equal(arena.used, used);
	assert_int_equal(jid_hash(&first->bare_memo, first->bare),
		map_hash("romeo@montague.example", strlen("romeo@montague.example")));
}

/* More addresses in one judgement than there are places: each stays what it was. */
static void test_in_use(void **state)
{
	enum { N = 3000 };
	static struct jid_known *found[N];
	char text[64], wanted[64];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < N; i++) {
			snprintf(text, sizeof(text), "User%d@host.example/R%d", i, round);
			found[i] = find(arena_strdup(&arena, text));
		}
		for (int i = 0; i < N; i++) {
			snprintf(wanted, sizeof(wanted), "user%d@host.example/R%d", i, round);
			span_check(found[i]->full, wanted);
		}
		jid_cache_rest(cache);
	}
}

/* Too long for a place, or absent: the arena serves. */
static void test_long(void **state)
{
	char text[2200];

	(void)state;
	for (size_t len = 90; len < sizeof(text) - 1; len += 97) {
		memset(text, 'a', len);
		memcpy(text + len - 10, "@b.example", 11);
		known_check(find(text));
		known_check(find(text));
		memcpy(text + 30, "@b/", 3);
		known_check(find(text));
		jid_cache_rest(cache);
	}
	jid_cache_free(cache);
	cache = NULL;
	known_check(find("A@b/c"));
}

/* The bytes are compared, not the place where they stand. */
static void test_other_bytes(void **state)
{
	char text[] = "mallory@evil.example/x";

	(void)state;
	span_check(find(text)->bare, "mallory@evil.example");
	jid_cache_rest(cache);
	memcpy(text, "romeo.x", 7);
	span_check(find(text)->bare, "romeo.x@evil.example");
	jid_cache_rest(cache);
	assert_int_equal(find("a@b")->bare.len, 3);
	assert_int_equal(find("a@bc")->bare.len, 4);
}

static void test_out_of_memory(void **state)
{
	struct jid_known *k;
	struct arena small;

	(void)state;
	arena_init(&small, 64);
	assert_int_equal(jid_cache_find(cache, &small, span_of("n@o.example/m"), &k), -ENOMEM);
	arena_fini(&small);
	known_check(find("n@o.example/m"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_use, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
