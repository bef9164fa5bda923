/* link: nfq */
/* SPDX-License-Identifier: BSD-2-Clause */
/* nfq-filter/gate and serverless messaging: announcements that pass or do not, streams on ports
 * that were announced, and connections of others that an announcement must not harm. */
#include "tests/unit/judge_rig.h"

#include "nfq-filter/gate.h"
#include "tests/unit/dns_made.h"
#include "tests/unit/packets.h"

enum { DESK = 1, LAPTOP = 2, PORT = 40123 };

#define ANN "ann@desk._presence._tcp.local"
#define HEADER                                                                                     \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM       \
	"' from='bob@laptop' to='ann@desk'>"

static struct rig rig;

struct lab {
	struct gate *gate;
	struct mdns *mdns;
	struct counts counts;
	struct gate_order last;
	unsigned char sent[PACKET_ROOM]; /* what went on in the last packet's place */
	uint32_t id;
	uint64_t now_ns;
	enum gate_act act;
	char why[64], noted[64];
};

static void on_order(void *arg, const struct gate_order *o)
{
	struct lab *l = arg;

	l->last = *o;
	if (o->bytes)
		memcpy(l->sent, o->bytes, o->len);
}

static void on_judged(
	void *arg, struct inspection *i, const struct inspect_verdict *v, enum gate_act act)
{
	(void)v;
	assert_string_equal(i->service, "serverless");
	((struct lab *)arg)->act = act;
}

static void on_killed(void *arg, const struct flow *f, struct inspection *i, enum flow_side side,
	enum stream_error error, const char *why)
{
	(void)f;
	(void)i;
	(void)side;
	(void)error;
	snprintf(((struct lab *)arg)->why, sizeof(((struct lab *)arg)->why), "%s", why);
}

static void on_noted(void *arg, struct inspection *i, enum flow_side side, const char *what)
{
	(void)i;
	(void)side;
	snprintf(((struct lab *)arg)->noted, sizeof(((struct lab *)arg)->noted), "%s", what);
}

static void on_ended(void *arg, struct inspection *i)
{
	(void)arg;
	(void)i;
}

static void lab_begin(struct lab *l)
{
	memset(l, 0, sizeof(*l));
	rig_init(&rig, "service serverless { listen tcp 5298; mode inspect; }\n"
		       "chain lan { hook serverless; policy accept;\n"
		       " rule words { text contains \"casino\" drop } }\n");
	l->mdns = mdns_new();
	l->now_ns = 1000000000;
	l->gate = gate_new(&(struct gate_spec){ .policy = rig.policy,
		.judge = rig.judge,
		.counts = &l->counts,
		.mdns = l->mdns,
		.hooks = { l, on_order, on_judged, on_killed, on_noted, on_ended, NULL } });
	assert_non_null(l->gate);
}

static void lab_end(struct lab *l)
{
	gate_free(l->gate);
	mdns_free(l->mdns);
	rig_fini(&rig);
}

static enum gate_fate push(struct lab *l, const struct made *m)
{
	l->last.id = 0;
	l->now_ns += 1000000;
	assert_int_equal(gate_push(l->gate, &(struct gate_packet){ .id = ++l->id,
						    .bytes = m->bytes,
						    .len = m->len,
						    .now_ns = l->now_ns }),
		0);
	assert_int_equal(l->last.id, l->id);
	return l->last.fate;
}

static enum gate_fate datagram(struct lab *l, const struct dns_made *d, uint16_t spoil)
{
	struct made m;

	made_udp(&m, &(struct recipe){ .src = DESK,
			     .dst = 251,
			     .sport = 5353,
			     .dport = 5353,
			     .data = d->bytes,
			     .len = d->len,
			     .spoil = spoil });
	return push(l, &m);
}

static enum gate_fate announce(struct lab *l, const char *text)
{
	struct dns_made d;

	dns_make(&d, 0x8400);
	dns_srv(&d, ANN, DNS_IN_FLUSH, 120, PORT, "desk.local");
	dns_a(&d, "desk.local", DNS_IN_FLUSH, 120, 0xc0000200 + DESK);
	dns_txt(&d, ANN, 4500, text);
	return datagram(l, &d, 0);
}

static enum gate_fate segment(struct lab *l, unsigned src, unsigned dst, uint16_t sport,
	uint16_t dport, uint32_t seq, unsigned flags, const char *text)
{
	struct made m;

	made_ip(&m, &(struct recipe){ .src = src,
			    .dst = dst,
			    .sport = sport,
			    .dport = dport,
			    .seq = seq,
			    .ack = flags == (TCP_SYN | TCP_ACK) ? 101 : 1,
			    .flags = flags,
			    .data = text,
			    .len = strlen(text) });
	return push(l, &m);
}

static void test_datagrams(void **state)
{
	struct lab l;
	struct dns_made d;

	(void)state;
	lab_begin(&l);
	assert_int_equal(announce(&l, "msg=hello\n"), GATE_ACCEPT);
	assert_int_equal(l.act, GATE_FORWARDED);
	assert_int_equal(announce(&l, "msg=casino\n"), GATE_DROP);
	assert_int_equal(l.act, GATE_BLANKED);
	assert_int_equal(l.counts.n[COUNT_MDNS_FORBIDDEN], 1);
	/* A question. */
	dns_make(&d, 0);
	assert_int_equal(datagram(&l, &d, 0), GATE_ACCEPT);
	/* Loops, and a checksum that no receiver takes. */
	dns_make(&d, 0x8400);
	dns_a(&d, "*12", DNS_IN, 120, 1);
	assert_int_equal(datagram(&l, &d, 0), GATE_DROP);
	assert_int_equal(l.counts.n[COUNT_MDNS_BAD], 1);
	dns_make(&d, 0x8400);
	assert_int_equal(datagram(&l, &d, 0x1234), GATE_DROP);
	lab_end(&l);
}

/* From its beginning, on a port that nobody but the announcement names. */
static void test_announced(void **state)
{
	static const char bad[] = "<message><body>casino</body></message>";
	struct lab l;
	struct packet p = { 0 };

	(void)state;
	lab_begin(&l);
	announce(&l, "txtvers=1\n");
	segment(&l, LAPTOP, DESK, 50000, PORT, 100, TCP_SYN, "");
	segment(&l, DESK, LAPTOP, PORT, 50000, 0, TCP_SYN | TCP_ACK, "");
	assert_int_equal(segment(&l, LAPTOP, DESK, 50000, PORT, 101, TCP_ACK, HEADER), GATE_ACCEPT);
	assert_int_equal(segment(&l, LAPTOP, DESK, 50000, PORT, 101 + (uint32_t)strlen(HEADER),
				 TCP_ACK, bad),
		GATE_ACCEPT);
	assert_int_equal(l.act, GATE_BLANKED);
	assert_non_null(l.last.bytes);
	assert_int_equal(packet_parse_ip(l.sent, l.last.len, l.last.len, &p), PACKET_TCP);
	assert_int_equal(strspn((const char *)p.payload, " "), strlen(bad));
	lab_end(&l);
}

/* Found by its first bytes, without an announcement: the beginning itself was not seen. */
static void test_first_bytes(void **state)
{
	struct lab l;

	(void)state;
	lab_begin(&l);
	assert_int_equal(
		segment(&l, LAPTOP, DESK, 50000, 44444, 101, TCP_ACK, HEADER), GATE_ACCEPT);
	segment(&l, LAPTOP, DESK, 50000, 44444, 101 + (uint32_t)strlen(HEADER), TCP_ACK,
		"<message><body>casino</body></message>");
	assert_int_equal(l.act, GATE_BLANKED);
	assert_string_equal(l.why, "");
	/* A beginning that is none: something stands before it. */
	assert_int_equal(
		segment(&l, LAPTOP, DESK, 50002, 44444, 201, TCP_ACK, HEADER), GATE_ACCEPT);
	assert_int_equal(segment(&l, LAPTOP, DESK, 50002, 44444, 101, TCP_ACK,
				 HEADER "<message><body>casino</body></message>"),
		GATE_KILL);
	assert_string_equal(l.why, "flow.midstream");
	l.why[0] = '\0';
	/* What is none: nobody's business of ours, unless it comes from its middle. */
	assert_int_equal(segment(&l, LAPTOP, DESK, 50001, 44444, 101, TCP_ACK, "junk"), GATE_KILL);
	assert_string_equal(l.why, "flow.midstream");
	lab_end(&l);
}

/* Nobody says who he is, in a namespace of others: on a port that is nobody's it is serverless
 * still. */
static void test_nameless(void **state)
{
	static const char header[] =
		"<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "'>";
	struct lab l;

	(void)state;
	lab_begin(&l);
	segment(&l, LAPTOP, DESK, 50000, 44444, 100, TCP_SYN, "");
	segment(&l, DESK, LAPTOP, 44444, 50000, 0, TCP_SYN | TCP_ACK, "");
	assert_int_equal(
		segment(&l, LAPTOP, DESK, 50000, 44444, 101, TCP_ACK, header), GATE_ACCEPT);
	l.act = GATE_FORWARDED;
	segment(&l, LAPTOP, DESK, 50000, 44444, 101 + (uint32_t)strlen(header), TCP_ACK,
		"<message><body>casino</body></message>");
	assert_int_equal(l.act, GATE_BLANKED);
	lab_end(&l);
}

/* Somebody announces another's web server: what talks to it goes on talking. */
static void test_harmless(void **state)
{
	static const char *const said[] = { "GET / HTTP/1.1\r\nHost: desk\r\n\r\n",
		"\x16\x03\x01\x02\x05\x01\x01\xfc\x03\x03", "SSH-2.0-x\r\n", "\x01\x02\x03" };
	struct lab l;

	(void)state;
	lab_begin(&l);
	announce(&l, "txtvers=1\n");
	for (uint16_t n = 0; n < sizeof(said) / sizeof(said[0]); n++) {
		enum gate_fate fate;

		segment(&l, LAPTOP, DESK, 50000 + n, PORT, 100, TCP_SYN, "");
		segment(&l, DESK, LAPTOP, PORT, 50000 + n, 0, TCP_SYN | TCP_ACK, "");
		fate = segment(&l, LAPTOP, DESK, 50000 + n, PORT, 101, TCP_ACK, said[n]);
		assert_true(fate == GATE_ACCEPT || fate == GATE_PASS);
		/* It stood before, and either side goes on. */
		fate = segment(&l, LAPTOP, DESK, 51000 + n, PORT, 101, TCP_ACK, said[n]);
		assert_true(fate == GATE_ACCEPT || fate == GATE_PASS);
		fate = segment(&l, DESK, LAPTOP, PORT, 52000 + n, 101, TCP_ACK, said[n]);
		assert_true(fate == GATE_ACCEPT || fate == GATE_PASS);
	}
	assert_string_equal(l.why, "");
	lab_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_announced),
		cmocka_unit_test(test_first_bytes),
		cmocka_unit_test(test_nameless),
		cmocka_unit_test(test_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
