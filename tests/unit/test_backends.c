/* link: proxy */
/* SPDX-License-Identifier: BSD-2-Clause */
/* Which server a stream goes to, without sockets: domains, balance, states, who comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "proxy/backends.h"
#include "proxy/counters.h"

static const struct service service = {
	.name = "c2s", .backends = { "a", "b", "rest" }, .n_backends = 3
};

static struct backend three(const char *name)
{
	struct backend b = { .name = name,
		.n_servers = 3,
		.check = CHECK_TCP,
		.rise = 2,
		.fall = 3,
		.every_ms = 1000 };
	static const char *const texts[] = { "192.0.2.1:1", "192.0.2.2:2", "[2001:db8::3]:3" };
	static const char *const hosts[] = { "192.0.2.1", "192.0.2.2", "2001:db8::3" };

	for (unsigned i = 0; i < 3; i++)
		b.servers[i] = (struct backend_server){
			.text = texts[i], .host = hosts[i], .port = (uint16_t)(i + 1)
		};
	return b;
}

static struct peer_address client(const char *text)
{
	struct peer_address a;

	assert_int_equal(address_parse(span_of(text), &a), 0);
	return a;
}

/* The port of the server that a stream goes to; 0: none, -1: nobody has the domain. */
static int goes(struct backends *b, const char *domain, const char *from_address, const char *jid,
	bool leave)
{
	struct peer_address a = client(from_address);
	struct backend_choice c = { 0 };
	enum backends_answer answer = backends_choose(b, &service, domain, &a, jid, &c);
	int port = answer == BACKENDS_UNKNOWN ? -1 : answer == BACKENDS_NONE ? 0 : c.at.port;

	backends_leave(&c, &a, leave ? jid ? jid : "j@a.example/r" : NULL);
	return port;
}

static void check_down(struct backends *b, size_t i, unsigned k)
{
	enum server_state now;

	for (unsigned n = 0; n < 4; n++)
		server_checked(backends_server(b, i, k), backends_conf(b, i), "refused", 1, &now);
	assert_int_equal(now, SERVER_DOWN);
}

static void check_up(struct backends *b, size_t i, unsigned k)
{
	enum server_state now;

	for (unsigned n = 0; n < 3; n++)
		server_checked(backends_server(b, i, k), backends_conf(b, i), NULL, 1, &now);
	assert_int_equal(now, SERVER_UP);
}

static struct backends *make(struct backend *all, size_t n, struct backends *previous)
{
	struct backends *b = NULL;

	assert_int_equal(backends_new(all, n, previous, &b), 0);
	return b;
}

static void test_domains(void **state)
{
	struct backend all[3] = { three("a"), three("b"), three("rest") };
	struct backends *b;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		all[i].n_servers = 1;
		all[i].servers[0].port = (uint16_t)(i + 1);
	}
	all[0].domains[0] = "a.example";
	all[0].domains[1] = "*.deep.b.example";
	all[0].n_domains = 2;
	all[1].domains[0] = "*.b.example";
	all[1].n_domains = 1;
	b = make(all, 3, NULL);
	assert_int_equal(goes(b, "A.example.", "192.0.2.9", NULL, false), 1);
	assert_int_equal(goes(b, "x.b.example", "192.0.2.9", NULL, false), 2);
	assert_int_equal(goes(b, "x.deep.B.example", "192.0.2.9", NULL, false), 1);
	assert_int_equal(goes(b, "deep.b.example", "192.0.2.9", NULL, false), 2);
	assert_int_equal(goes(b, "b.example", "192.0.2.9", NULL, false), 3);
	assert_int_equal(goes(b, "xb.example", "192.0.2.9", NULL, false), 3);
	assert_int_equal(goes(b, "", "192.0.2.9", NULL, false), -1);
	assert_int_equal(goes(b, "a@b", "192.0.2.9", NULL, false), -1);
	backends_unref(b);
	b = make(all, 2, NULL); /* nobody has the rest */
	assert_int_equal(goes(b, "b.example", "192.0.2.9", NULL, false), -1);
	backends_unref(b);
}

static void test_first(void **state)
{
	struct backend all = three("a");
	struct backends *b = make(&all, 1, NULL);

	(void)state;
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), 1);
	check_down(b, 0, 0);
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), 2);
	check_down(b, 0, 1);
	check_down(b, 0, 2);
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), 0);
	check_up(b, 0, 1);
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), 2);
	backends_unref(b);
}

static void test_roundrobin(void **state)
{
	struct backend all = three("a");
	unsigned seen[4] = { 0 };
	struct backends *b;

	(void)state;
	all.balance = BALANCE_ROUNDROBIN;
	b = make(&all, 1, NULL);
	for (unsigned i = 0; i < 30; i++)
		seen[goes(b, "x", "192.0.2.9", NULL, false)]++;
	assert_int_equal(seen[1], 10);
	assert_int_equal(seen[2], 10);
	assert_int_equal(seen[3], 10);
	backends_unref(b);
}

static void test_source(void **state)
{
	struct backend all = three("a");
	int before[100], moved = 0;
	unsigned seen[4] = { 0 };
	struct backends *b;
	char address[32];

	(void)state;
	all.balance = BALANCE_SOURCE;
	b = make(&all, 1, NULL);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(address, sizeof(address), "198.51.100.%u", i);
		before[i] = goes(b, "x", address, NULL, false);
		assert_int_equal(goes(b, "x", address, NULL, false), before[i]);
		seen[before[i]]++;
	}
	assert_true(seen[1] > 15 && seen[2] > 15 && seen[3] > 15);
	/* A /64 is one client. */
	assert_int_equal(goes(b, "x", "2001:db8::1", NULL, false),
		goes(b, "x", "2001:db8::ffff:1", NULL, false));
	check_down(b, 0, 1);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(address, sizeof(address), "198.51.100.%u", i);
		moved += goes(b, "x", address, NULL, false) != before[i];
	}
	assert_int_equal(moved, seen[2]);
	backends_unref(b);
}

/* Each server is tried once. */
static void test_tried(void **state)
{
	struct backend all = three("a");
	struct backends *b = make(&all, 1, NULL);
	struct peer_address a = client("192.0.2.9");
	struct backend_choice c = { 0 };

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(backends_choose(b, &service, "x", &a, NULL, &c), BACKENDS_CHOSEN);
		assert_int_equal(c.at.port, i);
	}
	assert_int_equal(backends_choose(b, &service, "x", &a, NULL, &c), BACKENDS_NONE);
	assert_null(c.server);
	backends_unref(b);
}

static void test_family(void **state)
{
	struct service kept = service;
	struct backend all = three("a");
	struct backends *b = make(&all, 1, NULL);
	struct peer_address a = client("2001:db8:1::1");
	struct backend_choice c = { 0 };

	(void)state;
	kept.source_client = true;
	assert_int_equal(backends_choose(b, &kept, "x", &a, NULL, &c), BACKENDS_CHOSEN);
	assert_int_equal(c.at.port, 3);
	assert_int_equal(backends_choose(b, &kept, "x", &a, NULL, &c), BACKENDS_NONE);
	backends_unref(b);
}

/* Who lost a session is led back, by JID before address, until the time is over or the server is
 * down. */
static void test_coming_back(void **state)
{
	struct backend all = three("a");
	struct backends *b;
	int port;

	(void)state;
	clock_freeze(1000000000, 0);
	all.balance = BALANCE_ROUNDROBIN;
	b = make(&all, 1, NULL);
	port = goes(b, "x", "192.0.2.9", "j@a.example/r", true);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(goes(b, "x", "203.0.113.5", "j@a.example", false), port);
		assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), port);
	}
	check_down(b, 0, (unsigned)port - 1);
	assert_int_not_equal(goes(b, "x", "192.0.2.9", NULL, false), port);
	check_up(b, 0, (unsigned)port - 1);
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), port);
	clock_advance((uint64_t)BACKENDS_STICK_MS * 1000000);
	assert_true(goes(b, "x", "192.0.2.9", NULL, false) != port ||
		    goes(b, "x", "192.0.2.9", NULL, false) != port);
	clock_thaw();
	backends_unref(b);
}

/* The first check decides alone, then as many in a row as are wanted. */
static void test_rise_and_fall(void **state)
{
	struct backend all = three("a");
	struct backends *b = make(&all, 1, NULL);
	struct server *s = backends_server(b, 0, 0);
	const struct backend *conf = backends_conf(b, 0);
	enum server_state now;

	(void)state;
	assert_int_equal(server_state(s), SERVER_UNCHECKED);
	assert_true(server_checked(s, conf, "no", 1, &now) && now == SERVER_DOWN);
	assert_false(server_checked(s, conf, NULL, 1, &now));
	assert_true(server_is_wavering(s));
	assert_false(server_checked(s, conf, "no", 1, &now));
	assert_false(server_is_wavering(s));
	assert_false(server_checked(s, conf, NULL, 1, &now));
	assert_true(server_checked(s, conf, NULL, 1, &now) && now == SERVER_UP);
	assert_false(server_checked(s, conf, "no", 1, &now));
	assert_false(server_checked(s, conf, "no", 1, &now));
	assert_false(server_checked(s, conf, NULL, 1, &now));
	assert_false(server_checked(s, conf, "no", 1, &now));
	assert_false(server_checked(s, conf, "no", 1, &now));
	assert_true(server_checked(s, conf, "no", 1, &now) && now == SERVER_DOWN);
	backends_unref(b);
}

/* What is held of a server outlives the policy; sessions count for the server, not for the policy.
 */
static void test_reload(void **state)
{
	struct backend all = three("a"), other = three("a");
	struct backends *b = make(&all, 1, NULL), *next;
	struct peer_address a = client("192.0.2.9");
	struct backend_choice c = { 0 };
	json_t *rows;

	(void)state;
	check_down(b, 0, 0);
	assert_int_equal(backends_choose(b, &service, "x", &a, NULL, &c), BACKENDS_CHOSEN);
	other.n_servers = 2;
	next = make(&other, 1, b);
	backends_unref(b);
	rows = backends_rows(next);
	assert_int_equal(json_array_size(rows), 2);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(rows, 0), "state")), "down");
	assert_int_equal(
		json_integer_value(json_object_get(json_array_get(rows, 1), "sessions")), 1);
	json_decref(rows);
	backends_leave(&c, &a, NULL);
	/* Without checks nothing is held against a server. */
	other.check = CHECK_OFF;
	b = make(&other, 1, next);
	backends_unref(next);
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), 1);
	backends_unref(b);
}

static void test_names(void **state)
{
	struct peer_address two[2] = { client("192.0.2.71"), client("2001:db8::71") };
	struct backend all = { .name = "a",
		.n_servers = 1,
		.rise = 1,
		.fall = 1,
		.check = CHECK_TCP,
		.servers = { { .text = "xmpp.example:7",
			.host = "xmpp.example",
			.named = true,
			.port = 7 } } };
	struct backends *b = make(&all, 1, NULL);
	struct server *s = backends_server(b, 0, 0);
	enum server_state now;
	struct endpoint at;
	json_t *rows;

	(void)state;
	assert_false(server_address(s, &at));
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), 0);
	server_checked(s, backends_conf(b, 0), "it has no address", 0, &now);
	rows = backends_rows(b);
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "why")),
		"its name is not resolved yet");
	json_decref(rows);
	backends_resolved("xmpp.example", NULL, 0, "its name does not resolve: unknown");
	server_checked(s, backends_conf(b, 0), "it has no address", 0, &now);
	rows = backends_rows(b);
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "why")),
		"its name does not resolve: unknown");
	json_decref(rows);
	backends_resolved("xmpp.example", two, 2, "");
	check_up(b, 0, 0);
	assert_int_equal(goes(b, "x", "192.0.2.9", NULL, false), 7);
	/* The name server is away. */
	backends_resolved("xmpp.example", NULL, 0, "timeout");
	assert_true(server_address(s, &at));
	backends_unref(b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_roundrobin),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_tried),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_coming_back),
		cmocka_unit_test(test_rise_and_fall),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_names),
	};

	counters_init(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
