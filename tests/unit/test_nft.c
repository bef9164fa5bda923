/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/nft, nft_set, nft_netlink: against the real kernel, in a network namespace of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/err.h"
#include "tests/unit/nft_lab.h"

enum { MANY = 20000 };

/* ---- elements ---- */

static void test_edit(void **state)
{
	struct nft_element add[] = { element("192.0.2.7", 60000), element("198.51.100.0/24", 0),
		element("2001:db8::/32", 3600000) };
	struct nft_element del[] = { element("192.0.2.7", 0), element("203.0.113.1", 0) };
	struct nft_edit done;
	size_t n;

	(void)state;
	need_kernel();
	assert_int_equal(nft_edit(nft, "block", add, 3, NULL, 0, &done), 0);
	assert_int_equal(done.added, 3);
	assert_in_range(assert_set("block", "192.0.2.7 198.51.100.0-198.51.100.255 "
					    "2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
		3590000, 3600000);
	assert_int_equal(count("block", true), 2);
	assert_int_equal(count("block", false), 1);
	assert_int_equal(count("allow", true), 0);
	assert_int_equal(nft_count(nft, "nosuch", &n, &n), ERR_NOTFOUND);
	assert_int_equal(nft_edit(nft, "block", NULL, 0, del, 2, &done), 0);
	assert_int_equal(done.removed, 1);
	assert_int_equal(done.absent, 1);
	assert_int_equal(nft_edit(nft, "block", NULL, 0, del, 2, &done), 0);
	assert_int_equal(done.absent, 2);
	assert_int_equal(count("block", true), 1);
}

static void test_edit_replaces_the_end(void **state)
{
	(void)state;
	need_kernel();
	assert_int_equal(add_one("192.0.2.7", 60000), 0);
	assert_int_equal(add_one("192.0.2.7", 7200000), 0);
	assert_in_range(assert_set("block", "192.0.2.7"), 7190000, 7200000);
	assert_int_equal(add_one("192.0.2.7", 0), 0);
	assert_int_equal(assert_set("block", "192.0.2.7"), 0);
	assert_int_equal(add_one("192.0.2.7", 5000), 0);
	assert_in_range(assert_set("block", "192.0.2.7"), 1, 5000);
}

static void test_edit_says_overlap(void **state)
{
	struct nft_element add[] = { element("203.0.113.1", 1000),
		element("198.51.100.0/24", 60000) };

	(void)state;
	need_kernel();
	assert_int_equal(add_one("198.51.100.8/30", 60000), 0);
	assert_int_equal(nft_edit(nft, "block", add, 2, NULL, 0, NULL), ERR_EXISTS);
	assert_set("block", "198.51.100.8-198.51.100.11");
	/* Neighbours are not overlaps, and neither are single addresses and networks as hosts have.
	 */
	assert_int_equal(add_one("198.51.100.4/30", 60000), 0);
	assert_int_equal(add_one("198.51.100.9", 30000), 0);
	assert_int_equal(add_one("2001:db8::/48", 60000), 0);
	assert_int_equal(add_one("2001:db8::/64", 60000), 0);
	assert_int_equal(add_one("2001:db8::1", 60000), 0);
	assert_set("block", "198.51.100.9 198.51.100.4-198.51.100.7 198.51.100.8-198.51.100.11 "
			    "2001:db8::1 2001:db8::-2001:db8::ffff:ffff:ffff:ffff "
			    "2001:db8::-2001:db8:0:ffff:ffff:ffff:ffff:ffff");
}

static void test_edges_of_the_address_space(void **state)
{
	static const char *const prefixes[] = { "255.255.255.255", "ffff:ffff:ffff:ffff::/64",
		"::/64", "0.0.0.0", "::", "128.0.0.0/1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"0.0.0.0/0", "::/0" };

	(void)state;
	need_kernel();
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct nft_element e = element(prefixes[i], 60000);
		struct nft_edit done;

		assert_int_equal(add_one(prefixes[i], 60000), 0);
		assert_int_equal(count("block", true) + count("block", false), 1);
		assert_int_equal(nft_sync(nft, "block", &e, 1, &done), 0);
		assert_int_equal(done.added + done.removed, 0);
		assert_int_equal(nft_edit(nft, "block", NULL, 0, &e, 1, &done), 0);
		assert_int_equal(done.removed, 1);
	}
	assert_set("block", "");
}

static void test_no_table(void **state)
{
	struct nft_element e = element("192.0.2.7", 1000);
	size_t n;

	(void)state;
	need_kernel();
	assert_int_equal(nft_unload(nft, NULL), 0);
	assert_int_equal(add_one("192.0.2.7", 1000), ERR_NOTFOUND);
	assert_int_equal(nft_edit(nft, "block", NULL, 0, &e, 1, NULL), ERR_NOTFOUND);
	assert_int_equal(nft_sync(nft, "block", &e, 1, NULL), ERR_NOTFOUND);
	assert_int_equal(nft_count(nft, "block", &n, &n), ERR_NOTFOUND);
	load();
	by_hand("flush chain inet xmppwall early");
	by_hand("delete set inet xmppwall block4");
	assert_int_equal(add_one("192.0.2.7", 1000), ERR_NOTFOUND);
	assert_int_equal(nft_edit(nft, "block", NULL, 0, &e, 1, NULL), ERR_NOTFOUND);
}

static void test_timeouts_run_out(void **state)
{
	struct dump d = { .n = 2 };
	uint64_t deadline;

	(void)state;
	need_kernel();
	assert_int_equal(add_one("192.0.2.7", 50), 0);
	assert_int_equal(add_one("192.0.2.8", 60000), 0);
	deadline = clock_mono_ms() + 5000;
	while (d.n != 1 && clock_mono_ms() < deadline) {
		d = (struct dump){ .n = 0 };
		assert_int_equal(nft_each(nft, "block", dump_run, &d), 0);
	}
	assert_set("block", "192.0.2.8");
	assert_int_equal(add_one("192.0.2.7", 60000), 0);
	assert_set("block", "192.0.2.7 192.0.2.8");
}

/* ---- sync ---- */

static void test_sync_cuts_overlaps(void **state)
{
	struct nft_element want[] = { element("198.51.100.0/24", 60000),
		element("198.51.100.8/30", 600000), element("198.51.100.76/30", 30000),
		element("2001:db8::1", 0), element("::/0", 90000) };
	struct nft_edit done;

	(void)state;
	need_kernel();
	assert_int_equal(nft_sync(nft, "block", want, 4, &done), 0);
	assert_int_equal(done.added, 4);
	assert_set("block", "198.51.100.0-198.51.100.7 198.51.100.8-198.51.100.11 "
			    "198.51.100.12-198.51.100.255 2001:db8::1");
	assert_int_equal(nft_sync(nft, "block", want, 4, &done), 0);
	assert_int_equal(done.added + done.removed, 0);
	/* ::/0 is IPv6's alone. */
	assert_int_equal(nft_sync(nft, "block", want, 5, &done), 0);
	assert_int_equal(count("block", true), 3);
	assert_int_equal(count("block", false), 2);
	/* The wide one goes, the narrow one it covered comes to light. */
	want[0] = want[2];
	assert_int_equal(nft_sync(nft, "block", want, 2, NULL), 0);
	assert_set("block", "198.51.100.8-198.51.100.11 198.51.100.76-198.51.100.79");
	/* A single address is found beside the network around it, with an end of its own. */
	want[1] = element("198.51.100.77", 10000);
	assert_int_equal(nft_sync(nft, "block", want, 2, NULL), 0);
	assert_set("block", "198.51.100.77 198.51.100.76-198.51.100.79");
	assert_int_equal(nft_sync(nft, "block", NULL, 0, NULL), 0);
	assert_set("block", "");
}

static void test_sync_undoes_others(void **state)
{
	struct nft_element want[] = { element("192.0.2.1", 0), element("192.0.2.2", 0) };
	struct nft_edit done;

	(void)state;
	need_kernel();
	assert_int_equal(nft_sync(nft, "allow", want, 2, NULL), 0);
	by_hand("delete element inet xmppwall allow4 { 192.0.2.2 }");
	by_hand("add element inet xmppwall allow4_nets { 198.51.100.0/24 }");
	assert_int_equal(nft_sync(nft, "allow", want, 2, &done), 0);
	assert_int_equal(done.added, 1);
	assert_int_equal(done.removed, 1);
	assert_set("allow", "192.0.2.1 192.0.2.2");
	by_hand("flush set inet xmppwall allow4");
	by_hand("add element inet xmppwall allow4_nets { 192.0.2.0/24 }");
	assert_int_equal(nft_sync(nft, "allow", want, 2, NULL), 0);
	assert_set("allow", "192.0.2.1 192.0.2.2");
}

static void test_sync_many(void **state)
{
	struct nft_element *want = calloc(MANY, sizeof(*want));
	struct nft_edit done;
	uint64_t began;
	char text[32];

	(void)state;
	if (reason)
		free(want);
	need_kernel();
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(text, sizeof(text), i % 2 ? "10.%u.%u.%u" : "2001:db8:%x:%x::%x", i >> 13,
			(i >> 5) & 0xff, i & 31);
		want[i] = element(text, i % 3 ? 3600000 : 0);
	}
	began = clock_mono_ms();
	assert_int_equal(nft_sync(nft, "block", want, MANY, &done), 0);
	print_message("%u elements added in %u ms\n", MANY, (unsigned)(clock_mono_ms() - began));
	assert_int_equal(done.added, MANY);
	began = clock_mono_ms();
	assert_int_equal(nft_sync(nft, "block", want, MANY, &done), 0);
	print_message("compared in %u ms\n", (unsigned)(clock_mono_ms() - began));
	assert_int_equal(done.added + done.removed, 0);
	began = clock_mono_ms();
	assert_int_equal(nft_edit(nft, "block", NULL, 0, want, MANY, &done), 0);
	print_message("deleted in %u ms\n", (unsigned)(clock_mono_ms() - began));
	assert_int_equal(done.removed, MANY);
	assert_int_equal(nft_edit(nft, "block", NULL, 0, want, MANY, &done), 0);
	assert_int_equal(done.absent, MANY);
	free(want);
}

/* ---- events ---- */

static void test_events_tell_others_from_us(void **state)
{
	struct pollfd p = { .events = POLLIN };

	(void)state;
	need_kernel();
	p.fd = nft_event_fd(nft);
	assert_int_equal(poll(&p, 1, 0), 0);
	load();
	assert_int_equal(add_one("192.0.2.7", 60000), 0);
	assert_int_equal(nft_event_read(nft), 0);
	by_hand("add table inet other");
	by_hand("add chain inet other c");
	by_hand("add table ip xmppwall");
	by_hand("add table inet xmppwall2");
	assert_int_equal(poll(&p, 1, 1000), 1);
	assert_int_equal(nft_event_read(nft), 0);
	by_hand("delete element inet xmppwall block4 { 192.0.2.7 }");
	assert_int_equal(nft_event_read(nft), 1);
	by_hand("add rule inet xmppwall early accept");
	assert_int_equal(nft_event_read(nft), 1);
	by_hand("flush ruleset");
	assert_int_equal(nft_event_read(nft), 1);
	assert_int_equal(nft_event_read(nft), 0);
	load();
	assert_int_equal(nft_event_read(nft), 0);
	assert_int_equal(nft_state(nft), NFT_STATE_INTACT);
}

/* ---- what it is for ---- */

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static struct sockaddr_in address4(const char *text, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, text, &a.sin_addr);
	return a;
}

/* Sends from 127.0.0.9 and says whether it arrives; the kernel delivers over lo while we wait. */
static bool passes(int timeout_ms)
{
	struct sockaddr_in from = address4("127.0.0.9", 0), to = address4("127.0.0.1", 9999);
	int receiver = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	    sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = receiver, .events = POLLIN };
	bool arrived;

	assert_int_equal(bind(receiver, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(bind(sender, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	arrived = poll(&p, 1, timeout_ms) == 1;
	close(receiver);
	close(sender);
	return arrived;
}

static void test_blocked_is_dropped(void **state)
{
	struct nft_element e = element("127.0.0.0/28", 0);

	(void)state;
	need_kernel();
	loopback_up();
	assert_true(passes(2000));
	assert_int_equal(add_one("127.0.0.0/28", 60000), 0);
	assert_false(passes(100));
	assert_int_equal(
		system("nft list chain inet xmppwall early | grep -q \"block4_nets counter "
		       "packets 1 \""),
		0);
	assert_int_equal(nft_edit(nft, "allow", &e, 1, NULL, 0, NULL), 0);
	assert_true(passes(2000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_edit, fresh),
		cmocka_unit_test_setup(test_edit_replaces_the_end, fresh),
		cmocka_unit_test_setup(test_edit_says_overlap, fresh),
		cmocka_unit_test_setup(test_edges_of_the_address_space, fresh),
		cmocka_unit_test_setup(test_no_table, fresh),
		cmocka_unit_test_setup(test_timeouts_run_out, fresh),
		cmocka_unit_test_setup(test_sync_cuts_overlaps, fresh),
		cmocka_unit_test_setup(test_sync_undoes_others, fresh),
		cmocka_unit_test_setup(test_sync_many, fresh),
		cmocka_unit_test_setup(test_events_tell_others_from_us, fresh),
		cmocka_unit_test_setup(test_blocked_is_dropped, fresh),
	};

	return cmocka_run_group_tests(tests, open_namespace, close_namespace);
}
