/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/nft: the table as a whole, loaded, held and looked at, against the real kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/nft_lab.h"

static void test_load_and_unload(void **state)
{
	char *text = NULL;

	(void)state;
	need_kernel();
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
	assert_int_equal(nft_list(nft, &text), 0);
	assert_non_null(strstr(text, "tproxy to :15222"));
	free(text);
	assert_int_equal(nft_unload(nft, NULL), 0);
	assert_int_equal(nft_state(nft), NFT_STATE_ABSENT);
	assert_int_equal(nft_list(nft, &text), ERR_NOTFOUND);
	assert_int_equal(nft_unload(nft, NULL), 0);
	assert_int_equal(system("test -z \"$(nft list ruleset)\""), 0);
}

static void test_bad_text_changes_nothing(void **state)
{
	char *error = NULL;

	(void)state;
	need_kernel();
	assert_int_equal(add_one("192.0.2.7", 60000), 0);
	assert_int_equal(
		nft_load(nft,
			"table inet xmppwall { chain early { tcp dport nonsense-port drop } }",
			&error),
		ERR_REFUSED);
	assert_non_null(strstr(error, "rror"));
	free(error);
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
	assert_set("block", "192.0.2.7");
}

static void test_reload_keeps_elements_and_nothing_else(void **state)
{
	(void)state;
	need_kernel();
	assert_int_equal(add_one("192.0.2.7", 60000), 0);
	by_hand("add rule inet xmppwall early accept");
	assert_int_equal(nft_state(nft), NFT_STATE_ALTERED);
	by_hand("add chain inet xmppwall stranger");
	by_hand("add rule inet xmppwall early jump stranger");
	by_hand("add set inet xmppwall guest { type mark; }");
	load();
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
	assert_set("block", "192.0.2.7");
	assert_int_equal(
		system("nft list table inet xmppwall | grep -q -e stranger -e guest"), 1 << 8);
}

static bool is_loading(void)
{
	return system("nft list set inet xmppwall loading | grep -q \"elements = { tcp }\"") == 0;
}

/* Where bans may be missing, nobody new comes in. */
static void test_load_holds_until_the_sets_are_whole(void **state)
{
	enum nft_left left = NFT_LEFT_NONE;

	(void)state;
	need_kernel();
	load_as(&left); /* a reload */
	assert_int_equal(left, NFT_LEFT_ALL);
	assert_false(is_loading());
	assert_int_equal(nft_unload(nft, NULL), 0);
	load_as(&left);
	assert_int_equal(left, NFT_LEFT_NONE);
	assert_true(is_loading());
	assert_int_equal(nft_flag(nft, FIREWALL_LOADING, false), 0);
	assert_false(is_loading());
	assert_int_equal(nft_flag(nft, FIREWALL_LOADING, false), 0);
	/* A rule takes no element away, a set does. */
	by_hand("add rule inet xmppwall early accept");
	load_as(&left);
	assert_int_equal(left, NFT_LEFT_ALL);
	by_hand("flush chain inet xmppwall early");
	by_hand("delete set inet xmppwall block4");
	load_as(&left);
	assert_int_equal(left, NFT_LEFT_DOUBTED);
	assert_true(is_loading());
	assert_int_equal(nft_flag(nft, FIREWALL_LOADING, false), 0);
	assert_int_equal(nft_unload(nft, NULL), 0);
	by_hand("add table inet xmppwall");
	by_hand("add set inet xmppwall block4 { type mark; }");
	load_as(&left); /* made anew */
	assert_int_equal(left, NFT_LEFT_NONE);
	assert_true(is_loading());
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
}

static void test_flags(void **state)
{
	(void)state;
	need_kernel();
	assert_int_equal(nft_flag(nft, FIREWALL_LOADING, true), 0);
	assert_int_equal(nft_flag(nft, FIREWALL_LOADING, true), 0);
	assert_true(is_loading());
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
	assert_int_equal(nft_event_read(nft), 0);
	assert_int_equal(nft_flag(nft, "nosuch", true), ERR_NOTFOUND);
	assert_int_equal(nft_flag(nft, "nosuch", false), 0);
	assert_int_equal(nft_unload(nft, NULL), 0);
	assert_int_equal(nft_flag(nft, FIREWALL_LOADING, true), ERR_NOTFOUND);
}

static void test_load_over_a_foreign_table(void **state)
{
	(void)state;
	need_kernel();
	assert_int_equal(nft_unload(nft, NULL), 0);
	by_hand("add table inet xmppwall");
	by_hand("add set inet xmppwall block4 { type mark; }");
	by_hand("add chain inet xmppwall early { type filter hook input priority 5; }");
	assert_int_equal(nft_state(nft), NFT_STATE_ALTERED);
	load();
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
	assert_int_equal(add_one("192.0.2.7", 60000), 0);
}

static void test_checks(void **state)
{
	struct firewall_check checks[NFT_CHECKS];
	size_t n;

	(void)state;
	need_kernel();
	n = nft_check(nft, checks, NFT_CHECKS);
	assert_int_equal(n, NFT_CHECKS);
	for (size_t i = 0; i < n; i++)
		print_message("%-10s %-3s %s\n", checks[i].name, checks[i].ok ? "ok" : "NOT",
			checks[i].text);
	assert_true(checks[0].ok && checks[1].ok && checks[2].ok);
	/* Nothing of it stays, and the table is not disturbed. */
	assert_int_equal(system("nft list ruleset | grep -q xmppwall_check"), 1 << 8);
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
	assert_int_equal(nft_event_read(nft), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_load_and_unload, fresh),
		cmocka_unit_test_setup(test_bad_text_changes_nothing, fresh),
		cmocka_unit_test_setup(test_reload_keeps_elements_and_nothing_else, fresh),
		cmocka_unit_test_setup(test_load_over_a_foreign_table, fresh),
		cmocka_unit_test_setup(test_load_holds_until_the_sets_are_whole, fresh),
		cmocka_unit_test_setup(test_flags, fresh),
		cmocka_unit_test_setup(test_checks, fresh),
	};

	return cmocka_run_group_tests(tests, open_namespace, close_namespace);
}
