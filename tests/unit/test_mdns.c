/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/dns and mdns: messages that lie, what is learned of them, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "nfq-filter/dns.h"
#include "nfq-filter/mdns.h"
#include "tests/unit/dns_made.h"

#define ANN     "ann@desk._presence._tcp.local"
#define SECOND  1000000000ull
#define DESK_V4 0xc0000207u /* 192.0.2.7 */

static const unsigned char desk_v6[16] = { 0xfe, 0x80, [15] = 7 };
static struct counts counts;

static struct peer_address v4(uint32_t address)
{
	struct peer_address a = { .bytes = { [10] = 0xff, [11] = 0xff } };

	for (unsigned i = 0; i < 4; i++)
		a.bytes[12 + i] = (unsigned char)(address >> (24 - 8 * i));
	return a;
}

static struct endpoint at4(uint32_t address, uint16_t port)
{
	return (struct endpoint){ v4(address), port };
}

static bool hear_from(
	struct mdns *m, const struct dns_made *d, struct peer_address source, uint64_t now)
{
	/* In a block of its own size, so that a byte too far is seen. */
	unsigned char *copy = malloc(d->len ? d->len : 1);
	struct packet p = { .src = { source, 5353 },
		.dst = { v4(0xe00000fb), 5353 },
		.checksum = CHECKSUM_GOOD,
		.payload = copy,
		.len = d->len };
	bool fine;

	memcpy(copy, d->bytes, d->len);
	fine = mdns_learn(m, &p, now, &counts);
	free(copy);
	return fine;
}

static bool hear(struct mdns *m, const struct dns_made *d, uint64_t now)
{
	return hear_from(m, d, v4(DESK_V4), now);
}

static bool serves(struct mdns *m, uint32_t address, uint16_t port, uint64_t now)
{
	struct endpoint where = at4(address, port);

	return mdns_serves(m, &where, now);
}

/* What an honest host says: all of it, names as pointers where they stood. */
static void announce(struct dns_made *d, uint32_t ttl)
{
	dns_make(d, 0x8400);
	dns_ptr(d, "_presence._tcp.local", 4500, "ann@desk.*12");
	dns_srv(d, "Ann@Desk.*12", DNS_IN_FLUSH, ttl, 5298, "desk.local");
	dns_txt(d, ANN, 4500, "txtvers=1\nmsg=hello\n");
	dns_a(d, "DESK.local", DNS_IN_FLUSH, ttl, DESK_V4);
	dns_aaaa(d, "desk.local", DNS_IN_FLUSH, ttl, desk_v6);
}

static void test_learn(void **state)
{
	struct mdns *m = mdns_new();
	struct endpoint six = { .port = 5298 };
	struct mdns_change changes[8];
	struct peer_address desk = v4(DESK_V4), other = v4(0xc0000208);
	struct dns_made d;

	(void)state;
	memcpy(six.address.bytes, desk_v6, 16);
	announce(&d, 120);
	assert_true(hear(m, &d, SECOND));
	assert_true(serves(m, DESK_V4, 5298, SECOND));
	assert_true(mdns_serves(m, &six, SECOND));
	assert_false(serves(m, DESK_V4, 5299, SECOND));
	assert_int_equal(mdns_who(m, "ANN@desk", &desk, SECOND), MDNS_HERE);
	assert_int_equal(mdns_who(m, "ann@desk", &six.address, SECOND), MDNS_HERE);
	assert_int_equal(mdns_who(m, "ann@desk", &other, SECOND), MDNS_ELSEWHERE);
	assert_int_equal(mdns_who(m, "bob@desk", &desk, SECOND), MDNS_UNKNOWN);
	/* Told once, and again when half of it is over. */
	assert_int_equal(mdns_changes(m, SECOND, changes, 8), 2);
	assert_in_range(changes[0].ttl_ms, 119000, 120001);
	assert_int_equal(mdns_changes(m, SECOND, changes, 8), 0);
	assert_true(hear(m, &d, 20 * SECOND));
	assert_int_equal(mdns_changes(m, 20 * SECOND, changes, 8), 0);
	assert_true(hear(m, &d, 70 * SECOND));
	assert_int_equal(mdns_changes(m, 70 * SECOND, changes, 8), 2);
	/* Its time. */
	assert_true(serves(m, DESK_V4, 5298, 189 * SECOND));
	assert_false(serves(m, DESK_V4, 5298, 190 * SECOND));
	assert_int_equal(mdns_who(m, "ann@desk", &other, 190 * SECOND), MDNS_UNKNOWN);
	assert_int_equal(mdns_changes(m, 191 * SECOND, changes, 8), 2);
	assert_int_equal(changes[0].ttl_ms, 0);
	assert_int_equal(mdns_count(m), 0);
	mdns_free(m);
}

/* Hosts speak from addresses that they do not announce. */
static void test_who(void **state)
{
	static const unsigned char global[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 };
	struct mdns *m = mdns_new();
	struct peer_address a = { { 0x20, 0x01, 0x0d, 0xb8, [15] = 99 } };
	struct dns_made d;

	(void)state;
	announce(&d, 120);
	hear(m, &d, SECOND);
	assert_int_equal(mdns_who(m, "ann@desk", &a, SECOND), MDNS_ELSEWHERE);
	dns_make(&d, 0x8400);
	dns_aaaa(&d, "desk.local", DNS_IN, 120, global);
	hear(m, &d, SECOND);
	assert_int_equal(mdns_who(m, "ann@desk", &a, SECOND), MDNS_UNKNOWN);
	a.bytes[7] = 1;
	assert_int_equal(mdns_who(m, "ann@desk", &a, SECOND), MDNS_ELSEWHERE);
	memcpy(a.bytes, desk_v6, 16);
	assert_int_equal(mdns_who(m, "ann@desk", &a, SECOND), MDNS_HERE);
	a.bytes[15]++;
	assert_int_equal(mdns_who(m, "ann@desk", &a, SECOND), MDNS_ELSEWHERE);
	dns_make(&d, 0x8400);
	dns_srv(&d, "bob@desk._presence._tcp.local", DNS_IN, 120, 5298, "bob.local");
	hear(m, &d, SECOND);
	assert_int_equal(mdns_who(m, "bob@desk", &a, SECOND), MDNS_UNKNOWN);
	/* A crowd that says it is her takes the name from nobody. */
	a = v4(DESK_V4);
	for (unsigned i = 0; i < 40; i++) {
		dns_make(&d, 0x8400);
		dns_srv(&d, ANN, DNS_IN, 4500, 5298, "x.local");
		hear_from(m, &d, v4(0x0a000001 + i), 2 * SECOND);
	}
	assert_int_equal(mdns_who(m, "ann@desk", &a, 3 * SECOND), MDNS_HERE);
	mdns_free(m);
}

/* A goodbye holds for a second more; only of what its source had said. */
static void test_goodbye(void **state)
{
	struct mdns *m = mdns_new();
	struct mdns_change changes[8];
	struct dns_made d, bye;

	(void)state;
	announce(&d, 120);
	announce(&bye, 0);
	hear(m, &d, SECOND);
	mdns_changes(m, SECOND, changes, 8);
	assert_true(hear_from(m, &bye, v4(0xc0000299), 2 * SECOND));
	assert_true(serves(m, DESK_V4, 5298, 4 * SECOND));
	assert_true(hear(m, &bye, 5 * SECOND));
	assert_true(serves(m, DESK_V4, 5298, 5 * SECOND));
	assert_false(serves(m, DESK_V4, 5298, 6 * SECOND));
	assert_int_equal(mdns_changes(m, 7 * SECOND, changes, 8), 2);
	assert_int_equal(changes[0].ttl_ms + changes[1].ttl_ms, 0);
	/* Whoever announces another's port and takes it back takes nothing from the other. */
	hear(m, &d, 10 * SECOND);
	hear_from(m, &d, v4(0xc0000299), 11 * SECOND);
	hear_from(m, &bye, v4(0xc0000299), 12 * SECOND);
	assert_true(serves(m, DESK_V4, 5298, 100 * SECOND));
	mdns_free(m);
}

/* RFC 6762 10.2: another port from now on. On a second network the host has another address. */
static void test_flush(void **state)
{
	struct mdns *m = mdns_new();
	struct dns_made d;

	(void)state;
	announce(&d, 120);
	hear(m, &d, SECOND);
	dns_make(&d, 0x8400);
	dns_srv(&d, ANN, DNS_IN_FLUSH, 120, 5299, "desk.local");
	hear(m, &d, 10 * SECOND);
	assert_true(serves(m, DESK_V4, 5299, 20 * SECOND));
	assert_false(serves(m, DESK_V4, 5298, 20 * SECOND));
	/* Two in a second, as on two interfaces, are both right (10.2). */
	dns_make(&d, 0x8400);
	dns_srv(&d, ANN, DNS_IN_FLUSH, 120, 5300, "desk.local");
	hear(m, &d, 10 * SECOND + SECOND / 2);
	assert_true(serves(m, DESK_V4, 5299, 20 * SECOND));
	dns_make(&d, 0x8400);
	dns_srv(&d, ANN, DNS_IN_FLUSH, 120, 5298, "desk.local");
	dns_a(&d, "desk.local", DNS_IN_FLUSH, 120, 0x0a000007);
	hear_from(m, &d, v4(0x0a000007), 20 * SECOND);
	assert_true(serves(m, 0x0a000007, 5298, 25 * SECOND));
	assert_true(serves(m, DESK_V4, 5300, 25 * SECOND));
	mdns_free(m);
}

/* Pieces in several datagrams, by unicast, without an address, in a question. */
static void test_pieces(void **state)
{
	struct mdns *m = mdns_new();
	struct dns_made d;

	(void)state;
	dns_make(&d, 0x8400);
	dns_a(&d, "desk.local", DNS_IN, 120, 0x0a000007);
	hear(m, &d, SECOND);
	assert_int_equal(mdns_count(m), 0);
	dns_make(&d, 0x8400);
	dns_srv(&d, ANN, DNS_IN, 120, 40123, "desk.local");
	hear(m, &d, 2 * SECOND);
	assert_true(serves(m, 0x0a000007, 40123, 3 * SECOND));
	assert_false(serves(m, DESK_V4, 40123, 3 * SECOND));
	/* Of a host nobody told of, the speaker is taken. */
	dns_make(&d, 0x8400);
	dns_srv(&d, "bob@desk._presence._tcp.local", DNS_IN, 120, 40124, "elsewhere.local");
	hear(m, &d, 4 * SECOND);
	assert_true(serves(m, DESK_V4, 40124, 5 * SECOND));
	dns_make(&d, 0);
	dns_srv(&d, "eve@x._presence._tcp.local", DNS_IN, 120, 40125, "elsewhere.local");
	assert_true(hear(m, &d, 5 * SECOND));
	assert_false(serves(m, DESK_V4, 40125, 6 * SECOND));
	mdns_free(m);
}

static void test_useless(void **state)
{
	static const unsigned char mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 192, 0, 2, 1 };
	struct mdns *m = mdns_new();
	struct dns_made d;

	(void)state;
	dns_make(&d, 0x8400);
	dns_srv(&d, "_presence._tcp.local", DNS_IN, 120, 5298, "desk.local");
	dns_srv(&d, "ann@desk._ipp._tcp.local", DNS_IN, 120, 631, "desk.local");
	dns_srv(&d, ANN, DNS_IN, 120, 0, "desk.local");
	dns_srv(&d, ANN, 3, 120, 5298, "desk.local");
	dns_a(&d, "desk.local", DNS_IN, 120, DESK_V4);
	assert_true(hear(m, &d, SECOND));
	assert_int_equal(mdns_count(m), 0);
	dns_srv(&d, ANN, DNS_IN, 0xffffffff, 5298, "desk.local");
	dns_a(&d, "desk.local", DNS_IN, 120, 0x7f000001);
	dns_a(&d, "desk.local", DNS_IN, 120, 0xe00000fb);
	dns_a(&d, "desk.local", DNS_IN, 120, 0);
	dns_aaaa(&d, "desk.local", DNS_IN, 120, mapped);
	assert_true(hear(m, &d, SECOND));
	assert_int_equal(mdns_count(m), 1);
	/* No time to live is as long as it says. */
	dns_make(&d, 0x8400);
	dns_a(&d, "desk.local", DNS_IN, 0x7fffffff, DESK_V4);
	hear(m, &d, SECOND);
	assert_false(serves(m, DESK_V4, 5298, (MDNS_TTL_MAX_S + 2) * SECOND));
	mdns_free(m);
}

/* ---- liars ---- */

static void test_truncated(void **state)
{
	struct dns_made d, cut;

	(void)state;
	announce(&d, 120);
	for (size_t len = 0; len <= d.len; len++) {
		struct mdns *m = mdns_new();

		cut = d;
		cut.len = len;
		assert_int_equal(hear(m, &cut, SECOND), len == d.len);
		mdns_free(m);
	}
	/* Any byte another: nothing but true or false comes of it. */
	for (size_t at = 0; at < d.len; at++)
		for (unsigned value = 0; value < 256; value += value < 4 || value > 250 ? 1 : 7) {
			struct mdns *m = mdns_new();

			cut = d;
			cut.bytes[at] = (unsigned char)value;
			hear(m, &cut, SECOND);
			mdns_free(m);
		}
}

static void test_loops(void **state)
{
	static const char *const names[] = {
		"*12",    /* to itself */
		"a.*12",  /* to its own beginning */
		"*14",    /* forwards */
		"*4",     /* into the header */
		"*16383", /* behind the end */
	};
	struct mdns *m = mdns_new();
	struct dns_made d;
	char name[300] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		dns_make(&d, 0x8400);
		dns_a(&d, names[i], DNS_IN, 120, DESK_V4);
		assert_false(hear(m, &d, SECOND));
	}
	/* Each a pointer to the one before: no loop, and too long in the end. */
	dns_make(&d, 0x8400);
	dns_a(&d, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", DNS_IN, 120, DESK_V4);
	for (size_t last = 12, i = 0; i < 8; i++) {
		size_t here = d.len;

		snprintf(name, sizeof(name), "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb.*%zu",
			last);
		dns_a(&d, name, DNS_IN, 120, DESK_V4);
		last = here;
		assert_int_equal(hear(m, &d, SECOND), i < 4);
	}
	/* Labels of the kinds nobody uses. */
	for (unsigned kind = 0x40; kind <= 0x80; kind += 0x40) {
		dns_make(&d, 0x8400);
		dns_a(&d, "desk.local", DNS_IN, 120, DESK_V4);
		d.bytes[12] = (unsigned char)(kind | 4);
		assert_false(hear(m, &d, SECOND));
	}
	mdns_free(m);
}

static void test_counts(void **state)
{
	struct mdns *m = mdns_new();
	struct dns_made d;

	(void)state;
	announce(&d, 120);
	dns_count(&d, d.answers + 1);
	assert_false(hear(m, &d, SECOND));
	/* What came before stands. */
	assert_true(serves(m, DESK_V4, 5298, SECOND));
	dns_count(&d, 0xffff);
	assert_false(hear(m, &d, SECOND));
	d.bytes[8] = d.bytes[9] = d.bytes[10] = d.bytes[11] = 0xff;
	assert_false(hear(m, &d, SECOND));
	announce(&d, 120);
	d.bytes[5] = 1;
	assert_false(hear(m, &d, SECOND));
	/* Lengths inside of records. */
	dns_make(&d, 0x8400);
	dns_a(&d, "desk.local", DNS_IN, 120, DESK_V4);
	d.bytes[d.len - 5] = 3;
	assert_false(hear(m, &d, SECOND));
	dns_make(&d, 0x8400);
	dns_srv(&d, ANN, DNS_IN, 120, 5298, "desk.local");
	d.len--;
	assert_false(hear(m, &d, SECOND));
	mdns_free(m);
}

/* A flood of names, of sources and of ports ends at the ceilings, and is counted. */
static void test_ceilings(void **state)
{
	struct mdns *m = mdns_new();
	struct mdns_change changes[64];
	struct dns_made d;
	size_t told = 0, n;
	char name[64];

	(void)state;
	memset(&counts, 0, sizeof(counts));
	for (unsigned source = 0; source < 6000; source++) {
		dns_make(&d, 0x8400);
		for (unsigned i = 0; i < 4; i++) {
			snprintf(name, sizeof(name), "u%u@x._presence._tcp.local", source);
			dns_srv(&d, name, DNS_IN, 120 + source % 7, 1024 + i, "x.local");
		}
		assert_true(hear_from(m, &d, v4(0x0a000000 + source), SECOND + source));
	}
	assert_int_equal(mdns_count(m), MDNS_PAIRS_MAX);
	assert_true(counts.n[COUNT_MDNS_EVICTED] > 0);
	while ((n = mdns_changes(m, 2 * SECOND, changes, 64)) > 0)
		told += n;
	assert_int_equal(told, MDNS_PAIRS_MAX);
	/* One source. */
	for (unsigned i = 0; i < 1000; i++) {
		dns_make(&d, 0x8400);
		snprintf(name, sizeof(name), "w%u@x._presence._tcp.local", i);
		dns_srv(&d, name, DNS_IN, 120, 1024 + i, "x.local");
		assert_true(hear_from(m, &d, v4(0x0b000001), 3 * SECOND));
	}
	while (mdns_changes(m, 300 * SECOND, changes, 64) > 0)
		;
	assert_int_equal(mdns_count(m), 0);
	mdns_free(m);
}

/* More than any host has to say: not read, not passed on; others are heard. */
static void test_flood(void **state)
{
	struct mdns *m = mdns_new();
	struct dns_made d;
	unsigned taken = 0;

	(void)state;
	memset(&counts, 0, sizeof(counts));
	announce(&d, 120);
	for (unsigned i = 0; i < 400; i++)
		taken += hear(m, &d, SECOND + i);
	assert_int_equal(taken, MDNS_RECORDS_A_SECOND / 5);
	assert_int_equal(counts.n[COUNT_MDNS_FLOOD], 400 - taken);
	assert_true(hear_from(m, &d, v4(0xc0000208), SECOND + 400));
	assert_true(hear(m, &d, 3 * SECOND));
	mdns_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_goodbye),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_useless),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_loops),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_ceilings),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
