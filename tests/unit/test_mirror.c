/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/mirror: which ban and which set speak of the same addresses. */
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

static bool overlaps(struct policy *p, const char *prefix)
{
	struct nft_element one = { .left_ms = 1 };

	assert_int_equal(address_parse_prefix(span_of(prefix), &one.address, &one.prefix_len), 0);
	return mirror_overlaps(p, "out", &one);
}

static void inside_outside_and_around(void **state)
{
	struct policy *p = *state;
	struct nft_element any = { .prefix_len = 0 };

	assert_true(overlaps(p, "192.0.2.5/32"));
	assert_true(overlaps(p, "192.0.2.127/32"));
	assert_false(overlaps(p, "192.0.2.128/32"));
	assert_true(overlaps(p, "192.0.2.0/24"));
	assert_false(overlaps(p, "192.0.2.128/25"));
	assert_true(overlaps(p, "198.51.100.7/32"));
	assert_false(overlaps(p, "198.51.100.6/32"));
	assert_true(overlaps(p, "198.51.100.0/24"));
	assert_true(overlaps(p, "2001:db8:7fff::/48"));
	assert_false(overlaps(p, "2001:db8:8000::/48"));
	assert_true(overlaps(p, "::/0"));
	assert_true(mirror_overlaps(p, "out", &any));
	assert_false(mirror_overlaps(p, NULL, &any));
	assert_false(mirror_overlaps(p, "nonesuch", &any));
}

static void sets_and_texts_become_elements(void **state)
{
	json_t *texts = json_pack(
		"[s,s,s]", "192.0.2.9 until 2031-01-01", "rubbish", "192.0.2.4-192.0.2.7");
	struct mirror m = { 0 };

	assert_int_equal(mirror_add_set(&m, *state, "out"), 0);
	assert_int_equal(m.n, 3);
	assert_false(mirror_is_single(&m));
	mirror_fini(&m);
	assert_int_equal(mirror_add_set(&m, *state, NULL), 0);
	assert_int_equal(mirror_add_set(&m, *state, "nonesuch"), ERR_NOTFOUND);
	assert_int_equal(mirror_add_texts(&m, texts), 0);
	assert_int_equal(m.n, 2);
	assert_int_equal(m.all[0].prefix_len, 128);
	assert_int_equal(m.all[1].prefix_len, 126);
	assert_int_equal(m.all[0].left_ms, 0);
	assert_false(mirror_is_single(&m));
	mirror_fini(&m);
	assert_true(mirror_is_single(&m));
	json_decref(texts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inside_outside_and_around),
		cmocka_unit_test(sets_and_texts_become_elements),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
