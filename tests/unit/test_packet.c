/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/packet and fragment: every link type, IP with all that may stand before TCP, cut and
 * damaged at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "nfq-filter/fragment.h"
#include "nfq-filter/packet.h"
#include "tests/unit/packets.h"

static const struct recipe hello = { .src = 1,
	.dst = 2,
	.sport = 40000,
	.dport = 5222,
	.seq = 7,
	.ack = 9,
	.flags = TCP_ACK | TCP_PSH,
	.data = "<iq/>",
	.len = 5 };

static void expect_hello(enum packet_kind kind, const struct packet *p)
{
	assert_int_equal(kind, PACKET_TCP);
	assert_int_equal(p->src.port, 40000);
	assert_int_equal(p->dst.port, 5222);
	assert_int_equal(p->seq, 7);
	assert_int_equal(p->ack, 9);
	assert_int_equal(p->flags, TCP_ACK | TCP_PSH);
	assert_int_equal(p->len, 5);
	assert_memory_equal(p->payload, "<iq/>", 5);
	assert_int_equal(p->src.address.bytes[15], 1);
	assert_int_equal(p->dst.address.bytes[15], 2);
}

/* The frame in a block of its own size, so that a byte too far is seen; then cut at every place. */
static void parse_everywhere(unsigned link, const struct made *m, struct packet *out)
{
	enum packet_kind kind;

	for (size_t len = 0; len <= m->len; len++) {
		unsigned char *copy = malloc(len ? len : 1);

		memcpy(copy, m->bytes, len);
		kind = packet_parse_frame(link, copy, len, m->len, out);
		if (kind == PACKET_TCP)
			assert_true(out->payload >= copy && out->payload + out->len <= copy + len);
		if (len == m->len)
			memcpy((void *)(uintptr_t)m->bytes, copy, len);
		free(copy);
	}
	kind = packet_parse_frame(link, m->bytes, m->len, m->len, out);
	expect_hello(kind, out);
	assert_int_equal(out->checksum, CHECKSUM_GOOD);
}

static void test_links(void **state)
{
	static const struct {
		unsigned link;
		const char *front;
		size_t len;
	} links[] = {
		{ 1, "\2\2\2\2\2\2\4\4\4\4\4\4\x08\0", 14 },
		{ 1, "\2\2\2\2\2\2\4\4\4\4\4\4\x81\0\0\7\x08\0", 18 },
		{ 1, "\2\2\2\2\2\2\4\4\4\4\4\4\x88\xa8\0\7\x81\0\0\1\x08\0", 22 },
		{ 113, "\0\0\0\1\0\6\1\2\3\4\5\6\0\0\x08\0", 16 },
		{ 276, "\x08\0\0\0\0\0\0\1\0\1\0\6\1\2\3\4\5\6\0\0", 20 },
		{ 0, "\2\0\0\0", 4 },
		{ 108, "\0\0\0\2", 4 },
		{ 101, "", 0 },
		{ 228, "", 0 },
	};
	struct packet p = { .time_ns = 5 };
	struct made m;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		made_ip(&m, &hello);
		made_front(&m, links[i].front, links[i].len);
		parse_everywhere(links[i].link, &m, &p);
		assert_int_equal(p.time_ns, 5);
	}
	assert_int_equal(packet_parse_frame(999, m.bytes, m.len, m.len, &p), PACKET_LINK);
	made_ip(&m, &hello);
	made_front(&m, "\2\2\2\2\2\2\4\4\4\4\4\4\x08\x06", 14);
	assert_int_equal(packet_parse_frame(1, m.bytes, m.len, m.len, &p), PACKET_OTHER);
}

static void test_padding(void **state)
{
	struct packet p = { .time_ns = 0 };
	struct made m;

	(void)state;
	made_ip(&m, &hello);
	memset(m.bytes + m.len, 'x', 20);
	expect_hello(packet_parse_ip(m.bytes, m.len + 20, m.len + 20, &p), &p);
}

static void test_options_ipv4(void **state)
{
	struct packet p = { .time_ns = 0 };
	struct made m;

	(void)state;
	made_ip(&m, &hello);
	memmove(m.bytes + 28, m.bytes + 20, m.len - 20);
	memset(m.bytes + 20, 1, 8);
	m.bytes[0] = 0x47;
	m.len += 8;
	made_put16(m.bytes + 2, (unsigned)m.len);
	made_put16(m.bytes + 10, 0);
	made_put16(m.bytes + 10, made_fold(made_sum(m.bytes, 28, 0)));
	expect_hello(packet_parse_ip(m.bytes, m.len, m.len, &p), &p);
	m.bytes[10] ^= 1;
	assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p), PACKET_BAD);
}

static void test_ipv6(void **state)
{
	struct recipe r = hello;
	struct packet p = { .time_ns = 0 };
	struct made m;
	static const unsigned char hop[] = { 60, 0, 1, 4, 0, 0, 0, 0 },
				   destination[] = { 43, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
					   0 },
				   routing[] = { 44, 0, 0, 0, 0, 0, 0, 0 },
				   atomic[] = { 6, 0, 0, 0, 0, 0, 0, 9 };

	(void)state;
	r.version = 6;
	made_ip(&m, &r);
	expect_hello(packet_parse_ip(m.bytes, m.len, m.len, &p), &p);
	assert_int_equal(p.checksum, CHECKSUM_GOOD);
	memmove(m.bytes + 80, m.bytes + 40, m.len - 40);
	memcpy(m.bytes + 40, hop, 8);
	memcpy(m.bytes + 48, destination, 16);
	memcpy(m.bytes + 64, routing, 8);
	memcpy(m.bytes + 72, atomic, 8);
	m.bytes[6] = 0;
	m.len += 40;
	made_put16(m.bytes + 4, (unsigned)m.len - 40);
	parse_everywhere(229, &m, &p);
	/* Chains without end. */
	for (size_t i = 40; i + 8 <= 200; i += 8)
		memcpy(m.bytes + i, (unsigned char[]){ 60, 0, 1, 4, 0, 0, 0, 0 }, 8);
	made_put16(m.bytes + 4, 160);
	m.bytes[6] = 60;
	assert_int_equal(packet_parse_ip(m.bytes, 200, 200, &p), PACKET_BAD);
}

static void test_lies(void **state)
{
	struct packet p = { .time_ns = 0 };
	struct made m;

	(void)state;
	made_ip(&m, &hello);
	m.bytes[32] = 0x40; /* data offset below the header */
	assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p), PACKET_BAD);
	m.bytes[32] = 0xf0; /* beyond the segment */
	assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p), PACKET_BAD);
	made_ip(&m, &hello);
	made_put16(m.bytes + 2, 4000); /* longer than the wire */
	assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p), PACKET_BAD);
	made_ip(&m, &hello);
	made_put16(m.bytes + 2, 0); /* left to the card */
	made_put16(m.bytes + 10, 0);
	expect_hello(packet_parse_ip(m.bytes, m.len, m.len, &p), &p);
	assert_int_equal(packet_parse_ip(m.bytes, 10, 10, &p), PACKET_BAD);
	assert_int_equal(packet_parse_ip(m.bytes, 10, 60, &p), PACKET_OTHER);
	assert_int_equal(packet_parse_ip("", 0, 0, &p), PACKET_OTHER);
}

static void test_checksum(void **state)
{
	static const unsigned char stamp[] = { 1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 0, 0 },
				   sign[20] = { 1, 1, 19, 18 };
	struct recipe r = hello;
	struct packet p = { .time_ns = 0 };
	uint32_t pseudo;
	struct made m;

	(void)state;
	r.spoil = 1;
	made_ip(&m, &r);
	packet_parse_ip(m.bytes, m.len, m.len, &p);
	assert_int_equal(p.checksum, CHECKSUM_WRONG);
	pseudo = made_sum(m.bytes + 12, 8, 6 + (uint32_t)m.len - 20);
	made_put16(m.bytes + 36, ~made_fold(pseudo) & 0xffff);
	packet_parse_ip(m.bytes, m.len, m.len, &p);
	assert_int_equal(p.checksum, CHECKSUM_OFFLOADED);
	packet_parse_ip(m.bytes, m.len - 2, m.len, &p);
	assert_int_equal(p.checksum, CHECKSUM_UNKNOWN);
	assert_int_equal(p.missing, 2);
	r = hello;
	r.options = stamp;
	r.options_len = sizeof(stamp);
	made_ip(&m, &r);
	expect_hello(packet_parse_ip(m.bytes, m.len, m.len, &p), &p);
	assert_true(p.has_stamp && p.stamp == 0x102 && !p.is_signed);
	r.options = sign;
	r.options_len = sizeof(sign);
	made_ip(&m, &r);
	expect_hello(packet_parse_ip(m.bytes, m.len, m.len, &p), &p);
	assert_true(p.is_signed);
}

/* ---- fragments ---- */

static int push_fragment(struct fragments *f, size_t from, size_t to, size_t all, unsigned id,
	char fill, const unsigned char **data, size_t *len)
{
	struct packet p = { .time_ns = 1000 };
	unsigned char tcp[200];
	struct recipe r = hello;
	char text[100];
	struct made m;

	memset(text, 'a', sizeof(text));
	r.data = text;
	r.len = all - 20;
	made_tcp(&r, tcp);
	if (fill)
		memset(tcp + from, fill, to - from);
	made_ipv4(m.bytes, &r, to - from, 6, (unsigned)(from / 8) | (to < all ? 0x2000 : 0), id);
	memcpy(m.bytes + 20, tcp + from, to - from);
	assert_int_equal(
		packet_parse_ip(m.bytes, 20 + to - from, 20 + to - from, &p), PACKET_FRAGMENT);
	return fragments_push(f, &p, data, len);
}

static void test_fragments(void **state)
{
	struct counts counts = { { 0 } };
	struct fragments *f = fragments_new(&counts);
	struct packet p = { .time_ns = 0 };
	const unsigned char *data;
	size_t len;

	(void)state;
	/* Backwards, with a repetition. */
	assert_int_equal(push_fragment(f, 80, 100, 100, 1, 0, &data, &len), 0);
	assert_int_equal(push_fragment(f, 40, 80, 100, 1, 0, &data, &len), 0);
	assert_int_equal(push_fragment(f, 40, 80, 100, 1, 'x', &data, &len), 0);
	assert_int_equal(push_fragment(f, 0, 40, 100, 1, 0, &data, &len), 1);
	assert_int_equal(len, 100);
	memcpy(p.src.address.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
	memcpy(p.dst.address.bytes, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\2", 16);
	p.protocol = 6;
	assert_int_equal(packet_parse_transport(data, len, &p), PACKET_TCP);
	assert_int_equal(p.checksum, CHECKSUM_GOOD);
	assert_int_equal(p.len, 80);
	/* One overlap, and all of it is void. */
	assert_int_equal(push_fragment(f, 0, 40, 100, 2, 0, &data, &len), 0);
	assert_int_equal(push_fragment(f, 32, 80, 100, 2, 'x', &data, &len), 0);
	assert_int_equal(push_fragment(f, 40, 100, 100, 2, 0, &data, &len), 0);
	assert_int_equal(counts.n[COUNT_FRAGMENT_OVERLAP], 1);
	/* Nothing behind the last. */
	assert_int_equal(push_fragment(f, 40, 48, 48, 3, 0, &data, &len), 0);
	assert_int_equal(push_fragment(f, 48, 80, 100, 3, 0, &data, &len), 0);
	assert_int_equal(push_fragment(f, 0, 40, 100, 3, 0, &data, &len), 0);
	assert_int_equal(counts.n[COUNT_FRAGMENT_OVERLAP], 2);
	for (unsigned i = 0; i < FRAGMENT_DATAGRAMS + 10; i++)
		assert_int_equal(push_fragment(f, 0, 40, 100, 100 + i, 0, &data, &len), 0);
	assert_true(counts.n[COUNT_FRAGMENT_LIMIT] >= 10);
	fragments_free(f);
}

/* Datagrams: over IPv4 without a checksum, cut, with lengths that lie, in two fragments. */
static void test_udp(void **state)
{
	struct recipe r = {
		.src = 1, .dst = 2, .sport = 5353, .dport = 40000, .data = "0123456789", .len = 10
	};
	struct packet p = { 0 }, half = { 0 };
	struct fragments *f;
	const unsigned char *data;
	struct counts counts = { 0 };
	struct made m, part;
	size_t len;

	(void)state;
	made_udp(&m, &r);
	assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p), PACKET_UDP);
	assert_int_equal(p.src.port, 5353);
	assert_int_equal(p.dst.port, 40000);
	assert_int_equal(p.len, 10);
	assert_memory_equal(p.payload, "0123456789", 10);
	assert_int_equal(p.checksum, CHECKSUM_GOOD);
	for (len = 0; len < m.len; len++) {
		unsigned char *copy = malloc(len ? len : 1);

		memcpy(copy, m.bytes, len);
		if (packet_parse_ip(copy, len, m.len, &p) == PACKET_UDP)
			assert_int_equal(p.len + p.missing, 10);
		free(copy);
	}
	for (unsigned lie = 0; lie < 40; lie++) {
		made_put16(m.bytes + 24, lie);
		assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p),
			lie == 0 || (lie >= 8 && lie <= 18) ? PACKET_UDP : PACKET_BAD);
	}
	r.spoil = 0x1234;
	made_udp(&m, &r);
	assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p), PACKET_UDP);
	assert_int_equal(p.checksum, CHECKSUM_WRONG);
	r.spoil = 0;
	made_udp(&m, &r);
	assert_non_null(f = fragments_new(&counts));
	for (unsigned n = 0; n < 2; n++) {
		size_t bytes = n ? m.len - 28 : 8;

		made_ipv4(part.bytes, &r, bytes, 17, n ? 1 : 0x2000, 9);
		memcpy(part.bytes + 20, m.bytes + 20 + 8 * n, bytes);
		assert_int_equal(packet_parse_ip(part.bytes, 20 + bytes, 20 + bytes, &half),
			PACKET_FRAGMENT);
		assert_int_equal(fragments_push(f, &half, &data, &len), n);
	}
	assert_int_equal(packet_parse_transport(data, len, &half), PACKET_UDP);
	assert_int_equal(half.len, 10);
	fragments_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_options_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_udp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
