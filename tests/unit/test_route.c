/* link: ctl */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/route: in a network namespace of our own; what ip(8) shows, and where a marked packet goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/err.h"
#include "ctl/route.h"

enum { MARK = 0x584d0002, TABLE = 22530 };

static bool is_apart;
static int why;

static int open_namespace(void **state)
{
	(void)state;
	is_apart = unshare(CLONE_NEWNET) == 0;
	why = errno;
	return is_apart && system("ip link set lo up") != 0;
}

static void need_namespace(void)
{
	if (!is_apart) {
		print_message("skipped: no network namespace: %s\n", strerror(why));
		skip();
	}
}

static void assert_shell(const char *command)
{
	if (system(command) != 0)
		fail_msg("not so: %s", command);
}

static void test_add_is_idempotent(void **state)
{
	(void)state;
	need_namespace();
	assert_int_equal(route_present(MARK, TABLE), 0);
	assert_int_equal(route_add(MARK, TABLE), 0);
	assert_int_equal(route_add(MARK, TABLE), 0);
	assert_int_equal(route_present(MARK, TABLE), 1);
	assert_int_equal(route_present(MARK + 4, TABLE), 0);
	assert_int_equal(route_present(MARK, TABLE + 1), 0);
	assert_shell("test $(ip -4 rule show | grep -c 'fwmark 0x584d0002 lookup 22530') = 1");
	assert_shell("test $(ip -6 rule show | grep -c 'fwmark 0x584d0002 lookup 22530') = 1");
	assert_shell("ip -4 route show table 22530 | grep -q '^local default dev lo'");
	assert_shell("ip -6 route show table 22530 | grep -q '^local default dev lo'");
}

static void test_half_of_it_is_completed(void **state)
{
	(void)state;
	need_namespace();
	assert_int_equal(route_add(MARK, TABLE), 0);
	assert_shell("ip -6 rule del fwmark 0x584d0002 lookup 22530");
	assert_int_equal(route_present(MARK, TABLE), 0);
	assert_int_equal(route_add(MARK, TABLE), 0);
	assert_int_equal(route_present(MARK, TABLE), 1);
	assert_shell("ip route flush table 22530");
	assert_int_equal(route_present(MARK, TABLE), 0);
	assert_int_equal(route_add(MARK, TABLE), 0);
	assert_int_equal(route_present(MARK, TABLE), 1);
}

static void test_remove_leaves_others(void **state)
{
	(void)state;
	need_namespace();
	assert_int_equal(route_add(MARK, TABLE), 0);
	assert_shell("ip rule add fwmark 0x1 lookup 22530 priority 100");
	assert_shell("ip route add 192.0.2.0/24 dev lo table 22530");
	assert_int_equal(route_remove(MARK, TABLE), 0);
	assert_int_equal(route_present(MARK, TABLE), 0);
	assert_shell("! ip -4 rule show | grep -q 0x584d0002");
	assert_shell("! ip -6 rule show | grep -q 0x584d0002");
	assert_shell("ip rule show | grep -q 'fwmark 0x1 lookup 22530'");
	assert_shell("test $(ip route show table 22530 | wc -l) = 1");
	assert_int_equal(route_remove(MARK, TABLE), 0);
	assert_shell("ip rule del fwmark 0x1 lookup 22530");
	assert_shell("ip route flush table 22530");
}

static void test_small_table_numbers(void **state)
{
	(void)state;
	need_namespace();
	assert_int_equal(route_add(MARK, 0), ERR_RANGE);
	assert_int_equal(route_add(MARK, 254), ERR_RANGE);
	assert_int_equal(route_remove(MARK, 255), ERR_RANGE);
	assert_int_equal(route_add(MARK, 100), 0);
	assert_int_equal(route_present(MARK, 100), 1);
	assert_int_equal(route_remove(MARK, 100), 0);
	assert_int_equal(route_present(MARK, 100), 0);
}

/* ---- what it is for ---- */

/* Does a packet for an address that is not ours arrive here? */
static bool arrives(int family, uint32_t mark)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(9999) },
			    to6 = any6;
	struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(9999) }, to4 = any4;
	bool v4 = family == AF_INET;
	socklen_t len = v4 ? sizeof(to4) : sizeof(to6);
	int receiver = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	    sender = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = receiver, .events = POLLIN };
	bool arrived;

	inet_pton(AF_INET, "198.51.100.1", &to4.sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &to6.sin6_addr);
	assert_int_equal(bind(receiver, v4 ? (void *)&any4 : (void *)&any6, len), 0);
	if (mark)
		assert_int_equal(setsockopt(sender, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	arrived = sendto(sender, "x", 1, 0, v4 ? (void *)&to4 : (void *)&to6, len) == 1 &&
		  poll(&p, 1, 2000) == 1;
	close(receiver);
	close(sender);
	return arrived;
}

static void test_marked_packets_come_here(void **state)
{
	static const int families[] = { AF_INET, AF_INET6 };

	(void)state;
	need_namespace();
	assert_int_equal(route_add(MARK, TABLE), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_true(arrives(families[i], MARK));
		/* Nor unmarked, nor with the mark of the proxy's own connections. */
		assert_false(arrives(families[i], 0));
		assert_false(arrives(families[i], 0x584d0001));
	}
	assert_int_equal(route_remove(MARK, TABLE), 0);
	assert_false(arrives(AF_INET, MARK));
}

static void test_without_ipv6(void **state)
{
	(void)state;
	need_namespace();
	assert_shell("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
	assert_int_equal(route_add(MARK, TABLE), 0);
	assert_int_equal(route_present(MARK, TABLE), 1);
	assert_true(arrives(AF_INET, MARK));
	assert_int_equal(route_remove(MARK, TABLE), 0);
	assert_shell("echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
}

static void test_checks(void **state)
{
	struct firewall_check checks[ROUTE_CHECKS];
	size_t n;

	(void)state;
	need_namespace();
	assert_shell("echo 1 > /proc/sys/net/ipv4/ip_forward");
	assert_shell("echo 1 > /proc/sys/net/ipv4/conf/all/src_valid_mark");
	n = route_check(checks, ROUTE_CHECKS);
	assert_true(n >= 3);
	for (size_t i = 0; i < n; i++) {
		print_message("%-14s %-3s %s\n", checks[i].name, checks[i].ok ? "ok" : "NOT",
			checks[i].text);
		if (strcmp(checks[i].name, "forward4") == 0)
			assert_true(checks[i].ok);
		if (strcmp(checks[i].name, "src_valid_mark") == 0)
			assert_false(checks[i].ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_is_idempotent),
		cmocka_unit_test(test_half_of_it_is_completed),
		cmocka_unit_test(test_remove_leaves_others),
		cmocka_unit_test(test_small_table_numbers),
		cmocka_unit_test(test_marked_packets_come_here),
		cmocka_unit_test(test_without_ipv6),
		cmocka_unit_test(test_checks),
	};

	return cmocka_run_group_tests(tests, open_namespace, NULL);
}
