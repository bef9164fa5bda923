/* link: door */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Ceilings and accounts by address; a /64 is one client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "door/registry.h"

static struct peer_address at(const char *text)
{
	struct peer_address a;

	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

static void ceilings_by_address_and_service(void **state)
{
	struct peer_address one = at("192.0.2.1"), two = at("192.0.2.2");
	size_t before = registry_count();

	(void)state;
	assert_int_equal(registry_enter("a", &one, 3, 2), REGISTRY_OK);
	assert_int_equal(registry_enter("a", &one, 3, 2), REGISTRY_OK);
	assert_int_equal(registry_enter("a", &one, 3, 2), REGISTRY_ADDRESS_FULL);
	assert_int_equal(registry_enter("a", &two, 3, 2), REGISTRY_OK);
	assert_int_equal(registry_enter("a", &two, 3, 2), REGISTRY_FULL);
	assert_int_equal(registry_enter("b", &two, 3, 2), REGISTRY_OK);
	assert_int_equal(registry_count(), before + 4);
	registry_leave("a", &one);
	assert_int_equal(registry_enter("a", &two, 3, 0), REGISTRY_OK);
	registry_leave("a", &one);
	registry_leave("a", &two);
	registry_leave("a", &two);
	registry_leave("b", &two);
	assert_int_equal(registry_count(), before);
}

static void one_prefix_is_one_client(void **state)
{
	struct peer_address one = at("2001:db8:1:2::1"), same = at("2001:db8:1:2:ffff::9");
	struct peer_address other = at("2001:db8:1:3::1");

	(void)state;
	assert_int_equal(registry_enter("v6", &one, 10, 1), REGISTRY_OK);
	assert_int_equal(registry_enter("v6", &same, 10, 1), REGISTRY_ADDRESS_FULL);
	assert_int_equal(registry_enter("v6", &other, 10, 1), REGISTRY_OK);
	registry_leave("v6", &one);
	registry_leave("v6", &other);
}

/* A ban of a shared address would hit others. */
static void shared_means_other_accounts(void **state)
{
	struct peer_address nat = at("198.51.100.7");

	(void)state;
	assert_int_equal(registry_enter("c2s", &nat, 10, 0), REGISTRY_OK);
	assert_int_equal(registry_enter("c2s", &nat, 10, 0), REGISTRY_OK);
	assert_false(registry_is_shared(&nat, ""));
	assert_int_equal(registry_login(&nat, "a@x"), 0);
	assert_false(registry_is_shared(&nat, "a@x"));
	assert_true(registry_is_shared(&nat, ""));
	assert_int_equal(registry_login(&nat, "a@x"), 0);
	assert_int_equal(registry_login(&nat, "b@x"), 0);
	assert_true(registry_is_shared(&nat, "a@x"));
	registry_logout(&nat, "b@x");
	assert_false(registry_is_shared(&nat, "a@x"));
	registry_logout(&nat, "a@x");
	assert_true(registry_is_shared(&nat, "c@x"));
	registry_leave("c2s", &nat);
	registry_leave("c2s", &nat);
	assert_false(registry_is_shared(&nat, ""));
}

static struct subject_company company_of(const char *address, const char *jid, bool listed)
{
	struct subject s = { .peer = at(address), .session_jid = jid, .session_listed = listed };
	struct subject_company company;

	registry_company(&s, &company);
	return company;
}

/* An account's sessions are counted wherever they come from, an address's whoever they are. */
static void who_is_there(void **state)
{
	struct peer_address home = at("198.51.100.20"), work = at("2001:db8:77::1");
	struct subject about = { .peer = home, .session_account = "romeo@example.org" };
	struct subject_company company;

	(void)state;
	company = company_of("198.51.100.20", NULL, false);
	assert_int_equal(company.peer_sessions + company.peer_accounts + company.account_sessions, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(registry_enter("c2s", &home, 10, 0), REGISTRY_OK);
	assert_int_equal(registry_enter("c2s", &work, 10, 0), REGISTRY_OK);
	assert_int_equal(registry_login(&home, "romeo@example.org"), 0);
	assert_int_equal(registry_login(&home, "romeo@example.org"), 0);
	assert_int_equal(registry_login(&work, "romeo@example.org"), 0);
	company = company_of("198.51.100.20", "romeo@example.org/a", true);
	assert_int_equal(company.account_sessions, 3);
	assert_int_equal(company.peer_sessions, 3);
	assert_int_equal(company.peer_accounts, 1);
	company = company_of("2001:db8:77:0:5::9", "nurse@example.org/a", false);
	assert_int_equal(company.account_sessions, 1);
	assert_int_equal(company.peer_sessions, 1);
	assert_int_equal(company.peer_accounts, 1);
	/* About to bind: it is one more. */
	registry_company(&about, &company);
	assert_int_equal(company.account_sessions, 4);
	assert_int_equal(registry_login(&home, "nurse@example.org"), 0);
	assert_int_equal(company_of("198.51.100.20", NULL, false).peer_accounts, 2);
	registry_logout(&home, "nurse@example.org");
	registry_logout(&home, "nobody@example.org");
	assert_int_equal(company_of("198.51.100.20", NULL, false).peer_accounts, 1);
	registry_logout(&work, "romeo@example.org");
	registry_leave("c2s", &work);
	assert_int_equal(company_of("198.51.100.20", "romeo@example.org", true).account_sessions, 2);
	/* Accounts that were not logged out go with their address. */
	for (int i = 0; i < 3; i++)
		registry_leave("c2s", &home);
	company = company_of("198.51.100.20", "romeo@example.org", true);
	assert_int_equal(company.peer_sessions + company.peer_accounts + company.account_sessions, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ceilings_by_address_and_service),
		cmocka_unit_test(one_prefix_is_one_client),
		cmocka_unit_test(shared_means_other_accounts),
		cmocka_unit_test(who_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
