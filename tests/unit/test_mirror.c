/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/mirror: what is in a set of the policy, as elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "ctl/mirror.h"
#include "rules/rules.h"
#include "tests/unit/policy_of.h"

static const char policy_text[] =
	"set out { type address; elements = { 192.0.2.0/25, 198.51.100.7, 2001:db8::/33 }; }\n"
	"chain c { hook c2s; policy accept; rule r { peer.address in @out drop } }\n";

static int setup(void **state)
{
	*state = policy_of_text(policy_text, NULL);
	return 0;
}

static int teardown(void **state)
{
	policy_unref(*state);
	return 0;
}

static struct nft_element key(const char *prefix)
{
	struct nft_element one = { .left_ms = 1 };

	assert_int_equal(address_parse_prefix(span_of(prefix), &one.address, &one.prefix_len), 0);
	return one;
}

static void exact_prefixes_are_found(void **state)
{
	const struct nft_element keys[] = { key("192.0.2.0/24"), key("198.51.100.7"),
		key("192.0.2.0/25"), key("198.51.100.7"), key("192.0.2.0"), key("2001:db8::/33"),
		key("::") };
	bool found[7];

	assert_int_equal(mirror_find(*state, "out", keys, 7, found), 0);
	assert_false(found[0]);
	assert_true(found[1]);
	assert_true(found[2]);
	assert_true(found[3]); /* asked twice */
	assert_false(found[4]);
	assert_true(found[5]);
	assert_false(found[6]);
	assert_int_equal(mirror_find(*state, "nonesuch", keys, 7, found), ERR_NOTFOUND);
	assert_int_equal(mirror_find(*state, "out", keys, 0, found), 0);
}

static void sets_and_texts_become_elements(void **state)
{
	json_t *texts = json_pack(
		"[s,s,s]", "192.0.2.9 until 2031-01-01", "rubbish", "192.0.2.4-192.0.2.7");
	struct mirror m = { 0 };

	assert_int_equal(mirror_add_set(&m, *state, "out"), 0);
	assert_int_equal(m.n, 3);
	mirror_fini(&m);
	assert_int_equal(mirror_add_set(&m, *state, NULL), 0);
	assert_int_equal(mirror_add_set(&m, *state, "nonesuch"), ERR_NOTFOUND);
	assert_int_equal(mirror_add_texts(&m, texts), 0);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.all[0].prefix_len, 128);
	assert_int_equal(m.all[1].prefix_len, 126);
	assert_int_equal(m.all[0].left_ms, 0);
	mirror_fini(&m);
	json_decref(texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_prefixes_are_found),
		cmocka_unit_test(sets_and_texts_become_elements),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
