/* link: rules */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Address texts, ranges and the prefix tree against a plain list. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "rules/address.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(address_parse_prefix(span_of(text), &p.address, &p.len), 0);
	return p;
}

static struct peer_address address(const char *text)
{
	struct peer_address a;

	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

static void test_text(void **state)
{
	static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::g", "1.2.3.4/33", "::/129", "1.2.3.4/",
		"1.2.3.4/x", "::1%eth0", "example.org", "1.2.3.4/-1" };
	char text[INET6_ADDRSTRLEN];
	struct peer_address a;
	unsigned len;

	(void)state;
	a = address("192.0.2.7");
	assert_true(address_is_v4(&a));
	address_format(&a, text, sizeof(text));
	assert_string_equal(text, "192.0.2.7");
	a = address("::ffff:192.0.2.7");
	address_format(&a, text, sizeof(text));
	assert_string_equal(text, "192.0.2.7");
	a = address("2001:DB8::1");
	assert_false(address_is_v4(&a));
	address_format(&a, text, sizeof(text));
	assert_string_equal(text, "2001:db8::1");
	assert_int_equal(prefix("192.0.2.77/24").len, 120);
	a = prefix("192.0.2.77/24").address;
	address_format(&a, text, sizeof(text));
	assert_string_equal(text, "192.0.2.0");
	assert_int_equal(prefix("2001:db8::/32").len, 32);
	assert_int_equal(prefix("10.0.0.1").len, 128);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(address_parse_prefix(span_of(bad[i]), &a, &len), ERR_SYNTAX);
}

static void test_sockaddr(void **state)
{
	static const struct peer_address wanted = { .bytes = { [10] = 255, 255, 198, 51, 100, 9 } };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(5222) };
	struct peer_address a;
	uint16_t port;

	(void)state;
	inet_pton(AF_INET, "198.51.100.9", &in.sin_addr);
	address_from_sockaddr((struct sockaddr *)&in, &a, &port);
	assert_int_equal(port, 5222);
	assert_memory_equal(&a, &wanted, sizeof(wanted));
}

static void test_range(void **state)
{
	struct prefix p[ADDRESS_RANGE_PREFIXES_MAX];
	size_t n;

	(void)state;
	assert_int_equal(address_parse_prefixes(span_of("192.0.2.5-192.0.2.9"), p, 8, &n), 0);
	assert_int_equal(n, 3); /* .5/32 .6/31 .8/31 */
	assert_int_equal(p[0].len, 128);
	assert_int_equal(p[1].len, 127);
	assert_int_equal(p[2].len, 127);
	assert_int_equal(address_parse_prefixes(span_of("0.0.0.0-255.255.255.255"), p, 8, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(p[0].len, 96);
	assert_int_equal(address_parse_prefixes(span_of("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), p, 8, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(p[0].len, 0);
	assert_int_equal(address_parse_prefixes(span_of("192.0.2.9-192.0.2.5"), p, 8, &n), ERR_RANGE);
	assert_int_equal(address_parse_prefixes(span_of("192.0.2.9-2001:db8::1"), p, 8, &n), ERR_RANGE);
	assert_int_equal(address_parse_prefixes(span_of("10.0.0.1-10.255.255.254"), p, 4, &n), ERR_RANGE);
	assert_int_equal(address_parse_prefixes(span_of("10.0.0.1-"), p, 4, &n), ERR_SYNTAX);
}

static void test_tree(void **state)
{
	struct prefix wide = prefix("10.0.0.0/8"), narrow = prefix("10.1.2.0/24"), one = prefix("10.1.2.3"),
		      six = prefix("2001:db8::/32"), all = prefix("::/0");
	struct peer_address inside = address("10.1.2.3"), near = address("10.1.2.4"), far = address("10.9.9.9"),
			    v6 = address("2001:db8::5"), out = address("11.0.0.1");
	struct prefix_tree t;
	void *old;

	(void)state;
	prefix_tree_init(&t);
	assert_null(prefix_tree_find(&t, &inside, NULL, NULL));
	prefix_tree_put(&t, &one, "one", NULL);
	prefix_tree_put(&t, &wide, "wide", NULL);
	prefix_tree_put(&t, &narrow, "narrow", NULL);
	prefix_tree_put(&t, &six, "six", NULL);
	assert_int_equal(t.count, 4);
	assert_string_equal(prefix_tree_find(&t, &inside, NULL, NULL), "one");
	assert_string_equal(prefix_tree_find(&t, &near, NULL, NULL), "narrow");
	assert_string_equal(prefix_tree_find(&t, &far, NULL, NULL), "wide");
	assert_string_equal(prefix_tree_find(&t, &v6, NULL, NULL), "six");
	assert_null(prefix_tree_find(&t, &out, NULL, NULL));
	prefix_tree_put(&t, &all, "all", &old);
	assert_null(old);
	assert_string_equal(prefix_tree_find(&t, &out, NULL, NULL), "all");
	prefix_tree_put(&t, &narrow, "again", &old);
	assert_string_equal(old, "narrow");
	assert_string_equal(prefix_tree_take(&t, &narrow), "again");
	assert_null(prefix_tree_take(&t, &narrow));
	assert_string_equal(prefix_tree_find(&t, &near, NULL, NULL), "wide");
	assert_int_equal(t.count, 4);
	prefix_tree_fini(&t);
}

/* Random puts and takes; every look-up agrees with a walk over a plain list. */
static void test_tree_random(void **state)
{
	enum { N = 300 };
	static char values[N];
	struct prefix list[N];
	bool in[N] = { false };
	struct prefix_tree t;

	(void)state;
	srand(7);
	prefix_tree_init(&t);
	for (int i = 0; i < N; i++) {
		char text[64];
		snprintf(text, sizeof(text), "10.%d.%d.%d/%d", rand() % 4, rand() % 4, rand() % 256, 8 + rand() % 25);
		list[i] = prefix(text);
		for (int k = 0; k < i; k++)
			if (memcmp(&list[k], &list[i], sizeof(list[i])) == 0)
				i--, k = i;
	}
	for (int round = 0; round < 3000; round++) {
		int i = rand() % N, best = -1;
		char text[64];
		struct peer_address a;

		if (in[i])
			assert_ptr_equal(prefix_tree_take(&t, &list[i]), &values[i]);
		else
			assert_int_equal(prefix_tree_put(&t, &list[i], &values[i], NULL), 0);
		in[i] = !in[i];
		snprintf(text, sizeof(text), "10.%d.%d.%d", rand() % 5, rand() % 4, rand() % 256);
		a = address(text);
		for (int k = 0; k < N; k++) {
			bool holds = in[k];
			for (unsigned b = 0; holds && b < list[k].len; b++)
				holds = (a.bytes[b / 8] >> (7 - b % 8) & 1) ==
					(list[k].address.bytes[b / 8] >> (7 - b % 8) & 1);
			if (holds && (best < 0 || list[k].len > list[best].len))
				best = k;
		}
		assert_ptr_equal(prefix_tree_find(&t, &a, NULL, NULL), best < 0 ? NULL : &values[best]);
	}
	prefix_tree_fini(&t);
}

static bool overlaps(const struct prefix_tree *t, const char *text)
{
	struct prefix p;

	assert_int_equal(address_parse_prefix(span_of(text), &p.address, &p.len), 0);
	return prefix_tree_overlaps(t, &p, NULL, NULL);
}

static bool never(const void *value, void *arg)
{
	(void)value;
	(void)arg;
	return false;
}

static void test_tree_overlaps(void **state)
{
	static const char *const held[] = { "192.0.2.8/29", "192.0.2.64/26", "198.51.100.7",
		"2001:db8:1::/48" };
	struct prefix_tree t;
	struct prefix p;

	(void)state;
	prefix_tree_init(&t);
	assert_false(overlaps(&t, "0.0.0.0/0"));
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		assert_int_equal(address_parse_prefix(span_of(held[i]), &p.address, &p.len), 0);
		assert_int_equal(prefix_tree_put(&t, &p, (void *)held[i], NULL), 0);
	}
	assert_true(overlaps(&t, "::/0") && overlaps(&t, "0.0.0.0/0"));
	assert_true(overlaps(&t, "192.0.2.0/24") && overlaps(&t, "192.0.2.8/29"));
	assert_true(overlaps(&t, "192.0.2.15") && overlaps(&t, "198.51.100.7"));
	assert_true(overlaps(&t, "2001:db8:1:2::/64") && overlaps(&t, "2001:db8::/32"));
	assert_false(overlaps(&t, "192.0.2.0/29") || overlaps(&t, "192.0.2.16/28"));
	assert_false(overlaps(&t, "198.51.100.6") || overlaps(&t, "198.51.100.128/25"));
	assert_false(overlaps(&t, "2001:db8:2::/48") || overlaps(&t, "2001:db8::/48"));
	assert_false(prefix_tree_overlaps(&t, &p, never, NULL));
	prefix_tree_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_sockaddr),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_tree_random),
		cmocka_unit_test(test_tree_overlaps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
