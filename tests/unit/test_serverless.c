/* link: ctl nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl/serverless and nfq-filter/mdns_tell: what was learned goes to the daemon and is kept there; a
 * message that lies is taken for nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "base/err.h"
#include "ctl/link.h"
#include "ctl/serverless.h"
#include "nfq-filter/mdns_tell.h"
#include "tests/unit/dns_made.h"

#define SECOND 1000000000ull

static char noted[4096];

static void note(void *arg, const struct peer_address *address, uint16_t port, uint64_t ttl_ms)
{
	char text[INET6_ADDRSTRLEN];

	(void)arg;
	address_format(address, text, sizeof(text));
	snprintf(noted + strlen(noted), sizeof(noted) - strlen(noted), "%s %u %llu\n", text, port,
		(unsigned long long)ttl_ms);
}

static int take(const char *text)
{
	json_t *message = json_loads(text, 0, NULL);
	int r;

	assert_non_null(message);
	noted[0] = '\0';
	r = serverless_take(message, note, NULL);
	json_decref(message);
	return r;
}

static void test_take(void **state)
{
	static const char *const bad[] = {
		"{\"add\":{}}",
		"{\"add\":[1]}",
		"{\"add\":[{\"address\":\"192.0.2.1\",\"port\":5298}]}",
		"{\"add\":[{\"address\":\"192.0.2.1\",\"port\":5298,\"ttl_ms\":0}]}",
		"{\"add\":[{\"address\":\"192.0.2.1\",\"port\":5298,\"ttl_ms\":7200002}]}",
		"{\"add\":[{\"address\":\"192.0.2.1\",\"port\":0,\"ttl_ms\":1}]}",
		"{\"add\":[{\"address\":\"192.0.2.1\",\"port\":65536,\"ttl_ms\":1}]}",
		"{\"add\":[{\"address\":\"192.0.2.1/8\",\"port\":1,\"ttl_ms\":1}]}",
		"{\"add\":[{\"address\":7,\"port\":1,\"ttl_ms\":1}]}",
		"{\"del\":[{\"address\":\"192.0.2.1\",\"port\":1,\"ttl_ms\":1}]}",
		"{\"del\":[{\"address\":\"192.0.2.1\",\"port\":1}],\"add\":\"all\"}",
	};
	json_t *many = json_array(), *message;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(take(bad[i]), ERR_PROTO);
		assert_string_equal(noted, "");
	}
	assert_int_equal(take("{\"m\":\"serverless\",\"add\":[{\"address\":\"fe80::1\","
			      "\"port\":5298,\"ttl_ms\":120000}],"
			      "\"del\":[{\"address\":\"192.0.2.1\",\"port\":1}]}"),
		0);
	assert_string_equal(noted, "192.0.2.1 1 0\nfe80::1 5298 120000\n");
	for (unsigned i = 0; i <= LINK_SERVERLESS; i++)
		json_array_append_new(
			many, json_pack("{s:s,s:i}", "address", "192.0.2.1", "port", 1 + i));
	message = json_pack("{s:o}", "del", many);
	assert_int_equal(serverless_take(message, note, NULL), ERR_PROTO);
	json_array_remove(many, 0);
	assert_int_equal(serverless_take(message, note, NULL), 0);
	json_decref(message);
}

/* From a datagram to the daemon's table, and out of it. */
static void test_through(void **state)
{
	struct mdns *m = mdns_new();
	struct counts counts = { 0 };
	struct dns_made d;
	struct packet p = { .src = { { .bytes = { [10] = 0xff, 0xff, 192, 0, 2, 7 } }, 5353 } };
	json_t *message;

	(void)state;
	dns_make(&d, 0x8400);
	dns_srv(&d, "ann@desk._presence._tcp.local", DNS_IN, 120, 5298, "desk.local");
	p.payload = d.bytes;
	p.len = d.len;
	assert_true(mdns_learn(m, &p, SECOND, &counts));
	message = mdns_tell(m, SECOND);
	noted[0] = '\0';
	assert_int_equal(serverless_take(message, note, NULL), 0);
	assert_string_equal(noted, "192.0.2.7 5298 120001\n");
	json_decref(message);
	assert_null(mdns_tell(m, SECOND));
	message = mdns_tell(m, 200 * SECOND);
	noted[0] = '\0';
	assert_int_equal(serverless_take(message, note, NULL), 0);
	assert_string_equal(noted, "192.0.2.7 5298 0\n");
	json_decref(message);
	mdns_free(m);
}

static void test_note(void **state)
{
	struct serverless s = { 0 };
	struct nft_pair pair = { .address = { .bytes = { [15] = 1 } } };

	(void)state;
	for (unsigned i = 0; i < SERVERLESS_MAX; i++) {
		pair.port = (uint16_t)(i + 1);
		assert_int_equal(serverless_note(&s, &pair, 1000 + i, 0), 0);
	}
	pair.port = 65000;
	assert_int_equal(serverless_note(&s, &pair, 1000, 0), ERR_LIMIT);
	assert_int_equal(serverless_note(&s, &pair, 1000, 1500), 0);
	assert_int_equal(s.n, SERVERLESS_MAX - 500);
	assert_int_equal(serverless_note(&s, &pair, 0, 1500), 0);
	assert_int_equal(serverless_refresh(&s, 1500), SERVERLESS_MAX - 501);
	assert_int_equal(serverless_refresh(&s, 100000), 0);
	serverless_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_through),
		cmocka_unit_test(test_note),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
