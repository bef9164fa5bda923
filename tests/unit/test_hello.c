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

/* One or more records, each with the next so many bytes of a handshake message. */
static size_t records(char *out, const char *message, size_t len, size_t each)
{
	size_t at = 0;

	for (size_t done = 0; done < len; done += each) {
		size_t n = len - done < each ? len - done : each;

		memcpy(out + at, "\x16\x03\x01", 3);
		out[at + 3] = (char)(n >> 8);
		out[at + 4] = (char)n;
		memcpy(out + at + 5, message + done, n);
		at += 5 + n;
	}
	return at;
}

/* Cut anywhere it is not all there, and what follows it does not matter. */
static void whole_only_with_its_last_byte(void **state)
{
	static const size_t steps[] = { 300, 299, 37, 10 };
	char message[300] = { 1, 0, 1, 0x28 }, bytes[600];

	(void)state;
	for (size_t s = 0; s < sizeof(steps) / sizeof(steps[0]); s++) {
		size_t len = records(bytes, message, sizeof(message), steps[s]);

		for (size_t n = 0; n < len; n++)
			assert_false(hello_is_whole((struct span){ bytes, n }));
		assert_true(hello_is_whole((struct span){ bytes, len }));
		assert_true(hello_is_whole((struct span){ bytes, len + 20 }));
	}
}

/* Nobody waits for what the library refuses at once, nor for ever. */
static void what_is_no_hello_is_not_waited_for(void **state)
{
	char message[300] = { 1, 0, 1, 0x28 }, bytes[2000];

	(void)state;
	assert_true(hello_is_whole((struct span){ "<", 1 }));
	assert_true(hello_is_whole((struct span){ "\x80\x2e", 2 }));
	assert_true(hello_is_whole((struct span){ "\x16\x04", 2 }));
	assert_true(hello_is_whole((struct span){ "\x16\x03\x01\0\0", 5 }));
	assert_true(hello_is_whole((struct span){ "\x16\x03\x01\x40\x01", 5 }));
	assert_true(hello_is_whole((struct span){ "\x16\x03\x01\x02\0\x02", 6 }));
	assert_true(hello_is_whole((struct span){ "\x16\x03\x01\x02\0\x01\x01\0\0", 9 }));
	assert_true(hello_is_whole((struct span){ "\x16\x03\x01\0\x01\x01<", 7 }));
	assert_false(hello_is_whole((struct span){ "\x16\x03\x01\x02\0\x01\0\x3f\xfc", 9 }));
	assert_true(hello_is_whole((struct span){ bytes, records(bytes, message, 200, 1) }));
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
		cmocka_unit_test(whole_only_with_its_last_byte),
		cmocka_unit_test(what_is_no_hello_is_not_waited_for),
		cmocka_unit_test(alpn_equals_the_offer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
