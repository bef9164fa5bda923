/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/firewall_queue, ctl/firewall_iptables, ctl/nft_target: what services of mode inspect ask for,
 * as text, and that this kernel takes it in the form it knows. */
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
#include "ctl/serverless.h"
#include "tests/unit/firewall_text.h"
#include "tests/unit/nft_namespace.h"

static const struct daemon_options options = {
	.mark = 0x584d0000, .route_table = 22530, .inspect = { .queues = 2, .queue = 5298 }
};
static struct firewall_host host = { FIREWALL_QUEUE_NATIVE, 2, false, true };

static struct service inspected(const char *name, uint16_t port, bool fail_open)
{
	return (struct service){ .name = name,
		.role = ROLE_COMPONENT,
		.mode = MODE_INSPECT,
		.ports = { port },
		.n_ports = 1,
		.fail_open = fail_open };
}

static char *text_of(const struct service *s, size_t n)
{
	return firewall_text(s, n, &options, FIREWALL_QUEUE_NATIVE);
}

/* ---- the text ---- */

static void test_nothing_inspected(void **state)
{
	struct service s = inspected("component", 5275, false);
	char *text;

	(void)state;
	s.mode = MODE_PROXY;
	text = text_of(&s, 1);
	assert_lacks(text, "queue");
	assert_lacks(text, "ct ");
	assert_false(firewall_inspects(&s, 1));
	free(text);
}

/* The whole of it, so that a change is seen. */
static void test_golden(void **state)
{
	struct service s = inspected("component", 5275, false);
	char *text;

	(void)state;
	s.ports[s.n_ports++] = 5347;
	text = text_of(&s, 1);
	assert_true(firewall_inspects(&s, 1));
	assert_holds(text,
		"\tchain inspect_output {\n"
		"\t\ttype filter hook output priority filter + 10; policy accept;\n"
		"\t\t# The proxy's own connections, whose streams it has judged.\n"
		"\t\tmeta mark & 0xffff0001 == 0x584d0001 ct mark set ct mark & 0x0000ffff | "
		"0x584d0001 accept\n"
		"\t\toifname \"lo\" accept\n"
		"\t\tjump inspect\n"
		"\t}\n"
		"\tchain inspect {\n"
		"\t\tct mark & 0xffff0001 == 0x584d0001 accept\n"
		"\t\t# service component, dropped while there is no inspector\n"
		"\t\ttcp dport { 5275, 5347 } goto inspect_closed\n"
		"\t\ttcp sport { 5275, 5347 } goto inspect_closed\n"
		"\t}\n"
		"\tchain inspect_state {\n"
		"\t\t# Resets that a firewall made.\n"
		"\t\tct state related tcp flags & rst == rst accept\n"
		"\t\t# A handshake: what was said of these addresses and ports is over.\n"
		"\t\tct direction reply tcp flags & (syn | ack) == (syn | ack) ct mark & "
		"0xffff0000 == 0x584d0000 "
		"ct mark set ct mark & 0xffffffe3\n"
		"\t\t# Connections that the inspector ended; those it let go for good.\n"
		"\t\tct mark & 0xffff0008 == 0x584d0008 tcp flags & rst == rst accept\n"
		"\t\tct mark & 0xffff0008 == 0x584d0008 tcp flags & syn == 0 counter reject with "
		"tcp "
		"reset\n"
		"\t\tct mark & 0xffff0004 == 0x584d0004 tcp flags & syn == 0 accept\n"
		"\t\tct state invalid counter drop\n"
		"\t\t# Connections whose beginning nobody saw are ended.\n"
		"\t\tct state new tcp flags & (syn | ack) != syn counter reject with tcp reset\n"
		"\t}\n");
	assert_holds(text, "\tchain inspect_closed {\n"
			   "\t\tjump inspect_state\n"
			   "\t\tcounter queue to 5298-5299\n"
			   "\t}\n");
	assert_holds(text, "\tchain inspected {\n"
			   "\t\tmeta mark & 0x584d0008 == 0x584d0008 goto inspected_kill\n"
			   "\t\tmeta mark & 0xffff0004 != 0x584d0004 accept\n"
			   "\t\tct mark set ct mark & 0x0000ffff | 0x584d0004\n"
			   "\t\tmeta mark set meta mark & 0x0000fff3 accept\n"
			   "\t}\n");
	assert_lacks(text, "bypass");
	assert_lacks(text, "inspect_open");
	assert_lacks(text, "serverless");
	assert_lacks(text, "to 5298-5299 fanout");
	free(text);
}

static void test_fail_open_comes_last(void **state)
{
	struct service s[2] = { inspected("lax", 5298, true), inspected("strict", 5275, false) };
	char *text = text_of(s, 2);

	(void)state;
	assert_true(assert_holds(text, "tcp sport { 5275 } goto inspect_closed") <
		    assert_holds(text, "tcp dport { 5298 } goto inspect_open"));
	assert_holds(text, "# service lax, passes by while there is no inspector\n");
	assert_holds(text, "\t\tcounter queue flags bypass to 5298-5299\n");
	assert_holds(text, "\t\tcounter queue to 5298-5299\n");
	free(text);
}

static void test_addresses(void **state)
{
	struct service s = inspected("component", 5275, false);
	char *text;

	(void)state;
	s.addresses[s.n_addresses++] = "2001:db8::1";
	s.addresses[s.n_addresses++] = "192.0.2.1";
	s.addresses[s.n_addresses++] = "192.0.2.2";
	text = text_of(&s, 1);
	assert_holds(text, "ip daddr { 192.0.2.1, 192.0.2.2 } tcp dport { 5275 } goto");
	assert_holds(text, "ip saddr { 192.0.2.1, 192.0.2.2 } tcp sport { 5275 } goto");
	assert_holds(text, "ip6 daddr { 2001:db8::1 } tcp dport { 5275 } goto");
	assert_holds(text, "ip6 saddr { 2001:db8::1 } tcp sport { 5275 } goto");
	free(text);
	s.n_addresses = 0;
	s.addresses[s.n_addresses++] = "0.0.0.0";
	text = text_of(&s, 1);
	assert_holds(text, "meta nfproto ipv4 tcp dport { 5275 } goto");
	assert_lacks(text, "ipv6 tcp");
	free(text);
}

static void test_settings(void **state)
{
	struct service s = inspected("x };\nflush ruleset", 5275, false);
	struct daemon_options d = options;
	struct buf b;
	char *text;

	(void)state;
	d.inspect.midstream = true;
	d.inspect.bridge = true;
	d.inspect.queues = 1;
	d.inspect.queue = 7;
	text = firewall_text(&s, 1, &d, FIREWALL_QUEUE_NATIVE);
	assert_lacks(text, "ct state new");
	assert_holds(text, "set bridges {\n\t\ttype ifname\n");
	assert_holds(text, "counter queue to 7\n");
	assert_holds(text, "# service x_};_flush_ruleset,");
	free(text);
	d.inspect.queues = 0; /* as many as cores */
	text = firewall_text(&s, 1, &d, FIREWALL_QUEUE_NATIVE);
	assert_holds(text, "queue to 7-8\n");
	free(text);
	buf_init(&b, 0);
	d.inspect.queues = 3;
	d.inspect.queue = 65534;
	assert_int_equal(firewall_format(&s, 1, &d, &host, &b), ERR_RANGE);
	assert_int_equal(firewall_format_iptables(&s, 1, &d, &host, &b), ERR_RANGE);
	d = options;
	s.addresses[s.n_addresses++] = "::1 } accept";
	assert_int_equal(firewall_format(&s, 1, &d, &host, &b), ERR_SYNTAX);
	assert_int_equal(firewall_format_iptables(&s, 1, &d, &host, &b), ERR_SYNTAX);
	buf_fini(&b);
}

static void test_other_forms(void **state)
{
	struct service s[2] = { inspected("lax", 5298, true), inspected("strict", 5275, false) };
	char *text = firewall_text(s, 2, &options, FIREWALL_QUEUE_TARGET);

	(void)state;
	assert_lacks(text, "queue to");
	assert_holds(text, "\tchain queue_closed {\n\t}\n");
	assert_holds(text, "\tchain queue_open {\n\t}\n");
	/* What stands behind the jump is what happens while the chain is empty. */
	assert_holds(text, "queue 5298 to 5299\n\t\tcounter drop\n");
	assert_holds(text, "queue flags bypass 5298 to 5299\n\t\taccept\n");
	free(text);
	text = firewall_text(s, 2, &options, FIREWALL_QUEUE_NONE);
	assert_holds(text,
		"chain inspect_closed {\n\t\tjump inspect_state\n\t\t# This kernel has no "
		"queue.\n\t\tcounter drop\n");
	assert_lacks(text, "chain queue_");
	free(text);
}

static void test_serverless(void **state)
{
	struct service s[2] = { inspected("lan", 5298, true), inspected("c2s", 5222, false) };
	char *text;

	(void)state;
	s[0].role = ROLE_SERVERLESS;
	s[1].mode = MODE_PROXY;
	s[1].role = ROLE_C2S;
	s[1].intercept = INTERCEPT_REDIRECT;
	text = text_of(s, 2);
	assert_holds(
		text, "set serverless4 {\n\t\ttype ipv4_addr . inet_service\n\t\tflags timeout\n");
	assert_holds(text, "ip6 saddr . tcp sport @serverless6 ct mark set ct mark & 0x0000ffff | "
			   "0x584d0010 goto inspect_open\n");
	assert_holds(text, "udp dport 5353 goto inspect_mdns\n");
	assert_holds(text,
		"@ih,0,40 0x3c3f786d6c ct mark set ct mark & 0x0000ffff | 0x584d0010 goto "
		"inspect_open\n");
	/* What the proxy has is not looked at. */
	assert_true(assert_holds(text, "tcp dport { 5222, 15222 } accept\n") <
		    assert_holds(text, "daddr . tcp dport @serverless4 ct mark"));
	assert_lacks(text, "notrack");
	free(text);
	s[0].fail_open = false;
	text = text_of(s, 1);
	assert_holds(text, "@serverless6 ct mark set ct mark & 0x0000ffff | 0x584d0010 goto "
			   "inspect_closed\n");
	/* Names are looked up in any case. */
	assert_holds(text, "chain inspect_mdns {\n\t\tcounter queue flags bypass to 5298-5299\n");
	free(text);
}

static void test_iptables(void **state)
{
	struct service s[2] = { inspected("lax", 5298, true), inspected("strict", 5275, false) };
	struct buf b;

	(void)state;
	s[1].addresses[s[1].n_addresses++] = "192.0.2.1";
	buf_init(&b, 0);
	assert_int_equal(firewall_format_iptables(s, 2, &options, &host, &b), 0);
	assert_holds(buf_string(&b),
		"-A XMPPWALL -d 192.0.2.1 -p tcp --dport 5275 -g XMPPWALL_CLOSED\n"
		"-A XMPPWALL -s 192.0.2.1 -p tcp --sport 5275 -g XMPPWALL_CLOSED\n"
		"-A XMPPWALL -p tcp --dport 5298 -g XMPPWALL_OPEN\n");
	assert_holds(buf_string(&b), "-j NFQUEUE --queue-balance 5298:5299 --queue-bypass\n");
	assert_holds(buf_string(&b), "ip6tables-restore -w --noflush");
	assert_lacks(buf_string(&b), "fanout");
	buf_clear(&b);
	s[0].mode = s[1].mode = MODE_PROXY;
	assert_int_equal(firewall_format_iptables(s, 2, &options, &host, &b), 0);
	assert_lacks(buf_string(&b), "-restore");
	buf_fini(&b);
}

/* ---- the kernel's word ---- */

static void load(struct nft *n, const struct service *s, size_t count,
	const struct daemon_options *d, enum firewall_queue_form form)
{
	char *text = firewall_text(s, count, d, form), *error = NULL;

	if (nft_load(n, text, &error) < 0)
		fail_msg("%s\n%s", error, text);
	if (form == FIREWALL_QUEUE_TARGET)
		assert_int_equal(nft_target_fill(n, d->inspect.queue, d->inspect.queues), 0);
	assert_int_equal(nft_state(n), NFT_STATE_INTACT);
	free(text);
}

static void test_kernel_takes_all_shapes(void **state)
{
	static const char *const addresses[4][2] = { { NULL }, { "192.0.2.1" },
		{ "2001:db8::1", "192.0.2.2" }, { "::" } };
	struct nft *n = open_namespace();
	enum firewall_queue_form form = nft_queue_form(n);

	(void)state;
	for (unsigned i = 0; i < 4 * 2 * 2 * 2 * 3; i++) {
		struct service s[3] = { inspected("one", 5275, i & 1),
			inspected("two", 5269, i & 2), inspected("lan", 5298, i & 4) };
		struct daemon_options d = options;

		d.inspect.midstream = i & 1;
		d.inspect.queues = 1 + i % 3;
		for (unsigned k = 0; k < 2 && addresses[i / 8 % 4][k]; k++)
			s[0].addresses[s[0].n_addresses++] = addresses[i / 8 % 4][k];
		s[2].role = i / 32 ? ROLE_SERVERLESS : ROLE_COMPONENT;
		load(n, s, 2 + i / 32 % 2, &d, form);
		load(n, s, i % 3, &d, i & 1 ? form : FIREWALL_QUEUE_NONE);
	}
	assert_int_equal(nft_unload(n, NULL), 0);
	nft_close(n);
}

static bool is_filled(const char *chain)
{
	char line[160];

	snprintf(line, sizeof(line),
		"nft list chain inet xmppwall %s 2>/dev/null | grep -q 'queue '", chain);
	return system(line) == 0;
}

/* The rule that queues is in place before and after, whoever was there in between. */
static void test_target_is_kept_and_mended(void **state)
{
	struct service s[2] = { inspected("lax", 5298, true), inspected("strict", 5275, false) };
	struct nft *n = open_namespace();
	struct daemon_options d = options;

	(void)state;
	if (nft_queue_form(n) == FIREWALL_QUEUE_NONE) {
		nft_close(n);
		print_message("skipped: no NFQUEUE target\n");
		skip();
	}
	load(n, s, 2, &d, FIREWALL_QUEUE_TARGET);
	load(n, s, 2, &d, FIREWALL_QUEUE_TARGET);
	assert_int_equal(system("nft insert rule inet xmppwall queue_closed accept"), 0);
	assert_int_equal(nft_state(n), NFT_STATE_ALTERED);
	load(n, s, 2, &d, FIREWALL_QUEUE_TARGET);
	assert_int_equal(
		system("nft list chain inet xmppwall queue_closed 2>/dev/null | grep -q accept"),
		1 << 8);
	assert_int_equal(system("nft flush chain inet xmppwall queue_open"), 0);
	assert_int_equal(nft_state(n), NFT_STATE_ALTERED);
	load(n, s, 2, &d, FIREWALL_QUEUE_TARGET);
	assert_true(is_filled("queue_open"));
	d.inspect.queue = 100;
	load(n, s, 2, &d, FIREWALL_QUEUE_TARGET);
	assert_true(is_filled("queue_closed"));
	/* One service less: its chain goes, too. */
	load(n, s + 1, 1, &d, FIREWALL_QUEUE_TARGET);
	assert_int_equal(
		system("nft list table inet xmppwall 2>/dev/null | grep -q queue_open"), 1 << 8);
	assert_int_equal(nft_event_read(n) < 0, 0);
	nft_close(n);
}

static bool set_holds(const char *set, const char *pattern)
{
	char line[256];

	snprintf(line, sizeof(line), "nft list set inet xmppwall %s | grep -q '%s'", set, pattern);
	return system(line) == 0;
}

static void test_pairs(void **state)
{
	struct service s = inspected("lan", 5298, true);
	struct nft_pair pair = { .port = 40001, .left_ms = 60000 }, six = pair;
	struct nft *n = open_namespace();

	(void)state;
	assert_int_equal(address_parse(span_of("192.0.2.7"), &pair.address), 0);
	assert_int_equal(address_parse(span_of("2001:db8::7"), &six.address), 0);
	load(n, &s, 1, &options, nft_queue_form(n));
	assert_int_equal(nft_pair_add(n, &pair), ERR_NOTFOUND);
	s.role = ROLE_SERVERLESS;
	load(n, &s, 1, &options, nft_queue_form(n));
	assert_int_equal(nft_pair_add(n, &pair), 0);
	assert_int_equal(nft_pair_add(n, &six), 0);
	assert_true(set_holds("serverless4", "192.0.2.7 . 40001 timeout 1m"));
	assert_true(set_holds("serverless6", "2001:db8::7 . 40001 timeout 1m"));
	pair.left_ms = 7200000;
	assert_int_equal(nft_pair_add(n, &pair), 0);
	assert_true(set_holds("serverless4", "192.0.2.7 . 40001 timeout 2h"));
	/* A reload keeps them, and they are no alteration. */
	load(n, &s, 1, &options, nft_queue_form(n));
	assert_true(set_holds("serverless4", "192.0.2.7 . 40001"));
	assert_int_equal(nft_pair_remove(n, &pair), 0);
	assert_int_equal(nft_pair_remove(n, &pair), ERR_NOTFOUND);
	assert_false(set_holds("serverless4", "192.0.2.7"));
	assert_true(nft_event_read(n) >= 0);
	nft_close(n);
}

static void test_serverless_table(void **state)
{
	struct serverless s = { 0 };
	struct nft_pair pair = { .port = 1 };

	(void)state;
	assert_int_equal(serverless_note(&s, &pair, 0, 0), 0);
	for (unsigned i = 0; i < SERVERLESS_MAX; i++) {
		pair.port = (uint16_t)(i + 1);
		assert_int_equal(serverless_note(&s, &pair, 1000 + i, 5), 0);
	}
	pair.port = SERVERLESS_MAX + 1;
	assert_int_equal(serverless_note(&s, &pair, 1000, 5), ERR_LIMIT);
	assert_int_equal(serverless_note(&s, &pair, 1000, 1005), 0); /* the first has ended */
	assert_int_equal(s.n, SERVERLESS_MAX);
	assert_int_equal(serverless_note(&s, &pair, 0, 1005), 0);
	assert_int_equal(serverless_refresh(&s, 1005 + 10), SERVERLESS_MAX - 1 - 10);
	assert_int_equal(serverless_refresh(&s, 1 << 20), 0);
	serverless_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_inspected),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_fail_open_comes_last),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_other_forms),
		cmocka_unit_test(test_serverless),
		cmocka_unit_test(test_iptables),
		cmocka_unit_test(test_kernel_takes_all_shapes),
		cmocka_unit_test(test_target_is_kept_and_mended),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_serverless_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
