/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/firewall_defend: classes, rates and numbers of a policy are in the text, in an order in which
 * one does not eat up another's share, and the kernel takes every shape of it. */
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
#include "ctl/firewall.h"
#include "ctl/firewall_defend.h"
#include "ctl/nft.h"
#include "firewall_text.h"
#include "policy_of.h"
#include "tests/unit/nft_namespace.h"

#define SETS                                                                                       \
	"set tor_exits { type address; elements = { 192.0.2.0/24 }; }"                             \
	"set nat { type address; elements = { 198.51.100.0/24 }; }"
#define SERVICE                                                                                    \
	"service c2s { listen tcp { 5222, 5223 }; tls none; upstream original plain; intercept "   \
	"tproxy; }"

static char *text_of(const char *policy)
{
	struct policy *p = policy_of_text(policy, NULL);
	const struct service *services;
	size_t n;
	char *text;

	services = policy_services(p, &n);
	text = firewall_text(services, n, policy_daemon(p), FIREWALL_QUEUE_NONE);
	policy_unref(p);
	return text;
}

static char *text_with(const char *defend)
{
	char policy[4096];

	snprintf(policy, sizeof(policy), SETS SERVICE "defend { %s }", defend);
	return text_of(policy);
}

static void assert_order(const char *text, const char *first, const char *second)
{
	if (assert_holds(text, first) > assert_holds(text, second))
		fail_msg("'%s' is behind '%s' in:\n%s", first, second, text);
}

static void test_nothing(void **state)
{
	char *text = text_of(SETS SERVICE), *empty = text_with("entries 2048;"), *none;

	(void)state;
	assert_string_equal(text, empty);
	assert_lacks(text, "defend");
	/* A class that may all it likes is no reason to count. */
	none = text_with("connections nat { from @nat; }");
	assert_lacks(none, "chain defend");
	free(text);
	free(empty);
	free(none);
}

static void test_rates(void **state)
{
	char *text =
		text_with("connections { rate 100/second burst 300 per /24 /48; rate 5/10m; rate "
			  "1000/second per /0 /0; penalty 90s; }");

	(void)state;
	assert_holds(
		text, "iifname != \"lo\" tcp flags & (fin|syn|rst|ack) == syn jump defend_new");
	assert_holds(text, "tcp dport { 5222, 5223 } goto defend_rates");
	assert_holds(text, "meta nfproto ipv4 goto rates_others_4");
	assert_holds(text, "meta nfproto ipv6 goto rates_others_6");
	/* 5 in ten minutes are 30 in an hour: the kernel knows hours. */
	assert_holds(text, "update @rate_others_32_30h_30_4 { ip saddr limit rate over 30/hour "
			   "burst 30 packets } "
			   "goto over_others_4");
	assert_holds(text,
		"set rate_others_32_30h_30_4 {\n\t\ttype ipv4_addr\n\t\tsize 65536\n\t\tflags "
		"dynamic,timeout\n\t\ttimeout 3601s\n");
	assert_holds(text, "update @rate_others_24_100s_300_4 { ip saddr & 255.255.255.0 limit "
			   "rate over 100/second "
			   "burst 300 packets } counter name \"defend_others_rate\" drop");
	assert_holds(text, "update @rate_others_48_100s_300_6 { ip6 saddr & ffff:ffff:ffff:: limit "
			   "rate over 100/second");
	assert_holds(text,
		"ip6 saddr & ffff:ffff:ffff:ffff:: != @rate_others_64_30h_30_6 counter name "
		"\"defend_others_full\"");
	assert_holds(text, "add @penalty_others_4 { ip saddr timeout 90s }");
	assert_holds(
		text, "ip saddr @penalty_others_4 counter name \"defend_others_penalty\" drop");
	assert_holds(text, "limit rate over 1000/second burst 1000 packets counter name "
			   "\"defend_others_rate\" drop");
	/* Narrow before wide, whatever the file says; all together last, for both families at once.
	 */
	assert_order(text, "update @rate_others_32", "update @rate_others_24");
	assert_order(text, "update @rate_others_24", "goto all_others");
	assert_lacks(text, "ct "); /* no conntrack for rates */
	free(text);
}

static void test_classes(void **state)
{
	char *text = text_with("connections { rate 10/second; concurrent 5; } connections tor { "
			       "from @tor_exits; rate "
			       "50/second; } connections nat { from @nat; } connections regulars { "
			       "from authenticated 1d; "
			       "concurrent 200 per /32 /128; }");

	(void)state;
	assert_holds(text, "set class_tor4 {\n\t\ttype ipv4_addr\n\t\tflags interval,timeout\n");
	assert_holds(text, "set known6_64 {\n\t\ttype ipv6_addr\n");
	assert_order(text, "ip saddr @class_tor4 goto rates_tor_4", "ip saddr @class_nat4 return");
	assert_order(text, "ip saddr @class_nat4 return", "ip saddr @known4 return");
	assert_order(text, "ip saddr @known4 return", "meta nfproto ipv4 goto rates_others_4");
	assert_holds(text, "@known6_64 goto conns_regulars_6");
	/* Not counted at once, but none of the others either. */
	assert_holds(text, "ip saddr @class_tor4 return");
	assert_holds(
		text, "add @conns_others_32_5_4 { ip saddr ct count over 5 } goto many_others");
	assert_holds(text,
		"add @conns_regulars_128_200_6 { ip6 saddr ct count over 200 } goto many_regulars");
	assert_holds(text, "counter name \"defend_others_concurrent\" reject with tcp reset");
	assert_holds(text, "ip saddr @allow4 return");
	free(text);
}

static void test_which_packets(void **state)
{
	char *text = text_of("service a { listen tcp 5222; listen on 192.0.2.1, 2001:db8::1; tls "
			     "none; intercept "
			     "redirect; upstream original plain; }"
			     "service b { listen tcp 5280; mode inspect; tls none; }"
			     "service c { listen tcp 5269; tls none; upstream 192.0.2.7 plain; }"
			     "defend { connections { rate 10/second; } }");

	(void)state;
	assert_holds(text,
		"fib daddr type local ip daddr { 192.0.2.1 } tcp dport { 5222 } goto defend_rates");
	assert_holds(text, "fib daddr type local ip6 daddr { 2001:db8::1 } tcp dport { 5222 }");
	assert_holds(text, "\t\ttcp dport { 5280 } goto defend_rates");
	assert_holds(text, "fib daddr type local tcp dport { 5269 } goto defend_rates");
	free(text);
}

static const char three_kinds[] =
	"service a { listen tcp 5222; listen on 192.0.2.1; tls none; "
	"intercept redirect; upstream "
	"original plain; }"
	"service b { listen tcp 5347; mode inspect; tls none; }"
	"service c { listen tcp 5269; tls none; }"
	"defend { connections { rate 10/second; concurrent 5; } synproxy on "
	"mss 1400 wscale 5; }";

static void test_synproxy(void **state)
{
	char *text = text_of(three_kinds);

	(void)state;
	assert_holds(text, "tcp flags & (fin|syn|rst|ack) == syn jump synproxy_new");
	assert_holds(text, "synproxy mss 1400 wscale 5 timestamp sack-perm");
	assert_holds(
		text, "fib daddr type local ip daddr { 192.0.2.1 } tcp dport { 5222 } notrack");
	assert_holds(text, "tcp dport { 5269 } meta mark set 0x584d0002 counter");
	assert_holds(text, "tcp dport { 5222 } meta l4proto tcp dnat to :15222");
	/* What the inspector sees is counted as it comes, the rest when it has come about. */
	assert_holds(text, "tcp dport { 5347 } goto defend_rates");
	assert_lacks(text, "tcp dport { 5347 } notrack");
	assert_lacks(text, "tcp dport { 5269 } goto defend_rates");
	assert_holds(text, "tcp dport { 5269 } jump defend_rates");
	assert_holds(text, "tcp dport { 5269 } jump defend_conns");
	free(text);
}

static bool count_meter(void *arg, const char *name)
{
	struct buf *b = arg;

	return buf_putf(b, "%s ", name) == 0;
}

static void test_meters(void **state)
{
	struct defend d = { .entries = DEFEND_ENTRIES,
		.n_classes = 1,
		.classes = { { .name = "x",
			.n_rates = 2,
			.rates = { { 10, 1, 30, { 32, 64 } }, { 100, 60, 9, { 0, 0 } } },
			.concurrent = 5,
			.concurrent_per = { 24, 48 } } } };
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	firewall_defend_meters(&d, &d.classes[0], count_meter, &b);
	assert_string_equal(buf_string(&b),
		"rate_x_32_10s_30_4 conns_x_24_5_4 rate_x_64_10s_30_6 conns_x_48_5_6 ");
	buf_clear(&b);
	d.entries = 2048;
	firewall_defend_meters(&d, &d.classes[0], count_meter, &b);
	assert_non_null(strstr(buf_string(&b), "rate_x_32_10s_30_e2048_4 "));
	buf_fini(&b);
}

/* ---- the kernel's word ---- */

static void load(struct nft *n, const char *text)
{
	char *error = NULL;

	if (nft_load(n, text, &error) < 0)
		fail_msg("%s in:\n%s", error, text);
	assert_int_equal(nft_state(n), NFT_STATE_INTACT);
}

/* One behind the other in one table: what the former had and the next has not is gone. */
static void test_kernel_takes_all_shapes(void **state)
{
	static const char *const shapes[] = {
		"connections { rate 10/second burst 30; }",
		"connections { rate 10/second burst 30 per /32 /128; rate 20/minute per /0 /0; "
		"penalty 1m; }",
		"connections { rate 1/week burst 1 per /1 /1; concurrent 5 per /31 /127; } entries "
		"1024;",
		"connections { concurrent 5; }",
		"connections { concurrent 500 per /0 /0; } connections tor { from @tor_exits; "
		"concurrent 5; }",
		"connections Bridge_tor-2 { from @nat; rate 1000000/second burst 1000000; penalty "
		"1d; }",
		"connections tor { from @tor_exits; rate 50/second; } connections regulars { from "
		"authenticated 1d; rate 50/second per /32 /56; concurrent 9; } connections nat { "
		"from @nat; } "
		"connections { rate 10/second burst 30; rate 5/day per /16 /32; rate 7/hour per "
		"/24 /48; rate "
		"1000/second per /0 /0; concurrent 1 per /24 /48; penalty 5; } entries 4000000;",
		"synproxy on;",
		"synproxy on mss 1200 wscale 0; connections { rate 10/second per /0 /0; concurrent "
		"5; }",
		"",
	};
	struct nft *n = open_namespace();
	char *text, *list, *again;

	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		text = text_with(shapes[i]);
		load(n, text);
		assert_int_equal(nft_list(n, &list), 0);
		assert_int_equal(strstr(list, "counter defend_others_rate") != NULL,
			strstr(shapes[i], "connections {") != NULL);
		assert_int_equal(
			strstr(list, "class_tor4") != NULL, strstr(shapes[i], "tor_exits") != NULL);
		/* Loaded again it is the same table, sets and all. */
		load(n, text);
		assert_int_equal(nft_list(n, &again), 0);
		assert_string_equal(list, again);
		free(again);
		free(list);
		free(text);
	}
	text = text_of(three_kinds);
	load(n, text);
	free(text);
	assert_int_equal(nft_unload(n, NULL), 0);
	nft_close(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_rates),
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_which_packets),
		cmocka_unit_test(test_synproxy),
		cmocka_unit_test(test_meters),
		cmocka_unit_test(test_kernel_takes_all_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
