/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/flow: what a receiver takes and what it does not, who the client is, gaps, ends, and a
 * table that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "nfq-filter/flow.h"
#include "tests/unit/packets.h"

enum { CLIENT = 1, SERVER = 2, C0 = 1000, S0 = 5000 };

struct lab {
	struct counts counts;
	struct flow_limits limits;
	struct flow_table *table;
	struct flow_taken taken;
	struct flow *flow; /* of the last packet */
	uint64_t now_ns;
	char said[FLOW_SIDES][512];
	size_t len[FLOW_SIDES];
	unsigned gaps, ends, forgotten, idle;
	uint64_t lost;
};

static bool serves(void *arg, const struct endpoint *where)
{
	(void)arg;
	return where->port == 5222;
}

static void idle(void *arg, struct flow *f)
{
	(void)f;
	((struct lab *)arg)->idle++;
}

static void drain(struct lab *l, struct flow *f)
{
	struct flow_event ev;

	for (unsigned s = 0; s < FLOW_SIDES; s++) {
		while (flow_next(l->table, f, s, &ev), ev.kind != FLOW_NOTHING) {
			if (ev.kind == FLOW_BYTES) {
				assert_true(l->len[s] + ev.bytes.len < sizeof(l->said[s]));
				memcpy(l->said[s] + l->len[s], ev.bytes.ptr, ev.bytes.len);
				l->len[s] += ev.bytes.len;
				l->said[s][l->len[s]] = '\0';
			}
			l->gaps += ev.kind == FLOW_GAP;
			l->lost += ev.lost;
			l->ends += ev.kind == FLOW_END;
		}
	}
}

static void forget(void *arg, struct flow *f)
{
	struct lab *l = arg;

	drain(l, f);
	l->forgotten++;
}

static void lab_begin(struct lab *l)
{
	struct flow_hooks hooks = { l, serves, idle, forget };

	memset(l, 0, sizeof(*l));
	l->limits = flow_limits_default;
	l->now_ns = 1000000000;
	l->table = flow_table_new(&l->limits, &hooks, &l->counts);
}

static void lab_end(struct lab *l)
{
	flow_table_free(l->table);
}

static void push(struct lab *l, const struct recipe *r)
{
	struct packet p = { .time_ns = 0 };
	struct made m;

	made_ip(&m, r);
	p.time_ns = l->now_ns += 1000000;
	assert_int_equal(packet_parse_ip(m.bytes, m.len, m.len, &p), PACKET_TCP);
	p.time_ns = l->now_ns;
	assert_int_equal(flow_push(l->table, &p, &l->taken), 0);
	l->flow = l->taken.fate == FLOW_TAKEN ? l->taken.flow : NULL;
	if (!l->flow)
		return;
	drain(l, l->flow);
	flow_settle(l->table, l->flow);
}

static struct recipe from_client(unsigned flags, uint32_t seq, uint32_t ack, const char *data)
{
	return (struct recipe){ .src = CLIENT,
		.dst = SERVER,
		.sport = 40000,
		.dport = 5222,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.data = data,
		.len = strlen(data) };
}

static struct recipe from_server(unsigned flags, uint32_t seq, uint32_t ack, const char *data)
{
	return (struct recipe){ .src = SERVER,
		.dst = CLIENT,
		.sport = 5222,
		.dport = 40000,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.data = data,
		.len = strlen(data) };
}

#define PUSH(l, r)                                                                                 \
	do {                                                                                       \
		struct recipe r_ = (r);                                                            \
		push((l), &r_);                                                                    \
	} while (0)

static void handshake(struct lab *l)
{
	PUSH(l, from_client(TCP_SYN, C0 - 1, 0, ""));
	PUSH(l, from_server(TCP_SYN | TCP_ACK, S0 - 1, C0, ""));
	PUSH(l, from_client(TCP_ACK, C0, S0, ""));
}

static void test_talk(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	handshake(&l);
	PUSH(&l, from_client(TCP_ACK, C0, S0, "hello"));
	PUSH(&l, from_server(TCP_ACK, S0, C0 + 5, "world"));
	PUSH(&l, from_client(TCP_ACK | TCP_FIN, C0 + 5, S0 + 5, "!"));
	assert_int_equal(l.ends, 1);
	PUSH(&l, from_server(TCP_ACK | TCP_FIN, S0 + 5, C0 + 7, "?"));
	assert_string_equal(l.said[FLOW_CLIENT], "hello!");
	assert_string_equal(l.said[FLOW_SERVER], "world?");
	assert_int_equal(l.ends, 2);
	assert_int_equal(l.forgotten, 1);
	/* Stragglers are known as such. */
	PUSH(&l, from_client(TCP_ACK, C0, S0, "hello"));
	assert_int_equal(l.counts.n[COUNT_FLOW], 1);
	assert_string_equal(l.said[FLOW_CLIENT], "hello!");
	/* The same ports again. */
	PUSH(&l, from_client(TCP_SYN, 77777, 0, ""));
	PUSH(&l, from_client(TCP_ACK, 77778, 1, "anew"));
	assert_string_equal(l.said[FLOW_CLIENT], "hello!anew");
	assert_int_equal(l.counts.n[COUNT_FLOW], 2);
	lab_end(&l);
}

/* Fast open: data with the SYN; and data with the handshake's last ACK. */
static void test_early_data(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	PUSH(&l, from_client(TCP_SYN, C0 - 1, 0, "abc"));
	PUSH(&l, from_server(TCP_SYN | TCP_ACK, S0 - 1, C0 + 3, ""));
	PUSH(&l, from_client(TCP_ACK, C0 + 3, S0, "def"));
	assert_string_equal(l.said[FLOW_CLIENT], "abcdef");
	lab_end(&l);
}

/* None of these is ever delivered; each could hide what is. */
static void test_decoys(void **state)
{
	static const unsigned char old[] = { 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0 },
				   now[] = { 1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 0, 0 },
				   sign[20] = { 1, 1, 19, 18 };
	struct recipe r;
	struct lab l;

	(void)state;
	lab_begin(&l);
	r = from_client(TCP_SYN, C0 - 1, 0, "");
	r.options = now;
	r.options_len = sizeof(now);
	push(&l, &r);
	r = from_server(TCP_SYN | TCP_ACK, S0 - 1, C0, "");
	r.options = now;
	r.options_len = sizeof(now);
	push(&l, &r);
	r = from_client(TCP_ACK, C0, S0, "decoy");
	r.spoil = 77;
	push(&l, &r);
	assert_int_equal(l.counts.n[COUNT_PACKET_CHECKSUM], 1);
	PUSH(&l, from_client(0, C0, S0, "decoy"));
	assert_int_equal(l.counts.n[COUNT_TCP_NO_ACK], 1);
	r = from_client(TCP_ACK, C0, S0, "decoy");
	r.options = old;
	r.options_len = sizeof(old);
	push(&l, &r);
	assert_int_equal(l.counts.n[COUNT_TCP_STAMP], 1);
	r.options = sign;
	r.options_len = sizeof(sign);
	push(&l, &r);
	assert_int_equal(l.counts.n[COUNT_TCP_SIGNED], 1);
	PUSH(&l, from_client(TCP_RST, C0 + 100, 0, ""));
	PUSH(&l, from_client(TCP_RST, C0 - 100, 0, ""));
	assert_int_equal(l.counts.n[COUNT_TCP_RST_IGNORED], 2);
	PUSH(&l, from_client(TCP_SYN, C0 + 500, 0, "decoy"));
	assert_int_equal(l.counts.n[COUNT_TCP_SYN_IGNORED], 1);
	PUSH(&l, from_client(TCP_ACK | TCP_FIN, C0 - 50, S0, ""));
	PUSH(&l, from_client(TCP_ACK, C0 + 0x2000000, S0, "decoy"));
	assert_int_equal(l.counts.n[COUNT_TCP_OUTSIDE], 1);
	PUSH(&l, from_client(TCP_ACK, C0, S0, "truth"));
	PUSH(&l, from_client(TCP_ACK, C0, S0, "decoy"));
	assert_int_equal(l.counts.n[COUNT_TCP_CONFLICT], 5);
	/* A keepalive's byte is garbage by custom. */
	PUSH(&l, from_client(TCP_ACK, C0 + 4, S0, "\1"));
	assert_int_equal(l.counts.n[COUNT_TCP_KEEPALIVE], 1);
	assert_string_equal(l.said[FLOW_CLIENT], "truth");
	assert_int_equal(l.ends, 0);
	lab_end(&l);
}

static void test_reset(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	handshake(&l);
	PUSH(&l, from_client(TCP_ACK, C0, S0, "abc"));
	PUSH(&l, from_client(TCP_RST, C0 + 3, 0, ""));
	assert_int_equal(l.ends, 2);
	assert_int_equal(l.forgotten, 1);
	PUSH(&l, from_client(TCP_ACK, C0 + 3, S0, "dead"));
	assert_string_equal(l.said[FLOW_CLIENT], "abc");
	lab_end(&l);
}

/* A new SYN counts once the server answers it. */
static void test_reborn(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	handshake(&l);
	PUSH(&l, from_client(TCP_ACK, C0, S0, "old"));
	PUSH(&l, from_client(TCP_SYN, 900000, 0, ""));
	PUSH(&l, from_client(TCP_ACK, C0 + 3, S0, "er"));
	assert_string_equal(l.said[FLOW_CLIENT], "older");
	PUSH(&l, from_client(TCP_SYN, 900000, 0, ""));
	PUSH(&l, from_server(TCP_SYN | TCP_ACK, 800000, 900001, ""));
	assert_int_equal(l.counts.n[COUNT_FLOW], 2);
	PUSH(&l, from_client(TCP_ACK, 900001, 800001, "new"));
	assert_string_equal(l.said[FLOW_CLIENT], "oldernew");
	lab_end(&l);
}

/* From the middle, the port tells who is who. */
static void test_midstream(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	PUSH(&l, from_server(TCP_ACK, S0, C0, ""));
	assert_null(l.flow);
	PUSH(&l, from_server(TCP_ACK, S0, C0, "abc"));
	assert_true(l.flow->midstream);
	PUSH(&l, from_client(TCP_ACK, C0, S0 + 3, "def"));
	assert_string_equal(l.said[FLOW_SERVER], "abc");
	assert_string_equal(l.said[FLOW_CLIENT], "def");
	assert_int_equal(l.counts.n[COUNT_FLOW_MIDSTREAM], 1);
	lab_end(&l);
}

/* The receiver acknowledged what the capture has not: it will never come. */
static void test_gap(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	handshake(&l);
	PUSH(&l, from_client(TCP_ACK, C0, S0, "abc"));
	PUSH(&l, from_client(TCP_ACK, C0 + 10, S0, "xyz"));
	for (unsigned i = 0; i < 50; i++)
		PUSH(&l, from_server(TCP_ACK, S0 + i, C0 + 3, "."));
	assert_int_equal(l.gaps, 0);
	/* Not at once: captures are out of order by themselves. */
	PUSH(&l, from_server(TCP_ACK, S0 + 50, C0 + 13, "."));
	assert_int_equal(l.gaps, 0);
	PUSH(&l, from_client(TCP_ACK, C0 + 3, S0, "defghij"));
	assert_string_equal(l.said[FLOW_CLIENT], "abcdefghijxyz");
	PUSH(&l, from_client(TCP_ACK, C0 + 20, S0, "end"));
	for (unsigned i = 0; i < l.limits.gap_packets; i++)
		PUSH(&l, from_server(TCP_ACK, S0 + 51 + i, C0 + 23, "."));
	assert_int_equal(l.gaps, 1);
	assert_int_equal(l.lost, 7);
	assert_string_equal(l.said[FLOW_CLIENT], "abcdefghijxyzend");
	/* What still waits at the end of the capture comes out behind a gap. */
	PUSH(&l, from_client(TCP_ACK, C0 + 30, S0, "late"));
	flow_table_clear(l.table);
	assert_int_equal(l.gaps, 2);
	assert_string_equal(l.said[FLOW_CLIENT], "abcdefghijxyzendlate");
	lab_end(&l);
}

/* With one direction only, time must tell. */
static void test_one_sided(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	PUSH(&l, from_client(TCP_SYN, C0 - 1, 0, ""));
	PUSH(&l, from_client(TCP_ACK, C0, S0, "abc"));
	PUSH(&l, from_client(TCP_ACK, C0 + 5, S0, "fgh"));
	l.now_ns += l.limits.deaf_ns;
	PUSH(&l, from_client(TCP_ACK, C0 + 8, S0, "i"));
	assert_int_equal(l.gaps, 1);
	assert_string_equal(l.said[FLOW_CLIENT], "abcfghi");
	lab_end(&l);
}

static void test_table(void **state)
{
	struct recipe r = from_client(TCP_ACK, C0, S0, "x");
	struct lab l;

	(void)state;
	lab_begin(&l);
	l.limits.flows = 10;
	for (unsigned i = 0; i < 25; i++) {
		r.sport = (uint16_t)(1000 + i);
		push(&l, &r);
	}
	assert_int_equal(flow_table_count(l.table), 10);
	assert_int_equal(l.counts.n[COUNT_FLOW_EVICTED], 15);
	assert_int_equal(l.forgotten, 15);
	l.now_ns += l.limits.idle_ns;
	r.sport = 1024;
	r.seq++;
	push(&l, &r);
	assert_int_equal(l.idle, 10);
	/* The one just heard is not the one to go. */
	r.sport = 2000;
	push(&l, &r);
	r.sport = 1024;
	push(&l, &r);
	assert_int_equal(l.counts.n[COUNT_FLOW], 26);
	lab_end(&l);
	assert_int_equal(l.forgotten, 26);
}

/* More behind a hole than the bound: the hole is given up, and memory with it. */
static void test_full(void **state)
{
	struct recipe r;
	struct lab l;

	(void)state;
	lab_begin(&l);
	l.limits.reassembly.held_segments = 8;
	handshake(&l);
	for (uint32_t i = 0; i < 9; i++) {
		r = from_client(TCP_ACK, C0 + 10 + i * 4, S0, "ab");
		push(&l, &r);
	}
	assert_int_equal(l.counts.n[COUNT_TCP_LIMIT], 1);
	assert_true(l.gaps >= 1);
	lab_end(&l);
}

static struct recipe other_port(struct recipe r, uint16_t port)
{
	if (r.src == CLIENT)
		r.sport = port;
	else
		r.dport = port;
	return r;
}

/* Live, who stands stays: a half-open one gives way, one that has ended, too, else nobody comes up.
 */
static void test_full_live(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	l.limits = flow_limits_live;
	l.limits.flows = 2;
	handshake(&l);
	PUSH(&l, other_port(from_client(TCP_SYN, C0 - 1, 0, ""), 40001));
	PUSH(&l, other_port(from_client(TCP_SYN, C0 - 1, 0, ""), 40002));
	assert_int_equal(l.taken.fate, FLOW_TAKEN);
	assert_int_equal(l.counts.n[COUNT_FLOW_EVICTED], 1);
	PUSH(&l, other_port(from_server(TCP_SYN | TCP_ACK, S0 - 1, C0, ""), 40002));
	PUSH(&l, other_port(from_client(TCP_ACK, C0, S0, ""), 40002));
	PUSH(&l, other_port(from_client(TCP_SYN, C0 - 1, 0, ""), 40003));
	assert_int_equal(l.taken.fate, FLOW_NO_ROOM);
	assert_int_equal(l.counts.n[COUNT_FLOW_FULL], 1);
	/* The first is still there, and may end. */
	PUSH(&l, from_client(TCP_ACK | TCP_RST, C0, S0, ""));
	PUSH(&l, other_port(from_client(TCP_SYN, C0 - 1, 0, ""), 40003));
	assert_int_equal(l.taken.fate, FLOW_TAKEN);
	assert_int_equal(flow_table_count(l.table), 2);
	lab_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_talk),
		cmocka_unit_test(test_early_data),
		cmocka_unit_test(test_decoys),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reborn),
		cmocka_unit_test(test_midstream),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_one_sided),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
