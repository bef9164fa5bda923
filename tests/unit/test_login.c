/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of failed logins: windows, bounds, and which words count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "rules/login.h"
#include "xmpp/ns.h"

enum { SECOND_NS = 1000000000, WINDOW = 8 };

static metric evicted;

static void counts_within_the_window(void **state)
{
	struct login_table *t = login_table_new(64, (uint64_t)WINDOW * SECOND_NS);
	uint64_t at = (uint64_t)1000 * SECOND_NS;

	(void)state;
	assert_int_equal(login_table_count(t, 7, at), 0);
	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(login_table_add(t, 7, at, &evicted), i);
	assert_int_equal(login_table_add(t, 8, at, &evicted), 1);
	assert_int_equal(login_table_count(t, 7, at + 7LL * SECOND_NS), 5);
	assert_int_equal(login_table_add(t, 7, at + 7LL * SECOND_NS, &evicted), 6);
	/* The first five are too old now, the sixth is not. */
	assert_int_equal(login_table_count(t, 7, at + 8LL * SECOND_NS), 1);
	assert_int_equal(login_table_count(t, 7, at + 14LL * SECOND_NS), 1);
	assert_int_equal(login_table_count(t, 7, at + 15LL * SECOND_NS), 0);
	assert_int_equal(login_table_add(t, 7, at + 1000LL * SECOND_NS, &evicted), 1);
	/* Threads read the clock before they have the lock. */
	assert_int_equal(login_table_add(t, 7, at + 999LL * SECOND_NS, &evicted), 2);
	login_table_free(t);
}

static void forgets_who_failed_least(void **state)
{
	struct login_table *t = login_table_new(16, (uint64_t)WINDOW * SECOND_NS);
	uint64_t at = (uint64_t)1000 * SECOND_NS;

	(void)state;
	evicted = 0;
	for (unsigned i = 0; i < 9; i++)
		login_table_add(t, 1, at, &evicted);
	/* Fresh names in any number: the worst stays, the bound holds. */
	for (uint64_t key = 100; key < 10000; key++)
		assert_int_equal(login_table_add(t, key, at, &evicted), 1);
	assert_int_equal(login_table_count(t, 1, at), 9);
	assert_int_equal(evicted, 9900 - 15);
	/* What is over gives way uncounted. */
	evicted = 0;
	login_table_add(t, 55, at + 100LL * SECOND_NS, &evicted);
	assert_int_equal(evicted, 0);
	login_table_free(t);
}

static void one_name_does_not_run_over(void **state)
{
	struct login_table *t = login_table_new(16, (uint64_t)WINDOW * SECOND_NS);

	(void)state;
	for (unsigned i = 0; i < 70000; i++)
		login_table_add(t, 0, 1, &evicted);
	assert_int_equal(login_table_count(t, 0, 1), 65535);
	login_table_free(t);
}

static const char *word(struct arena *a, const char *ns, const char *child_ns, const char *child)
{
	struct xml_element *failure = element_new(a, ns, "failure");

	if (child)
		assert_int_equal(element_add(a, failure, element_new(a, child_ns, "text")), 0);
	if (child)
		assert_int_equal(element_add(a, failure, element_new(a, child_ns, child)), 0);
	return login_failure_word(failure);
}

static void tells_the_database_from_the_guesser(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a, 0);
	assert_string_equal(word(&a, NS_SASL, NS_SASL, "account-disabled"), "account-disabled");
	assert_string_equal(
		word(&a, NS_SASL2, NS_SASL, "temporary-auth-failure"), "temporary-auth-failure");
	assert_string_equal(word(&a, NS_SASL2, NS_SASL2, "malformed-request"), "malformed-request");
	assert_string_equal(word(&a, NS_SASL, "urn:example", "aborted"), "not-authorized");
	assert_string_equal(word(&a, NS_SASL, NULL, NULL), "not-authorized");
	arena_fini(&a);
	/* RFC 6120 6.5.9 */
	assert_false(login_failure_counts("temporary-auth-failure"));
	assert_false(login_failure_counts("credentials-expired"));
	assert_true(login_failure_counts("not-authorized"));
	assert_true(login_failure_counts("whatever-comes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_within_the_window),
		cmocka_unit_test(forgets_who_failed_least),
		cmocka_unit_test(one_name_does_not_run_over),
		cmocka_unit_test(tells_the_database_from_the_guesser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
