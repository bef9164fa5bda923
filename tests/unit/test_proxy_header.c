/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "proxy/proxy_header.h"

static struct peer_address parse(const char *text)
{
	struct peer_address a;

	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

static void expect(const char *from, const char *to, const void *bytes, size_t len)
{
	struct peer_address source = parse(from), dest = parse(to);
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(proxy_header_write(&out, &source, 0x1234, &dest, 5222), 0);
	assert_int_equal(buf_len(&out), len);
	assert_memory_equal(buf_ptr(&out), bytes, len);
	buf_fini(&out);
}

/* proxy-protocol.txt 2.2: signature, version 2 PROXY, family, length, addresses, ports. */
static void writes_v4(void **state)
{
	(void)state;
	expect("192.0.2.7", "198.51.100.1",
		"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
		"\xc0\0\x02\x07\xc6\x33\x64\x01\x12\x34\x14\x66",
		28);
}

static void writes_v6_and_maps_mixed_families(void **state)
{
	(void)state;
	expect("2001:db8::1", "2001:db8::2",
		"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x34\x14\x66",
		52);
	expect("192.0.2.7", "2001:db8::2",
		"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
		"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07"
		"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x34\x14\x66",
		52);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_v4),
		cmocka_unit_test(writes_v6_and_maps_mixed_families),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
