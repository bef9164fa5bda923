/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/firewall: what the services ask for is in the text and nothing else, and the kernel takes
 * every shape of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "ctl/nft.h"
#include "tests/unit/firewall_text.h"
#include "tests/unit/nft_namespace.h"

static const struct daemon_options options = { .mark = 0x584d0000, .route_table = 22530 };

static const struct firewall_host host = { FIREWALL_QUEUE_NATIVE, 1, false, true };

static struct service make(const char *name, enum intercept intercept, uint16_t port)
{
	return (struct service){ .name = name,
		.mode = MODE_PROXY,
		.intercept = intercept,
		.ports = { port },
		.n_ports = 1 };
}

static char *text_of(const struct service *services, size_t n)
{
	return firewall_text(services, n, &options, FIREWALL_QUEUE_NATIVE);
}

static void test_nothing_asked(void **state)
{
	struct service plain = make("c2s", INTERCEPT_NONE, 5222),
		       other = make("s2s", INTERCEPT_NONE, 5269);
	struct service both[2];
	char *text;

	(void)state;
	both[0] = plain;
	both[1] = other;
	text = text_of(both, 2);
	assert_holds(text, "set block4 {");
	assert_holds(text, "ip6 saddr @block6 counter drop");
	assert_lacks(text, "chain intercept");
	assert_lacks(text, "tproxy");
	assert_holds(text, "set loading {");
	assert_holds(text, "tcp dport { 5222, 5269 } meta l4proto @loading counter drop");
	assert_holds(text, "set lockdown {");
	assert_holds(text,
		"iifname != \"lo\" tcp dport { 5222, 5269 } meta l4proto @lockdown counter drop");
	assert_lacks(text, "elements");
	assert_lacks(text, "ct "); /* no conntrack where it is not needed */
	assert_false(firewall_needs_route(both, 2));
	free(text);
}

static void test_tproxy(void **state)
{
	struct service s = make("c2s", INTERCEPT_TPROXY, 5222);
	char *text, *taken, *dropped;

	(void)state;
	s.ports[s.n_ports++] = 5223;
	text = text_of(&s, 1);
	assert_true(firewall_needs_route(&s, 1));
	assert_holds(
		text, "tcp dport 5222 tproxy to :15222 meta mark set 0x584d0002 counter accept");
	assert_holds(text, "tcp dport 5223 tproxy to :15223");
	assert_holds(text, "tcp dport { 15222, 15223 } counter drop");
	/* Our own legs pass before anything is taken; without a proxy nothing passes after. */
	taken = strstr(text, "tproxy to :15222");
	dropped = strstr(text, "tcp dport 5222 counter drop");
	assert_true(strstr(text, "meta mark 0x584d0001 accept") < taken);
	assert_true(strstr(text, "socket transparent 1") < taken);
	assert_true(dropped > taken);
	free(text);

	s.fail_open = true;
	text = text_of(&s, 1);
	assert_lacks(text, "5222 counter drop");
	free(text);
}

static void test_redirect(void **state)
{
	struct service s = make("s2s", INTERCEPT_REDIRECT, 5269);
	char *text = text_of(&s, 1);

	(void)state;
	assert_holds(text, "type nat hook prerouting priority dstnat");
	assert_holds(text, "fib daddr type local tcp dport 5269 counter redirect to :15269");
	assert_true(strstr(text, "meta mark 0x584d0001 accept") < strstr(text, "redirect to"));
	assert_lacks(text, "tproxy");
	assert_false(firewall_needs_route(&s, 1));
	free(text);
	s.source_client = true;
	assert_true(firewall_needs_route(&s, 1));
	text = text_of(&s, 1);
	assert_holds(text, "socket transparent 1 meta mark set 0x584d0002");
	assert_holds(text, "type route hook output");
	assert_holds(text, "meta mark 0x584d0001 ct mark set 0x584d0001 accept");
	free(text);
}

static void test_redirect_out(void **state)
{
	struct service s[2] = { make("in", INTERCEPT_REDIRECT, 5269), make("out", INTERCEPT_REDIRECT, 5269) };
	char *text, *chain;

	(void)state;
	s[0].role = s[1].role = ROLE_S2S;
	text = text_of(s, 1);
	assert_lacks(text, "nat hook output");
	free(text);
	s[1].direction = SERVICE_OUT;
	text = text_of(s, 2);
	chain = strstr(text, "type nat hook output priority -100");
	assert_non_null(chain);
	assert_null(strstr(chain, "redirect to :15269"));
	assert_non_null(strstr(chain, "fib daddr type != local tcp dport 5269 counter redirect to :25269"));
	assert_true(strstr(chain, "meta mark 0x584d0001 accept") < strstr(chain, "redirect to"));
	free(text);
}

/* Both stand on the same ports; what is for our own servers goes in, whatever stands first. */
static void test_both_directions(void **state)
{
	struct service s[2] = { make("out", INTERCEPT_TPROXY, 5269), make("in", INTERCEPT_TPROXY, 5269) };
	const char *in, *out;
	char *text;

	(void)state;
	s[0].role = s[1].role = ROLE_S2S;
	s[0].direction = SERVICE_OUT;
	s[1].addresses[s[1].n_addresses++] = "192.0.2.1";
	text = text_of(s, 2);
	in = strstr(text, "ip daddr { 192.0.2.1 } tcp dport 5269 tproxy ip to 192.0.2.1:15269");
	out = strstr(text, "tcp dport 5269 tproxy to :25269");
	assert_non_null(in);
	assert_non_null(out);
	assert_true(in < out);
	free(text);
}

static void test_addresses(void **state)
{
	struct service s = make("c2s", INTERCEPT_TPROXY, 5222);
	char *text;

	(void)state;
	s.addresses[s.n_addresses++] = "192.0.2.1";
	s.addresses[s.n_addresses++] = "2001:DB8:0::1";
	s.addresses[s.n_addresses++] = "192.0.2.2";
	text = text_of(&s, 1);
	assert_holds(text, "ip daddr { 192.0.2.1 } tcp dport 5222 tproxy ip to 192.0.2.1:15222");
	assert_holds(text, "ip daddr { 192.0.2.2 } tcp dport 5222 tproxy ip to 192.0.2.2:15222");
	assert_holds(text, "ip6 daddr { 2001:db8::1 } tcp dport 5222 tproxy ip6 to [2001:DB8:0::1]:15222");
	free(text);

	s.n_addresses = 1;
	s.addresses[0] = "0.0.0.0";
	text = text_of(&s, 1);
	assert_holds(text, "meta nfproto ipv4 tcp dport 5222 tproxy ip to :15222");
	assert_lacks(text, "ipv6 tcp");
	free(text);
}

static void test_refused(void **state)
{
	struct service s = make("x\n}; flush ruleset", INTERCEPT_TPROXY, 5222);
	struct daemon_options bad = options;
	struct buf b;
	char *text = text_of(&s, 1);

	(void)state;
	assert_holds(text, "# service x_};_flush_ruleset");
	free(text);
	buf_init(&b, 0);
	bad.mark = 0;
	assert_int_equal(firewall_format(&s, 1, &bad, &host, &b), ERR_RANGE);
	bad.mark = 0x584d;
	assert_int_equal(firewall_format(&s, 1, &bad, &host, &b), ERR_RANGE);
	s.ports[0] = 60000;
	assert_int_equal(firewall_format(&s, 1, &options, &host, &b), ERR_RANGE);
	s.ports[0] = 5222;
	s.addresses[s.n_addresses++] = "::1 } accept";
	assert_int_equal(firewall_format(&s, 1, &options, &host, &b), ERR_SYNTAX);
	buf_fini(&b);
}

/* ---- the kernel's word ---- */

/* Every mix of interception, addresses, source client and failing, two services at a time. */
static void test_kernel_takes_all_shapes(void **state)
{
	static const char *const addresses[4][2] = { { NULL }, { "192.0.2.1" },
		{ "2001:db8::1", "192.0.2.2" }, { "::" } };
	struct nft *n = open_namespace();
	unsigned shapes = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * 3 * 4 * 4; i++) {
		struct service s[2] = { make("one", i % 3, 5222),
			make("two", i / 3 % 3, i & 1 ? 5269 : 5222) };
		char *error = NULL, *text;
		unsigned set = i / 9 % 4;

		s[0].ports[s[0].n_ports++] = 5223;
		s[0].source_client = i / 36 & 1;
		s[0].fail_open = i / 36 & 2;
		for (unsigned k = 0; k < 2 && addresses[set][k]; k++)
			s[0].addresses[s[0].n_addresses++] = addresses[set][k];
		text = text_of(s, 2);
		if (nft_load(n, text, &error) < 0)
			fail_msg("%s\n%s", error, text);
		free(text);
		shapes++;
	}
	print_message("%u shapes\n", shapes);
	assert_int_equal(nft_unload(n, NULL), 0);
	nft_close(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_asked),
		cmocka_unit_test(test_tproxy),
		cmocka_unit_test(test_both_directions),
		cmocka_unit_test(test_redirect_out),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_kernel_takes_all_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
