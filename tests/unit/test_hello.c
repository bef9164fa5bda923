/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/hello.h"

static enum hello_kind kind_of(const char *bytes, size_t len)
{
	return hello_classify((struct span){ bytes, len });
}

static void first_byte_tells(void **state)
{
	(void)state;
	assert_int_equal(kind_of("", 0), HELLO_MORE);
	assert_int_equal(kind_of("\x16", 1), HELLO_TLS);
	assert_int_equal(kind_of("\x16\x03\x01", 3), HELLO_TLS);
	assert_int_equal(kind_of("\x16\x02", 2), HELLO_OTHER);
	assert_int_equal(kind_of("<", 1), HELLO_CLEAR);
	assert_int_equal(kind_of("\n <", 3), HELLO_CLEAR);
	assert_int_equal(kind_of("\xef\xbb\xbf<", 4), HELLO_CLEAR);
	assert_int_equal(kind_of("\xff\xfe<", 3), HELLO_CLEAR);
	assert_int_equal(kind_of("GET / HTTP/1.1", 14), HELLO_OTHER);
	assert_int_equal(kind_of("\0<", 2), HELLO_OTHER);
	assert_int_equal(kind_of("\x80\x2e", 2), HELLO_OTHER); /* SSLv2 */
}

/* CVE-2011-0411 class: what stands behind <starttls/> in clear text. */
static void behind_starttls_only_a_record(void **state)
{
	(void)state;
	assert_true(hello_is_record((struct span){ "", 0 }));
	assert_true(hello_is_record((struct span){ "\x16", 1 }));
	assert_true(hello_is_record((struct span){ "\x16\x03\x01\x02", 4 }));
	assert_false(hello_is_record((struct span){ "\x16\x04", 2 }));
	assert_false(hello_is_record((struct span){ "<", 1 }));
	assert_false(hello_is_record((struct span){ "\n", 1 }));
	assert_false(hello_is_record((struct span){ "\x17\x03\x03", 3 }));
}

static enum hello_alpn choose(const char *list, size_t len, struct span *chosen)
{
	*chosen = (struct span){ NULL, 0 };
	return hello_choose_alpn((struct span){ list, len }, "xmpp-client", chosen);
}

static void alpn_equals_the_offer(void **state)
{
	struct span chosen;

	(void)state;
	assert_int_equal(choose("", 0, &chosen), HELLO_ALPN_NONE);
	assert_int_equal(choose("\x02h2\x0bxmpp-client", 15, &chosen), HELLO_ALPN_CHOSEN);
	assert_true(span_is(chosen, "xmpp-client"));
	assert_int_equal(choose("\x02h2", 3, &chosen), HELLO_ALPN_REFUSE);
	assert_int_equal(choose("\x0bxmpp-server", 12, &chosen), HELLO_ALPN_REFUSE);
	assert_int_equal(choose("\x0bxmpp-clien", 11, &chosen), HELLO_ALPN_REFUSE);
	assert_int_equal(choose("\x0bxmpp-client\0", 13, &chosen), HELLO_ALPN_REFUSE);
	assert_int_equal(choose("\x0bxmpp-client\x05h2", 15, &chosen), HELLO_ALPN_REFUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_byte_tells),
		cmocka_unit_test(behind_starttls_only_a_record),
		cmocka_unit_test(alpn_equals_the_offer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
