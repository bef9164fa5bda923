/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/queue: what the kernel says of a packet, whole, in pieces and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include "nfq-filter/queue.h"

static const char packet[] = "E...a packet of any bytes";

/* As the kernel builds it. malloc'd, exactly as long as it says. */
static struct nlmsghdr *message(uint16_t type)
{
	static char room[4096] __attribute__((aligned(8)));
	struct nfqnl_msg_packet_hdr head = { .packet_id = htonl(7), .hw_protocol = htons(0x0800) };
	struct nlmsghdr *h = mnl_nlmsg_put_header(room), *out;
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = (uint16_t)(NFNL_SUBSYS_QUEUE << 8 | type);
	*g = (struct nfgenmsg){ AF_INET, NFNETLINK_V0, htons(5298) };
	mnl_attr_put(h, NFQA_PACKET_HDR, sizeof(head), &head);
	mnl_attr_put_u32(h, NFQA_MARK, htonl(0x22));
	mnl_attr_put_u32(h, NFQA_SKB_INFO, htonl(NFQA_SKB_CSUMNOTREADY));
	mnl_attr_put(h, NFQA_PAYLOAD, sizeof(packet), packet);
	out = malloc(h->nlmsg_len);
	memcpy(out, h, h->nlmsg_len);
	return out;
}

static struct nlattr *find(struct nlmsghdr *h, uint16_t type)
{
	struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}

static void test_whole(void **state)
{
	struct nlmsghdr *h = message(NFQNL_MSG_PACKET);
	struct queue_packet p;

	(void)state;
	assert_true(queue_message_read(h, &p));
	assert_int_equal(p.id, 7);
	assert_int_equal(p.mark, 0x22);
	assert_true(p.checksum_not_ready);
	assert_false(p.cut);
	assert_int_equal(p.len, sizeof(packet));
	assert_memory_equal(p.bytes, packet, sizeof(packet));
	free(h);
}

static void test_no_packet(void **state)
{
	struct nlmsghdr *h = message(NFQNL_MSG_VERDICT);
	struct queue_packet p;

	(void)state;
	assert_false(queue_message_read(h, &p));
	free(h);
	h = message(NFQNL_MSG_PACKET);
	find(h, NFQA_PACKET_HDR)->nla_type = NFQA_HWADDR;
	assert_false(queue_message_read(h, &p));
	free(h);
	/* Too short for an id: nothing can be answered. */
	h = message(NFQNL_MSG_PACKET);
	find(h, NFQA_PACKET_HDR)->nla_len = NLA_HDRLEN + 3;
	assert_false(queue_message_read(h, &p));
	free(h);
}

/* Numbers too short are none; a packet without bytes has an id all the same. */
static void test_short_attributes(void **state)
{
	struct nlmsghdr *h = message(NFQNL_MSG_PACKET);
	struct queue_packet p;

	(void)state;
	find(h, NFQA_PAYLOAD)->nla_type = NFQA_MAX + 40;
	find(h, NFQA_SKB_INFO)->nla_len = NLA_HDRLEN + 3;
	find(h, NFQA_MARK)->nla_len = NLA_HDRLEN + 1;
	assert_true(queue_message_read(h, &p));
	assert_int_equal(p.mark, 0);
	assert_false(p.checksum_not_ready);
	assert_null(p.bytes);
	assert_int_equal(p.len, 0);
	free(h);
}

static void test_cut(void **state)
{
	struct nlmsghdr *h = message(NFQNL_MSG_PACKET);
	struct queue_packet p;

	(void)state;
	find(h, NFQA_MARK)->nla_type = NFQA_CAP_LEN;
	assert_true(queue_message_read(h, &p));
	assert_true(p.cut);
	free(h);
}

/* The message ends anywhere: nothing behind its end is read (the sanitizers watch), of which
 * netlink has it that it is a multiple of four. */
static void test_every_end(void **state)
{
	(void)state;
	for (uint32_t len = MNL_NLMSG_HDRLEN;; len++) {
		struct nlmsghdr *whole = message(NFQNL_MSG_PACKET), *h;
		struct queue_packet p = { 0 };

		if (len > whole->nlmsg_len) {
			free(whole);
			return;
		}
		h = calloc(1, MNL_ALIGN(len));
		memcpy(h, whole, len);
		h->nlmsg_len = len;
		if (queue_message_read(h, &p) && p.bytes)
			assert_true(
				(const char *)p.bytes + p.len <= (const char *)h + MNL_ALIGN(len));
		free(whole);
		free(h);
	}
}

/* Lengths that lie: each attribute with each length. */
static void test_every_length(void **state)
{
	static const uint16_t types[] = { NFQA_PACKET_HDR, NFQA_MARK, NFQA_SKB_INFO, NFQA_PAYLOAD };

	(void)state;
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++)
		for (unsigned len = 0; len < 200; len++) {
			struct nlmsghdr *h = message(NFQNL_MSG_PACKET);
			struct queue_packet p = { 0 };

			find(h, types[t])->nla_len = (uint16_t)(len < 150 ? len : 65535 - len);
			if (queue_message_read(h, &p) && p.bytes)
				assert_true((const char *)p.bytes + p.len <=
					    (const char *)h + MNL_ALIGN(h->nlmsg_len));
			free(h);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_no_packet),
		cmocka_unit_test(test_short_attributes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_every_end),
		cmocka_unit_test(test_every_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
