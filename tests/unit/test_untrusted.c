/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* proxy/untrusted: a leaf that has the name, and nobody's word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/err.h"
#include "proxy/remote.h"
#include "proxy/untrusted.h"

static void names_and_signs_itself(void **state)
{
	static const char *const domains[] = { "verona.example", "bücher.example", "localhost" };
	X509_STORE *nobody = X509_STORE_new();
	struct remote_found found;
	EVP_PKEY *key;
	X509 *leaf;

	(void)state;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		struct remote_check check = {
			.domain = domains[i], .trust = nobody, .now = time(NULL)
		};

		assert_int_equal(untrusted_make(domains[i], &leaf, &key), 0);
		check.leaf = leaf;
		assert_int_equal(remote_verify(&check, &found), REMOTE_VERIFIED_NONE);
		assert_string_equal(found.why, "self-signed"); /* and nothing else is wrong */
		assert_int_equal(found.by, IDENTITY_DNS);
		assert_in_range(found.not_after, time(NULL) + 86000, time(NULL) + 86400);
		assert_int_equal(X509_check_private_key(leaf, key), 1);
		assert_int_equal(X509_verify(leaf, key), 1);
		X509_free(leaf);
		EVP_PKEY_free(key);
	}
	X509_STORE_free(nobody);
}

static void what_is_no_name(void **state)
{
	EVP_PKEY *key;
	X509 *leaf;

	(void)state;
	assert_int_equal(untrusted_make("[2001:db8::1]", &leaf, &key), ERR_SYNTAX);
	assert_null(leaf);
	assert_null(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_signs_itself),
		cmocka_unit_test(what_is_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
